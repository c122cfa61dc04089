use domain::facts::{
    Activity, Again, ArtifactStaged, ArtifactUnavailable, BackupDue, DeadLetter, RecordingDue,
    SessionEnded,
};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

/// The version of every fact that this build writes, and the newest that it reads.
///
/// A change to a fact's fields is a new version; golden bytes under `schema/messages` keep the old ones readable.
pub const VERSION: u16 = 1;

/// Any fact.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "each holds the fact of its name")]
pub enum Fact {
    SessionEnded(SessionEnded),
    BackupDue(BackupDue),
    RecordingDue(RecordingDue),
    ArtifactStaged(ArtifactStaged),
    ArtifactUnavailable(ArtifactUnavailable),
    Again(Again),
    DeadLetter(DeadLetter),
    Activity(Activity),
}

/// Why a message is not a fact that can be acted on.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// It is not one of our messages, or a damaged one.
    #[error("the message can't be read as a fact")]
    Unreadable {
        /// What the reader stumbled over.
        #[source]
        cause: rmp_serde::decode::Error,
    },
    /// It names a fact that nobody knows.
    #[error("there is no fact {name:?}")]
    UnknownFact {
        /// The name that it gives.
        name: String,
    },
    /// A newer sluice wrote it. Not damaged: the worker has to be updated, and must not give the message up.
    #[error("{name:?} has version {version}; this program reads up to {VERSION}: update it")]
    NewerVersion {
        /// The fact's name.
        name: String,
        /// Its version.
        version: u16,
    },
}

/// A fact that can't be written. None is known; the type is here because the encoder has one.
#[derive(Debug, thiserror::Error)]
#[error("{name} can't be written as a message")]
pub struct EncodeError {
    /// The fact's name.
    pub name: &'static str,
    /// What the writer said.
    #[source]
    pub cause: rmp_serde::encode::Error,
}

impl Fact {
    /// The name in messages, schemas and logs.
    pub const fn name(&self) -> &'static str {
        match self {
            Fact::SessionEnded(_) => "session-ended",
            Fact::BackupDue(_) => "backup-due",
            Fact::RecordingDue(_) => "recording-due",
            Fact::ArtifactStaged(_) => "artifact-staged",
            Fact::ArtifactUnavailable(_) => "artifact-unavailable",
            Fact::Again(_) => "again",
            Fact::DeadLetter(_) => "dead-letter",
            Fact::Activity(_) => "activity",
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Envelope<F, B> {
    fact: F,
    version: u16,
    body: B,
}

/// The bytes of a fact.
///
/// # Errors
/// When the encoder refuses, which no fact is known to bring about.
pub fn encode(fact: &Fact) -> Result<Vec<u8>, EncodeError> {
    fn write<B: Serialize>(name: &'static str, body: &B) -> Result<Vec<u8>, EncodeError> {
        rmp_serde::to_vec_named(&Envelope { fact: name, version: VERSION, body })
            .map_err(|cause| EncodeError { name, cause })
    }
    let name = fact.name();
    match fact {
        Fact::SessionEnded(body) => write(name, body),
        Fact::BackupDue(body) => write(name, body),
        Fact::RecordingDue(body) => write(name, body),
        Fact::ArtifactStaged(body) => write(name, body),
        Fact::ArtifactUnavailable(body) => write(name, body),
        Fact::Again(body) => write(name, body),
        Fact::DeadLetter(body) => write(name, body),
        Fact::Activity(body) => write(name, body),
    }
}

/// The fact of these bytes.
///
/// # Errors
/// When they are no fact, or one of a newer version.
pub fn decode(bytes: &[u8]) -> Result<Fact, DecodeError> {
    fn read<B: DeserializeOwned>(bytes: &[u8]) -> Result<B, DecodeError> {
        rmp_serde::from_slice::<Envelope<IgnoredAny, B>>(bytes)
            .map(|envelope| envelope.body)
            .map_err(|cause| DecodeError::Unreadable { cause })
    }
    let Envelope { fact: name, version, body: IgnoredAny } =
        rmp_serde::from_slice::<Envelope<String, IgnoredAny>>(bytes)
            .map_err(|cause| DecodeError::Unreadable { cause })?;
    if version > VERSION {
        return Err(DecodeError::NewerVersion { name, version });
    }
    match name.as_str() {
        "session-ended" => read(bytes).map(Fact::SessionEnded),
        "backup-due" => read(bytes).map(Fact::BackupDue),
        "recording-due" => read(bytes).map(Fact::RecordingDue),
        "artifact-staged" => read(bytes).map(Fact::ArtifactStaged),
        "artifact-unavailable" => read(bytes).map(Fact::ArtifactUnavailable),
        "again" => read(bytes).map(Fact::Again),
        "dead-letter" => read(bytes).map(Fact::DeadLetter),
        "activity" => read(bytes).map(Fact::Activity),
        _ => Err(DecodeError::UnknownFact { name }),
    }
}
