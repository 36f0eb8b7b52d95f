//! Prompts that are there already, exactly or nearly.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::rejection::Rejection;

/// Words of a shingle.
const SHINGLE: usize = 3;
/// Two prompts of which more than this share of the shingles of both is in both are nearly the same (Jaccard's index;
/// A. Broder, *On the resemblance and containment of documents*, 1997).
const MOST_ALIKE: f64 = 0.5;

/// What is there.
#[derive(Debug, Default)]
pub(super) struct Seen {
    exact: HashSet<String>,
    /// Shingles of each prompt, by its place.
    counts: Vec<usize>,
    /// Places of the prompts that hold a shingle.
    holders: HashMap<u64, Vec<usize>>,
}

impl Seen {
    pub(super) fn add(&mut self, prompt: &str) {
        self.exact.insert(normalised(prompt));
        let shingles = shingles(prompt);
        let place = self.counts.len();
        self.counts.push(shingles.len());
        for shingle in shingles {
            self.holders.entry(shingle).or_default().push(place);
        }
    }

    pub(super) fn check(&self, prompt: &str) -> Result<(), Rejection> {
        if self.exact.contains(&normalised(prompt)) {
            return Err(Rejection::Duplicate);
        }
        let own = shingles(prompt);
        let mut common: HashMap<usize, usize> = HashMap::new();
        for place in own.iter().filter_map(|shingle| self.holders.get(shingle)).flatten() {
            *common.entry(*place).or_default() += 1;
        }
        let alike = |(place, common): (&usize, &usize)| {
            let either = own.len() + self.counts.get(*place).copied().unwrap_or(0) - common;
            *common as f64 > MOST_ALIKE * either as f64
        };
        if common.iter().any(alike) { Err(Rejection::NearDuplicate) } else { Ok(()) }
    }
}

/// Letters and digits in small letters, words one space apart.
fn normalised(text: &str) -> String {
    words(text).join(" ")
}

fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// The runs of three words of a text, hashed; of a shorter one all of it.
pub(super) fn shingles(text: &str) -> BTreeSet<u64> {
    let words = words(text);
    let hash = |words: &[String]| {
        let mut hasher = DefaultHasher::new();
        words.hash(&mut hasher);
        hasher.finish()
    };
    if words.len() < SHINGLE {
        BTreeSet::from([hash(&words)])
    } else {
        words.windows(SHINGLE).map(hash).collect()
    }
}
