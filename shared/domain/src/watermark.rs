//! What of an appliance's time has been scanned, and what is to be scanned next.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::ApplianceTime;
use shown::Shown;

mod shown;

/// No appliance keeps its reports as long as this: what lies further back is not scanned, so that a clock that once
/// showed 1970 does not cost twenty thousand listings.
const HORIZON_SECS: i64 = 400 * 86_400;

/// A stretch of the appliance's time, in whole seconds. Its first second belongs to it, `until` does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    from: ApplianceTime,
    until: ApplianceTime,
}

impl Stretch {
    /// The stretch between two instants; `None` where it would be empty.
    pub fn new(from: ApplianceTime, until: ApplianceTime) -> Option<Self> {
        (from < until).then_some(Stretch { from, until })
    }

    /// Its first second.
    pub const fn from(self) -> ApplianceTime {
        self.from
    }

    /// The first second behind it.
    pub const fn until(self) -> ApplianceTime {
        self.until
    }

    /// Its length.
    pub fn secs(self) -> i64 {
        self.until.unix_secs() - self.from.unix_secs()
    }

    /// Itself in windows of at most so many seconds (at least one), the newest first.
    pub fn split(self, secs_max: u32) -> impl Iterator<Item = Stretch> {
        let secs_max = i64::from(secs_max.max(1));
        std::iter::successors(Some(self.newest(secs_max)), move |window| {
            Stretch::new(self.from, window.from).map(|rest| rest.newest(secs_max))
        })
    }

    fn newest(self, secs_max: i64) -> Stretch {
        Stretch { from: self.from.max(self.until.plus_secs(-secs_max)), until: self.until }
    }

    /// What is left of it without the other: nothing, one part or two.
    fn without(self, other: Stretch) -> impl Iterator<Item = Stretch> {
        let before = Stretch::new(self.from, self.until.min(other.from));
        let after = Stretch::new(self.from.max(other.until), self.until);
        before.into_iter().chain(after)
    }

    fn within(self, other: Stretch) -> Option<Stretch> {
        Stretch::new(self.from.max(other.from), self.until.min(other.until))
    }
}

/// The appliance's clock and ours, read at one moment.
///
/// Ours only measures how much time passed between two readings: by that a jump of the appliance's clock is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// What the appliance's clock showed.
    pub appliance: ApplianceTime,
    /// What ours showed.
    pub ours: DateTime<Utc>,
}

impl Reading {
    /// What the appliance's clock would have shown, or would show, at another instant of ours.
    pub fn shown_at(&self, ours: DateTime<Utc>) -> ApplianceTime {
        self.appliance.plus_secs((ours - self.ours).num_seconds())
    }

    /// By how many seconds the appliance's clock was set on (back, if negative) between two readings, as far as our own
    /// clock can tell.
    pub fn jump_secs(&self, later: &Reading) -> i64 {
        later.appliance.unix_secs() - self.shown_at(later.ours).unix_secs()
    }
}

/// How far a scan reaches back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Behind the watermark, each time: reports appear late.
    pub overlap_secs: u32,
    /// Behind the appliance's now, the first time.
    pub first_run_secs: u32,
}

/// What was scanned: everything below the watermark but for the backlog.
///
/// A kill at any moment costs the window that was being scanned and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    watermark: ApplianceTime,
    /// In order, apart from each other, below the watermark.
    backlog: Vec<Stretch>,
    /// What the appliance's clock showed lately.
    #[serde(default)]
    shown: Shown,
}

impl Coverage {
    /// What a scan up to `now` starts from, which is the appliance's clock in `reading`, or some time before. `None` is
    /// stored before the first run.
    ///
    /// A report appears late, by the overlap at most, and carries the instant that the appliance's clock showed when
    /// its session ended. So each instant that the clock showed since the overlap before the last scan is scanned once
    /// more: where the clock jumped that is more than one stretch. A watermark ahead of the clock is set back to it:
    /// sessions that end now carry instants that it had passed before.
    #[must_use]
    pub fn begin(
        stored: Option<&Coverage>,
        now: ApplianceTime,
        reading: Reading,
        reach: Reach,
    ) -> Self {
        let now = whole(now);
        let Some(stored) = stored else {
            let floor = now.plus_secs(-i64::from(reach.first_run_secs));
            let shown = Shown::default().then(reading, reach.overlap_secs);
            return Coverage { watermark: floor, backlog: Vec::new(), shown };
        };
        let horizon = now.plus_secs(-HORIZON_SECS);
        let watermark = stored.watermark.min(now);
        let start = watermark.plus_secs(-i64::from(reach.overlap_secs));
        let again = stored.shown.again(reading, reach.overlap_secs);
        let todo = stored.backlog.iter().copied().chain(Stretch::new(start, watermark));
        let backlog = match Stretch::new(horizon, watermark) {
            Some(bounds) => merged(todo.chain(again).filter_map(|stretch| stretch.within(bounds))),
            None => Vec::new(),
        };
        let shown = stored.shown.then(reading, reach.overlap_secs);
        Coverage { watermark: watermark.max(horizon), backlog, shown }
    }

    /// By how many seconds the appliance's clock was set on (back, if negative) since the last scan began; 0 before the
    /// first.
    pub fn jump_secs(&self, reading: Reading) -> i64 {
        self.shown.last().map_or(0, |last| last.jump_secs(&reading))
    }

    /// How far the watermark is ahead of the appliance's clock, in seconds; 0 where it is not.
    pub fn secs_ahead(&self, now: ApplianceTime) -> i64 {
        (self.watermark.unix_secs() - whole(now).unix_secs()).max(0)
    }

    /// The windows that are to be scanned up to `now`, the newest first, none longer than `secs_max`.
    pub fn windows(
        &self,
        now: ApplianceTime,
        secs_max: u32,
    ) -> impl Iterator<Item = Stretch> + use<> {
        let live = Stretch::new(self.watermark, whole(now));
        let todo = merged(self.backlog.iter().copied().chain(live));
        todo.into_iter().rev().flat_map(move |stretch| stretch.split(secs_max))
    }

    /// What is scanned once everything in this window is announced, and acknowledged.
    #[must_use]
    pub fn cover(&self, window: Stretch) -> Self {
        let skipped = Stretch::new(self.watermark, window.until);
        let todo = merged(self.backlog.iter().copied().chain(skipped));
        let backlog = todo.into_iter().flat_map(|stretch| stretch.without(window)).collect();
        let watermark = self.watermark.max(window.until);
        Coverage { watermark, backlog, shown: self.shown.clone() }
    }

    /// The instant up to which scans have got; the backlog lies below.
    pub const fn watermark(&self) -> ApplianceTime {
        self.watermark
    }

    /// The instant before which nothing is left to be scanned.
    pub fn covered_until(&self) -> ApplianceTime {
        self.backlog.first().map_or(self.watermark, |stretch| stretch.from)
    }

    /// Whether this instant is still to be scanned.
    #[must_use]
    pub fn is_to_do(&self, instant: ApplianceTime) -> bool {
        let holds = |stretch: &Stretch| stretch.from <= instant && instant < stretch.until;
        instant >= self.watermark || self.backlog.iter().any(holds)
    }
}

/// Whole seconds, as the appliance counts; a part of a second is not over yet.
fn whole(instant: ApplianceTime) -> ApplianceTime {
    let part = i64::from(instant.instant().timestamp_subsec_nanos());
    ApplianceTime::read_off(instant.instant() - TimeDelta::nanoseconds(part))
}

fn merged(stretches: impl Iterator<Item = Stretch>) -> Vec<Stretch> {
    let mut stretches: Vec<Stretch> = stretches.collect();
    stretches.sort_by_key(|stretch| stretch.from);
    stretches.dedup_by(|next, last| {
        let touches = next.from <= last.until;
        if touches {
            last.until = last.until.max(next.until);
        }
        touches
    });
    stretches
}

#[cfg(test)]
mod histories;
#[cfg(test)]
mod tests;
