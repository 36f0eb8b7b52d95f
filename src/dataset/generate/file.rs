//! The file of prompts: one JSON object a line, whole lines only.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::schema::refusal::{refusal, refuse};

/// The file, held for as long as it is written.
#[derive(Debug)]
pub(super) struct PromptFile {
    path: PathBuf,
    file: File,
    /// Category and text, in order.
    held: Vec<(String, String)>,
    ids: BTreeMap<String, u64>,
    torn: bool,
    /// A last line that has no end, though it is whole.
    unended: bool,
}

impl PromptFile {
    /// Opens it or makes it. A last line that broke off is taken away.
    ///
    /// # Errors
    /// It holds something else, cannot be written, or somebody else writes it.
    pub(super) fn open(path: &Path) -> anyhow::Result<PromptFile> {
        let name = path.display();
        let mut options = OpenOptions::new();
        let file = options.read(true).append(true).create(true).open(path);
        let mut file = file.with_context(|| format!("cannot write {name}"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return refuse(
                    format!("{name} is being written by another harness"),
                    "give another --output",
                );
            }
            // Some network disks know no locks.
            Err(TryLockError::Error(_)) => {}
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).with_context(|| format!("cannot read {name}"))?;
        let mut opened = PromptFile {
            path: path.to_owned(),
            file,
            held: Vec::new(),
            ids: BTreeMap::new(),
            torn: false,
            unended: false,
        };
        opened.read(&bytes)?;
        Ok(opened)
    }

    fn read(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let mut whole = 0;
        for (place, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let ended = line.ends_with(b"\n");
            match entry(line) {
                Some(Some((id, category, prompt))) => self.hold(&id, category, prompt),
                Some(None) => {}
                None if !ended && is_begun(line) => {
                    self.torn = true;
                    return self.file.set_len(whole).context("the torn line cannot be taken away");
                }
                None => {
                    return Err(refusal(
                        format!(
                            "{}, line {}: no prompt of a file of prompts",
                            self.path.display(),
                            place + 1
                        ),
                        "give another --output: what is there is kept as it is",
                    ));
                }
            }
            whole += line.len() as u64;
            self.unended = !ended;
        }
        Ok(())
    }

    fn hold(&mut self, id: &str, category: String, prompt: String) {
        let number = id.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(0);
        let last = self.ids.entry(category.clone()).or_default();
        *last = number.max(*last);
        self.held.push((category, prompt));
    }

    /// What was found wrong with it.
    pub(super) fn note(&self) -> Option<String> {
        let name = self.path.display();
        self.torn.then(|| format!("{name}: its last line broke off and was taken away"))
    }

    /// Prompts in it.
    pub(super) fn held(&self) -> usize {
        self.held.len()
    }

    /// Prompts of a category.
    pub(super) fn held_of(&self, category: &str) -> usize {
        self.held.iter().filter(|(held, _)| held == category).count()
    }

    /// Texts of all prompts.
    pub(super) fn prompts(&self) -> impl Iterator<Item = &str> {
        self.held.iter().map(|(_, prompt)| prompt.as_str())
    }

    /// Texts of a category, the last one last.
    pub(super) fn last_of(&self, category: &str) -> Vec<&str> {
        self.held.iter().filter(|(held, _)| held == category).map(|(_, prompt)| prompt.as_str()).collect()
    }

    /// Appends a line, whole or not at all as far as the system allows.
    pub(super) fn append(&mut self, category: &str, prompt: &str, max_tokens: u32) -> anyhow::Result<()> {
        let number = self.ids.get(category).copied().unwrap_or(0) + 1;
        let id = format!("{category}-{number:02}");
        let object = json!({"id": id, "category": category, "prompt": prompt, "max_tokens": max_tokens});
        let begin = if self.unended { "\n" } else { "" };
        self.file
            .write_all(format!("{begin}{object}\n").as_bytes())
            .with_context(|| format!("cannot write {}", self.path.display()))?;
        self.unended = false;
        self.hold(&id, category.to_owned(), prompt.to_owned());
        Ok(())
    }
}

/// An object that is cut off, as a line of this program may be. Anything else may be somebody's own.
fn is_begun(line: &[u8]) -> bool {
    let ends_early = |error: serde_json::Error| error.is_eof();
    line.starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(line).is_err_and(ends_early)
}

/// Id, category and prompt of a line; none inside where the line is blank, none where it is something else.
#[allow(clippy::option_option)]
fn entry(line: &[u8]) -> Option<Option<(String, String, String)>> {
    let text = std::str::from_utf8(line).ok()?.trim();
    if text.is_empty() {
        return Some(None);
    }
    let value: Value = serde_json::from_str(text).ok()?;
    let of = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let prompt = value.get("prompt")?.as_str()?.to_owned();
    Some(Some((of("id"), of("category"), prompt)))
}
