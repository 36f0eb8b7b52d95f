//! `compare` from the command line to its files.

use std::collections::BTreeSet;

use super::common::*;

#[test]
fn two_engines_are_measured_one_after_the_other_and_everything_is_written() {
    let place = Place::new();
    let ran = place.compare(TWO, &[&QUICK[..], &["--set", "a.ttft_ms=40"]].concat()).expect(0);
    for label in ["a", "b"] {
        assert!(ran.stdout.contains(&format!("=== RESULTS FOR {label} ===")), "{}", ran.stdout);
        let stem = place.result(&format!("{label}_2"), ".json").display().to_string().replace(".json", "");
        for end in ["_requests.csv", "_records.jsonl.zst"] {
            assert!(std::fs::metadata(format!("{stem}{end}")).unwrap().len() > 0);
        }
        let run = place.run_json(label);
        let summary = &run["summary"];
        assert_eq!(summary["requests"]["issued"], 12);
        assert_eq!(summary["requests"]["completed"], 12);
        assert_eq!(summary["warmup"]["completed"], 2);
        assert_eq!(summary["tokens"]["output"], 12 * 8);
        // The probes are requests too: that of readiness, and the six of the probe set.
        assert_eq!(place.log(label).matches("POST /v1/chat/completions").count(), 12 + 2 + 1 + 6);
        let server = &summary["server"];
        assert_eq!(server["generated_tokens"], server["client_generated_tokens"]);
        assert_eq!(server["prompt_tokens"], server["client_prompt_tokens"]);
        assert_eq!(server["generated_tokens"], (14 * 8) as f64, "none of the probes'");
        assert!(!summary["caveats"].to_string().contains("server_counts_differ"), "{}", summary["caveats"]);
        let rows = rows(std::path::Path::new(&format!("{stem}_requests.csv")));
        assert_eq!(rows.iter().filter(|row| row["phase"] == "measured").count(), 12);
        place.assert_gone(label);
    }
    let ttft = |label: &str| place.run_json(label)["summary"]["metrics"]["ttft_ms"]["min"].as_f64().unwrap();
    assert!(ttft("a") >= 40.0 && ttft("b") >= 5.0, "{} {}", ttft("a"), ttft("b"));
    // A client that was limited names it too, within a line.
    let table = ran.stdout.lines().filter(|line| line.starts_with("TTFT p50")).count();
    assert_eq!(table, 1, "{}", ran.stdout);

    for name in [
        "plan.json",
        "environment.json",
        "a.log",
        "b.log",
        "summary.csv",
        "comparison.json",
        "report.md",
        "report.html",
    ] {
        assert!(std::fs::metadata(place.folder(name)).unwrap().len() > 0, "{name}");
    }
    let plots = std::fs::read_dir(place.folder("plots")).unwrap().map(|entry| entry.unwrap().file_name());
    let plots: BTreeSet<String> = plots.map(|name| name.into_string().unwrap()).collect();
    let report = std::fs::read_to_string(place.folder("report.md")).unwrap();
    let linked = report.split("](plots/").skip(1).map(|rest| rest.split(')').next().unwrap());
    let linked: BTreeSet<String> =
        linked.flat_map(|png| [png.to_owned(), png.replace(".png", ".svg")]).collect();
    assert_eq!(plots, linked, "no picture without a place in the report, no dead link");
    for name in ["comparison", "pareto", "ttft_distribution", "throughput_over_time", "in_flight_over_time"] {
        assert!(plots.contains(&format!("{name}.png")), "{name}: {plots:?}");
    }
    let rows = place.summary_rows();
    let said: Vec<_> = rows.iter().map(|row| (row["backend"].as_str(), row["exit"].as_str())).collect();
    assert_eq!(said, [("a", "ok"), ("b", "ok")]);
    assert_eq!(rows[0]["requests_completed"], "12");
    assert_eq!(rows[0]["engine_version"], "0.1.0");
    assert_eq!(rows[0]["precision"], "BF16");
}

#[test]
fn two_settings_of_one_engine_are_two_backends_and_what_is_not_level_is_said() {
    let place = Place::new();
    let set = ["--set", "tuned.max_seqs=2", "--set", "tuned.max_len=2048", "--set", "tuned.ttft_ms=30"];
    let ran = place.compare("base=fake.yaml,tuned=fake.yaml", &[&QUICK[..], &set].concat()).expect(0);
    let comparison = json(&place.folder("comparison.json"));
    let caveats = comparison["comparison"]["caveats"].as_array().unwrap();
    let not_level: Vec<_> = caveats.iter().filter(|caveat| caveat["code"] == "not_level").collect();
    assert_eq!(not_level.len(), 2, "{caveats:?}");
    assert!(not_level.iter().all(|caveat| caveat["label"] == "tuned"));
    let said = not_level.iter().map(|caveat| caveat["what"].to_string()).collect::<String>();
    for part in ["max_seqs=2", "max_batch 32", "max_len=2048", "context_length 4096"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(ran.stdout.contains("max_seqs=2") && ran.stdout.contains("max_len=2048"), "{}", ran.stdout);
    assert!(place.log("base").contains("POST") && place.log("tuned").contains("POST"));
    let launched = |label: &str| place.run_json(label)["launched"].to_string();
    assert!(launched("base").contains("\"--max-batch\",\"32\""), "{}", launched("base"));
    assert!(launched("tuned").contains("\"--max-batch\",\"2\""), "{}", launched("tuned"));
}

#[test]
fn max_batch_is_raised_to_the_concurrency() {
    let place = Place::new();
    let traffic = ["--requests", "4", "--concurrency", "40", "--warmup", "0", "--max-tokens", "2"];
    place.compare("a=fake.yaml", &traffic).expect(0);
    assert!(place.run_json("a")["launched"].to_string().contains("\"--max-batch\",\"40\""));
}

#[test]
fn all_takes_what_is_here_and_skips_the_rest_with_its_hint() {
    let place = Place::new();
    std::fs::create_dir(place.path("mine")).unwrap();
    std::fs::copy(place.path("fake.yaml"), place.path("mine/fake.yaml")).unwrap();
    let args = [&QUICK[..], &["--backends-dir", "mine"]].concat();
    place.compare("all", &args).expect(0).says(&[
        "skipping vllm: not installed (harness install vllm)",
        "skipping tgi: not installed",
        "skipping llamacpp: not installed (harness install llamacpp)",
    ]);
    assert_eq!(place.run_json("fake")["summary"]["requests"]["completed"], 12);
    let plan = json(&place.folder("plan.json"));
    assert_eq!(plan["skipped"].as_array().unwrap().len(), 4, "{}", plan["skipped"]);
    let table = place.read_folder("report.md");
    assert!(table.contains("harness install vllm"), "{table}");
}

#[test]
fn run_measures_one_backend_and_leaves_its_log_beside_its_files() {
    let place = Place::new();
    let args = ["run", "--backend", "fake.yaml", "--model", "model", "--endpoint", "completions"];
    let ran = place.run(&[&args[..], &QUICK].concat()).expect(0);
    let file = place.result("fake_2", ".json").file_name().unwrap().to_str().unwrap().to_owned();
    let last = ran.stderr.lines().last().unwrap();
    assert_eq!(last, format!("files: results/{file}"), "{}", ran.stderr);
    assert!(ran.stdout.contains("=== RESULTS FOR fake ==="), "{}", ran.stdout);
    let run = place.run_json("fake");
    assert_eq!(run["summary"]["requests"]["completed"], 12);
    assert_eq!(
        run["summary"]["server"]["generated_tokens"],
        run["summary"]["server"]["client_generated_tokens"]
    );
    let log = std::fs::read_to_string(place.result("run_2", ".log")).unwrap();
    assert_eq!(log.matches("POST /v1/completions").count(), 12 + 2 + 1 + 6);
    assert_eq!(place.summary_rows()[0]["endpoint"], "completions");
    place.assert_nothing_lives();
}

#[test]
fn a_second_run_adds_its_row_and_takes_names_of_its_own() {
    let place = Place::new();
    for _ in 0..2 {
        place.compare("a=fake.yaml", &QUICK).expect(0);
    }
    assert_eq!(place.runs().len(), 2);
    assert_eq!(place.results("compare_2", "").len(), 2);
    let rows = place.summary_rows();
    assert_eq!(rows.len(), 2);
    assert_ne!(rows[0]["run_id"], rows[1]["run_id"]);
}

#[test]
fn a_forced_length_reaches_every_engine_that_can() {
    let place = Place::new();
    let simulated = |label: &str| format!("{label}=--ttft 5ms --itl 1ms --output-tokens 3");
    let both =
        [&QUICK[..], &["--simulate", "--extra-args", &simulated("a"), "--extra-args", &simulated("b")]];
    place.compare("a=vllm,b=llamacpp", &[&both.concat()[..], &["--ignore-eos"]].concat()).expect(0);
    for label in ["a-simulated", "b-simulated"] {
        assert_eq!(place.run_json(label)["summary"]["tokens"]["output"], 12 * 8, "{label}");
    }
    let one = [&QUICK[..], &["--simulate", "--extra-args", &simulated("c")]];
    place.compare("c=llamacpp", &one.concat()).expect(0);
    // The unseen end of a sequence is a token in its usage.
    assert_eq!(place.run_json("c-simulated")["summary"]["tokens"]["output"], 12 * (3 + 1));
}
