//! The parts that the workers of a run left: whether they are of one run, and how the clock of each hangs together with
//! worker 0's.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::Value;

use crate::load::due_times;
use crate::results::{self, CRASHED, RecordReader};
use crate::schema::files::{RecordsFooter, RecordsHeader};
use crate::schema::plan::Plan;
use crate::schema::refusal::refuse;
use crate::schema::workers::{ClockMap, ClockPoint, Share};

/// What of a plan may differ between the workers of a run.
const OWN: [&str; 3] = ["created_at", "output", "command"];
/// How far a clock that is known by the due times of its requests may be off, µs.
const BY_DUE_TIMES_US: f64 = 1_000.0;
/// How far one that is known by its wall clock alone may be, µs.
const BY_WALL_CLOCK_US: f64 = 1_000_000.0;

/// The records of one worker.
pub(super) struct Part {
    pub(super) path: PathBuf,
    pub(super) worker: u32,
    pub(super) host: String,
    pub(super) share: Share,
    pub(super) header: RecordsHeader,
    /// None: its writer was killed, or its end is damaged.
    pub(super) footer: Option<RecordsFooter>,
    /// Onto worker 0's.
    pub(super) clock: ClockMap,
}

impl Part {
    /// Why it did not reach its end, by its own word.
    pub(super) fn partial(&self) -> Option<String> {
        let partial = |footer: &RecordsFooter| footer.partial.clone().filter(|why| why != CRASHED);
        self.footer.as_ref().and_then(partial)
    }

    fn open(path: &Path) -> anyhow::Result<Part> {
        let header = RecordReader::open(path)?.header().clone();
        let Some(worker) = header.worker.clone() else {
            return refuse(
                format!("{}: the records of a whole run, and of no worker", path.display()),
                "give the files whose names end in _records.wNN.jsonl or .jsonl.zst",
            );
        };
        let footer = results::read_footer(path);
        Ok(Part {
            path: path.to_owned(),
            worker: worker.share.worker,
            host: worker.host,
            share: worker.share,
            clock: footer.as_ref().and_then(|footer| footer.clock.clone()).unwrap_or_default(),
            header,
            footer,
        })
    }
}

/// Opens the parts of a run, in order of their workers.
///
/// # Errors
/// One cannot be read, or is no worker's.
pub(super) fn open(paths: &[PathBuf]) -> anyhow::Result<Vec<Part>> {
    let mut parts = paths.iter().map(|path| Part::open(path)).collect::<anyhow::Result<Vec<Part>>>()?;
    parts.sort_by_key(|part| part.worker);
    for number in 0..parts.len() {
        let Some(part) = parts.get(number).filter(|part| part.worker > 0 && part.clock.points.is_empty())
        else {
            continue;
        };
        let clock = guessed(part, &parts)?;
        if let Some(part) = parts.get_mut(number) {
            part.clock = clock;
        }
    }
    Ok(parts)
}

/// The clock of a part whose end is not there: by the due time of a request where the law of the load says when that
/// was due, else by the wall clocks.
fn guessed(part: &Part, all: &[Part]) -> anyhow::Result<ClockMap> {
    let known = |other: &&Part| other.worker == 0 || !other.clock.points.is_empty();
    let began_us = all.iter().filter(known).find_map(|other| {
        let from_us = other.footer.as_ref().map(|footer| footer.engine.measured_from_us)?;
        (from_us > 0).then(|| other.clock.to_first_us(from_us as i64))
    });
    let (offset_us, bound_us) = match (began_us, began_by_due_times(part)?) {
        (Some(first_us), Some(own_us)) => ((first_us - own_us) as f64, BY_DUE_TIMES_US),
        (Some(_), None) | (None, _) => {
            let first = all.iter().find(|other| other.worker == 0).unwrap_or(part);
            let apart = part.header.started_at.duration_since(first.header.started_at);
            (apart.as_micros() as f64, BY_WALL_CLOCK_US)
        }
    };
    Ok(ClockMap {
        points: vec![ClockPoint { at_us: 0, offset_us, bound_us }],
        largest_step_us: 0.0,
        longest_silence_s: 0.0,
    })
}

/// When the measured phase began by a part's first request of it, µs on its own clock; none where no law says when that
/// was due.
fn began_by_due_times(part: &Part) -> anyhow::Result<Option<i64>> {
    let header = &part.header;
    let dues = header.load().and_then(|load| due_times(load, header.plan.seed_of(&header.key)));
    let Some(mut dues) = dues else { return Ok(None) };
    let records = RecordReader::open(&part.path).with_context(|| part.path.display().to_string())?;
    let first = records.map_while(Result::ok).find_map(|record| Some((record.unit, record.due_us?)));
    let due = first.and_then(|(unit, at_us)| Some((at_us, dues.find(|(index, _)| *index == unit)?.1)));
    Ok(due.map(|(at_us, due_us)| at_us as i64 - due_us as i64))
}

/// # Errors
/// Parts of several runs, plans or numbers of workers, or two of one worker.
pub(super) fn check_one_run(parts: &[Part]) -> anyhow::Result<()> {
    for (part, next) in parts.iter().zip(parts.iter().skip(1)) {
        let names = format!("{} and {}", part.path.display(), next.path.display());
        if part.worker == next.worker {
            return refuse(format!("{names}: both are worker {}'s", part.worker), "give one of them");
        }
        let what = if part.header.key != next.header.key {
            "they are two runs of the plan".to_owned()
        } else if part.share.of != next.share.of {
            format!("one of {} workers, the other of {}", part.share.of, next.share.of)
        } else {
            match differences(&part.header.plan, &next.header.plan)?.as_slice() {
                [] => continue,
                keys => format!("their plans differ in {}", keys.join(", ")),
            }
        };
        return refuse(format!("{names} are not of one run: {what}"), "give the parts of one run");
    }
    match parts.iter().find(|part| part.worker >= part.share.of) {
        Some(part) => refuse(
            format!("{}: worker {} of {}", part.path.display(), part.worker, part.share.of),
            "workers count from 0",
        ),
        None => Ok(()),
    }
}

/// The keys of two plans that are not the same, but for what is each worker's own.
fn differences(left: &Plan, right: &Plan) -> anyhow::Result<Vec<String>> {
    let (Value::Object(left), Value::Object(right)) =
        (serde_json::to_value(left)?, serde_json::to_value(right)?)
    else {
        return Ok(Vec::new());
    };
    let keys = left.keys().chain(right.keys().filter(|key| !left.contains_key(*key)));
    let differ = |key: &&String| !OWN.contains(&key.as_str()) && left.get(*key) != right.get(*key);
    Ok(keys.filter(differ).cloned().collect())
}
