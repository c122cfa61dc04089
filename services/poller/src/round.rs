use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::facts::BackupDue;
use domain::{Family, SiteHost, Slot, Timetable};
use messages::Fact;
use queue::{Announced, BucketError, Log, LogError};
use service::HealthHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::held_open::HeldOpen;
use crate::runs::{Ended, LEASE};
use crate::scan::{Found, ScanError};
use crate::site_scans::SiteScans;
use crate::turn::{Look, Turn};
use crate::{ChangeError, RunRecord, Runs};

/// Clocks are set and machines sleep: no wait is trusted for longer.
const LOOK_AFTER_MAX: Duration = Duration::from_secs(60);
/// A clock that runs a little behind the timer must not make a busy loop.
const LOOK_AFTER_MIN: Duration = Duration::from_millis(50);
/// How often the routes of a run are looked at until they are drained.
const DRAIN_LOOK_EVERY: Duration = Duration::from_secs(2);
/// After the log failed.
const LOG_RETRY_AFTER: Duration = Duration::from_secs(2);
/// How long leaving may take; the lease lapses by itself.
const RELEASE_MAX: Duration = Duration::from_secs(2);

/// One schedule on one site. Each has a task of its own, so that a slow or dead site delays no other.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    /// The schedule's label.
    pub schedule: String,
    /// The site.
    pub site: SiteHost,
    /// When it runs.
    pub timetable: Timetable,
    /// What its transfers want of the site.
    pub families: BTreeSet<Family>,
    /// Whether it makes the site's backups.
    pub makes_backups: bool,
    /// Who we are among pollers.
    pub holder: String,
    pub scans: SiteScans,
    pub runs: Runs,
    pub log: Log,
    /// The routes that its runs hold open, where they are not always open.
    pub held_open: Option<HeldOpen>,
}

/// Why a run failed. The first failure counts; what can be done in spite of it is done.
#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Scan(ScanError),
    #[error("could not open the routes of its transfers")]
    Open(#[source] BucketError),
    #[error("could not announce that a backup is due")]
    Backup(#[source] LogError),
}

/// The records of all runs are gone: the log was lost, or an older one was put back.
#[derive(Debug)]
pub(crate) struct RecordsGone;

/// What one run did.
#[derive(Debug, Default)]
struct Deeds {
    found: Found,
    backup_slot: Option<Slot>,
    backups: u64,
}

/// A run that was finished, well or badly.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Its record.
    pub record: RunRecord,
    /// Backups that it announced.
    pub backups: u64,
}

impl Round {
    /// Runs whenever its time has come, until told to stop.
    ///
    /// # Errors
    /// When the records of all runs are gone from the log's server.
    pub async fn go_on(
        self,
        health: HealthHandle,
        stop: CancellationToken,
    ) -> Result<(), RecordsGone> {
        let mut look = Look::First;
        while !stop.is_cancelled() {
            let pause = match self.look(look, &health, &stop).await {
                Ok(pause) => pause,
                Err(error) => {
                    let reason = chain(&error);
                    tracing::warn!(schedule = self.schedule, site = %self.site, reason, "no run");
                    health.not_ready(reason);
                    if self.runs.are_gone().await {
                        return Err(RecordsGone);
                    }
                    LOG_RETRY_AFTER
                }
            };
            look = Look::Later;
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.see_drained(pause) => {}
            }
        }
        Ok(())
    }

    /// Waits, and meanwhile closes the routes of a run that is over, as soon as they are drained.
    async fn see_drained(&self, pause: Duration) {
        let draining = async {
            let Some(held_open) = &self.held_open else { return };
            let is_over = async |slot| {
                let record = self.runs.of(&self.schedule, &self.site).await?;
                Ok(record.is_some_and(|record| record.has_ended_well(slot)))
            };
            loop {
                match held_open.close_when_drained(is_over).await {
                    Ok(false) => return,
                    Ok(true) => {}
                    Err(error) => tracing::debug!(error, "could not see whether a run is drained"),
                }
                sleep(DRAIN_LOOK_EVERY).await;
            }
        };
        let waited = sleep(pause);
        tokio::pin!(waited);
        tokio::select! {
            () = &mut waited => return,
            () = draining => {}
        }
        waited.await;
    }

    /// Runs once, whether it is due or not; waits for a run that goes on elsewhere. `None` if told to stop.
    pub async fn once(&self, stop: &CancellationToken) -> Result<Option<Finished>, ChangeError> {
        loop {
            let wait = match self.claim(Look::Asked).await? {
                (Turn::Run(slot), before) => {
                    if let Some(finished) = self.run(slot, &before, stop).await? {
                        return Ok(Some(finished));
                    }
                    LOOK_AFTER_MIN
                }
                (Turn::Wait(_), _) => Duration::from_secs(1),
            };
            tokio::select! {
                () = stop.cancelled() => return Ok(None),
                () = sleep(wait) => {}
            }
        }
    }

    /// Runs if it is our turn, and says when to look again.
    async fn look(
        &self,
        look: Look,
        health: &HealthHandle,
        stop: &CancellationToken,
    ) -> Result<Duration, ChangeError> {
        let (turn, before) = self.claim(look).await?;
        let (record, pause) = match turn {
            Turn::Wait(until) => (Some(before), pause(until)),
            Turn::Run(slot) => {
                // It takes part from the first run on, which may take an hour.
                if before.failure.is_none() {
                    health.ready();
                }
                let finished = self.run(slot, &before, stop).await?;
                (finished.map(|finished| finished.record), LOOK_AFTER_MIN)
            }
        };
        match record.as_ref().map(|record| &record.failure) {
            Some(Some(failure)) => health.not_ready(failure),
            Some(None) => health.ready(),
            None => {}
        }
        Ok(pause)
    }

    async fn claim(&self, look: Look) -> Result<(Turn, RunRecord), ChangeError> {
        self.runs.claim(self.key(), &self.timetable, look, &self.holder).await
    }

    /// The run of one slot that was claimed. `None` if it was stopped, or somebody else has taken it over.
    async fn run(
        &self,
        slot: Slot,
        before: &RunRecord,
        stop: &CancellationToken,
    ) -> Result<Option<Finished>, ChangeError> {
        let mut deeds = Deeds::default();
        if before.last_success_at.is_none() {
            let (schedule, site) = (&self.schedule, &self.site);
            tracing::info!(schedule, %site, "its first run goes on, which reaches far back");
        }
        let worked = tokio::select! {
            biased;
            () = stop.cancelled() => {
                let _lapses_by_itself = tokio::time::timeout(RELEASE_MAX, self.leave()).await;
                return Ok(None);
            }
            () = self.keep_lease() => {
                tracing::info!(schedule = self.schedule, site = %self.site, "another poller runs this");
                return Ok(None);
            }
            worked = self.work(slot, before, &mut deeds) => worked,
        };
        let ended = Ended {
            slot: Some(slot),
            covered_until: deeds.found.covered_until,
            sessions_announced: deeds.found.sessions,
            backup_slot: deeds.backup_slot,
            failure: worked.as_ref().err().map(|error| chain(error)),
        };
        let record = self.runs.finish(self.key(), &self.holder, &ended).await?;
        self.tell(&ended, &deeds, before);
        Ok(Some(Finished { record, backups: deeds.backups }))
    }

    async fn work(
        &self,
        slot: Slot,
        before: &RunRecord,
        deeds: &mut Deeds,
    ) -> Result<(), RunError> {
        let mut worked = Ok(());
        if let Some(held_open) = &self.held_open {
            held_open.open(slot).await.map_err(RunError::Open)?;
        }
        if self.makes_backups && before.backup_slot != Some(slot) {
            worked = self.announce_backup(slot, deeds).await;
        }
        for family in &self.families {
            let scanned = self.scans.scan(*family, &mut deeds.found).await;
            worked = worked.and(scanned.map_err(RunError::Scan));
        }
        worked
    }

    async fn announce_backup(&self, slot: Slot, deeds: &mut Deeds) -> Result<(), RunError> {
        let due = Fact::BackupDue(BackupDue { site: self.site.clone(), slot });
        let announced = self.log.announce(&due).await.map_err(RunError::Backup)?;
        deeds.backups += u64::from(matches!(announced, Announced::At(_)));
        deeds.backup_slot = Some(slot);
        Ok(())
    }

    async fn leave(&self) -> Result<(), ChangeError> {
        for family in &self.families {
            self.scans.leave(*family).await?;
        }
        self.runs.release(self.key(), &self.holder).await
    }

    /// Renews the lease until it is lost.
    async fn keep_lease(&self) {
        loop {
            sleep(LEASE / 3).await;
            match self.runs.renew(self.key(), &self.holder).await {
                Ok(true) => {}
                Ok(false) => return,
                // The log may be back in time; what is found meanwhile can't be announced anyway.
                Err(error) => tracing::debug!(%error, "could not renew the lease of a run"),
            }
        }
    }

    /// One line when something was found or changed; a site that fails in the same way each minute says so once.
    fn tell(&self, ended: &Ended, deeds: &Deeds, before: &RunRecord) {
        let (schedule, site) = (&self.schedule, &self.site);
        let Found { sessions, abandoned, ended_after_all, looks, .. } = deeds.found;
        match (&ended.failure, &before.failure) {
            (Some(reason), last) if last.as_ref() != Some(reason) => {
                tracing::warn!(schedule, %site, reason, sessions, "a run failed");
            }
            (Some(reason), _) => {
                tracing::debug!(schedule, %site, reason, sessions, "a run failed again");
            }
            (None, Some(_)) => tracing::info!(schedule, %site, sessions, "runs go well again"),
            (None, None) => {}
        }
        if sessions + ended_after_all + looks + deeds.backups > 0 {
            let backups = deeds.backups;
            tracing::info!(schedule, %site, sessions, abandoned, ended_after_all, looks, backups, "announced");
        }
    }

    fn key(&self) -> (&str, &SiteHost) {
        (&self.schedule, &self.site)
    }
}

fn pause(until: DateTime<Utc>) -> Duration {
    let pause = (until - Utc::now()).to_std().unwrap_or_default();
    pause.clamp(LOOK_AFTER_MIN, LOOK_AFTER_MAX)
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
