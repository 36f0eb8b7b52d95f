//! Where a protocol that is not OpenAI's has what in its bodies: a table a protocol, and bodies made by it.

use serde_json::{Map, Value, json};

use crate::schema::plan::Sampling;
use crate::schema::target::Capabilities;

use crate::load::protocol::openai::{merge, put_id};
use crate::load::protocol::terms::{Ask, Lengths};

/// The places of a body: dotted, a number for a place in a list.
#[derive(Debug, Clone, Copy)]
pub(in crate::load) struct Layout {
    /// The conversation so far, as one text.
    pub(in crate::load) prompt: &'static str,
    /// The output limit, in tokens of the answer alone.
    pub(in crate::load) limit: &'static str,
    /// The model.
    pub(in crate::load) model: Option<&'static str>,
    /// Whether the answer is to come piece by piece; none: the path says it.
    pub(in crate::load) stream: Option<&'static str>,
    pub(super) temperature: Temperature,
    /// The end of sequence is to be ignored.
    pub(in crate::load) ignore_eos: Option<&'static str>,
    /// The least length.
    pub(in crate::load) least: Option<&'static str>,
    /// What each body holds besides.
    pub(super) fixed: &'static [(&'static str, Fixed)],
}

/// How the temperature is said.
#[derive(Debug, Clone, Copy)]
pub(in crate::load) enum Temperature {
    /// As it is.
    At(&'static str),
    /// A 0 is refused: greedy is the second place, false.
    AtOrGreedy(&'static str, &'static str),
    /// It is not.
    Unsaid,
}

/// A value that is always the same.
#[derive(Debug, Clone, Copy)]
pub(in crate::load) enum Fixed {
    Flag(bool),
    Text(&'static str),
}

impl Layout {
    /// The fields that all requests of a run share.
    pub(super) fn shared_body(
        &self,
        capabilities: &Capabilities,
        sampling: &Sampling,
        streams: bool,
    ) -> Map<String, Value> {
        let mut fields = capabilities.body.clone();
        for (place, value) in self.fixed {
            let value = match value {
                Fixed::Flag(flag) => json!(flag),
                Fixed::Text(text) => json!(text),
            };
            put(&mut fields, place, value);
        }
        if let Some(place) = self.model {
            put(&mut fields, place, json!(capabilities.request_model));
        }
        if let Some(place) = self.stream {
            put(&mut fields, place, json!(streams));
        }
        match self.temperature {
            Temperature::At(place) => put(&mut fields, place, json!(sampling.temperature)),
            Temperature::AtOrGreedy(place, samples) => {
                put(&mut fields, samples, json!(sampling.temperature > 0.0));
                if sampling.temperature > 0.0 {
                    put(&mut fields, place, json!(sampling.temperature));
                }
            }
            Temperature::Unsaid => {}
        }
        let changes = &capabilities.fields;
        if let Some(place) = self.ignore_eos
            && sampling.ignore_eos
            && (capabilities.ignore_eos || changes.try_ignore_eos)
        {
            put(&mut fields, place, json!(true));
        }
        for omitted in &changes.omit {
            match self.sent().find(|place| is_called(place, omitted)) {
                Some(place) => take(&mut fields, place),
                None => drop(fields.remove(omitted)),
            }
        }
        merge(&mut fields, &changes.extra);
        fields
    }

    /// The body of one request.
    pub(super) fn body(&self, shared: &Map<String, Value>, ask: &Ask<'_>, lengths: &Lengths) -> String {
        let mut fields = shared.clone();
        if let (Some(place), Some(model)) = (self.model, ask.model) {
            put(&mut fields, place, json!(model));
        }
        if let Some(limit) = &lengths.limit {
            put(&mut fields, limit, json!(ask.max_tokens));
        }
        if let Some(place) = self.least.filter(|_| lengths.least) {
            put(&mut fields, place, json!(ask.max_tokens));
        }
        put_id(&mut fields, ask.id);
        put(&mut fields, self.prompt, json!(ask.text()));
        Value::Object(fields).to_string()
    }

    /// Where the limit lies that the user calls `name`: beside the usual one, unless a place is named.
    pub(in crate::load) fn limit_called(&self, name: &str) -> String {
        match self.limit.rsplit_once('.') {
            Some((inside, _)) if !name.contains('.') => format!("{inside}.{name}"),
            Some(_) | None => name.to_owned(),
        }
    }

    /// The fields that may be left out.
    pub(in crate::load) fn sent(&self) -> impl Iterator<Item = &'static str> {
        let temperature = match self.temperature {
            Temperature::At(place) => [Some(place), None],
            Temperature::AtOrGreedy(place, samples) => [Some(place), Some(samples)],
            Temperature::Unsaid => [None, None],
        };
        let fixed = self.fixed.iter().map(|(place, _)| *place);
        let flags = [Some(self.limit), self.model, self.ignore_eos, self.least];
        flags.into_iter().chain(temperature).flatten().chain(fixed)
    }
}

/// `parameters.temperature` is called so, and `temperature` too.
pub(in crate::load) fn is_called(place: &str, name: &str) -> bool {
    place == name || place.rsplit('.').next() == Some(name)
}

/// Puts a value where it belongs, and makes what lies on the way.
fn put(fields: &mut Map<String, Value>, place: &str, value: Value) {
    let Some((first, rest)) = place.split_once('.') else {
        fields.insert(place.to_owned(), value);
        return;
    };
    put_inside(fields.entry(first).or_insert(Value::Null), rest, value);
}

fn put_inside(inside: &mut Value, place: &str, value: Value) {
    let (first, rest) = place.split_once('.').map_or((place, None), |(first, rest)| (first, Some(rest)));
    let next = match first.parse::<usize>() {
        Ok(index) => {
            if !inside.is_array() {
                *inside = Value::Array(Vec::new());
            }
            let Value::Array(list) = inside else { return };
            // A list of one, as these protocols have it.
            let index = index.min(list.len());
            if index == list.len() {
                list.push(Value::Null);
            }
            &mut list[index]
        }
        Err(_) => {
            if !inside.is_object() {
                *inside = Value::Object(Map::new());
            }
            let Value::Object(fields) = inside else { return };
            fields.entry(first).or_insert(Value::Null)
        }
    };
    match rest {
        Some(rest) => put_inside(next, rest, value),
        None => *next = value,
    }
}

/// Takes the value of a place out.
fn take(fields: &mut Map<String, Value>, place: &str) {
    let Some((way, last)) = place.rsplit_once('.') else {
        fields.remove(place);
        return;
    };
    let mut steps = way.split('.');
    let mut inside = steps.next().and_then(|first| fields.get_mut(first));
    for step in steps {
        inside = inside.and_then(|value| match value {
            Value::Array(list) => list.get_mut(step.parse::<usize>().ok()?),
            Value::Object(fields) => fields.get_mut(step),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        });
    }
    if let Some(Value::Object(inside)) = inside {
        inside.remove(last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_made_filled_again_and_emptied() {
        let mut fields = Map::new();
        put(&mut fields, "a", json!(1));
        put(&mut fields, "b.c", json!(2));
        put(&mut fields, "b.d.e", json!(3));
        put(&mut fields, "l.0.x", json!("é"));
        put(&mut fields, "l.0.y", json!(5));
        put(&mut fields, "b.c", json!(6));
        let expected = json!({"a": 1, "b": {"c": 6, "d": {"e": 3}}, "l": [{"x": "é", "y": 5}]});
        assert_eq!(Value::Object(fields.clone()), expected);
        for place in ["a", "b.d.e", "l.0.x", "l.3.x", "no.such", "a.b"] {
            take(&mut fields, place);
        }
        assert_eq!(Value::Object(fields), json!({"b": {"c": 6, "d": {}}, "l": [{"y": 5}]}));
    }

    #[test]
    fn a_field_has_two_names() {
        assert!(is_called("parameters.temperature", "temperature"));
        assert!(is_called("parameters.temperature", "parameters.temperature"));
        assert!(!is_called("parameters.temperature", "parameters") && !is_called("n_predict", "predict"));
    }
}
