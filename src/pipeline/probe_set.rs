//! The probe set, sent to a server before its first load: what the levelling table is made of.

use std::time::{Duration, Instant};

use crate::dataset;
use crate::load;
use crate::schema::fairness::{FairnessMode, ProbeReply};
use crate::schema::plan::{LoadPoint, Sampling};
use crate::schema::record::{Outcome, RequestRecord};
use crate::schema::target::Target;
use crate::schema::unit::Unit;
use crate::secrets::from_outside;

use super::pauses::pauses;
use super::record::ReportedTokens;
use super::session::Stage;
use super::standing::Standing;

/// All requests of the set together may take so long; what comes later is not known.
const SET_LIMIT: Duration = Duration::from_secs(20);
/// Characters of a completion that are kept: sixteen tokens of any script, and no flood from a server without a limit.
const COMPLETION_CHARACTERS: usize = 160;
/// How long the server's counters may take until they hold what the probes had.
const COUNTED_WITHIN: Duration = Duration::from_secs(1);

/// Sends the probe set where the plan wants it: greedy, one after the other. A request that fails costs its own row
/// of the table alone. The server's own counters are read anew behind it, so that its tokens, and what a prefix
/// cache had of them, are none of the first run's.
pub(super) async fn send_probe_set(
    stage: &Stage<'_>,
    target: &Target,
    load: &LoadPoint,
    standing: &mut Standing,
) {
    let session = stage.session;
    let wanted = standing.server.is_some() || session.probe_running_server;
    if !wanted || session.plan.fairness == FairnessMode::Off {
        return;
    }
    let job = load::Job { sampling: Sampling::default(), ..session.job(target, &standing.url, load) };
    let begun = Instant::now();
    let mut reported = ReportedTokens::default();
    let mut shutdown = stage.shutdown.clone();
    for unit in dataset::probe_set() {
        let left = SET_LIMIT.saturating_sub(begun.elapsed());
        if *shutdown.borrow_and_update() {
            return;
        }
        if left.is_zero() {
            standing.probes.push(unanswered(&unit, "there was no time left for it".to_owned()));
            continue;
        }
        let (record, text) = tokio::select! {
            asked = load::ask(&job, &unit, left) => asked,
            Ok(_) = shutdown.wait_for(|stop| *stop) => return,
        };
        reported.add(&record);
        standing.probes.push(reply(&unit, &record, text));
    }
    count_anew(stage, target, standing, reported).await;
}

fn reply(unit: &Unit, record: &RequestRecord, text: Option<String>) -> ProbeReply {
    match &record.outcome {
        Outcome::Completed => {
            let asked = unit.turns.first().is_some_and(|turn| turn.max_tokens > 1);
            ProbeReply {
                prompt: unit.id.to_string(),
                prompt_tokens: record.counts().prompt,
                completion: text
                    .filter(|_| asked)
                    .map(|text| beginning(&text))
                    .filter(|text| !text.is_empty()),
                failed: None,
            }
        }
        Outcome::Failed { kind, detail } => unanswered(unit, format!("{}: {detail}", kind.name())),
        Outcome::Cancelled | Outcome::Dropped => unanswered(unit, "the request was not finished".to_owned()),
    }
}

fn unanswered(unit: &Unit, why: String) -> ProbeReply {
    ProbeReply { prompt: unit.id.to_string(), failed: Some(why), ..ProbeReply::default() }
}

/// The first words, on one line, as they may stand in a file.
fn beginning(text: &str) -> String {
    let line = from_outside(text).split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().take(COMPLETION_CHARACTERS).collect()
}

/// From here on the server's tokens are counted, if its counters hold all that it was asked for so far. What it counts
/// of a request that was cut off is nobody's.
async fn count_anew(stage: &Stage<'_>, target: &Target, standing: &mut Standing, reported: ReportedTokens) {
    let Some(before) = &standing.before else { return };
    standing.reported.join(reported);
    let told = standing.reported;
    if told.cut_short > 0 {
        (standing.before, standing.reported) = (None, ReportedTokens::default());
        return;
    }
    let mut pauses = pauses(COUNTED_WITHIN);
    loop {
        let Some(now) = stage.counters(target, &standing.url).await else { return };
        let since = now.since(before);
        let agrees = (since.prompt_tokens - told.prompt as f64).abs() < 0.5
            && (since.generated_tokens - told.output as f64).abs() < 0.5;
        if agrees && told.uncounted == 0 {
            (standing.before, standing.reported) = (Some(now), ReportedTokens::default());
            return;
        }
        let pause = pauses.next().filter(|_| told.uncounted == 0);
        let Some(pause) = pause else { return };
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_completion_is_kept_on_one_line_and_no_longer_than_its_beginning() {
        assert_eq!(beginning(" Spring,\n\u{1b}[31m summer "), "Spring, [31m summer");
        assert_eq!(beginning(&"é".repeat(900)).chars().count(), COMPLETION_CHARACTERS);
    }
}
