//! A file as its bytes come in: unpacked where it is packed, its beginning looked at.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};

use crate::dataset::packed::unpacked;
use crate::dataset::parse::DatasetError;
use crate::schema::refusal::{OrRefuse, refuse};

/// Bytes of the beginning that are looked at.
const HEAD: usize = 256 << 10;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// An opened file.
pub(crate) struct Input {
    /// Its first bytes, unpacked, without a byte order mark.
    pub(super) head: Vec<u8>,
    /// The head is all of it.
    pub(super) whole: bool,
    /// How it is packed.
    pub(crate) packed: Option<&'static str>,
    /// Bytes of the file, as it lies on the disk.
    pub(super) size: Option<u64>,
    taken: Arc<AtomicU64>,
    rest: Box<dyn Read>,
    /// Bytes of the mark that is left out.
    mark: u64,
}

impl Input {
    /// Opens a file.
    ///
    /// # Errors
    /// It does not exist, is a directory or cannot be read.
    pub(super) fn open(path: &Path) -> Result<Input> {
        let shown = path.display().to_string();
        let cannot = || format!("cannot read {shown}");
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(DatasetError::Missing { file: shown }.into());
            }
            Err(error) => return Err(error).with_context(cannot),
        };
        let metadata = file.metadata().with_context(cannot)?;
        if metadata.is_dir() {
            return refuse(format!("{shown} is a directory"), "name a file in it");
        }
        let size = metadata.is_file().then_some(metadata.len());
        Input::of(file, size).or_refuse(cannot, "check that the file is whole")
    }

    /// Looks at a source of bytes.
    pub(super) fn of(source: impl Read + 'static, size: Option<u64>) -> io::Result<Input> {
        let taken = Arc::new(AtomicU64::new(0));
        let raw = Counted { source, taken: taken.clone() };
        let (packed, mut rest) = unpacked(raw)?;
        let mut head = Vec::new();
        rest.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
        let whole = head.len() < HEAD;
        let mark = if head.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        head.drain(..mark);
        Ok(Input { head, whole, packed, size, taken, rest, mark: mark as u64 })
    }

    /// Bytes that were taken from the disk so far.
    pub(super) fn taken(&self) -> Arc<AtomicU64> {
        self.taken.clone()
    }

    /// Bytes of the file before its content.
    pub(super) fn mark(&self) -> u64 {
        self.mark
    }

    /// All of its content, from the beginning.
    pub(super) fn content(self) -> Box<dyn Read> {
        Box::new(Cursor::new(self.head).chain(self.rest))
    }
}

struct Counted<R> {
    source: R,
    taken: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.source.read(into)?;
        self.taken.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}
