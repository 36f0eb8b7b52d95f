//! Records of several files in one order and one file, in bounded memory: sorted in blocks, which lie in nameless files
//! where they are many, and merged from there.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::schema::files::{RecordsFooter, RecordsHeader};
use crate::schema::record::RequestRecord;
use crate::schema::text::write_json_line;
use crate::schema::unit::Phase;

use super::json_lines::PackedLines;

/// Where a record stands among all of its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// When it was due, or else ready, µs.
    at_us: u64,
    phase: Phase,
    unit: u64,
    turn: u32,
}

/// Lines of records, each with its place.
#[derive(Debug, Default)]
pub struct PlacedLines {
    places: Vec<(Place, usize, usize)>,
    bytes: Vec<u8>,
}

/// Sorts records, with so many bytes of them in memory.
#[derive(Debug)]
pub struct RecordSorter {
    directory: PathBuf,
    most_bytes: usize,
    held: PlacedLines,
    blocks: Vec<File>,
}

impl PlacedLines {
    /// Adds a record.
    ///
    /// # Errors
    /// It cannot be written as JSON.
    pub fn add(&mut self, record: &RequestRecord) -> Result<()> {
        let place =
            Place { at_us: record.came_us(), phase: record.phase, unit: record.unit, turn: record.turn };
        let from = self.bytes.len();
        write_json_line(&mut self.bytes, record)?;
        self.places.push((place, from, self.bytes.len()));
        Ok(())
    }

    fn append(&mut self, other: &PlacedLines) {
        let before = self.bytes.len();
        self.bytes.extend_from_slice(&other.bytes);
        self.places.extend(other.places.iter().map(|(place, from, to)| (*place, from + before, to + before)));
    }
}

impl RecordSorter {
    /// Sorts by files in a directory, of which nothing is left whatever happens.
    pub fn new(directory: &Path, most_bytes: usize) -> RecordSorter {
        let held = PlacedLines::default();
        RecordSorter { directory: directory.to_owned(), most_bytes, held, blocks: Vec::new() }
    }

    /// Takes records.
    ///
    /// # Errors
    /// The directory cannot be written.
    pub fn add(&mut self, lines: &PlacedLines) -> Result<()> {
        self.held.append(lines);
        if self.held.bytes.len() < self.most_bytes {
            return Ok(());
        }
        let cannot_write = || format!("cannot write to {}", self.directory.display());
        let mut held = std::mem::take(&mut self.held);
        held.places.sort_unstable();
        let file = tempfile::tempfile_in(&self.directory).with_context(cannot_write)?;
        self.blocks.push(write_block(&held, file).with_context(cannot_write)?);
        Ok(())
    }
}

/// A sorted block, packed.
fn write_block(held: &PlacedLines, file: File) -> std::io::Result<File> {
    let mut packed = zstd::Encoder::new(BufWriter::new(file), 1)?;
    for (place, from, to) in &held.places {
        let line = held.bytes.get(*from..*to).unwrap_or_default();
        packed.write_all(&place.at_us.to_le_bytes())?;
        packed.write_all(&[u8::from(place.phase == Phase::Measured)])?;
        packed.write_all(&place.unit.to_le_bytes())?;
        packed.write_all(&place.turn.to_le_bytes())?;
        packed.write_all(&(line.len() as u64).to_le_bytes())?;
        packed.write_all(line)?;
    }
    let mut file = packed.finish()?.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}

/// A sorted block that is read.
enum Block {
    Held { lines: PlacedLines, next: usize },
    Packed(Box<dyn Read>),
}

impl Block {
    /// The next record's place; its line goes into `line`.
    fn next(&mut self, line: &mut Vec<u8>) -> std::io::Result<Option<Place>> {
        line.clear();
        match self {
            Block::Held { lines, next } => {
                let Some((place, from, to)) = lines.places.get(*next) else { return Ok(None) };
                line.extend_from_slice(lines.bytes.get(*from..*to).unwrap_or_default());
                *next += 1;
                Ok(Some(*place))
            }
            Block::Packed(file) => {
                let mut at_us = [0; 8];
                match file.read_exact(&mut at_us) {
                    Err(end) if end.kind() == ErrorKind::UnexpectedEof => return Ok(None),
                    read => read?,
                }
                let mut number = |bytes: &mut [u8]| file.read_exact(bytes);
                let (mut phase, mut unit, mut turn, mut length) = ([0; 1], [0; 8], [0; 4], [0; 8]);
                number(&mut phase)?;
                number(&mut unit)?;
                number(&mut turn)?;
                number(&mut length)?;
                line.resize(u64::from_le_bytes(length) as usize, 0);
                file.read_exact(line)?;
                Ok(Some(Place {
                    at_us: u64::from_le_bytes(at_us),
                    phase: if phase == [1] { Phase::Measured } else { Phase::Warmup },
                    unit: u64::from_le_bytes(unit),
                    turn: u32::from_le_bytes(turn),
                }))
            }
        }
    }
}

/// Writes the closed records of a run from those that were sorted: whole, or not at all. `renumber`: each request gets
/// the number of its place, warm-up ones apart, where those that the workers gave leave gaps.
///
/// # Errors
/// The file cannot be written.
pub fn write_sorted(
    path: &Path,
    header: &RecordsHeader,
    sorters: Vec<RecordSorter>,
    renumber: bool,
    footer: &RecordsFooter,
) -> Result<()> {
    let cannot_write = || format!("cannot write {}", path.display());
    let mut blocks = blocks(sorters).with_context(cannot_write)?;
    let mut lines: Vec<Vec<u8>> = blocks.iter().map(|_| Vec::new()).collect();
    let mut first = BinaryHeap::new();
    for (number, (block, line)) in blocks.iter_mut().zip(&mut lines).enumerate() {
        first.extend(block.next(line).with_context(cannot_write)?.map(|place| Reverse((place, number))));
    }
    let mut packed = PackedLines::create(path)?;
    packed.add(|line| write_json_line(line, header).map_err(Into::into)).with_context(cannot_write)?;
    let mut numbers = [0_u64; 2];
    while let Some(Reverse((place, number))) = first.pop() {
        let (Some(block), Some(line)) = (blocks.get_mut(number), lines.get_mut(number)) else { continue };
        let index = &mut numbers[usize::from(place.phase == Phase::Measured)];
        packed
            .add(|to| {
                put(line, renumber.then_some(*index), to);
                Ok(())
            })
            .with_context(cannot_write)?;
        *index += 1;
        first.extend(block.next(line).with_context(cannot_write)?.map(|place| Reverse((place, number))));
    }
    packed.add(|line| write_json_line(line, footer).map_err(Into::into)).with_context(cannot_write)?;
    packed.commit()
}

fn blocks(sorters: Vec<RecordSorter>) -> std::io::Result<Vec<Block>> {
    let mut blocks = Vec::new();
    for sorter in sorters {
        let mut lines = sorter.held;
        lines.places.sort_unstable();
        blocks.push(Block::Held { lines, next: 0 });
        for file in sorter.blocks {
            blocks.push(Block::Packed(Box::new(zstd::Decoder::new(BufReader::new(file))?)));
        }
    }
    Ok(blocks)
}

/// What a record's line begins with.
const INDEX: &[u8] = b"{\"index\":";

/// A line with the request's index in place of its own, where one is given.
fn put(line: &[u8], index: Option<u64>, to: &mut Vec<u8>) {
    let behind = line.strip_prefix(INDEX).map(|rest| rest.trim_ascii_start());
    let behind = behind.and_then(|rest| rest.get(rest.iter().position(|byte| !byte.is_ascii_digit())?..));
    match (index, behind) {
        (Some(index), Some(behind)) => {
            to.extend_from_slice(INDEX);
            to.extend_from_slice(index.to_string().as_bytes());
            to.extend_from_slice(behind);
        }
        (None, _) | (Some(_), None) => to.extend_from_slice(line),
    }
}
