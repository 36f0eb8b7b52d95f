//! Why a target, or a run of it, gave no result.

use std::path::PathBuf;

use crate::backend::launch::LaunchError;
use crate::directories::is_disk_full;
use crate::schema::comparison::FailedTarget;
use crate::schema::plan::Plan;
use crate::schema::refusal::{Refusal, with_cures};
use crate::secrets::{from_outside, names_a_secret};

/// What becomes of the rest of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The next target's turn comes.
    Target,
    /// The user stopped it: nothing more is played.
    Interrupted,
    /// Nothing further can be played: the guard is gone, or the output cannot be written.
    Everything,
}

/// Why a target gave no result.
#[derive(Debug)]
pub struct Failure {
    /// One line: what happened.
    pub what: String,
    /// What to do.
    pub hint: Option<String>,
    /// Variables of ours that look like the engine's and that it was not given: names alone.
    pub not_handed_on: Vec<String>,
    /// Last lines of the server's log, and where it lies.
    pub log: Option<(PathBuf, Vec<String>)>,
    /// What else it takes along.
    pub reach: Reach,
}

impl Failure {
    /// A failure of one target, in a line.
    pub fn of_target(what: String) -> Self {
        Failure { what, hint: None, not_handed_on: Vec::new(), log: None, reach: Reach::Target }
    }

    /// What was recorded is safe, and the next target's turn comes, unless the disk is full.
    pub fn not_derived(error: anyhow::Error, plan: &Plan) -> Self {
        let reach = if is_disk_full(&error) { Reach::Everything } else { Reach::Target };
        let failure = Failure::from(error);
        let again = format!("its records are saved: harness report {}", plan.output.directory.display());
        let hint = failure.hint.iter().chain([&again]).map(String::as_str).collect::<Vec<_>>().join("; ");
        Failure { reach, hint: Some(hint), ..failure }
    }

    /// The user stopped it: the target did not fail.
    pub fn is_interruption(&self) -> bool {
        self.reach == Reach::Interrupted
    }

    /// As a comparison holds it.
    pub fn of(&self, label: &str, round: u32) -> FailedTarget {
        FailedTarget {
            label: label.to_owned(),
            round,
            error: from_outside(&self.what).into_owned(),
            hint: from_outside(&self.hints(label).join("; ")).into_owned(),
        }
    }

    fn hints(&self, label: &str) -> Vec<String> {
        let hand_on = self.not_handed_on.first().map(|first| {
            // A secret's value goes into no argument.
            let value = if names_a_secret(first) { "" } else { "=VALUE" };
            let names = self.not_handed_on.join(", ");
            format!("not handed on: {names}; to hand one on: --env {label}.{first}{value}")
        });
        self.hint.iter().cloned().chain(hand_on).collect()
    }

    /// What a person reads.
    pub fn text(&self, label: &str) -> String {
        let mut text = format!("error: {label}: {}", self.what);
        if let Some((path, lines)) = &self.log {
            for line in lines {
                text.push_str("\n  | ");
                text.push_str(line);
            }
            text.push_str(&format!("\n  log: {}", path.display()));
        }
        with_cures(text, self.hints(label).iter().map(String::as_str))
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let Refusal { what, cure, cause: _ } = Refusal::of(&error);
        Failure { what, hint: cure, not_handed_on: Vec::new(), log: None, reach: Reach::Everything }
    }
}

impl From<LaunchError> for Failure {
    fn from(error: LaunchError) -> Self {
        let what = match error.cause {
            Some(cause) => format!("{}: {cause}", error.what),
            None => error.what,
        };
        let log = (!error.log_tail.is_empty()).then_some((error.log, error.log_tail));
        let reach = if error.interrupted { Reach::Interrupted } else { Reach::Target };
        Failure { what, hint: error.hint, not_handed_on: error.not_handed_on, log, reach }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::refusal::refusal;

    #[test]
    fn a_cure_reaches_a_comparisons_hint_and_not_its_error() {
        let error = refusal("cannot write to /x", "choose another --output").context("the records");
        let failure = Failure::from(error);
        let failed = failure.of("vllm", 2);
        assert_eq!(failed.error, "the records: cannot write to /x");
        assert_eq!(failed.hint, "choose another --output");
    }

    #[test]
    fn variables_that_were_kept_back_are_named_without_their_values() {
        let names = ["VLLM_USE_FLASHINFER_SAMPLER".to_owned(), "HF_TOKEN".to_owned()];
        let mut failure = Failure::of_target("it ended".to_owned());
        failure.not_handed_on = names.to_vec();
        let expected = "error: a: it ended\nhint: not handed on: VLLM_USE_FLASHINFER_SAMPLER, HF_TOKEN; \
                        to hand one on: --env a.VLLM_USE_FLASHINFER_SAMPLER=VALUE";
        assert_eq!(failure.text("a"), expected);
        failure.not_handed_on.remove(0);
        assert!(failure.of("a", 1).hint.ends_with("--env a.HF_TOKEN"));
    }
}
