//! Which of the objects in staging may go.

use std::time::Duration;

use crate::Kind;

/// What is known of an object in staging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StagedObject {
    /// What it is.
    pub kind: Kind,
    /// How long it has been there.
    pub age: Duration,
    /// Who may still want it.
    pub wanted: Wanted,
}

/// Who may still want an object in staging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Nobody: no fact names it, for its attempt was given up.
    ByNobody,
    /// A fact that the log does not have lies beside it: it is there to be rebuilt.
    ByRebuilding,
    /// Its artifact's last fact stands at this position.
    ByFact {
        /// The position.
        position: u64,
        /// The position up to which every route that could want it is settled; none while that is not known.
        passed_to: Option<u64>,
        /// Whether a dead letter names its artifact.
        is_dead_lettered: bool,
        /// Whether its artifact is asked for again, or a replay has not come to it yet.
        is_asked_again: bool,
    },
}

impl StagedObject {
    /// What no fact names is another attempt's; the longest download is over by then.
    pub const ATTEMPT_MAX: Duration = Duration::from_secs(2 * 86_400);

    /// Whether it may go, where delivered objects are kept for this long. Reports are small, and databases that are
    /// added later are filled from them: they live as long as their facts.
    pub fn may_go(&self, keep: Duration) -> bool {
        match self.wanted {
            Wanted::ByNobody => self.age > Self::ATTEMPT_MAX,
            Wanted::ByRebuilding => false,
            Wanted::ByFact { .. } if self.kind.is_report() => false,
            Wanted::ByFact { position, passed_to, is_dead_lettered, is_asked_again } => {
                let is_passed = passed_to.is_some_and(|passed_to| position <= passed_to);
                is_passed && !is_dead_lettered && !is_asked_again && self.age > keep
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn only_what_is_old_and_nobody_can_want_any_more_goes() {
        let fact = |position, passed_to, is_dead_lettered| Wanted::ByFact {
            position,
            passed_to,
            is_dead_lettered,
            is_asked_again: false,
        };
        let again = Wanted::ByFact {
            position: 5,
            passed_to: Some(9),
            is_dead_lettered: false,
            is_asked_again: true,
        };
        let (recording, report) = (Kind::SessionRecording, Kind::SessionData);
        for (kind, days, wanted, goes) in [
            (recording, 8, fact(5, Some(5), false), true),
            (Kind::SiteBackup, 8, fact(5, Some(9), false), true),
            (recording, 6, fact(5, Some(5), false), false),
            (recording, 8, fact(5, Some(4), false), false),
            (recording, 8, fact(5, None, false), false),
            (recording, 8, fact(5, Some(5), true), false),
            (recording, 900, again, false),
            (report, 900, fact(5, Some(5), false), false),
            (recording, 900, Wanted::ByRebuilding, false),
            (report, 3, Wanted::ByNobody, true),
            (recording, 3, Wanted::ByNobody, true),
            (recording, 1, Wanted::ByNobody, false),
        ] {
            let object = StagedObject { kind, age: DAY * days, wanted };
            assert_eq!(object.may_go(DAY * 7), goes, "{object:?}");
        }
    }
}
