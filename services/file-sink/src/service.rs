//! The file sink as a service: every destination of the settings that is a directory.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use domain::DestinationId;
use queue::{
    BoxError, BucketError, ConnectError, KnownDestination, Log, LogOptions, RunError, RunnerState,
};
use service::{Exit, Health, HealthHandle};
use settings::{Destination, FilesTarget, Needs, Settings};
use staging::{Staging, StagingError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{Directory, DirectoryError, WithoutIdentity, wiring};

/// How long to wait before a directory that can't be opened is tried again.
const OPEN_AGAIN: Duration = Duration::from_secs(5);

/// Why the file sink ended early.
#[derive(Debug, thiserror::Error)]
pub enum FileSinkError {
    /// No log.
    #[error("the file sink has no log to work from")]
    Connect(#[source] ConnectError),
    /// No staging.
    #[error("the file sink has nothing to read artifacts from")]
    Staging(#[source] StagingError),
    /// The settings name no staging that processes could share.
    #[error(
        "the settings name no staging: set `url` in [staging] to a folder that all processes share, or run `sluice up`"
    )]
    NoStaging,
    /// A runner could not go on.
    #[error("the file sink could not go on")]
    Run(#[source] RunError),
}

impl Exit for FileSinkError {}

/// Why a destination is not open yet.
#[derive(Debug, thiserror::Error)]
enum NotOpen {
    #[error(transparent)]
    Directory(DirectoryError),
    #[error(
        "{place} holds the destination {found}, and was {known} before: another share is mounted there; mount the right \
         one, or give this destination a `url` of its own"
    )]
    Another { place: String, known: DestinationId, found: DestinationId },
    #[error("could not find out whether this destination was known before")]
    Known(#[source] BucketError),
}

/// The process `sluice-file-sink`.
pub fn standalone() -> ExitCode {
    let needs = Needs { sites: false, destinations: false };
    service::standalone("file-sink", env!("CARGO_PKG_VERSION"), needs, async |settings, started| {
        let options = LogOptions::from_settings(&settings.log, "sluice-file-sink")
            .map_err(FileSinkError::Connect)?;
        let log = Log::connect(&options).await.map_err(FileSinkError::Connect)?;
        let url = settings.staging.url.clone().ok_or(FileSinkError::NoStaging)?;
        let staging = Staging::open(&url).await.map_err(FileSinkError::Staging)?;
        tokio::spawn(started.health.component("log").follow(log.pulse(), RunnerState::reason));
        run(&settings, &log, &staging, &started.health, &started.stop).await
    })
}

/// Delivers to every directory that the settings name, until told to stop.
///
/// # Errors
/// When a runner can't go on. A directory that can't be opened is no error: its part of the health says why, and it is
/// tried until it can.
pub async fn run(
    settings: &Settings,
    log: &Log,
    staging: &Staging,
    health: &Health,
    stop: &CancellationToken,
) -> Result<(), FileSinkError> {
    let mut runs = JoinSet::new();
    for destination in &settings.destinations {
        let Some(target) = destination.target.files().cloned() else { continue };
        let (settings, destination) = (settings.clone(), destination.clone());
        let (log, staging, health, stop) =
            (log.clone(), staging.clone(), health.clone(), stop.clone());
        runs.spawn(async move {
            let component = health.component(component(&destination));
            loop {
                let opening = opened(&log, &destination, &target, &component);
                let directory = tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    directory = opening => directory,
                };
                outliving(&log, &destination, &directory).await;
                // Until told to stop, or until it is to be opened anew.
                let running = stop.child_token();
                let _ended = running.clone().drop_guard();
                tokio::spawn(given_up(log.clone(), Arc::clone(&directory), running.clone()));
                let stores = (&log, &staging);
                wiring::run(&settings, &destination, &target, directory, stores, &health, &running)
                    .await?;
                if stop.is_cancelled() {
                    return Ok(());
                }
            }
        });
    }
    let mut first_error = None;
    while let Some(ended) = runs.join_next().await {
        if let Err(error) = ended.expect("a sink does not panic; its jobs' panics are caught") {
            stop.cancel();
            first_error.get_or_insert(FileSinkError::Run(error));
        }
    }
    first_error.map_or(Ok(()), Err)
}

/// The name of a destination's part of the health: ready when its routes are there and it can be delivered to.
pub fn component(destination: &Destination) -> String {
    format!("file-sink of {}", destination.label)
}

/// A directory that holds a revision which the log has not given yet tells that the log was set back.
async fn outliving(log: &Log, destination: &Destination, directory: &Arc<Directory>) {
    let newest = {
        let directory = Arc::clone(directory);
        crate::streaming::blocking(move || directory.newest()).await
    };
    let outlived = match newest {
        Ok(Some(newest)) => log.outlived_by(newest).await.map(drop).map_err(BoxError::from),
        Ok(None) => Ok(()),
        Err(error) => Err(error.into()),
    };
    if let Err(error) = outlived {
        let destination = &destination.label;
        tracing::warn!(error, destination, "could not compare its ledger with the log");
    }
}

/// The destination's directory, as soon as it can be opened.
async fn opened(
    log: &Log,
    destination: &Destination,
    target: &FilesTarget,
    component: &HealthHandle,
) -> Arc<Directory> {
    let mut told = String::new();
    loop {
        let reason = match open_known(log, destination, target).await {
            Ok(directory) => return directory,
            Err(error) => queue::Failure::Down(error.into()).to_string(),
        };
        if reason != told {
            tracing::warn!(
                destination = destination.label,
                reason,
                "a destination can't be opened"
            );
            component.not_ready(&reason);
            told = reason;
        }
        tokio::time::sleep(OPEN_AGAIN).await;
    }
}

/// Ends a run whose directory has lost its identity, once a person asks for a replay to it: opened again, it is filled
/// anew. What was asked for before it was lost says nothing, or a share that is unmounted during a replay would be filled.
async fn given_up(log: Log, directory: Arc<Directory>, running: CancellationToken) {
    let mut asked_before: Option<Vec<String>> = None;
    while running.run_until_cancelled(tokio::time::sleep(OPEN_AGAIN)).await.is_some() {
        let looked_at = Arc::clone(&directory);
        if !crate::streaming::blocking(move || looked_at.has_lost_identity()).await {
            asked_before = None;
            continue;
        }
        let Ok(replays) = log.replays().await else { continue };
        let to_it = replays.into_iter().filter(|one| one.destination == *directory.identity());
        let asked: Vec<String> = to_it.map(|one| one.id).collect();
        match &asked_before {
            None => asked_before = Some(asked),
            Some(before) if asked.iter().any(|id| !before.contains(id)) => running.cancel(),
            Some(_) => {}
        }
    }
}

/// A directory is given an identity only if none was ever known for its place: else it is a share that isn't mounted.
async fn open_known(
    log: &Log,
    destination: &Destination,
    target: &FilesTarget,
) -> Result<Arc<Directory>, NotOpen> {
    let known = log.known_destination(&target.url).await.map_err(NotOpen::Known)?;
    let without = if known.is_some() { WithoutIdentity::Down } else { WithoutIdentity::New };
    let opened = wiring::open(target, without).await;
    let (directory, known) = match (opened, known) {
        (Err(error @ DirectoryError::Unknown { .. }), Some(known)) => {
            (filled_anew(log, target, &known.id, error).await?, None)
        }
        (opened, known) => (opened.map_err(NotOpen::Directory)?, known),
    };
    if let Some(known) = known.filter(|known| known.id != *directory.identity()) {
        let (known, found) = (known.id, directory.identity().clone());
        return Err(NotOpen::Another { place: target.url.clone(), known, found });
    }
    let seen = KnownDestination {
        id: directory.identity().clone(),
        label: destination.label.clone(),
        place: target.url.clone(),
        seen_at: Utc::now(),
    };
    log.know_destination(&seen).await.map_err(NotOpen::Known)?;
    Ok(directory)
}

/// A directory that has lost its identity is filled anew only if a person has asked for a replay to it.
async fn filled_anew(
    log: &Log,
    target: &FilesTarget,
    known: &DestinationId,
    lost: DirectoryError,
) -> Result<Arc<Directory>, NotOpen> {
    if !log.is_replay_asked_for(known).await.map_err(NotOpen::Known)? {
        return Err(NotOpen::Directory(lost));
    }
    let new = wiring::open(target, WithoutIdentity::New).await.map_err(NotOpen::Directory)?;
    if let Err(error) = log.retire_identity(known).await {
        tracing::warn!(%error, %known, "routes of a lost destination could not be dropped");
    }
    Ok(new)
}

/// Tries a destination: whether it is there and can be written.
///
/// # Errors
/// When it can't be delivered to.
pub async fn check(target: &FilesTarget) -> Result<String, DirectoryError> {
    let no_clobber = match target.directory() {
        Some(root) => crate::streaming::blocking(move || Directory::check(&root)).await?,
        None => {
            let bucket = wiring::bucket(target).await?;
            crate::streaming::blocking(move || Directory::check_bucket(&bucket)).await?
        }
    };
    Ok(format!("{} can be written; names are taken by {}", target.url, no_clobber.as_str()))
}
