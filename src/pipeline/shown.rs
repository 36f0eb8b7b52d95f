//! What is shown of a run while it goes: what this process counts, or where several workers play it, what all count.

use std::sync::Arc;
use std::time::Duration;

use crate::schema::live::LiveCounters;

use super::lead::Turn;
use super::live_figures::LiveFigures;

/// Between two looks at what the others have told.
const LOOK_EACH: Duration = Duration::from_millis(200);

/// What is shown of a run.
pub struct Shown<'a> {
    own: Arc<LiveCounters>,
    figures: LiveFigures,
    /// Where several workers play it: what all count.
    all: Option<(&'a Turn, Arc<LiveCounters>)>,
}

impl<'a> Shown<'a> {
    /// Of a run whose load counts by `own` here, and of which `figures` are known.
    pub fn of(own: &Arc<LiveCounters>, figures: &LiveFigures, turn: Option<&'a Turn>) -> Shown<'a> {
        let all = turn.map(|turn| (turn, Arc::default()));
        Shown { own: own.clone(), figures: figures.clone(), all }
    }

    /// The counters to be shown.
    pub fn counters(&self) -> Arc<LiveCounters> {
        self.all.as_ref().map_or_else(|| self.own.clone(), |(_, all)| all.clone())
    }

    /// Plays, and shows what all count meanwhile.
    pub async fn during<T>(&self, playing: impl Future<Output = T>) -> T {
        let mut playing = std::pin::pin!(playing);
        if self.all.is_none() {
            return playing.await;
        }
        loop {
            self.now();
            if let Ok(played) = tokio::time::timeout(LOOK_EACH, &mut playing).await {
                return played;
            }
        }
    }

    /// Takes in what the others have told by now.
    pub fn now(&self) {
        if let Some((turn, all)) = &self.all {
            let others = turn.others_live();
            all.show(&self.own, &others);
            self.figures.know_others(others);
        }
    }
}
