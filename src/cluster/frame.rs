//! What goes over a connection: a length of four bytes, then JSON; or, with the length's first bit set, bytes of a file.

use std::io::{self, ErrorKind, Read, Write};

/// The largest message, bytes: a plan with some thousand prompts of its own.
pub const LARGEST_MESSAGE: usize = 16 << 20;
/// Bytes of a file that go together, so that a ping waits for no more.
pub const BLOCK: usize = 64 << 10;
/// Marks bytes of a file.
const IS_BLOCK: u32 = 1 << 31;

/// One piece of what comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// JSON.
    Message(Vec<u8>),
    /// Bytes of a file.
    Block(Vec<u8>),
}

/// Writes a piece at one go.
///
/// # Errors
/// The connection, or a piece that nobody would read.
pub fn write(out: &mut impl Write, frame: &Frame) -> io::Result<()> {
    let (bytes, most, mark) = match frame {
        Frame::Message(bytes) => (bytes, LARGEST_MESSAGE, 0),
        Frame::Block(bytes) => (bytes, BLOCK, IS_BLOCK),
    };
    if bytes.len() > most {
        let length = bytes.len();
        let why = format!(
            "{length} bytes in a message, and {most} at most: the plan is too long for several workers"
        );
        return Err(io::Error::new(ErrorKind::InvalidInput, why));
    }
    let mut whole = Vec::with_capacity(4 + bytes.len());
    whole.extend((bytes.len() as u32 | mark).to_be_bytes());
    whole.extend(bytes);
    out.write_all(&whole)
}

/// Reads a piece; none where the other side closed the connection between two.
///
/// # Errors
/// The connection, its end within a piece, or a piece of more than [`LARGEST_MESSAGE`].
pub fn read(input: &mut impl Read) -> io::Result<Option<Frame>> {
    let mut length = [0; 4];
    match read_whole(input, &mut length)? {
        0 => return Ok(None),
        4 => {}
        _ => return Err(ErrorKind::UnexpectedEof.into()),
    }
    let length = u32::from_be_bytes(length);
    let is_block = length & IS_BLOCK != 0;
    let length = (length & !IS_BLOCK) as usize;
    if length > if is_block { BLOCK } else { LARGEST_MESSAGE } {
        return Err(io::Error::new(ErrorKind::InvalidData, format!("{length} bytes in a message")));
    }
    // It grows with what comes: a length alone takes no memory.
    let mut bytes = Vec::new();
    input.take(length as u64).read_to_end(&mut bytes)?;
    if bytes.len() < length {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(Some(if is_block { Frame::Block(bytes) } else { Frame::Message(bytes) }))
}

/// Reads until the buffer is full or the end: how many bytes.
fn read_whole(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match input.read(rest) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_length_beyond_the_bound_is_refused_before_anything_is_read_for_it() {
        let refused = read(&mut &[0x7f, 0xff, 0xff, 0xff, b'{'][..]).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidData);
        let refused = read(&mut &[0x80, 0xff, 0xff, 0xff, b'{'][..]).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidData, "a block");
        let too_large = Frame::Block(vec![0; BLOCK + 1]);
        assert_eq!(write(&mut Vec::new(), &too_large).unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn a_connection_that_ends_between_messages_ended_well_and_within_one_it_did_not() {
        assert_eq!(read(&mut &[][..]).unwrap(), None);
        for cut in [&[0, 0][..], &[0, 0, 0, 2, b'{'][..]] {
            assert_eq!(read(&mut { cut }).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_piece_by_piece(
            pieces in proptest::collection::vec(
                (proptest::bool::ANY, proptest::collection::vec(proptest::num::u8::ANY, 0..300)), 0..10),
        ) {
            let pieces: Vec<Frame> = pieces
                .into_iter()
                .map(|(is_block, bytes)| if is_block { Frame::Block(bytes) } else { Frame::Message(bytes) })
                .collect();
            let mut wire = Vec::new();
            pieces.iter().for_each(|piece| write(&mut wire, piece).unwrap());
            let mut rest = &wire[..];
            for piece in pieces {
                prop_assert_eq!(read(&mut rest).unwrap(), Some(piece));
            }
            prop_assert_eq!(read(&mut rest).unwrap(), None);
        }

        /// Bytes of anybody: read, or refused.
        #[test]
        fn bytes_of_a_stranger_do_no_harm(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let mut rest = &bytes[..];
            while let Ok(Some(_)) = read(&mut rest) {}
        }
    }
}
