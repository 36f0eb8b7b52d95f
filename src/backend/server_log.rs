//! A server's log file: its last lines, and the secrets taken out of it.

use std::borrow::Cow;
use std::fs::{self, File, Permissions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::schema::text::acts;
use crate::secrets::{Hider, hide_kept, hide_named};

/// How many lines of a log an error shows.
pub const SHOWN_LINES: usize = 15;

/// A log larger than this is left as it is: rewriting it would take longer than a stop may. Only its owner can read
/// it all the same.
const LARGEST_REWRITTEN: u64 = 1 << 30;
/// Part of a log that is cleaned at a time; a longer line is cut there.
const LONGEST_LINE: u64 = 1 << 20;
/// An engine prints its settings, and with them its keys: nobody else reads its log.
const OWNER_ALONE: u32 = 0o600;

/// The log of one launch: the part of the file that it wrote, without what must stay secret.
#[derive(Debug, Clone)]
pub struct ServerLog {
    /// The file.
    pub path: PathBuf,
    /// Where this launch's part begins, in bytes.
    from: u64,
    secrets: Hider,
    /// Parts of lines that only note our own questions: `GET /ready `.
    noise: Vec<String>,
}

impl ServerLog {
    /// Creates the file, for its owner alone, and its directory where they are missing; an earlier launch's lines are kept, and left
    /// out of what is read here, and so are the lines that note our asking for one of `asked_paths`.
    pub fn open(path: &Path, secrets: Vec<String>, asked_paths: &[String]) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory)?;
        }
        let file = open_for_its_owner(&path)?;
        let noise = asked_paths.iter().map(|path| format!("GET {path} ")).collect();
        Ok(Self { from: file.metadata()?.len(), path, secrets: Hider::of(&secrets), noise })
    }

    /// The last `lines` lines that say something, within the last `bytes`; empty where it cannot be read.
    pub fn tail(&self, lines: usize, bytes: u64) -> Vec<String> {
        let all = tail(&self.path, self.from, usize::MAX, bytes);
        let told: Vec<&String> =
            all.iter().filter(|line| !self.noise.iter().any(|noise| line.contains(noise))).collect();
        let last = &told[told.len().saturating_sub(lines)..];
        last.iter().map(|line| hide_kept(&self.secrets.hide(line)).into_owned()).collect()
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

/// Opens a log for writing at its end. Nobody but its owner can read it, from its first byte on.
pub fn open_for_its_owner(path: &Path) -> io::Result<File> {
    let file = File::options().create(true).append(true).mode(OWNER_ALONE).open(path)?;
    let is_file = file.metadata()?.is_file();
    if is_file && file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(Permissions::from_mode(OWNER_ALONE))?;
    }
    Ok(file)
}

/// Replaces every secret in a log file that nobody writes any more. The file is written anew only where it holds one.
///
/// # Errors
/// It cannot be read or replaced.
pub fn hide_secrets(log: &Path, secrets: &[String]) -> io::Result<()> {
    let secrets = Hider::of(secrets);
    clean(log, |line| secrets.hide(line))
}

/// The same where nobody knows any more which secrets its engine was given: those of `secrets` that are still the
/// same, and whatever the log itself names as one.
///
/// # Errors
/// As [`hide_secrets`]'.
pub fn hide_what_looks_secret(log: &Path, secrets: &[String]) -> io::Result<()> {
    let secrets = Hider::of(secrets);
    clean(log, |line| match secrets.hide(line) {
        Cow::Borrowed(line) => hide_named(line),
        Cow::Owned(line) => Cow::Owned(hide_named(&line).into_owned()),
    })
}

fn clean(log: &Path, hidden: impl for<'a> Fn(&'a str) -> Cow<'a, str>) -> io::Result<()> {
    let (from, to) = (File::open(log)?, fs::metadata(log)?.permissions());
    if from.metadata()?.len() > LARGEST_REWRITTEN {
        return Ok(());
    }
    let mut reader = BufReader::new(from);
    let mut written: Option<BufWriter<tempfile::NamedTempFile>> = None;
    let (mut line, mut clean_bytes) = (Vec::new(), 0u64);
    loop {
        line.clear();
        if reader.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let text = String::from_utf8_lossy(&line);
        let shown = hidden(&text);
        if written.is_none() && shown == text {
            clean_bytes += line.len() as u64;
            continue;
        }
        if written.is_none() {
            // Made for its owner alone. A clean log costs one reading and no writing.
            let mut file = tempfile::Builder::new().prefix(".harness-").suffix(".part").tempfile_in(
                log.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")),
            )?;
            io::copy(&mut File::open(log)?.take(clean_bytes), &mut file)?;
            written = Some(BufWriter::new(file));
        }
        if let Some(file) = &mut written {
            file.write_all(shown.as_bytes())?;
        }
    }
    let Some(file) = written else { return Ok(()) };
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.as_file().set_permissions(Permissions::from_mode(to.mode() & OWNER_ALONE))?;
    file.persist(log)?;
    Ok(())
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
        } else if character == '\t' || !acts(character) {
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

    #[test]
    fn a_log_is_for_its_owner_alone_from_its_first_byte_on_and_after_it_was_cleaned() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vllm.log");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        ServerLog::open(&path, Vec::new(), &[]).unwrap();
        assert_eq!(mode(), 0o600);
        // One of an earlier version, to which a second round is added.
        fs::write(&path, "ready\n".repeat(1000) + "token=hf-secret-1").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        ServerLog::open(&path, Vec::new(), &[]).unwrap();
        assert_eq!(mode(), 0o600);
        hide_what_looks_secret(&path, &[]).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "ready\n".repeat(1000) + "token=***");
        assert_eq!(mode(), 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
