//! `trend`: the file of all runs over time, of whatever version its rows are.

use serde_json::Value;

use super::common::*;
use super::plans::{BRIEF, pretend};

const HEAD: &str = "timestamp,run_id,backend,point,round,repeat,engine_version,model,precision,dataset,endpoint,\
                    concurrency,rate,output_tps,ttft_ms_p50,ttft_ms_p99,error_rate_pct,caveats,exit";
/// Of before there were keys, precisions and endpoints.
const OLD_HEAD: &str =
    "timestamp,run_id,backend,model,precision,dataset,concurrency,rate,output_tps,ttft_ms_p50,exit";

fn row(day: usize, backend: &str, round: u32, version: &str, tps: f64, exit: &str) -> String {
    format!(
        "2026-01-{day:02}T10:0{round}:00.000Z,compare_{day},{backend},1,{round},1,{version},tiny,BF16,built-in,chat,8,,\
         {tps},{},{},0,,{exit}\n",
        1e4 / tps,
        3e4 / tps
    )
}

/// Twelve days of two rounds: version 2 from the ninth on is a fifth slower.
fn history() -> String {
    let mut text = format!("{HEAD}\n");
    for day in 1..=12 {
        let (level, version) = if day < 9 { (100.0, "1.0") } else { (80.0, "2.0") };
        let noise = [0.0, 0.8, -0.5, 0.3][day % 4];
        for round in 1..=2 {
            text += &row(day, "vllm", round, version, level + noise, "ok");
        }
    }
    text += &row(5, "sglang", 1, "", 50.0, "ok");
    text += &row(13, "vllm", 1, "2.0", 1.0, "failed");
    text
}

fn trend(place: &Place, more: &[&str]) -> Ran {
    place.run(&[&["trend", "all/benchmark_summary.csv"][..], more].concat())
}

fn place() -> Place {
    let place = Place::new();
    std::fs::create_dir(place.path("all")).unwrap();
    place.write("all/benchmark_summary.csv", &history());
    place
}

#[test]
fn a_change_is_marked_with_its_version_and_a_failed_run_stands_apart() {
    let place = place();
    let ran = trend(&place, &["--last", "5"]).expect(0);
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{}", ran.stdout);
    let at = |text: &str| {
        lines
            .iter()
            .position(|line| line.contains(text))
            .unwrap_or_else(|| panic!("no {text} in\n{}", ran.stdout))
    };
    assert!(at("version 1.0 → 2.0") + 1 == at("2026-01-09"), "{}", ran.stdout);
    assert!(lines[at("2026-01-09")].contains("-19 %!"), "{}", ran.stdout);
    assert!(!lines[at("2026-01-11")].contains('!'), "a new level by then:\n{}", ran.stdout);
    assert!(
        !ran.stdout.contains("2026-01-07") && ran.stdout.contains("… 7 earlier runs (--last 12)"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("apart from these: 1 failed, the latest at 2026-01-13"), "{}", ran.stdout);
    assert!(
        ran.stdout.contains('█') && ran.stdout.contains("sglang, tiny, BF16, concurrency 8, built-in, chat")
    );
}

#[test]
fn backends_models_and_figures_are_chosen_and_json_holds_it_all() {
    let place = place();
    let ran = trend(&place, &["--backend", "vllm", "--model", "tiny", "--metric", "output_tps", "--json"])
        .expect(0);
    let told: Value = serde_json::from_str(&ran.stdout).unwrap();
    let groups = told["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 1);
    let points = groups[0]["points"].as_array().unwrap();
    assert_eq!((points.len(), &points[0]["rounds"]), (12, &2.into()));
    let marked: Vec<&Value> = points
        .iter()
        .filter(|point| point["figures"]["output_tps"]["mark"] == "worse")
        .map(|point| &point["at"])
        .collect();
    assert_eq!(marked, ["2026-01-09T10:01:00Z", "2026-01-10T10:01:00Z"]);
    assert_eq!(groups[0]["apart"][0]["why"], "failed");
    let empty = trend(&place, &["--backend", "tgi"]).expect(0);
    assert!(empty.stdout.contains("No run of this kind"), "{}", empty.stdout);
    trend(&place, &["--metric", "speed"]).expect(2).says(&["no figure is called 'speed'"]);
    trend(&place, &["--metric", "rps,output_tps,ttft_p50,e2e_p50"]).expect(2).says(&["at most 3"]);
    place.run(&["trend"]).expect(2).says(&["there is no file results/benchmark_summary.csv"]);
    place.write("other.csv", "a,b\n1,2\n");
    place.run(&["trend", "other.csv"]).expect(2).says(&["no file of all runs"]);
}

#[test]
fn rows_of_older_columns_are_read_with_it_and_what_is_no_row_is_counted() {
    let place = place();
    let old = format!(
        "{OLD_HEAD}\n2025-12-30T10:00:00Z,compare_0,vllm,tiny,BF16,built-in,8,,99,101,ok\n\
         not a time,compare_x,vllm,tiny,BF16,built-in,8,,99,101,ok\nhalf a row\n"
    );
    place.write("all/benchmark_summary_until_20260101_000000.csv", &old);
    let ran = trend(&place, &["--backend", "vllm"]).expect(0);
    assert!(
        ran.stdout.contains("2025-12-30 10:00") && ran.stdout.contains("2 rows hold no run"),
        "{}",
        ran.stdout
    );
}

#[test]
fn ten_thousand_rows_are_shown_within_a_screen_a_group() {
    let place = place();
    let rows: String = (0..10_000)
        .map(|number| {
            let (day, minute) = (number / 500 + 1, number % 500);
            format!(
                "2026-02-{day:02}T{:02}:{:02}:00Z,compare_{number},vllm,1,1,1,1.0,tiny,BF16,built-in,chat,8,,{},{},{},0,,ok\n",
                minute / 60,
                minute % 60,
                100.0 + (number % 7) as f64,
                50.0 + (number % 5) as f64,
                90.0 + (number % 11) as f64
            )
        })
        .collect();
    place.write("all/benchmark_summary.csv", &format!("{HEAD}\n{rows}"));
    let ran = trend(&place, &[]).expect(0);
    assert!(ran.stdout.contains("… 9990 earlier runs"), "{}", ran.stdout);
    assert!(ran.stdout.lines().count() < 30, "{}", ran.stdout);
}

#[test]
fn runs_of_pretend_engines_are_told_as_such_and_never_stand_among_the_others() {
    let place = Place::new();
    let args = pretend("compare", &["a"], &BRIEF);
    place.run(&args.iter().map(String::as_str).collect::<Vec<_>>()).expect(0);
    place.run(&["trend"]).expect(2);
    let ran = place.run(&["trend", "results/simulated_summary.csv"]).expect(0);
    assert!(ran.stdout.starts_with("=== TREND OF SIMULATED ENGINES ==="), "{}", ran.stdout);
    assert!(ran.stdout.contains("a-simulated"), "{}", ran.stdout);
}
