//! Units as a plan wants them: cut to so many turns, with its think times, each with its model.

use crate::schema::conversations::{Conversations, TrafficSplit};
use crate::schema::plan::Plan;
use crate::schema::seeds::Seeds;
use crate::schema::unit::{Unit, Units};

/// The units as the plan wants them. The k-th stays a pure function of k. Where chance has a part in it they are not
/// repeated any more.
pub fn shaped(units: Units, plan: &Plan) -> Units {
    let (conversations, split, seeds) = (plan.conversations, plan.split.clone(), plan.seeds);
    let says_nothing = conversations.most_turns.is_none() && conversations.think_time.is_none();
    if says_nothing && split.is_none() {
        return units;
    }
    let single_turns = units.single_turns() || conversations.most_turns == Some(1);
    let by_number = split.is_some() || conversations.think_time.is_some_and(|time| time.is_random());
    let change = move |made, k| unit(made, k, &conversations, split.as_ref(), seeds);
    units.changed(single_turns, by_number, change)
}

fn unit(
    mut unit: Unit,
    k: u64,
    conversations: &Conversations,
    split: Option<&TrafficSplit>,
    seeds: Seeds,
) -> Unit {
    if let Some(most) = conversations.most_turns {
        unit.turns.truncate(most as usize);
    }
    if let Some(think_time) = conversations.think_time {
        for (number, turn) in (0_u64..).zip(&mut unit.turns).skip(1) {
            turn.pause_s = think_time.seconds(seeds, k, number);
        }
    }
    if let Some(split) = split {
        unit.model = split.model(seeds, k).map(str::to_owned);
    }
    unit
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::conversations::{ModelShare, ThinkTime};

    fn talk(turns: usize) -> Units {
        let unit = Unit::single("a", "x", 1);
        Units::one(Unit { turns: vec![unit.turns[0].clone(); turns], ..unit })
    }

    fn plan(conversations: Conversations, split: &[(&str, f64)]) -> Plan {
        let share = |(model, share): &(&str, f64)| ModelShare { model: (*model).to_owned(), share: *share };
        let split = TrafficSplit { models: split.iter().map(share).collect() };
        let split = Some(split).filter(|split| !split.models.is_empty());
        Plan { conversations, split, ..Plan::of(jiff::Timestamp::UNIX_EPOCH, Vec::new(), Vec::new()) }
    }

    #[test]
    fn turns_are_cut_and_wait_and_what_is_not_by_chance_stays_a_list() {
        let fixed = ThinkTime::Fixed { seconds: 2.0 };
        let asked = Conversations { most_turns: Some(2), think_time: Some(fixed), ..Default::default() };
        let units = shaped(talk(5), &plan(asked, &[]));
        let pauses: Vec<f64> = units.unit(3).unwrap().turns.iter().map(|turn| turn.pause_s).collect();
        assert_eq!((pauses, units.period(), units.single_turns()), (vec![0.0, 2.0], Some(1), false));
        let one = Conversations { most_turns: Some(1), ..Default::default() };
        assert!(shaped(talk(5), &plan(one, &[])).single_turns());
        let drawn = ThinkTime::Exponential { mean_s: 1.0 };
        let units =
            shaped(talk(3), &plan(Conversations { think_time: Some(drawn), ..Default::default() }, &[]));
        let pause = |k: u64| units.unit(k).unwrap().turns[1].pause_s;
        assert!(units.period().is_none() && pause(0) != pause(1) && pause(0) == pause(0));
    }

    #[test]
    fn each_unit_has_a_model_by_its_number_alone() {
        let units = shaped(talk(1), &plan(Conversations::default(), &[("a", 0.5), ("b", 0.5)]));
        let models: Vec<String> = (0..200).map(|k| units.unit(k).unwrap().model.unwrap()).collect();
        let of_a = models.iter().filter(|model| *model == "a").count();
        assert!((70..130).contains(&of_a) && units.period().is_none() && units.single_turns(), "{of_a}");
        let again: Vec<String> = (0..200).rev().map(|k| units.unit(k).unwrap().model.unwrap()).collect();
        assert!(again.iter().rev().eq(models.iter()), "in whatever order they are asked for");
    }
}
