//! Rows of the levelling table that the plan holds: what was launched, and with what.

use crate::schema::fairness::row;
use crate::schema::target::{Capabilities, Launcher, Origin, Target};

use super::facts::{Check, Facts, Held};
use super::model;

/// What the settings of a launch are levelled in.
pub(super) const SETTINGS: [Check; 9] = [
    Check { what: "engine", words: engine, hold: engines, usual: None },
    Check { what: row::LAUNCHED, words: launched, hold: |_, _| Held::level(), usual: None },
    Check { what: "model", words: model::words, hold: model::hold, usual: None },
    Check { what: "context", words: context, hold: contexts, usual: None },
    Check { what: "batch limit", words: batch, hold: batches, usual: None },
    Check { what: row::PRECISION, words: precision, hold: precisions, usual: None },
    Check { what: "KV cache memory", words: kv_memory, hold: kv_memories, usual: None },
    Check { what: "sampling", words: sampling, hold: samplings, usual: None },
    Check { what: "other shared settings", words: others, hold: other_settings, usual: Some(AS_SHARED) },
];

/// Bits a weight may differ by this factor before two engines do not do the same work: 8 bits stand beside 16, and
/// 4 do not.
const WIDTHS_FACTOR: f64 = 2.0;
/// The precision of a model that does not say.
const UNKNOWN: &str = "unknown";
const AS_SHARED: &str = "as shared";

fn title(facts: &Facts<'_>) -> Option<String> {
    let of_target = facts.target.map(|target| target.title.clone());
    of_target.or_else(|| facts.run().map(|run| run.engine.clone()))
}

fn version<'a>(facts: &Facts<'a>) -> Option<&'a str> {
    facts.all.iter().find_map(|run| run.engine_version.as_deref())
}

fn engine(facts: &Facts<'_>) -> Option<String> {
    let version = version(facts).map(|version| format!(" {version}")).unwrap_or_default();
    title(facts).map(|title| format!("{title}{version}"))
}

fn engines(one: &Facts<'_>, other: &Facts<'_>) -> Held {
    match (version(one), version(other)) {
        (Some(own), Some(others)) if one.same_engine(other) && own != others => Held::differs(format!(
            "{} is version {own} and {} version {others} of one engine",
            one.label, other.label
        )),
        (_, _) => Held::level(),
    }
}

fn launched(facts: &Facts<'_>) -> Option<String> {
    let target = facts.target?;
    Some(match &target.origin {
        Origin::Url(_) => target.endpoints().join(", "),
        Origin::Launch(spec) => {
            let image = match &spec.launcher {
                Launcher::Process => None,
                Launcher::Docker(docker) => Some(format!("docker run … {}", docker.image)),
            };
            image.into_iter().chain(spec.argv.iter().cloned()).collect::<Vec<_>>().join(" ")
        }
    })
}

/// A shared setting as a target has it: its own parameters, else the shared value; none of a server that ran already.
fn shared(facts: &Facts<'_>, setting: &str, value: impl Fn(&Facts<'_>) -> Option<u32>) -> Option<String> {
    let own: Vec<&str> = facts.overrides(|name| name == setting).map(|own| own.own.as_str()).collect();
    if own.is_empty() {
        return value(facts).filter(|_| facts.is_launched()).map(|value| value.to_string());
    }
    Some(own.join(", "))
}

fn context(facts: &Facts<'_>) -> Option<String> {
    shared(facts, "context_length", |facts| Some(facts.plan.launching.as_ref()?.shared.context_length))
}

fn batch(facts: &Facts<'_>) -> Option<String> {
    shared(facts, "max_batch", |facts| Some(facts.plan.launching.as_ref()?.shared.max_batch))
}

fn contexts(one: &Facts<'_>, other: &Facts<'_>) -> Held {
    settings((one, context(one)), (other, context(other)), "context")
}

fn batches(one: &Facts<'_>, other: &Facts<'_>) -> Held {
    settings((one, batch(one)), (other, batch(other)), "batch limit")
}

/// A parameter that differs is what a user compares, or a caveat: never a reason to give no ratio.
fn settings(one: (&Facts<'_>, Option<String>), other: (&Facts<'_>, Option<String>), what: &str) -> Held {
    let value = |words: &str| words.rsplit('=').next().unwrap_or(words).to_owned();
    match (&one.1, &other.1) {
        (Some(own), Some(others)) if value(own) == value(others) => Held::level(),
        (Some(own), Some(others)) => Held::differs(format!(
            "{} runs with {own}, {} with {others}; give both the same to compare like with like",
            one.0.label, other.0.label
        )),
        (None, None) => Held::unknown(format!("servers that already ran do not tell their {what}")),
        (None, Some(_)) => not_told(one.0, what),
        (Some(_), None) => not_told(other.0, what),
    }
}

fn not_told(facts: &Facts<'_>, what: &str) -> Held {
    Held::unknown(format!("{} already ran, and its {what} is not known", facts.label))
}

fn precision(facts: &Facts<'_>) -> Option<String> {
    facts.run().map(|run| run.precision.clone()).filter(|name| name != UNKNOWN)
}

fn precisions(one: &Facts<'_>, other: &Facts<'_>) -> Held {
    let (Some(own), Some(others)) = (precision(one), precision(other)) else {
        let who = if precision(one).is_none() { one } else { other };
        return Held::unknown(format!("the precision of {}'s weights is not known", who.label));
    };
    if same_precision(&own, &others) {
        return Held::level();
    }
    let differ = format!("{} serves weights of precision {own}, {} of {others}", one.label, other.label);
    match (bits(&own), bits(&others)) {
        (Some(few), Some(many))
            if f64::max(few, many) > WIDTHS_FACTOR * f64::min(few, many) && !one.same_engine(other) =>
        {
            Held::not_comparable(format!(
                "{differ}: more than twice the bits are read for each token. \
                 Give each backend a model of the same precision"
            ))
        }
        (_, _) => {
            Held::differs(format!("{differ}: a difference may come from the weights and not from the server"))
        }
    }
}

fn same_precision(own: &str, others: &str) -> bool {
    let plain = |name: &str| name.to_ascii_lowercase().replace("fp", "f");
    plain(own) == plain(others)
}

/// Bits a weight by the name of a precision: its first number (`Q4_K_M`, `BF16`, `W8A8`), 4 for AWQ and GPTQ.
fn bits(precision: &str) -> Option<f64> {
    let digits: String =
        precision.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    match digits.parse::<u32>() {
        Ok(bits @ 1..=64) => Some(f64::from(bits)),
        Ok(_) => None,
        Err(_) => {
            let upper = precision.to_ascii_uppercase();
            (upper.contains("AWQ") || upper.contains("GPTQ")).then_some(4.0)
        }
    }
}

/// Parts of the names of parameters that say how much memory the KV cache has, and of what type it is.
const KV_PARTS: [&str; 5] = ["memory", "mem_fraction", "kvcache", "kv_cache", "cache_type"];

fn kv_memory(facts: &Facts<'_>) -> Option<String> {
    let Origin::Launch(spec) = &facts.target?.origin else { return None };
    let is_one = |name: &str| KV_PARTS.iter().any(|part| name.contains(part));
    let own = spec.parameters.iter().filter(|(name, _)| is_one(name));
    let words: Vec<String> = own.map(|(name, value)| format!("{name}={value}")).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

fn kv_memories(one: &Facts<'_>, other: &Facts<'_>) -> Held {
    match (kv_memory(one), kv_memory(other)) {
        (own, others) if own == others => Held::level(),
        (Some(own), Some(others)) if one.same_engine(other) => {
            Held::differs(format!("{} has {own}, {} has {others}", one.label, other.label))
        }
        (_, _) => Held::unknown("each engine counts it in its own way, or leaves it to itself"),
    }
}

/// What is sent with each request, and where the rest comes from.
fn sampling(facts: &Facts<'_>) -> Option<String> {
    let capabilities = &facts.target?.capabilities;
    let sent = facts.plan.sampling;
    let greedy = if sent.temperature == 0.0 { " (greedy)" } else { "" };
    let mut words = vec![format!("temperature {}{greedy}", sent.temperature)];
    if sent.ignore_eos {
        words.push(forced(capabilities).to_owned());
    }
    let fields = &capabilities.fields;
    if fields.limit != "max_tokens" {
        words.push(format!("limit in {}", fields.limit));
    }
    words.extend(fields.omit.iter().map(|field| format!("without {field}")));
    words.extend(fields.extra.iter().map(|(name, value)| format!("{name}: {value}")));
    words.extend(facts.overrides(|setting| setting == "sampling_defaults").map(|own| own.own.clone()));
    Some(words.join(", "))
}

fn forced(capabilities: &Capabilities) -> &'static str {
    match (capabilities.forces_length(), capabilities.fields.try_ignore_eos) {
        (true, true) => "told to ignore the end of sequence",
        (true, false) => "length forced",
        (false, _) => "length cannot be forced",
    }
}

fn samplings(one: &Facts<'_>, other: &Facts<'_>) -> Held {
    match (sampling(one), sampling(other)) {
        (own, others) if own == others => Held::level(),
        (Some(own), Some(others)) => {
            Held::differs(format!("{} is asked with {own}, {} with {others}", one.label, other.label))
        }
        (_, _) => Held::unknown("the plan does not hold one of them"),
    }
}

/// Shared settings with a row of their own.
const OWN_ROWS: [&str; 4] = ["context_length", "max_batch", "prefix_cache", "sampling_defaults"];

fn others(facts: &Facts<'_>) -> Option<String> {
    let _: &Target = facts.target?;
    let own: Vec<&str> =
        facts.overrides(|setting| !OWN_ROWS.contains(&setting)).map(|own| own.own.as_str()).collect();
    Some(if own.is_empty() { AS_SHARED.to_owned() } else { own.join(", ") })
}

fn other_settings(one: &Facts<'_>, other: &Facts<'_>) -> Held {
    match (others(one), others(other)) {
        (own, others) if own == others => Held::level(),
        (Some(own), Some(others)) => {
            Held::differs(format!("{} runs with {own}, {} with {others}", one.label, other.label))
        }
        (_, _) => Held::unknown("the plan does not hold one of them"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_of_a_weight_are_the_first_number_of_its_precision() {
        let known = ["Q4_K_M", "BF16", "FP8", "F32", "W4A16", "IQ2_XXS", "AWQ", "GPTQ"].map(bits);
        assert_eq!(known, [4.0, 16.0, 8.0, 32.0, 4.0, 2.0, 4.0, 4.0].map(Some));
        assert_eq!([bits("simulated"), bits("auto")], [None, None]);
        assert!(same_precision("F16", "fp16") && !same_precision("BF16", "FP16"));
    }
}
