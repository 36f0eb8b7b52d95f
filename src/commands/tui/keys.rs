//! Bytes of a terminal → keys.

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

/// The keys in what was read at once. Sequences of keys that mean nothing here are one key each, so that none of their
/// bytes is taken for a letter.
pub fn keys(bytes: &[u8]) -> Vec<Key> {
    let mut keys = Vec::new();
    let mut left = bytes;
    while let Some((first, rest)) = left.split_first() {
        left = rest;
        keys.push(match (*first, rest) {
            (0x1b, [b'[' | b'O', sequence @ ..]) => {
                let (key, after) = sequence_key(sequence);
                left = after;
                key
            }
            // Alt with a letter.
            (0x1b, [_, after @ ..]) => {
                left = after;
                Key::Other
            }
            (b'q' | b'Q' | 0x03, _) => Key::Stop,
            (b'l', _) => Key::Log,
            (b'?' | b'h', _) => Key::Help,
            (b'k', _) => Key::Up,
            (b'j', _) => Key::Down,
            (b' ', _) => Key::PageDown,
            (b'g', _) => Key::First,
            (b'G', _) => Key::Last,
            (0x0c, _) => Key::Redraw,
            (_, _) => Key::Other,
        });
    }
    keys
}

/// The key of a sequence whose introducer is over, and what follows it.
fn sequence_key(sequence: &[u8]) -> (Key, &[u8]) {
    let Some(end) = sequence.iter().position(|byte| (b'@'..=b'~').contains(byte)) else {
        return (Key::Other, &[]);
    };
    let (parameters, rest) = sequence.split_at(end);
    let (end, rest) = rest.split_first().unwrap_or((&0, &[]));
    let key = match (end, parameters) {
        (b'A', _) => Key::Up,
        (b'B', _) => Key::Down,
        (b'H', _) | (b'~', b"1" | b"7") => Key::First,
        (b'F', _) | (b'~', b"4" | b"8") => Key::Last,
        (b'~', b"5") => Key::PageUp,
        (b'~', b"6") => Key::PageDown,
        (_, _) => Key::Other,
    };
    (key, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_and_no_part_of_a_sequence_is_a_letter() {
        let read = keys(b"ql?\x1b[A\x1bOB\x1b[5~\x1b[6~\x1b[H\x1b[1;5F\x0c");
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
        assert_eq!(keys(b"\x1b[200~\x1bq\x1b[24~\x1b[12"), [Key::Other; 4]);
        assert_eq!(keys(b"\x1b"), [Key::Other]);
    }
}
