//! A server's log file: its last lines, and the secrets taken out of it.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// How many lines of a log an error shows.
pub const SHOWN_LINES: usize = 15;

/// Put in a secret's place.
pub const HIDDEN: &str = "***";

/// A log larger than this is left as it is: rewriting it would take longer than a stop may.
const LARGEST_REWRITTEN: u64 = 256 * 1024 * 1024;

/// The log of one launch: the part of the file that it wrote, without what must stay secret.
#[derive(Debug, Clone)]
pub struct ServerLog {
    /// The file.
    pub path: PathBuf,
    /// Where this launch's part begins, in bytes.
    from: u64,
    secrets: Vec<String>,
    /// Parts of lines that only note our own questions: `GET /ready `.
    noise: Vec<String>,
}

impl ServerLog {
    /// Creates the file and its directory where they are missing; an earlier launch's lines are kept, and left
    /// out of what is read here, and so are the lines that note our asking for one of `asked_paths`.
    pub fn open(path: &Path, secrets: Vec<String>, asked_paths: &[String]) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let file = File::options().create(true).append(true).open(&path)?;
        let noise = asked_paths.iter().map(|path| format!("GET {path} ")).collect();
        Ok(Self { from: file.metadata()?.len(), path, secrets, noise })
    }

    /// The last `lines` lines that say something, within the last `bytes`; empty where it cannot be read.
    pub fn tail(&self, lines: usize, bytes: u64) -> Vec<String> {
        let all = tail(&self.path, self.from, usize::MAX, bytes);
        let told: Vec<&String> =
            all.iter().filter(|line| !self.noise.iter().any(|noise| line.contains(noise))).collect();
        let last = &told[told.len().saturating_sub(lines)..];
        last.iter().map(|line| hide(line, &self.secrets)).collect()
    }

    /// The lines that an error shows.
    pub fn last_lines(&self) -> Vec<String> {
        self.tail(SHOWN_LINES, 64 * 1024)
    }
}

/// The last `lines` non-empty lines after `from` and within the last `bytes` of a log, colours and progress
/// bars flattened; empty where it cannot be read.
fn tail(log: &Path, from: u64, lines: usize, bytes: u64) -> Vec<String> {
    let text = read_end(log, from, bytes).unwrap_or_default();
    let all: Vec<String> = text.lines().map(flatten).filter(|line| !line.is_empty()).collect();
    all[all.len().saturating_sub(lines)..].to_vec()
}

/// Replaces every secret in a log file. The file is written anew only where it holds one.
pub fn hide_secrets(log: &Path, secrets: &[String]) -> io::Result<()> {
    if secrets.is_empty() || fs::metadata(log)?.len() > LARGEST_REWRITTEN {
        return Ok(());
    }
    let mut bytes = Vec::new();
    File::open(log)?.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let hidden = hide(&text, secrets);
    if hidden != text { fs::write(log, hidden) } else { Ok(()) }
}

/// A text with every secret replaced.
pub fn hide(text: &str, secrets: &[String]) -> String {
    secrets
        .iter()
        .filter(|secret| !secret.is_empty())
        .fold(text.to_owned(), |text, secret| text.replace(secret, HIDDEN))
}

fn read_end(log: &Path, from: u64, bytes: u64) -> io::Result<String> {
    let mut file = File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(bytes).max(from)))?;
    let mut end = Vec::new();
    file.take(bytes).read_to_end(&mut end)?;
    Ok(String::from_utf8_lossy(&end).into_owned())
}

/// One line as a terminal would show it: what follows the last carriage return, escape sequences left out.
fn flatten(line: &str) -> String {
    let line = line.trim_end();
    let shown = line.rsplit('\r').find(|part| !part.trim().is_empty()).unwrap_or_default();
    let mut plain = String::new();
    let mut characters = shown.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            if characters.next_if_eq(&'[').is_some() {
                // A sequence ends at its first letter.
                for inner in characters.by_ref() {
                    if inner.is_ascii_alphabetic() {
                        break;
                    }
                }
            }
        } else if character == '\t' || !character.is_control() {
            plain.push(character);
        }
    }
    plain.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_progress_bars_are_flattened() {
        assert_eq!(flatten("\u{1b}[32mINFO\u{1b}[0m ready"), "INFO ready");
        assert_eq!(flatten("load  10%\rload 100%\r"), "load 100%");
    }

    #[test]
    fn the_tail_is_the_last_lines_that_say_something() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "one\n\ntwo\nthree\n\n").unwrap();
        assert_eq!(tail(file.path(), 0, 2, 1000), ["two", "three"]);
        assert_eq!(tail(file.path(), 0, 9, 1000), ["one", "two", "three"]);
        assert!(tail(Path::new("/does/not/exist"), 0, 9, 1000).is_empty());
    }

    #[test]
    fn our_own_questions_do_not_drown_what_the_server_says() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sglang.log");
        let log = ServerLog::open(&path, Vec::new(), &["/ready".into()]).unwrap();
        let asked = "INFO: 127.0.0.1:5 - \"GET /ready HTTP/1.1\" 503 Service Unavailable\n";
        fs::write(&path, format!("loading\n{}", asked.repeat(100))).unwrap();
        assert_eq!(log.last_lines(), ["loading"]);
    }

    #[test]
    fn lines_of_an_earlier_launch_are_kept_and_not_taken_for_this_ones() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("logs/vllm.log");
        ServerLog::open(&path, Vec::new(), &[]).unwrap();
        fs::write(&path, "out of memory\n").unwrap();
        let log = ServerLog::open(&path, vec!["sk-1".into()], &[]).unwrap();
        assert!(log.last_lines().is_empty());
        fs::write(&path, "out of memory\nkey sk-1\n").unwrap();
        assert_eq!(log.last_lines(), ["key ***"]);
    }

    #[test]
    fn a_secret_is_taken_out_of_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "args: {'api_key': ['sk-12345']}\nready\n").unwrap();
        hide_secrets(file.path(), &["sk-12345".into()]).unwrap();
        assert_eq!(fs::read_to_string(file.path()).unwrap(), "args: {'api_key': ['***']}\nready\n");
    }
}
