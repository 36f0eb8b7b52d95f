//! Prompts that are made, and prefixes that they share.

use clap::{Args, ValueEnum};

/// Prompts that are made, and prefixes that they share.
#[derive(Debug, Args)]
#[command(next_help_heading = "Synthetic prompts")]
pub struct SyntheticArgs {
    /// Make prompts of random words, 200 unless --requests or --duration, with lengths by this law
    #[arg(long, value_enum, value_name = "LAW", conflicts_with = "dataset")]
    pub prompt_dist: Option<PromptDistArg>,
    /// Tokens of each prompt, of normal and lognormal the mean; a chat template's tokens come on top
    #[arg(long, value_name = "N", requires = "prompt_dist")]
    pub prompt_tokens: Option<u32>,
    /// Standard deviation of normal and lognormal [default: a quarter of --prompt-tokens]
    #[arg(long, value_name = "N", requires = "prompt_dist")]
    pub prompt_tokens_sd: Option<f64>,
    /// The least tokens of a prompt, of uniform, normal and lognormal [default: 1]
    #[arg(long, value_name = "N", requires = "prompt_dist")]
    pub prompt_min_tokens: Option<u32>,
    /// The most tokens of a prompt, of uniform, normal and lognormal [default: mean and eight deviations].
    /// --max-tokens is the output limit
    #[arg(long, value_name = "N", requires = "prompt_dist")]
    pub prompt_max_tokens: Option<u32>,
    /// Tokens of a prompt, of choices: each as likely as the others
    #[arg(long, value_name = "N,…", value_delimiter = ',', requires = "prompt_dist")]
    pub choices_tokens: Vec<u32>,
    /// Mean number of words of a prompt, of poisson [default: 15]
    #[arg(long, value_name = "N", requires = "prompt_dist")]
    pub word_lambda: Option<f64>,
    /// Mean letters of a word, of poisson [default: 5]
    #[arg(long, value_name = "N", requires = "prompt_dist")]
    pub word_letters: Option<f64>,
    /// Standard deviation of the letters of a word, of poisson [default: 2]
    #[arg(long, value_name = "N", requires = "prompt_dist")]
    pub word_letters_sd: Option<f64>,
    /// Output limits by this law, a request's own each [default: --max-tokens, else 128]
    #[arg(long, value_enum, value_name = "LAW", requires = "prompt_dist", conflicts_with = "max_tokens")]
    pub output_dist: Option<OutputDistArg>,
    /// Output limit, of normal, lognormal and poisson the mean
    #[arg(long, value_name = "N", requires = "output_dist")]
    pub output_tokens: Option<u32>,
    /// Standard deviation of normal and lognormal [default: a quarter of --output-tokens]
    #[arg(long, value_name = "N", requires = "output_dist")]
    pub output_tokens_sd: Option<f64>,
    /// The least output limit, of uniform, normal and lognormal [default: 1]
    #[arg(long, value_name = "N", requires = "output_dist")]
    pub output_min_tokens: Option<u32>,
    /// The most output limit, of uniform, normal and lognormal [default: mean and eight deviations]
    #[arg(long, value_name = "N", requires = "output_dist")]
    pub output_max_tokens: Option<u32>,
    /// Output limits, of choices
    #[arg(long, value_name = "N,…", value_delimiter = ',', requires = "output_dist")]
    pub output_choices: Vec<u32>,
    /// In whose tokens lengths are exact: a tokenizer.json, a directory that holds one, or a hub id
    /// [default: the model's own where it lies here, else the server's endpoint, else an estimate]
    #[arg(long, value_name = "FILE|DIR|ID")]
    pub tokenizer: Option<String>,
    /// Prompts begin with a text of N tokens that those of their group share, on top of their own length
    #[arg(long, value_name = "N", requires = "prompt_dist")]
    pub shared_prefix_tokens: Option<u32>,
    /// Groups of prompts, each with a shared prefix of its own, in turn
    #[arg(long, value_name = "N", requires = "shared_prefix_tokens", default_value_t = 1)]
    pub prefix_groups: u32,
    /// Send repeated prompts as they are. Without it one that a server has had since its launch begins with
    /// four words of its own when it comes again, so that no prefix cache answers for the engine
    #[arg(long)]
    pub allow_prefix_cache: bool,
}

/// A law of the lengths of prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PromptDistArg {
    /// All of --prompt-tokens
    Fixed,
    /// --prompt-min-tokens to --prompt-max-tokens
    Uniform,
    /// One of --choices-tokens
    Choices,
    /// Round --prompt-tokens, cut off at the bounds
    Normal,
    /// Most short, a few long, cut off at the bounds
    Lognormal,
    /// So many words of letters: a Poisson number of words, each of a normal length
    Poisson,
}

/// A law of output limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputDistArg {
    /// All of --output-tokens
    Fixed,
    /// --output-min-tokens to --output-max-tokens
    Uniform,
    /// One of --output-choices
    Choices,
    /// Round --output-tokens, cut off at the bounds
    Normal,
    /// Most short, a few long, cut off at the bounds
    Lognormal,
    /// Poisson, mean --output-tokens
    Poisson,
}
