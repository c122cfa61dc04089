use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// How long a permit lasts without a sign of life from its holder: for so long the downloads of a killed process keep
/// others from beginning theirs.
pub(crate) const PERMIT_LIFE: Duration = Duration::from_secs(20);

/// Who may download at this moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Permits(Vec<Permit>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Permit {
    holder: String,
    until: DateTime<Utc>,
}

impl Permits {
    /// Whether the holder has one now: an expired one of somebody else is free.
    pub fn take(&mut self, holder: &str, now: DateTime<Utc>, permits_max: usize) -> bool {
        self.expire(now);
        let free = self.0.len() < permits_max;
        if free {
            self.0.push(Permit { holder: holder.to_owned(), until: now + PERMIT_LIFE });
        }
        free
    }

    /// Makes the holder's last on. One that was forgotten with the server's memory is there again: the download goes
    /// on, and the others should know.
    pub fn renew(&mut self, holder: &str, now: DateTime<Utc>) {
        self.release(holder);
        self.expire(now);
        self.0.push(Permit { holder: holder.to_owned(), until: now + PERMIT_LIFE });
    }

    /// Gives the holder's back.
    pub fn release(&mut self, holder: &str) {
        self.0.retain(|permit| permit.holder != holder);
    }

    /// How many are taken.
    pub fn taken(&self, now: DateTime<Utc>) -> usize {
        self.0.iter().filter(|permit| permit.lasts(now)).count()
    }

    fn expire(&mut self, now: DateTime<Utc>) {
        self.0.retain(|permit| permit.lasts(now));
    }
}

impl Permit {
    /// One that lasts longer than permits do was written under a clock that was wrong.
    fn lasts(&self, now: DateTime<Utc>) -> bool {
        let life = TimeDelta::from_std(PERMIT_LIFE * 2).unwrap_or_default();
        self.until > now && self.until <= now + life
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_363_200 + secs, 0).expect("an instant")
    }

    #[test]
    fn no_more_than_so_many_are_out_and_a_returned_one_is_free() {
        let mut permits = Permits::default();
        assert!(permits.take("a", at(0), 2) && permits.take("b", at(0), 2));
        assert!(!permits.take("c", at(1), 2));
        permits.release("a");
        assert!(permits.take("c", at(2), 2));
        assert_eq!(permits.taken(at(2)), 2);
    }

    #[test]
    fn the_permit_of_a_dead_holder_expires_and_that_of_a_living_one_does_not() {
        let mut permits = Permits::default();
        assert!(permits.take("dead", at(0), 2) && permits.take("lives", at(0), 2));
        permits.renew("lives", at(15));
        assert!(!permits.take("c", at(19), 2));
        assert!(permits.take("c", at(20), 2));
        assert!(!permits.take("d", at(21), 2));
    }

    #[test]
    fn what_the_server_forgot_or_a_wrong_clock_wrote_hinders_nobody() {
        let mut permits = Permits::default();
        permits.renew("goes on", at(0));
        assert_eq!(permits.taken(at(0)), 1);
        permits.renew("from tomorrow", at(86_400));
        assert_eq!(permits.taken(at(0)), 0);
    }
}
