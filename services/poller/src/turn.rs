use chrono::{DateTime, TimeDelta, Utc};
use domain::{Slot, Timetable};

use crate::RunRecord;

/// A run that failed is tried again after this at the latest, also where the schedule's next slot is days away.
const RETRY_AFTER: TimeDelta = TimeDelta::minutes(5);

/// Why a schedule looks whether it is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// The process has just started: a run that had failed is tried at once, because what failed may have been mended.
    First,
    /// It was waited for.
    Later,
    /// A person asked for a run, whether one is due or not.
    Asked,
}

/// What a schedule does now on one site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It runs, for this slot.
    Run(Slot),
    /// It looks again at this time.
    Wait(DateTime<Utc>),
}

/// Whether it is a schedule's turn: nobody is at it, its slot has come, and the last failure is some time ago.
pub(crate) fn turn(
    record: &RunRecord,
    timetable: &Timetable,
    now: DateTime<Utc>,
    look: Look,
) -> Turn {
    if let Some(lease) = record.lease.as_ref().filter(|_| record.is_running(now)) {
        return Turn::Wait(lease.expires_at);
    }
    let due = match look {
        Look::First | Look::Later => timetable.slot_due(record.slot, now),
        Look::Asked => Some(timetable.latest(now)),
    };
    let Some(slot) = due else { return Turn::Wait(timetable.next_run(now)) };
    match retry_at(record, timetable, now) {
        Some(retry_at) if look == Look::Later => Turn::Wait(retry_at),
        _ => Turn::Run(slot),
    }
}

/// When a run that failed is tried again: at the next slot or in five minutes, whichever comes first.
fn retry_at(
    record: &RunRecord,
    timetable: &Timetable,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    record.failure.as_ref()?;
    let failed_at = record.finished_at.filter(|failed_at| *failed_at <= now)?;
    let retry_at = timetable.next_run(failed_at).min(failed_at + RETRY_AFTER);
    (retry_at > now).then_some(retry_at)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono_tz::Tz;
    use domain::Period;

    use super::*;
    use crate::Lease;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("an instant")
    }

    fn nightly() -> Timetable {
        let day: Period = "1d".parse().expect("a period");
        let two = chrono::NaiveTime::from_hms_opt(2, 0, 0);
        Timetable::new(day, two, Tz::UTC).expect("whole days")
    }

    fn record() -> RunRecord {
        RunRecord::new("night", &"support.example.com".parse().expect("a host"))
    }

    fn ran(slot: &str) -> RunRecord {
        RunRecord { slot: Some(Slot::at(at(slot))), ..record() }
    }

    const NOW: &str = "2026-11-22T12:00:00Z";

    fn looked(record: &RunRecord, look: Look) -> Turn {
        turn(record, &nightly(), at(NOW), look)
    }

    #[test]
    fn what_never_ran_and_what_was_missed_runs_at_once_and_for_the_newest_slot() {
        let newest = Turn::Run(Slot::at(at("2026-11-22T02:00:00Z")));
        assert_eq!(looked(&record(), Look::First), newest);
        assert_eq!(looked(&ran("2026-11-10T02:00:00Z"), Look::First), newest);
    }

    #[test]
    fn what_ran_waits_for_its_next_time_unless_a_person_asks() {
        let ran = ran("2026-11-22T02:00:00Z");
        assert_eq!(looked(&ran, Look::First), Turn::Wait(at("2026-11-23T02:00:00Z")));
        assert_eq!(looked(&ran, Look::Asked), Turn::Run(Slot::at(at("2026-11-22T02:00:00Z"))));
    }

    #[test]
    fn a_run_that_goes_on_is_not_started_again_until_its_lease_is_over() {
        let held = |secs: i64| RunRecord {
            lease: Some(Lease {
                holder: "another".to_owned(),
                expires_at: at(NOW) + TimeDelta::seconds(secs),
            }),
            ..record()
        };
        for look in [Look::First, Look::Later, Look::Asked] {
            assert_eq!(looked(&held(20), look), Turn::Wait(at("2026-11-22T12:00:20Z")));
            assert!(matches!(looked(&held(0), look), Turn::Run(_)));
        }
        let written_by_a_wrong_clock = held(86_400);
        assert!(matches!(looked(&written_by_a_wrong_clock, Look::First), Turn::Run(_)));
    }

    #[test]
    fn a_failed_run_is_tried_again_after_five_minutes_and_at_once_after_a_start() {
        let failed = |finished_at: &str| RunRecord {
            failure: Some("the appliance does not answer".to_owned()),
            finished_at: Some(at(finished_at)),
            ..ran("2026-11-21T02:00:00Z")
        };
        let fresh = failed("2026-11-22T11:58:00Z");
        assert_eq!(looked(&fresh, Look::Later), Turn::Wait(at("2026-11-22T12:03:00Z")));
        assert!(matches!(looked(&fresh, Look::First), Turn::Run(_)));
        assert!(matches!(looked(&failed("2026-11-22T11:55:00Z"), Look::Later), Turn::Run(_)));
    }

    #[test]
    fn a_schedule_of_a_minute_tries_again_at_its_next_slot() {
        let minute = Period::from_secs(Duration::from_mins(1).as_secs()).expect("a period");
        let minutely = Timetable::new(minute, None, Tz::UTC).expect("a timetable");
        let failed = RunRecord {
            failure: Some("down".to_owned()),
            finished_at: Some(at("2026-11-22T12:00:10Z")),
            ..ran("2026-11-22T11:59:00Z")
        };
        let told = turn(&failed, &minutely, at("2026-11-22T12:00:20Z"), Look::Later);
        assert_eq!(told, Turn::Wait(at("2026-11-22T12:01:00Z")));
    }
}
