//! Bytes of a terminal → keys.

use std::time::{Duration, Instant};

/// What a person may press.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// `q`
    Stop,
    /// `l`
    Log,
    /// `?`
    Help,
    /// Up, `k`
    Up,
    /// Down, `j`
    Down,
    /// Page up
    PageUp,
    /// Page down, a blank
    PageDown,
    /// Home, `g`
    First,
    /// End, `G`
    Last,
    /// Ctrl-L
    Redraw,
    /// Anything else.
    Other,
}

/// Bytes of which a sequence of keys has at most so many.
const LONGEST: usize = 32;
/// `q` is heard again after so long a time without it: a key that is held down repeats itself, and a second stop ends
/// everything at once.
const STOP_AGAIN: Duration = Duration::from_secs(1);

/// Reads keys. Sequences of keys that mean nothing here are one key each, so that none of their bytes is taken for a
/// letter.
#[derive(Debug, Default)]
pub struct Keyboard {
    /// The beginning of a sequence, whose rest is slower on its way.
    begun: Vec<u8>,
    /// When a stop was last asked for.
    stopped: Option<Instant>,
}

impl Keyboard {
    /// The keys in what was read; a sequence that has only begun waits for the next look, which may be an empty one.
    pub fn keys(&mut self, read: &[u8]) -> Vec<Key> {
        let mut bytes = std::mem::take(&mut self.begun);
        bytes.extend_from_slice(read);
        let (mut keys, mut left) = (Vec::new(), bytes.as_slice());
        while !left.is_empty() {
            match next_key(left) {
                Some((key, after)) => {
                    keys.push(key);
                    left = after;
                }
                None if read.is_empty() || left.len() > LONGEST => {
                    keys.push(Key::Other);
                    break;
                }
                None => {
                    self.begun = left.to_vec();
                    break;
                }
            }
        }
        keys
    }

    /// A stop is asked for at `now`; false: the key is still held from the last time.
    pub fn stops(&mut self, now: Instant) -> bool {
        let last = self.stopped.replace(now);
        last.is_none_or(|last| now.saturating_duration_since(last) >= STOP_AGAIN)
    }
}

/// The first key, and what follows it; none where only its beginning is here.
fn next_key(bytes: &[u8]) -> Option<(Key, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let key = match (*first, rest) {
        (0x1b, []) => return None,
        (0x1b, [b'[' | b'O', sequence @ ..]) => return sequence_key(sequence),
        // Alt with a letter.
        (0x1b, [_, after @ ..]) => return Some((Key::Other, after)),
        (b'q' | 0x03, _) => Key::Stop,
        (b'l', _) => Key::Log,
        (b'?' | b'h', _) => Key::Help,
        (b'k', _) => Key::Up,
        (b'j', _) => Key::Down,
        (b' ', _) => Key::PageDown,
        (b'g', _) => Key::First,
        (b'G', _) => Key::Last,
        (0x0c, _) => Key::Redraw,
        (_, _) => Key::Other,
    };
    Some((key, rest))
}

/// The key of a sequence whose introducer is over, and what follows it; none where it is not over.
fn sequence_key(sequence: &[u8]) -> Option<(Key, &[u8])> {
    let end = sequence.iter().position(|byte| (b'@'..=b'~').contains(byte))?;
    let (parameters, rest) = sequence.split_at(end);
    let (end, rest) = rest.split_first()?;
    let key = match (end, parameters) {
        (b'A', _) => Key::Up,
        (b'B', _) => Key::Down,
        (b'H', _) | (b'~', b"1" | b"7") => Key::First,
        (b'F', _) | (b'~', b"4" | b"8") => Key::Last,
        (b'~', b"5") => Key::PageUp,
        (b'~', b"6") => Key::PageDown,
        (_, _) => Key::Other,
    };
    Some((key, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_and_no_part_of_a_sequence_is_a_letter() {
        let mut keyboard = Keyboard::default();
        let read = keyboard.keys(b"ql?\x1b[A\x1bOB\x1b[5~\x1b[6~\x1b[H\x1b[1;5F\x0c");
        let expected = [
            Key::Stop,
            Key::Log,
            Key::Help,
            Key::Up,
            Key::Down,
            Key::PageUp,
            Key::PageDown,
            Key::First,
            Key::Last,
            Key::Redraw,
        ];
        assert_eq!(read, expected);
        assert_eq!(keyboard.keys(b"\x1b[200~\x1bq\x1b[24~Q"), [Key::Other; 4]);
    }

    #[test]
    fn a_sequence_that_comes_in_pieces_is_one_key() {
        let mut keyboard = Keyboard::default();
        for (whole, key) in [("\x1bOQ", Key::Other), ("\x1bq", Key::Other), ("\x1b[5~", Key::PageUp)] {
            for cut in 1..whole.len() {
                let (first, rest) = whole.as_bytes().split_at(cut);
                assert_eq!(keyboard.keys(first), []);
                assert_eq!(keyboard.keys(rest), [key], "{whole:?} cut at {cut}");
            }
        }
        assert_eq!(keyboard.keys(b"\x1b"), []);
        assert_eq!(keyboard.keys(b""), [Key::Other], "it was the key itself");
        assert_eq!(keyboard.keys(b"q"), [Key::Stop]);
        assert_eq!(keyboard.keys(&[&b"\x1b["[..], &[b'1'; 40]].concat()), [Key::Other], "no end of it");
    }

    #[test]
    fn a_key_that_is_held_down_stops_once() {
        let mut keyboard = Keyboard::default();
        let began = Instant::now();
        let mut at = |ms| keyboard.stops(began + Duration::from_millis(ms));
        assert!(at(0));
        assert!(!(0..50).any(|repeat| at(500 + repeat * 33)));
        assert!(at(3200));
    }
}
