//! `datasets/` → prompts → units: the same for every backend, made before any clock starts.

mod draws;
mod entry;
mod foreign;
pub mod generate;
pub mod import;
mod learn;
mod packed;
mod parse;
mod probe_set;
mod prompt_stats;
mod renewal;
mod shaped;
mod source;
mod synthetic;
mod texts;
mod tokenizer;
mod trace;
mod warmup;
mod words;

use std::path::Path;

use anyhow::Context;
use sha2::{Digest, Sha256};

use foreign::Kind;
use import::Import;
pub use learn::learn;
pub use parse::DatasetError;
use parse::Parsed;
pub use probe_set::probe_set;
pub use prompt_stats::{PromptsCounted, prompt_stats};
pub use renewal::{WORDS as RENEWAL_WORDS, renew};
pub use shaped::shaped;
pub use source::Source;
pub use synthetic::Synthesis;
pub use texts::TextMaker;
pub use tokenizer::Tokenizer;
pub use trace::{Replay, TraceCounted, replay, trace_format, trace_stats};
pub use warmup::warmup_units;

use crate::schema::plan::DatasetSource;
use crate::schema::reading::Reading;
use crate::schema::refusal::refuse;
use crate::schema::unit::{FurtherTurn, Prompt, Turn, Unit};

/// Output limit where neither a flag nor the dataset gives one, tokens.
pub const DEFAULT_MAX_TOKENS: u32 = 128;

/// The prompts that are played unless another file is named.
const BUILT_IN: &str = include_str!("../../datasets/benchmark_dataset.json");
/// Name of [`BUILT_IN`] in outputs.
const BUILT_IN_NAME: &str = "benchmark_dataset";
/// The path that stands for the built-in prompts in a plan.
pub const BUILT_IN_PATH: &str = "built-in";

/// Reads a dataset, or the built-in one where `path` is none: our own form, a JSON list or one object a line, or that
/// of another tool where it is plain.
///
/// # Errors
/// One line that names the file, the line in it and the cure.
pub fn load(path: Option<&Path>) -> anyhow::Result<(Vec<Prompt>, DatasetSource)> {
    load_as(path, &Import::default())
}

/// The same of a file that was read before, in the same way.
///
/// # Errors
/// As [`load`]'s.
pub fn load_again(
    path: Option<&Path>,
    read: Option<&Reading>,
) -> anyhow::Result<(Vec<Prompt>, DatasetSource)> {
    let how = read.map(foreign::how_of).transpose()?;
    load_as(path, &how.unwrap_or_default())
}

/// The same, read as `how` says. Nothing is selected.
///
/// # Errors
/// As [`load`]'s.
pub fn load_as(path: Option<&Path>, how: &Import) -> anyhow::Result<(Vec<Prompt>, DatasetSource)> {
    let Some(path) = path else {
        let parsed = parse::parse(BUILT_IN, parse::Form::List, "built-in")?;
        let source = source(BUILT_IN_NAME, BUILT_IN_PATH, BUILT_IN.as_bytes(), &parsed);
        return Ok((parsed.prompts, source));
    };
    let shown = path.display().to_string();
    let name = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
    let form = match foreign::kind(path, how)? {
        Kind::Own(form) => form,
        Kind::Foreign(format) => {
            let (prompts, reading, passed_over) = foreign::read(path, format, how)?;
            let source = DatasetSource {
                name: name.into_owned(),
                path: shown,
                sha256: hash(path)?,
                prompts: prompts.len(),
                passed_over,
                reading: Some(reading),
                synthetic: None,
                trace: None,
                renewed: true,
            };
            return Ok((prompts, source));
        }
    };
    let bytes = read(path, &shown)?;
    let text = std::str::from_utf8(&bytes).map_err(|error| DatasetError::NotUtf8 {
        file: shown.clone(),
        line: 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count(),
    })?;
    let parsed = parse::parse(text, form, &shown)?;
    let source = source(&name, &shown, &bytes, &parsed);
    Ok((parsed.prompts, source))
}

fn read(path: &Path, shown: &str) -> anyhow::Result<Vec<u8>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(DatasetError::Missing { file: shown.to_owned() }.into())
        }
        Err(error) => Err(error).with_context(|| format!("cannot read dataset {shown}")),
    }
}

/// SHA-256 of a file that need not fit into memory.
fn hash(path: &Path) -> anyhow::Result<String> {
    let cannot = || format!("cannot read dataset {}", path.display());
    // It is read a second time, and a pipe gives nothing then.
    if !std::fs::metadata(path).with_context(cannot)?.is_file() {
        return refuse(
            format!("dataset {} is no file", path.display()),
            "save what it gives: harness dataset import reads it and writes a file",
        );
    }
    let mut file = std::fs::File::open(path).with_context(cannot)?;
    let mut digest = Sha256::new();
    std::io::copy(&mut file, &mut digest).with_context(cannot)?;
    Ok(hexadecimal(&digest.finalize()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn source(name: &str, path: &str, bytes: &[u8], parsed: &Parsed) -> DatasetSource {
    let sha256 = hexadecimal(&Sha256::digest(bytes));
    DatasetSource {
        name: name.to_owned(),
        path: path.to_owned(),
        sha256,
        prompts: parsed.prompts.len(),
        passed_over: parsed.passed_over.clone(),
        reading: None,
        synthetic: None,
        renewed: true,
        trace: None,
    }
}

/// One unit a prompt, in order. The output limit in tokens is the override, else the entry's own, else
/// the default.
pub fn units(prompts: &[Prompt], max_tokens_override: Option<u32>, default_max_tokens: u32) -> Vec<Unit> {
    let unit = |prompt: &Prompt| {
        let limit = |own: Option<u32>| max_tokens_override.or(own).unwrap_or(default_max_tokens);
        let further = |turn: &FurtherTurn| Turn {
            body: turn.body.clone(),
            max_tokens: limit(turn.max_tokens),
            pause_s: turn.pause_us as f64 / 1e6,
            prompt_tokens: None,
        };
        let first = Turn {
            body: prompt.body.clone(),
            max_tokens: limit(prompt.max_tokens),
            pause_s: 0.0,
            prompt_tokens: None,
        };
        Unit {
            id: prompt.id.as_str().into(),
            category: prompt.category.as_str().into(),
            model: None,
            turns: std::iter::once(first).chain(prompt.further.iter().map(further)).collect(),
        }
    };
    prompts.iter().map(unit).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
