//! Plans of several results → one, so that their runs stand side by side.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::schema::caveat::Caveat;
use crate::schema::environment::Environment;
use crate::schema::plan::{LoadPoint, Output, Plan, RunKey};

use super::facts::plan_facts;

/// Several plans as one, and where each run of them stands in it.
pub struct MergedPlan {
    /// The one plan: all targets, all loads; rounds of one plan come behind those of another.
    pub plan: Plan,
    parts: BTreeMap<String, Part>,
    facts: BTreeMap<&'static str, BTreeMap<String, Vec<String>>>,
}

/// Where the runs of one plan stand.
struct Part {
    labels: BTreeMap<String, String>,
    points: BTreeMap<u32, u32>,
    rounds_before: u32,
}

impl MergedPlan {
    /// One plan alone stays as it is.
    pub fn of(plans: &[(Plan, Environment)], at: Timestamp) -> Option<MergedPlan> {
        let (first, _) = plans.first()?;
        let mut plan = first.clone();
        if plans.len() > 1 {
            plan.title = "report".to_owned();
            plan.created_at = at;
            plan.run_id = plan.new_run_id();
            plan.targets.clear();
            plan.loads.clear();
            plan.rounds = 0;
            plan.baseline = None;
        }
        plan.output = Output { folder: true, ..plan.output };
        let mut merged = MergedPlan { plan, parts: BTreeMap::new(), facts: BTreeMap::new() };
        for (plan, environment) in plans {
            if plans.len() > 1 {
                merged.add(plan, environment);
            }
        }
        Some(merged)
    }

    fn add(&mut self, plan: &Plan, environment: &Environment) {
        let mut part =
            Part { labels: BTreeMap::new(), points: BTreeMap::new(), rounds_before: self.plan.rounds };
        for target in &plan.targets {
            let label = self.free_label(&target.label);
            part.labels.insert(target.label.clone(), label.clone());
            let mut target = target.clone();
            target.label = label;
            self.plan.targets.push(target);
        }
        for (number, load) in (1..).zip(&plan.loads) {
            part.points.insert(number, self.point_of(load));
        }
        self.plan.rounds += plan.rounds;
        self.plan.repeats = self.plan.repeats.max(plan.repeats);
        self.plan.simulated |= plan.simulated;
        self.plan
            .skipped
            .retain(|skipped| !self.plan.targets.iter().any(|target| target.label == skipped.label));
        for (what, value) in plan_facts(plan, environment) {
            self.facts.entry(what).or_default().entry(value).or_default().push(plan.run_id.clone());
        }
        self.parts.insert(plan.run_id.clone(), part);
    }

    /// `vllm`, or `vllm_2` where another result has that label too.
    fn free_label(&self, label: &str) -> String {
        let is_free = |name: &String| !self.plan.targets.iter().any(|target| target.label == *name);
        let numbered = (2..).map(|number| format!("{label}_{number}"));
        std::iter::once(label.to_owned()).chain(numbered).find(is_free).unwrap_or_else(|| label.to_owned())
    }

    /// The place of a load, which is a new one unless another plan has the same.
    fn point_of(&mut self, load: &LoadPoint) -> u32 {
        let place = self.plan.loads.iter().position(|held| held == load).unwrap_or_else(|| {
            self.plan.loads.push(load.clone());
            self.plan.loads.len() - 1
        });
        place as u32 + 1
    }

    /// The key of a run of one of the plans in the merged one.
    pub fn key(&self, run_id: &str, key: &RunKey) -> RunKey {
        let Some(part) = self.parts.get(run_id) else { return key.clone() };
        RunKey {
            label: self.label(run_id, &key.label),
            point: part.points.get(&key.point).copied().unwrap_or(key.point),
            round: part.rounds_before + key.round,
            repeat: key.repeat,
        }
    }

    /// The label of a target of one of the plans in the merged one.
    pub fn label(&self, run_id: &str, label: &str) -> String {
        let new = self.parts.get(run_id).and_then(|part| part.labels.get(label));
        new.cloned().unwrap_or_else(|| label.to_owned())
    }

    /// Both labels are of one plan, so that their rounds are pairs.
    pub fn are_paired(&self, left: &str, right: &str) -> bool {
        let part_of = |label: &str| {
            self.parts.iter().find(|(_, part)| part.labels.values().any(|own| own == label)).map(|(id, _)| id)
        };
        part_of(left) == part_of(right)
    }

    /// That the results were not measured together, and what is not the same for all of them; none of one plan.
    pub fn caveat(&self) -> Option<Caveat> {
        if self.parts.is_empty() {
            return None;
        }
        let labels = |(run_id, part): (&String, &Part)| {
            part.labels.values().map(|label| (label.clone(), run_id.clone())).collect::<Vec<_>>()
        };
        let differ = self.facts.iter().filter(|(_, values)| values.len() > 1).map(|(what, values)| {
            let values: Vec<String> =
                values.iter().map(|(value, run_ids)| format!("{value} ({})", run_ids.join(", "))).collect();
            format!("{what} {}", values.join(", "))
        });
        Some(Caveat::NotPaired {
            run_ids: self.parts.iter().flat_map(labels).collect(),
            differ: differ.collect(),
        })
    }
}
