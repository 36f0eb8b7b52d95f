//! The doubts of a comparison, each said once with the labels that share it.

use super::caveat::{is_of_the_client, weight};
use super::fairness;
use crate::schema::caveat::Caveat;
use crate::schema::comparison::Comparison;

/// Every doubt of a comparison in one form: its own first, then the runs' with the labels that share them.
/// Of several runs of one label that bear the same kind of doubt the worst one's words stand for all. Where the
/// cure is at the client, so do those of the worst label.
pub fn collected(comparison: &Comparison, words: fn(&Caveat) -> String) -> Vec<String> {
    // What the levelling table says is not said twice.
    let own = comparison.caveats.iter().filter(|caveat| !fairness::tells(comparison, caveat));
    let mut lines: Vec<String> = own.map(words).collect();
    let mut shared: Vec<Shared<'_>> = Vec::new();
    for doubt in doubts_of_runs(comparison) {
        let same = |known: &&mut Shared<'_>| {
            words(known.caveat) == words(doubt.caveat)
                || (is_of_the_client(doubt.caveat) && known.caveat.code() == doubt.caveat.code())
        };
        match shared.iter_mut().find(same) {
            Some(known) => {
                known.who.push(doubt.who());
                known.vary |= doubt.vary || weight(known.caveat) != weight(doubt.caveat);
                known.caveat = worse(known.caveat, doubt.caveat);
            }
            None => shared.push(Shared { caveat: doubt.caveat, vary: doubt.vary, who: vec![doubt.who()] }),
        }
    }
    lines.extend(shared.into_iter().map(|doubt| {
        let worst = if doubt.vary { ", at worst" } else { "" };
        format!("{}{worst}: {}", doubt.who.join(", "), words(doubt.caveat))
    }));
    lines
}

/// A doubt in the words that several labels share.
struct Shared<'a> {
    /// The worst of them.
    caveat: &'a Caveat,
    /// They differ in their number.
    vary: bool,
    who: Vec<String>,
}

/// The worse one of a kind; the first of equals.
fn worse<'a>(one: &'a Caveat, other: &'a Caveat) -> &'a Caveat {
    if weight(other) > weight(one) { other } else { one }
}

/// A kind of doubt that runs of a label bear.
struct Doubt<'a> {
    label: &'a str,
    /// The worst of its runs.
    caveat: &'a Caveat,
    /// Its runs differ in its number.
    vary: bool,
    /// Runs that bear it, and runs of the label.
    runs: (usize, usize),
}

impl Doubt<'_> {
    /// `vllm`, or `vllm (2 of 6 runs)`.
    fn who(&self) -> String {
        match self.runs {
            (with, all) if with < all => format!("{} ({with} of {all} runs)", self.label),
            (_, _) => self.label.to_owned(),
        }
    }
}

fn doubts_of_runs(comparison: &Comparison) -> Vec<Doubt<'_>> {
    let mut doubts: Vec<Doubt<'_>> = Vec::new();
    for run in &comparison.runs {
        let label = run.key.label.as_str();
        for caveat in &run.caveats {
            match doubts.iter_mut().find(|known| known.label == label && known.caveat.code() == caveat.code())
            {
                Some(known) => {
                    known.runs.0 += 1;
                    known.vary |= weight(known.caveat) != weight(caveat);
                    known.caveat = worse(known.caveat, caveat);
                }
                None => {
                    let all = comparison.runs.iter().filter(|run| run.key.label == label).count();
                    doubts.push(Doubt { label, caveat, vary: false, runs: (1, all) });
                }
            }
        }
    }
    doubts
}
