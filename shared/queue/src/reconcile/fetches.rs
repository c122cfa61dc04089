use std::collections::HashSet;

use async_nats::jetstream::consumer::DeliverPolicy;
use chrono::{DateTime, Utc};
use domain::facts::Asked;
use domain::{ArtifactId, Kind, SiteHost};
use messages::Fact;

use super::{ASKED_MAX, Counts, GivenUp, Period, again, key};
use crate::reading::read;
use crate::{Log, LogError, Route};

impl Log {
    /// Compares what was due of one kind of one site with what was staged of it or can't be had, and asks for what its
    /// route has dealt with and nothing came of.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn reconcile_fetches(
        &self,
        site: &SiteHost,
        kind: Kind,
        period: Period,
    ) -> Result<Counts, LogError> {
        let settled_to = self.settled_to(&Route::fetch(self, site, kind)).await?;
        let given_up = GivenUp::read(self).await?;
        let staged = self.closed(self.subjects.staged_of(site, kind)).await?;
        let unavailable = self.closed(self.subjects.unavailable_of(site, kind)).await?;
        let mut counts = Counts::default();
        let mut missing = Vec::new();
        let filter = self.subjects.due_of(site, kind);
        read(&self.due, filter, DeliverPolicy::LastPerSubject, |position, message| {
            let Some((artifact, at)) = messages::decode(&message.payload).ok().and_then(due) else {
                return;
            };
            if !period.holds(at) {
                return;
            }
            counts.checked += 1;
            let key = key(&artifact);
            if staged.contains(&key) {
                counts.complete += 1;
            } else if unavailable.contains(&key) || given_up.at(None, &artifact).is_some() {
                counts.settled += 1;
            } else if position > settled_to {
                counts.waiting += 1;
            } else {
                counts.missing += 1;
                if missing.len() < ASKED_MAX {
                    let why = "it was due, and nothing came of it";
                    missing.push(again(
                        &artifact,
                        Asked::Fetch,
                        format!("unclosed-{position}"),
                        why,
                    ));
                }
            }
        })
        .await?;
        self.ask(missing, &Route::again_fetch(self, site), &mut counts).await?;
        Ok(counts)
    }

    /// The artifacts of which there is such a fact.
    async fn closed(&self, filter: String) -> Result<HashSet<[u8; 16]>, LogError> {
        let mut closed = HashSet::new();
        read(&self.artifacts, filter, DeliverPolicy::LastPerSubject, |_, message| {
            match messages::decode(&message.payload) {
                Ok(Fact::ArtifactStaged(staged)) => drop(closed.insert(key(&staged.artifact))),
                Ok(Fact::ArtifactUnavailable(gone)) => drop(closed.insert(key(&gone.artifact))),
                _ => {}
            }
        })
        .await?;
        Ok(closed)
    }
}

/// What is due by a fact, and when its session ended.
fn due(fact: Fact) -> Option<(ArtifactId, DateTime<Utc>)> {
    match fact {
        Fact::SessionEnded(ended) => Some((ended.report(), ended.noticed_at.instant())),
        Fact::RecordingDue(due) => {
            let at = due.particulars.ended.or(due.particulars.started).unwrap_or_default();
            Some((due.recording, at))
        }
        Fact::BackupDue(due) => Some((ArtifactId::backup(due.site, due.slot), due.slot.instant())),
        _ => None,
    }
}
