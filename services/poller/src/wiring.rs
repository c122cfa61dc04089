use std::collections::BTreeSet;
use std::process::ExitCode;

use accounts::AccountsError;
use appliance::Clients;
use domain::{Family, Kind};
use queue::{BucketError, ConnectError, Log, LogOptions, RunnerState};
use service::{Exit, Health};
use settings::{Needs, Settings};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::events::{EventsError, listen};
use crate::held_open::HeldOpen;
use crate::round::{RecordsGone, Round};
use crate::scan::{Records, Scanner};
use crate::site_scans::SiteScans;
use crate::upkeep::Upkeep;
use crate::waker::Waker;
use crate::{ChangeError, RunRecord, Runs};

/// Why a poller ended early.
#[derive(Debug, thiserror::Error)]
pub enum PollerError {
    /// No log.
    #[error("the poller has no log to announce to")]
    Connect(#[source] ConnectError),
    /// No records.
    #[error("the poller has no records to go on from")]
    Records(#[source] BucketError),
    /// A site without a client.
    #[error("the poller can't ask every site")]
    Clients(#[source] AccountsError),
    /// Outbound events can't be taken.
    #[error("the poller can't take the appliances' events")]
    Events(#[source] EventsError),
    /// A run that was asked for could not be kept.
    #[error("the poller could not keep a run's record")]
    Run(#[source] ChangeError),
    /// The log was lost behind it.
    #[error(
        "the poller's records are gone from the log: it was lost, or an older one was put back; start again to make them anew"
    )]
    RecordsGone,
}

impl Exit for PollerError {}

/// What [`run_once`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Sessions and presentations that it announced.
    pub sessions: u64,
    /// Backups that it announced.
    pub backups: u64,
    /// The record of each run that was finished; a `failure` in it says which was not finished well.
    pub runs: Vec<RunRecord>,
}

/// The process `sluice-poller`.
pub fn standalone() -> ExitCode {
    let needs = Needs { sites: true, destinations: false };
    service::standalone("poller", env!("CARGO_PKG_VERSION"), needs, async |settings, started| {
        let options = LogOptions::from_settings(&settings.log, "sluice-poller")
            .map_err(PollerError::Connect)?;
        let log = Log::connect(&options).await.map_err(PollerError::Connect)?;
        let clients = accounts::clients(&settings, &log).await.map_err(PollerError::Clients)?;
        accounts::watch(&clients, &started.health);
        tokio::spawn(started.health.component("log").follow(log.pulse(), RunnerState::reason));
        run(&settings, &log, &clients, &started.health, &started.stop).await
    })
}

/// Runs every schedule on every site of its transfers, whenever its time has come, until told to stop.
///
/// # Errors
/// When the records can't be opened, or are gone because the log was lost. A site or log that fails later is waited for.
pub async fn run(
    settings: &Settings,
    log: &Log,
    clients: &Clients,
    health: &Health,
    stop: &CancellationToken,
) -> Result<(), PollerError> {
    // A poller without schedules is ready to do nothing.
    let whole = health.component("poller");
    let (mut tasks, ours) = (JoinSet::new(), stop.child_token());
    let Rounds { rounds, wakers, upkeep } = rounds(settings, log, clients).await?;
    if let Some(events) = &settings.events {
        let listening = listen(settings, events, wakers.clone(), ours.clone());
        listening.await.map_err(PollerError::Events)?;
        for waker in wakers {
            let waking = waker.go_on(ours.clone());
            tasks.spawn(async move {
                waking.await;
                Ok(())
            });
        }
    }
    for round in rounds {
        let site = settings.site(&round.site).map_or(round.site.as_str(), |site| &site.label);
        let part = health.component(format!("poller of {site} for {}", round.schedule));
        let going = round.go_on(part, ours.clone());
        tasks.spawn(async move { going.await.map_err(|RecordsGone| PollerError::RecordsGone) });
    }
    for upkeep in upkeep {
        let keeping = upkeep.go_on(ours.clone());
        tasks.spawn(async move {
            keeping.await;
            Ok(())
        });
    }
    whole.ready();
    let mut worked = Ok(());
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.expect("no part of a poller panics");
        if ended.is_err() {
            ours.cancel();
        }
        worked = worked.and(ended);
    }
    worked?;
    stop.cancelled().await;
    Ok(())
}

/// Runs every schedule once on every site of its transfers, due or not, all at the same time, and returns when the last
/// run has ended. A run that goes on in another process is waited for, and then made again.
///
/// # Errors
/// As [`run`]; and when the log fails. A site that fails is told in its record.
pub async fn run_once(
    settings: &Settings,
    log: &Log,
    clients: &Clients,
    stop: &CancellationToken,
) -> Result<Swept, PollerError> {
    let mut tasks = JoinSet::new();
    for round in rounds(settings, log, clients).await?.rounds {
        let stop = stop.child_token();
        tasks.spawn(async move { round.once(&stop).await });
    }
    let mut swept = Swept::default();
    while let Some(ended) = tasks.join_next().await {
        let finished = ended.expect("a round does not panic").map_err(PollerError::Run)?;
        if let Some(finished) = finished {
            swept.sessions += finished.record.sessions_announced;
            swept.backups += finished.backups;
            swept.runs.push(finished.record);
        }
    }
    swept
        .runs
        .sort_by(|one, other| (&one.schedule, &one.site).cmp(&(&other.schedule, &other.site)));
    Ok(swept)
}

/// What runs for the sites; all of one site share its client, and its scans take turns.
struct Rounds {
    /// One for each schedule and site of its transfers.
    rounds: Vec<Round>,
    /// One for each site whose sessions any of them wants.
    wakers: Vec<Waker>,
    /// One for each site and family that any of them wants.
    upkeep: Vec<Upkeep>,
}

async fn rounds(settings: &Settings, log: &Log, clients: &Clients) -> Result<Rounds, PollerError> {
    let holder = format!("{}-{:08x}", std::process::id(), rand::random::<u32>());
    let runs = Runs::open(log).await.map_err(PollerError::Records)?;
    let held_open = log.runs_held_open().await.map_err(PollerError::Records)?;
    let records = Records::open(log, &holder).await.map_err(PollerError::Records)?;
    let (mut rounds, mut wakers, mut upkeep) = (Vec::new(), Vec::new(), Vec::new());
    for site in &settings.sites {
        let client = clients.of(&site.host).expect("every site of the settings has one").clone();
        let scanner = Scanner::new(client, log.clone(), records.clone(), site);
        let scans = SiteScans::new(log, &site.host, scanner, &holder);
        let scans = scans.await.map_err(PollerError::Records)?;
        let kinds = settings.kinds_of_site(&site.host);
        let families: BTreeSet<Family> = kinds.iter().filter_map(|kind| kind.family()).collect();
        if families.contains(&Family::Session) {
            wakers.push(Waker::new(&site.label, scans.clone()));
        }
        upkeep
            .extend(families.iter().map(|family| Upkeep { scans: scans.clone(), family: *family }));
        for schedule in &settings.schedules {
            let transfers = schedule.transfers.iter().filter(|of| of.site == site.host);
            let kinds: Vec<Kind> = transfers.flat_map(|of| of.kinds.iter().copied()).collect();
            if kinds.is_empty() {
                continue;
            }
            rounds.push(Round {
                schedule: schedule.label.clone(),
                site: site.host.clone(),
                timetable: schedule.timetable,
                families: kinds.iter().filter_map(|kind| kind.family()).collect(),
                makes_backups: kinds.contains(&Kind::SiteBackup),
                holder: holder.clone(),
                scans: scans.clone(),
                runs: runs.clone(),
                log: log.clone(),
                held_open: HeldOpen::of(log, &held_open, schedule, &site.host),
            });
        }
    }
    Ok(Rounds { rounds, wakers, upkeep })
}

#[cfg(test)]
mod tests;
