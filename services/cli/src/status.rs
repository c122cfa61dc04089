use std::collections::BTreeSet;
use std::path::Path;

use appliance::AccountStanding;
use chrono::{DateTime, Utc};
use poller::{RunRecord, Runs};
use queue::{KnownDestination, Log, RouteState};
use settings::{Settings, Target};

use crate::data_dir::connect;
use crate::replay::line;
use crate::routes;
use crate::staged::staged;
use crate::table::{plain, table};

/// What a subject of a stream takes of the server's memory, measured with nats-server 2.15.1.
const BYTES_PER_SUBJECT: u64 = 170;

pub(crate) async fn status(settings: &Settings, data_dir: &Path) -> anyhow::Result<()> {
    let log = connect(settings, data_dir).await?;
    let runs = Runs::open(&log).await?.all().await?;
    let routes = log.routes().await?;
    let known = log.known_destinations().await?;
    sites(settings, &routes);
    accounts(settings, &accounts::standings(settings, &log).await?);
    schedules(settings, &runs);
    destinations(settings, &known, &routes);
    abandoned_routes(settings, &known, &routes);
    replays(&log, &known).await?;
    staged(&log, settings, data_dir).await?;
    streams(&log).await?;
    dead(&log).await
}

fn sites(settings: &Settings, routes: &[RouteState]) {
    let rows = settings.sites.iter().map(|site| {
        let token = messages::escape(site.host.as_str());
        let prefixes = [format!("fetch-{token}-"), format!("again-fetch-{token}")];
        let own = |route: &&RouteState| {
            prefixes.iter().any(|prefix| route.name.starts_with(prefix.as_str()))
        };
        let (waiting, in_hand) = sum(routes.iter().filter(own));
        [site.label.clone(), site.host.to_string(), site.product.to_string(), waiting, in_hand]
    });
    println!("{}", table(["site", "host", "product", "to fetch", "in hand"], rows));
}

fn accounts(settings: &Settings, standings: &[AccountStanding]) {
    let rows = settings.sites.iter().zip(standings).map(|(site, standing)| {
        [
            site.label.clone(),
            site.client_id.clone(),
            format!("{} of {}", standing.requests_granted, site.requests_per_hour),
            format!("{} of {}", standing.downloads, site.downloads_max),
            standing.trouble.clone().unwrap_or_default(),
        ]
    });
    let heading = ["account of", "client id", "requests this hour", "downloads", "trouble"];
    println!("{}", table(heading, rows));
}

fn schedules(settings: &Settings, runs: &[RunRecord]) {
    let rows = settings.schedules.iter().flat_map(|schedule| {
        let sites: BTreeSet<_> = schedule.transfers.iter().map(|transfer| &transfer.site).collect();
        sites.into_iter().map(|site| {
            let run = runs.iter().find(|run| run.schedule == schedule.label && run.site == *site);
            let at =
                schedule.at.map(|at| format!(" at {}", at.format("%H:%M"))).unwrap_or_default();
            [
                schedule.label.clone(),
                site.to_string(),
                format!("{}{at}", schedule.period),
                instant(run.and_then(|run| run.started_at)),
                run.map_or(0, |run| run.sessions_announced).to_string(),
                instant(run.and_then(|run| run.last_success_at)),
                instant(run.and_then(|run| run.covered_until).map(|until| until.instant())),
                run.and_then(|run| run.failure.clone()).unwrap_or_default(),
            ]
        })
    });
    let heading = [
        "schedule",
        "site",
        "every",
        "last run",
        "sessions found",
        "last success",
        "covered until",
        "failure",
    ];
    println!("{}", table(heading, rows));
}

fn destinations(settings: &Settings, known: &[KnownDestination], routes: &[RouteState]) {
    let rows = settings.destinations.iter().map(|destination| {
        let ids: Vec<_> = known.iter().filter(|known| known.label == destination.label).collect();
        let latest = ids.iter().max_by_key(|known| known.seen_at);
        let own = |route: &&RouteState| {
            latest.is_some_and(|known| route.name.contains(known.id.as_str()))
        };
        let (waiting, in_hand) = sum(routes.iter().filter(own));
        let kind = match destination.target {
            Target::Files(_) => "files",
            Target::Sql(_) => "sql",
        };
        let place = latest.map_or_else(|| "not opened yet".to_owned(), |known| known.place.clone());
        [destination.label.clone(), kind.to_owned(), place, waiting, in_hand]
    });
    println!("{}", table(["destination", "type", "place", "waiting", "in hand"], rows));
}

/// Routes that belong to a destination which the settings do not name any more.
fn abandoned_routes(settings: &Settings, known: &[KnownDestination], states: &[RouteState]) {
    let current = routes::current(settings, known);
    let delivers = |route: &&RouteState| route.name.contains("deliver-");
    let orphan =
        |route: &&RouteState| !current.iter().any(|known| route.name.contains(known.id.as_str()));
    let rows: Vec<_> = states
        .iter()
        .filter(delivers)
        .filter(orphan)
        .map(|route| [route.name.clone(), route.waiting.to_string()])
        .collect();
    if !rows.is_empty() {
        println!("{}", table(["route that no destination has", "waiting"], rows));
    }
}

/// Those that go on.
async fn replays(log: &Log, known: &[KnownDestination]) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for replay in log.replays().await?.iter().filter(|replay| replay.ended_at.is_none()) {
        let to = known.iter().find(|known| known.id == replay.destination);
        rows.push([
            replay.id.clone(),
            to.map_or_else(|| replay.destination.to_string(), |known| known.label.clone()),
            format!("{} by {}", instant(Some(replay.asked_at)), replay.asked_by),
            line(replay, log.replay_progress(replay).await?),
        ]);
    }
    if !rows.is_empty() {
        println!("{}", table(["replay", "to", "asked for", "done"], rows));
    }
    Ok(())
}

async fn streams(log: &Log) -> anyhow::Result<()> {
    let streams = log.streams().await?;
    let facts: u64 = streams.iter().map(|stream| stream.messages).sum();
    let rows = streams.iter().map(|stream| {
        [
            stream.name.clone(),
            stream.messages.to_string(),
            format!("{:.1} MB", stream.bytes as f64 / 1e6),
        ]
    });
    println!("{}", table(["stream", "facts", "size"], rows));
    let memory = facts * BYTES_PER_SUBJECT / 1_000_000;
    println!("The server needs about {memory} MB of memory for the names of these facts.\n");
    Ok(())
}

async fn dead(log: &Log) -> anyhow::Result<()> {
    match log.dead_letters().list().await?.as_slice() {
        [] => println!("dead letters: none"),
        [letters @ .., last] => {
            let reason = plain(&last.letter.reason);
            println!("dead letters: {}; the last: {reason}", letters.len() + 1);
            println!("`sluice dead-letters list` shows all.");
        }
    }
    Ok(())
}

fn sum<'a>(routes: impl Iterator<Item = &'a RouteState>) -> (String, String) {
    let (waiting, in_hand) = routes.fold((0, 0), |(waiting, in_hand), route| {
        (waiting + route.waiting, in_hand + route.in_hand)
    });
    (waiting.to_string(), in_hand.to_string())
}

fn instant(instant: Option<DateTime<Utc>>) -> String {
    instant.map_or_else(|| "never".to_owned(), |at| at.format("%Y-%m-%d %H:%M:%SZ").to_string())
}
