use chrono::{DateTime, TimeDelta, Utc};

use crate::ApplianceTime;

/// A second look at a report: it can be incomplete when its session has just ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Look {
    /// After an hour.
    Hour,
    /// After a day.
    Day,
}

/// An end that was announced, and the report that was staged for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looked {
    /// When the announcement stood in the log, by the log's clock.
    pub announced_at: DateTime<Utc>,
    /// The appliance's clock at the listing that showed the end, where the announcement tells it.
    pub noticed_at: Option<ApplianceTime>,
    /// When the report was staged, by the log's clock.
    pub staged_at: DateTime<Utc>,
    /// When the session ended, by the appliance's clock, as its report says.
    pub ended: Option<ApplianceTime>,
}

impl Look {
    /// Both, in their order.
    pub const ALL: [Look; 2] = [Look::Hour, Look::Day];

    /// What its Again is told apart by.
    pub const fn ask(self) -> &'static str {
        match self {
            Look::Hour => "look-1h",
            Look::Day => "look-24h",
        }
    }

    /// How long after the end it is.
    pub const fn after(self) -> TimeDelta {
        match self {
            Look::Hour => TimeDelta::hours(1),
            Look::Day => TimeDelta::hours(24),
        }
    }

    /// A clock that was set on between the end and the listing makes a session seem older than it is; the last look is
    /// spared only those that are old beyond doubt.
    const fn doubt(self) -> TimeDelta {
        match self {
            Look::Hour => TimeDelta::zero(),
            Look::Day => TimeDelta::hours(12),
        }
    }

    /// Announcements up to this instant of the log's clock are to be looked at again.
    pub fn due_before(self, now: DateTime<Utc>) -> DateTime<Utc> {
        now - self.after()
    }

    /// Whether the report is to be fetched once more: it was staged before the time of this look.
    ///
    /// Two clocks are never compared: how old the session was when it was noticed is told by the appliance's, how long
    /// the staging took after that by the log's.
    pub fn is_needed(self, looked: &Looked) -> bool {
        let age_at_notice = match (looked.noticed_at, looked.ended) {
            (Some(noticed_at), Some(ended)) => noticed_at.instant() - ended.instant(),
            _ => TimeDelta::zero(),
        };
        let since_notice = looked.staged_at - looked.announced_at;
        let age = age_at_notice.max(TimeDelta::zero()) + since_notice.max(TimeDelta::zero());
        age < self.after() + self.doubt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("an instant")
    }

    /// Announced at noon; the appliance's clock is two hours ahead.
    fn looked(ended: &str, staged_at: &str) -> Looked {
        Looked {
            announced_at: at("2026-11-22T12:00:00Z"),
            noticed_at: Some(ApplianceTime::read_off(at("2026-11-22T14:00:00Z"))),
            staged_at: at(staged_at),
            ended: Some(ApplianceTime::read_off(at(ended))),
        }
    }

    #[test]
    fn what_was_staged_at_once_is_looked_at_twice_whatever_the_appliances_clock_shows() {
        let fresh = looked("2026-11-22T13:59:00Z", "2026-11-22T12:00:05Z");
        assert!(Look::ALL.into_iter().all(|look| look.is_needed(&fresh)));
        let set_back_since = looked("2026-11-22T15:30:00Z", "2026-11-22T12:00:05Z");
        assert!(Look::ALL.into_iter().all(|look| look.is_needed(&set_back_since)));
    }

    #[test]
    fn what_was_staged_late_is_looked_at_as_often_as_it_was_early() {
        let needed = |looked: Looked| Look::ALL.map(|look| look.is_needed(&looked));
        let after_an_hour = looked("2026-11-22T13:59:00Z", "2026-11-22T13:00:00Z");
        assert_eq!(needed(after_an_hour), [false, true]);
        let noticed_after_two_hours = looked("2026-11-22T12:00:00Z", "2026-11-22T12:00:05Z");
        assert_eq!(needed(noticed_after_two_hours), [false, true]);
        let of_the_first_run = looked("2026-10-01T12:00:00Z", "2026-11-22T12:00:05Z");
        assert_eq!(needed(of_the_first_run), [false, false]);
    }
}
