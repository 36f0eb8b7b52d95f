//! The gaps at the server against the law that was asked for, by the server's own stamps.

use super::common::*;
use super::played::{Played, Record};

/// Arrivals of the measured requests at the server in order, s after the first due time by the client's book.
fn arrivals(simulator: &Simulator, played: &Played) -> Vec<f64> {
    let count = played.records.len() + played.warmup.len();
    let lines = simulator
        .truth_when(|lines| lines.len() >= count && lines.iter().all(|line| line["outcome"].is_string()));
    let measured = lines.iter().filter(|line| !line["user"].as_str().unwrap().starts_with("warmup-"));
    let mut stamps: Vec<u64> = measured.map(|line| line["arrival_mono_ns"].as_u64().unwrap()).collect();
    stamps.sort_unstable();
    let first_s = dues(&played.records)[0].1 as f64 / 1e6;
    stamps.iter().map(|stamp| (stamp - stamps[0]) as f64 / 1e9 + first_s).collect()
}

/// Index and due time, µs after the start of the load.
fn dues(records: &[Record]) -> Vec<(u64, u64)> {
    records.iter().map(|record| (record.index, record.due_us.unwrap())).collect()
}

/// Due times from the first one on: the start of the load is each run's own.
fn relative(records: &[Record]) -> Vec<(u64, u64)> {
    let dues = dues(records);
    dues.iter().map(|(index, due_us)| (*index, due_us - dues[0].1)).collect()
}

/// Largest distance between the values and a distribution, by Kolmogorov and Smirnov with Stephens' correction: below
/// 1.63 of a hundred that follow it 99 are.
fn distance(mut values: Vec<f64>, below: impl Fn(f64) -> f64) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let n = values.len() as f64;
    let distances = values.iter().enumerate().map(|(place, value)| {
        let expected = below(*value);
        (expected - place as f64 / n).max((place + 1) as f64 / n - expected)
    });
    distances.fold(0.0, f64::max) * (n.sqrt() + 0.12 + 0.11 / n.sqrt())
}

fn gaps(values: &[f64]) -> Vec<f64> {
    values.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// One law, as it is typed, and the distance of what came from it.
type Law = (&'static str, usize, fn(&[f64]) -> f64);

const LAWS: [Law; 6] = [
    ("--rate 20 --requests 200", 200, |at| distance(gaps(at), |gap| -(-20.0 * gap).exp_m1())),
    // The distribution of a gamma of shape 1/2 is the error function of the root: P(1/2, x) = erf(√x).
    ("--rate 20 --burstiness 0.5 --requests 200", 200, |at| {
        distance(gaps(at), |gap| statrs::function::erf::erf((10.0 * gap).max(0.0).sqrt()))
    }),
    // Evenly: times against the line.
    ("--rate 20 --arrival constant --duration 10s", 200, |at| late(at, |k| k as f64 / 20.0)),
    ("--burst-size 20 --burst-every 1s --requests 200", 200, |at| late(at, |k| (k / 20) as f64)),
    // 4 a second rising to 36 in 10 s: 4 t + 1.6 t².
    ("--ramp-rates 4..36 --duration 10s --seed 2", 200, |at| {
        let due: Vec<f64> = at.iter().map(|at_s| 4.0 * at_s + 1.6 * at_s * at_s).collect();
        let gaps = distance(gaps(&due), |gap| -(-gap).exp_m1());
        gaps.max(distance(due.iter().map(|due| due / 200.0).collect(), |share| share))
    }),
    ("--arrival constant --steps 10@5s,30@5s", 200, |at| {
        late(at, |k| if k < 50 { k as f64 / 10.0 } else { 5.0 + (k - 50) as f64 / 30.0 })
    }),
];

/// The median lateness behind the times of a law, in units of 10 ms: near 0 where they are kept.
fn late(at: &[f64], due_s: fn(usize) -> f64) -> f64 {
    let mut late: Vec<f64> =
        at.iter().enumerate().map(|(k, at_s)| (at_s - at[0] - due_s(k)).abs() * 100.0).collect();
    late.sort_unstable_by(f64::total_cmp);
    late[late.len() / 2]
}

#[test]
fn every_law_arrives_at_the_server_as_it_was_asked_for() {
    std::thread::scope(|scope| {
        for (place, (flags, count, _)) in LAWS.iter().enumerate() {
            scope.spawn(move || {
                let place_of = Place::marked();
                let simulator = Simulator::start("vllm", &["--ttft", "2ms", "--itl", "1ms"]);
                let flags: Vec<&str> =
                    flags.split(' ').chain(["--max-tokens", "2", "--warmup", "1"]).collect();
                let played = place_of.bench("vllm", &simulator, &flags);
                assert_eq!(played.ended.code, Some(0), "{}", played.ended.stderr);
                let at = arrivals(&simulator, &played);
                // The Poisson ramp's total is chance's; it is the same each time.
                assert!(
                    at.len().abs_diff(*count) <= if place == 4 { 40 } else { 0 },
                    "{flags:?}: {}",
                    at.len()
                );
                for (other, (named, _, distance)) in LAWS.iter().enumerate() {
                    let (found, limit) = (distance(&at), 1.63);
                    if other == place {
                        assert!(found < limit, "{named}: {found}");
                    } else if place < 2 && other > 1 {
                        assert!(found > limit, "{flags:?} passed for {named}: {found}");
                    }
                }
            });
        }
    });
}

#[test]
fn due_times_are_the_same_for_every_backend_and_on_1_2_and_4_threads() {
    for law in [
        "--rate 200 --burstiness 0.3",
        "--ramp-rates 10..400 --duration 1s",
        "--burst-size 9 --burst-every 100ms",
    ] {
        let of = |engine: &'static str, threads: &str| {
            let place = Place::marked();
            let simulator = Simulator::start(engine, &["--ttft", "1ms", "--itl", "1ms"]);
            let fixed = ["--requests", "100", "--max-tokens", "1", "--warmup", "1", "--seed", "5"];
            let own: Vec<&str> = law.split(' ').chain(["--client-threads", threads]).chain(fixed).collect();
            let played = place.bench(engine, &simulator, &own);
            relative(&played.records)
        };
        let first = of("vllm", "1");
        assert_eq!(first.len(), 100, "{law}");
        for (engine, threads) in [("vllm", "1"), ("sglang", "2"), ("llamacpp", "4"), ("tgi", "1")] {
            assert_eq!(of(engine, threads), first, "{law}: {engine} on {threads} threads");
        }
    }
}

#[test]
fn under_a_cap_what_is_due_waits_for_a_slot_and_the_wait_is_told_apart_from_the_clients_own_delay() {
    let place = Place::marked();
    let simulator = Simulator::start("vllm", &["--ttft", "40ms", "--itl", "1ms"]);
    let flags = "--burst-size 8 --burst-every 1s --requests 8 --concurrency 2 --max-tokens 1 --warmup 1";
    let played = place.bench("vllm", &simulator, &flags.split(' ').collect::<Vec<&str>>());
    let waits = &played.summary["client"]["slot_wait_ms"];
    // Four pairs one after the other: the last waits for three answers of 40 ms.
    assert!(waits["max"].as_f64().unwrap() > 110.0, "{}", played.summary["client"]);
    let due = dues(&played.records);
    assert!(due.iter().all(|(_, due_us)| *due_us == due[0].1), "all were due at once: {due:?}");
    let summary = simulator.get("/truth/summary").json();
    assert_eq!(summary["peak_in_flight"].as_u64(), Some(2), "{summary}");
}
