//! Server-sent events out of bytes that come in any pieces, without a copy where an event lies in one piece.

/// An event may not be longer than this: what sends more is no event stream.
const EVENT_LIMIT: usize = 16 << 20;
/// So much is kept of lines that are none of an event stream.
const STRAY_LIMIT: usize = 2 << 10;
/// All that a line of an event stream begins with; a colon alone begins a comment.
const FIELDS: [&[u8]; 6] = [b"data:", b"event:", b"error:", b"id:", b"retry:", b":"];

/// One dispatched event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event<'a> {
    /// Its data lines, joined by line feeds; empty where it has none.
    pub(crate) data: &'a [u8],
    pub(crate) name: Name,
}

/// What an event calls itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Name {
    /// It has no name, or is a `message`.
    #[default]
    Message,
    /// It is an `error`, or an older llama-server's line `error: …`.
    Error,
    /// It has another name.
    Other,
    /// It is none: a line of JSON that stands by itself. Servers tell of errors so.
    Bare,
}

/// A push parser: LF, CRLF and CR line ends, `data:` with and without the space, comments, `event:`
/// lines, data over several lines; cut anywhere.
#[derive(Debug, Default)]
pub(crate) struct SseParser {
    /// The data that ends a stream, at the end of its line: what follows it need not come. Empty: none does.
    marker: &'static str,
    /// The beginning of a line whose end has not come yet.
    line: Vec<u8>,
    /// Data lines of the event so far.
    data: Vec<u8>,
    has_data: bool,
    name: Name,
    /// Lines that are none of an event stream: a proxy's page or a server's last words. Boxed, as nearly no stream
    /// has them.
    #[expect(clippy::box_collection, reason = "16 bytes less for each live request")]
    stray: Option<Box<Vec<u8>>>,
    /// The marker came: what follows is nothing of the stream.
    is_over: bool,
    /// The last byte was CR: a LF that follows belongs to it.
    after_cr: bool,
    started: bool,
}

/// An event that does not end.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("an event of the stream exceeds 16 MiB")]
pub(crate) struct EventTooLong;

impl SseParser {
    /// A stream that ends with `marker`.
    pub(crate) fn new(marker: &'static str) -> SseParser {
        SseParser { marker, ..SseParser::default() }
    }

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
            self.dispatch(single, next, on_event);
        } else if let Some(value) = field(line, b"data") {
            let ends = self.is_marker(value) && single.is_none() && !self.has_data;
            self.add(value, single);
            if ends {
                self.dispatch(single, next, on_event);
            }
        } else if let Some(name) = field(line, b"event") {
            self.name = match name.trim_ascii() {
                b"" | b"message" => Name::Message,
                b"error" => Name::Error,
                _ => Name::Other,
            };
        } else if let Some(value) = field(line, b"error") {
            self.name = Name::Error;
            self.add(value, single);
        } else if !self.is_over
            && !FIELDS.iter().any(|field| line.starts_with(field) || field.starts_with(line))
        {
            self.keep_stray(line);
            if line.trim_ascii_start().starts_with(b"{") {
                on_event(Event { data: line, name: Name::Bare }, next);
            }
        }
    }

    #[cold]
    fn keep_stray(&mut self, line: &[u8]) {
        let stray = self.stray.get_or_insert_default();
        let room = STRAY_LIMIT.saturating_sub(stray.len());
        if room > 0 {
            stray.extend_from_slice(&line[..line.len().min(room)]);
            stray.push(b'\n');
        }
    }

    /// The lines that are none of an event stream, as far as they are kept; empty where there are none.
    pub(crate) fn stray(&self) -> &[u8] {
        self.stray.as_ref().map_or(&[], |stray| stray)
    }

    fn is_marker(&self, value: &[u8]) -> bool {
        !self.marker.is_empty() && value.trim_ascii() == self.marker.as_bytes()
    }

    /// Adds a line to the event's data.
    fn add<'i>(&mut self, value: &'i [u8], single: &mut Option<&'i [u8]>) {
        if single.is_none() && !self.has_data {
            *single = Some(value);
        } else {
            self.keep(single);
            self.data.push(b'\n');
            self.data.extend_from_slice(value);
        }
    }

    /// Gives the event out; an event with a name alone is one too.
    fn dispatch(
        &mut self,
        single: &mut Option<&[u8]>,
        next: usize,
        on_event: &mut impl FnMut(Event<'_>, usize),
    ) {
        let name = std::mem::take(&mut self.name);
        if let Some(data) = single.take() {
            self.is_over |= self.is_marker(data);
            on_event(Event { data, name }, next);
        } else if self.has_data {
            self.is_over |= self.is_marker(&self.data);
            on_event(Event { data: &self.data, name }, next);
        } else if name != Name::Message {
            on_event(Event { data: b"", name }, next);
        }
        self.data.clear();
        self.has_data = false;
    }

    /// No more bytes come: gives out the event whose line end or blank line is missing. It may be cut off in its
    /// middle.
    pub(crate) fn flush(&mut self, mut on_event: impl FnMut(Event<'_>, usize)) {
        let line = std::mem::take(&mut self.line);
        let mut single = None;
        if !line.is_empty() {
            self.take_line(&line, &mut single, 0, &mut on_event);
            self.keep(&mut single);
        }
        self.dispatch(&mut None, 0, &mut on_event);
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

    fn events(pieces: &[&[u8]]) -> Vec<(String, Name)> {
        let mut parser = SseParser::new("[DONE]");
        let mut events = Vec::new();
        let own = |event: Event<'_>| (String::from_utf8_lossy(event.data).into_owned(), event.name);
        for piece in pieces {
            parser.feed(piece, |event, _| events.push(own(event))).unwrap();
        }
        events
    }

    /// What is left when the stream ends.
    fn flushed(stream: &str) -> Vec<(String, Name)> {
        let mut parser = SseParser::new("[DONE]");
        let mut events = Vec::new();
        parser.feed(stream.as_bytes(), |_, _| {}).unwrap();
        parser.flush(|event, _| events.push((String::from_utf8_lossy(event.data).into_owned(), event.name)));
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
    fn lines_of_something_else_are_kept_within_bounds_and_those_of_a_stream_are_not() {
        let stray = |stream: &str| {
            let mut parser = SseParser::new("[DONE]");
            parser.feed(stream.as_bytes(), |_, _| {}).unwrap();
            parser.flush(|_, _| {});
            String::from_utf8_lossy(parser.stray()).into_owned()
        };
        for stream in ["", ": hi\nid: 5\nretry: 5\ndata: a\n\nevent: x\n\n", "data: a\n\nda", "data", "id"] {
            assert_eq!(stray(stream), "", "{stream:?}");
        }
        assert_eq!(stray("data: a\n\nupstream request timeout"), "upstream request timeout\n");
        for marker in ["data: [DONE]\n", "data:\ndata: [DONE]\n\n"] {
            assert_eq!(stray(&format!("a\n{marker}b\n")), "a\n", "{marker:?}");
        }
        assert_eq!(stray("{\n \"error\":\n1}\n"), "{\n \"error\":\n1}\n");
        assert!(stray(&"<p>\n".repeat(10_000)).len() <= STRAY_LIMIT + 1);
        assert!(stray(&"x".repeat(10_000)).len() <= STRAY_LIMIT + 1);
    }

    #[test]
    fn several_data_lines_are_joined() {
        assert_eq!(data("data: a\ndata: b\ndata\ndata: c\n\n"), ["a\nb\n\nc"]);
    }

    #[test]
    fn an_event_line_names_the_event() {
        assert_eq!(
            events(&[b"event: error\ndata: a\n\ndata: b\n\n"]),
            [("a".into(), Name::Error), ("b".into(), Name::Message)]
        );
        for (name, is) in
            [("message", Name::Message), ("", Name::Message), ("error ", Name::Error), ("ping", Name::Other)]
        {
            assert_eq!(events(&[format!("event: {name}\ndata: a\n\n").as_bytes()]), [("a".into(), is)]);
        }
    }

    #[test]
    fn a_name_alone_is_an_event_and_no_name_for_the_next() {
        assert_eq!(
            events(&[b"event: token_ids\n: \"[5]\"\n\nevent: message\n\ndata: a\n\n"]),
            [(String::new(), Name::Other), ("a".into(), Name::Message)]
        );
    }

    #[test]
    fn a_line_of_error_is_an_error() {
        assert_eq!(events(&[b"error: {\"code\":400}\n\n"]), [("{\"code\":400}".into(), Name::Error)]);
        assert_eq!(data("error:a\n\ndata: b\n\nerrors: c\n\n"), ["a", "b"]);
    }

    #[test]
    fn a_line_of_json_stands_by_itself_and_ends_nothing() {
        assert_eq!(
            events(&[b"data: a\n {\"error\":1}\ndata: b\n\n"]),
            [(" {\"error\":1}".into(), Name::Bare), ("a\nb".into(), Name::Message)]
        );
    }

    #[test]
    fn the_marker_needs_no_blank_line() {
        assert_eq!(data("data: a\n\ndata: [DONE] \r\n"), ["a", "[DONE] "]);
        assert_eq!(data("data:[DONE]\ndata: b\n\n"), ["[DONE]", "b"]);
        assert_eq!(data("data: [DONE]\n\n\n"), ["[DONE]"]);
        assert_eq!(data("data: a\ndata: [DONE]\n\n"), ["a\n[DONE]"], "within other data it is none");
    }

    #[test]
    fn at_the_end_what_was_pending_is_given_out_once() {
        for stream in ["data: a", "data: a\n", "data: x\n\ndata: a", "data: a\r"] {
            assert_eq!(flushed(stream), [("a".to_owned(), Name::Message)], "{stream:?}");
        }
        assert_eq!(flushed("event: error\ndata: a\ndata: b"), [("a\nb".to_owned(), Name::Error)]);
        assert_eq!(flushed("{\"error\":1}"), [("{\"error\":1}".to_owned(), Name::Bare)]);
        assert_eq!(flushed("event: error"), [(String::new(), Name::Error)]);
        for stream in ["", "data: a\n\n", ": comment", "dat", "data: [DONE]\n"] {
            assert_eq!(flushed(stream), [], "{stream:?}");
        }
    }

    #[test]
    fn text_outside_ascii_survives_every_cut() {
        assert_eq!(data("data: é🦀漢\n\ndata: ü\n\n"), ["é🦀漢", "ü"]);
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert_eq!(events(&["\u{feff}data: a\n\n".as_bytes()]), [("a".into(), Name::Message)]);
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
            stream in "((data: ?|event: |error: |:|\\{|)([a-zé\\n\\r]{0,6}|\\[DONE\\])(\\n|\\r|\\r\\n)){0,12}",
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
