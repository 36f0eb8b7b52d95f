//! The error that a person reads: what could not be done, what to do about it, and why.

use std::error::Error;
use std::fmt;

/// What could not be done, with its cure. Its cause is a `source`, so that each cure of a chain is found again.
#[derive(Debug)]
pub struct Refusal {
    /// What could not be done, on one line: it names the flag, the file or the backend.
    pub what: String,
    /// What to do about it; printed below as `hint: …`.
    pub cure: Option<String>,
    /// Why.
    pub cause: Option<Box<dyn Error + Send + Sync>>,
}

impl Refusal {
    /// A refusal without a cure.
    pub fn new(what: impl Into<String>) -> Self {
        Refusal { what: what.into(), cure: None, cause: None }
    }

    /// The same with a cure.
    pub fn hint(self, cure: impl Into<String>) -> Self {
        Refusal { cure: Some(cure.into()), ..self }
    }

    /// Everything in one: what happened and all its causes on one line, all cures in one.
    /// For places that keep the two apart, such as the `error` and the `hint` of a comparison.
    pub fn of(error: &anyhow::Error) -> Self {
        let cures = cures(error);
        let cure = (!cures.is_empty()).then(|| cures.join("; "));
        Refusal { what: format!("{error:#}"), cure, cause: None }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for Refusal {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn Error + 'static))
    }
}

/// The cures of an error and of its causes, the outermost first.
pub fn cures(error: &anyhow::Error) -> Vec<&str> {
    error.chain().filter_map(|cause| cause.downcast_ref::<Refusal>()?.cure.as_deref()).collect()
}

/// A text and the cures below it, each on a line of its own: the one form in which cures are shown.
pub fn with_cures<'a>(text: String, cures: impl IntoIterator<Item = &'a str>) -> String {
    cures.into_iter().fold(text, |text, cure| text + "\nhint: " + cure)
}

/// All causes on one line, and the cures below: a cause never stands behind its effect's cure.
pub fn shown(error: &anyhow::Error) -> String {
    with_cures(format!("{error:#}"), cures(error))
}

/// An error with its cure.
pub fn refusal(what: impl Into<String>, cure: impl Into<String>) -> anyhow::Error {
    Refusal::new(what).hint(cure).into()
}

/// Fails with a cure: `return refuse("…", "…")`, as `bail!` does without one.
///
/// # Errors
/// Always.
pub fn refuse<T>(what: impl Into<String>, cure: impl Into<String>) -> anyhow::Result<T> {
    Err(refusal(what, cure))
}

/// Tells of a failure in our words, with its cure, and keeps it as the cause.
pub trait OrRefuse<T> {
    /// As `anyhow::Context::with_context`, with a cure.
    ///
    /// # Errors
    /// Where `self` is one.
    fn or_refuse(self, what: impl FnOnce() -> String, cure: impl Into<String>) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> OrRefuse<T> for Result<T, E> {
    fn or_refuse(self, what: impl FnOnce() -> String, cure: impl Into<String>) -> anyhow::Result<T> {
        self.map_err(|error| {
            // The plain conversion hides what the error is, and with it the cures of a cause.
            let cause = error.into().reallocate_into_boxed_dyn_error_without_backtrace();
            Refusal { what: what(), cure: Some(cure.into()), cause: Some(cause) }.into()
        })
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    fn deep() -> anyhow::Error {
        let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
        let inner = Err::<(), _>(missing).or_refuse(|| "cannot read x.yaml".to_owned(), "check the path");
        let outer = inner.context("the backends").or_refuse(|| "no plan".to_owned(), "see --help");
        outer.context("compare").unwrap_err()
    }

    #[test]
    fn every_cure_of_a_chain_is_found_behind_contexts_too() {
        assert_eq!(cures(&deep()), ["see --help", "check the path"]);
        let direct = refuse::<()>("inner", "a").or_refuse(|| "outer".to_owned(), "b").unwrap_err();
        assert_eq!(shown(&direct), "outer: inner\nhint: b\nhint: a");
        assert_eq!(shown(&anyhow::anyhow!("plain")), "plain");
    }

    #[test]
    fn a_cure_never_stays_inside_what_happened() {
        let told = Refusal::of(&deep());
        assert_eq!(told.what, "compare: no plan: the backends: cannot read x.yaml: entity not found");
        assert_eq!(told.cure.as_deref(), Some("see --help; check the path"));
        assert_eq!(Refusal::of(&anyhow::anyhow!("plain")).cure, None);
    }
}
