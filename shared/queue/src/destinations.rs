use chrono::{DateTime, Utc};
use domain::DestinationId;
use messages::escape;
use serde::{Deserialize, Serialize};

use crate::{Bucket, BucketError, Log};

const BUCKET: &str = "destinations";

/// A destination as it was last seen: which identity stood at which place.
///
/// It tells an empty destination that is new from one that has lost its identity, such as a share that isn't mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownDestination {
    /// The identity in its ledger.
    pub id: DestinationId,
    /// Its name in the settings.
    pub label: String,
    /// Where it is, without secrets: a URL, a path, a server and a database.
    pub place: String,
    /// When it was last opened, by the sink's clock.
    pub seen_at: DateTime<Utc>,
}

impl Log {
    async fn destinations(&self) -> Result<Bucket<KnownDestination>, BucketError> {
        self.bucket(BUCKET).await
    }

    /// What was last seen at this place.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn known_destination(
        &self,
        place: &str,
    ) -> Result<Option<KnownDestination>, BucketError> {
        let kept = self.destinations().await?.get(&escape(place)).await?;
        Ok(kept.map(|kept| kept.value))
    }

    /// Remembers what stands at a place.
    ///
    /// # Errors
    /// When the server does not confirm it.
    pub async fn know_destination(&self, known: &KnownDestination) -> Result<(), BucketError> {
        self.destinations().await?.put(&escape(&known.place), known).await
    }

    /// Every destination that was ever opened.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn known_destinations(&self) -> Result<Vec<KnownDestination>, BucketError> {
        let bucket = self.destinations().await?;
        let mut known = Vec::new();
        for key in bucket.keys().await? {
            known.extend(bucket.get(&key).await?.map(|kept| kept.value));
        }
        Ok(known)
    }
}
