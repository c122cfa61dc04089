use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The kinds of artifact that an appliance holds.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The report of one session, as XML.
    SessionData,
    /// The screen recording of one session.
    SessionRecording,
    /// The recording of one command shell of a session; several instances.
    CommandShellRecording,
    /// The recording of one Show My Screen of a session; several instances (Remote Support).
    ShowMyScreenRecording,
    /// The report of one presentation, as XML (Remote Support).
    PresentationData,
    /// The recording of one presentation (Remote Support).
    PresentationRecording,
    /// A backup of a whole site (`.nsb`).
    SiteBackup,
}

/// What a scan lists: sessions or presentations.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// Support and access sessions.
    Session,
    /// Presentations (Remote Support).
    Presentation,
}

impl Family {
    /// The name in subjects and keys.
    pub const fn as_str(self) -> &'static str {
        match self {
            Family::Session => "session",
            Family::Presentation => "presentation",
        }
    }

    /// The kind of its report.
    pub const fn report(self) -> Kind {
        match self {
            Family::Session => Kind::SessionData,
            Family::Presentation => Kind::PresentationData,
        }
    }
}

/// A text that names no kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no kind of artifact")]
pub struct UnknownKind(pub String);

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 7] = [
        Kind::SessionData,
        Kind::SessionRecording,
        Kind::CommandShellRecording,
        Kind::ShowMyScreenRecording,
        Kind::PresentationData,
        Kind::PresentationRecording,
        Kind::SiteBackup,
    ];

    /// The name in settings, subjects and ledgers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::SessionData => "session-data",
            Kind::SessionRecording => "session-recording",
            Kind::CommandShellRecording => "command-shell-recording",
            Kind::ShowMyScreenRecording => "show-my-screen-recording",
            Kind::PresentationData => "presentation-data",
            Kind::PresentationRecording => "presentation-recording",
            Kind::SiteBackup => "site-backup",
        }
    }

    /// Whether one session can have several of it, told apart by their instance.
    pub const fn has_instances(self) -> bool {
        matches!(self, Kind::CommandShellRecording | Kind::ShowMyScreenRecording)
    }

    /// Whether it is a report, or named by one; `None` for a backup, which belongs to no session.
    pub const fn family(self) -> Option<Family> {
        match self {
            Kind::SessionData
            | Kind::SessionRecording
            | Kind::CommandShellRecording
            | Kind::ShowMyScreenRecording => Some(Family::Session),
            Kind::PresentationData | Kind::PresentationRecording => Some(Family::Presentation),
            Kind::SiteBackup => None,
        }
    }

    /// Whether it is the report of its family, which names the recordings.
    pub const fn is_report(self) -> bool {
        matches!(self, Kind::SessionData | Kind::PresentationData)
    }

    /// Whether it is a recording, which a report names.
    pub const fn is_recording(self) -> bool {
        !self.is_report() && self.family().is_some()
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Kind::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| UnknownKind(text.to_owned()))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_read_back_from_its_name() {
        for kind in Kind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
    }
}
