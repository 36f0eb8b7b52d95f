//! Doubts about a result, typed: reports show them and `--strict` acts on them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A doubt about a result, typed so that reports and `--strict` can act on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Caveat {
    /// A pretend engine answered, not the real one.
    Simulated,
    /// One run of each backend gives no verdict.
    SingleRun,
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
    },
    /// Chunks' tokens and delivered tokens differ, so ITL is withheld.
    ItlWithheld {
        /// Difference, % of delivered tokens.
        difference_pct: f64,
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
    /// The engine cannot be told to ignore the end of sequence, so lengths were not forced.
    LengthNotForced,
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
    /// More load than `harness calibrate` found this client exact for.
    BeyondCalibration {
        /// `1000 in flight, exact up to 250`
        what: String,
    },
}

impl Caveat {
    /// The code in CSV files: `single_run`, `failures`, …
    pub fn code(&self) -> &'static str {
        match self {
            Caveat::Simulated => "simulated",
            Caveat::SingleRun => "single_run",
            Caveat::PrecisionDiffers { .. } => "precision_differs",
            Caveat::LengthsUnequal { .. } => "lengths_unequal",
            Caveat::PromptTokensDiffer { .. } => "prompt_tokens_differ",
            Caveat::NotLevel { .. } => "not_level",
            Caveat::TokensEstimated { .. } => "tokens_estimated",
            Caveat::ItlWithheld { .. } => "itl_withheld",
            Caveat::Failures { .. } => "failures",
            Caveat::FewSamples { .. } => "few_samples",
            Caveat::ReadStamps { .. } => "read_stamps",
            Caveat::MergedEvents { .. } => "merged_events",
            Caveat::ClientLimited { .. } => "client_limited",
            Caveat::Partial { .. } => "partial",
            Caveat::ServerCountsDiffer { .. } => "server_counts_differ",
            Caveat::PrefixCacheHits { .. } => "prefix_cache_hits",
            Caveat::LengthNotForced => "length_not_forced",
            Caveat::SignMissing { .. } => "sign_missing",
            Caveat::PassedOver { .. } => "passed_over",
            Caveat::NagleOn { .. } => "nagle_on",
            Caveat::BeyondCalibration { .. } => "beyond_calibration",
        }
    }

    /// Under `--strict` this makes the result invalid, not only doubtful.
    pub fn is_invalid(&self) -> bool {
        match self {
            // Every output says so already, and trying `--strict` out is a use of it.
            Caveat::Simulated
            | Caveat::SingleRun
            | Caveat::PrecisionDiffers { .. }
            | Caveat::LengthsUnequal { .. }
            | Caveat::NotLevel { .. }
            | Caveat::FewSamples { .. }
            | Caveat::LengthNotForced
            | Caveat::SignMissing { .. }
            | Caveat::PassedOver { .. }
            | Caveat::BeyondCalibration { .. }
            | Caveat::NagleOn { .. }
            | Caveat::PrefixCacheHits { .. }
            | Caveat::ReadStamps { .. }
            | Caveat::TokensEstimated { .. }
            | Caveat::ItlWithheld { .. } => false,
            Caveat::PromptTokensDiffer { .. }
            | Caveat::Failures { .. }
            | Caveat::MergedEvents { .. }
            | Caveat::ClientLimited { .. }
            | Caveat::Partial { .. }
            | Caveat::ServerCountsDiffer { .. } => true,
        }
    }
}
