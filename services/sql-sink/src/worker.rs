use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::Utc;
use domain::facts::{Activity, Deed, DestinationId};
use domain::{ArtifactId, Kind, Lsid};
use queue::{BoxError, Delivery, Done, Failure, Lease, Log, LogError, Outcome, Task, Worker};
use session_report::{Limits, ReportError, Session};
use staging::{OpenError, Staging};

use crate::columns::SessionRows;
use crate::progress::Progress;
use crate::store::{Incoming, Recourse, Store, StoreError, Written};

const NAME: &str = "sql-sink";

/// The largest report that is read into memory.
pub(crate) const REPORT_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Reports of one transaction, in bytes of their XML, unless a single one has more: their rows stay in memory.
const BATCH_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// The longest that finding, reading and parsing one report may take.
const READ: Duration = Duration::from_secs(120);
/// The longest that one transaction may take, waiting for its turn and being tried again included.
const COMMIT: Duration = Duration::from_secs(600);

/// What a database may write for each byte of a report: rows, indexes, and all of it in its own log.
const WRITTEN_FOR_READ: u64 = 2;

/// The worker that delivers to one database.
#[derive(Debug)]
pub struct SqlSink<S> {
    store: Arc<S>,
    log: Log,
    staging: Staging,
    progress: Progress,
    store_system_information: bool,
    limits: Limits,
    /// Bytes of reports that met a database which is down: so much has to go through before it counts as back.
    unwritten: AtomicU64,
}

/// Why one message was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// What the message asks for could not be read from the log.
    #[error("could not find out what is to be delivered")]
    Resolve(#[source] LogError),
    /// A database holds sessions only.
    #[error("{artifact} is no session's report, and a database holds nothing else")]
    NoReport {
        /// What it is.
        artifact: ArtifactId,
    },
    /// The staged report could not be read.
    #[error("could not read the staged report of {artifact}")]
    Open {
        /// Whose.
        artifact: ArtifactId,
        /// Why.
        #[source]
        cause: OpenError,
    },
    /// The staged report is none.
    #[error("the report of {artifact} can't be understood")]
    Parse {
        /// Whose.
        artifact: ArtifactId,
        /// Why.
        #[source]
        cause: ReportError,
    },
    /// The staged report tells of another session.
    #[error("the report of {artifact} tells of the session {found} instead")]
    OtherSession {
        /// Whose it should be.
        artifact: ArtifactId,
        /// Whose it is.
        found: Lsid,
    },
}

/// What a task turned out to be.
enum Resolved {
    /// A session to write.
    Session(Incoming, u64),
    /// Nothing to write.
    Settled(Box<Done>),
}

/// Sessions that go into one transaction, with the places of their tasks.
#[derive(Default)]
struct Batch {
    places: Vec<usize>,
    incoming: Vec<Incoming>,
    bytes: u64,
}

impl<S: Store> SqlSink<S> {
    /// A worker that delivers to this store.
    pub fn new(store: S, log: Log, staging: Staging, store_system_information: bool) -> Self {
        let store = Arc::new(store);
        let progress = Progress::new(log.clone());
        let limits = Limits::default();
        let unwritten = AtomicU64::new(0);
        SqlSink { store, log, staging, progress, store_system_information, limits, unwritten }
    }

    /// The store that it delivers to.
    pub fn store(&self) -> Arc<S> {
        Arc::clone(&self.store)
    }

    async fn resolve(&self, task: &Task) -> Result<Resolved, Failure> {
        let delivery = self.log.delivery(task).await.map_err(unresolved)?;
        let Some(delivery) = delivery else {
            return Ok(Resolved::Settled(Box::default()));
        };
        let artifact = delivery.artifact.clone();
        let Some(lsid) = artifact.lsid().filter(|_| artifact.kind() == Kind::SessionData) else {
            return Err(reject(WorkError::NoReport { artifact }));
        };
        let xml = match self.staging.read_whole(&delivery.claim, REPORT_BYTES_MAX).await {
            Ok(xml) => xml,
            Err(cause) if cause.is_lost() => {
                let asked = self.log.object_gone(&delivery, self.store.identity()).await;
                return asked.map(|done| Resolved::Settled(Box::new(done))).map_err(unresolved);
            }
            Err(cause) => return Err(unopened(artifact, cause)),
        };
        let session = parse(&xml, &artifact, lsid, &self.limits)?;
        let rows = SessionRows::of(&session, artifact.site(), lsid, self.store_system_information);
        let position = task.origin.sequence;
        let epoch = self.log.revision_at(position).await.map_err(unresolved)?.epoch;
        let mark = queue::mark_key(&task.origin.route, epoch);
        Ok(Resolved::Session(incoming(task, &delivery, lsid, rows, mark), delivery.claim.size))
    }

    async fn write(
        &self,
        batch: &mut Batch,
        outcomes: &mut [Option<Outcome>],
    ) -> Result<(), Failure> {
        let Batch { places, incoming, bytes } = std::mem::take(batch);
        if incoming.is_empty() {
            return Ok(());
        }
        self.progress.before(&*self.store, &incoming).await?;
        let written = self.store.write(&incoming).await.map_err(|error| {
            if error.recourse() == Recourse::Down {
                self.unwritten.fetch_max(bytes, Ordering::Relaxed);
            }
            unwritten(error)
        })?;
        self.progress.after(&*self.store, &incoming).await?;
        for ((place, incoming), written) in places.into_iter().zip(incoming).zip(written) {
            outcomes[place] = Some(Ok(self.done(&incoming, written)));
        }
        Ok(())
    }

    fn done(&self, incoming: &Incoming, written: Written) -> Done {
        let note = match written {
            Written::Inserted => "inserted",
            Written::Replaced => "replaced",
            Written::Unchanged | Written::Older => return Done::nothing(),
        };
        let family = domain::Family::Session;
        Done::noted(Activity {
            deed: Deed::Delivered,
            by: NAME.to_owned(),
            at: Utc::now(),
            artifact: Some(ArtifactId::report(
                incoming.site.clone(),
                family,
                incoming.lsid.clone(),
            )),
            destination: Some(self.store.identity().clone()),
            revision: Some(incoming.revision),
            note: note.to_owned(),
        })
    }
}

impl<S: Store> Worker for SqlSink<S> {
    fn name(&self) -> &'static str {
        NAME
    }

    fn destination(&self) -> Option<DestinationId> {
        Some(self.store.identity().clone())
    }

    /// A report that can't be read is its own message's fault alone. What fails while writing is the batch's, until
    /// the runner has found out whose.
    async fn work(&self, tasks: &[Task], lease: &Lease) -> Result<Vec<Outcome>, Failure> {
        let mut outcomes: Vec<Option<Outcome>> = tasks.iter().map(|_| None).collect();
        let mut batch = Batch::default();
        for (place, task) in tasks.iter().enumerate() {
            lease.phase("reading a report", READ);
            match self.resolve(task).await {
                Ok(Resolved::Settled(done)) => outcomes[place] = Some(Ok(*done)),
                Ok(Resolved::Session(incoming, bytes)) => {
                    if batch.bytes + bytes > BATCH_BYTES_MAX {
                        lease.phase("committing", COMMIT);
                        self.write(&mut batch, &mut outcomes).await?;
                    }
                    batch.places.push(place);
                    batch.incoming.push(incoming);
                    batch.bytes += bytes;
                }
                Err(down @ (Failure::Down(_) | Failure::Throttled { .. })) => return Err(down),
                Err(failure) => outcomes[place] = Some(Err(failure)),
            }
        }
        lease.phase("committing", COMMIT);
        self.write(&mut batch, &mut outcomes).await?;
        let settled = |outcome: Option<Outcome>| outcome.expect("a task is settled or written");
        Ok(outcomes.into_iter().map(settled).collect())
    }

    /// A database that is full or read-only can be read: a probe that wrote nothing would be followed by the same batch
    /// again and again, until its messages were taken for the reason.
    async fn probe(&self) -> Result<(), Failure> {
        self.store.probe().await.map_err(unwritten)?;
        let bytes = self.unwritten.load(Ordering::Relaxed).saturating_mul(WRITTEN_FOR_READ);
        self.store.rehearse(bytes).await.map_err(unwritten)?;
        self.unwritten.store(0, Ordering::Relaxed);
        self.progress.all(&*self.store).await?;
        self.staging.probe_reading().await.map_err(|cause| Failure::Down(cause.into()))
    }
}

fn parse(
    xml: &[u8],
    artifact: &ArtifactId,
    lsid: &Lsid,
    limits: &Limits,
) -> Result<Session, Failure> {
    let session = session_report::read(xml, limits)
        .map_err(|cause| reject(WorkError::Parse { artifact: artifact.clone(), cause }))?;
    match &session.lsid {
        Some(found) if found != lsid => Err(reject(WorkError::OtherSession {
            artifact: artifact.clone(),
            found: found.clone(),
        })),
        _ => Ok(session),
    }
}

fn incoming(
    task: &Task,
    delivery: &Delivery,
    lsid: &Lsid,
    rows: SessionRows,
    mark: String,
) -> Incoming {
    Incoming {
        site: delivery.artifact.site().clone(),
        lsid: lsid.clone(),
        revision: delivery.revision,
        content: delivery.claim.content,
        even_if_done: delivery.even_if_done,
        rows: Arc::new(rows),
        route: mark.into(),
        position: task.origin.sequence,
    }
}

fn reject(error: WorkError) -> Failure {
    Failure::Reject(error.into())
}

/// A log that does not answer is nobody's fault; a message that asks for what it may not is its own.
fn unresolved(cause: LogError) -> Failure {
    let own_fault = matches!(cause, LogError::Unexpected { .. } | LogError::Decode { .. });
    let error: BoxError = WorkError::Resolve(cause).into();
    match own_fault {
        true => Failure::Reject(error),
        false => Failure::Down(error),
    }
}

fn unopened(artifact: ArtifactId, cause: OpenError) -> Failure {
    let (down, too_large) = (cause.is_down(), matches!(cause, OpenError::TooLarge { .. }));
    let error: BoxError = WorkError::Open { artifact, cause }.into();
    match (down, too_large) {
        (true, _) => Failure::Down(error),
        (false, true) => Failure::Reject(error),
        (false, false) => Failure::Retry(error),
    }
}

fn unwritten(error: StoreError) -> Failure {
    match error.recourse() {
        Recourse::Retry => Failure::Retry(error.into()),
        Recourse::Reject => Failure::Reject(error.into()),
        Recourse::Down => Failure::Down(error.into()),
        Recourse::Throttled(wait) => Failure::Throttled { wait, cause: error.into() },
    }
}
