//! Bytes of a file that may be packed.

use std::io::{self, BufReader, Cursor, Read};

/// Bytes of one read of a packed file.
const PACKED_READ: usize = 128 << 10;

/// How a source is packed, by its first bytes, and its content.
///
/// # Errors
/// It cannot be read.
pub(super) fn unpacked<'a>(
    mut source: impl Read + 'a,
) -> io::Result<(Option<&'static str>, Box<dyn Read + 'a>)> {
    let mut magic = Vec::with_capacity(4);
    source.by_ref().take(4).read_to_end(&mut magic)?;
    let packed = match magic.as_slice() {
        [0x1f, 0x8b, ..] => Some("gzip"),
        [0x28, 0xb5, 0x2f, 0xfd] => Some("zstd"),
        _ => None,
    };
    let raw = Cursor::new(magic).chain(source);
    let content: Box<dyn Read + 'a> = match packed {
        Some("gzip") => {
            Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::with_capacity(PACKED_READ, raw)))
        }
        Some(_) => Box::new(zstd::stream::read::Decoder::new(raw)?),
        None => Box::new(raw),
    };
    Ok((packed, content))
}
