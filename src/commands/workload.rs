//! What a load asks: flags or a saved plan → the units and where they come from.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

use crate::cli::LoadArgs;
use crate::dataset::{
    self, DEFAULT_MAX_TOKENS, RENEWAL_WORDS, Replay, Source, Synthesis, TextMaker, Tokenizer,
};
use crate::schema::plan::{DatasetSource, HttpSettings, Plan};
use crate::schema::refusal::refuse;
use crate::schema::seeds::Seeds;
use crate::schema::synthetic::{CountedBy, PromptLaw, Synthetic, TokenizerFile};
use crate::schema::target::Target;
use crate::schema::trace::TraceSource;
use crate::schema::unit::{Prompt, Units};

use crate::commands::reading;
use crate::commands::resolve::synthetic::{self, DEFAULT_REQUESTS};
use crate::commands::resolve::{prompts, replay, traffic};

/// Name and path of prompts that are made, in outputs.
const SYNTHETIC: &str = "synthetic";

/// What a load asks, read before anything is launched.
pub struct Workload {
    asked: Asked,
    /// Where it comes from, as the plan keeps it.
    pub source: DatasetSource,
    /// What makes the units, made once: words are looked for in a tokenizer.
    made: OnceLock<Arc<Synthesis>>,
}

/// The kinds of what is asked.
enum Asked {
    /// Prompts of a file.
    Listed(Vec<Prompt>),
    /// Prompts that are made, in the tokens of a tokenizer where one was found.
    Synthetic(Option<Arc<Tokenizer>>),
    /// A trace, which brings its times too, in the tokens of a tokenizer where one was found.
    Replay(Box<Replay>, Option<Arc<Tokenizer>>),
}

impl Workload {
    fn of(asked: Asked, source: DatasetSource) -> Workload {
        Workload { asked, source, made: OnceLock::new() }
    }

    /// That of the flags.
    pub fn load(args: &LoadArgs) -> anyhow::Result<Self> {
        let renewed = !args.synthetic.allow_prefix_cache;
        let options = replay::options(args)?;
        prompts::refuse_unread(args)?;
        if let Some(path) = &args.replay.trace {
            replay::refuse_beside_trace(args)?;
            let load = |name: &String| Tokenizer::load(name).map(Arc::new);
            let tokenizer = args.synthetic.tokenizer.as_ref().map(load).transpose()?;
            let replay = dataset::replay(path, &options, traffic::arrival_seed(args))?;
            return Ok(Workload::of_replay(replay, tokenizer, renewed));
        }
        if let Some(spec) = synthetic::spec(&args.synthetic)? {
            let load = |name: &String| Tokenizer::load(name).map(Arc::new);
            let tokenizer = args.synthetic.tokenizer.as_ref().map(load).transpose()?;
            let spec = Synthetic { turns: args.conversations.turns.filter(|turns| *turns > 1), ..spec };
            let prompts = args.requests.map_or(DEFAULT_REQUESTS, |requests| requests as usize);
            return Ok(Workload::synthetic((spec, traffic::seeds(args)), tokenizer, (prompts, renewed)));
        }
        if args.synthetic.tokenizer.is_some() {
            return refuse(
                "--tokenizer counts the tokens of prompts that are made, and these are read",
                "add --prompt-dist, or leave --tokenizer out",
            );
        }
        let (prompts, source) = match &args.dataset {
            Some(path) => dataset::load_as(Some(path), &prompts::how(args)?)?,
            None => dataset::load(None)?,
        };
        Ok(Workload::of(Asked::Listed(prompts), DatasetSource { renewed, ..source }))
    }

    fn synthetic(
        (spec, seeds): (Synthetic, Seeds),
        tokenizer: Option<Arc<Tokenizer>>,
        (prompts, renewed): (usize, bool),
    ) -> Workload {
        let spec = match (&tokenizer, &spec.prompts) {
            (Some(tokenizer), PromptLaw::Tokens { .. }) => Synthetic {
                tokenizer: Some(tokenizer.file.clone()),
                counted_by: Some(CountedBy::Tokenizer),
                ..spec
            },
            (Some(_), PromptLaw::Words { .. }) | (None, _) => spec,
        };
        let source = DatasetSource {
            name: SYNTHETIC.to_owned(),
            path: SYNTHETIC.to_owned(),
            sha256: hash(&spec, seeds),
            prompts,
            passed_over: Vec::new(),
            reading: None,
            synthetic: Some(spec),
            trace: None,
            renewed,
        };
        Workload::of(Asked::Synthetic(tokenizer), source)
    }

    fn of_replay(replay: Replay, tokenizer: Option<Arc<Tokenizer>>, renewed: bool) -> Workload {
        let trace = replay.source.trace.clone().map(|trace| TraceSource {
            tokenizer: tokenizer.as_ref().map(|tokenizer| tokenizer.file.clone()),
            ..trace
        });
        let source = DatasetSource { renewed, trace, ..replay.source.clone() };
        Workload::of(Asked::Replay(Box::new(replay), tokenizer), source)
    }

    /// What a person should know of a trace before it is played.
    pub fn trace_lines(&self) -> Vec<String> {
        let Some(replay) = self.replay() else { return Vec::new() };
        let lengths = match self.source.trace.as_ref().and_then(|trace| trace.tokenizer.as_ref()) {
            Some(file) => format!("exact by {}", file.name),
            None => "estimates, a word counted as a token (--tokenizer makes them exact)".to_owned(),
        };
        let last = format!("trace: prompt lengths are {lengths}; a chat template's tokens come on top");
        replay.notes.iter().cloned().chain([last]).collect()
    }

    /// That of a plan, read again.
    pub fn of_plan(plan: &Plan) -> anyhow::Result<Self> {
        if let Some(spec) = &plan.dataset.synthetic {
            return Workload::of_spec(spec, &plan.dataset);
        }
        let path = Path::new(&plan.dataset.path);
        let built_in = plan.dataset.path == dataset::BUILT_IN_PATH;
        let workload = match &plan.dataset.trace {
            Some(trace) => {
                let tokenizer = trace.tokenizer.as_ref().map(same_tokenizer).transpose()?;
                let replay = dataset::replay(path, &trace.options, plan.seed)?;
                Workload::of_replay(replay, tokenizer, plan.dataset.renewed)
            }
            None => {
                let (prompts, source) =
                    dataset::load_again((!built_in).then_some(path), plan.dataset.reading.as_ref())?;
                let renewed = plan.dataset.renewed;
                Workload::of(Asked::Listed(prompts), DatasetSource { renewed, ..source })
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

    fn of_spec(spec: &Synthetic, source: &DatasetSource) -> anyhow::Result<Workload> {
        let Some(file) = &spec.tokenizer else {
            return Ok(Workload::of(Asked::Synthetic(None), source.clone()));
        };
        Ok(Workload::of(Asked::Synthetic(Some(same_tokenizer(file)?)), source.clone()))
    }

    /// Takes the model's own tokenizer where none was named and a target's model lies on this machine with one.
    pub fn find_tokenizer(&mut self, targets: &[Target], seeds: Seeds) {
        if let Asked::Replay(replay, None) = &self.asked {
            let found = targets.iter().find_map(|target| Tokenizer::of_model(&target.model.source));
            *self = Workload::of_replay((**replay).clone(), found.map(Arc::new), self.source.renewed);
            return;
        }
        let Some(spec) = self.source.synthetic.clone() else { return };
        if !matches!(self.asked, Asked::Synthetic(None)) || !matches!(spec.prompts, PromptLaw::Tokens { .. })
        {
            return;
        }
        let found = targets.iter().find_map(|target| Tokenizer::of_model(&target.model.source));
        if let Some(tokenizer) = found {
            let (prompts, renewed) = (self.source.prompts, self.source.renewed);
            *self = Workload::synthetic((spec, seeds), Some(Arc::new(tokenizer)), (prompts, renewed));
        }
    }

    /// The trace that it is.
    pub fn replay(&self) -> Option<&Replay> {
        match &self.asked {
            Asked::Replay(replay, _) => Some(replay),
            Asked::Listed(_) | Asked::Synthetic(_) => None,
        }
    }

    /// Units after which it is repeated: requests of a load without a bound.
    pub fn size(&self) -> usize {
        match &self.asked {
            Asked::Listed(prompts) => prompts.len(),
            Asked::Synthetic(_) => DEFAULT_REQUESTS,
            Asked::Replay(replay, _) => replay.requests(),
        }
    }

    /// What makes the units of `plan`, where they are made.
    pub fn synthesis(&self, plan: &Plan) -> Option<Arc<Synthesis>> {
        match &self.asked {
            Asked::Listed(_) | Asked::Replay(..) => None,
            Asked::Synthetic(tokenizer) => {
                let max_tokens = plan.sampling.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS);
                let spec = plan.dataset.synthetic.clone()?;
                let make = || Arc::new(Synthesis::new(spec, plan.seeds, max_tokens, tokenizer.clone()));
                Some(self.made.get_or_init(make).clone())
            }
        }
    }

    /// The units that `plan` plays; `synthesis` is [`Workload::synthesis`]'s.
    pub fn units(&self, plan: &Plan, synthesis: Option<&Arc<Synthesis>>) -> anyhow::Result<Units> {
        match (&self.asked, synthesis) {
            (Asked::Replay(replay, tokenizer), _) => {
                let maker = tokenizer.clone().map_or_else(TextMaker::estimate, TextMaker::of_tokenizer);
                let texts = (plan.seeds.requests, plan.dataset.renewed);
                Ok(replay.units(plan.sampling.max_tokens, texts, maker.into()))
            }
            (Asked::Synthetic(_), Some(synthesis)) => Ok(synthesis.clone().units()),
            (Asked::Synthetic(_), None) => {
                refuse("the plan says not how its prompts are made", "make it anew")
            }
            (Asked::Listed(prompts), _) => {
                let units = dataset::units(prompts, plan.sampling.max_tokens, DEFAULT_MAX_TOKENS);
                let units = Source::Listed(units.into()).units();
                Ok(if plan.dataset.renewed { units.renewed(dataset::renew) } else { units })
            }
        }
    }

    /// Only messages have room for pictures and other parts.
    pub fn check_texts(&self, http: &HttpSettings) -> anyhow::Result<()> {
        match &self.asked {
            Asked::Listed(listed) => prompts::check_texts(listed, &self.source.path, http),
            Asked::Synthetic(_) | Asked::Replay(..) => Ok(()),
        }
    }
}

/// The tokenizer of a plan, read again.
fn same_tokenizer(file: &TokenizerFile) -> anyhow::Result<Arc<Tokenizer>> {
    let tokenizer = Tokenizer::load(&file.name)?;
    if tokenizer.file.sha256 != file.sha256 {
        return refuse(
            format!("the tokenizer {} is not the one that the plan was made with", file.name),
            "put the old one back, or begin a new comparison",
        );
    }
    Ok(Arc::new(tokenizer))
}

/// SHA-256 of a spec and its seeds, in the place of a file's.
fn hash(spec: &Synthetic, seeds: Seeds) -> String {
    let bytes = serde_json::to_vec(&(spec, seeds)).unwrap_or_default();
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a person should know of the prompts before they are played.
pub fn lines(plan: &Plan, synthesis: Option<&Arc<Synthesis>>) -> Vec<String> {
    let dataset = &plan.dataset;
    let mut lines: Vec<String> = reading::told(dataset).into_iter().collect();
    if !dataset.passed_over.is_empty() {
        lines.push(format!("{}: columns passed over: {}", dataset.path, dataset.passed_over.join(", ")));
    }
    if let Some(spec) = &dataset.synthetic {
        let turns = spec.turns.map(|turns| format!("{turns} turns each, every one "));
        let turns = turns.unwrap_or_default();
        lines.push(format!("prompts: {turns}{}{}", spec.prompts, exactness(spec)));
        if synthesis.is_some_and(|synthesis| synthesis.is_fitted()) {
            lines.push(
                "its words are not one token each: every prompt is encoded and fitted, which takes longer"
                    .to_owned(),
            );
        }
    } else if dataset.trace.is_none() && dataset.renewed && repeats(plan) {
        lines.push(format!(
            "a prompt that comes again begins with {RENEWAL_WORDS} words of its own, some {} tokens, so that no prefix \
             cache answers (--allow-prefix-cache sends it as it is)",
            RENEWAL_WORDS + 1
        ));
    }
    lines
}

fn exactness(spec: &Synthetic) -> String {
    match &spec.tokenizer {
        Some(file) => format!(", exact by {}; a chat template's tokens come on top", file.name),
        None => String::new(),
    }
}

/// A server gets some prompt twice.
fn repeats(plan: &Plan) -> bool {
    let twice = plan.repeats > 1
        || plan.loads.len() > 1
        || plan.search.is_some()
        || (plan.rounds > 1 && !plan.launches());
    let more =
        |point: u32, requests: Option<u64>| requests.is_none_or(|requests| requests > plan.prompts_of(point));
    twice || (1..).zip(&plan.loads).any(|(point, load)| more(point, load.until.requests()))
}
