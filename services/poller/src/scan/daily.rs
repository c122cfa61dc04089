//! Once a day all that the appliance still has is scanned: what it finds there the scans before have missed.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{ApplianceTime, Family, Reach};
use messages::escape;
use opentelemetry::KeyValue;
use serde::{Deserialize, Serialize};

use super::{Passed, Scan, ScanError, Scanner, is_live_due, read};
use crate::ChangeError;
use crate::change::change;
use crate::sweep::{By, Sweep};

/// How often everything is scanned.
const EVERY: TimeDelta = TimeDelta::hours(24);

/// The last scan of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DailyRecord {
    /// When it began, by our clock.
    pub began_at: DateTime<Utc>,
    /// Up to which instant of the appliance's clock it goes: behind that, live scans are not done yet.
    pub up_to: ApplianceTime,
    /// Whether it came to its end.
    pub finished: bool,
    /// What it found; 0 on a good day.
    pub missed: u64,
}

/// What is to be done about the scan of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Today {
    /// The site's first scan has just been one.
    Note,
    /// A new one.
    Begin,
    /// The one that a kill or a failure interrupted.
    GoOn(DailyRecord),
    /// Nothing yet.
    Wait,
}

fn today(record: Option<DailyRecord>, now: DateTime<Utc>) -> Today {
    match record {
        None => Today::Note,
        // A beginning in the future was written under a clock that was wrong.
        Some(record) if (now - record.began_at).abs() >= EVERY => Today::Begin,
        Some(record) if !record.finished => Today::GoOn(record),
        Some(_) => Today::Wait,
    }
}

impl Scanner {
    /// Whether everything is to be scanned. The first scan of a site waits for a schedule.
    pub(super) async fn is_daily_due(&self, family: Family) -> Result<bool, ScanError> {
        let failed = |cause| self.coverage(ChangeError::Bucket(cause));
        let record = self.records.daily.get(&self.daily_key(family)).await.map_err(failed)?;
        Ok(match today(record.map(|kept| kept.value), Utc::now()) {
            Today::Begin | Today::GoOn(_) => true,
            Today::Note | Today::Wait => false,
        })
    }

    fn daily_key(&self, family: Family) -> String {
        format!("{}.{}", escape(self.client.site().as_str()), family.as_str())
    }
}

impl Scan<'_> {
    /// Scans everything, if a day has passed; what ends meanwhile does not wait for it.
    pub(super) async fn scan_all_daily(&mut self, mut ended: Sweep) -> Result<(), ScanError> {
        let covered_until = ended.coverage().covered_until();
        let Some((mut record, anew)) = self.begin_daily(covered_until).await? else {
            return Ok(());
        };
        let before = *self.found;
        for by in [By::End, By::Start] {
            let mut sweep = self.daily_sweep(by, &record, anew).await?;
            while let Some(window) = sweep.next(self.secs_max()) {
                let so_far = self.found.sessions + self.found.ended_after_all;
                let Passed::Covered(clock) = self.pass(&mut sweep, window).await? else { continue };
                record.missed += self.found.sessions + self.found.ended_after_all - so_far;
                if is_live_due(&ended, clock) {
                    self.keep_daily(record).await?;
                    ended = self.catch_up(clock).await?;
                }
            }
        }
        record.finished = true;
        self.keep_daily(record).await?;
        self.found.missed = record.missed;
        let site = self.scanner.client.site();
        let listed = self.found.sessions - before.sessions;
        match record.missed {
            0 => tracing::debug!(%site, listed, "the daily scan found nothing that was missed"),
            missed => {
                tracing::warn!(%site, missed, "the daily scan announced what earlier scans had missed")
            }
        }
        opentelemetry::global::meter("sluice")
            .u64_counter("sluice.scan.missed")
            .with_description(
                "What the daily scan of everything found that scans had missed, by site",
            )
            .build()
            .add(record.missed, &[KeyValue::new("site", site.to_string())]);
        Ok(())
    }

    async fn begin_daily(
        &self,
        covered_until: ApplianceTime,
    ) -> Result<Option<(DailyRecord, bool)>, ScanError> {
        let overlap_secs = i64::from(self.scanner.reach.overlap_secs);
        let begun = |finished| DailyRecord {
            began_at: Utc::now(),
            up_to: covered_until.plus_secs(-overlap_secs),
            finished,
            missed: 0,
        };
        let daily = &self.scanner.records.daily;
        let decide = |stored: Option<DailyRecord>| match today(stored, Utc::now()) {
            Today::Note => (Some(begun(true)), None),
            Today::Begin => (Some(begun(false)), Some((begun(false), true))),
            Today::GoOn(record) => (None, Some((record, false))),
            Today::Wait => (None, None),
        };
        change(daily, &self.scanner.daily_key(self.family), decide)
            .await
            .map_err(|cause| self.scanner.coverage(cause))
    }

    async fn daily_sweep(
        &self,
        by: By,
        record: &DailyRecord,
        anew: bool,
    ) -> Result<Sweep, ScanError> {
        let abandoned_after_secs = i64::from(self.scanner.abandoned_after_secs);
        let up_to = match by {
            By::End => record.up_to,
            By::Start => record.up_to.plus_secs(-abandoned_after_secs),
        };
        let site = (self.scanner.client.site(), self.family);
        let reach = Reach { overlap_secs: 0, ..self.reach(by) };
        let scans = &self.scanner.records.scans;
        let begun = Sweep::daily(scans, site, by, (up_to, read(up_to)), (reach, anew)).await;
        let sweep = begun.map_err(|cause| self.scanner.coverage(cause))?;
        Ok(sweep.without(self.memory.set_aside.of(by)))
    }

    async fn keep_daily(&self, record: DailyRecord) -> Result<(), ScanError> {
        let daily = &self.scanner.records.daily;
        change(daily, &self.scanner.daily_key(self.family), |_| (Some(record), ()))
            .await
            .map_err(|cause| self.scanner.coverage(cause))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_scanned_once_a_day_and_what_was_interrupted_goes_on() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().expect("an instant");
        let record = |finished| DailyRecord {
            began_at: at("2026-11-22T02:00:00Z"),
            up_to: ApplianceTime::read_off(at("2026-11-22T02:00:00Z")),
            finished,
            missed: 0,
        };
        assert_eq!(today(None, at("2026-11-22T02:00:00Z")), Today::Note);
        assert_eq!(today(Some(record(true)), at("2026-11-23T01:59:00Z")), Today::Wait);
        assert_eq!(
            today(Some(record(false)), at("2026-11-22T03:00:00Z")),
            Today::GoOn(record(false))
        );
        assert_eq!(today(Some(record(true)), at("2026-11-23T02:00:00Z")), Today::Begin);
        assert_eq!(today(Some(record(false)), at("2026-11-23T02:00:00Z")), Today::Begin);
        assert_eq!(today(Some(record(true)), at("2025-01-01T00:00:00Z")), Today::Begin);
    }
}
