use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use domain::{Kind, SiteHost};
use queue::{
    BoxError, ConnectError, Failure, KnownDestination, Log, LogOptions, Period, RetryPolicy, Route,
    RunError, Runner, RunnerOptions, RunnerState,
};
use service::{Exit, Health, HealthHandle};
use settings::{Destination, Needs, Settings, SqlEngine, SqlTarget, UnresolvedSecret};
use staging::{Staging, StagingError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::SqlSink;
use crate::reconcile::compare;
use crate::store::{SqlServer, Sqlite, Store, StoreError};

/// How long to wait before a database that can't be opened is tried again.
const OPEN_AGAIN: Duration = Duration::from_secs(10);

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
        "the settings name no staging: set `url` in [staging] to a folder that all processes share, or run `sluice up`"
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
        let staging = Staging::open(&url).await.map_err(SqlSinkError::Staging)?;
        tokio::spawn(started.health.component("log").follow(log.pulse(), RunnerState::reason));
        run(&settings, &log, &staging, &started.health, &started.stop).await
    })
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
    let component = house.health.component(format!("database {}", destination.label));
    let schema = crate::migrate::schema(&target);
    match &target.engine {
        SqlEngine::Sqlite { path } => {
            let open = || {
                let path = path.clone();
                async move { Sqlite::open_with(&path, schema).await }
            };
            match opened(&house, &destination, &component, open).await {
                Some(store) => serve(&house, component, &destination, &target, store).await,
                None => Ok(()),
            }
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
            match opened(&house, &destination, &component, open).await {
                Some(store) => serve(&house, component, &destination, &target, store).await,
                None => Ok(()),
            }
        }
    }
}

/// The store, as soon as it can be opened; `None` if the process is stopped before.
async fn opened<S, F: Future<Output = Result<S, StoreError>>>(
    house: &House,
    destination: &Destination,
    component: &HealthHandle,
    open: impl Fn() -> F,
) -> Option<S> {
    let mut told = String::new();
    loop {
        let error = tokio::select! {
            () = house.stop.cancelled() => return None,
            opened = open() => match opened {
                Ok(store) => return Some(store),
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

async fn serve<S: Store>(
    house: &House,
    component: HealthHandle,
    destination: &Destination,
    target: &SqlTarget,
    store: S,
) -> Result<(), SqlSinkError> {
    let House { settings, log, staging, .. } = house;
    known(log, destination, &store).await;
    outliving(log, destination, &store).await;
    let sites = settings.sites_of_destination(&destination.label);
    let open_runs = log.follow_open_runs();
    let gate = |site: &&SiteHost| {
        let opening = settings.deliver_opening(&destination.label, site, Kind::SessionData);
        let name = queue::names::deliver(store.identity(), site, Kind::SessionData);
        Some((name, open_runs.gate(&opening, site)?))
    };
    let gates = sites.iter().filter_map(gate).collect();
    let mut routes: Vec<Route> = sites
        .into_iter()
        .map(|site| Route::deliver(log, store.identity(), site, Kind::SessionData))
        .collect();
    routes.push(Route::again_deliver(log, store.identity()));
    let routes = routes.into_iter().map(|route| route.batched(target.batch_sessions_max)).collect();
    let sink = SqlSink::new(store, log.clone(), staging.clone(), target.store_system_information);
    tokio::spawn(daily(house, destination, sink.store()));
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
    runner.run(house.stop.child_token()).await.map_err(SqlSinkError::Run)
}

/// Compares the database with the log once a day, until told to stop.
fn daily<S: Store>(
    house: &House,
    destination: &Destination,
    store: Arc<S>,
) -> impl Future<Output = ()> + Send + use<S> {
    let (log, settings) = (house.log.clone(), house.settings.clone());
    let (destination, stop) = (destination.clone(), house.stop.clone());
    async move {
        let compare = async || {
            Ok(compare(&log, &settings, &destination, &*store, None, Period::default()).await?)
        };
        let name = format!("destination {}", store.identity());
        stop.run_until_cancelled(queue::daily(log.clone(), name, compare)).await;
    }
}

/// A database that holds a revision which the log has not given yet tells that the log was set back.
async fn outliving<S: Store>(log: &Log, destination: &Destination, store: &S) {
    let outlived = match store.newest().await {
        Ok(Some(newest)) => log.outlived_by(newest).await.map(drop).map_err(BoxError::from),
        Ok(None) => Ok(()),
        Err(error) => Err(error.into()),
    };
    if let Err(error) = outlived {
        let destination = &destination.label;
        tracing::warn!(error, destination, "could not compare its ledger with the log");
    }
}

/// Remembers the database, for those who look at what waits for it.
async fn known<S: Store>(log: &Log, destination: &Destination, store: &S) {
    let seen = KnownDestination {
        id: store.identity().clone(),
        label: destination.label.clone(),
        place: store.place().to_owned(),
        seen_at: Utc::now(),
    };
    if let Err(error) = log.know_destination(&seen).await {
        tracing::warn!(%error, destination = destination.label, "a destination could not be remembered");
    }
}
