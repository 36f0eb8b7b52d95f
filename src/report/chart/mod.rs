//! Pictures of a comparison: functions make specs, one hand draws them as PNG and as SVG.
//!
//! `spec` is what a chart says, `layout` gives it places (`plot` and `rows` the two kinds of panel, `scale` and `text`
//! what they measure by), `paint` draws. A new chart is one file with a function that returns a [`ChartSpec`], and a
//! line in the list below.

mod by_load;
mod comparison;
mod context;
mod curve;
mod layout;
mod paint;
mod pixels;
mod plot;
mod rows;
mod scale;
mod scene;
mod spec;
mod style;
#[cfg(test)]
mod tests;
mod text;
mod throughput;
mod ttft_distribution;

use anyhow::Context;

use crate::schema::comparison::Comparison;

pub use self::context::{ChartContext, ChartInput};
pub use self::curve::{Curve, CurvePoint, Curves, curve_over_points};
pub use self::scale::Scale;
pub use self::spec::{Axis, ChartSpec, Mark, Panel, Reference, Series};
pub use self::style::{Style, style};

/// A chart of a comparison.
pub struct Listed {
    /// The file's stem below `plots/`.
    pub name: &'static str,
    /// What it shows.
    pub title: &'static str,
    /// Makes it.
    pub spec: fn(&ChartInput<'_>) -> ChartSpec,
}

/// The charts of a comparison, in the order of reports: those of one load, or of a sweep.
pub fn listed(comparison: &Comparison) -> &'static [Listed] {
    if comparison.loads.len() > 1 { SWEEP_CHARTS } else { CHARTS }
}

/// The charts of a comparison at one load.
const CHARTS: &[Listed] = &[
    Listed { name: comparison::NAME, title: comparison::TITLE, spec: comparison::spec },
    Listed { name: ttft_distribution::NAME, title: ttft_distribution::TITLE, spec: ttft_distribution::spec },
    Listed { name: throughput::NAME, title: throughput::TITLE, spec: throughput::spec },
];

/// The charts of a comparison over several loads.
const SWEEP_CHARTS: &[Listed] = &[
    Listed {
        name: "output_tps_by_load",
        title: "Output throughput over the loads",
        spec: by_load::output_tps,
    },
    Listed { name: "ttft_ms_p99_by_load", title: "TTFT p99 over the loads", spec: by_load::ttft_p99 },
    Listed { name: "tpot_ms_p50_by_load", title: "TPOT p50 over the loads", spec: by_load::tpot_p50 },
];

/// A picture in both forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    /// The file's stem below `plots/`.
    pub name: String,
    /// A PNG file's bytes, two pixels a point.
    pub png: Vec<u8>,
    /// An SVG file's text.
    pub svg: String,
}

/// Draws a spec.
///
/// # Errors
/// When the drawing library fails.
pub fn draw(spec: &ChartSpec) -> anyhow::Result<Chart> {
    let scene = layout::layout(spec);
    let name = spec.name.clone();
    let png = paint::png(&scene).with_context(|| format!("cannot draw {name}.png"))?;
    let svg = paint::svg(&scene).with_context(|| format!("cannot draw {name}.svg"))?;
    Ok(Chart { name, png, svg })
}
