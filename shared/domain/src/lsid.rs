use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A session's id as the appliance gives it: opaque, compared case-sensitively.
///
/// Real reports show 32 hex digits; 16 mixed-case characters were seen too, so nothing is assumed of its form.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Lsid(String);

/// Why a text is not an LSID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLsid {
    /// The attribute is there but says nothing.
    #[error("an LSID is empty")]
    Empty,
    /// Longer than any that can name a file or a subject.
    #[error("an LSID of {bytes} bytes is longer than {max}", max = Lsid::BYTES_MAX)]
    TooLong {
        /// Its length in UTF-8.
        bytes: usize,
    },
    /// Control characters have no place in an id.
    #[error("the LSID {0:?} holds a control character")]
    ControlCharacter(String),
}

impl Lsid {
    /// Longer ids would not fit the index of the ledger table (SQL Server: 1,700 bytes a key).
    pub const BYTES_MAX: usize = 200;

    /// The id as received.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Lsid {
    type Err = InvalidLsid;

    fn from_str(text: &str) -> Result<Self, InvalidLsid> {
        match text {
            "" => Err(InvalidLsid::Empty),
            _ if text.len() > Self::BYTES_MAX => Err(InvalidLsid::TooLong { bytes: text.len() }),
            _ if text.chars().any(char::is_control) => {
                Err(InvalidLsid::ControlCharacter(text.to_owned()))
            }
            _ => Ok(Lsid(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Lsid {
    type Error = InvalidLsid;

    fn try_from(text: String) -> Result<Self, InvalidLsid> {
        text.parse()
    }
}

impl From<Lsid> for String {
    fn from(lsid: Lsid) -> String {
        lsid.0
    }
}

impl fmt::Display for Lsid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
