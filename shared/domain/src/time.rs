use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, SecondsFormat, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An instant read off the appliance's clock, in UTC.
///
/// Never built from ours: a local clock that is ahead would skip sessions.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct ApplianceTime(DateTime<Utc>);

impl ApplianceTime {
    /// What the appliance's `Date` header or command API said.
    pub const fn read_off(instant: DateTime<Utc>) -> Self {
        ApplianceTime(instant)
    }

    /// The instant.
    pub const fn instant(self) -> DateTime<Utc> {
        self.0
    }

    /// Seconds since 1970-01-01T00:00:00Z, which is how the appliance's API takes instants.
    pub const fn unix_secs(self) -> i64 {
        self.0.timestamp()
    }

    /// The instant that much later (earlier where negative), in whole seconds; the ends of time are its bounds.
    #[must_use]
    pub fn plus_secs(self, secs: i64) -> Self {
        let moved =
            chrono::Duration::try_seconds(secs).and_then(|by| self.0.checked_add_signed(by));
        let bound = if secs < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
        ApplianceTime(moved.unwrap_or(bound))
    }
}

impl fmt::Display for ApplianceTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Secs, true))
    }
}

/// The time slot of a site backup: an instant in UTC, in whole seconds.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Slot(DateTime<Utc>);

impl Slot {
    /// The slot at this instant; fractions of a second are cut off.
    pub fn at(instant: DateTime<Utc>) -> Self {
        Slot(DateTime::from_timestamp(instant.timestamp(), 0).unwrap_or(DateTime::UNIX_EPOCH))
    }

    /// The instant.
    pub const fn instant(self) -> DateTime<Utc> {
        self.0
    }
}

/// `20261122T020000Z`: sortable, and safe in subjects and file names.
const SLOT_FORMAT: &str = "%Y%m%dT%H%M%SZ";

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format(SLOT_FORMAT))
    }
}

impl FromStr for Slot {
    type Err = chrono::ParseError;

    fn from_str(text: &str) -> Result<Self, chrono::ParseError> {
        chrono::NaiveDateTime::parse_from_str(text, SLOT_FORMAT).map(|slot| Slot(slot.and_utc()))
    }
}

impl TryFrom<String> for Slot {
    type Error = chrono::ParseError;

    fn try_from(text: String) -> Result<Self, chrono::ParseError> {
        text.parse()
    }
}

impl From<Slot> for String {
    fn from(slot: Slot) -> String {
        slot.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_read_back_from_its_name() {
        let slot: Slot = "20261122T020000Z".parse().expect("a slot's own form");
        assert_eq!(slot.to_string(), "20261122T020000Z");
        assert_eq!(slot.instant().to_rfc3339(), "2026-11-22T02:00:00+00:00");
    }
}
