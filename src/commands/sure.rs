//! What `--until-sure` says after each round.

use crate::analysis::{Standing, State, Sureness};
use crate::report::verdicts;
use crate::schema::figure::{METRICS, Metric, Statistic};

/// `round 4 of at most 20: sglang against vllm: output TPS decided (slower), TTFT p50 ± 7 %; goes on`, a line a pair
/// that is open; one line where all are sure.
pub fn lines(state: &Sureness, rounds_max: u32) -> Vec<String> {
    let round = format!("round {}", state.rounds);
    if state.sure {
        return vec![format!(
            "{round}: every backend is decided or close enough; no further round is needed"
        )];
    }
    let mut pairs: Vec<(&Standing, Vec<String>, bool)> = Vec::new();
    for standing in &state.standings {
        let open = matches!(standing.state, State::Open(_));
        let words = format!("{} {}", title(&standing.column), words(standing.state));
        let same = |(first, _, _): &&mut (&Standing, Vec<String>, bool)| {
            (&first.label, first.point) == (&standing.label, standing.point)
        };
        match pairs.iter_mut().find(same) {
            Some((_, known, any_open)) => {
                known.push(words);
                *any_open |= open;
            }
            None => pairs.push((standing, vec![words], open)),
        }
    }
    let end = if state.rounds < rounds_max { "goes on" } else { "no round is left" };
    let many = state.standings.iter().any(|standing| standing.point > 1);
    let open = pairs.into_iter().filter(|(_, _, open)| *open);
    open.map(|(pair, words, _)| {
        let load = if many { format!(", load {}", pair.point) } else { String::new() };
        format!("{round}{load}: {} against {}: {}; {end}", pair.label, pair.baseline, words.join(", "))
    })
    .collect()
}

fn words(state: State) -> String {
    match state {
        State::Decided(verdict) => format!("decided ({})", verdicts::word(verdict)),
        State::Within => "within the limit".to_owned(),
        State::Open(percent) if percent.is_finite() => format!("± {}", verdicts::percent_up(percent)),
        State::Open(_) => "not known yet".to_owned(),
    }
}

/// `TTFT p50` of `ttft_ms_p50`.
fn title(column: &str) -> String {
    let figure = |metric: &'static Metric| {
        let is = |statistic: &&Statistic| metric.column(**statistic) == column;
        metric.statistics().iter().find(is).map(|statistic| verdicts::title(metric, *statistic))
    };
    METRICS.iter().find_map(figure).unwrap_or_else(|| column.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::verdict::Verdict;

    fn standing(label: &str, column: &str, state: State) -> Standing {
        Standing { label: label.into(), baseline: "vllm".into(), point: 1, column: column.into(), state }
    }

    #[test]
    fn a_round_says_which_pairs_are_open_and_how_far_they_are() {
        let standings = vec![
            standing("sglang", "output_tps", State::Decided(Verdict::Slower)),
            standing("sglang", "ttft_ms_p50", State::Open(6.64)),
            standing("tgi", "output_tps", State::Within),
        ];
        let state = Sureness { rounds: 4, standings, sure: false };
        assert_eq!(
            lines(&state, 20),
            ["round 4: sglang against vllm: output TPS decided (slower), TTFT p50 ± 6.7 %; goes on"]
        );
        assert!(lines(&state, 4)[0].ends_with("no round is left"));
        let sure = Sureness { sure: true, ..state };
        assert_eq!(lines(&sure, 20).len(), 1);
    }
}
