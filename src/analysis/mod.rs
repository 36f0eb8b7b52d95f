//! Records → [`RunSummary`](crate::schema::summary::RunSummary) → [`Comparison`](crate::schema::comparison::Comparison): pure, one record at a time.

mod caveats;
mod client;
mod compare;
mod distribution;
mod exactness;
mod goodput;
mod groups;
mod merged;
mod metrics;
mod nagle;
mod oddities;
mod pace;
mod planned;
mod search;
mod series;
mod served_alone;
mod summarize;
mod timeline;
mod tokens;
mod window;

#[cfg(test)]
mod tests;

pub use compare::{ComparisonInput, compare};
pub use distribution::Samples;
pub use exactness::{Pairing, TrueRequest, TrueWrite, calibrated_limit, exact_up_to, gap_figures, is_exact};
pub use nagle::waited;
pub use planned::plan_caveats;
pub use search::{Aim, Found, Seen, Step, Tried, allowed_share, next_load, step};
pub use series::{MOST_POINTS, series};
pub use summarize::{Finish, Summarizer, SummaryError, SummaryInput};

/// A part of a whole, %; 0 of nothing.
fn percent_of(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}
