use std::collections::HashMap;
use std::process::ExitCode;
use std::time::Duration;

use accounts::AccountsError;
use appliance::Clients;
use domain::Kind;
use queue::{
    ConnectError, Gate, Log, LogOptions, OpenRuns, Period, Route, RunError, Runner, RunnerOptions,
    RunnerState,
};
use service::{Exit, Health};
use settings::{Needs, Settings, Site};
use staging::{Staging, StagingError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::Fetcher;
use crate::agreement::{agreed, keep_agreed};
use crate::bulk::BULK_SESSIONS_MAX;
use crate::expiry::expire;
use crate::reconcile::reconcile;
use crate::room::StagingRoom;

/// Requests for reports of one site at a time, in this process. Few, because each asks for many: the more slots, the
/// fewer sessions wait for one.
const REPORTS_AT_ONCE: usize = 2;

/// The runner of reports, and of what is asked for again.
const REPORTS: &str = "reports";
/// The runner of recordings and backups.
const FILES: &str = "files";

/// How long a request for several reports waits for more of them while a past is announced, window by window.
const LINGER: Duration = Duration::from_secs(1);

/// Why a fetcher ended early.
#[derive(Debug, thiserror::Error)]
pub enum FetcherError {
    /// No log.
    #[error("the fetcher has no log to work from")]
    Connect(#[source] ConnectError),
    /// No staging.
    #[error("the fetcher has nowhere to stage")]
    Staging(#[source] StagingError),
    /// The settings name no staging that processes could share.
    #[error(
        "the settings name no staging: set `url` in [staging] to a folder or a bucket that all processes share, or run `sluice up`"
    )]
    NoStaging,
    /// A site without a client.
    #[error("the fetcher can't ask every site")]
    Clients(#[source] AccountsError),
    /// A runner could not go on.
    #[error("the fetcher could not go on")]
    Run(#[source] RunError),
}

impl Exit for FetcherError {}

/// The process `sluice-fetcher`.
pub fn standalone() -> ExitCode {
    let needs = Needs { sites: true, destinations: false };
    service::standalone("fetcher", env!("CARGO_PKG_VERSION"), needs, async |settings, started| {
        let options = LogOptions::from_settings(&settings.log, "sluice-fetcher")
            .map_err(FetcherError::Connect)?;
        let log = Log::connect(&options).await.map_err(FetcherError::Connect)?;
        let url = settings.staging.url.clone().ok_or(FetcherError::NoStaging)?;
        let staging = Staging::open_patiently(&url).await.map_err(FetcherError::Staging)?;
        let clients = accounts::clients(&settings, &log).await.map_err(FetcherError::Clients)?;
        accounts::watch(&clients, &started.health);
        tokio::spawn(started.health.component("log").follow(log.pulse(), RunnerState::reason));
        let component = started.health.component("agreement of log and staging");
        agreed(&log, &staging, &component, &started.stop).await;
        run(&settings, (&log, &staging), &clients, &started.health, &started.stop).await
    })
}

/// The names of a site's parts of the health: ready when their routes are there.
pub fn components(site: &Site) -> [String; 2] {
    [REPORTS, FILES].map(|name| part_of_health(name, site))
}

fn part_of_health(name: &str, site: &Site) -> String {
    format!("fetcher of {name} of {}", site.label)
}

/// Fetches from every site that a transfer names, until told to stop. Log and staging have to agree: see [`agreed`].
///
/// # Errors
/// When a runner can't go on.
pub async fn run(
    settings: &Settings,
    (log, staging): (&Log, &Staging),
    clients: &Clients,
    health: &Health,
    stop: &CancellationToken,
) -> Result<(), FetcherError> {
    let component = health.component("agreement of log and staging");
    tokio::spawn(keep_agreed(log.clone(), staging.clone(), component, stop.child_token()));
    tokio::spawn(expiring(log.clone(), staging.clone(), settings.clone(), stop.child_token()));
    let room = StagingRoom::new(staging.clone(), settings.staging.clone());
    tokio::spawn(watching(room.clone(), log.clone(), settings.clone(), health, stop));
    let mut runs = JoinSet::new();
    let open_runs = log.follow_open_runs();
    for site in &settings.sites {
        let client = clients.of(&site.host).expect("every site of the settings has one");
        tokio::spawn(daily(log.clone(), settings.clone(), site.clone(), stop.child_token()));
        for (name, routes, slots) in routes(log, settings, site) {
            let backups = settings.kinds_of_site(&site.host).contains(&Kind::SiteBackup);
            let fetcher = Fetcher::new(log.clone(), staging.clone(), client.clone())
                .within(room.clone())
                .abandoning_after(site.abandoned_after)
                .taking_backups(backups && name == FILES);
            let options = RunnerOptions {
                retry: queue::RetryPolicy::from_settings(&settings.retry),
                gates: gates(settings, site, &open_runs, &room),
                ..RunnerOptions::slots(slots)
            };
            let runner = Runner::new(log.clone(), fetcher, routes, options);
            let component = health.component(part_of_health(name, site));
            tokio::spawn(component.follow(runner.state(), RunnerState::reason));
            runs.spawn(runner.run(stop.child_token()));
        }
    }
    let mut first_error = None;
    while let Some(ended) = runs.join_next().await {
        if let Err(error) = ended.expect("a runner does not panic; its jobs' panics are caught") {
            stop.cancel();
            first_error.get_or_insert(FetcherError::Run(error));
        }
    }
    first_error.map_or(Ok(()), Err)
}

/// Compares what was due of a site with what was staged, once a day, until told to stop.
async fn daily(log: Log, settings: Settings, site: Site, stop: CancellationToken) {
    let compare = async || Ok(reconcile(&log, &settings, &site, Period::default()).await?);
    let name = format!("staging {}", site.host);
    stop.run_until_cancelled(queue::daily(log.clone(), name, compare)).await;
}

/// Looks after the room in staging, until told to stop.
fn watching(
    room: StagingRoom,
    log: Log,
    settings: Settings,
    health: &Health,
    stop: &CancellationToken,
) -> impl Future<Output = ()> + Send + use<> {
    let (component, stop) = (health.component("room in staging"), stop.child_token());
    async move {
        stop.run_until_cancelled(room.watch(&log, &settings, &component)).await;
    }
}

/// Removes from staging what nobody wants any more, once a day, until told to stop.
async fn expiring(log: Log, staging: Staging, settings: Settings, stop: CancellationToken) {
    let expire = async || {
        let counts = expire(&log, &staging, &settings, chrono::Utc::now()).await?;
        tracing::info!(removed = counts.settled, kept = counts.complete, "went through staging");
        Ok(counts)
    };
    let name = "expiry of staging".to_owned();
    stop.run_until_cancelled(queue::daily(log.clone(), name, expire)).await;
}

/// The routes of one site, in two runners: small answers, and large files that take a download slot each.
fn routes(log: &Log, settings: &Settings, site: &Site) -> Vec<(&'static str, Vec<Route>, usize)> {
    let kinds = settings.kinds_to_fetch(&site.host);
    if kinds.is_empty() {
        return Vec::new();
    }
    let route = |kind: &Kind| Route::fetch(log, &site.host, *kind);
    let mut small: Vec<Route> = kinds.iter().filter(|kind| kind.is_report()).map(route).collect();
    small.push(Route::again_fetch(log, &site.host));
    let bulk = |route: Route| route.batched(BULK_SESSIONS_MAX).lingering(LINGER);
    let small = small.into_iter().map(bulk).collect();
    let large: Vec<Route> = kinds.iter().filter(|kind| !kind.is_report()).map(route).collect();
    vec![(REPORTS, small, REPORTS_AT_ONCE), (FILES, large, site.downloads_max)]
}

/// The gates of the routes: each is closed while there is no room for what it brings, and where only day-sized schedules
/// name it, it is open during their runs.
fn gates(
    settings: &Settings,
    site: &Site,
    open_runs: &OpenRuns,
    room: &StagingRoom,
) -> HashMap<String, Gate> {
    let gate = |kind: Kind| {
        let has_room = room.gate(Some(kind));
        let by_runs = open_runs.gate(&settings.fetch_opening(&site.host, kind), &site.host);
        let gate = match by_runs {
            Some(gate) => gate.with_room(has_room),
            None => Gate::of_room(has_room),
        };
        (queue::names::fetch(&site.host, kind), gate)
    };
    let again = (queue::names::again_fetch(&site.host), Gate::of_room(room.gate(None)));
    Kind::ALL.into_iter().map(gate).chain([again]).collect()
}
