//! The site's clock: its own, so that it can be wrong.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use chrono::DateTime;

/// Runs with real time, or stands still at a given instant; either way it can be moved on by hand.
#[derive(Debug)]
pub(crate) struct Clock {
    start: i64,
    runs: bool,
    started: Instant,
    moved: AtomicI64,
}

impl Clock {
    pub(crate) fn new(now: Option<i64>, offset: i64) -> Self {
        let present = now.unwrap_or_else(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            since.map_or(0, |since| since.as_secs() as i64)
        });
        Self {
            start: present + offset,
            runs: now.is_none(),
            started: Instant::now(),
            moved: AtomicI64::new(0),
        }
    }

    /// What the clock showed when the simulator started.
    pub(crate) fn start(&self) -> i64 {
        self.start
    }

    pub(crate) fn now(&self) -> i64 {
        self.start + self.up_time().as_secs() as i64
    }

    /// How long the site is up by its own reckoning. Tokens live by this: a clock that is set does not age them.
    pub(crate) fn up_time(&self) -> Duration {
        let moved = Duration::from_secs(self.moved.load(Ordering::Relaxed).max(0) as u64);
        if self.runs { self.started.elapsed() + moved } else { moved }
    }

    pub(crate) fn advance(&self, seconds: u32) {
        self.moved.fetch_add(i64::from(seconds), Ordering::Relaxed);
    }
}

/// The form of `Date` headers.
pub(crate) fn http_date(unix: i64) -> String {
    instant(unix).format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// The form of instants in reports.
pub(crate) fn report_time(unix: i64) -> String {
    instant(unix).format("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

fn instant(unix: i64) -> DateTime<chrono::Utc> {
    DateTime::from_timestamp(unix, 0).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_moves_only_when_told() {
        let clock = Clock::new(Some(1_733_239_565), 0);
        assert_eq!(clock.now(), 1_733_239_565);
        clock.advance(60);
        assert_eq!(clock.now(), 1_733_239_625);
        assert_eq!(clock.up_time(), Duration::from_secs(60));
    }

    #[test]
    fn instants_are_written_as_the_appliance_writes_them() {
        assert_eq!(http_date(1_733_239_565), "Tue, 03 Dec 2024 15:26:05 GMT");
        assert_eq!(report_time(1_733_239_565), "2024-12-03T15:26:05+00:00");
    }
}
