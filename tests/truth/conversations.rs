//! Conversations and several models, by the server's own book.

use std::collections::BTreeMap;

use serde_json::Value;

use super::accounts::number;
use super::common::*;
use super::played::Played;

/// Conversations of three turns, each marked by its id.
fn talks(place: &Place, count: usize) {
    let talk = |k: usize| {
        let turn = |text: &str| format!("{{\"prompt\": \"{text} of talk {k}, with a few words more.\"}}");
        let turns = ["The beginning", "The middle", "The end"].map(turn).join(", ");
        format!("{{\"id\": \"t{k}\", \"max_tokens\": 8, \"turns\": [{turns}]}}\n")
    };
    place.write("prompts.jsonl", &(0..count).map(talk).collect::<String>());
}

fn slices<'a>(played: &'a Played, by: &str) -> Vec<&'a Value> {
    let all = played.summary["slices"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().filter(|slice| slice["by"] == by).collect()
}

#[test]
fn each_turn_comes_after_the_answer_before_it_and_the_think_time_and_repeats_what_was_said() {
    for load in ["--concurrency 3 --requests 6", "--rate 50 --requests 6 --client-threads 2"] {
        let place = Place::marked();
        talks(&place, 6);
        let simulator = Simulator::start("vllm", &["--ttft", "20ms", "--itl", "1ms"]);
        let flags = format!("{load} --think-time 150ms --warmup 1");
        let played = place.bench("vllm", &simulator, &flags.split(' ').collect::<Vec<&str>>());
        assert_eq!(played.ended.code, Some(0), "{}", played.ended.stderr);
        played.check_identity();
        assert_eq!(played.records.len(), 18);
        let lines = simulator.truth_when(|lines| lines.len() == 19);
        let mut by_talk: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for line in lines.iter().filter(|line| line["user"].as_str().unwrap().starts_with('t')) {
            by_talk.entry(line["user"].as_str().unwrap()).or_default().push(line);
        }
        assert_eq!(by_talk.len(), 6);
        for turns in by_talk.values() {
            assert_eq!(turns.len(), 3);
            for pair in turns.windows(2) {
                let ms = (number(&pair[1]["arrival_mono_ns"]) - number(&pair[0]["end_mono_ns"])) as f64 / 1e6;
                assert!((149.0..400.0).contains(&ms), "{ms} ms after the answer: {load}");
                let grown = number(&pair[1]["prompt_tokens"]);
                let history = number(&pair[0]["prompt_tokens"]) + number(&pair[0]["tokens"]);
                assert!(grown > number(&pair[0]["prompt_tokens"]), "{grown} after {history}");
            }
        }
        let turns = slices(&played, "turn");
        let named: Vec<(&str, u64)> = turns
            .iter()
            .map(|slice| (slice["name"].as_str().unwrap(), number(&slice["requests"]["completed"])))
            .collect();
        assert_eq!(named, [("1", 6), ("2", 6), ("3", 6)]);
        assert!(turns.iter().all(|slice| slice["ttft_ms"]["p50"].as_f64().unwrap() > 19.0));
        let history: Vec<Option<f64>> = turns.iter().map(|slice| slice["history_pct"].as_f64()).collect();
        assert!(history[0].is_none() && history[1].unwrap() < history[2].unwrap(), "{history:?}");
        assert!(history[2].unwrap() <= 100.0 && history[1].unwrap() > 20.0, "{history:?}");
        let delays = &played.summary["client"]["send_delay_ms"];
        assert!(number(&delays["count"]) >= 12, "further turns are due too: {delays}");
        assert!(played.ended.stdout.contains("By turn:"), "{}", played.ended.stdout);
    }
}

#[test]
fn turns_are_cut_and_conversations_of_a_plain_dataset_are_refused() {
    let place = Place::marked();
    talks(&place, 4);
    let simulator = Simulator::start("vllm", &["--ttft", "2ms", "--itl", "1ms"]);
    let flags = ["--turns", "2", "--requests", "4", "--warmup", "1"];
    let played = place.bench("vllm", &simulator, &flags);
    assert_eq!((played.records.len(), slices(&played, "turn").len()), (8, 2));
    let plain = Place::marked();
    let refused = plain.start_bench("vllm", &simulator.url(), &["--think-time", "2s"]).wait().expect(2);
    assert!(refused.stderr.contains("no entry of the dataset has a second turn"), "{}", refused.stderr);
}

#[test]
fn models_behind_one_url_get_their_shares_and_have_figures_of_their_own() {
    let of = |threads: &str, seed: &str| {
        let place = Place::marked();
        let simulator = Simulator::start("sglang", &["--ttft", "2ms", "--itl", "1ms"]);
        let flags = format!(
            "--models big,small --traffic-split 0.8,0.2 --requests 200 --concurrency 8 --max-tokens 4 \
             --warmup 4 --client-threads {threads} --seed {seed}"
        );
        let played = place.bench("sglang", &simulator, &flags.split(' ').collect::<Vec<&str>>());
        assert_eq!(played.ended.code, Some(0), "{}", played.ended.stderr);
        let lines = simulator.truth_when(|lines| lines.len() == 204);
        let asked: BTreeMap<String, String> = lines
            .iter()
            .filter(|line| line["user"].as_str().unwrap().starts_with('m'))
            .map(|line| {
                (line["user"].as_str().unwrap().to_owned(), line["model"].as_str().unwrap().to_owned())
            })
            .collect();
        let warmed: Vec<&str> = lines
            .iter()
            .filter(|line| line["user"].as_str().unwrap().starts_with("warmup"))
            .map(|line| line["model"].as_str().unwrap())
            .collect();
        assert_eq!(warmed.iter().filter(|model| **model == "big").count(), 2, "{warmed:?}");
        let slices = slices(&played, "model");
        for (slice, model) in slices.iter().zip(["big", "small"]) {
            let count = asked.values().filter(|asked| *asked == model).count() as u64;
            assert_eq!(
                (slice["name"].as_str(), number(&slice["requests"]["completed"])),
                (Some(model), count)
            );
            assert_eq!(number(&slice["output_tokens"]), 4 * count);
            assert!(slice["ttft_ms"]["p50"].is_f64() && slice["e2e_ms"]["p50"].is_f64(), "{slice}");
        }
        let together: f64 = slices.iter().map(|slice| slice["output_tps"].as_f64().unwrap()).sum();
        let whole = played.summary["metrics"]["output_tps"].as_f64().unwrap();
        assert!((together / whole - 1.0).abs() < 1e-9, "{together} and {whole}");
        assert!(played.ended.stdout.contains("By model:"), "{}", played.ended.stdout);
        asked
    };
    let first = of("1", "3");
    let small = first.values().filter(|model| *model == "small").count();
    assert!((20..60).contains(&small), "{small} of 200, a fifth in the mean");
    assert_eq!(of("4", "3"), first, "the k-th unit's model is the same on every thread");
    assert_ne!(of("1", "4"), first);
}

#[test]
fn several_servers_are_asked_in_turn_a_conversation_at_one_of_them_and_have_figures_of_their_own() {
    for load in ["--concurrency 4", "--rate 60 --client-threads 2"] {
        let place = Place::marked();
        talks(&place, 9);
        let simulators = [1, 2, 3].map(|ttft| {
            let ttft = format!("{}ms", 10 * ttft);
            Simulator::start("vllm", &["--ttft", &ttft, "--itl", "1ms"])
        });
        let urls: Vec<String> = simulators.iter().map(Simulator::url).collect();
        let flags = format!("{load} --requests 9 --warmup 3 --url {} --url {}", urls[1], urls[2]);
        let played = place.bench("vllm", &simulators[0], &flags.split(' ').collect::<Vec<&str>>());
        assert_eq!(played.ended.code, Some(0), "{}", played.ended.stderr);
        played.check_identity();
        let endpoints = slices(&played, "endpoint");
        assert_eq!(endpoints.len(), 3);
        for (number, simulator) in simulators.iter().enumerate() {
            let lines = simulator.truth_when(|lines| lines.len() == 10);
            let mut talks: Vec<&str> = lines.iter().map(|line| line["user"].as_str().unwrap()).collect();
            talks.sort_unstable();
            talks.dedup();
            let mut expected: Vec<String> = (0..3).map(|round| format!("t{}", number + 3 * round)).collect();
            expected.push(format!("warmup-{}", number + 1));
            assert_eq!(talks, expected, "each in turn, and all turns of a conversation");
            let slice = endpoints[number];
            assert_eq!(slice["name"].as_str(), Some(urls[number].as_str()));
            assert_eq!(number_of(slice), 9);
            let ttft_ms = slice["ttft_ms"]["p50"].as_f64().unwrap();
            let own = 10.0 * (number + 1) as f64;
            assert!((own - 0.5..own + 9.0).contains(&ttft_ms), "{ttft_ms} ms of {own}");
        }
    }
}

fn number_of(slice: &Value) -> u64 {
    number(&slice["requests"]["completed"])
}
