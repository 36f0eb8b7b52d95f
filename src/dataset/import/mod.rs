//! Files of other tools → prompts, row by row: nothing is held but what is kept.
//!
//! `detect` says what a file is, `records` cuts it, a file a format makes rows of its records, `select` makes
//! prompts of the rows.

mod blocks;
mod brackets;
mod columns;
mod csv;
mod detect;
mod input;
mod jsonl;
mod longbench;
mod mt_bench;
mod openai_batch;
mod parquet;
mod parquet_pages;
mod place;
mod raw;
mod records;
mod row;
mod rows;
mod select;
mod sharegpt;
mod usual;
mod write;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use anyhow::{Context as _, Result};

pub use columns::Columns;
pub(crate) use detect::Detected;
use input::Input;
pub use place::{Fault, Place};
use row::{Context, Parsed};
pub use select::{BYTES_A_TOKEN, Bounds, CountTokens, Found, Pick, Picked, Selection, Sink};
use select::{Selector, Taken};
pub use write::{write_picked, write_prompt};

use crate::dataset::parse::DatasetError;
use crate::dataset::trace::trace_format;
use crate::schema::reading::{PromptFormat, Turns};
use crate::schema::refusal::{Refusal, refuse};
use crate::schema::text::shell_word;
use crate::schema::unit::{Body, Prompt};

/// Rows between two looks at whether to go on.
const ROWS_A_STEP: u64 = 256;
/// Bad rows that are told one by one.
const TOLD_FAULTS: usize = 5;

/// How files are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Import {
    /// Their form; none: by their content.
    pub format: Option<PromptFormat>,
    /// Which turns of a conversation.
    pub turns: Turns,
    /// Which columns.
    pub columns: Columns,
    /// Bad rows are counted and left out.
    pub skip_bad: bool,
    /// Which rows.
    pub selection: Selection,
}

/// What was read and what came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows read.
    pub rows: u64,
    /// Prompts made.
    pub kept: u64,
    /// Prompts before any was left out for being empty, too short or too long.
    pub found: Found,
    /// Sound rows that made no prompt, by reason.
    pub left_out: BTreeMap<&'static str, u64>,
    /// Rows that cannot be used.
    pub bad: u64,
    /// The first of them.
    pub faults: Vec<String>,
    /// Rows that fit and were not drawn.
    pub not_drawn: u64,
    /// Messages of the prompts; a plain prompt is one.
    pub messages: u64,
    /// Turns of the prompts: more than prompts where there are conversations.
    pub turns: u64,
    /// Characters of all prompts, or tokens where there is a tokenizer.
    pub input: u64,
    /// The same of the replies.
    pub output: u64,
    /// Prompts whose output limit is estimated from a reply.
    pub estimated: u64,
    /// Ids that stood twice and were numbered.
    pub renamed: u64,
    /// Columns that say nothing to us.
    pub passed_over: Vec<String>,
    /// The form of the last file.
    pub format: Option<PromptFormat>,
}

/// What is told meanwhile.
#[derive(Debug)]
pub enum Event<'a> {
    /// A file is taken for something.
    Taken {
        /// Which.
        file: &'a Path,
        /// For what.
        format: PromptFormat,
        /// How it is packed.
        packed: Option<&'static str>,
    },
    /// So far.
    Step {
        /// Which file.
        file: &'a Path,
        /// Bytes that were read of it.
        bytes: u64,
        /// Its bytes.
        of: Option<u64>,
        /// Rows of all files so far.
        rows: u64,
    },
}

/// Hears what happens; false ends the import.
pub type Listener<'a> = &'a mut dyn FnMut(Event<'_>) -> bool;

/// Reads files, one after another. None where the listener ended it.
///
/// # Errors
/// A file that cannot be read or told, and a bad row unless bad rows are skipped: with the file, the place and the
/// reason.
pub fn import(
    files: &[PathBuf],
    how: &Import,
    tokens: Option<CountTokens<'_>>,
    listener: Listener<'_>,
    sink: Sink<'_>,
) -> Result<Option<Tally>> {
    let mut reader = Reader::new(how, tokens);
    for file in files {
        if !reader.file(file, listener, sink)? {
            return Ok(None);
        }
    }
    Ok(Some(reader.finish(sink)?))
}

/// What a file is, unless it is said.
pub(super) fn looked_at(file: &Path, columns: &Columns) -> Result<(Input, Detected)> {
    let input = Input::open(file)?;
    let detected = detect::detect(&input.head, input.whole, columns);
    Ok((input, detected))
}

/// It holds a JSON list.
pub(super) fn is_list(input: &Input) -> bool {
    detect::container(&input.head) == records::Container::List
}

struct Reader<'a> {
    how: &'a Import,
    context: Context,
    selector: Selector<'a>,
    tally: Tally,
}

impl<'a> Reader<'a> {
    fn new(how: &'a Import, tokens: Option<CountTokens<'a>>) -> Self {
        Reader {
            how,
            context: Context {
                turns: how.turns,
                columns: how.columns.clone(),
                measures: tokens.is_none(),
                ..Context::default()
            },
            selector: Selector::new(&how.selection, tokens),
            tally: Tally::default(),
        }
    }

    /// Reads a file; false where the listener ended it.
    fn file(&mut self, file: &Path, listener: Listener<'_>, sink: Sink<'_>) -> Result<bool> {
        let (input, detected) = looked_at(file, &self.how.columns)?;
        self.input(file, input, detected, listener, sink)
    }

    fn input(
        &mut self,
        file: &Path,
        input: Input,
        detected: Detected,
        listener: Listener<'_>,
        sink: Sink<'_>,
    ) -> Result<bool> {
        let format = match self.how.format {
            Some(format) => format,
            None => told(file, detected)?,
        };
        self.tally.format = Some(format);
        if !listener(Event::Taken { file, format, packed: input.packed }) {
            return Ok(false);
        }
        let (taken, of) = (input.taken(), input.size);
        let shown = file.display();
        let mut rows = rows::rows(file, input, format, &mut self.context)?;
        while !self.selector.is_full() {
            let next = rows.next(&mut self.context).with_context(|| format!("cannot read {shown}"))?;
            let Some(parsed) = next else { break };
            self.row(parsed, file, sink)?;
            let bytes = taken.load(Ordering::Relaxed);
            if self.tally.rows.is_multiple_of(ROWS_A_STEP)
                && !listener(Event::Step { file, bytes, of, rows: self.tally.rows })
            {
                return Ok(false);
            }
        }
        self.context.seen.check_file(&self.how.columns, &shown.to_string())?;
        Ok(true)
    }

    fn row(&mut self, parsed: std::result::Result<Parsed, Fault>, file: &Path, sink: Sink<'_>) -> Result<()> {
        self.tally.rows += 1;
        let row = match parsed {
            Ok(Parsed::Row(row)) => row,
            Ok(Parsed::LeftOut(why)) => {
                *self.tally.left_out.entry(why).or_default() += 1;
                return Ok(());
            }
            Err(fault) => return self.bad(file, &fault.to_string()),
        };
        let number = self.tally.rows;
        let tally = &mut self.tally;
        let mut counted = |picked: Picked| {
            count(tally, &picked);
            sink(picked)
        };
        match self.selector.take(row, number, &mut counted)? {
            Taken::Kept => Ok(()),
            Taken::LeftOut(why) => {
                *self.tally.left_out.entry(why).or_default() += 1;
                Ok(())
            }
        }
    }

    fn bad(&mut self, file: &Path, fault: &str) -> Result<()> {
        let what = format!("{}, {fault}", file.display());
        if !self.how.skip_bad {
            return Err(Refusal::new(what).hint("--skip-bad counts such rows and goes on").into());
        }
        self.tally.bad += 1;
        if self.tally.faults.len() < TOLD_FAULTS {
            self.tally.faults.push(what);
        }
        Ok(())
    }

    fn finish(mut self, sink: Sink<'_>) -> Result<Tally> {
        self.context.seen.check_all(&self.how.columns, self.tally.format)?;
        let tally = &mut self.tally;
        self.selector.finish(&mut |picked: Picked| {
            count(tally, &picked);
            sink(picked)
        })?;
        tally.found = self.selector.found();
        tally.not_drawn = self.selector.not_drawn();
        tally.renamed = self.selector.renamed();
        tally.passed_over = self.context.passed_over.into_list();
        Ok(self.tally)
    }
}

fn count(tally: &mut Tally, picked: &Picked) {
    tally.kept += 1;
    let messages = |body: &Body| match body {
        Body::Text(_) => 1,
        Body::Messages(messages) => messages.len() as u64,
    };
    let Prompt { body, further, .. } = picked.as_it_stands();
    tally.turns += 1 + further.len() as u64;
    tally.messages += messages(body) + further.iter().map(|turn| messages(&turn.body)).sum::<u64>();
    tally.input += picked.input;
    tally.output += picked.output.unwrap_or(0);
    tally.estimated += u64::from(picked.estimated);
}

/// The form that a file was taken for.
pub(super) fn told(file: &Path, detected: Detected) -> Result<PromptFormat> {
    let shown = file.display();
    match detected {
        Detected::Prompts(format) => Ok(format),
        Detected::Empty => Err(DatasetError::Empty { file: shown.to_string() }.into()),
        Detected::Trace(columns) => refuse(
            format!(
                "{shown} is a trace, of times and lengths without prompts: {}",
                row::short(&columns.join(", "))
            ),
            of_trace(file, &columns),
        ),
        Detected::Unclear(why, columns) => {
            let of_trace = || of_trace(file, &columns);
            let error = Refusal::new(format!("{shown}: its form cannot be told: {why}")).hint(format!(
                "name it, --format {} (--dataset-format beside --dataset); of JSON lines, CSV and Parquet with other \
                 names: --columns prompt=COLUMN",
                PromptFormat::ALL.map(PromptFormat::name).join("|")
            ));
            let is_trace = guessed_columns(&columns).is_some() || is_known_trace(file);
            Err(if is_trace { error.hint(of_trace()) } else { error }.into())
        }
    }
}

/// It is a trace of a format that is known.
pub(super) fn is_known_trace(file: &Path) -> bool {
    matches!(trace_format(file), Ok(Some(_)))
}

/// What to do with a trace: commands that can be typed as they are, where its columns can be guessed.
fn of_trace(file: &Path, columns: &[String]) -> String {
    let more = match (is_known_trace(file), guessed_columns(columns)) {
        (true, _) => String::new(),
        (false, Some(named)) => format!(" --columns {}", shell_word(&named)),
        (false, None) => {
            return "play its times and lengths: --trace FILE --columns time=COLUMN,input=COLUMN,output=COLUMN, each \
                    the name of one of its columns"
                .to_owned();
        }
    };
    let file = shell_word(&file.display().to_string());
    format!(
        "play its times and lengths: --trace {file}{more}; what is in it: harness dataset stats {file}{more}"
    )
}

/// Which columns of a trace are likely to be its times and lengths, as `--columns` wants them; none where one is missing.
fn guessed_columns(columns: &[String]) -> Option<String> {
    const NAMES: [(&str, &[&str]); 3] = [
        ("time", &["timestamp", "arriv", "time"]),
        (
            "input",
            &[
                "numprefilltokens",
                "contexttokens",
                "requesttokens",
                "inputlen",
                "inputtok",
                "prompttok",
                "promptlen",
                "input",
            ],
        ),
        (
            "output",
            &[
                "numdecodetokens",
                "generatedtokens",
                "responsetokens",
                "outputlen",
                "outputtok",
                "completiontok",
                "generat",
                "output",
            ],
        ),
    ];
    let find = |names: &[&str]| {
        let mut found = names
            .iter()
            .filter_map(|part| columns.iter().find(|column| detect::plain_name(column).contains(part)));
        found.next().filter(|column| !column.contains([',', '=']) && column.trim() == column.as_str())
    };
    let pairs = NAMES.map(|(key, names)| find(names).map(|column| format!("{key}={column}")));
    let [Some(time), Some(input), Some(output)] = pairs else { return None };
    Some([time, input, output].join(","))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
