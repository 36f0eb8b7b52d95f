//! Arguments, environment and plan file → one parsed command line: flag over environment over file over default.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, bail};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, FromArgMatches};
use serde_json::Value;

use crate::cli::{self, Cli, LaunchArgs};
use crate::commands::resolve::{scenarios, typed};
use crate::schema::refusal::refuse;

/// A command line that did not parse: clap's own message and exit code.
#[derive(Debug)]
pub enum Refused {
    /// What clap says; also the text of `--help` and `--version`.
    Usage(clap::Error),
    /// What the plan file has wrong, a flag that would launch nothing, or one beside `--resume`.
    Plan(anyhow::Error),
}

/// Parses `argv`, with the keys of a `--plan` file for flags that neither it nor the environment gives.
pub fn parse(argv: Vec<OsString>) -> Result<Cli, Refused> {
    let matches = cli::command().try_get_matches_from(argv.clone()).map_err(Refused::Usage)?;
    let argv = match plan_file(&matches) {
        Some(path) => with_plan_file(argv, &matches, &path).map_err(Refused::Plan)?,
        None => argv,
    };
    let mut argv = argv;
    let mut matches = cli::command().try_get_matches_from(argv.clone()).map_err(Refused::Usage)?;
    let scenarios = scenarios::asked(&matches).map_err(Refused::Plan)?;
    if let Some(file) = scenarios.as_ref().filter(|file| !file.server.is_empty()) {
        argv.extend(scenarios::server_flags(&matches, file).into_iter().map(OsString::from));
        matches = cli::command().try_get_matches_from(argv.clone()).map_err(Refused::Usage)?;
    }
    refuse_idle_launch_flags(&matches).map_err(Refused::Plan)?;
    refuse_beside_resume(&matches).map_err(Refused::Plan)?;
    let mut cli = Cli::from_arg_matches(&matches).map_err(Refused::Usage)?;
    if let Some(file) = scenarios {
        scenarios::fill(&mut cli, &argv, &matches, file).map_err(Refused::Plan)?;
    }
    if let Some(output) = cli.command.output_mut() {
        output.command = typed::command(&matches);
    }
    Ok(cli)
}

fn plan_file(matches: &ArgMatches) -> Option<std::path::PathBuf> {
    let (_, sub) = matches.subcommand()?;
    sub.try_get_one::<std::path::PathBuf>("plan").ok()?.cloned()
}

/// Flags that mean something beside `--resume`: how it goes on, and what no file holds.
const BESIDE_RESUME: [&str; 20] = [
    "resume",
    "workers",
    "worker",
    "join",
    "join-timeout",
    "on-worker-loss",
    "header",
    "dry-run",
    "hold",
    "strict",
    "quiet",
    "verbose",
    "plan",
    "prometheus-listen",
    "pushgateway",
    "remote-write",
    "tui",
    "upload",
    "output-bucket",
    "output-bucket-filepath",
];

/// A plan that is resumed is taken as it is, so a flag that would change it would do nothing. What stands in
/// the environment is meant for new plans, and is passed over.
fn refuse_beside_resume(matches: &ArgMatches) -> anyhow::Result<()> {
    let Some((sub_name, sub)) = matches.subcommand() else { return Ok(()) };
    let Some(folder) = sub.try_get_one::<std::path::PathBuf>("resume").ok().flatten() else {
        return Ok(());
    };
    let command = cli::command();
    let Some(sub_command) = command.find_subcommand(sub_name) else { return Ok(()) };
    for arg in sub_command.get_arguments() {
        let Some(long) = arg.get_long().filter(|long| !BESIDE_RESUME.contains(long)) else { continue };
        if sub.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine) {
            return refuse(
                format!(
                    "--{long} has no effect with --resume: the plan is {}",
                    folder.join("plan.json").display()
                ),
                format!("leave --{long} out, or begin a new {sub_name}"),
            );
        }
    }
    Ok(())
}

fn with_plan_file(
    mut argv: Vec<OsString>,
    matches: &ArgMatches,
    path: &Path,
) -> anyhow::Result<Vec<OsString>> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read the plan {name}"))?;
    let file: serde_json::Map<String, Value> =
        serde_saphyr::from_str(&text).map_err(|error| not_a_mapping(&name.to_string(), &error))?;
    let Some((sub_name, sub)) = matches.subcommand() else { return Ok(argv) };
    let command = cli::command();
    let Some(sub_command) = command.find_subcommand(sub_name) else { return Ok(argv) };
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for (key, value) in &file {
        let long = key.replace('_', "-");
        let arg =
            sub_command.get_arguments().find(|arg| is_called(arg, &long) && long != "plan" && long != "help");
        let Some(arg) = arg else {
            let line = line_of(&text, key);
            let known: Vec<&str> = sub_command.get_arguments().filter_map(|arg| arg.get_long()).collect();
            return refuse(
                format!("{name}:{line}: '{key}' is no flag of harness {sub_name}"),
                format!("known keys: {}", known.join(", ")),
            );
        };
        if let Some(other) = seen.insert(arg.get_id().as_str(), key) {
            let line = line_of(&text, key);
            return refuse(
                format!("{name}:{line}: '{key}' is the same flag as '{other}'"),
                "leave one of them out",
            );
        }
        let given = matches!(
            sub.value_source(arg.get_id().as_str()),
            Some(ValueSource::CommandLine | ValueSource::EnvVariable)
        );
        if given {
            continue;
        }
        let is_switch = matches!(arg.get_action(), ArgAction::SetTrue);
        // An object here is the value itself, and no mapping of labels.
        let is_object = ["extra-body", "additional-metadata-metrics-to-save"].contains(&long.as_str());
        let whole = is_object.then(|| value.as_object()).flatten().map(|_| value.to_string());
        let value = &whole.map_or_else(|| value.clone(), Value::String);
        let values = flag_values(value).with_context(|| format!("{name}:{}: {key}", line_of(&text, key)))?;
        for value in values {
            match (is_switch, value.as_str()) {
                (true, "true") => argv.push(format!("--{long}").into()),
                (true, "false") => {}
                (true, other) => {
                    bail!("{name}:{}: {key} is true or false, not '{other}'", line_of(&text, key))
                }
                (false, _) => argv.push(format!("--{long}={value}").into()),
            }
        }
    }
    Ok(argv)
}

/// The line and what is wrong with it, but nothing of what stands there: a plan may hold a `--header` with its key.
fn not_a_mapping(name: &str, error: &serde_saphyr::Error) -> anyhow::Error {
    let line = error.location().map(|place| format!(":{}", place.line())).unwrap_or_default();
    let text = error.without_snippet().to_string();
    let told = text.lines().next().unwrap_or_default();
    let told = told.split(['"', '`', '\'']).next().unwrap_or_default().trim_end_matches([' ', ':']);
    anyhow::anyhow!("{name}{line}: not a YAML mapping of flags: {told}")
}

/// Launch flags that say something of a server that already runs too.
const OF_ANY_SERVER: [&str; 2] = ["model", "backends_dir"];

/// With `--url` nothing is launched, so a launch flag of the command line or the plan file would do nothing. One of
/// the environment may be meant for other commands.
fn refuse_idle_launch_flags(matches: &ArgMatches) -> anyhow::Result<()> {
    let Some((_, sub)) = matches.subcommand() else { return Ok(()) };
    // A sub-command that has no such flag at all is asked too: clap would panic over its name.
    let has = |id: &str| matches!(sub.try_contains_id(id), Ok(true));
    if !has("url") {
        return Ok(());
    }
    let launching = LaunchArgs::augment_args(clap::Command::new("launching"));
    let idle = launching.get_arguments().find(|arg| {
        let id = arg.get_id().as_str();
        !OF_ANY_SERVER.contains(&id) && has(id) && sub.value_source(id) == Some(ValueSource::CommandLine)
    });
    match idle.and_then(Arg::get_long) {
        Some(flag) => refuse(format!("--{flag} launches nothing with --url"), "leave it out"),
        None => Ok(()),
    }
}

/// The flag of a plan file's key, which may be its name or another that `--help` shows; `long` with dashes.
fn is_called(arg: &Arg, long: &str) -> bool {
    let aliases = arg.get_visible_aliases().unwrap_or_default();
    arg.get_long() == Some(long) || aliases.contains(&long)
}

/// The 1-based line on which a top-level key stands.
fn line_of(text: &str, key: &str) -> usize {
    let found = text.lines().position(|line| {
        let line = line.trim_start_matches(['"', '\'']);
        line.strip_prefix(key).is_some_and(|rest| rest.trim_start_matches(['"', '\'', ' ']).starts_with(':'))
    });
    found.map_or(1, |index| index + 1)
}

/// Values of one key: a scalar, a list of scalars, or a mapping as `KEY=VALUE` (nested: `A.B=VALUE`).
fn flag_values(value: &Value) -> anyhow::Result<Vec<String>> {
    Ok(match value {
        Value::Null => Vec::new(),
        Value::Bool(value) => vec![value.to_string()],
        Value::Number(value) => vec![value.to_string()],
        Value::String(value) => vec![value.clone()],
        Value::Array(items) => {
            let mut all = Vec::new();
            for item in items {
                all.extend(flag_values(item)?);
            }
            all
        }
        Value::Object(map) => {
            let mut all = Vec::new();
            for (key, value) in map {
                for value in flag_values(value)? {
                    // `set: {vllm: {dtype: auto}}` is `--set vllm.dtype=auto`.
                    let nested = map.get(key).is_some_and(Value::is_object);
                    all.push(if nested { format!("{key}.{value}") } else { format!("{key}={value}") });
                }
            }
            all
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Command;

    fn parse_with_plan(plan: &str, more: &[&str]) -> Result<Cli, Refused> {
        parse_of("compare", plan, more)
    }

    fn parse_of(sub_command: &str, plan: &str, more: &[&str]) -> Result<Cli, Refused> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.yaml");
        std::fs::write(&path, plan).unwrap();
        let mut argv: Vec<OsString> = ["harness", sub_command, "--plan"].map(OsString::from).to_vec();
        argv.push(path.into());
        argv.extend(more.iter().map(OsString::from));
        parse(argv)
    }

    fn compare(cli: Cli) -> cli::CompareArgs {
        match cli.command {
            Command::Compare(args) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_plan_file_gives_what_the_command_line_does_not() {
        let plan = "backend: [vllm, sglang]\nconcurrency: 8\nignore_eos: true\nduration: 60s\n\
                    set:\n  vllm: {max_model_len: 2048}\nmodel: {llamacpp: a.gguf}\n";
        let args = compare(parse_with_plan(plan, &["--concurrency", "4"]).unwrap());
        assert_eq!(args.backend, ["vllm", "sglang"]);
        assert_eq!(args.load.concurrency, [4]);
        assert_eq!(args.load.duration, Some(60.0));
        assert!(args.load.ignore_eos);
        assert_eq!(args.launch.set, ["vllm.max_model_len=2048"]);
        assert_eq!(args.launch.model, ["llamacpp=a.gguf"]);
    }

    #[test]
    fn an_extra_body_of_a_plan_file_is_an_object() {
        let plan = "backend: vllm\nextra_body: {top_k: 1, chat_template_kwargs: {thinking: false}}\n";
        let args = compare(parse_with_plan(plan, &[]).unwrap());
        assert_eq!(args.load.extra_body.len(), 1);
        let body: Value = serde_json::from_str(&args.load.extra_body[0]).unwrap();
        assert_eq!(body, serde_json::json!({"top_k": 1, "chat_template_kwargs": {"thinking": false}}));
    }

    fn told(parsed: Result<Cli, Refused>) -> String {
        match parsed {
            Err(Refused::Plan(error)) => crate::schema::refusal::shown(&error),
            Err(Refused::Usage(message)) => panic!("{message}"),
            Ok(cli) => panic!("accepted: {cli:?}"),
        }
    }

    #[test]
    fn a_key_of_a_plan_file_may_be_another_name_that_the_help_shows() {
        let of = |plan: &str, more: &[&str]| match parse_of("sweep", plan, more).unwrap().command {
            Command::Sweep(args) => args.load.rate,
            other => panic!("{other:?}"),
        };
        assert_eq!(of("rates: [1, 2, inf]\n", &[]), [1.0, 2.0, f64::INFINITY]);
        assert_eq!(of("rates: [1, 2]\n", &["--rate", "3"]), [3.0]);
        let twice = told(parse_of("sweep", "rates: [1, 2]\nrate: 3\n", &[]));
        assert!(twice.contains("plan.yaml:1: 'rates' is the same flag as 'rate'"), "{twice}");
    }

    #[test]
    fn a_launch_flag_beside_a_server_that_runs_is_refused_by_name() {
        let url = ["--url", "http://127.0.0.1:1"];
        let launching = LaunchArgs::augment_args(clap::Command::new("launching"));
        let mut refused = 0;
        for arg in launching.get_arguments() {
            let flag = format!("--{}", arg.get_long().unwrap());
            let value = match flag.as_str() {
                "--simulate" => None,
                "--launcher" => Some("process"),
                _ => Some("1"),
            };
            let more: Vec<&str> = url.into_iter().chain([flag.as_str()]).chain(value).collect();
            let parsed = parse_of("sweep", "", &more);
            if ["--model", "--backends-dir"].contains(&flag.as_str()) {
                assert!(parsed.is_ok(), "{flag}");
                continue;
            }
            let expected = format!("{flag} launches nothing with --url\nhint: leave it out");
            assert_eq!(told(parsed), expected);
            refused += 1;
        }
        assert!(refused >= 9, "{refused}");
        let in_file = told(parse_of("sweep", "gpus: 0,1\nurl: http://127.0.0.1:1\n", &[]));
        assert!(in_file.starts_with("--gpus launches nothing"), "{in_file}");
        assert!(parse_of("sweep", "", &url).is_ok(), "defaults are nobody's");
        assert!(parse_of("sweep", "", &["--backend", "vllm", "--gpus", "0"]).is_ok());
    }

    #[test]
    fn an_unknown_key_of_a_plan_file_is_named_with_its_line() {
        let Err(Refused::Plan(error)) = parse_with_plan("backend: all\nconcurency: 8\n", &[]) else {
            panic!("accepted")
        };
        let text = error.to_string();
        assert!(text.contains("plan.yaml:2: 'concurency' is no flag of harness compare"), "{text}");
    }

    #[test]
    fn what_is_wrong_with_a_plan_file_is_said_without_the_lines_around_it() {
        for plan in [
            "header: 'Authorization: Bearer sk-plan-1'\nmodel: [m\nseed: 1\n",
            "header: 'Authorization: Bearer sk-plan-1'\n  seed: 1\n",
            "sk-plan-1\n",
            "- sk-plan-1\n",
            "header: \"sk-plan-1\n",
            "header: sk-plan-1\nheader: sk-plan-1\n",
            "seed: 1\nbad\theader: *sk-plan-1\n",
        ] {
            let said = told(parse_of("bench", plan, &[]));
            assert!(said.contains("plan.yaml") && !said.contains("sk-plan-1"), "{plan:?}: {said}");
        }
    }

    fn resume(more: &[&str]) -> Result<Cli, Refused> {
        let argv = ["harness", "compare", "--resume", "results/compare_1"].iter().chain(more);
        parse(argv.map(OsString::from).collect())
    }

    #[test]
    fn a_flag_that_a_resumed_plan_would_ignore_is_refused_by_name() {
        for flags in [
            &["--concurrency", "4"][..],
            &["--rounds", "1"],
            &["--model", "m"],
            &["--output", "results"],
            &["--simulate"],
            &["--api-key-env", "KEY"],
            &["--quiet", "--seed", "1"],
        ] {
            let Err(Refused::Plan(error)) = resume(flags) else { panic!("accepted: {flags:?}") };
            let named = flags.iter().rfind(|flag| flag.starts_with("--")).unwrap();
            let text = error.to_string();
            assert!(text.starts_with(&format!("{named} has no effect with --resume")), "{text}");
            assert!(text.ends_with("results/compare_1/plan.json"), "{text}");
        }
    }

    #[test]
    fn a_key_of_a_plan_file_that_a_resumed_plan_would_ignore_is_refused_too() {
        let Err(Refused::Plan(error)) = parse_with_plan("concurrency: 8\n", &["--resume", "r"]) else {
            panic!("accepted")
        };
        assert!(error.to_string().starts_with("--concurrency has no effect"), "{error}");
    }

    #[test]
    fn what_says_how_a_resumed_plan_goes_on_is_taken() {
        let flags = ["--header", "X-Team: blue", "--quiet", "--strict", "--dry-run"];
        let args = compare(resume(&flags).unwrap());
        assert_eq!(args.load.header, ["X-Team: blue"]);
        assert!(args.output.quiet && args.output.strict && args.output.dry_run);
        compare(resume(&["-v"]).unwrap());
        assert!(compare(resume(&["--tui"]).unwrap()).output.live.tui);
        assert!(compare(parse_with_plan("quiet: true\n", &["--resume", "r"]).unwrap()).output.quiet);
    }
}
