//! Figures by the names that people type: `ttft_p99`, `output_tps`.

use super::figure::{METRICS, Metric, Statistic};

/// A statistic of a metric.
#[derive(Debug, Clone, Copy)]
pub struct Figure {
    /// The metric.
    pub metric: &'static Metric,
    /// Which number of it.
    pub statistic: Statistic,
}

impl Figure {
    /// Its column in CSV files, its key in estimates: `ttft_ms_p99`, `output_tps`.
    pub fn column(&self) -> String {
        self.metric.column(self.statistic)
    }

    /// In words: `TTFT p99`, `output TPS`.
    pub fn title(&self) -> String {
        match self.statistic {
            Statistic::Value => self.metric.title.to_owned(),
            statistic => format!("{} {}", self.metric.title, statistic.name()),
        }
    }
}

/// The figure of a name: that of its CSV column, with or without the unit of its metric (`ttft_ms_p99`, `ttft_p99`,
/// `error_rate`).
pub fn figure_named(name: &str) -> Option<Figure> {
    figures().find(|figure| figure.column() == name || short(figure) == name)
}

/// The short names of all figures, in the order of outputs.
pub fn figure_names() -> Vec<String> {
    figures().map(|figure| short(&figure)).collect()
}

fn figures() -> impl Iterator<Item = Figure> {
    let of = |metric: &'static Metric| {
        metric.statistics().iter().map(move |statistic| Figure { metric, statistic: *statistic })
    };
    METRICS.iter().flat_map(of)
}

/// Without the unit in the metric's name.
fn short(figure: &Figure) -> String {
    let name = figure.metric.name;
    let bare = ["_ms", "_pct"].iter().find_map(|unit| name.strip_suffix(unit)).unwrap_or(name);
    match figure.statistic {
        Statistic::Value => bare.to_owned(),
        statistic => format!("{bare}_{}", statistic.name()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_found_by_its_column_and_without_its_unit() {
        for (name, column) in [
            ("ttft_p99", "ttft_ms_p99"),
            ("ttft_ms_p99", "ttft_ms_p99"),
            ("ttft_from_due_p50", "ttft_from_due_ms_p50"),
            ("output_tps", "output_tps"),
            ("error_rate", "error_rate_pct"),
        ] {
            assert_eq!(figure_named(name).unwrap().column(), column);
        }
        for name in ["ttft", "p99", "output_tps_p99", ""] {
            assert!(figure_named(name).is_none(), "{name}");
        }
    }

    #[test]
    fn no_two_figures_share_a_name() {
        let mut names = figure_names();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
