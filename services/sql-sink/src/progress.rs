//! How far each route came: written with the delivery, and then told to the log's server, which keeps a copy. A database
//! that is behind the copy was set back to an older one, and nothing may be written to it: that would hide it.

use domain::{Marks, Revision};
use queue::{BucketError, Failure, KnownMarks, Log, SetBack, is_copied};
use tokio::sync::OnceCell;

use crate::store::{Incoming, Store, StoreError};

/// The copy of one database's marks, and the database beside it.
#[derive(Debug)]
pub(crate) struct Progress {
    log: Log,
    known: OnceCell<KnownMarks>,
}

/// Why a database can't be written to as the one that it is taken for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgressError {
    /// The log's server does not answer.
    #[error("could not find out how far the destination had come")]
    Known(#[source] BucketError),
    /// The database does not answer.
    #[error("could not find out how far the destination has come")]
    Store(#[source] StoreError),
    /// It was set back.
    #[error(transparent)]
    SetBack(#[from] SetBack),
}

impl From<ProgressError> for Failure {
    fn from(error: ProgressError) -> Self {
        Failure::Down(error.into())
    }
}

impl Progress {
    pub(crate) fn new(log: Log) -> Self {
        Progress { log, known: OnceCell::new() }
    }

    async fn known<S: Store>(&self, store: &S) -> Result<&KnownMarks, ProgressError> {
        let open = || self.log.known_marks(store.identity());
        self.known.get_or_try_init(open).await.map_err(ProgressError::Known)
    }

    /// Before these are written: whether the database holds what was committed through their routes before.
    pub(crate) async fn before<S: Store>(
        &self,
        store: &S,
        batch: &[Incoming],
    ) -> Result<(), ProgressError> {
        let routes: Vec<String> = wanted(batch).iter().map(|(route, _)| route.to_owned()).collect();
        let known = self.known(store).await?.of(&routes).await;
        current(store, &known.map_err(ProgressError::Known)?).await
    }

    /// After they were committed.
    pub(crate) async fn after<S: Store>(
        &self,
        store: &S,
        batch: &[Incoming],
    ) -> Result<(), ProgressError> {
        let known = self.known(store).await?;
        for (route, to) in wanted(batch).iter() {
            known.raise(route, to).await.map_err(ProgressError::Known)?;
        }
        Ok(())
    }

    /// Whether the database holds all that was ever committed to it, as far as its marks tell.
    pub(crate) async fn all<S: Store>(&self, store: &S) -> Result<(), ProgressError> {
        let known = self.known(store).await?.all().await.map_err(ProgressError::Known)?;
        current(store, &known).await
    }
}

async fn current<S: Store>(store: &S, known: &Marks) -> Result<(), ProgressError> {
    if known.is_empty() {
        return Ok(());
    }
    let stored = Marks::stored(store.marks().await.map_err(ProgressError::Store)?);
    Ok(SetBack::check(store.place(), &stored, known)?)
}

/// The marks that these leave, but for replays.
fn wanted(batch: &[Incoming]) -> Marks {
    let live = |(route, revision): (&str, Revision)| {
        is_copied(route).then(|| (Marks::key(route, revision.epoch), revision.position))
    };
    let all = batch.iter().map(|incoming| (incoming.route.to_string(), incoming.position));
    Marks::stored(Marks::stored(all).iter().filter_map(live))
}
