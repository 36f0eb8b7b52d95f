//! What makes two results measurements of the same thing, and what may differ between them.

use crate::schema::check::Difference;
use crate::schema::client_threads::ClientThreads;
use crate::schema::environment::Environment;
use crate::schema::plan::{Plan, Sampling};
use crate::schema::target::Origin;

use super::side::Cell;

/// Facts in which two results may not differ, where one is to be called worse than the other.
pub fn differences(baseline: &Cell<'_>, now: &Cell<'_>) -> Vec<Difference> {
    let label = now.label();
    let of = |what: &str, of: &dyn Fn(&Cell<'_>) -> String| difference(label, what, of(baseline), of(now));
    let found = [
        of("engines", &|cell| {
            cell.fact(|part, _, _| if part.plan.simulated { "simulated" } else { "real" }.to_owned())
        }),
        of("engine", &|cell| cell.fact(|_, run, _| run.engine.clone())),
        of("model", &|cell| cell.fact(|_, run, _| run.model.clone())),
        of("precision", &|cell| cell.fact(|_, run, _| run.precision.clone())),
        of("dataset", &|cell| cell.fact(|part, _, _| dataset(&part.plan))),
        of("load", &|cell| cell.load()),
        of("warm-up, drain and timeout", &|cell| {
            let load = cell.point();
            format!("{:?}, {} s, {} s", load.warmup, load.drain_s, load.timeout_s)
        }),
        of("sampling", &|cell| cell.fact(|part, _, _| sampling(part.plan.sampling))),
        of("endpoint", &|cell| {
            cell.fact(|part, run, _| part.plan.http.protocol_of(&run.key.label).endpoint().to_owned())
        }),
        of("HTTP version", &|cell| {
            cell.fact(|part, _, _| if part.plan.http.http2 { "2" } else { "1.1" }.to_owned())
        }),
        of("shared settings", &|cell| cell.fact(|part, _, _| settings(&part.plan))),
        of("machine", &|cell| cell.fact(|part, _, _| machine(&part.environment))),
    ];
    found.into_iter().flatten().collect()
}

/// Facts that are told where they differ: a change of one of them may be why the check is made.
pub fn may_differ(baseline: &Cell<'_>, now: &Cell<'_>) -> Vec<Difference> {
    let of =
        |what: &str, of: &dyn Fn(&Cell<'_>) -> String| difference(now.label(), what, of(baseline), of(now));
    let found = [
        of("engine version", &|cell| {
            cell.fact(|_, run, _| run.engine_version.clone().unwrap_or_else(|| "unknown".to_owned()))
        }),
        of("started from", &|cell| {
            cell.fact(|_, _, target| match target.map(|target| (&target.origin, target.endpoints())) {
                Some((Origin::Url(_), endpoints)) => endpoints.join(", "),
                Some((Origin::Launch(_), _)) | None => "a launch".to_owned(),
            })
        }),
        of("driver", &|cell| {
            cell.fact(|part, _, _| part.environment.driver.clone().unwrap_or_else(|| "none".to_owned()))
        }),
        of("host", &|cell| cell.fact(|part, _, _| part.environment.hostname.clone())),
        of("harness", &|cell| cell.fact(|part, _, _| part.environment.harness_version.clone())),
        of("load threads", &|cell| {
            cell.fact(|part, run, _| load_threads(part.plan.client_threads, run.client.threads))
        }),
    ];
    found.into_iter().flatten().collect()
}

/// Those that played; those that were asked for, where a crash left no word of them.
fn load_threads(asked: ClientThreads, played: u32) -> String {
    if played > 0 { played.to_string() } else { asked.to_string() }
}

/// Facts in which plans that stand side by side should not differ, by name.
pub fn plan_facts(plan: &Plan, environment: &Environment) -> [(&'static str, String); 5] {
    [
        ("dataset", dataset(plan)),
        ("sampling", sampling(plan.sampling)),
        ("endpoint", plan.http.endpoint_words()),
        ("shared settings", settings(plan)),
        ("machine", machine(environment)),
    ]
}

fn difference(label: &str, what: &str, baseline: String, now: String) -> Option<Difference> {
    (baseline != now).then(|| Difference { what: format!("{label}: {what}"), baseline, now })
}

fn dataset(plan: &Plan) -> String {
    let hash: String = plan.dataset.sha256.chars().take(8).collect();
    format!("{} ({hash})", plan.dataset.name)
}

fn sampling(of: Sampling) -> String {
    let limit = of
        .max_tokens
        .map_or_else(|| "the dataset's lengths".to_owned(), |limit| format!("at most {limit} tokens"));
    let flags = [(of.ignore_eos, ", ignore_eos"), (of.exact_itl, ", exact_itl")];
    let flags: String = flags.into_iter().filter(|(on, _)| *on).map(|(_, text)| text).collect();
    format!("temperature {}, {limit}{flags}", of.temperature)
}

/// Settings that all servers of a plan share.
fn settings(plan: &Plan) -> String {
    match &plan.launching {
        None => "none: it already ran".to_owned(),
        Some(launching) => {
            let shared = &launching.shared;
            let gpus = shared.gpus.as_ref().map_or_else(String::new, |gpus| format!(", GPUs {gpus}"));
            format!("context {}, batch {}{gpus}", shared.context_length, shared.max_batch)
        }
    }
}

/// What a figure depends on: processor, cores and GPUs. Hosts of a pool have names of their own.
fn machine(environment: &Environment) -> String {
    let gpus: Vec<&str> = environment.gpus.iter().map(|gpu| gpu.name.as_str()).collect();
    let gpus = if gpus.is_empty() { "no GPU".to_owned() } else { gpus.join(" + ") };
    format!("{}, {} cores, {gpus}", environment.cpu, environment.cores)
}
