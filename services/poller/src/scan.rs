use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use appliance::{ApplianceError, Client, Listed, Recourse};
use chrono::Utc;
use domain::facts::{Again, AgainMode, Asked, End, SessionEnded};
use domain::{ApplianceTime, ArtifactId, Coverage, Family, Lsid, Reach, Stretch};
use messages::Fact;
use queue::{Announced, Bucket, BucketError, Log, LogError};
use settings::Site;
use tokio::sync::Mutex;

use crate::ChangeError;
use crate::abandoned::Abandoned;
use crate::sweep::{By, Sweep};

mod error;

pub(crate) use error::ScanError;

/// While a scan catches up, what ends meanwhile is looked for as often as this.
const LIVE_EVERY_SECS: i64 = 60;
/// Sessions of one site that are remembered; forgetting them costs a look at the marks.
const REMEMBERED_MAX: usize = 100_000;
/// How far behind the sessions that are looked at for an end the end is looked for. Few sessions last longer than a day.
const END_WITHIN_SECS: i64 = 86_400;
/// How often one window is asked for while the account's budget is used up, before the run is given up.
const THROTTLED_MAX: usize = 5;

/// What scans found.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    /// Sessions and presentations that were announced.
    pub sessions: u64,
    /// Those among them that count as abandoned.
    pub abandoned: u64,
    /// Such as had counted as abandoned and ended after all.
    pub ended_after_all: u64,
    /// Before this, nothing is left to be scanned.
    pub covered_until: Option<ApplianceTime>,
}

/// Scans one site. Clones share what they remember; one of them scans at a time.
#[derive(Debug, Clone)]
pub(crate) struct Scanner {
    client: Client,
    log: Log,
    scans: Bucket<Coverage>,
    abandoned: Abandoned,
    reach: Reach,
    abandoned_after_secs: u32,
    memory: Arc<Mutex<BTreeMap<Family, Memory>>>,
}

/// What this process knows to be in the log. It only spares questions.
#[derive(Debug, Default)]
struct Memory {
    /// Their end is in the log.
    ended: HashSet<Lsid>,
    /// They were looked at because no end was seen.
    suspected: HashSet<Lsid>,
}

impl Scanner {
    pub fn new(
        client: Client,
        log: Log,
        scans: Bucket<Coverage>,
        abandoned: Abandoned,
        site: &Site,
    ) -> Self {
        let secs = |length: Duration| u32::try_from(length.as_secs()).unwrap_or(u32::MAX);
        Scanner {
            client,
            log,
            scans,
            abandoned,
            reach: Reach {
                overlap_secs: secs(site.overlap),
                first_run_secs: secs(site.first_run_reach),
            },
            abandoned_after_secs: secs(site.abandoned_after),
            memory: Arc::default(),
        }
    }

    /// Announces what has ended, up to the appliance's now, and what counts as abandoned; `found` tells of it also
    /// where the scan ends early.
    pub async fn scan(&self, family: Family, found: &mut Found) -> Result<(), ScanError> {
        // Two schedules of one site: the second finds its work done.
        let mut memory = self.memory.lock().await;
        let memory = memory.entry(family).or_default();
        let now = self.client.clock().await.map_err(|cause| self.appliance(cause))?;
        let mut scan = Scan { scanner: self, family, memory, found };
        let ended = scan.catch_up(now).await?;
        let covered_until = ended.coverage().covered_until();
        scan.found.covered_until =
            Some(scan.found.covered_until.map_or(covered_until, |other| other.min(covered_until)));
        scan.find_abandoned(now, ended).await
    }

    fn appliance(&self, cause: ApplianceError) -> ScanError {
        ScanError::Appliance { site: self.client.site().clone(), cause }
    }

    fn announce(&self, cause: LogError) -> ScanError {
        ScanError::Announce { site: self.client.site().clone(), cause }
    }

    fn coverage(&self, cause: ChangeError) -> ScanError {
        ScanError::Coverage { site: self.client.site().clone(), cause }
    }

    fn marks(&self, cause: BucketError) -> ScanError {
        ScanError::Abandoned { site: self.client.site().clone(), cause }
    }
}

/// One scan under way.
struct Scan<'s> {
    scanner: &'s Scanner,
    family: Family,
    memory: &'s mut Memory,
    found: &'s mut Found,
}

/// What became of a window.
enum Passed {
    /// It is covered; the appliance's clock as it was listed.
    Covered(ApplianceTime),
    /// It is to be had in smaller windows.
    Split,
}

impl Scan<'_> {
    /// Announces all that ended, also what ends while older windows are scanned.
    async fn catch_up(&mut self, now: ApplianceTime) -> Result<Sweep, ScanError> {
        let mut sweep = self.begin(By::End, now).await?;
        while let Some(window) = sweep.next() {
            let live = sweep.is_live(window);
            if let Passed::Covered(clock) = self.pass(&mut sweep, window).await?
                && !live
                && is_live_due(&sweep, clock)
            {
                sweep = self.begin(By::End, clock).await?;
            }
        }
        Ok(sweep)
    }

    /// Announces what began so long ago that it counts as abandoned, and has not ended.
    ///
    /// It comes after the ends of the same time, all of which are in the log by now.
    async fn find_abandoned(
        &mut self,
        now: ApplianceTime,
        mut ended: Sweep,
    ) -> Result<(), ScanError> {
        let long_ago = now.plus_secs(-i64::from(self.scanner.abandoned_after_secs));
        let mut sweep = self.begin(By::Start, long_ago).await?;
        while let Some(window) = sweep.next() {
            if let Passed::Covered(clock) = self.pass(&mut sweep, window).await?
                && is_live_due(&ended, clock)
            {
                ended = self.catch_up(clock).await?;
            }
        }
        Ok(())
    }

    async fn begin(&self, by: By, now: ApplianceTime) -> Result<Sweep, ScanError> {
        let scanner = self.scanner;
        let Reach { overlap_secs, first_run_secs } = scanner.reach;
        let reach = match by {
            By::End => scanner.reach,
            // Not behind the ends: what ended before them would seem abandoned.
            By::Start => Reach {
                first_run_secs: first_run_secs
                    .saturating_sub(scanner.abandoned_after_secs)
                    .saturating_sub(overlap_secs),
                ..scanner.reach
            },
        };
        let site = (scanner.client.site(), self.family);
        Sweep::begin(&scanner.scans, site, by, now, reach)
            .await
            .map_err(|cause| scanner.coverage(cause))
    }

    /// Scans one window. It counts as covered once all in it is announced and acknowledged.
    async fn pass(&mut self, sweep: &mut Sweep, window: Stretch) -> Result<Passed, ScanError> {
        let listed = match self.list(sweep.asked(window)).await {
            Ok(listed) if sweep.is_suspicious(window, listed.sessions.len()) => {
                sweep.split(window);
                return Ok(Passed::Split);
            }
            Ok(listed) => listed,
            Err(cause) if sweep.may_split(window, &cause) => {
                tracing::debug!(site = %self.scanner.client.site(), %cause, "trying a shorter window");
                match cause {
                    ApplianceError::TooLarge { .. } => sweep.split(window),
                    _ => sweep.split_for_good(window),
                }
                return Ok(Passed::Split);
            }
            Err(cause) => return Err(self.scanner.appliance(cause)),
        };
        match sweep.by() {
            By::End => self.announce_ended(&listed).await?,
            By::Start => self.announce_abandoned(window, &listed).await?,
        }
        let covered = sweep.cover(&self.scanner.scans, window, listed.sessions.len()).await;
        covered.map_err(|cause| self.scanner.coverage(cause))?;
        Ok(Passed::Covered(listed.clock))
    }

    async fn list(&self, window: appliance::Window) -> Result<Listed, ApplianceError> {
        let mut throttled = 0;
        let listed = loop {
            match self.scanner.client.listing(self.family, window).await {
                Err(cause) if throttled < THROTTLED_MAX => match cause.recourse() {
                    Recourse::Throttled(wait) => {
                        throttled += 1;
                        tokio::time::sleep(wait).await;
                    }
                    _ => return Err(cause),
                },
                told => break told?,
            }
        };
        if let Some(first) = listed.unusable.first() {
            tracing::warn!(
                site = %self.scanner.client.site(),
                entries = listed.unusable.len(),
                %first,
                "a listing names sessions without a usable id; they can't be fetched"
            );
        }
        Ok(listed)
    }

    async fn announce_ended(&mut self, listed: &Listed) -> Result<(), ScanError> {
        let (known, fresh): (Vec<&Lsid>, Vec<&Lsid>) =
            lsids(listed).partition(|lsid| self.memory.ended.contains(*lsid));
        // What is known to be in the log is announced all the same: the log may have been lost behind us.
        let again = self.announce(&known, listed.clock).await?;
        let new = self.announce(&fresh, listed.clock).await?;
        self.found.sessions += (again + new) as u64;
        if new < fresh.len() {
            self.announce_ended_after_all(&fresh).await?;
        }
        remember(&mut self.memory.ended, fresh.into_iter().cloned());
        Ok(())
    }

    async fn announce(&self, lsids: &[&Lsid], clock: ApplianceTime) -> Result<usize, ScanError> {
        let facts: Vec<Fact> = lsids.iter().map(|lsid| self.over(lsid, End::Seen, clock)).collect();
        let announced = self.scanner.log.announce_all(&facts).await;
        announced.map_err(|cause| self.scanner.announce(cause))
    }

    /// Of sessions whose end is listed and that were announced before: has those fetched again that counted as abandoned.
    async fn announce_ended_after_all(&mut self, lsids: &[&Lsid]) -> Result<(), ScanError> {
        let Scanner { log, abandoned, client, .. } = self.scanner;
        // Read after the announcement was refused: whoever announced one as abandoned had marked it before.
        let marks = abandoned.marks(client.site(), self.family).await;
        let marks = marks.map_err(|cause| self.scanner.marks(cause))?;
        for (lsid, marks) in lsids.iter().filter_map(|lsid| marks.get_key_value(*lsid)) {
            let again = self.ended_after_all(lsid);
            log.announce(&again).await.map_err(|cause| self.scanner.announce(cause))?;
            for mark in marks {
                abandoned.remove(mark).await.map_err(|cause| self.scanner.marks(cause))?;
            }
            self.found.ended_after_all += 1;
        }
        Ok(())
    }

    async fn announce_abandoned(
        &mut self,
        window: Stretch,
        listed: &Listed,
    ) -> Result<(), ScanError> {
        if lsids(listed).any(|lsid| !self.memory.has_seen(lsid)) {
            // This process has not seen their ends announced. Most have ended soon after; one listing tells which.
            let secs = u32::try_from(window.secs() + END_WITHIN_SECS).unwrap_or(u32::MAX);
            let ends = appliance::Window::Ended { from: window.from(), secs };
            let ends = self.list(ends).await.map_err(|cause| self.scanner.appliance(cause))?;
            self.announce_ended(&ends).await?;
        }
        let open: Vec<&Lsid> = lsids(listed).filter(|lsid| !self.memory.has_seen(lsid)).collect();
        if open.is_empty() {
            return Ok(());
        }
        let Scanner { abandoned, client, .. } = self.scanner;
        let marked = abandoned.marks(client.site(), self.family).await;
        let marked = marked.map_err(|cause| self.scanner.marks(cause))?;
        for lsid in &open {
            self.abandon(lsid, marked.contains_key(*lsid), listed.clock).await?;
        }
        remember(&mut self.memory.suspected, open.into_iter().cloned());
        Ok(())
    }

    /// Announces one as abandoned, if nothing was announced of it yet.
    async fn abandon(
        &mut self,
        lsid: &Lsid,
        marked: bool,
        clock: ApplianceTime,
    ) -> Result<(), ScanError> {
        let Scanner { log, abandoned, client, .. } = self.scanner;
        let mark = match marked {
            true => None,
            false => {
                let mark = abandoned.mark(client.site(), self.family, lsid, clock).await;
                Some(mark.map_err(|cause| self.scanner.marks(cause))?)
            }
        };
        let announced = log.announce(&self.over(lsid, End::Abandoned, clock)).await;
        match (announced.map_err(|cause| self.scanner.announce(cause))?, mark) {
            (Announced::At(_), _) => {
                self.found.sessions += 1;
                self.found.abandoned += 1;
            }
            (Announced::Already, Some(mark)) => {
                abandoned.remove(&mark).await.map_err(|cause| self.scanner.marks(cause))?;
            }
            (Announced::Already, None) => {}
        }
        Ok(())
    }

    fn over(&self, lsid: &Lsid, end: End, noticed_at: ApplianceTime) -> Fact {
        let site = self.scanner.client.site().clone();
        Fact::SessionEnded(SessionEnded {
            site,
            family: self.family,
            lsid: lsid.clone(),
            end,
            noticed_at,
        })
    }

    fn ended_after_all(&self, lsid: &Lsid) -> Fact {
        let site = self.scanner.client.site().clone();
        Fact::Again(Again {
            artifact: ArtifactId::report(site, self.family, lsid.clone()),
            to: Asked::Fetch,
            ask: "ended".to_owned(),
            mode: AgainMode::EvenIfDone,
            why: "it counted as abandoned and has ended after all".to_owned(),
            asked_by: "poller".to_owned(),
            asked_at: Utc::now(),
            destinations: Vec::new(),
            import: None,
        })
    }
}

impl Memory {
    fn has_seen(&self, lsid: &Lsid) -> bool {
        self.ended.contains(lsid) || self.suspected.contains(lsid)
    }
}

fn is_live_due(ended: &Sweep, clock: ApplianceTime) -> bool {
    clock.unix_secs() - ended.coverage().watermark().unix_secs() >= LIVE_EVERY_SECS
}

fn lsids(listed: &Listed) -> impl Iterator<Item = &Lsid> {
    listed.sessions.iter().map(|session| &session.lsid)
}

fn remember(memory: &mut HashSet<Lsid>, lsids: impl Iterator<Item = Lsid>) {
    if memory.len() > REMEMBERED_MAX {
        memory.clear();
    }
    memory.extend(lsids);
}

#[cfg(test)]
mod tests;
