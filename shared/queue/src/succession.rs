//! A store that was found set back to an older copy of itself gets another identity; here stands what follows from that.
//!
//! The record of a succession is written before the store takes the new identity, and everything else is done after it
//! by whoever opens the store, so that a kill in between loses nothing. Of two who notice it together one writes the
//! store; the other finds the new identity there, and its own record is never looked at.

use std::collections::BTreeMap;

use async_nats::jetstream::consumer::DeliverPolicy;
use chrono::{DateTime, Utc};
use domain::DestinationId;
use domain::facts::{Again, Asked};
use messages::Fact;
use serde::{Deserialize, Serialize};

use crate::reading::read;
use crate::route::names;
use crate::{Bucket, BucketError, Log, LogError, Start};

const BUCKET: &str = "successions";

/// What an identity took the place of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Succession {
    /// The identity that the store had.
    pub of: DestinationId,
    /// The identity that was last seen in the store's place, where that was another one: its store was overwritten.
    pub overwritten: Option<DestinationId>,
    /// When that was decided, by the decider's clock.
    pub at: DateTime<Utc>,
    /// Where the routes of that identity had begun, by their names.
    begun_at: BTreeMap<String, u64>,
}

impl Succession {
    /// Where a route of the new identity begins: where that of the old one began. `None` where there was none.
    pub fn start_of(&self, route: &str, identity: &DestinationId) -> Option<Start> {
        let old = route.replace(identity.as_str(), self.of.as_str());
        self.begun_at.get(&old).map(|position| match position {
            0 | 1 => Start::All,
            position => Start::At(*position),
        })
    }
}

impl Log {
    async fn successions(&self) -> Result<Bucket<Succession>, BucketError> {
        self.bucket(BUCKET).await
    }

    /// Writes down that `new` will take the place of `old` in a store, and where the routes of `old` began. `last_seen` is
    /// the identity that the store bore when it was opened before.
    ///
    /// # Errors
    /// When the server does not answer or does not confirm it.
    pub async fn prepare_succession(
        &self,
        old: &DestinationId,
        new: &DestinationId,
        last_seen: Option<DestinationId>,
    ) -> Result<(), LogError> {
        let failed =
            |cause: BucketError| LogError::Stream { name: BUCKET.to_owned(), cause: cause.into() };
        let bucket = self.successions().await.map_err(failed)?;
        let routes = self.routes().await?;
        let own = routes.into_iter().filter(|route| names::delivers_to(&route.name, old));
        let mut begun_at: BTreeMap<String, u64> =
            own.map(|route| (route.name, route.begins_at)).collect();
        if begun_at.is_empty() {
            // An older copy was put back before, too: what its routes were is known from then.
            for key in bucket.keys().await.map_err(failed)? {
                let kept = bucket.get(&key).await.map_err(failed)?;
                begun_at.extend(
                    kept.filter(|kept| kept.value.of == *old)
                        .map(|kept| kept.value.begun_at)
                        .unwrap_or_default(),
                );
            }
        }
        let overwritten = last_seen.filter(|last_seen| last_seen != old);
        let succession = Succession { of: old.clone(), overwritten, at: Utc::now(), begun_at };
        bucket.put(new.as_str(), &succession).await.map_err(failed)
    }

    /// What this identity took the place of, if anything.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn succession(
        &self,
        identity: &DestinationId,
    ) -> Result<Option<Succession>, BucketError> {
        let kept = self.successions().await?.get(identity.as_str()).await?;
        Ok(kept.map(|kept| kept.value))
    }

    /// Ends a succession: what was imported to the old identity is asked for by the new one, and the routes of the old one
    /// and of an overwritten one are dropped. The routes of the new one have to be there.
    ///
    /// # Errors
    /// When the server does not answer; a repeat goes on.
    pub async fn end_succession(
        &self,
        succession: &Succession,
        new: &DestinationId,
    ) -> Result<usize, LogError> {
        let mut imports = Vec::new();
        let asked = self.subjects.again_deliver_of(&succession.of);
        read(&self.artifacts, asked, DeliverPolicy::All, |_, message| {
            if let Ok(Fact::Again(again @ Again { import: Some(_), .. })) =
                messages::decode(&message.payload)
            {
                imports.push(Fact::Again(Again { to: Asked::Deliver(new.clone()), ..again }));
            }
        })
        .await?;
        self.announce_all(&imports).await?;
        let mut dropped = 0;
        for old in [Some(&succession.of), succession.overwritten.as_ref()].into_iter().flatten() {
            dropped += self.retire_identity(old).await?;
        }
        Ok(dropped)
    }
}

impl Log {
    /// Ends what goes on under an identity that no destination bears any more: its replays and its routes.
    ///
    /// # Errors
    /// When the server does not answer; a repeat goes on.
    pub async fn retire_identity(&self, old: &DestinationId) -> Result<usize, LogError> {
        self.end_replays_to(old).await?;
        self.drop_routes_to(old).await
    }

    /// The store is gone through as a whole now.
    async fn end_replays_to(&self, destination: &DestinationId) -> Result<(), LogError> {
        let failed = |cause| LogError::Stream { name: BUCKET.to_owned(), cause };
        for replay in self.replays().await.map_err(|cause| failed(cause.into()))? {
            if replay.destination == *destination && replay.ended_at.is_none() {
                self.end_replay(&replay).await.map_err(failed)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_of_the_new_identity_begins_where_that_of_the_old_one_began() {
        let [old, new] = [1, 2].map(|byte| DestinationId::from_random([byte; 16]));
        let site = "support.example.com".parse().expect("a host");
        let other = "access.example.com".parse().expect("a host");
        let name = |id, site| names::deliver(id, site, domain::Kind::SessionData);
        let succession = Succession {
            begun_at: [(name(&old, &site), 0), (name(&old, &other), 77)].into(),
            of: old.clone(),
            overwritten: None,
            at: Utc::now(),
        };
        assert_eq!(succession.start_of(&name(&new, &site), &new), Some(Start::All));
        assert_eq!(succession.start_of(&name(&new, &other), &new), Some(Start::At(77)));
        assert_eq!(succession.start_of("deliver-else", &new), None);
    }
}
