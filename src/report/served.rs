//! What a server says of its own requests beside what the client saw: where the time went.

use super::client::packed;
use super::number::{NONE, compact, count, fixed};
use super::rows::{Column, View, value};
use super::slices::TextTable;
use super::sweep::load_name;
use crate::schema::comparison::Comparison;
use crate::schema::figure::{SERVER_DECODE, SERVER_PREFILL, SERVER_QUEUE, Statistic};
use crate::schema::served::{Level, ServedSummary, ServedTime, ServerTime, Within};
use crate::schema::summary::{MetricValue, RunSummary};

/// The table's title.
pub const TITLE: &str = "Where the time went";

/// What is to be known of its figures.
pub const NOTE: &str = "ms, of the client and, beside it, of the server by its own metrics page. Queued: of it in the \
server's queue. Outside: the client's mean less the server's, which is network, HTTP and all that the server does before \
its clock starts; left out where they have other numbers of values by over 2 %. The server's figures are of the requests \
between the reading of its page before the measured window and the one behind it, some of the warm-up's among them; a \
percentile of its lies anywhere in a bucket of its histogram, whose ends are given. Of several runs, means, and the \
outermost ends.";

/// The same for a narrow page.
pub const SHORT_NOTE: &str = "Server: means by its own page, over the requests between two readings of it, some of the \
warm-up's among them. Queued: of it in the server's queue. Outside: client less server, where both have as many values. \
Server p99: the ends of its histogram's bucket.";

/// Values that client and server may differ by, of the client's.
const SAME_SHARE: f64 = 0.02;

/// Times that client and server both know, and a row each.
const SHOWN: [ServerTime; 4] = [ServerTime::Ttft, ServerTime::Itl, ServerTime::Tpot, ServerTime::E2e];

/// Lines of a run's block, of at most `width` columns: names and texts.
pub fn block_lines(run: &RunSummary, width: usize) -> Vec<(&'static str, String)> {
    let served = run.served.as_deref();
    let own = served.map(|served| (own_means(served), levels(served)));
    let (own, levels) = own.unwrap_or_default();
    let means = |mut parts: Vec<String>| {
        if let Some(first) = parts.first_mut() {
            first.insert_str(0, "Means: ");
        }
        parts
    };
    [("Answers (ms)", means(told_with_answers(run))), ("Server (ms)", means(own)), ("At the server", levels)]
        .into_iter()
        .flat_map(|(name, parts)| {
            let lines = packed(parts, width).into_iter().enumerate();
            lines.map(move |(place, text)| (if place == 0 { name } else { "" }, text))
        })
        .collect()
}

/// Means of the server's own histograms.
fn own_means(served: &ServedSummary) -> Vec<String> {
    let shown = [ServerTime::Ttft, ServerTime::Queue, ServerTime::Itl, ServerTime::E2e];
    let mean = |time: ServerTime| Some(format!("{} {}", time.title(), fixed(served.mean_ms(time)?)));
    shown.into_iter().filter_map(mean).collect()
}

/// Means of what the server told of each request, where it did.
fn told_with_answers(run: &RunSummary) -> Vec<String> {
    let told = [(SERVER_QUEUE, "queue"), (SERVER_PREFILL, "prefill"), (SERVER_DECODE, "decode")];
    let shown = |(metric, name): (&str, &str)| {
        Some(format!("{name} {}", fixed(value(run, metric, Statistic::Mean)?)))
    };
    told.into_iter().filter_map(shown).collect()
}

/// `Running: 3.9, at most 4`, …
fn levels(served: &ServedSummary) -> Vec<String> {
    let level = |name: &str, level: Option<Level>| {
        level.map(|level| {
            format!("{name}: {}, at most {}", compact(level.mean), count(level.max.round() as u64))
        })
    };
    let share = |share: f64| format!("{}%", compact(share * 100.0));
    let cache = served.kv_cache_use.map(|level| format!("KV cache: at most {}", share(level.max)));
    let hits = served.cache_hit_share.filter(|hits| *hits > 0.0);
    let preempted = served.preemptions.filter(|times| *times >= 1.0);
    [
        level("Running", served.running),
        level("Waiting", served.waiting),
        cache,
        hits.map(|hits| format!("Prefix cache hits: {}", share(hits))),
        preempted.map(|times| format!("Preemptions: {}", count(times.round() as u64))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The whole table, for a page; none where no server said anything of times.
pub fn table(comparison: &Comparison) -> Option<TextTable> {
    let heads = [
        "Client mean",
        "Server mean",
        "Queued",
        "Outside",
        "Client p50",
        "Server p50",
        "Client p99",
        "Server p99",
        "Server's values",
    ];
    made(comparison, &heads, |column, time| {
        let p = |of: fn(&ServedTime) -> Option<Within>| within(column, time, of);
        let client = |statistic| number(client(column, time, statistic));
        let values =
            column.runs.iter().filter_map(|run| Some(run.served.as_deref()?.times.get(&time)?.count));
        let [seen, own, queued, outside] = means(column, time);
        vec![
            seen,
            own,
            queued,
            outside,
            client(Statistic::P50),
            p(|time| time.p50),
            client(Statistic::P99),
            p(|time| time.p99),
            values.reduce(|sum, more| sum + more).map_or_else(|| NONE.to_owned(), count),
        ]
    })
}

/// The table for eighty columns: means, and the server's p99.
pub fn narrow_table(comparison: &Comparison) -> Option<TextTable> {
    let heads = ["Client", "Server", "Queued", "Outside", "Server p99"];
    made(comparison, &heads, |column, time| {
        let mut cells = means(column, time).to_vec();
        cells.push(within(column, time, |time| time.p99));
        cells
    })
}

fn made(
    comparison: &Comparison,
    figures: &[&str],
    cells: impl Fn(&Column<'_>, ServerTime) -> Vec<String>,
) -> Option<TextTable> {
    let views = View::all(comparison);
    let loads = views.len() > 1;
    let mut table_rows = Vec::new();
    for (point, view) in &views {
        for column in &view.columns {
            for time in SHOWN.into_iter().filter(|time| is_told(column, *time)) {
                let mut row: Vec<String> = loads.then(|| load_name(comparison, *point)).into_iter().collect();
                row.extend([column.group.label.clone(), time.title().to_owned()]);
                row.extend(cells(column, time));
                table_rows.push(row);
            }
        }
    }
    if table_rows.is_empty() {
        return None;
    }
    let mut heads: Vec<String> = loads.then(|| "Load".to_owned()).into_iter().collect();
    heads.extend(["Backend".to_owned(), "Time".to_owned()]);
    let numbers = heads.len();
    heads.extend(figures.iter().map(|head| (*head).to_owned()));
    Some(TextTable { title: TITLE.to_owned(), heads, rows: table_rows, numbers })
}

/// The server has it, or at least the queue that is a part of the wait for the first token.
fn is_told(column: &Column<'_>, time: ServerTime) -> bool {
    server(column, time).is_some()
        || (time == ServerTime::Ttft && server(column, ServerTime::Queue).is_some())
}

/// Client, server, queued, outside.
fn means(column: &Column<'_>, time: ServerTime) -> [String; 4] {
    let (seen, own) = (client(column, time, Statistic::Mean), server(column, time));
    let queued = match time {
        ServerTime::Ttft | ServerTime::E2e => server(column, ServerTime::Queue),
        ServerTime::Queue | ServerTime::Prefill | ServerTime::Decode | ServerTime::Itl | ServerTime::Tpot => {
            None
        }
    };
    let outside = seen.zip(own).map(|(seen, own)| seen - own);
    [seen, own, queued, outside.filter(|_| column.runs.iter().all(|run| is_of_the_same(run, time)))]
        .map(number)
}

/// Client and server have as many values: a difference of their means is then one of the same requests.
fn is_of_the_same(run: &RunSummary, time: ServerTime) -> bool {
    let seen = time.metric().and_then(|metric| run.metrics.get(metric)).map(|value| match value {
        MetricValue::Distribution(seen) => seen.count as f64,
        MetricValue::Scalar(_) => 0.0,
    });
    let own = run.served.as_deref().and_then(|served| served.times.get(&time)).map(|own| own.count as f64);
    seen.zip(own).is_some_and(|(seen, own)| (seen - own).abs() <= SAME_SHARE * seen)
}

/// Mean over a column's runs of what the client measured.
fn client(column: &Column<'_>, time: ServerTime, statistic: Statistic) -> Option<f64> {
    let metric = time.metric()?;
    mean(column.runs.iter().map(|run| value(run, metric, statistic)))
}

/// Mean over a column's runs of a server's mean.
fn server(column: &Column<'_>, time: ServerTime) -> Option<f64> {
    mean(column.runs.iter().map(|run| run.served.as_deref()?.mean_ms(time)))
}

/// None where a run has none: a mean over others would be of other runs than its neighbours'.
fn mean(values: impl ExactSizeIterator<Item = Option<f64>>) -> Option<f64> {
    let runs = values.len() as f64;
    let sum: Option<f64> = values.sum();
    sum.filter(|_| runs > 0.0).map(|sum| sum / runs)
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| NONE.to_owned(), compact)
}

/// `50–75`, `> 2560`.
fn within(column: &Column<'_>, time: ServerTime, of: fn(&ServedTime) -> Option<Within>) -> String {
    let found = column.runs.iter().filter_map(|run| of(run.served.as_deref()?.times.get(&time)?));
    let outermost = found.reduce(|one, other| Within {
        ms: one.ms,
        low_ms: one.low_ms.min(other.low_ms),
        high_ms: one.high_ms.zip(other.high_ms).map(|(one, other)| one.max(other)),
    });
    match outermost {
        None => NONE.to_owned(),
        Some(Within { low_ms, high_ms: Some(high_ms), .. }) => {
            format!("{}–{}", compact(low_ms), compact(high_ms))
        }
        Some(Within { low_ms, high_ms: None, .. }) => format!("> {}", compact(low_ms)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::report::fixture::{comparison, run};
    use crate::report::terminal::{Style, comparison_table, run_block};

    fn time(mean_ms: f64, p99: Within) -> ServedTime {
        ServedTime { count: 18, mean_ms: Some(mean_ms), p50: Some(p99), p90: Some(p99), p99: Some(p99) }
    }

    fn told(label: &str) -> RunSummary {
        let bucket = Within { ms: 90.0, low_ms: 75.0, high_ms: Some(100.0) };
        let open = Within { ms: 2560.0, low_ms: 2560.0, high_ms: None };
        let level = |mean, max| Some(Level { mean, max, readings: 9 });
        let served = ServedSummary {
            times: BTreeMap::from([
                (ServerTime::Ttft, time(47.0, bucket)),
                (ServerTime::Queue, time(30.5, bucket)),
                (ServerTime::E2e, time(250.0, open)),
            ]),
            running: level(3.5, 4.0),
            waiting: level(7.25, 8.0),
            kv_cache_use: level(0.2, 0.43),
            cache_hit_share: Some(0.25),
            preemptions: Some(2.0),
            ..ServedSummary::default()
        };
        RunSummary { served: Some(Box::new(served)), ..run(label, 1.0) }
    }

    #[test]
    fn the_client_s_times_stand_beside_the_server_s_and_what_of_them_is_queue() {
        let table = narrow_table(&comparison(vec![told("vllm"), run("llamacpp", 1.0)])).unwrap();
        assert_eq!(
            table.rows,
            [
                ["vllm", "TTFT", "49.0", "47.0", "30.5", "2.05", "75.0–100"],
                ["vllm", "E2E", "255", "250", "30.5", "4.79", "> 2,560"],
            ]
        );
        let wide = super::table(&comparison(vec![told("vllm")])).unwrap();
        assert_eq!(wide.heads.len(), wide.rows[0].len());
        assert_eq!(wide.rows[0].last().unwrap(), "18");
        let mut warm = told("vllm");
        warm.served.as_mut().unwrap().times.get_mut(&ServerTime::Ttft).unwrap().count = 20;
        let table = narrow_table(&comparison(vec![warm])).unwrap();
        assert_eq!(table.rows[0][5], "–", "two of the warm-up are among the server's: {:?}", table.rows);
        assert!(narrow_table(&comparison(vec![run("llamacpp", 1.0)])).is_none());
    }

    #[test]
    fn a_server_that_tells_its_queue_alone_has_a_row_for_it() {
        let mut tgi = told("tgi");
        tgi.served.as_mut().unwrap().times.retain(|time, _| *time == ServerTime::Queue);
        let table = narrow_table(&comparison(vec![tgi])).unwrap();
        assert_eq!(table.rows, [["tgi", "TTFT", "49.0", "–", "30.5", "–", "–"]]);
    }

    #[test]
    fn it_is_shown_within_eighty_columns_and_in_the_block_of_a_run() {
        let style = Style { width: 80, colour: false };
        let of = comparison(vec![told("vllm"), told("sglang")]);
        let shown = comparison_table(&of, style);
        assert!(shown.contains("\nWhere the time went (ms):\n"), "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        let block = run_block(&told("vllm"), "", style);
        assert!(
            block.contains("\nServer (ms):    Means: TTFT 47.00 | queue 30.50 | E2E 250.00\n"),
            "{block}"
        );
        assert!(block.contains("KV cache: at most 43.0%"), "{block}");
        assert!(!run_block(&run("vllm", 1.0), "", style).contains("erver"));
        let mut llamacpp = run("llamacpp", 1.0);
        for (metric, p50) in [(SERVER_PREFILL, 20.0), (SERVER_DECODE, 200.0)] {
            llamacpp.metrics.insert(metric.to_owned(), crate::report::fixture::distribution(p50, p50));
        }
        let block = run_block(&llamacpp, "", style);
        assert!(block.contains("\nAnswers (ms):   Means: prefill 20.00 | decode 200.00\n"), "{block}");
    }
}
