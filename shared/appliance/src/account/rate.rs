use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// A second as the appliance may measure it: what leaves a second apart arrives closer together by as much as the first
/// is held up, here, on the way or there. With a tenth to spare, a busy machine met one 429 among 4,562 requests.
const SECOND_NANOS: u64 = 1_250_000_000;
/// How far ahead is booked. What a killed process had booked and not sent is lost, and that is at most so much.
const HORIZON: Duration = Duration::from_millis(250);
/// Nobody books further ahead: such a time was written under a clock that was wrong.
const SANE_MAX: TimeDelta = TimeDelta::seconds(10);

/// So many in any second, for all who share it: the time up to which everything is booked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rate {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    booked_until: Option<DateTime<Utc>>,
}

/// Places in time: the first, and one more after each further `every`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Booking {
    pub first: DateTime<Utc>,
    pub every: Duration,
    pub count: u32,
}

impl Rate {
    /// A rate of which a whole second is booked: what was sent in the last one is not known.
    pub fn paused(now: DateTime<Utc>) -> Self {
        Rate { booked_until: Some(now + TimeDelta::nanoseconds(SECOND_NANOS as i64)) }
    }

    /// Books up to `wanted` places, at least one, so far apart that no second sees more than `per_second` of them, even if
    /// some are held up a little; or tells how long nobody can book any.
    pub fn book(
        &mut self,
        now: DateTime<Utc>,
        wanted: u32,
        per_second: u32,
    ) -> Result<Booking, Duration> {
        let every = Duration::from_nanos(SECOND_NANOS / u64::from(per_second.max(1)));
        self.book_each(now, wanted, every)
    }

    /// Books up to `wanted` places, at least one, so far apart; or tells how long nobody can book any.
    pub fn book_each(
        &mut self,
        now: DateTime<Utc>,
        wanted: u32,
        every: Duration,
    ) -> Result<Booking, Duration> {
        let booked_until = self.booked_until.filter(|until| *until <= now + SANE_MAX);
        let first = booked_until.map_or(now, |until| until.max(now));
        let ahead = (first - now).to_std().unwrap_or_default();
        if ahead > HORIZON {
            return Err(ahead - HORIZON);
        }
        let at_once = HORIZON.as_nanos() / every.as_nanos().max(1);
        let count = wanted.clamp(1, u32::try_from(at_once).unwrap_or(u32::MAX).max(1));
        self.booked_until = Some(first + every * count);
        Ok(Booking { first, every, count })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_795_363_200_000 + millis).expect("an instant")
    }

    #[test]
    fn places_follow_each_other_whoever_books_them() {
        let mut rate = Rate::default();
        let every = Duration::from_micros(62_500);
        let first = rate.book(at(0), 100, 20).expect("nothing is booked");
        assert_eq!(first, Booking { first: at(0), every, count: 4 });
        let second = rate.book(at(10), 1, 20).expect("it is near");
        assert_eq!(second, Booking { first: at(250), every, count: 1 });
        assert_eq!(rate.book(at(10), 1, 20), Err(Duration::from_micros(52_500)));
        let later = rate.book(at(5_000), 1, 20).expect("nothing is booked any more");
        assert_eq!(later.first, at(5_000));
    }

    #[test]
    fn one_a_second_is_one_a_second() {
        let mut rate = Rate::default();
        assert_eq!(rate.book(at(0), 5, 1).expect("nothing is booked").count, 1);
        assert_eq!(rate.book(at(100), 5, 1), Err(Duration::from_millis(900)));
        assert_eq!(rate.book(at(1_050), 5, 1).expect("it is near").first, at(1_250));
    }

    #[test]
    fn a_time_that_a_wrong_clock_wrote_blocks_nobody() {
        let mut rate = Rate { booked_until: Some(at(3_600_000)) };
        assert_eq!(rate.book(at(0), 1, 20).expect("it is ignored").first, at(0));
        assert!(Rate::paused(at(0)).book(at(0), 1, 20).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_second_sees_more_than_its_share_and_little_is_lost(
            per_second in 1u32..400,
            asks in prop::collection::vec((0i64..400, 1u32..50), 1..200),
        ) {
            let (mut rate, mut places, mut now) = (Rate::default(), Vec::new(), at(0));
            let mut idle = false;
            for (millis, wanted) in asks {
                now += TimeDelta::milliseconds(millis);
                if let Ok(booking) = rate.book(now, wanted, per_second) {
                    idle |= places.last().is_some_and(|last| booking.first > *last + booking.every + TimeDelta::milliseconds(1));
                    for index in 0..booking.count {
                        places.push(booking.first + booking.every * index);
                    }
                }
            }
            for (index, place) in places.iter().enumerate() {
                let within = places[index..].iter().take_while(|other| **other - *place < TimeDelta::milliseconds(1_200));
                prop_assert!(within.count() <= per_second as usize);
            }
            if let (Some(first), Some(last), false) = (places.first(), places.last(), idle) {
                let secs = (*last - *first).as_seconds_f64();
                prop_assert!(places.len() as f64 >= secs * f64::from(per_second) / 1.26);
            }
        }
    }
}
