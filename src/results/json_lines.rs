//! A file of JSON lines that is written while a run goes, flushed as it goes, and compressed when it is closed.

use std::fs::{File, Permissions, TryLockError};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use tempfile::TempPath;

use crate::directories::AtomicFile;
use crate::schema::text::write_json_line;

use super::bounded::{LONGEST_LINE, read_line};
use super::lock::has_no_locks;

const BUFFER_BYTES: usize = 1 << 18;
const ZSTD_LEVEL: i32 = 3;
/// Bytes of a frame before it is packed, as far as its lines allow.
const FRAME_BYTES: usize = 1 << 20;

/// A file whose last line is written.
#[derive(Debug)]
pub struct ClosedLines {
    /// Where it lies.
    pub path: PathBuf,
    /// Why it is not compressed, if so.
    pub not_compressed: Option<anyhow::Error>,
}

/// Writes the lines of one file, whose lock it holds: nobody takes a file that grows for one that was left.
#[derive(Debug)]
pub(super) struct LineWriter {
    path: PathBuf,
    file: BufWriter<File>,
    line: Vec<u8>,
}

impl LineWriter {
    /// Starts a file in a directory; its first line is on disk when it gets the name that `take` gives it, and
    /// its lock is held.
    pub fn create<T: Serialize, N>(
        directory: &Path,
        header: &T,
        take: impl FnOnce(TempPath) -> Result<(N, PathBuf)>,
    ) -> Result<(Self, N)> {
        let cannot_write = || format!("cannot write to {}", directory.display());
        std::fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let (file, path) = tempfile::Builder::new()
            .prefix(".harness-")
            .suffix(".part")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(directory)
            .with_context(cannot_write)?
            .into_parts();
        match file.try_lock() {
            Ok(()) | Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) if has_no_locks(error.kind()) => {}
            Err(TryLockError::Error(error)) => return Err(error).with_context(cannot_write),
        }
        let file = BufWriter::with_capacity(BUFFER_BYTES, file);
        let mut writer = LineWriter { path: path.to_path_buf(), file, line: Vec::new() };
        writer.write(header)?;
        writer.flush()?;
        let (names, path) = take(path)?;
        writer.path = path;
        Ok((writer, names))
    }

    /// Writes a line.
    pub fn write<T: Serialize>(&mut self, value: &T) -> Result<()> {
        self.line.clear();
        write_json_line(&mut self.line, value).with_context(|| self.cannot_write())?;
        self.line.push(b'\n');
        self.file.write_all(&self.line).with_context(|| self.cannot_write())
    }

    /// Gives what waits to the system.
    pub fn flush(&mut self) -> Result<()> {
        self.file.flush().with_context(|| self.cannot_write())
    }

    /// Writes the last line and compresses the file to `closed`, which replaces it. Whenever this is cut off,
    /// one of the two files is whole: where only the second cannot be written, the first stays.
    pub fn close<T: Serialize>(mut self, footer: &T, closed: &Path) -> Result<ClosedLines> {
        self.write(footer)?;
        self.flush()?;
        self.file.get_ref().sync_all().with_context(|| self.cannot_write())?;
        let compressed = self.compress(closed).with_context(|| format!("cannot write {}", closed.display()));
        if let Err(why) = compressed {
            return Ok(ClosedLines { path: self.path, not_compressed: Some(why) });
        }
        std::fs::remove_file(&self.path).with_context(|| format!("cannot remove {}", self.path.display()))?;
        Ok(ClosedLines { path: closed.to_owned(), not_compressed: None })
    }

    fn compress(&self, closed: &Path) -> Result<()> {
        let mut plain = BufReader::with_capacity(BUFFER_BYTES, File::open(&self.path)?);
        let mut packed = PackedLines::create(closed)?;
        while plain.read_until(b'\n', &mut packed.lines)? > 0 {
            packed.pack_full_frame()?;
        }
        packed.commit()
    }

    fn cannot_write(&self) -> String {
        format!("cannot write {}", self.path.display())
    }
}

/// A file of lines that is compressed as it is written: whole, or not there. Frames of whole lines, which every reader
/// of zstd takes for one file: several threads can read it.
pub(super) struct PackedLines {
    target: AtomicFile,
    packer: zstd::bulk::Compressor<'static>,
    lines: Vec<u8>,
    frame: Vec<u8>,
}

impl PackedLines {
    pub fn create(closed: &Path) -> Result<Self> {
        let target = AtomicFile::create(closed)?;
        let mut packer = zstd::bulk::Compressor::new(ZSTD_LEVEL)?;
        packer.include_checksum(true)?;
        Ok(PackedLines { target, packer, lines: Vec::with_capacity(FRAME_BYTES), frame: Vec::new() })
    }

    /// Adds a line, which `write` writes without its end.
    pub fn add(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        write(&mut self.lines)?;
        self.lines.push(b'\n');
        self.pack_full_frame()
    }

    fn pack_full_frame(&mut self) -> Result<()> {
        if self.lines.len() >= FRAME_BYTES { self.pack() } else { Ok(()) }
    }

    fn pack(&mut self) -> Result<()> {
        self.frame.reserve(zstd::zstd_safe::compress_bound(self.lines.len()));
        self.packer.compress_to_buffer(&self.lines, &mut self.frame)?;
        self.target.write_all(&self.frame)?;
        self.lines.clear();
        self.frame.clear();
        Ok(())
    }

    /// Puts the file in its place, over an older one.
    pub fn commit(mut self) -> Result<()> {
        if !self.lines.is_empty() {
            self.pack()?;
        }
        self.target.commit()
    }
}

/// Opens a file of lines, compressed where its name ends in `.zst`.
pub(super) fn open_lines(path: &Path) -> Result<Box<dyn BufRead + Send>> {
    let cannot_read = || format!("cannot read {}", path.display());
    // To open a pipe that nobody writes would wait for ever.
    if !std::fs::metadata(path).with_context(cannot_read)?.is_file() {
        bail!("{}: no regular file", path.display());
    }
    let file = File::open(path).with_context(cannot_read)?;
    Ok(if path.extension().is_some_and(|end| end == "zst") {
        Box::new(BufReader::new(zstd::Decoder::new(file).with_context(cannot_read)?))
    } else {
        Box::new(BufReader::new(file))
    })
}

/// The last line of a file, with its end where it has one.
pub(super) fn last_line(path: &Path) -> Result<Vec<u8>> {
    let (mut lines, mut line, mut last) = (open_lines(path)?, Vec::new(), Vec::new());
    while read_line(&mut lines, &mut line, LONGEST_LINE)? > 0 {
        std::mem::swap(&mut line, &mut last);
        line.clear();
    }
    Ok(last)
}
