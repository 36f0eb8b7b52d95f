//! What the client says of itself: two lines of a run's block, a row of the comparison, a table of the report.

use unicode_width::UnicodeWidthStr;

use super::number::{NONE, count, fixed};
use super::rows::{self, Column, Row, View, client_limited};
use crate::schema::client_figures::{
    ACHIEVED_RATE, CLIENT_STATISTICS, CPU_S, ClientFigure, DROPPED_SENDS, Held, MERGED_EVENTS, READER_LAG,
    RECONNECTS, SEND_DELAY, SLOT_WAIT,
};
use crate::schema::figure::Statistic;
use crate::schema::record::StampKind;
use crate::schema::summary::{ClientStats, RunSummary};

/// Whether the client set the numbers, and what it could have added to them, as lines with their names:
/// the verdict and the sending, then the stamps. A line of many parts is broken between them where it would
/// be wider than `width` columns.
pub fn block_lines(run: &RunSummary, width: usize) -> Vec<(&'static str, String)> {
    let named = |name, parts| {
        let lines = packed(parts, width).into_iter().enumerate();
        lines.map(move |(number, line)| (if number == 0 { name } else { "" }, line))
    };
    named("Client limited", sending(run)).chain(named("Client stamps", stamps(&run.client))).collect()
}

/// Parts joined by bars, as many on a line as fit.
pub(super) fn packed(parts: Vec<String>, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if line.width() + 3 + part.width() <= width => {
                line.push_str(" | ");
                line.push_str(&part);
            }
            Some(_) | None => lines.push(part),
        }
    }
    lines
}

fn sending(run: &RunSummary) -> Vec<String> {
    let client = &run.client;
    let verdict = match (client_limited(run), &client.client_limited) {
        (Some(verdict), Some(reason)) => format!("{verdict}: {reason}"),
        (Some(verdict), None) => verdict.to_owned(),
        (None, _) => "not known (the run left no account of its CPU)".to_owned(),
    };
    let delay = client.send_delay_ms.as_ref().map(|delay| {
        let late = above_zero(client.late_sends).map(|late| format!(" ({late} late)")).unwrap_or_default();
        format!("send delay P99: {} ms{late}", fixed(delay.p99))
    });
    let waited =
        client.slot_wait_ms.as_ref().filter(|wait| client.send_delay_ms.is_some() && wait.p99 >= SHOWN_MS);
    [
        Some(verdict),
        cpu(client),
        delay,
        waited.map(|wait| format!("slot wait P99: {} ms", fixed(wait.p99))),
        above_zero(client.reconnects).map(|number| format!("reconnects: {number}")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Waits for a slot that are shorter say nothing, ms.
const SHOWN_MS: f64 = 0.01;

fn stamps(client: &ClientStats) -> Vec<String> {
    if client.stamps.is_empty() {
        return vec![format!("{NONE} (no answer came)")];
    }
    let lag = client.reader_lag_ms.as_ref().map(|lag| format!("reader lag P99: {} ms", fixed(lag.p99)));
    let merged = format!("merged: {} %", fixed(100.0 * client.merged_events));
    [Some(kinds(client)), Some(merged), lag].into_iter().flatten().collect()
}

/// `kernel (all 8,000)`, or `kernel 7,689 of 8,000, READ 311`.
fn kinds(client: &ClientStats) -> String {
    match (client.stamped(StampKind::Kernel), client.stamped(StampKind::Read)) {
        (kernel, 0) => format!("kernel (all {})", count(kernel)),
        (0, read) => format!("READ (all {})", count(read)),
        (kernel, read) => {
            format!("kernel {} of {}, READ {}", count(kernel), count(client.answered()), count(read))
        }
    }
}

fn cpu(client: &ClientStats) -> Option<String> {
    let threads = match client.threads {
        0 => return None,
        1 => "1 thread".to_owned(),
        number => format!("{number} threads"),
    };
    Some(format!("CPU: {:.1} % of {threads}", 100.0 * client.cpu_share))
}

fn above_zero(number: u64) -> Option<String> {
    (number > 0).then(|| count(number))
}

/// What the report shows of the client, backends across; a figure that no run has is left out. Some rows hold
/// two figures, of which one says little without the other. Of several runs the one is shown that took the
/// largest share of the client's CPU.
pub fn figures(view: &View<'_>) -> Vec<Row> {
    let row = |head: &str, show: &dyn Fn(&ClientStats) -> Option<String>| {
        rows::row(view, head, &|column| show(&busiest(column)?.client))
    };
    let plain = |figure: ClientFigure| row(&head(figure), &|client| shown(figure, client));
    let open = |client: &ClientStats| client.send_delay_ms.is_some();
    [
        rows::row(view, "Client limited", &|column| {
            let limited = column.runs.iter().copied().find(|run| run.client.client_limited.is_some());
            let run = limited.or(busiest(column))?;
            let verdict = client_limited(run)?;
            let reason = run.client.client_limited.as_ref();
            Some(reason.map_or_else(|| verdict.to_owned(), |why| format!("{verdict}: {why}")))
        }),
        plain(SEND_DELAY),
        row("Late sends (limit in ms)", &|client| {
            let limit = fixed(client.send_delay_limit_ms);
            open(client).then(|| format!("{} ({limit})", count(client.late_sends)))
        }),
        plain(DROPPED_SENDS),
        plain(ACHIEVED_RATE),
        plain(SLOT_WAIT),
        plain(READER_LAG),
        plain(MERGED_EVENTS),
        row("Stamps", &|client| (!client.stamps.is_empty()).then(|| kinds(client))),
        plain(CPU_S),
        row("CPU (% of so many threads)", &|client| {
            client.known_cpu_share().map(|share| format!("{:.1} ({})", 100.0 * share, client.threads))
        }),
        plain(RECONNECTS),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The run that took the largest share of the client's CPU.
fn busiest<'a>(column: &Column<'a>) -> Option<&'a RunSummary> {
    column
        .runs
        .iter()
        .copied()
        .reduce(|one, other| if other.client.cpu_share > one.client.cpu_share { other } else { one })
}

/// `Send delay p50 / p99 / max (ms)`
fn head(figure: ClientFigure) -> String {
    match figure.of {
        Held::Distribution(_) => {
            format!("{} {} (ms)", figure.title, CLIENT_STATISTICS.map(Statistic::name).join(" / "))
        }
        Held::Share(_) => format!("{} (%)", figure.title),
        Held::Number(_) | Held::Count(_) | Held::Text(_) => figure.title.to_owned(),
    }
}

fn shown(figure: ClientFigure, client: &ClientStats) -> Option<String> {
    match figure.of {
        Held::Distribution(of) => of(client).map(|held| {
            let cell = |statistic: Statistic| statistic.of_distribution(held).map_or(NONE.to_owned(), fixed);
            CLIENT_STATISTICS.map(cell).join(" / ")
        }),
        Held::Share(of) => of(client).map(|share| fixed(100.0 * share)),
        Held::Number(of) => of(client).map(fixed),
        Held::Count(of) => Some(count(of(client))),
        Held::Text(of) => of(client).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{run, spread};

    /// The two lines where no width breaks them.
    fn said(change: impl FnOnce(&mut ClientStats)) -> [String; 2] {
        let mut run = run("vllm", 1.0);
        change(&mut run.client);
        let [(_, sending), (_, stamps)] = block_lines(&run, usize::MAX).try_into().unwrap();
        [sending, stamps]
    }

    #[test]
    fn lines_are_broken_between_their_parts() {
        let mut run = run("vllm", 1.0);
        run.client.stamps.insert(StampKind::Read, 7);
        let lines = block_lines(&run, 36);
        assert_eq!(lines[1], ("Client stamps", "kernel 18 of 25, READ 7".to_owned()));
        assert_eq!(lines[2], ("", "merged: 0.00 %".to_owned()));
        assert_eq!(lines[3], ("", "reader lag P99: 0.06 ms".to_owned()));
    }

    #[test]
    fn a_closed_loop_is_told_by_its_cpu_and_its_stamps() {
        let [sending, stamps] = said(|_| {});
        assert_eq!(sending, "no | CPU: 0.8 % of 1 thread");
        assert_eq!(stamps, "kernel (all 18) | merged: 0.00 % | reader lag P99: 0.06 ms");
    }

    #[test]
    fn what_limits_comes_first_and_what_was_late_or_sent_twice_is_counted() {
        let [sending, _] = said(|client| {
            client.client_limited = Some("send delay p99 is 3.21 ms, above 1.00 ms".to_owned());
            client.send_delay_ms = Some(spread(0.1, 3.21));
            client.slot_wait_ms = Some(spread(0.0, 12.0));
            client.late_sends = 1_204;
            client.threads = 2;
            client.reconnects = 3;
        });
        assert_eq!(
            sending,
            "YES: send delay p99 is 3.21 ms, above 1.00 ms | CPU: 0.8 % of 2 threads | \
             send delay P99: 3.21 ms (1,204 late) | slot wait P99: 12.00 ms | reconnects: 3"
        );
    }

    #[test]
    fn stamps_that_are_not_the_kernels_are_told_apart() {
        let [_, stamps] = said(|client| {
            client.stamps = [(StampKind::Kernel, 7_689), (StampKind::Read, 311)].into();
        });
        assert!(stamps.starts_with("kernel 7,689 of 8,000, READ 311 | "), "{stamps}");
        let [_, stamps] = said(|client| client.stamps.clear());
        assert_eq!(stamps, "– (no answer came)");
    }

    #[test]
    fn what_a_crash_left_unknown_is_not_called_fine() {
        let [sending, _] = said(|client| client.threads = 0);
        assert_eq!(sending, "not known (the run left no account of its CPU)");
    }
}
