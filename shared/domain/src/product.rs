use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Kind;

/// Which of the two products a site runs; their reports have different names in the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Product {
    /// BeyondTrust Remote Support.
    RemoteSupport,
    /// BeyondTrust Privileged Remote Access.
    PrivilegedRemoteAccess,
}

/// A text that names no product.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no product: \"remote-support\" and \"privileged-remote-access\" are")]
pub struct UnknownProduct(pub String);

impl Product {
    /// The name in settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Product::RemoteSupport => "remote-support",
            Product::PrivilegedRemoteAccess => "privileged-remote-access",
        }
    }

    /// Whether its appliances hold artifacts of this kind.
    pub const fn has(self, kind: Kind) -> bool {
        match self {
            Product::RemoteSupport => true,
            Product::PrivilegedRemoteAccess => !matches!(
                kind,
                Kind::ShowMyScreenRecording | Kind::PresentationData | Kind::PresentationRecording
            ),
        }
    }
}

impl FromStr for Product {
    type Err = UnknownProduct;

    fn from_str(text: &str) -> Result<Self, UnknownProduct> {
        [Product::RemoteSupport, Product::PrivilegedRemoteAccess]
            .into_iter()
            .find(|product| product.as_str() == text)
            .ok_or_else(|| UnknownProduct(text.to_owned()))
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
