//! What is to be done with an artifact, decided without touching anything.

use domain::{Conflict, Revision};

use crate::entry::{Entry, Stamp, State};

/// What the ledger alone makes of an artifact that comes (again).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// The same or a newer one was settled: nothing changes.
    Settled,
    /// It says the same as what is there: only the ledger's revision rises.
    Raise,
    /// Its own file gets the new bytes, whatever the rule.
    Rewrite,
    /// A name is to be chosen, or the choice is to be gone on with.
    Choose,
}

/// Decides by the ledger. `owns` says whether the name in the entry is still this artifact's.
pub(crate) fn course(
    entry: Option<&Entry>,
    owns: bool,
    incoming: &Stamp,
    even_if_done: bool,
) -> Course {
    let Some(Entry { stamp, state, .. }) = entry else { return Course::Choose };
    let newer = incoming.revision > stamp.revision;
    let asked = even_if_done && incoming.revision == stamp.revision;
    match state {
        // What is only reserved settles nothing, of whatever revision.
        State::Reserved { .. } => Course::Choose,
        _ if !newer && !asked => Course::Settled,
        State::Placed { .. } | State::Adopted { .. } if !owns => Course::Choose,
        State::Placed { .. } | State::Adopted { .. } if even_if_done => Course::Rewrite,
        State::Placed { .. } | State::Adopted { .. } if incoming.content == stamp.content => {
            Course::Raise
        }
        State::Placed { .. } | State::Adopted { .. } => Course::Rewrite,
        State::MovedAway { .. } if !even_if_done => Course::Raise,
        State::MovedAway { .. } if !owns => Course::Choose,
        State::MovedAway { .. } => Course::Rewrite,
        State::Skipped { .. } | State::Overwritten { .. } | State::Retired => Course::Choose,
    }
}

/// Who has a name that an artifact would like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Occupant {
    /// Nobody.
    Nobody,
    /// The artifact itself, which reserved it.
    Ours,
    /// The artifact itself, whose file stands there already: it was stopped before the ledger could say so.
    OursInPlace,
    /// Another artifact.
    OtherArtifact {
        /// Of this revision.
        revision: Revision,
        /// Whether its file stands there; else it is on its way.
        placed: bool,
    },
    /// A file that we did not write.
    Foreign {
        /// Whether it is the same: byte for byte, or a report that says the same.
        same: bool,
    },
}

/// What becomes of a name that an artifact would like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placement {
    /// It is had, and the file must not replace any.
    Take,
    /// It is taken from one whose file is not there yet; the file must not replace any.
    TakeReserved,
    /// The file replaces the one that is there.
    Overwrite,
    /// The file is there already.
    AlreadyThere,
    /// The file that is there becomes this artifact's.
    Adopt,
    /// The next number is tried.
    Next,
    /// The artifact is not written.
    Skip,
    /// The artifact is not written, for it is the earlier one.
    GiveWay,
}

/// Decides by the rule and the name's occupant.
pub(crate) fn place(rule: Conflict, occupant: Occupant, incoming: Revision) -> Placement {
    use Conflict::{AppendNumber, Overwrite, Skip};
    match (occupant, rule) {
        (Occupant::Nobody | Occupant::Ours, _) => Placement::Take,
        (Occupant::OursInPlace, _) => Placement::AlreadyThere,
        (Occupant::Foreign { same: true }, _) => Placement::Adopt,
        (Occupant::Foreign { same: false } | Occupant::OtherArtifact { .. }, AppendNumber) => {
            Placement::Next
        }
        (Occupant::OtherArtifact { placed: false, .. }, Overwrite | Skip) => {
            Placement::TakeReserved
        }
        (Occupant::OtherArtifact { revision, .. }, Overwrite) if revision > incoming => {
            Placement::GiveWay
        }
        (Occupant::Foreign { same: false } | Occupant::OtherArtifact { .. }, Overwrite) => {
            Placement::Overwrite
        }
        (Occupant::Foreign { same: false } | Occupant::OtherArtifact { .. }, Skip) => {
            Placement::Skip
        }
    }
}

#[cfg(test)]
mod tests;
