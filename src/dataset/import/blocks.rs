//! What stands where in 64 bytes, found with a few instructions for all of them: a bit of a word for each byte, the first the
//! lowest.

/// Bytes that are looked at together.
pub(super) const BLOCK: usize = u64::BITS as usize;

/// The bit that `[` and `{` differ in, and `]` and `}`.
const FOLD: u8 = b'[' ^ b'{';

/// The last control character of ASCII but DEL.
const LAST_CONTROL: u8 = 0x1f;

/// What tells how JSON is built.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) quotes: u64,
    pub(super) backslashes: u64,
    pub(super) opening: u64,
    pub(super) closing: u64,
    pub(super) line_ends: u64,
}

/// What tells how JSON is built.
#[inline]
pub(super) fn marks(block: &[u8; BLOCK]) -> Marks {
    let mut marks = Marks::default();
    for (place, lane) in lanes(block).into_iter().enumerate() {
        let bits = |lane: Lane| lane.bits() << (LANE * place);
        let folded = lane.with(FOLD);
        marks.quotes |= bits(lane.equal(b'"'));
        marks.backslashes |= bits(lane.equal(b'\\'));
        marks.opening |= bits(folded.equal(b'{'));
        marks.closing |= bits(folded.equal(b'}'));
        marks.line_ends |= bits(lane.equal(b'\n'));
    }
    marks
}

/// Quotes, backslashes and control characters of the bytes from `at` on, a block of them at most; none where there are no
/// bytes.
#[inline]
pub(super) fn specials(bytes: &[u8], at: usize) -> Option<u64> {
    let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
    Some(match rest.first_chunk::<BLOCK>() {
        Some(block) => specials_of(block),
        None => {
            let mut block = [b' '; BLOCK];
            block.get_mut(..rest.len())?.copy_from_slice(rest);
            specials_of(&block)
        }
    })
}

#[inline]
fn specials_of(block: &[u8; BLOCK]) -> u64 {
    let lanes = lanes(block).into_iter().enumerate();
    lanes.fold(0, |bits, (place, lane)| {
        let special = lane.equal(b'"').or(lane.equal(b'\\')).or(lane.at_most(LAST_CONTROL));
        bits | special.bits() << (LANE * place)
    })
}

/// Bytes of a lane.
const LANE: usize = 16;

#[inline]
fn lanes(block: &[u8; BLOCK]) -> [Lane; BLOCK / LANE] {
    let (lanes, _) = block.as_chunks::<LANE>();
    std::array::from_fn(|place| Lane::of(&lanes[place]))
}

#[cfg(target_arch = "x86_64")]
use sse2::Lane;

#[cfg(not(target_arch = "x86_64"))]
use portable::Lane;

/// Every x86-64 has SSE2.
#[cfg(target_arch = "x86_64")]
mod sse2 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128,
        _mm_set1_epi8,
    };

    #[derive(Clone, Copy)]
    pub(super) struct Lane(__m128i);

    impl Lane {
        #[inline]
        pub(super) fn of(bytes: &[u8; super::LANE]) -> Lane {
            // SAFETY: it reads the 16 bytes of the array and wants no alignment.
            Lane(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) })
        }

        /// All ones in each byte that is this one, else zero.
        #[inline]
        pub(super) fn equal(self, byte: u8) -> Lane {
            // SAFETY: SSE2 is there.
            Lane(unsafe { _mm_cmpeq_epi8(self.0, _mm_set1_epi8(byte as i8)) })
        }

        /// The same of each that is not greater.
        #[inline]
        pub(super) fn at_most(self, byte: u8) -> Lane {
            // SAFETY: SSE2 is there.
            Lane(unsafe { _mm_cmpeq_epi8(self.0, _mm_min_epu8(self.0, _mm_set1_epi8(byte as i8))) })
        }

        #[inline]
        pub(super) fn or(self, other: Lane) -> Lane {
            // SAFETY: SSE2 is there.
            Lane(unsafe { _mm_or_si128(self.0, other.0) })
        }

        /// With these bits set in each byte.
        #[inline]
        pub(super) fn with(self, bits: u8) -> Lane {
            // SAFETY: SSE2 is there.
            Lane(unsafe { _mm_or_si128(self.0, _mm_set1_epi8(bits as i8)) })
        }

        /// The highest bit of each byte.
        #[inline]
        pub(super) fn bits(self) -> u64 {
            // SAFETY: SSE2 is there.
            u64::from(unsafe { _mm_movemask_epi8(self.0) } as u16)
        }
    }
}

/// The same without a machine's own instructions.
#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable {
    #[derive(Clone, Copy)]
    pub(super) struct Lane(u128);

    const LOW: u128 = u128::from_le_bytes([0x01; 16]);
    const SEVEN: u128 = u128::from_le_bytes([0x7f; 16]);
    const HIGH: u128 = u128::from_le_bytes([0x80; 16]);

    impl Lane {
        pub(super) fn of(bytes: &[u8; super::LANE]) -> Lane {
            Lane(u128::from_le_bytes(*bytes))
        }

        pub(super) fn equal(self, byte: u8) -> Lane {
            let differs = self.0 ^ (LOW * u128::from(byte));
            Lane(whole(!(((differs & SEVEN) + SEVEN) | differs | SEVEN)))
        }

        /// Of a byte below 0x80.
        pub(super) fn at_most(self, byte: u8) -> Lane {
            let above = (self.0 & SEVEN) + LOW * u128::from(0x7f - byte);
            Lane(whole(!(above | self.0) & HIGH))
        }

        pub(super) fn or(self, other: Lane) -> Lane {
            Lane(self.0 | other.0)
        }

        pub(super) fn with(self, bits: u8) -> Lane {
            Lane(self.0 | (LOW * u128::from(bits)))
        }

        pub(super) fn bits(self) -> u64 {
            // The highest bits of eight bytes, side by side in the highest byte of a product.
            let half = |half: u64| ((half >> 7) & LOW as u64).wrapping_mul(0x0102_0408_1020_4080) >> 56;
            half(self.0 as u64) | half((self.0 >> 64) as u64) << 8
        }
    }

    /// All ones in each byte whose highest bit is set; the others are zero.
    fn whole(highest: u128) -> u128 {
        (highest >> 7) * 0xff
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bits(block: &[u8], is: impl Fn(u8) -> bool) -> u64 {
        block.iter().enumerate().map(|(at, byte)| u64::from(is(*byte)) << at).sum()
    }

    proptest! {
        #[test]
        fn a_block_has_the_marks_of_its_bytes(bytes in prop::collection::vec(any::<u8>(), BLOCK)) {
            let any: [u8; BLOCK] = bytes.try_into().unwrap();
            let dense = any.map(|byte| b"[]{}\"\\\n;}|~z\x1b\x0a\xdb\xa2"[usize::from(byte % 16)]);
            for block in [any, dense] {
                let expected = Marks {
                    quotes: bits(&block, |byte| byte == b'"'),
                    backslashes: bits(&block, |byte| byte == b'\\'),
                    opening: bits(&block, |byte| matches!(byte, b'{' | b'[')),
                    closing: bits(&block, |byte| matches!(byte, b'}' | b']')),
                    line_ends: bits(&block, |byte| byte == b'\n'),
                };
                prop_assert_eq!(marks(&block), expected);
                let special = |byte| matches!(byte, b'"' | b'\\' | 0..0x20);
                for from in 0..BLOCK {
                    prop_assert_eq!(specials(&block, from), Some(bits(&block[from..], special)));
                }
                prop_assert_eq!(specials(&block, BLOCK), None);
            }
        }

        #[test]
        fn any_machine_finds_the_same(bytes in any::<[u8; LANE]>(), byte in 0_u8..0x80) {
            let (ours, portable) = (Lane::of(&bytes), portable::Lane::of(&bytes));
            prop_assert_eq!(ours.bits(), portable.bits());
            prop_assert_eq!(ours.equal(byte).bits(), portable.equal(byte).bits());
            prop_assert_eq!(ours.equal(byte).or(ours).bits(), portable.equal(byte).or(portable).bits());
            prop_assert_eq!(ours.at_most(byte).bits(), portable.at_most(byte).bits());
            prop_assert_eq!(ours.with(byte).equal(byte | 3).bits(), portable.with(byte).equal(byte | 3).bits());
        }
    }
}
