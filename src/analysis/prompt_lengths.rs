//! Prompts that were made to a length: whether the server counted what was asked for.

use std::collections::BTreeMap;

use crate::schema::caveat::Caveat;
use crate::schema::record::RequestRecord;
use crate::schema::summary::PromptLengths;
use crate::schema::token_counts::Counts;

/// Differences beyond this are as one, tokens: what is kept stays small.
const FARTHEST: i64 = 10_000;

/// Completed requests by how many tokens more the server counted than were asked for.
#[derive(Debug, Default)]
pub(super) struct Lengths(BTreeMap<i64, u64>);

impl Lengths {
    pub(super) fn add(&mut self, record: &RequestRecord, counts: &Counts) {
        if let (Some(asked), Some(told)) = (record.tokens.asked, counts.prompt) {
            let more = (i64::from(told) - i64::from(asked)).clamp(-FARTHEST, FARTHEST);
            *self.0.entry(more).or_default() += 1;
        }
    }

    pub(super) fn merge(&mut self, other: Lengths) {
        for (more, requests) in other.0 {
            *self.0.entry(more).or_default() += requests;
        }
    }

    /// What came of them; none where no length was asked for and told. A chat template and a BOS add the same number
    /// to every prompt: it is the one that most have.
    pub(super) fn tell(&self) -> Option<PromptLengths> {
        let added = self.0.iter().max_by_key(|(more, requests)| (**requests, -more.abs()))?.0;
        let others = self.0.iter().filter(|(more, _)| *more != added);
        let farthest = others.clone().map(|(more, _)| more - added).max_by_key(|off| (off.abs(), *off));
        Some(PromptLengths {
            requests: self.0.values().sum(),
            off: others.map(|(_, requests)| requests).sum(),
            largest: farthest.unwrap_or(0),
            added: *added,
        })
    }
}

impl PromptLengths {
    /// The doubt, where some prompt has another length.
    pub(super) fn caveat(&self) -> Option<Caveat> {
        (self.off > 0).then_some(Caveat::PromptLengthsDiffer {
            off: self.off,
            requests: self.requests,
            largest: self.largest,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(differences: &[i64]) -> PromptLengths {
        let mut lengths = Lengths::default();
        differences.iter().for_each(|more| *lengths.0.entry(*more).or_default() += 1);
        lengths.tell().unwrap_or_default()
    }

    #[test]
    fn what_a_template_adds_to_each_is_no_difference_and_any_other_is() {
        assert_eq!(told(&[31; 9]), PromptLengths { requests: 9, off: 0, largest: 0, added: 31 });
        assert_eq!(told(&[31; 9]).caveat(), None);
        let off = told(&[0, 0, 0, 2, -3]);
        assert_eq!(off, PromptLengths { requests: 5, off: 2, largest: -3, added: 0 });
        assert_eq!(off.caveat(), Some(Caveat::PromptLengthsDiffer { off: 2, requests: 5, largest: -3 }));
        assert_eq!(Lengths::default().tell(), None);
    }
}
