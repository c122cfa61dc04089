//! What a comparison of the log with a ledger makes of one artifact.

use crate::Revision;

/// What a destination's ledger says of an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// It holds, or held until a person took it away, this revision.
    Revision(Revision),
    /// It will never hold it: skipped, retired, or its name belongs to another.
    Settled,
}

/// How an artifact stands with a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The destination holds it.
    Complete,
    /// It will not come, and that is known.
    Settled,
    /// Its route has not dealt with it yet.
    Waiting,
    /// Its route has dealt with it, and the destination does not hold it.
    Missing,
}

/// The last fact of an artifact, as a route of a destination sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastFact {
    /// Its revision.
    pub revision: Revision,
    /// Its position in the log; another than the revision's where the log was rebuilt.
    pub position: u64,
    /// The position up to which the route has dealt with everything. Read before the ledger was.
    pub settled_to: u64,
    /// The position that the route began with: what stood before it was not wanted.
    pub begins_at: u64,
    /// The position of the message that was given up for this artifact, by a worker or a person.
    pub given_up_at: Option<u64>,
}

impl LastFact {
    /// How the artifact stands, by what the ledger says of it.
    pub fn standing(&self, held: Option<Held>) -> Standing {
        match held {
            Some(Held::Settled) => Standing::Settled,
            Some(Held::Revision(held)) if held >= self.revision => Standing::Complete,
            _ if self.position < self.begins_at => Standing::Settled,
            _ if self.position > self.settled_to => Standing::Waiting,
            // What was given up of an older revision says nothing of this one.
            _ if self.given_up_at.is_some_and(|at| at >= self.position) => Standing::Settled,
            _ => Standing::Missing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAST: Revision = Revision { epoch: 1, position: 50 };
    const OLDER: Revision = Revision { epoch: 1, position: 40 };

    fn fact(settled_to: u64, given_up_at: Option<u64>) -> LastFact {
        LastFact { revision: LAST, position: 50, settled_to, begins_at: 0, given_up_at }
    }

    #[test]
    fn what_stood_before_the_start_of_a_route_is_not_missing() {
        for (begins_at, standing) in [(50, Standing::Missing), (51, Standing::Settled)] {
            let fact = LastFact { begins_at, ..fact(60, None) };
            assert_eq!(fact.standing(None), standing, "{begins_at}");
            let held = Some(Held::Revision(LAST));
            assert_eq!(fact.standing(held), Standing::Complete, "it was asked for by a person");
        }
    }

    #[test]
    fn only_what_the_route_has_dealt_with_and_nobody_gave_up_is_missing() {
        let held = |revision| Some(Held::Revision(revision));
        for (settled_to, given_up_at, held, standing) in [
            (50, None, held(LAST), Standing::Complete),
            (0, None, held(LAST), Standing::Complete),
            (50, None, None, Standing::Missing),
            (50, None, held(OLDER), Standing::Missing),
            (49, None, None, Standing::Waiting),
            (49, None, held(OLDER), Standing::Waiting),
            (50, Some(50), None, Standing::Settled),
            (50, Some(60), held(OLDER), Standing::Settled),
            (50, Some(40), None, Standing::Missing),
            (50, None, Some(Held::Settled), Standing::Settled),
        ] {
            let told = fact(settled_to, given_up_at).standing(held);
            assert_eq!(told, standing, "{settled_to} {given_up_at:?} {held:?}");
        }
    }
}
