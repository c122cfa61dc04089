use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::CLOCKS_DIFFER;
use super::hour::HourUse;
use super::login::{ForbiddenLogin, Login, RefusedSecret};
use super::permits::Permits;
use super::rate::{Booking, Rate};

/// The budget is counted by the hour: nothing is worth a longer wait.
const CLOSED_MAX: TimeDelta = TimeDelta::hours(1);
/// What is waited when nothing remains of the hour's budget; when it is filled again is not told.
const EMPTY_WAIT: TimeDelta = TimeDelta::seconds(60);
/// From so many seconds' worth of requests down, what remains of the hour is counted down by everybody.
const LOW_SECS: u32 = 5;
/// What was told of the hour's last requests is not believed before it is so old: what left earlier than the request that
/// it answers may come to be counted later.
const SETTLED: TimeDelta = TimeDelta::milliseconds(500);
/// A token that replaced a refused one and is refused itself is not replaced before it is so old.
const TOKEN_YOUNG: TimeDelta = TimeDelta::seconds(60);

/// What is known of an API account and has to outlive the server that keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lasting {
    #[serde(default)]
    pub(crate) hour: HourUse,
    #[serde(default)]
    pub(crate) login: Option<Login>,
    #[serde(default)]
    pub(crate) untold: u32,
    #[serde(default)]
    pub(crate) refused: Vec<RefusedSecret>,
    #[serde(default)]
    pub(crate) forbidden: Option<ForbiddenLogin>,
}

/// What is known of an API account for the moment; when it is lost, it is begun anew.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passing {
    #[serde(default)]
    requests: Rate,
    /// How many requests were booked since the record was begun.
    #[serde(default)]
    booked: u64,
    #[serde(default)]
    pub(crate) bytes: Rate,
    #[serde(default)]
    closed_until: Option<DateTime<Utc>>,
    #[serde(default)]
    remaining: Option<Remaining>,
    #[serde(default)]
    pub(crate) downloads: Permits,
    #[serde(default)]
    pub(crate) token: Option<SealedToken>,
}

/// What the appliance said that remains of the hour, in answer to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Remaining {
    /// The request's number. Those that were booked after it are not in what was told.
    number: u64,
    requests: u32,
    since: DateTime<Utc>,
}

/// The account's token, sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SealedToken {
    pub sealed: String,
    pub issued_at: DateTime<Utc>,
    /// When it is to be renewed, some time before its end.
    pub renew_at: DateTime<Utc>,
    /// Whether it took the place of one that was refused before its time, and nobody has seen it accepted yet.
    pub follows_refusal: bool,
}

/// What there is of a token, for one who needs one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenTurn<'a> {
    /// This one is good as far as is known.
    Use(&'a SealedToken),
    /// Somebody has to log in.
    LogIn,
    /// A token that has just replaced a refused one is refused, too: another login would not help.
    Hopeless,
}

impl Passing {
    /// Where nothing is known: others may have sent requests just before.
    pub(crate) fn unknown(now: DateTime<Utc>) -> Self {
        Passing { requests: Rate::paused(now), ..Passing::default() }
    }

    /// Books requests, and gives the number of the first; or tells how long nobody can.
    pub(crate) fn book(
        &mut self,
        now: DateTime<Utc>,
        wanted: u32,
        per_second: u32,
    ) -> Result<(Booking, u64), Duration> {
        let sane = now + CLOSED_MAX + CLOCKS_DIFFER;
        let closed = self.closed_until.filter(|until| *until > now && *until <= sane);
        if let Some(until) = closed {
            return Err((until - now).to_std().unwrap_or_default());
        }
        let left = self.remaining.map(|remaining| {
            let later = self.booked.saturating_sub(remaining.number);
            u64::from(remaining.requests).saturating_sub(later)
        });
        let wanted = match (left, &mut self.remaining) {
            (Some(0), Some(remaining)) => {
                let wait = remaining.since + EMPTY_WAIT - now;
                if wait > TimeDelta::zero() && wait <= EMPTY_WAIT + CLOCKS_DIFFER {
                    return Err(wait.to_std().unwrap_or_default());
                }
                // One asks how things stand, and the others wait for what it is told.
                remaining.since = now;
                1
            }
            (Some(left), Some(remaining)) => {
                let settles = remaining.since + SETTLED - now;
                // As many may be under way and not be counted.
                let few = left <= u64::from(per_second / 4) + 1;
                if few && settles > TimeDelta::zero() && settles <= SETTLED {
                    return Err(settles.to_std().unwrap_or_default());
                }
                wanted.min(u32::try_from(left).unwrap_or(u32::MAX))
            }
            _ => wanted,
        };
        let booking = self.requests.book(now, wanted, per_second)?;
        let first = self.booked + 1;
        self.booked += u64::from(booking.count);
        Ok((booking, first))
    }

    /// Lets nobody send a request for so long: the appliance said so.
    pub(crate) fn close(&mut self, now: DateTime<Utc>, wait: Duration) {
        let until = now + wait;
        self.closed_until = self.closed_until.max(Some(until));
    }

    /// Whether it matters that the appliance says that so many requests remain.
    pub(crate) fn minds(&self, requests: u32, per_second: u32) -> bool {
        requests < per_second.saturating_mul(LOW_SECS) || self.remaining.is_some()
    }

    /// The appliance said, in answer to the request with this number, that so many requests remain of the hour.
    pub(crate) fn told_remaining(
        &mut self,
        now: DateTime<Utc>,
        (number, requests): (u64, u32),
        per_second: u32,
    ) {
        if let Some(told) = &mut self.remaining
            && told.number > number
            && told.number <= self.booked
        {
            // It was overtaken on its way, and both are counted now.
            if requests < told.requests {
                (told.requests, told.since) = (requests, now);
            }
            return;
        }
        let low = requests < per_second.saturating_mul(LOW_SECS);
        self.remaining = low.then_some(Remaining { number, requests, since: now });
    }

    /// What to do for a token; `refused` is the one that the appliance has just refused.
    pub(crate) fn token_turn(&self, refused: Option<&str>, now: DateTime<Utc>) -> TokenTurn<'_> {
        match &self.token {
            Some(token) if refused == Some(token.sealed.as_str()) => {
                let age = now - token.issued_at;
                let young = age >= TimeDelta::zero() && age < TOKEN_YOUNG;
                match token.follows_refusal && young {
                    true => TokenTurn::Hopeless,
                    false => TokenTurn::LogIn,
                }
            }
            Some(token) if token.renew_at > now && token.issued_at <= now + TOKEN_YOUNG => {
                TokenTurn::Use(token)
            }
            _ => TokenTurn::LogIn,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_363_200 + secs, 0).expect("an instant")
    }

    fn token(sealed: &str, follows_refusal: bool) -> SealedToken {
        let (issued_at, renew_at) = (at(0), at(3540));
        SealedToken { sealed: sealed.to_owned(), issued_at, renew_at, follows_refusal }
    }

    #[test]
    fn when_the_appliance_says_wait_everybody_waits() {
        let mut passing = Passing::default();
        passing.close(at(0), Duration::from_secs(17));
        passing.close(at(0), Duration::from_secs(5));
        assert_eq!(passing.book(at(7), 1, 20), Err(Duration::from_secs(10)));
        passing.book(at(17), 1, 20).expect("the wait is over");
        let mut ahead = Passing { closed_until: Some(at(86_400)), ..Passing::default() };
        ahead.book(at(0), 1, 20).expect("a clock that was ahead blocks nobody");
    }

    #[test]
    fn the_last_requests_of_the_hour_are_counted_down_by_all() {
        let mut passing = Passing::default();
        assert!(!passing.minds(1_000, 20) && passing.minds(99, 20));
        let (booking, first) = passing.book(at(0), 4, 20).expect("nothing is known");
        assert_eq!((booking.count, first), (4, 1));
        // Two of the four are under way as the second is answered.
        passing.told_remaining(at(1), (2, 5), 20);
        assert_eq!(passing.book(at(1), 10, 20), Err(Duration::from_millis(500)));
        assert_eq!(passing.book(at(2), 10, 20).expect("three are left").0.count, 3);
        passing.told_remaining(at(2), (1, 6), 20);
        assert_eq!(passing.book(at(3), 1, 20), Err(Duration::from_secs(58)));
        // The seventh's answer: somebody else had less than was feared.
        passing.told_remaining(at(4), (7, 2), 20);
        assert_eq!(passing.book(at(5), 10, 20).expect("two are left").0.count, 2);
    }

    #[test]
    fn a_request_that_was_overtaken_on_its_way_is_counted_when_its_answer_comes() {
        let mut passing = Passing::default();
        passing.book(at(0), 4, 20).expect("nothing is known");
        // The third was counted before the first and the second.
        passing.told_remaining(at(1), (3, 5), 20);
        passing.told_remaining(at(1), (1, 4), 20);
        passing.told_remaining(at(1), (2, 3), 20);
        assert_eq!(passing.book(at(2), 10, 20).expect("the fourth is under way").0.count, 2);
    }

    #[test]
    fn an_empty_hour_is_asked_about_once_a_minute_by_one_request() {
        let mut passing = Passing::default();
        passing.told_remaining(at(0), (0, 0), 20);
        assert!(passing.book(at(59), 1, 20).is_err());
        let (one, number) = passing.book(at(60), 9, 20).expect("one asks");
        assert_eq!(one.count, 1);
        assert_eq!(passing.book(at(61), 9, 20), Err(Duration::from_secs(59)));
        let mut few = passing.clone();
        few.told_remaining(at(62), (number, 7), 20);
        assert_eq!(few.book(at(63), 3, 20).expect("some are left").0.count, 3);
        passing.told_remaining(at(62), (number, 14_999), 20);
        assert!(!passing.minds(14_998, 20), "nobody counts any more");
        passing.book(at(63), 9, 20).expect("the hour is full again");
    }

    #[test]
    fn a_token_is_used_until_its_time_or_its_refusal() {
        let none = Passing::default();
        assert_eq!(none.token_turn(None, at(0)), TokenTurn::LogIn);
        let held = Passing { token: Some(token("x", false)), ..Passing::default() };
        assert_eq!(held.token_turn(None, at(3539)), TokenTurn::Use(&token("x", false)));
        assert_eq!(held.token_turn(Some("older"), at(1)), TokenTurn::Use(&token("x", false)));
        assert_eq!(held.token_turn(None, at(3540)), TokenTurn::LogIn);
        assert_eq!(held.token_turn(Some("x"), at(1)), TokenTurn::LogIn);
    }

    #[test]
    fn an_appliance_that_refuses_each_token_is_asked_for_one_a_minute() {
        let held = Passing { token: Some(token("x", true)), ..Passing::default() };
        assert_eq!(held.token_turn(Some("x"), at(59)), TokenTurn::Hopeless);
        assert_eq!(held.token_turn(Some("x"), at(60)), TokenTurn::LogIn);
    }
}
