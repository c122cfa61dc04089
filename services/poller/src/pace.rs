use domain::Stretch;

use crate::listing::{SESSIONS_SUSPICIOUS, TooMuch, WINDOW_SECS_MAX};

/// After a listing of this many at most, the next window is twice as long.
const SESSIONS_FEW: usize = SESSIONS_SUSPICIOUS / 4;
/// After so many windows as long as a site that was slow may be asked for, twice as long ones are tried: whatever made
/// it slow may be over. Each trial may cost a minute's silence.
const GOOD_WINDOWS: u32 = 100;

/// How long the windows are that one site is asked for. It outlives a scan: a site that is slow with one window is slow
/// with all, also with those of the next scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    /// The length of the next window.
    secs_max: u32,
    /// What that may grow to.
    secs_cap: u32,
    /// Windows of that length that went well since the last one failed.
    good: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { secs_max: WINDOW_SECS_MAX, secs_cap: WINDOW_SECS_MAX, good: 0 }
    }
}

impl Pace {
    pub fn secs_max(&self) -> u32 {
        self.secs_max
    }

    /// A window was listed, with so many sessions.
    pub fn listed(&mut self, window: Stretch, sessions: usize) {
        // Most windows of live scans are short, and prove nothing.
        if self.secs_cap < WINDOW_SECS_MAX && window.secs() >= i64::from(self.secs_cap) {
            self.good += 1;
            if self.good >= GOOD_WINDOWS {
                self.good = 0;
                self.secs_cap = self.secs_cap.saturating_mul(2).min(WINDOW_SECS_MAX);
            }
        }
        if sessions <= SESSIONS_FEW {
            self.secs_max = self.secs_max.saturating_mul(2).min(self.secs_cap);
        }
    }

    /// Goes on in windows of half that length: where there were too many sessions they grow again with few, where it took
    /// too much time only after a long while.
    pub fn halve(&mut self, window: Stretch, because: TooMuch) {
        self.secs_max = u32::try_from(window.secs() / 2).unwrap_or(WINDOW_SECS_MAX).max(1);
        if because == TooMuch::Time {
            self.secs_cap = self.secs_max;
            self.good = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::at;

    fn window(secs: u32) -> Stretch {
        Stretch::new(at(0), at(i64::from(secs))).expect("not empty")
    }

    #[test]
    fn a_site_that_was_slow_is_asked_for_short_windows_until_many_of_them_went_well() {
        let mut pace = Pace::default();
        pace.halve(window(86_400), TooMuch::Time);
        for _ in 0..GOOD_WINDOWS - 1 {
            pace.listed(window(43_200), 0);
            pace.listed(window(1_200), 0);
            assert_eq!(pace.secs_max(), 43_200);
        }
        pace.listed(window(43_200), 0);
        assert_eq!(pace.secs_max(), 86_400);
    }

    #[test]
    fn windows_with_many_sessions_grow_again_where_there_are_few() {
        let mut pace = Pace::default();
        pace.halve(window(86_400), TooMuch::Sessions);
        pace.listed(window(43_200), SESSIONS_FEW + 1);
        assert_eq!(pace.secs_max(), 43_200);
        pace.listed(window(43_200), SESSIONS_FEW);
        assert_eq!(pace.secs_max(), 86_400);
    }
}
