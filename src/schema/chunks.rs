//! The token-carrying events of one request.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One token-carrying event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// Arrival, µs from the run's start.
    pub at_us: u64,
    /// Tokens it carries; 1 where the server does not say.
    pub tokens: u32,
    /// For an event read together with newer bytes, so that its stamp is too late by at most this many µs.
    pub merged_bound_us: Option<u32>,
}

impl Chunk {
    /// Its stamp is merged and may be late by over 0.1 ms: what every count of merged events counts. One
    /// that is late by less is as good as another: the reader's own wake-up takes as long.
    pub fn is_merged(&self) -> bool {
        self.merged_bound_us.is_some_and(|bound_us| bound_us > MERGED_TOLERANCE_US)
    }
}

/// A merged stamp that is late by at most this counts as exact, µs.
const MERGED_TOLERANCE_US: u32 = 100;

/// The token-carrying events of one request, delta-coded: about 3 bytes an event in memory,
/// `[[gap_us, tokens, merged_bound_us]…]` with trailing defaults left out in JSON. What is asked of all of them at
/// once is kept beside them, so that a figure of a request goes over its events only where it needs each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chunks {
    bytes: Vec<u8>,
    last_us: u64,
    first_us: u64,
    count: u32,
    tokens: u32,
    at_first: u32,
    of_one_token: u32,
    merged: u32,
    at_once: u32,
}

/// A chunk in JSON: the gap after the one before it, µs; with its tokens, where these are not 1, and the bound of a
/// merged stamp, µs, where it is one. For the schema alone.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its form is asked for")]
pub(super) enum CodedChunk {
    Gap(u64),
    GapTokensBound(Vec<u64>),
}

const HAS_TOKENS: u64 = 1;
const HAS_BOUND: u64 = 2;

impl Chunks {
    /// Appends an event. Arrivals never run backwards: an earlier one is stored as the last one's time.
    #[inline]
    pub fn push(&mut self, chunk: Chunk) {
        let gap = chunk.at_us.saturating_sub(self.last_us);
        let mut head = gap << 2;
        if chunk.tokens != 1 {
            head |= HAS_TOKENS;
        }
        if chunk.merged_bound_us.is_some() {
            head |= HAS_BOUND;
        }
        put_varint(&mut self.bytes, head);
        if chunk.tokens != 1 {
            put_varint(&mut self.bytes, u64::from(chunk.tokens));
        }
        if let Some(bound) = chunk.merged_bound_us {
            put_varint(&mut self.bytes, u64::from(bound));
        }
        self.last_us += gap;
        self.tally(&chunk, gap);
    }

    /// Appends an event of one token so long after the last one, µs, with a stamp of its own.
    #[inline(always)]
    pub fn push_gap(&mut self, gap_us: u64) {
        put_varint(&mut self.bytes, gap_us << 2);
        self.last_us += gap_us;
        self.tally(&Chunk { at_us: self.last_us, tokens: 1, merged_bound_us: None }, gap_us);
    }

    #[inline(always)]
    fn tally(&mut self, chunk: &Chunk, gap_us: u64) {
        if self.count == 0 {
            self.first_us = self.last_us;
        } else {
            self.at_once += u32::from(gap_us == 0);
        }
        if self.last_us == self.first_us {
            self.at_first = self.at_first.saturating_add(chunk.tokens);
        }
        self.tokens = self.tokens.saturating_add(chunk.tokens);
        self.of_one_token += u32::from(chunk.tokens == 1);
        self.merged += u32::from(chunk.is_merged());
        self.count += 1;
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        *self = Chunks { bytes, ..Chunks::default() };
    }

    /// Events held.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// True without any event.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Arrival of the last event, µs; 0 without one.
    pub fn last_us(&self) -> u64 {
        self.last_us
    }

    /// Tokens that all of them carry.
    pub fn tokens(&self) -> u32 {
        self.tokens
    }

    /// Tokens that came at the moment of the first event.
    pub fn tokens_at_first(&self) -> u32 {
        self.at_first
    }

    /// Events of one token.
    pub fn of_one_token(&self) -> u32 {
        self.of_one_token
    }

    /// Events whose stamp is merged: [`Chunk::is_merged`].
    pub fn merged(&self) -> u32 {
        self.merged
    }

    /// Events at the very moment of the one before.
    pub fn at_once(&self) -> u32 {
        self.at_once
    }

    /// Gives memory kept for growth back.
    pub fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// True where each event carries one token, and none came at the moment of the one before.
    pub fn are_single(&self) -> bool {
        self.of_one_token == self.count && self.at_once == 0
    }

    /// The events in order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = Chunk> + '_ {
        let mut rest = self.bytes.as_slice();
        let mut at_us = 0;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let head = take_varint(&mut rest);
            at_us += head >> 2;
            let tokens = if head & HAS_TOKENS != 0 { take_varint(&mut rest) as u32 } else { 1 };
            let merged_bound_us = (head & HAS_BOUND != 0).then(|| take_varint(&mut rest) as u32);
            Some(Chunk { at_us, tokens, merged_bound_us })
        })
    }
}

impl FromIterator<Chunk> for Chunks {
    fn from_iter<I: IntoIterator<Item = Chunk>>(chunks: I) -> Self {
        let mut all = Chunks::default();
        for chunk in chunks {
            all.push(chunk);
        }
        all
    }
}

/// Appends a number, seven bits a byte, the lowest first. Most take two or three bytes.
#[inline(always)]
fn put_varint(bytes: &mut Vec<u8>, value: u64) {
    match value {
        0..0x80 => bytes.push(value as u8),
        0x80..0x4000 => bytes.extend_from_slice(&[value as u8 | 0x80, (value >> 7) as u8]),
        0x4000..0x20_0000 => {
            bytes.extend_from_slice(&[value as u8 | 0x80, (value >> 7) as u8 | 0x80, (value >> 14) as u8]);
        }
        0x20_0000.. => put_long_varint(bytes, value),
    }
}

fn put_long_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

#[inline(always)]
fn take_varint(rest: &mut &[u8]) -> u64 {
    match **rest {
        [one, ref tail @ ..] if one < 0x80 => {
            *rest = tail;
            u64::from(one)
        }
        [one, two, ref tail @ ..] if two < 0x80 => {
            *rest = tail;
            u64::from(one & 0x7f) | u64::from(two) << 7
        }
        [one, two, three, ref tail @ ..] if three < 0x80 => {
            *rest = tail;
            u64::from(one & 0x7f) | u64::from(two & 0x7f) << 7 | u64::from(three) << 14
        }
        _ => take_long_varint(rest),
    }
}

fn take_long_varint(rest: &mut &[u8]) -> u64 {
    let mut value = 0;
    let mut shift = 0;
    while let Some((&byte, tail)) = rest.split_first() {
        *rest = tail;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
        shift += 7;
    }
    value
}

impl Serialize for Chunks {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq;
        let mut seq = serializer.serialize_seq(Some(self.len()))?;
        let mut last_us = 0;
        for chunk in self.iter() {
            let gap = chunk.at_us - last_us;
            last_us = chunk.at_us;
            match (chunk.tokens, chunk.merged_bound_us) {
                (1, None) => seq.serialize_element(&gap)?,
                (tokens, None) => seq.serialize_element(&[gap, u64::from(tokens)])?,
                (tokens, Some(bound)) => {
                    seq.serialize_element(&[gap, u64::from(tokens), u64::from(bound)])?;
                }
            }
        }
        seq.end()
    }
}

impl<'de> Deserialize<'de> for Chunks {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Coded {
            Gap(u64),
            More(Vec<u64>),
        }
        let mut at_us = 0_u64;
        let mut chunks = Chunks::default();
        for coded in Vec::<Coded>::deserialize(deserializer)? {
            let (gap, tokens, bound) = match &coded {
                Coded::Gap(gap) => (*gap, 1, None),
                Coded::More(list) => (
                    list.first().copied().unwrap_or(0),
                    list.get(1).copied().unwrap_or(1) as u32,
                    list.get(2).map(|bound| *bound as u32),
                ),
            };
            // A gap takes 62 bits, beside two flags.
            let is_time = |at_us: &u64| *at_us < 1 << 62;
            let after = at_us.checked_add(gap).filter(is_time);
            at_us = after.ok_or_else(|| serde::de::Error::custom("a time beyond all bounds"))?;
            chunks.push(Chunk { at_us, tokens, merged_bound_us: bound });
        }
        Ok(chunks)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn chunks_survive_memory_and_json(
            events in proptest::collection::vec((0u64..1 << 40, 0u32..1 << 20, proptest::option::of(0u32..1 << 24)), 0..50)
        ) {
            let mut at_us = 0;
            let events: Vec<Chunk> = events
                .into_iter()
                .map(|(gap, tokens, merged_bound_us)| {
                    at_us += gap;
                    Chunk { at_us, tokens, merged_bound_us }
                })
                .collect();
            let chunks: Chunks = events.iter().copied().collect();
            prop_assert_eq!(chunks.iter().collect::<Vec<_>>(), events);
            let json = serde_json::to_string(&chunks).unwrap();
            prop_assert_eq!(serde_json::from_str::<Chunks>(&json).unwrap(), chunks);
        }
    }

    fn chunk(at_us: u64, tokens: u32, merged_bound_us: Option<u32>) -> Chunk {
        Chunk { at_us, tokens, merged_bound_us }
    }

    #[test]
    fn what_is_kept_beside_the_events_is_what_going_over_them_gives() {
        let events = [
            chunk(70, 2, Some(100)),
            chunk(70, 1, None),
            chunk(90, 1, Some(101)),
            chunk(90, 0, None),
            chunk(95, 1, Some(7)),
        ];
        let mut chunks: Chunks = events.into_iter().collect();
        assert_eq!((chunks.tokens(), chunks.tokens_at_first(), chunks.of_one_token()), (5, 3, 3));
        assert_eq!((chunks.merged(), chunks.at_once(), chunks.last_us(), chunks.len()), (1, 2, 95, 5));
        chunks.clear();
        assert_eq!(chunks, Chunks::default());
    }

    #[test]
    fn more_tokens_than_can_be_counted_stay_the_most_that_can() {
        let chunks: Chunks = [chunk(5, u32::MAX, None), chunk(5, 7, None)].into_iter().collect();
        assert_eq!((chunks.tokens(), chunks.tokens_at_first()), (u32::MAX, u32::MAX));
    }

    #[test]
    fn an_ordinary_chunk_costs_a_few_bytes() {
        let chunks: Chunks = (0..128)
            .map(|i| Chunk { at_us: 50_000 + i * 20_000, tokens: 1, merged_bound_us: None })
            .collect();
        assert!(chunks.bytes.len() <= 3 * 128 + 2, "{} bytes", chunks.bytes.len());
    }
}
