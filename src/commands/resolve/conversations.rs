//! Flags → turns, think times and models of a plan.

use crate::cli::{LoadArgs, ThinkTimeArg};
use crate::schema::conversations::{Conversations, ModelShare, ThinkTime, TrafficSplit};
use crate::schema::refusal::refuse;

/// How far the shares may be from adding up to 1 or 100.
const SUM_GRAIN: f64 = 0.005;

/// Turns and think times.
pub fn conversations(args: &LoadArgs) -> Conversations {
    let think_time = args.conversations.think_time.map(|time| match time {
        ThinkTimeArg::Fixed(seconds) => ThinkTime::Fixed { seconds },
        ThinkTimeArg::Exponential(mean_s) => ThinkTime::Exponential { mean_s },
        ThinkTimeArg::Uniform(from_s, to_s) => ThinkTime::Uniform { from_s, to_s },
    });
    Conversations { several_turns: false, most_turns: args.conversations.turns, think_time }
}

/// The models and their shares; none where one model gets all.
///
/// # Errors
/// The shares are not as many as the models, or are none.
pub fn split(args: &LoadArgs) -> anyhow::Result<Option<TrafficSplit>> {
    let (models, shares) = (&args.conversations.models, &args.conversations.traffic_split);
    if models.is_empty() {
        return Ok(None);
    }
    if let Some(twice) = models.iter().enumerate().find(|(place, name)| models[..*place].contains(name)) {
        return refuse(format!("--models names {} twice", twice.1), "name each once");
    }
    if !shares.is_empty() && shares.len() != models.len() {
        return refuse(
            format!("--traffic-split has {} shares for {} models", shares.len(), models.len()),
            "give one a model, in their order",
        );
    }
    let equal = vec![1.0; models.len()];
    let given = if shares.is_empty() { &equal } else { shares };
    let sum: f64 = given.iter().sum();
    if given.iter().any(|share| !(share.is_finite() && *share > 0.0)) {
        return refuse("--traffic-split has a share that is not above 0", "give 0.9,0.1, or 90,10");
    }
    if !shares.is_empty() && (sum - 1.0).abs() > SUM_GRAIN && (sum - 100.0).abs() > 100.0 * SUM_GRAIN {
        return refuse(
            format!("the shares of --traffic-split add up to {sum}"),
            "let them add up to 1 or to 100",
        );
    }
    let models = models.iter().zip(given);
    let models =
        models.map(|(model, share)| ModelShare { model: model.clone(), share: share / sum }).collect();
    Ok(Some(TrafficSplit { models }))
}

/// Refuses flags of conversations where there is none: neither in the dataset nor in a scenario's own.
///
/// # Errors
/// They would do nothing.
pub fn check(args: &LoadArgs, several_turns: bool) -> anyhow::Result<()> {
    // One turn of each is what --turns 1 asks for.
    let given = [
        ("--turns", args.conversations.turns.is_some_and(|most| most > 1)),
        ("--think-time", args.conversations.think_time.is_some()),
    ];
    match given.iter().find(|(_, given)| *given) {
        Some((flag, _)) if !several_turns => refuse(
            format!("{flag} is for conversations, and no entry of the dataset has a second turn"),
            format!(
                "leave {flag} out, give a --dataset whose entries have `turns`, or make them: --prompt-dist … --turns N"
            ),
        ),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};
    use crate::schema::refusal::{cures, shown};

    fn args(flags: &str) -> LoadArgs {
        let argv = ["harness", "bench"].into_iter().chain(flags.split(' ').filter(|flag| !flag.is_empty()));
        match Cli::try_parse_from(argv).unwrap().command {
            Command::Bench(args) => args.load,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn shares_are_fractions_or_percentages_and_equal_where_nobody_says_them() {
        let words = |flags: &str| split(&args(flags)).unwrap().map(|split| split.to_string());
        assert_eq!(words(""), None);
        assert_eq!(words("--models a,b --traffic-split 0.9,0.1").unwrap(), "a 90 %, b 10 %");
        assert_eq!(words("--models a,b --traffic-split 90,10").unwrap(), "a 90 %, b 10 %");
        assert_eq!(words("--models a,b,c,d").unwrap(), "a 25 %, b 25 %, c 25 %, d 25 %");
    }

    #[test]
    fn wrong_shares_are_refused_with_a_cure() {
        for (flags, said) in [
            ("--models a,b --traffic-split 1", "1 shares for 2 models"),
            ("--models a,a", "twice"),
            ("--models a,b --traffic-split 1,0", "not above 0"),
            ("--models a,b --traffic-split 0.9,0.2", "add up to 1.1"),
        ] {
            let error = split(&args(flags)).unwrap_err();
            assert!(shown(&error).contains(said) && !cures(&error).is_empty(), "{flags}: {error}");
        }
    }
}
