//! What truly happened: each request's arrival and each token's write, by the server's own clocks.

use std::collections::VecDeque;

use serde_json::{Value, json};

/// One write of tokens.
#[derive(Debug, Clone, Copy)]
pub struct Write {
    /// When it was due: CLOCK_MONOTONIC ns.
    pub due_ns: u64,
    /// Just before the system call that took its last byte: CLOCK_MONOTONIC ns.
    pub before_ns: u64,
    /// What that call took, in ns.
    pub took_ns: u32,
    /// Tokens in it, an end of sequence too.
    pub tokens: u32,
}

/// One request as the server saw it. Times are CLOCK_MONOTONIC ns.
#[derive(Debug, Clone)]
pub struct Truth {
    /// From 1, in the order of arrival since the last reset.
    pub number: u64,
    /// `x-request-id`.
    pub id: Option<String>,
    /// `user` in the body.
    pub user: Option<String>,
    /// `model` in the body.
    pub model: Option<String>,
    /// Path.
    pub path: String,
    /// Connection, from 0 in the order of acceptance.
    pub connection: u64,
    /// The request's first bytes reached the socket.
    pub arrival_ns: u64,
    /// Its last bytes did; due times count from here.
    pub complete_ns: u64,
    /// The stamps are the kernel's, else those of the read.
    pub kernel_stamp: bool,
    /// The read that completed it returned.
    pub read_ns: u64,
    /// Left the queue.
    pub started_ns: Option<u64>,
    /// Last byte written, or the end by a fault or by the client.
    pub end_ns: Option<u64>,
    /// Realtime minus monotonic when it arrived.
    pub clock_offset_ns: i64,
    /// Prompt tokens.
    pub prompt_tokens: u32,
    /// Tokens planned, an end of sequence too.
    pub planned_tokens: u32,
    /// It was a stream.
    pub stream: bool,
    /// HTTP status.
    pub status: u16,
    /// `completed`, `refused`, `cancelled` (by the client), or the name of what ended it.
    pub outcome: Option<String>,
    /// The fault on demand that it got.
    pub fault: Option<String>,
    /// Its token writes.
    pub writes: Vec<Write>,
}

impl Truth {
    fn to_json(&self) -> Value {
        let offset = self.clock_offset_ns;
        let unix = |ns: u64| ns as i64 + offset;
        let writes: Vec<[u64; 4]> = self
            .writes
            .iter()
            .map(|w| [w.due_ns, w.before_ns, w.before_ns + u64::from(w.took_ns), u64::from(w.tokens)])
            .collect();
        json!({
            "number": self.number, "id": self.id, "user": self.user, "model": self.model, "path": self.path,
            "connection": self.connection, "stream": self.stream, "status": self.status,
            "outcome": self.outcome, "fault": self.fault,
            "arrival_mono_ns": self.arrival_ns, "arrival_unix_ns": unix(self.arrival_ns),
            "complete_mono_ns": self.complete_ns, "complete_unix_ns": unix(self.complete_ns),
            "stamp": if self.kernel_stamp { "kernel" } else { "read" }, "read_mono_ns": self.read_ns,
            "started_mono_ns": self.started_ns,
            "end_mono_ns": self.end_ns, "end_unix_ns": self.end_ns.map(unix),
            "unix_minus_mono_ns": offset,
            "prompt_tokens": self.prompt_tokens, "planned_tokens": self.planned_tokens,
            "tokens": self.writes.iter().map(|w| u64::from(w.tokens)).sum::<u64>(),
            "writes": writes,
        })
    }
}

/// The book of truth, bounded by a number of writes.
#[derive(Debug)]
pub struct Book {
    limit: usize,
    stored_writes: usize,
    forgotten: u64,
    next_number: u64,
    closed: VecDeque<Truth>,
}

impl Book {
    /// An empty book that keeps about `limit` writes.
    pub fn new(limit: usize) -> Self {
        Self { limit, stored_writes: 0, forgotten: 0, next_number: 1, closed: VecDeque::new() }
    }

    /// The number of the next request.
    pub fn next_number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number - 1
    }

    /// A request has ended.
    pub fn close(&mut self, mut truth: Truth, end_ns: u64, outcome: &str) {
        truth.end_ns = Some(end_ns);
        truth.outcome = Some(outcome.to_owned());
        truth.writes.shrink_to_fit();
        // A request without writes takes room too.
        self.stored_writes += truth.writes.len() + 8;
        self.closed.push_back(truth);
        while self.stored_writes > self.limit {
            let Some(oldest) = self.closed.pop_front() else { break };
            self.stored_writes -= oldest.writes.len() + 8;
            self.forgotten += 1;
        }
    }

    /// Forget everything that has ended; numbers begin at 1 again, faults drawn by them too.
    pub fn reset(&mut self) {
        self.closed.clear();
        self.stored_writes = 0;
        self.forgotten = 0;
        self.next_number = 1;
    }

    /// One JSON line a request, ended ones in the order of their ends, then those that run.
    pub fn lines(&self, running: &[&Truth]) -> Vec<u8> {
        let mut out = Vec::new();
        for truth in self.closed.iter().chain(running.iter().copied()) {
            // Writing JSON values to a Vec does not fail.
            let _ = serde_json::to_writer(&mut out, &truth.to_json());
            out.push(b'\n');
        }
        out
    }

    /// Counts, and how late writes were after their due times (ns).
    pub fn summary(&self, running: &[&Truth], peak_in_flight: usize) -> Value {
        let all = || self.closed.iter().chain(running.iter().copied());
        let mut late: Vec<u64> =
            all().flat_map(|t| &t.writes).map(|w| w.before_ns.saturating_sub(w.due_ns)).collect();
        late.sort_unstable();
        let at = |share: f64| late.get(((late.len() as f64 - 1.0) * share).max(0.0) as usize).copied();
        json!({
            "requests": self.closed.len() + running.len(), "running": running.len(),
            "forgotten": self.forgotten,
            "completed": self.closed.iter().filter(|t| t.outcome.as_deref() == Some("completed")).count(),
            "tokens": all().flat_map(|t| &t.writes).map(|w| u64::from(w.tokens)).sum::<u64>(),
            "writes": late.len(), "peak_in_flight": peak_in_flight,
            "late_ns": {"p50": at(0.5), "p99": at(0.99), "p999": at(0.999), "max": late.last()},
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(number: u64, writes: usize) -> Truth {
        let write = Write { due_ns: 10, before_ns: 15, took_ns: 2, tokens: 3 };
        Truth {
            number,
            id: Some(format!("r{number}")),
            user: None,
            model: None,
            path: "/v1/completions".into(),
            connection: 0,
            arrival_ns: 5,
            complete_ns: 6,
            kernel_stamp: true,
            read_ns: 7,
            started_ns: Some(6),
            end_ns: None,
            clock_offset_ns: 1_000,
            prompt_tokens: 1,
            planned_tokens: 3,
            stream: true,
            status: 200,
            outcome: None,
            fault: None,
            writes: vec![write; writes],
        }
    }

    #[test]
    fn a_request_is_told_on_both_clocks() {
        let mut book = Book::new(1000);
        book.close(request(1, 1), 20, "completed");
        let line: Value = serde_json::from_slice(&book.lines(&[])).unwrap();
        assert_eq!(line["id"], "r1");
        assert_eq!((&line["arrival_mono_ns"], &line["arrival_unix_ns"]), (&json!(5), &json!(1005)));
        assert_eq!(line["writes"], json!([[10, 15, 17, 3]]));
        assert_eq!(line["outcome"], "completed");
        assert_eq!(book.summary(&[], 1)["late_ns"]["p50"], 5);
    }

    #[test]
    fn memory_is_bounded_by_forgetting_the_oldest_and_saying_so() {
        let mut book = Book::new(100);
        for number in 1..=10 {
            book.close(request(number, 20), 20, "completed");
        }
        let kept: Vec<Value> =
            book.lines(&[]).split(|b| *b == b'\n').filter_map(|l| serde_json::from_slice(l).ok()).collect();
        assert_eq!(kept.iter().map(|l| l["number"].as_u64().unwrap()).collect::<Vec<_>>(), [8, 9, 10]);
        assert_eq!(book.summary(&[], 0)["forgotten"], 7);
        book.reset();
        assert!(book.lines(&[]).is_empty());
        assert_eq!(book.next_number(), 1);
    }
}
