use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Bucket, BucketError, Kept, Origin, Stored};

/// Starts without an outcome after which a message is run alone in its process.
const UNSETTLED_STARTS_MAX: u32 = 2;

/// Consecutive starts alone without an outcome after which it is a dead letter.
const LONE_STARTS_MAX: u32 = 5;

/// What is remembered of a message between its deliveries; forgotten when it is settled for good.
///
/// The server's own delivery count can't be used: it counts outages, hand-backs and kills of healthy workers too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attempts {
    /// Failures that count.
    pub failures: u32,
    /// The last delivery (as the server counts) that came to an outcome.
    pub settled_delivery: u64,
    /// Starts since then that came to none: their worker was killed, or lost its lease.
    pub unsettled: u32,
    /// Of these, the starts alone.
    pub lone: u32,
    /// How far the work came, in its worker's unit: when it ran alone, and when it failed.
    pub progress: u64,
    /// Since when it is too early for it, in unix seconds.
    #[serde(default)]
    pub early_since: Option<i64>,
}

/// How a delivery ended after which the message comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Through no fault of the message.
    HandedBack,
    /// It was too early for it, at this time in unix seconds.
    Early { at: i64 },
    /// It failed, having come this far.
    Failed { reached: u64 },
}

/// How a message is to be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// With others.
    Together,
    /// Alone: it may be the one that kills its worker.
    Alone,
}

impl Attempts {
    /// Counts the start of a delivery that is not the first, and says how to run it.
    pub fn begin(&mut self, delivery: u64) -> Beginning {
        if self.settled_delivery + 1 < delivery {
            self.unsettled += 1;
        }
        if self.unsettled >= UNSETTLED_STARTS_MAX { Beginning::Alone } else { Beginning::Together }
    }

    /// Counts a start alone; `false` where it had all that it may have: it is the one that kills its worker.
    pub fn begin_alone(&mut self) -> bool {
        let may = self.lone < LONE_STARTS_MAX;
        self.lone += u32::from(may);
        may
    }

    /// Records how far lone work has come: one that gets further each time is not to blame for the kills.
    pub fn progressed(&mut self, to: u64) -> bool {
        if to <= self.progress {
            return false;
        }
        self.progress = to;
        self.lone = 1;
        true
    }

    /// The failures that count against work that has come this far: one that got further than ever starts again at 0.
    pub fn failures_at(&self, reached: u64) -> u32 {
        if reached > self.progress { 0 } else { self.failures }
    }

    /// For how long it has been too early, at this time in unix seconds.
    pub fn early_for(&self, now: i64) -> Duration {
        let since = self.early_since.unwrap_or(now);
        Duration::from_secs(u64::try_from(now - since).unwrap_or_default())
    }

    /// Records the outcome of a delivery after which the message comes again.
    pub fn settled(&mut self, delivery: u64, ended: Ended) {
        match ended {
            Ended::HandedBack => {}
            Ended::Early { at } => {
                self.early_since.get_or_insert(at);
            }
            Ended::Failed { reached } => {
                self.failures = self.failures_at(reached) + 1;
                self.progress = self.progress.max(reached);
            }
        }
        self.settled_delivery = delivery;
        self.unsettled = 0;
        self.lone = 0;
    }
}

/// The key of a message's attempts.
pub(crate) fn key(origin: &Origin) -> String {
    format!("{}.{}", origin.route, origin.sequence)
}

impl Bucket<Attempts> {
    /// Changes the attempts of a message, whoever else does meanwhile.
    pub(crate) async fn change<R>(
        &self,
        key: &str,
        mut change: impl FnMut(&mut Attempts) -> R,
    ) -> Result<(Attempts, R), BucketError> {
        loop {
            let kept = self.get(key).await?;
            let revision = kept.as_ref().map(|kept| kept.revision);
            let mut attempts = kept.map_or_else(Attempts::default, |Kept { value, .. }| value);
            let result = change(&mut attempts);
            if let Stored::At(_) = self.set(key, &attempts, revision).await? {
                return Ok((attempts, result));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_was_handed_back_is_not_suspect() {
        let mut attempts = Attempts::default();
        for delivery in 2..100 {
            attempts.settled(delivery - 1, Ended::HandedBack);
            assert_eq!(attempts.begin(delivery), Beginning::Together);
        }
        assert_eq!(attempts.failures, 0);
    }

    #[test]
    fn a_message_started_twice_without_an_outcome_is_run_alone_and_in_the_end_given_up() {
        let mut attempts = Attempts::default();
        assert_eq!(attempts.begin(2), Beginning::Together);
        for delivery in 3..8 {
            assert_eq!(attempts.begin(delivery), Beginning::Alone);
            assert!(attempts.begin_alone());
        }
        assert_eq!(attempts.begin(8), Beginning::Alone);
        assert!(!attempts.begin_alone());
    }

    #[test]
    fn a_message_that_was_only_waiting_to_run_alone_is_not_given_up() {
        let mut attempts = Attempts::default();
        for delivery in 2..50 {
            attempts.begin(delivery);
        }
        assert!(attempts.begin_alone());
    }

    #[test]
    fn failures_count_anew_when_the_work_got_further() {
        let mut attempts = Attempts::default();
        for delivery in 1..=3 {
            attempts.settled(delivery, Ended::Failed { reached: 0 });
        }
        assert_eq!((attempts.failures, attempts.failures_at(1)), (3, 0));
        for (delivery, reached) in [(4, 1_000), (5, 1_000), (6, 400)] {
            attempts.settled(delivery, Ended::Failed { reached });
        }
        assert_eq!((attempts.failures, attempts.failures_at(1_000)), (3, 3));
        attempts.settled(7, Ended::Failed { reached: 1_001 });
        assert_eq!(attempts.failures, 1);
    }

    #[test]
    fn what_is_too_early_is_so_since_the_first_time() {
        let mut attempts = Attempts::default();
        assert_eq!(attempts.early_for(1_000), Duration::ZERO);
        for (delivery, at) in [(1, 1_000), (2, 1_005)] {
            attempts.settled(delivery, Ended::Early { at });
        }
        assert_eq!(attempts.early_for(1_060), Duration::from_secs(60));
        assert_eq!(attempts.failures, 0);
    }

    #[test]
    fn a_download_that_gets_further_each_time_is_never_given_up() {
        let mut attempts = Attempts::default();
        for delivery in 2..50 {
            attempts.begin(delivery);
            assert!(attempts.begin_alone());
            attempts.progressed(delivery * 1_000);
        }
    }
}
