//! What does the installing: uv, fetched into an environment of its own where it is missing, and the
//! package index that the user configured for pip.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::backend::install::command::{Environment, InstallEvent, Runner};
use crate::programs::{is_program, on_path, quiet, succeeds};
use crate::schema::refusal::refuse;

/// The version of uv that is fetched, and its files' SHA-256.
const UV_LOCK: &str = include_str!("../../../backends/locks/uv.txt");
/// The longest that Python may take to say whether it can make environments.
const ASKED: Duration = Duration::from_secs(60);

/// The installer uv: on PATH, in the harness's own tools, or fetched there.
///
/// # Errors
/// No Python 3 with `venv` to fetch it with, or no package index within reach.
pub(crate) fn uv(
    data_dir: &Path,
    runner: &Runner,
    on_progress: &mut dyn FnMut(InstallEvent),
) -> Result<PathBuf> {
    let search_path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(uv) = on_path("uv", &search_path) {
        return Ok(uv);
    }
    let tools = data_dir.join("tools");
    let uv = tools.join("bin/uv");
    if is_program(&uv) {
        return Ok(uv);
    }
    let Some(python) = on_path("python3", &search_path) else {
        return refuse(
            "neither uv nor python3 is on PATH",
            "Debian and Ubuntu: apt install python3 python3-venv; Fedora: dnf install python3",
        );
    };
    let can_make = quiet(&python, &["-c", "import venv, ensurepip"]);
    if succeeds(can_make, ASKED) != Some(true) {
        return refuse(
            format!("{} cannot make environments", python.display()),
            "Debian and Ubuntu: apt install python3-venv; or put uv on PATH",
        );
    }
    let text = |path: &Path| path.display().to_string();
    let argv = [text(&python), "-m".to_owned(), "venv".to_owned(), text(&tools)];
    runner.run("make the tools' environment", &argv, &[], on_progress)?;
    let mut argv = vec![text(&tools.join("bin/python"))];
    let lock = put_lock(data_dir, "uv.txt", UV_LOCK)?;
    argv.extend(["-m", "pip", "install", "--disable-pip-version-check", "--no-deps"].map(str::to_owned));
    argv.extend(["--require-hashes".to_owned(), "-r".to_owned(), text(&lock)]);
    let cache = [("PIP_CACHE_DIR".to_owned(), text(&data_dir.join("cache/pip")))];
    runner.run("fetch uv", &argv, &cache, on_progress)?;
    Ok(uv)
}

/// Writes a lock file where an installer can read it.
pub(crate) fn put_lock(data_dir: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = data_dir.join("recipes").join(name);
    std::fs::create_dir_all(data_dir.join("recipes"))
        .and_then(|()| std::fs::write(&path, text))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// Caches and interpreters of uv below the data directory, where the user has set none: what an installation
/// leaves is in one place, and on one disk with the environments, whose files are links into the cache.
pub(crate) fn caches(data_dir: &Path) -> Environment {
    [("UV_CACHE_DIR", "cache/uv"), ("UV_PYTHON_INSTALL_DIR", "python")]
        .into_iter()
        .filter(|(name, _)| std::env::var_os(name).is_none())
        .map(|(name, below)| (name.to_owned(), data_dir.join(below).display().to_string()))
        .collect()
}

/// The package index as the user configured it for pip, handed to uv, which does not read pip's settings.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct IndexSettings(Environment);

impl IndexSettings {
    /// Asks pip for its settings (files and environment). What is set for uv itself comes first.
    pub(crate) fn read() -> IndexSettings {
        let output = Command::new("python3")
            .args(["-m", "pip", "config", "list"])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        IndexSettings::from_pip(&text.unwrap_or_default(), |name| std::env::var_os(name).is_some())
    }

    fn from_pip(listing: &str, is_set: impl Fn(&str) -> bool) -> IndexSettings {
        const NAMES: [(&str, &str, &[&str]); 3] = [
            ("index-url", "UV_DEFAULT_INDEX", &["UV_INDEX_URL"]),
            ("extra-index-url", "UV_INDEX", &["UV_EXTRA_INDEX_URL"]),
            ("cert", "SSL_CERT_FILE", &[]),
        ];
        let mut settings = Environment::new();
        for (key, variable, older) in NAMES {
            if is_set(variable) || older.iter().any(|name| is_set(name)) {
                continue;
            }
            // The environment's own setting is listed with the section `:env:`; it wins over files.
            let value = |environment: bool| {
                listing.lines().find_map(|line| {
                    let (name, value) = line.split_once('=')?;
                    let (section, name) = name.rsplit_once('.')?;
                    (name == key && (section == ":env:") == environment)
                        .then(|| value.trim_matches(['\'', '"']).to_owned())
                })
            };
            if let Some(value) = value(true).or_else(|| value(false)).filter(|value| !value.is_empty()) {
                settings.push((variable.to_owned(), value.replace("\\n", " ").trim().to_owned()));
            }
        }
        IndexSettings(settings)
    }

    /// For an installer's command.
    pub(crate) fn environment(&self) -> &[(String, String)] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pips_index_is_handed_to_uv() {
        let listing = "global.index-url='https://files.example/simple'\nglobal.timeout='60'\n:env:.cert='/etc/ca.pem'\n";
        let settings = IndexSettings::from_pip(listing, |_| false);
        let expected = [
            ("UV_DEFAULT_INDEX".to_owned(), "https://files.example/simple".to_owned()),
            ("SSL_CERT_FILE".to_owned(), "/etc/ca.pem".to_owned()),
        ];
        assert_eq!(settings.environment(), expected);
    }

    #[test]
    fn what_is_set_for_uv_comes_first() {
        let listing = "global.index-url='https://files.example/simple'\n";
        let settings = IndexSettings::from_pip(listing, |name| name == "UV_INDEX_URL");
        assert_eq!(settings, IndexSettings::default());
    }
}
