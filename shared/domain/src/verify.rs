//! What a comparison of a destination with its ledger and the log finds; it is named, and nothing is done about it.

use std::fmt;

use crate::{Digest, LastFact, Revision, Standing};

/// A difference between what a destination holds, what its ledger says, and what the log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The log has it, its route has dealt with it, and the ledger knows nothing of it.
    Missing,
    /// The log has it, staging has lost it, and the appliance does not have it any more.
    Unavailable,
    /// The ledger names an older revision than the log's last, which its route has dealt with.
    Outdated {
        /// What the ledger names.
        held: Revision,
        /// The log's last.
        last: Revision,
    },
    /// The ledger names the log's last revision with another content.
    OtherContent {
        /// What the ledger names.
        held: Digest,
        /// What the log says.
        last: Digest,
    },
    /// The ledger names it, and the log does not know it.
    Unknown,
    /// The ledger says that it is there, and it is not.
    Gone,
    /// It is there, and the ledger knows nothing of it.
    Unledgered,
    /// It is there twice; the ledger names the other one.
    Doubled,
    /// What is there is not what was delivered.
    Altered {
        /// What was delivered, and what is there.
        how: String,
    },
    /// What is there can't be compared with what was delivered.
    Unproven {
        /// Why not.
        why: String,
    },
}

impl Difference {
    /// The name for programs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Difference::Missing => "missing",
            Difference::Unavailable => "unavailable",
            Difference::Outdated { .. } => "outdated",
            Difference::OtherContent { .. } => "other-content",
            Difference::Unknown => "unknown-to-log",
            Difference::Gone => "gone",
            Difference::Unledgered => "not-in-ledger",
            Difference::Doubled => "doubled",
            Difference::Altered { .. } => "altered",
            Difference::Unproven { .. } => "unproven",
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::Missing => f.write_str("the log has it, the destination does not"),
            Difference::Unavailable => f.write_str(
                "the log has it, staging has lost it, and the appliance does not have it any more",
            ),
            Difference::Outdated { held, last } => {
                write!(f, "the ledger says revision {held}, the log's last is {last}")
            }
            Difference::OtherContent { held, last } => {
                write!(f, "the ledger says content {held}, the log says {last}")
            }
            Difference::Unknown => f.write_str("the ledger has it, the log does not"),
            Difference::Gone => f.write_str("the ledger has it, and it is not there"),
            Difference::Unledgered => f.write_str("it is there, and the ledger does not know it"),
            Difference::Doubled => f.write_str("it is there twice"),
            Difference::Altered { how: text } | Difference::Unproven { why: text } => {
                f.write_str(text)
            }
        }
    }
}

/// A difference, and in what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The artifact, or whatever else is there.
    pub what: String,
    /// The difference.
    pub difference: Difference,
}

/// What a ledger says of an artifact that a destination is to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The revision.
    pub revision: Revision,
    /// The digest of its content.
    pub content: Digest,
}

impl Entry {
    /// Compares it with the last fact of its artifact, and that fact's content.
    pub fn compared(&self, last: &LastFact, content: Digest) -> Option<Difference> {
        match last.standing(Some(crate::Held::Revision(self.revision))) {
            Standing::Missing => {
                Some(Difference::Outdated { held: self.revision, last: last.revision })
            }
            _ if self.revision == last.revision && self.content != content => {
                Some(Difference::OtherContent { held: self.content, last: content })
            }
            _ => None,
        }
    }

    /// What it is where the log has no fact of its artifact: an import never has one.
    pub fn without_fact(&self) -> Option<Difference> {
        (self.revision != Revision::BEFORE_ALL).then_some(Difference::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(position: u64) -> Revision {
        Revision { epoch: 1, position }
    }

    fn last(settled_to: u64) -> LastFact {
        let (revision, position) = (at(50), 50);
        LastFact { revision, position, settled_to, begins_at: 0, given_up_at: None }
    }

    #[test]
    fn only_what_was_dealt_with_and_differs_is_a_difference() {
        let [one, other] = [b"one", b"two"].map(|text| Digest::of(text));
        for (entry, settled_to, found) in [
            (Entry { revision: at(50), content: one }, 50, None),
            (Entry { revision: at(60), content: other }, 50, None),
            (Entry { revision: at(40), content: one }, 49, None),
            (
                Entry { revision: at(40), content: one },
                50,
                Some(Difference::Outdated { held: at(40), last: at(50) }),
            ),
            (
                Entry { revision: at(50), content: other },
                50,
                Some(Difference::OtherContent { held: other, last: one }),
            ),
        ] {
            assert_eq!(entry.compared(&last(settled_to), one), found, "{entry:?}");
        }
    }

    #[test]
    fn an_import_needs_no_fact() {
        let content = Digest::of(b"one");
        assert_eq!(Entry { revision: Revision::BEFORE_ALL, content }.without_fact(), None);
        let entry = Entry { revision: at(1), content };
        assert_eq!(entry.without_fact(), Some(Difference::Unknown));
    }
}
