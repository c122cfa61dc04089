use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a file destination does where the name of a new file is taken: by another artifact, or by a file that is not
/// ours. The same artifact again is never a conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conflict {
    /// The new file gets a number before its last period, the smallest that is free.
    AppendNumber,
    /// The new file takes the place of the one that is there.
    Overwrite,
    /// The one that is there stays, and the new one is not written.
    Skip,
}

/// A text that names no way to handle a conflict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no way to handle a conflict: \"append-number\", \"overwrite\" and \"skip\" are")]
pub struct UnknownConflict(pub String);

impl Conflict {
    /// Every way.
    pub const ALL: [Conflict; 3] = [Conflict::AppendNumber, Conflict::Overwrite, Conflict::Skip];

    /// The name in settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Conflict::AppendNumber => "append-number",
            Conflict::Overwrite => "overwrite",
            Conflict::Skip => "skip",
        }
    }
}

impl FromStr for Conflict {
    type Err = UnknownConflict;

    fn from_str(text: &str) -> Result<Self, UnknownConflict> {
        Conflict::ALL
            .into_iter()
            .find(|conflict| conflict.as_str() == text)
            .ok_or_else(|| UnknownConflict(text.to_owned()))
    }
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_to_handle_conflicts_is_read_back_from_its_name() {
        for conflict in Conflict::ALL {
            assert_eq!(conflict.as_str().parse(), Ok(conflict));
        }
        assert!("AppendNumber".parse::<Conflict>().is_err());
    }
}
