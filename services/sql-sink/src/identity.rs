//! Which identity a database bears, and what follows where it is not what it was: routes are named by it, so a database
//! with a new one fills itself.

use chrono::Utc;
use domain::{DestinationId, Marks};
use queue::{Beginning, BucketError, KnownDestination, Log, LogError, Start};
use settings::{Begin, Destination, Settings};

use crate::progress::{Progress, ProgressError};
use crate::store::{Store, StoreError};

/// Why it is not known whether a database may be delivered to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    /// It does not answer.
    #[error("the database can't be used")]
    Store(#[source] StoreError),
    /// What is known of destinations can't be read or written.
    #[error("could not find out what is known of this destination")]
    Known(#[source] BucketError),
    /// The log does not answer.
    #[error("could not compare the destination with the log")]
    Log(#[source] LogError),
    /// How far it came is not known.
    #[error("could not find out whether the destination is what it was")]
    Progress(#[source] ProgressError),
    /// There are two of it.
    #[error(
        "{place} bears the same identity as the destination {twin} ({twin_place}): one is a copy of the other; delete the \
         row of the table sluice_database in the copy, and it becomes a destination of its own"
    )]
    Twins {
        /// The database.
        place: String,
        /// The label of the other.
        twin: String,
        /// Where the other is.
        twin_place: String,
    },
}

/// What a database was found to be.
#[derive(Debug)]
pub(crate) enum Found {
    /// The one that it was, or a new one.
    Current(Box<Beginning>),
    /// An older copy of itself. It has another identity now, by us or by somebody else: open it again.
    Renewed,
}

/// Finds out what the database is. An older copy is given another identity.
pub(crate) async fn find<S: Store>(
    log: &Log,
    settings: &Settings,
    destination: &Destination,
    store: &S,
) -> Result<Found, IdentityError> {
    let id = store.identity();
    let seen = KnownDestination {
        id: id.clone(),
        label: destination.label.clone(),
        place: store.place().to_owned(),
        seen_at: Utc::now(),
    };
    let labels: Vec<String> = settings.destinations.iter().map(|one| one.label.clone()).collect();
    if let Some(twin) = log.twin_of(&seen, &labels).await.map_err(IdentityError::Known)? {
        let (twin, twin_place) = (twin.label, twin.place);
        return Err(IdentityError::Twins { place: seen.place, twin, twin_place });
    }
    let marks = Marks::stored(store.marks().await.map_err(IdentityError::Store)?);
    outliving(log, store, &marks).await?;
    match Progress::new(log.clone()).all(store).await {
        Ok(()) => {}
        Err(older @ ProgressError::SetBack(_)) => {
            tracing::warn!(destination = destination.label, "{older}");
            renew(log, store).await?;
            return Ok(Found::Renewed);
        }
        Err(error) => return Err(IdentityError::Progress(error)),
    }
    let known = log.known_destinations().await.map_err(IdentityError::Known)?;
    let is_known = known.iter().any(|known| known.id == *id);
    let succession = log.succession(id).await.map_err(IdentityError::Known)?;
    log.know_destination(&seen).await.map_err(IdentityError::Known)?;
    let start = start(destination.start, !marks.is_empty() && !is_known);
    Ok(Found::Current(Box::new(Beginning::new(start, succession))))
}

/// A database that the log does not know and that was delivered to is of a log that was lost: whatever its routes had
/// not brought yet has to come, so they begin with everything.
fn start(begin: Begin, of_a_lost_log: bool) -> Start {
    match begin {
        _ if of_a_lost_log => Start::All,
        Begin::All => Start::All,
        Begin::Now => Start::New,
        Begin::Since(instant) => Start::Since(instant),
    }
}

/// A database that holds a revision or a mark which the log has not given yet tells that the log was set back.
async fn outliving<S: Store>(log: &Log, store: &S, marks: &Marks) -> Result<(), IdentityError> {
    let newest = store.newest().await.map_err(IdentityError::Store)?;
    if let Some(newest) = newest.max(marks.highest()) {
        log.outlived_by(newest).await.map_err(IdentityError::Log)?;
    }
    Ok(())
}

/// The record goes first: after a kill the database has either identity, and what is to follow is known.
async fn renew<S: Store>(log: &Log, store: &S) -> Result<(), IdentityError> {
    let drawn = DestinationId::from_random(rand::random());
    let last_seen = log.known_destination(store.place()).await.map_err(IdentityError::Known)?;
    let last_seen = last_seen.map(|known| known.id);
    let prepared = log.prepare_succession(store.identity(), &drawn, last_seen).await;
    prepared.map_err(IdentityError::Log)?;
    if store.renew(&drawn).await.map_err(IdentityError::Store)? {
        tracing::info!(place = store.place(), identity = %drawn, "it has another identity now");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_begins_as_the_settings_say_unless_the_log_that_filled_it_was_lost() {
        let instant = Utc::now();
        for (begin, of_a_lost_log, begins) in [
            (Begin::All, false, Start::All),
            (Begin::Now, false, Start::New),
            (Begin::Since(instant), false, Start::Since(instant)),
            (Begin::Now, true, Start::All),
            (Begin::Since(instant), true, Start::All),
        ] {
            assert_eq!(start(begin, of_a_lost_log), begins, "{begin:?}");
        }
    }
}
