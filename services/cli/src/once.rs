//! `sluice up --once`: each schedule once, everything delivered, a summary.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

use anyhow::{anyhow, bail};
use appliance::Clients;
use domain::facts::Deed;
use queue::{Log, StreamState};
use service::{Health, Started, State};
use settings::{Settings, Target};

use crate::routes::Followed;
use crate::table::table;

/// How often progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often it is told where nobody watches a terminal.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// What the log held before the run.
struct Before {
    due: u64,
    artifacts: u64,
    activity: u64,
}

pub(crate) async fn once(
    settings: &Settings,
    log: &Log,
    clients: &Clients,
    started: &Started,
) -> anyhow::Result<()> {
    let before = before(&log.streams().await?);
    let swept = poller::run_once(settings, log, clients, &started.stop).await?;
    drained(settings, log, started, &before).await?;
    summary(log, &before).await?;
    let failed: Vec<_> = swept.runs.iter().filter(|run| run.failure.is_some()).collect();
    for run in &failed {
        let failure = run.failure.as_deref().unwrap_or_default();
        eprintln!("schedule {}, site {}: {failure}", run.schedule, run.site);
    }
    match failed.len() {
        0 => Ok(()),
        failed => bail!(
            "{failed} of {} runs failed; what the others announced is delivered",
            swept.runs.len()
        ),
    }
}

fn before(streams: &[StreamState]) -> Before {
    let last = |index: usize| streams.get(index).map_or(0, |stream| stream.last);
    Before { due: last(0), artifacts: last(1), activity: last(2) }
}

/// Waits until nothing waits on any route, twice in a row with nothing new between. What the appliance does not have yet,
/// and is asked for again in an hour or later, is left to the next run.
///
/// A destination that is not open yet, or a fetcher that has only begun, has no routes, and would seem to want nothing; a
/// destination that the settings no longer name has routes that nobody follows.
async fn drained(
    settings: &Settings,
    log: &Log,
    started: &Started,
    before: &Before,
) -> anyhow::Result<()> {
    let mut quiet_at = None;
    let mut told = tokio::time::Instant::now() - TELL_EVERY;
    while !started.stop.is_cancelled() {
        let streams = log.streams().await?;
        let mut routes = log.routes().await?;
        let followed = Followed::of(settings, &log.known_destinations().await?);
        routes.retain(|route| followed.holds(&route.name));
        let position = (streams[0].last, streams[1].last);
        let mut waiting = 0;
        for route in &routes {
            let late = match route.in_hand {
                0 => 0,
                _ => log.late(&route.name).await.map_err(|cause| anyhow!(cause))?,
            };
            waiting += route.waiting + route.in_hand.saturating_sub(late);
        }
        if std::io::stderr().is_terminal() || told.elapsed() >= TELL_EVERY {
            told = tokio::time::Instant::now();
            tell(&streams, before, waiting, &started.health);
        }
        match (waiting, quiet_at) {
            (0, Some(quiet)) if quiet == position => {
                if std::io::stderr().is_terminal() {
                    eprintln!();
                }
                return Ok(());
            }
            (0, _) if are_open(settings, &started.health) => quiet_at = Some(position),
            _ => quiet_at = None,
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    bail!("stopped before everything was delivered; start again to go on where it stopped")
}

/// Whether every fetcher and every destination to which anything is transferred has its routes, and works.
fn are_open(settings: &Settings, health: &Health) -> bool {
    let components = health.components();
    let is_ready =
        |name: String| components.iter().any(|one| one.name == name && one.state == State::Ready);
    let fetched =
        settings.sites.iter().filter(|site| !settings.kinds_to_fetch(&site.host).is_empty());
    let delivered = settings
        .destinations
        .iter()
        .filter(|destination| !settings.sites_of_destination(&destination.label).is_empty())
        .map(|destination| match &destination.target {
            Target::Files(_) => file_sink::component(destination),
            Target::Sql(_) => sql_sink::component(destination),
        });
    fetched.flat_map(fetcher::components).chain(delivered).all(is_ready)
}

fn tell(streams: &[StreamState], before: &Before, waiting: u64, health: &Health) {
    let line = format!(
        "announced {:>6}   staged {:>6}   waiting {:>6}   dead {:>3}",
        streams[0].last - before.due,
        streams[1].last - before.artifacts,
        waiting,
        streams[3].messages,
    );
    if std::io::stderr().is_terminal() {
        eprint!("\r{line}");
    } else {
        eprintln!("{line}");
    }
    for component in health.components() {
        if let State::NotReady(reason) = component.state {
            eprintln!("\n{} is waited for: {reason}", component.name);
        }
    }
}

async fn summary(log: &Log, before: &Before) -> anyhow::Result<()> {
    let labels: BTreeMap<_, _> =
        log.known_destinations().await?.into_iter().map(|known| (known.id, known.label)).collect();
    let mut delivered: BTreeMap<&str, u64> =
        labels.values().map(|label| (label.as_str(), 0)).collect();
    let mut skipped = 0_u64;
    for activity in log.activity_after(before.activity).await? {
        let label = activity.destination.as_ref().and_then(|id| labels.get(id));
        match (activity.deed, label) {
            (Deed::Delivered, Some(label)) => *delivered.entry(label).or_default() += 1,
            (Deed::Skipped, _) => skipped += 1,
            _ => {}
        }
    }
    let streams = log.streams().await?;
    let mut rows = vec![
        ["announced".to_owned(), (streams[0].last - before.due).to_string()],
        ["staged".to_owned(), (streams[1].last - before.artifacts).to_string()],
    ];
    for (label, count) in delivered {
        rows.push([format!("delivered to {label}"), count.to_string()]);
    }
    if skipped > 0 {
        rows.push(["skipped".to_owned(), skipped.to_string()]);
    }
    let dead = log.dead_letters().list().await?.len();
    rows.push(["dead".to_owned(), dead.to_string()]);
    print!("{}", table(["this run", "artifacts"], rows));
    Ok(())
}
