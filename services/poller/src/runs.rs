use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{ApplianceTime, SiteHost, Slot, Timetable};
use messages::escape;
use queue::{Bucket, BucketError, Log};
use serde::{Deserialize, Serialize};

use crate::ChangeError;
use crate::change::change;
use crate::turn::{Look, Turn, turn};

/// How long a run belongs to its poller without a sign of life from it.
pub(crate) const LEASE: Duration = Duration::from_secs(15);

/// How often a server has to say that the records are gone, and how long it has between: one of a cluster may just have
/// started.
const GONE_MAX: u32 = 5;
const GONE_PAUSE: Duration = Duration::from_millis(500);

/// What is known of the runs of one schedule on one site: when the last one was, when the last good one, and how far
/// the announcements reach are three things.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The schedule's label.
    pub schedule: String,
    /// The site.
    pub site: SiteHost,
    /// The newest slot of the schedule that was run to a good end.
    #[serde(default)]
    pub slot: Option<Slot>,
    /// When the last run began, by the poller's clock.
    #[serde(default)]
    pub started_at: Option<DateTime<Utc>>,
    /// When the last run that ended did so, well or badly.
    #[serde(default)]
    pub finished_at: Option<DateTime<Utc>>,
    /// When the last run that went well ended.
    #[serde(default)]
    pub last_success_at: Option<DateTime<Utc>>,
    /// Before this, by the appliance's clock, everything that ended is announced.
    #[serde(default)]
    pub covered_until: Option<ApplianceTime>,
    /// Why the last run ended badly; none where it went well.
    #[serde(default)]
    pub failure: Option<String>,
    /// What the last run announced: sessions and presentations.
    #[serde(default)]
    pub sessions_announced: u64,
    /// The newest slot for which a backup was announced, where the schedule makes the site's backups.
    #[serde(default)]
    pub backup_slot: Option<Slot>,
    /// Whose run it is just now.
    #[serde(default)]
    pub lease: Option<Lease>,
}

/// The claim of one poller on a run. It lapses by itself, so a killed poller holds nothing up for long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Which poller.
    pub holder: String,
    /// Until when, unless it is renewed.
    pub expires_at: DateTime<Utc>,
}

impl Lease {
    pub(crate) fn is_running(&self, now: DateTime<Utc>) -> bool {
        // One that reaches further than leases do was written under a clock that was wrong.
        (now..=now + LEASE * 2).contains(&self.expires_at) && self.expires_at != now
    }
}

impl RunRecord {
    /// The record of a schedule that never ran on a site.
    pub fn new(schedule: &str, site: &SiteHost) -> Self {
        RunRecord {
            schedule: schedule.to_owned(),
            site: site.clone(),
            slot: None,
            started_at: None,
            finished_at: None,
            last_success_at: None,
            covered_until: None,
            failure: None,
            sessions_announced: 0,
            backup_slot: None,
            lease: None,
        }
    }

    /// Whether a run is going on.
    pub fn is_running(&self, now: DateTime<Utc>) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.is_running(now))
    }

    /// Whether the run of this slot has come to a good end, and none goes on.
    pub(crate) fn has_ended_well(&self, slot: Slot) -> bool {
        self.slot == Some(slot) && self.failure.is_none() && self.lease.is_none()
    }

    fn is_held_by(&self, holder: &str) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.holder == holder)
    }
}

/// What came of a run, as far as its record tells.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    pub slot: Option<Slot>,
    pub covered_until: Option<ApplianceTime>,
    pub sessions_announced: u64,
    pub backup_slot: Option<Slot>,
    pub failure: Option<String>,
}

/// The records of all runs.
#[derive(Debug, Clone)]
pub struct Runs {
    bucket: Bucket<RunRecord>,
}

impl Runs {
    /// The records in this log.
    ///
    /// # Errors
    /// When the log's server does not answer.
    pub async fn open(log: &Log) -> Result<Self, BucketError> {
        Ok(Runs { bucket: log.bucket("runs").await? })
    }

    /// Whether the server says, and goes on saying, that it has no such records.
    pub(crate) async fn are_gone(&self) -> bool {
        for _ in 0..GONE_MAX {
            if !matches!(self.bucket.is_gone().await, Ok(true)) {
                return false;
            }
            tokio::time::sleep(GONE_PAUSE).await;
        }
        true
    }

    /// Every record, in order of schedule and site.
    ///
    /// # Errors
    /// When the log's server does not answer, or a record was written by another version and can't be understood.
    pub async fn all(&self) -> Result<Vec<RunRecord>, BucketError> {
        let mut records = Vec::new();
        for key in self.bucket.keys().await? {
            records.extend(self.bucket.get(&key).await?.map(|kept| kept.value));
        }
        records
            .sort_by(|one, other| (&one.schedule, &one.site).cmp(&(&other.schedule, &other.site)));
        Ok(records)
    }

    /// The record of one schedule and site.
    ///
    /// # Errors
    /// As [`Runs::all`].
    pub async fn of(
        &self,
        schedule: &str,
        site: &SiteHost,
    ) -> Result<Option<RunRecord>, BucketError> {
        Ok(self.bucket.get(&key(schedule, site)).await?.map(|kept| kept.value))
    }

    /// Takes the next run, if it is due and nobody has it. The record is as it was before.
    pub(crate) async fn claim(
        &self,
        (schedule, site): (&str, &SiteHost),
        timetable: &Timetable,
        look: Look,
        holder: &str,
    ) -> Result<(Turn, RunRecord), ChangeError> {
        change(&self.bucket, &key(schedule, site), |stored: Option<RunRecord>| {
            let record = stored.unwrap_or_else(|| RunRecord::new(schedule, site));
            let now = Utc::now();
            let turn = turn(&record, timetable, now, look);
            let claimed = matches!(turn, Turn::Run(_)).then(|| RunRecord {
                started_at: Some(now),
                lease: Some(lease(holder, now)),
                ..record.clone()
            });
            (claimed, (turn, record))
        })
        .await
    }

    /// Says that the run still goes on; `false` if it is not ours any more.
    pub(crate) async fn renew(
        &self,
        (schedule, site): (&str, &SiteHost),
        holder: &str,
    ) -> Result<bool, ChangeError> {
        change(&self.bucket, &key(schedule, site), |stored: Option<RunRecord>| {
            let ours = stored.filter(|record| record.is_held_by(holder));
            let renewed =
                ours.map(|record| RunRecord { lease: Some(lease(holder, Utc::now())), ..record });
            let held = renewed.is_some();
            (renewed, held)
        })
        .await
    }

    /// Gives a run back that was not finished, so that another may take it at once.
    pub(crate) async fn release(
        &self,
        (schedule, site): (&str, &SiteHost),
        holder: &str,
    ) -> Result<(), ChangeError> {
        change(&self.bucket, &key(schedule, site), |stored: Option<RunRecord>| {
            let ours = stored.filter(|record| record.is_held_by(holder));
            (ours.map(|record| RunRecord { lease: None, ..record }), ())
        })
        .await
    }

    /// Records how our run ended. A run that failed moves neither its slot nor how far it covers.
    pub(crate) async fn finish(
        &self,
        (schedule, site): (&str, &SiteHost),
        holder: &str,
        ended: &Ended,
    ) -> Result<RunRecord, ChangeError> {
        change(&self.bucket, &key(schedule, site), |stored: Option<RunRecord>| {
            let record = stored.unwrap_or_else(|| RunRecord::new(schedule, site));
            if record.lease.as_ref().is_some_and(|lease| lease.holder != holder) {
                return (None, record);
            }
            let now = Utc::now();
            let good = ended.failure.is_none();
            let finished = RunRecord {
                slot: ended.slot.filter(|_| good).or(record.slot),
                finished_at: Some(now),
                last_success_at: Some(now).filter(|_| good).or(record.last_success_at),
                covered_until: ended.covered_until.filter(|_| good).or(record.covered_until),
                failure: ended.failure.clone(),
                sessions_announced: ended.sessions_announced,
                backup_slot: ended.backup_slot.or(record.backup_slot),
                lease: None,
                ..record
            };
            (Some(finished.clone()), finished)
        })
        .await
    }
}

pub(crate) fn lease(holder: &str, now: DateTime<Utc>) -> Lease {
    Lease { holder: holder.to_owned(), expires_at: now + LEASE }
}

fn key(schedule: &str, site: &SiteHost) -> String {
    format!("{}.{}", escape(schedule), escape(site.as_str()))
}
