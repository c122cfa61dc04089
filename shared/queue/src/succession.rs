//! A store that was found set back to an older copy of itself gets another identity; here stands what follows from that.
//!
//! The record of a succession is written before the store takes the new identity, and everything else is done after it
//! by whoever opens the store, so that a kill in between loses nothing. Of two who notice it together one writes the
//! store; the other finds the new identity there, and its own record is never looked at.

use std::collections::{BTreeMap, BTreeSet};

use async_nats::jetstream::consumer::DeliverPolicy;
use chrono::{DateTime, Utc};
use domain::facts::{Again, Asked};
use domain::{DestinationId, Kind, SiteHost};
use messages::Fact;
use serde::{Deserialize, Serialize};

use crate::reading::read;
use crate::route::names;
use crate::{BoxError, Bucket, BucketError, Log, LogError, Period, Replay, Route, Start};

const BUCKET: &str = "successions";
/// How often a store is put back from a backup at most, as far as that is followed up.
const STEPS_MAX: usize = 1_000;

/// How two identities of one place belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lineage {
    /// They are one.
    Same,
    /// The one that is found took the place of the one that was known.
    Successor,
    /// The one that was known took the place of the one that is found: an older copy was put back.
    Ancestor,
    /// They have nothing to do with each other.
    Stranger,
}

/// Where the routes of a destination begin that are not there yet.
#[derive(Debug)]
pub struct Beginning {
    start: Start,
    succession: Option<Succession>,
}

impl Beginning {
    /// As the settings say, unless the identity took the place of another.
    pub fn new(start: Start, succession: Option<Succession>) -> Self {
        Beginning { start, succession }
    }

    /// A route, with its start.
    fn started(&self, id: &DestinationId, route: Route) -> Route {
        let of = self.succession.as_ref().and_then(|of| of.start_of(&route.name, id));
        route.starting(of.unwrap_or(self.start))
    }

    /// Makes the routes that are not there yet, and drops those of the identity that this one took the place of.
    ///
    /// # Errors
    /// When the server does not answer; a repeat goes on.
    pub async fn routes(
        &self,
        log: &Log,
        id: &DestinationId,
        delivering: Vec<Route>,
    ) -> Result<Vec<Route>, LogError> {
        // What is asked for again names the identity: none of it is of before.
        let mut routes = vec![Route::again_deliver(log, id)];
        routes.extend(delivering.into_iter().map(|route| self.started(id, route)));
        for route in &routes {
            log.ensure_route(route).await?;
        }
        if let Some(succession) = &self.succession {
            let dropped = log.end_succession(succession, id).await?;
            if dropped > 0 {
                tracing::info!(old = %succession.of, new = %id, dropped, "routes of the old identity were dropped");
            }
        }
        Ok(routes)
    }
}

/// What an identity took the place of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Succession {
    /// The identity that the store had.
    pub of: DestinationId,
    /// The identity that was last seen in the store's place, where that was another one: its store was overwritten.
    pub overwritten: Option<DestinationId>,
    /// When that was decided, by the decider's clock.
    pub at: DateTime<Utc>,
    /// Where the routes of that identity had begun, by their names; where a replay brings what was before, the end of that.
    begun_at: BTreeMap<String, u64>,
    /// From where those routes were wanted, where that is before they began: replays brought the rest.
    #[serde(default)]
    wanted_from: BTreeMap<String, u64>,
    /// Where the log stood, where the store was lost and is filled by the replays that were asked for.
    #[serde(default)]
    replayed_to: Option<u64>,
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

    /// From where a route of the new identity is wanted, where that is before it begins: replays bring the rest.
    fn wanted_from(&self, route: &str, identity: &DestinationId) -> Option<u64> {
        let old = route.replace(identity.as_str(), self.of.as_str());
        self.wanted_from.get(&old).copied()
    }
}

/// From where, and how far, a destination has come with one kind of one site.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Come {
    /// The position up to which everything is settled.
    pub(crate) settled_to: u64,
    /// The position from which on it wants everything.
    pub(crate) begins_at: u64,
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
        // It may hold half of what replays had brought: all that was wanted is gone through.
        let begun_at = self.wanted_of(old).await?;
        let overwritten = last_seen.filter(|last_seen| last_seen != old);
        let succession = Succession {
            of: old.clone(),
            overwritten,
            at: Utc::now(),
            begun_at,
            wanted_from: BTreeMap::new(),
            replayed_to: None,
        };
        let bucket = self.successions().await.map_err(failed)?;
        bucket.put(new.as_str(), &succession).await.map_err(failed)
    }

    /// Writes down that `new` will take the place of `old`, which is lost, because a person has asked for these replays to
    /// it: they bring what was staged before, and the routes of `new` what comes, and what was before and is in no replay.
    ///
    /// # Errors
    /// When the server does not answer or does not confirm it.
    pub async fn prepare_refill(
        &self,
        old: &DestinationId,
        new: &DestinationId,
        replays: &[Replay],
    ) -> Result<(), LogError> {
        let up_to = self.stands_at().await?.position;
        let mut wanted_from = self.wanted_of(old).await?;
        let mut begun_at = wanted_from.clone();
        // What a replay of a part of the time leaves out, the routes bring.
        let whole = replays.iter().filter(|replay| replay.period == Period::default());
        for (site, kind) in whole.flat_map(|replay| &replay.of) {
            let route = names::deliver(old, site, *kind);
            wanted_from.entry(route.clone()).or_insert(0);
            begun_at.insert(route, up_to + 1);
        }
        let succession = Succession {
            of: old.clone(),
            overwritten: None,
            at: Utc::now(),
            begun_at,
            wanted_from,
            replayed_to: Some(up_to),
        };
        let bucket = self.successions().await.map_err(failed)?;
        bucket.put(new.as_str(), &succession).await.map_err(failed)
    }

    /// From where the routes of an identity were wanted, by their names: from where they begin, or from before that, where
    /// replays were to bring what was before.
    async fn wanted_of(&self, identity: &DestinationId) -> Result<BTreeMap<String, u64>, LogError> {
        let routes = self.routes().await?;
        let own = routes.into_iter().filter(|route| names::delivers_to(&route.name, identity));
        let mut wanted: BTreeMap<String, u64> =
            own.map(|route| (route.name, route.begins_at)).collect();
        let bucket = self.successions().await.map_err(failed)?;
        if wanted.is_empty() {
            // Another took its place before, too: what its routes were is known from then.
            for key in bucket.keys().await.map_err(failed)? {
                let kept = bucket.get(&key).await.map_err(failed)?;
                let Some(kept) = kept.filter(|kept| kept.value.of == *identity) else { continue };
                for (route, position) in
                    kept.value.begun_at.into_iter().chain(kept.value.wanted_from)
                {
                    let known = wanted.entry(route).or_insert(position);
                    *known = position.min(*known);
                }
            }
        }
        if let Some(succession) = self.succession(identity).await.map_err(failed)? {
            for (route, position) in &mut wanted {
                let before = succession.wanted_from(route, identity);
                *position = before.map_or(*position, |before| before.min(*position));
            }
        }
        Ok(wanted)
    }

    /// From where, and how far, a destination has come with one kind of one site.
    pub(crate) async fn come(
        &self,
        destination: &DestinationId,
        site: &SiteHost,
        kind: Kind,
    ) -> Result<Come, LogError> {
        let route = Route::deliver(self, destination, site, kind);
        let Some(state) = self.route_state(&route).await? else { return Ok(Come::default()) };
        let mut come = Come { settled_to: state.settled_to, begins_at: state.begins_at };
        let Some(succession) = self.succession(destination).await.map_err(failed)? else {
            return Ok(come);
        };
        let wanted = succession.wanted_from(&route.name, destination);
        let Some(wanted) = wanted.filter(|wanted| *wanted < come.begins_at) else {
            return Ok(come);
        };
        come.begins_at = wanted;
        for filled in [destination, &succession.of] {
            for replay in self.replays_to(filled).await.map_err(failed)? {
                let settled = self.replay_settled_to(&replay, site, kind).await?;
                come.settled_to = settled.map_or(come.settled_to, |to| to.min(come.settled_to));
            }
        }
        Ok(come)
    }

    /// How the identity that is found at a place belongs to the one that was known there.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn lineage(
        &self,
        known: &DestinationId,
        found: &DestinationId,
    ) -> Result<Lineage, BucketError> {
        Ok(match known == found {
            true => Lineage::Same,
            false if self.descends(found, known).await? => Lineage::Successor,
            false if self.descends(known, found).await? => Lineage::Ancestor,
            false => Lineage::Stranger,
        })
    }

    /// Whether an identity took the place of another, by however many steps.
    async fn descends(
        &self,
        younger: &DestinationId,
        older: &DestinationId,
    ) -> Result<bool, BucketError> {
        let (mut open, mut seen) = (vec![younger.clone()], BTreeSet::new());
        while let Some(identity) = open.pop() {
            if identity == *older {
                return Ok(true);
            }
            if seen.len() < STEPS_MAX
                && seen.insert(identity.as_str().to_owned())
                && let Some(succession) = self.succession(&identity).await?
            {
                open.push(succession.of);
                open.extend(succession.overwritten);
            }
        }
        Ok(false)
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

    /// Ends a succession: what was imported to the old identity is asked for by the new one, the replays that fill it go on
    /// under it, and the routes of the old one and of an overwritten one are dropped. The routes of the new one have to be there.
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
        if let Some(up_to) = succession.replayed_to {
            for replay in self.replays_to(&succession.of).await.map_err(failed)? {
                self.carry_over(replay, new, up_to).await.map_err(replays_failed)?;
            }
        }
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
        for replay in self.replays_to(destination).await.map_err(failed)? {
            self.end_replay(&replay).await.map_err(replays_failed)?;
        }
        Ok(())
    }
}

fn failed(cause: BucketError) -> LogError {
    replays_failed(cause.into())
}

fn replays_failed(cause: BoxError) -> LogError {
    LogError::Stream { name: BUCKET.to_owned(), cause }
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
            wanted_from: BTreeMap::new(),
            replayed_to: None,
        };
        assert_eq!(succession.start_of(&name(&new, &site), &new), Some(Start::All));
        assert_eq!(succession.start_of(&name(&new, &other), &new), Some(Start::At(77)));
        assert_eq!(succession.start_of("deliver-else", &new), None);
    }
}
