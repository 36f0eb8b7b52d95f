//! `--dataset` of a file in another tool's form, where the form is plain.

use std::path::Path;

use anyhow::Result;

use super::import::{self, Columns, Detected, Import, Picked, Tally};
use super::parse::Form;
use crate::schema::reading::{PromptFormat, Reading};
use crate::schema::refusal::refuse;
use crate::schema::unit::Prompt;

/// What a file is to `--dataset`.
pub(super) enum Kind {
    /// In our own form, or so far from any that our own reader tells best what is wrong with it.
    Own(Form),
    /// In another tool's.
    Foreign(PromptFormat),
}

/// Looks at a file.
///
/// # Errors
/// It is no regular file of prompts and its name does not promise JSON.
pub(super) fn kind(path: &Path, how: &Import) -> Result<Kind> {
    if let Some(format) = how.format {
        return Ok(Kind::Foreign(format));
    }
    let by_name = Form::of(path);
    // A pipe can be read but once.
    if std::fs::metadata(path).map_or(true, |metadata| !metadata.is_file()) {
        return Ok(Kind::Own(by_name));
    }
    let (input, detected) = import::looked_at(path, &how.columns)?;
    let named_json = path
        .extension()
        .is_some_and(|name| ["json", "jsonl"].iter().any(|json| name.eq_ignore_ascii_case(json)));
    Ok(match detected {
        Detected::Prompts(PromptFormat::Jsonl)
            if input.packed.is_none() && how.columns.is_empty() && !how.skip_bad =>
        {
            Kind::Own(if import::is_list(&input) { Form::List } else { Form::Lines })
        }
        Detected::Prompts(PromptFormat::Text | PromptFormat::Csv) if named_json => Kind::Own(by_name),
        Detected::Prompts(format) => Kind::Foreign(format),
        Detected::Empty => Kind::Own(by_name),
        Detected::Unclear(..) if named_json && !import::is_known_trace(path) => Kind::Own(by_name),
        Detected::Trace(_) | Detected::Unclear(..) => {
            import::told(path, detected)?;
            Kind::Own(by_name)
        }
    })
}

/// Reads a file in another tool's form whole.
///
/// # Errors
/// A bad row, unless they are skipped; no prompt at all.
pub(super) fn read(
    path: &Path,
    format: PromptFormat,
    how: &Import,
) -> Result<(Vec<Prompt>, Reading, Vec<String>)> {
    let how = Import { format: Some(format), ..how.clone() };
    let mut prompts = Vec::new();
    let mut keep = |picked: Picked| {
        prompts.push(picked.into_prompt()?);
        Ok(())
    };
    let tally = import::import(&[path.to_owned()], &how, None, &mut |_| true, &mut keep)?.unwrap_or_default();
    if prompts.is_empty() {
        return refuse(
            format!("{}, read as {format}, makes no prompt: {}", path.display(), reasons(&tally)),
            "see harness dataset import --help: --format, --turns and --columns say how it is read",
        );
    }
    let reading = Reading {
        format,
        turns: how.turns,
        columns: how.columns.named().clone(),
        skip_bad: how.skip_bad,
        rows: tally.rows,
        left_out: left_out(&tally),
        estimated_limits: tally.estimated > 0,
    };
    Ok((prompts, reading, tally.passed_over))
}

/// As a plan says that its file was read.
///
/// # Errors
/// Columns that no plan of ours names.
pub(super) fn how_of(reading: &Reading) -> Result<Import> {
    Ok(Import {
        format: Some(reading.format),
        turns: reading.turns,
        columns: Columns::new(reading.columns.clone())?,
        skip_bad: reading.skip_bad,
        ..Import::default()
    })
}

fn left_out(tally: &Tally) -> std::collections::BTreeMap<String, u64> {
    let reasons = tally.left_out.iter().map(|(why, rows)| ((*why).to_owned(), *rows));
    reasons.chain((tally.bad > 0).then(|| ("bad row".to_owned(), tally.bad))).collect()
}

fn reasons(tally: &Tally) -> String {
    let reasons: Vec<String> = left_out(tally).iter().map(|(why, rows)| format!("{rows} × {why}")).collect();
    if reasons.is_empty() { "it has no row".to_owned() } else { reasons.join(", ") }
}
