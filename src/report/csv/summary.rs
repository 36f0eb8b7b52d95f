//! The summary of runs: one row a run, or a target that gave none.

use jiff::Timestamp;

use super::cell::{number, optional, plain, time};
use super::column::{Column, column, head, row};
use crate::schema::caveat::Caveat;
use crate::schema::client_figures::{CLIENT, CLIENT_STATISTICS, ClientFigure, Held};
use crate::schema::comparison::FailedTarget;
use crate::schema::figure::{METRICS, Metric};
use crate::schema::gpu_figures::{GPU_COLUMNS, GpuColumn};
use crate::schema::machine::{MACHINE, MachineFigure};
use crate::schema::plan::{LoadPoint, Plan};
use crate::schema::served::{ServedSummary, ServerTime};
use crate::schema::summary::{ClientStats, RequestCounts, RunSummary};
use crate::schema::target::Target;
use crate::schema::traffic::{Arrivals, Traffic};

/// What a row is made of.
#[derive(Debug, Clone, Copy)]
pub struct SummaryRow<'a> {
    /// The plan that was played.
    pub plan: &'a Plan,
    /// When the run began, or its target failed.
    pub at: Timestamp,
    /// The run, or the target that gave none.
    pub run: Result<&'a RunSummary, &'a FailedTarget>,
}

impl<'a> SummaryRow<'a> {
    /// The row of a run.
    pub fn of_run(plan: &'a Plan, run: &'a RunSummary) -> Self {
        SummaryRow { plan, at: run.started_at, run: Ok(run) }
    }

    /// The row of a target that gave no result: no figure, exit `failed`.
    pub fn of_failure(plan: &'a Plan, failed: &'a FailedTarget, at: Timestamp) -> Self {
        SummaryRow { plan, at, run: Err(failed) }
    }

    fn label(&self) -> &'a str {
        match self.run {
            Ok(run) => &run.key.label,
            Err(failed) => &failed.label,
        }
    }

    fn round(&self) -> u32 {
        match self.run {
            Ok(run) => run.key.round,
            Err(failed) => failed.round,
        }
    }

    /// Of a launch that gave none, where it had but one: the row is the run's once its records are read.
    fn point(&self) -> Option<u32> {
        match self.run {
            Ok(run) => Some(run.key.point),
            Err(_) => (self.plan.loads.len() == 1).then_some(1),
        }
    }

    fn repeat(&self) -> Option<u32> {
        match self.run {
            Ok(run) => Some(run.key.repeat),
            Err(_) => (self.plan.repeats == 1).then_some(1),
        }
    }

    /// The load of a run; of a launch that gave none only where the plan has but one.
    fn load(&self) -> Option<&'a LoadPoint> {
        match (self.run, self.plan.loads.as_slice()) {
            (Ok(run), _) => self.plan.load(run.key.point),
            (Err(_), [only]) => Some(only),
            (Err(_), _) => None,
        }
    }

    /// What the run says of its target, or, where there is no run, what the plan does.
    fn fact(
        &self,
        run: fn(&RunSummary) -> Option<&str>,
        target: fn(&Target) -> Option<&str>,
    ) -> Option<&'a str> {
        match self.run {
            Ok(summary) => run(summary),
            Err(_) => self.plan.targets.iter().find(|of| of.label == self.label()).and_then(target),
        }
    }

    /// `ok`, `partial` where the run did not reach its end, or `failed` where it completed no request.
    fn exit(&self) -> &'static str {
        match self.run {
            Err(_) => "failed",
            Ok(run) if run.requests.completed == 0 => "failed",
            Ok(run) if run.partial.is_some() => "partial",
            Ok(_) => "ok",
        }
    }
}

/// Columns of `benchmark_summary.csv` and of a comparison's `summary.csv`.
pub fn summary_header() -> Vec<String> {
    head(&columns())
}

/// The cells of a row, in the order of [`summary_header`].
pub fn summary_row(source: &SummaryRow<'_>) -> Vec<String> {
    row(&columns(), source).collect()
}

fn columns<'a>() -> Vec<Column<'a, SummaryRow<'a>>> {
    let mut columns = vec![
        told("timestamp", |row| time(row.at)),
        told("run_id", |row| row.plan.run_id.clone()),
        told("backend", |row| row.label().to_owned()),
        told("point", |row| plain(row.point())),
        told("round", |row| row.round().to_string()),
        told("repeat", |row| plain(row.repeat())),
        told("engine_version", |row| {
            plain(row.fact(|run| run.engine_version.as_deref(), |target| target.version.as_deref()))
        }),
        told("model", |row| plain(row.fact(|run| Some(&run.model), |target| Some(&target.model.name)))),
        told("precision", |row| {
            plain(row.fact(|run| Some(&run.precision), |target| Some(&target.model.precision)))
        }),
        told("dataset", |row| row.plan.dataset_name(row.point()).to_owned()),
        told("endpoint", |row| row.plan.http.protocol_of(row.label()).endpoint().to_owned()),
        told("http_version", |row| if row.plan.http.http2 { "2" } else { "1.1" }.to_owned()),
        told("concurrency", |row| plain(row.load().and_then(LoadPoint::concurrency))),
        told("rate", |row| row.load().map(rate).unwrap_or_default()),
        requests("issued", |requests| requests.issued),
        requests("completed", |requests| requests.completed),
        requests("failed", |requests| requests.failed),
        requests("cancelled", |requests| requests.cancelled),
        requests("dropped", |requests| requests.dropped),
        of_run("ready_s", |run| optional(run.ready_s)),
        of_run("duration_s", |run| number(run.duration_s)),
        of_run("steady_output_tps", |run| optional(run.steady.as_ref().map(|steady| steady.output_tps))),
    ];
    columns.extend(METRICS.iter().flat_map(of_metric));
    columns.extend(of_page());
    columns.extend(CLIENT.iter().flat_map(of_client));
    columns.extend(GPU_COLUMNS.iter().map(of_gpu));
    columns.extend(MACHINE.iter().map(of_machine));
    columns.extend([
        told("workers", |row| row.plan.workers.to_string()),
        of_run("caveats", |run| run.caveats.iter().map(Caveat::code).collect::<Vec<_>>().join(";")),
        told("exit", |row| row.exit().to_owned()),
    ]);
    columns
}

fn of_machine<'a>(figure: &'static MachineFigure) -> Column<'a, SummaryRow<'a>> {
    of_run(figure.name, move |run| optional(run.machine.as_ref().and_then(figure.of)))
}

/// A column as its cell says it.
fn told<'a>(name: &str, cell: fn(&SummaryRow<'a>) -> String) -> Column<'a, SummaryRow<'a>> {
    column(name, cell)
}

/// Requests a second of an open loop; `inf` where all are due at once.
fn rate(load: &LoadPoint) -> String {
    match load.traffic {
        Traffic::Open { arrivals: Arrivals::AllAtOnce, .. } => "inf".to_owned(),
        Traffic::Open { .. } | Traffic::Closed { .. } => optional(load.rate()),
    }
}

/// Empty where there is no run.
fn of_run<'a>(
    name: impl Into<String>,
    cell: impl Fn(&RunSummary) -> String + 'static,
) -> Column<'a, SummaryRow<'a>> {
    column(name, move |row: &SummaryRow<'a>| row.run.map(&cell).unwrap_or_default())
}

fn requests<'a>(name: &str, count: fn(&RequestCounts) -> u64) -> Column<'a, SummaryRow<'a>> {
    of_run(format!("requests_{name}"), move |run| count(&run.requests).to_string())
}

fn of_metric<'a>(metric: &'static Metric) -> impl Iterator<Item = Column<'a, SummaryRow<'a>>> {
    metric.statistics().iter().map(move |statistic| {
        of_run(metric.column(*statistic), move |run| {
            optional(run.metrics.get(metric.name).and_then(|value| statistic.of(value)))
        })
    })
}

fn of_gpu<'a>(figure: &'static GpuColumn) -> Column<'a, SummaryRow<'a>> {
    of_run(figure.name, move |run| optional(run.gpu.as_ref().and_then(figure.of)))
}

fn of_client<'a>(figure: &'static ClientFigure) -> Vec<Column<'a, SummaryRow<'a>>> {
    let one =
        |cell: Box<dyn Fn(&ClientStats) -> String>| vec![of_run(figure.name, move |run| cell(&run.client))];
    match figure.of {
        Held::Number(of) | Held::Share(of) => one(Box::new(move |client| optional(of(client)))),
        Held::Count(of) => one(Box::new(move |client| of(client).to_string())),
        Held::Text(of) => one(Box::new(move |client| plain(of(client)))),
        Held::Distribution(of) => CLIENT_STATISTICS
            .into_iter()
            .map(|statistic| {
                of_run(format!("{}_{}", figure.name, statistic.name()), move |run| {
                    optional(of(&run.client).and_then(|held| statistic.of_distribution(held)))
                })
            })
            .collect(),
    }
}

/// What the server's own page says; empty where it says nothing.
fn of_page<'a>() -> Vec<Column<'a, SummaryRow<'a>>> {
    let of = |name: &str, cell: fn(&ServedSummary) -> Option<f64>| {
        of_run(format!("served_{name}"), move |run| optional(run.served.as_deref().and_then(cell)))
    };
    vec![
        of("ttft_ms_mean", |served| served.mean_ms(ServerTime::Ttft)),
        of("queue_ms_mean", |served| served.mean_ms(ServerTime::Queue)),
        of("itl_ms_mean", |served| served.mean_ms(ServerTime::Itl)),
        of("e2e_ms_mean", |served| served.mean_ms(ServerTime::E2e)),
        of("running_mean", |served| Some(served.running?.mean)),
        of("waiting_mean", |served| Some(served.waiting?.mean)),
        of("waiting_max", |served| Some(served.waiting?.max)),
        of("kv_cache_use_max", |served| Some(served.kv_cache_use?.max)),
        of("cache_hit_share", |served| served.cache_hit_share),
        of("preemptions", |served| served.preemptions),
    ]
}
