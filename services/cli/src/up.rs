use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use appliance::Clients;
use queue::{Log, LogOptions, RunnerState};
use service::Started;
use settings::Settings;
use staging::Staging;
use tokio::task::JoinSet;

use crate::arguments::Up;
use crate::broker::Broker;
use crate::data_dir::{DataDir, staging_url};
use crate::disk;
use crate::once;

/// Every service in this process.
pub(crate) async fn up(
    up: &Up,
    settings: &Settings,
    data_dir: &Path,
    started: &Started,
) -> anyhow::Result<()> {
    let data_dir = DataDir::hold(data_dir)?;
    // Dropped last: the services still need it while they stop.
    let broker = match &settings.log.url {
        Some(_) => None,
        None => Some(tokio::task::block_in_place(|| Broker::start(&data_dir))?),
    };
    let log = connect(settings, broker.as_ref()).await?;
    let staging = Staging::open_patiently(&staging_url(settings, data_dir.path())?).await?;
    if let (Some(listen), false) = (settings.service.listen, up.once) {
        started.serve(listen).await?;
    }
    let clients = accounts::clients(settings, &log).await?;
    accounts::watch(&clients, &started.health);
    tokio::spawn(started.health.component("log").follow(log.pulse(), RunnerState::reason));
    if let Some(broker) = &broker {
        tokio::spawn(disk::watch(broker, &log, started));
    }
    let component = started.health.component("agreement of log and staging");
    fetcher::agreed(&log, &staging, &component, &started.stop).await;
    let mut services = start(settings, (&log, &staging), &clients, started);
    let outcome = if up.once {
        // A stop ends the services well, and the run not.
        let failed = async {
            match watch(&mut services, started).await {
                Ok(()) => std::future::pending().await,
                error => error,
            }
        };
        tokio::select! {
            error = failed => error,
            done = once::once(settings, &log, &clients, started) => done,
        }
    } else {
        spawn_poller(&mut services, settings, &log, &clients, started);
        watch(&mut services, started).await
    };
    started.stop.cancel();
    while services.join_next().await.is_some() {}
    log.close().await;
    tokio::task::block_in_place(|| drop(broker));
    outcome
}

async fn connect(settings: &Settings, broker: Option<&Broker>) -> anyhow::Result<Log> {
    let options = match broker {
        Some(broker) => LogOptions {
            prefix: settings.log.prefix.clone(),
            patience: Duration::from_secs(60),
            user: Some(broker.access().user()),
            ..LogOptions::plain(&broker.access().url(), "sluice-up")
        },
        None => LogOptions::from_settings(&settings.log, "sluice-up")?,
    };
    Ok(Log::connect(&options).await?)
}

type Services = JoinSet<anyhow::Result<()>>;

/// The workers. The poller is started apart, because a single run has its own.
fn start(
    settings: &Settings,
    (log, staging): (&Log, &Staging),
    clients: &Clients,
    started: &Started,
) -> Services {
    let clients = clients.clone();
    let mut services = JoinSet::new();
    let all = || (settings.clone(), log.clone(), staging.clone(), started.clone());
    let (settings, log, staging, Started { stop, health, .. }) = all();
    services.spawn(async move {
        Ok(fetcher::run(&settings, (&log, &staging), &clients, &health, &stop).await?)
    });
    let (settings, log, staging, Started { stop, health, .. }) = all();
    services
        .spawn(async move { Ok(file_sink::run(&settings, &log, &staging, &health, &stop).await?) });
    let (settings, log, staging, Started { stop, health, .. }) = all();
    services
        .spawn(async move { Ok(sql_sink::run(&settings, &log, &staging, &health, &stop).await?) });
    services
}

fn spawn_poller(
    services: &mut Services,
    settings: &Settings,
    log: &Log,
    clients: &Clients,
    started: &Started,
) {
    let clients = clients.clone();
    let (settings, log, Started { stop, health, .. }) =
        (settings.clone(), log.clone(), started.clone());
    services
        .spawn(async move { Ok(poller::run(&settings, &log, &clients, &health, &stop).await?) });
}

/// Waits until told to stop, or until a service ends with an error, which ends all. A service without work in these
/// settings ends at once, and well.
async fn watch(services: &mut Services, started: &Started) -> anyhow::Result<()> {
    while let Some(ended) = services.join_next().await {
        ended.context("a service panicked")??;
    }
    started.stop.cancelled().await;
    Ok(())
}
