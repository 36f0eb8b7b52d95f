//! A file of JSON lines that is written while a run goes, flushed as it goes, and compressed when it is closed.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::directories::AtomicFile;
use crate::schema::text::write_json_line;

const BUFFER_BYTES: usize = 1 << 18;
const ZSTD_LEVEL: i32 = 3;

/// Writes the lines of one file.
#[derive(Debug)]
pub(super) struct LineWriter {
    path: PathBuf,
    file: BufWriter<File>,
    line: Vec<u8>,
}

impl LineWriter {
    /// Starts a file; its first line is on disk when this returns.
    pub fn create<T: Serialize>(path: &Path, header: &T) -> Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)
            .with_context(|| format!("cannot write {}", path.display()))?;
        let file = BufWriter::with_capacity(BUFFER_BYTES, file);
        let mut writer = LineWriter { path: path.to_owned(), file, line: Vec::new() };
        writer.write(header)?;
        writer.flush()?;
        Ok(writer)
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
    /// one of the two files is whole.
    pub fn close<T: Serialize>(mut self, footer: &T, closed: &Path) -> Result<()> {
        self.write(footer)?;
        self.flush()?;
        self.file.get_ref().sync_all().with_context(|| self.cannot_write())?;
        self.compress(closed).with_context(|| format!("cannot write {}", closed.display()))?;
        std::fs::remove_file(&self.path).with_context(|| format!("cannot remove {}", self.path.display()))
    }

    fn compress(&self, closed: &Path) -> Result<()> {
        let mut plain = BufReader::with_capacity(BUFFER_BYTES, File::open(&self.path)?);
        let target = AtomicFile::create(closed)?;
        let mut encoder = zstd::Encoder::new(target, ZSTD_LEVEL)?;
        encoder.include_checksum(true)?;
        std::io::copy(&mut plain, &mut encoder)?;
        encoder.finish()?.commit()
    }

    fn cannot_write(&self) -> String {
        format!("cannot write {}", self.path.display())
    }
}

/// Opens a file of lines, compressed where its name ends in `.zst`.
pub(super) fn open_lines(path: &Path) -> Result<Box<dyn BufRead + Send>> {
    let cannot_read = || format!("cannot read {}", path.display());
    let file = File::open(path).with_context(cannot_read)?;
    Ok(if path.extension().is_some_and(|end| end == "zst") {
        Box::new(BufReader::new(zstd::Decoder::new(file).with_context(cannot_read)?))
    } else {
        Box::new(BufReader::new(file))
    })
}
