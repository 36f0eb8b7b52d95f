//! A Prometheus page → values by name and labels: the text format 0.0.4, and what OpenMetrics and the quoted
//! names of version 1.0.0 add to it. A broken line costs itself alone.
//!
//! Formats: <https://prometheus.io/docs/instrumenting/exposition_formats/>,
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>.

use std::collections::BTreeMap;

/// Labels of one value, by name.
pub type Labels = BTreeMap<String, String>;

/// The values that a page shows. Types and helps are not kept: names say enough.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    values: BTreeMap<String, BTreeMap<Labels, f64>>,
    /// Lines that hold neither a value nor a comment.
    pub broken_lines: usize,
}

/// A histogram: counts of values up to each bound.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histogram {
    /// Upper bound and the number of values up to it, by rising bound; the last bound is infinite.
    pub buckets: Vec<(f64, f64)>,
    /// Sum of all values.
    pub sum: f64,
    /// Number of values.
    pub count: f64,
}

/// A summary: quantiles that the server computed itself.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// Quantile (0 to 1) and value, by rising quantile.
    pub quantiles: Vec<(f64, f64)>,
    /// Sum of all values.
    pub sum: f64,
    /// Number of values.
    pub count: f64,
}

impl Page {
    /// Reads a page. It never fails: what cannot be read is counted. Of two values with one name and the same
    /// labels the first counts, as in Prometheus. Times and exemplars are passed over.
    pub fn parse(bytes: &[u8]) -> Page {
        let text = String::from_utf8_lossy(bytes);
        let mut page = Page::default();
        for line in text.split('\n').map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            match value_line(line) {
                Some((name, labels, value)) => {
                    page.values.entry(name).or_default().entry(labels).or_insert(value);
                }
                None => page.broken_lines += 1,
            }
        }
        page
    }

    /// The values of a name by their labels; none where the page does not show it.
    pub fn values(&self, name: &str) -> Option<&BTreeMap<Labels, f64>> {
        self.values.get(name)
    }

    /// Every name with its values.
    pub fn names(&self) -> impl Iterator<Item = (&str, &BTreeMap<Labels, f64>)> {
        self.values.iter().map(|(name, values)| (name.as_str(), values))
    }

    /// The sum over a name's labels; the name is also tried with and without `_total`, which OpenMetrics adds.
    pub fn sum(&self, name: &str) -> Option<f64> {
        let other = match name.strip_suffix("_total") {
            Some(bare) => bare.to_owned(),
            None => format!("{name}_total"),
        };
        let sum = |name: &str| {
            // A summary's quantiles bear its bare name, and cannot be added.
            let values = self.values.get(name)?.iter().filter(|(labels, _)| !labels.contains_key("quantile"));
            values.map(|(_, value)| *value).reduce(|sum, value| sum + value)
        };
        sum(name).or_else(|| sum(&other))
    }

    /// The mean over a name's labels, for shares, which cannot be added.
    pub fn mean(&self, name: &str) -> Option<f64> {
        let values = self.values.get(name)?;
        Some(values.values().sum::<f64>() / values.len() as f64)
    }

    /// The histograms of a name by their labels (`le` left out).
    pub fn histograms(&self, name: &str) -> BTreeMap<Labels, Histogram> {
        let buckets = self.grouped(&format!("{name}_bucket"), "le");
        let histogram = |(labels, mut buckets): (Labels, Vec<(f64, f64)>)| {
            let (sum, count) = self.sum_and_count(name, &labels);
            let last = buckets.last().filter(|(bound, _)| bound.is_infinite()).map(|(_, count)| *count);
            let count = count.or(last).unwrap_or(f64::NAN);
            if last.is_none() {
                buckets.push((f64::INFINITY, count));
            }
            (labels, Histogram { buckets, sum, count })
        };
        buckets.into_iter().map(histogram).collect()
    }

    /// The summaries of a name by their labels (`quantile` left out).
    pub fn summaries(&self, name: &str) -> BTreeMap<Labels, Summary> {
        let summary = |(labels, quantiles): (Labels, Vec<(f64, f64)>)| {
            let (sum, count) = self.sum_and_count(name, &labels);
            (labels, Summary { quantiles, sum, count: count.unwrap_or(f64::NAN) })
        };
        self.grouped(name, "quantile").into_iter().map(summary).collect()
    }

    /// Values by their labels without the one named `by`, whose numbers they are sorted by.
    fn grouped(&self, name: &str, by: &str) -> BTreeMap<Labels, Vec<(f64, f64)>> {
        let mut groups: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
        for (labels, value) in self.values.get(name).into_iter().flatten() {
            let mut labels = labels.clone();
            let at = labels.remove(by).and_then(|text| number(&text)).filter(|at| !at.is_nan());
            if let Some(at) = at {
                groups.entry(labels).or_default().push((at, *value));
            }
        }
        for group in groups.values_mut() {
            group.sort_by(|left, right| left.0.total_cmp(&right.0));
        }
        groups
    }

    fn sum_and_count(&self, name: &str, labels: &Labels) -> (f64, Option<f64>) {
        let of = |end: &str| self.values.get(&format!("{name}{end}"))?.get(labels).copied();
        (of("_sum").unwrap_or(f64::NAN), of("_count"))
    }
}

/// `name{a="b"} 1.5 1700000000000 # {trace="x"} 0.3`: the name, the labels, the value.
fn value_line(line: &str) -> Option<(String, Labels, f64)> {
    let bare = line.find(|c: char| c == '{' || c.is_whitespace()).unwrap_or(line.len());
    let (bare, rest) = line.split_at(bare);
    let mut name = (!bare.is_empty()).then(|| bare.to_owned());
    let rest = rest.trim_start();
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inside) => label_list(inside, &mut name)?,
        None => (Labels::new(), rest),
    };
    let name = name?;
    if !bare.is_empty() && !is_name(&name) {
        return None;
    }
    let mut words = rest.split_whitespace();
    let value = number(words.next()?)?;
    let (time, exemplar) = match words.next() {
        Some(word) if word.starts_with('#') => (None, Some(word)),
        time => (time, words.next()),
    };
    // The time is ms in the one format and seconds in the other; the page was read now, whatever it says.
    let sound =
        time.is_none_or(|time| number(time).is_some()) && exemplar.is_none_or(|word| word.starts_with('#'));
    sound.then_some((name, labels, value))
}

/// What stands between the braces, and what follows them. A quoted text without a value is the name.
fn label_list<'a>(mut rest: &'a str, name: &mut Option<String>) -> Option<(Labels, &'a str)> {
    let mut labels = Labels::new();
    loop {
        rest = rest.trim_start();
        if let Some(behind) = rest.strip_prefix('}') {
            return Some((labels, behind));
        }
        let (label, behind, is_quoted) = match rest.strip_prefix('"') {
            Some(inside) => quoted(inside).map(|(label, behind)| (label, behind, true))?,
            None => {
                let end = rest.find(|c: char| c == '=' || c.is_whitespace())?;
                (rest[..end].to_owned(), &rest[end..], false)
            }
        };
        let behind = behind.trim_start();
        rest = match behind.strip_prefix('=') {
            Some(value) => {
                let (value, behind) = quoted(value.trim_start().strip_prefix('"')?)?;
                if !is_quoted && !is_name(&label) || labels.insert(label, value).is_some() {
                    return None;
                }
                behind
            }
            None if is_quoted && name.is_none() => {
                *name = Some(label);
                behind
            }
            None => return None,
        };
        rest = rest.trim_start();
        match rest.strip_prefix(',') {
            Some(behind) => rest = behind,
            None if rest.starts_with('}') => {}
            None => return None,
        }
    }
}

/// The text up to the closing quote, its escapes (`\\`, `\"`, `\n`) undone, and what follows the quote.
fn quoted(inside: &str) -> Option<(String, &str)> {
    let mut text = String::new();
    let mut letters = inside.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((text, &inside[at + 1..])),
            '\\' => match letters.next()?.1 {
                'n' => text.push('\n'),
                escaped @ ('\\' | '"') => text.push(escaped),
                other => text.extend(['\\', other]),
            },
            letter => text.push(letter),
        }
    }
    None
}

fn is_name(text: &str) -> bool {
    let begins = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | ':');
    text.starts_with(begins) && text.chars().all(|c| begins(c) || c.is_ascii_digit())
}

/// `1`, `1.5e9`, `+Inf`, `-Inf`, `NaN`.
fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "prometheus_tests.rs"]
mod tests;
