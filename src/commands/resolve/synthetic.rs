//! Flags of synthetic prompts → their spec, with contradictions refused.

use crate::cli::{OutputDistArg, PromptDistArg, SyntheticArgs};
use crate::schema::refusal::refuse;
use crate::schema::synthetic::{Lengths, PromptLaw, SharedPrefix, Synthetic};

/// Prompts that are made where neither --requests nor --duration says how many.
pub const DEFAULT_REQUESTS: usize = 200;
/// The longest prompt or prefix, tokens.
const MOST_TOKENS: u32 = 10_000_000;
/// Words and letters of the Poisson generator.
const WORD_LAMBDA: f64 = 15.0;
const WORD_LETTERS: f64 = 5.0;
const WORD_LETTERS_SD: f64 = 2.0;
/// Beyond so many deviations nothing is drawn, where no bound was given.
const DEVIATIONS: f64 = 8.0;

/// The spec; none where prompts are not to be made. Its tokenizer is found elsewhere.
///
/// # Errors
/// Flags that contradict each other or lie out of their range.
pub fn spec(args: &SyntheticArgs) -> anyhow::Result<Option<Synthetic>> {
    let Some(law) = args.prompt_dist else { return Ok(None) };
    let prompts = match law {
        PromptDistArg::Poisson => words(args)?,
        PromptDistArg::Fixed
        | PromptDistArg::Uniform
        | PromptDistArg::Choices
        | PromptDistArg::Normal
        | PromptDistArg::Lognormal => {
            refuse_words(args)?;
            PromptLaw::Tokens { lengths: prompt_flags(args).law(law_of(law))? }
        }
    };
    let outputs = args.output_dist.map(|law| output_flags(args).law(output_law(law))).transpose()?;
    Ok(Some(Synthetic {
        turns: None,
        prefix: prefix(args, &prompts)?,
        prompts,
        outputs,
        tokenizer: None,
        counted_by: None,
    }))
}

/// A law, whatever it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Law {
    Fixed,
    Uniform,
    Choices,
    Normal,
    Lognormal,
    Poisson,
}

fn law_of(law: PromptDistArg) -> Law {
    match law {
        PromptDistArg::Fixed => Law::Fixed,
        PromptDistArg::Uniform => Law::Uniform,
        PromptDistArg::Choices => Law::Choices,
        PromptDistArg::Normal => Law::Normal,
        PromptDistArg::Lognormal => Law::Lognormal,
        PromptDistArg::Poisson => Law::Poisson,
    }
}

fn output_law(law: OutputDistArg) -> Law {
    match law {
        OutputDistArg::Fixed => Law::Fixed,
        OutputDistArg::Uniform => Law::Uniform,
        OutputDistArg::Choices => Law::Choices,
        OutputDistArg::Normal => Law::Normal,
        OutputDistArg::Lognormal => Law::Lognormal,
        OutputDistArg::Poisson => Law::Poisson,
    }
}

/// Flags of a law with their names.
struct Flags<'a> {
    dist: &'static str,
    tokens: (&'static str, Option<u32>),
    sd: (&'static str, Option<f64>),
    min: (&'static str, Option<u32>),
    max: (&'static str, Option<u32>),
    choices: (&'static str, &'a [u32]),
}

fn prompt_flags(args: &SyntheticArgs) -> Flags<'_> {
    Flags {
        dist: "--prompt-dist",
        tokens: ("--prompt-tokens", args.prompt_tokens),
        sd: ("--prompt-tokens-sd", args.prompt_tokens_sd),
        min: ("--prompt-min-tokens", args.prompt_min_tokens),
        max: ("--prompt-max-tokens", args.prompt_max_tokens),
        choices: ("--choices-tokens", &args.choices_tokens),
    }
}

fn output_flags(args: &SyntheticArgs) -> Flags<'_> {
    Flags {
        dist: "--output-dist",
        tokens: ("--output-tokens", args.output_tokens),
        sd: ("--output-tokens-sd", args.output_tokens_sd),
        min: ("--output-min-tokens", args.output_min_tokens),
        max: ("--output-max-tokens", args.output_max_tokens),
        choices: ("--output-choices", &args.output_choices),
    }
}

impl Flags<'_> {
    fn law(&self, law: Law) -> anyhow::Result<Lengths> {
        self.refuse_others(law)?;
        self.refuse_ranges()?;
        match law {
            Law::Fixed => Ok(Lengths::Fixed { tokens: self.needed(law, self.tokens)? }),
            Law::Poisson => Ok(Lengths::Poisson { mean: f64::from(self.needed(law, self.tokens)?) }),
            Law::Uniform => {
                let (min, max) = (self.min.1.unwrap_or(1), self.needed(law, self.max)?);
                self.refuse_order(min, max)?;
                Ok(Lengths::Uniform { min, max })
            }
            Law::Choices if self.choices.1.is_empty() => self.lacks(law, self.choices.0),
            Law::Choices => Ok(Lengths::Choices { tokens: self.choices.1.to_vec() }),
            Law::Normal | Law::Lognormal => {
                let mean = f64::from(self.needed(law, self.tokens)?);
                let sd = self.sd.1.unwrap_or(mean / 4.0);
                let min = self.min.1.unwrap_or(1);
                let most = (mean + DEVIATIONS * sd).ceil().min(f64::from(MOST_TOKENS)) as u32;
                let max = self.max.1.unwrap_or(most.max(min));
                self.refuse_order(min, max)?;
                if !(f64::from(min)..=f64::from(max)).contains(&mean) {
                    return refuse(
                        format!("{} {mean} does not lie between {min} and {max}", self.tokens.0),
                        format!("give another, or other bounds ({}, {})", self.min.0, self.max.0),
                    );
                }
                Ok(match law {
                    Law::Normal => Lengths::Normal { mean, sd, min, max },
                    Law::Fixed | Law::Uniform | Law::Choices | Law::Lognormal | Law::Poisson => {
                        Lengths::Lognormal { mean, sd, min, max }
                    }
                })
            }
        }
    }

    fn needed(&self, law: Law, (flag, value): (&'static str, Option<u32>)) -> anyhow::Result<u32> {
        value.map_or_else(|| self.lacks(law, flag), Ok)
    }

    fn lacks<T>(&self, law: Law, flag: &str) -> anyhow::Result<T> {
        let law = format!("{law:?}").to_lowercase();
        let more = if flag == "--prompt-max-tokens" { "; --max-tokens is the output limit" } else { "" };
        refuse(format!("{} {law} needs {flag}", self.dist), format!("add {flag}{more}"))
    }

    /// Flags of another law would do nothing.
    fn refuse_others(&self, law: Law) -> anyhow::Result<()> {
        let around = matches!(law, Law::Normal | Law::Lognormal);
        let bounded = around || law == Law::Uniform;
        let given = [
            (self.tokens.0, self.tokens.1.is_some(), around || matches!(law, Law::Fixed | Law::Poisson)),
            (self.sd.0, self.sd.1.is_some(), around),
            (self.min.0, self.min.1.is_some(), bounded),
            (self.max.0, self.max.1.is_some(), bounded),
            (self.choices.0, !self.choices.1.is_empty(), law == Law::Choices),
        ];
        match given.iter().find(|(_, given, used)| *given && !used) {
            Some((flag, _, _)) => refuse(
                format!("{flag} does nothing with {} {}", self.dist, format!("{law:?}").to_lowercase()),
                format!("leave {flag} out, or take another law"),
            ),
            None => Ok(()),
        }
    }

    fn refuse_ranges(&self) -> anyhow::Result<()> {
        let choices = self.choices.1.iter().map(|choice| (self.choices.0, Some(*choice)));
        for (flag, value) in [self.tokens, self.min, self.max].into_iter().chain(choices) {
            if value.is_some_and(|value| !(1..=MOST_TOKENS).contains(&value)) {
                return refuse(
                    format!("{flag} {} is out of its range", value.unwrap_or_default()),
                    format!("give 1 to {MOST_TOKENS} tokens"),
                );
            }
        }
        match self.sd.1 {
            Some(sd) if !(sd.is_finite() && sd > 0.0) => {
                refuse(format!("{} {sd} is no deviation", self.sd.0), "give a number above 0")
            }
            Some(_) | None => Ok(()),
        }
    }

    fn refuse_order(&self, min: u32, max: u32) -> anyhow::Result<()> {
        if min > max {
            return refuse(
                format!("{} {min} is more than {} {max}", self.min.0, self.max.0),
                "give a range that is not empty",
            );
        }
        Ok(())
    }
}

fn words(args: &SyntheticArgs) -> anyhow::Result<PromptLaw> {
    prompt_flags(args).refuse_others(Law::Poisson)?;
    if args.prompt_tokens.is_some() {
        return refuse(
            "--prompt-tokens does nothing with --prompt-dist poisson, which counts words",
            "give --word-lambda, or take another law",
        );
    }
    let flags = [
        ("--word-lambda", args.word_lambda, 1e6),
        ("--word-letters", args.word_letters, 64.0),
        ("--word-letters-sd", args.word_letters_sd, 64.0),
    ];
    for (flag, value, most) in flags {
        if value.is_some_and(|value| !(value > 0.0 && value <= most)) {
            return refuse(
                format!("{flag} {} is out of its range", value.unwrap_or_default()),
                format!("give a number above 0, {most} at most"),
            );
        }
    }
    Ok(PromptLaw::Words {
        lambda: args.word_lambda.unwrap_or(WORD_LAMBDA),
        letters: args.word_letters.unwrap_or(WORD_LETTERS),
        letters_sd: args.word_letters_sd.unwrap_or(WORD_LETTERS_SD),
    })
}

fn refuse_words(args: &SyntheticArgs) -> anyhow::Result<()> {
    let given = [
        ("--word-lambda", args.word_lambda),
        ("--word-letters", args.word_letters),
        ("--word-letters-sd", args.word_letters_sd),
    ];
    match given.iter().find(|(_, value)| value.is_some()) {
        Some((flag, _)) => {
            refuse(format!("{flag} is for --prompt-dist poisson"), format!("leave {flag} out"))
        }
        None => Ok(()),
    }
}

fn prefix(args: &SyntheticArgs, prompts: &PromptLaw) -> anyhow::Result<Option<SharedPrefix>> {
    let Some(tokens) = args.shared_prefix_tokens else { return Ok(None) };
    let groups = args.prefix_groups;
    if tokens > MOST_TOKENS || groups == 0 {
        let (flag, value) =
            if groups == 0 { ("--prefix-groups", 0) } else { ("--shared-prefix-tokens", tokens) };
        return refuse(format!("{flag} {value} is out of its range"), format!("give 1 to {MOST_TOKENS}"));
    }
    match prompts {
        PromptLaw::Words { .. } => refuse(
            "--shared-prefix-tokens counts tokens, and --prompt-dist poisson makes words",
            "take another law, such as --prompt-dist uniform",
        ),
        PromptLaw::Tokens { .. } => Ok((tokens > 0).then_some(SharedPrefix { tokens, groups })),
    }
}
