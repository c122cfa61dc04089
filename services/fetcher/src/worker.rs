use std::time::Duration;

use appliance::{ApplianceError, Client};
use chrono::Utc;
use domain::facts::{
    Again, AgainMode, ArtifactStaged, ArtifactUnavailable, Asked, ClaimCheck, RecordingDue,
};
use domain::{DestinationId, Kind, Particulars, Revision, Slot};
use futures::FutureExt;
use futures::future::join_all;
use messages::Fact;
use queue::{Closing, Done, Failure, Lease, Log, Logged, Outcome, Task, Worker};
use staging::Staging;

use crate::failure::{Unfetched, Verdict, down, log_failed};
use crate::file::Meters;
use crate::report;
use crate::room::StagingRoom;
use crate::wanted::Wanted;

/// How long the appliance may take before it sends something; recordings are rendered and backups made first.
pub(crate) const FIRST_BYTE_MAX: Duration = Duration::from_secs(11 * 60);
/// How long staging may take to make the end of an object durable.
pub(crate) const SYNC_MAX: Duration = Duration::from_secs(10 * 60);
/// How long the log and staging may take to tell what is done.
const LOOK_MAX: Duration = Duration::from_secs(2 * 60);

/// How long a session may be without an end where no setting says so.
const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Fetches from one site.
#[derive(Debug, Clone)]
pub struct Fetcher {
    pub(crate) log: Log,
    pub(crate) staging: Staging,
    pub(crate) client: Client,
    pub(crate) room: StagingRoom,
    pub(crate) meters: Meters,
    pub(crate) patience: Duration,
    takes_backups: bool,
}

/// What the log says of an artifact before the work begins.
#[derive(Debug)]
struct Past {
    staged: Option<Logged<ArtifactStaged>>,
    unavailable: Option<Logged<ArtifactUnavailable>>,
}

/// An artifact in staging, and what its content told.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub claim: ClaimCheck,
    pub particulars: Particulars,
    pub recordings: Vec<RecordingDue>,
}

/// What the first look at a task shows.
enum Look {
    /// Nothing is left to fetch.
    Settled(Box<Outcome>),
    /// It has to be fetched.
    Open(Box<(Wanted, Past)>),
}

impl Fetcher {
    /// A fetcher of the client's site, with the usual floors of staging.
    pub fn new(log: Log, staging: Staging, client: Client) -> Self {
        let room = StagingRoom::new(staging.clone(), settings::Staging::default());
        let (meters, patience) = (Meters::new(), ABANDONED_AFTER);
        Fetcher { log, staging, client, room, meters, patience, takes_backups: false }
    }

    /// The same, which shares the room in staging with other fetchers.
    #[must_use]
    pub fn within(self, room: StagingRoom) -> Self {
        Fetcher { room, ..self }
    }

    /// With the site's setting of how long a session may be without an end.
    #[must_use]
    pub fn abandoning_after(self, patience: Duration) -> Self {
        Fetcher { patience, ..self }
    }

    /// With backups among what it fetches: an account that may read no reports is no reason to fetch none.
    #[must_use]
    pub fn taking_backups(self, takes_backups: bool) -> Self {
        Fetcher { takes_backups, ..self }
    }

    async fn look(&self, task: &Task) -> Look {
        match self.looked(task).await {
            Ok(look) => look,
            Err(failure) => Look::Settled(Box::new(Err(failure))),
        }
    }

    async fn looked(&self, task: &Task) -> Result<Look, Failure> {
        let mut wanted = Wanted::of(task, &self.log).await?;
        let past = Past {
            staged: self.log.last_staged(&wanted.artifact).await.map_err(log_failed)?,
            unavailable: self.log.last_unavailable(&wanted.artifact).await.map_err(log_failed)?,
        };
        if let Some(staged) = &past.staged
            && wanted.artifact.kind().is_report()
        {
            wanted.particulars = staged.fact.particulars.clone();
        }
        if self.is_done(&wanted, &past).await? {
            return Ok(Look::Settled(Box::new(self.repeated(&wanted, &past).await)));
        }
        if let Some(later) = self.overtaken_by(&wanted).await? {
            let reason = format!(
                "it was not made in its time, and the backup of {later} is due by now: what the appliance would give is no backup of that time"
            );
            return Ok(Look::Settled(Box::new(Ok(unavailable(wanted, &past, reason)))));
        }
        Ok(Look::Open(Box::new((wanted, past))))
    }

    /// The later slot by which a backup is overtaken: what is had now is the later one's, and under an earlier name it
    /// would push a true backup out of a destination's history.
    async fn overtaken_by(&self, wanted: &Wanted) -> Result<Option<Slot>, Failure> {
        let Some(slot) = wanted.artifact.slot() else { return Ok(None) };
        let last = self.log.last_backup_due(wanted.artifact.site()).await.map_err(log_failed)?;
        Ok(last.map(|last| last.fact.slot).filter(|last| *last > slot))
    }

    /// Whether the log and staging say that nothing is left to fetch.
    async fn is_done(&self, wanted: &Wanted, past: &Past) -> Result<bool, Failure> {
        let Some(again) = &wanted.again else {
            // A log that was rebuilt may know an end of a session that was staged as an abandoned one.
            let whole = |staged: &Logged<ArtifactStaged>| {
                !wanted.ended || staged.fact.particulars.ended.is_some()
            };
            return Ok(past.staged.as_ref().is_some_and(whole) || past.unavailable.is_some());
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
            let named = report::recordings_of(&self.staging, &wanted.artifact, claim).await?;
            announce.extend(named.into_iter().map(Fact::RecordingDue));
        }
        Ok(Done { announce, afterwards: delivered_again(wanted), ..Done::default() })
    }

    /// What each of these comes to: reports in bulk, and files one after the other.
    async fn fetch(
        &self,
        open: &[(usize, Box<(Wanted, Past)>)],
        lease: &Lease,
    ) -> Vec<Result<Fetched, Unfetched>> {
        let is_report = |wanted: &Wanted| wanted.artifact.kind().is_report();
        let reports: Vec<&Wanted> =
            open.iter().map(|(_, one)| &one.0).filter(|wanted| is_report(wanted)).collect();
        let mut reports = match reports.is_empty() {
            true => Vec::new(),
            false => match self.room.takes(Kind::SessionData).await {
                Ok(()) => self.reports(&reports, lease).await,
                Err(no_room) => reports.iter().map(|_| Err(no_room.clone().into())).collect(),
            },
        }
        .into_iter();
        let mut fetched = Vec::with_capacity(open.len());
        for (_, one) in open {
            fetched.push(match reports.len() {
                _ if !is_report(&one.0) => match self.file(&one.0, lease).await {
                    Err(failure) if one.0.artifact.slot().is_none() => {
                        Err(self.of_the_site(failure, &mut false).await)
                    }
                    file => file,
                },
                _ => reports.next().expect("each report was answered"),
            });
        }
        fetched
    }

    async fn concluded(
        &self,
        (wanted, past): (Wanted, Past),
        fetched: Result<Fetched, Unfetched>,
    ) -> Outcome {
        let age = wanted.age(Utc::now(), self.client.clock_shown());
        match fetched.map_err(|unfetched| unfetched.verdict(age)) {
            Ok(fetched) => self.fetched(wanted, &past, fetched).await,
            Err(Verdict::Unavailable(reason)) => Ok(unavailable(wanted, &past, reason)),
            Err(Verdict::Failed(failure)) => Err(failure),
        }
    }

    /// What follows from a download. Unchanged content publishes nothing, unless the object that the last fact names is
    /// gone or a person asked for it.
    async fn fetched(&self, wanted: Wanted, past: &Past, fetched: Fetched) -> Outcome {
        let announce = fetched.recordings.into_iter().map(Fact::RecordingDue).collect();
        let afterwards = delivered_again(&wanted);
        if let Some(last) = &past.staged {
            let equal = last.fact.claim.content == fetched.claim.content;
            if equal
                && !wanted.asked_by_a_person()
                && self.staging.holds(&last.fact.claim).await.map_err(down)?
            {
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

    /// Only reports can be asked for together; a file may take hours.
    fn shares_batch(&self, task: &Task) -> bool {
        match &task.fact {
            Fact::Again(again) => again.artifact.kind().is_report(),
            Fact::SessionEnded(_) => true,
            _ => false,
        }
    }

    async fn work(&self, tasks: &[Task], lease: &Lease) -> Result<Vec<Outcome>, Failure> {
        lease.phase("looking at what is done", LOOK_MAX);
        let mut looks = Vec::with_capacity(tasks.len());
        for task in tasks {
            looks.push(self.look(task).boxed());
        }
        let mut outcomes: Vec<Option<Outcome>> = tasks.iter().map(|_| None).collect();
        let mut open = Vec::new();
        for (place, look) in join_all(looks).await.into_iter().enumerate() {
            match look {
                Look::Settled(outcome) => outcomes[place] = Some(*outcome),
                Look::Open(one) => open.push((place, one)),
            }
        }
        let fetched = self.fetch(&open, lease).await;
        lease.phase("comparing with what there was", LOOK_MAX);
        let mut concluded = Vec::with_capacity(open.len());
        for ((place, one), fetched) in open.into_iter().zip(fetched) {
            concluded.push(async move { (place, self.concluded(*one, fetched).await) }.boxed());
        }
        for (place, outcome) in join_all(concluded).await {
            outcomes[place] = Some(outcome);
        }
        let settled = |outcome: Option<Outcome>| outcome.expect("a task is settled or fetched");
        Ok(outcomes.into_iter().map(settled).collect())
    }

    async fn closed(&self, closing: &Fact, revision: Revision) -> Result<(), Failure> {
        match closing {
            Fact::ArtifactStaged(staged) => self.lay(staged, revision).await,
            _ => Ok(()),
        }
    }

    async fn probe(&self) -> Result<(), Failure> {
        self.staging.probe().await.map_err(down)?;
        // Not the clock: the command API may be well while reports fail.
        match self.client.answers_reports().await {
            Err(ApplianceError::Forbidden { .. }) if self.takes_backups => Ok(()),
            answers => answers.map_err(down),
        }
    }
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
