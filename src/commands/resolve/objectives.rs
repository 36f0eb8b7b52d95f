//! `--slo` and `--price-per-hour` → the objectives and prices of a plan.

use std::collections::BTreeMap;

use crate::cli;
use crate::schema::figure::{self, Better, METRICS, Metric, Shape, Statistic};
use crate::schema::objective::{DEFAULT_ERRORS_PCT, ERRORS, Objective};
use crate::schema::plan::Plan;
use crate::schema::refusal::refuse;

/// The objectives, in the order in which they are given; an error rate is one of them wherever there is any.
pub fn objectives(given: &[String]) -> anyhow::Result<Vec<Objective>> {
    let mut objectives: Vec<Objective> = Vec::new();
    for text in given {
        let objective = objective(text.trim())?;
        if objectives.iter().any(|known| known.name() == objective.name()) {
            return refuse(format!("--slo gives {} twice", objective.name()), "give it one limit");
        }
        objectives.push(objective);
    }
    if !objectives.is_empty() && !objectives.iter().any(Objective::is_of_run) {
        objectives.push(of_errors(DEFAULT_ERRORS_PCT));
    }
    Ok(objectives)
}

fn of_errors(limit: f64) -> Objective {
    Objective { metric: figure::ERROR_RATE.to_owned(), statistic: Statistic::Value, limit }
}

fn objective(text: &str) -> anyhow::Result<Objective> {
    let Some((name, limit)) = text.split_once('=') else {
        return refuse(format!("--slo '{text}' has no limit"), "write ttft_p99=500ms");
    };
    let (name, limit) = (name.trim(), limit.trim());
    if name == ERRORS {
        return errors(limit);
    }
    // A column's name is taken too: ttft_ms_p99.
    let parts = name.rsplit_once('_').map(|(metric, statistic)| (metric.trim_end_matches("_ms"), statistic));
    let (metric, statistic) = match parts.map(|(metric, name)| (latency(metric), statistic(name))) {
        Some((Some(metric), Some(statistic))) => (metric, statistic),
        Some((Some(_), None)) | Some((None, None)) | None
            if latency(name.trim_end_matches("_ms")).is_some() =>
        {
            return refuse(
                format!("--slo '{text}' does not say which statistic of {name} is limited"),
                format!("write {name}_p99={limit}; known are {}", known_statistics()),
            );
        }
        Some((Some(_), None)) => {
            let asked = name.rsplit('_').next().unwrap_or(name);
            return refuse(
                format!("--slo '{text}': '{asked}' is no statistic that a request can be held against"),
                format!("known are {}", known_statistics()),
            );
        }
        Some((None, _)) | None => {
            return refuse(
                format!("--slo '{text}': '{name}' is no latency with its statistic"),
                format!(
                    "write METRIC_STATISTIC=LIMIT; metrics: {}; statistics: {}; or {ERRORS}=1%",
                    known_metrics(),
                    known_statistics()
                ),
            );
        }
    };
    Ok(Objective { metric: metric.name.to_owned(), statistic, limit: milliseconds(text, limit)? })
}

fn milliseconds(text: &str, limit: &str) -> anyhow::Result<f64> {
    let has_unit = limit.ends_with(|last: char| last.is_alphabetic());
    let seconds = if has_unit { cli::seconds(limit).ok() } else { None };
    match seconds {
        Some(seconds) if seconds > 0.0 => Ok(seconds * 1e3),
        Some(_) | None => {
            let what = if limit.parse::<f64>().is_ok() { "has no unit" } else { "is no time above 0" };
            refuse(format!("--slo '{text}': the limit {limit} {what}"), "write 500ms or 10s")
        }
    }
}

fn errors(limit: &str) -> anyhow::Result<Objective> {
    match limit.strip_suffix('%').map(|share| share.trim().parse::<f64>()) {
        Some(Ok(share)) if (0.0..100.0).contains(&share) => Ok(of_errors(share)),
        Some(_) | None => {
            refuse(format!("--slo '{ERRORS}={limit}' is no share"), format!("write {ERRORS}=1%"))
        }
    }
}

/// A metric that is a distribution of latencies, by its name without the unit.
fn latency(name: &str) -> Option<&'static Metric> {
    latencies().find(|metric| short(metric) == name)
}

fn latencies() -> impl Iterator<Item = &'static Metric> {
    METRICS.iter().filter(|metric| metric.shape() == Shape::Distribution && metric.better == Better::Lower)
}

fn short(metric: &Metric) -> &'static str {
    metric.name.trim_end_matches("_ms")
}

/// How far values are spread is nothing that one request has.
fn statistics() -> impl Iterator<Item = Statistic> {
    Statistic::OF_DISTRIBUTION.into_iter().filter(|statistic| *statistic != Statistic::Std)
}

fn statistic(name: &str) -> Option<Statistic> {
    statistics().find(|statistic| statistic.name() == name)
}

fn known_metrics() -> String {
    latencies().map(short).collect::<Vec<_>>().join(", ")
}

fn known_statistics() -> String {
    statistics().map(Statistic::name).collect::<Vec<_>>().join(", ")
}

/// The price of each label's machine an hour; labels without one are left out.
pub fn prices(given: &[String], labels: &[String]) -> anyhow::Result<BTreeMap<String, f64>> {
    let mut prices = BTreeMap::new();
    for text in given {
        let (label, price) = match text.split_once('=') {
            Some((label, price)) => (Some(label.trim()), price),
            None => (None, text.as_str()),
        };
        let price = match price.trim().parse::<f64>() {
            Ok(price) if price.is_finite() && price > 0.0 => price,
            Ok(_) | Err(_) => {
                return refuse(
                    format!("--price-per-hour '{text}' is no price"),
                    "give a number above 0, such as 2.5 or vllm=2.5",
                );
            }
        };
        match label {
            Some(label) if labels.iter().any(|known| known == label) => {
                prices.insert(label.to_owned(), price);
            }
            Some(label) => {
                return refuse(
                    format!("--price-per-hour is given for '{label}', which is not measured"),
                    format!("known are {}", labels.join(", ")),
                );
            }
            // A price of one's own counts before that of all, wherever it stands.
            None => labels.iter().for_each(|label| {
                prices.entry(label.clone()).or_insert(price);
            }),
        }
    }
    Ok(prices)
}

/// Of an answer that comes whole nobody knows when its tokens came.
pub fn refuse_unknowable(plan: &Plan) -> anyhow::Result<()> {
    const KNOWN: [&str; 4] = [figure::E2E, figure::E2E_FROM_DUE, figure::NTPOT, figure::ERROR_RATE];
    let unknown = |objective: &&Objective| !KNOWN.contains(&objective.metric.as_str());
    match plan.objectives.iter().find(unknown) {
        Some(objective) if plan.http.comes_whole() => refuse(
            format!("--slo {}: answers come whole here, which tells nothing of it", objective.name()),
            "ask for e2e_p90, ntpot_p90 or errors, or for answers that stream",
        ),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::plan::HttpSettings;
    use crate::schema::refusal::{cures, shown};
    use crate::schema::wire::{BodyTemplate, ReplyFraming};

    fn parsed(text: &str) -> anyhow::Result<Vec<Objective>> {
        objectives(&text.split(',').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn objectives_take_metrics_statistics_and_units_and_an_error_rate_stands_beside_them() {
        let all = parsed("ttft_p99=500ms, tpot_mean=50ms,e2e_p95=10s,itl_ms_p999=0.2s,ttft_from_due_max=1m")
            .unwrap();
        let shown: Vec<(String, f64)> = all.iter().map(|one| (one.name(), one.limit)).collect();
        let expected = [
            ("ttft_p99", 500.0),
            ("tpot_mean", 50.0),
            ("e2e_p95", 10_000.0),
            ("itl_p999", 200.0),
            ("ttft_from_due_max", 60_000.0),
            ("errors", 1.0),
        ];
        assert_eq!(shown, expected.map(|(name, limit)| (name.to_owned(), limit)));
        assert_eq!(all[0].metric, figure::TTFT);
        let own = parsed("errors=0.5%,ttft_p50=1s").unwrap();
        assert_eq!(own.iter().map(|one| one.limit).collect::<Vec<_>>(), [0.5, 1000.0]);
        assert!(objectives(&[]).unwrap().is_empty());
    }

    #[test]
    fn an_objective_that_cannot_be_is_refused_with_what_is_known() {
        for (text, said) in [
            ("ttft_p99", "no limit"),
            ("ttft=500ms", "which statistic"),
            ("ttft_from_due=500ms", "which statistic"),
            ("ttft_p98=500ms", "'p98' is no statistic"),
            ("ttft_std=500ms", "'std' is no statistic"),
            ("latency_p99=1s", "ntpot"),
            ("output_tps_p99=1s", "ttft_from_due"),
            ("ttft_p99=500", "has no unit"),
            ("ttft_p99=fast", "is no time"),
            ("ttft_p99=0ms", "is no time"),
            ("errors=1", "errors=1%"),
            ("errors=101%", "errors=1%"),
            ("ttft_p99=1s,ttft_ms_p99=2s", "twice"),
        ] {
            let error = parsed(text).expect_err(text);
            assert!(!cures(&error).is_empty() && shown(&error).contains(said), "{text}: {}", shown(&error));
        }
    }

    #[test]
    fn an_objective_of_the_first_token_is_refused_wherever_answers_come_whole() {
        let template = |framing| BodyTemplate {
            body: r#"{"input": "{prompt}"}"#.to_owned(),
            framing,
            text_path: "$.text".to_owned(),
            tokens_path: None,
        };
        let refused = |stream, framing: Option<ReplyFraming>, slo: &str| {
            let http = HttpSettings { stream, template: framing.map(template), ..HttpSettings::default() };
            let plan = Plan::of(jiff::Timestamp::UNIX_EPOCH, Vec::new(), Vec::new());
            refuse_unknowable(&Plan { http, objectives: parsed(slo).unwrap(), ..plan }).is_err()
        };
        assert!(refused(false, None, "ttft_p99=1s") && !refused(true, None, "ttft_p99=1s"));
        assert!(refused(true, Some(ReplyFraming::Whole), "ttft_p99=1s"));
        assert!(!refused(true, Some(ReplyFraming::Sse), "ttft_p99=1s"));
        assert!(!refused(true, Some(ReplyFraming::Whole), "e2e_p99=1s"));
    }

    #[test]
    fn a_price_is_for_all_labels_or_for_one_and_the_own_one_counts() {
        let of = |text: &str| {
            prices(&text.split(',').map(str::to_owned).collect::<Vec<_>>(), &["a".into(), "b".into()])
        };
        assert_eq!(of("2.5").unwrap(), BTreeMap::from([("a".into(), 2.5), ("b".into(), 2.5)]));
        assert_eq!(of("b=1,4").unwrap(), BTreeMap::from([("a".into(), 4.0), ("b".into(), 1.0)]));
        assert_eq!(of("4,b=1").unwrap(), BTreeMap::from([("a".into(), 4.0), ("b".into(), 1.0)]));
        for text in ["free", "0", "-1", "c=1", "a=inf"] {
            assert!(of(text).is_err(), "{text}");
        }
    }
}
