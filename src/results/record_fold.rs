//! The records of a run, read by several threads. Who asks gets what one thread would have given, in the same order;
//! a file that is not as a run leaves it is left to the one reader that tells what is wrong with it, and where.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, mpsc};

use anyhow::{Result, bail};

use crate::schema::files::RecordsFooter;
use crate::schema::record::RequestRecord;

use super::bounded::LATEST_US;
use super::record_blocks::{Block, Blocks, unpack};
use super::record_line::{self, SharedTexts};
use super::record_reader::{RecordReader, crashed, latest_us};

/// Reading one file, more threads than this wait for the one that fetches it.
const MOST_THREADS: usize = 8;
/// Records of a part where one thread reads them all.
const PART_RECORDS: u64 = 4_096;

/// What is made of records: gathered by each thread for itself, and given on in parts.
pub trait Fold: Send {
    /// What is made of a part of the file, for who takes the parts in their order.
    type Part: Default + Send;

    /// Takes a record, in the file's order within a part.
    fn add(&mut self, record: &RequestRecord, part: &mut Self::Part);

    /// Makes a part that was taken the beginning of another one: whose memory is kept costs nothing to fill again.
    fn empty(part: &mut Self::Part) {
        *part = Self::Part::default();
    }

    /// No record follows: what can be done on this thread is done.
    fn settle(&mut self) {}
}

/// All records were read.
pub struct Folded<F> {
    /// What each thread gathered; the first is never missing.
    pub folds: Vec<F>,
    /// The file's last line.
    pub footer: RecordsFooter,
}

/// Reads the records of a run by as many threads as there are cores; `take` gets the parts in their order. None
/// where the file is not whole: [`fold_in_order`] tells what of it is good.
///
/// # Errors
/// Those of `take`.
pub fn fold<F: Fold>(
    path: &Path,
    start: impl Fn() -> F,
    take: impl FnMut(&mut F::Part) -> Result<()>,
) -> Result<Option<Folded<F>>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    fold_by(cores.min(MOST_THREADS), path, start, take)
}

/// The same by so many threads.
///
/// # Errors
/// Those of `take`.
pub fn fold_by<F: Fold>(
    threads: usize,
    path: &Path,
    start: impl Fn() -> F,
    mut take: impl FnMut(&mut F::Part) -> Result<()>,
) -> Result<Option<Folded<F>>> {
    // Its header is held against the rules there, and version 1 told from version 2.
    let Ok(reader) = RecordReader::open(path) else { return Ok(None) };
    let is_version_1 = reader.is_version_1();
    let Ok(mut blocks) = Blocks::open(path) else { return Ok(None) };
    let stop = AtomicBool::new(false);
    let (send, receive) = mpsc::sync_channel::<(u64, Block)>(threads);
    let receive = Mutex::new(receive);
    let (give, given) = mpsc::channel();
    let empty = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let fetched = scope.spawn(|| fetch(&mut blocks, send, &stop));
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                let worker = Worker { fold: start(), is_version_1, lines: Lines::default() };
                let shared = Shared { receive: &receive, empty: &empty, stop: &stop };
                let give = give.clone();
                scope.spawn(move || worker.work(&shared, &give))
            })
            .collect();
        drop(give);
        let parts = in_order(&given, &mut take, &stop, |mut part| {
            F::empty(&mut part);
            if let Ok(mut empty) = empty.lock() {
                empty.push(part);
            }
        });
        let is_fetched = fetched.join().is_ok_and(|fetched| fetched.is_ok());
        let folds: Vec<F> = workers.into_iter().filter_map(|worker| worker.join().ok()).collect();
        match parts? {
            Some(parts) if is_fetched && folds.len() == threads => {
                Ok(parts.footer().map(|footer| Folded { folds, footer }))
            }
            Some(_) | None => Ok(None),
        }
    })
}

/// Reads the records of a run one after another, to their end or to the first that cannot be read; the second is why.
///
/// # Errors
/// There is no header, or those of `take`.
pub fn fold_in_order<F: Fold>(
    path: &Path,
    mut fold: F,
    mut take: impl FnMut(&mut F::Part) -> Result<()>,
) -> Result<(Folded<F>, Option<anyhow::Error>)> {
    let mut reader = RecordReader::open(path)?;
    let mut damage = None;
    let mut part = F::Part::default();
    let mut in_part = 0;
    loop {
        match reader.next_record() {
            Ok(Some(record)) => fold.add(&record, &mut part),
            Ok(None) => break,
            Err(error) => {
                damage = Some(error);
                break;
            }
        }
        in_part += 1;
        if in_part == PART_RECORDS {
            take(&mut part)?;
            F::empty(&mut part);
            in_part = 0;
        }
    }
    take(&mut part)?;
    fold.settle();
    Ok((Folded { folds: vec![fold], footer: reader.finish() }, damage))
}

fn fetch(blocks: &mut Blocks, send: mpsc::SyncSender<(u64, Block)>, stop: &AtomicBool) -> Result<()> {
    let mut number = 0;
    while let Some(block) = blocks.next()? {
        if stop.load(Ordering::Relaxed) || send.send((number, block)).is_err() {
            bail!("nobody reads on");
        }
        number += 1;
    }
    Ok(())
}

/// What was found in a block.
struct Read<P> {
    number: u64,
    part: P,
    found: Found,
}

#[derive(Default)]
struct Found {
    records: u64,
    footer: Option<RecordsFooter>,
    /// The last line lacks its end.
    is_torn: bool,
}

/// What was found in all blocks.
#[derive(Default)]
struct Parts {
    found: Found,
}

impl Parts {
    /// False where something follows what must be the last.
    fn add(&mut self, next: Found) -> bool {
        let is_last = self.found.footer.is_some() || self.found.is_torn;
        self.found = Found { records: self.found.records + next.records, ..next };
        !is_last
    }

    /// None where the last line counted other records.
    fn footer(self) -> Option<RecordsFooter> {
        let Found { records, footer, is_torn: _ } = self.found;
        match footer {
            Some(footer) => (footer.records == records).then_some(footer),
            None => Some(crashed(records)),
        }
    }
}

/// Gives the parts on in the order of their blocks, and then back; none where a block is not as it should be.
fn in_order<P>(
    given: &mpsc::Receiver<Option<Read<P>>>,
    take: &mut impl FnMut(&mut P) -> Result<()>,
    stop: &AtomicBool,
    give_back: impl Fn(P),
) -> Result<Option<Parts>> {
    let mut parts = Parts::default();
    let mut early = BTreeMap::new();
    let mut next = 0;
    let mut result = Ok(());
    let mut is_good = true;
    for read in given {
        let Some(read) = read else {
            is_good = false;
            stop.store(true, Ordering::Relaxed);
            continue;
        };
        early.insert(read.number, read);
        while let Some(mut read) = early.remove(&next) {
            next += 1;
            is_good &= parts.add(read.found);
            if is_good && result.is_ok() {
                result = take(&mut read.part);
                if result.is_err() {
                    stop.store(true, Ordering::Relaxed);
                }
            }
            give_back(read.part);
        }
    }
    result.map(|()| is_good.then_some(parts))
}

/// What all threads have together.
struct Shared<'a, P> {
    receive: &'a Mutex<mpsc::Receiver<(u64, Block)>>,
    /// Parts that were taken.
    empty: &'a Mutex<Vec<P>>,
    stop: &'a AtomicBool,
}

impl<P: Default> Shared<'_, P> {
    fn next_block(&self) -> Option<(u64, Block)> {
        self.receive.lock().ok()?.recv().ok()
    }

    fn empty_part(&self) -> P {
        self.empty.lock().ok().and_then(|mut empty| empty.pop()).unwrap_or_default()
    }
}

/// One thread.
struct Worker<F> {
    fold: F,
    is_version_1: bool,
    lines: Lines,
}

/// What reading lines needs again and again.
#[derive(Default)]
struct Lines {
    record: Option<RequestRecord>,
    texts: SharedTexts,
}

impl<F: Fold> Worker<F> {
    /// Reads blocks until there are no more, or one is not as it should be.
    fn work(mut self, shared: &Shared<'_, F::Part>, give: &mpsc::Sender<Option<Read<F::Part>>>) -> F {
        let mut plain = Vec::new();
        let Ok(mut unpacker) = zstd::bulk::Decompressor::new() else {
            let _ = give.send(None);
            return self.fold;
        };
        while let Some((number, block)) = shared.next_block() {
            if shared.stop.load(Ordering::Relaxed) {
                continue;
            }
            let part = shared.empty_part();
            let read = match block {
                Block::Lines(lines) => self.read(number, &lines, part),
                Block::Frame(frame) => {
                    let unpacked = unpack(&mut unpacker, &frame, &mut plain).ok();
                    unpacked.and_then(|()| self.read(number, &plain, part))
                }
            };
            // Who takes them tells others to stop.
            let _ = give.send(read);
        }
        self.fold.settle();
        self.fold
    }

    fn read(&mut self, number: u64, lines: &[u8], mut part: F::Part) -> Option<Read<F::Part>> {
        let mut found = Found::default();
        let mut rest = lines;
        if number == 0 {
            rest = rest.get(memchr::memchr(b'\n', rest)? + 1..)?;
        }
        while !rest.is_empty() {
            if found.footer.is_some() {
                return None;
            }
            let end = memchr::memchr(b'\n', rest);
            let (line, after) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
            rest = after;
            found.is_torn = end.is_none();
            match self.lines.next(line) {
                Some(record) if latest_us(record) <= LATEST_US => {
                    if self.is_version_1 {
                        record.unit = record.index;
                    }
                    self.fold.add(record, &mut part);
                    found.records += 1;
                }
                Some(_) => return None,
                None => match serde_json::from_slice::<RecordsFooter>(line) {
                    Ok(footer) if footer.kind == "end" => found.footer = Some(footer),
                    Ok(_) => return None,
                    // The writer was cut off in it.
                    Err(_) if found.is_torn => {}
                    Err(_) => return None,
                },
            }
        }
        Some(Read { number, part, found })
    }
}

impl Lines {
    /// The record of a line; none where it holds another thing.
    fn next(&mut self, line: &[u8]) -> Option<&mut RequestRecord> {
        let was_read =
            self.record.as_mut().is_some_and(|record| record_line::read(line, &mut self.texts, record));
        if !was_read {
            self.record = serde_json::from_slice(line).ok();
        }
        self.record.as_mut()
    }
}
