use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Kind, Lsid, SiteHost, Slot};

/// Which of several recordings of one kind; the appliance counts from 0.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Instance(pub u32);

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What an artifact belongs to: a session (or presentation), or a backup's time slot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ArtifactKey {
    /// The session's or presentation's id.
    Lsid(Lsid),
    /// The backup's slot.
    Slot(Slot),
}

/// The identity of an artifact: site, kind, LSID or backup slot, instance.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "Parts", into = "Parts")]
#[schemars(with = "Parts")]
pub struct ArtifactId {
    site: SiteHost,
    kind: Kind,
    key: ArtifactKey,
    instance: Option<Instance>,
}

/// Why parts don't make an artifact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidArtifact {
    /// A backup has a slot, everything else an LSID.
    #[error("a {0} needs {wanted} and nothing else", wanted = if *.0 == Kind::SiteBackup { "a slot" } else { "an LSID" })]
    WrongKey(Kind),
    /// Only shells and Show My Screens are counted.
    #[error("a {kind} {}", if *.given { "has no instance" } else { "needs an instance" })]
    Instance {
        /// The kind.
        kind: Kind,
        /// Whether an instance was given.
        given: bool,
    },
}

impl ArtifactId {
    /// An artifact from its parts.
    ///
    /// # Errors
    /// When the kind does not go with the key or the instance.
    pub fn new(
        site: SiteHost,
        kind: Kind,
        key: ArtifactKey,
        instance: Option<Instance>,
    ) -> Result<Self, InvalidArtifact> {
        if (kind == Kind::SiteBackup) != matches!(key, ArtifactKey::Slot(_)) {
            return Err(InvalidArtifact::WrongKey(kind));
        }
        if kind.has_instances() != instance.is_some() {
            return Err(InvalidArtifact::Instance { kind, given: instance.is_some() });
        }
        Ok(ArtifactId { site, kind, key, instance })
    }

    /// The report of a session or presentation.
    pub fn report(site: SiteHost, family: crate::Family, lsid: Lsid) -> Self {
        ArtifactId { site, kind: family.report(), key: ArtifactKey::Lsid(lsid), instance: None }
    }

    /// The backup of a site for one slot.
    pub fn backup(site: SiteHost, slot: Slot) -> Self {
        ArtifactId { site, kind: Kind::SiteBackup, key: ArtifactKey::Slot(slot), instance: None }
    }

    /// Whose it is.
    pub fn site(&self) -> &SiteHost {
        &self.site
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What it belongs to.
    pub fn key(&self) -> &ArtifactKey {
        &self.key
    }

    /// The session or presentation that it belongs to; a backup has none.
    pub fn lsid(&self) -> Option<&Lsid> {
        match &self.key {
            ArtifactKey::Lsid(lsid) => Some(lsid),
            ArtifactKey::Slot(_) => None,
        }
    }

    /// The slot of a backup.
    pub fn slot(&self) -> Option<Slot> {
        match &self.key {
            ArtifactKey::Lsid(_) => None,
            ArtifactKey::Slot(slot) => Some(*slot),
        }
    }

    /// Which of several.
    pub fn instance(&self) -> Option<Instance> {
        self.instance
    }
}

impl fmt::Display for ArtifactKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ArtifactKey::Lsid(lsid) => lsid.fmt(f),
            ArtifactKey::Slot(slot) => slot.fmt(f),
        }
    }
}

impl fmt::Display for ArtifactId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} of {}", self.kind, self.key, self.site)?;
        match self.instance {
            Some(instance) => write!(f, " (instance {instance})"),
            None => Ok(()),
        }
    }
}

/// The written form of an [`ArtifactId`].
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parts {
    site: SiteHost,
    kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lsid: Option<Lsid>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    slot: Option<Slot>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    instance: Option<Instance>,
}

impl TryFrom<Parts> for ArtifactId {
    type Error = InvalidArtifact;

    fn try_from(parts: Parts) -> Result<Self, InvalidArtifact> {
        let key = match (parts.lsid, parts.slot) {
            (Some(lsid), None) => ArtifactKey::Lsid(lsid),
            (None, Some(slot)) => ArtifactKey::Slot(slot),
            _ => return Err(InvalidArtifact::WrongKey(parts.kind)),
        };
        ArtifactId::new(parts.site, parts.kind, key, parts.instance)
    }
}

impl From<ArtifactId> for Parts {
    fn from(id: ArtifactId) -> Parts {
        let (lsid, slot) = match id.key {
            ArtifactKey::Lsid(lsid) => (Some(lsid), None),
            ArtifactKey::Slot(slot) => (None, Some(slot)),
        };
        Parts { site: id.site, kind: id.kind, lsid, slot, instance: id.instance }
    }
}
