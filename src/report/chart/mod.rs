//! Pictures of a comparison: functions make specs, one hand draws them as PNG and as SVG.
//!
//! `spec` is what a chart says, `layout` gives it places (`plot` and `rows` the two kinds of panel, `scale` and `text`
//! what they measure by), `paint` draws. A new chart is one file with a function that returns a [`ChartSpec`], and a
//! line in the list below.

mod against;
mod by_load;
mod by_request;
mod comparison;
mod context;
mod curve;
mod dataset;
mod distribution;
mod energy;
mod evenly;
mod few_colours;
mod frame;
mod latency_of;
mod layout;
mod load_axis;
mod machine;
#[cfg(test)]
mod machine_tests;
mod marks;
mod over_time;
mod paint;
mod pixels;
mod plot;
mod pooled;
mod readings;
mod rows;
mod scale;
mod scene;
mod spec;
mod strips;
mod style;
#[cfg(test)]
mod tests;
mod text;

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context;

pub use self::context::{ChartContext, ChartInput, DrawnRun};
pub use self::curve::{Curve, CurvePoint, Curves, curve_over_points};
pub use self::dataset::{TraceData, prompts_picture, trace_picture};
pub use self::scale::Scale;
pub use self::spec::{Axis, ChartSpec, Corner, Mark, Panel, Reference, Series, Span};
pub use self::style::{Style, style};

/// A chart of a comparison.
struct Listed {
    /// The file's stem below `plots/`.
    name: &'static str,
    /// Makes it.
    spec: fn(&ChartInput<'_>) -> ChartSpec,
}

/// The charts of a comparison at one load, in the order of reports.
const CHARTS: &[Listed] = &[
    Listed { name: comparison::NAME, spec: comparison::spec },
    Listed { name: energy::NAME, spec: energy::spec },
    Listed { name: against::PARETO_NAME, spec: against::pareto },
    Listed { name: distribution::TTFT_NAME, spec: distribution::ttft },
    Listed { name: distribution::ITL_NAME, spec: distribution::itl },
    Listed { name: over_time::THROUGHPUT_NAME, spec: over_time::throughput },
    Listed { name: over_time::IN_FLIGHT_NAME, spec: over_time::in_flight },
    Listed { name: machine::SERVER_NAME, spec: machine::server },
    Listed { name: machine::GPU_NAME, spec: machine::gpu },
    Listed { name: machine::CPU_NAME, spec: machine::cpu },
    Listed { name: by_request::NAME, spec: by_request::spec },
    Listed { name: latency_of::CATEGORY_NAME, spec: latency_of::by_category },
    Listed { name: latency_of::LENGTH_NAME, spec: latency_of::by_prompt_tokens },
];

/// The charts of a comparison over several loads.
const SWEEP_CHARTS: &[Listed] = &[
    Listed { name: against::CURVES_NAME, spec: against::curves },
    Listed { name: against::PARETO_NAME, spec: against::pareto },
    Listed { name: "goodput_rps_by_load", spec: by_load::goodput },
    Listed { name: "output_tps_by_load", spec: by_load::output_tps },
    Listed { name: "ttft_ms_p99_by_load", spec: by_load::ttft_p99 },
    Listed { name: "tpot_ms_p50_by_load", spec: by_load::tpot_p50 },
];

/// The charts of a comparison that have data, in the order of reports: those of one load, or of a sweep.
pub fn specs(input: &ChartInput<'_>) -> Vec<ChartSpec> {
    let listed = if input.comparison.loads.len() > 1 { SWEEP_CHARTS } else { CHARTS };
    listed.iter().map(|listed| (listed.spec)(input)).filter(|spec| !spec.is_empty()).collect()
}

/// The stems of all files that may lie below `plots/`.
pub fn names() -> impl Iterator<Item = &'static str> {
    CHARTS.iter().chain(SWEEP_CHARTS).map(|listed| listed.name)
}

/// The colours of the styles, `#0072B2`: style n has the colour n modulo their number.
pub fn palette() -> Vec<String> {
    let hex =
        |colour: &plotters::style::RGBColor| format!("#{:02X}{:02X}{:02X}", colour.0, colour.1, colour.2);
    scene::PALETTE.iter().map(hex).collect()
}

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

/// Draws all of them, several at a time: a bitmap takes some hundredths of a second. `take` gets each as soon as it is
/// drawn, on the thread that drew it.
///
/// # Errors
/// As [`draw`]'s, and those of `take`: the first of them.
pub fn draw_all(
    specs: &[ChartSpec],
    take: impl Fn(Chart) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<()> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(specs.len().max(1));
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(spec) = specs.get(next.fetch_add(1, Ordering::Relaxed)) {
            draw(spec).and_then(&take)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let own = work();
        let others = others
            .into_iter()
            .map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        others.fold(own, anyhow::Result::and)
    })
}
