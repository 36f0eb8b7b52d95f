//! Flags of a file of prompts → how it is read.

use crate::cli::{FormatArg, LoadArgs, TurnsArg};
use crate::dataset::import::{Columns, Import};
use crate::schema::plan::HttpSettings;
use crate::schema::reading::{PromptFormat, Turns};
use crate::schema::refusal::refuse;
use crate::schema::target::ProtocolName;
use crate::schema::unit::{Body, Prompt};

/// The load reads prompts from some file: that of `--dataset`, or a scenario's own.
pub fn are_read(args: &LoadArgs) -> bool {
    args.dataset.is_some() || args.scenarios.iter().any(|scenario| scenario.dataset.is_some())
}

/// Refuses flags of a file of prompts where none is read.
///
/// # Errors
/// They would do nothing.
pub fn refuse_unread(args: &LoadArgs) -> anyhow::Result<()> {
    let given = [
        ("--dataset-format", args.prompts.dataset_format.is_some()),
        ("--dataset-turns", args.prompts.dataset_turns.is_some()),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((flag, _)) if !are_read(args) => refuse(
            format!("{flag} is for a file of prompts, and none is read"),
            format!("add --dataset FILE, or leave {flag} out"),
        ),
        Some(_) | None => Ok(()),
    }
}

/// Refuses prompts of `file` that hold more than text where the requests have no room for it: only messages have.
///
/// # Errors
/// Names the first such prompt and the cure.
pub fn check_texts(prompts: &[Prompt], file: &str, http: &HttpSettings) -> anyhow::Result<()> {
    let is_text = |body: &Body| match body {
        Body::Text(_) => true,
        Body::Messages(all) => all.iter().all(|message| message.content.text().is_some()),
    };
    let has_messages = match (http.protocol, &http.template) {
        (ProtocolName::OpenaiChat, _) => true,
        (_, Some(template)) => template.body.contains("{messages}"),
        (_, None) => false,
    };
    let is_all_text =
        |prompt: &&Prompt| is_text(&prompt.body) && prompt.further.iter().all(|turn| is_text(&turn.body));
    match prompts.iter().find(|prompt| !is_all_text(prompt)) {
        Some(prompt) if !has_messages => refuse(
            format!("{file}: the messages of `{}` hold more than text", prompt.id),
            format!("speak another protocol than {}: --protocol openai-chat", http.protocol.endpoint()),
        ),
        Some(_) | None => Ok(()),
    }
}

/// How the file of `--dataset`, or of a scenario, is read.
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
