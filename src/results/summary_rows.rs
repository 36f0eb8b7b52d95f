//! Rows of the file of all runs, for reading: of whatever version, and with whatever columns it has.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use jiff::Timestamp;

use crate::schema::text::read_cell;

/// A row of the file of all runs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SummaryRecord {
    /// When the run began, or its backend failed.
    pub at: Timestamp,
    /// The plan's run id.
    pub run_id: String,
    /// The label.
    pub backend: String,
    /// Point, round and repeat; 1 in rows of before there were keys.
    pub key: [u32; 3],
    /// The engine's version, where it is known.
    pub engine_version: Option<String>,
    /// Model name.
    pub model: String,
    /// Weights' precision.
    pub precision: String,
    /// Dataset.
    pub dataset: String,
    /// `chat`, `completions`; empty in rows of before that was kept.
    pub endpoint: String,
    /// Requests in flight, as it stands there.
    pub concurrency: String,
    /// Requests a second, as it stands there.
    pub rate: String,
    /// Codes of caveats, separated by semicolons.
    pub caveats: String,
    /// `ok`, `partial`, `failed`.
    pub exit: String,
    /// The columns that were asked for, in their order; none where the cell is empty or the column is not there.
    pub values: Vec<Option<f64>>,
}

/// What a file of all runs holds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SummaryRecords {
    /// Its rows in their order.
    pub rows: Vec<SummaryRecord>,
    /// Rows that name no run or no time.
    pub passed_over: u64,
}

/// The files that were once this one, before its columns changed, and the file itself.
///
/// # Errors
/// Its directory cannot be read.
pub fn with_older_files(path: &Path) -> Result<Vec<PathBuf>> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let start = format!("{stem}_until_");
    let mut files = Vec::new();
    let context = || format!("cannot read {}", directory.display());
    for entry in std::fs::read_dir(directory).with_context(context)? {
        let entry = entry.with_context(context)?;
        let name = entry.file_name();
        let is_older = name.to_str().is_some_and(|name| name.starts_with(&start) && name.ends_with(".csv"));
        if is_older && entry.path().is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    files.push(path.to_owned());
    Ok(files)
}

/// Reads a file of all runs with these columns of figures.
///
/// # Errors
/// The file cannot be read, or is none of this program's.
pub fn summary_records(path: &Path, figures: &[String]) -> Result<SummaryRecords> {
    let context = || format!("cannot read {}", path.display());
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_path(path).with_context(context)?;
    let head = reader.byte_headers().with_context(context)?.clone();
    let place = |name: &str| head.iter().position(|column| column == name.as_bytes());
    let columns = Columns::of(&place, figures).with_context(|| {
        format!("{}: no file of all runs (it lacks timestamp, run_id or backend)", path.display())
    })?;
    let mut read = SummaryRecords::default();
    let mut row = csv::ByteRecord::new();
    while reader.read_byte_record(&mut row).with_context(context)? {
        match columns.record(&row) {
            Some(record) => read.rows.push(record),
            None => read.passed_over += 1,
        }
    }
    Ok(read)
}

/// Where the columns lie.
struct Columns {
    named: [usize; 3],
    key: [Option<usize>; 3],
    texts: [Option<usize>; 9],
    figures: Vec<Option<usize>>,
}

/// In the order of [`Columns::record`].
const TEXTS: [&str; 9] =
    ["engine_version", "model", "precision", "dataset", "endpoint", "concurrency", "rate", "caveats", "exit"];

impl Columns {
    fn of(place: &dyn Fn(&str) -> Option<usize>, figures: &[String]) -> Option<Self> {
        Some(Columns {
            named: [place("timestamp")?, place("run_id")?, place("backend")?],
            key: ["point", "round", "repeat"].map(place),
            texts: TEXTS.map(place),
            figures: figures.iter().map(|name| place(name)).collect(),
        })
    }

    fn record(&self, row: &csv::ByteRecord) -> Option<SummaryRecord> {
        // What an editor saved in another encoding has no text.
        let cell = |place: usize| std::str::from_utf8(row.get(place)?).ok().map(read_cell);
        let text = |place: Option<usize>| place.and_then(cell).unwrap_or_default().to_owned();
        let number =
            |place: &Option<usize>| cell((*place)?)?.parse().ok().filter(|number: &f64| number.is_finite());
        let [at, run_id, backend] = self.named;
        let [engine_version, model, precision, dataset, endpoint, concurrency, rate, caveats, exit] =
            self.texts.map(text);
        Some(SummaryRecord {
            at: cell(at)?.parse().ok()?,
            run_id: cell(run_id).filter(|text| !text.is_empty())?.to_owned(),
            backend: cell(backend).filter(|text| !text.is_empty())?.to_owned(),
            key: self.key.map(|place| place.and_then(cell).and_then(|text| text.parse().ok()).unwrap_or(1)),
            engine_version: Some(engine_version).filter(|version| !version.is_empty()),
            model,
            precision,
            dataset,
            endpoint,
            concurrency,
            rate,
            caveats,
            exit,
            values: self.figures.iter().map(number).collect(),
        })
    }
}
