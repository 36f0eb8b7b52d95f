//! What is known of one label at one point, and what comes of holding two against each other.

use crate::schema::fairness::{Finding, ProbeReply};
use crate::schema::plan::Plan;
use crate::schema::summary::RunSummary;
use crate::schema::target::{NotLevel, Target};

use crate::analysis::side::takes_part;

/// What is known of one label at one point.
pub(super) struct Facts<'a> {
    pub(super) label: &'a str,
    pub(super) plan: &'a Plan,
    /// Its target; none where the plan does not hold it.
    pub(super) target: Option<&'a Target>,
    /// All its runs of the point, at least one.
    pub(super) all: Vec<&'a RunSummary>,
    /// Those that did the work that was asked of them; all where none did.
    pub(super) runs: Vec<&'a RunSummary>,
    /// What it made of the probe set, on the first launch that was asked.
    pub(super) probes: &'a [ProbeReply],
}

impl<'a> Facts<'a> {
    /// None without a run of it at this point.
    pub(super) fn of(plan: &'a Plan, runs: &'a [RunSummary], label: &'a str, point: u32) -> Option<Self> {
        let own = || runs.iter().filter(|run| run.key.label == label);
        let all: Vec<&RunSummary> = own().filter(|run| run.key.point == point).collect();
        if all.is_empty() {
            return None;
        }
        let sound: Vec<&RunSummary> = all.iter().copied().filter(|run| takes_part(run)).collect();
        Some(Facts {
            label,
            plan,
            target: plan.targets.iter().find(|target| target.label == label),
            runs: if sound.is_empty() { all.clone() } else { sound },
            all,
            probes: own().map(|run| run.probes.as_slice()).find(|probes| !probes.is_empty()).unwrap_or(&[]),
        })
    }

    /// Its first run of the point: what is the same in all.
    pub(super) fn run(&self) -> Option<&'a RunSummary> {
        self.all.first().copied()
    }

    /// It was launched, and did not run already.
    pub(super) fn is_launched(&self) -> bool {
        self.target.is_some_and(Target::is_launched)
    }

    /// Both are the same engine: what differs between them the user chose.
    pub(super) fn same_engine(&self, other: &Facts<'_>) -> bool {
        let engine = |facts: &Facts<'_>| facts.run().map(|run| run.engine.clone());
        engine(self) == engine(other)
    }

    /// Parameters that override one of the shared settings.
    pub(super) fn overrides(&self, is: impl Fn(&str) -> bool) -> impl Iterator<Item = &'a NotLevel> {
        let own = self.target.map_or(&[][..], |target| &target.not_level);
        own.iter().filter(move |own| is(&own.setting))
    }

    /// Some run of it bears such a caveat.
    pub(super) fn bears(&self, code: &str) -> bool {
        self.all.iter().flat_map(|run| &run.caveats).any(|caveat| caveat.code() == code)
    }
}

/// What came of holding one thing of two labels against each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) finding: Finding,
    /// One sentence; empty where they are level.
    pub(super) why: String,
}

impl Held {
    pub(super) fn level() -> Held {
        Held { finding: Finding::Level, why: String::new() }
    }

    pub(super) fn unknown(why: impl Into<String>) -> Held {
        Held { finding: Finding::Unknown, why: why.into() }
    }

    pub(super) fn differs(why: impl Into<String>) -> Held {
        Held { finding: Finding::Differs, why: why.into() }
    }

    pub(super) fn not_comparable(why: impl Into<String>) -> Held {
        Held { finding: Finding::NotComparable, why: why.into() }
    }
}

/// One row of the levelling table.
pub(super) struct Check {
    /// Its name.
    pub(super) what: &'static str,
    /// What a label has; none where that is not known.
    pub(super) words: fn(&Facts<'_>) -> Option<String>,
    /// Two labels held against each other.
    pub(super) hold: fn(&Facts<'_>, &Facts<'_>) -> Held,
    /// The row is left out where all labels have this: it says nothing.
    pub(super) usual: Option<&'static str>,
}

/// The larger is above the smaller by more than so many %.
pub(super) fn is_apart(one: f64, other: f64, percent: f64) -> bool {
    f64::max(one, other) > f64::min(one, other) * (1.0 + percent / 100.0)
}
