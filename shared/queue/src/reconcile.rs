//! The log compared with what should have followed from it; what is missing is asked for again, once.
//!
//! The order makes it safe while everything runs: how far the routes are is read first, then the ledger, then the facts.
//! What a route dealt with by then is in the ledger by then; what is newer counts as waiting.

mod daily;
mod deliveries;
mod fetches;

use std::collections::HashMap;
use std::ops::AddAssign;

use chrono::{DateTime, Utc};
use domain::facts::{Again, AgainMode, Asked};
use domain::{ArtifactId, DestinationId, Digest, Held};
use futures::StreamExt;
use messages::Fact;
use serde::{Deserialize, Serialize};

pub use daily::{Reconciled, daily};
pub use deliveries::Deliveries;

use crate::{Announced, Log, LogError, Route};

/// What is asked for in one comparison of one route; the rest is found by the next.
const ASKED_MAX: usize = 100_000;
/// Askings in flight at once.
const ASKINGS_IN_FLIGHT_MAX: usize = 128;

/// What a comparison found.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Artifacts that were looked at.
    pub checked: u64,
    /// Those that are where they belong.
    pub complete: u64,
    /// Those that will not come, which is known: skipped, retired, given up.
    pub settled: u64,
    /// Those that are being dealt with.
    pub waiting: u64,
    /// Those that are missing; 0 on a good day.
    pub missing: u64,
    /// Those among the missing that were asked for now. What was asked for before is not asked for again.
    pub asked: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.checked += other.checked;
        self.complete += other.complete;
        self.settled += other.settled;
        self.waiting += other.waiting;
        self.missing += other.missing;
        self.asked += other.asked;
    }
}

/// Which artifacts are compared: by the end of their session, or the slot of a backup.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    /// Not before.
    pub since: Option<DateTime<Utc>>,
    /// Before this.
    pub until: Option<DateTime<Utc>>,
}

impl Period {
    /// Whether an instant lies in it.
    pub fn holds(&self, instant: DateTime<Utc>) -> bool {
        self.since.is_none_or(|since| since <= instant)
            && self.until.is_none_or(|until| instant < until)
    }
}

/// What a destination's ledger says, in little memory: some fifty bytes an artifact.
#[derive(Debug, Default)]
pub struct Ledger(HashMap<[u8; 16], Held>);

impl Ledger {
    /// Notes what it says of an artifact.
    pub fn note(&mut self, artifact: &ArtifactId, held: Held) {
        self.0.insert(key(artifact), held);
    }

    fn held(&self, artifact: &ArtifactId) -> Option<Held> {
        self.0.get(&key(artifact)).copied()
    }
}

/// Half a digest: two of a hundred million are the same with a chance of one in 10^22.
pub(crate) fn key(artifact: &ArtifactId) -> [u8; 16] {
    let digest = Digest::of(artifact.to_string().as_bytes());
    let mut key = [0; 16];
    key.copy_from_slice(&digest.as_bytes()[..16]);
    key
}

/// What was given up: the position of the message by destination (none: the fetchers) and artifact.
#[derive(Debug, Default)]
pub(crate) struct GivenUp(HashMap<(Option<DestinationId>, ArtifactId), u64>);

impl GivenUp {
    pub(crate) async fn read(log: &Log) -> Result<Self, LogError> {
        let letters = log.dead_letters();
        let (dead, discarded) = (letters.list().await?, letters.discarded().await?);
        let mut given_up = GivenUp::default();
        for letter in dead.into_iter().chain(discarded).map(|lying| lying.letter) {
            if let Some(artifact) = letter.artifact {
                let at = given_up.0.entry((letter.destination, artifact)).or_default();
                *at = letter.letter.sequence.max(*at);
            }
        }
        Ok(given_up)
    }

    pub(crate) fn at(
        &self,
        destination: Option<&DestinationId>,
        artifact: &ArtifactId,
    ) -> Option<u64> {
        self.0.get(&(destination.cloned(), artifact.clone())).copied()
    }
}

fn again(artifact: &ArtifactId, to: Asked, ask: String, why: &str) -> Fact {
    Fact::Again(Again {
        artifact: artifact.clone(),
        to,
        ask,
        mode: AgainMode::IfMissing,
        why: why.to_owned(),
        asked_by: "reconcile".to_owned(),
        asked_at: Utc::now(),
        destinations: Vec::new(),
        import: None,
    })
}

impl Log {
    /// Asks for what is missing. What was asked for before and not dealt with yet is waited for.
    async fn ask(
        &self,
        missing: Vec<Fact>,
        answered_by: &Route,
        counts: &mut Counts,
    ) -> Result<(), LogError> {
        if missing.is_empty() {
            return Ok(());
        }
        // The route before the first asking is published, so that none is lost.
        self.ensure_route(answered_by).await?;
        let answered_to = self.settled_to(answered_by).await?;
        let mut askings = futures::stream::iter(missing)
            .map(|fact| async move { self.asking(&fact, answered_by).await })
            .buffer_unordered(ASKINGS_IN_FLIGHT_MAX);
        while let Some(asked) = askings.next().await {
            match asked? {
                None => counts.asked += 1,
                Some(position) if position > answered_to => {
                    counts.missing -= 1;
                    counts.waiting += 1;
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Where it had been asked for before; `None` where this is the first time.
    async fn asking(&self, fact: &Fact, answered_by: &Route) -> Result<Option<u64>, LogError> {
        if let Announced::At(_) = self.announce(fact).await? {
            return Ok(None);
        }
        let stream = if answered_by.on_due { &self.due } else { &self.artifacts };
        let subject = self.subjects.of(fact);
        match stream.get_last_raw_message_by_subject(&subject).await {
            Ok(message) => Ok(Some(message.sequence)),
            Err(cause) => Err(LogError::Read { subject, cause: cause.into() }),
        }
    }

    /// How far a route has dealt with everything; 0 where there is none yet.
    async fn settled_to(&self, route: &Route) -> Result<u64, LogError> {
        Ok(self.route_state(route).await?.map_or(0, |state| state.settled_to))
    }
}
