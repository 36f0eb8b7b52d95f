//! What every protocol speaks of: what is asked for, how an answer is cut into events, and what an event says.

use std::borrow::Cow;

use crate::schema::server_times::ServerTimes;
use crate::schema::unit::{Body, Message};
use crate::secrets::from_outside;

/// One request, before a protocol makes bytes of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    /// The unit's id.
    pub(crate) id: &'a str,
    /// The model, where it is not the target's.
    pub(crate) model: Option<&'a str>,
    /// The turns before, each with the server's answer.
    pub(crate) former: &'a [Message],
    pub(crate) body: &'a Body,
    pub(crate) max_tokens: u32,
}

/// What stands between two texts of a conversation, where a protocol has no roles.
const BETWEEN: &str = "\n\n";

impl Ask<'_> {
    /// The conversation so far as one text.
    pub(crate) fn text(&self) -> String {
        let mut texts: Vec<Cow<'_, str>> =
            self.former.iter().filter_map(|former| former.content.text()).collect();
        match self.body {
            Body::Text(text) => texts.push(text.into()),
            Body::Messages(new) => texts.extend(new.iter().filter_map(|new| new.content.text())),
        }
        texts.join(BETWEEN)
    }
}

/// The fields of a body that say how long an answer may be, and how long it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lengths {
    /// The field with the output limit; none: it is left out.
    pub(crate) limit: Option<String>,
    /// The length is forced, and the server takes that as a least length too.
    pub(crate) least: bool,
}

/// How the body of an answer is cut into events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Server-sent events.
    Sse,
    /// JSON values that follow each other, whatever the content type says.
    JsonStream,
    /// One JSON value, whole when the body ends.
    Whole,
}

/// What one event says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Payload {
    /// It carries generated text, reasoning or a tool call.
    pub(crate) token: bool,
    /// It carries answer text or a tool call, not only reasoning.
    pub(crate) answer: bool,
    /// Its text is that of a whole message, and no token where tokens came before it.
    pub(crate) repeats: bool,
    /// Token ids that stand beside its text, where there are any.
    pub(crate) ids: Option<u32>,
    /// Why generation ended, where it has.
    pub(crate) finish: Option<Finish>,
    pub(crate) usage: Option<Usage>,
    /// The request's times by the server's clock.
    pub(crate) times: Option<Box<ServerTimes>>,
    /// Its text is the whole so far, of so many bytes: it carries a token where that grew.
    pub(crate) so_far: Option<u32>,
    /// The message of an error.
    pub(crate) error: Option<String>,
    /// It is the marker that ends the answer.
    pub(crate) done: bool,
    /// It says nothing to a stop-watch, or something in it that should does not.
    pub(crate) passed_over: bool,
    /// It has nothing of the protocol: where an answer fails, it may be why.
    pub(crate) foreign: bool,
}

impl Payload {
    /// Of an event that says nothing.
    pub(crate) fn passed_over() -> Payload {
        Payload { passed_over: true, ..Payload::default() }
    }
}

/// Why generation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finish {
    /// The server's word.
    pub(crate) word: String,
    pub(crate) kind: FinishKind,
}

/// What the word means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FinishKind {
    /// The model said that it was done.
    Stopped,
    /// A length, a tool call or another proper end.
    Other,
    /// The server gave up.
    Failed,
}

/// The server's token counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) prompt: Option<u32>,
    pub(crate) completion: Option<u32>,
    /// Of the prompt, from the prefix cache.
    pub(crate) cached: Option<u32>,
    /// Of the output, shown or not.
    pub(crate) reasoning: Option<u32>,
    /// An output count is there that is none: negative, a fraction, a text.
    pub(crate) odd: bool,
}

impl Usage {
    /// What two events say together: the later one where it says anything. A 0 takes no count back.
    pub(crate) fn and_then(self, later: Usage) -> Usage {
        let told = |later: Option<u32>, earlier| later.filter(|count| *count > 0).or(earlier).or(later);
        Usage {
            prompt: told(later.prompt, self.prompt),
            completion: told(later.completion, self.completion),
            cached: told(later.cached, self.cached),
            reasoning: told(later.reasoning, self.reasoning),
            odd: later.odd || (self.odd && later.completion.is_none()),
        }
    }
}

/// The most characters that are kept of a text from outside.
const CLIP_CHARACTERS: usize = 300;

/// One line of at most 300 characters, then `…`, safe to show. A key is hidden before the cut, which would leave half
/// of it.
pub(crate) fn clip(text: &str) -> String {
    let text = from_outside(text);
    let mut line = String::new();
    let mut room = CLIP_CHARACTERS;
    for word in text.split_whitespace() {
        let space = usize::from(!line.is_empty());
        if room < space {
            line.push('…');
            return line;
        }
        line.extend(" ".get(..space));
        room -= space;
        match word.char_indices().nth(room) {
            None => line.push_str(word),
            Some((end, _)) => {
                line.push_str(&word[..end]);
                line.push('…');
                return line;
            }
        }
        room -= word.chars().count();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_clipped_to_one_line_of_300_characters() {
        assert_eq!(clip(" a\n b\tc "), "a b c");
        assert_eq!(clip(&"é".repeat(300)), "é".repeat(300));
        assert_eq!(clip(&"é".repeat(301)), format!("{}…", "é".repeat(300)));
        assert_eq!(clip(&"ab ".repeat(100)), "ab ".repeat(100).trim_end());
        assert_eq!(clip(&"ab ".repeat(101)), format!("{}…", "ab ".repeat(100)));
        assert_eq!(clip(&format!("{} b", "a".repeat(300))), format!("{}…", "a".repeat(300)));
    }
}
