//! New prompts from a model: asked for by category, read from its replies, checked, kept apart from each other, and
//! appended to a file line by line, so that what is there counts when it is begun again.

mod ask;
mod chat;
mod check;
mod file;
mod rejection;
mod reply;
mod seen;
mod wanted;

use std::collections::BTreeMap;

use tokio::sync::watch;

pub use chat::ChatEndpoint;
pub use rejection::{Bounds, Rejection};
pub use wanted::{End, Progress, Told, Wanted};

use ask::Ask;
use chat::{Asked, Tried};
use file::PromptFile;
use seen::Seen;

/// Prompts that one request asks for at most.
const MOST_A_REQUEST: usize = 8;
/// Requests in a row that may give no new prompt of a category; after them the model has no more of it to give.
const MOST_IDLE: u32 = 12;

/// Categories where nobody names any: those of the built-in prompts.
pub const CATEGORIES: [&str; 11] = [
    "chat",
    "question",
    "code",
    "summarisation",
    "extraction",
    "classification",
    "reasoning",
    "translation",
    "rewriting",
    "creative",
    "long-context",
];

/// Fills the file until it holds what is wanted.
///
/// # Errors
/// The file is no file of prompts or cannot be written, or the server refuses. What was written stays.
pub async fn generate(
    endpoint: &ChatEndpoint,
    wanted: &Wanted,
    tell: &dyn Fn(Told<'_>),
    mut stop: watch::Receiver<bool>,
) -> anyhow::Result<(Progress, End)> {
    let mut file = PromptFile::open(&wanted.output)?;
    if let Some(note) = file.note() {
        tell(Told::Note(&note));
    }
    let mut seen = Seen::default();
    for prompt in file.prompts() {
        seen.add(prompt);
    }
    let mut progress = Progress { held: file.held(), ..Progress::default() };
    let mut idle: BTreeMap<&str, u32> = BTreeMap::new();
    while progress.held < wanted.count {
        let Some((category, missing)) = most_missing(&file, wanted, &idle) else {
            return Ok((progress, End::Exhausted));
        };
        let ask = Ask::new(
            category,
            missing.min(MOST_A_REQUEST),
            wanted.seed,
            progress.requests,
            &file.last_of(category),
        );
        let tried = tokio::select! {
            tried = chat::ask(endpoint, wanted, &ask, progress.requests, tell) => tried?,
            Ok(_) = stop.wait_for(|stop| *stop) => return Ok((progress, End::Interrupted)),
        };
        let Asked { text, cut } = match tried {
            Tried::Answered(asked) => asked,
            Tried::TooLong(what) => {
                tell(Told::Note(&what));
                Asked::default()
            }
        };
        progress.requests += 1;
        let before = progress.new;
        take(&text, cut, &ask, category, missing, (wanted, &mut file, &mut seen, &mut progress))?;
        let fruitless = idle.entry(category).or_default();
        *fruitless = if progress.new > before { 0 } else { *fruitless + 1 };
        tell(Told::Reached(&progress));
    }
    Ok((progress, End::Whole))
}

/// What a reply is put into.
type Into<'a> = (&'a Wanted, &'a mut PromptFile, &'a mut Seen, &'a mut Progress);

/// Takes up to `missing` good prompts out of a reply.
fn take(
    text: &str,
    cut: bool,
    ask: &Ask,
    category: &str,
    missing: usize,
    into: Into<'_>,
) -> anyhow::Result<()> {
    let (wanted, file, seen, progress) = into;
    let mut taken = 0;
    for candidate in reply::candidates(text, cut) {
        if taken == missing || progress.held == wanted.count {
            break;
        }
        let checked = check::check(&candidate, wanted.bounds, &ask.text);
        let prompt = match checked.and_then(|prompt| seen.check(&prompt).map(|()| prompt)) {
            Ok(prompt) => prompt,
            Err(why) => {
                *progress.rejected.entry(why).or_default() += 1;
                continue;
            }
        };
        file.append(category, &prompt, ask::output_limit(category))?;
        seen.add(&prompt);
        progress.held += 1;
        progress.new += 1;
        taken += 1;
    }
    Ok(())
}

/// The category that lacks most of its share, the first of several, and what it lacks; none where no category gives
/// new prompts any more.
fn most_missing<'a>(
    file: &PromptFile,
    wanted: &'a Wanted,
    idle: &BTreeMap<&str, u32>,
) -> Option<(&'a str, usize)> {
    let categories = wanted.categories.len().max(1);
    let lacks = wanted.categories.iter().enumerate().map(|(place, category)| {
        let share = wanted.count / categories + usize::from(place < wanted.count % categories);
        (category.as_str(), share.saturating_sub(file.held_of(category)))
    });
    let gives = |(category, _): &(&str, usize)| idle.get(category).is_none_or(|idle| *idle < MOST_IDLE);
    let most = lacks.rev().filter(gives).max_by_key(|(_, lacks)| *lacks);
    // A file that was begun with other categories may hold more than its share of one: then any does.
    most.map(|(category, lacks)| (category, lacks.max(1)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
