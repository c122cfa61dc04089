//! How far each route came: marked in the destination with the delivery, and then told to the log's server, which keeps a
//! copy. A destination that is behind the copy was put back from a backup.

use std::sync::{Arc, Mutex, PoisonError};

use domain::{Marks, Revision};
use queue::{BucketError, Failure, KnownMarks, Log, SetBack, is_copied};
use tokio::sync::{Mutex as Turn, OnceCell};

use crate::streaming::blocking;
use crate::{Directory, PlaceError};

/// The copy of one destination's marks, and the destination beside it.
#[derive(Debug, Clone)]
pub(crate) struct Progress(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    log: Log,
    directory: Arc<Directory>,
    known: OnceCell<KnownMarks>,
    wanted: Mutex<Marks>,
    /// What the copy has, as far as this process raised it; whoever raises it holds it.
    raised: Turn<Marks>,
}

/// Why a destination is not taken for what it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgressError {
    /// The log's server does not answer.
    #[error("could not find out how far the destination had come")]
    Known(#[source] BucketError),
    /// The destination does not answer.
    #[error("could not find out how far the destination has come")]
    Place(#[source] PlaceError),
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
    pub(crate) fn new(log: Log, directory: Arc<Directory>) -> Self {
        Progress(Arc::new(Shared {
            log,
            directory,
            known: OnceCell::new(),
            wanted: Mutex::default(),
            raised: Turn::default(),
        }))
    }

    async fn known(&self) -> Result<&KnownMarks, ProgressError> {
        let Shared { log, directory, known, .. } = &*self.0;
        let open = || log.known_marks(directory.identity());
        known.get_or_try_init(open).await.map_err(ProgressError::Known)
    }

    /// Tells the copy what is marked in the destination by now. Those who come while one tells it are told together by
    /// the next.
    pub(crate) async fn raise(&self, route: &str, to: Revision) -> Result<(), ProgressError> {
        if !is_copied(route) {
            return Ok(());
        }
        self.0.wanted.lock().unwrap_or_else(PoisonError::into_inner).raise(route, to);
        let mut raised = self.0.raised.lock().await;
        if raised.of(route) >= Some(to) {
            return Ok(());
        }
        let wanted = self.0.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let known = self.known().await?;
        for (route, to) in wanted.iter().filter(|(route, to)| raised.of(route) < Some(*to)) {
            known.raise(route, to).await.map_err(ProgressError::Known)?;
        }
        *raised = wanted;
        Ok(())
    }

    /// Whether the destination holds all that was ever committed to it, as far as its marks tell.
    pub(crate) async fn check(&self) -> Result<(), ProgressError> {
        let known = self.known().await?.all().await.map_err(ProgressError::Known)?;
        let directory = Arc::clone(&self.0.directory);
        let stored = blocking(move || directory.marks()).await.map_err(ProgressError::Place)?;
        Ok(SetBack::check(&self.0.directory.shown(), &Marks::stored(stored), &known)?)
    }
}
