use chrono::{DateTime, Utc};
use domain::facts::{Again, AgainMode, ArtifactStaged, Asked, ClaimCheck, DestinationId};
use domain::{ArtifactId, Kind, Particulars, Revision};
use messages::Fact;

use crate::route::names;
use crate::{Done, Log, LogError, Task};

/// What is to be delivered, as a task of a sink names it.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The artifact.
    pub artifact: ArtifactId,
    /// Its content.
    pub claim: ClaimCheck,
    /// What a file's name may need.
    pub particulars: Particulars,
    /// Which staging of it.
    pub revision: Revision,
    /// When that was, if the log knows.
    pub staged_at: Option<DateTime<Utc>>,
    /// Whether a person asked for it even if it is there.
    pub even_if_done: bool,
}

impl Log {
    /// What a task asks a sink to deliver: the fact itself, or, where it is asked for again, the last staged fact of
    /// the artifact. `None` where nothing was staged yet; when it is, the artifact comes by its own route.
    ///
    /// # Errors
    /// When the log can't be read, or the task is none for a sink.
    pub async fn delivery(&self, task: &Task) -> Result<Option<Delivery>, LogError> {
        match &task.fact {
            Fact::ArtifactStaged(staged) => {
                // Who has a destination go through all once more means what it holds, too.
                let even_if_done = names::is_replay(&task.origin.route);
                let position = task.origin.sequence;
                self.delivery_of(staged.clone(), position, even_if_done).await.map(Some)
            }
            Fact::Again(again) => self.delivery_again(again).await,
            other => Err(LogError::Unexpected {
                subject: task.origin.subject.clone(),
                found: other.name(),
            }),
        }
    }

    async fn delivery_again(&self, again: &Again) -> Result<Option<Delivery>, LogError> {
        let even_if_done = again.mode == AgainMode::EvenIfDone;
        if let Some(import) = &again.import {
            return Ok(Some(Delivery {
                artifact: again.artifact.clone(),
                claim: import.claim.clone(),
                particulars: import.particulars.clone(),
                revision: Revision::BEFORE_ALL,
                staged_at: None,
                even_if_done,
            }));
        }
        match self.last_staged(&again.artifact).await? {
            Some(last) => self.delivery_of(last.fact, last.sequence, even_if_done).await.map(Some),
            None => Ok(None),
        }
    }

    async fn delivery_of(
        &self,
        staged: ArtifactStaged,
        position: u64,
        even_if_done: bool,
    ) -> Result<Delivery, LogError> {
        Ok(Delivery {
            revision: self.revision_of(&staged, position).await?,
            artifact: staged.artifact,
            claim: staged.claim,
            particulars: staged.particulars,
            staged_at: Some(staged.staged_at),
            even_if_done,
        })
    }

    /// Whether an artifact was found to be unavailable after this position.
    pub(crate) async fn is_unavailable_since(
        &self,
        artifact: &ArtifactId,
        position: u64,
    ) -> Result<bool, LogError> {
        let gone = self.last_unavailable(artifact).await?;
        Ok(gone.is_some_and(|gone| gone.sequence > position))
    }

    /// What follows where a sink finds no object in staging. A newer fact settles the delivery: it will come by itself.
    /// Otherwise the fetchers are asked to stage it again, for this destination. A backup is never asked for again:
    /// today's backup is not last month's.
    ///
    /// # Errors
    /// When the log can't be read.
    pub async fn object_gone(
        &self,
        delivery: &Delivery,
        destination: &DestinationId,
    ) -> Result<Done, LogError> {
        let last = self.last_staged(&delivery.artifact).await?;
        let superseded = last.is_some_and(|last| last.fact.claim.object != delivery.claim.object);
        if superseded || delivery.artifact.kind() == Kind::SiteBackup {
            tracing::warn!(artifact = %delivery.artifact, superseded, "the staged object is gone");
            return Ok(Done::nothing());
        }
        let again = Again {
            artifact: delivery.artifact.clone(),
            to: Asked::Fetch,
            // One asking for each staging, however many sinks miss its object.
            ask: format!("gone-{}-{}", delivery.revision.epoch, delivery.revision.position),
            mode: AgainMode::IfMissing,
            why: format!("its object {} is gone from staging", delivery.claim.object),
            asked_by: "sink".to_owned(),
            asked_at: Utc::now(),
            destinations: vec![destination.clone()],
            import: None,
        };
        Ok(Done { announce: vec![Fact::Again(again)], ..Done::default() })
    }
}
