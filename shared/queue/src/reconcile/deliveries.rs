use async_nats::jetstream::consumer::DeliverPolicy;
use domain::facts::Asked;
use domain::{ArtifactId, DestinationId, Kind, LastFact, Revision, SiteHost, Standing};
use messages::Fact;

use super::{ASKED_MAX, Counts, GivenUp, Ledger, Period, again};
use crate::reading::read;
use crate::succession::Come;
use crate::{Log, LogError, Route};

/// A comparison of the log with one destination, begun: how far its routes are is read, its ledger is not yet.
#[derive(Debug)]
pub struct Deliveries {
    log: Log,
    destination: DestinationId,
    routes: Vec<(SiteHost, Kind, Come)>,
    given_up: GivenUp,
}

impl Deliveries {
    /// Reads how far these routes of a destination are. Its ledger has to be read after this.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn begin(
        log: &Log,
        destination: &DestinationId,
        routes: impl IntoIterator<Item = (SiteHost, Kind)>,
    ) -> Result<Self, LogError> {
        let mut settled = Vec::new();
        for (site, kind) in routes {
            let come = log.come(destination, &site, kind).await?;
            settled.push((site, kind, come));
        }
        let given_up = GivenUp::read(log).await?;
        Ok(Deliveries {
            log: log.clone(),
            destination: destination.clone(),
            routes: settled,
            given_up,
        })
    }

    /// Compares the last fact of every artifact with the ledger, and asks for what is missing.
    ///
    /// # Errors
    /// When the server does not answer. What was asked for until then is, and a repeat asks for none of it twice.
    pub async fn against(&self, ledger: &Ledger, period: Period) -> Result<Counts, LogError> {
        let mut counts = Counts::default();
        for (site, kind, come) in &self.routes {
            counts += self.route(site, *kind, *come, ledger, period).await?;
        }
        Ok(counts)
    }

    async fn route(
        &self,
        site: &SiteHost,
        kind: Kind,
        Come { settled_to, begins_at }: Come,
        ledger: &Ledger,
        period: Period,
    ) -> Result<Counts, LogError> {
        // All that is not waiting stands below the position up to which these are known.
        let epochs = self.log.epochs().await?;
        let mut counts = Counts::default();
        let mut missing = Vec::new();
        let filter = self.log.subjects.staged_of(site, kind);
        read(&self.log.artifacts, filter, DeliverPolicy::LastPerSubject, |position, message| {
            let Ok(Fact::ArtifactStaged(staged)) = messages::decode(&message.payload) else {
                return;
            };
            if !period.holds(staged.particulars.ended.unwrap_or(staged.staged_at)) {
                return;
            }
            let revision = staged.revision.unwrap_or_else(|| epochs.revision_at(position));
            let artifact = &staged.artifact;
            let given_up_at = self.given_up.at(Some(&self.destination), artifact);
            let last = LastFact { revision, position, settled_to, begins_at, given_up_at };
            counts.checked += 1;
            match last.standing(ledger.held(artifact)) {
                Standing::Complete => counts.complete += 1,
                Standing::Settled => counts.settled += 1,
                Standing::Waiting => counts.waiting += 1,
                Standing::Missing => {
                    counts.missing += 1;
                    if missing.len() < ASKED_MAX {
                        missing.push((artifact.clone(), revision, position));
                    }
                }
            }
        })
        .await?;
        let mut asked = Vec::with_capacity(missing.len());
        for (artifact, revision, position) in missing {
            // Staging lost it, and the appliance does not have it any more.
            if self.log.is_unavailable_since(&artifact, position).await? {
                counts.missing -= 1;
                counts.settled += 1;
            } else {
                asked.push(self.asked(&artifact, revision));
            }
        }
        let answered_by = Route::again_deliver(&self.log, &self.destination);
        self.log.ask(asked, &answered_by, &mut counts).await?;
        Ok(counts)
    }

    fn asked(&self, artifact: &ArtifactId, revision: Revision) -> Fact {
        let Revision { epoch, position } = revision;
        let to = Asked::Deliver(self.destination.clone());
        let why = "its route has dealt with it, and the destination does not hold it";
        again(artifact, to, format!("missing-{epoch}-{position}"), why)
    }
}
