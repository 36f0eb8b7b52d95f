//! A pace rests on tokens that came in its time, and on counts that can be.

use super::*;
use crate::schema::caveat::{Caveat, ImpossibleCount};
use crate::schema::figure;
use crate::schema::gateway::Gateway;
use crate::schema::summary::{EndOfSequence, EndShownBy};
use crate::schema::token_counts::CountFault;

/// An answer of single tokens 20 ms apart, the first after a second, of which the server told so many.
fn answer(index: u64, events: u64, told: u32, finish_reason: &str) -> RequestRecord {
    let chunks: Vec<(u64, u32)> = (0..events).map(|event| (1_000 + 20 * event, 1)).collect();
    let mut record = completed(index, index * 10, &chunks);
    record.tokens.output = Some(told);
    record.finish_reason = Some(finish_reason.into());
    // What a record is written with where the engine is said to hide its end.
    record.tokens.delivered = Some(told - u32::from(finish_reason == "stop").min(told));
    record
}

fn run(records: &[RequestRecord]) -> RunSummary {
    summarize(closed(), records, Finish::default())
}

fn four(record: impl Fn(u64) -> RequestRecord) -> RunSummary {
    run(&(0..4).map(record).collect::<Vec<_>>())
}

/// Caveats but for that of the few samples.
fn doubts(run: &RunSummary) -> Vec<&Caveat> {
    run.caveats.iter().filter(|caveat| !matches!(caveat, Caveat::FewSamples { .. })).collect()
}

fn codes(run: &RunSummary) -> Vec<&'static str> {
    doubts(run).into_iter().map(Caveat::code).collect()
}

fn has_no_pace(run: &RunSummary) -> bool {
    figure::PACES.iter().all(|pace| !run.metrics.contains_key(*pace))
}

fn end(run: &RunSummary) -> Option<(bool, EndShownBy)> {
    run.tokens.end_of_sequence.map(|EndOfSequence { hidden, by, answers: _ }| (hidden, by))
}

#[test]
fn tokens_that_came_before_the_first_event_are_in_no_pace() {
    // 100 hidden tokens, then 10 shown.
    let run = four(|index| RequestRecord { max_tokens: 128, ..answer(index, 10, 110, "length") });
    let [Caveat::PaceWithheld { difference_pct, low_ms, high_ms }] = doubts(&run)[..] else {
        panic!("{:?}", run.caveats)
    };
    close(*difference_pct, 100.0 * 100.0 / 110.0);
    close(low_ms.unwrap(), 180.0 / 109.0);
    close(high_ms.unwrap(), 180.0 / 9.0);
    assert!(has_no_pace(&run) && run.caveats.iter().any(Caveat::is_invalid));
    assert_eq!(run.tokens.output, 440, "throughput counts them");
    close(distribution(&run, figure::NTPOT).p50, 1_180.0 / 110.0);
}

#[test]
fn reasoning_that_is_told_and_not_shown_leaves_the_pace_of_the_rest() {
    let hides = |finish: &'static str, told: u32, convention: bool| {
        move |index| {
            let mut record = answer(index, 10, told, finish);
            record.tokens.reasoning = Some(100);
            record.tokens.delivered = if convention { record.tokens.delivered } else { Some(told) };
            record
        }
    };
    for run in
        [four(hides("length", 110, true)), four(hides("stop", 111, true)), four(hides("stop", 110, false))]
    {
        assert!(doubts(&run).is_empty(), "{:?}", run.caveats);
        close(distribution(&run, figure::TPOT).p50, 20.0);
        close(scalar(&run, figure::USER_TPS), 50.0);
        assert_eq!(run.tokens.delivered, 440);
    }
    // Reasoning that is shown is in the pace.
    let shown = four(|index| {
        let mut record = answer(index, 11, 11, "length");
        record.tokens.reasoning = Some(8);
        record
    });
    close(distribution(&shown, figure::TPOT).p50, 20.0);
}

#[test]
fn an_events_own_count_puts_the_tokens_before_it_outside_of_the_pace() {
    let run = four(|index| {
        let chunks: Vec<(u64, u32)> =
            (0..10).map(|event| (1_000 + 20 * event, if event == 0 { 101 } else { 1 })).collect();
        let mut record = completed(index, index * 10, &chunks);
        (record.tokens.by_event, record.max_tokens) = (true, 128);
        record
    });
    assert!(doubts(&run).is_empty(), "{:?}", run.caveats);
    close(distribution(&run, figure::TPOT).p50, 20.0);
    close(scalar(&run, figure::USER_TPS), 50.0);
}

#[test]
fn an_answer_that_comes_at_one_time_has_no_pace_and_whoever_sends_it_so_is_named() {
    let whole = |events: usize, bound_us: Option<u32>| {
        four(|index| {
            let mut record = answer(index, 1, 32, "length");
            let at_us = record.first_token_us.unwrap();
            let last = events - 1;
            record.chunks = (0..events)
                .map(|event| Chunk { at_us, tokens: 1, merged_bound_us: bound_us.filter(|_| event < last) })
                .collect();
            record.gateway = Some(Gateway::Nginx);
            record
        })
    };
    for run in [whole(1, None), whole(32, Some(60)), whole(32, Some(40_000))] {
        let Some(Caveat::Buffered { whole: 4, answers: 4, gateway: Some(Gateway::Nginx), .. }) =
            run.caveats.first()
        else {
            panic!("{:?}", run.caveats)
        };
        assert_eq!(codes(&run), ["buffered", "pace_withheld"]);
        assert!(has_no_pace(&run));
    }
    // A client that was asleep for most of the answer cannot tell.
    assert_eq!(codes(&whole(32, Some(700_000))), ["merged_events", "pace_withheld"]);
}

#[test]
fn a_reply_that_was_made_whole_and_is_sent_in_pieces_has_no_pace_and_its_sender_is_named() {
    // Stamps of whole ms: the answer is put on a scale of its own.
    let replayed = |gap_us: u64, ttft_us: u64, kind: StampKind| {
        four(|index| {
            let mut record = answer(index, 32, 32, "length");
            let first_us = record.sent_us.unwrap() + ttft_us;
            record.chunks = (0..32)
                .map(|event| Chunk { at_us: first_us + gap_us * event, tokens: 1, merged_bound_us: None })
                .collect();
            record.first_token_us = Some(first_us);
            record.last_token_us = Some(first_us + gap_us * 31);
            record.stamps = kind;
            record
        })
    };
    let run = replayed(40, 250_000, StampKind::Kernel);
    assert_eq!(codes(&run), ["buffered", "pace_withheld"]);
    assert!(has_no_pace(&run) && run.caveats.iter().any(Caveat::is_invalid));
    // A client that reads late may find them so: the pace is not known, and nobody is blamed.
    assert_eq!(codes(&replayed(40, 250_000, StampKind::Read)), ["read_stamps", "pace_withheld"]);
    // A fast server, and one that is fast behind a long queue, keep their pace.
    for (gap_us, ttft_us) in [(400, 30_000), (300, 400_000), (600, 5_000_000)] {
        let run = replayed(gap_us, ttft_us, StampKind::Kernel);
        assert!(doubts(&run).is_empty(), "{:?}", run.caveats);
        close(distribution(&run, figure::TPOT).p50, gap_us as f64 / 1e3);
    }
}

#[test]
fn tokens_that_are_sent_in_blocks_keep_their_pace_and_the_sender_is_named() {
    let run = four(|index| {
        let chunks: Vec<(u64, u32)> = (0..32).map(|token| (160 * (1 + token / 8), 1)).collect();
        completed(index, index * 10, &chunks)
    });
    assert_eq!(codes(&run), ["buffered"]);
    close(distribution(&run, figure::TPOT).p50, 20.0);
    close(distribution(&run, figure::ITL).p50, 20.0);
    close(distribution(&run, figure::CHUNK_GAP).p50, 0.0);
}

#[test]
fn a_few_merged_events_of_a_hundred_withhold_what_their_share_of_the_tokens_says() {
    let merging = |of_a_hundred: u32| {
        four(|index| {
            let mut record = answer(index, 100 - u64::from(of_a_hundred), 100, "length");
            record.max_tokens = 128;
            record
        })
    };
    assert!(doubts(&merging(1)).is_empty());
    close(distribution(&merging(1), figure::TPOT).p50, 98.0 * 20.0 / 99.0);
    assert_eq!(codes(&merging(2)), ["pace_withheld"]);
    assert!(!merging(2).caveats.iter().any(Caveat::is_invalid), "the bounds are narrow");
}

#[test]
fn one_odd_answer_among_many_counts_its_events() {
    let mut records: Vec<RequestRecord> = (0..200).map(|index| answer(index, 50, 50, "length")).collect();
    let mut odd = answer(200, 10, 64, "length");
    odd.index = 200;
    records.push(odd);
    let run = run(&records);
    assert!(doubts(&run).is_empty(), "{:?}", run.caveats);
    close(distribution(&run, figure::TPOT).min, 20.0);
    // Ten such of a hundred make every pace doubtful.
    records.extend((201..220).map(|index| answer(index, 10, 64, "length")));
    assert_eq!(codes(&summarize(closed(), &records, Finish::default())), ["pace_withheld"]);
}

#[test]
fn whether_an_end_is_hidden_is_read_off_the_run() {
    for (events, told, hidden) in [(3, 3, false), (3, 4, true), (8, 8, false), (8, 9, true)] {
        let run = four(|index| answer(index, events, told, "stop"));
        assert!(doubts(&run).is_empty(), "{events} {told}: {:?}", run.caveats);
        assert_eq!(end(&run), Some((hidden, EndShownBy::Run)));
        close(distribution(&run, figure::TPOT).p50, 20.0);
        assert_eq!(run.tokens.delivered, 4 * events);
    }
    // Against the definition's word, too.
    let run = four(|index| {
        let mut record = answer(index, 8, 9, "stop");
        record.tokens.delivered = Some(9);
        record
    });
    assert_eq!((end(&run), run.tokens.delivered), (Some((true, EndShownBy::Run)), 32));
    // An answer that ended by its limit, or whose length was forced, hides no end.
    let limited = four(|index| answer(index, 8, 8, "length"));
    assert_eq!((end(&limited), limited.tokens.delivered), (None, 32));
    let forced = four(|index| {
        let mut record = answer(index, 8, 9, "stop");
        (record.forced_length, record.tokens.delivered) = (true, Some(9));
        record
    });
    assert_eq!(codes(&forced), ["pace_withheld"]);
}

#[test]
fn an_answer_at_its_limit_says_nothing_of_an_end_whatever_its_finish_reason() {
    let mut records: Vec<RequestRecord> = (0..4).map(|index| answer(index, 8, 9, "stop")).collect();
    records.extend((4..8).map(|index| RequestRecord { max_tokens: 8, ..answer(index, 8, 8, "stop") }));
    let run = run(&records);
    assert!(doubts(&run).is_empty(), "{:?}", run.caveats);
    assert_eq!((end(&run), run.tokens.delivered), (Some((true, EndShownBy::Run)), 64));
}

#[test]
fn where_usage_and_events_do_not_say_it_the_definition_does() {
    let run = four(|index| RequestRecord { max_tokens: 512, ..answer(index, 298, 301, "stop") });
    assert_eq!(end(&run), Some((true, EndShownBy::Definition)));
    assert_eq!(run.tokens.delivered, 4 * 300);
}

#[test]
fn answers_that_disagree_about_their_end_have_no_pace() {
    let run = four(|index| answer(index, 8, 8 + (index % 2) as u32, "stop"));
    assert_eq!(codes(&run), ["pace_withheld"]);
}

#[test]
fn a_count_that_cannot_be_is_no_count() {
    let cannot = |record: &dyn Fn(u64) -> RequestRecord, fault, told| {
        let run = four(record);
        assert_eq!(run.tokens.sources, [(TokenSource::Chunks, 4)].into(), "{fault:?}");
        assert_eq!(run.tokens.output, 32, "{fault:?}");
        let worst = ImpossibleCount { fault, told, events: 8, max_tokens: 64 };
        let found = run.caveats.iter().find(|caveat| matches!(caveat, Caveat::CountsImpossible { .. }));
        let gateway = record(0).gateway;
        assert_eq!(found, Some(&Caveat::CountsImpossible { requests: 4, completed: 4, worst, gateway }));
        assert!(found.unwrap().is_invalid());
        assert!(codes(&run).contains(&"tokens_estimated"));
        close(distribution(&run, figure::TPOT).p50, 20.0);
    };
    cannot(&|index| answer(index, 8, 0, "stop"), CountFault::Zero, 0);
    cannot(
        &|index| {
            let mut record = answer(index, 8, 8, "length");
            (record.tokens.source, record.tokens.unusable) = (TokenSource::Chunks, true);
            record
        },
        CountFault::NoNumber,
        8,
    );
    cannot(&|index| answer(index, 8, 6_400, "length"), CountFault::AboveLimit, 6_400);
    cannot(
        &|index| {
            let mut record = answer(index, 8, 24, "length");
            record.tokens.by_event = true;
            record
        },
        CountFault::AgainstEvents,
        24,
    );
    cannot(
        &|index| RequestRecord { gateway: Some(Gateway::Litellm), ..answer(index, 8, 16, "stop") },
        CountFault::OfGateway,
        16,
    );
    // A gateway whose count is that of the events is believed.
    let run = four(|index| RequestRecord { gateway: Some(Gateway::Litellm), ..answer(index, 8, 9, "stop") });
    assert!(doubts(&run).is_empty(), "{:?}", run.caveats);
    assert_eq!(run.gateway, Some(Gateway::Litellm));
}

#[test]
fn counts_of_each_event_alone_are_no_count_of_the_answer() {
    for own in [1, 2] {
        let run = four(|index| {
            let mut record = answer(index, 8, own, "length");
            let first_us = record.first_token_us;
            let alone = |chunk: Chunk| if Some(chunk.at_us) == first_us { own } else { 0 };
            record.chunks =
                record.chunks.iter().map(|chunk| Chunk { tokens: alone(chunk), ..chunk }).collect();
            record.tokens.by_event = true;
            record
        });
        assert_eq!(codes(&run), ["counts_impossible", "tokens_estimated", "pace_withheld"]);
        assert!(has_no_pace(&run) && run.caveats.iter().any(Caveat::is_invalid));
        assert_eq!(run.tokens.output, 32, "never {own} an answer");
    }
    // A text in more events than tokens, and one that each event tells the whole count of, are what they say.
    for counts in [[1, 0, 1, 0, 1, 0, 0, 0], [8, 0, 0, 0, 0, 0, 0, 0]] {
        let run = four(|index| {
            let mut record = answer(index, 8, counts.iter().sum(), "length");
            let chunks = record.chunks.iter().zip(counts);
            record.chunks = chunks.map(|(chunk, tokens)| Chunk { tokens, ..chunk }).collect();
            record.tokens.by_event = true;
            record
        });
        assert!(!codes(&run).contains(&"counts_impossible"), "{:?}", run.caveats);
        assert_eq!(run.tokens.output, 4 * u64::from(counts.iter().sum::<u32>()));
    }
}

#[test]
fn no_token_told_beside_the_text_of_a_whole_reply_is_no_count() {
    for (told, unusable) in [(Some(0), false), (None, true)] {
        let run = four(|index| {
            let mut record = answer(index, 1, 0, "stop");
            record.first_token_us = None;
            (record.tokens.output, record.tokens.unusable) = (told, unusable);
            record.tokens.source = if unusable { TokenSource::Chunks } else { TokenSource::Usage };
            record
        });
        assert!(!run.metrics.contains_key(figure::OUTPUT_TPS), "no 0 tok/s from a count that is none");
        assert!(codes(&run).contains(&"counts_impossible"), "{:?}", run.caveats);
        assert!(run.caveats.iter().any(Caveat::is_invalid));
    }
}

#[test]
fn a_prompt_of_no_token_is_no_count() {
    let run = four(|index| {
        let mut record = answer(index, 8, 8, "length");
        record.tokens.prompt = Some(0);
        record
    });
    assert!(!run.metrics.contains_key(figure::PROMPT_TPS) && run.metrics.contains_key(figure::OUTPUT_TPS));
}

#[test]
fn an_answer_that_is_longer_than_asked_for_is_named() {
    let longer = Caveat::LongerThanAsked { requests: 4, completed: 4, longest: 80, asked: 64 };
    let counted = four(|index| answer(index, 80, 80, "length"));
    assert_eq!(doubts(&counted), [&longer]);
    let by_chunks = four(|index| {
        let mut record = answer(index, 80, 80, "length");
        record.tokens.source = TokenSource::Chunks;
        record
    });
    assert_eq!(codes(&by_chunks), ["longer_than_asked", "tokens_estimated"]);
    // A text in more events than tokens is no longer than its tokens.
    assert_eq!(codes(&four(|index| answer(index, 80, 60, "length"))), ["pace_withheld"]);
}

#[test]
fn completed_answers_without_a_latency_are_counted() {
    let silent = |told: u32, source: TokenSource| {
        move |index| {
            let mut record = completed(index, index * 10, &[]);
            (record.tokens.output, record.tokens.source) = (Some(told), source);
            record
        }
    };
    let run = four(silent(64, TokenSource::Usage));
    assert_eq!(doubts(&run), [&Caveat::NoLatency { answers: 4, completed: 4, tokens: 256 }]);
    assert_eq!((run.requests.completed, run.tokens.output), (4, 256));
    assert!(run.caveats.iter().any(Caveat::is_invalid));
    let mut records: Vec<RequestRecord> = (0..99).map(|index| answer(index, 50, 50, "length")).collect();
    records.push(silent(0, TokenSource::Chunks)(99));
    let few = summarize(closed(), &records, Finish::default());
    assert_eq!(doubts(&few)[0], &Caveat::NoLatency { answers: 1, completed: 100, tokens: 0 });
    assert!(!few.caveats.iter().any(Caveat::is_invalid), "1 of 100");
}

/// Answers of 160 ms behind 50 ms, each sent at one time and begun at another.
fn in_line(times: &[(u64, u64)]) -> RunSummary {
    let records: Vec<RequestRecord> = times
        .iter()
        .enumerate()
        .map(|(index, (sent_ms, begun_ms))| {
            let after = begun_ms - sent_ms + 50;
            completed(index as u64, *sent_ms, &[(after, 1), (after + 80, 1), (after + 160, 1)])
        })
        .collect();
    run(&records)
}

#[test]
fn a_server_that_answers_one_at_a_time_is_named() {
    let serial = in_line(&[(0, 0), (0, 210), (210, 420), (420, 630)]);
    assert_eq!(doubts(&serial), [&Caveat::OneAtATime { answers: 4, waited: 3 }]);
    // Two at once, once.
    assert!(doubts(&in_line(&[(0, 0), (0, 210), (210, 420), (420, 500)])).is_empty());
    // Nobody waited: one request in flight, or an open loop with room between its requests.
    assert!(doubts(&in_line(&[(0, 0), (210, 210), (420, 420), (630, 630)])).is_empty());
    assert!(doubts(&in_line(&[(0, 0), (300, 300), (600, 600), (900, 900)])).is_empty());
    // Answers of one event have no beginning and no end.
    let records: Vec<RequestRecord> =
        (0..4).map(|index| completed(index, 0, &[(100 * (index + 1), 1)])).collect();
    assert!(doubts(&run(&records)).is_empty());
}

proptest::proptest! {
    #[test]
    fn a_pace_that_is_shown_is_within_a_hundredth_of_the_true_one(
        events in 2u64..80,
        hidden in 0u32..200,
        finish in proptest::sample::select(vec!["length", "stop", "tool_calls"]),
        by_event in proptest::prelude::any::<bool>(),
    ) {
        // An end of sequence may be the one token that was not shown.
        let ends = u32::from(finish != "length" && hidden == 1);
        let run = four(|index| {
            let mut record = answer(index, events, events as u32 + hidden, finish);
            record.max_tokens = 512;
            record.tokens.by_event = by_event;
            record
        });
        let tpot = run.metrics.get(figure::TPOT).map(|_| distribution(&run, figure::TPOT).p50);
        let near = tpot.is_none_or(|tpot| (tpot - 20.0).abs() <= 0.2);
        proptest::prop_assert!(near, "{tpot:?} of {events} events and {hidden} hidden");
        proptest::prop_assert_eq!(tpot.is_none(), run.withholds_pace());
        proptest::prop_assert!(tpot.is_some() || hidden > ends);
    }
}
