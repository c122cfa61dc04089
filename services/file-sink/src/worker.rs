use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use domain::facts::{Activity, Again, AgainMode, Asked, Deed};
use domain::{DestinationId, RelativePath, Revision};
use messages::Fact;
use queue::{Delivery, Done, Failure, Lease, Log, LogError, Outcome, Task, Worker};
use staging::{OpenError, Staging};

use crate::directory::{Begun, DeliveryError, Directory, Retired, Settled, Wanted, Written};
use crate::entry::Stamp;
use crate::failure::{self, ledger_failed};
use crate::naming::Naming;
use crate::progress::Progress;
use crate::streaming::{self, SYNC_MAX, Unwritten};

/// How long the ledger may take to reserve a name, others being before us.
const RESERVE_MAX: Duration = Duration::from_secs(2 * 60);
/// How long staging may take for the first block.
const OPEN_MAX: Duration = Duration::from_secs(2 * 60);

/// Smaller content is read and written in fewer steps than it takes to have it copied.
const COPIED_BYTES_MIN: u64 = 1 << 20;

/// The name in dead letters, metrics and logs.
const NAME: &str = "file-sink";

/// Delivers to one directory.
#[derive(Debug, Clone)]
pub struct FileSink {
    log: Log,
    staging: Staging,
    directory: Arc<Directory>,
    naming: Naming,
    progress: Progress,
}

impl FileSink {
    /// A sink for this directory.
    pub fn new(log: Log, staging: Staging, directory: Arc<Directory>, naming: Naming) -> Self {
        let progress = Progress::new(log.clone(), Arc::clone(&directory));
        FileSink { log, staging, directory, naming, progress }
    }

    async fn handle(&self, task: &Task, lease: &Lease) -> Outcome {
        let delivery = self.log.delivery(task).await.map_err(log_failed)?;
        let done = match &delivery {
            Some(delivery) => self.deliver(delivery, lease).await?,
            None => Done::nothing(),
        };
        let delivered = delivery.map(|delivery| delivery.revision);
        lease.phase("the destination's mark", RESERVE_MAX);
        self.mark(task, delivered).await?;
        Ok(done)
    }

    /// Says in the destination how far the task's route came, and then to the log's server.
    async fn mark(&self, task: &Task, delivered: Option<Revision>) -> Result<(), Failure> {
        let (route, position) = (&task.origin.route, task.origin.sequence);
        let at = self.log.revision_at(position).await.map_err(log_failed)?;
        let key = queue::mark_key(route, at.epoch);
        self.blocking(move |directory| {
            let marked = directory.mark(&key, position, delivered);
            marked.map_err(|cause| failure::of_marks(directory, cause))
        })
        .await?;
        Ok(self.progress.raise(route, at).await?)
    }

    async fn deliver(&self, delivery: &Delivery, lease: &Lease) -> Outcome {
        let wanted = Arc::new(self.wanted(delivery));
        lease.phase("the reservation of a name", RESERVE_MAX);
        let begun = {
            let wanted = Arc::clone(&wanted);
            self.blocking(move |directory| {
                directory.begin(&wanted).map_err(|error| failure::of(directory, &wanted, error))
            })
            .await
        };
        let settled = match begun {
            Ok(Begun::Settled(settled)) => Ok(settled),
            Ok(Begun::Write(name)) => match self.write(delivery, (&wanted, name), lease).await {
                Err(Unwritten::Gone) => return self.gone(delivery, &wanted).await,
                Err(Unwritten::Failed(failure)) => Err(failure),
                Ok(settled) => Ok(settled),
            },
            Err(failure) => Err(failure),
        };
        match settled {
            Ok(settled) => self.settled(&wanted, settled, lease).await,
            Err(failure) => Err(self.released(&wanted, failure).await),
        }
    }

    fn wanted(&self, delivery: &Delivery) -> Wanted {
        let Delivery { artifact, claim, particulars, revision, staged_at, even_if_done } = delivery;
        Wanted {
            name: self.naming.name(artifact, particulars, &claim.extension),
            artifact: artifact.clone(),
            stamp: Stamp {
                revision: *revision,
                digest: claim.digest,
                content: claim.content,
                size: claim.size,
                staged_at: *staged_at,
            },
            even_if_done: *even_if_done,
        }
    }

    async fn write(
        &self,
        delivery: &Delivery,
        (wanted, name): (&Arc<Wanted>, RelativePath),
        lease: &Lease,
    ) -> Result<Settled, Unwritten> {
        lease.phase("staging's first block", OPEN_MAX);
        if let Some(written) = self.copied(delivery, (wanted, &name), lease).await? {
            lease.phase("the rename", SYNC_MAX);
            return self.finish(wanted, move |_, _| Ok(written)).await;
        }
        let content = self.staging.open_checked(&delivery.claim).await.map_err(unopened)?;
        let directory = Arc::clone(&self.directory);
        let (temporary, rest) = streaming::write(
            directory,
            (Arc::clone(wanted), name.clone()),
            content,
            unopened,
            lease,
        )
        .await?;
        lease.phase("sync and rename", SYNC_MAX);
        self.finish(wanted, move |directory, wanted| {
            streaming::complete(directory, (wanted, &name), temporary, &rest)
        })
        .await
    }

    /// What is large and lies beside the destination is copied by the kernel, if it can.
    async fn copied(
        &self,
        delivery: &Delivery,
        (wanted, name): (&Arc<Wanted>, &RelativePath),
        lease: &Lease,
    ) -> Result<Option<Written>, Unwritten> {
        if delivery.claim.size < COPIED_BYTES_MIN {
            return Ok(None);
        }
        let file = self.staging.open_file(&delivery.claim).await.map_err(unopened)?;
        let Some(file) = file else { return Ok(None) };
        let (directory, wanted) = (Arc::clone(&self.directory), Arc::clone(wanted));
        streaming::copy(directory, (wanted, name.clone()), file, lease).await
    }

    async fn finish(
        &self,
        wanted: &Arc<Wanted>,
        written: impl FnOnce(&Directory, &Wanted) -> Result<Written, DeliveryError> + Send + 'static,
    ) -> Result<Settled, Unwritten> {
        let wanted = Arc::clone(wanted);
        let finished = self.blocking(move |directory| {
            written(directory, &wanted)
                .and_then(|written| directory.finish(&wanted, &written))
                .map_err(|error| failure::of(directory, &wanted, error))
        });
        finished.await.map_err(Unwritten::Failed)
    }

    /// The object is not in staging any more.
    async fn gone(&self, delivery: &Delivery, wanted: &Arc<Wanted>) -> Outcome {
        self.release(wanted).await?;
        self.log.object_gone(delivery, self.directory.identity()).await.map_err(log_failed)
    }

    /// What people are told, and what is left to do.
    async fn settled(&self, wanted: &Arc<Wanted>, settled: Settled, lease: &Lease) -> Outcome {
        let mut done = Done::nothing();
        let note = match &settled {
            Settled::Placed(name) => Some((Deed::Delivered, name.to_string())),
            Settled::Adopted(name) => {
                Some((Deed::Delivered, format!("{name}, which was there already")))
            }
            Settled::Skipped(name) => Some((Deed::Skipped, format!("{name} is taken"))),
            Settled::Overwritten(name) => {
                Some((Deed::Skipped, format!("{name} belongs to one that is later in the log")))
            }
            Settled::Retired => {
                Some((Deed::Retired, "newer ones are kept, so it was not written".to_owned()))
            }
            Settled::Late(name) => {
                done.afterwards.push(self.once_more(wanted, name.as_str()));
                None
            }
            Settled::AlreadyThere(_) | Settled::MovedAway(_) => None,
        };
        done.activity.extend(note.map(|(deed, note)| self.activity(wanted, deed, note)));
        if matches!(settled, Settled::Placed(_) | Settled::AlreadyThere(_) | Settled::Adopted(_)) {
            self.attest(wanted).await?;
        }
        if matches!(settled, Settled::Placed(_) | Settled::AlreadyThere(_)) {
            for retired in self.retire(wanted, lease).await? {
                done.activity.push(self.retired(retired));
            }
        }
        Ok(done)
    }

    /// What an auditor's tools check the file by.
    async fn attest(&self, wanted: &Arc<Wanted>) -> Result<(), Failure> {
        let wanted = Arc::clone(wanted);
        self.blocking(move |directory| {
            let attested = directory.attest(&wanted.artifact);
            attested.map_err(|error| failure::of(directory, &wanted, error))
        })
        .await
    }

    /// The backups that this one outlives.
    async fn retire(&self, wanted: &Arc<Wanted>, lease: &Lease) -> Result<Vec<Retired>, Failure> {
        if wanted.artifact.slot().is_none() {
            return Ok(Vec::new());
        }
        lease.phase("the removal of old backups", SYNC_MAX);
        let wanted = Arc::clone(wanted);
        self.blocking(move |directory| {
            let retired = directory.retire(wanted.artifact.site());
            retired.map_err(|error| failure::of(directory, &wanted, error))
        })
        .await
    }

    fn activity(&self, wanted: &Wanted, deed: Deed, note: String) -> Activity {
        Activity {
            deed,
            by: NAME.to_owned(),
            at: Utc::now(),
            artifact: Some(wanted.artifact.clone()),
            destination: Some(self.directory.identity().clone()),
            revision: Some(wanted.stamp.revision),
            note,
        }
    }

    fn retired(&self, retired: Retired) -> Activity {
        let Retired { artifact, name, removed } = retired;
        let note = if removed {
            name.to_string()
        } else {
            format!("{name}, which was left alone: it is not as we wrote it")
        };
        Activity {
            deed: Deed::Retired,
            by: NAME.to_owned(),
            at: Utc::now(),
            artifact: Some(artifact),
            destination: Some(self.directory.identity().clone()),
            revision: None,
            note,
        }
    }

    /// A newer revision was placed while this one was on its way: the newest is written once more, whatever stands there.
    fn once_more(&self, wanted: &Wanted, name: &str) -> Fact {
        let revision = wanted.stamp.revision;
        Fact::Again(Again {
            artifact: wanted.artifact.clone(),
            to: Asked::Deliver(self.directory.identity().clone()),
            ask: format!("late-{}-{}", revision.epoch, revision.position),
            mode: AgainMode::EvenIfDone,
            why: format!(
                "revision {revision} was late and may stand in {name} instead of a newer one"
            ),
            asked_by: NAME.to_owned(),
            asked_at: Utc::now(),
            destinations: Vec::new(),
            import: None,
        })
    }

    /// A message that failed gives its name back: it may be its last attempt, and a number is to be free again. While
    /// the destination is down nobody else can take it, and the message comes again.
    async fn released(&self, wanted: &Arc<Wanted>, failure: Failure) -> Failure {
        match failure {
            failure @ (Failure::Retry(_) | Failure::Reject(_)) => {
                match self.release(wanted).await {
                    Err(down @ Failure::Down(_)) => down,
                    Ok(()) | Err(_) => failure,
                }
            }
            failure => failure,
        }
    }

    async fn release(&self, wanted: &Arc<Wanted>) -> Result<(), Failure> {
        let wanted = Arc::clone(wanted);
        self.blocking(move |directory| {
            directory.release(&wanted.artifact).map_err(|cause| ledger_failed(directory, cause))
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        step: impl FnOnce(&Directory) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, Failure> {
        let directory = Arc::clone(&self.directory);
        streaming::blocking(move || step(&directory)).await
    }
}

impl Worker for FileSink {
    fn name(&self) -> &'static str {
        NAME
    }

    fn destination(&self) -> Option<DestinationId> {
        Some(self.directory.identity().clone())
    }

    async fn work(&self, tasks: &[Task], lease: &Lease) -> Result<Vec<Outcome>, Failure> {
        let mut outcomes = Vec::with_capacity(tasks.len());
        for task in tasks {
            outcomes.push(self.handle(task, lease).await);
        }
        Ok(outcomes)
    }

    async fn probe(&self) -> Result<(), Failure> {
        self.staging.probe_reading().await.map_err(|cause| Failure::Down(cause.into()))?;
        self.blocking(|directory| directory.probe().map_err(|cause| Failure::Down(cause.into())))
            .await?;
        self.progress.check().await?;
        self.blocking(|directory| {
            directory.accept_marks().map_err(|cause| Failure::Down(cause.into()))
        })
        .await
    }
}

fn unopened(error: OpenError) -> Unwritten {
    match error {
        OpenError::Gone { .. } => Unwritten::Gone,
        error if error.is_down() => Unwritten::Failed(Failure::Down(error.into())),
        error => Unwritten::Failed(Failure::Retry(error.into())),
    }
}

fn log_failed(error: LogError) -> Failure {
    match error {
        error @ (LogError::Decode { .. } | LogError::Unexpected { .. }) => {
            Failure::Reject(error.into())
        }
        error => Failure::Down(error.into()),
    }
}
