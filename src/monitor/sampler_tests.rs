use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::schema::series::server::{SERVER_RUNNING, SERVER_WAITING};
use crate::schema::served::ServerTime;
use crate::schema::target::ServerMetrics;

const INTERVAL: Duration = Duration::from_millis(50);

/// What a pretend server does with its n-th request.
type Answer = fn(u64) -> (Duration, String);

/// A server on a thread of its own; its URL, and how often it was asked.
fn serve(answer: Answer) -> (String, Arc<AtomicU64>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicU64::new(0));
    let count = asked.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (pause, text) = answer(count.fetch_add(1, Ordering::SeqCst));
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    while !request.ends_with(b"\r\n\r\n") {
                        request.push(stream.read_u8().await.unwrap());
                    }
                    tokio::time::sleep(pause).await;
                    // The sampler may have stopped meanwhile.
                    let _ = stream.write_all(text.as_bytes()).await;
                });
            }
        });
    });
    (url, asked)
}

fn page(text: &str) -> (Duration, String) {
    (Duration::ZERO, format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len()))
}

fn status(status: &str) -> (Duration, String) {
    (Duration::ZERO, format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n"))
}

fn sensor(url: &str) -> Sensor {
    let metrics = ServerMetrics {
        path: Some("/metrics".into()),
        running: vec!["new:running".into(), "old:running".into()],
        waiting: vec!["x:waiting".into()],
        ..ServerMetrics::default()
    };
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
    Sensor::ServerPage(ServerPage::new(client, url, &metrics).unwrap())
}

type Kept = Arc<Mutex<Vec<Sample>>>;

fn keep(kept: &mut Kept, sample: &Sample) -> anyhow::Result<()> {
    kept.lock().unwrap().push(sample.clone());
    Ok(())
}

/// Samples a server until `enough`; the samples and how the sensor did.
fn sampled(answer: Answer, enough: fn(&[Sample], u64) -> bool) -> (Vec<Sample>, SensorTally) {
    let (url, asked) = serve(answer);
    let kept = Kept::default();
    let sampler = Sampler::start(vec![(sensor(&url), INTERVAL)], Instant::now(), kept.clone(), keep).unwrap();
    let began = Instant::now();
    while !enough(&kept.lock().unwrap(), asked.load(Ordering::SeqCst)) {
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", kept.lock().unwrap());
        std::thread::sleep(Duration::from_millis(5));
    }
    let (_, tallies) = sampler.stop().unwrap();
    let samples = kept.lock().unwrap().clone();
    assert_eq!((tallies.len(), tallies[0].samples), (1, samples.len() as u64));
    (samples, tallies[0].clone())
}

#[test]
fn samples_lie_on_the_times_of_an_absolute_grid() {
    let (samples, tally) = sampled(
        |_| page("old:running{e=\"0\"} 3\nold:running{e=\"1\"} 4\nx:waiting 2\nbroken"),
        |samples, _| samples.len() >= 8,
    );
    // The last is read behind the load, whenever that is.
    let (_, timed) = samples.split_last().unwrap();
    let numbers: Vec<i64> = timed.iter().map(|sample| sample.at_us / 50_000).collect();
    assert!(numbers.is_sorted_by(|left, right| left < right), "{numbers:?}");
    // A delay moves one sample and none after it: on the grid they are, however busy the machine is.
    let last = *numbers.last().unwrap();
    assert_eq!(last - numbers[0] + 1, (timed.len() as u64 + tally.skipped) as i64, "{numbers:?} {tally:?}");
    for sample in &samples {
        assert_eq!((sample.values[SERVER_RUNNING], sample.values[SERVER_WAITING]), (7.0, 2.0));
        assert_eq!(sample.values.len(), 2, "{sample:?}");
    }
    assert_eq!((tally.failed, tally.broken_lines, tally.trouble), (0, samples.len() as u64, None));
}

#[test]
fn a_slow_page_skips_times_and_is_never_asked_twice_at_once() {
    let slow: Answer = |_| (Duration::from_millis(170), page("x:waiting 2").1);
    let (samples, tally) = sampled(slow, |samples, _| samples.len() >= 3);
    assert!(samples.iter().all(|sample| sample.took_us >= 170_000), "{samples:?}");
    assert!(tally.skipped >= 3 * (samples.len() as u64 - 1), "{tally:?}");
    for pair in samples.windows(2) {
        assert!(pair[1].at_us >= pair[0].at_us + pair[0].took_us as i64, "{pair:?}");
    }
}

#[test]
fn a_page_that_fails_costs_its_samples_and_the_first_reason_is_kept() {
    let broken: Answer = |number| match number % 3 {
        0 => status("500 Oops"),
        1 => page("x:waiting 1"),
        _ => (Duration::ZERO, "nonsense".into()),
    };
    let (samples, tally) = sampled(broken, |samples, _| samples.len() >= 3);
    assert!(tally.failed as usize >= samples.len(), "{tally:?}");
    assert!(tally.trouble.as_ref().unwrap().contains("500"), "{tally:?}");
}

#[test]
fn a_page_without_an_end_is_read_once_and_said_once() {
    let endless: Answer = |_| (Duration::ZERO, "HTTP/1.1 200 OK\r\n\r\n".to_owned() + &"# ".repeat(5 << 20));
    let (url, asked) = serve(endless);
    let (kept, began) = (Kept::default(), Instant::now());
    let sampler = Sampler::start(vec![(sensor(&url), INTERVAL)], began, kept, keep).unwrap();
    while asked.load(Ordering::SeqCst) == 0 {
        assert!(began.elapsed() < Duration::from_secs(30));
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(700));
    let (_, tallies) = sampler.stop().unwrap();
    assert_eq!((asked.load(Ordering::SeqCst), tallies[0].samples), (1, 0));
    let trouble = tallies[0].trouble.clone().unwrap();
    assert!(trouble.contains("do not end within 8 MB; it was not read again"), "{trouble}");
}

#[test]
fn a_page_that_appears_late_is_read_from_then_on() {
    let late: Answer = |number| if number < 3 { status("404 Not Found") } else { page("x:waiting 1") };
    let (samples, tally) = sampled(late, |samples, _| samples.len() >= 2);
    assert_eq!(tally.failed, 3);
    assert!(tally.trouble.unwrap().contains("no page at /metrics"));
    assert!(samples[0].at_us >= 3 * 50_000, "{samples:?}");
}

#[test]
fn a_page_that_changes_its_names_is_read_under_whichever_it_shows() {
    let renamed: Answer = |number| match number {
        0 | 1 => page("old:running 1"),
        2 | 3 => page("new:running 2\nold:running 9"),
        4 => page("other 1"),
        _ => page("x:waiting 5"),
    };
    let (samples, tally) = sampled(renamed, |samples, _| samples.len() >= 5);
    let running: Vec<Option<f64>> =
        samples.iter().take(5).map(|sample| sample.values.get(SERVER_RUNNING).copied()).collect();
    assert_eq!(running, [Some(1.0), Some(1.0), Some(2.0), Some(2.0), None]);
    assert_eq!(tally.failed, 1);
    assert!(tally.trouble.unwrap().contains("shows none of the names"));
}

#[test]
fn a_server_that_never_answers_does_not_hold_up_the_end() {
    let silent: Answer = |_| (Duration::from_secs(3600), String::new());
    let (samples, tally) = {
        let (url, asked) = serve(silent);
        let sampler =
            Sampler::start(vec![(sensor(&url), INTERVAL)], Instant::now(), Kept::default(), keep).unwrap();
        while asked.load(Ordering::SeqCst) == 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let began = Instant::now();
        let (kept, tallies) = sampler.stop().unwrap();
        assert!(began.elapsed() < READING_TIMEOUT / 2, "{:?}", began.elapsed());
        (kept.lock().unwrap().clone(), tallies[0].clone())
    };
    assert_eq!((samples.len(), tally.samples, tally.failed), (0, 0, 0));
}

#[test]
fn a_sample_that_cannot_be_written_ends_the_sampling_with_the_reason() {
    let (url, _) = serve(|_| page("x:waiting 1"));
    let full = |(): &mut (), _: &Sample| Err(anyhow::anyhow!("disk full"));
    let sampler = Sampler::start(vec![(sensor(&url), INTERVAL)], Instant::now(), (), full).unwrap();
    let began = Instant::now();
    while !sampler.thread.is_finished() {
        assert!(began.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(sampler.stop().unwrap_err().to_string(), "disk full");
}

#[test]
fn an_engine_without_a_page_or_without_known_names_has_no_sensor() {
    let client = reqwest::Client::new();
    assert!(ServerPage::new(client.clone(), "http://h", &ServerMetrics::default()).is_none());
    let nameless = ServerMetrics { path: Some("/metrics".into()), ..ServerMetrics::default() };
    assert!(ServerPage::new(client, "http://h", &nameless).is_none());
}

#[test]
fn histograms_are_read_from_the_first_reading_to_the_one_behind_the_load() {
    let (url, asked) = serve(|number| {
        let count = number + 1;
        page(&format!("t_bucket{{le=\"1\"}} {count}\nt_count {count}\nt_sum 3\nx:waiting 1"))
    });
    let metrics = ServerMetrics {
        path: Some("/metrics".into()),
        waiting: vec!["x:waiting".into()],
        histograms: [(ServerTime::Ttft, vec!["t".to_owned()])].into(),
        ..ServerMetrics::default()
    };
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let sensor = Sensor::ServerPage(ServerPage::new(client, &url, &metrics).unwrap());
    let kept = Kept::default();
    let sampler = Sampler::start(vec![(sensor, INTERVAL)], Instant::now(), kept.clone(), keep).unwrap();
    while kept.lock().unwrap().len() < 5 {
        std::thread::sleep(Duration::from_millis(5));
    }
    sampler.load_is_over();
    // What the server still counts while the load settles is in the last reading.
    let settled = asked.load(Ordering::SeqCst);
    std::thread::sleep(INTERVAL * 3);
    assert!(asked.load(Ordering::SeqCst) <= settled + 1, "nothing is read at its times any more");
    sampler.stop().unwrap();
    let samples = kept.lock().unwrap().clone();
    let counts: Vec<Option<f64>> =
        samples.iter().map(|sample| Some(sample.histograms.get(&ServerTime::Ttft)?.count)).collect();
    assert_eq!(counts.first(), Some(&Some(1.0)), "{counts:?}");
    assert_eq!(counts.last(), Some(&Some(asked.load(Ordering::SeqCst) as f64)), "{counts:?}");
}
