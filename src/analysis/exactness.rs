//! A client's records against a server's truth → the client's own error: pure, paired request by request.

use std::collections::BTreeMap;

use crate::schema::calibration::{
    Calibration, CalibrationLoad, EXACT_BELOW_MS, ErrorFigures, ExactUpTo, Exactness, GapFigures,
};
use crate::schema::caveat::Caveat;
use crate::schema::client_threads::ClientThreads;
use crate::schema::environment::Environment;
use crate::schema::files::EngineFigures;
use crate::schema::plan::LoadPoint;
use crate::schema::record::RequestRecord;
use crate::schema::summary::{Distribution, RunSummary};
use crate::schema::traffic::{Arrivals, Traffic};
use crate::schema::unit::Phase;

use super::distribution::Samples;
use super::merged::MergedEvents;

/// Windows in which arrivals are counted, ns.
const WINDOW_NS: u64 = 10_000_000;
const NS_PER_MS: f64 = 1e6;

/// One request as the server saw it; times are CLOCK_MONOTONIC ns.
#[derive(Debug, Clone, PartialEq)]
pub struct TrueRequest {
    /// The mark that the client gave it: its prompt's id.
    pub mark: String,
    /// Its first bytes reached the server's socket.
    pub arrival_ns: u64,
    /// Its writes of tokens, in order.
    pub writes: Vec<TrueWrite>,
    /// Tokens in them.
    pub tokens: u64,
}

/// The system call that wrote a token: its bytes left the server at some moment of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrueWrite {
    /// Just before the call, CLOCK_MONOTONIC ns.
    pub before_ns: u64,
    /// Just after it.
    pub after_ns: u64,
}

/// How late a stamp is, ms: the truth lies between the two.
#[derive(Debug, Clone, Copy)]
struct Lag {
    /// Counted from the write's end; no stamp is older than its bytes.
    least: f64,
    /// Counted from its begin.
    most: f64,
}

impl Lag {
    fn of(stamp_ns: u64, write: TrueWrite) -> Lag {
        let most = ms_between(write.before_ns, stamp_ns);
        Lag { least: ms_between(write.after_ns, stamp_ns).max(0.0).min(most), most }
    }
}

/// Errors of one kind, ms.
#[derive(Debug, Default)]
struct Errors {
    /// With its sign, every write taken at its begin.
    signed: Vec<f64>,
    /// Its least size, wherever in their calls the bytes left.
    beyond_writes: Vec<f64>,
}

impl Errors {
    /// `least` and `most` are the ends of what the error may be.
    fn add(&mut self, error: f64, least: f64, most: f64) {
        self.signed.push(error);
        self.beyond_writes.push(least.max(-most).max(0.0));
    }
}

/// Pairs a run's records with the truth, one at a time.
#[derive(Debug)]
pub struct Pairing {
    truth: BTreeMap<String, TrueRequest>,
    /// CLOCK_MONOTONIC of the records' µs 0, ns.
    zero_ns: u64,
    issued: u64,
    paired: u64,
    paired_for_itl: u64,
    tokens: u64,
    merged: MergedEvents,
    arrivals_ns: Vec<u64>,
    ttft: Errors,
    itl: Errors,
    write: Samples,
    arrival_minus_sent: Samples,
    stamp_minus_write: Samples,
    send_delay: Samples,
    arrival_minus_due: Samples,
}

impl Pairing {
    /// `zero_ns` is CLOCK_MONOTONIC at the records' µs 0.
    pub fn new(truth: impl IntoIterator<Item = TrueRequest>, zero_ns: u64) -> Pairing {
        // Differences may be negative, which a histogram could not hold.
        let exact = || Samples::exact_up_to(usize::MAX);
        Pairing {
            truth: truth.into_iter().map(|request| (request.mark.clone(), request)).collect(),
            zero_ns,
            issued: 0,
            paired: 0,
            paired_for_itl: 0,
            tokens: 0,
            merged: MergedEvents::default(),
            arrivals_ns: Vec::new(),
            ttft: Errors::default(),
            itl: Errors::default(),
            write: exact(),
            arrival_minus_sent: exact(),
            stamp_minus_write: exact(),
            send_delay: exact(),
            arrival_minus_due: exact(),
        }
    }

    /// Adds a record; warm-up and what did not complete is not paired.
    pub fn add(&mut self, record: &RequestRecord) {
        if record.phase != Phase::Measured {
            return;
        }
        self.issued += 1;
        if !record.counts_for_latency() {
            return;
        }
        let (Some(sent_us), Some(first_us)) = (record.sent_us, record.first_token_us) else { return };
        let Some(truth) = self.truth.remove(&*record.prompt_id) else { return };
        let Some(first_write) = truth.writes.first().copied() else { return };
        self.paired += 1;
        self.tokens += truth.tokens;
        self.arrivals_ns.push(truth.arrival_ns);
        // (client's TTFT) − (server's) is the stamp's lag and the request's way to the server.
        let way = ms_between(self.at(sent_us), truth.arrival_ns);
        let lag = Lag::of(self.at(first_us), first_write);
        self.ttft.add(way + lag.most, way + lag.least, way + lag.most);
        self.arrival_minus_sent.add(way);
        if let Some(due_us) = record.due_us {
            self.send_delay.add(ms_between(self.at(due_us), self.at(sent_us)));
            self.arrival_minus_due.add(ms_between(self.at(due_us), truth.arrival_ns));
        }
        self.add_events(record, &truth);
    }

    fn add_events(&mut self, record: &RequestRecord, truth: &TrueRequest) {
        let chunks = record.chunks.iter().zip(&truth.writes);
        let lags: Vec<Lag> = chunks.map(|(chunk, write)| Lag::of(self.at(chunk.at_us), *write)).collect();
        self.merged.add(record);
        for write in &truth.writes {
            self.write.add(ms_between(write.before_ns, write.after_ns));
        }
        if record.chunks.len() != truth.writes.len() {
            return;
        }
        self.paired_for_itl += 1;
        for lag in &lags {
            self.stamp_minus_write.add(lag.most);
        }
        // A gap is wrong by what its end is later than its begin.
        for pair in lags.windows(2) {
            let [begin, end] = pair else { continue };
            self.itl.add(end.most - begin.most, end.least - begin.most, end.most - begin.least);
        }
    }

    fn at(&self, us: u64) -> u64 {
        self.zero_ns + us * 1000
    }

    /// The figures; `engine` is the load engine's word of its CPU time and threads.
    pub fn finish(mut self, load: CalibrationLoad, engine: &EngineFigures) -> Exactness {
        let cpu_s = engine.cpu_s;
        let gaps = match load {
            CalibrationLoad::Closed { .. } => None,
            CalibrationLoad::Open { .. } => gap_figures(&mut self.arrivals_ns),
        };
        Exactness {
            load,
            issued: self.issued,
            paired: self.paired,
            tokens: self.tokens,
            paired_for_itl: self.paired_for_itl,
            ttft: error_figures(&self.ttft),
            itl: error_figures(&self.itl),
            write_ms: self.write.distribution(),
            arrival_minus_sent_ms: self.arrival_minus_sent.distribution(),
            stamp_minus_write_ms: self.stamp_minus_write.distribution(),
            send_delay_ms: self.send_delay.distribution(),
            arrival_minus_due_ms: self.arrival_minus_due.distribution(),
            gaps,
            merged_events: self.merged.share(),
            cpu_us_per_token: (self.tokens > 0).then(|| cpu_s * 1e6 / self.tokens as f64),
            threads: engine.threads,
        }
    }
}

fn ms_between(from_ns: u64, to_ns: u64) -> f64 {
    (to_ns as f64 - from_ns as f64) / NS_PER_MS
}

fn error_figures(errors: &Errors) -> Option<ErrorFigures> {
    let signed = &errors.signed;
    let sizes = distribution(signed.iter().map(|error| error.abs()))?;
    Some(ErrorFigures {
        count: sizes.count,
        mean_ms: signed.iter().sum::<f64>() / signed.len() as f64,
        p50_ms: sizes.p50,
        p99_ms: sizes.p99,
        max_ms: sizes.max,
        beyond_writes_p99_ms: distribution(errors.beyond_writes.iter().copied())?.p99,
    })
}

fn distribution(values: impl Iterator<Item = f64>) -> Option<Distribution> {
    let mut samples = Samples::exact_up_to(usize::MAX);
    values.for_each(|value| samples.add(value));
    samples.distribution()
}

/// Coefficient of variation and lag-1 autocorrelation of the gaps, index of dispersion of the counts in
/// 10 ms windows from the first arrival on, the last window cut off; none of fewer than three arrivals or
/// two windows.
pub fn gap_figures(arrivals_ns: &mut [u64]) -> Option<GapFigures> {
    arrivals_ns.sort_unstable();
    let (first, last) = (*arrivals_ns.first()?, *arrivals_ns.last()?);
    let gaps: Vec<f64> = arrivals_ns.windows(2).map(|pair| ms_between(pair[0], pair[1])).collect();
    let windows = ((last - first) / WINDOW_NS) as usize;
    if gaps.len() < 2 || windows < 2 {
        return None;
    }
    let mut counts = vec![0.0; windows];
    for arrival in arrivals_ns.iter() {
        if let Some(count) = counts.get_mut(((arrival - first) / WINDOW_NS) as usize) {
            *count += 1.0;
        }
    }
    let (mean, variance) = moments(&gaps);
    let (mean_count, count_variance) = moments(&counts);
    let covariance: f64 = gaps.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum();
    let squares: f64 = gaps.iter().map(|gap| (gap - mean).powi(2)).sum();
    Some(GapFigures {
        variation: variance.sqrt() / mean,
        dispersion: count_variance / mean_count,
        lag_1: if squares == 0.0 { 0.0 } else { covariance / squares },
    })
}

/// Mean and sample variance.
fn moments(values: &[f64]) -> (f64, f64) {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, squares / (values.len() as f64 - 1.0))
}

/// True where 99 of 100 TTFTs, gaps between tokens and (open loop) arrivals are off by less than 1 ms, and
/// every request was paired. What may be the server's counts as the client's: exact is what is shown to be.
pub fn is_exact(load: &Exactness) -> bool {
    let under = |p99_ms: Option<f64>| p99_ms.is_some_and(|p99_ms| p99_ms < EXACT_BELOW_MS);
    let due = match load.load {
        CalibrationLoad::Closed { .. } => true,
        CalibrationLoad::Open { .. } => under(load.arrival_minus_due_ms.as_ref().map(|late| late.p99)),
    };
    let all = load.issued > 0 && load.paired == load.issued && load.paired_for_itl == load.issued;
    all && due && under(load.ttft.map(|error| error.p99_ms)) && under(load.itl.map(|error| error.p99_ms))
}

/// The highest load of each kind that is exact together with all that are lighter; none of a kind that
/// was not played.
pub fn exact_up_to(loads: &[Exactness]) -> ExactUpTo {
    let mut closed = Vec::new();
    let mut open = Vec::new();
    for load in loads {
        match load.load {
            CalibrationLoad::Closed { streams, tokens_per_s } => {
                closed.push((f64::from(streams) * tokens_per_s, streams, is_exact(load)));
            }
            CalibrationLoad::Open { rate } => open.push((rate, is_exact(load))),
        }
    }
    closed.sort_by(|left, right| {
        (left.0, left.1).partial_cmp(&(right.0, right.1)).unwrap_or(std::cmp::Ordering::Equal)
    });
    open.sort_by(|left, right| left.0.total_cmp(&right.0));
    let (mut most_streams, mut most_tokens_per_s) = (0, 0.0);
    for (tokens_per_s, streams, _) in closed.iter().take_while(|(_, _, exact)| *exact) {
        most_tokens_per_s = *tokens_per_s;
        most_streams = most_streams.max(*streams);
    }
    let rate = open.iter().take_while(|(_, exact)| *exact).last().map_or(0.0, |(rate, _)| *rate);
    ExactUpTo {
        streams: (!closed.is_empty()).then_some(most_streams),
        tokens_per_s: (!closed.is_empty()).then_some(most_tokens_per_s),
        rate: (!open.is_empty()).then_some(rate),
        client_threads: None,
        threads_played: loads
            .iter()
            .filter(|load| is_exact(load))
            .map(|load| load.threads)
            .max()
            .filter(|most| *most > 0),
    }
}

/// The caveat of a run whose load lies beyond what this machine was calibrated for; none where it was not.
pub fn beyond_calibration(
    load: &LoadPoint,
    client_threads: ClientThreads,
    exact_up_to: Option<ExactUpTo>,
    summary: &RunSummary,
) -> Option<Caveat> {
    let limit = exact_up_to?;
    let beyond = [
        beyond_rate(load, limit),
        beyond_streams(load, limit),
        beyond_tokens(summary, limit),
        fewer_threads(client_threads, summary.client.threads, limit),
    ];
    let what: Vec<String> = beyond.into_iter().flatten().collect();
    (!what.is_empty()).then(|| Caveat::BeyondCalibration { what: what.join(", ") })
}

fn beyond_rate(load: &LoadPoint, limit: ExactUpTo) -> Option<String> {
    let exact = limit.rate?;
    if matches!(load.traffic, Traffic::Open { arrivals: Arrivals::AllAtOnce, .. }) {
        return Some(format!("all requests at once, exact up to {exact}/s"));
    }
    let rate = load.rate()?;
    (rate > exact).then(|| format!("{rate} requests/s, exact up to {exact}"))
}

fn beyond_streams(load: &LoadPoint, limit: ExactUpTo) -> Option<String> {
    let (streams, exact) = (load.concurrency()?, limit.streams?);
    let open = load.traffic.is_open();
    // In an open loop the cap says little about how many there were.
    (!open && streams > exact).then(|| format!("{streams} in flight, exact up to {exact}"))
}

/// What four threads could is not shown for one. `played` are the run's, 0 where a crash left no word of them.
fn fewer_threads(asked: ClientThreads, played: u32, limit: ExactUpTo) -> Option<String> {
    match (limit.client_threads?, asked) {
        (ClientThreads::Auto, ClientThreads::Auto) => None,
        (ClientThreads::Auto, ClientThreads::Number(number)) => {
            let most = limit.threads_played.filter(|most| number < *most)?;
            Some(format!("--client-threads {number}, calibrated with up to {most}"))
        }
        (ClientThreads::Number(calibrated), ClientThreads::Number(number)) => {
            (number < calibrated).then(|| format!("--client-threads {number}, calibrated with {calibrated}"))
        }
        (ClientThreads::Number(calibrated), ClientThreads::Auto) => (1..calibrated)
            .contains(&played)
            .then(|| format!("--client-threads auto ({played} here), calibrated with {calibrated}")),
    }
}

/// By the busiest whole second.
fn beyond_tokens(summary: &RunSummary, limit: ExactUpTo) -> Option<String> {
    let seconds = summary.output_tokens_by_second.split_last().map(|(_, whole)| whole)?;
    let busiest = seconds.iter().copied().max()?;
    let exact = limit.tokens_per_s?;
    // Loads of the grid vary by chance from second to second.
    (busiest as f64 > exact * 1.1).then(|| format!("{busiest} tok/s, exact up to {exact:.0}"))
}

/// The limit of a calibration, where it was taken on this machine with this program.
pub fn calibrated_limit(calibration: &Calibration, environment: &Environment) -> Option<ExactUpTo> {
    let same = calibration.hostname == environment.hostname
        && calibration.cpu == environment.cpu
        && calibration.cores == environment.cores
        && calibration.harness_version == environment.harness_version;
    same.then_some(ExactUpTo { client_threads: Some(calibration.client_threads), ..calibration.limit })
}
