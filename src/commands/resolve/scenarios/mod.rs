//! `--scenarios FILE`, `--compare` and `--concurrent-tests` → the loads of a sweep.
//!
//! A scenario is a set of load flags with a name: each of its keys is parsed as the flag of that name, where the command
//! line and the environment do not give it.

use std::ffi::OsString;
use std::path::Path;

use anyhow::Context;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, FromArgMatches};

use crate::cli::{self, ArrivalArgs, Cli, Command, LoadArgs, ScenarioLoad};
use crate::commands::resolve::prompts;
use crate::commands::resolve::traffic::{self, DEFAULT_CONCURRENCY};
use crate::dataset;
use crate::schema::plan::{Asks, HttpSettings, LoadPoint};
use crate::schema::refusal::{refusal, refuse};

mod own_form;
mod vllm_tools;
mod written;

use written::{File, Written};

/// Flags in which the scenarios of one plan may differ, beside those of the arrivals.
const KEYS: [&str; 10] = [
    "concurrency",
    "rate",
    "arrival",
    "requests",
    "duration",
    "warmup",
    "ramp",
    "timeout",
    "drain",
    "max-tokens",
];

/// What a command line asks for beside its flags; nothing where it names no scenarios.
///
/// # Errors
/// The file cannot be read, or is of no form that is known.
pub fn asked(matches: &ArgMatches) -> anyhow::Result<Option<File>> {
    let Some(("sweep", sub)) = matches.subcommand() else { return Ok(None) };
    if let Some(path) = sub.get_one::<std::path::PathBuf>("scenarios") {
        return read(path, sub).map(Some);
    }
    let counts: Vec<u64> = sub.get_many("compare").into_iter().flatten().copied().collect();
    if counts.contains(&0) {
        return refuse("--compare holds 0, so there would be nothing to measure", "give numbers above 0");
    }
    if !counts.is_empty() && is_given(matches, "requests") {
        return refuse(
            "--compare gives the numbers of requests, so --requests would do nothing",
            "leave one of them out",
        );
    }
    let flags = |count: &u64| vec![("requests".to_owned(), count.to_string())];
    let written =
        counts.iter().map(|count| Written { flags: flags(count), fills: true, ..Written::default() });
    let written: Vec<Written> = written.collect();
    Ok((!written.is_empty()).then(|| File { written, ..File::default() }))
}

/// Reads a file of either form.
fn read(path: &Path, sub: &ArgMatches) -> anyhow::Result<File> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| {
        refusal(format!("cannot read the scenarios {name}: {error}"), "check the path").context(error)
    })?;
    let value = written::value(&text, path)?;
    let mut file = if value.get("test_scenarios").is_some() {
        vllm_tools::read(&value, &name, has_server(sub))?
    } else {
        let folder = path.parent().unwrap_or(Path::new(""));
        own_form::read(&value, &name, folder, &|key| flag_of(key).is_some())?
    };
    if file.written.is_empty() {
        return refuse(format!("{name} holds no scenario"), own_form::FORM);
    }
    let mut names: Vec<&str> = file.names.iter().map(String::as_str).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return refuse(
            format!("{name}: two scenarios are called `{}`", twice[0]),
            "give each a name of its own",
        );
    }
    file.path = name;
    Ok(file)
}

/// The command line says where to measure.
fn has_server(sub: &ArgMatches) -> bool {
    sub.contains_id("url") || sub.contains_id("backend") || sub.contains_id("resume")
}

/// The flag that a scenario's key stands for, without dashes before it.
fn flag_of(key: &str) -> Option<String> {
    let long = key.replace('_', "-");
    let long = if long == "rates" { "rate".to_owned() } else { long };
    let arrivals = ArrivalArgs::augment_args(clap::Command::new("arrivals"));
    // Seeds are the plan's.
    let is_arrivals = !long.starts_with("seed")
        && arrivals.get_arguments().any(|arg| arg.get_long() == Some(long.as_str()));
    (KEYS.contains(&long.as_str()) || is_arrivals).then_some(long)
}

/// Parses each scenario with the command line `argv`, and puts all into the sweep's load.
///
/// # Errors
/// A value that its flag does not take.
pub fn fill(cli: &mut Cli, argv: &[OsString], matches: &ArgMatches, file: File) -> anyhow::Result<()> {
    let Command::Sweep(args) = &mut cli.command else { return Ok(()) };
    args.scenarios.notes = file.notes;
    for written in file.written {
        args.load.scenarios.push(parsed(written, argv, matches, &file.path)?);
    }
    Ok(())
}

fn parsed(
    written: Written,
    argv: &[OsString],
    matches: &ArgMatches,
    file: &str,
) -> anyhow::Result<ScenarioLoad> {
    let mut argv = argv.to_vec();
    for (key, value) in &written.flags {
        let Some(long) = flag_of(key).filter(|long| !is_given(matches, long)) else { continue };
        argv.push(format!("--{long}={value}").into());
    }
    let shown = written.name.as_deref().unwrap_or("--compare");
    let bad = |error: clap::Error| {
        let text = error.render().to_string();
        let what = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        refusal(format!("{file}: scenario `{shown}`: {what}"), "harness sweep --help says what each takes")
    };
    let again = cli::command().try_get_matches_from(argv).map_err(bad)?;
    let Command::Sweep(args) = Cli::from_arg_matches(&again).map_err(bad)?.command else {
        anyhow::bail!("scenarios are for harness sweep");
    };
    let mut load = args.load;
    if written.fills {
        fill_slots(&mut load);
    }
    Ok(ScenarioLoad { name: written.name, load, prompts: written.prompts, dataset: written.dataset })
}

/// No more slots than requests: the others would never be filled.
fn fill_slots(load: &mut LoadArgs) {
    let Some(requests) = load.requests.filter(|_| load.rate.is_empty()) else { return };
    if load.concurrency.is_empty() {
        load.concurrency.push(DEFAULT_CONCURRENCY);
    }
    let most = u32::try_from(requests).unwrap_or(u32::MAX);
    load.concurrency.iter_mut().for_each(|slots| *slots = (*slots).min(most));
}

/// The flags of the file's server, but for what the command line or the environment says itself: a model, a key.
pub fn server_flags(matches: &ArgMatches, file: &File) -> Vec<String> {
    let headers = matches.subcommand().and_then(|(_, sub)| sub.get_many::<String>("header"));
    let is_key = |header: &String| header.to_ascii_lowercase().starts_with("authorization");
    let has_key = ["api-key-env", "api-key-file"].iter().any(|long| is_given(matches, long))
        || headers.into_iter().flatten().any(is_key);
    let stays = |flag: &&String| match flag.split_once('=').map_or(flag.as_str(), |(long, _)| long) {
        "--model" => !is_given(matches, "model"),
        "--header" => !has_key,
        _ => true,
    };
    file.server.iter().filter(stays).cloned().collect()
}

fn is_given(matches: &ArgMatches, long: &str) -> bool {
    let Some((name, sub)) = matches.subcommand() else { return false };
    let command = cli::command();
    let mut arguments = command.find_subcommand(name).into_iter().flat_map(|sub| sub.get_arguments());
    let id = arguments.find(|arg| arg.get_long() == Some(long)).map(Arg::get_id);
    id.is_some_and(|id| {
        matches!(sub.value_source(id.as_str()), Some(ValueSource::CommandLine | ValueSource::EnvVariable))
    })
}

/// What the scenarios of a plan are played as.
#[derive(Debug, Default)]
pub struct Loads {
    /// Theirs, in their order.
    pub loads: Vec<LoadPoint>,
    /// Some file of a scenario holds a conversation.
    pub several_turns: bool,
}

/// The loads of the scenarios, in their order; `prompts` is the size of the plan's own workload.
///
/// # Errors
/// As those of [`traffic::loads`], with the scenario's name; a file of prompts that cannot be read, or holds what `http`
/// has no room for.
pub fn loads(args: &LoadArgs, prompts: usize, http: &HttpSettings) -> anyhow::Result<Loads> {
    let mut all = Loads::default();
    for scenario in &args.scenarios {
        let shown = || format!("scenario `{}`", scenario.name.as_deref().unwrap_or_default());
        let own = of_scenario(scenario, args, prompts, http);
        let own = if scenario.name.is_some() { own.with_context(shown)? } else { own? };
        all.several_turns |= own.several_turns;
        for load in own.loads {
            // Capped slots and a --requests of the command line can make two of them one.
            if !all.loads.contains(&load) {
                all.loads.push(load);
            }
        }
    }
    Ok(all)
}

fn of_scenario(
    scenario: &ScenarioLoad,
    args: &LoadArgs,
    prompts: usize,
    http: &HttpSettings,
) -> anyhow::Result<Loads> {
    let mut asks = Asks { prompts: scenario.prompts.clone(), ..Asks::default() };
    let (mut size, mut several_turns) = (prompts, false);
    if !asks.prompts.is_empty() {
        size = asks.prompts.len();
    }
    if let Some(path) = &scenario.dataset {
        let (read, source) = dataset::load_as(Some(path), &prompts::how(args)?)?;
        prompts::check_texts(&read, &source.path, http)?;
        several_turns = read.iter().any(|prompt| !prompt.further.is_empty());
        size = read.len();
        asks.dataset = Some(source);
    }
    if scenario.load.max_tokens != args.max_tokens {
        asks.max_tokens = scenario.load.max_tokens;
    }
    let load = &scenario.load;
    if !asks.prompts.is_empty() && !load.rate.is_empty() && load.requests.is_none() && load.duration.is_none()
    {
        return refuse("it has a rate and no end", "add requests or duration");
    }
    let asks = (asks != Asks::default()).then_some(asks);
    let named = |load: LoadPoint| LoadPoint { name: scenario.name.clone(), asks: asks.clone(), ..load };
    let loads = traffic::loads(load, true, size)?.into_iter().map(named).collect();
    Ok(Loads { loads, several_turns })
}

/// The most requests in flight that any load asks for; 0 where none says.
pub fn most_in_flight(args: &LoadArgs) -> u32 {
    let scenarios = args.scenarios.iter().map(|scenario| &scenario.load);
    let all = std::iter::once(args).chain(scenarios).flat_map(|load| &load.concurrency);
    all.copied().max().unwrap_or(0)
}

#[cfg(test)]
mod tests;
