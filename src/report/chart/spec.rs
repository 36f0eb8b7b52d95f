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
//! With `whole` a linear scale counts things, and half a one means nothing. `ticks` of an axis, where there are some,
//! are the values to be written beside it.
//!
//! `marks[].kind` is one of
//!
//! | kind | data | drawn as |
//! | --- | --- | --- |
//! | `line` | `points: [[x, y]…]` in the order of the line, x may run back | a line, with markers |
//! | `steps` | `points: [[x, y]…]` by x | a stair: 0 before the first x, then each y up to the next x |
//! | `points` | `points: [[x, y]…]`, `names: ["8"…]` or no names, `hollow` or not | a marker each, its name beside it |
//! | `band` | `points: [[x, low, high]…]` by x; two of one x are a step | a pale area |
//! | `whiskers` | `points: [[x, x_low, x_high, y, y_low, y_high]…]` | a thin cross |
//! | `histogram` | `bins: [[from, to, %]…]` by x | a pale area with an outline |
//! | `frontier` | `name`, `points: [[x, y]…]`, `ideal: "bottom_right"` | a grey stair, and a word in that corner |
//! | `bars` | `name`, `pale`, `values: [1.5, null…]`, `best`, `whiskers: [[low, high], null…]` or none | a bar a row |
//! | `phases` | `spans: [{ "phase": "warm_up", "from": 0.0, "to": 2.0 }…]` by x, `named` or not | a strip above the plot |
//! | `ranges` | `values: [[value, low, high], null…]`, one a row | a marker on a thin line, in each row |
//!
//! `series.style` is a place: colour, dashes and marker follow from it, the same in every picture
//! ([`palette`](super::palette)). Every number is finite; `better` is `lower`, `higher` or null.

use serde::{Deserialize, Serialize};

use super::scale::Scale;
use crate::schema::figure::Better;
use crate::schema::phases::Phase;

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
    /// From the left to the right, two in a line; three where there are three or six.
    pub panels: Vec<Panel>,
    /// Doubts in a few words, at the foot.
    pub notes: Vec<String>,
    /// Low panels below each other over the whole width: all have the same horizontal axis, written once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stacked: bool,
}

impl ChartSpec {
    /// Nothing is to be drawn.
    pub fn is_empty(&self) -> bool {
        self.panels.iter().flat_map(|panel| &panel.marks).all(Mark::is_empty)
    }
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
    /// Values to be written beside it; empty: round ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ticks: Vec<f64>,
    /// Values to be marked with a name.
    pub references: Vec<Reference>,
}

impl Axis {
    /// The values to be written beside it, about `wanted` of them.
    pub fn ticks(&self, wanted: usize) -> Vec<f64> {
        if self.ticks.is_empty() { self.scale.ticks(wanted) } else { self.ticks.clone() }
    }
}

/// A phase along the horizontal axis.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// Which.
    pub phase: Phase,
    /// Its begin, in the axis' unit.
    pub from: f64,
    /// Its end.
    pub to: f64,
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

/// A corner of a panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Corner {
    /// Low x, high y.
    TopLeft,
    /// High x, high y.
    TopRight,
    /// Low x, low y.
    BottomLeft,
    /// High x, low y.
    BottomRight,
}

impl Corner {
    /// Where both axes are at their best.
    pub fn ideal(x: Better, y: Better) -> Corner {
        match (x, y) {
            (Better::Lower, Better::Higher) => Corner::TopLeft,
            (Better::Higher, Better::Higher) => Corner::TopRight,
            (Better::Lower, Better::Lower) => Corner::BottomLeft,
            (Better::Higher, Better::Lower) => Corner::BottomRight,
        }
    }
}

/// What is drawn. Places are `[x, y]` in the units of the axes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Mark {
    /// From point to point.
    Line {
        /// Whose.
        series: Series,
        /// In the order of the line.
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
        /// What stands beside each of them; empty where nothing does.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        names: Vec<String>,
        /// Only their outline: of runs that are not like the others.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        hollow: bool,
    },
    /// The area between two values: `[x, low, high]`.
    Band {
        /// Whose.
        series: Series,
        /// In the order of x.
        points: Vec<(f64, f64, f64)>,
    },
    /// How far a point may lie from where it is drawn: `[x, x_low, x_high, y, y_low, y_high]`.
    Whiskers {
        /// Whose.
        series: Series,
        /// In any order.
        points: Vec<(f64, f64, f64, f64, f64, f64)>,
    },
    /// How many of all values lie in each stretch: `[from, to, %]`.
    Histogram {
        /// Whose.
        series: Series,
        /// In the order of x.
        bins: Vec<(f64, f64, f64)>,
    },
    /// The points that no other one beats in both axes.
    Frontier {
        /// `Pareto frontier`
        name: String,
        /// In the order of x.
        points: Vec<(f64, f64)>,
        /// Where both axes are best.
        ideal: Corner,
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
        /// From where to where each value may lie; none where that is not known. Empty: of none.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        whiskers: Vec<Option<(f64, f64)>>,
    },
    /// Which phase a run was in, each series on its own strip.
    Phases {
        /// Whose.
        series: Series,
        /// In the order of x.
        spans: Vec<Span>,
        /// The strip is high enough for words.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        named: bool,
    },
    /// One value a row with its range, of one series among several: `[value, low, high]`.
    Ranges {
        /// Whose.
        series: Series,
        /// One a row; none where there is no value.
        values: Vec<Option<(f64, f64, f64)>>,
    },
}

impl Mark {
    /// Whose values these are; bars and a frontier stand for all.
    pub fn series(&self) -> Option<&Series> {
        match self {
            Mark::Line { series, .. }
            | Mark::Steps { series, .. }
            | Mark::Points { series, .. }
            | Mark::Band { series, .. }
            | Mark::Whiskers { series, .. }
            | Mark::Histogram { series, .. }
            | Mark::Phases { series, .. }
            | Mark::Ranges { series, .. } => Some(series),
            Mark::Bars { .. } | Mark::Frontier { .. } => None,
        }
    }

    /// The points of a line; none of any other mark.
    pub fn line(&self) -> &[(f64, f64)] {
        if let Mark::Line { points, .. } = self { points } else { &[] }
    }

    /// The crosses of whiskers; none of any other mark.
    pub fn whiskers(&self) -> &[(f64, f64, f64, f64, f64, f64)] {
        if let Mark::Whiskers { points, .. } = self { points } else { &[] }
    }

    /// The rows of ranges; none of any other mark.
    pub fn ranges(&self) -> &[Option<(f64, f64, f64)>] {
        if let Mark::Ranges { values, .. } = self { values } else { &[] }
    }

    /// Of a strip of phases, whether it is named; none of any other mark.
    pub fn strip(&self) -> Option<bool> {
        if let Mark::Phases { named, .. } = self { Some(*named) } else { None }
    }

    /// Nothing is to be drawn.
    pub fn is_empty(&self) -> bool {
        match self {
            Mark::Line { points, .. } | Mark::Steps { points, .. } | Mark::Points { points, .. } => {
                points.is_empty()
            }
            Mark::Band { points, .. } => points.is_empty(),
            Mark::Whiskers { points, .. } => points.is_empty(),
            Mark::Histogram { bins, .. } => bins.is_empty(),
            // It says nothing without the points that it is of.
            Mark::Frontier { .. } => true,
            // Nor do phases without what went on in them.
            Mark::Phases { .. } => true,
            Mark::Ranges { values, .. } => values.iter().all(Option::is_none),
            Mark::Bars { values, .. } => values.iter().all(Option::is_none),
        }
    }
}
