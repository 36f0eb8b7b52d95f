//! What a stencil says is what reading says, of any event.

use proptest::prelude::*;

use super::*;
use crate::load::protocol::openai_event::{LAYOUT, read_event};

const CHAT: &str = r#"{"id":"chatcmpl-7f","object":"chat.completion.chunk","created":1764374400,"model":"m","choices":[{"index":0,"delta":{"role":null,"content":" of","reasoning_content":null},"logprobs":null,"finish_reason":null}],"usage":null}"#;
const COMPLETION: &str = r#"{"id":"cmpl-7f","object":"text_completion","created":1764374400,"model":"m","choices":[{"index":0,"text":" of","logprobs":null,"finish_reason":null}],"usage":null}"#;
const REASONING: &str =
    r#"{ "id": "", "created": 1, "choices": [ { "delta": { "content": "", "reasoning": "hm" } } ] }"#;

fn stencil(event: &str) -> Option<Stencil> {
    let payload = read_event(event.as_bytes()).unwrap();
    let holes = holes(event.as_bytes(), LAYOUT)?;
    Some(Stencil { event: event.into(), holes, answer: payload.answer })
}

fn fits(event: &str, other: &str) -> bool {
    stencil(event).unwrap().fits(other.as_bytes())
}

#[test]
fn an_event_with_another_text_id_and_time_fits() {
    for event in [CHAT, COMPLETION, REASONING] {
        assert!(fits(event, event), "{event}");
    }
    for (old, new) in [
        (" of", "x"),
        (" of", "日本"),
        (" of", "{]},:"),
        ("7f", "80c-e"),
        ("1764374400", "1764374401"),
        ("\"m\"", "\"\""),
    ] {
        assert!(fits(CHAT, &CHAT.replace(old, new)), "{old} → {new}");
        assert!(fits(COMPLETION, &COMPLETION.replace(old, new)), "{old} → {new}");
    }
}

#[test]
fn an_event_that_may_say_more_is_read() {
    for (old, new) in [
        (" of", ""),
        (" of", "\\n"),
        (" of", "\t"),
        ("finish_reason\":null", "finish_reason\":\"stop\""),
        ("usage\":null", "usage\":{\"completion_tokens\":3}"),
        ("usage\":null}", "usage\":null,\"error\":\"no\"}"),
        ("usage\":null}", "usage\":null}}"),
        ("usage\":null}", "usage\":null"),
        ("1764374400", "01"),
        ("1764374400", "1.5"),
        ("1764374400", "-1"),
        ("chat.completion.chunk", "error"),
        ("text_completion", "error"),
        ("index\":0", "index\":1"),
    ] {
        for event in [CHAT, COMPLETION].iter().filter(|event| event.contains(old)) {
            assert!(!fits(event, &event.replace(old, new)), "{old} → {new}");
        }
    }
    let mut invalid = CHAT.as_bytes().to_vec();
    invalid[CHAT.find(" of").unwrap()] = 0xff;
    assert!(!stencil(CHAT).unwrap().fits(&invalid));
}

#[test]
fn what_says_more_than_a_token_makes_no_stencil() {
    for event in [
        r#"{"choices":[{"text":""}]}"#,
        r#"{"choices":[{"delta":{"content":"\n"}}]}"#,
        r#"{"choices":[{"message":{"content":"a"}}]}"#,
        r#"[{"choices":[{"text":"a"}]}]"#,
    ] {
        assert!(holes(event.as_bytes(), LAYOUT).is_none(), "{event}");
    }
    let deep = format!(r#"{{"choices":[{{"text":"a"}}],"x":{}0{}}}"#, "[".repeat(40), "]".repeat(40));
    assert!(holes(deep.as_bytes(), LAYOUT).is_none());
}

#[test]
fn a_thread_learns_the_form_of_its_events_and_another_when_they_change() {
    let read = |event: &str| {
        let known = known(event.as_bytes());
        if known.is_none() {
            learn(event.as_bytes(), &read_event(event.as_bytes()).unwrap(), LAYOUT);
        }
        known.map(|payload| (payload.token, payload.answer))
    };
    assert_eq!(read(CHAT), None);
    assert_eq!(read(&CHAT.replace("of", "course")), Some((true, true)));
    // The end of one says more, and changes nothing.
    assert_eq!(read(&CHAT.replace("finish_reason\":null", "finish_reason\":\"stop\"")), None);
    assert_eq!(read(CHAT), Some((true, true)));
    assert_eq!(read(REASONING), None);
    assert_eq!(read(REASONING), Some((true, false)));
    // Events without a common form are soon read without a try to find one.
    let learnt = (0..100).filter(|number| {
        let odd = COMPLETION.replace("null}]", &format!("null,\"n\":{number}}}]"));
        read(&odd);
        KNOWN.with_borrow(|known| known.stencil.as_ref().unwrap().event == odd.as_bytes())
    });
    assert_eq!(learnt.count(), 7);
}

/// Pieces that events are made of, right and wrong.
const PIECES: [&str; 24] = [
    "\"",
    "\\",
    "\\\"",
    "\\u0041",
    "\\ud83d",
    ",",
    ":",
    "{",
    "}",
    "[",
    "]",
    "null",
    "0",
    "17",
    "-1",
    "1e9",
    "\"error\":\"x\",",
    "\"text\":\"a\",",
    "\"choices\":[],",
    "\"usage\":{\"completion_tokens\":2},",
    "a",
    " ",
    "é",
    "\u{1}",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_fits_says_what_reading_it_says(
        which in 0..3usize,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), 0..6usize, 0..PIECES.len()), 1..4),
        learnt_changed in any::<bool>(),
    ) {
        let original = [CHAT, COMPLETION, REASONING][which];
        let mut changed = original.to_owned();
        for (at, taken, piece) in changes {
            let from = (0..=at.index(changed.len() + 1)).rev().find(|at| changed.is_char_boundary(*at)).unwrap();
            let to = (from + taken..=changed.len()).find(|at| changed.is_char_boundary(*at)).unwrap_or(changed.len());
            changed.replace_range(from..to, PIECES[piece]);
        }
        let (learnt, tried) = if learnt_changed { (&*changed, original) } else { (original, &*changed) };
        let plain = |payload: &Payload| *payload == Payload { token: true, answer: payload.answer, ..Payload::default() };
        if let Ok(payload) = read_event(learnt.as_bytes())
            && plain(&payload)
            && let Some(stencil) = holes(learnt.as_bytes(), LAYOUT)
                .map(|holes| Stencil { event: learnt.into(), holes, answer: payload.answer })
            && stencil.fits(tried.as_bytes())
        {
            let read = read_event(tried.as_bytes());
            prop_assert!(read.is_ok_and(|read| plain(&read) && read.answer == payload.answer), "{learnt}\n{tried}");
        }
    }
}
