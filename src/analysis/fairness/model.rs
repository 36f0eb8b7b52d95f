//! The model: the same by its name, or by what the servers say of the probe set.

use super::answers::{self, Agreement};
use super::facts::{Facts, Held};
use super::prompts::{self, Pattern};

pub(super) fn words(facts: &Facts<'_>) -> Option<String> {
    facts.run().map(|run| run.model.clone())
}

/// Names differ where one model is called differently too, so that a name alone forbids nothing: another size in it,
/// another tokenizer, or greedy completions without a common beginning do.
pub(super) fn hold(one: &Facts<'_>, other: &Facts<'_>) -> Held {
    let (Some(own), Some(others)) = (words(one), words(other)) else {
        return Held::unknown("the model is not known");
    };
    if plain(&own) == plain(&others) {
        return Held::level();
    }
    let named = format!("{} serves `{own}`, {} serves `{others}`", one.label, other.label);
    let another_size = size(&own).zip(size(&others)).is_some_and(|(own, others)| own != others);
    let another_tokenizer = prompts::pattern(one, other) == Some(Pattern::Varied);
    let another_answer = answers::agreement(one, other) == Some(Agreement::Nothing);
    if another_size {
        Held::not_comparable(format!("{named}: models of different size"))
    } else if another_tokenizer {
        Held::not_comparable(format!("{named}, and they count prompts by different tokenizers"))
    } else if another_answer {
        Held::not_comparable(format!("{named}, and no greedy completion begins alike"))
    } else {
        Held::differs(format!("{named}; nothing else shows that these are two models"))
    }
}

/// The words of a name without those of its form and precision.
fn plain(name: &str) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    let mut after_precision = false;
    let name = name.to_ascii_lowercase();
    let stem = name.strip_suffix(".gguf").unwrap_or(&name);
    for word in stem.split(|c: char| !c.is_alphanumeric() && c != '.') {
        let part_of_it = after_precision && ["k", "m", "s", "l", "xs", "xxs", "0", "1"].contains(&word);
        after_precision = part_of_it || is_precision(word);
        if !after_precision && !word.is_empty() {
            kept.push(word.to_owned());
        }
    }
    kept
}

fn is_precision(word: &str) -> bool {
    const WORDS: [&str; 18] = [
        "gguf", "awq", "gptq", "bf16", "fp16", "f16", "fp32", "f32", "fp8", "int8", "int4", "4bit", "8bit",
        "w4a16", "w8a8", "nvfp4", "mxfp4", "hf",
    ];
    let quantised = |prefix: &str| {
        word.strip_prefix(prefix)
            .is_some_and(|rest| rest.len() == 1 && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    WORDS.contains(&word) || quantised("q") || quantised("iq")
}

/// The size in a name, in millions of parameters: 135 of `SmolLM2-135M-Instruct`, 7000 of `qwen-7b`.
fn size(name: &str) -> Option<u64> {
    plain(name).iter().find_map(|word| {
        let (number, factor) = match word.strip_suffix('b') {
            Some(number) => (number, 1000.0),
            None => (word.strip_suffix('m')?, 1.0),
        };
        let number: f64 = number.parse().ok()?;
        number.is_finite().then_some((number * factor).round() as u64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_model_has_many_names() {
        let same = [
            ("SmolLM2-135M-Instruct", "smollm2-135m-instruct-Q4_K_M.gguf"),
            ("Qwen2.5-7B-Instruct-AWQ", "qwen2.5-7b-instruct"),
            ("Llama-3.1-8B", "llama-3.1-8b-bf16"),
        ];
        for (one, other) in same {
            assert_eq!(plain(one), plain(other));
        }
        assert_ne!(plain("Llama-3.1-8B"), plain("Llama-3.1-8B-Instruct"));
    }

    #[test]
    fn a_name_tells_the_size() {
        assert_eq!(
            ["SmolLM2-135M", "qwen2.5-0.5b", "Llama-3.1-8B", "gpt-4"].map(size),
            [Some(135), Some(500), Some(8000), None]
        );
    }
}
