use super::*;
use crate::schema::served::Buckets;

fn buckets(fast: f64, slow: f64) -> Buckets {
    Buckets {
        up_to: vec![(0.1, fast), (1.0, fast + slow)],
        count: fast + slow,
        sum_s: Some(fast * 0.05 + slow * 0.5),
    }
}

fn sample(at_ms: i64, values: &[(&str, f64)], ttft: Option<Buckets>) -> Sample {
    Sample {
        device: None,
        at_us: at_ms * 1000,
        took_us: 10_000,
        source: Source::Server,
        values: values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
        histograms: ttft.into_iter().map(|buckets| (ServerTime::Ttft, buckets)).collect(),
    }
}

#[test]
fn a_run_is_what_came_between_the_reading_before_it_and_the_one_behind_it() {
    let at = |at_ms, running, preemptions, ttft| {
        sample(at_ms, &[(SERVER_RUNNING, running), (SERVER_PREEMPTIONS, preemptions)], ttft)
    };
    let samples = [
        at(0, 0.0, 5.0, Some(buckets(1.0, 0.0))),
        at(1000, 1.0, 6.0, Some(buckets(3.0, 0.0))),
        at(2000, 4.0, 6.0, None),
        at(3000, 6.0, 8.0, Some(buckets(7.0, 1.0))),
        at(4000, 2.0, 9.0, Some(buckets(11.0, 2.0))),
        at(5000, 0.0, 10.0, Some(buckets(99.0, 2.0))),
    ];
    let served = served(&samples, (1_500_000, 3_500_000)).unwrap();
    assert_eq!((served.from_s, served.to_s), (-0.49, 2.5));
    let ttft = &served.times[&ServerTime::Ttft];
    assert_eq!(ttft.count, 10, "11 + 2 − 3");
    assert!((ttft.mean_ms.unwrap() - (8.0 * 50.0 + 2.0 * 500.0) / 10.0).abs() < 1e-9);
    assert_eq!((ttft.p99.unwrap().low_ms, ttft.p99.unwrap().high_ms), (100.0, Some(1000.0)));
    assert_eq!(served.preemptions, Some(3.0));
    assert_eq!(served.running, Some(Level { mean: 5.0, max: 6.0, readings: 2 }));
    assert_eq!(served.reading_ms, Some(Level { mean: 10.0, max: 10.0, readings: 2 }));
    assert_eq!((served.waiting, served.cache_hit_share), (None, None));
}

#[test]
fn a_server_that_was_started_again_and_counted_past_where_it_was_tells_nothing_of_the_run() {
    let at = |at_ms, tokens, ttft| sample(at_ms, &[(SERVER_GENERATED_TOKENS, tokens)], ttft);
    let samples = [
        at(0, 50.0, Some(buckets(5.0, 0.0))),
        at(1000, 70.0, Some(buckets(7.0, 0.0))),
        at(2000, 10.0, Some(buckets(1.0, 0.0))),
        at(3000, 90.0, Some(buckets(9.0, 0.0))),
    ];
    let served = served(&samples, (500_000, 2_500_000)).unwrap();
    assert_eq!((served.generated_tokens, served.times.len()), (None, 0));
}

#[test]
fn a_histogram_that_is_shown_only_after_its_first_value_began_at_nothing() {
    let samples = [
        sample(0, &[(SERVER_RUNNING, 0.0)], None),
        sample(100, &[(SERVER_RUNNING, 0.0)], None),
        sample(1000, &[(SERVER_RUNNING, 1.0)], Some(buckets(2.0, 0.0))),
        sample(2000, &[(SERVER_RUNNING, 0.0)], Some(buckets(3.0, 4.0))),
    ];
    let served = served(&samples, (200_000, 1_500_000)).unwrap();
    assert_eq!(served.times[&ServerTime::Ttft].count, 7);
    assert_eq!(served.from_s, -0.09);
}

#[test]
fn an_engine_without_histograms_has_its_counters_and_its_share_of_the_cache() {
    let at = |at_ms, prompt, cached, queries: Option<f64>| {
        let mut values = vec![(SERVER_PROMPT_TOKENS, prompt), (SERVER_CACHED_TOKENS, cached)];
        values.extend(queries.map(|queries| (SERVER_CACHE_QUERIES, queries)));
        sample(at_ms, &values, None)
    };
    let samples = [at(0, 100.0, 50.0, None), at(1000, 150.0, 60.0, None), at(2000, 300.0, 100.0, None)];
    let served = served(&samples, (500_000, 1_900_000)).unwrap();
    assert!(served.times.is_empty());
    assert_eq!((served.prompt_tokens, served.cache_hit_share), (Some(200.0), Some(0.25)));
    let samples = [at(0, 100.0, 50.0, Some(10.0)), at(2000, 300.0, 100.0, Some(110.0))];
    assert_eq!(super::served(&samples, (500_000, 1_900_000)).unwrap().cache_hit_share, Some(0.5));
}

#[test]
fn a_counter_that_fell_is_not_known_and_one_reading_says_nothing() {
    let once = sample(0, &[(SERVER_PREEMPTIONS, 9.0)], Some(buckets(9.0, 0.0)));
    assert_eq!(served(std::slice::from_ref(&once), (0, 1)), None);
    let again = sample(2000, &[(SERVER_PREEMPTIONS, 1.0)], Some(buckets(1.0, 0.0)));
    let served = served(&[once, again], (500_000, 1_000_000)).unwrap();
    assert_eq!((served.preemptions, served.times.len()), (None, 0));
}
