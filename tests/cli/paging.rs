//! `report.html`: written beside every comparison, made again by `report`, with the command that measures it again.

use super::common::*;

#[test]
fn the_page_says_how_to_measure_again_and_report_makes_it_again() {
    let place = Place::new();
    let header = ["--header", "X-Team: blue-blue-blue", "--set", "a.ttft_ms=9"];
    place.compare(TWO, &[&QUICK[..], &header].concat()).expect(0);
    let page = place.read_folder("report.html");
    let command = "harness compare --backend a=fake.yaml,b=fake.yaml";
    for (file, shown) in [("report.html", page.clone()), ("report.md", place.read_folder("report.md"))] {
        assert!(shown.contains(command) && shown.contains("--set a.ttft_ms=9"), "{file}");
        assert!(shown.contains("X-Team: ***") && !shown.contains("blue-blue-blue"), "{file}");
    }
    assert!(page.contains("<section id=\"ranking\"") && page.contains("default-src 'none'"));
    std::fs::remove_file(place.folder("report.html")).unwrap();
    let folder = place.folder("");
    place.run(&["report", folder.to_str().unwrap()]).expect(0);
    assert_eq!(place.read_folder("report.html"), page);
}

#[test]
fn a_plan_file_and_the_environment_stand_in_the_command_as_flags() {
    let place = Place::new();
    place.write("mine.yaml", "requests: 6\nmax_tokens: 8\nconcurrency: 2\nwarmup: 0\n");
    place.compare("a=fake.yaml,b=fake.yaml", &["--plan", "mine.yaml"]).expect(0);
    let plan = json(&place.folder("plan.json"));
    let words: Vec<&str> =
        plan["command"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    let command = words.join(" ");
    for flag in ["--requests 6", "--max-tokens 8", "--concurrency 2", "--warmup 0"] {
        assert!(command.contains(flag), "{flag}: {command}");
    }
    assert!(!command.contains("--plan"), "{command}");
}
