//! `harness dataset import`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `dataset import`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  harness dataset import ShareGPT_V3.json --output sharegpt.jsonl
  harness dataset import ShareGPT_V3.json --sample 1000 --seed 1 \\
    --min-input-length 4 --max-input-length 4096 --output thousand.jsonl
  harness dataset import questions.csv --columns prompt=question,category=topic \\
    --output questions.jsonl
  harness dataset import batch.jsonl mt_bench.jsonl --skip-bad --output both.jsonl

The file that is written is taken by every command: --dataset sharegpt.jsonl.
ShareGPT's prompts are the first turn of a user that has a reply after it, by
the names of the roles; --turns first-two takes the first two turns, as vLLM's
benchmark does: a third of its prompts are answers.
Exit codes: 0 written; 2 a bad row, or a file that cannot be told.")]
pub struct ImportArgs {
    /// Files to read; packed by gzip or zstd too
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Form of the files
    #[arg(long, value_enum, default_value = "auto")]
    pub format: FormatArg,
    /// File to write, one prompt a line
    #[arg(long, value_name = "OUT.jsonl")]
    pub output: PathBuf,
    /// Which turns of a conversation become a prompt
    #[arg(long, value_enum, default_value = "first-user")]
    pub turns: TurnsArg,
    /// Columns of CSV, Parquet and JSON lines: prompt=, messages=, max_tokens=, category=, id=, reply=
    #[arg(long, value_name = "OURS=COLUMN,…", value_delimiter = ',', value_parser = column)]
    pub columns: Vec<(String, String)>,
    /// What a row without an output limit gets
    #[arg(long, value_enum, default_value = "reply")]
    pub max_tokens_from: LimitFromArg,
    /// Count lengths in the tokens of this tokenizer.json, directory or hub id
    #[arg(long, value_name = "FILE|DIR|ID")]
    pub tokenizer: Option<String>,
    /// Leave shorter prompts out, characters; tokens with --tokenizer
    #[arg(long, value_name = "N")]
    pub min_input_length: Option<u64>,
    /// Leave longer prompts out, characters; tokens with --tokenizer
    #[arg(long, value_name = "N")]
    pub max_input_length: Option<u64>,
    /// Leave rows with shorter replies out, characters; tokens with --tokenizer
    #[arg(long, value_name = "N")]
    pub min_output_length: Option<u64>,
    /// Leave rows with longer replies out, characters; tokens with --tokenizer
    #[arg(long, value_name = "N")]
    pub max_output_length: Option<u64>,
    /// Stop after N prompts
    #[arg(long, value_name = "N", conflicts_with = "sample")]
    pub limit: Option<u64>,
    /// Draw N prompts of all, each at most once, in the order of the file
    #[arg(long, value_name = "N")]
    pub sample: Option<u64>,
    /// Seed of the draw
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Count bad rows, name the first and go on
    #[arg(long)]
    pub skip_bad: bool,
    /// Print errors alone
    #[arg(long, short)]
    pub quiet: bool,
}

/// Form of a file of prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    /// By the file's content
    Auto,
    /// Conversations: a list, or one a line
    Sharegpt,
    /// {prompt} or {messages}: a list, or one a line
    Jsonl,
    /// One prompt a line
    Text,
    /// {custom_id, body} a line
    OpenaiBatch,
    /// {question_id, category, turns} a line
    MtBench,
    /// {input, context, dataset} a line
    Longbench,
    /// A table, names in its first row
    Csv,
    /// A Parquet file
    Parquet,
}

/// Which turns of a conversation become a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TurnsArg {
    /// The first of a user that has a reply after it
    FirstUser,
    /// The first two, whoever said them, as other tools take them
    FirstTwo,
    /// The first two where they are human and gpt
    Strict,
    /// Each of a user that has a reply after it: a conversation
    All,
}

/// What a row without an output limit gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LimitFromArg {
    /// The tokens of its reply: by --tokenizer, else estimated, one for each 4 bytes of UTF-8
    Reply,
    /// None
    None,
}

/// `prompt=question`.
fn column(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((ours, column)) => Ok((ours.trim().to_owned(), column.trim().to_owned())),
        None => Err("write OURS=COLUMN, such as prompt=question".to_owned()),
    }
}
