//! Energy an output token, a bar a backend.

use super::context::ChartInput;
use super::scale::Scale;
use super::spec::{Axis, ChartSpec, Mark, Panel, Series};
use crate::report::rows::{Column, View};
use crate::schema::comparison::Estimate;
use crate::schema::figure::{self, Better, Statistic};

/// Its file's stem.
pub const NAME: &str = "energy_per_token";
const TITLE: &str = "Energy per output token by backend";

/// Energy of the GPUs over the measured window, divided by the output tokens of completed requests: of several runs as
/// the comparison's estimate says, with its interval.
pub fn spec(input: &ChartInput<'_>) -> ChartSpec {
    let ChartInput { comparison, context, .. } = input;
    let view = View::of(comparison, 1);
    let rows = view.columns.iter().enumerate();
    let rows: Vec<Series> =
        rows.map(|(place, column)| context.series(&column.group.label, place, "")).collect();
    let estimates: Vec<Option<&Estimate>> = view.columns.iter().map(estimate).collect();
    let known = || estimates.iter().flatten();
    let several = |estimate: &&Estimate| estimate.n > 1;
    let reach = |estimate: &Option<&Estimate>| estimate.filter(several).map(Estimate::reach);
    let is_best = |column: &Column<'_>| column.group.best.contains_key(figure::ENERGY_PER_TOKEN);
    let bars = Mark::Bars {
        name: "whole run".to_owned(),
        pale: false,
        values: estimates.iter().map(|estimate| estimate.map(|estimate| estimate.value)).collect(),
        best: view.columns.iter().position(is_best),
        whiskers: if known().any(|one| one.n > 1) {
            estimates.iter().map(reach).collect()
        } else {
            Vec::new()
        },
    };
    let x = Axis {
        name: "energy of the GPUs per output token".to_owned(),
        unit: "J".to_owned(),
        better: Some(Better::Lower),
        scale: Scale::linear(known().map(|one| one.reach().1.max(one.value)).fold(0.0, f64::max)),
        ..Axis::default()
    };
    let y = Axis { scale: Scale::Rows { rows }, ..Axis::default() };
    let legend_note = known().any(|one| one.n > 1).then(|| {
        let of_several = || known().filter(|one| one.n > 1);
        let sure = of_several().any(|one| one.interval.is_some());
        let whiskers = match (sure, of_several().all(|one| one.interval.is_some())) {
            (true, true) => "95 % interval over rounds",
            (true, false) => "95 % interval over rounds; of two runs the lowest to the highest",
            (false, _) => "lowest to highest run",
        };
        format!("whiskers: {whiskers}")
    });
    ChartSpec { legend_note, ..context.spec(NAME, TITLE, vec![Panel { x, y, marks: vec![bars] }]) }
}

fn estimate<'a>(column: &'a Column<'_>) -> Option<&'a Estimate> {
    column.estimate(figure::metric(figure::ENERGY_PER_TOKEN)?, Statistic::Value)
}
