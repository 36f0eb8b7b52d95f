//! The end of a server's log, as lines that are safe to show.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::schema::text::plain;
use crate::secrets::from_outside;

/// So much of the file's end is read, bytes.
const MOST_BYTES: u64 = 64 * 1024;
/// The longest line that is kept, characters.
const MOST_CHARACTERS: usize = 500;

/// The end of a file that grows.
#[derive(Debug, Default)]
pub struct LogTail {
    path: Option<PathBuf>,
    length: u64,
    /// Oldest first.
    pub lines: Vec<String>,
}

impl LogTail {
    /// Reads the end anew where the file is another, or has grown. What cannot be read has no lines.
    pub fn follow(&mut self, path: Option<&Path>) {
        let same = self.path.as_deref() == path;
        if !same {
            *self = LogTail { path: path.map(Path::to_owned), ..LogTail::default() };
        }
        let Some(path) = path else { return };
        let Ok(length) = std::fs::metadata(path).map(|about| about.len()) else { return };
        if length == self.length {
            return;
        }
        if let Ok(bytes) = end_of(path, length) {
            (self.length, self.lines) = (length, lines(&bytes, length > MOST_BYTES));
        }
    }
}

fn end_of(path: &Path, length: u64) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(length.saturating_sub(MOST_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The lines of a text; the first is left out where it was cut.
fn lines(bytes: &[u8], cut: bool) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.lines().skip(usize::from(cut));
    // A bar that is drawn over itself is a line of which the last state counts.
    let last = |line: &str| line.trim_end_matches('\r').rsplit('\r').next().unwrap_or_default().to_owned();
    lines.map(|line| safe(&last(line))).filter(|line| !line.is_empty()).collect()
}

/// A line without colours, without keys, without characters that act, and not endless.
fn safe(line: &str) -> String {
    let mut bare = String::with_capacity(line.len());
    let mut parts = line.split("\u{1b}[");
    bare.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let end = part.find(|c: char| ('@'..='~').contains(&c));
        bare.push_str(end.and_then(|end| part.get(end + 1..)).unwrap_or_default());
    }
    let short: String = bare.replace('\t', "    ").chars().take(MOST_CHARACTERS).collect();
    plain(&from_outside(&short)).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_log_line_acts_on_no_terminal_and_a_bar_shows_its_last_state() {
        let log = "\u{1b}[32mINFO\u{1b}[0m ready\u{7}\r\nload  1%\rload 99%\n\u{9b}2J\n\n";
        assert_eq!(lines(log.as_bytes(), false), ["INFO ready", "load 99%", " 2J"]);
        assert_eq!(lines(b"cut off\nwhole\n\xff\n", true), ["whole", "\u{fffd}"]);
    }

    #[test]
    fn only_the_end_of_a_long_log_is_read_and_it_grows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut file = File::create(&path).unwrap();
        for number in 0..20_000 {
            writeln!(file, "line {number}").unwrap();
        }
        let mut tail = LogTail::default();
        tail.follow(Some(&path));
        assert!(tail.lines.len() < 7_000, "{}", tail.lines.len());
        assert_eq!(tail.lines.last().unwrap(), "line 19999");
        writeln!(file, "one more").unwrap();
        tail.follow(Some(&path));
        assert_eq!(tail.lines.last().unwrap(), "one more");
        tail.follow(Some(&folder.path().join("absent.log")));
        assert!(tail.lines.is_empty());
    }
}
