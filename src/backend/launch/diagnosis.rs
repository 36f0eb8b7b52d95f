//! Why a server did not start: the cause that its log shows.

use crate::backend::guard::Ended;
use crate::backend::server_log::ServerLog;
use crate::schema::target::FailurePattern;

/// How many bytes of a log's end are searched: vLLM's root cause stands well above its last line.
const SEARCHED_BYTES: u64 = 512 * 1024;
/// How many lines of the end are searched at most.
const SEARCHED_LINES: usize = 5_000;

/// A cause and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// What happened: `out of memory`.
    pub cause: String,
    /// What to do.
    pub hint: String,
    /// The line of the log that shows it, which may stand well above its end.
    pub line: Option<String>,
}

/// The cause that a log shows, or that the way the process ended shows; none where neither is known.
pub fn diagnose(log: &ServerLog, ended: Option<Ended>, patterns: &[FailurePattern]) -> Option<Diagnosis> {
    let lines = log.tail(SEARCHED_LINES, SEARCHED_BYTES);
    recognise(&lines, patterns).or_else(|| match ended {
        Some(Ended::Signal(libc::SIGKILL)) => Some(Diagnosis {
            cause: "killed from outside, most likely by the kernel for want of memory".into(),
            hint: "look for \"Out of memory\" in `dmesg`; take a smaller model, context or batch".into(),
            line: None,
        }),
        Some(Ended::Signal(libc::SIGILL)) => Some(Diagnosis {
            cause: "the program was built for another processor".into(),
            hint: "install or build the engine on this machine".into(),
            line: None,
        }),
        Some(Ended::Code(_) | Ended::Signal(_) | Ended::GuardDied) | None => None,
    })
}

/// The first pattern, in their order, that any line contains, whatever its case.
fn recognise(lines: &[String], patterns: &[FailurePattern]) -> Option<Diagnosis> {
    let lowered: Vec<String> = lines.iter().map(|line| line.to_lowercase()).collect();
    patterns.iter().find_map(|pattern| {
        let wanted = pattern.contains.to_lowercase();
        let place = lowered.iter().position(|line| line.contains(&wanted))?;
        Some(Diagnosis {
            cause: pattern.cause.clone(),
            hint: pattern.hint.clone(),
            line: lines.get(place).cloned(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pattern_in_the_list_wins_wherever_its_line_stands() {
        let pattern = |contains: &str, cause: &str| FailurePattern {
            contains: contains.into(),
            cause: cause.into(),
            hint: String::new(),
        };
        let patterns = [pattern("CUDA out of memory", "memory"), pattern("engine core", "engine")];
        let lines = ["Engine core failed".to_owned(), "torch: cuda OUT of memory.".to_owned()];
        let memory = recognise(&lines, &patterns).unwrap();
        assert_eq!(memory.cause, "memory");
        assert_eq!(memory.line.as_deref(), Some("torch: cuda OUT of memory."));
        assert_eq!(recognise(&lines[..1], &patterns).unwrap().cause, "engine");
        assert_eq!(recognise(&[], &patterns), None);
    }
}
