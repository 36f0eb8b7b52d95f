//! The plan and the files that it names → what the ConfigMap holds, with the names that they have in a pod.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Arg, ValueEnum};
use indexmap::IndexMap;
use serde_json::Value;

use crate::cli::{self, Command, ManifestArgs};
use crate::commands::k8s::checks;
use crate::commands::k8s::yaml::yaml;
use crate::commands::resolve::arguments::{self, Refused};
use crate::schema::refusal::refuse;
use crate::secrets::holds_a_secret;

/// Where the ConfigMap lies in a pod.
pub const PLAN_FOLDER: &str = "/plan";
/// The plan's name there.
pub const PLAN_NAME: &str = "plan.yaml";
/// Where results lie in a pod.
pub const RESULTS_FOLDER: &str = "/results";
/// The most that a ConfigMap holds, bytes.
const MOST: usize = 1 << 20;
/// Keys that say of this machine what does not hold in a pod, and have a flag of the manifest in their place.
const NOT_CARRIED: [&str; 5] = ["output", "plan", "worker", "workers", "join"];

/// Keys that say where results are copied to: `--upload` of the manifest comes before them.
const OF_UPLOAD: [&str; 3] = ["upload", "output-bucket", "output-bucket-filepath"];

/// What the ConfigMap holds.
#[derive(Debug, Default)]
pub struct Carried {
    /// The content of each file by its name; `plan.yaml` is one.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The variable from which the plan takes the API key.
    pub api_key_env: Option<String>,
    /// The plan has its results copied to a bucket.
    pub uploads: bool,
    /// The plan says itself how long worker 0 stays.
    pub holds: bool,
}

impl Carried {
    /// All content, bytes.
    pub fn bytes(&self) -> usize {
        self.files.values().map(Vec::len).sum()
    }
}

/// Reads the plan, and the files that it names.
pub fn carry(args: &ManifestArgs) -> anyhow::Result<Carried> {
    check_plan(args)?;
    let name = args.plan.display();
    let text = std::fs::read_to_string(&args.plan).with_context(|| format!("cannot read the plan {name}"))?;
    let plan: IndexMap<String, Value> =
        serde_saphyr::from_str(&text).with_context(|| format!("{name}: not a YAML mapping of flags"))?;
    let mut carried = Carried::default();
    let mut rewritten = IndexMap::new();
    let mut has_url = false;
    for (key, value) in plan {
        let long = key.replace('_', "-");
        let is_given = args.upload.is_some() && OF_UPLOAD.contains(&long.as_str());
        if is_given || NOT_CARRIED.contains(&long.as_str()) {
            continue;
        }
        check_secrets(&key, &value)?;
        let value = match flag(args, &long) {
            Some(arg) if names_files(&arg) => carry_files(&mut carried, args, &key, value)?,
            Some(_) if long == "tokenizer" => carry_tokenizer(&mut carried, args, &key, value)?,
            Some(_) | None => value,
        };
        match long.as_str() {
            "url" => has_url = check_url(&value)?,
            "api-key-env" => carried.api_key_env = value.as_str().map(str::to_owned),
            "upload" => {
                value.as_str().map(checks::bucket).transpose()?;
                carried.uploads = true;
            }
            "output-bucket" => carried.uploads = true,
            "hold" => carried.holds = true,
            _ => {}
        }
        rewritten.insert(key, value);
    }
    if !has_url {
        return refuse(
            format!("{name} names no url, and a pod of this manifest launches no server"),
            "the server's address as the pods reach it: url: http://SERVICE.NAMESPACE:8000",
        );
    }
    if let (Some(variable), None) = (&carried.api_key_env, &args.api_key_secret) {
        return refuse(
            format!("the plan takes its API key from {variable}, and a pod has no such variable"),
            "name the Secret that holds the key: --api-key-secret NAME[:KEY]",
        );
    }
    carried.files.insert(PLAN_NAME.to_owned(), yaml(&rewritten)?.into_bytes());
    check_size(&carried)?;
    Ok(carried)
}

/// The plan must be one that the command in the pod takes: what is wrong with it is said here, by name and line.
fn check_plan(args: &ManifestArgs) -> anyhow::Result<()> {
    let played = args.command.to_possible_value();
    let played = played.as_ref().map_or("bench", |value| value.get_name());
    let mut argv: Vec<OsString> = ["harness", played, "--plan"].map(OsString::from).to_vec();
    argv.push(args.plan.clone().into());
    let cli = arguments::parse(argv).map_err(|refused| match refused {
        Refused::Plan(error) => error,
        Refused::Usage(message) => {
            anyhow::anyhow!("{}: {}", args.plan.display(), first_paragraph(&message.to_string()))
        }
    })?;
    let Command::Sweep(sweep) = cli.command else { return Ok(()) };
    if sweep.load.scenarios.iter().any(|scenario| scenario.dataset.is_some()) {
        return refuse(
            "the scenarios name datasets of their own, and the manifest carries files that the plan names",
            "write the prompts into the scenarios, or make a plan of each",
        );
    }
    Ok(())
}

/// clap's error without the usage that it ends with.
fn first_paragraph(text: &str) -> String {
    text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// The flag that a key of the plan sets.
fn flag(args: &ManifestArgs, long: &str) -> Option<Arg> {
    let played = args.command.to_possible_value()?;
    let command = cli::command();
    let sub_command = command.find_subcommand(played.get_name())?;
    sub_command.get_arguments().find(|arg| arg.get_long() == Some(long)).cloned()
}

/// Its value is a path: so says its type.
fn names_files(arg: &Arg) -> bool {
    arg.get_value_parser().type_id() == TypeId::of::<PathBuf>()
}

fn carry_files(carried: &mut Carried, args: &ManifestArgs, key: &str, value: Value) -> anyhow::Result<Value> {
    if key.replace('_', "-") == "api-key-file" {
        return refuse(
            format!("{key}: a key does not go into a ConfigMap"),
            "leave it out, put the key into a Secret and name that: --api-key-secret NAME[:KEY]",
        );
    }
    match value {
        Value::String(path) => Ok(Value::String(carry_file(carried, args, key, &path)?)),
        Value::Array(paths) => {
            let carry_one = |path| carry_files(carried, args, key, path);
            Ok(Value::Array(paths.into_iter().map(carry_one).collect::<anyhow::Result<_>>()?))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Ok(value),
    }
}

/// A tokenizer is a file, a directory or a name on a hub.
fn carry_tokenizer(
    carried: &mut Carried,
    args: &ManifestArgs,
    key: &str,
    value: Value,
) -> anyhow::Result<Value> {
    match value.as_str() {
        Some(path) if Path::new(path).exists() => Ok(Value::String(carry_file(carried, args, key, path)?)),
        Some(_) | None => Ok(value),
    }
}

/// Puts a file beside the plan; its path in a pod.
fn carry_file(carried: &mut Carried, args: &ManifestArgs, key: &str, path: &str) -> anyhow::Result<String> {
    let path = Path::new(path);
    if args.pvc.is_some() && path.starts_with(RESULTS_FOLDER) {
        return Ok(path.display().to_string());
    }
    if path.is_dir() {
        return refuse(
            format!("{key}: {} is a directory, and a ConfigMap holds files", path.display()),
            "leave it out, or name a file in it",
        );
    }
    let size = std::fs::metadata(path).map(|file| file.len());
    let size = size.with_context(|| format!("{key}: cannot read {}", path.display()))?;
    if size > MOST as u64 {
        return too_large(key, path, size);
    }
    let content = std::fs::read(path).with_context(|| format!("{key}: cannot read {}", path.display()))?;
    let name = name_in_pod(carried, key, path, &content)?;
    carried.files.insert(name.clone(), content);
    Ok(format!("{PLAN_FOLDER}/{name}"))
}

/// The file's own name, so that its ending says what it is; other characters than a ConfigMap's key may have are `_`.
fn name_in_pod(carried: &Carried, key: &str, path: &Path, content: &[u8]) -> anyhow::Result<String> {
    let own = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let plain: String =
        own.chars().map(|c| if c.is_ascii_alphanumeric() || "-._".contains(c) { c } else { '_' }).collect();
    let is_free =
        |name: &str| name != PLAN_NAME && carried.files.get(name).is_none_or(|taken| taken == content);
    let names = [plain.clone(), format!("{key}-{plain}")];
    match names.into_iter().find(|name| checks::is_file_key(name) && is_free(name)) {
        Some(name) => Ok(name),
        None => refuse(format!("{key}: {own} is no name of a file in a ConfigMap"), "rename the file"),
    }
}

fn too_large<T>(key: &str, path: &Path, size: u64) -> anyhow::Result<T> {
    refuse(
        format!("{key}: {} has {size} bytes, and a ConfigMap holds 1 MiB in all", path.display()),
        format!(
            "copy it to the volume of --pvc NAME and write its path there ({key}: {RESULTS_FOLDER}/…), put it into the \
             image, or name fewer prompts"
        ),
    )
}

fn check_size(carried: &Carried) -> anyhow::Result<()> {
    let bytes = carried.bytes();
    if bytes <= MOST {
        return Ok(());
    }
    let largest = carried.files.iter().max_by_key(|(_, content)| content.len());
    let (name, content) = largest.map_or(("", 0), |(name, content)| (name.as_str(), content.len()));
    refuse(
        format!("the plan and its files have {bytes} bytes ({name}: {content}), and a ConfigMap holds 1 MiB"),
        format!("copy the largest to the volume of --pvc NAME and write its path there ({RESULTS_FOLDER}/…)"),
    )
}

/// Every url is one that a pod reaches; false where there is none.
fn check_url(value: &Value) -> anyhow::Result<bool> {
    let urls: Vec<&str> = match value {
        Value::String(url) => vec![url.as_str()],
        Value::Array(urls) => urls.iter().filter_map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
    };
    if let Some(own) = urls.iter().find(|url| checks::is_own_machine(url)) {
        return refuse(
            format!("url: {own} is the pod itself when a pod asks for it"),
            "the server's Service: http://SERVICE.NAMESPACE:8000",
        );
    }
    Ok(!urls.is_empty())
}

/// A ConfigMap is read by everybody who may look at the namespace.
fn check_secrets(key: &str, value: &Value) -> anyhow::Result<()> {
    let is_secret = |text: &str| {
        let header = key == "header" && text.split_once(':').is_some_and(|(name, _)| is_secret_header(name));
        header || holds_a_secret(text)
    };
    let found = match value {
        Value::String(text) => is_secret(text),
        Value::Array(items) => items.iter().filter_map(Value::as_str).any(is_secret),
        Value::Object(fields) => {
            let of_header = |(name, _): (&String, &Value)| key == "header" && is_secret_header(name);
            fields.iter().any(of_header) || fields.values().filter_map(Value::as_str).any(is_secret)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    };
    if found {
        return refuse(
            format!("{key} of the plan holds a key or a password, and a ConfigMap is no place for one"),
            "leave it out, put the key into a Secret and name that: --api-key-secret NAME[:KEY]",
        );
    }
    Ok(())
}

fn is_secret_header(name: &str) -> bool {
    let name = name.trim().to_ascii_lowercase();
    matches!(name.as_str(), "authorization" | "proxy-authorization" | "cookie")
        || crate::secrets::names_a_secret(&name)
}
