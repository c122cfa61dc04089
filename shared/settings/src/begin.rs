use std::str::FromStr;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};

/// With which part of the log a destination begins that was not there before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Begin {
    /// With all that was ever staged.
    #[default]
    All,
    /// With what is staged from then on.
    Now,
    /// With what was staged at that time or later.
    Since(DateTime<Utc>),
}

/// A text that names no beginning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is none of \"all\", \"now\", a day (2026-11-22) and an instant (2026-11-22T08:00:00Z)"
)]
pub struct InvalidBegin(pub String);

impl FromStr for Begin {
    type Err = InvalidBegin;

    fn from_str(text: &str) -> Result<Self, InvalidBegin> {
        match text {
            "all" => return Ok(Begin::All),
            "now" => return Ok(Begin::Now),
            _ => {}
        }
        let day = text.parse::<NaiveDate>().map(|day| day.and_time(NaiveTime::MIN).and_utc());
        day.or_else(|_| text.parse::<DateTime<Utc>>())
            .map(Begin::Since)
            .map_err(|_| InvalidBegin(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_begins_with_all_with_now_or_at_a_time() {
        let instant = |text: &str| Begin::Since(text.parse().expect("an instant"));
        for (text, begin) in [
            ("all", Begin::All),
            ("now", Begin::Now),
            ("2026-11-22", instant("2026-11-22T00:00:00Z")),
            ("2026-11-22T08:00:00+01:00", instant("2026-11-22T07:00:00Z")),
        ] {
            assert_eq!(text.parse(), Ok(begin), "{text}");
        }
        for text in ["", "All", "yesterday", "2026-13-01"] {
            assert_eq!(text.parse::<Begin>(), Err(InvalidBegin(text.to_owned())));
        }
    }
}
