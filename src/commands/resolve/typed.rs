//! The command line as it may be given again: the environment's and the plan file's flags in it, no secret in it.

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches};

use crate::cli;
use crate::secrets::{HIDDEN, argument_with_a_secret, hide_kept};

/// Flags that decide nothing of what is measured; those of a plan file stand for themselves. An address that is told of
/// it may hold a key.
const LEFT_OUT: [&str; 9] = [
    "plan",
    "quiet",
    "verbose",
    "tui",
    "dry_run",
    "resume",
    "prometheus_listen",
    "pushgateway",
    "remote_write",
];

/// `harness compare --backend vllm,sglang --rounds 5`: all that the command line, the environment and the plan file
/// gave, as flags. A header keeps its name alone, and what holds a key is hidden.
pub fn command(matches: &ArgMatches) -> Vec<String> {
    let Some((name, sub)) = matches.subcommand() else { return Vec::new() };
    let mut words = vec!["harness".to_owned(), name.to_owned()];
    let command = cli::command();
    let arguments = command.find_subcommand(name).into_iter().flat_map(|known| known.get_arguments());
    for arg in arguments.filter(|arg| !LEFT_OUT.contains(&arg.get_id().as_str())) {
        words.extend(flag(arg, sub));
    }
    words
}

/// A flag with its values; empty where nobody gave it.
fn flag(arg: &Arg, sub: &ArgMatches) -> Vec<String> {
    let id = arg.get_id().as_str();
    let given = matches!(sub.value_source(id), Some(ValueSource::CommandLine | ValueSource::EnvVariable));
    let Some(long) = arg.get_long().filter(|_| given) else { return Vec::new() };
    if matches!(arg.get_action(), ArgAction::SetTrue) {
        return if sub.get_flag(id) { vec![format!("--{long}")] } else { Vec::new() };
    }
    let mut values: Vec<String> = sub
        .get_raw(id)
        .into_iter()
        .flatten()
        .map(|value| without_secret(long, &value.to_string_lossy()))
        .collect();
    if let Some(delimiter) = arg.get_value_delimiter() {
        values = vec![values.join(&delimiter.to_string())];
    }
    let words = values.into_iter().flat_map(|value| {
        // A value that begins with a dash would be taken for a flag.
        if value.starts_with('-') {
            vec![format!("--{long}={value}")]
        } else {
            vec![format!("--{long}"), value]
        }
    });
    words.collect()
}

fn without_secret(long: &str, value: &str) -> String {
    if long == "header" {
        let name = value.split(':').next().unwrap_or_default();
        return format!("{name}: {HIDDEN}");
    }
    let pair = [format!("--{long}"), value.to_owned()];
    // The words of `--extra-args 'vllm=--token X'` are looked at one by one too.
    let labelled = value.split_once('=').filter(|(_, words)| words.starts_with('-'));
    let words = labelled.map_or(value, |(_, words)| words).split_whitespace();
    let words: Vec<String> = words.map(str::to_owned).collect();
    // `--api-key-env NAME` and `--max-tokens-field NAME` are names of something, and no secret.
    let names_something = long.ends_with("-env") || long.ends_with("-field") || value.parse::<f64>().is_ok();
    let is_secret = !names_something && argument_with_a_secret(&pair).is_some();
    if is_secret || argument_with_a_secret(&words).is_some() {
        HIDDEN.to_owned()
    } else {
        hide_kept(value).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(words: &[&str]) -> String {
        let matches = cli::command().try_get_matches_from(words).unwrap();
        command(&matches).join(" ")
    }

    #[test]
    fn what_was_given_is_given_again_and_what_only_talks_is_left_out() {
        let words = [
            "harness",
            "compare",
            "--quiet",
            "--tui",
            "--backend",
            "vllm,b=sglang",
            "--rounds=5",
            "--strict",
        ];
        let more = ["--set", "b.dtype=auto", "--set", "vllm.x=-1", "--max-tokens", "64"];
        assert_eq!(
            typed(&[&words[..], &more].concat()),
            "harness compare --backend vllm,b=sglang --set b.dtype=auto --set vllm.x=-1 --max-tokens 64 --rounds 5 --strict"
        );
    }

    #[test]
    fn a_command_that_is_given_again_parses_to_itself() {
        let words =
            ["harness", "compare", "--backend", "a,b", "--extra-args", "a=--ttft 5ms", "--temperature=0.5"];
        let again = command(&cli::command().try_get_matches_from(words).unwrap());
        assert_eq!(typed(&again.iter().map(String::as_str).collect::<Vec<_>>()), again.join(" "));
        assert!(again.contains(&"a=--ttft 5ms".to_owned()), "{again:?}");
    }

    #[test]
    fn no_key_stands_in_it() {
        let bench = ["harness", "bench", "--url", "http://127.0.0.1:1", "--header", "X-Team: blue-blue-blue"];
        let more = ["--api-key-env", "MY_KEY", "--extra-body", r#"{"api_key": "sk-secret-secret"}"#];
        let shown = typed(&[&bench[..], &more].concat());
        assert!(!shown.contains("blue") && !shown.contains("sk-secret"), "{shown}");
        assert!(shown.contains("--header X-Team: ***") && shown.contains("--api-key-env MY_KEY"), "{shown}");
        let extra =
            typed(&["harness", "compare", "--backend", "vllm", "--extra-args", "vllm=--hf-token abcdef"]);
        assert!(!extra.contains("abcdef"), "{extra}");
    }
}
