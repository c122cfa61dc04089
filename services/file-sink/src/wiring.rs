use std::sync::Arc;

use domain::Retention;
use queue::{Log, RetryPolicy, Route, RunError, Runner, RunnerOptions, RunnerState};
use service::Health;
use settings::{Destination, FilesTarget, Settings};
use staging::Staging;
use tokio_util::sync::CancellationToken;

use crate::streaming::blocking;
use crate::{Directory, DirectoryError, FileSink, Rules, WithoutIdentity};

/// Opens the directory of a destination.
///
/// # Errors
/// When it is not there, is not the destination that it was, or can't be written: it is down.
pub async fn open(
    target: &FilesTarget,
    without: WithoutIdentity,
) -> Result<Arc<Directory>, DirectoryError> {
    let rules =
        Rules { conflict: target.on_conflict, retention: Retention::of(target.prior_backups) };
    let root = target.directory();
    blocking(move || Directory::open(&root, rules, without)).await.map(Arc::new)
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
    let sink = FileSink::new(log.clone(), staging.clone(), directory, target.formats.clone());
    let options = RunnerOptions {
        retry: RetryPolicy::from_settings(&settings.retry),
        ..RunnerOptions::slots(destination.workers)
    };
    let runner = Runner::new(log.clone(), sink, routes, options);
    let component = health.component(format!("file-sink of {}", destination.label));
    tokio::spawn(component.follow(runner.state(), RunnerState::reason));
    runner.run(stop.child_token()).await
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
        routes.extend(kinds.into_iter().map(|kind| Route::deliver(log, id, site, kind)));
    }
    routes
}
