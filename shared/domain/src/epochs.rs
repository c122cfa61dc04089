//! The lives of a log, and when a new one begins.

use serde::{Deserialize, Serialize};

use crate::Revision;

/// One life of the log: its number, and the first position that belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    /// Higher than that of every life before.
    pub number: u64,
    /// Its first position.
    pub from: u64,
}

/// The lives of a log, the oldest first. A log that was never set back has one: the time of its creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Epochs {
    first: u64,
    opened: Vec<Epoch>,
}

impl Epochs {
    /// A log that was created then, in milliseconds since 1970, and what was opened in it since, the oldest first.
    pub fn new(created_millis: u64, opened: Vec<Epoch>) -> Self {
        Epochs { first: created_millis, opened }
    }

    /// What was opened since the log was created.
    pub fn opened(&self) -> &[Epoch] {
        &self.opened
    }

    /// The number of the life that goes on.
    pub fn current(&self) -> u64 {
        self.opened.last().map_or(self.first, |epoch| epoch.number)
    }

    /// The revision of the fact at this position.
    pub fn revision_at(&self, position: u64) -> Revision {
        let life = self.opened.iter().rev().find(|epoch| epoch.from <= position);
        Revision { epoch: life.map_or(self.first, |epoch| epoch.number), position }
    }

    /// The number of the life that has to begin behind `last`, because somebody holds `named`: a revision that this log
    /// has not given yet, and would give to something else. `None` where the log can go on as it is.
    ///
    /// The number is the time, or one more than what is held where the clock is behind that.
    pub fn outlived_by(&self, named: Revision, last: u64, now_millis: u64) -> Option<u64> {
        let next = Revision { epoch: self.current(), position: last + 1 };
        (named >= next).then(|| now_millis.max(named.epoch + 1).max(self.current() + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(epoch: u64, position: u64) -> Revision {
        Revision { epoch, position }
    }

    fn twice() -> Epochs {
        Epochs::new(100, vec![Epoch { number: 200, from: 51 }, Epoch { number: 300, from: 71 }])
    }

    #[test]
    fn a_position_belongs_to_the_life_that_it_was_given_in() {
        for (position, epoch) in [(1, 100), (50, 100), (51, 200), (70, 200), (71, 300), (900, 300)]
        {
            assert_eq!(twice().revision_at(position), at(epoch, position));
        }
        assert_eq!(twice().current(), 300);
        assert_eq!(Epochs::new(100, Vec::new()).current(), 100);
    }

    #[test]
    fn a_new_life_begins_when_somebody_holds_what_was_not_given_yet() {
        for (named, last, opens) in [
            (at(300, 80), 80, None),
            (at(300, 81), 80, Some(1_000)),
            (at(200, 5_000), 80, None),
            (at(301, 1), 80, Some(1_000)),
            (at(2_000, 1), 80, Some(2_001)),
            (Revision::BEFORE_ALL, 0, None),
        ] {
            assert_eq!(twice().outlived_by(named, last, 1_000), opens, "{named} behind {last}");
        }
    }

    #[test]
    fn a_clock_that_went_back_makes_no_older_life() {
        assert_eq!(twice().outlived_by(at(300, 90), 80, 5), Some(301));
    }

    #[test]
    fn what_comes_after_the_opening_is_newer_than_what_was_held() {
        let held = at(300, 95);
        let number = twice().outlived_by(held, 80, 1_000).expect("it was not given yet");
        let mut opened = twice().opened().to_vec();
        opened.push(Epoch { number, from: 81 });
        let after = Epochs::new(100, opened);
        assert!(after.revision_at(82) > held);
        assert_eq!(after.outlived_by(held, 81, 1_000), None, "once is enough");
    }
}
