//! Flags of a file of prompts → how it is read.

use crate::cli::{FormatArg, LoadArgs, TurnsArg};
use crate::dataset::import::{Columns, Import};
use crate::schema::reading::{PromptFormat, Turns};
use crate::schema::refusal::refuse;

/// How the file of `--dataset` is read.
pub fn how(args: &LoadArgs) -> anyhow::Result<Import> {
    let given = &args.replay.format;
    Ok(Import {
        format: args.prompts.dataset_format.and_then(format),
        turns: args.prompts.dataset_turns.map(turns).unwrap_or_default(),
        columns: columns(&given.columns)?,
        skip_bad: given.skip_bad,
        ..Import::default()
    })
}

/// `prompt=question,max_tokens=limit`
pub fn columns(given: &[String]) -> anyhow::Result<Columns> {
    let mut columns = Vec::with_capacity(given.len());
    for pair in given {
        match pair.split_once('=') {
            Some((ours, column)) => columns.push((ours.trim().to_owned(), column.trim().to_owned())),
            None => {
                return refuse(
                    format!("--columns: '{pair}' names no column"),
                    "write --columns prompt=COLUMN",
                );
            }
        }
    }
    Columns::new(columns)
}

/// None: by the content.
pub fn format(typed: FormatArg) -> Option<PromptFormat> {
    match typed {
        FormatArg::Auto => None,
        FormatArg::Sharegpt => Some(PromptFormat::Sharegpt),
        FormatArg::Jsonl => Some(PromptFormat::Jsonl),
        FormatArg::Text => Some(PromptFormat::Text),
        FormatArg::OpenaiBatch => Some(PromptFormat::OpenaiBatch),
        FormatArg::MtBench => Some(PromptFormat::MtBench),
        FormatArg::Longbench => Some(PromptFormat::Longbench),
        FormatArg::Csv => Some(PromptFormat::Csv),
        FormatArg::Parquet => Some(PromptFormat::Parquet),
    }
}

/// Which turns of a conversation.
pub fn turns(typed: TurnsArg) -> Turns {
    match typed {
        TurnsArg::FirstUser => Turns::FirstUser,
        TurnsArg::FirstTwo => Turns::FirstTwo,
        TurnsArg::Strict => Turns::Strict,
        TurnsArg::All => Turns::All,
    }
}
