//! Small hand-made answers, one for each thing that the wire really does, each cut at every byte; and what stamps mean.

use crate::load::protocol::Protocol;
use crate::load::protocol::terms::Framing;
use crate::load::request::answer::{Answer, Progress};
use crate::load::request::blank_record::blank_record;
use crate::load::request::outcome::Ending;
use crate::load::request::seen::{Arrival, Expect};
use crate::schema::record::{FailureKind, MissingSign, Outcome, RequestRecord, StampKind, TokenSource};
use crate::schema::unit::{Phase, Unit};

const EXPECT: Expect = Expect {
    protocol: Protocol::OpenaiChat,
    streams: true,
    max_tokens: 2,
    forced: false,
    done_marker: true,
    eos_in_usage: true,
    keep_text: false,
};

const A: &str = r#"data: {"choices":[{"delta":{"content":"a"}}]}"#;
const B: &str = r#"data: {"choices":[{"delta":{"content":"b"}}]}"#;
const FINISH: &str = r#"data: {"choices":[{"delta":{},"finish_reason":"length"}]}"#;
const USAGE: &str = r#"data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}"#;
const DONE: &str = "data: [DONE]";

/// An answer with a body of known length that holds these events.
fn stream(events: &[&str]) -> String {
    let body: String = events.iter().map(|event| format!("{event}\n\n")).collect();
    whole(&body)
}

fn whole(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn chunked(pieces: &[&str]) -> Vec<String> {
    let mut all = vec![
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(),
    ];
    all.extend(pieces.iter().map(|piece| format!("{:x}\r\n{piece}\r\n", piece.len())));
    all
}

/// Reads that return at the times given; the connection closes after them.
fn read(expect: Expect, reads: &[(u64, &[u8])]) -> RequestRecord {
    read_framed(Framing::Sse, expect, reads)
}

fn read_framed(framing: Framing, expect: Expect, reads: &[(u64, &[u8])]) -> RequestRecord {
    let mut record = blank_record(0, &Unit::single("p", "", 1), Phase::Measured, expect);
    let mut answer = Answer::framed(framing, expect, 100);
    let mut ending = Ending::Broken("closed".to_owned());
    for (at_us, bytes) in reads.iter().filter(|(_, bytes)| !bytes.is_empty()) {
        let arrival = Arrival { at_us: *at_us, lag_us: 7, kernel: true, beyond: false, earliest_us: 0 };
        if answer.read(bytes, arrival) != Progress::More {
            ending = Ending::Read;
            break;
        }
    }
    if ending != Ending::Read && answer.eof() {
        ending = Ending::Read;
    }
    answer.finish(ending, "POST /v1", &mut record);
    record
}

/// The record of an answer, which is the same wherever it is cut (but for its stamps).
fn every_cut(expect: Expect, answer: &str) -> RequestRecord {
    let facts = |record: &RequestRecord| {
        let tokens: Vec<u32> = record.chunks.iter().map(|chunk| chunk.tokens).collect();
        format!(
            "{tokens:?} {:?} {:?} {:?} {:?} {:?} {}",
            record.status,
            record.tokens,
            record.finish_reason,
            record.outcome,
            record.missing_sign,
            record.passed_over
        )
    };
    let bytes = answer.as_bytes();
    let record = read(expect, &[(1000, bytes)]);
    for cut in 0..=bytes.len() {
        let (first, second) = bytes.split_at(cut);
        let cut_record = read(expect, &[(1000, first), (2000, second)]);
        assert_eq!(facts(&cut_record), facts(&record), "cut at {cut} of {answer}");
    }
    let single: Vec<(u64, &[u8])> = bytes.chunks(1).enumerate().map(|(at, byte)| (at as u64, byte)).collect();
    assert_eq!(facts(&read(expect, &single)), facts(&record), "byte by byte: {answer}");
    record
}

#[track_caller]
pub(super) fn assert_failed(record: &RequestRecord, kind: FailureKind, contains: &str) {
    match &record.outcome {
        Outcome::Failed { kind: is, detail } => {
            assert_eq!(*is, kind, "{detail}");
            assert!(detail.contains(contains), "{detail}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_line_end_and_both_kinds_of_data_lines_give_the_same_answer() {
    for (line_end, data) in
        [("\n", "data: "), ("\r\n", "data: "), ("\r", "data: "), ("\n", "data:"), ("\r\n", "data:")]
    {
        let body = stream(&[A, B, FINISH, USAGE, DONE]);
        let (_, body) = body.split_once("\r\n\r\n").unwrap();
        let record = every_cut(EXPECT, &whole(&body.replace("data: ", data).replace('\n', line_end)));
        assert_eq!(record.outcome, Outcome::Completed, "{line_end:?} {data}");
        assert_eq!(record.chunks.len(), 2);
    }
}

#[test]
fn comments_event_lines_and_data_over_several_lines_do_not_disturb() {
    let split = "event: message\ndata: {\"choices\":\ndata: [{\"delta\":{\"content\":\"é🦀\"}}]}";
    let record = every_cut(EXPECT, &stream(&[": keep-alive", ":", A, split, ":", FINISH, USAGE, DONE]));
    assert_eq!(record.outcome, Outcome::Completed);
    assert_eq!(record.chunks.len(), 2);
}

#[test]
fn a_first_chunk_without_text_is_no_token_and_sets_the_first_event_only() {
    for first in [
        r#"{"role":"assistant","content":""}"#,
        r#"{"role":"assistant","content":null}"#,
        r#"{"role":"assistant"}"#,
    ] {
        let first = format!(r#"data: {{"choices":[{{"delta":{first}}}]}}"#);
        every_cut(EXPECT, &stream(&[&first, A, FINISH, USAGE, DONE]));
        let all = stream(&[&first, A, FINISH, USAGE, DONE]);
        let cut = all.find(A).unwrap();
        let record = read(EXPECT, &[(1000, &all.as_bytes()[..cut]), (2000, &all.as_bytes()[cut..])]);
        assert_eq!(
            (record.first_event_us, record.first_token_us, record.chunks.len()),
            (Some(1000), Some(2000), 1)
        );
    }
}

#[test]
fn finish_usage_and_done_add_no_token_and_no_time() {
    let pieces = [A, B, FINISH, USAGE, DONE].map(|event| format!("{event}\n\n"));
    let answer = chunked(&pieces.iter().map(String::as_str).collect::<Vec<_>>());
    let reads: Vec<(u64, &[u8])> =
        answer.iter().enumerate().map(|(at, part)| (1000 * (at as u64 + 1), part.as_bytes())).collect();
    let record = read(EXPECT, &[reads.as_slice(), &[(9000, b"0\r\n\r\n".as_slice())]].concat());
    assert_eq!(record.outcome, Outcome::Completed);
    let times: Vec<u64> = record.chunks.iter().map(|chunk| chunk.at_us).collect();
    assert_eq!((times, record.last_token_us), (vec![2000, 3000], Some(3000)));
    assert_eq!(
        (record.headers_us, record.stamps, record.reader_lag_max_us),
        (Some(1000), StampKind::Kernel, 7)
    );
    assert!(record.chunks.iter().all(|chunk| chunk.merged_bound_us.is_none()));
}

#[test]
fn only_the_event_that_ends_a_read_has_a_true_stamp() {
    let answer = chunked(&[&format!("{A}\n\n{A}\n\n"), &format!("{B}\n\n"), &format!("{B}\n\n")]);
    let mut all = answer.concat().into_bytes();
    let bounds = |cut: usize, all: &[u8]| -> Vec<(u64, Option<u32>)> {
        let record = read(EXPECT, &[(1000, &all[..cut]), (5000, &all[cut..])]);
        record.chunks.iter().map(|chunk| (chunk.at_us, chunk.merged_bound_us)).collect()
    };
    let first_piece = answer[0].len() + answer[1].len();
    assert_eq!(
        bounds(first_piece, &all),
        [(1000, Some(900)), (1000, None), (5000, Some(4000)), (5000, None)]
    );
    // The chunk's own line end belongs to the event's bytes.
    assert_eq!(
        bounds(first_piece - 2, &all),
        [(1000, Some(900)), (1000, None), (5000, Some(4000)), (5000, None)]
    );
    // Bytes of the next event are newer than the event before them.
    assert_eq!(bounds(first_piece + 9, &all)[1], (1000, Some(900)));
    // So is the end of the body, a finish event, a comment.
    for newer in
        ["0\r\n\r\n".to_owned(), chunked(&[&format!("{FINISH}\n\n")])[1].clone(), "2\r\n:\n\r\n".to_owned()]
    {
        let length = all.len();
        all.extend_from_slice(newer.as_bytes());
        assert_eq!(bounds(first_piece, &all)[3], (5000, Some(4000)), "{newer}");
        all.truncate(length);
    }
}

#[test]
fn a_read_that_fills_its_buffer_has_no_certain_stamp() {
    let mut answer = Answer::new(EXPECT, 0);
    let bytes = stream(&[A]);
    answer
        .read(bytes.as_bytes(), Arrival { at_us: 50, lag_us: 0, kernel: true, beyond: true, earliest_us: 0 });
    let mut record = blank_record(0, &Unit::single("p", "", 1), Phase::Measured, EXPECT);
    answer.finish(Ending::Cancelled, "POST /v1", &mut record);
    assert_eq!(record.chunks.iter().next().unwrap().merged_bound_us, Some(50));
}

#[test]
fn one_stamp_of_a_read_makes_the_record_one_of_read_stamps() {
    let mut answer = Answer::new(EXPECT, 0);
    for (kernel, part) in [(true, "HTTP/1.1 200 OK\r\n"), (false, "\r\n"), (true, "data: x")] {
        answer.read(part.as_bytes(), Arrival { at_us: 1, lag_us: 0, kernel, beyond: false, earliest_us: 0 });
    }
    let mut record = blank_record(0, &Unit::single("p", "", 1), Phase::Measured, EXPECT);
    answer.finish(Ending::Cancelled, "POST /v1", &mut record);
    assert_eq!((record.stamps, record.outcome), (StampKind::Read, Outcome::Cancelled));
}

#[test]
fn an_error_event_fails_before_and_after_tokens_with_done_and_without() {
    let error = r#"data: {"error":{"message":"out of memory","code":500}}"#;
    for events in [vec![error], vec![error, DONE], vec![A, error], vec![A, B, FINISH, error, USAGE, DONE]] {
        assert_failed(&every_cut(EXPECT, &stream(&events)), FailureKind::ErrorEvent, "out of memory");
    }
    let named = "event: error\ndata: the engine died";
    assert_failed(&every_cut(EXPECT, &stream(&[A, named])), FailureKind::ErrorEvent, "the engine died");
    let tgi = r#"data: {"error":"Model is overloaded","error_type":"overloaded"}"#;
    assert_failed(&every_cut(EXPECT, &stream(&[tgi])), FailureKind::ErrorEvent, "Model is overloaded");
    for reason in ["abort", "error"] {
        let finish = FINISH.replace("length", reason);
        assert_failed(&every_cut(EXPECT, &stream(&[A, &finish, DONE])), FailureKind::ErrorEvent, reason);
    }
}

#[test]
fn an_error_body_with_status_200_is_an_error_event() {
    let body = r#"{"object":"error","message":"no","code":400}"#;
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_failed(&every_cut(EXPECT, &answer), FailureKind::ErrorEvent, "no");
}

#[test]
fn either_sign_of_the_end_is_enough_and_the_other_is_noted() {
    let ended = |expect, events: &[&str]| {
        let record = every_cut(expect, &stream(events));
        (record.outcome == Outcome::Completed, record.missing_sign)
    };
    assert_eq!(ended(EXPECT, &[A, B, FINISH, USAGE, DONE]), (true, None));
    assert_eq!(ended(EXPECT, &[A, B, FINISH, DONE]), (true, None));
    assert_eq!(ended(EXPECT, &[A, FINISH, USAGE]), (true, Some(MissingSign::DoneMarker)));
    assert_eq!(ended(EXPECT, &[A, B, USAGE, DONE]), (true, Some(MissingSign::FinishReason)));
    // An engine that is known to send no marker.
    assert_eq!(ended(Expect { done_marker: false, ..EXPECT }, &[A, FINISH, USAGE]), (true, None));
}

#[test]
fn a_stream_that_ends_without_either_sign_is_truncated() {
    for events in [vec![A, B], vec![A, B, DONE], vec![A, B, USAGE], vec![], vec![DONE]] {
        let record = every_cut(EXPECT, &stream(&events));
        assert_failed(&record, FailureKind::Truncated, "finish_reason");
        assert_eq!(record.missing_sign, None);
    }
    // Where every event has usage, usage is no sign of the end.
    let each = r#"data: {"choices":[{"delta":{"content":"a"}}],"usage":{"completion_tokens":1}}"#;
    assert_failed(
        &every_cut(EXPECT, &stream(&[each, DONE])),
        FailureKind::Truncated,
        "[DONE] came without a finish_reason",
    );
    assert_eq!(every_cut(EXPECT, &stream(&[each, USAGE, DONE])).outcome, Outcome::Completed);
}

#[test]
fn what_the_transport_does_after_done_costs_the_answer_nothing() {
    let whole = format!("{A}\n\n{FINISH}\n\n{USAGE}\n\n{DONE}");
    for end in ["\n\n", "\n", "\r\n\r\n", "\n\ndata: {\"choices\":[{\"text\":\"late\"}]}\n\n", "\n\ngarbage"]
    {
        let body = format!("{whole}{end}");
        let length = body.len() + 100;
        for answer in [
            // No last chunk, half of it, and what is none.
            chunked(&[&body]).concat(),
            chunked(&[&body]).concat() + "0\r\n",
            chunked(&[&body]).concat() + "no chunk",
            // Of a known length a part is missing; the connection's end is the body's.
            format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"),
            format!("HTTP/1.0 200 OK\r\n\r\n{body}"),
        ] {
            let record = every_cut(EXPECT, &answer);
            assert_eq!((&record.outcome, record.missing_sign), (&Outcome::Completed, None), "{answer}");
            assert_eq!((record.chunks.len(), record.tokens.output), (1, Some(2)), "{answer}");
        }
    }
}

#[test]
fn a_finish_reason_needs_the_proper_end_of_the_body() {
    let events = format!("{A}\n\n{FINISH}\n\n{USAGE}\n\n");
    let open = chunked(&[&events]).concat();
    let cut = every_cut(EXPECT, &open);
    assert_failed(&cut, FailureKind::Truncated, "closed, behind the finish_reason: neither [DONE] nor");
    assert_eq!(every_cut(EXPECT, &format!("{open}0\r\n\r\n")).outcome, Outcome::Completed);
    assert_eq!(every_cut(EXPECT, &format!("HTTP/1.0 200 OK\r\n\r\n{events}")).outcome, Outcome::Completed);
}

#[test]
fn the_last_event_needs_no_blank_line_and_no_line_end() {
    for end in ["", "\n", "\r\n", "\r"] {
        for last in [DONE, "data: [DONE] "] {
            let record = every_cut(EXPECT, &whole(&format!("{A}\n\n{FINISH}\n\n{last}{end}")));
            assert_eq!((record.outcome, record.missing_sign), (Outcome::Completed, None), "{end:?}");
        }
        let record = every_cut(EXPECT, &whole(&format!("{A}\n\n{FINISH}{end}")));
        assert_eq!(record.outcome, Outcome::Completed, "{end:?}");
        let error = "event: error\ndata: the engine died";
        let record = every_cut(EXPECT, &whole(&format!("{A}\n\n{error}{end}")));
        assert_failed(&record, FailureKind::ErrorEvent, "the engine died");
    }
    // A last token counts, and one that is cut off is none.
    let last = every_cut(EXPECT, &whole(&format!("{A}\n\n{FINISH}\n\n{B}")));
    assert_eq!((last.outcome, last.chunks.len()), (Outcome::Completed, 2));
    let cut = every_cut(EXPECT, &whole(&format!("{A}\n\n{}", &B[..B.len() - 4])));
    assert_failed(&cut, FailureKind::Truncated, "finish_reason");
    assert_eq!(cut.chunks.len(), 1);
}

#[test]
fn done_ends_the_answer_where_it_comes_and_an_error_does_too() {
    for last in [format!("{DONE}\n"), format!("{DONE}\r\n\r\n"), "event: error\ndata: no\n\n".to_owned()] {
        let body = chunked(&[&format!("{A}\n\n{FINISH}\n\n"), &last]).concat();
        let mut answer = Answer::new(EXPECT, 0);
        let arrival = |at_us| Arrival { at_us, lag_us: 0, kernel: true, beyond: false, earliest_us: 0 };
        assert_eq!(answer.read(&body.as_bytes()[..body.len() - 12], arrival(1_000)), Progress::More);
        assert_eq!(
            answer.read(&body.as_bytes()[body.len() - 12..], arrival(2_000)),
            Progress::Over,
            "{last}"
        );
        assert_eq!(answer.newest_us(), 2_000);
        assert!(!answer.connection_is_reusable() && answer.rest().is_some(), "the last chunk is to come");
    }
}

#[test]
fn a_body_that_ends_with_the_connection_is_whole() {
    let body = format!("{A}\n\n{FINISH}\n\n{USAGE}\n\n{DONE}\n\n");
    let record = every_cut(EXPECT, &format!("HTTP/1.0 200 OK\r\n\r\n{body}"));
    assert_eq!(record.outcome, Outcome::Completed);
}

#[test]
fn garbage_is_a_protocol_failure() {
    assert_failed(&every_cut(EXPECT, &stream(&[A, "data: hello"])), FailureKind::Protocol, "hello");
    assert_failed(&every_cut(EXPECT, "SMTP ready\r\n"), FailureKind::Protocol, "HTTP");
    let html = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 4\r\n\r\n<p>\n";
    assert_failed(&every_cut(EXPECT, html), FailureKind::Protocol, "not an event stream");
    let gzip = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nxy";
    assert_failed(&every_cut(EXPECT, gzip), FailureKind::Protocol, "compressed");
}

#[test]
fn a_forced_length_that_is_not_reached_is_short_output() {
    let forced = Expect { forced: true, max_tokens: 3, ..EXPECT };
    assert_failed(
        &every_cut(forced, &stream(&[A, B, FINISH, USAGE, DONE])),
        FailureKind::ShortOutput,
        "2 tokens of 3",
    );
    assert_eq!(every_cut(EXPECT, &stream(&[A, B, FINISH, USAGE, DONE])).outcome, Outcome::Completed);
    // Chunks are no tokens: without usage fewer of them prove nothing.
    assert_eq!(every_cut(forced, &stream(&[A, FINISH, DONE])).outcome, Outcome::Completed);
    assert_failed(
        &every_cut(forced, &stream(&[FINISH, DONE])),
        FailureKind::ShortOutput,
        "without any token",
    );
}

#[test]
fn an_empty_answer_is_whole_whether_its_end_is_counted_or_not() {
    let stop = FINISH.replace("length", "stop");
    let one = USAGE.replace(r#""completion_tokens":2"#, r#""completion_tokens":1"#);
    let none = USAGE.replace(r#""completion_tokens":2"#, r#""completion_tokens":0"#);
    for events in [vec![&*stop, &one, DONE], vec![&stop, &none, DONE], vec![&stop, DONE]] {
        let record = every_cut(EXPECT, &stream(&events));
        assert_eq!((record.outcome, record.first_token_us), (Outcome::Completed, None), "{events:?}");
    }
}

#[test]
fn a_hidden_end_of_sequence_is_output_but_not_delivered() {
    let stop = FINISH.replace("length", "stop");
    let counts = |expect, events: &[&str]| {
        let tokens = every_cut(expect, &stream(events)).tokens;
        (tokens.output, tokens.delivered, tokens.source)
    };
    let usage = TokenSource::Usage;
    assert_eq!(counts(EXPECT, &[A, &stop, USAGE, DONE]), (Some(2), Some(1), usage));
    assert_eq!(
        counts(EXPECT, &[A, &FINISH.replace("length", "eos_token"), USAGE, DONE]),
        (Some(2), Some(1), usage)
    );
    assert_eq!(counts(EXPECT, &[A, B, FINISH, USAGE, DONE]), (Some(2), Some(2), usage));
    assert_eq!(
        counts(Expect { eos_in_usage: false, ..EXPECT }, &[A, B, &stop, USAGE, DONE]),
        (Some(2), Some(2), usage)
    );
    assert_eq!(
        counts(Expect { forced: true, ..EXPECT }, &[A, B, &stop, USAGE, DONE]),
        (Some(2), Some(2), usage)
    );
    assert_eq!(counts(EXPECT, &[A, B, &stop, DONE]), (Some(2), Some(2), TokenSource::Chunks));
}

#[test]
fn an_events_own_count_is_taken_where_the_first_event_has_one() {
    let event = |text: &str, total: u32| {
        format!(
            r#"data: {{"choices":[{{"delta":{{"content":"{text}"}}}}],"usage":{{"prompt_tokens":5,"completion_tokens":{total}}}}}"#
        )
    };
    // The second event is text held back: its token comes with the third.
    let events =
        [event("a", 1), event("", 2), event("bcd", 4), event("e", 5), FINISH.to_owned(), DONE.to_owned()];
    let events: Vec<&str> = events.iter().map(String::as_str).collect();
    let tokens = |events: &[&str]| -> (Vec<u32>, bool) {
        let record = every_cut(EXPECT, &stream(events));
        (record.chunks.iter().map(|chunk| chunk.tokens).collect(), record.tokens.by_event)
    };
    assert_eq!(tokens(&events), (vec![1, 3, 1], true));
    // A total beside the last text says nothing of the events before it, and 0 beside text is no count.
    assert_eq!(tokens(&[A, B, events[3], FINISH, DONE]), (vec![1, 1, 1], false));
    let zero = event("a", 0);
    assert_eq!(tokens(&[&zero, &zero, FINISH, DONE]), (vec![1, 1], false));
    // One that counts fewer than came before it is no count of the answer so far, nor is any after it.
    let falls = [event("a", 1), event("b", 2), event("c", 1), event("d", 2), FINISH.to_owned()];
    let falls: Vec<&str> = falls.iter().map(String::as_str).collect();
    assert_eq!(tokens(&falls), (vec![1, 1, 1, 1], true));
}

#[test]
fn a_later_usage_that_says_nothing_takes_no_count_back() {
    let usage = |count: &str| format!(r#"data: {{"choices":[],"usage":{count}}}"#);
    let told = r#"{"prompt_tokens":5,"completion_tokens":2}"#;
    for later in ["{}", "null", "[]", r#"{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"#] {
        for events in [[usage(told), usage(later)], [usage(later), usage(told)]] {
            let tokens = every_cut(EXPECT, &stream(&[A, B, FINISH, &events[0], &events[1], DONE])).tokens;
            let found = (tokens.prompt, tokens.output, tokens.source);
            assert_eq!(found, (Some(5), Some(2), TokenSource::Usage), "{events:?}");
        }
    }
    // Newer names of the same counts.
    let named = usage(r#"{"input_tokens":5,"output_tokens":2}"#);
    let tokens = every_cut(EXPECT, &stream(&[A, B, FINISH, &named, DONE])).tokens;
    assert_eq!((tokens.prompt, tokens.output), (Some(5), Some(2)));
}

#[test]
fn a_whole_message_in_a_stream_is_its_text_once() {
    let message = r#"data: {"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"ab"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":2}}"#;
    let alone = every_cut(EXPECT, &stream(&[message, DONE]));
    assert_eq!((&alone.outcome, alone.chunks.len(), alone.tokens.output), (&Outcome::Completed, 1, Some(2)));
    assert!(alone.first_token_us.is_some() && alone.first_answer_us.is_some());
    let repeated = every_cut(EXPECT, &stream(&[A, B, message]));
    assert_eq!((&repeated.outcome, repeated.chunks.len()), (&Outcome::Completed, 2));
}

#[test]
fn token_ids_are_counted_where_no_usage_tells_an_events_own() {
    let event = |text: &str, ids: &str| {
        format!(r#"data: {{"choices":[{{"delta":{{"content":"{text}"}},"token_ids":{ids}}}]}}"#)
    };
    let events = [event("a", "[1]"), event("", "[2,3]"), event("b", "null"), event("c", "[4,5]")];
    let [a, b, c, d] = &events;
    let end = r#"data: {"choices":[{"delta":{"content":""},"finish_reason":"stop","token_ids":[0]}]}"#;
    let record = every_cut(EXPECT, &stream(&[a, b, c, d, end, DONE]));
    let tokens: Vec<u32> = record.chunks.iter().map(|chunk| chunk.tokens).collect();
    assert_eq!(tokens, [1, 2, 1, 2], "an end of sequence is no token of the text");
    assert_eq!(record.outcome, Outcome::Completed);
}

#[test]
fn what_a_cut_answer_said_beside_its_events_is_its_cause() {
    let said = |events: &[&str], kind, words: &str| {
        assert_failed(&every_cut(EXPECT, &stream(events)), kind, words);
    };
    for words in [
        r#"data: {"detail":"no room"}"#,
        r#"data: {"code":"Throttled","message":"no room"}"#,
        "{\n  \"error\": {\n    \"message\": \"no room\"\n  }\n}",
    ] {
        said(&[A, words], FailureKind::ErrorEvent, "no room");
        said(&[words, DONE], FailureKind::ErrorEvent, "no room");
    }
    for words in [r#"data: {"text":"no room","error_code":50001}"#, "upstream: no room", "<p>no room</p>"] {
        said(&[A, words], FailureKind::Truncated, "no room");
        said(&[A, words, DONE], FailureKind::Truncated, "finish_reason");
    }
    // What came before further tokens is no cause, and of a whole answer none is asked for.
    let record = every_cut(EXPECT, &stream(&[A, r#"data: {"text":"no room"}"#, B]));
    assert_failed(&record, FailureKind::Truncated, "finish_reason");
    assert!(!format!("{:?}", record.outcome).contains("no room"));
    let whole =
        every_cut(EXPECT, &stream(&[r#"data: {"detail":"hello"}"#, A, B, "hello", FINISH, USAGE, DONE]));
    assert_eq!(whole.outcome, Outcome::Completed);
    said(&["event: chunk\ndata: {}", "event: chunk\ndata: {}"], FailureKind::Truncated, "2 of its events");
    said(&[], FailureKind::Truncated, "the answer is empty");
    let choice = r#"data: {"choices":[{"delta":{},"finish_reason":"error","error":{"code":502,"message":"no room"}}]}"#;
    said(&[A, choice, DONE], FailureKind::ErrorEvent, "no room");
}

#[test]
fn json_in_another_form_than_was_asked_for_is_named_as_what_it_is() {
    let body = |body: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let one = r#"{"status":"queue is full"}"#;
    let record = every_cut(EXPECT, &body(one));
    assert_failed(
        &record,
        FailureKind::Protocol,
        "one JSON body instead of an event stream: {\"status\":\"queue",
    );
    let lines = body(&format!("{one}\n{one}\n"));
    assert_failed(&every_cut(EXPECT, &lines), FailureKind::Protocol, "JSON lines instead of an event stream");
}

#[test]
fn an_answer_may_come_with_another_status_of_success() {
    let whole = stream(&[A, B, FINISH, USAGE, DONE]);
    for (status, is_answer) in [("201 Created", true), ("203 Changed", true), ("202 Accepted", false)] {
        let record = every_cut(EXPECT, &whole.replace("200 OK", status));
        assert_eq!(record.outcome == Outcome::Completed, is_answer, "{status}");
    }
}

#[test]
fn reasoning_counts_for_the_first_token_and_not_for_the_first_answer() {
    let reasoning = A.replace("content", "reasoning_content");
    let all = stream(&[&reasoning, B, FINISH, USAGE, DONE]);
    let cut = all.find(B).unwrap();
    let record = read(EXPECT, &[(1000, &all.as_bytes()[..cut]), (2000, &all.as_bytes()[cut..])]);
    assert_eq!((record.first_token_us, record.first_answer_us), (Some(1000), Some(2000)));
}

#[test]
fn a_merged_stamp_is_late_by_no_more_than_the_threads_waits_leave_open() {
    let all = stream(&[A, B, FINISH, USAGE, DONE]);
    let cut = all.find(B).unwrap();
    let bounds = |earliest_us, beyond| -> Vec<Option<u32>> {
        let mut answer = Answer::new(EXPECT, 0);
        let first = Arrival { at_us: 1_000, lag_us: 0, kernel: true, beyond, earliest_us: 0 };
        answer.read(&all.as_bytes()[..cut], first);
        answer.read(
            &all.as_bytes()[cut..],
            Arrival { at_us: 9_000, lag_us: 0, kernel: true, beyond: false, earliest_us },
        );
        let mut record = blank_record(0, &Unit::single("p", "", 1), Phase::Measured, EXPECT);
        answer.finish(Ending::Read, "POST /v1", &mut record);
        record.chunks.iter().map(|chunk| chunk.merged_bound_us).collect()
    };
    assert_eq!(bounds(0, false), [None, Some(8_000)], "since the last read");
    assert_eq!(bounds(8_960, false), [None, Some(40)], "since the thread was woken");
    assert_eq!(bounds(9_500, false), [None, Some(0)]);
    assert_eq!(bounds(0, true), [Some(1_000), Some(9_000)], "the last read had left bytes behind");
}

/// An answer that ends without a marker.
const UNMARKED: Expect = Expect { done_marker: false, ..EXPECT };

/// The record of a body under these framings and content types, the same wherever it is cut.
fn every_cut_of_body(framing: Framing, content: &str, body: &str) -> RequestRecord {
    let length = body.len();
    let answer =
        format!("HTTP/1.1 200 OK\r\ncontent-type: {content}\r\ncontent-length: {length}\r\n\r\n{body}");
    let facts = |record: &RequestRecord| {
        format!("{:?} {:?} {:?}", record.tokens, record.finish_reason, record.outcome)
    };
    let whole = read_framed(framing, UNMARKED, &[(1_000, answer.as_bytes())]);
    for cut in 0..=answer.len() {
        let (first, second) = answer.as_bytes().split_at(cut);
        let cut_once = read_framed(framing, UNMARKED, &[(1_000, first), (2_000, second)]);
        assert_eq!(facts(&cut_once), facts(&whole), "cut at {cut}");
        assert_eq!(cut_once.chunks.len(), whole.chunks.len(), "cut at {cut}");
    }
    whole
}

#[test]
fn a_json_stream_is_read_value_by_value_whatever_its_content_type_and_separators() {
    let [a, b, finish, usage] = [A, B, FINISH, USAGE].map(|event| event.strip_prefix("data: ").unwrap());
    for content in ["application/json", "application/x-ndjson", "text/plain"] {
        for between in ["", "\n", "\r\n"] {
            let body = [a, b, finish, usage].map(|value| format!("{value}{between}")).concat();
            let record = every_cut_of_body(Framing::JsonStream, content, &body);
            assert_eq!(record.outcome, Outcome::Completed, "{content} {between:?}");
            assert_eq!((record.chunks.len(), record.tokens.output), (2, Some(2)));
        }
    }
    let cut_off = every_cut_of_body(Framing::JsonStream, "application/json", &format!("{a}{{"));
    assert!(matches!(cut_off.outcome, Outcome::Failed { kind: FailureKind::Truncated, .. }));
    let page = every_cut_of_body(Framing::JsonStream, "text/html", "<html>");
    assert!(
        matches!(page.outcome, Outcome::Failed { kind: FailureKind::Protocol, .. }),
        "{:?}",
        page.outcome
    );
    let error = every_cut_of_body(Framing::JsonStream, "application/json", r#"{"error":{"message":"no"}}"#);
    assert!(matches!(error.outcome, Outcome::Failed { kind: FailureKind::ErrorEvent, .. }));
}

#[test]
fn each_value_of_a_json_stream_has_the_stamp_of_its_read() {
    let [a, b] = [A, B].map(|event| event.strip_prefix("data: ").unwrap());
    let head = "HTTP/1.1 200 OK\r\n\r\n";
    for end in ["", "\n", "\r\n"] {
        let [a, b] = [a, b].map(|value| format!("{value}{end}"));
        let reads = [(1_000, head.as_bytes()), (2_000, a.as_bytes()), (3_000, b.as_bytes())];
        let record = read_framed(Framing::JsonStream, UNMARKED, &reads);
        let stamps: Vec<u64> = record.chunks.iter().map(|chunk| chunk.at_us).collect();
        assert_eq!(stamps, [2_000, 3_000]);
        assert!(record.chunks.iter().all(|chunk| chunk.merged_bound_us.is_none()), "{end:?}");
    }
}

#[test]
fn a_whole_answer_is_one_event_at_its_last_byte() {
    let body = r#"{"choices":[{"text":"a b","finish_reason":"length"}],"usage":{"prompt_tokens":5,"completion_tokens":2}}"#;
    let record = every_cut_of_body(Framing::Whole, "application/json", body);
    assert_eq!(record.outcome, Outcome::Completed);
    assert_eq!((record.tokens.prompt, record.tokens.output, record.chunks.len()), (Some(5), Some(2), 1));
    let answer = format!("HTTP/1.1 200 OK\r\n\r\n{body}");
    let (first, second) = answer.as_bytes().split_at(60);
    let record = read_framed(Framing::Whole, UNMARKED, &[(1_000, first), (2_000, second)]);
    assert_eq!((record.first_token_us, record.last_token_us, record.end_us), (Some(2_000), Some(2_000), 0));
    assert_eq!(record.outcome, Outcome::Completed);
    for (body, kind) in [
        (r#"{"error":{"message":"no"}}"#, FailureKind::ErrorEvent),
        ("<html>", FailureKind::Protocol),
        (r#"{"choices":[{"text":"a"}]}"#, FailureKind::Truncated),
    ] {
        let record = every_cut_of_body(Framing::Whole, "application/json", body);
        assert!(
            matches!(record.outcome, Outcome::Failed { kind: is, .. } if is == kind),
            "{body}: {:?}",
            record.outcome
        );
    }
    for (body, words) in [
        ("data: {}\n\n", "an event stream instead of one JSON body"),
        ("<html><title>Sign in</title>", "not JSON: a web page: Sign in"),
    ] {
        let record = every_cut_of_body(Framing::Whole, "text/plain", body);
        assert_failed(&record, FailureKind::Protocol, words);
    }
}

#[test]
fn an_answer_beyond_its_bounds_is_cut_and_never_read_in_part() {
    // Whole: one byte too many.
    let head = "HTTP/1.1 200 OK\r\n\r\n";
    let long = format!(r#"{{"choices":[{{"text":"{}","finish_reason":"stop"}}]}}"#, "a".repeat(16 << 20));
    let record = read_framed(Framing::Whole, EXPECT, &[(1_000, head.as_bytes()), (2_000, long.as_bytes())]);
    assert_failed(&record, FailureKind::Endless, "2 tokens were asked for");
    assert!(record.chunks.is_empty());
    // Bytes that hold no event, as comments without end.
    let comments = ": ping\n\n".repeat(1 << 17);
    let mut reads = vec![(1_000, head.as_bytes())];
    reads.extend((0..80).map(|at| (2_000 + at, comments.as_bytes())));
    assert_failed(&read(EXPECT, &reads), FailureKind::Endless, "cut after 0 events");
    // More of them are a long answer, where more was asked for.
    let unlimited = Expect { max_tokens: 0, ..EXPECT };
    assert_failed(&read(unlimited, &reads), FailureKind::Truncated, "finish_reason");
    let tokens = format!("{A}\n\n").repeat(1_000);
    let mut reads = vec![(1_000, head.as_bytes())];
    reads.extend((0..101).map(|at| (2_000 + at, tokens.as_bytes())));
    let record = read(EXPECT, &reads);
    assert_failed(&record, FailureKind::Endless, "cut after 101000 events");
    for max_tokens in [0, 2_000] {
        let longer = Expect { max_tokens, ..EXPECT };
        assert_failed(&read(longer, &reads), FailureKind::Truncated, "finish_reason");
    }
}

#[test]
fn the_servers_own_words_are_kept() {
    let kept = |answer: &str, kind, words: &str| assert_failed(&every_cut(EXPECT, answer), kind, words);
    let error = r#"{"error":{"message":"no room","code":500}}"#;
    let pretty = "{\n  \"error\": {\n    \"message\": \"no room\"\n  }\n}\n";
    for content in ["text/event-stream", "application/json", "text/plain; charset=utf-8"] {
        for body in
            [error, pretty, &format!("\n{error}\n"), &format!("[{error}]"), &format!("{error}\n{error}")]
        {
            let length = body.len();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {content}\r\n");
            for answer in [
                format!("{head}content-length: {length}\r\n\r\n{body}"),
                format!("{head}transfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"),
                // The end does not come.
                format!("{head}transfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n"),
            ] {
                kept(&answer, FailureKind::ErrorEvent, "no room");
            }
        }
    }
    for last in [error.to_owned(), format!("error: {error}"), format!("event: error\ndata: {error}")] {
        kept(&stream(&[A, &last]), FailureKind::ErrorEvent, "no room");
        kept(&stream(&[A, &last, DONE]), FailureKind::ErrorEvent, "no room");
        kept(&stream(&[&last, B, FINISH, USAGE, DONE]), FailureKind::ErrorEvent, "no room");
    }
    let text = "HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\nupstream is up";
    kept(text, FailureKind::Protocol, "not an event stream: upstream is up");
    let found = "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
    kept(found, FailureKind::Status, "POST /v1: 404");
    let moved = "HTTP/1.1 301 Moved\r\nlocation: http://a:b@other/v1\r\ncontent-length: 4\r\n\r\n<p>\n";
    kept(moved, FailureKind::Status, "POST /v1: 301 redirects to http://other/v1");
}

#[test]
fn a_stream_is_one_whatever_its_content_type_says() {
    for content in ["application/json", "text/html", "application/octet-stream"] {
        let answer = stream(&[": hello", A, B, FINISH, USAGE, DONE]).replace("text/event-stream", content);
        assert_eq!(every_cut(EXPECT, &answer).outcome, Outcome::Completed, "{content}");
    }
}

#[test]
fn what_says_nothing_is_passed_over_and_counted() {
    let odd_usage = r#"data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":-9}}"#;
    let named = "event: ping\ndata: {\"type\":\"ping\"}";
    let record =
        every_cut(EXPECT, &stream(&["data:", named, A, "event: token_ids", B, FINISH, odd_usage, DONE]));
    assert_eq!((record.outcome, record.passed_over, record.chunks.len()), (Outcome::Completed, 4, 2));
    let tokens = record.tokens;
    assert_eq!((tokens.prompt, tokens.output, tokens.source), (Some(5), Some(2), TokenSource::Chunks));
    assert_eq!(every_cut(EXPECT, &stream(&[":", A, B, FINISH, USAGE, DONE])).passed_over, 0);
}
