//! `sluice replay`: a destination is gone through once more, from the log.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use domain::{DestinationId, Kind, SiteHost};
use queue::{Log, Replay, ReplayProgress};
use settings::{Destination, Settings};

use crate::arguments::Replay as Wanted;
use crate::data_dir::connect;
use crate::dead_letters::person;
use crate::reconcile::{period, site};

/// How often progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often it is told where nobody watches a terminal.
const TELL_EVERY: Duration = Duration::from_secs(5);

pub(crate) async fn run(
    wanted: &Wanted,
    settings: &Settings,
    data_dir: &Path,
) -> anyhow::Result<()> {
    let destination = settings
        .destination(&wanted.to)
        .ok_or_else(|| anyhow!("the settings name no destination {:?}", wanted.to))?;
    let of = routes(wanted, settings, destination)?;
    let period = period(wanted.since.as_deref(), wanted.until.as_deref())?;
    let log = connect(settings, data_dir).await?;
    let id = identity(&log, &destination.label).await?;
    let asked = log.ask_replay(&id, of, period, &person()).await;
    let replay = asked.map_err(|cause| anyhow!(cause)).context("could not ask for a replay")?;
    println!(
        "replay {} of {} facts to {} is asked for; `sluice status` shows how far it is",
        replay.id, replay.facts, destination.label
    );
    match wanted.wait {
        true => wait(&log, replay, &destination.label).await,
        false => Ok(()),
    }
}

/// What of which sites is brought there by the settings, as far as it is wanted.
fn routes(
    wanted: &Wanted,
    settings: &Settings,
    destination: &Destination,
) -> anyhow::Result<Vec<(SiteHost, Kind)>> {
    let only = wanted.site.as_deref().map(|label| site(settings, label)).transpose()?;
    let kinds: BTreeSet<Kind> = wanted
        .kinds
        .iter()
        .map(|kind| kind.parse::<Kind>().map_err(anyhow::Error::from))
        .collect::<Result<_, _>>()?;
    let mut routes = Vec::new();
    for host in settings.sites_of_destination(&destination.label) {
        if only.is_some_and(|only| only.host != *host) {
            continue;
        }
        let mut of = settings.kinds_of_route(&destination.label, host);
        of.retain(|kind| kinds.is_empty() || kinds.contains(kind));
        routes.extend(of.into_iter().map(|kind| (host.clone(), kind)));
    }
    if routes.is_empty() {
        bail!("no transfer of the settings brings any of this to {}", destination.label);
    }
    Ok(routes)
}

/// The identity that a destination was last seen with.
async fn identity(log: &Log, label: &str) -> anyhow::Result<DestinationId> {
    let known = log.known_destinations().await?;
    let own = known.into_iter().filter(|known| known.label == label);
    let latest = own.max_by_key(|known| known.seen_at);
    latest.map(|known| known.id).ok_or_else(|| {
        anyhow!(
            "no sink has opened {label} yet; when one does, it fills itself, and needs no replay"
        )
    })
}

/// Waits for its end. Whoever stops waiting stops nothing.
async fn wait(log: &Log, mut replay: Replay, label: &str) -> anyhow::Result<()> {
    let mut told = Instant::now();
    loop {
        let record = log.replay(&replay).await?;
        let progress = log.replay_progress(&replay).await?;
        if record.is_none_or(|record| record.ended_at.is_some()) {
            // It goes on under another identity where the destination had lost its own.
            let destination = identity(log, label).await?;
            if destination != replay.destination
                && let Some(same) = log.replay(&Replay { destination, ..replay.clone() }).await?
            {
                replay = same;
                continue;
            }
            if std::io::stderr().is_terminal() {
                eprintln!();
            }
            println!("replay {} is done", replay.id);
            return Ok(());
        }
        if std::io::stderr().is_terminal() {
            eprint!("\r{}", line(&replay, progress));
        } else if told.elapsed() >= TELL_EVERY {
            told = Instant::now();
            eprintln!("{}", line(&replay, progress));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// How far a replay is, for people.
pub(crate) fn line(replay: &Replay, progress: ReplayProgress) -> String {
    let done = replay.facts.saturating_sub(progress.left);
    format!("{done} of {} facts, {} in hand", replay.facts, progress.in_hand)
}
