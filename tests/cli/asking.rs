//! What is asked for: flags, environment, plan file, help, and exit codes.

use serde_json::Value;

use super::common::*;

const DRY: [&str; 6] = ["compare", "--backend", TWO, "--model", "model", "--dry-run"];

fn dry_run(place: &Place, more: &[&str], variables: &[(&str, &str)]) -> Value {
    let mut command = place.command(&[&DRY[..], more].concat());
    command.envs(variables.iter().copied());
    let ran = Running::of(command).wait().expect(0);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout))
}

#[test]
fn a_dry_run_prints_the_plan_and_does_nothing() {
    let place = Place::new();
    let plan = dry_run(&place, &["--concurrency", "3", "--set", "a.max_len=77"], &[]);
    assert_eq!(plan["loads"][0]["traffic"]["slots"], 3);
    assert_eq!(plan["targets"][0]["label"], "a");
    assert!(plan["targets"][0]["origin"].to_string().contains("\"--context-length\",\"77\""), "{plan}");
    assert!(!place.path("results").exists());
    place.assert_nothing_lives();
}

#[test]
fn a_flag_comes_before_the_environment_before_the_plan_file_before_the_default() {
    let place = Place::new();
    place.write("plan.yaml", "concurrency: 5\nrequests: 6\nmax_tokens: 7\nset:\n  a: {max_len: 99}\n");
    let file = ["--plan", "plan.yaml"];
    let environment = [("HARNESS_REQUESTS", "16"), ("HARNESS_MAX_TOKENS", "17")];
    let plan = dry_run(&place, &[&file[..], &["--max-tokens", "27"]].concat(), &environment);
    assert_eq!(plan["loads"][0]["timeout_s"], 600.0, "default");
    assert_eq!(plan["loads"][0]["traffic"]["slots"], 5, "file");
    assert_eq!(plan["loads"][0]["until"]["requests"], 16, "environment");
    assert_eq!(plan["sampling"]["max_tokens"], 27, "flag");
    assert!(plan["targets"][0]["origin"].to_string().contains("\"--context-length\",\"99\""), "{plan}");
}

#[test]
fn a_plan_file_alone_is_enough() {
    let place = Place::new();
    place.write(
        "plan.yaml",
        "backend: [a=fake.yaml, b=fake.yaml]\nmodel: model\nrequests: 4\nconcurrency: 2\nwarmup: 0\nmax-tokens: 3\n\
         output: elsewhere\nquiet: true\n",
    );
    let ran = place.run(&["compare", "--plan", "plan.yaml"]).expect(0);
    assert_eq!(ran.stderr, "", "quiet");
    assert_eq!(rows(&place.path("elsewhere/benchmark_summary.csv")).len(), 2);
    assert!(!place.path("results").exists());
    let mut command = place.command(&["compare"]);
    command.env("HARNESS_PLAN", "plan.yaml").env("HARNESS_OUTPUT", "results");
    Running::of(command).wait().expect(0);
    assert_eq!(place.summary_rows().len(), 2);
}

#[test]
fn an_unknown_key_of_a_plan_file_is_named_with_its_line() {
    let place = Place::new();
    place.write("plan.yaml", "requests: 6\nconcurency: 5\n");
    let ran = place.run(&[&DRY[..], &["--plan", "plan.yaml"]].concat()).expect(2);
    assert!(ran.stderr.starts_with("error: plan.yaml:2: 'concurency'"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("hint: known keys: ") && ran.stderr.contains("concurrency"),
        "{}",
        ran.stderr
    );
}

#[test]
fn every_help_shows_an_example() {
    let place = Place::new();
    let top = place.run(&["--help"]).expect(0);
    assert!(top.stdout.contains("harness compare --backend all"), "{}", top.stdout);
    for name in ["compare", "run", "bench", "report", "install", "doctor"] {
        assert!(top.stdout.contains(&format!("  {name} ")), "{}", top.stdout);
        let ran = place.run(&[name, "--help"]).expect(0);
        assert!(
            ran.stdout.contains("Examples:") && ran.stdout.contains(&format!("  harness {name} ")),
            "{}",
            ran.stdout
        );
    }
    assert!(place.run(&["--version"]).expect(0).stdout.starts_with("harness "));
}

#[test]
fn doctor_shows_what_is_here_and_how_to_get_the_rest() {
    let place = Place::new();
    std::fs::create_dir(place.path("mine")).unwrap();
    std::fs::copy(place.path("fake.yaml"), place.path("mine/fake.yaml")).unwrap();
    let ran = place.run(&["doctor", "--backends-dir", "mine"]).expect(0);
    for text in
        ["cores", "open files", "not installed: harness install vllm", "harness install tryout-model", "GPUs"]
    {
        assert!(ran.stdout.contains(text), "{text}: {}", ran.stdout);
    }
    let fake = ran.stdout.lines().find(|line| line.trim_start().starts_with("fake ")).unwrap();
    assert!(fake.contains("0.1.0") && fake.contains(&place.text("bin/fake-engine")), "{fake}");
}

#[test]
fn quiet_leaves_results_alone_on_stdout() {
    let place = Place::new();
    let run = ["run", "--backend", "a=fake.yaml", "--model", "model", "--quiet"];
    let ran = place.run(&[&run[..], &QUICK].concat()).expect(0);
    assert_eq!(ran.stderr, "");
    assert!(ran.stdout.contains("=== RESULTS FOR a ===") && !ran.stdout.contains('\u{1b}'), "{}", ran.stdout);
}

#[test]
fn verbose_shows_the_launched_command() {
    let place = Place::new();
    let run = ["run", "--backend", "a=fake.yaml", "--model", "model", "-v"];
    let command = format!("a: {} --host 127.0.0.1 --port ", place.text("bin/fake-engine"));
    place.run(&[&run[..], &QUICK].concat()).expect(0).says(&[&command, "a: stopped in"]);
}

#[test]
fn a_dataset_file_is_played_in_order_and_named() {
    let place = Place::new();
    place.write(
        "mine.jsonl",
        "{\"id\": \"x\", \"prompt\": \"one two\", \"max_tokens\": 2}\n{\"id\": \"y\", \"prompt\": \"three\", \"max_tokens\": 5}\n",
    );
    let run =
        ["run", "--backend", "a=fake.yaml", "--model", "model", "--dataset", "mine.jsonl", "--warmup", "0"];
    place.run(&[&run[..], &["--requests", "3", "--concurrency", "1"]].concat()).expect(0);
    let run = place.run_json("a");
    assert_eq!(run["summary"]["tokens"]["output"], 2 + 5 + 2);
    let csv = rows(&place.result("a_2", "_requests.csv"));
    let played: Vec<_> = csv.iter().map(|row| row["prompt_id"].as_str()).collect();
    assert_eq!(played, ["x", "y", "x"]);
    assert_eq!(place.summary_rows()[0]["dataset"], "mine");
}
