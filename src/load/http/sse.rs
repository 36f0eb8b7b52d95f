//! Server-sent events out of bytes that come in any pieces, without a copy where an event lies in one piece.

/// An event may not be longer than this: what sends more is no event stream.
const EVENT_LIMIT: usize = 16 << 20;

/// One dispatched event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event<'a> {
    /// Its data lines, joined by line feeds.
    pub(crate) data: &'a [u8],
    /// Its `event:` name is `error`.
    pub(crate) named_error: bool,
}

/// A push parser: LF, CRLF and CR line ends, `data:` with and without the space, comments, `event:`
/// lines, data over several lines; cut anywhere.
#[derive(Debug, Default)]
pub(crate) struct SseParser {
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    /// Data lines of the event so far.
    data: Vec<u8>,
    has_data: bool,
    named_error: bool,
    /// The last byte was CR: a LF that follows belongs to it.
    after_cr: bool,
    started: bool,
}

/// An event that does not end.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("an event of the stream exceeds 16 MiB")]
pub(crate) struct EventTooLong;

impl SseParser {
    /// Takes the next bytes and calls `on_event` with each event that they complete and the number
    /// of bytes of `input` up to its end.
    pub(crate) fn feed(
        &mut self,
        input: &[u8],
        mut on_event: impl FnMut(Event<'_>, usize),
    ) -> Result<(), EventTooLong> {
        let mut at = 0;
        if self.after_cr && !input.is_empty() {
            self.after_cr = false;
            at += usize::from(input[0] == b'\n');
        }
        // The event's only data line so far, where it lies whole in this input.
        let mut single: Option<&[u8]> = None;
        while let Some(length) = memchr::memchr2(b'\n', b'\r', &input[at..]) {
            let end = at + length;
            let next = self.after_line_end(input, end);
            if self.line.is_empty() {
                self.take_line(&input[at..end], &mut single, next, &mut on_event);
            } else {
                self.line.extend_from_slice(&input[at..end]);
                let line = std::mem::take(&mut self.line);
                let mut own = None;
                self.keep(&mut single);
                self.take_line(&line, &mut own, next, &mut on_event);
                self.keep(&mut own);
                self.line = line;
                self.line.clear();
            }
            at = next;
        }
        self.keep(&mut single);
        self.line.extend_from_slice(&input[at..]);
        if self.line.len() + self.data.len() > EVENT_LIMIT { Err(EventTooLong) } else { Ok(()) }
    }

    /// The place behind the line end at `end`: CRLF is one, also when it is cut in two.
    fn after_line_end(&mut self, input: &[u8], end: usize) -> usize {
        if input[end] == b'\n' {
            return end + 1;
        }
        match input.get(end + 1) {
            Some(b'\n') => end + 2,
            Some(_) => end + 1,
            None => {
                self.after_cr = true;
                end + 1
            }
        }
    }

    fn take_line<'i>(
        &mut self,
        line: &'i [u8],
        single: &mut Option<&'i [u8]>,
        next: usize,
        on_event: &mut impl FnMut(Event<'_>, usize),
    ) {
        let line = if self.started { line } else { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) };
        self.started = true;
        if line.is_empty() {
            let named_error = std::mem::take(&mut self.named_error);
            if let Some(data) = single.take() {
                on_event(Event { data, named_error }, next);
            } else if self.has_data {
                on_event(Event { data: &self.data, named_error }, next);
            }
            self.data.clear();
            self.has_data = false;
            return;
        }
        if let Some(value) = field(line, b"data") {
            if single.is_none() && !self.has_data {
                *single = Some(value);
            } else {
                self.keep(single);
                self.data.push(b'\n');
                self.data.extend_from_slice(value);
            }
        } else if let Some(name) = field(line, b"event") {
            self.named_error = name == b"error";
        }
    }

    /// Copies a borrowed data line, because its event goes on beyond what can be borrowed.
    fn keep(&mut self, single: &mut Option<&[u8]>) {
        if let Some(value) = single.take() {
            self.data.extend_from_slice(value);
            self.has_data = true;
        }
    }
}

/// The value of a line `name: value`; the space is optional, and so is the colon.
fn field<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let rest = line.strip_prefix(name)?;
    match rest.split_first() {
        None => Some(rest),
        Some((b':', value)) => Some(value.strip_prefix(b" ").unwrap_or(value)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn events(pieces: &[&[u8]]) -> Vec<(String, bool)> {
        let mut parser = SseParser::default();
        let mut events = Vec::new();
        for piece in pieces {
            parser
                .feed(piece, |event, _| {
                    events.push((String::from_utf8_lossy(event.data).into_owned(), event.named_error));
                })
                .unwrap();
        }
        events
    }

    fn data(stream: &str) -> Vec<String> {
        let whole = events(&[stream.as_bytes()]);
        for cut in 0..=stream.len() {
            let (first, second) = stream.as_bytes().split_at(cut);
            assert_eq!(events(&[first, second]), whole, "cut at {cut} of {stream:?}");
        }
        let bytes: Vec<&[u8]> = stream.as_bytes().chunks(1).collect();
        assert_eq!(events(&bytes), whole, "byte by byte");
        whole.into_iter().map(|(data, _)| data).collect()
    }

    #[test]
    fn every_line_end_ends_a_line() {
        assert_eq!(data("data: a\n\ndata: b\n\n"), ["a", "b"]);
        assert_eq!(data("data: a\r\n\r\ndata: b\r\n\r\n"), ["a", "b"]);
        assert_eq!(data("data: a\r\rdata: b\r\r"), ["a", "b"]);
        assert_eq!(data("data: a\r\n\ndata: b\n\r\n"), ["a", "b"]);
    }

    #[test]
    fn the_space_after_the_colon_is_optional_and_only_one_is_taken() {
        assert_eq!(data("data:a\n\ndata: b\n\ndata:  c\n\n"), ["a", "b", " c"]);
    }

    #[test]
    fn comments_keep_alives_and_other_fields_are_no_events() {
        assert_eq!(data(":\n\n: keep-alive\n\nid: 7\nretry: 10\n\ndata: a\n: in between\n\n"), ["a"]);
        assert_eq!(data("database: x\n\n"), Vec::<String>::new());
    }

    #[test]
    fn several_data_lines_are_joined() {
        assert_eq!(data("data: a\ndata: b\ndata\ndata: c\n\n"), ["a\nb\n\nc"]);
    }

    #[test]
    fn an_event_line_names_the_event() {
        assert_eq!(
            events(&[b"event: error\ndata: a\n\ndata: b\n\n"]),
            [("a".into(), true), ("b".into(), false)]
        );
    }

    #[test]
    fn text_outside_ascii_survives_every_cut() {
        assert_eq!(data("data: é🦀漢\n\ndata: ü\n\n"), ["é🦀漢", "ü"]);
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert_eq!(events(&["\u{feff}data: a\n\n".as_bytes()]), [("a".into(), false)]);
    }

    #[test]
    fn an_event_without_its_blank_line_is_not_dispatched() {
        assert_eq!(data("data: a\n\ndata: b\n"), ["a"]);
    }

    #[test]
    fn an_event_ends_where_its_blank_line_ends() {
        let mut ends = Vec::new();
        SseParser::default().feed(b"data: a\n\ndata: b\r\n\r\nda", |_, end| ends.push(end)).unwrap();
        assert_eq!(ends, [9, 20]);
    }

    #[test]
    fn an_event_that_does_not_end_is_refused_before_it_eats_the_memory() {
        for piece in [vec![b'x'; 1 << 20], b"data: 0123456789\n".repeat(1 << 16)] {
            let mut parser = SseParser::default();
            let refused_at = (0..40).find(|_| parser.feed(&piece, |_, _| {}).is_err());
            assert!(refused_at.is_some_and(|at| at >= 15), "{refused_at:?}");
        }
        // Comments are dropped as they come, however many.
        let mut parser = SseParser::default();
        assert!((0..40).all(|_| parser.feed(&b": keep-alive\n".repeat(1 << 16), |_, _| {}).is_ok()));
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_events(
            stream in "((data: ?|event: |:|)[a-zé\\n\\r]{0,6}(\\n|\\r|\\r\\n)){0,12}",
            cuts in proptest::collection::vec(0usize..200, 0..8),
        ) {
            let bytes = stream.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts {
                pieces.push(&bytes[from..cut]);
                from = cut;
            }
            pieces.push(&bytes[from..]);
            prop_assert_eq!(events(&pieces), events(&[bytes]));
        }
    }
}
