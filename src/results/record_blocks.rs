//! A file of records as blocks of whole lines, so that several threads read one file: a plain file in pieces, a
//! compressed one by its frames, or, where it is one long frame, unpacked piece by piece.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use zstd::zstd_safe;

use super::bounded::LONGEST_LINE;
use super::json_lines::open_lines;

/// Bytes of a block, unpacked, as far as its lines allow.
pub(super) const BLOCK_BYTES: usize = 1 << 20;
/// A frame of more bytes is unpacked by who reads the file.
const LARGEST_FRAME: usize = 4 << 20;

/// A part of the file.
#[derive(Debug)]
pub(super) enum Block {
    /// Whole lines; the last of the file may lack its end.
    Lines(Vec<u8>),
    /// A frame whose lines are whole, as long as it was written here.
    Frame(Vec<u8>),
}

/// The blocks of one file, in order.
pub(super) enum Blocks {
    Lines { lines: Box<dyn BufRead + Send>, rest: Vec<u8> },
    Frames { file: BufReader<File>, held: Vec<u8>, is_over: bool },
}

impl Blocks {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let lines = open_lines(path)?;
        if path.extension().is_none_or(|end| end != "zst") {
            return Ok(Blocks::Lines { lines, rest: Vec::new() });
        }
        let cannot_read = || format!("cannot read {}", path.display());
        let file = BufReader::new(File::open(path).with_context(cannot_read)?);
        let mut blocks = Blocks::Frames { file, held: Vec::new(), is_over: false };
        Ok(if blocks.has_frame().with_context(cannot_read)? {
            blocks
        } else {
            Blocks::Lines { lines, rest: Vec::new() }
        })
    }

    /// The next block; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Block>> {
        match self {
            Blocks::Lines { lines, rest } => next_lines(lines, rest),
            Blocks::Frames { .. } => self.next_frame(),
        }
    }

    /// Reads on until the first frame is in memory; false where it is a large one.
    fn has_frame(&mut self) -> Result<bool> {
        let Blocks::Frames { file, held, is_over } = self else { return Ok(false) };
        loop {
            if zstd_safe::find_frame_compressed_size(held).is_ok() {
                return Ok(true);
            }
            if *is_over || held.len() >= LARGEST_FRAME {
                return Ok(false);
            }
            let more = (held.len() as u64).clamp(1 << 18, 1 << 22);
            *is_over = file.take(more).read_to_end(held)? as u64 != more;
        }
    }

    fn next_frame(&mut self) -> Result<Option<Block>> {
        let is_whole = self.has_frame()?;
        let Blocks::Frames { held, .. } = self else { return Ok(None) };
        if held.is_empty() {
            return Ok(None);
        }
        let Ok(length) = zstd_safe::find_frame_compressed_size(held) else {
            bail!("a frame that is too large or not whole: {is_whole}")
        };
        let after = held.split_off(length);
        Ok(Some(Block::Frame(std::mem::replace(held, after))))
    }
}

fn next_lines(lines: &mut Box<dyn BufRead + Send>, rest: &mut Vec<u8>) -> Result<Option<Block>> {
    let mut block = std::mem::take(rest);
    loop {
        let read =
            lines.take((BLOCK_BYTES - block.len().min(BLOCK_BYTES / 2)) as u64).read_to_end(&mut block)?;
        match memchr::memrchr(b'\n', &block) {
            _ if read == 0 => return Ok((!block.is_empty()).then_some(Block::Lines(block))),
            Some(end) => {
                *rest = block.split_off(end + 1);
                return Ok(Some(Block::Lines(block)));
            }
            None if block.len() as u64 > LONGEST_LINE => bail!("a line of more than {LONGEST_LINE} bytes"),
            None => {}
        }
    }
}

/// Unpacks a frame over what `plain` holds.
pub(super) fn unpack(
    unpacker: &mut zstd::bulk::Decompressor<'_>,
    frame: &[u8],
    plain: &mut Vec<u8>,
) -> Result<()> {
    plain.clear();
    match zstd_safe::get_frame_content_size(frame) {
        Ok(Some(size)) if size <= 2 * LONGEST_LINE => {
            plain.reserve(size as usize);
            unpacker.decompress_to_buffer(frame, plain)?;
        }
        Ok(Some(size)) => bail!("a frame of {size} bytes"),
        // Of another writer, which did not know its size.
        Ok(None) | Err(_) => {
            let most = 2 * LONGEST_LINE;
            let read = zstd::Decoder::with_buffer(frame)?.take(most).read_to_end(plain)?;
            if read as u64 == most {
                bail!("a frame of more than {most} bytes");
            }
        }
    }
    Ok(())
}
