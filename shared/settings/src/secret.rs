use std::fmt;
use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};

/// Whose secrets this process resolves. The others are not even looked up: a sink is given no site's secret.
///
/// The log's password is everybody's and always resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// Client secrets and backup passwords of sites.
    pub sites: bool,
    /// Connections of destinations.
    pub destinations: bool,
}

impl Needs {
    /// Everybody's, for one process that does all.
    pub const ALL: Needs = Needs { sites: true, destinations: true };
    /// Nobody's, to look at the file alone.
    pub const NONE: Needs = Needs { sites: false, destinations: false };
}

/// A secret that the settings name: resolved, or of no concern to this process. Never printed.
#[derive(Clone)]
pub struct Secret {
    source: Source,
    value: Option<SecretString>,
}

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Env(String),
    File(PathBuf),
}

/// A secret was asked for that this process said it does not need.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the secret in {source_name} was not resolved when the settings were read")]
pub struct UnresolvedSecret {
    /// The variable or file that holds it.
    pub source_name: String,
}

impl Secret {
    pub(crate) fn resolved(source: Source, value: String) -> Self {
        Secret { source, value: Some(SecretString::from(value)) }
    }

    pub(crate) fn unneeded(source: Source) -> Self {
        Secret { source, value: None }
    }

    /// The secret itself.
    ///
    /// # Errors
    /// When the [`Needs`] that the settings were read with left it out.
    pub fn expose(&self) -> Result<&str, UnresolvedSecret> {
        match &self.value {
            Some(value) => Ok(value.expose_secret()),
            None => Err(UnresolvedSecret { source_name: self.source.to_string() }),
        }
    }

    /// Whether both come from one place, or are known to be equal.
    pub(crate) fn is_same_as(&self, other: &Secret) -> bool {
        let equal = self.expose().is_ok() && self.expose() == other.expose();
        self.source == other.source || equal
    }

    /// Where it comes from, fit to be shown: `environment variable NAME` or `file PATH`.
    pub fn source_name(&self) -> String {
        self.source.to_string()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.source)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Env(name) => write!(f, "environment variable {name}"),
            Source::File(path) => write!(f, "file {}", path.display()),
        }
    }
}
