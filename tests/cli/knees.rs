//! `sweep --auto`: the curve around the knee, found by the program itself.

use serde_json::Value;

use rustix::process::Signal;

use super::common::*;

/// A pretend engine of some hundred requests a second, whose prompts wait for a place among four.
const AUTO: [&str; 11] = [
    "--simulate",
    "--requests",
    "60",
    "--max-tokens",
    "4",
    "--scrape-interval",
    "0",
    "--fairness",
    "off",
    "--auto",
    "rate",
];
const BATCHING: [&str; 4] = [
    "--extra-args",
    "a=--prefill-rate 30000 --decode-step 5ms --max-batch 4",
    "--extra-args",
    "b=--prefill-rate 30000 --decode-step 5ms --max-batch 4",
];

fn folder(place: &Place) -> std::path::PathBuf {
    let entries = std::fs::read_dir(place.path("results")).unwrap().map(|entry| entry.unwrap().path());
    entries.into_iter().find(|path| path.is_dir()).unwrap()
}

fn comparison(place: &Place) -> Value {
    json(&folder(place).join("comparison.json"))
}

#[test]
fn the_curve_around_the_knee_of_each_backend_is_found_on_one_grid_and_a_stop_goes_on() {
    let place = Place::new();
    let argv = [&["sweep", "--backend", "a=vllm,b=vllm", "--points", "4"], &AUTO[..], &BATCHING].concat();
    let mut running = place.start(&argv);
    running.wait_for_stderr("3 of at most 10 runs");
    running.signal(Signal::INT);
    let stopped = running.wait();
    stopped.expect(130).says(&[
        "plan: the curve around the knee, at most 4 loads (requests a second) of each backend",
        "a burst, then the rate is doubled until a queue grows",
        "backends in turn: a-simulated, b-simulated",
    ]);
    let path = folder(&place);
    let resumed = place.run(&["sweep", "--resume", path.to_str().unwrap()]).expect(0);
    let whole = comparison(&place);
    let knees = whole["comparison"]["knees"].as_array().unwrap();
    assert_eq!(knees.len(), 2, "{knees:?}");
    for knee in knees {
        let stdout = resumed.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(stdout.contains("keeps up with"), "{}", resumed.stdout);
        assert_eq!((&knee["of"], &knee["runs"]), (&"rate".into(), &4.into()), "{knee}");
        let number = |name: &str| knee[name].as_f64().unwrap();
        assert!(number("carries") < number("beyond"), "{knee}");
        assert!((25.0..400.0).contains(&number("beyond")), "{knee}");
    }
    let loads = whole["plan"]["loads"].as_array().unwrap();
    assert_eq!(loads[0]["traffic"]["arrivals"]["pattern"], "all_at_once", "a burst gives the first guess");
    let runs = whole["comparison"]["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 10, "4 loads and a burst of each");
    let saturated = |run: &&Value| {
        let of = |caveat: &&Value| caveat["code"] == "saturated";
        run["caveats"].as_array().unwrap().iter().any(|caveat| of(&caveat))
    };
    assert!(runs.iter().filter(saturated).count() >= 2, "the highest of each is too much");
    place.run(&["report", "results"]).expect(0);
    assert_eq!(comparison(&place)["comparison"]["knees"], whole["comparison"]["knees"]);
    place.assert_nothing_lives();
}

#[test]
fn requests_in_flight_rise_from_one_stream() {
    let place = Place::new();
    let sweep = ["sweep", "--backend", "a=vllm", "--points", "4"];
    let argv = [&sweep, &AUTO[..10], &["concurrency"], &BATCHING[..2]].concat();
    place.run(&argv).expect(0).says(&["one stream, then four times as many"]);
    let whole = comparison(&place);
    let slots: Vec<u64> = whole["plan"]["loads"]
        .as_array()
        .unwrap()
        .iter()
        .map(|load| load["traffic"]["slots"].as_u64().unwrap())
        .collect();
    assert_eq!((slots[..2].to_vec(), slots.len()), (vec![1, 4], 4), "{slots:?}");
    assert_eq!(whole["comparison"]["knees"][0]["of"], "concurrency");
}

#[test]
fn what_auto_decides_itself_is_refused() {
    let place = Place::new();
    let auto = ["sweep", "--backend", "vllm", "--simulate", "--auto"];
    for (flags, said) in [
        (&["--rounds", "2"][..], "--rounds and --repeats would do nothing"),
        (&["--rate", "4"], "finds its own loads"),
        (&["--find-max-rate"], "cannot be used with"),
    ] {
        place.run(&[&auto[..], flags].concat()).expect(2).says(&[said]);
    }
    let argv = ["sweep", "--backend", "vllm", "--simulate", "--points", "4"];
    place.run(&argv).expect(2).says(&["--auto"]);
}
