use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which of two stagings of one artifact is the newer: where its fact stands in the log.
///
/// Ordered by epoch first. An epoch is a life of the log; a log that was lost and built anew, or set back
/// to an older copy, has a higher one, so that positions may start again without looking older.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Revision {
    /// The life of the log: when it began, in milliseconds since 1970. The first begins with the stream of artifacts, a
    /// later one when the log is found set back.
    pub epoch: u64,
    /// The sequence of the fact in that stream.
    pub position: u64,
}

impl Revision {
    /// Older than anything that a log ever named; what an import of old files carries.
    pub const BEFORE_ALL: Revision = Revision { epoch: 0, position: 0 };
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.epoch, self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::Revision;

    #[test]
    fn a_new_life_of_the_log_is_newer_than_any_position_of_the_old() {
        let old = Revision { epoch: 1, position: u64::MAX };
        assert!(old < Revision { epoch: 2, position: 1 });
        assert!(Revision::BEFORE_ALL < old);
    }
}
