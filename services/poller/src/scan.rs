use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use appliance::{ApplianceError, Client};
use chrono::Utc;
use domain::{ApplianceTime, Coverage, Family, Lsid, Reach, Reading, Stretch};
use queue::{Bucket, BucketError, Log, LogError};
use settings::Site;
use tokio::sync::Mutex;

use crate::ChangeError;
use crate::abandoned::Abandoned;
use crate::listing::{Told, ask, asked};
use crate::pace::Pace;
use crate::sweep::{By, Sweep};
use looks::LookRecord;
use set_aside::SetAside;

mod announce;
mod daily;
mod error;
mod looks;
mod recordings;
mod set_aside;

pub(crate) use daily::DailyRecord;
pub(crate) use error::ScanError;

/// While a scan catches up, what ends meanwhile is looked for as often as this.
const LIVE_EVERY_SECS: i64 = 60;
/// How much further a scan looks back because the clocks of pollers that take turns differ: a jump of the appliance's clock
/// looks earlier or smaller to one that is ahead of the others.
const CLOCKS_DIFFER_SECS: u32 = 300;
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
    /// Second looks that were asked for.
    pub looks: u64,
    /// What of all these the daily scan found that the scans before had missed.
    pub missed: u64,
    /// Before this, nothing is left to be scanned.
    pub covered_until: Option<ApplianceTime>,
}

/// What scans keep in the log's server.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    scans: Bucket<Coverage>,
    abandoned: Abandoned,
    looks: Bucket<LookRecord>,
    daily: Bucket<DailyRecord>,
}

impl Records {
    /// Those of this log; `holder` is who we are among pollers.
    pub async fn open(log: &Log, holder: &str) -> Result<Self, BucketError> {
        Ok(Records {
            scans: log.bucket("scans").await?,
            abandoned: Abandoned::open(log, holder).await?,
            looks: log.bucket("looks").await?,
            daily: log.bucket("daily").await?,
        })
    }
}

/// Scans one site. Clones share what they remember; one of them scans a family at a time.
#[derive(Debug, Clone)]
pub(crate) struct Scanner {
    client: Client,
    log: Log,
    records: Records,
    reach: Reach,
    abandoned_after_secs: u32,
    memory: Arc<BTreeMap<Family, Mutex<Memory>>>,
}

/// What this process knows of the log and the appliance. It only spares questions.
#[derive(Debug, Default)]
struct Memory {
    pace: Pace,
    /// Windows that failed a short while ago.
    set_aside: SetAside,
    /// Their end is in the log.
    ended: HashSet<Lsid>,
    /// They were looked at because no end was seen.
    suspected: HashSet<Lsid>,
    /// Their recording is in the log.
    recorded: HashSet<Lsid>,
}

impl Scanner {
    pub fn new(client: Client, log: Log, records: Records, site: &Site) -> Self {
        let secs = |length: Duration| u32::try_from(length.as_secs()).unwrap_or(u32::MAX);
        let families = [Family::Session, Family::Presentation];
        let memory = families.map(|family| (family, Mutex::default())).into();
        Scanner {
            client,
            log,
            records,
            reach: Reach {
                overlap_secs: secs(site.overlap).saturating_add(CLOCKS_DIFFER_SECS),
                first_run_secs: secs(site.first_run_reach),
            },
            abandoned_after_secs: secs(site.abandoned_after),
            memory: Arc::new(memory),
        }
    }

    /// Announces what has ended, up to the appliance's now, and what counts as abandoned; asks for the second looks that
    /// are due; and once a day scans all that the appliance still has. `found` tells of it also where the scan ends
    /// early.
    pub async fn scan(&self, family: Family, found: &mut Found) -> Result<(), ScanError> {
        // Two schedules of one site: the second finds its work done.
        let mut memory = self.memory[&family].lock().await;
        let now = self.read_clock().await?;
        memory.set_aside.begin(now.appliance);
        let mut scan = Scan { scanner: self, family, memory: &mut memory, found };
        let ended = scan.catch_up(now).await?;
        let covered_until = ended.coverage().covered_until();
        scan.found.covered_until =
            Some(scan.found.covered_until.map_or(covered_until, |other| other.min(covered_until)));
        let ended = scan.find_abandoned(now, ended).await?;
        scan.look_again().await?;
        scan.scan_all_daily(ended).await?;
        scan.outcome()
    }

    /// What is done once a site was scanned, whenever its schedules run: asks for the second looks that are due, and scans
    /// everything if a day has passed since that was done.
    pub async fn look_after(&self, family: Family, found: &mut Found) -> Result<(), ScanError> {
        if self.is_daily_due(family).await? {
            return self.scan(family, found).await;
        }
        let mut memory = self.memory[&family].lock().await;
        Scan { scanner: self, family, memory: &mut memory, found }.look_again().await
    }

    /// Announces what has ended, and nothing else; says which of these sessions are in the log by then.
    pub async fn scan_ended(
        &self,
        family: Family,
        awaited: &[Lsid],
        found: &mut Found,
    ) -> Result<Vec<Lsid>, ScanError> {
        let mut memory = self.memory[&family].lock().await;
        let now = self.read_clock().await?;
        memory.set_aside.begin(now.appliance);
        let mut scan = Scan { scanner: self, family, memory: &mut memory, found };
        scan.catch_up_live(now).await?;
        Ok(awaited.iter().filter(|lsid| memory.ended.contains(*lsid)).cloned().collect())
    }

    async fn read_clock(&self) -> Result<Reading, ScanError> {
        let appliance = self.client.clock().await.map_err(|cause| self.appliance(cause))?;
        Ok(read(appliance))
    }

    fn appliance(&self, cause: ApplianceError) -> ScanError {
        ScanError::Appliance { site: self.client.site().clone(), cause }
    }

    fn announcing(&self, cause: LogError) -> ScanError {
        ScanError::Announce { site: self.client.site().clone(), cause }
    }

    fn coverage(&self, cause: ChangeError) -> ScanError {
        ScanError::Coverage { site: self.client.site().clone(), cause }
    }

    fn marks(&self, cause: BucketError) -> ScanError {
        ScanError::Abandoned { site: self.client.site().clone(), cause }
    }
}

/// The appliance's clock, just told.
fn read(appliance: ApplianceTime) -> Reading {
    Reading { appliance, ours: Utc::now() }
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
    Covered(Reading),
    /// It is to be had in smaller windows.
    Split,
    /// It failed, and is left in the backlog.
    SetAside,
}

impl Scan<'_> {
    /// Announces all that ended, also what ends while older windows are scanned.
    async fn catch_up(&mut self, now: Reading) -> Result<Sweep, ScanError> {
        let mut sweep = self.begin(By::End, now).await?;
        while let Some(window) = sweep.next(self.secs_max()) {
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

    /// Announces what has ended just now; what older windows hold is left to a run of a schedule.
    async fn catch_up_live(&mut self, now: Reading) -> Result<(), ScanError> {
        let mut sweep = self.begin(By::End, now).await?;
        while let Some(window) = sweep.next(self.secs_max()).filter(|window| sweep.is_live(*window))
        {
            self.pass(&mut sweep, window).await?;
        }
        Ok(())
    }

    /// Announces what began so long ago that it counts as abandoned, and has not ended.
    ///
    /// It comes after the ends of the same time, all of which are in the log by now.
    async fn find_abandoned(&mut self, now: Reading, mut ended: Sweep) -> Result<Sweep, ScanError> {
        let mut sweep = self.begin(By::Start, now).await?;
        while let Some(window) = sweep.next(self.secs_max()) {
            if let Passed::Covered(clock) = self.pass(&mut sweep, window).await?
                && is_live_due(&ended, clock)
            {
                ended = self.catch_up(clock).await?;
            }
        }
        Ok(ended)
    }

    async fn begin(&self, by: By, now: Reading) -> Result<Sweep, ScanError> {
        let scanner = self.scanner;
        let up_to = match by {
            By::End => now.appliance,
            By::Start => now.appliance.plus_secs(-i64::from(scanner.abandoned_after_secs)),
        };
        let site = (scanner.client.site(), self.family);
        let begun =
            Sweep::begin(&scanner.records.scans, site, by, (up_to, now), self.reach(by)).await;
        let sweep = begun.map_err(|cause| scanner.coverage(cause))?;
        Ok(sweep.without(self.memory.set_aside.of(by)))
    }

    fn reach(&self, by: By) -> Reach {
        let Reach { overlap_secs, first_run_secs } = self.scanner.reach;
        match by {
            By::End => self.scanner.reach,
            // Not behind the ends: what ended before them would seem abandoned.
            By::Start => Reach {
                first_run_secs: first_run_secs
                    .saturating_sub(self.scanner.abandoned_after_secs)
                    .saturating_sub(overlap_secs),
                ..self.scanner.reach
            },
        }
    }

    /// Scans one window. It counts as covered once all in it is announced and acknowledged.
    async fn pass(&mut self, sweep: &mut Sweep, window: Stretch) -> Result<Passed, ScanError> {
        let by = sweep.by();
        let listed = match self.ask_for(by, window).await {
            Ok(Told::Listed(listed)) => listed,
            Ok(Told::Shorter(_)) => return Ok(Passed::Split),
            Err(cause) => return self.set_aside(sweep, window, cause).await,
        };
        let announced = match by {
            By::End => self.announce_ended(&listed).await,
            By::Start => self.announce_abandoned(window, &listed).await,
        };
        match announced {
            // The ends of the same time could not be told from what is still open.
            Err(ScanError::Appliance { cause, .. }) => {
                return self.set_aside(sweep, window, cause).await;
            }
            announced => announced?,
        }
        if by == By::End && sweep.is_daily() {
            self.look_for_recordings(window, &listed).await?;
        }
        let covered = sweep.cover(&self.scanner.records.scans, window).await;
        covered.map_err(|cause| self.scanner.coverage(cause))?;
        self.memory.set_aside.went_well(by, window);
        Ok(Passed::Covered(read(listed.clock)))
    }

    /// Asks for a window, and takes heed how long the next one may be.
    async fn ask_for(&mut self, by: By, window: Stretch) -> Result<Told, ApplianceError> {
        let (client, family) = (&self.scanner.client, self.family);
        let told = ask(client, family, (window, asked(by, window)), THROTTLED_MAX).await?;
        match &told {
            Told::Listed(listed) => self.memory.pace.listed(window, listed.sessions.len()),
            Told::Shorter(because) => self.memory.pace.halve(window, *because),
        }
        Ok(told)
    }

    fn secs_max(&self) -> u32 {
        self.memory.pace.secs_max()
    }
}

impl Memory {
    fn has_seen(&self, lsid: &Lsid) -> bool {
        self.ended.contains(lsid) || self.suspected.contains(lsid)
    }
}

fn is_live_due(ended: &Sweep, clock: Reading) -> bool {
    clock.appliance.unix_secs() - ended.up_to().unix_secs() >= LIVE_EVERY_SECS
}

#[cfg(test)]
mod histories;
#[cfg(test)]
mod slow_sites;
#[cfg(test)]
mod tests;
