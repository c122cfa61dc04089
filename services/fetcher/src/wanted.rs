use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::facts::{Again, AgainMode, Cause, End};
use domain::{ApplianceTime, ArtifactId, Particulars, Slot};
use messages::Fact;
use queue::{Failure, Log, Task};

use crate::failure::log_failed;

/// An appliance deletes after 90 days: who says that a session ended longer ago had a wrong clock then or has one now.
const AGE_MAX: Duration = Duration::from_secs(400 * 86_400);

/// What a task asks for.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub artifact: ArtifactId,
    pub cause: Cause,
    pub again: Option<Again>,
    /// What the report said; for a report, it is read off the download.
    pub particulars: Particulars,
    /// Whether the appliance has shown an end of the session, so that its report has one as soon as it is complete.
    pub ended: bool,
    /// Since when it is asked for.
    pub since: DateTime<Utc>,
}

impl Wanted {
    /// What the task asks for.
    pub async fn of(task: &Task, log: &Log) -> Result<Wanted, Failure> {
        let wanted = |artifact, particulars| Wanted {
            artifact,
            cause: task.origin.cause(),
            again: None,
            particulars,
            ended: false,
            since: task.origin.published_at,
        };
        match &task.fact {
            Fact::SessionEnded(ended) => Ok(Wanted {
                ended: ended.end == End::Seen,
                ..wanted(ended.report(), Particulars::default())
            }),
            Fact::BackupDue(due) => {
                let backup = ArtifactId::backup(due.site.clone(), due.slot);
                Ok(wanted(backup, backup_particulars(due.slot)))
            }
            Fact::RecordingDue(due) => Ok(wanted(due.recording.clone(), due.particulars.clone())),
            Fact::Again(again) => {
                let particulars = particulars_again(log, &again.artifact).await?;
                Ok(Wanted {
                    again: Some(again.clone()),
                    ended: again.tells_of_an_end(),
                    ..wanted(again.artifact.clone(), particulars)
                })
            }
            other => Err(Failure::Reject(
                format!("a fetcher has no use for a {:?} fact", other.name()).into(),
            )),
        }
    }

    /// Whether a person asked, who gets a new fact also for what came unchanged.
    pub fn asked_by_a_person(&self) -> bool {
        self.again
            .as_ref()
            .is_some_and(|again| again.mode == AgainMode::EvenIfDone && !again.looks_for_changes())
    }

    /// For how long the appliance should have had it: since it was asked for, or since the session's end on the
    /// appliance's own clock, as far as that clock can be believed.
    pub fn age(&self, now: DateTime<Utc>, appliance: Option<ApplianceTime>) -> Duration {
        let asked = (now - self.since).to_std().unwrap_or_default();
        let ended = self.particulars.ended.zip(appliance);
        let ended = ended.and_then(|(ended, clock)| (clock.instant() - ended).to_std().ok());
        ended.filter(|age| *age < AGE_MAX).map_or(asked, |age| age.max(asked))
    }
}

async fn particulars_again(log: &Log, artifact: &ArtifactId) -> Result<Particulars, Failure> {
    if artifact.kind().is_report() {
        return Ok(Particulars::default());
    }
    if let Some(slot) = artifact.slot() {
        return Ok(backup_particulars(slot));
    }
    let due = log.recording_due(artifact).await.map_err(log_failed)?;
    due.map(|due| due.fact.particulars)
        .ok_or_else(|| Failure::Reject(format!("no report has named the {artifact}").into()))
}

fn backup_particulars(slot: Slot) -> Particulars {
    Particulars { ended: Some(slot.instant()), ..Particulars::default() }
}
