//! The picture, from scripted events.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::board::{Board, Headline, State};
use super::draw::{View, draw};
use super::keys::Key;
use crate::backend::launch::LaunchEvent;
use crate::backend::resolve::url_target;
use crate::commands::course::Course;
use crate::pipeline::{Event, Failure, LiveFigures, visits};
use crate::schema::environment::{Environment, Gpu};
use crate::schema::live::LiveCounters;
use crate::schema::live_counts::LiveCounts;
use crate::schema::live_snapshot::{LiveLatencies, LivePercentiles, LiveSnapshot};
use crate::schema::plan::{LoadPoint, Plan, RunKey, Skipped};
use crate::schema::record::FailureKind;
use crate::schema::sample::{Sample, Source};
use crate::schema::series::{gpu, host, server};
use crate::schema::traffic::{Ramp, Traffic, Until};

/// vLLM and SGLang at one load of 200 requests, two rounds; TGI is not here.
fn plan() -> Plan {
    let targets =
        ["vllm", "sglang"].map(|label| url_target(label, None, "http://127.0.0.1:1", "Qwen/Qwen3-8B"));
    let closed = Traffic::Closed { slots: 8.try_into().unwrap(), ramp: Ramp::Automatic };
    let load = LoadPoint::of(closed, Until::after_requests(200.try_into().unwrap()));
    let skipped = Skipped {
        label: "tgi".to_owned(),
        reason: "not installed".to_owned(),
        hint: "harness install tgi".to_owned(),
    };
    Plan {
        title: "compare".to_owned(),
        rounds: 2,
        skipped: vec![skipped],
        launching: Some(crate::schema::plan::Launching::default()),
        ..Plan::of("2026-02-01T14:30:00Z".parse().unwrap(), targets.into(), vec![load])
    }
}

fn machine() -> Environment {
    let gpu = Gpu { index: 0, name: "NVIDIA H200".to_owned(), memory_bytes: 140 << 30 };
    Environment { cores: 16, gpus: vec![gpu], ..crate::environment::look() }
}

fn board() -> Board {
    let plan = plan();
    let mut board = Board::new(&plan, &machine(), Course::new(None));
    board.event(&Event::Planned { plan: &plan, visits: &visits(&plan, &Default::default()) });
    board
}

fn at(board: &mut Board, seconds: f64, event: Event<'_>) {
    board.now = Duration::from_secs_f64(seconds);
    board.event(&event);
}

fn launch(board: &mut Board, label: &str, from: f64) {
    at(board, from, Event::Starting { label, log: Path::new("results/compare/vllm_r1.log") });
    at(board, from + 1.0, Event::Launching { label, event: LaunchEvent::Starting { pid: 4711 } });
    at(board, from + 30.0, Event::Ready { label, after: Duration::from_secs(30), command: &[] });
}

fn load(board: &mut Board, label: &str, round: u32, from: f64) {
    let plan = plan();
    let key = RunKey { round, ..RunKey::first(label) };
    let live = Arc::new(LiveCounters::default());
    let figures = LiveFigures::new(live.clone());
    at(board, from, Event::Loading { key: &key, load: &plan.loads[0], live, figures });
}

fn close(board: &mut Board, label: &str, round: u32, seconds: f64) {
    at(board, seconds, Event::Loaded);
    let headline = Headline {
        output_tps: Some(1834.2),
        ttft_p50: Some(41.2),
        ttft_p99: Some(88.13),
        tpot_p50: Some(4.31),
        failed: 1,
    };
    board.closed(&RunKey { round, ..RunKey::first(label) }, headline, (round as usize, 4));
}

fn percentiles(p50_ms: f64) -> Option<LivePercentiles> {
    Some(LivePercentiles {
        count: 9,
        p50_ms,
        p90_ms: p50_ms * 1.5,
        p99_ms: p50_ms * 2.0,
        max_ms: p50_ms * 3.0,
    })
}

/// So many requests ended, of which two failed.
fn snapshot(ended: u64) -> LiveSnapshot {
    let mut latencies = LiveLatencies::default();
    latencies.ttft.recent = percentiles(40.0 + (ended % 20) as f64);
    latencies.itl.recent = percentiles(9.87);
    let sample = |source, device, values: &[(&str, f64)]| Sample {
        histograms: Default::default(),
        at_us: 1,
        took_us: 1,
        source,
        device,
        values: values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
    };
    let gpu_now = [
        (gpu::GPU_UTILISATION, 0.87),
        (gpu::GPU_MEMORY_USED, 128.5 * (1u64 << 30) as f64),
        (gpu::GPU_POWER, 612.4),
        (gpu::GPU_TEMPERATURE, 64.0),
    ];
    let queue =
        [(server::SERVER_RUNNING, 8.0), (server::SERVER_WAITING, 2.0), (server::SERVER_KV_CACHE_USE, 0.43)];
    let busy = [(host::HOST_BUSY, 3.4), (host::HOST_MEMORY_AVAILABLE, 100.0 * (1u64 << 30) as f64)];
    LiveSnapshot {
        measuring: true,
        counts: LiveCounts {
            issued: ended + 8,
            in_flight: 8,
            completed: ended.saturating_sub(2),
            token_events: ended * 50,
            failures: BTreeMap::from([(FailureKind::Timeout, ended.min(2))]),
            ..LiveCounts::default()
        },
        latencies: Some(latencies),
        sensed: vec![
            sample(Source::Gpu, Some(0), &gpu_now),
            sample(Source::Server, None, &queue),
            sample(Source::Host, None, &busy),
        ],
        ..LiveSnapshot::default()
    }
}

/// The second backend is measured, and the first has been.
fn in_the_middle() -> Board {
    let mut board = board();
    board.say("plan: 4 runs (2 backends × 2 rounds)");
    launch(&mut board, "vllm", 1.0);
    load(&mut board, "vllm", 1, 32.0);
    close(&mut board, "vllm", 1, 60.0);
    at(&mut board, 61.0, Event::Stopping { label: "vllm" });
    at(&mut board, 62.0, Event::Stopped { label: "vllm", graceful: true, took: Duration::from_secs(1) });
    board.say("warning: vllm: its GPU was throttled");
    launch(&mut board, "sglang", 62.0);
    load(&mut board, "sglang", 1, 93.0);
    for second in 0..40 {
        board.now = Duration::from_secs(95 + second);
        board.observe(snapshot(second * 4));
    }
    board
}

fn picture(board: &Board, view: &mut View, width: u16, height: u16) -> String {
    let log: Vec<String> =
        (1..40).map(|line| format!("INFO 02-01 14:31:{line:02} engine: step {line}")).collect();
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, board, view, &log)).unwrap();
    let buffer = terminal.backend().buffer();
    let mut text = String::new();
    for row in buffer.content().chunks(usize::from(width)) {
        let line: String = row.iter().map(|cell| cell.symbol()).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[test]
fn the_picture_shows_backends_run_machine_messages_and_log() {
    for (width, height) in [(80, 24), (120, 40)] {
        let picture = picture(&in_the_middle(), &mut View::default(), width, height);
        for shown in [
            " harness compare  Qwen3-8B · concurrency 8 ",
            " run 2 of 4\n",
            " round 1 of 2 · 2:14 elapsed\n",
            "\n  vllm   waiting ",
            " 1/2    1834     41.2   88.1     4.31     1\n",
            "\n▶ sglang measuring 0:39 ",
            "\n  tgi    not installed (harness install tgi)\n",
            "─ sglang · round 1 ─",
            "  156 of 200 requests · 0:39\n",
            "\n 4.0 req/s   200 tok/s   8 in flight   2 failed ",
            " timeout 2\n",
            "\n TTFT ms p50   56.0  p90   84.0  p99  112.0 ",
            "\n ITL ms  p50   9.87  p90   14.8  p99   19.7 ",
            " 43 % of KV cache   8 running   2 waiting\n",
            " 87 %   128 / 140 GiB   612 W   64 °C\n",
            " 21 %   of 16 cores   100 GiB free\n",
            " warning: vllm: its GPU was throttled\n",
            "─ Log vllm_r1.log ─",
            "\n INFO 02-01 14:31:39 engine: step 39\n",
            " 1 warning\n",
        ] {
            assert!(picture.contains(shown), "{shown:?} at {width} × {height}:\n{picture}");
        }
        assert_eq!(picture.lines().count(), usize::from(height));
    }
}

#[test]
fn a_small_terminal_shows_what_is_needed_most() {
    for (width, height) in [(60, 12), (20, 5)] {
        let picture = picture(&in_the_middle(), &mut View::default(), width, height);
        for shown in [" harness compare  Q", "▶ sglang ", "156 of 200", "4.0 req/s"] {
            assert!(picture.contains(shown), "{shown:?} at {width} × {height}:\n{picture}");
        }
    }
}

#[test]
fn no_size_is_too_small_or_too_large_to_draw() {
    let mut boards = vec![board(), in_the_middle()];
    let mut many = in_the_middle();
    let row = many.rows[0].clone();
    many.rows
        .extend((0..30).map(|number| super::board::Row { label: format!("{number} 日本語"), ..row.clone() }));
    boards.push(many);
    for board in &boards {
        for width in (0..=40).chain([79, 80, 81, 119, 120, 200, 500]) {
            for height in (0..=30).chain([40, 100]) {
                let mut view = View::default();
                picture(board, &mut view, width.max(1), height.max(1));
                view.press(Key::Help);
                view.press(Key::First);
                view.press(Key::Help);
                picture(board, &mut view, width.max(1), height.max(1));
            }
        }
    }
}

#[test]
fn a_backend_goes_from_state_to_state_as_events_come() {
    let mut board = board();
    let state = |board: &Board| board.rows[0].state.clone();
    assert_eq!((state(&board), board.place().as_str()), (State::Waiting, "0 of 4 runs done"));
    launch(&mut board, "vllm", 1.0);
    assert_eq!(state(&board), State::Ready { since: Duration::from_secs(31) });
    let loading = LaunchEvent::Loading { log_last_line: "weights\u{1b}[2J 3/4".to_owned() };
    at(&mut board, 2.0, Event::Starting { label: "vllm", log: Path::new("a.log") });
    at(&mut board, 3.0, Event::Launching { label: "vllm", event: loading });
    let since = Duration::from_secs(2);
    assert_eq!(state(&board), State::Launching { since, step: "weights [2J 3/4".to_owned() });
    at(&mut board, 4.0, Event::Launching { label: "vllm", event: LaunchEvent::Probing });
    assert_eq!(state(&board), State::Probing { since });
    load(&mut board, "vllm", 1, 40.0);
    assert_eq!((state(&board), board.place().as_str()), (State::Loaded, "run 1 of 4"));
    close(&mut board, "vllm", 1, 60.0);
    assert_eq!((board.rows[0].runs, board.runs), ((1, Some(2)), (1, 4)));
    at(&mut board, 61.0, Event::Stopping { label: "vllm" });
    at(&mut board, 62.0, Event::Stopped { label: "vllm", graceful: true, took: Duration::ZERO });
    assert_eq!(state(&board), State::Waiting, "its second round comes");
    close(&mut board, "vllm", 2, 80.0);
    at(&mut board, 82.0, Event::Stopped { label: "vllm", graceful: true, took: Duration::ZERO });
    assert_eq!(state(&board), State::Done);
    let failure = Failure::of_target("no port\nis free".to_owned());
    at(&mut board, 90.0, Event::Failed { label: "sglang", failure: &failure });
    assert_eq!(board.rows[1].state, State::Failed("no port is free".to_owned()));
}

#[test]
fn a_launch_that_failed_is_not_forgotten_when_a_later_one_is_stopped() {
    let mut board = board();
    let failure = Failure::of_target("no port is free".to_owned());
    let stop = |board: &mut Board, at_s: f64| {
        at(board, at_s, Event::Stopped { label: "vllm", graceful: true, took: Duration::ZERO });
        board.rows[0].state.clone()
    };
    at(&mut board, 1.0, Event::Failed { label: "vllm", failure: &failure });
    launch(&mut board, "vllm", 2.0);
    load(&mut board, "vllm", 2, 40.0);
    close(&mut board, "vllm", 2, 60.0);
    assert_eq!(stop(&mut board, 62.0), State::Failed("no port is free".to_owned()), "its last round is over");
    let mut board = self::board();
    launch(&mut board, "vllm", 1.0);
    close(&mut board, "vllm", 1, 60.0);
    assert_eq!(stop(&mut board, 61.0), State::Waiting);
    at(&mut board, 62.0, Event::Failed { label: "vllm", failure: &failure });
    assert_eq!(board.rows[0].missed.0, 1);
}

#[test]
fn rates_are_of_the_last_two_seconds_and_progress_is_of_whichever_bound_is_nearer() {
    let board = in_the_middle();
    let run = board.run.unwrap();
    assert_eq!((run.requests_s, run.tokens_s), (4.0, 200.0));
    assert_eq!(run.progress(board.now), Some(156.0 / 200.0));
    assert_eq!(run.seconds.len(), 39);
}

#[test]
fn the_last_requests_are_counted_while_a_run_is_saved_and_what_moved_stays() {
    let mut board = in_the_middle();
    at(&mut board, 135.0, Event::Loaded);
    board.now = Duration::from_secs(138);
    let last = snapshot(200);
    let counts = LiveCounts { in_flight: 0, ..last.counts.clone() };
    board.observe(LiveSnapshot { counts, latencies: None, ..last });
    let picture = picture(&board, &mut View::default(), 80, 24);
    for shown in [
        "  200 of 200 requests · 0:40 · over\n",
        " 4.0 req/s ",
        " 0 in flight ",
        "p50   56.0",
        "▶ sglang saving",
    ] {
        assert!(picture.contains(shown), "{shown:?}:\n{picture}");
    }
    assert_eq!(board.run.unwrap().seconds.len(), 39);
}
