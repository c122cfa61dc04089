use std::collections::BTreeSet;

use crate::Slot;

/// How many backups of one site a destination keeps: by the time of their slots, not by arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// Every one.
    All,
    /// The newest and this many prior ones.
    Prior(u32),
}

impl Retention {
    /// From the number of prior backups that the settings give, if any.
    pub const fn of(prior_backups: Option<u32>) -> Self {
        match prior_backups {
            None => Retention::All,
            Some(prior) => Retention::Prior(prior),
        }
    }

    /// Of the slots held, those that are not kept any more.
    pub fn surplus(self, held: &BTreeSet<Slot>) -> Vec<Slot> {
        match self {
            Retention::All => Vec::new(),
            Retention::Prior(prior) => held.iter().rev().skip(kept(prior)).copied().collect(),
        }
    }

    /// Whether a slot is older than all that are kept beside it, so that writing it would only be to delete it.
    pub fn is_outlived(self, slot: Slot, held: &BTreeSet<Slot>) -> bool {
        match self {
            Retention::All => false,
            Retention::Prior(prior) => {
                held.iter().filter(|held| **held > slot).count() >= kept(prior)
            }
        }
    }
}

/// The newest is no prior one.
fn kept(prior: u32) -> usize {
    usize::try_from(prior).unwrap_or(usize::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(day: u32) -> Slot {
        format!("202611{day:02}T020000Z").parse().expect("a slot")
    }

    fn days(days: &[u32]) -> BTreeSet<Slot> {
        days.iter().copied().map(day).collect()
    }

    #[test]
    fn a_count_keeps_the_newest_and_so_many_prior_ones() {
        for (prior, surplus) in [
            (None, &[][..]),
            (Some(0), &[3, 2, 1]),
            (Some(2), &[1]),
            (Some(3), &[]),
            (Some(u32::MAX), &[]),
        ] {
            let surplus: Vec<Slot> = surplus.iter().copied().map(day).collect();
            assert_eq!(Retention::of(prior).surplus(&days(&[2, 4, 1, 3])), surplus, "{prior:?}");
        }
    }

    #[test]
    fn a_late_slot_counts_by_its_time_and_not_by_its_arrival() {
        let held = days(&[10, 11, 12]);
        assert!(Retention::Prior(2).is_outlived(day(9), &held));
        assert!(!Retention::Prior(3).is_outlived(day(9), &held));
        assert!(!Retention::Prior(2).is_outlived(day(13), &held));
        assert!(!Retention::Prior(2).is_outlived(day(10), &held), "one that is held is kept");
        assert!(!Retention::All.is_outlived(day(1), &held));
    }
}
