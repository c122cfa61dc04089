use std::time::Duration;

use appliance::{ApplianceError, Client, Download, Recourse};
use bytes::Bytes;
use chrono::Utc;
use domain::facts::{
    Again, AgainMode, ArtifactStaged, ArtifactUnavailable, Asked, Cause, ClaimCheck, RecordingDue,
};
use domain::{ArtifactId, DestinationId, Family, Particulars, Revision};
use futures::{Stream, StreamExt};
use messages::Fact;
use queue::{Closing, Done, Failure, Lease, Log, LogError, Logged, Outcome, Task, Worker};
use staging::{PutError, Staging};

use crate::report;

/// How long the appliance may take before it sends something; recordings are rendered and backups made first.
const FIRST_BYTE_MAX: Duration = Duration::from_secs(11 * 60);
/// How long it may pause within a body.
const BLOCK_MAX: Duration = Duration::from_secs(90);
/// How long staging may take to make the end of an object durable.
const SYNC_MAX: Duration = Duration::from_secs(10 * 60);

/// Fetches from one site.
#[derive(Debug, Clone)]
pub struct Fetcher {
    log: Log,
    staging: Staging,
    client: Client,
}

/// What a task asks for.
pub(crate) struct Wanted {
    pub artifact: ArtifactId,
    pub cause: Cause,
    pub again: Option<Again>,
    /// What the report said; for a report, it is read off the download.
    pub particulars: Particulars,
}

/// What the log says of an artifact before the work begins.
struct Past {
    staged: Option<Logged<ArtifactStaged>>,
    unavailable: Option<Logged<ArtifactUnavailable>>,
}

/// An artifact in staging, and what its content told.
pub(crate) struct Fetched {
    pub claim: ClaimCheck,
    pub particulars: Particulars,
    pub recordings: Vec<RecordingDue>,
}

impl Fetcher {
    /// A fetcher of the client's site.
    pub fn new(log: Log, staging: Staging, client: Client) -> Self {
        Fetcher { log, staging, client }
    }

    async fn handle(&self, task: &Task, lease: &Lease) -> Outcome {
        let wanted = self.wanted(task).await?;
        let past = Past {
            staged: self.log.last_staged(&wanted.artifact).await.map_err(log_failed)?,
            unavailable: self.log.last_unavailable(&wanted.artifact).await.map_err(log_failed)?,
        };
        if self.is_done(&wanted, &past).await? {
            return self.repeated(&wanted, &past).await;
        }
        match self.fetch(&wanted, lease).await {
            Ok(fetched) => self.fetched(wanted, &past, fetched).await,
            Err(Unfetched::Unavailable(reason)) => Ok(unavailable(wanted, &past, reason)),
            Err(Unfetched::Failed(failure)) => Err(failure),
        }
    }

    async fn wanted(&self, task: &Task) -> Result<Wanted, Failure> {
        let cause = task.origin.cause();
        let wanted = |artifact, particulars, again| Wanted { artifact, cause, again, particulars };
        match &task.fact {
            Fact::SessionEnded(ended) => Ok(wanted(ended.report(), Particulars::default(), None)),
            Fact::BackupDue(due) => {
                let backup = ArtifactId::backup(due.site.clone(), due.slot);
                Ok(wanted(backup, backup_particulars(due.slot), None))
            }
            Fact::RecordingDue(due) => {
                Ok(wanted(due.recording.clone(), due.particulars.clone(), None))
            }
            Fact::Again(again) => {
                let particulars = self.particulars_again(&again.artifact).await?;
                Ok(wanted(again.artifact.clone(), particulars, Some(again.clone())))
            }
            other => Err(Failure::Reject(
                format!("a fetcher has no use for a {:?} fact", other.name()).into(),
            )),
        }
    }

    async fn particulars_again(&self, artifact: &ArtifactId) -> Result<Particulars, Failure> {
        if artifact.kind().is_report() {
            return Ok(Particulars::default());
        }
        if let Some(slot) = artifact.slot() {
            return Ok(backup_particulars(slot));
        }
        let due = self.log.recording_due(artifact).await.map_err(log_failed)?;
        due.map(|due| due.fact.particulars)
            .ok_or_else(|| Failure::Reject(format!("no report has named the {artifact}").into()))
    }

    /// Whether the log and staging say that nothing is left to fetch.
    async fn is_done(&self, wanted: &Wanted, past: &Past) -> Result<bool, Failure> {
        let Some(again) = &wanted.again else {
            return Ok(past.staged.is_some() || past.unavailable.is_some());
        };
        let answered = past.staged.as_ref().is_some_and(|staged| staged.fact.cause == wanted.cause)
            || past.unavailable.as_ref().is_some_and(|gone| gone.fact.cause == wanted.cause);
        if answered {
            return Ok(true);
        }
        match (again.mode, &past.staged) {
            (AgainMode::EvenIfDone, _) | (AgainMode::IfMissing, None) => Ok(false),
            (AgainMode::IfMissing, Some(staged)) => {
                self.staging.holds(&staged.fact.claim).await.map_err(down)
            }
        }
    }

    /// The work is done, perhaps by a process that did not live to see it through.
    async fn repeated(&self, wanted: &Wanted, past: &Past) -> Outcome {
        let Some(staged) = &past.staged else {
            return Ok(Done { afterwards: delivered_again(wanted), ..Done::default() });
        };
        let claim = &staged.fact.claim;
        let mut announce = Vec::new();
        if self.staging.holds(claim).await.map_err(down)? {
            if !self.staging.fact_laid(&claim.object).await.map_err(down)? {
                let revision = self.log.revision_at(staged.sequence).await.map_err(log_failed)?;
                self.lay(&staged.fact, revision).await?;
            }
            if wanted.artifact.kind().is_report() {
                let named = report::recordings_of(&self.staging, &wanted.artifact, claim).await?;
                announce.extend(named.into_iter().map(Fact::RecordingDue));
            }
        }
        Ok(Done { announce, afterwards: delivered_again(wanted), ..Done::default() })
    }

    async fn fetch(&self, wanted: &Wanted, lease: &Lease) -> Result<Fetched, Unfetched> {
        lease.phase("the appliance's first byte", FIRST_BYTE_MAX);
        match wanted.artifact.kind().family() {
            Some(family) if wanted.artifact.kind().is_report() => {
                self.fetch_report(wanted, family, lease).await
            }
            Some(_) => {
                let download = self.client.recording(&wanted.artifact).await?;
                self.stage_file(wanted, download, lease).await
            }
            None => {
                let download = self.client.backup().await?;
                self.stage_file(wanted, download, lease).await
            }
        }
    }

    async fn fetch_report(
        &self,
        wanted: &Wanted,
        family: Family,
        lease: &Lease,
    ) -> Result<Fetched, Unfetched> {
        let lsid = wanted.artifact.lsid().expect("a report belongs to an LSID").clone();
        let download = self.client.reports(family, std::slice::from_ref(&lsid)).await?;
        let body = report::collected(watched(download, lease)).await?;
        lease.phase("staging's sync", SYNC_MAX);
        let read = report::read(body, &lsid)?;
        if read.session.ended().is_none() && expects_an_end(wanted) {
            let text =
                format!("the report of {lsid} has no end yet, although the appliance lists one");
            return Err(Unfetched::Failed(Failure::Retry(text.into())));
        }
        let particulars = read.session.particulars();
        let recordings = report::recordings(&read.session, wanted.artifact.site());
        let content = futures::stream::iter([Ok::<_, ApplianceError>(read.xml)]);
        let staged = self.staging.put(&wanted.artifact, "xml", content).await?;
        let claim = ClaimCheck {
            object: staged.object,
            size: staged.size,
            digest: staged.digest,
            content: read.content,
            extension: "xml".to_owned(),
        };
        Ok(Fetched { claim, particulars, recordings })
    }

    async fn stage_file(
        &self,
        wanted: &Wanted,
        download: Download,
        lease: &Lease,
    ) -> Result<Fetched, Unfetched> {
        let extension = download.extension(wanted.artifact.kind());
        let content = watched(download, lease);
        let staged = self.staging.put(&wanted.artifact, &extension, content).await?;
        let claim = ClaimCheck {
            object: staged.object,
            size: staged.size,
            digest: staged.digest,
            content: staged.digest,
            extension,
        };
        let particulars = wanted.particulars.clone();
        Ok(Fetched { claim, particulars, recordings: Vec::new() })
    }

    /// What follows from a download. Unchanged content publishes nothing, unless the object that the last fact names is
    /// gone or a person asked for it.
    async fn fetched(&self, wanted: Wanted, past: &Past, fetched: Fetched) -> Outcome {
        let announce = fetched.recordings.into_iter().map(Fact::RecordingDue).collect();
        let afterwards = delivered_again(&wanted);
        if let Some(last) = &past.staged {
            let equal = last.fact.claim.content == fetched.claim.content;
            let asked = wanted.again.as_ref().is_some_and(asked_by_a_person);
            if equal && !asked && self.staging.holds(&last.fact.claim).await.map_err(down)? {
                return Ok(Done { announce, afterwards, ..Done::default() });
            }
        }
        let staged = Fact::ArtifactStaged(ArtifactStaged {
            artifact: wanted.artifact,
            claim: fetched.claim,
            particulars: fetched.particulars,
            staged_at: Utc::now(),
            cause: wanted.cause,
            revision: None,
        });
        let expected_last = past.staged.as_ref().map_or(0, |last| last.sequence);
        let closing = Some(Closing { fact: staged, expected_last });
        Ok(Done { announce, closing, afterwards, activity: Vec::new() })
    }

    /// Lays a fact, with its revision, beside its object: from these a lost log is rebuilt.
    async fn lay(&self, staged: &ArtifactStaged, revision: Revision) -> Result<(), Failure> {
        let revision = Some(staged.revision.unwrap_or(revision));
        let fact = Fact::ArtifactStaged(ArtifactStaged { revision, ..staged.clone() });
        let bytes = messages::encode(&fact).map_err(|cause| Failure::Reject(cause.into()))?;
        self.staging.lay_fact(&staged.claim.object, &bytes).await.map_err(down)
    }
}

impl Worker for Fetcher {
    fn name(&self) -> &'static str {
        "fetch"
    }

    fn destination(&self) -> Option<DestinationId> {
        None
    }

    async fn work(&self, tasks: &[Task], lease: &Lease) -> Result<Vec<Outcome>, Failure> {
        let mut outcomes = Vec::with_capacity(tasks.len());
        for task in tasks {
            outcomes.push(self.handle(task, lease).await);
        }
        Ok(outcomes)
    }

    async fn closed(&self, closing: &Fact, revision: Revision) -> Result<(), Failure> {
        match closing {
            Fact::ArtifactStaged(staged) => self.lay(staged, revision).await,
            _ => Ok(()),
        }
    }

    async fn probe(&self) -> Result<(), Failure> {
        self.staging.probe().await.map_err(down)?;
        self.client.clock().await.map(drop).map_err(down)
    }
}

/// Why there is nothing to publish.
pub(crate) enum Unfetched {
    /// The appliance does not have it any more; its own words.
    Unavailable(String),
    /// Something failed.
    Failed(Failure),
}

impl From<ApplianceError> for Unfetched {
    fn from(error: ApplianceError) -> Self {
        let failure = match error.recourse() {
            Recourse::Unavailable => return Unfetched::Unavailable(error.to_string()),
            Recourse::Retry => Failure::Retry(error.into()),
            Recourse::Reject => Failure::Reject(error.into()),
            Recourse::Down => Failure::Down(error.into()),
            Recourse::Throttled(wait) => Failure::Throttled { wait, cause: error.into() },
        };
        Unfetched::Failed(failure)
    }
}

impl From<PutError<ApplianceError>> for Unfetched {
    fn from(error: PutError<ApplianceError>) -> Self {
        let is_down = error.is_down();
        match error {
            PutError::Content { cause, .. } => cause.into(),
            error if is_down => Unfetched::Failed(Failure::Down(error.into())),
            error => Unfetched::Failed(Failure::Retry(error.into())),
        }
    }
}

fn down(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::Down(error.into())
}

fn log_failed(error: LogError) -> Failure {
    match error {
        error @ (LogError::Decode { .. } | LogError::Unexpected { .. }) => {
            Failure::Reject(error.into())
        }
        error => Failure::Down(error.into()),
    }
}

fn backup_particulars(slot: domain::Slot) -> Particulars {
    Particulars { ended: Some(slot.instant()), ..Particulars::default() }
}

fn unavailable(wanted: Wanted, past: &Past, reason: String) -> Done {
    let expected_last = past.unavailable.as_ref().map_or(0, |last| last.sequence);
    let fact = Fact::ArtifactUnavailable(ArtifactUnavailable {
        artifact: wanted.artifact,
        reason,
        found_at: Utc::now(),
        cause: wanted.cause,
    });
    Done { closing: Some(Closing { fact, expected_last }), ..Done::default() }
}

/// The destinations that an Again names are asked to deliver, once the artifact is staged.
fn delivered_again(wanted: &Wanted) -> Vec<Fact> {
    let Some(again) = &wanted.again else { return Vec::new() };
    let deliver = |destination: &DestinationId| {
        let to = Asked::Deliver(destination.clone());
        Fact::Again(Again { to, destinations: Vec::new(), ..again.clone() })
    };
    again.destinations.iter().map(deliver).collect()
}

fn asked_by_a_person(again: &Again) -> bool {
    again.mode == AgainMode::EvenIfDone
}

/// A session that was announced with its end has one in its report, too, as soon as the report is complete.
fn expects_an_end(wanted: &Wanted) -> bool {
    wanted.again.is_none()
}

/// The download's content; each block renews the lease and counts as progress.
fn watched(
    download: Download,
    lease: &Lease,
) -> impl Stream<Item = Result<Bytes, ApplianceError>> + Send {
    let mut bytes_so_far = 0;
    let blocks = download.into_stream().inspect(move |block| {
        if let Ok(block) = block {
            bytes_so_far += block.len() as u64;
            lease.progressed(bytes_so_far);
        }
        lease.phase("the appliance's next block", BLOCK_MAX);
    });
    blocks.chain(
        futures::stream::once(async { lease.phase("staging's sync", SYNC_MAX) })
            .filter_map(async |()| None),
    )
}
