//! When a site is scanned because its appliance said that a session has ended.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Lsid;

/// Sessions that are waited for at a time; an event beyond that is worth one scan, like one that names no session.
const AWAITED_MAX: usize = 1_000;
/// A session that is not listed after this is left to the schedules: it was forged, or is not shown to this account.
const AWAITED_FOR: Duration = Duration::from_secs(15 * 60);
/// The first wait after a scan that did not find it; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Scans that may follow each other at once.
const SCANS_AT_ONCE: u32 = 10;
/// In the long run one scan in this time, whoever sends whatever: two requests each.
const ONE_SCAN_IN: Duration = Duration::from_secs(6);

/// The sessions of one site that are said to have ended and are not listed yet. Times are counted from any beginning.
#[derive(Debug, Clone, Default)]
pub struct Wakes {
    awaited: BTreeMap<Lsid, Awaited>,
    /// An event that names nothing that could be waited for.
    nameless: bool,
    /// When the budget is full again.
    paid_until: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Awaited {
    until: Duration,
    next_scan: Duration,
    pause: Duration,
}

impl Wakes {
    /// An event came.
    pub fn heard(&mut self, ended: Option<Lsid>, now: Duration) {
        match ended {
            Some(lsid) if self.awaited.contains_key(&lsid) => {}
            Some(lsid) if self.awaited.len() < AWAITED_MAX => {
                let until = now + AWAITED_FOR;
                self.awaited.insert(lsid, Awaited { until, next_scan: now, pause: FIRST_PAUSE });
            }
            Some(_) | None => self.nameless = true,
        }
    }

    /// When the site is to be scanned; `None` while nothing is waited for.
    pub fn next_scan(&self, now: Duration) -> Option<Duration> {
        let nameless = self.nameless.then_some(now);
        let wanted =
            self.awaited.values().map(|awaited| awaited.next_scan).chain(nameless).min()?;
        // A full budget is so many scans behind the present.
        Some(wanted.max(self.paid_until.saturating_sub(ONE_SCAN_IN * (SCANS_AT_ONCE - 1))))
    }

    /// A scan begins now; these are the sessions that it is to find. Those whose turn has not come profit too.
    pub fn begin(&mut self, now: Duration) -> Vec<Lsid> {
        self.nameless = false;
        self.paid_until = self.paid_until.max(now) + ONE_SCAN_IN;
        self.awaited.keys().cloned().collect()
    }

    /// The scan has ended, well or badly, and these sessions are announced.
    pub fn scanned(&mut self, announced: &[Lsid], now: Duration) {
        for lsid in announced {
            self.awaited.remove(lsid);
        }
        self.awaited.retain(|_, awaited| now < awaited.until);
        for awaited in self.awaited.values_mut().filter(|awaited| awaited.next_scan <= now) {
            awaited.next_scan = now + awaited.pause;
            awaited.pause = (awaited.pause * 2).min(LONGEST_PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn lsid(number: usize) -> Lsid {
        format!("{number:032x}").parse().expect("an LSID")
    }

    /// Scans whenever it is time until `end`, finding what `finds` says; the times of the scans.
    fn scans(
        wakes: &mut Wakes,
        from: Duration,
        end: Duration,
        finds: impl Fn(Duration) -> Vec<Lsid>,
    ) -> Vec<Duration> {
        let (mut at, mut now) = (Vec::new(), from);
        while let Some(next) = wakes.next_scan(now).filter(|next| *next < end) {
            now = now.max(next);
            wakes.begin(now);
            wakes.scanned(&finds(now), now);
            at.push(now);
        }
        at
    }

    #[test]
    fn a_session_that_is_listed_costs_one_scan_at_once_however_many_say_so() {
        let mut wakes = Wakes::default();
        assert_eq!(wakes.next_scan(secs(100)), None);
        for number in [1, 2, 1, 1] {
            wakes.heard(Some(lsid(number)), secs(100));
        }
        assert_eq!(
            scans(&mut wakes, secs(100), secs(9_000), |_| vec![lsid(1), lsid(2)]),
            [secs(100)]
        );
    }

    #[test]
    fn one_that_is_not_listed_yet_is_looked_for_less_and_less_often() {
        let mut wakes = Wakes::default();
        wakes.heard(Some(lsid(1)), secs(100));
        let listed = |now| if now >= secs(103) { vec![lsid(1)] } else { Vec::new() };
        let millis: Vec<_> = scans(&mut wakes, secs(100), secs(9_000), listed)
            .iter()
            .map(|at| (*at - secs(100)).as_millis())
            .collect();
        assert_eq!(millis, [0, 500, 1_500, 3_500]);
    }

    #[test]
    fn a_forged_event_costs_a_few_scans_and_is_forgotten() {
        let mut wakes = Wakes::default();
        wakes.heard(Some(lsid(1)), secs(0));
        let at = scans(&mut wakes, secs(0), secs(9_000), |_| Vec::new());
        assert!((15..30).contains(&at.len()), "{at:?}");
        assert!(at.last().is_some_and(|last| *last < AWAITED_FOR + LONGEST_PAUSE), "{at:?}");
        wakes.heard(None, secs(5_000));
        assert_eq!(scans(&mut wakes, secs(5_000), secs(9_000), |_| Vec::new()), [secs(5_000)]);
    }

    #[test]
    fn whoever_sends_whatever_a_site_is_scanned_ten_times_a_minute_at_most() {
        let mut wakes = Wakes::default();
        let (mut scanned, mut number) = (0, 0);
        for second in 0..3_600 {
            for _ in 0..20 {
                number += 1;
                wakes.heard(Some(lsid(number)), secs(second));
            }
            wakes.heard(None, secs(second));
            scanned += scans(&mut wakes, secs(second), secs(second + 1), |_| Vec::new()).len();
        }
        assert!(scanned <= 600 + SCANS_AT_ONCE as usize, "{scanned}");
        assert!(wakes.awaited.len() <= AWAITED_MAX);
    }
}
