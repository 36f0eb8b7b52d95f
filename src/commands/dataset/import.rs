//! `harness dataset import`.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::cli::{ImportArgs, LimitFromArg};
use crate::commands::interrupt;
use crate::commands::resolve::prompts;
use crate::dataset::Tokenizer;
use crate::dataset::import::{
    self, BYTES_A_TOKEN, Bounds, Columns, CountTokens, Event, Import, Pick, Selection, Tally,
};
use crate::directories::AtomicFile;
use crate::progress::{Activity, Progress, print};
use crate::schema::refusal::refuse;

/// An import that takes no longer says nothing before it is done.
const PATIENCE: Duration = Duration::from_secs(2);

/// `harness dataset import`
pub fn import(args: &ImportArgs) -> anyhow::Result<ExitCode> {
    check_output(args)?;
    let how = how(args)?;
    let progress = Progress::new(args.quiet, false);
    let stop = interrupt::watch_saying(progress.clone(), "interrupted: ending (again: at once)")?;
    let mut file = AtomicFile::create(&args.output)?;
    let mut live = Live { progress: &progress, began: Instant::now(), line: None };
    let mut listener = |event: Event<'_>| {
        live.hear(&event);
        !*stop.borrow()
    };
    let mut sink = |picked: import::Picked| import::write_picked(&mut file, &picked);
    let tokenizer = args.tokenizer.as_ref().map(|name| Tokenizer::load(name)).transpose()?;
    let count = tokenizer.as_ref().map(|tokenizer| move |text: &str| tokens(tokenizer, text));
    let count = count.as_ref().map(|count| count as CountTokens<'_>);
    let tally = import::import(&args.files, &how, count, &mut listener, &mut sink)?;
    drop(live);
    let Some(tally) = tally.filter(|_| !*stop.borrow()) else {
        progress.say("interrupted: nothing is written");
        return Ok(ExitCode::from(interrupt::INTERRUPTED));
    };
    for fault in &tally.faults {
        progress.say(&format!("left out: {fault}"));
    }
    if tally.kept == 0 {
        return refuse(
            format!("no prompt came of {} rows: {}", tally.rows, reasons(&tally)),
            "nothing is written; --format, --turns, --columns and the lengths say which rows are taken",
        );
    }
    file.commit()?;
    if !args.quiet {
        print(&told(&tally, &args.output, if args.tokenizer.is_some() { "tokens" } else { "characters" }));
    }
    Ok(ExitCode::SUCCESS)
}

fn tokens(tokenizer: &Tokenizer, text: &str) -> anyhow::Result<u64> {
    match tokenizer.count(text) {
        Some(tokens) => Ok(tokens as u64),
        None => refuse("the tokenizer cannot encode a text", "leave --tokenizer out"),
    }
}

/// What would be lost, and what could not be read again.
fn check_output(args: &ImportArgs) -> anyhow::Result<()> {
    let output = &args.output;
    if output.extension().is_none_or(|ending| !ending.eq_ignore_ascii_case("jsonl")) {
        return refuse(
            format!("--output {}: a file with one prompt a line ends in .jsonl", output.display()),
            format!("write --output {}", output.with_extension("jsonl").display()),
        );
    }
    let real = |path: &Path| path.canonicalize().ok();
    if let Some(file) = args.files.iter().find(|file| real(file).is_some() && real(file) == real(output)) {
        return refuse(
            format!("--output is {}, which is read", file.display()),
            "give the new file another name",
        );
    }
    Ok(())
}

fn how(args: &ImportArgs) -> anyhow::Result<Import> {
    let pick = match (args.limit, args.sample) {
        (Some(most), _) => Pick::First(most),
        (None, Some(size)) => Pick::Sample { size, seed: args.seed },
        (None, None) => Pick::All,
    };
    if matches!(pick, Pick::First(0) | Pick::Sample { size: 0, .. }) {
        return refuse("0 prompts are asked for", "ask for one at least, or leave --limit and --sample out");
    }
    Ok(Import {
        format: prompts::format(args.format),
        turns: prompts::turns(args.turns),
        columns: Columns::new(args.columns.clone())?,
        skip_bad: args.skip_bad,
        selection: Selection {
            input: Bounds { min: args.min_input_length, max: args.max_input_length },
            output: Bounds { min: args.min_output_length, max: args.max_output_length },
            pick,
            no_reply_limit: args.max_tokens_from == LimitFromArg::None,
        },
    })
}

/// What is said meanwhile.
struct Live<'a> {
    progress: &'a Progress,
    began: Instant,
    line: Option<Activity>,
}

impl Live<'_> {
    fn hear(&mut self, event: &Event<'_>) {
        match event {
            Event::Taken { file, format, packed } => {
                let packed = packed.map_or(String::new(), |how| format!(", packed by {how}"));
                self.progress.say(&format!("{}: read as {format}{packed}", file.display()));
            }
            Event::Step { file, bytes, of, rows } if self.began.elapsed() >= PATIENCE => {
                let line = self.line.get_or_insert_with(|| self.progress.start("importing"));
                let share = of
                    .filter(|of| *of > 0)
                    .map_or(String::new(), |of| format!(", {:.0} %", 100.0 * *bytes as f64 / of as f64));
                line.message(&format!("{}: {rows} rows{share}", file.display()));
            }
            Event::Step { .. } => {}
        }
    }
}

/// What came of it.
fn told(tally: &Tally, output: &Path, unit: &str) -> String {
    let mut lines =
        vec![format!("{} rows read, {} prompts written to {}", tally.rows, tally.kept, output.display())];
    if tally.kept < tally.rows {
        lines.push(format!("left out: {}", reasons(tally)));
    }
    let replies = if tally.output > 0 { format!(", {} of replies", tally.output) } else { String::new() };
    lines.push(format!("{} {unit} of prompts{replies}", tally.input));
    if tally.turns > tally.kept {
        lines.push(format!("they are conversations of {} turns", tally.turns));
    }
    if tally.estimated > 0 {
        lines.push(format!(
            "output limits of {} prompts are estimated from their replies: a token for each {BYTES_A_TOKEN} bytes",
            tally.estimated
        ));
    }
    if tally.renamed > 0 {
        lines.push(format!("{} ids stood before and were numbered", tally.renamed));
    }
    if !tally.passed_over.is_empty() {
        lines.push(format!("columns passed over: {}", tally.passed_over.join(", ")));
    }
    lines.join("\n")
}

fn reasons(tally: &Tally) -> String {
    let mut reasons: Vec<String> =
        tally.left_out.iter().map(|(why, rows)| format!("{rows} with {why}")).collect();
    if tally.bad > 0 {
        reasons.push(format!("{} bad", tally.bad));
    }
    if tally.not_drawn > 0 {
        reasons.push(format!("{} not drawn", tally.not_drawn));
    }
    if reasons.is_empty() { "no row is there".to_owned() } else { reasons.join(", ") }
}
