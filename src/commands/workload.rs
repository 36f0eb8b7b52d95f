//! What a load asks: flags or a saved plan → the units and where they come from.

use std::path::Path;

use crate::cli::LoadArgs;
use crate::commands::resolve::{replay, traffic};
use crate::dataset::{self, Replay, Source};
use crate::schema::plan::{DatasetSource, Plan};
use crate::schema::refusal::refuse;
use crate::schema::target::ProtocolName;
use crate::schema::unit::{Body, Prompt, Units};

/// Output limit where neither the flag nor the dataset gives one, tokens.
const DEFAULT_MAX_TOKENS: u32 = 128;

/// What a load asks, read before anything is launched.
pub struct Workload {
    prompts: Vec<Prompt>,
    /// A trace takes the place of prompts.
    pub replay: Option<Replay>,
    /// Where it comes from, as the plan keeps it.
    pub source: DatasetSource,
}

impl Workload {
    /// That of the flags.
    pub fn load(args: &LoadArgs) -> anyhow::Result<Self> {
        let options = replay::options(args)?;
        if let Some(path) = &args.replay.trace {
            replay::refuse_beside_trace(args)?;
            return Ok(Workload::of_replay(dataset::replay(path, &options, traffic::arrival_seed(args))?));
        }
        let (prompts, source) = dataset::load(args.dataset.as_deref())?;
        Ok(Workload { prompts, source, replay: None })
    }

    fn of_replay(replay: Replay) -> Self {
        Workload { prompts: Vec::new(), source: replay.source.clone(), replay: Some(replay) }
    }

    /// That of a plan, read again.
    pub fn of_plan(plan: &Plan) -> anyhow::Result<Self> {
        let path = Path::new(&plan.dataset.path);
        let built_in = plan.dataset.path == dataset::BUILT_IN_PATH;
        let workload = match &plan.dataset.trace {
            Some(trace) => Workload::of_replay(dataset::replay(path, &trace.options, plan.seed)?),
            None => {
                let (prompts, source) = dataset::load((!built_in).then_some(path))?;
                Workload { prompts, source, replay: None }
            }
        };
        if workload.source.sha256 != plan.dataset.sha256 {
            return refuse(
                format!("the dataset {} is not the one that the plan was made with", plan.dataset.path),
                "put the old file back, or begin \
                 a new comparison",
            );
        }
        Ok(workload)
    }

    /// Units after which it is repeated: requests of a load without a bound.
    pub fn size(&self) -> usize {
        self.replay.as_ref().map_or(self.prompts.len(), Replay::requests)
    }

    /// The units that `plan` plays.
    pub fn units(&self, plan: &Plan) -> anyhow::Result<Units> {
        if let Some(replay) = &self.replay {
            return Ok(replay.units(plan.sampling.max_tokens, plan.seeds.requests));
        }
        let units = dataset::units(&self.prompts, plan.sampling.max_tokens, DEFAULT_MAX_TOKENS);
        Ok(Source::Listed(units.into()).units())
    }

    /// Text completions have no room for pictures and other parts.
    pub fn check_texts(&self, protocol: ProtocolName) -> anyhow::Result<()> {
        let is_text = |body: &Body| match body {
            Body::Text(_) => true,
            Body::Messages(all) => all.iter().all(|message| message.content.text().is_some()),
        };
        match (protocol, self.prompts.iter().find(|prompt| !is_text(&prompt.body))) {
            (ProtocolName::OpenaiCompletions, Some(prompt)) => refuse(
                format!("{}: the messages of `{}` hold more than text", self.source.path, prompt.id),
                "leave --endpoint completions out",
            ),
            (ProtocolName::OpenaiChat | ProtocolName::OpenaiCompletions, _) => Ok(()),
        }
    }
}
