//! Records → [`RunSummary`](crate::schema::summary::RunSummary) → [`Comparison`](crate::schema::comparison::Comparison): pure, one record at a time.

mod bins;
mod buckets;
mod caveats;
mod client;
mod compare;
mod counts;
mod course;
mod curve_points;
mod curves;
mod distribution;
mod ecdf;
mod exact_sums;
mod exactness;
mod fairness;
mod first_round;
mod goodput;
mod gpu;
mod gpu_facts;
mod gpu_level;
mod groups;
mod lateness;
mod machine;
mod merged;
mod metrics;
mod nagle;
mod oddities;
mod otherwise;
mod pace;
mod pace_watch;
mod planned;
mod presence;
mod prompt_lengths;
mod prompts;
pub mod ratio;
mod regression;
mod rule;
mod saturation;
mod search;
pub mod sequential;
mod series;
mod served;
mod served_alone;
mod side;
mod side_by_side;
mod slices;
mod standing;
mod steps;
mod steps_of_time;
pub mod student;
mod summarize;
mod sure;
mod timeline;
mod tokens;
mod trend;
mod verdicts;
mod window;
mod workers;

#[cfg(test)]
mod tests;

pub use compare::{ComparisonInput, compare};
pub use curves::curves_of_figures;
pub use distribution::Samples;
pub use exactness::{Pairing, TrueRequest, TrueWrite, calibrated_limit, exact_up_to, gap_figures, is_exact};
pub use fairness::reasons;
pub use gpu::{GpuFigures, gpu_figures, vanished};
pub use gpu_facts::{add_others, tell_gpus};
pub use machine::{Measured, machine_caveats, machine_summary};
pub use nagle::waited;
pub use otherwise::{Cut, Otherwise};
pub use pace_watch::PaceWatch;
pub use planned::plan_caveats;
pub use regression::{Matched, MaxRegression, Played, left_out, regressions};
pub use search::{Aim, Found, Seen, Step, Tried, allowed_share, next_load, step};
pub use series::{MOST_POINTS, series};
pub use served::{served, served_caveats};
pub use slices::Slicing;
pub use standing::{Standing, State};
pub use summarize::{Finish, Summarizer, SummaryError, SummaryInput};
pub use sure::{Sureness, sureness};
pub use trend::{TrendValues, trend};

/// A part of a whole, %; 0 of nothing.
fn percent_of(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}
