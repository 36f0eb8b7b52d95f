//! Both books side by side: the client's records, counts and files, and the server's truth.

use std::collections::BTreeMap;

use serde_json::Value;

use super::common::Simulator;
use super::played::{Played, Record};

/// The server's book of one run, by the mark of the request, each in the order of arrival.
pub struct Truth {
    pub arrivals: BTreeMap<String, Vec<Value>>,
}

impl Truth {
    /// Asks the server, once it has noticed that the client is gone.
    pub fn of(simulator: &Simulator, played: &Played) -> Truth {
        let sent = played.records.iter().chain(&played.warmup).filter(|record| record.sent_us.is_some());
        let sent = sent.count();
        let lines = simulator
            .truth_when(|lines| lines.len() >= sent && lines.iter().all(|line| line["outcome"].is_string()));
        let summary = simulator.get("/truth/summary").json();
        let tokens: u64 = lines.iter().map(|line| number(&line["tokens"])).sum();
        assert_eq!((number(&summary["requests"]), number(&summary["running"])), (lines.len() as u64, 0));
        assert_eq!((number(&summary["tokens"]), number(&summary["forgotten"])), (tokens, 0));
        let mut arrivals: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for line in lines {
            let mark = line["user"].as_str().unwrap_or_else(|| panic!("no mark: {line}")).to_owned();
            arrivals.entry(mark).or_default().push(line);
        }
        Truth { arrivals }
    }

    /// What arrived for this record.
    pub fn arrivals_of(&self, record: &Record) -> &[Value] {
        self.arrivals.get(&record.prompt_id).map_or(&[], Vec::as_slice)
    }

    /// What arrived last for it: of a request that was replayed, the second.
    #[track_caller]
    pub fn last_of(&self, record: &Record) -> &Value {
        self.arrivals_of(record).last().unwrap_or_else(|| panic!("never arrived: {record:?}"))
    }
}

pub fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("no number: {value}"))
}

/// How many records ended in each way; failures by their kind.
pub fn endings(records: &[Record]) -> BTreeMap<&str, u64> {
    let mut endings = BTreeMap::new();
    for record in records {
        *endings.entry(record.ending()).or_default() += 1;
    }
    endings
}

impl Played {
    fn count(&self, outcome: &str) -> u64 {
        self.records.iter().filter(|record| record.outcome == outcome).count() as u64
    }

    /// issued = completed + failed + cancelled + dropped: each of the five by a count of its own, in every file.
    #[track_caller]
    pub fn check_identity(&self) {
        let counts = &self.summary["requests"];
        let outcomes =
            ["completed", "failed", "cancelled", "dropped"].map(|outcome| (outcome, self.count(outcome)));
        for (outcome, count) in outcomes {
            assert_eq!(number(&counts[outcome]), count, "{outcome}: {counts}");
            let in_csv =
                self.rows.iter().filter(|row| row["phase"] == "measured" && row["outcome"] == outcome);
            assert_eq!(in_csv.count() as u64, count, "{outcome} in CSV");
        }
        let ended: u64 = outcomes.iter().map(|(_, count)| count).sum();
        assert_eq!(number(&counts["issued"]), ended, "{counts}");
        assert_eq!(number(&self.footer["engine"]["issued"]), ended, "the load engine's own count: {counts}");
        assert_eq!(number(&self.footer["records"]), ended + self.warmup.len() as u64);
        assert_eq!(self.rows.len() as u64, ended + self.warmup.len() as u64);
        let indices: Vec<u64> = self.records.iter().map(|record| record.index).collect();
        assert!(indices.is_sorted_by(|a, b| a < b), "one request, one record: {indices:?}");
        for (kind, count) in counts["failures"].as_object().into_iter().flatten() {
            let of_kind = self.records.iter().filter(|record| record.kind == *kind).count() as u64;
            assert_eq!(number(count), of_kind, "{kind}: {counts}");
        }
    }

    /// Every request is in both books or rightly in one: what was sent arrived, what was not did not, and a
    /// completed answer is the same to the token on both sides.
    #[track_caller]
    pub fn check_against(&self, truth: &Truth) {
        self.check_identity();
        let (mut measured, mut tokens) = (0, 0);
        for record in &self.records {
            let arrivals = truth.arrivals_of(record);
            measured += arrivals.len();
            let sends = usize::from(record.sent_us.is_some());
            // The second send of a request whose connection was closed under it; the first may never have arrived.
            let most = sends + usize::from(record.replayed);
            assert!((sends..=most).contains(&arrivals.len()), "{record:?}: {arrivals:#?}");
            match record.outcome.as_str() {
                "completed" => tokens += self.check_completed(record, truth.last_of(record)),
                "cancelled" => {
                    assert!(record.sent_us.is_some(), "{record:?}");
                    assert!(record.seen() <= number(&truth.last_of(record)["tokens"]), "{record:?}");
                }
                "failed" => assert_eq!(record.kind == "connect", sends == 0, "{record:?}"),
                "dropped" => assert_eq!(sends, 0, "{record:?}"),
                other => panic!("{other}"),
            }
        }
        assert_eq!(
            number(&self.summary["tokens"]["output"]),
            tokens,
            "the server's tokens of completed answers"
        );
        let is_warmup = |mark: &&String| mark.starts_with("warmup-");
        let warmup: usize =
            truth.arrivals.iter().filter(|(mark, _)| is_warmup(mark)).map(|(_, lines)| lines.len()).sum();
        let sent = self.warmup.iter().filter(|record| record.sent_us.is_some()).count();
        let replayed = self.warmup.iter().filter(|record| record.replayed).count();
        assert!((sent..=sent + replayed).contains(&warmup), "warm-up: {sent} sent, {warmup} arrived");
        let all: usize = truth.arrivals.values().map(Vec::len).sum();
        assert_eq!(all, measured + warmup, "the server saw requests that nobody answers for");
        self.check_warmup();
    }

    fn check_completed(&self, record: &Record, line: &Value) -> u64 {
        assert_eq!(line["outcome"], "completed", "{record:?}");
        let tokens = number(&line["tokens"]);
        assert_eq!(record.tokens.source, "usage", "{record:?}");
        assert_eq!(record.tokens.output, Some(tokens), "{record:?}: {line}");
        assert_eq!(record.tokens.prompt, Some(number(&line["prompt_tokens"])), "{record:?}: {line}");
        assert_eq!(record.seen(), tokens, "{record:?}: {line}");
        tokens
    }

    fn check_warmup(&self) {
        let counts = &self.summary["warmup"];
        let count =
            |outcome: &str| self.warmup.iter().filter(|record| record.outcome == outcome).count() as u64;
        for outcome in ["completed", "failed", "cancelled", "dropped"] {
            assert_eq!(number(&counts[outcome]), count(outcome), "{counts}");
        }
        assert_eq!(number(&counts["issued"]), self.warmup.len() as u64, "{counts}");
    }
}
