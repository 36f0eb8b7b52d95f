//! Doubts about a result, typed: reports show them and `--strict` acts on them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::gateway::Gateway;
use super::gpu::GpuProcess;
use super::gpu_before::HeldMemory;
use super::machine::BusyProcess;
use super::report_settings::{TtftOf, WindowOf};
use super::token_counts::CountFault;
use super::trace::Ticks;

/// A doubt about a result, typed so that reports and `--strict` can act on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Caveat {
    /// A pretend engine answered, not the real one.
    Simulated,
    /// One run of each backend gives no verdict.
    SingleRun,
    /// The figures are of a part of each run, or TTFT is another than usual: `harness report` was asked for that.
    MadeOtherwise {
        /// Which part of each run.
        window: WindowOf,
        /// What TTFT is.
        ttft: TtftOf,
    },
    /// Results of several plans stand side by side: their rounds were played at different times and are no pairs.
    NotPaired {
        /// Run id by label.
        run_ids: BTreeMap<String, String>,
        /// Facts in which the plans differ, with the value of each, in words.
        differ: Vec<String>,
    },
    /// Backends serve weights of different precision.
    PrecisionDiffers {
        /// Precision by label.
        by_label: BTreeMap<String, String>,
    },
    /// Output lengths differ between backends, so E2E and RPS do not compare.
    LengthsUnequal {
        /// Mean output tokens of a request by label.
        by_label: BTreeMap<String, f64>,
    },
    /// The same prompts have different token counts: another template, BOS rule or tokenizer.
    PromptTokensDiffer {
        /// Total over the shared prompts by label.
        by_label: BTreeMap<String, u64>,
    },
    /// A backend's own parameter overrides a shared setting.
    NotLevel {
        /// Which backend.
        label: String,
        /// `max_model_len=2048 instead of context_length 4096`
        what: String,
    },
    /// The server gives no token counts, so chunks stand in for tokens.
    TokensEstimated {
        /// Completed requests counted so.
        requests: u64,
        /// All completed requests; 0 in older results.
        #[serde(default)]
        completed: u64,
    },
    /// It is not known which tokens came between the first event of an answer and its last, so TPOT, ITL and TPS a
    /// user are withheld.
    #[serde(alias = "itl_withheld")]
    PaceWithheld {
        /// Tokens that nobody can place, % of delivered tokens.
        difference_pct: f64,
        /// The least time a token can have taken: all delivered tokens in the window, ms; none without a window.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        low_ms: Option<f64>,
        /// The most: one token an event, ms.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        high_ms: Option<f64>,
    },
    /// The server, or what stands before it, sends tokens together.
    Buffered {
        /// Answers of two tokens or more that came whole at one time.
        whole: u64,
        /// Answers of two tokens or more that showed one.
        answers: u64,
        /// Token events that came together with the one before, % of those that have one.
        together_pct: f64,
        /// What stands before it, where a header told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gateway: Option<Gateway>,
    },
    /// Answers were asked for whole: nothing is known of when their tokens came.
    AskedWhole {
        /// Answers that came so.
        answers: u64,
    },
    /// Answers that are whole and show no token, so that they carry no latency.
    NoLatency {
        /// Such answers.
        answers: u64,
        /// Completed requests.
        completed: u64,
        /// Output tokens that the server counted for them.
        tokens: u64,
    },
    /// Token counts of the server that cannot be.
    CountsImpossible {
        /// Completed requests with such a count.
        requests: u64,
        /// Completed requests.
        completed: u64,
        /// The worst of them.
        worst: ImpossibleCount,
        /// What stands before the server, where a header told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gateway: Option<Gateway>,
    },
    /// Answers with more tokens than `max_tokens`.
    LongerThanAsked {
        /// Such answers.
        requests: u64,
        /// Completed requests.
        completed: u64,
        /// Tokens of the one that went furthest beyond.
        longest: u32,
        /// Its `max_tokens`.
        asked: u32,
    },
    /// Several requests were in flight and the server never answered two at the same time.
    OneAtATime {
        /// Answers with a first and a last token.
        answers: u64,
        /// Of them those that waited while another was answered.
        waited: u64,
    },
    /// The server's page has no counter of a name that its definition gives.
    NoSuchCounter {
        /// The names.
        names: Vec<String>,
    },
    /// Failures above 1 %.
    Failures {
        /// % of issued requests.
        rate_pct: f64,
    },
    /// Too few samples for p99.
    FewSamples {
        /// Completed requests.
        completed: u64,
    },
    /// Requests carry the time of a read where others carry the kernel's, or all do.
    ReadStamps {
        /// Requests with read stamps.
        read: u64,
        /// Requests that an answer came to.
        answered: u64,
    },
    /// More than 1 % of stamps are merged.
    MergedEvents {
        /// % of token-carrying events.
        share_pct: f64,
    },
    /// The client, and not the server, made the number.
    ClientLimited {
        /// Why.
        reason: String,
    },
    /// The clocks of the machines that played the run are not known well enough beside its length.
    ClockError {
        /// How far apart they may be, ms.
        error_ms: f64,
        /// The measured window, s.
        window_s: f64,
    },
    /// A cap was split among the machines that played the run, and bound earlier than one for all would.
    CapSplit {
        /// Requests in flight at most, over all of them.
        cap: u32,
        /// Machines.
        workers: u32,
        /// How long requests waited for a place, p99, ms.
        wait_ms: f64,
    },
    /// More requests came than the server answers, so that its queue grew for as long as they came.
    Saturated {
        /// Requests a second that were due.
        offered_rps: f64,
        /// Requests a second that ended.
        achieved_rps: f64,
    },
    /// The run did not reach its end.
    Partial {
        /// Why.
        reason: String,
    },
    /// The server's own token count is another.
    ServerCountsDiffer {
        /// `generated: server 1200, client 1198`
        what: String,
    },
    /// The server answered part of the prompts from its prefix cache.
    PrefixCacheHits {
        /// % of prompt tokens.
        share_pct: f64,
    },
    /// Prompts were made to a length, and the server counted another.
    PromptLengthsDiffer {
        /// Requests with another length.
        off: u64,
        /// Completed requests of which both are known.
        requests: u64,
        /// By so many tokens the worst is too long, or with a minus too short.
        largest: i64,
    },
    /// Lengths were asked for with `--ignore-eos`, and some answers ended before.
    LengthNotForced {
        /// Completed answers that are shorter than their limit.
        #[serde(default)]
        short: u64,
        /// Completed answers; 0 in a file of before they were counted.
        #[serde(default)]
        completed: u64,
    },
    /// Complete answers that lack one of the signs of their end.
    SignMissing {
        /// Without `[DONE]`.
        done_marker: u64,
        /// Without a finish reason.
        finish_reason: u64,
    },
    /// Events of answers said nothing to a stop-watch, wholly or in part, and were passed over.
    PassedOver {
        /// Such events.
        events: u64,
        /// Answers that held them.
        requests: u64,
    },
    /// The server leaves Nagle's algorithm on: ordinary clients on its host see a first token up to 40 ms later.
    NagleOn {
        /// Warm-up and probe requests that showed it.
        requests: u64,
    },
    /// A figure rises or falls from the beginning of the run to its end.
    Drift {
        /// The metric: `ttft_ms`.
        metric: String,
        /// The change by a straight line, % of its median.
        change_pct: f64,
    },
    /// The first round differs from the others by more than they do among themselves.
    FirstRoundDiffers {
        /// Which backend.
        label: String,
        /// Which load of the plan, from 1.
        point: u32,
        /// In which figure most: `output_tps`, `ttft_ms_p50`.
        figure: String,
        /// The first round over the others, %.
        change_pct: f64,
    },
    /// A worker that played the load together with others was lost: its share was not offered from then on.
    WorkerLost {
        /// Which, when, and how much of the load.
        what: String,
    },
    /// A worker's clock left the line through its last minute: times of its requests are off against the others'.
    ClockStep {
        /// Which worker, from 0.
        worker: u32,
        /// By so much, beyond what its bounds explain, ms.
        step_ms: f64,
    },
    /// A worker stood still, or could not be heard.
    WorkerStill {
        /// Which worker, from 0.
        worker: u32,
        /// For so long, s.
        seconds: f64,
    },
    /// More load than `harness calibrate` found this client exact for.
    BeyondCalibration {
        /// `1000 in flight, exact up to 250`
        what: String,
    },
    /// The server took requests out of its batch to make room, and computed them again.
    Preempted {
        /// How often.
        times: u64,
    },
    /// By its own page the server served other requests than those of the run.
    OtherRequests {
        /// First tokens by its count.
        served: u64,
        /// Requests of the run, warm-up included.
        sent: u64,
    },
    /// The arrivals of a trace sit on the ticks of a log's clock.
    TraceTicks(Ticks),
    /// Other processes kept the machine busy.
    OthersBusy {
        /// Cores on the mean, in the measured window.
        cores: f64,
        /// Cores of the machine.
        of: usize,
        /// The busiest of them over the whole run; empty where none can be seen.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        names: Vec<BusyProcess>,
    },
    /// The hypervisor gave cores of this machine to others.
    CpuStolen {
        /// % of the machine's cores, in the measured window.
        share_pct: f64,
    },
    /// The machine read from swap and wrote to it.
    Swapping {
        /// Bytes a second on the mean, in the measured window.
        bytes_s: f64,
    },
    /// The container's CPU quota was used up.
    CpuQuotaReached {
        /// Time that cores were kept from it, % of what the quota allows in the measured window.
        share_pct: f64,
        /// Cores by the quota.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        quota: Option<f64>,
    },
    /// Hardly any memory was left.
    MemoryNearlyFull {
        /// The least that was left, bytes.
        left_bytes: u64,
        /// Of so many bytes.
        of_bytes: u64,
    },
    /// The CPU's clock is not steady.
    CpuClock {
        /// A core's governor is `powersave`.
        powersave: bool,
        /// By how much the clock fell within the run while the cores were as busy, %.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fell_pct: Option<f64>,
    },
    /// Another process held memory on a GPU of the server.
    GpuShared {
        /// Who, as far as it is known, by GPU: `GPU 0 (NVIDIA H200)`.
        by_gpu: BTreeMap<String, Vec<GpuProcess>>,
        /// Memory that they held at most in the measured window, bytes, over all GPUs; none where nobody told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        memory_bytes: Option<u64>,
    },
    /// A GPU was slowed down in the measured window.
    GpuThrottled {
        /// Share of the samples of the worst of them in which it was, %.
        share_pct: f64,
        /// By GPU: the reasons ([`super::clock_reason`]) with the share of the samples that showed each, 0 to 1.
        by_gpu: BTreeMap<String, BTreeMap<String, f64>>,
    },
    /// The server's processes hold memory on a GPU that it was not given.
    GpuNotAsked {
        /// Those that it was given.
        asked: Vec<String>,
        /// Those on which they hold memory.
        used: Vec<String>,
    },
    /// GPU memory of before was not given back when the server was launched.
    GpuMemoryHeld {
        /// How much by GPU, above what was in use before the plan's first launch.
        by_gpu: BTreeMap<String, HeldMemory>,
    },
    /// A GPU was not read to the end of the measured window.
    GpuVanished {
        /// Seconds from the window's start to its last reading, by GPU.
        after_s: BTreeMap<String, f64>,
    },
    /// The clocks of the GPUs differ between backends in the rounds that are held against each other.
    GpuClocksDiffer {
        /// Median clock of the multiprocessors while they were busy, MHz, by label: of the round in which they differ most.
        by_label: BTreeMap<String, f64>,
        /// That round.
        round: u32,
        /// Which load of the plan, from 1.
        point: u32,
    },
    /// Backends were measured on GPUs of different models.
    GpusDiffer {
        /// Their GPUs by label.
        by_label: BTreeMap<String, String>,
    },
    /// The energy of a GPU is not sure.
    GpuEnergyUnsure {
        /// Its number, as its library counts.
        gpu: u32,
        /// Why.
        why: GpuEnergyDoubt,
    },
}

/// Why the energy of a GPU is not sure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GpuEnergyDoubt {
    /// Its counter went back in the window, so that the energy is that of the sampled power.
    CounterWentBack,
    /// Counter and sampled power tell different energies.
    Differ {
        /// By the counter, J.
        counter_j: f64,
        /// By the integral of the sampled power, J.
        integral_j: f64,
    },
}

/// A count that cannot be, with what speaks against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct ImpossibleCount {
    /// What is wrong with it.
    pub fault: CountFault,
    /// The server's count.
    pub told: u32,
    /// Token events of the answer.
    pub events: u32,
    /// Its `max_tokens`.
    pub max_tokens: u32,
}

/// A pace whose bounds differ by more than this, %, is no figure at all.
const PACE_DIFFERENCE_PCT: f64 = 10.0;
/// A clock that jumped by more leaves the order of arrivals open, ms.
const CLOCK_STEP_MS: f64 = 10.0;
/// A worker that stood still for longer did not offer the load that was asked for, s.
const STANDSTILL_S: f64 = 1.0;
/// Answers whose tokens are estimated may be so many, %, in a valid result.
const ESTIMATED_PCT: f64 = 1.0;
/// More answers without a latency than this, % of the completed ones, leave the others to speak for too many.
const NO_LATENCY_PCT: f64 = 1.0;

impl Caveat {
    /// The code in CSV files: `single_run`, `failures`, …
    pub fn code(&self) -> &'static str {
        match self {
            Caveat::Simulated => "simulated",
            Caveat::SingleRun => "single_run",
            Caveat::MadeOtherwise { .. } => "made_otherwise",
            Caveat::NotPaired { .. } => "not_paired",
            Caveat::PrecisionDiffers { .. } => "precision_differs",
            Caveat::LengthsUnequal { .. } => "lengths_unequal",
            Caveat::PromptTokensDiffer { .. } => "prompt_tokens_differ",
            Caveat::NotLevel { .. } => "not_level",
            Caveat::TokensEstimated { .. } => "tokens_estimated",
            Caveat::PaceWithheld { .. } => "pace_withheld",
            Caveat::Buffered { .. } => "buffered",
            Caveat::AskedWhole { .. } => "asked_whole",
            Caveat::NoLatency { .. } => "no_latency",
            Caveat::CountsImpossible { .. } => "counts_impossible",
            Caveat::LongerThanAsked { .. } => "longer_than_asked",
            Caveat::OneAtATime { .. } => "one_at_a_time",
            Caveat::NoSuchCounter { .. } => "no_such_counter",
            Caveat::Failures { .. } => "failures",
            Caveat::FewSamples { .. } => "few_samples",
            Caveat::ReadStamps { .. } => "read_stamps",
            Caveat::MergedEvents { .. } => "merged_events",
            Caveat::ClientLimited { .. } => "client_limited",
            Caveat::ClockError { .. } => "clock_error",
            Caveat::CapSplit { .. } => "cap_split",
            Caveat::Saturated { .. } => "saturated",
            Caveat::Partial { .. } => "partial",
            Caveat::ServerCountsDiffer { .. } => "server_counts_differ",
            Caveat::PrefixCacheHits { .. } => "prefix_cache_hits",
            Caveat::PromptLengthsDiffer { .. } => "prompt_lengths_differ",
            Caveat::LengthNotForced { .. } => "length_not_forced",
            Caveat::SignMissing { .. } => "sign_missing",
            Caveat::PassedOver { .. } => "passed_over",
            Caveat::NagleOn { .. } => "nagle_on",
            Caveat::Drift { .. } => "drift",
            Caveat::FirstRoundDiffers { .. } => "first_round_differs",
            Caveat::WorkerLost { .. } => "worker_lost",
            Caveat::ClockStep { .. } => "clock_step",
            Caveat::WorkerStill { .. } => "worker_still",
            Caveat::BeyondCalibration { .. } => "beyond_calibration",
            Caveat::Preempted { .. } => "preempted",
            Caveat::OtherRequests { .. } => "other_requests",
            Caveat::TraceTicks(_) => "trace_ticks",
            Caveat::GpuShared { .. } => "gpu_shared",
            Caveat::GpuThrottled { .. } => "gpu_throttled",
            Caveat::GpuNotAsked { .. } => "gpu_not_asked",
            Caveat::GpuMemoryHeld { .. } => "gpu_memory_held",
            Caveat::GpuVanished { .. } => "gpu_vanished",
            Caveat::GpuClocksDiffer { .. } => "gpu_clocks_differ",
            Caveat::GpusDiffer { .. } => "gpus_differ",
            Caveat::GpuEnergyUnsure { .. } => "gpu_energy_unsure",
            Caveat::OthersBusy { .. } => "others_busy",
            Caveat::CpuStolen { .. } => "cpu_stolen",
            Caveat::Swapping { .. } => "swapping",
            Caveat::CpuQuotaReached { .. } => "cpu_quota_reached",
            Caveat::MemoryNearlyFull { .. } => "memory_nearly_full",
            Caveat::CpuClock { .. } => "cpu_clock",
        }
    }

    /// Under `--strict` this makes the result invalid, not only doubtful.
    pub fn is_invalid(&self) -> bool {
        match self {
            // Every output says so already, and trying `--strict` out is a use of it.
            Caveat::Simulated
            | Caveat::SingleRun
            | Caveat::MadeOtherwise { .. }
            | Caveat::NotPaired { .. }
            | Caveat::PrecisionDiffers { .. }
            | Caveat::LengthsUnequal { .. }
            | Caveat::NotLevel { .. }
            | Caveat::FewSamples { .. }
            | Caveat::LengthNotForced { .. }
            | Caveat::SignMissing { .. }
            | Caveat::PassedOver { .. }
            | Caveat::Drift { .. }
            // What the server carries then is known well, and a sweep goes there on purpose.
            | Caveat::Saturated { .. }
            // No latency is touched by the one, and the other is in the send times, which are there.
            | Caveat::ClockError { .. }
            | Caveat::CapSplit { .. }
            | Caveat::FirstRoundDiffers { .. }
            | Caveat::BeyondCalibration { .. }
            | Caveat::TraceTicks(_)
            // They say what the machine did, not how much of a number is its doing: rounds tell that.
            | Caveat::OthersBusy { .. }
            | Caveat::CpuStolen { .. }
            | Caveat::Swapping { .. }
            | Caveat::CpuQuotaReached { .. }
            | Caveat::MemoryNearlyFull { .. }
            | Caveat::CpuClock { .. }
            | Caveat::Preempted { .. }
            | Caveat::OtherRequests { .. }
            | Caveat::GpuEnergyUnsure { .. }
            | Caveat::NagleOn { .. }
            | Caveat::PrefixCacheHits { .. }
            | Caveat::PromptLengthsDiffer { .. }
            | Caveat::ReadStamps { .. }
            | Caveat::OneAtATime { .. }
            | Caveat::AskedWhole { .. }
            // A desktop holds some MiB of many a GPU, and a power cap is how others are sold.
            | Caveat::GpuShared { .. }
            | Caveat::GpuThrottled { .. }
            | Caveat::GpuMemoryHeld { .. }
            // Requests that it took with it failed, and are told of as such.
            | Caveat::GpuVanished { .. }
            | Caveat::GpuClocksDiffer { .. }
            | Caveat::GpusDiffer { .. } => false,
            // What crosses machines (arrivals, concurrency over time) is off by so much; latencies are not.
            Caveat::ClockStep { step_ms, .. } => *step_ms > CLOCK_STEP_MS,
            // Less is seen in no figure but the send delay.
            Caveat::WorkerStill { seconds, .. } => *seconds >= STANDSTILL_S,
            // A few tokens that share an event leave narrow bounds.
            Caveat::PaceWithheld { difference_pct, .. } => *difference_pct > PACE_DIFFERENCE_PCT,
            // How far off an estimate is nobody knows: a chunk may hold any number of tokens.
            Caveat::TokensEstimated { requests, completed } => {
                *completed > 0 && 100.0 * *requests as f64 > ESTIMATED_PCT * *completed as f64
            }
            Caveat::NoLatency { answers, completed, .. } => {
                100.0 * *answers as f64 > NO_LATENCY_PCT * *completed as f64
            }
            Caveat::Buffered { .. }
            | Caveat::GpuNotAsked { .. }
            | Caveat::CountsImpossible { .. }
            | Caveat::LongerThanAsked { .. }
            | Caveat::NoSuchCounter { .. }
            | Caveat::PromptTokensDiffer { .. }
            | Caveat::Failures { .. }
            | Caveat::MergedEvents { .. }
            | Caveat::ClientLimited { .. }
            | Caveat::Partial { .. }
            | Caveat::WorkerLost { .. }
            | Caveat::ServerCountsDiffer { .. } => true,
        }
    }
}
