//! Why a server did not start: the root cause that its log shows, what its definition knows of that, and how it
//! ended.

use crate::backend::guard::Ended;
use crate::backend::launch::root_cause::{self, RootCause};
use crate::backend::server_log::ServerLog;
use crate::schema::target::FailurePattern;

/// How many bytes of a log's end are searched: the root stands well above the last line.
const SEARCHED_BYTES: u64 = 4 << 20;
/// How many lines of the end are searched at most.
const SEARCHED_LINES: usize = 20_000;
/// The longest line that is shown of the root, characters.
const SHOWN: usize = 500;

/// A cause and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// What happened: `out of memory`.
    pub cause: String,
    /// What to do; empty where nothing is known.
    pub hint: String,
    /// The lines of the log that show it, the root first. They may stand well above its end.
    pub lines: Vec<String>,
}

/// The cause that a log shows, or that the way the process ended shows; none where neither is known.
pub fn diagnose(log: &ServerLog, ended: Option<Ended>, patterns: &[FailurePattern]) -> Option<Diagnosis> {
    let lines = log.tail(SEARCHED_LINES, SEARCHED_BYTES);
    explain(&lines, ended, patterns)
}

fn explain(lines: &[String], ended: Option<Ended>, patterns: &[FailurePattern]) -> Option<Diagnosis> {
    let root = root_cause::find(lines);
    let known = recognise(lines, root.as_ref(), patterns);
    let of_end = ended.and_then(by_end).or_else(|| child_was_killed(lines));
    match (known, root) {
        (Some(known), _) => Some(known),
        // That something was killed says more than that somebody noticed.
        (None, Some(root)) if !root.is_consequence || of_end.is_none() => Some(Diagnosis {
            hint: general_hint(&root.text).to_owned(),
            lines: shown(lines, &root.lines),
            cause: root.text,
        }),
        (None, root) => of_end.map(|of_end| Diagnosis {
            lines: root.map(|root| shown(lines, &root.lines)).unwrap_or_default(),
            ..of_end
        }),
    }
}

fn shown(lines: &[String], places: &[usize]) -> Vec<String> {
    let lines = places.iter().filter_map(|place| lines.get(*place));
    lines.map(|line| line.chars().take(SHOWN).collect()).collect()
}

/// What the definition knows: the first pattern, in their order, that the root contains, whatever its case; else
/// the first that any line contains which tells of an error, and not only that another failed.
fn recognise(lines: &[String], root: Option<&RootCause>, patterns: &[FailurePattern]) -> Option<Diagnosis> {
    let root_lines = root.map(|root| root.lines.clone()).unwrap_or_default();
    let diagnosis = |pattern: &FailurePattern, mut places: Vec<usize>, place: usize| {
        if !places.contains(&place) {
            places.push(place);
        }
        Diagnosis { cause: pattern.cause.clone(), hint: pattern.hint.clone(), lines: shown(lines, &places) }
    };
    let place_in = |pattern: &FailurePattern, places: &[usize]| {
        let wanted = pattern.contains.to_lowercase();
        places.iter().copied().find(|place| lines[*place].to_lowercase().contains(&wanted))
    };
    let at_root = patterns.iter().find_map(|pattern| {
        let place = place_in(pattern, &root_lines)?;
        Some(diagnosis(pattern, root_lines.clone(), place))
    });
    let is_better_known = root.is_some_and(|root| !root.is_consequence);
    let counts = |place: &usize| {
        !is_better_known
            || !(root_cause::is_quiet(&lines[*place]) || root_cause::is_consequence(&lines[*place]))
    };
    at_root.or_else(|| {
        let candidates: Vec<usize> = (0..lines.len()).filter(counts).collect();
        patterns.iter().find_map(|pattern| {
            let place = place_in(pattern, &candidates)?;
            Some(diagnosis(pattern, root_lines.clone(), place))
        })
    })
}

const WANT_OF_MEMORY: &str = "look for \"Out of memory\" in `dmesg`; take a smaller model, context or batch";

/// What the way a process ended tells; a shell or a container adds 128 to the signal.
fn by_end(ended: Ended) -> Option<Diagnosis> {
    let signal = match ended {
        Ended::Signal(signal) => signal,
        Ended::Code(code) if code > 128 => code - 128,
        Ended::Code(_) | Ended::GuardDied => return None,
    };
    let (cause, hint) = match signal {
        libc::SIGKILL => {
            ("killed from outside, most likely by the kernel for want of memory", WANT_OF_MEMORY)
        }
        libc::SIGILL => {
            ("the program was built for another processor", "install or build the engine on this machine")
        }
        libc::SIGSEGV | libc::SIGBUS | libc::SIGABRT => (
            "the program crashed in its native code",
            "another version of the engine, or of its CUDA or driver, may be needed",
        ),
        _ => return None,
    };
    Some(Diagnosis { cause: cause.into(), hint: hint.into(), lines: Vec::new() })
}

/// A process of it was killed, and another noticed.
fn child_was_killed(lines: &[String]) -> Option<Diagnosis> {
    let signs = [
        "exit code: -9",
        "exitcode: -9",
        "exit code -9",
        ": -9}",
        "signal 9",
        "sigkill",
        "code 137",
        "-9 (sigkill)",
    ];
    let told = |line: &&String| {
        let line = line.to_lowercase();
        signs.iter().any(|sign| line.contains(sign)) || line.trim() == "killed"
    };
    let line = lines.iter().find(told)?;
    Some(Diagnosis {
        cause: "one of its processes was killed from outside, most likely by the kernel for want of memory"
            .into(),
        hint: WANT_OF_MEMORY.into(),
        lines: vec![line.clone()],
    })
}

/// What to do about errors that every engine may show. A definition knows better.
const GENERAL: &[(&str, &str)] = &[
    (
        "no module named",
        "its environment lacks that module: install it there, or make the environment anew with `harness install`",
    ),
    (
        "cannot import name",
        "its environment holds a version that does not fit: make it anew with `harness install`",
    ),
    (
        "undefined symbol",
        "its environment holds builds that do not fit together: make it anew with `harness install`",
    ),
    ("shared object file", "a library of the system is missing, or the engine is not installed completely"),
    ("shared libraries", "a library of the system is missing, or the engine is not installed completely"),
    ("out of memory", "lower --context-length or --max-batch, or take a smaller model"),
    ("outofmemory", "lower --context-length or --max-batch, or take a smaller model"),
    ("memoryerror", "lower --context-length or --max-batch, or take a smaller model"),
    ("bad_alloc", "lower --context-length or --max-batch, or take a smaller model"),
    ("insufficient memory", "lower --context-length or --max-batch, or take a smaller model"),
    ("allocate memory", "lower --context-length or --max-batch, or take a smaller model"),
    ("address already in use", "free the port or leave it out: a free one is chosen"),
    ("unrecognized arg", "check --set and --extra-args against the engine's version"),
    ("unexpected arg", "check --set and --extra-args against the engine's version"),
    ("invalid choice", "check --set and --extra-args against the engine's version"),
    ("invalid argument", "check --set and --extra-args against the engine's version"),
    ("no such option", "check --set and --extra-args against the engine's version"),
    ("required arg", "check --set and --extra-args against the engine's version"),
    ("incomplete metadata", "the model's files are cut off or damaged: fetch them again"),
    ("permission denied", "this user may not use that file or device"),
];

fn general_hint(text: &str) -> &'static str {
    let text = text.to_lowercase();
    GENERAL.iter().find(|(words, _)| text.contains(words)).map_or("", |(_, hint)| hint)
}

#[cfg(test)]
mod tests;
