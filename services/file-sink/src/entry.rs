use chrono::{DateTime, Utc};
use domain::{ArtifactId, Digest, RelativePath, Revision};
use serde::{Deserialize, Serialize};

/// The version of the ledger that this program writes.
pub(crate) const VERSION: u32 = 1;

/// Which staging of an artifact: its revision, and what its bytes come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// The revision.
    pub revision: Revision,
    /// The digest of the bytes.
    pub digest: Digest,
    /// The digest of what they say.
    pub content: Digest,
    /// Their number.
    pub size: u64,
    /// When they came from the appliance, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staged_at: Option<DateTime<Utc>>,
}

/// What a destination's ledger says of one artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Of which version of the ledger this is.
    pub version: u32,
    /// The artifact.
    pub artifact: ArtifactId,
    /// Which staging of it the state is about.
    #[serde(flatten)]
    pub stamp: Stamp,
    /// What became of it.
    #[serde(flatten)]
    pub state: State,
}

/// What became of an artifact in a destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum State {
    /// A name is chosen; no byte counts yet.
    Reserved {
        /// The name.
        name: RelativePath,
    },
    /// Its file was written, whole.
    Placed {
        /// The file.
        name: RelativePath,
    },
    /// A file that somebody else wrote is the same, byte for byte, or a report that says the same.
    Adopted {
        /// The file.
        name: RelativePath,
    },
    /// Its file was there, and was gone when a newer revision came: a person moved it away.
    MovedAway {
        /// The file as it was.
        name: RelativePath,
    },
    /// Its name was taken, and the rule is to skip.
    Skipped {
        /// The name.
        taken: RelativePath,
    },
    /// Its name belongs to an artifact that is later in the log, and the rule is to overwrite.
    Overwritten {
        /// The name.
        name: RelativePath,
    },
    /// A backup that is not kept any more, or was too old to be written at all.
    Retired,
}

/// What happens to an artifact in a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// A name was chosen.
    Chosen { name: RelativePath },
    /// The file stands under its name, durably.
    Written,
    /// A file that is the same was found.
    Found { name: RelativePath },
    /// The file was looked for and not found.
    Missed,
    /// The name was found taken.
    Taken { name: RelativePath },
    /// Another artifact, later in the log, has the name.
    Overtaken { name: RelativePath },
    /// The backup is too old to be kept.
    Retired,
}

/// Two things that do not go together. A fault of the program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{event:?} can't happen to an artifact that is {state:?}")]
pub struct UnexpectedEvent {
    state: Option<State>,
    event: Event,
}

impl Entry {
    /// The file that the entry names, if it names one.
    pub fn name(&self) -> Option<&RelativePath> {
        match &self.state {
            State::Reserved { name }
            | State::Placed { name }
            | State::Adopted { name }
            | State::MovedAway { name } => Some(name),
            State::Skipped { .. } | State::Overwritten { .. } | State::Retired => None,
        }
    }

    /// The artifact and the file that it names, for people.
    pub(crate) fn shown(&self) -> String {
        match self.name() {
            Some(name) => format!("{} ({name})", self.artifact),
            None => self.artifact.to_string(),
        }
    }

    /// Whether its file stands, or stood, under its name.
    pub fn has_file(&self) -> bool {
        match self.state {
            State::Placed { .. } | State::Adopted { .. } | State::MovedAway { .. } => true,
            State::Reserved { .. }
            | State::Skipped { .. }
            | State::Overwritten { .. }
            | State::Retired => false,
        }
    }
}

/// The state after an event.
pub(crate) fn after(state: Option<State>, event: Event) -> Result<State, UnexpectedEvent> {
    use Event as E;
    use State as S;
    match (state, event) {
        (
            None
            | Some(S::Reserved { .. } | S::Skipped { .. } | S::Overwritten { .. } | S::Retired),
            E::Chosen { name },
        ) => Ok(S::Reserved { name }),
        (
            Some(
                S::Reserved { name }
                | S::Placed { name }
                | S::Adopted { name }
                | S::MovedAway { name },
            ),
            E::Written,
        ) => Ok(S::Placed { name }),
        (
            None
            | Some(S::Reserved { .. } | S::Skipped { .. } | S::Overwritten { .. } | S::Retired),
            E::Found { name },
        ) => Ok(S::Adopted { name }),
        (Some(S::Placed { name } | S::Adopted { name } | S::MovedAway { name }), E::Missed) => {
            Ok(S::MovedAway { name })
        }
        (
            None
            | Some(S::Reserved { .. } | S::Skipped { .. } | S::Overwritten { .. } | S::Retired),
            E::Taken { name },
        ) => Ok(S::Skipped { taken: name }),
        // From any: a name that the rule lets others take is lost whatever stood there.
        (_, E::Overtaken { name }) => Ok(S::Overwritten { name }),
        (
            None
            | Some(
                S::Reserved { .. }
                | S::Placed { .. }
                | S::MovedAway { .. }
                | S::Skipped { .. }
                | S::Overwritten { .. }
                | S::Retired,
            ),
            E::Retired,
        ) => Ok(S::Retired),
        (state, event) => Err(UnexpectedEvent { state, event }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> RelativePath {
        text.parse().expect("a path")
    }

    #[test]
    fn an_artifact_that_was_placed_never_gets_another_name() {
        let placed = Some(State::Placed { name: name("a") });
        assert!(after(placed.clone(), Event::Chosen { name: name("b") }).is_err());
        assert!(after(placed.clone(), Event::Found { name: name("b") }).is_err());
        assert_eq!(after(placed, Event::Written), Ok(State::Placed { name: name("a") }));
    }

    #[test]
    fn a_file_that_somebody_else_wrote_is_never_retired() {
        assert!(after(Some(State::Adopted { name: name("a") }), Event::Retired).is_err());
    }

    #[test]
    fn nothing_is_written_without_a_name() {
        assert!(after(None, Event::Written).is_err());
    }

    #[test]
    fn the_ledgers_own_text_is_read_back() {
        let digest = Digest::of(b"x");
        let entry = Entry {
            version: VERSION,
            artifact: ArtifactId::backup(
                "a.example".parse().expect("a host"),
                "20261122T020000Z".parse().expect("a slot"),
            ),
            stamp: Stamp {
                revision: Revision { epoch: 1, position: 2 },
                digest,
                content: digest,
                size: 1,
                staged_at: None,
            },
            state: State::Placed { name: name("a/b.nsb") },
        };
        let text = serde_json::to_string(&entry).expect("an entry is JSON");
        assert!(text.contains(r#""state":"placed","name":"a/b.nsb""#), "{text}");
        assert_eq!(serde_json::from_str::<Entry>(&text).expect("its own text"), entry);
    }
}
