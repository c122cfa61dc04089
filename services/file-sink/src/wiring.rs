use std::collections::HashMap;
use std::sync::Arc;

use domain::{DestinationId, Kind, Retention, SiteHost};
use objects::Store;
use queue::{
    Gate, Log, Period, RetryPolicy, Route, RunError, Runner, RunnerOptions, RunnerState, Start,
};
use service::Health;
use settings::{Destination, FilesTarget, Settings};
use staging::Staging;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::naming::Naming;
use crate::reconcile::compare;
use crate::streaming::blocking;
use crate::{Bucket, Directory, DirectoryError, FileSink, Rules, WithoutIdentity, component};

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

/// The bucket of a destination that is one, not tried yet.
pub(crate) async fn bucket(target: &FilesTarget) -> Result<Bucket, DirectoryError> {
    let store = Store::open(&target.url).await.map_err(DirectoryError::Bucket)?;
    Ok(Bucket::new(store, target.storage_class.clone(), Handle::current()))
}

/// Delivers to one destination, whose directory is open, until told to stop.
///
/// # Errors
/// When its runner can't go on.
pub async fn run(
    settings: &Settings,
    destination: &Destination,
    target: &FilesTarget,
    directory: Arc<Directory>,
    (log, staging): (&Log, &Staging),
    health: &Health,
    stop: &CancellationToken,
) -> Result<(), RunError> {
    let routes = routes(log, settings, destination, &directory);
    tokio::spawn(daily(log, settings, destination, &directory, stop));
    let naming = Naming::of(settings, target);
    let sink = FileSink::new(log.clone(), staging.clone(), Arc::clone(&directory), naming);
    let options = RunnerOptions {
        retry: RetryPolicy::from_settings(&settings.retry),
        gates: gates(log, settings, destination, directory.identity()),
        ..RunnerOptions::slots(destination.workers)
    };
    let runner = Runner::new(log.clone(), sink, routes, options);
    let component = health.component(component(destination));
    tokio::spawn(component.follow(runner.state(), RunnerState::reason));
    let (follower, adder, stopped) = (log.clone(), runner.adder(), stop.clone());
    tokio::spawn(async move {
        let followed = follower.follow_replays(directory.identity(), &adder, 1);
        stopped.run_until_cancelled(followed).await;
    });
    runner.run(stop.child_token()).await
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

fn routes(
    log: &Log,
    settings: &Settings,
    destination: &Destination,
    directory: &Directory,
) -> Vec<Route> {
    let id = directory.identity();
    let mut routes = vec![Route::again_deliver(log, id)];
    for site in settings.sites_of_destination(&destination.label) {
        let kinds = settings.kinds_of_route(&destination.label, site);
        let start = Start::from(destination.start);
        let route = |kind| Route::deliver(log, id, site, kind).starting(start);
        routes.extend(kinds.into_iter().map(route));
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
