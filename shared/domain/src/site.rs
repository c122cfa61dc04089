use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The identity of a site: the host name of its appliance, in lower case.
///
/// It is what the column `host_name` says and part of every key, so the label that the settings give a
/// site may change while this may not.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct SiteHost(String);

/// Why a text is not a host name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a host name: letters, digits, '-' and '.' only, no scheme, no port, at most 253 characters"
)]
pub struct InvalidSite(pub String);

impl SiteHost {
    /// The longest host name that DNS allows (RFC 1035, without the root's dot).
    pub const BYTES_MAX: usize = 253;

    /// The host name, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SiteHost {
    type Err = InvalidSite;

    fn from_str(text: &str) -> Result<Self, InvalidSite> {
        let host = text.to_ascii_lowercase();
        let label = |label: &str| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        if host.len() > Self::BYTES_MAX || !host.split('.').all(label) {
            return Err(InvalidSite(text.to_owned()));
        }
        Ok(SiteHost(host))
    }
}

impl TryFrom<String> for SiteHost {
    type Error = InvalidSite;

    fn try_from(text: String) -> Result<Self, InvalidSite> {
        text.parse()
    }
}

impl From<SiteHost> for String {
    fn from(site: SiteHost) -> String {
        site.0
    }
}

impl fmt::Display for SiteHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_one_host_however_it_is_written() {
        assert_eq!("Access.Example.COM".parse::<SiteHost>(), "access.example.com".parse());
    }

    #[test]
    fn what_is_no_host_name_is_refused() {
        for text in ["", "https://a.b", "a:443", "a/b", "a b", "..", "a..b", "-a", "a*"] {
            assert!(text.parse::<SiteHost>().is_err(), "{text:?}");
        }
    }
}
