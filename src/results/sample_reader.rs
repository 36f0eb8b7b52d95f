//! What was sensed during a run, read back, also when the writer was killed.

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::schema::SCHEMA_VERSION;
use crate::schema::sample::{Sample, SamplesFooter, SamplesHeader};

use super::bounded::{LATEST_US, LONGEST_LINE, read_line};
use super::json_lines::open_lines;

/// Samples of one run that are read; a series of every second for a month has fewer.
const MOST_SAMPLES: usize = 20_000_000;

/// A samples file.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadSamples {
    /// Its first line.
    pub header: SamplesHeader,
    /// Samples in the order in which they were written.
    pub samples: Vec<Sample>,
    /// Its last line; none after a crash.
    pub footer: Option<SamplesFooter>,
    /// The line that could not be read, where reading ended there.
    pub broken: Option<String>,
}

/// Reads `…_samples.jsonl` or `….jsonl.zst`. A last line that the writer did not finish is left out; at any
/// other line that cannot be read the reading ends, and what came before it is kept.
///
/// # Errors
/// There is no such file, or its first line is no header of a samples file.
pub fn read_samples(path: &Path) -> Result<ReadSamples> {
    let mut lines = open_lines(path)?;
    let mut line = Vec::new();
    read_line(&mut lines, &mut line, LONGEST_LINE)
        .with_context(|| format!("cannot read {}:1", path.display()))?;
    let header: SamplesHeader = serde_json::from_slice(&line)
        .with_context(|| format!("{}:1: no header of a samples file", path.display()))?;
    if header.kind != "samples" || header.schema_version > SCHEMA_VERSION {
        bail!(
            "{}:1: kind {:?}, schema version {}; this program reads \"samples\" up to version {SCHEMA_VERSION}",
            path.display(),
            header.kind,
            header.schema_version
        );
    }
    // Without its directory, so that results which were moved still say the same.
    let name = path.file_name().unwrap_or_default().display();
    let mut read = ReadSamples { header, samples: Vec::new(), footer: None, broken: None };
    for number in 2_u64.. {
        line.clear();
        if read.samples.len() >= MOST_SAMPLES {
            read.broken = Some(format!("{name}:{number}: more than {MOST_SAMPLES} samples"));
            break;
        }
        if let Err(error) = read_line(&mut lines, &mut line, LONGEST_LINE) {
            read.broken = Some(format!("{name}:{number}: {error}"));
            break;
        }
        if line.is_empty() {
            break;
        }
        let is_whole = line.ends_with(b"\n");
        match (serde_json::from_slice::<Sample>(&line), serde_json::from_slice::<SamplesFooter>(&line)) {
            (Ok(sample), _) if sample.at_us.unsigned_abs() > LATEST_US => {
                read.broken = Some(format!("{name}:{number}: a time of more than a year"));
                break;
            }
            (Ok(sample), _) => read.samples.push(sample),
            (Err(_), Ok(footer)) => {
                read.footer = Some(footer);
                break;
            }
            (Err(_), Err(_)) if !is_whole => break,
            (Err(error), Err(_)) => {
                read.broken = Some(format!("{name}:{number}: {error}"));
                break;
            }
        }
    }
    Ok(read)
}
