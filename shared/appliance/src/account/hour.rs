use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

const MINUTE_SECS: i64 = 60;
/// How long a grant may be drawn on.
pub(crate) const GRANT_LIFE: Duration = Duration::from_secs(60);
/// A minute's grants count until the last request that may have been sent on them is an hour old.
const COUNTS_SECS: i64 = MINUTE_SECS + GRANT_LIFE.as_secs() as i64 + 3600;
/// Grants are so many to an hour that what one process leaves unused is little of it.
const GRANTS_PER_HOUR: u32 = 256;
const GRANT_MAX: u32 = 64;

/// What was granted of the hour's requests, minute by minute.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HourUse {
    #[serde(default)]
    minutes: Vec<(i64, u32)>,
}

/// Requests that one process may send until the grant's end, which is [`GRANT_LIFE`] after it was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Grant {
    /// The minute that it counts in.
    pub minute: i64,
    pub requests: u32,
}

impl HourUse {
    /// How many requests of the hour before `now` are granted.
    pub fn granted(&self, now: DateTime<Utc>) -> u32 {
        let counts = |minute: &i64| *minute * MINUTE_SECS + COUNTS_SECS > now.timestamp();
        let minutes = self.minutes.iter().filter(|(minute, _)| counts(minute));
        minutes.fold(0, |sum, (_, granted)| sum.saturating_add(*granted))
    }

    /// Some dozens of requests, or what is left; or how long nothing is. What a former grant left unused goes back.
    pub fn grant(
        &mut self,
        now: DateTime<Utc>,
        unused: Grant,
        per_hour: u32,
    ) -> Result<Grant, Duration> {
        let this_minute = now.timestamp().div_euclid(MINUTE_SECS);
        for (minute, granted) in &mut self.minutes {
            if *minute == unused.minute {
                *granted = granted.saturating_sub(unused.requests);
            }
            // Written under a clock that was ahead: it would count for ever.
            *minute = (*minute).min(this_minute);
        }
        self.minutes.retain(|(minute, granted)| {
            *granted > 0 && *minute * MINUTE_SECS + COUNTS_SECS > now.timestamp()
        });
        let left = per_hour.saturating_sub(self.granted(now));
        if left == 0 {
            let oldest = self.minutes.iter().map(|(minute, _)| *minute).min();
            let free_at = oldest.unwrap_or(this_minute) * MINUTE_SECS + COUNTS_SECS;
            let free_at = DateTime::from_timestamp(free_at, 0).unwrap_or(now);
            let wait = (free_at - now).max(TimeDelta::seconds(1));
            return Err(wait.to_std().unwrap_or_default());
        }
        let requests = (per_hour / GRANTS_PER_HOUR).clamp(1, GRANT_MAX).min(left);
        match self.minutes.iter_mut().find(|(minute, _)| *minute == this_minute) {
            Some((_, granted)) => *granted += requests,
            None => self.minutes.push((this_minute, requests)),
        }
        Ok(Grant { minute: this_minute, requests })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NONE: Grant = Grant { minute: 0, requests: 0 };

    fn at(secs: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_363_200 + secs, 0).expect("an instant")
    }

    #[test]
    fn a_grant_is_some_dozens_and_never_more_than_is_left() {
        for (per_hour, wanted) in [(15_000, 58), (1_000_000, 64), (100, 1), (1, 1)] {
            let granted = HourUse::default().grant(at(0), NONE, per_hour).expect("all is left");
            assert_eq!(granted.requests, wanted, "{per_hour}");
        }
        let mut hour = HourUse::default();
        let all: u32 = std::iter::from_fn(|| hour.grant(at(0), NONE, 15_000).ok())
            .map(|one| one.requests)
            .sum();
        assert_eq!(all, 15_000);
    }

    #[test]
    fn what_is_used_up_is_free_again_when_its_last_request_is_an_hour_old() {
        let mut hour = HourUse::default();
        hour.grant(at(10), NONE, 1).expect("all is left");
        assert_eq!(hour.grant(at(20), NONE, 1), Err(Duration::from_secs(3700)));
        assert!(hour.grant(at(3719), NONE, 1).is_err());
        hour.grant(at(3720), NONE, 1).expect("it is free again");
    }

    #[test]
    fn what_was_not_used_goes_back() {
        let mut hour = HourUse::default();
        let grant = hour.grant(at(0), NONE, 15_000).expect("all is left");
        hour.grant(at(100), Grant { requests: 50, ..grant }, 15_000).expect("much is left");
        assert_eq!(hour.granted(at(100)), 58 - 50 + 58);
    }

    #[test]
    fn a_clock_that_was_ahead_blocks_nobody_for_longer_than_an_hour() {
        let mut hour = HourUse::default();
        hour.grant(at(86_400), NONE, 1).expect("all is left");
        assert!(hour.grant(at(0), NONE, 1).is_err());
        hour.grant(at(3720), NONE, 1).expect("it counts from when it was found");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_hour_sees_more_than_its_share_however_late_in_its_life_a_grant_is_used(
            per_hour in 1u32..2_000,
            asks in prop::collection::vec((0i64..300, 0i64..60), 1..300),
        ) {
            let (mut hour, mut now, mut sent) = (HourUse::default(), 0, Vec::new());
            for (pause, late) in asks {
                now += pause;
                if let Ok(grant) = hour.grant(at(now), NONE, per_hour) {
                    sent.push((now + late, grant.requests));
                }
            }
            sent.sort();
            for (index, (begin, _)) in sent.iter().enumerate() {
                let within = sent[index..].iter().take_while(|(other, _)| other - begin < 3600);
                prop_assert!(within.map(|(_, requests)| requests).sum::<u32>() <= per_hour);
            }
        }
    }
}
