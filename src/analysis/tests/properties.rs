//! What holds for any records.

use proptest::prelude::*;

use super::*;
use crate::schema::conversations::{ModelShare, TrafficSplit};
use crate::schema::curves::RunCurves;
use crate::schema::figure::{self, Statistic};
use crate::schema::objective::Objective;
use crate::schema::slice::{Slice, SliceBy};

/// With objectives of a request's one value and of its many, of a pace, and of the run alone.
fn wanting(open_loop: bool) -> SummaryInput {
    let input = if open_loop { open() } else { closed() };
    let objective =
        |metric: &str, statistic, limit| Objective { metric: metric.to_owned(), statistic, limit };
    let objectives = vec![
        objective(figure::TTFT, Statistic::P50, 100.0),
        objective(figure::ERROR_RATE, Statistic::Value, 1.0),
        objective(figure::ITL, Statistic::P90, 90.0),
        objective(figure::TPOT, Statistic::Mean, 80.0),
    ];
    let share = |model: &str, share| ModelShare { model: model.to_owned(), share };
    let slicing = Slicing {
        turns: true,
        split: Some(TrafficSplit { models: vec![share("a", 0.7), share("b", 0.3)] }),
        endpoints: ["one", "two", "three"].map(str::to_owned).to_vec(),
        ..Slicing::default()
    };
    SummaryInput { objectives, slicing, ..input }
}

fn with_curves(input: SummaryInput, records: &[RequestRecord]) -> (RunSummary, RunCurves) {
    let mut summarizer = Summarizer::new(input);
    records.iter().for_each(|record| summarizer.add(record));
    summarizer.finish_with_curves(Finish::default()).unwrap()
}

/// In their order, so far apart that the order of sending is kept in blocks.
fn number(records: &mut [RequestRecord]) {
    for (number, record) in (0..).zip(records) {
        (record.index, record.unit) = (331 * number, number);
    }
}

prop_compose! {
    fn any_record()(
        // Some come so late that what is counted over time has wider bins.
        sent_ms in prop_oneof![9 => 0u64..5_000, 1 => 0u64..200_000],
        gaps in proptest::collection::vec((0u64..200, 0u32..4), 0..12),
        outcome in 0u8..5,
        open in any::<bool>(),
        wait_us in 0u64..3_000,
        warmup in proptest::bool::weighted(0.1),
        extra in 0u32..2,
        prompt in proptest::option::weighted(0.95, 1u32..50),
    ) -> RequestRecord {
        let mut at_ms = 20;
        let chunks: Vec<(u64, u32)> = gaps
            .into_iter()
            .map(|(gap, tokens)| {
                at_ms += gap;
                (at_ms, tokens)
            })
            .collect();
        let mut record = completed(0, sent_ms, &chunks);
        record.prompt_id = format!("p{}", sent_ms % 7).into();
        record.category = ["", "chat", "code"][sent_ms as usize % 3].into();
        record.tokens.prompt = prompt;
        record.turn = (sent_ms % 3) as u32;
        record.history_tokens = prompt.filter(|_| record.turn > 0).map(|prompt| prompt * 3 / 4);
        record.tokens.output = record.tokens.output.map(|output| output + extra);
        record.due_us = open.then(|| (sent_ms * MS).saturating_sub(wait_us));
        record.ready_us = record.due_us.unwrap_or(record.ready_us);
        if warmup {
            record.phase = Phase::Warmup;
        }
        match outcome {
            0 => failed(record, FailureKind::Timeout),
            1 => cancelled(record),
            2 => dropped(0, sent_ms * MS),
            _ => record,
        }
    }
}

proptest! {
    #[test]
    fn the_order_of_records_changes_nothing(
        (records, shuffled) in proptest::collection::vec(any_record(), 0..40)
            .prop_map(|mut records| {
                number(&mut records);
                records
            })
            .prop_flat_map(|records| (Just(records.clone()), Just(records).prop_shuffle())),
        open_loop in any::<bool>(),
    ) {
        prop_assert_eq!(with_curves(wanting(open_loop), &records), with_curves(wanting(open_loop), &shuffled));
    }

    #[test]
    fn a_run_in_parts_is_the_run(
        records in proptest::collection::vec((any_record(), 0usize..3), 0..60),
        open_loop in any::<bool>(),
        settled in any::<bool>(),
    ) {
        let (mut records, parts): (Vec<RequestRecord>, Vec<usize>) = records.into_iter().unzip();
        number(&mut records);
        let whole = with_curves(wanting(open_loop), &records);
        let mut first = Summarizer::new(wanting(open_loop));
        let mut parts_of_it = [first.part(), first.part(), first.part()];
        records.iter().zip(parts).for_each(|(record, part)| parts_of_it[part].add(record));
        for mut part in parts_of_it {
            if settled {
                part.settle();
            }
            first.merge(part);
        }
        prop_assert_eq!(first.finish_with_curves(Finish::default()).unwrap(), whole);
    }

    #[test]
    fn issued_is_completed_failed_cancelled_and_dropped(
        records in proptest::collection::vec(any_record(), 0..60)
    ) {
        let run = summarize(closed(), &records, Finish::default());
        for counts in [&run.requests, &run.warmup] {
            let sum = counts.completed + counts.failed + counts.cancelled + counts.dropped;
            prop_assert_eq!(counts.issued, sum);
            prop_assert_eq!(counts.failures.values().sum::<u64>(), counts.failed);
        }
        prop_assert_eq!(run.requests.issued + run.warmup.issued, records.len() as u64);
        let parts = summarize(wanting(false), &records, Finish::default()).slices;
        for by in SliceBy::ALL {
            let of = |count: fn(&Slice) -> u64| parts.iter().filter(|part| part.by == by).map(count).sum::<u64>();
            prop_assert_eq!(of(|part| part.requests.issued), run.requests.issued);
            prop_assert_eq!(of(|part| part.requests.completed), run.requests.completed);
            prop_assert_eq!(of(|part| part.output_tokens), run.tokens.output);
            prop_assert_eq!(of(|part| part.prompt_tokens), run.tokens.prompt);
        }
    }

    #[test]
    fn every_token_that_arrived_is_in_its_second(records in proptest::collection::vec(any_record(), 1..40)) {
        let measured = records.iter().filter(|record| record.phase == Phase::Measured);
        let arrived: u64 =
            measured.flat_map(|record| record.chunks.iter()).map(|chunk| u64::from(chunk.tokens)).sum();
        let run = summarize(closed(), &records, Finish::default());
        prop_assert_eq!(run.output_tokens_by_second.iter().sum::<u64>(), arrived);
    }

    #[test]
    fn itl_adds_up_to_the_decode_time(
        gaps in proptest::collection::vec((1u64..200, 1u32..6), 1..30)
    ) {
        let mut at_ms = 100;
        let mut chunks = vec![(at_ms, 1)];
        for (gap, tokens) in gaps {
            at_ms += gap;
            chunks.push((at_ms, tokens));
        }
        let run = summarize(closed(), &[completed(0, 0, &chunks)], Finish::default());
        let itl = distribution(&run, figure::ITL);
        let tpot = distribution(&run, figure::TPOT);
        close(itl.mean * itl.count as f64, (at_ms - 100) as f64);
        close(itl.mean, tpot.mean);
    }
}
