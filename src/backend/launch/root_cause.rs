//! The root cause that a log shows: of all errors in it, the one that the others followed from.
//!
//! An engine is several processes, and each that dies says so. The process that died first has the cause; what the
//! others write is its consequence ("See root cause above"). Within a process the first traceback of the last chain
//! is the root: "During handling of …" and "… the direct cause of …" link what followed to it.

use std::collections::HashMap;

use crate::backend::launch::log_line::LogLine;

/// The longest cause that is shown in a headline, characters.
const HEADLINE: usize = 300;

/// The error that the others followed from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootCause {
    /// In one line, without a logger's prefix: `ModuleNotFoundError: No module named 'flashinfer'`.
    pub text: String,
    /// Where in the log it stands: the line, and what explains it.
    pub lines: Vec<usize>,
    /// It tells only that something else failed.
    pub is_consequence: bool,
}

/// How much an error explains, the most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// A program's last words: the end of a traceback, a panic, a refused argument.
    Cause,
    /// A logger calls it an error.
    Error,
    /// It only sounds like one.
    Hint,
    /// It tells that something else failed.
    Consequence,
}

#[derive(Debug, Clone)]
struct Found {
    weight: Weight,
    text: String,
    lines: Vec<usize>,
}

/// Finds it; none where the log shows no error.
pub fn find(lines: &[String]) -> Option<RootCause> {
    let parsed: Vec<LogLine<'_>> = lines.iter().map(|line| LogLine::parse(line)).collect();
    let tracebacks = tracebacks(&parsed);
    let in_traceback = |index: usize| tracebacks.iter().any(|one| (one.begin..=one.end).contains(&index));
    let mut found: Vec<Found> = roots(&tracebacks);
    let plain = (0..parsed.len()).filter(|index| !in_traceback(*index));
    found.extend(plain.filter_map(|index| plain_error(&parsed, index)));
    // Of equal weight the first: what died first.
    let best = found.into_iter().min_by_key(|one| (one.weight, one.lines.first().copied()))?;
    Some(RootCause {
        text: best.text.chars().take(HEADLINE).collect(),
        lines: best.lines,
        is_consequence: best.weight == Weight::Consequence,
    })
}

/// True for a line that only tells that something else failed.
pub fn is_consequence(text: &str) -> bool {
    let text = text.to_lowercase();
    CONSEQUENCES.iter().any(|known| text.contains(known))
}

/// True for a line whose logger calls it less than an error.
pub fn is_quiet(line: &str) -> bool {
    LogLine::parse(line).is_quiet()
}

/// Words of those who only notice that another failed.
const CONSEQUENCES: &[&str] = &[
    "root cause above",
    "for root cause",
    "for the root cause",
    "see above",
    "error messages above",
    "in a background process",
    "engine core initialization failed",
    "failed core proc",
    "enginedead",
    "engine process failed",
    "enginecore failed to start",
    "died during initialization",
    "rank 0 scheduler died",
    "hit an exception",
    "brokenpipeerror",
    "eoferror",
    "connectionreseterror",
    "connection reset by peer",
    "connectionrefusederror",
    "keyboardinterrupt",
    "cancellederror",
    "systemexit",
    "childfailederror",
    "processexitedexception",
    "actordiederror",
    "worker died",
    "sub-exception",
    "exiting due to",
    "shardcannotstart",
    "shardfailed",
    "webserverfailed",
    "webservercannotstart",
    "shard 0 failed to start",
    "shard complete standard error output",
    "error when initializing",
    "error when warming up",
    "failed to load model",
    "failed to create context",
    "failed to create_context",
    "loading error",
    "application startup failed",
    "command failed",
    "non-zero exit",
    "exited with code",
];

/// One traceback.
struct Traceback {
    writer: Option<String>,
    /// Its first line, and the line with the exception.
    begin: usize,
    end: usize,
    text: String,
    /// Lines behind the exception that belong to its message.
    more: Vec<usize>,
    /// It was met while another was handled, or caused by it.
    linked: bool,
    /// Whoever wrote it went on.
    handled: bool,
}

const TRACEBACK: &str = "Traceback (most recent call last):";
const LINKS: [&str; 2] =
    ["During handling of the above exception", "The above exception was the direct cause of the following"];

fn tracebacks(lines: &[LogLine<'_>]) -> Vec<Traceback> {
    let mut found: Vec<Traceback> = Vec::new();
    let mut last_of: HashMap<Option<&str>, usize> = HashMap::new();
    for (begin, line) in lines.iter().enumerate().filter(|(_, line)| line.text.contains(TRACEBACK)) {
        let own = |index: &usize| lines[*index].writer == line.writer;
        let mut after = (begin + 1..lines.len()).filter(own).skip_while(|index| {
            let text = &lines[*index].text;
            text.is_empty() || text.starts_with([' ', '\t'])
        });
        let Some(end) = after.next() else { continue };
        // Ended by another line than its exception: cut off, or of an exception group, whose own comes later.
        if lines[end].text.contains(TRACEBACK) || !is_exception(&lines[end].text) {
            continue;
        }
        let more = message_lines(lines, end);
        let linked = last_of.get(&line.writer).is_some_and(|previous| {
            let previous_end = found[*previous].end;
            (previous_end..begin)
                .filter(own)
                .any(|index| LINKS.iter().any(|link| lines[index].text.contains(link)))
        });
        let introduced = |index: usize| is_shrugged_off(&lines[index].text);
        let handled = line.is_quiet() || introduced(begin) || (begin > 0 && introduced(begin - 1));
        last_of.insert(line.writer, found.len());
        let writer = line.writer.map(str::to_owned);
        let text = exception_text(lines, end, &more);
        found.push(Traceback { writer, begin, end, text, more, linked, handled });
    }
    found
}

/// `ModuleNotFoundError: …`, `safetensors._rust.SafetensorError: …`, `AssertionError`
fn is_exception(text: &str) -> bool {
    let name = text.split([':', ' ', '(']).next().unwrap_or_default();
    let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    !name.is_empty() && name.chars().all(plain) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// A traceback that its writer shows and goes on after.
fn is_shrugged_off(text: &str) -> bool {
    let text = text.to_lowercase();
    ["ignor", "falling back", "fall back", "fallback", "retry", "optional", "skipping", "non-fatal"]
        .iter()
        .any(|word| text.contains(word))
}

/// Lines behind an exception that say what it is about: pydantic names the model first and the mistake below.
fn message_lines(lines: &[LogLine<'_>], end: usize) -> Vec<usize> {
    let text = lines[end].text.trim_end();
    if !text.ends_with(':') && !text.contains("validation error") {
        return Vec::new();
    }
    let own = |index: &usize| lines[*index].writer == lines[end].writer;
    (end + 1..lines.len()).filter(own).take(1).filter(|index| !lines[*index].text.trim().is_empty()).collect()
}

/// `ValidationError: 1 validation error for ModelConfig: Value error, …`: without the module of its type.
fn exception_text(lines: &[LogLine<'_>], end: usize, more: &[usize]) -> String {
    let text = lines[end].text.trim();
    let (name, rest) = text.split_at(text.find([':', ' ', '(']).unwrap_or(text.len()));
    let name = name.rsplit('.').next().unwrap_or(name);
    let more = more.iter().map(|index| lines[*index].text.trim());
    let parts: Vec<&str> = std::iter::once(rest.trim_end_matches(':')).chain(more).collect();
    format!("{name}{}", parts.join(": "))
}

/// The root of every process's last chain. What names no process may be of any, so each chain of it counts.
fn roots(tracebacks: &[Traceback]) -> Vec<Found> {
    let fatal: Vec<&Traceback> = tracebacks.iter().filter(|one| !one.handled).collect();
    let mut roots = Vec::new();
    for (place, one) in fatal.iter().enumerate().filter(|(_, one)| !one.linked) {
        let linked: Vec<&&Traceback> = fatal[place + 1..]
            .iter()
            .filter(|other| other.writer == one.writer)
            .take_while(|other| other.linked)
            .collect();
        let last_of_writer = |other: &&Traceback| other.writer == one.writer && !other.linked;
        let last = fatal.iter().rev().find(|other| last_of_writer(other));
        // A process that went on after it did not die of it; what it repeats at its end is the same error.
        let lived_on = one.writer.is_some() && last.is_some_and(|last| last.text != one.text);
        if lived_on {
            continue;
        }
        let mut lines = vec![one.end];
        lines.extend(&one.more);
        for other in &linked {
            lines.push(other.end);
            lines.extend(&other.more);
        }
        let consequence = is_consequence(&one.text) && linked.iter().all(|other| is_consequence(&other.text));
        let weight = if consequence { Weight::Consequence } else { Weight::Cause };
        let told = linked.iter().find(|other| is_telling(&other.text) && !is_consequence(&other.text));
        let text = match told {
            Some(told) if !is_telling(&one.text) => {
                // It stands first in what is shown, too.
                lines.retain(|line| *line != told.end);
                lines.insert(0, told.end);
                &told.text
            }
            Some(_) | None => &one.text,
        };
        roots.push(Found { weight, text: text.clone(), lines });
    }
    roots
}

/// False for an exception that only steered its program: a search that found nothing, a key that is not there.
fn is_telling(text: &str) -> bool {
    let steering = ["StopIteration", "KeyError", "IndexError"];
    text.contains(": ") && !steering.iter().any(|name| text.starts_with(name))
}

/// Last words of programs that write no traceback.
const LAST_WORDS: &[&str] = &[
    "ggml_assert",
    "ggml_abort",
    "cuda error",
    "out of memory",
    "outofmemoryerror",
    "bad_alloc",
    "error while loading shared libraries",
    "cannot open shared object file",
    "segmentation fault",
    "illegal instruction",
    "bus error (",
    "fatal python error",
    "core dumped",
    "address already in use",
    "' failed.",
];

/// What an error sounds like, where nothing says more.
const SOUNDS: &[&str] = &["failed to ", "cannot ", "unable to ", "could not ", "couldn't ", "error:"];
/// What a shell or a loader says of a program that it cannot start, as the log's last words: in its middle a missing
/// tool is no cause.
const NEVER_STARTED: &[&str] =
    &[": not found", "' not found (required by", ": permission denied", ": no such file or directory"];
/// So many lines are a log's last words.
const LAST_LINES: usize = 3;

fn plain_error(lines: &[LogLine<'_>], index: usize) -> Option<Found> {
    let line = &lines[index];
    let text = line.text.trim();
    if text.is_empty() || line.is_quiet() || text.contains(TRACEBACK) || is_link(text) {
        return None;
    }
    let one = |weight: Weight, text: &str| Some(Found { weight, text: text.to_owned(), lines: vec![index] });
    let lowered = text.to_lowercase();
    if let Some(found) = panic(lines, index, text).or_else(|| thrown(lines, index, text)) {
        return Some(found);
    }
    if is_consequence(text) {
        // Who died, and how, is the cause where nothing else is told.
        return one(Weight::Consequence, text);
    }
    if let Some(refused) = refused_argument(text).filter(|_| !line.text.starts_with([' ', '\t'])) {
        return one(Weight::Cause, refused);
    }
    if let Some(found) = reported(lines, index, text) {
        return Some(found);
    }
    if LAST_WORDS.iter().any(|words| lowered.contains(words)) {
        return one(Weight::Cause, text);
    }
    if line.level.is_some() {
        return one(Weight::Error, text);
    }
    let ends = index + LAST_LINES >= lines.len();
    let never_started = ends && NEVER_STARTED.iter().any(|words| lowered.contains(words));
    let sounds = never_started || SOUNDS.iter().any(|words| lowered.contains(words));
    sounds.then(|| one(Weight::Hint, text)).flatten()
}

fn is_link(text: &str) -> bool {
    LINKS.iter().any(|link| text.contains(link))
}

/// Rust's and Go's. Rust puts the message on the next line: `thread 'main' panicked at src/main.rs:1:2:`
fn panic(lines: &[LogLine<'_>], index: usize, text: &str) -> Option<Found> {
    let found =
        |text: &str, lines: Vec<usize>| Some(Found { weight: Weight::Cause, text: text.to_owned(), lines });
    if text.contains("panicked at") {
        let next = lines.get(index + 1).map(|line| line.text.trim()).filter(|next| !next.is_empty());
        return match next.filter(|_| text.ends_with(':')) {
            Some(message) => found(&format!("panic: {message}"), vec![index, index + 1]),
            None => found(text, vec![index]),
        };
    }
    let go = text.starts_with("panic: ") || text.starts_with("fatal error: ");
    go.then(|| found(text, vec![index])).flatten()
}

/// C++: `terminate called after throwing an instance of 'X'`, and below `what():  …`.
fn thrown(lines: &[LogLine<'_>], index: usize, text: &str) -> Option<Found> {
    if !text.contains("terminate called") {
        return None;
    }
    let words = lines.get(index + 1).and_then(|next| next.text.trim().strip_prefix("what():"));
    let (text, lines) = match words {
        Some(words) => (words.trim(), vec![index, index + 1]),
        None => (text, vec![index]),
    };
    Some(Found { weight: Weight::Cause, text: text.to_owned(), lines })
}

/// argparse's `PROGRAM: error: …`, clap's and others' `error: …`.
fn refused_argument(text: &str) -> Option<&str> {
    if let Some((program, message)) = text.split_once(": error: ")
        && program.split(' ').count() <= 4
    {
        return Some(message);
    }
    ["error: ", "error while "].iter().any(|start| text.starts_with(start)).then_some(text)
}

/// `Error: …`; anyhow's has its causes below, the deepest last.
fn reported(lines: &[LogLine<'_>], index: usize, text: &str) -> Option<Found> {
    if !text.starts_with("Error: ") && !text.starts_with("Fatal: ") && !text.starts_with("FATAL: ") {
        return None;
    }
    let caused =
        (index + 1..lines.len().min(index + 4)).find(|next| lines[*next].text.trim() == "Caused by:");
    let deepest = caused.and_then(|caused| {
        let indented = |next: &usize| lines[*next].text.starts_with("    ");
        (caused + 1..lines.len()).take_while(indented).last()
    });
    let (text, lines) = match deepest {
        Some(deepest) => {
            let words = lines[deepest].text.trim();
            let numbered = words.split_once(": ").filter(|(number, _)| number.parse::<u32>().is_ok());
            (numbered.map_or(words, |(_, words)| words), vec![deepest, index])
        }
        None => (text, vec![index]),
    };
    Some(Found { weight: Weight::Cause, text: text.to_owned(), lines })
}
