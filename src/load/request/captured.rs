//! Whole answers out of captured bytes.

use crate::schema::plan::{HttpSettings, Sampling};
use crate::schema::record::RequestRecord;
use crate::schema::target::Capabilities;
use crate::schema::unit::{Phase, Unit};

use crate::load::protocol::Protocol;
use crate::load::request::answer::{Answer, Progress};
use crate::load::request::blank_record::blank_record;
use crate::load::request::outcome::Ending;
use crate::load::request::seen::{Arrival, Expect, expect};

/// Reads captured bytes as the measured path would: each of `reads` comes 1 ms after the one before, then the connection
/// closes. Captures of real servers are checked with it.
pub fn parse_answer<'a>(
    http: &HttpSettings,
    capabilities: &Capabilities,
    sampling: &Sampling,
    max_tokens: u32,
    reads: impl IntoIterator<Item = &'a [u8]>,
) -> RequestRecord {
    parse(http, capabilities, sampling, (max_tokens, false), reads).0
}

/// The text of such an answer.
pub fn parse_text<'a>(
    http: &HttpSettings,
    capabilities: &Capabilities,
    sampling: &Sampling,
    max_tokens: u32,
    reads: impl IntoIterator<Item = &'a [u8]>,
) -> String {
    parse(http, capabilities, sampling, (max_tokens, true), reads).1.unwrap_or_default()
}

fn parse<'a>(
    http: &HttpSettings,
    capabilities: &Capabilities,
    sampling: &Sampling,
    (max_tokens, keep_text): (u32, bool),
    reads: impl IntoIterator<Item = &'a [u8]>,
) -> (RequestRecord, Option<String>) {
    let unit = Unit::single("capture", "", max_tokens);
    let protocol = Protocol::of(http).unwrap_or(Protocol::OpenaiChat);
    let expect = Expect { keep_text, ..expect((protocol, http.stream), capabilities, sampling, max_tokens) };
    let mut record = blank_record(0, &unit, Phase::Measured, expect);
    let mut answer = Answer::new(expect, 0);
    record.sent_us = Some(0);
    let mut ending = None;
    for bytes in reads.into_iter().filter(|bytes| !bytes.is_empty()) {
        record.end_us += 1000;
        let arrival =
            Arrival { at_us: record.end_us, lag_us: 0, kernel: true, beyond: false, earliest_us: 0 };
        if answer.read(bytes, arrival) != Progress::More {
            ending = Some(Ending::Read);
            break;
        }
    }
    let ending = ending.unwrap_or_else(|| {
        if answer.eof() {
            Ending::Read
        } else {
            Ending::Broken("the connection closed in the response".to_owned())
        }
    });
    let asked = format!("POST {}", http.path);
    let text = answer.finish(ending, &asked, &mut record);
    (record, text)
}
