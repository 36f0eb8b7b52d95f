//! A calibration as the terminal shows it: one line a load, at most 80 columns.

use crate::schema::calibration::{
    Calibration, CalibrationLoad, EXACT_BELOW_MS, ErrorFigures, ExactUpTo, Exactness,
};
use crate::schema::client_threads::ClientThreads;
use crate::schema::summary::Distribution;

use super::number::{NONE, fixed, wrap};

/// Columns of every line.
const WIDTH: usize = 80;

/// The tables of a calibration and what follows from it, ending in a line break.
pub fn calibration_table(calibration: &Calibration) -> String {
    let mut lines = vec![
        "=== THIS CLIENT'S OWN ERROR ON THIS MACHINE ===".to_owned(),
        "               TTFT error (ms)        ITL error (ms)  write  merged     CPU".to_owned(),
        "load         mean    p50    p99    mean    p50    p99    p99       %  µs/tok".to_owned(),
    ];
    lines.extend(calibration.loads.iter().map(error_line));
    let is_open = |load: &&Exactness| matches!(load.load, CalibrationLoad::Open { .. });
    let open: Vec<&Exactness> = calibration.loads.iter().filter(is_open).collect();
    if !open.is_empty() {
        lines.push("                   arrival - due (ms)       send delay   gaps at the server".to_owned());
        lines.push("open loop    mean    std    p50    p99    max      p99     CV   disp  lag-1".to_owned());
        lines.extend(open.into_iter().map(open_line));
    }
    let notes = calibration.loads.iter().flat_map(|load| [unpaired(load), too_large(load)]).flatten();
    let legend = "Each figure pairs one request or token of the client with the same at the server: mean with \
         its sign, p50 and p99 of the size. 250x50: 250 streams of 50 tok/s each. write: what the server's own \
         write calls took, in ms; an error counts from their begin, so that up to so much of it may be the \
         server's. A Poisson process has CV 1 and dispersion 1 (10 ms windows), and no correlation of a gap \
         with the next (lag-1).";
    let limit = limit_words(calibration.limit);
    for note in notes.chain([
        legend.to_owned(),
        format!("The error stays under 1 ms (p99) {limit}{}.", threads_words(calibration)),
    ]) {
        lines.extend(wrap(&note, WIDTH, "", ""));
    }
    let mut text = lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n");
    text.push('\n');
    text
}

/// `, with --client-threads auto (1 to 3 played)`; nothing where it was a number.
fn threads_words(calibration: &Calibration) -> String {
    let played = || calibration.loads.iter().map(|load| load.threads).filter(|threads| *threads > 0);
    let words = match (played().min(), played().max()) {
        (Some(least), Some(most)) if least < most => format!("{least} to {most} played"),
        (_, Some(most)) => format!("{most} played"),
        (_, None) => return String::new(),
    };
    match calibration.client_threads {
        ClientThreads::Auto => format!(", with --client-threads auto ({words})"),
        ClientThreads::Number(_) => String::new(),
    }
}

fn error_line(load: &Exactness) -> String {
    format!(
        "{}{}{}{}{}{}",
        load_cell(load.load),
        errors(load.ttft),
        errors(load.itl),
        cell(load.write_ms.as_ref().map(|write| write.p99), 7, 3),
        cell(Some(100.0 * load.merged_events), 8, 2),
        cell(load.cpu_us_per_token, 8, 1)
    )
}

fn open_line(load: &Exactness) -> String {
    let of = |held: &Option<Distribution>, pick: fn(&Distribution) -> f64, width| {
        cell(held.as_ref().map(pick), width, 3)
    };
    let due = &load.arrival_minus_due_ms;
    let gaps = load.gaps;
    [
        load_cell(load.load),
        of(due, |due| due.mean, 8),
        of(due, |due| due.std, 7),
        of(due, |due| due.p50, 7),
        of(due, |due| due.p99, 7),
        of(due, |due| due.max, 7),
        of(&load.send_delay_ms, |delay| delay.p99, 9),
        cell(gaps.map(|gaps| gaps.variation), 7, 2),
        cell(gaps.map(|gaps| gaps.dispersion), 7, 2),
        cell(gaps.map(|gaps| gaps.lag_1), 7, 2),
    ]
    .concat()
}

/// The load as `--loads` takes it, nine columns or more.
fn load_cell(load: CalibrationLoad) -> String {
    let text = match load {
        CalibrationLoad::Closed { streams, tokens_per_s } => format!("{streams}x{tokens_per_s}"),
        CalibrationLoad::Open { rate } => format!("{rate}/s"),
    };
    format!("{text:<9}")
}

fn errors(error: Option<ErrorFigures>) -> String {
    [
        cell(error.map(|error| error.mean_ms), 8, 3),
        cell(error.map(|error| error.p50_ms), 7, 3),
        cell(error.map(|error| error.p99_ms), 7, 3),
    ]
    .concat()
}

/// A number in so many columns, the first of them blank; large ones lose decimals rather than the line its
/// width.
fn cell(value: Option<f64>, width: usize, decimals: usize) -> String {
    let text = match value.filter(|value| value.is_finite()) {
        None => NONE.to_owned(),
        Some(value) => {
            let fits = (0..=decimals).rev().map(|decimals| format!("{value:.decimals$}"));
            fits.clone().find(|text| text.len() < width).unwrap_or_else(|| format!("{value:.0e}"))
        }
    };
    // A sign before nothing but zeros says nothing.
    let text = if text.starts_with("-0") && text.parse() == Ok(0.0) { text.replace('-', "") } else { text };
    format!("{text:>width$}")
}

/// A load of which not every request could be held against the truth.
fn unpaired(load: &Exactness) -> Option<String> {
    (load.paired < load.issued || load.paired_for_itl < load.issued).then(|| {
        format!(
            "{}: of {} requests {} completed and were paired, {} of them event by event.",
            load_words(load.load),
            load.issued,
            load.paired,
            load.paired_for_itl
        )
    })
}

/// An error that is too large, and how much of it is not the server's.
fn too_large(load: &Exactness) -> Option<String> {
    let part = |name: &str, error: Option<ErrorFigures>| {
        let error = error.filter(|error| error.p99_ms >= EXACT_BELOW_MS)?;
        let (p99, beyond) = (fixed(error.p99_ms), fixed(error.beyond_writes_p99_ms));
        Some(format!("{name} error p99 {p99} ms, {beyond} without what the server's writes may explain"))
    };
    let parts: Vec<String> = [part("TTFT", load.ttft), part("ITL", load.itl)].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| format!("{}: {}.", load_words(load.load), parts.join("; ")))
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

/// `up to 250 streams and 12500 tok/s, and up to 1000 requests/s`
pub fn limit_words(limit: ExactUpTo) -> String {
    let closed = limit.streams.zip(limit.tokens_per_s).map(|limit| match limit {
        (0, _) => "at none of the closed loops".to_owned(),
        (streams, tokens_per_s) => format!("up to {streams} streams and {tokens_per_s:.0} tok/s"),
    });
    let open = limit.rate.map(|rate| match rate {
        0.0 => "at none of the open loops".to_owned(),
        rate => format!("up to {rate} requests/s"),
    });
    [closed, open].into_iter().flatten().collect::<Vec<_>>().join(", and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loads(size: f64) -> Vec<Exactness> {
        let error = ErrorFigures {
            count: 9,
            mean_ms: -size,
            p50_ms: size,
            p99_ms: size,
            max_ms: size,
            beyond_writes_p99_ms: size / 4.0,
        };
        let load = |load| Exactness {
            load,
            issued: 1_000_000,
            paired: 999_999,
            tokens: 9,
            paired_for_itl: 999_998,
            ttft: Some(error),
            itl: None,
            write_ms: None,
            arrival_minus_sent_ms: None,
            stamp_minus_write_ms: None,
            send_delay_ms: None,
            arrival_minus_due_ms: None,
            gaps: None,
            merged_events: 1.0,
            cpu_us_per_token: Some(size),
            threads: 1,
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
            client_threads: ClientThreads::Number(1),
            loads: loads(size),
            limit: ExactUpTo {
                streams: Some(0),
                tokens_per_s: Some(0.0),
                rate: Some(0.0),
                ..ExactUpTo::default()
            },
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
        assert!(!text.contains("without what"), "{text}");
        assert!(!text.contains("client-threads"), "a number was asked for: {text}");
        let mut auto = calibration(0.5);
        auto.client_threads = ClientThreads::Auto;
        auto.loads[1].threads = 3;
        let text = calibration_table(&auto).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("open loops, with --client-threads auto (1 to 3 played)."), "{text}");
        let text = calibration_table(&calibration(2.0)).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("TTFT error p99 2.00 ms, 0.50 without what the server's writes may"), "{text}");
    }
}
