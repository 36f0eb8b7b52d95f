//! `{…}` in a backend's file: a name, or a little arithmetic over names.

use std::collections::BTreeMap;

use thiserror::Error;

/// Names that a template may use, with their values as text.
pub type Scope = BTreeMap<String, String>;

/// Why a template cannot be filled in.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum TemplateError {
    /// A `{` without its `}`.
    #[error("`{0}`: a `{{` is not closed")]
    Open(String),
    /// A name that nothing defines here.
    #[error("`{{{0}}}`: no such name; known: {1}")]
    UnknownName(String, String),
    /// Arithmetic on what is no number.
    #[error("`{0}` is `{1}`, not a number")]
    NotANumber(String, String),
    /// Something that is no expression.
    #[error("`{{{0}}}`: not understood near `{1}`; it takes names, numbers, + - * / ( ), min, max, ceil")]
    Syntax(String, String),
}

/// `text` with every `{…}` replaced. `{port}` and `{secret:…}` stay when the scope maps them to themselves.
pub fn fill(text: &str, scope: &Scope) -> Result<String, TemplateError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        let Some(length) = rest[start..].find('}') else {
            return Err(TemplateError::Open(text.to_owned()));
        };
        out.push_str(&rest[..start]);
        let inner = rest[start + 1..start + length].trim();
        out.push_str(&value_of(inner, scope)?);
        rest = &rest[start + length + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

fn value_of(inner: &str, scope: &Scope) -> Result<String, TemplateError> {
    if let Some(value) = scope.get(inner) {
        return Ok(value.clone());
    }
    if is_name(inner) {
        return Err(unknown(inner, scope));
    }
    let mut parser = Parser { whole: inner, rest: inner, scope };
    let value = parser.sum()?;
    parser.skip();
    if !parser.rest.is_empty() {
        return Err(parser.syntax());
    }
    Ok(number_text(value))
}

fn unknown(name: &str, scope: &Scope) -> TemplateError {
    let known: Vec<&str> = scope.keys().map(String::as_str).collect();
    TemplateError::UnknownName(name.to_owned(), known.join(", "))
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !text.starts_with(|c: char| c.is_ascii_digit())
}

fn number_text(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 9e15 {
        // Whole in this range, so nothing is cut off.
        format!("{}", value as i64)
    } else {
        value.to_string()
    }
}

struct Parser<'a> {
    whole: &'a str,
    rest: &'a str,
    scope: &'a Scope,
}

impl Parser<'_> {
    fn syntax(&self) -> TemplateError {
        TemplateError::Syntax(self.whole.to_owned(), self.rest.to_owned())
    }

    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, symbol: char) -> bool {
        self.skip();
        match self.rest.strip_prefix(symbol) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn sum(&mut self) -> Result<f64, TemplateError> {
        let mut value = self.product()?;
        loop {
            if self.take('+') {
                value += self.product()?;
            } else if self.take('-') {
                value -= self.product()?;
            } else {
                return Ok(value);
            }
        }
    }

    fn product(&mut self) -> Result<f64, TemplateError> {
        let mut value = self.atom()?;
        loop {
            if self.take('*') {
                value *= self.atom()?;
            } else if self.take('/') {
                value /= self.atom()?;
            } else {
                return Ok(value);
            }
        }
    }

    fn atom(&mut self) -> Result<f64, TemplateError> {
        if self.take('(') {
            let value = self.sum()?;
            return if self.take(')') { Ok(value) } else { Err(self.syntax()) };
        }
        let end = self
            .rest
            .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'))
            .unwrap_or(self.rest.len());
        let word = &self.rest[..end];
        if word.is_empty() {
            return Err(self.syntax());
        }
        self.rest = &self.rest[end..];
        if word.starts_with(|c: char| c.is_ascii_digit()) {
            return word.parse().map_err(|_| self.syntax());
        }
        if self.take('(') {
            return self.call(word);
        }
        let text = self.scope.get(word).ok_or_else(|| unknown(word, self.scope))?;
        text.parse().map_err(|_| TemplateError::NotANumber(word.to_owned(), text.clone()))
    }

    fn call(&mut self, function: &str) -> Result<f64, TemplateError> {
        let mut value = self.sum()?;
        while self.take(',') {
            let next = self.sum()?;
            value = match function {
                "min" => value.min(next),
                "max" => value.max(next),
                _ => return Err(self.syntax()),
            };
        }
        if !self.take(')') {
            return Err(self.syntax());
        }
        match function {
            "ceil" => Ok(value.ceil()),
            "floor" => Ok(value.floor()),
            "min" | "max" => Ok(value),
            _ => Err(TemplateError::Syntax(self.whole.to_owned(), function.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        [("max_batch", "32"), ("context_length", "4096"), ("name", "smol"), ("port", "{port}")]
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }

    #[test]
    fn names_and_arithmetic_are_filled_in() {
        assert_eq!(fill("--name={name}", &scope()).unwrap(), "--name=smol");
        assert_eq!(fill("{max_batch * context_length}", &scope()).unwrap(), "131072");
        assert_eq!(fill("{max(1, min(ceil(5 / 2), 9) - 1)}", &scope()).unwrap(), "2");
        assert_eq!(fill("{(max_batch + 1) * 2}", &scope()).unwrap(), "66");
        assert_eq!(fill("{1 / 2}", &scope()).unwrap(), "0.5");
    }

    #[test]
    fn a_port_stands_until_the_launch() {
        assert_eq!(fill("{port}", &scope()).unwrap(), "{port}");
    }

    #[test]
    fn mistakes_name_the_name() {
        let error = fill("{max_batsch}", &scope()).unwrap_err().to_string();
        assert!(error.contains("max_batsch") && error.contains("max_batch"), "{error}");
        assert!(matches!(fill("{name * 2}", &scope()), Err(TemplateError::NotANumber(..))));
        assert!(matches!(fill("{1 +}", &scope()), Err(TemplateError::Syntax(..))));
        assert!(matches!(fill("{median(1, 2)}", &scope()), Err(TemplateError::Syntax(..))));
        assert!(matches!(fill("{name", &scope()), Err(TemplateError::Open(..))));
    }
}
