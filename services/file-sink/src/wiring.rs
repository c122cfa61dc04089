use std::collections::{BTreeSet, HashMap};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use domain::{DestinationId, Kind, Retention, SiteHost};
use objects::Store;
use queue::{Gate, Log, Period, RetryPolicy, Route, RunError, Runner, RunnerOptions, RunnerState};
use service::HealthHandle;
use settings::{Destination, FilesTarget, Settings};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::identity::Opened;
use crate::naming::Naming;
use crate::progress::{Progress, ProgressError};
use crate::reconcile::compare;
use crate::service::{House, Served};
use crate::streaming::blocking;
use crate::{Bucket, Directory, DirectoryError, FileSink, RouteMarks, Rules, WithoutIdentity};

/// How often a directory that is down is looked at: it may be another by then.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How often one is looked at that works, or has nothing to do.
const LOOK_SELDOM: Duration = Duration::from_secs(30);

/// Opens the directory or bucket of a destination.
///
/// # Errors
/// When it is not there, is not the destination that it was, or can't be written: it is down.
pub async fn open(
    target: &FilesTarget,
    without: WithoutIdentity,
) -> Result<Arc<Directory>, DirectoryError> {
    let rules =
        Rules { conflict: target.on_conflict, retention: Retention::of(target.prior_backups) };
    let opened = match target.directory() {
        Some(root) => blocking(move || Directory::open(&root, rules, without)).await,
        None => {
            let bucket = bucket(target).await?;
            blocking(move || Directory::open_bucket(bucket, rules, without)).await
        }
    };
    opened.map(|directory| Arc::new(directory.with_sidecars(target.sidecars)))
}

/// The identity that stands at a destination's place, if one does. Nothing is written.
pub(crate) async fn identity(
    target: &FilesTarget,
) -> Result<Option<DestinationId>, DirectoryError> {
    match target.directory() {
        Some(root) => blocking(move || Directory::identity_in(&root)).await,
        None => {
            let bucket = bucket(target).await?;
            blocking(move || Directory::identity_in_bucket(&bucket)).await
        }
    }
}

/// How far what stands at a destination's place has come. Nothing is written.
pub(crate) async fn marks(target: &FilesTarget) -> Result<RouteMarks, DirectoryError> {
    match target.directory() {
        Some(root) => blocking(move || Directory::marks_in(&root)).await,
        None => {
            let bucket = bucket(target).await?;
            blocking(move || Directory::marks_in_bucket(&bucket)).await
        }
    }
}

/// The bucket of a destination that is one, not tried yet.
pub(crate) async fn bucket(target: &FilesTarget) -> Result<Bucket, DirectoryError> {
    let store = Store::open(&target.url).await.map_err(DirectoryError::Bucket)?;
    Ok(Bucket::new(store, target.storage_class.clone(), Handle::current()))
}

/// Delivers to one destination, whose directory is open, until told to stop, or until another stands in its place.
///
/// # Errors
/// When its runner can't go on.
pub(crate) async fn serve(
    house: &House,
    destination: &Destination,
    target: &FilesTarget,
    Opened { directory, routes }: Opened,
    component: &HealthHandle,
) -> Result<Served, RunError> {
    let House { settings, log, staging, .. } = house;
    let stop = house.stop.child_token();
    let _ends_with_this = stop.clone().drop_guard();
    tokio::spawn(daily(log, settings, destination, &directory, &stop));
    let naming = Naming::of(settings, target);
    let sink = FileSink::new(log.clone(), staging.clone(), Arc::clone(&directory), naming);
    let options = RunnerOptions {
        retry: RetryPolicy::from_settings(&settings.retry),
        gates: gates(log, settings, destination, directory.identity()),
        ..RunnerOptions::slots(destination.workers)
    };
    let runner = Runner::new(log.clone(), sink, routes, options);
    tokio::spawn(component.clone().follow(runner.state(), RunnerState::reason));
    let (follower, adder, stopped) = (log.clone(), runner.adder(), stop.clone());
    let id = directory.identity().clone();
    tokio::spawn(async move {
        stopped.run_until_cancelled(follower.follow_replays(&id, &adder, 1)).await;
    });
    let state = runner.state();
    let mut running = pin!(runner.run(stop.clone()));
    let ended = tokio::select! {
        ended = &mut running => ended,
        () = replaced(&directory, log, state) => {
            stop.cancel();
            // Its routes may be gone by now.
            drop(running.await);
            return Ok(Served::Replaced);
        }
    };
    match ended {
        Ok(()) => Ok(Served::Stopped),
        // Whoever gives a directory another identity drops the routes of the old one.
        Err(RunError::RouteGone { .. }) if stands(&directory).await.is_err() => {
            Ok(Served::Replaced)
        }
        Err(error) => Err(error),
    }
}

async fn stands(directory: &Arc<Directory>) -> Result<(), DirectoryError> {
    let directory = Arc::clone(directory);
    blocking(move || directory.stands()).await
}

/// Waits until there is another directory in the place of this one, or an older copy of it, or until one that lost its
/// identity is to be filled anew.
async fn replaced(directory: &Arc<Directory>, log: &Log, mut state: watch::Receiver<RunnerState>) {
    let progress = Progress::new(log.clone(), Arc::clone(directory));
    let asked = async || {
        let replays = log.replays_to(directory.identity()).await.ok()?;
        Some(replays.into_iter().map(|one| one.id).collect::<BTreeSet<String>>())
    };
    let (mut asked_before, mut is_told) = (asked().await, false);
    loop {
        let down = async { state.wait_for(|state| state.reason().is_some()).await.map(drop) };
        // Whether it came or not: it is looked at in any case.
        drop(tokio::time::timeout(LOOK_SELDOM, down).await);
        match stands(directory).await {
            Err(DirectoryError::Another { .. }) => return,
            Err(lost @ DirectoryError::Unknown { .. }) => {
                if !std::mem::replace(&mut is_told, true) {
                    tracing::warn!("{lost}");
                }
                // What was asked for while it was there says nothing, or a share that is unmounted during a replay
                // would be filled.
                if let (Some(asked), Some(before)) = (asked().await, &asked_before)
                    && !asked.is_subset(before)
                {
                    return;
                }
            }
            Err(_) => {}
            Ok(()) => {
                (asked_before, is_told) = (asked().await, false);
                if matches!(progress.check().await, Err(ProgressError::SetBack(_))) {
                    return;
                }
            }
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Compares the directory with the log once a day, until told to stop.
fn daily(
    log: &Log,
    settings: &Settings,
    destination: &Destination,
    directory: &Arc<Directory>,
    stop: &CancellationToken,
) -> impl Future<Output = ()> + use<> {
    let (log, settings, destination) = (log.clone(), settings.clone(), destination.clone());
    let (directory, stop) = (Arc::clone(directory), stop.clone());
    async move {
        let compare = async || {
            let directory = Arc::clone(&directory);
            let all = Period::default();
            Ok(compare(&log, &settings, &destination, directory, None, all).await?)
        };
        let name = format!("destination {}", directory.identity());
        stop.run_until_cancelled(queue::daily(log.clone(), name, compare)).await;
    }
}

/// The routes that transfers open to it.
pub(crate) fn delivering(
    log: &Log,
    settings: &Settings,
    destination: &Destination,
    id: &DestinationId,
) -> Vec<Route> {
    let mut routes = Vec::new();
    for site in settings.sites_of_destination(&destination.label) {
        let kinds = settings.kinds_of_route(&destination.label, site);
        routes.extend(kinds.into_iter().map(|kind| Route::deliver(log, id, site, kind)));
    }
    routes
}

/// The gates of the routes that only day-sized schedules name.
fn gates(
    log: &Log,
    settings: &Settings,
    destination: &Destination,
    id: &DestinationId,
) -> HashMap<String, Gate> {
    let open_runs = log.follow_open_runs();
    let gate = |site: &SiteHost, kind: Kind| {
        let opening = settings.deliver_opening(&destination.label, site, kind);
        Some((queue::names::deliver(id, site, kind), open_runs.gate(&opening, site)?))
    };
    let sites = settings.sites_of_destination(&destination.label).into_iter();
    sites.flat_map(|site| Kind::ALL.into_iter().filter_map(move |kind| gate(site, kind))).collect()
}
