//! When a schedule runs: decided from its period, its time of day and `now`, never from a counter.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone as _, Utc};
use chrono_tz::Tz;

use crate::Slot;

const SECS_PER_DAY: u32 = 86_400;

/// A Monday, so that weekly schedules run on Mondays.
const FIRST_DAY: NaiveDate = match NaiveDate::from_ymd_opt(1970, 1, 5) {
    Some(day) => day,
    None => NaiveDate::MIN,
};

/// The longest stretch of local time that a zone ever left out was a day (Samoa, 2011).
const GAP_MINUTES_MAX: i64 = 2 * 24 * 60;

/// How often a schedule runs: 1 minute to 7 days, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(u32);

/// Why a text or a number is not a period.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPeriod {
    /// The text is not a length of time at all.
    #[error(transparent)]
    Duration(InvalidDuration),
    /// It is one, but nothing runs so often or so seldom.
    #[error("a schedule runs every 1m to 7d, not every {}", format_duration(Duration::from_secs(*.secs)))]
    OutOfRange {
        /// The length asked for.
        secs: u64,
    },
}

/// A text that is no length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no length of time: a whole number and s, m, h or d is, such as \"90s\", \"5m\", \"24h\" or \"7d\""
)]
pub struct InvalidDuration(pub String);

/// A length of time as settings write it: `90s`, `5m`, `24h`, `7d`.
///
/// # Errors
/// When the text is anything else, or longer than time can count.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    let invalid = || InvalidDuration(text.to_owned());
    let split = text.len().checked_sub(1).ok_or_else(invalid)?;
    let (digits, unit) = text.split_at_checked(split).ok_or_else(invalid)?;
    let secs_per_unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => u64::from(SECS_PER_DAY),
        _ => return Err(invalid()),
    };
    // `parse` alone would take a leading plus.
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(invalid());
    }
    let count: u64 = digits.parse().map_err(|_| invalid())?;
    let secs = count.checked_mul(secs_per_unit).ok_or_else(invalid)?;
    Ok(Duration::from_secs(secs))
}

/// A length of time as settings write it, in the largest unit that divides it; fractions of a second are cut off.
pub fn format_duration(length: Duration) -> String {
    let secs = length.as_secs();
    let units = [(u64::from(SECS_PER_DAY), 'd'), (3_600, 'h'), (60, 'm')];
    let (size, unit) = units
        .into_iter()
        .find(|(size, _)| secs > 0 && secs.is_multiple_of(*size))
        .unwrap_or((1, 's'));
    format!("{}{unit}", secs / size)
}

impl Period {
    /// The shortest: 1 minute.
    pub const SECS_MIN: u32 = 60;
    /// The longest: 7 days.
    pub const SECS_MAX: u32 = 7 * SECS_PER_DAY;

    /// A period of that many seconds.
    ///
    /// # Errors
    /// When it is shorter than a minute or longer than 7 days.
    pub fn from_secs(secs: u64) -> Result<Self, InvalidPeriod> {
        u32::try_from(secs)
            .ok()
            .filter(|secs| (Self::SECS_MIN..=Self::SECS_MAX).contains(secs))
            .map(Period)
            .ok_or(InvalidPeriod::OutOfRange { secs })
    }

    /// Its length in seconds.
    pub const fn as_secs(self) -> u32 {
        self.0
    }

    /// Its length.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }

    /// How many days it is, if it is a whole number of them: then it runs at a time of day.
    pub const fn whole_days(self) -> Option<u32> {
        match self.0 % SECS_PER_DAY {
            0 => Some(self.0 / SECS_PER_DAY),
            _ => None,
        }
    }
}

impl FromStr for Period {
    type Err = InvalidPeriod;

    fn from_str(text: &str) -> Result<Self, InvalidPeriod> {
        let length = parse_duration(text).map_err(InvalidPeriod::Duration)?;
        Period::from_secs(length.as_secs())
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format_duration(self.duration()))
    }
}

/// A time of day goes only with a whole number of days.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a time of day goes with a whole number of days, not with every {period}")]
pub struct TimeWithoutDays {
    /// The period that it came with.
    pub period: Period,
}

/// The instants at which a schedule runs. They follow from the settings alone, so that a restart, a second
/// process or a lost record changes none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timetable(Rhythm);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rhythm {
    /// The multiples of so many seconds since 1970-01-01T00:00:00Z.
    Multiples { secs: i64 },
    /// A local time on every so-many-th day, counted from [`FIRST_DAY`].
    Days { every: i64, at: NaiveTime, time_zone: Tz },
}

impl Timetable {
    /// The timetable of a period. Whole days without a time of day run at midnight of the time zone.
    ///
    /// # Errors
    /// When a time of day comes with a period that is not a whole number of days.
    pub fn new(
        period: Period,
        at: Option<NaiveTime>,
        time_zone: Tz,
    ) -> Result<Self, TimeWithoutDays> {
        match (period.whole_days(), at) {
            (Some(days), at) => Ok(Timetable(Rhythm::Days {
                every: i64::from(days),
                at: at.unwrap_or(NaiveTime::MIN),
                time_zone,
            })),
            (None, None) => Ok(Timetable(Rhythm::Multiples { secs: i64::from(period.as_secs()) })),
            (None, Some(_)) => Err(TimeWithoutDays { period }),
        }
    }

    /// Whether it runs at a time of day; such a schedule's routes are open only while a run lasts.
    pub const fn is_day_sized(&self) -> bool {
        matches!(self.0, Rhythm::Days { .. })
    }

    /// The first run after this instant.
    pub fn next_run(&self, after: DateTime<Utc>) -> DateTime<Utc> {
        let next = match self.0 {
            Rhythm::Multiples { secs } => multiple(after, secs, 1),
            Rhythm::Days { every, at, time_zone } => {
                let today = after.with_timezone(&time_zone).date_naive();
                // A slot that a clock change moved may fall on the day after its own.
                (-1..=every + 1)
                    .filter_map(|offset| slot_of_day(day(today, offset)?, every, at, time_zone))
                    .find(|slot| *slot > after)
            }
        };
        next.unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// The newest slot at or before this instant, whether it was run or not.
    pub fn latest(&self, now: DateTime<Utc>) -> Slot {
        let latest = match self.0 {
            Rhythm::Multiples { secs } => multiple(now, secs, 0),
            Rhythm::Days { every, at, time_zone } => {
                let today = now.with_timezone(&time_zone).date_naive();
                (-1..=every + 1)
                    .filter_map(|back| slot_of_day(day(today, -back)?, every, at, time_zone))
                    .find(|slot| *slot <= now)
            }
        };
        Slot::at(latest.unwrap_or(DateTime::<Utc>::MIN_UTC))
    }

    /// The slot to run now, if there is one: the newest that has come and was not run.
    ///
    /// A slot that a later one has overtaken is never run, so an outage of a week is one run and not
    /// thousands. A timetable that never ran is due at once; one that is to wait for its time instead takes
    /// [`Timetable::latest`] of its first sight as its last. A last slot beyond the next one was written
    /// under a clock that was wrong: it holds nothing back.
    pub fn slot_due(&self, last: Option<Slot>, now: DateTime<Utc>) -> Option<Slot> {
        let newest = self.latest(now);
        match last {
            Some(last) if last.instant() > self.next_run(now) => Some(newest),
            Some(last) if last >= newest => None,
            Some(_) | None => Some(newest),
        }
    }
}

/// The multiple of `secs` at or before `instant`, or that many `steps` further.
fn multiple(instant: DateTime<Utc>, secs: i64, steps: i64) -> Option<DateTime<Utc>> {
    let count = instant.timestamp().div_euclid(secs) + steps;
    DateTime::from_timestamp(count.checked_mul(secs)?, 0)
}

fn day(today: NaiveDate, offset: i64) -> Option<NaiveDate> {
    let days = Days::new(offset.unsigned_abs());
    match offset < 0 {
        true => today.checked_sub_days(days),
        false => today.checked_add_days(days),
    }
}

/// The run of this local day, if it is one of every so many.
fn slot_of_day(day: NaiveDate, every: i64, at: NaiveTime, time_zone: Tz) -> Option<DateTime<Utc>> {
    let count = day.signed_duration_since(FIRST_DAY).num_days();
    if count.rem_euclid(every) != 0 {
        return None;
    }
    let wanted = day.and_time(at);
    // `earliest` takes the first of a doubled time; a skipped one has none, and the next minute is tried.
    (0..=GAP_MINUTES_MAX).find_map(|minutes| {
        let local = wanted.checked_add_signed(TimeDelta::minutes(minutes))?;
        let instant = time_zone.from_local_datetime(&local).earliest()?;
        Some(instant.to_utc())
    })
}

#[cfg(test)]
mod tests;
