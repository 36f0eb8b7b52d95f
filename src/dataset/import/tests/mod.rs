//! Rows of every form in, prompts or a clear word out.

mod cutting;
mod formats;
mod fuzz;
mod parquet_fuzz;
mod selecting;
mod totals;
mod usual;

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::*;

/// A file of `tests/data/workloads`.
fn slice(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/workloads").join(name)
}

/// The prompt; what is copied of the file is what would be written of the text that is read.
fn copied_as_read(picked: Picked) -> Result<Prompt> {
    let mut copied = Vec::new();
    write_picked(&mut copied, &picked)?;
    let prompt = picked.into_prompt()?;
    let mut written = Vec::new();
    write_prompt(&mut written, &prompt)?;
    assert_eq!(String::from_utf8(copied)?, String::from_utf8(written)?);
    Ok(prompt)
}

/// What an import makes.
type Made = Result<(Tally, Vec<Prompt>)>;

fn import_files(files: &[PathBuf], how: &Import) -> Made {
    let mut prompts = Vec::new();
    let mut keep = |picked: Picked| {
        prompts.push(copied_as_read(picked)?);
        Ok(())
    };
    let tally = import(files, how, None, &mut |_| true, &mut keep)?;
    Ok((tally.unwrap(), prompts))
}

fn import_file(name: &str, how: &Import) -> Made {
    import_files(&[slice(name)], how)
}

/// From memory, in pieces: all but Parquet, which is no stream.
fn import_bytes(bytes: &[u8], pieces: &[usize], how: &Import) -> Made {
    import_reading(bytes, pieces, how, true)
}

/// The same; `measures`: records may be read in one pass over their bytes.
fn import_reading(bytes: &[u8], pieces: &[usize], how: &Import, measures: bool) -> Made {
    let source = Pieces { bytes: bytes.to_vec(), at: 0, pieces: pieces.to_vec(), turn: 0 };
    let input = Input::of(source, Some(bytes.len() as u64))?;
    let detected = detect::detect(&input.head, input.whole, &how.columns);
    let mut prompts = Vec::new();
    let mut keep = |picked: Picked| {
        prompts.push(copied_as_read(picked)?);
        Ok(())
    };
    let mut reader = Reader::new(how, None);
    reader.context.measures = measures;
    reader.input(Path::new("mine"), input, detected, &mut |_| true, &mut keep)?;
    let tally = reader.finish(&mut keep)?;
    Ok((tally, prompts))
}

fn import_text(text: &str, how: &Import) -> Made {
    import_bytes(text.as_bytes(), &[], how)
}

/// The error's words and its cures.
fn refused(made: Made) -> String {
    crate::schema::refusal::shown(&made.unwrap_err())
}

fn said(prompt: &Prompt) -> String {
    match &prompt.body {
        Body::Text(text) => text.clone(),
        Body::Messages(messages) => {
            messages.iter().map(|message| message.content.text().unwrap_or_default().into_owned()).collect()
        }
    }
}

fn texts(prompts: &[Prompt]) -> Vec<String> {
    prompts.iter().map(said).collect()
}

fn skipping() -> Import {
    Import { skip_bad: true, ..Import::default() }
}

/// Gives its bytes in pieces of these lengths, again and again.
struct Pieces {
    bytes: Vec<u8>,
    at: usize,
    pieces: Vec<usize>,
    turn: usize,
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let piece = self.pieces.get(self.turn % self.pieces.len().max(1)).copied().unwrap_or(usize::MAX);
        self.turn += 1;
        let bytes = piece.clamp(1, (self.bytes.len() - self.at).max(1)).min(into.len());
        let bytes = bytes.min(self.bytes.len() - self.at);
        into[..bytes].copy_from_slice(&self.bytes[self.at..self.at + bytes]);
        self.at += bytes;
        Ok(bytes)
    }
}
