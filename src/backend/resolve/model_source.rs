//! The model that a launch is given, checked before anything starts, and its place in an image.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

use crate::backend::definition::file::DockerImage;
use crate::backend::definition::{Definition, ModelForm, Role};
use crate::backend::managed::Variant;
use crate::backend::resolve::input::ResolveInput;
use crate::schema::refusal::refuse;
use crate::schema::target::Docker;

/// The model as the launch is given it: checked, absolute where it is a path.
pub(super) fn model_source(
    definition: &Definition,
    set: &BTreeMap<String, String>,
    model: &str,
) -> Result<String> {
    let own = definition.parameter_for(Role::Model).and_then(|(name, _)| set.get(name));
    let given = own.map_or(model, String::as_str);
    if given.is_empty() {
        return refuse(
            format!("no model for {}", definition.name),
            "--model takes a GGUF file, a directory or a hub id",
        );
    }
    let path = Path::new(given);
    let name = &definition.name;
    let absolute = |path: &Path| -> Result<String> {
        let absolute = std::path::absolute(path)?;
        absolute.to_str().map(str::to_owned).ok_or_else(|| anyhow!("{}: not UTF-8", path.display()))
    };
    match definition.model_form() {
        ModelForm::Gguf => {
            if path.is_dir() {
                return absolute(&only_gguf(path).with_context(|| format!("the model of {name}"))?);
            }
            if !path.is_file() {
                return refuse(
                    format!("the model file {given} is not there"),
                    format!("{} takes a GGUF file: --model {name}=FILE.gguf", definition.title()),
                );
            }
            absolute(path)
        }
        ModelForm::HuggingFace => {
            if path.is_file() {
                return refuse(
                    format!("{} takes no single file: {given}", definition.title()),
                    format!("give a directory with config.json or a hub id: --model {name}=DIRECTORY"),
                );
            }
            if path.is_dir() {
                if !path.join("config.json").is_file() {
                    return refuse(
                        format!("the model directory {given} has no config.json"),
                        format!("give a directory in Hugging Face form: --model {name}=DIRECTORY"),
                    );
                }
                return absolute(path);
            }
            if !is_hub_id(given) {
                return refuse(
                    format!("the model {given} is not there"),
                    format!(
                        "--model {name}= takes a directory with config.json or a hub id such as org/name"
                    ),
                );
            }
            Ok(given.to_owned())
        }
    }
}

fn only_gguf(directory: &Path) -> Result<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "gguf"))
        .collect();
    match (files.pop(), files.is_empty()) {
        (Some(file), true) => Ok(file),
        (None, _) => {
            refuse(format!("{} holds no GGUF file", directory.display()), "--model llamacpp=FILE.gguf")
        }
        (Some(_), false) => refuse(
            format!("{} holds several GGUF files", directory.display()),
            "name one: --model llamacpp=FILE.gguf",
        ),
    }
}

fn is_hub_id(text: &str) -> bool {
    let parts: Vec<&str> = text.split('/').collect();
    parts.len() <= 2
        && parts.iter().all(|part| {
            !part.is_empty()
                && !part.starts_with(['.', '-', '~'])
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        })
}

/// The image, and the model's place in it.
pub(super) fn image_of(definition: &Definition, input: &ResolveInput<'_>, source: &str) -> Result<Docker> {
    let Some(docker): &Option<DockerImage> = &definition.file.docker else {
        return refuse(
            format!("{} names no image", definition.origin),
            "leave out launcher=docker, or add a `docker` section",
        );
    };
    let image = match (input.machine.variant(), &docker.image_cpu) {
        (Variant::Gpu, _) => docker.image.clone(),
        (Variant::Cpu, Some(image)) => image.clone(),
        (Variant::Cpu, None) => {
            return refuse(
                format!("{}: its image needs a GPU, and this machine has none", definition.title()),
                definition.file.install.hint.clone(),
            );
        }
    };
    let host = Path::new(source);
    let mut mounts = BTreeMap::new();
    if host.exists() {
        let name = host.file_name().and_then(|name| name.to_str()).unwrap_or("model");
        mounts.insert(host.to_path_buf(), format!("/models/{name}"));
    }
    let gpus = (input.machine.gpus > 0).then(|| match &input.shared.gpus {
        Some(list) => format!("\"device={list}\""),
        None => "all".to_owned(),
    });
    Ok(Docker {
        image,
        container_port: docker.container_port,
        mounts,
        gpus,
        run_args: docker.run_args.clone(),
    })
}
