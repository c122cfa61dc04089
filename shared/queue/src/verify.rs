//! The log compared with a destination, for those who only want to know.
//!
//! A part of the artifacts at a time, so that the memory is bounded however many there are: the parts are told apart by
//! a digest of the artifact, and the log and the ledger are gone through once for each.

use std::collections::HashMap;

use async_nats::jetstream::consumer::DeliverPolicy;
use domain::facts::ClaimCheck;
use domain::{
    ArtifactId, DestinationId, Difference, Entry, Finding, Kind, LastFact, SiteHost, Standing,
};
use messages::Fact;

use crate::reading::read;
use crate::reconcile::{GivenUp, key};
use crate::succession::Come;
use crate::{Log, LogError};

/// Artifacts of one part: some hundred bytes of memory each.
const PART: u64 = 250_000;

/// A comparison of the log with a destination, begun.
#[derive(Debug)]
pub struct Verification {
    log: Log,
    destination: DestinationId,
    routes: Vec<(SiteHost, Kind, Come)>,
    given_up: GivenUp,
    parts: u64,
}

/// One part of the artifacts: what the ledger says of them.
#[derive(Debug)]
pub struct Part {
    number: u64,
    of: u64,
    entries: HashMap<[u8; 16], Noted>,
}

#[derive(Debug)]
enum Noted {
    Entry(ArtifactId, Entry),
    /// The destination will never hold it.
    Settled,
}

impl Part {
    /// Whether an artifact belongs to this part.
    pub fn takes(&self, artifact: &ArtifactId) -> bool {
        part_of(&key(artifact), self.of) == self.number
    }

    /// Notes what the ledger says of an artifact; one of another part is not noted.
    pub fn note(&mut self, artifact: ArtifactId, entry: Entry) {
        if self.takes(&artifact) {
            self.entries.insert(key(&artifact), Noted::Entry(artifact, entry));
        }
    }

    /// Notes that the destination will never hold an artifact: skipped, retired, or its name belongs to another.
    pub fn note_settled(&mut self, artifact: &ArtifactId) {
        if self.takes(artifact) {
            self.entries.insert(key(artifact), Noted::Settled);
        }
    }
}

fn part_of(key: &[u8; 16], parts: u64) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&key[..8]);
    u64::from_be_bytes(first) % parts
}

impl Verification {
    /// Reads how far these routes are. The ledger has to be read after this.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn begin(
        log: &Log,
        destination: &DestinationId,
        of: impl IntoIterator<Item = (SiteHost, Kind)>,
    ) -> Result<Self, LogError> {
        let mut routes = Vec::new();
        for (site, kind) in of {
            let come = log.come(destination, &site, kind).await?;
            routes.push((site, kind, come));
        }
        let given_up = GivenUp::read(log).await?;
        let facts = log.stands_at().await?.position;
        let (log, destination) = (log.clone(), destination.clone());
        Ok(Verification { log, destination, routes, given_up, parts: facts.div_ceil(PART).max(1) })
    }

    /// The parts to go through, one after the other.
    pub fn parts(&self) -> impl Iterator<Item = Part> + use<> {
        let of = self.parts;
        (0..of).map(move |number| Part { number, of, entries: HashMap::new() })
    }

    /// Compares one part, whose ledger entries are noted, with the log. Tells each difference, and on which artifacts, and
    /// on what content of each, ledger and log agree. Says how many artifacts it looked at.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn compare(
        &self,
        mut part: Part,
        mut tell: impl FnMut(Finding),
        mut agreed: impl FnMut(ArtifactId, ClaimCheck),
    ) -> Result<u64, LogError> {
        let (mut checked, mut missing) = (0, Vec::new());
        // All that is not waiting stands below the position up to which these are known.
        let epochs = self.log.epochs().await?;
        for (site, kind, Come { settled_to, begins_at }) in &self.routes {
            let filter = self.log.subjects.staged_of(site, *kind);
            let last_of_each = DeliverPolicy::LastPerSubject;
            read(&self.log.artifacts, filter, last_of_each, |position, message| {
                let Ok(Fact::ArtifactStaged(staged)) = messages::decode(&message.payload) else {
                    return;
                };
                if !part.takes(&staged.artifact) {
                    return;
                }
                checked += 1;
                let last = LastFact {
                    revision: staged.revision.unwrap_or_else(|| epochs.revision_at(position)),
                    position,
                    settled_to: *settled_to,
                    begins_at: *begins_at,
                    given_up_at: self.given_up.at(Some(&self.destination), &staged.artifact),
                };
                match part.entries.remove(&key(&staged.artifact)) {
                    Some(Noted::Entry(artifact, entry)) => {
                        match entry.compared(&last, staged.claim.content) {
                            Some(difference) => {
                                tell(Finding { what: artifact.to_string(), difference });
                            }
                            None if entry.content == staged.claim.content => {
                                agreed(artifact, staged.claim);
                            }
                            None => {}
                        }
                    }
                    None if last.standing(None) == Standing::Missing => {
                        missing.push((staged.artifact, position));
                    }
                    Some(Noted::Settled) | None => {}
                }
            })
            .await?;
        }
        for (artifact, position) in missing {
            let difference = match self.log.is_unavailable_since(&artifact, position).await? {
                true => Difference::Unavailable,
                false => Difference::Missing,
            };
            tell(Finding { what: artifact.to_string(), difference });
        }
        // What is left was in no fact of these routes.
        for noted in part.entries.into_values() {
            let Noted::Entry(artifact, entry) = noted else { continue };
            checked += 1;
            if let Some(difference) = entry.without_fact() {
                tell(Finding { what: artifact.to_string(), difference });
            }
        }
        Ok(checked)
    }
}
