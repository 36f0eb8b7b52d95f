//! Measures an OpenAI-compatible server that already runs, with 16 requests, 4 at a time:
//!
//! ```text
//! cargo run --example bench_url http://127.0.0.1:8000
//! ```
//!
//! Nothing else is needed. The files of the run lie in `results/`, as those of `harness bench` do; try it against
//! `harness simulate --port 8000`.
#![allow(clippy::print_stdout)]

use anyhow::Context;
use harness::backend::resolve::url_target;
use harness::dataset::{self, Source};
use harness::pipeline::{self, Session};
use harness::report::rows::value;
use harness::schema::figure::{OUTPUT_TPS, Statistic, TTFT};
use harness::schema::plan::{LoadPoint, Plan};
use harness::schema::traffic::{Ramp, Traffic, Until};
use harness::{environment, server_api};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let url = std::env::args().nth(1).context("usage: bench_url http://HOST:PORT")?;
    let four = Traffic::Closed { slots: 4.try_into()?, ramp: Ramp::Automatic };
    let load = LoadPoint::of(four, Until::after_requests(16.try_into()?));
    let mut plan = Plan::of(jiff::Timestamp::now(), Vec::new(), vec![load]);

    let list = format!("{url}/v1/models");
    let models = server_api::models(&server_api::client(&plan.http, None)?, &list).await;
    let models = models.map_err(|why| anyhow::anyhow!(server_api::no_list(&list, &why)))?;
    let model = models.first().context("the server lists no model")?;
    plan.targets.push(url_target("server", None, &url, model));
    let (prompts, source) = dataset::load(None)?;
    plan.dataset = source;
    let units = Source::Listed(dataset::units(&prompts, Some(32), 32).into()).units();

    let session = Session::new(plan, environment::look(), units)?;
    // Send true to stop it: what was measured by then is saved.
    let (_stop, shutdown) = tokio::sync::watch::channel(false);
    let outcome = pipeline::run(&session, &|_| {}, shutdown).await?;

    let run = outcome.comparison.runs.first().context("the server gave no result")?;
    let show =
        |name, statistic| value(run, name, statistic).map_or("-".into(), |value| format!("{value:.1}"));
    println!("completed   {} of {}", run.requests.completed, run.requests.issued);
    println!("output TPS  {} tok/s", show(OUTPUT_TPS, Statistic::Value));
    println!("TTFT p50    {} ms", show(TTFT, Statistic::P50));
    println!("TTFT p99    {} ms", show(TTFT, Statistic::P99));
    Ok(())
}
