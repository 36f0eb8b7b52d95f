//! What a load asks: flags or a saved plan → the units and where they come from.

use std::path::Path;

use crate::cli::LoadArgs;
use crate::dataset::{self, Source};
use crate::schema::plan::{DatasetSource, Plan};
use crate::schema::refusal::refuse;
use crate::schema::target::ProtocolName;
use crate::schema::unit::{Body, Prompt, Units};

/// Output limit where neither the flag nor the dataset gives one, tokens.
const DEFAULT_MAX_TOKENS: u32 = 128;

/// What a load asks, read before anything is launched.
pub struct Workload {
    prompts: Vec<Prompt>,
    /// Where it comes from, as the plan keeps it.
    pub source: DatasetSource,
}

impl Workload {
    /// That of the flags.
    pub fn load(args: &LoadArgs) -> anyhow::Result<Self> {
        let (prompts, source) = dataset::load(args.dataset.as_deref())?;
        Ok(Workload { prompts, source })
    }

    /// That of a plan, read again.
    pub fn of_plan(plan: &Plan) -> anyhow::Result<Self> {
        let path = Path::new(&plan.dataset.path);
        let built_in = plan.dataset.path == dataset::BUILT_IN_PATH;
        let (prompts, source) = dataset::load((!built_in).then_some(path))?;
        if source.sha256 != plan.dataset.sha256 {
            return refuse(
                format!("the dataset {} is not the one that the plan was made with", plan.dataset.path),
                "put the old file back, or begin \
                 a new comparison",
            );
        }
        Ok(Workload { prompts, source })
    }

    /// Units after which it is repeated: requests of a load without a bound.
    pub fn size(&self) -> usize {
        self.prompts.len()
    }

    /// The units that `plan` plays.
    pub fn units(&self, plan: &Plan) -> anyhow::Result<Units> {
        let units = dataset::units(&self.prompts, plan.sampling.max_tokens, DEFAULT_MAX_TOKENS);
        Ok(dataset::shaped(Source::Listed(units.into()).units(), plan))
    }

    /// Text completions have no room for pictures and other parts.
    pub fn check_texts(&self, protocol: ProtocolName) -> anyhow::Result<()> {
        let is_text = |body: &Body| match body {
            Body::Text(_) => true,
            Body::Messages(all) => all.iter().all(|message| message.content.text().is_some()),
        };
        let is_all_text =
            |prompt: &&Prompt| is_text(&prompt.body) && prompt.further.iter().all(|turn| is_text(&turn.body));
        match (protocol, self.prompts.iter().find(|prompt| !is_all_text(prompt))) {
            (ProtocolName::OpenaiCompletions, Some(prompt)) => refuse(
                format!("{}: the messages of `{}` hold more than text", self.source.path, prompt.id),
                "leave --endpoint completions out",
            ),
            (ProtocolName::OpenaiChat | ProtocolName::OpenaiCompletions, _) => Ok(()),
        }
    }
}
