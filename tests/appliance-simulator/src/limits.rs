//! How many requests an account may make: never more than so many in any one second, and so many per hour.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What is left after a request was let in, or that it was not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Admission {
    pub(crate) admitted: bool,
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
}

#[derive(Debug, Default)]
struct Inner {
    last_second: VecDeque<Instant>,
    hour: Option<(Instant, u32)>,
    most_in_a_second: usize,
}

/// Counts an account's requests in real time. 0 is no limit.
#[derive(Debug)]
pub(crate) struct Limits {
    per_second: u32,
    per_hour: u32,
    second: Duration,
    hour: Duration,
    inner: Mutex<Inner>,
}

impl Limits {
    pub(crate) fn new(per_second: u32, per_hour: u32) -> Self {
        let (second, hour) = (Duration::from_secs(1), Duration::from_secs(3600));
        Self { per_second, per_hour, second, hour, inner: Mutex::default() }
    }

    /// The same with a second and an hour of other lengths.
    pub(crate) fn scaled(self, second: Duration, hour: Duration) -> Self {
        Self { second, hour, ..self }
    }

    /// Lets a request in or not. A sliding second: stricter than one by the clock, so who keeps within this keeps within either.
    pub(crate) fn admit(&self, at: Instant) -> Admission {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        while inner
            .last_second
            .front()
            .is_some_and(|earlier| at.saturating_duration_since(*earlier) >= self.second)
        {
            inner.last_second.pop_front();
        }
        let (since, used) = match inner.hour {
            Some((since, used)) if at.saturating_duration_since(since) < self.hour => (since, used),
            _ => (at, 0),
        };
        let within_second =
            self.per_second == 0 || inner.last_second.len() < self.per_second as usize;
        let within_hour = self.per_hour == 0 || used < self.per_hour;
        let admitted = within_second && within_hour;
        let used = used + u32::from(admitted);
        inner.hour = Some((since, used));
        if admitted {
            inner.last_second.push_back(at);
            inner.most_in_a_second = inner.most_in_a_second.max(inner.last_second.len());
        }
        Admission { admitted, limit: self.per_hour, remaining: self.per_hour.saturating_sub(used) }
    }

    /// The most requests that were let in within one second.
    pub(crate) fn most_in_a_second(&self) -> usize {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).most_in_a_second
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_21st_request_of_a_second_is_refused() {
        let limits = Limits::new(20, 15_000);
        let start = Instant::now();
        assert!((0..20).all(|_| limits.admit(start).admitted));
        assert!(!limits.admit(start + Duration::from_millis(999)).admitted);
        assert!(limits.admit(start + Duration::from_secs(1)).admitted);
        assert_eq!(limits.most_in_a_second(), 20);
    }

    #[test]
    fn a_second_and_an_hour_can_be_shorter() {
        let (second, hour) = (Duration::from_millis(100), Duration::from_secs(2));
        let limits = Limits::new(1, 2).scaled(second, hour);
        let start = Instant::now();
        assert!(limits.admit(start).admitted);
        assert!(!limits.admit(start + Duration::from_millis(99)).admitted);
        assert!(limits.admit(start + second).admitted);
        assert!(!limits.admit(start + Duration::from_secs(1)).admitted);
        assert!(limits.admit(start + hour).admitted);
    }

    #[test]
    fn the_hour_counts_down_and_begins_anew() {
        let limits = Limits::new(0, 2);
        let start = Instant::now();
        assert_eq!(limits.admit(start), Admission { admitted: true, limit: 2, remaining: 1 });
        assert_eq!(limits.admit(start), Admission { admitted: true, limit: 2, remaining: 0 });
        assert_eq!(limits.admit(start), Admission { admitted: false, limit: 2, remaining: 0 });
        assert!(limits.admit(start + Duration::from_secs(3600)).admitted);
    }
}
