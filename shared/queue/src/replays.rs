//! Replays: a person has a destination go through what was staged once more, beside live delivery.
//!
//! A replay is a record in the log's server and routes of its own, which any sink of the destination works off with at
//! most half of its slots. It ends where the log stood when it was asked for; then its routes are dropped. A kill
//! changes nothing: the record and the routes are still there.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{DestinationId, Kind, SiteHost};
use futures::StreamExt;
use serde::{Deserialize, Serialize};

use crate::route::names;
use crate::{
    Bounds, BoxError, Bucket, BucketError, Log, LogError, Period, Route, RouteAdder, Start, Stored,
};

const BUCKET: &str = "replays";
/// How often those that go on are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether there are any, beside being told.
const LOOK_SELDOM: Duration = Duration::from_secs(60);
/// How much earlier than its session's end an artifact can seem to have been staged, by clocks that differ.
const CLOCKS_DIFFER_MAX: TimeDelta = TimeDelta::days(1);

/// A replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// What tells it from other replays of its destination.
    pub id: String,
    /// To whom.
    pub destination: DestinationId,
    /// Of which sites which kinds.
    pub of: Vec<(SiteHost, Kind)>,
    /// Of which time.
    pub period: Period,
    /// Where the log stood when it was asked for.
    pub up_to: u64,
    /// How many facts there were to go through.
    pub facts: u64,
    /// Who asked for it.
    pub asked_by: String,
    /// When, by the asker's clock.
    pub asked_at: DateTime<Utc>,
    /// When something of it was delivered first.
    #[serde(default)]
    pub begun_at: Option<DateTime<Utc>>,
    /// When it was found done.
    pub ended_at: Option<DateTime<Utc>>,
}

/// How far a replay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayProgress {
    /// Facts that are still to be gone through.
    pub left: u64,
    /// Of those, what is in hand or waits for its retry.
    pub in_hand: u64,
    /// Whether it is done.
    pub is_done: bool,
}

impl Replay {
    fn key(&self) -> String {
        format!("{}.{}", self.destination, self.id)
    }

    fn routes(&self, log: &Log) -> Vec<Route> {
        let route = |(site, kind): &(SiteHost, Kind)| {
            let name = names::replay(&self.destination, &self.id, site, *kind);
            let start = self.period.since.map_or(Start::All, |since| {
                // What is staged was there before.
                Start::Since(since - CLOCKS_DIFFER_MAX)
            });
            let bounds = Bounds { period: self.period, up_to: self.up_to };
            Route::replay(log, name, site, *kind, bounds).starting(start)
        };
        self.of.iter().map(route).collect()
    }
}

impl Log {
    async fn replay_bucket(&self) -> Result<Bucket<Replay>, BucketError> {
        self.bucket(BUCKET).await
    }

    /// Asks for a replay. What is staged from now on is not part of it.
    ///
    /// # Errors
    /// When the server does not answer or does not confirm it. If it was stored, some sink takes it up.
    pub async fn ask_replay(
        &self,
        destination: &DestinationId,
        of: Vec<(SiteHost, Kind)>,
        period: Period,
        asked_by: &str,
    ) -> Result<Replay, BoxError> {
        let mut replay = Replay {
            id: format!("{:08x}", rand::random::<u32>()),
            destination: destination.clone(),
            of,
            period,
            up_to: self.stands_at().await?.position,
            facts: 0,
            asked_by: asked_by.to_owned(),
            asked_at: Utc::now(),
            begun_at: None,
            ended_at: None,
        };
        replay.facts = self.begin_replay(&replay).await?;
        self.replay_bucket().await?.put(&replay.key(), &replay).await?;
        Ok(replay)
    }

    /// Makes its routes, and counts what there is to go through. The record comes after that: what has no record is
    /// nobody's, and what has one can be counted.
    async fn begin_replay(&self, replay: &Replay) -> Result<u64, BoxError> {
        for route in replay.routes(self) {
            self.ensure_route(&route).await?;
        }
        Ok(self.replay_progress(replay).await?.left)
    }

    /// Has a replay go on under another identity of its destination, from its beginning and up to this position.
    pub(crate) async fn carry_over(
        &self,
        replay: Replay,
        to: &DestinationId,
        up_to: u64,
    ) -> Result<(), BoxError> {
        let mut replay = Replay { destination: to.clone(), up_to, begun_at: None, ..replay };
        replay.facts = self.begin_replay(&replay).await?;
        self.replay_bucket().await?.put(&replay.key(), &replay).await?;
        Ok(())
    }

    /// Every replay that is known, the oldest first.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn replays(&self) -> Result<Vec<Replay>, BucketError> {
        let bucket = self.replay_bucket().await?;
        let mut replays = Vec::new();
        for key in bucket.keys().await? {
            replays.extend(bucket.get(&key).await?.map(|kept| kept.value));
        }
        replays.sort_by_key(|replay| replay.asked_at);
        Ok(replays)
    }

    /// The replays to this destination that are not done yet.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn replays_to(
        &self,
        destination: &DestinationId,
    ) -> Result<Vec<Replay>, BucketError> {
        let mut replays = self.replays().await?;
        replays.retain(|one| one.destination == *destination && one.ended_at.is_none());
        Ok(replays)
    }

    /// Whether one of these has brought nothing yet: it may have been asked for because its destination was lost, while
    /// one that has begun was asked for when it was there.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn is_any_not_begun(&self, replays: &[Replay]) -> Result<bool, BucketError> {
        for replay in replays {
            let now = self.replay(replay).await?;
            if now.is_some_and(|now| now.begun_at.is_none() && now.ended_at.is_none()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Notes that something of the replay with this route was delivered. What lies outside its period is no such thing: it
    /// is passed over wherever its destination may be.
    pub(crate) async fn replay_has_begun(&self, route: &str) -> Result<(), BucketError> {
        let Some((destination, id)) = names::replay_of(route) else { return Ok(()) };
        let (bucket, key) = (self.replay_bucket().await?, format!("{destination}.{id}"));
        while let Some(kept) = bucket.get(&key).await?.filter(|kept| kept.value.begun_at.is_none())
        {
            let begun = Replay { begun_at: Some(Utc::now()), ..kept.value };
            if let Stored::At(_) = bucket.set(&key, &begun, Some(kept.revision)).await? {
                break;
            }
        }
        Ok(())
    }

    /// One replay, as it stands now.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn replay(&self, replay: &Replay) -> Result<Option<Replay>, BucketError> {
        let kept = self.replay_bucket().await?.get(&replay.key()).await?;
        Ok(kept.map(|kept| kept.value))
    }

    /// How far a replay is.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn replay_progress(&self, replay: &Replay) -> Result<ReplayProgress, LogError> {
        let mut progress = ReplayProgress { left: 0, in_hand: 0, is_done: true };
        for route in replay.routes(self) {
            // One that is gone was done.
            let Some(state) = self.route_state(&route).await? else { continue };
            if state.settled_to >= replay.up_to {
                continue;
            }
            if state.in_hand > 0 || !self.is_all_taken(&state).await? {
                progress.left += state.waiting + state.in_hand;
                progress.in_hand += state.in_hand;
                progress.is_done = false;
            }
        }
        Ok(progress)
    }

    /// The position up to which a replay has brought one kind of one site; none where it does not bring that.
    pub(crate) async fn replay_settled_to(
        &self,
        replay: &Replay,
        site: &SiteHost,
        kind: Kind,
    ) -> Result<Option<u64>, LogError> {
        if !replay.of.iter().any(|(of_site, of_kind)| of_site == site && *of_kind == kind) {
            return Ok(None);
        }
        let name = names::replay(&replay.destination, &replay.id, site, kind);
        let bounds = Bounds { period: replay.period, up_to: replay.up_to };
        let state = self.route_state(&Route::replay(self, name, site, kind, bounds)).await?;
        Ok(state.map(|state| state.settled_to))
    }

    /// Ends a replay: its routes are dropped, and the record says when.
    ///
    /// # Errors
    /// When the server does not answer; a repeat goes on.
    pub async fn end_replay(&self, replay: &Replay) -> Result<(), BoxError> {
        let bucket = self.replay_bucket().await?;
        // The record first: whoever finds a route gone knows why.
        while let Some(kept) =
            bucket.get(&replay.key()).await?.filter(|kept| kept.value.ended_at.is_none())
        {
            let ended = Replay { ended_at: Some(Utc::now()), ..kept.value };
            if let Stored::At(_) = bucket.set(&replay.key(), &ended, Some(kept.revision)).await? {
                break;
            }
        }
        for route in replay.routes(self) {
            self.drop_route(&route.name).await?;
        }
        Ok(())
    }

    /// Hands the routes of a destination's replays to its runner as they come, and ends those that are done, for as long
    /// as it is polled.
    pub async fn follow_replays(
        &self,
        destination: &DestinationId,
        runner: &RouteAdder,
        batch_max: usize,
    ) {
        let mut added = HashSet::new();
        loop {
            let followed = self.follow_replays_once(destination, runner, batch_max, &mut added);
            if let Err(error) = followed.await {
                tracing::debug!(error, "could not look after replays");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn follow_replays_once(
        &self,
        destination: &DestinationId,
        runner: &RouteAdder,
        batch_max: usize,
        added: &mut HashSet<String>,
    ) -> Result<(), BoxError> {
        let bucket = self.replay_bucket().await?;
        let mut changes = bucket.store().watch(format!("{destination}.*")).await?;
        loop {
            let going_on = self.replays_to(destination).await?;
            for replay in &going_on {
                for route in replay.routes(self) {
                    if added.insert(route.name.clone()) {
                        runner.add(route.batched(batch_max));
                    }
                }
                if self.replay_progress(replay).await?.is_done {
                    self.end_replay(replay).await?;
                    tracing::info!(replay = replay.id, %destination, "a replay is done");
                }
            }
            let wait = if going_on.is_empty() { LOOK_SELDOM } else { LOOK_EVERY };
            tokio::select! {
                change = changes.next() => drop(change.ok_or("nothing is told any more")??),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }
}
