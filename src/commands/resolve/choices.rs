//! `--backend`, `--model`, `--set`, `--extra-args` and `--env` → what each label is given.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::schema::refusal::refuse;
use crate::secrets::holds_a_secret;

/// One backend that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Its name in the results.
    pub label: String,
    /// Where its definition comes from.
    pub engine: Engine,
    /// Came with `all`: skipped where it is not installed.
    pub from_all: bool,
}

/// Where a definition comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Engine {
    /// A known name.
    Named(String),
    /// A YAML file.
    File(PathBuf),
}

/// The backends of a `--backend` list; `known` are the names that `all` stands for.
pub fn backends(list: &[String], known: &[String]) -> anyhow::Result<Vec<Choice>> {
    let mut choices: Vec<Choice> = Vec::new();
    for item in list.iter().map(|item| item.trim()).filter(|item| !item.is_empty()) {
        if item == "all" {
            choices.extend(known.iter().map(|name| Choice {
                label: name.clone(),
                engine: Engine::Named(name.clone()),
                from_all: true,
            }));
            continue;
        }
        let (label, engine) = match item.split_once('=') {
            Some((label, engine)) => (Some(label), engine),
            None => (None, item),
        };
        let engine = if engine.ends_with(".yaml") || engine.ends_with(".yml") || engine.contains('/') {
            Engine::File(PathBuf::from(engine))
        } else if known.iter().any(|name| name == engine) {
            Engine::Named(engine.to_owned())
        } else {
            return refuse(
                format!("unknown backend '{engine}'"),
                format!("known: {}, all; or the path of a YAML file", known.join(", ")),
            );
        };
        let label = match (label, &engine) {
            (Some(label), _) => label.to_owned(),
            (None, Engine::Named(name)) => name.clone(),
            (None, Engine::File(path)) => {
                path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned())
            }
        };
        check_label(&label)?;
        choices.push(Choice { label, engine, from_all: false });
    }
    // `all,vllm` asks for vLLM by name.
    let mut unique: Vec<Choice> = Vec::new();
    for choice in choices {
        match unique.iter_mut().find(|other| other.label == choice.label) {
            Some(other) if other.engine == choice.engine && (other.from_all || choice.from_all) => {
                other.from_all &= choice.from_all;
            }
            Some(Choice { label, .. }) => {
                return refuse(
                    format!("two backends are called '{label}'"),
                    format!("give one another label: --backend {label},other={label}"),
                );
            }
            None => unique.push(choice),
        }
    }
    Ok(unique)
}

/// A label stands in file names.
pub fn check_label(label: &str) -> anyhow::Result<()> {
    let fits = !label.is_empty()
        && label.len() <= 64
        && label.starts_with(|c: char| c.is_ascii_alphanumeric())
        && label.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if !fits {
        return refuse(
            format!("'{label}' is no label"),
            "labels name files: letters, digits, '-', '_' and '.', 64 at most",
        );
    }
    Ok(())
}

/// What the flags give to each label.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// `--model MODEL`
    pub model: Option<String>,
    /// `--set LABEL.KEY=VALUE`
    pub settings: BTreeMap<String, String>,
    /// `--extra-args LABEL="…"`
    pub extra_args: Vec<String>,
    /// `--env LABEL.NAME=VALUE`
    pub env: BTreeMap<String, String>,
    /// `--env LABEL.NAME`: handed through from our environment.
    pub env_pass: Vec<String>,
}

/// The raw lists of those flags.
#[derive(Debug, Clone, Copy)]
pub struct Lists<'a> {
    /// `--model`
    pub model: &'a [String],
    /// `--set`
    pub set: &'a [String],
    /// `--extra-args`
    pub extra_args: &'a [String],
    /// `--env`
    pub env: &'a [String],
}

/// Deals the flags out to the labels of `choices`. A flag may name a label or an engine; the label's own
/// value comes before its engine's, and a flag that fits nobody is refused.
pub fn deal(choices: &[Choice], lists: Lists<'_>) -> anyhow::Result<Vec<Given>> {
    let mut given: Vec<Given> = choices.iter().map(|_| Given::default()).collect();
    // Engines first, so that what names a label overrides.
    for by_label in [false, true] {
        let fits = |choice: &Choice, name: &str| match (by_label, &choice.engine) {
            (true, _) => choice.label == name,
            (false, Engine::Named(engine)) => engine == name,
            (false, Engine::File(_)) => false,
        };
        for text in lists.model {
            let (name, model) = model_of(text, choices);
            for (choice, given) in choices.iter().zip(&mut given) {
                match name {
                    None if given.model.is_none() => given.model = Some(model.to_owned()),
                    Some(name) if fits(choice, name) => given.model = Some(model.to_owned()),
                    None | Some(_) => {}
                }
            }
        }
        for text in lists.set {
            let (name, key, value) = dotted("--set", text, "LABEL.KEY=VALUE", choices)?;
            for (_, given) in choices.iter().zip(&mut given).filter(|(choice, _)| fits(choice, name)) {
                given.settings.insert(key.to_owned(), value.to_owned());
            }
        }
        for text in lists.env {
            // Without a value the variable is handed through, so that a key is never typed.
            let (text, passed) = match text.contains('=') {
                true => (text.clone(), false),
                false => (format!("{text}="), true),
            };
            let (name, key, value) = dotted("--env", &text, "LABEL.NAME=VALUE", choices)?;
            for (_, given) in choices.iter().zip(&mut given).filter(|(choice, _)| fits(choice, name)) {
                if passed {
                    given.env_pass.push(key.to_owned());
                } else {
                    given.env.insert(key.to_owned(), value.to_owned());
                }
            }
        }
        for text in lists.extra_args {
            let Some((name, args)) = text.split_once('=') else {
                return refuse(
                    // It may hold a key, so it is not repeated.
                    "--extra-args names no backend",
                    "write --extra-args vllm=\"--flag value\"",
                );
            };
            check_known("--extra-args", name, choices)?;
            let Some(args) = shlex::split(args) else {
                return refuse(format!("--extra-args {name}: a quote is not closed"), "close it");
            };
            for (_, given) in choices.iter().zip(&mut given).filter(|(choice, _)| fits(choice, name)) {
                given.extra_args.clone_from(&args);
            }
        }
    }
    Ok(given)
}

/// `LABEL=MODEL` where the part before the sign is one of ours, else a model for all.
fn model_of<'a>(text: &'a str, choices: &[Choice]) -> (Option<&'a str>, &'a str) {
    match text.split_once('=') {
        Some((name, model)) if is_known(name, choices) => (Some(name), model),
        Some(_) | None => (None, text),
    }
}

fn is_known(name: &str, choices: &[Choice]) -> bool {
    choices.iter().any(|choice| choice.label == name || choice.engine == Engine::Named(name.to_owned()))
}

fn check_known(flag: &str, name: &str, choices: &[Choice]) -> anyhow::Result<()> {
    if is_known(name, choices) {
        return Ok(());
    }
    let labels: Vec<&str> = choices.iter().map(|choice| choice.label.as_str()).collect();
    refuse(
        format!("{flag} names the backend '{name}', which does not take part"),
        format!("taking part: {}", labels.join(", ")),
    )
}

fn dotted<'a>(
    flag: &str,
    text: &'a str,
    form: &str,
    choices: &[Choice],
) -> anyhow::Result<(&'a str, &'a str, &'a str)> {
    // A label may hold a dot (`v0.9.key=…`), so the longest one that is known is taken.
    let parts = text.split_once('=').and_then(|(left, value)| {
        let known = left.rmatch_indices('.').find(|(at, _)| is_known(&left[..*at], choices));
        let (at, _) = known.or_else(|| left.match_indices('.').next())?;
        Some((&left[..at], &left[at + 1..], value))
    });
    let Some((name, key, value)) = parts else {
        // An environment value may be a key, so only what stands before the sign is repeated.
        let left = text.split('=').next().filter(|left| !holds_a_secret(left)).unwrap_or_default();
        return refuse(
            format!("{flag} '{left}…' does not have the form {form}"),
            format!("for example {flag} vllm.NAME=VALUE"),
        );
    };
    check_known(flag, name, choices)?;
    Ok((name, key, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::refusal::{cures, shown};

    fn known() -> Vec<String> {
        ["vllm", "sglang", "llamacpp", "tgi"].map(String::from).to_vec()
    }

    fn list(items: &[&str]) -> Vec<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    fn choose(items: &[&str]) -> Vec<Choice> {
        backends(&list(items), &known()).unwrap()
    }

    #[test]
    fn all_is_every_known_backend_and_may_be_skipped() {
        let choices = choose(&["all"]);
        assert_eq!(choices.len(), 4);
        assert!(choices.iter().all(|choice| choice.from_all));
        let choices = choose(&["all", "vllm"]);
        assert_eq!(choices.iter().filter(|choice| !choice.from_all).count(), 1);
    }

    #[test]
    fn two_settings_of_one_engine_are_two_backends() {
        let choices = choose(&["base=vllm", "tuned=vllm"]);
        let set = list(&["vllm.dtype=auto", "tuned.max_num_batched_tokens=8192"]);
        let lists = Lists { model: &[], set: &set, extra_args: &[], env: &[] };
        let given = deal(&choices, lists).unwrap();
        assert_eq!(given[0].settings.len(), 1);
        assert_eq!(given[1].settings["max_num_batched_tokens"], "8192");
        assert_eq!(given[1].settings["dtype"], "auto");
    }

    #[test]
    fn a_model_for_all_is_overridden_by_label() {
        let choices = choose(&["vllm", "llamacpp"]);
        let model = list(&["llamacpp=a=b.gguf", "org/model"]);
        let lists = Lists { model: &model, set: &[], extra_args: &[], env: &[] };
        let given = deal(&choices, lists).unwrap();
        assert_eq!(given[0].model.as_deref(), Some("org/model"));
        assert_eq!(given[1].model.as_deref(), Some("a=b.gguf"));
    }

    #[test]
    fn extra_arguments_are_split_as_a_shell_would() {
        let choices = choose(&["vllm"]);
        let extra = list(&["vllm=--a 'b c' --d"]);
        let lists = Lists { model: &[], set: &[], extra_args: &extra, env: &[] };
        assert_eq!(deal(&choices, lists).unwrap()[0].extra_args, ["--a", "b c", "--d"]);
    }

    #[test]
    fn mistakes_are_named_with_a_cure_and_secrets_are_not_repeated() {
        let error = shown(&backends(&list(&["vlm"]), &known()).unwrap_err());
        assert!(error.contains("unknown backend 'vlm'") && error.contains("llamacpp"), "{error}");
        let error = backends(&list(&["vllm", "vllm"]), &known()).unwrap_err().to_string();
        assert!(error.contains("two backends are called 'vllm'"), "{error}");
        let error = backends(&list(&["a/b=vllm"]), &known()).unwrap_err().to_string();
        assert!(error.contains("is no label"), "{error}");
        let choices = choose(&["vllm"]);
        for (flag, text) in [("--set", "sglang.x=1"), ("--env", "HF_TOKEN=hf_secret")] {
            let texts = list(&[text]);
            let lists = if flag == "--set" {
                Lists { model: &[], set: &texts, extra_args: &[], env: &[] }
            } else {
                Lists { model: &[], set: &[], extra_args: &[], env: &texts }
            };
            let error = deal(&choices, lists).unwrap_err();
            assert!(error.to_string().contains(flag) && !cures(&error).is_empty(), "{error}");
            assert!(!format!("{error:#} {:?}", cures(&error)).contains("hf_secret"), "{error}");
        }
    }
}
