//! A calibration as the terminal shows it: one line a load, at most 80 columns.

use crate::schema::calibration::{Calibration, CalibrationLoad, ErrorFigures, ExactUpTo, Exactness};
use crate::schema::summary::Distribution;

use super::number::{NONE, wrap};

/// Columns of every line.
const WIDTH: usize = 80;

/// The table of a calibration and what follows from it, ending in a line break.
pub fn calibration_table(calibration: &Calibration) -> String {
    let mut lines = vec!["=== THIS CLIENT'S OWN ERROR ON THIS MACHINE ===".to_owned()];
    let is_closed = |load: &&Exactness| matches!(load.load, CalibrationLoad::Closed { .. });
    let (closed, open): (Vec<&Exactness>, Vec<&Exactness>) = calibration.loads.iter().partition(is_closed);
    if !closed.is_empty() {
        lines.push(
            "Closed loop          TTFT error (ms)         ITL error (ms)      merged     CPU".to_owned(),
        );
        lines.push("streams  tok/s    mean    p50    p99     mean    p50    p99       %  µs/tok".to_owned());
        lines.extend(closed.iter().map(|load| closed_line(load)));
    }
    if !open.is_empty() {
        lines.push(
            "Open loop    TTFT error (ms)   arrival - due (ms)    gaps at the server      CPU".to_owned(),
        );
        lines.push(
            " requests/s    mean     p99    mean    std    p99    CV   disp  lag-1   µs/tok".to_owned(),
        );
        lines.extend(open.iter().map(|load| open_line(load)));
    }
    for load in &calibration.loads {
        lines.extend(unpaired(load));
    }
    let notes = [
        "Each figure pairs one request or token of the client with the same at the server: mean with its sign, \
         p50 and p99 of the size. tok/s is that of all streams. A Poisson process has CV 1 and dispersion 1 \
         (10 ms windows), and no correlation of a gap with the next (lag-1)."
            .to_owned(),
        limit_words(calibration.limit),
    ];
    for note in notes {
        lines.extend(wrap(&note, WIDTH, "", ""));
    }
    let mut text = lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n");
    text.push('\n');
    text
}

fn closed_line(load: &Exactness) -> String {
    let (streams, total) = match load.load {
        CalibrationLoad::Closed { streams, tokens_per_s } => (streams, f64::from(streams) * tokens_per_s),
        CalibrationLoad::Open { rate } => (0, rate),
    };
    format!(
        "{streams:>7} {total:>6.0} {} {}  {:>6.2}  {}",
        errors(load.ttft),
        errors(load.itl),
        100.0 * load.merged_events,
        cpu(load)
    )
}

fn open_line(load: &Exactness) -> String {
    let rate = match load.load {
        CalibrationLoad::Open { rate } => rate,
        CalibrationLoad::Closed { tokens_per_s, .. } => tokens_per_s,
    };
    let ttft = load.ttft;
    let due = load.arrival_minus_due_ms.as_ref();
    let of_due = |pick: fn(&Distribution) -> f64| cell(due.map(pick), 6, 3);
    let gaps = load.gaps;
    format!(
        "{rate:>11} {} {} {} {} {} {} {} {}  {}",
        cell(ttft.map(|error| error.mean_ms), 7, 3),
        cell(ttft.map(|error| error.p99_ms), 7, 3),
        cell(due.map(|due| due.mean), 7, 3),
        of_due(|due| due.std),
        of_due(|due| due.p99),
        cell(gaps.map(|gaps| gaps.variation), 5, 2),
        cell(gaps.map(|gaps| gaps.dispersion), 6, 2),
        cell(gaps.map(|gaps| gaps.lag_1), 6, 2),
        cpu(load)
    )
}

fn errors(error: Option<ErrorFigures>) -> String {
    format!(
        "{} {} {}",
        cell(error.map(|error| error.mean_ms), 8, 3),
        cell(error.map(|error| error.p50_ms), 6, 3),
        cell(error.map(|error| error.p99_ms), 6, 3)
    )
}

fn cpu(load: &Exactness) -> String {
    cell(load.cpu_us_per_token, 6, 1)
}

/// A number in so many columns; large ones lose decimals rather than the line its width.
fn cell(value: Option<f64>, width: usize, decimals: usize) -> String {
    let text = match value.filter(|value| value.is_finite()) {
        None => NONE.to_owned(),
        Some(value) => {
            let fits = (0..=decimals).rev().map(|decimals| format!("{value:.decimals$}"));
            fits.clone().find(|text| text.len() <= width).unwrap_or_else(|| format!("{value:.0e}"))
        }
    };
    format!("{text:>width$}")
}

/// A load of which not every request could be held against the truth.
fn unpaired(load: &Exactness) -> Vec<String> {
    if load.paired == load.issued && load.paired_for_itl == load.issued {
        return Vec::new();
    }
    let text = format!(
        "{}: of {} requests {} completed and were paired, {} of them event by event.",
        load_words(load.load),
        load.issued,
        load.paired,
        load.paired_for_itl
    );
    wrap(&text, WIDTH, "", "")
}

/// `250 streams of 50 tok/s`, `1000 requests/s`
pub fn load_words(load: CalibrationLoad) -> String {
    match load {
        CalibrationLoad::Closed { streams, tokens_per_s } => {
            format!("{streams} streams of {tokens_per_s} tok/s")
        }
        CalibrationLoad::Open { rate } => format!("{rate} requests/s"),
    }
}

fn limit_words(limit: ExactUpTo) -> String {
    let closed = if limit.streams == 0 {
        "at none of the closed loops".to_owned()
    } else {
        format!("up to {} streams and {:.0} tok/s", limit.streams, limit.tokens_per_s)
    };
    let open = match limit.rate {
        None => String::new(),
        Some(0.0) => ", and at none of the open loops".to_owned(),
        Some(rate) => format!(", and up to {rate} requests/s"),
    };
    format!("The error stays under 1 ms (p99) {closed}{open}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loads(size: f64) -> Vec<Exactness> {
        let error = ErrorFigures { count: 9, mean_ms: -size, p50_ms: size, p99_ms: size, max_ms: size };
        let load = |load| Exactness {
            load,
            issued: 1_000_000,
            paired: 999_999,
            tokens: 9,
            paired_for_itl: 999_998,
            ttft: Some(error),
            itl: None,
            arrival_minus_sent_ms: None,
            stamp_minus_write_ms: None,
            send_delay_ms: None,
            arrival_minus_due_ms: None,
            gaps: None,
            merged_events: 1.0,
            cpu_us_per_token: Some(size),
        };
        let closed = CalibrationLoad::Closed { streams: 100_000, tokens_per_s: 50.0 };
        vec![load(closed), load(CalibrationLoad::Open { rate: 12_345.5 })]
    }

    fn calibration(size: f64) -> Calibration {
        Calibration {
            schema_version: 1,
            kind: "calibration".into(),
            taken_at: jiff::Timestamp::UNIX_EPOCH,
            harness_version: "0".into(),
            hostname: "h".into(),
            cpu: "c".into(),
            cores: 2,
            client_threads: 1,
            loads: loads(size),
            limit: ExactUpTo { streams: 0, tokens_per_s: 0.0, rate: Some(0.0) },
        }
    }

    #[test]
    fn the_table_fits_80_columns_whatever_stands_in_it() {
        for size in [0.0, 0.123, 99_999.9, 1e12] {
            let table = calibration_table(&calibration(size));
            assert!(table.lines().all(|line| line.chars().count() <= WIDTH), "{table}");
        }
    }

    #[test]
    fn what_could_not_be_paired_and_what_was_not_exact_is_said() {
        let text = calibration_table(&calibration(0.5));
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            text.contains("12345.5 requests/s: of 1000000 requests 999999 completed and were paired, 999998"),
            "{text}"
        );
        assert!(text.contains("at none of the closed loops, and at none of the open loops."), "{text}");
    }
}
