//! Which identity stands at a destination's place, and what follows where it is not what it was: routes are named by it, so
//! a destination with a new one fills itself.

use std::sync::Arc;

use chrono::Utc;
use domain::{DestinationId, Marks};
use queue::{
    Beginning, BoxError, BucketError, KnownDestination, Lineage, Log, LogError, Route, SetBack,
    Start,
};
use settings::{Begin, Destination, FilesTarget, Settings};

use crate::progress::{Progress, ProgressError};
use crate::streaming::blocking;
use crate::{Directory, DirectoryError, PlaceError, WithoutIdentity, holder, wiring};

/// What `sluice check` says of a destination that will be given another identity.
const OLDER: &str = "it is an older copy of itself, and will be filled up under another identity";
/// What it says of one that lost its ledger, after a replay to it was asked for.
const REFILLED: &str = "it has lost its ledger, and will be filled anew, as was asked for";

/// Why a destination is not open yet.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotOpen {
    #[error(transparent)]
    Directory(DirectoryError),
    #[error("could not find out how far the destination has come")]
    Marks(#[source] PlaceError),
    #[error(
        "{place} holds the destination {found}, and was {known} before: another share is mounted there; mount the right \
         one, or give this destination a `url` of its own"
    )]
    Another { place: String, known: DestinationId, found: DestinationId },
    #[error(
        "{place} bears the same identity as the destination {twin} ({twin_place}): one is a copy of the other, or both are \
         two names of one directory. If it is a copy, delete .sluice/identity.json in the copy, and it becomes a \
         destination of its own. If it is one directory, name it once in the settings"
    )]
    Twins { place: String, twin: String, twin_place: String },
    #[error("could not find out whether this destination was known before")]
    Known(#[source] BucketError),
    #[error("could not find out whether the destination is what it was")]
    Progress(#[source] ProgressError),
    #[error("could not compare the destination with the log")]
    Log(#[source] LogError),
}

/// A destination that can be delivered to.
pub(crate) struct Opened {
    pub directory: Arc<Directory>,
    pub routes: Vec<Route>,
}

/// What was found at the place.
enum Found {
    Current(Arc<Directory>, Beginning),
    /// An older copy of itself. It has another identity now, by us or by somebody else: open it again.
    Renewed,
}

/// Opens the destination, and makes its routes.
pub(crate) async fn open(
    log: &Log,
    settings: &Settings,
    destination: &Destination,
    target: &FilesTarget,
) -> Result<Opened, NotOpen> {
    loop {
        if let Found::Current(directory, begins) = find(log, settings, destination, target).await? {
            let id = directory.identity();
            let delivering = wiring::delivering(log, settings, destination, id);
            let routes = begins.routes(log, id, delivering).await.map_err(NotOpen::Log)?;
            return Ok(Opened { directory, routes });
        }
    }
}

/// Finds out what stands there. An older copy of what was there is given another identity.
async fn find(
    log: &Log,
    settings: &Settings,
    destination: &Destination,
    target: &FilesTarget,
) -> Result<Found, NotOpen> {
    let known = log.known_destination(&target.url).await.map_err(NotOpen::Known)?;
    let known = known.map(|known| known.id);
    let directory = opened(log, target, known.as_ref()).await?;
    let id = directory.identity().clone();
    let (seen, labels) = (seen(destination, target, &id), labels(settings));
    alone(log, &seen, &labels).await?;
    outliving(log, destination, &directory).await;
    if is_older(log, &directory, known.as_ref(), &seen).await? {
        renew(log, &directory, known).await?;
        return Ok(Found::Renewed);
    }
    let marks = {
        let directory = Arc::clone(&directory);
        blocking(move || directory.marks()).await.map_err(NotOpen::Marks)?
    };
    let all = log.known_destinations().await.map_err(NotOpen::Known)?;
    let of_a_lost_log = !marks.is_empty() && !all.iter().any(|known| known.id == id);
    let succession = log.succession(&id).await.map_err(NotOpen::Known)?;
    // Of two that begin together neither knew of the other before.
    match holder::take(log, &seen, &labels).await.map_err(NotOpen::Known)? {
        None => log.know_destination(&seen).await.map_err(NotOpen::Known)?,
        Some(twin) => return Err(twins(&seen, twin)),
    }
    let start = start(destination.start, of_a_lost_log);
    Ok(Found::Current(directory, Beginning::new(start, succession)))
}

/// That no other destination of these labels bears its identity.
async fn alone(log: &Log, seen: &KnownDestination, labels: &[String]) -> Result<(), NotOpen> {
    match log.twin_of(seen, labels).await.map_err(NotOpen::Known)? {
        None => Ok(()),
        Some(twin) => Err(twins(seen, twin)),
    }
}

fn twins(seen: &KnownDestination, twin: KnownDestination) -> NotOpen {
    NotOpen::Twins { place: seen.place.clone(), twin: twin.label, twin_place: twin.place }
}

/// A directory is given an identity only if none was ever known for its place: else it is a share that isn't mounted.
/// One that has lost its identity is filled anew if a person has asked for a replay to it.
async fn opened(
    log: &Log,
    target: &FilesTarget,
    known: Option<&DestinationId>,
) -> Result<Arc<Directory>, NotOpen> {
    let Some(known) = known else {
        return wiring::open(target, WithoutIdentity::New).await.map_err(NotOpen::Directory);
    };
    let lost = match wiring::open(target, WithoutIdentity::Down).await {
        Err(lost @ DirectoryError::Unknown { .. }) => lost,
        opened => return opened.map_err(NotOpen::Directory),
    };
    let replays = log.replays_to(known).await.map_err(NotOpen::Known)?;
    // A share that is unmounted while a replay goes on is not filled either when the process starts again.
    if !log.is_any_not_begun(&replays).await.map_err(NotOpen::Known)? {
        return Err(NotOpen::Directory(lost));
    }
    let drawn = DestinationId::from_random(rand::random());
    log.prepare_refill(known, &drawn, &replays).await.map_err(NotOpen::Log)?;
    let filled = wiring::open(target, WithoutIdentity::Becomes(drawn)).await;
    filled.map_err(NotOpen::Directory)
}

/// Whether it is an older copy of itself: it bears an identity that another took the place of, or is behind what is known
/// of it.
async fn is_older(
    log: &Log,
    directory: &Arc<Directory>,
    known: Option<&DestinationId>,
    seen: &KnownDestination,
) -> Result<bool, NotOpen> {
    let found = &seen.id;
    let known = known.unwrap_or(found);
    if is_ancestor(log, known, seen).await? {
        tracing::warn!(
            destination = seen.label,
            "{} is an older copy of itself, of before it was {known}; it is filled up under another identity",
            seen.place
        );
        return Ok(true);
    }
    match Progress::new(log.clone(), Arc::clone(directory)).check().await {
        Ok(()) => Ok(false),
        Err(older @ ProgressError::SetBack(_)) => {
            tracing::warn!(destination = seen.label, "{older}");
            Ok(true)
        }
        Err(error) => Err(NotOpen::Progress(error)),
    }
}

/// Whether it bears an identity that another took the place of.
async fn is_ancestor(
    log: &Log,
    known: &DestinationId,
    seen: &KnownDestination,
) -> Result<bool, NotOpen> {
    match log.lineage(known, &seen.id).await.map_err(NotOpen::Known)? {
        Lineage::Same | Lineage::Successor => Ok(false),
        Lineage::Ancestor => Ok(true),
        Lineage::Stranger => {
            let (place, known, found) = (seen.place.clone(), known.clone(), seen.id.clone());
            Err(NotOpen::Another { place, known, found })
        }
    }
}

/// Compares what stands at the destination's place with what the log knows of it, as [`open`] does, and writes nothing;
/// says what will be done about it, where something will.
pub(crate) async fn compared(
    log: &Log,
    settings: &Settings,
    destination: &Destination,
    target: &FilesTarget,
) -> Result<Option<&'static str>, NotOpen> {
    let known = log.known_destination(&target.url).await.map_err(NotOpen::Known)?;
    let known = known.map(|known| known.id);
    let Some(id) = wiring::identity(target).await.map_err(NotOpen::Directory)? else {
        let Some(known) = known else { return Ok(None) };
        let replays = log.replays_to(&known).await.map_err(NotOpen::Known)?;
        if log.is_any_not_begun(&replays).await.map_err(NotOpen::Known)? {
            return Ok(Some(REFILLED));
        }
        let root = target.url.clone().into();
        return Err(NotOpen::Directory(DirectoryError::Unknown { root }));
    };
    let seen = seen(destination, target, &id);
    alone(log, &seen, &labels(settings)).await?;
    let known = known.unwrap_or(id);
    let is_older = is_ancestor(log, &known, &seen).await? || is_behind(log, &seen, target).await?;
    Ok(is_older.then_some(OLDER))
}

/// Whether it has not come as far as it once had. Who works there goes on meanwhile: what is known is read first.
async fn is_behind(
    log: &Log,
    seen: &KnownDestination,
    target: &FilesTarget,
) -> Result<bool, NotOpen> {
    let known = async { log.known_marks(&seen.id).await?.all().await };
    let known = known.await.map_err(NotOpen::Known)?;
    let marks = wiring::marks(target).await.map_err(NotOpen::Directory)?;
    Ok(SetBack::check(&seen.place, &Marks::stored(marks), &known).is_err())
}

fn seen(destination: &Destination, target: &FilesTarget, id: &DestinationId) -> KnownDestination {
    KnownDestination {
        id: id.clone(),
        label: destination.label.clone(),
        place: target.url.clone(),
        seen_at: Utc::now(),
    }
}

fn labels(settings: &Settings) -> Vec<String> {
    settings.destinations.iter().map(|one| one.label.clone()).collect()
}

/// The record goes first: after a kill the destination has either identity, and what is to follow is known.
async fn renew(
    log: &Log,
    directory: &Arc<Directory>,
    last_seen: Option<DestinationId>,
) -> Result<(), NotOpen> {
    let drawn = DestinationId::from_random(rand::random());
    let prepared = log.prepare_succession(directory.identity(), &drawn, last_seen).await;
    prepared.map_err(NotOpen::Log)?;
    let renewed = {
        let (directory, drawn) = (Arc::clone(directory), drawn.clone());
        blocking(move || directory.renew(&drawn)).await.map_err(NotOpen::Directory)?
    };
    if renewed {
        tracing::info!(place = directory.shown(), identity = %drawn, "it has another identity now");
    }
    Ok(())
}

/// A directory that the log does not know and that was delivered to is of a log that was lost: whatever its routes had
/// not brought yet has to come, so they begin with everything.
fn start(begin: Begin, of_a_lost_log: bool) -> Start {
    if of_a_lost_log { Start::All } else { Start::from(begin) }
}

/// A directory that holds a revision which the log has not given yet tells that the log was set back.
async fn outliving(log: &Log, destination: &Destination, directory: &Arc<Directory>) {
    let newest = {
        let directory = Arc::clone(directory);
        blocking(move || directory.newest()).await
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

#[cfg(test)]
mod tests;
