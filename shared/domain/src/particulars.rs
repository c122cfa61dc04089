use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the report says of a session that the name of its files may need.
///
/// A value that the report does not have is absent, never invented.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Particulars {
    /// `session_type`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_type: Option<String>,
    /// `lseq`: neither unique nor strictly sequential, so part of no key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lseq: Option<String>,
    /// `external_key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_key: Option<String>,
    /// When the session started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<DateTime<Utc>>,
    /// When it ended; absent while open and after an abnormal close.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<DateTime<Utc>>,
}
