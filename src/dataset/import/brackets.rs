//! Finds where a JSON object or list ends, 64 bytes at a time and without reading what it holds: brackets outside of
//! strings are counted. Each byte of a large file goes through here once.

use super::blocks::{BLOCK, Marks, marks};

/// What was seen of a value so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Brackets {
    /// Those that are open.
    depth: u64,
    /// All ones inside a string, else zero.
    in_string: u64,
    /// One where the next byte has a backslash before it that takes it along, else zero.
    escaped: u64,
    line_ends: u64,
}

impl Brackets {
    /// Lines that ended in what was gone through; where the value ended, in the value.
    pub(super) fn line_ends(&self) -> u64 {
        self.line_ends
    }

    pub(super) fn in_string(&self) -> bool {
        self.in_string != 0
    }

    /// Goes through the whole blocks of `bytes` from `at` on, which is moved behind them. Where the value ends, the offset
    /// behind its last byte.
    pub(super) fn blocks(&mut self, bytes: &[u8], at: &mut usize) -> Option<usize> {
        let (blocks, _) = bytes.get(*at..)?.as_chunks::<BLOCK>();
        for block in blocks {
            if let Some(end) = self.block(marks(block)) {
                return Some(*at + end);
            }
            *at += BLOCK;
        }
        None
    }

    /// The same of the bytes behind the last whole block, where no more of them come.
    pub(super) fn rest(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut block = [0; BLOCK];
        block.get_mut(..bytes.len())?.copy_from_slice(bytes);
        self.block(marks(&block))
    }

    /// Goes through a block; where the value ends in it, the offset behind its last byte.
    #[inline]
    fn block(&mut self, marks: Marks) -> Option<usize> {
        let quotes = marks.quotes & !self.escaped(marks.backslashes);
        // Each quote turns all behind it.
        let in_string = turned(quotes) ^ self.in_string;
        self.in_string = if in_string >> (u64::BITS - 1) == 1 { u64::MAX } else { 0 };
        let (opening, closing) = (marks.opening & !in_string, marks.closing & !in_string);
        // Most blocks have neither: counting bits costs more than looking.
        if closing != 0 {
            if let Some(end) = self.end(opening, closing) {
                self.line_ends += u64::from((marks.line_ends & (u64::MAX >> (BLOCK - end))).count_ones());
                return Some(end);
            }
        } else if opening != 0 {
            self.depth += u64::from(opening.count_ones());
        }
        if marks.line_ends != 0 {
            self.line_ends += u64::from(marks.line_ends.count_ones());
        }
        None
    }

    /// Bytes that have a backslash before them which is not itself escaped. After simdjson's `json_escape_scanner`: in a
    /// row of backslashes each second one is escaped, which a subtraction finds by its carries.
    fn escaped(&mut self, backslashes: u64) -> u64 {
        const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;
        if backslashes == 0 {
            return std::mem::take(&mut self.escaped);
        }
        let escaping = backslashes & !self.escaped;
        let codes = (((escaping << 1) | ODD).wrapping_sub(escaping)) ^ ODD;
        let escaped = codes ^ (backslashes | self.escaped);
        self.escaped = (codes & backslashes) >> (u64::BITS - 1);
        escaped
    }

    /// Goes through brackets one by one; the offset behind the one that closes the first.
    fn end(&mut self, opening: u64, closing: u64) -> Option<usize> {
        let mut left = opening | closing;
        while left != 0 {
            let at = left.trailing_zeros();
            left &= left - 1;
            if (opening >> at) & 1 == 1 {
                self.depth += 1;
            } else {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    return Some(at as usize + 1);
                }
            }
        }
        None
    }
}

/// A bit is set where an odd number of bits is set up to it.
fn turned(bits: u64) -> u64 {
    [1, 2, 4, 8, 16, 32].iter().fold(bits, |bits, by| bits ^ (bits << by))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Byte by byte: where the value ends and the lines up to there; none where it does not end.
    fn plainly(bytes: &[u8]) -> Option<(usize, u64)> {
        let (mut depth, mut in_string, mut escaped, mut line_ends) = (0_u64, false, false, 0);
        for (at, byte) in bytes.iter().enumerate() {
            line_ends += u64::from(*byte == b'\n');
            if std::mem::take(&mut escaped) {
                if matches!(byte, b'"' | b'\\') {
                    continue;
                }
            } else if *byte == b'\\' {
                escaped = true;
                continue;
            }
            match byte {
                b'"' => in_string = !in_string,
                b'{' | b'[' if !in_string => depth += 1,
                b'}' | b']' if !in_string => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return Some((at + 1, line_ends));
                    }
                }
                _ => {}
            }
        }
        None
    }

    fn in_blocks(bytes: &[u8]) -> Option<(usize, u64)> {
        let (mut brackets, mut at) = (Brackets::default(), 0);
        let end = brackets.blocks(bytes, &mut at);
        let end = end.or_else(|| Some(at + brackets.rest(&bytes[at..])?));
        end.map(|end| (end, brackets.line_ends()))
    }

    proptest! {
        #[test]
        fn a_value_ends_where_its_bytes_say_one_by_one(
            parts in prop::collection::vec(
                prop_oneof![
                    r#"[\[\]{}"\\a\n]{1,4}"#, "[a ]{30,70}", r#"\\{1,70}"#, Just("\"".to_owned()),
                    Just("{\"a\":[".to_owned()), Just("]}".to_owned()), Just("é中😀".to_owned()),
                ],
                0..30,
            )
        ) {
            let bytes = format!("{{{}", parts.concat()).into_bytes();
            prop_assert_eq!(in_blocks(&bytes), plainly(&bytes), "{}", bytes.escape_ascii());
        }
    }
}
