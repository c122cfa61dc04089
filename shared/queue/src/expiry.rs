use std::collections::{HashMap, HashSet};

use async_nats::jetstream::consumer::DeliverPolicy;
use domain::{ArtifactId, DestinationId, Digest, Kind, SiteHost, Wanted};
use messages::Fact;

use crate::reading::read;
use crate::reconcile::key;
use crate::{Log, LogError, Route};

/// What the log says of the staged artifacts of one kind of one site: which may still be wanted.
#[derive(Debug)]
pub struct Wants {
    /// By artifact, where its last fact stands.
    positions: HashMap<[u8; 16], u64>,
    /// The objects that last facts name.
    objects: HashSet<[u8; 16]>,
    passed_to: Option<u64>,
    dead: HashSet<[u8; 16]>,
}

impl Wants {
    /// Whether a last fact names this object: one that nobody has laid beside it yet, perhaps.
    pub fn names(&self, object: &str) -> bool {
        self.objects.contains(&half_digest(object))
    }

    /// Who may still want an object beside which a fact of this artifact lies.
    pub fn of(&self, artifact: &ArtifactId) -> Wanted {
        let key = key(artifact);
        match self.positions.get(&key) {
            None => Wanted::ByRebuilding,
            Some(position) => Wanted::ByFact {
                position: *position,
                passed_to: self.passed_to,
                is_dead_lettered: self.dead.contains(&key),
            },
        }
    }
}

impl Log {
    /// Reads who may still want what was staged of one kind of one site. `destinations` are those that a transfer brings
    /// it to, one that was never opened as none: that one wants everything, as do those that are asked again just now.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn wants(
        &self,
        site: &SiteHost,
        kind: Kind,
        destinations: &[Option<DestinationId>],
    ) -> Result<Wants, LogError> {
        // How far the routes are is read first: what is staged later stands behind that.
        let mut passed_to = Some(u64::MAX);
        for destination in destinations {
            let passed = match destination {
                Some(destination) => self.passed(destination, site, kind).await?,
                None => None,
            };
            passed_to = passed_to.zip(passed).map(|(all, one)| all.min(one));
        }
        let dead = self.dead_letters().list().await?;
        let dead = dead.iter().filter_map(|lying| lying.letter.artifact.as_ref()).map(key);
        let (mut positions, mut objects) = (HashMap::new(), HashSet::new());
        let filter = self.subjects.staged_of(site, kind);
        read(&self.artifacts, filter, DeliverPolicy::LastPerSubject, |position, message| {
            if let Ok(Fact::ArtifactStaged(staged)) = messages::decode(&message.payload) {
                positions.insert(key(&staged.artifact), position);
                objects.insert(half_digest(&staged.claim.object));
            }
        })
        .await?;
        Ok(Wants { positions, objects, passed_to, dead: dead.collect() })
    }

    /// Up to where a destination wants nothing more of one kind of one site, as far as that is known.
    async fn passed(
        &self,
        destination: &DestinationId,
        site: &SiteHost,
        kind: Kind,
    ) -> Result<Option<u64>, LogError> {
        let again = self.route_state(&Route::again_deliver(self, destination)).await?;
        if again.is_some_and(|again| again.waiting > 0 || again.in_hand > 0) {
            return Ok(None);
        }
        let route = self.route_state(&Route::deliver(self, destination, site, kind)).await?;
        Ok(route.map(|route| route.settled_to))
    }
}

fn half_digest(object: &str) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&Digest::of(object.as_bytes()).as_bytes()[..16]);
    half
}
