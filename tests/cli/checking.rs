//! `check`: a gate that stops a regression, does not stop for noise, and does not pass in silence.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::common::*;
use super::plans::{BRIEF, pretend};

/// Two pretend engines over three rounds; the comparison's directory is moved to `then`.
fn measured() -> Place {
    let place = Place::new();
    let args = pretend("compare", &["a", "b"], &[&BRIEF[..], &["--rounds", "3"]].concat());
    place.run(&args.iter().map(String::as_str).collect::<Vec<_>>()).expect(0);
    fs::rename(place.result("compare_", ""), place.path("then")).unwrap();
    set(&place.path("then/comparison.json"), "a-simulated", &[100.0, 101.0, 99.0]);
    set(&place.path("then/comparison.json"), "b-simulated", &[100.0, 101.0, 99.0]);
    place
}

/// Gives the rounds of a label these output TPS.
fn set(path: &Path, label: &str, values: &[f64]) {
    change(path, |file| {
        let runs = file["comparison"]["runs"].as_array_mut().unwrap();
        for run in runs.iter_mut().filter(|run| run["label"] == label) {
            let round = run["round"].as_u64().unwrap() as usize;
            run["metrics"]["output_tps"] = values[round - 1].into();
        }
    });
}

fn change(path: &Path, change: impl FnOnce(&mut Value)) {
    let mut file = json(path);
    change(&mut file);
    fs::write(path, file.to_string()).unwrap();
}

/// A copy of the earlier comparison as `now`, with this done to it.
fn now(place: &Place, edit: impl FnOnce(&Path)) {
    fs::create_dir_all(place.path("now")).unwrap();
    fs::copy(place.path("then/comparison.json"), place.path("now/comparison.json")).unwrap();
    edit(&place.path("now/comparison.json"));
}

fn check(place: &Place, more: &[&str]) -> Ran {
    let usual = ["check", "now", "--baseline", "then", "--max-regression", "output_tps=5%"];
    place.run(&[&usual[..], more].concat())
}

#[test]
fn a_regression_ends_with_1_and_is_named_in_every_form() {
    let place = measured();
    now(&place, |path| set(path, "b-simulated", &[80.0, 81.0, 79.0]));
    let ran = check(&place, &["--junit", "check.xml", "--github"]).expect(1);
    assert!(ran.stdout.contains("REGRESSION: output TPS (tok/s) of b-simulated"), "{}", ran.stdout);
    assert!(
        ran.stdout.lines().all(|line| line.starts_with("::") || line.chars().count() <= 80),
        "{}",
        ran.stdout
    );
    let annotations: Vec<&str> = ran.stdout.lines().filter(|line| line.starts_with("::")).collect();
    assert_eq!(annotations.len(), 1);
    assert!(
        annotations[0]
            .starts_with("::error title=output TPS (tok/s)::b-simulated, concurrency 2, 4 requests: ")
            && annotations[0].contains("-20 %25 ["),
        "{annotations:?}"
    );
    let xml = place.read("check.xml");
    assert_eq!(xml.matches("<testcase ").count(), 2);
    assert_eq!(xml.matches("<failure ").count(), 1);
    assert!(xml.contains("tests=\"1\" failures=\"1\" errors=\"0\" skipped=\"0\""), "{xml}");
    let ran = check(&place, &["--json"]).expect(1).says(&["REGRESSION"]);
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(told["outcome"], "regressed");
    let verdicts: Vec<&Value> = told["rows"].as_array().unwrap().iter().map(|row| &row["verdict"]).collect();
    assert_eq!(verdicts, ["within_limit", "regression"]);
    check(&place, &["--label", "a-simulated"]).expect(0);
}

#[test]
fn what_may_be_chance_or_has_too_few_rounds_passes_loudly_and_fails_under_strict() {
    let place = measured();
    now(&place, |path| set(path, "b-simulated", &[40.0, 160.0, 60.0]));
    let ran = check(&place, &["--github"]).expect(0);
    assert!(
        ran.stdout.contains("NOT SHOWN: output TPS") && ran.stdout.contains("::warning "),
        "{}",
        ran.stdout
    );
    check(&place, &["--strict"]).expect(1);
    now(&place, |path| {
        change(path, |file| {
            let runs = file["comparison"]["runs"].as_array_mut().unwrap();
            runs.retain(|run| run["round"] == 1);
            runs.iter_mut().for_each(|run| run["metrics"]["output_tps"] = 10.0.into());
        });
    });
    let ran = check(&place, &[]).expect(0);
    assert!(ran.stdout.contains("CANNOT TELL for 2 of 2 figures"), "{}", ran.stdout);
    assert!(!ran.stdout.contains("No regression"), "{}", ran.stdout);
    check(&place, &["--strict"]).expect(1);
}

#[test]
fn a_backend_or_a_value_that_is_missing_now_does_not_pass() {
    let place = measured();
    now(&place, |path| {
        change(path, |file| {
            file["comparison"]["runs"].as_array_mut().unwrap().retain(|run| run["label"] != "b-simulated");
            file["comparison"]["failed"] =
                serde_json::json!([{"label": "b-simulated", "round": 1, "error": "out of memory"}]);
        });
    });
    let ran = check(&place, &["--junit", "x.xml"]).expect(2);
    assert!(ran.stdout.contains("b-simulated: in the baseline alone: out of memory"), "{}", ran.stdout);
    assert_eq!(place.read("x.xml").matches("<error ").count(), 1);
    check(&place, &["--label", "a-simulated"]).expect(0);
    check(&place, &["--label", "b-simulated"]).expect(2).says(&["no label b-simulated in now"]);
    now(&place, |path| {
        change(path, |file| {
            for run in file["comparison"]["runs"].as_array_mut().unwrap() {
                run["metrics"].as_object_mut().unwrap().remove("output_tps");
            }
        });
    });
    let ran = check(&place, &[]).expect(2);
    assert!(
        ran.stdout.contains("output_tps of b-simulated") && ran.stdout.contains("NO VALUE"),
        "{}",
        ran.stdout
    );
}

#[test]
fn another_model_load_or_machine_is_refused_by_name_unless_forced() {
    let place = measured();
    now(&place, |path| {
        change(path, |file| {
            file["environment"]["cpu"] = "Abacus".into();
            file["environment"]["hostname"] = "elsewhere".into();
            file["plan"]["loads"][0]["until"]["requests"] = 5.into();
            for run in file["comparison"]["runs"].as_array_mut().unwrap() {
                run["precision"] = "FP8".into();
            }
        });
    });
    let named =
        ["a-simulated: precision: ", "FP8 now", "Abacus", "4 requests then", "5 requests now", "--force"];
    let ran = check(&place, &[]).expect(2).says(&named);
    assert!(!ran.stderr.contains("elsewhere"), "a host's name may differ: {}", ran.stderr);
    let ran = check(&place, &["--force"]).expect(0);
    assert!(
        ran.stdout.contains("Not the same measurement") && ran.stdout.contains("elsewhere"),
        "{}",
        ran.stdout
    );
}

#[test]
fn single_runs_and_directories_of_runs_are_checked_too() {
    let place = measured();
    // Six runs in results/, three of each label, and each of them by its JSON.
    let ran = place.run(&["check", "results", "--baseline", "then", "--max-regression", "ttft_p50=400%"]);
    assert!(ran.expect(0).stdout.contains("3 then, 3 now"));
    let run = place.results("a-simulated_", ".json").remove(0);
    let run = run.to_str().unwrap();
    let ran = place.run(&["check", run, "--baseline", run]).expect(0);
    assert!(ran.stdout.contains("CANNOT TELL for 2 of 2"), "{}", ran.stdout);
    // One label against another of the same engine.
    place.run(&["check", run, "--baseline", "then", "--label", "a-simulated=b-simulated"]).expect(0);
    for (args, said) in [
        (&["check", "nowhere", "--baseline", "then"][..], "cannot read nowhere"),
        (&["check", "then", "--baseline", "home"], "no run in home"),
        (
            &["check", "then", "--baseline", "then", "--max-regression", "speed=5%"],
            "no figure is called 'speed'",
        ),
        (&["check", "then", "--baseline", "then", "--max-regression", "output_tps"], "is no limit"),
        (&["check", "then", "--baseline", "then", "--label", "vllm"], "no label vllm"),
        (&["check", "then", "--baseline", "then", "--junit", "no/such/x.xml"], "cannot write no/such/x.xml"),
    ] {
        place.run(args).expect(2).says(&[said, "hint: "]);
    }
}

#[test]
fn names_from_outside_act_in_no_output() {
    let place = measured();
    let evil = "a<b>\"&'%0A::error::x\u{1b}[2J\n";
    for path in [place.path("then/comparison.json")] {
        change(&path, |file| {
            for run in file["comparison"]["runs"].as_array_mut().unwrap() {
                if run["label"] == "a-simulated" {
                    run["label"] = evil.into();
                }
            }
        });
    }
    now(&place, |path| set(path, evil, &[50.0, 51.0, 49.0]));
    let ran = check(&place, &["--github", "--junit", "x.xml"]).expect(1);
    assert!(!ran.stdout.contains('\u{1b}'), "{:?}", ran.stdout);
    let commands: Vec<&str> = ran.stdout.lines().filter(|line| line.starts_with("::")).collect();
    assert!(commands.len() == 1 && commands[0].contains("%250A::error::x"), "{commands:?}");
    let xml = place.read("x.xml");
    assert!(xml.contains("a&lt;b&gt;&quot;&amp;&apos;%0A") && !xml.contains('\u{1b}'), "{xml}");
}
