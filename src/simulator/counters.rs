//! What the engine counts about itself, and the Prometheus text that shows it.

use std::fmt::Write as _;

/// A Prometheus histogram.
#[derive(Debug, Clone)]
pub struct Histogram {
    bounds: &'static [f64],
    counts: Vec<u64>,
    sum: f64,
    count: u64,
}

impl Histogram {
    /// Empty, with these upper bounds.
    pub fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len()], sum: 0.0, count: 0 }
    }

    /// Count a value.
    pub fn observe(&mut self, value: f64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        if let Some(count) = self.counts.get_mut(at) {
            *count += 1;
        }
        self.sum += value;
        self.count += 1;
    }

    /// Write it under a name with labels (`a="b"`, none empty).
    pub fn page(&self, out: &mut String, name: &str, help: &str, labels: &str) {
        heading(out, name, "histogram", help);
        let comma = if labels.is_empty() { "" } else { "," };
        let mut below = 0;
        for (bound, count) in self.bounds.iter().zip(&self.counts) {
            below += count;
            let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{bound:?}\"}} {below}.0");
        }
        let _ = writeln!(out, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {}.0", self.count);
        let braces = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        let _ = writeln!(out, "{name}_count{braces} {}.0", self.count);
        let _ = writeln!(out, "{name}_sum{braces} {:?}", self.sum);
    }
}

/// `# HELP` and `# TYPE` lines.
pub fn heading(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// Bounds in seconds of vLLM's histogram of the time to the first token.
const TTFT_S: &[f64] = &[
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0,
    80.0, 160.0, 640.0, 2560.0,
];
const GAP_S: &[f64] = &[
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0,
];
const REQUEST_S: &[f64] = &[
    0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 120.0, 240.0, 480.0,
    960.0, 1920.0, 7680.0,
];
const LENGTHS: &[f64] = &[
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0, 20000.0, 50000.0,
];

/// How a request ended, as an engine counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// By itself.
    Stop,
    /// At its limit.
    Length,
    /// The client left, or a fault ended it.
    Abort,
    /// With an error of the engine.
    Error,
}

/// Counts of one kind of request: streams, or answers given whole.
#[derive(Debug, Clone, Copy, Default)]
pub struct Finished {
    /// Requests that ended.
    pub requests: u64,
    /// Their prompt tokens.
    pub prompt_tokens: u64,
    /// Their generated tokens.
    pub generated_tokens: u64,
}

/// Everything counted since the start.
#[derive(Debug, Clone)]
pub struct Counters {
    /// Generating requests that came in, refused ones too.
    pub received: u64,
    /// Generating requests refused as wrong.
    pub invalid: u64,
    /// Generating requests refused as too many.
    pub overloaded: u64,
    /// Being generated.
    pub running: usize,
    /// Waiting for a place in the batch.
    pub waiting: usize,
    /// Prompt and generated tokens of the requests being generated: what a cache would hold.
    pub held_tokens: u64,
    /// Most requests that were running and waiting at once.
    pub peak_in_flight: usize,
    /// Prompt tokens of requests whose first token has come.
    pub prompt_tokens: u64,
    /// Tokens generated, counted as they come.
    pub generated_tokens: u64,
    /// Ended by itself, at the limit, aborted, with an error.
    pub endings: [u64; 4],
    /// Ended: whole answers, streams.
    pub finished: [Finished; 2],
    /// Requests whose answer was refused by a status on demand.
    pub injected: u64,
    /// Longest prompt and answer together.
    pub longest_sequence: u32,
    /// Decoding steps.
    pub steps: u64,
    /// Sum over steps of the sequences in them.
    pub step_sequences: u64,
    /// Seconds from start to first token, summed.
    pub prompt_seconds: f64,
    /// Seconds from first to last token, summed over ended requests.
    pub predicted_seconds: f64,
    /// Seconds from arrival to first token.
    pub ttft: Histogram,
    /// Seconds between tokens.
    pub gap: Histogram,
    /// Seconds from arrival to end.
    pub e2e: Histogram,
    /// Seconds waited for a place in the batch.
    pub queue: Histogram,
    /// Prompt tokens of ended requests.
    pub prompt_lengths: Histogram,
    /// Generated tokens of ended requests.
    pub generated_lengths: Histogram,
    /// Token limits of ended requests.
    pub limits: Histogram,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            received: 0,
            invalid: 0,
            overloaded: 0,
            running: 0,
            waiting: 0,
            held_tokens: 0,
            peak_in_flight: 0,
            prompt_tokens: 0,
            generated_tokens: 0,
            endings: [0; 4],
            finished: [Finished::default(); 2],
            injected: 0,
            longest_sequence: 0,
            steps: 0,
            step_sequences: 0,
            prompt_seconds: 0.0,
            predicted_seconds: 0.0,
            ttft: Histogram::new(TTFT_S),
            gap: Histogram::new(GAP_S),
            e2e: Histogram::new(REQUEST_S),
            queue: Histogram::new(REQUEST_S),
            prompt_lengths: Histogram::new(LENGTHS),
            generated_lengths: Histogram::new(LENGTHS),
            limits: Histogram::new(LENGTHS),
        }
    }
}

impl Counters {
    /// Requests running and waiting.
    pub fn in_flight(&self) -> usize {
        self.running + self.waiting
    }

    /// Requests that ended this way.
    pub fn ended(&self, ending: Ending) -> u64 {
        self.endings[ending as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_count_what_is_at_or_below_their_bound() {
        let mut histogram = Histogram::new(&[1.0, 2.5]);
        for value in [0.5, 1.0, 2.0, 9.0] {
            histogram.observe(value);
        }
        let mut page = String::new();
        histogram.page(&mut page, "x", "Some help", "a=\"b\"");
        for line in [
            "# TYPE x histogram",
            "x_bucket{a=\"b\",le=\"1.0\"} 2.0",
            "x_bucket{a=\"b\",le=\"2.5\"} 3.0",
            "x_bucket{a=\"b\",le=\"+Inf\"} 4.0",
            "x_count{a=\"b\"} 4.0",
            "x_sum{a=\"b\"} 12.5",
        ] {
            assert!(page.lines().any(|have| have == line), "{line} in {page}");
        }
    }
}
