//! What goes on → metric families. Names and units follow <https://prometheus.io/docs/practices/naming/>.

use crate::schema::live_page::{BackendState, LiveBackend, LivePage, LiveRun};
use crate::schema::live_snapshot::{LiveLatencies, LiveLatency, LiveSnapshot};
use crate::schema::record::FailureKind;
use crate::schema::sample::Source;
use crate::schema::series;

use super::family::{Family, Kind, Labels, Value};
use super::sensed::exported;

/// All that the page shows, by family.
pub(super) fn families(page: &LivePage) -> Vec<Family<'_>> {
    let mut all = about(page);
    all.extend(of_backends(page));
    all.extend(of_runs(page));
    all.extend(latencies(page));
    all.extend(sensed(page));
    all.retain(|family| !family.metrics.is_empty());
    all
}

fn family<'a>(
    (name, kind, unit): (&str, Kind, &'static str),
    help: &str,
    metrics: Vec<(Labels, Value<'a>)>,
) -> Family<'a> {
    Family { name: format!("harness_{name}"), kind, unit, help: help.to_owned(), metrics }
}

fn labels<const N: usize>(pairs: [(&'static str, &str); N]) -> Labels {
    pairs.into_iter().map(|(name, value)| (name, value.to_owned())).collect()
}

fn about(page: &LivePage) -> Vec<Family<'_>> {
    let one = Value::Number(1.0);
    let plan = (!page.run_id.is_empty()).then(|| {
        let mut labels = labels([("run_id", &page.run_id), ("command", &page.title)]);
        labels.extend((page.workers > 1).then(|| ("workers", page.workers.to_string())));
        (labels, one)
    });
    vec![
        family(
            ("build", Kind::Info, ""),
            "The harness that measures.",
            vec![(labels([("version", &page.version)]), one)],
        ),
        family(("plan", Kind::Info, ""), "The plan that is played.", plan.into_iter().collect()),
    ]
}

fn of_backends(page: &LivePage) -> Vec<Family<'_>> {
    let of = |backend: &LiveBackend| labels([("label", &backend.label), ("model", &backend.model)]);
    let mut states = Vec::new();
    for backend in &page.backends {
        for state in BackendState::ALL {
            let mut labels = of(backend);
            labels.push(("state", state.name().to_owned()));
            states.push((labels, Value::Number(f64::from(u8::from(state == backend.state)))));
        }
    }
    let count = |count: fn(&LiveBackend) -> u64| {
        let value = |backend| (of(backend), Value::Number(count(backend) as f64));
        page.backends.iter().map(value).collect()
    };
    let engines = page.backends.iter().map(|backend| {
        let mut labels = of(backend);
        labels.push(("engine", backend.engine.clone()));
        (labels, Value::Number(1.0))
    });
    vec![
        family(("backend", Kind::Info, ""), "What is measured.", engines.collect()),
        family(
            ("backend_state", Kind::Gauge, ""),
            "1 for what the backend is doing, 0 for what it is not.",
            states,
        ),
        family(
            ("runs_closed", Kind::Counter, ""),
            "Runs whose results are saved.",
            count(|backend| backend.closed),
        ),
        family(
            ("launches_failed", Kind::Counter, ""),
            "Launches that gave no result, or not all of their runs.",
            count(|backend| backend.failed),
        ),
    ]
}

fn of_run(run: &LiveRun) -> Labels {
    labels([
        ("label", &run.label),
        ("model", &run.model),
        ("point", &run.point.to_string()),
        ("round", &run.round.to_string()),
    ])
}

fn of_runs(page: &LivePage) -> Vec<Family<'_>> {
    let number = |value: fn(&LiveSnapshot) -> u64| -> Vec<(Labels, Value<'_>)> {
        page.runs.iter().map(|run| (of_run(run), Value::Number(value(&run.known) as f64))).collect()
    };
    let one = |run: &LiveRun| {
        let mut labels = of_run(run);
        labels.extend([("load", run.load.clone()), ("run_id", page.run_id.clone())]);
        (labels, Value::Number(1.0))
    };
    let loading = |run: &LiveRun| (of_run(run), Value::Number(f64::from(u8::from(run.loading))));
    vec![
        family(("run", Kind::Info, ""), "A load that is played or was.", page.runs.iter().map(one).collect()),
        family(
            ("run_loading", Kind::Gauge, ""),
            "1 while the load is played.",
            page.runs.iter().map(loading).collect(),
        ),
        family(
            ("requests_issued", Kind::Counter, ""),
            "Measured requests whose turn came.",
            number(|known| known.counts.issued),
        ),
        family(
            ("requests_in_flight", Kind::Gauge, ""),
            "Measured requests that were sent and have not ended.",
            number(|known| known.counts.in_flight),
        ),
        family(("requests", Kind::Counter, ""), "Measured requests that ended, by how.", outcomes(page)),
        family(
            ("request_failures", Kind::Counter, ""),
            "Measured requests that failed, by what failed.",
            failures(page),
        ),
        family(
            ("warmup_requests", Kind::Counter, ""),
            "Warm-up requests that ended; they are in no other metric.",
            number(|known| known.counts.warmup_done),
        ),
        family(
            ("prompt_tokens", Kind::Counter, ""),
            "Prompt tokens of completed requests.",
            number(|known| known.counts.prompt_tokens),
        ),
        family(
            ("output_tokens", Kind::Counter, ""),
            "Output tokens of completed requests: they come in when a request ends.",
            number(|known| known.counts.output_tokens),
        ),
        family(
            ("token_events", Kind::Counter, ""),
            "Events that carry tokens, of answers that still come too.",
            number(|known| known.counts.token_events),
        ),
        family(
            ("pace_withheld", Kind::Gauge, ""),
            "1 where nobody can place the tokens of answers, so that ITL and TPOT are not shown.",
            number(|known| u64::from(known.pace_withheld)),
        ),
    ]
}

fn outcomes(page: &LivePage) -> Vec<(Labels, Value<'_>)> {
    let mut all = Vec::new();
    for run in &page.runs {
        let known = &run.known;
        let counts = [
            ("completed", known.counts.completed),
            ("failed", known.counts.failed()),
            ("cancelled", known.counts.cancelled),
            ("dropped", known.counts.dropped),
        ];
        for (outcome, count) in counts {
            let mut labels = of_run(run);
            labels.push(("outcome", outcome.to_owned()));
            all.push((labels, Value::Number(count as f64)));
        }
    }
    all
}

fn failures(page: &LivePage) -> Vec<(Labels, Value<'_>)> {
    let mut all = Vec::new();
    for run in &page.runs {
        for kind in FailureKind::ALL {
            let mut labels = of_run(run);
            labels.push(("kind", kind.name().to_owned()));
            let count = run.known.counts.failures.get(&kind).copied().unwrap_or(0);
            all.push((labels, Value::Number(count as f64)));
        }
    }
    all
}

fn latencies(page: &LivePage) -> Vec<Family<'_>> {
    let of = |pick: fn(&LiveLatencies) -> &LiveLatency, is_pace: bool| {
        let shown = page.runs.iter().filter(move |run| !(is_pace && run.known.pace_withheld));
        let value = move |run| {
            let run: &LiveRun = run;
            Some((of_run(run), Value::Histogram(&pick(run.known.latencies.as_ref()?).histogram)))
        };
        shown.filter_map(value).collect()
    };
    let kind = |name| (name, Kind::Histogram, "seconds");
    vec![
        family(
            kind("ttft_seconds"),
            "Time to first token of completed requests.",
            of(|latencies| &latencies.ttft, false),
        ),
        family(
            kind("tpot_seconds"),
            "Time a further output token of a request, mean over the request.",
            of(|latencies| &latencies.tpot, true),
        ),
        family(
            kind("itl_seconds"),
            "Inter-token latency: steps between tokens of completed requests.",
            of(|latencies| &latencies.itl, true),
        ),
        family(
            kind("e2e_seconds"),
            "From the send of a completed request to its last token.",
            of(|latencies| &latencies.e2e, false),
        ),
    ]
}

/// The newest values of the sensors, of runs that are played now.
fn sensed(page: &LivePage) -> Vec<Family<'_>> {
    let mut all = Vec::new();
    for row in series::all() {
        let exported = exported(row);
        let mut metrics = Vec::new();
        for run in page.runs.iter().filter(|run| run.loading) {
            for sample in run.known.sensed.iter().filter(|sample| sample.source == row.source) {
                let Some(value) = sample.values.get(row.name) else { continue };
                let mut labels = labels([("label", &run.label), ("model", &run.model)]);
                labels.extend(device(&run.known, sample.source, sample.device));
                metrics.push((labels, Value::Number(value * exported.factor)));
            }
        }
        let kind = if exported.grows { Kind::Counter } else { Kind::Gauge };
        let help = format!("{}.", row.about);
        all.push(Family { name: exported.name, kind, unit: exported.unit, help, metrics });
    }
    all
}

fn device(known: &LiveSnapshot, source: Source, device: Option<u32>) -> Labels {
    let Some(device) = device else { return Labels::new() };
    match source {
        Source::Gpu => {
            let gpu = known.gpus.iter().find(|gpu| gpu.index == device);
            let (uuid, name) = gpu.map(|gpu| (gpu.uuid.clone(), gpu.name.clone())).unwrap_or_default();
            vec![("gpu", device.to_string()), ("uuid", uuid), ("gpu_name", name)]
        }
        Source::Server | Source::ServerProcesses | Source::Client | Source::Host => {
            vec![("device", device.to_string())]
        }
    }
}
