//! Where units come from. The k-th is a pure function of k.

use std::sync::Arc;

use crate::schema::unit::{Unit, Units};

/// A source of units.
#[derive(Debug, Clone)]
pub enum Source {
    /// A list in memory, repeated in order.
    Listed(Arc<[Unit]>),
}

impl Source {
    /// The k-th unit, from 0; none where there is none.
    pub fn unit(&self, k: u64) -> Option<Unit> {
        match self {
            Source::Listed(list) => {
                let place = usize::try_from(k.checked_rem(list.len() as u64)?).ok()?;
                list.get(place).cloned()
            }
        }
    }

    /// As a load takes them.
    pub fn units(self) -> Units {
        match &self {
            Source::Listed(list) => {
                let single_turns = list.iter().all(|unit| unit.turns.len() <= 1);
                Units::repeating(list.len() as u64, single_turns, move |k| self.unit(k))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_repeated_in_order_and_an_empty_one_has_no_unit() {
        let source = Source::Listed([Unit::single("a", "x", 1), Unit::single("b", "y", 1)].into());
        let units = source.units();
        let id = |k| units.unit(k).unwrap().id;
        assert_eq!(
            (id(4), id(5), units.period(), units.single_turns()),
            ("a".into(), "b".into(), Some(2), true)
        );
        assert!(Source::Listed([].into()).units().unit(0).is_none());
    }
}
