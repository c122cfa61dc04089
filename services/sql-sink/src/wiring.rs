use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use domain::{DestinationId, Kind, SiteHost};
use queue::{
    ConnectError, Failure, Log, LogOptions, Period, RetryPolicy, Route, RunError, Runner,
    RunnerOptions, RunnerState,
};
use service::{Exit, Health, HealthHandle};
use settings::{Destination, Needs, Settings, SqlEngine, SqlTarget, UnresolvedSecret};
use staging::{Staging, StagingError};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::SqlSink;
use crate::identity::{self, Found, IdentityError};
use crate::progress::{Progress, ProgressError};
use crate::reconcile::compare;
use crate::store::{SqlServer, Sqlite, Store, StoreError};

/// How long to wait before a database that can't be opened is tried again.
const OPEN_AGAIN: Duration = Duration::from_secs(10);
/// How often a database that is down is looked at: it may be another by then.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How often one is looked at that works, or has nothing to do: an older copy shows itself at the next write, too.
const LOOK_SELDOM: Duration = Duration::from_secs(30);

/// Why the SQL sink ended early.
#[derive(Debug, thiserror::Error)]
pub enum SqlSinkError {
    /// No log.
    #[error("the SQL sink has no log to work from")]
    Connect(#[source] ConnectError),
    /// No staging.
    #[error("the SQL sink has nothing to read reports from")]
    Staging(#[source] StagingError),
    /// The settings name no staging that processes could share.
    #[error(
        "the settings name no staging: set `url` in [staging] to a folder or a bucket that all processes share, or run `sluice up`"
    )]
    NoStaging,
    /// A connection string was not read.
    #[error("the SQL sink lacks the connection string of {destination}")]
    Secret {
        /// Which destination.
        destination: String,
        /// Why.
        #[source]
        cause: UnresolvedSecret,
    },
    /// A runner could not go on.
    #[error("the SQL sink could not go on")]
    Run(#[source] RunError),
}

impl Exit for SqlSinkError {}

/// The process `sluice-sql-sink`.
pub fn standalone() -> ExitCode {
    let needs = Needs { sites: false, destinations: true };
    service::standalone("sql-sink", env!("CARGO_PKG_VERSION"), needs, async |settings, started| {
        let options = LogOptions::from_settings(&settings.log, "sluice-sql-sink")
            .map_err(SqlSinkError::Connect)?;
        let log = Log::connect(&options).await.map_err(SqlSinkError::Connect)?;
        let url = settings.staging.url.clone().ok_or(SqlSinkError::NoStaging)?;
        let staging = Staging::open_patiently(&url).await.map_err(SqlSinkError::Staging)?;
        tokio::spawn(started.health.component("log").follow(log.pulse(), RunnerState::reason));
        run(&settings, &log, &staging, &started.health, &started.stop).await
    })
}

/// The name of a destination's part of the health: ready when its routes are there and it can be delivered to.
pub fn component(destination: &Destination) -> String {
    format!("database {}", destination.label)
}

/// What the sinks of all destinations share.
struct House {
    settings: Settings,
    log: Log,
    staging: Staging,
    health: Health,
    stop: CancellationToken,
}

/// Delivers to every database that the settings name, until told to stop.
///
/// # Errors
/// When a connection string is missing, or a runner can't go on. A database that can't be opened is no error: its part
/// of the health says why, and it is tried until it can.
pub async fn run(
    settings: &Settings,
    log: &Log,
    staging: &Staging,
    health: &Health,
    stop: &CancellationToken,
) -> Result<(), SqlSinkError> {
    let house = Arc::new(House {
        settings: settings.clone(),
        log: log.clone(),
        staging: staging.clone(),
        health: health.clone(),
        stop: stop.clone(),
    });
    let mut runs = JoinSet::new();
    for destination in &settings.destinations {
        if let Some(target) = destination.target.sql() {
            runs.spawn(deliver(Arc::clone(&house), destination.clone(), target.clone()));
        }
    }
    let mut first_error = None;
    while let Some(ended) = runs.join_next().await {
        if let Err(error) = ended.expect("a sink does not panic; its jobs' panics are caught") {
            stop.cancel();
            first_error.get_or_insert(error);
        }
    }
    first_error.map_or(Ok(()), Err)
}

async fn deliver(
    house: Arc<House>,
    destination: Destination,
    target: SqlTarget,
) -> Result<(), SqlSinkError> {
    let schema = crate::migrate::schema(&target);
    match &target.engine {
        SqlEngine::Sqlite { path } => {
            let open = || {
                let path = path.clone();
                async move { Sqlite::open_with(&path, schema).await }
            };
            deliver_to(&house, &destination, &target, open).await
        }
        SqlEngine::SqlServer { connection } => {
            let connection = connection.expose().map_err(|cause| SqlSinkError::Secret {
                destination: destination.label.clone(),
                cause,
            })?;
            let open = || {
                let connection = connection.to_owned();
                async move { SqlServer::open_with(&connection, schema).await }
            };
            deliver_to(&house, &destination, &target, open).await
        }
    }
}

/// Delivers to whatever database stands in the destination's place: where it is replaced, or found set back to an older
/// copy of itself, it is opened again.
async fn deliver_to<S: Store, F: Future<Output = Result<S, StoreError>>>(
    house: &House,
    destination: &Destination,
    target: &SqlTarget,
    open: impl Fn() -> F,
) -> Result<(), SqlSinkError> {
    let component = house.health.component(component(destination));
    while let Some(opened) = opened(house, destination, &component, &open).await {
        match serve(house, component.clone(), destination, target, opened).await? {
            Served::Replaced => {}
            Served::Stopped => break,
        }
    }
    Ok(())
}

/// A database that can be delivered to.
struct Opened<S> {
    store: S,
    routes: Vec<Route>,
}

/// Why a database is no longer delivered to.
enum Served {
    /// The process stops.
    Stopped,
    /// In its place there is another, it has another identity, or it has to be brought up to date.
    Replaced,
}

/// The store, as soon as it can be delivered to; `None` if the process is stopped before.
async fn opened<S: Store, F: Future<Output = Result<S, StoreError>>>(
    house: &House,
    destination: &Destination,
    component: &HealthHandle,
    open: impl Fn() -> F,
) -> Option<Opened<S>> {
    let mut told = String::new();
    loop {
        let error = tokio::select! {
            () = house.stop.cancelled() => return None,
            opened = open_once(house, destination, &open) => match opened {
                Ok(opened) => return Some(opened),
                Err(error) => Failure::Down(error.into()).to_string(),
            },
        };
        if error != told {
            tracing::warn!(destination = destination.label, error, "a database can't be opened");
            component.not_ready(&error);
            told = error;
        }
        tokio::select! {
            () = house.stop.cancelled() => return None,
            () = tokio::time::sleep(OPEN_AGAIN) => {}
        }
    }
}

async fn open_once<S: Store, F: Future<Output = Result<S, StoreError>>>(
    house: &House,
    destination: &Destination,
    open: &impl Fn() -> F,
) -> Result<Opened<S>, IdentityError> {
    let House { settings, log, .. } = house;
    loop {
        let store = open().await.map_err(IdentityError::Store)?;
        if let Found::Current(begins) = identity::find(log, settings, destination, &store).await? {
            let id = store.identity();
            let deliver = |site| Route::deliver(log, id, site, Kind::SessionData);
            let sites = settings.sites_of_destination(&destination.label);
            let delivering = sites.into_iter().map(deliver).collect();
            let routes = begins.routes(log, id, delivering).await.map_err(IdentityError::Log)?;
            return Ok(Opened { store, routes });
        }
    }
}

async fn serve<S: Store>(
    house: &House,
    component: HealthHandle,
    destination: &Destination,
    target: &SqlTarget,
    Opened { store, routes }: Opened<S>,
) -> Result<Served, SqlSinkError> {
    let House { settings, log, staging, .. } = house;
    let stop = house.stop.child_token();
    let _ends_with_this = stop.clone().drop_guard();
    let open_runs = log.follow_open_runs();
    let gate = |site: &&SiteHost| {
        let opening = settings.deliver_opening(&destination.label, site, Kind::SessionData);
        let name = queue::names::deliver(store.identity(), site, Kind::SessionData);
        Some((name, open_runs.gate(&opening, site)?))
    };
    let sites = settings.sites_of_destination(&destination.label);
    let gates = sites.iter().filter_map(gate).collect();
    let routes = routes.into_iter().map(|route| route.batched(target.batch_sessions_max)).collect();
    let sink = SqlSink::new(store, log.clone(), staging.clone(), target.store_system_information);
    let store = sink.store();
    tokio::spawn(daily(house, destination, &stop, Arc::clone(&store)));
    let runner = Runner::new(
        log.clone(),
        sink,
        routes,
        RunnerOptions {
            retry: RetryPolicy::from_settings(&settings.retry),
            gates,
            ..RunnerOptions::slots(destination.workers)
        },
    );
    tokio::spawn(component.follow(runner.state(), RunnerState::reason));
    tokio::spawn(replays(house, &stop, store.identity().clone(), &runner, target));
    let state = runner.state();
    let mut running = pin!(runner.run(stop.clone()));
    let ended = tokio::select! {
        ended = &mut running => ended,
        () = replaced(&*store, log, state) => {
            stop.cancel();
            // Its routes may be gone by now.
            drop(running.await);
            return Ok(Served::Replaced);
        }
    };
    match ended {
        Ok(()) => Ok(Served::Stopped),
        // Whoever gives a database another identity drops the routes of the old one.
        Err(RunError::RouteGone { .. }) if store.probe().await.is_err() => Ok(Served::Replaced),
        Err(error) => Err(SqlSinkError::Run(error)),
    }
}

/// Looks after the replays of a database, until told to stop.
fn replays<S: Store>(
    house: &House,
    stop: &CancellationToken,
    id: DestinationId,
    runner: &Runner<SqlSink<S>>,
    target: &SqlTarget,
) -> impl Future<Output = ()> + Send + use<S> {
    let (log, stop, runner) = (house.log.clone(), stop.clone(), runner.adder());
    let batch_max = target.batch_sessions_max;
    async move {
        stop.run_until_cancelled(log.follow_replays(&id, &runner, batch_max)).await;
    }
}

/// Waits until there is another database in the place of this one, or an older copy of it, or until it has lost tables.
async fn replaced<S: Store>(store: &S, log: &Log, mut state: watch::Receiver<RunnerState>) {
    let progress = Progress::new(log.clone());
    loop {
        let down = async { state.wait_for(|state| state.reason().is_some()).await.map(drop) };
        // Whether it came or not: it is looked at in any case.
        drop(tokio::time::timeout(LOOK_SELDOM, down).await);
        let probed = store.probe().await;
        let is_another =
            matches!(probed, Err(StoreError::Another { .. } | StoreError::Lost { .. }));
        if is_another || matches!(progress.all(store).await, Err(ProgressError::SetBack(_))) {
            return;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Compares the database with the log once a day, until told to stop.
fn daily<S: Store>(
    house: &House,
    destination: &Destination,
    stop: &CancellationToken,
    store: Arc<S>,
) -> impl Future<Output = ()> + Send + use<S> {
    let (log, settings) = (house.log.clone(), house.settings.clone());
    let (destination, stop) = (destination.clone(), stop.clone());
    async move {
        let compare = async || {
            Ok(compare(&log, &settings, &destination, &*store, None, Period::default()).await?)
        };
        let name = format!("destination {}", store.identity());
        stop.run_until_cancelled(queue::daily(log.clone(), name, compare)).await;
    }
}
