//! `--arrival-schedule FILE`: rows of a CSV, JSON or YAML file → pieces of a rate over time.

use std::num::NonZeroU32;
use std::path::Path;

use anyhow::Context;
use serde_json::{Map, Value};

use crate::cli::{rate_range, seconds};
use crate::schema::rate_course::{Curve, Gaps, Piece};
use crate::schema::refusal::refuse;

/// What a row may hold, in the order in which messages name it.
const KEYS: [&str; 7] = ["for", "at", "rate", "law", "burstiness", "burst_size", "shape"];
/// The most pieces: an hour by tenths of a second.
const MOST: usize = 36_000;

/// A row: its values by name, those that are empty left out.
type Row = Map<String, Value>;

/// The pieces of a file. `gaps` is the law of rows that name none; `duration` is where the last row ends where it says
/// no length.
///
/// # Errors
/// The file cannot be read, or a row is wrong: named by its number and what is wrong with it.
pub fn read(file: &Path, gaps: Gaps, duration: Option<f64>) -> anyhow::Result<Vec<Piece>> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read the schedule {name}"))?;
    let rows = match file.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => from_csv(&text, &name)?,
        Some(_) | None => from_yaml(&text, &name)?,
    };
    pieces(&rows, &name, gaps, duration)
}

fn from_csv(text: &str, name: &str) -> anyhow::Result<Vec<Row>> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
    let heads = reader.headers().with_context(|| format!("{name}: no CSV"))?.clone();
    let row = |record: csv::StringRecord| {
        let cells = heads.iter().zip(record.iter()).filter(|(_, cell)| !cell.is_empty());
        cells.map(|(head, cell)| (head.to_owned(), Value::String(cell.to_owned()))).collect()
    };
    reader.records().map(|record| Ok(row(record.with_context(|| format!("{name}: no CSV"))?))).collect()
}

/// JSON is YAML.
fn from_yaml(text: &str, name: &str) -> anyhow::Result<Vec<Row>> {
    let rows: Vec<Row> = match serde_saphyr::from_str(text) {
        Ok(rows) => rows,
        Err(error) => {
            return refuse(
                format!("{name}: not a list of rows: {error}"),
                "write one a line: - {for: 30s, rate: 5}",
            );
        }
    };
    let filled = |row: Row| row.into_iter().filter(|(_, value)| !value.is_null()).collect();
    Ok(rows.into_iter().map(filled).collect())
}

fn pieces(rows: &[Row], name: &str, gaps: Gaps, duration: Option<f64>) -> anyhow::Result<Vec<Piece>> {
    if rows.is_empty() || rows.len() > MOST {
        return refuse(
            format!("{name} has {} rows", rows.len()),
            format!("give 1 to {MOST}, each with for and rate"),
        );
    }
    let timed = rows.iter().filter(|row| row.contains_key("at")).count();
    if timed != 0 && timed != rows.len() {
        return refuse(
            format!("{name}: {timed} of {} rows have `at`, the others `for`", rows.len()),
            "use one of them throughout",
        );
    }
    let mut pieces = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        let made = if timed == 0 {
            time(row, "for").and_then(|for_s| piece(row, for_s, gaps))
        } else {
            begins(row, place, &mut pieces)
                .and_then(|from_s| length(row, from_s, rows.get(place + 1), duration))
                .and_then(|for_s| piece(row, for_s, gaps))
        };
        match made {
            Ok(piece) => pieces.push(piece),
            Err(why) => {
                return refuse(format!("{name}: row {}: {why}", place + 1), "a row is {for: 30s, rate: 5}");
            }
        }
    }
    Ok(pieces)
}

/// When a row with `at` begins; before the first one nothing is sent.
fn begins(row: &Row, place: usize, pieces: &mut Vec<Piece>) -> Result<f64, String> {
    let from_s = time(row, "at")?;
    if row.contains_key("for") {
        return Err("`at` and `for` stand together: leave one of them out".into());
    }
    if place == 0 && from_s > 0.0 {
        pieces.push(Piece::steady(from_s, 0.0, Gaps::Poisson));
    }
    Ok(from_s)
}

/// To the beginning of the next row, or to the end of the run.
fn length(row: &Row, from_s: f64, next: Option<&Row>, duration: Option<f64>) -> Result<f64, String> {
    let to_s = match (next, duration) {
        (Some(next), _) => time(next, "at").map_err(|why| format!("{why}, in the row behind"))?,
        (None, Some(duration)) => duration,
        (None, None) => return Err("nothing says how long the last row lasts: add --duration".into()),
    };
    let at = row.get("at").map(Value::to_string).unwrap_or_default();
    if to_s > from_s { Ok(to_s - from_s) } else { Err(format!("what follows `at` {at} is not later")) }
}

fn piece(row: &Row, for_s: f64, gaps: Gaps) -> Result<Piece, String> {
    if let Some(other) = row.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(format!("`{other}` says nothing; known are {}", KEYS.join(", ")));
    }
    let rate = row.get("rate").ok_or("no `rate`")?;
    let (from, to) = match rate {
        Value::String(text) if text.contains("..") => {
            rate_range(text).map(|range| (range.from, range.to)).map_err(|why| format!("`rate`: {why}"))?
        }
        _ => number(rate).map(|rate| (rate, rate)).ok_or(format!("`rate` {rate} is no rate"))?,
    };
    let curve = match row.get("shape").map(text).as_deref() {
        None | Some("linear") => Curve::Linear,
        Some("exponential") if from > 0.0 && to > 0.0 => Curve::Exponential,
        Some("exponential") => return Err("a rate of 0 cannot grow by factors".into()),
        Some(other) => return Err(format!("`shape` {other}: it is linear or exponential")),
    };
    Ok(Piece { for_s, from_rate_per_s: from, to_rate_per_s: to, curve, gaps: law(row, gaps)? })
}

fn law(row: &Row, gaps: Gaps) -> Result<Gaps, String> {
    let burstiness = match row.get("burstiness") {
        None => None,
        Some(value) => Some(
            number(value)
                .filter(|shape| (0.001..=1e6).contains(shape))
                .ok_or(format!("`burstiness` {value} is not 0.001 to 1000000"))?,
        ),
    };
    let size = match row.get("burst_size") {
        None => None,
        Some(value) => Some(
            number(value)
                .filter(|size| size.fract() == 0.0 && (1.0..=1e9).contains(size))
                .and_then(|size| NonZeroU32::new(size as u32))
                .ok_or(format!("`burst_size` {value} is no number of requests"))?,
        ),
    };
    match (row.get("law").map(text).as_deref(), burstiness, size) {
        (None, None, None) => Ok(gaps),
        (Some("poisson"), None, None) => Ok(Gaps::Poisson),
        (Some("constant"), None, None) => Ok(Gaps::Constant),
        (Some("gamma") | None, Some(burstiness), None) => Ok(Gaps::Gamma { burstiness }),
        (Some("burst") | None, None, Some(size)) => Ok(Gaps::Bursts { size }),
        (Some("gamma"), None, _) => Err("`law` gamma lacks its `burstiness`".into()),
        (Some("burst"), _, None) => Err("`law` burst lacks its `burst_size`".into()),
        (Some(other), None, None) => Err(format!("`law` {other}: it is poisson, constant, gamma or burst")),
        (_, _, _) => Err("the row names two laws".into()),
    }
}

fn time(row: &Row, key: &str) -> Result<f64, String> {
    match row.get(key) {
        None => Err(format!("no `{key}`")),
        Some(value) => seconds(&text(value)).map_err(|why| format!("`{key}`: {why}")),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A number, also one in quotes.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
    .filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::refusal::shown;

    fn read_as(name: &str, text: &str, duration: Option<f64>) -> anyhow::Result<Vec<Piece>> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        read(&file, Gaps::Poisson, duration)
    }

    #[test]
    fn a_schedule_is_the_same_from_csv_json_and_yaml() {
        let expected = [
            Piece::steady(30.0, 5.0, Gaps::Poisson),
            Piece { to_rate_per_s: 10.0, ..Piece::steady(60.0, 1.0, Gaps::Constant) },
            Piece::steady(10.0, 2.0, Gaps::Gamma { burstiness: 0.5 }),
            Piece::steady(10.0, 2.0, Gaps::Bursts { size: NonZeroU32::new(4).unwrap() }),
        ];
        let csv =
            "for,rate,law,burstiness,burst_size\n30s,5,,,\n1m, 1..10,constant,,\n10,2,gamma,0.5,\n10,2,,,4\n";
        assert_eq!(read_as("s.csv", csv, None).unwrap(), expected);
        let yaml = "- {for: 30s, rate: 5}\n- for: 60\n  rate: 1..10\n  law: constant\n\
                    - {for: 10s, rate: 2.0, burstiness: 0.5}\n- {for: 10s, rate: 2, law: burst, burst_size: 4}\n";
        assert_eq!(read_as("s.yaml", yaml, None).unwrap(), expected);
        let json = r#"[{"for": "30s", "rate": 5}, {"for": 60, "rate": "1..10", "law": "constant"},
            {"for": 10, "rate": 2, "law": "gamma", "burstiness": 0.5}, {"for": 10, "rate": 2, "burst_size": 4}]"#;
        assert_eq!(read_as("s.json", json, None).unwrap(), expected);
    }

    #[test]
    fn rows_with_a_beginning_last_to_the_next_one_and_the_last_to_the_end_of_the_run() {
        let csv = "at,rate\n10s,1\n1m,5\n";
        let pieces = read_as("s.csv", csv, Some(90.0)).unwrap();
        let said: Vec<(f64, f64)> = pieces.iter().map(|piece| (piece.for_s, piece.from_rate_per_s)).collect();
        assert_eq!(said, [(10.0, 0.0), (50.0, 1.0), (30.0, 5.0)]);
        let endless = shown(&read_as("s.csv", csv, None).unwrap_err());
        assert!(endless.contains("row 2") && endless.contains("--duration"), "{endless}");
    }

    #[test]
    fn a_wrong_row_is_named_by_its_number_and_what_is_wrong_with_it() {
        for (row, why) in [
            ("{rate: 5}", "no `for`"),
            ("{for: 5s}", "no `rate`"),
            ("{for: soon, rate: 5}", "`for`"),
            ("{for: 5s, rate: fast}", "`rate`"),
            ("{for: 5s, rate: 5, speed: 3}", "`speed` says nothing"),
            ("{for: 5s, rate: 5, law: weibull}", "weibull"),
            ("{for: 5s, rate: 5, law: gamma}", "burstiness"),
            ("{for: 5s, rate: 5, law: constant, burstiness: 2}", "two laws"),
            ("{for: 5s, rate: 5, burst_size: 1.5}", "burst_size"),
            ("{for: 5s, rate: 5, burstiness: 0}", "burstiness"),
            ("{for: 5s, rate: 0..5, shape: exponential}", "factors"),
        ] {
            let said =
                shown(&read_as("s.yaml", &format!("- {{for: 1s, rate: 1}}\n- {row}\n"), None).unwrap_err());
            assert!(said.contains("row 2") && said.contains(why), "{row}: {said}");
        }
        for text in ["", "[]", "rate: 5", "- 5"] {
            assert!(read_as("s.yaml", text, None).is_err(), "{text}");
        }
        let mixed = shown(&read_as("s.csv", "at,for,rate\n,5,1\n5,,1\n", Some(9.0)).unwrap_err());
        assert!(mixed.contains("throughout"), "{mixed}");
        let back = shown(&read_as("s.csv", "at,rate\n5,1\n5,1\n", Some(9.0)).unwrap_err());
        assert!(back.contains("not later"), "{back}");
    }
}
