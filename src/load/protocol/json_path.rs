//! Where in a JSON value something lies: `$.outputs[0].text`. It is followed without a tree.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{
    Deserialize, DeserializeOwned, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess,
    Visitor,
};

use crate::load::protocol::tame::tamed;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Into the member of this name.
    Key(Cow<'static, str>),
    /// To the element of this number, from 0.
    Index(usize),
}

impl Step {
    /// Into a member.
    pub(super) const fn key(name: &'static str) -> Step {
        Step::Key(Cow::Borrowed(name))
    }
}

/// Reads `$.outputs[0].text`, `outputs[0].text` or `outputs.0.text`; `$` is the whole value. An error says where it
/// is none.
pub(super) fn parse(text: &str) -> Result<Vec<Step>, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err("it is empty".to_owned());
    }
    rest = rest.strip_prefix('$').unwrap_or(rest);
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let at = text.len() - rest.len();
        if let Some(inside) = rest.strip_prefix('[') {
            let end = inside.find(']').ok_or_else(|| format!("the bracket at character {at} has no end"))?;
            steps.push(bracketed(&inside[..end]).ok_or_else(|| {
                format!("in brackets stands a number or a name in quotes, and not {}", &inside[..end])
            })?);
            rest = &inside[end + 1..];
            continue;
        }
        let name = rest.strip_prefix('.').unwrap_or(rest);
        let end = name.find(['.', '[']).unwrap_or(name.len());
        if end == 0 {
            return Err(format!("a name is missing at character {at}"));
        }
        let word = &name[..end];
        steps.push(word.parse().map_or_else(|_| Step::Key(Cow::Owned(word.to_owned())), Step::Index));
        rest = &name[end..];
    }
    Ok(steps)
}

fn bracketed(inside: &str) -> Option<Step> {
    if let Ok(index) = inside.parse() {
        return Some(Step::Index(index));
    }
    let quote = inside.chars().next().filter(|quote| ['"', '\''].contains(quote))?;
    let name = inside.strip_prefix(quote)?.strip_suffix(quote)?;
    Some(Step::Key(Cow::Owned(name.to_owned())))
}

/// What lies at the end of a path; none where nothing does. An error where the bytes are no JSON.
pub(super) fn follow<T: DeserializeOwned>(
    path: &[Step],
    data: &[u8],
) -> Result<Option<T>, serde_json::Error> {
    attempt(path, data).or_else(|error| attempt(path, &tamed(data)).map_err(|_| error))
}

fn attempt<T: DeserializeOwned>(path: &[Step], data: &[u8]) -> Result<Option<T>, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(data);
    let found = Follow { path, of: PhantomData }.deserialize(&mut json)?;
    json.end()?;
    Ok(found)
}

struct Follow<'p, T> {
    path: &'p [Step],
    of: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Follow<'_, T> {
    type Value = Option<T>;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        match self.path.split_first() {
            None => T::deserialize(deserializer).map(Some),
            Some((step, rest)) => deserializer.deserialize_any(Walk { step, rest, of: PhantomData }),
        }
    }
}

struct Walk<'p, T> {
    step: &'p Step,
    rest: &'p [Step],
    of: PhantomData<T>,
}

/// What is no object and no list leads nowhere.
macro_rules! nowhere {
    ($($visit:ident: $type:ty),*) => {
        $(fn $visit<E: Error>(self, _: $type) -> Result<Self::Value, E> {
            Ok(None)
        })*
    };
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Walk<'_, T> {
    type Value = Option<T>;

    nowhere!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    #[inline]
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(is_it) = map.next_key_seed(IsKey(self.step))? {
            if is_it {
                found = map.next_value_seed(Follow { path: self.rest, of: PhantomData })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        for index in 0.. {
            let more = if *self.step == Step::Index(index) {
                let next = list.next_element_seed(Follow { path: self.rest, of: PhantomData })?;
                next.map(|value| found = value)
            } else {
                list.next_element::<IgnoredAny>()?.map(|_| ())
            };
            if more.is_none() {
                break;
            }
        }
        Ok(found)
    }
}

/// Whether a key is the one that is looked for.
struct IsKey<'p>(&'p Step);

impl<'de> DeserializeSeed<'de> for IsKey<'_> {
    type Value = bool;

    #[inline]
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for IsKey<'_> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    #[inline]
    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        Ok(match self.0 {
            Step::Key(name) => name == key,
            // `outputs.0` of an object whose members are called by numbers.
            Step::Index(index) => key.parse() == Ok(*index),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn at(path: &str, json: &str) -> Option<Value> {
        follow(&parse(path).unwrap(), json.as_bytes()).unwrap()
    }

    #[test]
    fn a_path_is_followed_to_where_it_leads() {
        let json = r#"{"a":1,"outputs":[{"x":[9]},{"text":"no","text":"t\u00e9"}],"b c":{"7":[null,"s"]}}"#;
        for path in ["$.outputs[1].text", "outputs[1].text", "outputs.1.text", "$['outputs'][1][\"text\"]"] {
            assert_eq!(at(path, json), Some(Value::from("té")), "{path}");
        }
        assert_eq!(at("$.b c.7[1]", json), Some(Value::from("s")));
        assert_eq!(at("$['b c'].7.0", json), Some(Value::Null), "it is there, and null");
        assert_eq!(at("$", "[5]"), Some(serde_json::json!([5])));
        assert_eq!(at("$[0][0]", r#"[["t",0.5]]"#), Some(Value::from("t")));
        for nowhere in ["$.c", "$.a.b", "$.outputs.text", "$.outputs[2]", "$.outputs[0].x.y"] {
            assert_eq!(at(nowhere, json), None, "{nowhere}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for bad in ["", " ", "$.", "a..b", "$[", "$[x]", "a[", "a[-1]", "a['b", "$.a[]", "['a\"]"] {
            assert!(parse(bad).is_err(), "{bad}: {:?}", parse(bad));
        }
    }

    #[test]
    fn what_is_no_json_is_an_error_and_half_a_surrogate_is_none() {
        for bad in ["", "{", "{\"a\":1}}", "{\"a\":}", "hello"] {
            assert!(follow::<Value>(&[Step::key("a")], bad.as_bytes()).is_err(), "{bad}");
        }
        assert_eq!(at("a", r#"{"b":1e999,"a":"\ud83d"}"#), Some(Value::from("\u{fffd}")));
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_reader_of_paths(text in ".{0,20}", json in "[\\[\\]{}\",:a0\\\\ ]{0,20}") {
            if let Ok(path) = parse(&text) {
                let _ = follow::<Value>(&path, json.as_bytes());
            }
        }

        #[test]
        fn a_path_leads_where_a_pointer_does(
            keys in proptest::collection::vec("[a-z0-9]{1,3}", 1..4),
            value in any::<i32>(),
        ) {
            let mut json = Value::from(value);
            for key in keys.iter().rev() {
                json = Value::Object(serde_json::Map::from_iter([("z".to_owned(), Value::Null), (key.clone(), json)]));
            }
            let pointer = format!("/{}", keys.join("/"));
            let found = at(&keys.join("."), &json.to_string());
            prop_assert_eq!(found.as_ref(), json.pointer(&pointer));
        }
    }
}
