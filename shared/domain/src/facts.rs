//! The facts that travel through the log. A fact names things; it never carries content or routing.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    ApplianceTime, ArtifactId, Digest, Family, Lsid, Particulars, Revision, SiteHost, Slot,
};

/// A session (or presentation) is over, as far as the appliance tells. Published once for each, by the poller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionEnded {
    /// Whose session.
    pub site: SiteHost,
    /// Session or presentation.
    pub family: Family,
    /// Its id.
    pub lsid: Lsid,
    /// Whether an end was seen.
    pub end: End,
    /// The appliance's clock at the listing that showed it.
    pub noticed_at: ApplianceTime,
}

impl SessionEnded {
    /// The report that tells of it.
    pub fn report(&self) -> ArtifactId {
        ArtifactId::report(self.site.clone(), self.family, self.lsid.clone())
    }
}

/// How a session came to count as over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The appliance lists its end.
    Seen,
    /// It has been open for so long that it counts as abandoned; an end may follow.
    Abandoned,
}

/// A backup of a site is due. Published once for each slot, by the poller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupDue {
    /// Whose backup.
    pub site: SiteHost,
    /// Which one.
    pub slot: Slot,
}

/// A report names a recording. Published once for each, by the fetcher of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordingDue {
    /// The recording.
    pub recording: ArtifactId,
    /// What the report says that the file's name may need.
    pub particulars: Particulars,
}

/// Where the content of a fact lies, and how to know it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimCheck {
    /// The object's name in staging.
    pub object: String,
    /// Its size in bytes.
    pub size: u64,
    /// The digest of its bytes.
    pub digest: Digest,
    /// The digest of what it says: of a report its session element in canonical form without the
    /// `*_url` elements, whose tokens change with every download; of anything else its bytes.
    pub content: Digest,
    /// The file's extension, without a period: by content where the content tells.
    pub extension: String,
}

/// An artifact lies in staging, whole and verified. Its position in the log is its revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArtifactStaged {
    /// What was staged.
    pub artifact: ArtifactId,
    /// Where it lies.
    pub claim: ClaimCheck,
    /// What the name of a file may need.
    pub particulars: Particulars,
    /// When, by the fetcher's clock; it informs people and decides nothing.
    pub staged_at: DateTime<Utc>,
    /// The message that asked for it.
    pub cause: Cause,
    /// The revision it had in a log that was lost, where this fact was rebuilt; it then counts instead of the position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
}

/// An artifact that the appliance does not have any more. Nobody's failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArtifactUnavailable {
    /// What can't be had.
    pub artifact: ArtifactId,
    /// What the appliance said, in its own words.
    pub reason: String,
    /// When, by the fetcher's clock.
    pub found_at: DateTime<Utc>,
    /// The message that asked for it.
    pub cause: Cause,
}

/// The message that a fact follows from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cause {
    /// Its subject.
    pub subject: String,
    /// Its sequence in its stream.
    pub sequence: u64,
}

/// Somebody or something asks for a thing to be done again. It names an artifact, never a revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Again {
    /// What is to be done.
    pub artifact: ArtifactId,
    /// By whom.
    pub to: Asked,
    /// What distinguishes this asking from others for the same artifact; the last token of its subject.
    pub ask: String,
    /// When it is done already.
    pub mode: AgainMode,
    /// Why, for people.
    pub why: String,
    /// Who asked: a person's name or a worker's.
    pub asked_by: String,
    /// When, by the asker's clock.
    pub asked_at: DateTime<Utc>,
    /// Destinations that are to deliver it once it is fetched; only where a fetch is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub destinations: Vec<DestinationId>,
    /// The content itself, where no fact in the log names it (an import of old files).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import: Option<Import>,
}

impl Again {
    /// The name of the asking for a session that counted as abandoned and has ended after all.
    pub const ENDED: &str = "ended";
    /// What the names of askings for a second look at a report begin with.
    pub const LOOK: &str = "look-";

    /// What stands between the name of an asking and the number of the dead letter from which it is retried.
    const RETRIED: &str = "-retry-";

    /// The same asking once more, from a dead letter of that number: what it is for stays, and with it what counts as
    /// done.
    #[must_use]
    pub fn retried(&self, letter: u64) -> Self {
        Again { ask: format!("{}{}{letter}", self.first_ask(), Self::RETRIED), ..self.clone() }
    }

    /// Its name, or that of the asking that it retries.
    fn first_ask(&self) -> &str {
        self.ask.split_once(Self::RETRIED).map_or(self.ask.as_str(), |(first, _)| first)
    }

    /// Whether a session that counted as abandoned has ended after all, so that its report has an end.
    pub fn tells_of_an_end(&self) -> bool {
        self.first_ask() == Self::ENDED
    }

    /// Whether it is fetched in order to see a change: what came unchanged is worth no new fact then. A person who
    /// asks for a thing to be done once more gets a fact in any case.
    pub fn looks_for_changes(&self) -> bool {
        self.tells_of_an_end() || self.first_ask().starts_with(Self::LOOK)
    }
}

/// What an import hands to its destinations: content that no staged fact names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// Where the content lies.
    pub claim: ClaimCheck,
    /// What the name of a file may need.
    pub particulars: Particulars,
}

/// Whom an [`Again`] is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// The fetchers.
    Fetch,
    /// The sinks of one destination.
    Deliver(DestinationId),
}

/// What an [`Again`] makes of a thing that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AgainMode {
    /// Then there is nothing to do: a retry, a reconciliation, a lost object.
    IfMissing,
    /// It is done once more: a person asked for it.
    EvenIfDone,
}

/// The identity that a destination keeps in its own ledger: 32 hex digits, drawn when it is first used.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct DestinationId(String);

/// A text that is no destination's identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a destination's id: 32 lower-case hex digits are")]
pub struct InvalidDestinationId(pub String);

impl DestinationId {
    /// An id from 16 random bytes.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        DestinationId(hex::encode(bytes))
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DestinationId {
    type Err = InvalidDestinationId;

    fn from_str(text: &str) -> Result<Self, InvalidDestinationId> {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() == 32 && text.bytes().all(digit) {
            Ok(DestinationId(text.to_owned()))
        } else {
            Err(InvalidDestinationId(text.to_owned()))
        }
    }
}

impl TryFrom<String> for DestinationId {
    type Error = InvalidDestinationId;

    fn try_from(text: String) -> Result<Self, InvalidDestinationId> {
        text.parse()
    }
}

impl From<DestinationId> for String {
    fn from(id: DestinationId) -> String {
        id.0
    }
}

impl fmt::Display for DestinationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A message that can't succeed, kept with its reason until a person retries or discards it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadLetter {
    /// The worker that gave up: `fetch`, `file-sink`, `sql-sink`.
    pub worker: String,
    /// For which destination, where the worker serves one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<DestinationId>,
    /// What it was about; absent where not even the subject could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<ArtifactId>,
    /// Why it ended here.
    pub verdict: Verdict,
    /// The whole chain of causes, for people.
    pub reason: String,
    /// How often it was attempted.
    pub attempts: u32,
    /// When it was settled, by the worker's clock.
    pub settled_at: DateTime<Utc>,
    /// The message itself.
    pub letter: Letter,
}

/// A message as it stood in its stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Letter {
    /// The stream.
    pub stream: String,
    /// The subject.
    pub subject: String,
    /// The sequence in the stream.
    pub sequence: u64,
    /// The bytes as they were.
    #[serde(with = "serde_bytes")]
    #[schemars(with = "Vec<u8>")]
    pub payload: Vec<u8>,
}

/// Why a message is a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It can't be read.
    Undecodable,
    /// It can never succeed.
    Rejected,
    /// It might succeed but did not in as many attempts as are allowed.
    AttemptsExhausted,
    /// It keeps killing its worker.
    KilledItsWorker,
}

/// Something that was done, for people; nothing depends on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Activity {
    /// What was done.
    pub deed: Deed,
    /// Who did it: a worker's name or a person's.
    pub by: String,
    /// When, by the doer's clock.
    pub at: DateTime<Utc>,
    /// To what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<ArtifactId>,
    /// Where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<DestinationId>,
    /// The revision concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// More, for people: a file's name, a reason.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// The deeds that the activity log knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// A destination holds it.
    Delivered,
    /// A destination already held something of that name and its rule is to skip.
    Skipped,
    /// A backup that its destination no longer keeps.
    Retired,
    /// A person gave a dead letter up.
    Discarded,
    /// A person had a dead letter tried again.
    Retried,
}

impl Deed {
    /// The name in subjects.
    pub const fn as_str(self) -> &'static str {
        match self {
            Deed::Delivered => "delivered",
            Deed::Skipped => "skipped",
            Deed::Retired => "retired",
            Deed::Discarded => "discarded",
            Deed::Retried => "retried",
        }
    }
}

#[cfg(test)]
mod tests;
