//! The file sink as a service: every destination of the settings that is a directory.

use std::process::ExitCode;
use std::time::Duration;

use queue::{BoxError, ConnectError, Log, LogOptions, RunError, RunnerState};
use service::{Exit, Health, HealthHandle};
use settings::{Destination, FilesTarget, Needs, Settings};
use staging::{Staging, StagingError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::identity::{self, Opened};
use crate::{Directory, DirectoryError, wiring};

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
        "the settings name no staging: set `url` in [staging] to a folder or a bucket that all processes share, or run `sluice up`"
    )]
    NoStaging,
    /// A runner could not go on.
    #[error("the file sink could not go on")]
    Run(#[source] RunError),
}

impl Exit for FileSinkError {}

/// The process `sluice-file-sink`.
pub fn standalone() -> ExitCode {
    let needs = Needs { sites: false, destinations: false };
    service::standalone("file-sink", env!("CARGO_PKG_VERSION"), needs, async |settings, started| {
        let options = LogOptions::from_settings(&settings.log, "sluice-file-sink")
            .map_err(FileSinkError::Connect)?;
        let log = Log::connect(&options).await.map_err(FileSinkError::Connect)?;
        let url = settings.staging.url.clone().ok_or(FileSinkError::NoStaging)?;
        let staging = Staging::open_patiently(&url).await.map_err(FileSinkError::Staging)?;
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
        let (log, staging) = (log.clone(), staging.clone());
        let (health, stop) = (health.clone(), stop.clone());
        let house = House { settings, log, staging, health, stop };
        runs.spawn(async move { deliver(&house, &destination, &target).await });
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

/// What the sink of a destination works with.
pub(crate) struct House {
    pub settings: Settings,
    pub log: Log,
    pub staging: Staging,
    pub health: Health,
    pub stop: CancellationToken,
}

/// Delivers to whatever stands at the destination's place: where that is another, or an older copy of itself, it is
/// opened again.
async fn deliver(
    house: &House,
    destination: &Destination,
    target: &FilesTarget,
) -> Result<(), RunError> {
    let component = house.health.component(component(destination));
    while let Some(opened) = opened(house, destination, target, &component).await {
        match wiring::serve(house, destination, target, opened, &component).await? {
            Served::Replaced => {}
            Served::Stopped => break,
        }
    }
    Ok(())
}

/// Why a directory is no longer delivered to.
pub(crate) enum Served {
    /// The process stops.
    Stopped,
    /// In its place there is another, or it has another identity.
    Replaced,
}

/// The destination, as soon as it can be delivered to; none if the process is stopped before.
async fn opened(
    house: &House,
    destination: &Destination,
    target: &FilesTarget,
    component: &HealthHandle,
) -> Option<Opened> {
    let House { settings, log, stop, .. } = house;
    let mut told = String::new();
    loop {
        let reason = tokio::select! {
            () = stop.cancelled() => return None,
            opened = identity::open(log, settings, destination, target) => match opened {
                Ok(opened) => return Some(opened),
                Err(error) => queue::Failure::Down(error.into()).to_string(),
            },
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
        tokio::select! {
            () = stop.cancelled() => return None,
            () = tokio::time::sleep(OPEN_AGAIN) => {}
        }
    }
}

/// Why a destination is no good.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// It can't be used.
    #[error(transparent)]
    Place(DirectoryError),
    /// It is not what the log knows it as, or that could not be found out.
    #[error(transparent)]
    Known(BoxError),
}

/// Tries a destination: whether it is there, is what it was, as far as a log was reached that knows, and can be written.
///
/// # Errors
/// When it can't be delivered to.
pub async fn check(
    log: Option<&Log>,
    settings: &Settings,
    (destination, target): (&Destination, &FilesTarget),
) -> Result<String, CheckError> {
    // First, or something would be written where a share isn't mounted.
    let follows = match log {
        Some(log) => identity::compared(log, settings, destination, target)
            .await
            .map_err(|error| CheckError::Known(error.into()))?,
        None => None,
    };
    let written = written(target).await.map_err(CheckError::Place)?;
    Ok(follows.map_or_else(|| written.clone(), |follows| format!("{written}; {follows}")))
}

async fn written(target: &FilesTarget) -> Result<String, DirectoryError> {
    let no_clobber = match target.directory() {
        Some(root) => crate::streaming::blocking(move || Directory::check(&root)).await?,
        None => {
            let bucket = wiring::bucket(target).await?;
            crate::streaming::blocking(move || Directory::check_bucket(&bucket)).await?
        }
    };
    Ok(format!("{} can be written; names are taken by {}", target.url, no_clobber.as_str()))
}
