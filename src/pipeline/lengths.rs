//! What the lengths of made prompts are counted by, where a server that stands has to tell.

use crate::dataset::{TextMaker, learn};
use crate::schema::plan::Plan;
use crate::schema::target::Target;
use crate::server_api;

use super::event::Event;
use super::session::{Session, Stage};

/// Asks the first server that stands how it counts, where nothing else told; all servers get the same texts.
pub async fn settle(stage: &Stage<'_>, target: &Target, url: &str) {
    let session = stage.session;
    let Some(synthesis) = session.synthesis.as_ref().filter(|synthesis| synthesis.is_open()) else { return };
    let model = &target.model.name;
    let count = async |text: &str| server_api::token_count(&session.client, url, model, text).await;
    let label = &target.label;
    let line = match learn(count).await {
        Some(maker) => {
            synthesis.settle(maker);
            format!("lengths of prompts: in the tokens of {label}, by its own tokenize endpoint")
        }
        None => {
            synthesis.settle(TextMaker::estimate());
            format!(
                "lengths of prompts are ESTIMATED, a common word for a token: {label} does not tell how it \
                 counts (--tokenizer makes them exact)"
            )
        }
    };
    (stage.listen)(Event::Note(&line));
}

/// The plan with what the lengths are counted by.
pub fn told(mut plan: Plan, session: &Session) -> Plan {
    if let Some(synthesis) = &session.synthesis {
        plan.dataset.synthetic = Some(synthesis.spec());
    }
    plan
}
