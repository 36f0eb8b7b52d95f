//! Plans of many runs: rounds, repeats and loads, each run under a key of its own. The pretend engine stands in.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use super::common::*;

/// A run of a moment.
pub const BRIEF: [&str; 8] = ["--requests", "4", "--concurrency", "2", "--warmup", "1", "--max-tokens", "4"];

/// Label, point, round and repeat of a run.
pub type Key = (String, u64, u64, u64);

/// `COMMAND --simulate` of pretend engines with these labels.
pub fn pretend(command: &str, labels: &[&str], more: &[&str]) -> Vec<String> {
    let backends: Vec<String> = labels.iter().map(|label| format!("{label}=vllm")).collect();
    let mut args: Vec<String> =
        [command, "--simulate", "--backend", &backends.join(",")].map(str::to_owned).to_vec();
    for label in labels {
        args.push("--extra-args".to_owned());
        args.push(format!("{label}=--ttft 5ms --itl 1ms --output-tokens 4"));
    }
    args.extend(more.iter().map(|arg| (*arg).to_owned()));
    args
}

/// The same, played to its end.
fn play(place: &Place, command: &str, labels: &[&str], more: &[&str]) -> Ran {
    let args = pretend(command, labels, more);
    place.run(&args.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The key in a header, a run's summary or a run of a comparison.
pub fn key(value: &Value) -> Key {
    let number = |name: &str| value[name].as_u64().unwrap_or_else(|| panic!("no {name} in {value}"));
    (value["label"].as_str().unwrap().to_owned(), number("point"), number("round"), number("repeat"))
}

/// The key in a row of the file of all runs.
pub fn key_of_row(row: &BTreeMap<String, String>) -> Key {
    let number = |name: &str| row[name].parse().unwrap_or_else(|_| panic!("no {name} in {row:?}"));
    (row["backend"].clone(), number("point"), number("round"), number("repeat"))
}

/// Every key of a plan.
pub fn keys(labels: &[&str], points: u64, rounds: u64, repeats: u64) -> Vec<Key> {
    let mut keys = Vec::new();
    for label in labels {
        for point in 1..=points {
            for round in 1..=rounds {
                let label = format!("{label}-simulated");
                keys.extend((1..=repeats).map(|repeat| (label.clone(), point, round, repeat)));
            }
        }
    }
    keys.sort();
    keys
}

pub fn sorted(keys: impl IntoIterator<Item = Key>) -> Vec<Key> {
    let mut keys: Vec<Key> = keys.into_iter().collect();
    keys.sort();
    keys
}

pub fn simulated_rows(place: &Place) -> Vec<BTreeMap<String, String>> {
    rows(&place.path("results/simulated_summary.csv"))
}

/// The comparison of the only directory whose name begins so.
pub fn comparison(place: &Place, title: &str) -> Value {
    json(&place.result(title, "").join("comparison.json"))["comparison"].clone()
}

/// Each of these keys once in the records, in the file of all runs and in the comparison.
#[track_caller]
pub fn assert_whole(place: &Place, title: &str, all: &[Key]) {
    assert_eq!(sorted(place.headers().iter().map(key)), all, "records");
    assert_eq!(sorted(simulated_rows(place).iter().map(key_of_row)), all, "rows");
    let comparison = comparison(place, title);
    assert_eq!(sorted(comparison["runs"].as_array().unwrap().iter().map(key)), all, "comparison");
    assert_eq!(comparison["failed"], serde_json::json!([]));
    assert!(simulated_rows(place).iter().all(|row| row["exit"] == "ok"));
}

/// The summaries of all runs, in the order of their start.
fn summaries(place: &Place) -> Vec<Value> {
    let mut runs: Vec<Value> = place.runs().into_iter().map(|run| run["summary"].clone()).collect();
    runs.sort_by_key(|run| run["started_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap());
    runs
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

#[test]
fn rounds_alternate_in_order_and_every_run_bears_its_key_everywhere() {
    let place = Place::new();
    let labels = ["a", "b", "c", "d"];
    let ran = play(&place, "compare", &labels, &[&BRIEF[..], &["--rounds", "3", "--repeats", "2"]].concat())
        .expect(0)
        .says(&[
            "plan: 24 runs (4 backends × 3 rounds × 2 repeats)",
            "  round 1: a-simulated, b-simulated, c-simulated, d-simulated",
            "  round 2: d-simulated, c-simulated, b-simulated, a-simulated",
            "  round 3: d-simulated, c-simulated, b-simulated, a-simulated",
            "  time: known when the first run is over",
            "1 of 24 runs, at least ",
            "20 of 24 runs, about ",
        ]);
    let all = keys(&labels, 1, 3, 2);
    assert_eq!(all.len(), 24);
    assert_whole(&place, "compare_", &all);

    let runs = summaries(&place);
    assert_eq!(sorted(runs.iter().map(key)), all);
    let mut launches: Vec<String> = Vec::new();
    for run in &runs {
        let (label, _, round, repeat) = key(run);
        let launch = format!("{}{round}", &label[..1]);
        assert_eq!(launches.last() == Some(&launch), repeat == 2, "repeats follow each other: {launches:?}");
        if repeat == 1 {
            launches.push(launch);
        }
    }
    assert_eq!(launches.join(" "), "a1 b1 c1 d1 d2 c2 b2 a2 d3 c3 b3 a3");
    for label in labels {
        assert_eq!(ran.stderr.matches(&format!("{label}-simulated: ready in")).count(), 3, "{label}");
    }
    for (label, point, round, repeat) in &all {
        let stem = format!("{label}_p{point}_r{round}_n{repeat}_2");
        assert_eq!(
            key(&json(&place.result(&stem, ".json"))["summary"]),
            (label.clone(), *point, *round, *repeat)
        );
        assert_eq!(
            key(&header(&place.result(&stem, "_records.jsonl.zst"))),
            (label.clone(), *point, *round, *repeat)
        );
        assert!(place.folder(&format!("{label}_r{round}.log")).exists());
    }

    // A second plan knows from the first what it will take.
    play(&place, "compare", &["a"], &[&BRIEF[..], &["--repeats", "2"]].concat())
        .expect(0)
        .says(&["plan: 2 runs (2 repeats)", "  time: about "]);
}

#[test]
fn a_group_holds_the_median_over_its_rounds_with_the_range_that_was_seen() {
    let place = Place::new();
    let labels = ["a", "b"];
    play(&place, "compare", &labels, &[&BRIEF[..], &["--rounds", "3", "--repeats", "2"]].concat()).expect(0);
    let runs = summaries(&place);
    let comparison = comparison(&place, "compare_");
    let groups = comparison["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 2);
    for group in groups {
        let label = group["label"].as_str().unwrap();
        assert_eq!((&group["over"], &group["point"]), (&"rounds".into(), &1.into()));
        assert_eq!(group["runs"].as_array().unwrap().len(), 6);
        let columns =
            [("output_tps", "/output_tps"), ("ttft_ms_p50", "/ttft_ms/p50"), ("e2e_ms_p99", "/e2e_ms/p99")];
        for (column, place) in columns {
            let of_round = |round: u64| {
                let own = runs.iter().filter(|run| run["label"] == label && run["round"] == round);
                let values: Vec<f64> =
                    own.map(|run| run["metrics"].pointer(place).unwrap().as_f64().unwrap()).collect();
                assert_eq!(values.len(), 2);
                median(values)
            };
            let rounds: Vec<f64> = (1..=3).map(of_round).collect();
            let low = rounds.iter().copied().fold(f64::INFINITY, f64::min);
            let high = rounds.iter().copied().fold(0.0, f64::max);
            let expected = serde_json::json!({"value": median(rounds), "low": low, "high": high, "n": 3});
            let mut estimate = group["estimates"][column].clone();
            let interval = estimate.as_object_mut().unwrap().remove("interval").unwrap();
            assert_eq!(estimate, expected, "{label} {column}");
            let [from, to] = ["low", "high"].map(|end| interval[end].as_f64().unwrap());
            assert!(
                from < low && high < to,
                "95 % over three rounds is wider than what was seen: {interval}"
            );
        }
    }
}

#[test]
fn dry_run_shows_every_visit_and_launches_nothing() {
    let place = Place::new();
    let many = ["--rounds", "2", "--repeats", "2", "--dry-run"];
    let ran = play(&place, "compare", &["a", "b"], &[&BRIEF[..], &many].concat()).expect(0).says(&[
        "plan: 8 runs (2 backends × 2 rounds × 2 repeats)",
        "  round 1: a-simulated, b-simulated",
        "  round 2: b-simulated, a-simulated",
    ]);
    let plan: Value = serde_json::from_str(&ran.stdout).unwrap();
    let shown: Vec<(&str, &Value)> = plan["visits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|visit| (visit["label"].as_str().unwrap(), &visit["round"]))
        .collect();
    let round = [Value::from(1), Value::from(2)];
    let expected = [
        ("a-simulated", &round[0]),
        ("b-simulated", &round[0]),
        ("b-simulated", &round[1]),
        ("a-simulated", &round[1]),
    ];
    assert_eq!(shown, expected);
    let runs = serde_json::json!([{"point": 1, "repeat": 1}, {"point": 1, "repeat": 2}]);
    assert_eq!(plan["visits"][0]["runs"], runs);
    assert!(!ran.stderr.contains("starting"), "{}", ran.stderr);
    assert!(!place.path("results").exists());
    place.assert_nothing_lives();
}

#[test]
fn a_sweep_plays_all_its_points_on_one_launch_a_round() {
    let place = Place::new();
    let load = ["--concurrency", "1,2,4", "--requests", "4", "--warmup", "1", "--max-tokens", "4"];
    let ran =
        play(&place, "sweep", &["a", "b"], &[&load[..], &["--rounds", "2"]].concat()).expect(0).says(&[
            "plan: 12 runs (2 backends × 3 loads × 2 rounds)",
            "  loads: concurrency 1 | concurrency 2 | ",
        ]);
    assert_whole(&place, "sweep_", &keys(&["a", "b"], 3, 2, 1));
    for label in ["a-simulated", "b-simulated"] {
        assert_eq!(ran.stderr.matches(&format!("{label}: ready in")).count(), 2, "{}", ran.stderr);
    }
    let points: BTreeSet<(String, String)> = simulated_rows(&place)
        .into_iter()
        .map(|mut row| (row.remove("point").unwrap(), row.remove("concurrency").unwrap()))
        .collect();
    let expected = [("1", "1"), ("2", "2"), ("3", "4")].map(|(point, slots)| (point.into(), slots.into()));
    assert_eq!(points, BTreeSet::from(expected));
    let played: Vec<u64> = summaries(&place).iter().map(|run| key(run).1).collect();
    assert_eq!(played, [1, 2, 3].repeat(4), "in the order in which they are given");
    let groups = comparison(&place, "sweep_")["groups"].as_array().unwrap().len();
    assert_eq!(groups, 6);
    let plots = place.result("sweep_", "").join("plots");
    for end in ["png", "svg"] {
        assert!(fs::metadata(plots.join(format!("output_tps_by_load.{end}"))).unwrap().len() > 0);
    }
}

#[test]
fn a_sweep_of_rates_plays_to_a_server_that_already_runs() {
    let place = Place::new();
    let server = Simulator::start("vllm", &["--ttft", "5ms", "--itl", "1ms", "--output-tokens", "4"]);
    let load =
        ["--rates", "20,inf", "--requests", "6", "--warmup", "0", "--max-tokens", "4", "--repeats", "2"];
    place.run(&[&["sweep", "--url", &server.url()][..], &load].concat()).expect(0);
    let rows = place.summary_rows();
    let said: Vec<_> = rows
        .iter()
        .map(|row| (row["point"].as_str(), row["repeat"].as_str(), row["rate"].as_str()))
        .collect();
    assert_eq!(said, [("1", "1", "20"), ("2", "1", "inf"), ("1", "2", "20"), ("2", "2", "inf")]);
    assert!(rows.iter().all(|row| row["backend"] == "server" && row["requests_completed"] == "6"));
    let comparison = comparison(&place, "sweep_");
    assert_eq!(comparison["groups"][0]["over"], "repeats");
    assert!(place.result("sweep_", "").join("plots/output_tps_by_load.png").exists());
    assert_eq!(server.truth().len(), 24);
}

#[test]
fn several_loads_are_a_sweep_of_one_axis() {
    let place = Place::new();
    let refused = |command: &str, more: &[&str], texts: &[&str]| {
        play(&place, command, &["a"], more).expect(2).says(texts);
        assert!(!place.path("results").exists(), "{more:?}");
    };
    let both = ["--concurrency", "1,2", "--rates", "1,2"];
    refused(
        "sweep",
        &both,
        &["error: --concurrency and --rates both hold several values", "hint: sweep one"],
    );
    let compare = ["error: --concurrency takes one value here", "hint: several are a sweep: harness sweep"];
    refused("compare", &["--concurrency", "1,2"], &compare);
    refused(
        "run",
        &["--rates", "1,2"],
        &["error: --rate takes one value here", "harness sweep --rates 1,2,4"],
    );
    place
        .run(&["sweep", "--concurrency", "1,2"])
        .expect(2)
        .says(&["error: sweep needs backends or a server"]);
    let twice = ["sweep", "--url", "http://127.0.0.1:9", "--backend", "a,b", "--concurrency", "1,2"];
    place.run(&twice).expect(2).says(&["error: --backend takes one value where --url names one server"]);
    place.assert_nothing_lives();
}
