use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Reading, Stretch, whole};

/// Two readings of one clock may differ by this without a jump: whole seconds, and answers that take their time.
const JITTER_SECS: i64 = 5;
/// More jumps within one overlap are not a clock; the daily scan finds what they hide.
const JUMPS_MAX: usize = 32;

/// What the appliance's clock showed since the overlap before the last scan: a reading for each time that it was set,
/// the newest last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shown {
    settings: Vec<Setting>,
    /// When the last scan began, by our clock.
    last_at: Option<DateTime<Utc>>,
}

/// The appliance's clock as it was set for some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Setting {
    reading: Reading,
    /// It may have been set so until then, by our clock.
    until: DateTime<Utc>,
}

impl Shown {
    /// The last reading.
    pub fn last(&self) -> Option<Reading> {
        self.settings.last().map(|setting| setting.reading)
    }

    /// The instants that sessions may carry whose reports the last scan could not see yet: for each setting of the
    /// clock, all that it showed since the overlap before that scan.
    pub fn again(&self, now: Reading, overlap_secs: u32) -> impl Iterator<Item = Stretch> {
        let overlap = TimeDelta::seconds(i64::from(overlap_secs) + JITTER_SECS);
        let last_at = self.last_at.unwrap_or(now.ours);
        let (since, until) = (last_at - overlap, last_at.max(now.ours) + overlap);
        let settings = self.settings.iter().map(|setting| setting.reading).chain([now]);
        settings.filter_map(move |reading| {
            Stretch::new(whole(reading.shown_at(since)), whole(reading.shown_at(until)))
        })
    }

    /// What it is after one more reading.
    pub fn then(&self, now: Reading, overlap_secs: u32) -> Self {
        let overlap = TimeDelta::seconds(i64::from(overlap_secs) + JITTER_SECS);
        let mut settings = self.settings.clone();
        if let Some(last) = settings.last_mut() {
            // It may have been set at any moment since, even just now.
            last.until = now.ours;
        }
        // Not only the last: two pollers whose own clocks differ take turns.
        let known = settings
            .iter()
            .position(|setting| setting.reading.jump_secs(&now).abs() <= JITTER_SECS);
        let reading = known.map_or(now, |known| settings.remove(known).reading);
        settings.push(Setting { reading, until: now.ours });
        // Also such as were written under a clock of ours that was ahead.
        let lately = now.ours - overlap..=now.ours + overlap;
        settings.retain(|setting| lately.contains(&setting.until));
        let excess = settings.len().saturating_sub(JUMPS_MAX);
        settings.drain(..excess);
        Shown { settings, last_at: Some(now.ours) }
    }
}
