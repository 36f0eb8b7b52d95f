//! The server's own count of a run's requests and tokens, beside ours.

use std::time::Duration;

use crate::monitor::ServerCounters;
use crate::schema::summary::ServerCounts;
use crate::schema::target::Target;

use super::pauses::pauses;
use super::session::Stage;
use super::standing::Standing;

/// How often two scrapes are compared until they agree, and the pause between them.
const SETTLING_TRIES: u32 = 8;
const SETTLING_PAUSE: Duration = Duration::from_millis(500);
/// How long the server's counters may lag behind ours (SGLang counts a request when it is reported).
const COUNTED_WITHIN: Duration = Duration::from_millis(3500);

/// Two scrapes that agree: nothing of what came before is still being counted.
pub async fn settled(stage: &Stage<'_>, target: &Target, url: &str) -> Option<ServerCounters> {
    let mut last = stage.counters(target, url).await?;
    for _ in 1..SETTLING_TRIES {
        tokio::time::sleep(SETTLING_PAUSE).await;
        let now = stage.counters(target, url).await?;
        if now == last {
            break;
        }
        last = now;
    }
    Some(last)
}

/// The server's count beside ours, where both are whole. Where they agree, the next run on this server is
/// counted from here on.
pub async fn server_counts(
    stage: &Stage<'_>,
    target: &Target,
    standing: &mut Standing,
) -> Option<ServerCounts> {
    let before = standing.before.take()?;
    // The page is that of the first server, and the requests went to all of them.
    if !target.more_urls.is_empty() {
        return None;
    }
    let reported = std::mem::take(&mut standing.reported);
    if reported.uncounted > 0 {
        return None;
    }
    let (client_prompt, client_output) = (reported.prompt as f64, reported.output as f64);
    let mut pauses = pauses(COUNTED_WITHIN);
    let counted = loop {
        let now = stage.counters(target, &standing.url).await?;
        let since = now.since(&before);
        let ahead = [since.generated_tokens - client_output, since.prompt_tokens - client_prompt];
        if ahead.iter().all(|tokens| tokens.abs() < 0.5) && reported.cut_short == 0 {
            standing.before = Some(now);
        }
        // What is above ours comes to agree by no wait.
        let lags = ahead.iter().any(|tokens| *tokens <= -0.5);
        let pause = if lags && reported.cut_short == 0 { pauses.next() } else { None };
        let Some(pause) = pause else { break since };
        tokio::time::sleep(pause).await;
    };
    Some(ServerCounts {
        prompt_tokens: counted.prompt_tokens,
        client_prompt_tokens: client_prompt,
        generated_tokens: counted.generated_tokens,
        client_generated_tokens: client_output,
        cached_tokens: counted.cached_tokens,
        missing: counted.missing,
    })
}
