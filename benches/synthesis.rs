//! How fast prompts of exactly so many tokens are made, on one core, and that they are exact.
//!
//! ```text
//! cargo bench --bench synthesis                          1,000,000 prompts a length
//! HARNESS_TOKENIZER=FILE|DIR|ID HARNESS_PROMPTS=100000 … another tokenizer, other counts
//! ```
//!
//! The tokenizer is SmolLM2's where the model to try is installed, else one of common words that is made here. CPU time
//! is this thread's alone; wall time grows with whatever else the machine does.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::dataset::{Synthesis, Tokenizer};
use harness::directories::data_dir;
use harness::schema::seeds::Seeds;
use harness::schema::synthetic::{Lengths, PromptLaw, Synthetic};
use harness::schema::unit::Body;
use rustix::time::{ClockId, clock_gettime};

/// One prompt in so many is encoded, to see that its length is right.
const CHECKED: u64 = 1_009;

fn main() {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let count: u64 = variable("HARNESS_PROMPTS").map_or(1_000_000, |count| count.parse().unwrap());
    let smollm2 = data_dir().unwrap().join("models/SmolLM2-135M-Instruct/hf");
    let named =
        variable("HARNESS_TOKENIZER").or_else(|| smollm2.is_dir().then(|| smollm2.display().to_string()));
    let tokenizer = Arc::new(match named {
        Some(name) => Tokenizer::load(&name).unwrap(),
        None => made(),
    });
    println!("tokenizer {}, {count} prompts each, one core", tokenizer.file.name);
    let laws = [
        Lengths::Fixed { tokens: 32 },
        Lengths::Uniform { min: 16, max: 240 },
        Lengths::Fixed { tokens: 512 },
        Lengths::Lognormal { mean: 1000.0, sd: 800.0, min: 1, max: 8000 },
    ];
    for lengths in laws {
        measure(lengths, count, &tokenizer);
    }
}

fn measure(lengths: Lengths, count: u64, tokenizer: &Arc<Tokenizer>) {
    let law = lengths.to_string();
    let spec = Synthetic {
        turns: None,
        prompts: PromptLaw::Tokens { lengths },
        outputs: None,
        prefix: None,
        tokenizer: None,
        counted_by: None,
    };
    let prepared = cpu();
    let made = Synthesis::new(spec, Seeds::of(1), 128, Some(tokenizer.clone()));
    let prepared = cpu() - prepared;
    let (cpu_from, from) = (cpu(), Instant::now());
    let mut tokens = 0;
    for k in 0..count {
        let unit = black_box(made.unit(0, k));
        tokens += u64::from(unit.turns[0].prompt_tokens.unwrap_or(0));
    }
    let (took, wall) = (cpu() - cpu_from, from.elapsed());
    let checked: Vec<u64> = (0..count).step_by(CHECKED as usize).collect();
    let off = checked.iter().filter(|k| !is_exact(&made, **k, tokenizer)).count();
    let rate = |time: Duration| count as f64 / time.as_secs_f64();
    println!(
        "{law}: {:.0} prompts/s of CPU time, {:.0} of wall time; {tokens} tokens, {:.1} M tokens/s; {:.0} ms to prepare; \
         {off} of {} checked are off",
        rate(took),
        rate(wall),
        tokens as f64 / took.as_secs_f64() / 1e6,
        prepared.as_secs_f64() * 1e3,
        checked.len()
    );
    assert_eq!(off, 0);
}

fn is_exact(made: &Synthesis, k: u64, tokenizer: &Tokenizer) -> bool {
    let unit = made.unit(0, k);
    match &unit.turns[0].body {
        Body::Text(text) => {
            tokenizer.count(text) == unit.turns[0].prompt_tokens.map(|tokens| tokens as usize)
        }
        Body::Messages(_) => false,
    }
}

/// CPU time of this thread.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Every word of two letters is one token.
fn made() -> Tokenizer {
    let letters = || (b'a'..=b'z').map(char::from);
    let words = letters().flat_map(|one| letters().map(move |two| format!("{one}{two}")));
    let words: Vec<String> = words.enumerate().map(|(id, word)| format!("\"{word}\": {}", id + 1)).collect();
    let file = format!(
        r#"{{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {{"type": "Whitespace"}}, "post_processor": null, "decoder": null,
        "model": {{"type": "WordLevel", "vocab": {{"?": 0, {}}}, "unk_token": "?"}}}}"#,
        words.join(", ")
    );
    Tokenizer::of_bytes("made here", file.as_bytes()).unwrap()
}
