//! ShareGPT's conversations in one pass over their bytes, where they are as they usually are: what is taken is measured where
//! it stands. Whatever is unusual is left to the reader that can say what is wrong with it.

use super::raw::Sound;
use crate::schema::reading::Turns;

/// Roles of people.
pub(super) const USERS: [&str; 2] = ["human", "user"];
/// Roles of what answers.
pub(super) const REPLIES: [&str; 5] = ["gpt", "chatgpt", "bing", "bard", "assistant"];

/// What is taken of a conversation.
#[derive(Debug, Default)]
pub(super) struct Usual<'a> {
    pub(super) id: Option<&'a str>,
    /// It has no turn at all.
    pub(super) is_empty: bool,
    /// What users say, each with the reply right behind it; neither is blank.
    pub(super) pairs: Vec<(Sound<'a>, Sound<'a>)>,
}

/// Who says a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    User,
    Reply,
    Other,
}

/// One turn.
struct Turn<'a> {
    role: Role,
    said: Option<Sound<'a>>,
}

/// The first pair of a user's turn and a reply, or all of them; none where the record is not a usual one. Of a record that
/// is, the careful reader of `sharegpt` makes the same.
pub(super) fn usual(text: &str, turns: Turns) -> Option<Usual<'_>> {
    let most = match turns {
        Turns::FirstUser => 1,
        Turns::All => usize::MAX,
        Turns::FirstTwo | Turns::Strict => return None,
    };
    let mut reader = Reader { text, at: 0, most, found: None, id: None };
    reader.record()?;
    let found = reader.found?;
    Some(Usual { id: reader.id, ..found })
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Pairs that are wanted.
    most: usize,
    /// From the list of turns.
    found: Option<Usual<'a>>,
    id: Option<&'a str>,
}

/// Whether what follows matters.
#[derive(PartialEq, Eq)]
enum Go {
    On,
    Enough,
}

impl<'a> Reader<'a> {
    fn record(&mut self) -> Option<()> {
        self.take(b'{')?;
        loop {
            match self.key()? {
                "id" if self.id.is_none() => self.id = Some(self.id()?),
                "conversations" | "conversation" if self.found.is_none() => {
                    if self.turns()? == Go::Enough {
                        return Some(());
                    }
                }
                "id" | "conversations" | "conversation" => return None,
                _ => self.scalar()?,
            }
            if !self.goes_on(b'}')? {
                break;
            }
        }
        self.next().is_none().then_some(())
    }

    fn turns(&mut self) -> Option<Go> {
        self.take(b'[')?;
        let mut found = Usual::default();
        let mut before: Option<Turn<'a>> = None;
        if self.next()? == b']' {
            self.at += 1;
            self.found = Some(Usual { is_empty: true, ..found });
            return Some(Go::On);
        }
        loop {
            let turn = self.turn()?;
            let user = before.filter(|before| before.role == Role::User && turn.role == Role::Reply);
            if let Some(user) = user {
                let (prompt, reply) = (user.said?, turn.said?);
                if found.pairs.len() < self.most {
                    // Of a text that is none the careful reader says so.
                    prompt.lengths().and(reply.lengths())?;
                    if !prompt.is_blank() && !reply.is_blank() {
                        found.pairs.push((prompt, reply));
                    }
                }
                if self.most == 1 && self.id.is_some() && [prompt, reply].iter().all(begins_plainly) {
                    self.found = Some(found);
                    return Some(Go::Enough);
                }
            }
            before = Some(turn);
            if !self.goes_on(b']')? {
                self.found = Some(found);
                return Some(Go::On);
            }
        }
    }

    fn turn(&mut self) -> Option<Turn<'a>> {
        self.take(b'{')?;
        let (mut role, mut said) = (None, None);
        loop {
            match self.key()? {
                "from" | "role" if role.is_none() => {
                    let name = self.string()?.plain()?;
                    role = Some(match name {
                        name if USERS.contains(&name) => Role::User,
                        name if REPLIES.contains(&name) => Role::Reply,
                        _ => Role::Other,
                    });
                }
                "value" | "content" if said.is_none() => said = Some(self.string()?),
                "from" | "role" | "value" | "content" => return None,
                _ => self.scalar()?,
            }
            if !self.goes_on(b'}')? {
                return Some(Turn { role: role.unwrap_or(Role::Other), said });
            }
        }
    }

    /// Passes over white space; the byte behind it.
    fn next(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then(|| self.at += 1)
    }

    /// Takes a comma, or the bracket that ends what is read: then it does not go on.
    fn goes_on(&mut self, closing: u8) -> Option<bool> {
        let byte = self.next()?;
        self.at += 1;
        match byte {
            b',' => Some(true),
            byte if byte == closing => Some(false),
            _ => None,
        }
    }

    fn string(&mut self) -> Option<Sound<'a>> {
        self.take(b'"')?;
        let string = Sound::at(self.text, self.at)?;
        self.at += string.inside.len() + 1;
        Some(string)
    }

    fn key(&mut self) -> Option<&'a str> {
        let key = self.string()?.plain()?;
        self.take(b':')?;
        Some(key)
    }

    /// A text without escapes, or a whole number.
    fn id(&mut self) -> Option<&'a str> {
        if self.next()? == b'"' {
            return self.string()?.plain();
        }
        let from = self.at;
        self.number()?;
        let number = self.text.get(from..self.at)?;
        number.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit()).then_some(number)
    }

    /// Passes over a value without brackets.
    fn scalar(&mut self) -> Option<()> {
        match self.next()? {
            b'"' => self.string().map(drop),
            b'-' | b'0'..=b'9' => self.number(),
            _ => ["null", "true", "false"].into_iter().find_map(|word| self.word(word)),
        }
    }

    fn word(&mut self, word: &str) -> Option<()> {
        let rest = self.text.as_bytes().get(self.at..)?;
        rest.starts_with(word.as_bytes()).then(|| self.at += word.len())
    }

    fn number(&mut self) -> Option<()> {
        let _ = self.word("-");
        match self.digits()? {
            (b'0', digits) if digits > 1 => return None,
            _ => {}
        }
        if self.word(".").is_some() {
            self.digits()?;
        }
        if self.word("e").or_else(|| self.word("E")).is_some() {
            let _ = self.word("-").or_else(|| self.word("+"));
            self.digits()?;
        }
        Some(())
    }

    /// Passes over digits, one at least; the first of them and how many there are.
    fn digits(&mut self) -> Option<(u8, usize)> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        Some((*rest.first().filter(|_| digits > 0)?, digits))
    }
}

/// It is seen at once that it is not blank.
fn begins_plainly(string: &Sound<'_>) -> bool {
    string.inside.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
}
