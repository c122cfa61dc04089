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

    /// Another destination of these labels that bears the same identity as this one, if any was last seen so: one of the
    /// two is a copy of the other.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn twin_of(
        &self,
        seen: &KnownDestination,
        labels: &[String],
    ) -> Result<Option<KnownDestination>, BucketError> {
        Ok(twin(&self.known_destinations().await?, seen, labels).cloned())
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

/// A destination that was moved keeps its name, and one that was renamed its place: neither is its own twin.
fn twin<'a>(
    known: &'a [KnownDestination],
    seen: &KnownDestination,
    labels: &[String],
) -> Option<&'a KnownDestination> {
    let latest = |one: &KnownDestination| {
        !known.iter().any(|other| other.label == one.label && other.seen_at > one.seen_at)
    };
    known.iter().find(|other| {
        other.id == seen.id
            && other.place != seen.place
            && other.label != seen.label
            && labels.contains(&other.label)
            && latest(other)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(id: u8, label: &str, place: &str, minute: i64) -> KnownDestination {
        KnownDestination {
            id: DestinationId::from_random([id; 16]),
            label: label.to_owned(),
            place: place.to_owned(),
            seen_at: DateTime::from_timestamp(minute * 60, 0).expect("an instant"),
        }
    }

    #[test]
    fn two_destinations_of_the_settings_with_one_identity_are_twins() {
        let seen = known(1, "new", "there", 9);
        for (others, named, is_twin) in [
            (vec![known(1, "old", "here", 1)], true, true),
            (vec![known(1, "old", "here", 1)], false, false),
            (vec![known(2, "old", "here", 1)], true, false),
            // It was renamed, or moved.
            (vec![known(1, "old", "there", 1)], true, false),
            (vec![known(1, "new", "here", 1)], true, false),
            // The other has moved on to another store since.
            (vec![known(1, "old", "here", 1), known(2, "old", "elsewhere", 2)], true, false),
        ] {
            let labels = if named { vec!["new".to_owned(), "old".to_owned()] } else { Vec::new() };
            let found = twin(&others, &seen, &labels);
            assert_eq!(found.is_some(), is_twin, "{others:?}");
        }
    }
}
