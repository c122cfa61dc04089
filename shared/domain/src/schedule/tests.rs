use super::*;

fn instant(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant of the test's own")
}

fn slot(text: &str) -> Slot {
    Slot::at(instant(text))
}

fn every(period: &str) -> Timetable {
    Timetable::new(period.parse().expect("a period"), None, Tz::UTC).expect("no time of day")
}

fn every_at(period: &str, at: (u32, u32), time_zone: Tz) -> Timetable {
    let at = NaiveTime::from_hms_opt(at.0, at.1, 0).expect("a time of day");
    Timetable::new(period.parse().expect("a period"), Some(at), time_zone).expect("whole days")
}

#[test]
fn a_period_is_read_back_from_its_text() {
    for text in ["1m", "90s", "5m", "1h", "36h", "1d", "7d"] {
        let period: Period = text.parse().expect("within the range");
        assert_eq!(period.to_string(), text);
    }
    let day: Period = "24h".parse().expect("a day");
    assert_eq!(day.to_string(), "1d");
    assert_eq!(day.whole_days(), Some(1));
}

#[test]
fn a_period_is_a_minute_to_seven_days() {
    for text in ["59s", "0m", "8d", "169h", "604801s"] {
        let refused = text.parse::<Period>();
        assert!(matches!(refused, Err(InvalidPeriod::OutOfRange { .. })), "{text}: {refused:?}");
    }
}

#[test]
fn what_is_no_length_of_time_is_refused() {
    for text in [
        "",
        "m",
        "5",
        "5 m",
        "+5m",
        "-5m",
        "1.5h",
        "5min",
        "1h30m",
        "5µ",
        "99999999999999999999s",
        "999999999999999999d",
    ] {
        assert!(parse_duration(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_period_below_a_day_runs_at_its_multiples() {
    let five = every("5m");
    let now = instant("2026-11-22T10:03:20Z");
    assert_eq!(five.next_run(now), instant("2026-11-22T10:05:00Z"));
    assert_eq!(five.latest(now), slot("2026-11-22T10:00:00Z"));
    let on_time = instant("2026-11-22T10:05:00Z");
    assert_eq!(five.next_run(on_time), instant("2026-11-22T10:10:00Z"));
    assert_eq!(five.latest(on_time), slot("2026-11-22T10:05:00Z"));
}

#[test]
fn a_day_runs_at_its_local_time() {
    let nightly = every_at("1d", (2, 0), Tz::Europe__Berlin);
    let winter = instant("2026-11-22T10:00:00Z");
    assert_eq!(nightly.next_run(winter), instant("2026-11-23T01:00:00Z"));
    assert_eq!(nightly.latest(winter), slot("2026-11-22T01:00:00Z"));
    let summer = instant("2026-07-22T10:00:00Z");
    assert_eq!(nightly.next_run(summer), instant("2026-07-23T00:00:00Z"));
}

#[test]
fn a_day_without_a_time_runs_at_midnight_of_the_zone() {
    let daily = Timetable::new("1d".parse().expect("a period"), None, Tz::America__New_York)
        .expect("whole days");
    let now = instant("2026-11-22T10:00:00Z");
    assert_eq!(daily.next_run(now), instant("2026-11-23T05:00:00Z"));
}

#[test]
fn a_week_runs_on_mondays_and_two_days_on_every_other() {
    let weekly = every_at("7d", (2, 0), Tz::UTC);
    let sunday = instant("2026-11-22T10:00:00Z");
    assert_eq!(weekly.next_run(sunday), instant("2026-11-23T02:00:00Z"));
    assert_eq!(weekly.latest(sunday), slot("2026-11-16T02:00:00Z"));

    let other_day = every_at("2d", (2, 0), Tz::UTC);
    let first = other_day.next_run(sunday);
    assert_eq!(other_day.next_run(first), first + TimeDelta::days(2));
    assert_eq!(other_day.latest(first), Slot::at(first));
}

#[test]
fn a_skipped_local_time_runs_at_the_next_minute_that_exists() {
    // Berlin, 2026-03-29: 02:00 to 03:00 does not exist.
    let nightly = every_at("1d", (2, 30), Tz::Europe__Berlin);
    let before = instant("2026-03-28T12:00:00Z");
    let skipped = nightly.next_run(before);
    assert_eq!(skipped, instant("2026-03-29T01:00:00Z"));
    assert_eq!(nightly.next_run(skipped), instant("2026-03-30T00:30:00Z"));
    assert_eq!(nightly.latest(skipped), Slot::at(skipped));
}

#[test]
fn a_doubled_local_time_runs_once() {
    // Berlin, 2026-10-25: 02:00 to 03:00 comes twice.
    let nightly = every_at("1d", (2, 30), Tz::Europe__Berlin);
    let first = nightly.next_run(instant("2026-10-24T12:00:00Z"));
    assert_eq!(first, instant("2026-10-25T00:30:00Z"));
    assert_eq!(nightly.next_run(first), instant("2026-10-26T01:30:00Z"));
    let second_pass = instant("2026-10-25T01:40:00Z");
    assert_eq!(nightly.slot_due(Some(Slot::at(first)), second_pass), None);
}

#[test]
fn a_day_that_a_zone_left_out_costs_one_run_at_most() {
    // Samoa had no 2011-12-30.
    let noon = every_at("1d", (12, 0), Tz::Pacific__Apia);
    let mut runs = vec![noon.next_run(instant("2011-12-28T23:00:00Z"))];
    for _ in 0..3 {
        runs.push(noon.next_run(runs[runs.len() - 1]));
    }
    assert_eq!(
        runs,
        [
            instant("2011-12-29T22:00:00Z"),
            instant("2011-12-30T10:00:00Z"),
            instant("2011-12-30T22:00:00Z"),
            instant("2011-12-31T22:00:00Z"),
        ]
    );
}

#[test]
fn a_slot_runs_once() {
    let five = every("5m");
    let now = instant("2026-11-22T10:03:20Z");
    let due = five.slot_due(None, now).expect("never ran");
    assert_eq!(due, slot("2026-11-22T10:00:00Z"));
    assert_eq!(five.slot_due(Some(due), now), None);
    let next = instant("2026-11-22T10:05:00Z");
    assert_eq!(five.slot_due(Some(due), next), Some(Slot::at(next)));
}

#[test]
fn after_an_outage_only_the_newest_slot_is_run() {
    let five = every("5m");
    let last = slot("2026-11-15T10:00:00Z");
    let now = instant("2026-11-22T10:03:20Z");
    assert_eq!(five.slot_due(Some(last), now), Some(slot("2026-11-22T10:00:00Z")));
    let nightly = every_at("1d", (2, 0), Tz::UTC);
    assert_eq!(nightly.slot_due(Some(last), now), Some(slot("2026-11-22T02:00:00Z")));
}

#[test]
fn a_clock_that_was_set_back_neither_repeats_a_slot_nor_stops_the_schedule() {
    let five = every("5m");
    let now = instant("2026-11-22T10:03:20Z");
    let just_run = slot("2026-11-22T10:05:00Z");
    assert_eq!(five.slot_due(Some(just_run), now), None);
    let from_a_wrong_clock = slot("2036-01-01T00:00:00Z");
    assert_eq!(five.slot_due(Some(from_a_wrong_clock), now), Some(slot("2026-11-22T10:00:00Z")));
}

#[test]
fn a_time_of_day_needs_whole_days() {
    let period: Period = "36h".parse().expect("a period");
    assert_eq!(
        Timetable::new(period, Some(NaiveTime::MIN), Tz::UTC),
        Err(TimeWithoutDays { period })
    );
}

#[test]
fn the_ends_of_time_do_not_panic() {
    for timetable in [every("5m"), every("7d")] {
        for end in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
            timetable.next_run(end);
            timetable.latest(end);
            timetable.slot_due(None, end);
        }
    }
}
