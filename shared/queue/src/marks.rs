//! What the log's server knows of how far a destination came: a copy of the marks that stand in the destination itself,
//! raised only after they were committed there. By it a store that was set back to an older copy is noticed.

use domain::{Behind, DestinationId, Marks, Revision};

use crate::{Bucket, BucketError, Log, Stored, names};

const BUCKET: &str = "marks";
/// What is replayed leaves one mark for all replays, and no copy of it: it is about what was committed before.
const REPLAYS: &str = "replay";

/// The copy of one destination's marks.
#[derive(Debug, Clone)]
pub struct KnownMarks {
    bucket: Bucket<Revision>,
    destination: DestinationId,
}

/// A destination was set back: it is an older copy of itself.
#[derive(Debug, thiserror::Error)]
#[error(
    "{place} is an older copy of itself: {} had come to {}; it is filled up from the log under another identity",
    behind.route, behind.once
)]
pub struct SetBack {
    place: String,
    behind: Behind,
}

impl SetBack {
    /// Compares the marks that stand in a destination with the copy.
    ///
    /// # Errors
    /// The destination as it is called, with where it is behind.
    pub fn check(place: &str, stored: &Marks, known: &Marks) -> Result<(), SetBack> {
        match stored.behind(known) {
            Some(behind) => Err(SetBack { place: place.to_owned(), behind }),
            None => Ok(()),
        }
    }
}

/// The key of a route's mark in the destination.
pub fn mark_key(route: &str, epoch: u64) -> String {
    Marks::key(if names::is_replay(route) { REPLAYS } else { route }, epoch)
}

/// Whether a route's mark has a copy here.
pub fn is_copied(route: &str) -> bool {
    route != REPLAYS && !names::is_replay(route)
}

impl Log {
    /// The copy of a destination's marks.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn known_marks(
        &self,
        destination: &DestinationId,
    ) -> Result<KnownMarks, BucketError> {
        let bucket = self.bucket(BUCKET).await?;
        Ok(KnownMarks { bucket, destination: destination.clone() })
    }
}

impl KnownMarks {
    /// The marks of these routes. Read before a write: what is committed later can only be higher.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn of(&self, routes: &[String]) -> Result<Marks, BucketError> {
        let mut marks = Marks::default();
        for route in routes {
            if let Some(kept) = self.bucket.get(&self.key(route)).await? {
                marks.raise(route, kept.value);
            }
        }
        Ok(marks)
    }

    /// The marks of all routes that anything was ever committed through.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn all(&self) -> Result<Marks, BucketError> {
        let keys = self.bucket.keys().await?;
        let own = self.key("");
        let mut routes = Vec::new();
        for key in &keys {
            routes.extend(key.strip_prefix(own.as_str()).map(str::to_owned));
        }
        self.of(&routes).await
    }

    /// Says what was committed through a route. It has to be in the destination by then.
    ///
    /// # Errors
    /// When the server does not confirm it.
    pub async fn raise(&self, route: &str, to: Revision) -> Result<(), BucketError> {
        let key = self.key(route);
        loop {
            let kept = self.bucket.get(&key).await?;
            if kept.as_ref().is_some_and(|kept| kept.value >= to) {
                return Ok(());
            }
            let read = kept.map(|kept| kept.revision);
            if let Stored::At(_) = self.bucket.set(&key, &to, read).await? {
                return Ok(());
            }
        }
    }

    fn key(&self, route: &str) -> String {
        format!("{}.{route}", self.destination)
    }
}
