//! Prompt tokens by the id of the dataset's entry, of the first ids in order of the alphabet.

use std::collections::{BTreeMap, HashMap};

use foldhash::fast::RandomState;

use crate::schema::summary::PROMPT_IDS_KEPT;

/// Sum of prompt tokens and requests by id. Twice as many ids as are kept are held at most.
#[derive(Debug, Default)]
pub(super) struct PromptTokens {
    held: HashMap<Box<str>, (u64, u64), RandomState>,
    /// An id that does not come before it is one too many. It only moves forward in the alphabet, so that an id that
    /// had to go never comes back: each that stays has all its requests.
    bound: Option<Box<str>>,
}

impl PromptTokens {
    /// Adds the prompt tokens of so many requests.
    pub(super) fn add(&mut self, id: &str, tokens: u64, requests: u64) {
        if let Some((sum, count)) = self.held.get_mut(id) {
            *sum += tokens;
            *count += requests;
        } else if self.bound.as_deref().is_none_or(|bound| id < bound) {
            self.held.insert(id.into(), (tokens, requests));
            if self.held.len() > 2 * PROMPT_IDS_KEPT {
                self.drop_last();
            }
        }
    }

    fn drop_last(&mut self) {
        let mut ids: Vec<&str> = self.held.keys().map(|id| &**id).collect();
        let (_, first_dropped, _) = ids.select_nth_unstable(PROMPT_IDS_KEPT);
        let bound: Box<str> = (*first_dropped).into();
        self.held.retain(|id, _| *id < bound);
        self.bound = Some(bound);
    }

    /// Adds those of another.
    pub(super) fn merge(&mut self, other: PromptTokens) {
        for (id, (tokens, requests)) in other.held {
            self.add(&id, tokens, requests);
        }
        if let Some(bound) = other.bound {
            // What it dropped is not whole here either.
            self.held.retain(|id, _| *id < bound);
            self.bound = Some(self.bound.take().map_or(bound.clone(), |own| own.min(bound)));
        }
    }

    /// Their means, rounded.
    pub(super) fn means(&self) -> BTreeMap<String, u32> {
        let mean = |(sum, count): (u64, u64)| (sum as f64 / count as f64).round() as u32;
        let sorted: BTreeMap<&str, (u64, u64)> = self.held.iter().map(|(id, both)| (&**id, *both)).collect();
        sorted.into_iter().take(PROMPT_IDS_KEPT).map(|(id, both)| (id.to_owned(), mean(both))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> String {
        // In an order that is none of the alphabet.
        format!("{:05}", number * 7_919 % 10_007)
    }

    #[test]
    fn the_first_ids_are_kept_with_all_their_requests_in_whatever_parts_and_order_they_come() {
        let mut whole = PromptTokens::default();
        let mut parts = [PromptTokens::default(), PromptTokens::default()];
        for number in (0..10_000).chain(0..10_000) {
            let tokens = number as u64 % 90 + 1;
            whole.add(&id(number), tokens, 1);
            parts[number % 2].add(&id(number), tokens, 1);
        }
        let [mut first, second] = parts;
        first.merge(second);
        let mut expected: BTreeMap<String, u32> =
            (0..10_000).map(|number| (id(number), number as u32 % 90 + 1)).collect();
        let last = expected.keys().nth(PROMPT_IDS_KEPT).cloned();
        last.into_iter().for_each(|last| drop(expected.split_off(&last)));
        assert_eq!(whole.means(), expected);
        assert_eq!(first.means(), expected);
        assert!(whole.held.len() <= 2 * PROMPT_IDS_KEPT);
    }
}
