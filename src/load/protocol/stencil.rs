//! An event that is a former one with another text: told by comparing bytes, at a fraction of what reading its JSON takes.
//!
//! Nearly all events of a stream differ in their text and in scalars that nobody reads (`id`, `created`). A stencil is
//! such an event with holes in these places. What fits it, with a text in each hole where a text was, says what that event
//! said; all else is read as ever.

use std::cell::RefCell;

use crate::load::protocol::terms::Payload;

/// Members of an event that mean something: none of their values is a hole.
pub(super) type Read = &'static [&'static str];

/// Where the text of an event stands, by keys from the outermost in; `[]` is any element of a list.
pub(super) type Texts = &'static [&'static [&'static str]];

/// What the events of a protocol are made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) read: Read,
    pub(super) texts: Texts,
}

/// One event with holes.
#[derive(Debug)]
struct Stencil {
    event: Vec<u8>,
    /// In their order, none within another.
    holes: Vec<Hole>,
    answer: bool,
}

/// A place of the event where another may have something else.
#[derive(Debug, Clone, Copy)]
struct Hole {
    from: usize,
    to: usize,
    holds: Holds,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// The inside of a string, be it empty.
    String,
    /// The inside of a string that is a text: it is not empty.
    Text,
    /// A whole number.
    Number,
}

/// The stencil of a thread, and events in turn that did not fit it.
#[derive(Debug)]
struct Known {
    stencil: Option<Stencil>,
    misses: u32,
}

thread_local! {
    static KNOWN: RefCell<Known> = const { RefCell::new(Known { stencil: None, misses: 0 }) };
}

/// What an event says that fits the thread's stencil; none of another.
pub(super) fn known(data: &[u8]) -> Option<Payload> {
    KNOWN.with_borrow_mut(|known| {
        let stencil = known.stencil.as_ref().filter(|stencil| stencil.fits(data));
        known.misses = if stencil.is_some() { 0 } else { known.misses.saturating_add(1) };
        stencil.map(|stencil| Payload { token: true, answer: stencil.answer, ..Payload::default() })
    })
}

/// Makes the thread's stencil of an event that did not fit it, and was read. Not of each: a server whose events have no
/// common form must not pay for it.
pub(super) fn learn(data: &[u8], payload: &Payload, layout: Layout) {
    // Whatever else an event says is not said by all that look like it.
    if *payload != (Payload { token: true, answer: payload.answer, ..Payload::default() }) {
        return;
    }
    KNOWN.with_borrow_mut(|known| {
        if known.misses.is_power_of_two()
            && let Some(holes) = holes(data, layout)
        {
            known.stencil = Some(Stencil { event: data.to_vec(), holes, answer: payload.answer });
        }
    });
}

impl Stencil {
    fn fits(&self, data: &[u8]) -> bool {
        let (mut rest, mut from) = (data, 0);
        for hole in &self.holes {
            let Some(after) = rest.strip_prefix(&self.event[from..hole.from]) else { return false };
            let Some(length) = hole.holds.length(after) else { return false };
            rest = &after[length..];
            from = hole.to;
        }
        rest == &self.event[from..]
    }
}

impl Holds {
    /// How many bytes at the front of `data` may stand in such a hole.
    fn length(self, data: &[u8]) -> Option<usize> {
        match self {
            Holds::Number => {
                let length = data.iter().take_while(|byte| byte.is_ascii_digit()).count();
                // No other form of a number; and one within the bounds of any reader.
                (data.first() != Some(&b'0') && (1..=18).contains(&length)).then_some(length)
            }
            Holds::String | Holds::Text => {
                let length = data.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..b' '))?;
                let inside = &data[..length];
                let is_text = inside.is_ascii() || std::str::from_utf8(inside).is_ok();
                (is_text && (self == Holds::String || length > 0)).then_some(length)
            }
        }
    }
}

/// The holes of an event, which is an object of JSON; none where it shows no text that can be one.
fn holes(data: &[u8], layout: Layout) -> Option<Vec<Hole>> {
    let mut walk = Walk { data, at: 0, path: Vec::new(), holes: Vec::new(), layout };
    walk.value()?;
    walk.holes.iter().any(|hole| hole.holds == Holds::Text).then_some(walk.holes)
}

/// A walk through JSON that was read already, for the places in it.
struct Walk<'d> {
    data: &'d [u8],
    at: usize,
    path: Vec<&'d [u8]>,
    holes: Vec<Hole>,
    layout: Layout,
}

/// No event that a stencil is made of goes deeper.
const DEPTH: usize = 16;

impl<'d> Walk<'d> {
    fn peek(&mut self) -> Option<u8> {
        while self.data.get(self.at)?.is_ascii_whitespace() {
            self.at += 1;
        }
        self.data.get(self.at).copied()
    }

    fn value(&mut self) -> Option<()> {
        match self.peek()? {
            b'{' => self.members(b'}'),
            b'[' => self.members(b']'),
            b'"' => {
                let inside = self.string()?;
                self.hole(inside, self.holds_of_string());
                Some(())
            }
            _ => {
                let from = self.at;
                let is_part = |byte: &u8| !matches!(byte, b',' | b'}' | b']' | ..=b' ');
                self.at += self.data[from..].iter().take_while(|byte| is_part(byte)).count();
                self.hole((from, self.at), self.is_unread().then_some(Holds::Number));
                Some(())
            }
        }
    }

    /// The members of an object, or the elements of a list, to its `end`.
    fn members(&mut self, end: u8) -> Option<()> {
        if self.path.len() == DEPTH {
            return None;
        }
        self.at += 1;
        loop {
            match self.peek()? {
                b',' => self.at += 1,
                byte if byte == end => {
                    self.at += 1;
                    return Some(());
                }
                _ => {
                    let key = if end == b'}' { self.key()? } else { &b"[]"[..] };
                    self.path.push(key);
                    self.value()?;
                    self.path.pop();
                }
            }
        }
    }

    fn key(&mut self) -> Option<&'d [u8]> {
        let (from, to) = self.string()?;
        // Behind the colon.
        self.peek()?;
        self.at += 1;
        Some(&self.data[from..to])
    }

    /// From where to where the inside of a string goes.
    fn string(&mut self) -> Option<(usize, usize)> {
        let from = self.at + 1;
        let mut to = from;
        while *self.data.get(to)? != b'"' {
            to += if self.data[to] == b'\\' { 2 } else { 1 };
        }
        self.at = to + 1;
        Some((from, to))
    }

    fn hole(&mut self, (from, to): (usize, usize), holds: Option<Holds>) {
        if let Some(holds) = holds
            && holds.length(&self.data[from..]) == Some(to - from)
        {
            self.holes.push(Hole { from, to, holds });
        }
    }

    fn holds_of_string(&self) -> Option<Holds> {
        let is_at = |path: &&[&str]| path.iter().map(|key| key.as_bytes()).eq(self.path.iter().copied());
        match self.layout.texts.iter().any(is_at) {
            true => Some(Holds::Text),
            false => self.is_unread().then_some(Holds::String),
        }
    }

    /// The value is a member of the event itself that means nothing. A key with an escape may be any.
    fn is_unread(&self) -> bool {
        let [key] = self.path[..] else { return false };
        !key.contains(&b'\\') && !self.layout.read.iter().any(|read| read.as_bytes() == key)
    }
}

#[cfg(test)]
#[path = "stencil_tests.rs"]
mod tests;
