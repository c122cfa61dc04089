//! A log that was lost or set back, brought to agree with staging again.
//!
//! Staging bears the name of the epoch that it belongs to. As long as that is not the log's, the facts that lie beside
//! their objects are put back, whoever was killed over it how often; the name changes last. Several who do this at once
//! do the same twice: a fact that stands is not put back again.

use domain::facts::{ArtifactStaged, BackupDue, End, RecordingDue, SessionEnded};
use domain::{ApplianceTime, Revision};
use futures::{StreamExt, TryStreamExt};
use messages::{DecodeError, Fact};
use objects::StoreError;
use queue::{Failure, Log, LogError};
use staging::{Laid, Staging};

use crate::report;

/// The facts that are looked at to find out whether staging is ahead of the log. Those that were laid last have the
/// highest positions, but for a few that a repeat laid late.
const LAID_LAST: usize = 1_000;
/// Artifacts that are put back at the same time.
const ARTIFACTS_IN_FLIGHT_MAX: usize = 64;

/// What was put back.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Rebuilt {
    /// Staged facts that the log lacked.
    pub facts: u64,
    /// Sessions, recordings and backups that the log did not know of.
    pub announced: u64,
}

/// Why the log could not be brought to agree with staging.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// The log does not answer.
    #[error("the log can't be rebuilt from staging")]
    Log(#[source] LogError),
    /// Staging does not answer.
    #[error("staging can't be read to rebuild the log")]
    Staging(#[source] StoreError),
    /// A report can't be read from staging.
    #[error("a staged report can't be read to rebuild the log: {0}")]
    Report(String),
    /// A newer sluice laid the fact.
    #[error("the fact beside {object} can't be put back by this program: update it")]
    Newer {
        /// The object.
        object: String,
        /// Which version it has.
        #[source]
        cause: DecodeError,
    },
}

/// Brings the log to agree with staging; `None` where it did.
///
/// Nobody may fetch into this staging before: a fetcher that works with a log that lacks facts fetches what is there.
///
/// # Errors
/// When the log or staging fails. A repeat goes on from what stands.
pub async fn agree(log: &Log, staging: &Staging) -> Result<Option<Rebuilt>, RebuildError> {
    for held in held_last(staging).await? {
        log.outlived_by(held).await.map_err(RebuildError::Log)?;
    }
    let mut rebuilt: Option<Rebuilt> = None;
    loop {
        let epoch = log.epoch().await.map_err(RebuildError::Log)?;
        if named_epoch(staging).await? == Some(epoch) {
            return Ok(rebuilt);
        }
        let put_back = rebuild(log, staging).await?;
        let so_far = rebuilt.get_or_insert_default();
        so_far.facts += put_back.facts;
        so_far.announced += put_back.announced;
        // If another life has begun meanwhile, the next round sees it.
        let named = staging.set_epoch(epoch.to_string().as_bytes()).await;
        named.map_err(RebuildError::Staging)?;
    }
}

/// Whether staging belongs to another life of the log than this one.
pub(crate) async fn differs(log: &Log, staging: &Staging) -> Result<bool, RebuildError> {
    let epoch = log.epoch().await.map_err(RebuildError::Log)?;
    Ok(named_epoch(staging).await? != Some(epoch))
}

async fn named_epoch(staging: &Staging) -> Result<Option<u64>, RebuildError> {
    let named = staging.epoch().await.map_err(RebuildError::Staging)?;
    Ok(named.and_then(|text| std::str::from_utf8(&text).ok()?.trim().parse().ok()))
}

/// The highest revisions that staging holds.
async fn held_last(staging: &Staging) -> Result<Vec<Revision>, RebuildError> {
    let named = named_epoch(staging).await?;
    let newest = staging.laid_last(LAID_LAST).await.map_err(RebuildError::Staging)?;
    let highest = futures::stream::iter(newest)
        .map(|object| async move { fact_of(staging, &object).await })
        .buffer_unordered(ARTIFACTS_IN_FLIGHT_MAX)
        .try_fold(None, |highest, fact| async move {
            Ok(highest.max(fact.and_then(|fact| fact.revision)))
        })
        .await?;
    let of_its_name = named.map(|epoch| Revision { epoch, position: 0 });
    Ok(highest.into_iter().chain(of_its_name).collect())
}

async fn rebuild(log: &Log, staging: &Staging) -> Result<Rebuilt, RebuildError> {
    let days = staging.days().await.map_err(RebuildError::Staging)?;
    // The reports last: what they name is then known to be staged. The days of one artifact stay in their order.
    let (reports, files): (Vec<_>, Vec<_>) =
        days.into_iter().partition(|day| day.split('/').nth(1).is_some_and(is_report));
    let mut rebuilt = Rebuilt::default();
    for day in files.iter().chain(&reports) {
        let laid = staging.laid(day).await.map_err(RebuildError::Staging)?;
        let of_day = futures::stream::iter(laid.into_iter().map(Ok))
            .map_ok(|laid| put_back(log, staging, laid))
            .try_buffer_unordered(ARTIFACTS_IN_FLIGHT_MAX)
            .try_fold(Rebuilt::default(), |sum, one| async move {
                Ok(Rebuilt {
                    facts: sum.facts + one.facts,
                    announced: sum.announced + one.announced,
                })
            })
            .await?;
        rebuilt.facts += of_day.facts;
        rebuilt.announced += of_day.announced;
        tracing::info!(day, facts = of_day.facts, "put facts back into the log");
    }
    Ok(rebuilt)
}

fn is_report(kind: &str) -> bool {
    kind.parse::<domain::Kind>().is_ok_and(domain::Kind::is_report)
}

/// Puts back what one artifact has in staging, in its old order, and then what was due for it.
async fn put_back(log: &Log, staging: &Staging, laid: Vec<Laid>) -> Result<Rebuilt, RebuildError> {
    let mut facts = Vec::with_capacity(laid.len());
    for Laid { object, size } in laid {
        let fact = fact_of(staging, &object).await?;
        facts.extend(fact.filter(|fact| fact.claim.object == object && fact.claim.size == size));
    }
    facts.sort_by_key(|fact| fact.revision);
    let mut rebuilt = Rebuilt::default();
    for fact in &facts {
        rebuilt.facts += u64::from(log.restore(fact).await.map_err(RebuildError::Log)?);
    }
    if let Some(last) = facts.last() {
        let due = due(staging, last).await?;
        let announced = log.announce_all(&due).await.map_err(RebuildError::Log)?;
        rebuilt.announced = announced as u64;
    }
    Ok(rebuilt)
}

/// The fact beside an object; one that is damaged is as good as none, because then the object is fetched again.
async fn fact_of(staging: &Staging, object: &str) -> Result<Option<ArtifactStaged>, RebuildError> {
    let Some(bytes) = staging.read_fact(object).await.map_err(RebuildError::Staging)? else {
        return Ok(None);
    };
    match messages::decode(&bytes) {
        Ok(Fact::ArtifactStaged(staged)) => Ok(Some(staged)),
        Err(cause @ DecodeError::NewerVersion { .. }) => {
            Err(RebuildError::Newer { object: object.to_owned(), cause })
        }
        Ok(_) | Err(_) => {
            tracing::warn!(object, "the fact beside a staged object can't be read; left out");
            Ok(None)
        }
    }
}

/// What was announced before an artifact was staged, and by it: so that nothing of it is fetched again, and everything
/// that it names is.
async fn due(staging: &Staging, staged: &ArtifactStaged) -> Result<Vec<Fact>, RebuildError> {
    let ArtifactStaged { artifact, particulars, claim, .. } = staged;
    let site = artifact.site().clone();
    if let Some(slot) = artifact.slot() {
        return Ok(vec![Fact::BackupDue(BackupDue { site, slot })]);
    }
    let (Some(lsid), Some(family)) = (artifact.lsid(), artifact.kind().family()) else {
        return Ok(Vec::new());
    };
    if !artifact.kind().is_report() {
        let (recording, particulars) = (artifact.clone(), particulars.clone());
        return Ok(vec![Fact::RecordingDue(RecordingDue { recording, particulars })]);
    }
    let mut due = Vec::new();
    // A session without an end is left to the poller, which remembers those that it announces as abandoned.
    if let Some(ended) = particulars.ended {
        due.push(Fact::SessionEnded(SessionEnded {
            site,
            family,
            lsid: lsid.clone(),
            end: End::Seen,
            noticed_at: ApplianceTime::read_off(ended),
        }));
    }
    match report::recordings_of(staging, artifact, claim).await {
        Ok(recordings) => due.extend(recordings.into_iter().map(Fact::RecordingDue)),
        Err(Failure::Reject(cause)) => {
            tracing::warn!(%artifact, %cause, "a staged report can't be read; its recordings are left out");
        }
        Err(failure) => return Err(RebuildError::Report(failure.to_string())),
    }
    Ok(due)
}
