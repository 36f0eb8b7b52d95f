//! A picture as data: what is shown, and nothing of where it lies.
//!
//! It serialises, so that report.html can draw the very picture that `plots/` holds. As JSON:
//!
//! ```json
//! { "name": "file stem", "title": "…", "subtitle": "model · load · dataset · n", "legend_note": null,
//!   "panels": [{
//!     "x": { "name": "TTFT", "unit": "ms", "detail": "", "better": "lower", "references": [],
//!            "scale": { "kind": "log", "min": 1.7, "max": 92.0 } },
//!     "y": { "…": "…", "references": [{ "at": 50.0, "label": "p50" }],
//!            "scale": { "kind": "linear", "max": 100.0 } },
//!     "marks": [{ "kind": "steps", "series": { "label": "vllm", "detail": "60 requests", "style": 0 },
//!                 "points": [[12.5, 1.7], [13.0, 3.3]] }] }],
//!   "notes": ["one run each, so no verdict"] }
//! ```
//!
//! `scale.kind` is `linear` (from 0 to `max`), `log` (`min` to `max`) or `rows` (a list of series, from the top).
//! `marks[].kind` is `line`, `steps` or `points` with `[x, y]`, `band` with `[x, low, high]`, or `bars` with one
//! value or null for each row. `style` is a place: colour, dashes and marker follow from it, the same in every picture.
//! Every number is finite; `better` is `lower`, `higher` or null.

use serde::{Deserialize, Serialize};

use super::scale::Scale;
use crate::schema::figure::Better;

/// A picture: one file `plots/<name>.png`, one `.svg`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ChartSpec {
    /// The file's stem.
    pub name: String,
    /// What it shows, in a few words.
    pub title: String,
    /// Model, load, dataset and number of requests, led by SIMULATED where it is.
    pub subtitle: String,
    /// What a word on the marks means, behind the legend.
    pub legend_note: Option<String>,
    /// From the left to the right, two in a line.
    pub panels: Vec<Panel>,
    /// Doubts in a few words, at the foot.
    pub notes: Vec<String>,
}

/// A pair of axes and what is drawn between them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Panel {
    /// To the right.
    pub x: Axis,
    /// Upwards; rows count from the top.
    pub y: Axis,
    /// The first one lies lowest.
    pub marks: Vec<Mark>,
}

/// What an axis measures.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Axis {
    /// `TTFT`, `concurrency`, …
    pub name: String,
    /// `ms`, `tok/s`, …; empty where the name says it.
    pub unit: String,
    /// How a value came about, as `mean over 30 s`; may be empty.
    pub detail: String,
    /// Which way is better, where one is.
    pub better: Option<Better>,
    /// From values to places.
    pub scale: Scale<Series>,
    /// Values to be marked with a name.
    pub references: Vec<Reference>,
}

/// A line across the panel at one value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reference {
    /// In the axis' unit.
    pub at: f64,
    /// `p50`.
    pub label: String,
}

/// Whose values a mark shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Series {
    /// A run's label.
    pub label: String,
    /// Behind the label, as `60 requests`; may be empty.
    pub detail: String,
    /// Its place among all labels: gives colour, dashes and marker.
    pub style: usize,
}

/// What is drawn. Places are `[x, y]` in the units of the axes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Mark {
    /// From point to point.
    Line {
        /// Whose.
        series: Series,
        /// In the order of x.
        points: Vec<(f64, f64)>,
    },
    /// 0 before the first x; at each x up to its y, which holds to the next.
    Steps {
        /// Whose.
        series: Series,
        /// In the order of x.
        points: Vec<(f64, f64)>,
    },
    /// A marker at each point.
    Points {
        /// Whose.
        series: Series,
        /// In any order.
        points: Vec<(f64, f64)>,
    },
    /// The area between two values: `[x, low, high]`.
    Band {
        /// Whose.
        series: Series,
        /// In the order of x.
        points: Vec<(f64, f64, f64)>,
    },
    /// One bar a row, to the right.
    Bars {
        /// What their length is: `p50`.
        name: String,
        /// Drawn pale, as the lesser of two values of a row.
        pale: bool,
        /// One a row; none where there is no value.
        values: Vec<Option<f64>>,
        /// The row whose value is called best.
        best: Option<usize>,
    },
}

impl Mark {
    /// Whose values these are; bars stand for all rows.
    pub fn series(&self) -> Option<&Series> {
        match self {
            Mark::Line { series, .. }
            | Mark::Steps { series, .. }
            | Mark::Points { series, .. }
            | Mark::Band { series, .. } => Some(series),
            Mark::Bars { .. } => None,
        }
    }

    /// Nothing is to be drawn.
    pub fn is_empty(&self) -> bool {
        match self {
            Mark::Line { points, .. } | Mark::Steps { points, .. } | Mark::Points { points, .. } => {
                points.is_empty()
            }
            Mark::Band { points, .. } => points.is_empty(),
            Mark::Bars { values, .. } => values.iter().all(Option::is_none),
        }
    }
}
