//! Units of the loads that ask something of their own: a scenario's prompts and output limit.

use std::path::Path;

use crate::dataset::{self, DEFAULT_MAX_TOKENS, Source};
use crate::schema::plan::{Asks, LoadPoint, Plan};
use crate::schema::refusal::refuse;
use crate::schema::unit::{Unit, Units};

/// What the loads of a plan ask that is not what the plan asks, each with its measured and its warm-up units.
#[derive(Debug, Clone, Default)]
pub struct OwnUnits {
    all: Vec<(Asks, Units, Units)>,
}

impl OwnUnits {
    /// Of a plan whose other loads play `units` after `warmup`. Files are read here, once.
    ///
    /// # Errors
    /// A scenario's file cannot be read, or is not the one that the plan was made with.
    pub(super) fn of(plan: &Plan, units: &Units, warmup: &Units) -> anyhow::Result<OwnUnits> {
        let mut own = OwnUnits::default();
        for asks in plan.loads.iter().filter_map(|load| load.asks.as_ref()) {
            if own.find(asks).is_none() {
                let warmup = limited(warmup, asks.max_tokens);
                own.all.push((asks.clone(), units_of(asks, plan, units)?, warmup));
            }
        }
        Ok(own)
    }

    /// The measured and the warm-up units of a load; none where it asks what the plan does.
    pub(super) fn units(&self, load: &LoadPoint) -> Option<(&Units, &Units)> {
        let (_, units, warmup) = self.find(load.asks.as_ref()?)?;
        Some((units, warmup))
    }

    /// Some load plays conversations of its own.
    pub(super) fn several_turns(&self) -> bool {
        self.all.iter().any(|(_, units, _)| !units.single_turns())
    }

    fn find(&self, asks: &Asks) -> Option<&(Asks, Units, Units)> {
        self.all.iter().find(|(known, _, _)| known == asks)
    }
}

fn units_of(asks: &Asks, plan: &Plan, units: &Units) -> anyhow::Result<Units> {
    let limit = asks.max_tokens.or(plan.sampling.max_tokens);
    if let Some(source) = &asks.dataset {
        let (prompts, read) = dataset::load_again(Some(Path::new(&source.path)), source.reading.as_ref())?;
        if read.sha256 != source.sha256 {
            return refuse(
                format!("the dataset {} is not the one that the plan was made with", source.path),
                "put the old file back, or begin a new sweep",
            );
        }
        return Ok(listed(dataset::units(&prompts, limit, DEFAULT_MAX_TOKENS), plan));
    }
    if asks.prompts.is_empty() {
        return Ok(limited(units, asks.max_tokens));
    }
    let limit = limit.unwrap_or(DEFAULT_MAX_TOKENS);
    let unit = |(place, prompt): (usize, &String)| {
        let id = format!("scenario-{}", place + 1);
        Unit::single(id, prompt.clone(), limit)
    };
    let listed: Vec<Unit> = asks.prompts.iter().enumerate().map(unit).collect();
    Ok(self::listed(listed, plan))
}

/// Units of a list, as the plan wants them.
fn listed(list: Vec<Unit>, plan: &Plan) -> Units {
    let units = Source::Listed(list.into()).units();
    dataset::shaped(if plan.dataset.renewed { units.renewed(dataset::renew) } else { units }, plan)
}

/// The same units with another output limit, where one is given.
fn limited(units: &Units, max_tokens: Option<u32>) -> Units {
    let Some(max_tokens) = max_tokens else { return units.clone() };
    units.clone().changed(units.single_turns(), false, move |mut unit, _| {
        unit.turns.iter_mut().for_each(|turn| turn.max_tokens = max_tokens);
        unit
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::fixture;
    use super::*;
    use crate::schema::unit::Body;

    fn shown(units: &Units, k: u64) -> (String, u32) {
        let turn = units.unit(k).unwrap().turns.remove(0);
        match turn.body {
            Body::Text(text) => (text, turn.max_tokens),
            Body::Messages(messages) => panic!("{messages:?}"),
        }
    }

    #[test]
    fn a_load_sends_its_own_prompts_at_its_own_length_and_the_others_send_the_plans() {
        let mut plan = fixture::plan(&["a"], 3, 1, 1);
        plan.loads[1].asks = Some(Asks { prompts: vec!["one".into(), "two".into()], ..Asks::default() });
        plan.loads[2].asks = Some(Asks { max_tokens: Some(7), ..Asks::default() });
        let plans = Units::one(Unit::single("a", "Hello.", 3));
        let own = OwnUnits::of(&plan, &plans, &plans).unwrap();
        assert!(own.units(&plan.loads[0]).is_none());
        let (prompts, _) = own.units(&plan.loads[1]).unwrap();
        assert_eq!(shown(prompts, 3), ("two".to_owned(), DEFAULT_MAX_TOKENS));
        let (short, warmup) = own.units(&plan.loads[2]).unwrap();
        assert_eq!((shown(short, 5), shown(warmup, 0)), (("Hello.".to_owned(), 7), ("Hello.".to_owned(), 7)));
    }

    #[test]
    fn a_prompt_of_its_own_that_comes_again_is_renewed_where_the_plan_says_so() {
        let mut plan = fixture::plan(&["a"], 1, 1, 1);
        plan.loads[0].asks = Some(Asks { prompts: vec!["one".into()], ..Asks::default() });
        let plans = Units::one(Unit::single("a", "Hello.", 3));
        let second = |plan: &Plan| {
            let own = OwnUnits::of(plan, &plans, &plans).unwrap();
            shown(own.units(&plan.loads[0]).unwrap().0, 1).0
        };
        assert_eq!(second(&plan), "one");
        plan.dataset.renewed = true;
        assert!(second(&plan).ends_with("one") && second(&plan) != "one", "{}", second(&plan));
    }

    #[test]
    fn conversations_of_a_scenarios_own_file_are_known_to_the_session() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.jsonl");
        let talk = r#"{"turns": [{"prompt": "Hello."}, {"prompt": "And then?"}]}"#;
        std::fs::write(&path, talk.to_owned() + "\n").unwrap();
        let (_, source) = dataset::load(Some(&path)).unwrap();
        let mut plan = fixture::plan(&["a"], 1, 1, 1);
        plan.loads[0].asks = Some(Asks { dataset: Some(source), ..Asks::default() });
        let plans = Units::one(Unit::single("a", "Hello.", 3));
        assert!(OwnUnits::of(&plan, &plans, &plans).unwrap().several_turns());
        plan.conversations.most_turns = Some(1);
        assert!(!OwnUnits::of(&plan, &plans, &plans).unwrap().several_turns());
    }

    #[test]
    fn a_file_of_prompts_that_changed_since_the_plan_was_made_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.jsonl");
        std::fs::write(&path, "{\"prompt\": \"Count to ten.\", \"max_tokens\": 9}\n").unwrap();
        let (_, source) = dataset::load(Some(&path)).unwrap();
        let mut plan = fixture::plan(&["a"], 1, 1, 1);
        plan.loads[0].asks = Some(Asks { dataset: Some(source), ..Asks::default() });
        let plans = Units::one(Unit::single("a", "Hello.", 3));
        let own = OwnUnits::of(&plan, &plans, &plans).unwrap();
        assert_eq!(shown(own.units(&plan.loads[0]).unwrap().0, 0), ("Count to ten.".to_owned(), 9));
        std::fs::write(&path, "{\"prompt\": \"Count to nine.\"}\n").unwrap();
        let refused = OwnUnits::of(&plan, &plans, &plans).unwrap_err().to_string();
        assert!(refused.contains("is not the one"), "{refused}");
    }
}
