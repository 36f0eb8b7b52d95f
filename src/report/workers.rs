//! The machines that played a run together: a block of the terminal, a table of the reports.

use unicode_width::UnicodeWidthStr;

use super::number::{NONE, count, fixed, one_line};
use crate::schema::comparison::Comparison;
use crate::schema::summary::RunSummary;
use crate::schema::workers::WorkerStats;

/// What the table of the reports holds.
pub const ABOUT: &str = "What each machine that sent did of a run. Latencies are differences on one machine's own clock. The \
     clock error says how far a time of one machine may be off on the clock of worker 0: it touches the order of \
     arrivals, requests in flight over time, figures by second and the edges of the window, and nothing else.";

/// The table's head.
pub const HEAD: [&str; 7] =
    ["Worker", "Host", "Requests", "Send delay P99 (ms)", "CPU (s)", "Threads", "Clock error (ms)"];
/// The same for a terminal of 80 columns.
const SHORT_HEAD: [&str; 7] = ["Worker", "Host", "Requests", "Delay P99", "CPU", "Threads", "Clock ±"];

/// Rows that are shown of a run at most; the JSON has all.
const ROWS_MOST: usize = 16;
/// The longest host that a terminal shows, columns.
const HOST_COLUMNS: usize = 20;

/// A row each, at most sixteen: those that were lost or limited before others.
pub fn rows(run: &RunSummary) -> Vec<[String; 7]> {
    shown(run).into_iter().map(|worker| cells(worker, "")).collect()
}

/// What else is to be said of a run's workers: who was lost, who was limited, who is not shown.
pub fn notes(run: &RunSummary) -> Vec<String> {
    let all = &run.workers;
    let of = |worker: &WorkerStats, words: &str| format!("worker {}: {}", worker.worker, one_line(words));
    let lost = all.iter().filter_map(|worker| Some(of(worker, worker.lost.as_ref()?)));
    let limited =
        |worker: &WorkerStats| Some(of(worker, &format!("limited: {}", worker.client_limited.as_ref()?)));
    let hidden = all.len().saturating_sub(ROWS_MOST);
    let hidden = (hidden > 0).then(|| format!("and {hidden} more: the run's JSON has all {}", all.len()));
    lost.chain(all.iter().filter_map(limited)).chain(hidden).collect()
}

fn shown(run: &RunSummary) -> Vec<&WorkerStats> {
    let mut all: Vec<&WorkerStats> = run.workers.iter().collect();
    all.sort_by_key(|worker| (worker.lost.is_none() && worker.client_limited.is_none(), worker.worker));
    all.truncate(ROWS_MOST);
    all.sort_by_key(|worker| worker.worker);
    all
}

fn cells(worker: &WorkerStats, unit: &str) -> [String; 7] {
    // Without records nothing is known of it.
    let known = |text: String| if worker.threads == 0 { NONE.to_owned() } else { text };
    let ms = |value: f64| format!("{}{}", fixed(value), if unit.is_empty() { "" } else { " ms" });
    [
        worker.worker.to_string(),
        if worker.host.is_empty() { NONE.to_owned() } else { one_line(&worker.host) },
        count(worker.issued),
        worker.send_delay_p99_ms.map_or_else(|| NONE.to_owned(), ms),
        known(format!("{}{unit}", fixed(worker.cpu_s))),
        known(worker.threads.to_string()),
        known(ms(worker.clock_error_us / 1e3)),
    ]
}

/// The lines of a terminal, the head first, aligned; none where one machine played all.
pub fn block_lines(run: &RunSummary) -> Vec<String> {
    if run.workers.is_empty() {
        return Vec::new();
    }
    let mut rows: Vec<[String; 7]> = vec![SHORT_HEAD.map(str::to_owned)];
    rows.extend(shown(run).into_iter().map(|worker| {
        let mut cells = cells(worker, " s");
        cells[1] = clipped(&cells[1]);
        cells
    }));
    let mut widths = [0; 7];
    for row in &rows {
        widths.iter_mut().zip(row).for_each(|(width, cell)| *width = cell.width().max(*width));
    }
    let line = |row: &[String; 7]| {
        let padded = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
            let blanks = " ".repeat(width.saturating_sub(cell.width()));
            // Names to the left, numbers to the right.
            if column < 2 { format!("{cell}{blanks}") } else { format!("{blanks}{cell}") }
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    std::iter::once("=== WORKERS ===".to_owned()).chain(rows.iter().map(line)).collect()
}

fn clipped(host: &str) -> String {
    let mut clipped = String::new();
    for letter in host.chars() {
        if clipped.width() + 2 > HOST_COLUMNS {
            return clipped + "…";
        }
        clipped.push(letter);
    }
    clipped
}

/// The runs of a comparison that several machines played, each with its name.
pub fn runs(comparison: &Comparison) -> Vec<(String, &RunSummary)> {
    let played = comparison.runs.iter().filter(|run| !run.workers.is_empty());
    let several = comparison.runs.len() > 1;
    let name = |run: &RunSummary| {
        let key = &run.key;
        let which = format!(", load {}, round {}, repeat {}", key.point, key.round, key.repeat);
        format!("{}{}", one_line(&key.label), if several { which } else { String::new() })
    };
    played.map(|run| (name(run), run)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    fn worker(number: u32) -> WorkerStats {
        WorkerStats {
            worker: number,
            host: format!("node{number:02}.a-cluster.example.org"),
            issued: 25_000,
            send_delay_p99_ms: Some(0.043),
            cpu_s: 13.25,
            threads: 4,
            clock_error_us: 21.4,
            ..WorkerStats::default()
        }
    }

    #[test]
    fn the_block_of_workers_is_aligned_and_fits_80_columns() {
        let mut run = fixture::run("vllm", 1.0);
        assert!(block_lines(&run).is_empty() && notes(&run).is_empty());
        run.workers = (0..3).map(worker).collect();
        run.workers[1].client_limited = Some("send delay p99 is 3.21 ms, above 1.00 ms".into());
        let gone = (String::new(), 0, None, Some("its records are not there".to_owned()));
        let last = &mut run.workers[2];
        (last.host, last.threads, last.send_delay_p99_ms, last.lost) = gone;
        let lines = block_lines(&run);
        assert!(lines.iter().all(|line| line.width() <= 80), "{lines:#?}");
        insta::assert_snapshot!(lines.iter().chain(&notes(&run)).cloned().collect::<Vec<_>>().join("\n"), @r"
        === WORKERS ===
        Worker  Host                  Requests  Delay P99      CPU  Threads  Clock ±
        0       node00.a-cluster.ex…    25,000    0.04 ms  13.25 s        4  0.02 ms
        1       node01.a-cluster.ex…    25,000    0.04 ms  13.25 s        4  0.02 ms
        2       –                       25,000          –        –        –        –
        worker 2: its records are not there
        worker 1: limited: send delay p99 is 3.21 ms, above 1.00 ms
        ");
    }

    #[test]
    fn of_a_hundred_workers_those_in_trouble_are_shown_first() {
        let mut run = fixture::run("vllm", 1.0);
        run.workers = (0..100).map(worker).collect();
        run.workers[77].lost = Some("lost at 12.3 s".into());
        let shown: Vec<String> = rows(&run).into_iter().map(|[number, ..]| number).collect();
        assert_eq!((shown.len(), shown.last().unwrap().as_str()), (16, "77"));
        assert_eq!(notes(&run), ["worker 77: lost at 12.3 s", "and 84 more: the run's JSON has all 100"]);
    }
}
