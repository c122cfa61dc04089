//! What the log's server knows of how far a destination came: a copy of the marks that stand in the destination itself,
//! raised only after they were committed there. By it a store that was set back to an older copy is noticed.

use domain::{DestinationId, Marks, Revision};

use crate::{Bucket, BucketError, Log, Stored};

const BUCKET: &str = "marks";

/// The copy of one destination's marks.
#[derive(Debug, Clone)]
pub struct KnownMarks {
    bucket: Bucket<Revision>,
    destination: DestinationId,
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
