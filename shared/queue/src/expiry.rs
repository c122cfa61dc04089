use std::collections::{HashMap, HashSet};

use async_nats::jetstream::consumer::DeliverPolicy;
use domain::{ArtifactId, Debtor, DestinationId, Digest, Kind, SiteHost, Wanted};
use messages::Fact;

use crate::reading::read;
use crate::reconcile::key;
use crate::route::names;
use crate::{BoxError, Log, LogError, Route, RouteState};

/// What an artifact, or the name of an object, is remembered by.
type Key = [u8; 16];

/// A destination of the settings, as far as one kind of one site is concerned.
#[derive(Debug, Clone)]
pub struct Recipient {
    /// Its name in the settings.
    pub label: String,
    /// Its identity; none if it was never opened: it wants everything.
    pub id: Option<DestinationId>,
    /// Whether a transfer brings this kind of this site there. To others it comes only if it is asked for.
    pub by_route: bool,
}

/// What the log says of the staged artifacts of one kind of one site: which may still be wanted, and by whom.
#[derive(Debug)]
pub struct Wants {
    /// By artifact, where its last fact stands.
    positions: HashMap<Key, u64>,
    /// The objects that last facts name, with their artifacts.
    objects: HashMap<Key, Key>,
    /// Who gets it, and up to where he wants nothing more, as far as that is known.
    passed: Vec<(String, Option<u64>)>,
    /// What is asked for again.
    asked: HashSet<Key>,
    /// The positions that replays have not come to, the first of each exclusive.
    replayed: Vec<(u64, u64)>,
    dead: HashSet<Key>,
}

impl Wants {
    /// Whether a last fact names this object: one that nobody has laid beside it yet, perhaps.
    pub fn names(&self, object: &str) -> bool {
        self.objects.contains_key(&half_digest(object))
    }

    /// Who may still want an object beside which a fact of this artifact lies.
    pub fn of(&self, artifact: &ArtifactId) -> Wanted {
        self.of_key(&key(artifact))
    }

    /// Who may still want an object that a last fact names; none where none does.
    pub fn of_object(&self, object: &str) -> Option<Wanted> {
        self.objects.get(&half_digest(object)).map(|artifact| self.of_key(artifact))
    }

    fn of_key(&self, artifact: &Key) -> Wanted {
        match self.positions.get(artifact) {
            None => Wanted::ByRebuilding,
            Some(position) => Wanted::ByFact {
                position: *position,
                passed_to: self.passed.iter().map(|(_, to)| *to).min().unwrap_or(Some(u64::MAX)),
                is_dead_lettered: self.dead.contains(artifact),
                is_asked_again: self.is_asked_again(artifact, *position),
            },
        }
    }

    /// Who keeps an object from going that a last fact names; none where none does.
    pub fn debtors(&self, object: &str) -> Option<Vec<Debtor>> {
        let artifact = self.objects.get(&half_digest(object))?;
        let position = *self.positions.get(artifact)?;
        let has_not = |to: &Option<u64>| to.is_none_or(|to| to < position);
        let destinations = self.passed.iter().filter(|(_, to)| has_not(to));
        let mut debtors: Vec<_> =
            destinations.map(|(label, _)| Debtor::Destination(label.clone())).collect();
        if self.is_asked_again(artifact, position) {
            debtors.push(Debtor::AskedAgain);
        }
        if self.dead.contains(artifact) {
            debtors.push(Debtor::DeadLetter);
        }
        Some(debtors)
    }

    fn is_asked_again(&self, artifact: &Key, position: u64) -> bool {
        let replayed = |(after, up_to): &(u64, u64)| (*after < position) && position <= *up_to;
        self.asked.contains(artifact) || self.replayed.iter().any(replayed)
    }
}

impl Log {
    /// Reads who may still want what was staged of one kind of one site. The recipients are all destinations of the
    /// settings.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn wants(
        &self,
        site: &SiteHost,
        kind: Kind,
        recipients: &[Recipient],
    ) -> Result<Wants, LogError> {
        // What is asked for again and how far the routes are is read first: what is staged later stands behind that.
        let routes = self.routes().await?;
        let passed = recipients.iter().filter(|one| one.by_route);
        let passed = passed.map(|one| (one.label.clone(), self.passed(&routes, one, site, kind)));
        let passed = passed.collect();
        let asked = self.asked_again(&routes, site, recipients).await?;
        let replayed = self.replayed(&routes, site, kind, recipients).await?;
        let dead = self.dead_letters().list().await?;
        let dead = dead.iter().filter_map(|lying| lying.letter.artifact.as_ref()).map(key);
        let dead = dead.collect();
        let (mut positions, mut objects) = (HashMap::new(), HashMap::new());
        let filter = self.subjects.staged_of(site, kind);
        read(&self.artifacts, filter, DeliverPolicy::LastPerSubject, |position, message| {
            if let Ok(Fact::ArtifactStaged(staged)) = messages::decode(&message.payload) {
                let artifact = key(&staged.artifact);
                positions.insert(artifact, position);
                objects.insert(half_digest(&staged.claim.object), artifact);
            }
        })
        .await?;
        Ok(Wants { positions, objects, passed, asked, replayed, dead })
    }

    /// Up to where a destination wants nothing more of one kind of one site, as far as that is known.
    fn passed(
        &self,
        routes: &[RouteState],
        recipient: &Recipient,
        site: &SiteHost,
        kind: Kind,
    ) -> Option<u64> {
        let route = Route::deliver(self, recipient.id.as_ref()?, site, kind);
        routes.iter().find(|state| state.name == route.name).map(|state| state.settled_to)
    }

    /// The artifacts that are asked for again and were not brought yet.
    async fn asked_again(
        &self,
        routes: &[RouteState],
        site: &SiteHost,
        recipients: &[Recipient],
    ) -> Result<HashSet<Key>, LogError> {
        let ids = recipients.iter().filter_map(|one| one.id.as_ref());
        let again = ids.map(|id| Route::again_deliver(self, id));
        let mut asked = HashSet::new();
        for route in again.chain([Route::again_fetch(self, site)]) {
            let state = routes.iter().find(|state| state.name == route.name);
            let Some(state) = state else { continue };
            if state.in_hand == 0 && self.is_all_taken(state).await? {
                continue;
            }
            let stream = if route.on_due { &self.due } else { &self.artifacts };
            let from = DeliverPolicy::ByStartSequence { start_sequence: state.settled_to + 1 };
            read(stream, route.filter, from, |_, message| {
                if let Ok(Fact::Again(again)) = messages::decode(&message.payload) {
                    asked.insert(key(&again.artifact));
                }
            })
            .await?;
        }
        Ok(asked)
    }

    /// The positions that the replays of these have not come to.
    async fn replayed(
        &self,
        routes: &[RouteState],
        site: &SiteHost,
        kind: Kind,
        recipients: &[Recipient],
    ) -> Result<Vec<(u64, u64)>, LogError> {
        let failed = |cause: BoxError| LogError::Stream { name: "replays".to_owned(), cause };
        let replays = self.replays().await.map_err(|cause| failed(cause.into()))?;
        let to_these =
            |id: &DestinationId| recipients.iter().any(|one| one.id.as_ref() == Some(id));
        let going_on =
            replays.iter().filter(|one| one.ended_at.is_none() && to_these(&one.destination));
        let open = going_on.filter_map(|replay| {
            let name = names::replay(&replay.destination, &replay.id, site, kind);
            let state = routes.iter().find(|state| state.name == name)?;
            Some((state.settled_to, replay.up_to))
        });
        Ok(open.collect())
    }
}

fn half_digest(object: &str) -> Key {
    let mut half = [0; 16];
    half.copy_from_slice(&Digest::of(object.as_bytes()).as_bytes()[..16]);
    half
}
