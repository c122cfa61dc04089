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
    /// How far the work came when it ran alone, in its worker's unit.
    pub progress: u64,
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

    /// Records the outcome of a delivery after which the message comes again.
    pub fn settled(&mut self, delivery: u64, counts: bool) {
        self.failures += u32::from(counts);
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
            attempts.settled(delivery - 1, false);
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
    fn a_download_that_gets_further_each_time_is_never_given_up() {
        let mut attempts = Attempts::default();
        for delivery in 2..50 {
            attempts.begin(delivery);
            assert!(attempts.begin_alone());
            attempts.progressed(delivery * 1_000);
        }
    }
}
