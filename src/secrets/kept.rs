//! The keys of this process, and what a server repeats of them. They are held once for the whole process, as its
//! environment is: an error that nobody foresaw must not show them either.

use std::borrow::Cow;
use std::sync::RwLock;

use crate::schema::plan::HttpSettings;
use crate::schema::text::{acts, plain};

use super::names::names_a_secret;

/// Put in a secret's place.
pub const HIDDEN: &str = "***";

/// A key that is shorter is hidden nowhere: it would blot out words.
const SHORTEST_KEY: usize = 4;
/// The same of a header whose name is not that of a secret: its value may be any word (`X-Team: blue`).
const SHORTEST_VALUE: usize = 8;
/// Parts of a secret that stand on lines of their own.
const SHORTEST_LINE: usize = 16;

/// What is hidden of texts: values, each in every form in which it may stand.
#[derive(Debug, Clone, Default)]
pub struct Hider {
    values: Vec<String>,
    /// The longest first: of a secret that holds another no part is left.
    forms: Vec<String>,
}

impl Hider {
    /// Hides these.
    pub fn of(values: &[String]) -> Hider {
        let mut hider = Hider::default();
        hider.add(values.iter().cloned());
        hider
    }

    fn add(&mut self, values: impl IntoIterator<Item = String>) {
        for value in values {
            if !self.values.contains(&value) {
                self.forms.extend(forms(&value));
                self.values.push(value);
            }
        }
        self.forms.retain(|form| !form.is_empty());
        self.forms.sort_unstable_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        self.forms.dedup();
    }

    /// The text with [`HIDDEN`] in the place of each.
    pub fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut shown = Cow::Borrowed(text);
        for form in &self.forms {
            if shown.contains(form.as_str()) {
                shown = Cow::Owned(shown.replace(form.as_str(), HIDDEN));
            }
        }
        shown
    }
}

static KEPT: RwLock<Hider> = RwLock::new(Hider { values: Vec::new(), forms: Vec::new() });

/// From now on no text from outside shows these values, nor what is printed.
pub fn keep_from_outputs(values: impl IntoIterator<Item = String>) {
    if let Ok(mut kept) = KEPT.write() {
        kept.add(values);
    }
}

/// The same of what every request carries.
pub fn keep_wire_from_outputs(http: &HttpSettings, api_key: Option<&str>) {
    let headers = http.headers.iter().flat_map(|header| of_header(&header.name, &header.value));
    keep_from_outputs(headers.chain(api_key.into_iter().flat_map(|key| of_header("authorization", key))));
}

/// The values that are kept from outputs.
pub fn kept() -> Vec<String> {
    KEPT.read().map(|kept| kept.values.clone()).unwrap_or_default()
}

/// What is to be hidden of a header: its value, and where that is `Bearer X` or `Basic X` also X and what it stands
/// for. Nothing of a short value that may be any word.
pub fn of_header(name: &str, value: &str) -> Vec<String> {
    let is_secret = names_a_secret(name);
    let shortest = if is_secret { SHORTEST_KEY } else { SHORTEST_VALUE };
    let mut values = vec![value.to_owned()];
    if let Some((scheme, rest)) = value.split_once(' ') {
        values.push(rest.trim().to_owned());
        if scheme.eq_ignore_ascii_case("basic")
            && let Some(pair) = decoded(rest.trim())
        {
            values.extend(pair.split_once(':').map(|(_, password)| password.to_owned()));
            values.push(pair);
        }
    }
    if is_secret && value.contains('=') {
        // `Cookie: session=X; theme=dark`
        let cookies = value.split(';').filter_map(|part| part.split_once('='));
        values.extend(cookies.map(|(_, value)| value.trim_matches(['"', ' ']).to_owned()));
    }
    values.retain(|value| value.len() >= shortest);
    values
}

/// A text from outside as it may stand in a file or on a terminal: on one line, without characters that act there,
/// and without the keys of this process.
pub fn from_outside(text: &str) -> Cow<'_, str> {
    // Hidden on both sides: a key may be broken by what is taken out, or only be whole after that.
    match hide_kept(text) {
        Cow::Borrowed(text) => plain(text),
        Cow::Owned(text) => Cow::Owned(plain(&text).into_owned()),
    }
}

/// A text without the keys of this process.
pub fn hide_kept(text: &str) -> Cow<'_, str> {
    match KEPT.read() {
        Ok(kept) => kept.hide(text),
        Err(_) => Cow::Borrowed(text),
    }
}

/// A line in which a value that is named as a secret is replaced: `token=X`, `"api_key": "X"`. For a log whose
/// engine's secrets nobody knows any more.
pub fn hide_named(line: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    let mut rest = line;
    while let Some(at) = rest.find(['=', ':']) {
        let (before, after) = rest.split_at(at + 1);
        let name = before[..at].trim_end_matches(['"', '\'', ' ']);
        let is_name = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        let name = &name[name.rfind(|c| !is_name(c)).map_or(0, |place| place + 1)..];
        let value = after.trim_start_matches(['"', '\'', ' ', '[']);
        let scheme =
            ["Bearer ", "Basic "].into_iter().find(|scheme| value.starts_with(scheme)).map_or(0, str::len);
        let is_end = |c: char| c.is_whitespace() || "\"',}]);".contains(c);
        let length = value[scheme..].find(is_end).map_or(value.len(), |end| end + scheme);
        shown.push_str(before);
        rest = after;
        let is_word = matches!(
            &value[..length],
            "None" | "null" | "none" | "True" | "true" | "False" | "false" | HIDDEN
        ) || value[..length].parse::<f64>().is_ok();
        if length >= SHORTEST_KEY && names_a_secret(name) && !is_word {
            shown.push_str(&after[..after.len() - value.len()]);
            shown.push_str(HIDDEN);
            rest = &value[length..];
        }
    }
    if shown.is_empty() {
        return Cow::Borrowed(line);
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

/// A value as it is, and as JSON, an address, base 64 or a debug print would show it; and the lines of one of many
/// lines, such as a private key.
fn forms(value: &str) -> Vec<String> {
    let value = value.trim();
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
    let percent = percent_encoded(value);
    let mut forms = vec![
        value.to_owned(),
        escaped.replace('/', "\\/"),
        escaped.replace('\n', "\\n"),
        escaped,
        percent.replace("%20", "+"),
        percent,
        plain(value).into_owned(),
        value.chars().filter(|c| !acts(*c)).collect(),
    ];
    forms.extend(value.lines().map(str::trim).filter(|line| line.len() >= SHORTEST_LINE).map(str::to_owned));
    if value.len() >= SHORTEST_VALUE {
        forms.push(encoded(value.as_bytes()));
    }
    forms
}

fn percent_encoded(value: &str) -> String {
    let mut encoded = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base 64 without its filling.
fn encoded(bytes: &[u8]) -> String {
    let mut text = String::new();
    for part in bytes.chunks(3) {
        let bits =
            part.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - part.len()));
        for place in 0..=part.len() {
            text.push(char::from(BASE64[(bits >> (18 - 6 * place)) as usize & 63]));
        }
    }
    text
}

/// What base 64 stands for; none where it is none, or no text.
fn decoded(text: &str) -> Option<String> {
    let (mut bits, mut held, mut bytes) = (0u32, 0, Vec::new());
    for letter in text.trim_end_matches('=').bytes() {
        let value = BASE64.iter().position(|one| *one == letter)?;
        (bits, held) = (bits << 6 | value as u32, held + 6);
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_hidden_in_every_form_that_a_server_may_repeat_it_in() {
        let secrets = ["sk/\"a b\"+1".to_owned()];
        for (text, shown) in [
            ("bad key sk/\"a b\"+1.", "bad key ***."),
            (r#"{"key": "sk/\"a b\"+1"}"#, r#"{"key": "***"}"#),
            (r#"{"key": "sk\/\"a b\"+1"}"#, r#"{"key": "***"}"#),
            ("?key=sk%2F%22a%20b%22%2B1&x", "?key=***&x"),
            ("Basic c2svImEgYiIrMQ==", "Basic ***=="),
            ("no key", "no key"),
        ] {
            assert_eq!(Hider::of(&secrets).hide(text), shown);
        }
        let lines = ["-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0\nshort".to_owned()];
        assert_eq!(Hider::of(&lines).hide("read MIIEvQIBADANBgkqhkiG9w0"), "read ***");
    }

    #[test]
    fn of_a_header_the_key_is_hidden_without_its_scheme_too_and_a_word_is_not() {
        assert_eq!(of_header("Authorization", "Bearer sk-1"), ["Bearer sk-1", "sk-1"]);
        let basic = of_header("authorization", "Basic bWU6cGFzcy0x");
        assert_eq!(basic, ["Basic bWU6cGFzcy0x", "bWU6cGFzcy0x", "pass-1", "me:pass-1"]);
        assert!(of_header("Cookie", "theme=dark; sid=abc-1").contains(&"abc-1".to_owned()));
        assert_eq!(of_header("X-Api-Key", "key1"), ["key1"]);
        assert!(of_header("X-Team", "blue").is_empty());
        assert_eq!(of_header("X-Team", "blue-team-1"), ["blue-team-1"]);
    }

    #[test]
    fn what_is_kept_reaches_no_text_from_outside_whatever_stands_around_it() {
        keep_from_outputs(["kept-key-1".to_owned(), "kept-key-1-longer".to_owned()]);
        assert_eq!(from_outside("a kept-key-1\u{1b}[2J kept-key-1-longer\n"), "a *** [2J *** ");
        assert_eq!(hide_kept("nothing"), "nothing");
    }

    #[test]
    fn a_value_that_a_log_names_as_a_secret_is_hidden_without_being_known() {
        for (line, shown) in [
            ("settings: token=hf-secret-1", "settings: token=***"),
            ("args: {'api_key': ['sk-12345'], 'port': 8000}", "args: {'api_key': ['***'], 'port': 8000}"),
            (
                "api_key=None, max_tokens=4096, eos_token: </s>",
                "api_key=None, max_tokens=4096, eos_token: </s>",
            ),
            ("Authorization: Bearer sk-12345, host: h", "Authorization: ***, host: h"),
            ("INFO 12:00:01 ready", "INFO 12:00:01 ready"),
        ] {
            assert_eq!(hide_named(line), shown);
        }
    }

    #[test]
    fn base_64_is_read_and_written() {
        for text in ["", "a", "ab", "abc", "me:pass-1"] {
            assert_eq!(decoded(&encoded(text.as_bytes())).unwrap(), text);
        }
        assert_eq!(encoded(b"me:pass-1"), "bWU6cGFzcy0x");
    }
}
