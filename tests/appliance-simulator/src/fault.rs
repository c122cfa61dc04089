//! What can go wrong.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::recordings::RecordingKind;

/// The language of error texts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    /// English.
    #[default]
    English,
    /// French, in the words that appliances use.
    French,
    /// German, in words of our own.
    German,
}

/// Where an error stands in an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorPlace {
    /// The error is the root.
    #[default]
    Root,
    /// The error stands inside the root that a good answer has.
    Nested,
}

/// A fault. `lsids` names the sessions concerned; an empty set means every session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// The session's report is no XML; a longer report holds garbage in its place.
    NotXml {
        /// The sessions concerned.
        #[serde(default)]
        lsids: BTreeSet<String>,
    },
    /// The session's report is an error; a longer report holds a nested error in its place.
    Error {
        /// The sessions concerned.
        #[serde(default)]
        lsids: BTreeSet<String>,
        /// Where the error stands when the session is asked for alone.
        #[serde(default)]
        place: ErrorPlace,
    },
    /// The connection breaks in the middle of the session's report.
    CutReport {
        /// The sessions concerned.
        #[serde(default)]
        lsids: BTreeSet<String>,
    },
    /// The session has ended but is not found by any request until `until` (unix seconds, the site's clock).
    Late {
        /// The sessions concerned.
        #[serde(default)]
        lsids: BTreeSet<String>,
        /// When it is found.
        until: i64,
    },
    /// The session's report has half its events and names no recordings until `until` (unix seconds, the site's clock).
    Incomplete {
        /// The sessions concerned.
        #[serde(default)]
        lsids: BTreeSet<String>,
        /// When it is complete.
        until: i64,
    },
    /// The recording has expired.
    Expired {
        /// The sessions concerned.
        #[serde(default)]
        lsids: BTreeSet<String>,
        /// Only recordings of this kind.
        kind: Option<RecordingKind>,
    },
    /// The recording is not ready until `until` (unix seconds, the site's clock).
    NotReady {
        /// The sessions concerned.
        #[serde(default)]
        lsids: BTreeSet<String>,
        /// Only recordings of this kind.
        kind: Option<RecordingKind>,
        /// When it is ready.
        until: i64,
    },
    /// The connection breaks after so many bytes of the recording.
    CutRecording {
        /// The sessions concerned.
        #[serde(default)]
        lsids: BTreeSet<String>,
        /// Only recordings of this kind.
        kind: Option<RecordingKind>,
        /// Bytes that still come through.
        after_bytes: u64,
    },
    /// The connection breaks at these bytes of the recording, at each once and in this order. A request that begins
    /// behind one of them does not meet it.
    CutRecordingOnceAt {
        /// The sessions concerned.
        #[serde(default)]
        lsids: BTreeSet<String>,
        /// Only recordings of this kind.
        kind: Option<RecordingKind>,
        /// Where it still breaks.
        bytes: Vec<u64>,
        /// Whether each break has the recording rendered anew: the same size, other bytes.
        #[serde(default)]
        rendered_anew: bool,
        /// How many breaks there were.
        #[serde(default)]
        breaks: u32,
    },
    /// Something else than what was asked for answers, with status 200.
    Instead {
        /// In whose place.
        of: Asked,
        /// What it is.
        speech: Speech,
    },
    /// The connection breaks after so many bytes of a backup.
    CutBackup {
        /// Bytes that still come through.
        after_bytes: u64,
    },
    /// Listings fail that ask for a part of this stretch of the site's time, or for a longer one than this.
    ListingFails {
        /// From this second on (unix seconds); from the beginning of time unless given.
        from: Option<i64>,
        /// Before this second; to the end of time unless given.
        until: Option<i64>,
        /// Only listings of more seconds than this.
        #[serde(default)]
        longer_than_secs: i64,
        /// The status.
        status: u16,
    },
    /// Listings show no more sessions than this, and say nothing of the others.
    ListingCutShort {
        /// How many.
        sessions: usize,
    },
    /// Each API and token request waits.
    Delay {
        /// For so long.
        millis: u64,
    },
    /// The next API and token requests are answered with this status and nothing done.
    FailNext {
        /// How many still are.
        requests: u32,
        /// The status.
        status: u16,
    },
    /// The site takes connections and closes them at once. Nothing can lift it over HTTP, so that a time can be given.
    Down {
        /// Ends by itself after so many seconds of real time.
        seconds: Option<u64>,
    },
    /// The site's clock is off by so many seconds, besides what the options say.
    ClockOffset {
        /// Ahead, or behind if negative.
        seconds: i64,
    },
    /// Error texts come in this language.
    Localized {
        /// The language.
        language: Language,
    },
    /// The account lacks a permission.
    Denied {
        /// Its name, such as `perm_backup`.
        permission: String,
    },
    /// The account's secret was changed to this one, which ends all its tokens.
    SecretChanged {
        /// The new secret.
        secret: String,
    },
}

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asked {
    /// The report of one session or several.
    Report,
    /// A listing of sessions.
    Listing,
    /// A recording.
    Recording,
    /// A backup.
    Backup,
}

/// What a server says when it has something to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Speech {
    /// A page, as a proxy or a login form sends it.
    Html,
    /// An error in JSON.
    Json,
    /// An error in XML.
    Xml,
    /// An XML document that is no error.
    OtherXml,
    /// A sentence.
    Words,
    /// Some pages of plain text, as a program that fell over prints them.
    ManyWords,
    /// Not a byte.
    Nothing,
}
