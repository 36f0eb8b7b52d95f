//! A line of records in the one form in which this program writes them, read without looking twice. Whatever stands
//! otherwise (another order of keys, blanks, escapes, a key that is seldom there) is left to the JSON reader: what is
//! read here is what that would read.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use serde::de::DeserializeOwned;

use crate::schema::record::{
    Chunk, Chunks, FailureKind, Outcome, RequestRecord, StampKind, TokenCounts, TokenSource,
};
use crate::schema::server_times::ServerTimes;
use crate::schema::unit::Phase;

/// Texts that are kept at most: there are few prompts and categories, and if not they need not be shared.
const TEXTS_KEPT: usize = 10_000;

/// Texts that many records share, by their bytes as they stand in a line: what was looked at once is not looked at again.
#[derive(Debug, Default)]
pub(super) struct SharedTexts(HashMap<Box<[u8]>, Arc<str>, RandomState>);

impl SharedTexts {
    /// Puts a text in the place of the one before; none where it is no plain text.
    #[inline]
    fn share(&mut self, bytes: &[u8], held: &mut Arc<str>) -> Option<()> {
        if held.as_bytes() == bytes {
            return Some(());
        }
        *held = match self.0.get(bytes) {
            Some(known) => known.clone(),
            None => self.learn(bytes)?,
        };
        Some(())
    }

    #[cold]
    fn learn(&mut self, bytes: &[u8]) -> Option<Arc<str>> {
        let shared: Arc<str> = plain(bytes)?.into();
        if self.0.len() < TEXTS_KEPT {
            self.0.insert(bytes.into(), shared.clone());
        }
        Some(shared)
    }
}

/// A text without anything that would have to be escaped.
fn plain(bytes: &[u8]) -> Option<&str> {
    if bytes.iter().all(|byte| *byte >= b' ') { std::str::from_utf8(bytes).ok() } else { None }
}

/// Reads a line, with or without its end, over the record before it, whose memory it takes; false where it is in
/// another form, and then the record holds nothing of use.
pub(super) fn read(line: &[u8], texts: &mut SharedTexts, record: &mut RequestRecord) -> bool {
    Cursor { rest: line }.record(texts, record).is_some()
}

/// Where an event is that comes so long after another, µs; none beyond the bounds that are the JSON reader's to tell.
#[inline(always)]
fn later(from_us: u64, gap_us: u64) -> Option<u64> {
    from_us.checked_add(gap_us).filter(|at_us| *at_us < 1 << 62)
}

const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);

/// How many of eight bytes, from the first, are digits. A byte that is none has its highest bit set by the sum; what it
/// carries over reaches later bytes alone.
#[inline(always)]
fn digits(word: u64) -> usize {
    let apart = word ^ ZEROS;
    let is_none = (apart.wrapping_add(u64::from_le_bytes([0x76; 8])) | apart) & u64::from_le_bytes([0x80; 8]);
    (is_none.trailing_zeros() / 8) as usize
}

/// The number of the first digits, 1 to 8 of them, of eight bytes: put behind zeros, then neighbours are put together,
/// pairs, and pairs of pairs (Lemire, "Quickly parsing eight digits", 2018).
#[inline(always)]
fn value(word: u64, digits: usize) -> u64 {
    let all = (word ^ ZEROS) << (64 - 8 * digits);
    let pairs = all.wrapping_mul(10).wrapping_add(all >> 8);
    let of = |pairs: u64, weights: u64| (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(weights);
    let first = of(pairs, 100 + (1_000_000 << 32));
    let second = of(pairs >> 16, 1 + (10_000 << 32));
    first.wrapping_add(second) >> 32
}

/// Each step takes what it reads off the front; none where something else stands there.
struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn record(mut self, texts: &mut SharedTexts, record: &mut RequestRecord) -> Option<()> {
        self.expect(b"{\"index\":")?;
        record.index = self.number()?;
        record.unit = self.optional(b",\"unit\":", Self::number)?.unwrap_or(0);
        record.turn = self.optional(b",\"turn\":", Self::small)?.unwrap_or(0);
        record.history_tokens = self.optional(b",\"history_tokens\":", Self::small)?;
        self.expect(b",\"prompt_id\":")?;
        texts.share(self.quoted()?, &mut record.prompt_id)?;
        let category = self.optional(b",\"category\":", Self::quoted)?.unwrap_or(b"");
        texts.share(category, &mut record.category)?;
        self.expect(b",\"phase\":\"")?;
        record.phase = if self.takes(b"measured\"") {
            Phase::Measured
        } else {
            self.expect(b"warmup\"")?;
            Phase::Warmup
        };
        self.stamps(record)?;
        self.tokens(&mut record.tokens)?;
        self.answer(record)?;
        record.outcome = self.outcome()?;
        self.expect(b"}")?;
        matches!(self.rest, b"" | b"\n").then_some(())
    }

    fn stamps(&mut self, record: &mut RequestRecord) -> Option<()> {
        record.due_us = self.optional(b",\"due_us\":", Self::number)?;
        self.expect(b",\"ready_us\":")?;
        record.ready_us = self.number()?;
        record.slot_us = self.optional(b",\"slot_us\":", Self::number)?;
        record.sent_us = self.optional(b",\"sent_us\":", Self::number)?;
        record.headers_us = self.optional(b",\"headers_us\":", Self::number)?;
        record.first_event_us = self.optional(b",\"first_event_us\":", Self::number)?;
        record.first_token_us = self.optional(b",\"first_token_us\":", Self::number)?;
        record.first_answer_us = self.optional(b",\"first_answer_us\":", Self::number)?;
        record.chunks.clear();
        if self.takes(b",\"chunks\":[") {
            self.chunks(&mut record.chunks)?;
        }
        record.last_token_us = self.optional(b",\"last_token_us\":", Self::number)?;
        self.expect(b",\"end_us\":")?;
        record.end_us = self.number()?;
        record.connect_us = self.optional(b",\"connect_us\":", Self::number)?;
        // A late acknowledgement would stand here: of warm-up requests alone.
        record.late_ack = None;
        self.expect(b",\"reader_lag_max_us\":")?;
        record.reader_lag_max_us = self.small()?;
        self.expect(b",\"stamps\":\"")?;
        record.stamps = if self.takes(b"kernel\"") {
            StampKind::Kernel
        } else {
            self.expect(b"read\"")?;
            StampKind::Read
        };
        record.replayed = self.takes(b",\"replayed\":true");
        Some(())
    }

    /// Behind the opening bracket.
    fn chunks(&mut self, chunks: &mut Chunks) -> Option<()> {
        loop {
            if self.takes(b"[") {
                let gap_us = self.number()?;
                self.expect(b",")?;
                let tokens = self.small()?;
                let merged_bound_us = self.optional(b",", Self::small)?;
                self.expect(b"]")?;
                let at_us = later(chunks.last_us(), gap_us)?;
                chunks.push(Chunk { at_us, tokens, merged_bound_us });
            } else {
                let gap_us = self.number()?;
                later(chunks.last_us(), gap_us)?;
                chunks.push_gap(gap_us);
            }
            if !self.takes(b",") {
                return self.expect(b"]");
            }
        }
    }

    fn tokens(&mut self, tokens: &mut TokenCounts) -> Option<()> {
        self.expect(b",\"tokens\":{")?;
        // Each of its keys but the last ends in a comma.
        tokens.prompt = self.optional(b"\"prompt\":", Self::small_and_comma)?;
        tokens.output = self.optional(b"\"output\":", Self::small_and_comma)?;
        tokens.delivered = self.optional(b"\"delivered\":", Self::small_and_comma)?;
        tokens.asked = self.optional(b"\"asked\":", Self::small_and_comma)?;
        tokens.cached = self.optional(b"\"cached\":", Self::small_and_comma)?;
        tokens.reasoning = self.optional(b"\"reasoning\":", Self::small_and_comma)?;
        tokens.by_event = self.takes(b"\"by_event\":true,");
        tokens.unusable = self.takes(b"\"unusable\":true,");
        self.expect(b"\"source\":\"")?;
        tokens.source = if self.takes(b"usage\"}") {
            TokenSource::Usage
        } else {
            self.expect(b"chunks\"}")?;
            TokenSource::Chunks
        };
        Some(())
    }

    fn answer(&mut self, record: &mut RequestRecord) -> Option<()> {
        self.expect(b",\"max_tokens\":")?;
        record.max_tokens = self.small()?;
        record.forced_length = self.takes(b",\"forced_length\":true");
        let status = self.optional(b",\"status\":", Self::small)?;
        record.status = status.map(u16::try_from).transpose().ok()?;
        match self.optional(b",\"finish_reason\":", Self::quoted)? {
            Some(word) if record.finish_reason.as_ref().is_some_and(|held| held.as_bytes() == word) => {}
            Some(word) => record.finish_reason = Some(plain(word)?.to_owned()),
            None => record.finish_reason = None,
        }
        record.gateway = self.optional(b",\"gateway\":", Self::word)?;
        record.missing_sign = self.optional(b",\"missing_sign\":", Self::word)?;
        record.passed_over = self.optional(b",\"passed_over\":", Self::small)?.unwrap_or(0);
        record.server_times = self.optional(b",\"server_times\":{", Self::server_times)?;
        Some(())
    }

    /// Behind the opening brace.
    fn server_times(&mut self) -> Option<Box<ServerTimes>> {
        let mut times = ServerTimes::default();
        let mut any = false;
        let places: [(&[u8], &mut Option<u64>); 4] = [
            (b"\"queue_us\":", &mut times.queue_us),
            (b"\"prefill_us\":", &mut times.prefill_us),
            (b"\"decode_us\":", &mut times.decode_us),
            (b"\"inference_us\":", &mut times.inference_us),
        ];
        for (key, place) in places {
            let before = self.rest;
            if (!any || self.takes(b",")) && self.takes_key(key) {
                *place = Some(self.number()?);
                any = true;
            } else {
                self.rest = before;
            }
        }
        self.expect(b"}")?;
        Some(Box::new(times))
    }

    fn outcome(&mut self) -> Option<Outcome> {
        self.expect(b",\"outcome\":\"")?;
        if self.takes(b"completed\"") {
            Some(Outcome::Completed)
        } else if self.takes(b"failed\",\"kind\":") {
            let kind: FailureKind = self.word()?;
            self.expect(b",\"detail\":")?;
            Some(Outcome::Failed { kind, detail: self.text()?.to_owned() })
        } else {
            let is_cancelled = self.takes(b"cancelled\"");
            if !is_cancelled {
                self.expect(b"dropped\"")?;
            }
            Some(if is_cancelled { Outcome::Cancelled } else { Outcome::Dropped })
        }
    }

    /// The bytes are known to the compiler with their number, so that they are compared as a few whole numbers.
    #[inline(always)]
    fn takes<const N: usize>(&mut self, bytes: &[u8; N]) -> bool {
        match self.rest.split_first_chunk::<N>() {
            Some((first, rest)) if first == bytes => {
                self.rest = rest;
                true
            }
            Some(_) | None => false,
        }
    }

    fn takes_key(&mut self, key: &[u8]) -> bool {
        match self.rest.strip_prefix(key) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    #[inline(always)]
    fn expect<const N: usize>(&mut self, bytes: &[u8; N]) -> Option<()> {
        self.takes(bytes).then_some(())
    }

    /// What stands behind a key, where the key is there.
    #[inline(always)]
    fn optional<T, const N: usize>(
        &mut self,
        key: &[u8; N],
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        if self.takes(key) { read(self).map(Some) } else { Some(None) }
    }

    /// A whole number of at most 19 digits, as JSON has it: without a sign, a point or a zero before it.
    #[inline(always)]
    fn number(&mut self) -> Option<u64> {
        if let Some(eight) = self.rest.first_chunk::<8>() {
            let word = u64::from_le_bytes(*eight);
            let digits = digits(word);
            if (1..8).contains(&digits) && (digits == 1 || eight[0] != b'0') {
                self.rest = self.rest.get(digits..)?;
                return Some(value(word, digits));
            }
        }
        self.any_number()
    }

    fn any_number(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        let mut digits = 0;
        while let Some(byte) = self.rest.get(digits)
            && byte.is_ascii_digit()
        {
            value = value.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'));
            digits += 1;
        }
        let is_plain = (1..=19).contains(&digits) && (digits == 1 || self.rest.first() != Some(&b'0'));
        // A fraction or an exponent is met by whoever expects the next key.
        self.rest = self.rest.get(digits..)?;
        is_plain.then_some(value)
    }

    #[inline]
    fn small(&mut self) -> Option<u32> {
        u32::try_from(self.number()?).ok()
    }

    #[inline]
    fn small_and_comma(&mut self) -> Option<u32> {
        let small = self.small()?;
        self.expect(b",")?;
        Some(small)
    }

    /// A text without anything that would have to be escaped, its quotes taken off.
    fn text(&mut self) -> Option<&'a str> {
        plain(self.quoted()?)
    }

    /// What stands between two quotes; none where a quote in it is escaped.
    #[inline]
    fn quoted(&mut self) -> Option<&'a [u8]> {
        self.expect(b"\"")?;
        // Texts are short: a search of many bytes at a time takes longer to begin with.
        let end = self.rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
        let (text, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        self.expect(b"\"")?;
        Some(text)
    }

    /// One of the words of an enum, as JSON.
    fn word<T: DeserializeOwned>(&mut self) -> Option<T> {
        let end = memchr::memchr(b'"', self.rest.get(1..)?)? + 2;
        let (word, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        serde_json::from_slice(word).ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::schema::gateway::Gateway;
    use crate::schema::record::{LateAck, MissingSign};
    use crate::schema::text::write_json_line;
    use proptest::option::of;
    use proptest::prelude::*;

    prop_compose! {
        fn any_stamps()(stamps in proptest::collection::vec(of(any::<u32>()), 10)) -> Vec<Option<u64>> {
            stamps.into_iter().map(|stamp| stamp.map(u64::from)).collect()
        }
    }

    fn any_counts() -> impl Strategy<Value = TokenCounts> {
        let counts = std::array::from_fn::<_, 6, _>(|_| of(any::<u32>()));
        (counts, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
            |(counts, by_event, unusable, usage)| {
                let [prompt, output, delivered, asked, cached, reasoning] = counts;
                let source = if usage { TokenSource::Usage } else { TokenSource::Chunks };
                TokenCounts {
                    prompt,
                    output,
                    delivered,
                    asked,
                    cached,
                    reasoning,
                    by_event,
                    unusable,
                    source,
                }
            },
        )
    }

    fn any_chunks() -> impl Strategy<Value = Chunks> {
        let gap = prop_oneof![0u64..3, 0u64..100_000, Just(1u64 << 50)];
        let tokens = prop_oneof![4 => Just(1u32), 1 => any::<u32>()];
        proptest::collection::vec((gap, tokens, of(any::<u32>())), 0..6).prop_map(|events| {
            let mut at_us = 0;
            let chunk = |(gap, tokens, merged_bound_us)| {
                at_us += gap;
                Chunk { at_us, tokens, merged_bound_us }
            };
            events.into_iter().map(chunk).collect()
        })
    }

    fn any_outcome() -> impl Strategy<Value = Outcome> {
        prop_oneof![
            2 => Just(Outcome::Completed),
            1 => Just(Outcome::Cancelled),
            1 => Just(Outcome::Dropped),
            2 => (0usize..8, any_text()).prop_map(|(kind, detail)| {
                Outcome::Failed { kind: FailureKind::ALL[kind], detail }
            }),
        ]
    }

    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof![3 => "[a-z0-9-]{0,8}", 1 => "\\PC{0,6}", 1 => "[ -~\u{0}-\u{20}é\u{202e}]{0,6}"]
    }

    prop_compose! {
        fn any_record()(
            (index, unit, turn, history_tokens) in
                (any::<u32>(), any::<u32>(), prop_oneof![Just(0u32), any::<u32>()], of(any::<u32>())),
            texts in [any_text(), any_text()],
            stamps in any_stamps(),
            flags in any::<[bool; 4]>(),
            numbers in any::<[u32; 3]>(),
            (chunks, tokens, outcome) in (any_chunks(), any_counts(), any_outcome()),
            (status, finish_reason) in (of(any::<u16>()), of(any_text())),
            (gateway, missing_sign) in (of(any::<bool>()), of(any::<bool>())),
            late_ack in proptest::option::weighted(0.1, of(any::<u32>())),
            told in of([of(any::<u32>()), of(any::<u32>()), of(any::<u32>()), of(any::<u32>())]),
        ) -> RequestRecord {
            let [prompt_id, category] = texts.map(Into::into);
            let at = |place: usize| stamps[place];
            RequestRecord {
                index: index.into(), unit: unit.into(), turn, history_tokens, prompt_id, category,
                phase: if flags[0] { Phase::Measured } else { Phase::Warmup },
                due_us: at(0), ready_us: at(1).unwrap_or(0), slot_us: at(2), sent_us: at(3), headers_us: at(4),
                first_event_us: at(5), first_token_us: at(6), first_answer_us: at(7), chunks,
                last_token_us: at(8), end_us: at(9).unwrap_or(7), connect_us: at(0).filter(|_| flags[1]),
                late_ack: late_ack.map(|ack_us| {
                    Box::new(LateAck { begun_us: 1, ack_us: ack_us.map(u64::from), next_us: None })
                }),
                reader_lag_max_us: numbers[0],
                stamps: if flags[2] { StampKind::Kernel } else { StampKind::Read },
                replayed: flags[3], tokens, max_tokens: numbers[1], forced_length: flags[1], status, finish_reason,
                gateway: gateway.map(|litellm| if litellm { Gateway::Litellm } else { Gateway::Nginx }),
                missing_sign: missing_sign.map(|done| {
                    if done { MissingSign::DoneMarker } else { MissingSign::FinishReason }
                }),
                passed_over: if flags[0] { 0 } else { numbers[2] },
                server_times: told.map(|told| {
                    let [queue_us, prefill_us, decode_us, inference_us] = told.map(|us| us.map(u64::from));
                    Box::new(ServerTimes { queue_us, prefill_us, decode_us, inference_us })
                }),
                outcome,
            }
        }
    }

    fn line(record: &RequestRecord) -> Vec<u8> {
        let mut line = Vec::new();
        write_json_line(&mut line, record).unwrap();
        line
    }

    fn any_before() -> RequestRecord {
        let before = r#"{"index":3,"prompt_id":"before","phase":"warmup","due_us":1,"ready_us":1,"chunks":[7,8],
            "end_us":2,"stamps":"read","replayed":true,"tokens":{"prompt":1,"source":"usage"},"max_tokens":2,
            "finish_reason":"stop","outcome":"failed","kind":"timeout"}"#;
        serde_json::from_str(before).unwrap()
    }

    /// A text that JSON escapes, or a late acknowledgement: left to the JSON reader.
    fn is_seldom(line: &[u8]) -> bool {
        line.contains(&b'\\') || line.windows(8).any(|word| word == b"late_ack")
    }

    proptest! {
        #[test]
        fn a_record_is_read_as_the_json_reader_reads_it(record in any_record()) {
            let (line, mut read_record) = (line(&record), any_before());
            let was_read = read(&line, &mut SharedTexts::default(), &mut read_record);
            prop_assert_eq!(was_read, !is_seldom(&line), "{}", String::from_utf8_lossy(&line));
            if was_read {
                prop_assert_eq!(&read_record, &serde_json::from_slice::<RequestRecord>(&line).unwrap());
                prop_assert_eq!(read_record, record);
            }
        }

        #[test]
        fn a_line_with_a_byte_changed_taken_out_or_cut_off_is_read_as_the_json_reader_reads_it_or_not_at_all(
            record in any_record(), place in any::<prop::sample::Index>(), byte in any::<u8>(), way in 0u8..4
        ) {
            let mut line = line(&record);
            let place = place.index(line.len());
            match way {
                0 => line[place] = byte,
                1 => drop(line.remove(place)),
                2 => line.insert(place, b"0123456789,:{}[]\". -e\n"[usize::from(byte) % 22]),
                _ => line.truncate(place),
            }
            let mut read_record = any_before();
            if read(&line, &mut SharedTexts::default(), &mut read_record) {
                prop_assert_eq!(read_record, serde_json::from_slice::<RequestRecord>(&line).unwrap());
            }
        }
    }
}
