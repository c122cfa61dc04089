//! Second looks: reports can be incomplete when their sessions have just ended.

use chrono::{DateTime, Utc};
use domain::facts::{Again, End, SessionEnded};
use domain::{ApplianceTime, ArtifactId, Family, Look, Looked, SiteHost};
use messages::{Fact, escape};
use queue::{Bucket, BucketError, EndedBatch, Log, LogError, Logged};
use serde::{Deserialize, Serialize};

use super::announce::again;
use super::{Scan, ScanError};

/// Announcements that are gone through at a time.
const BATCH_MAX: usize = 500;
/// Batches in one scan: after a first run there are many, none of which is urgent.
const BATCHES_MAX: usize = 10;

/// How far one look has gone through the announcements of a site.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LookRecord {
    /// The position in the log up to which it is done.
    position: u64,
    /// When the next may be due.
    next_at: Option<DateTime<Utc>>,
}

impl Scan<'_> {
    /// Has those reports fetched again that were staged when their sessions had just ended.
    pub(super) async fn look_again(&mut self) -> Result<(), ScanError> {
        for look in Look::ALL {
            self.look_at(look, Utc::now()).await?;
        }
        Ok(())
    }

    pub(super) async fn look_at(
        &mut self,
        look: Look,
        now: DateTime<Utc>,
    ) -> Result<(), ScanError> {
        let (site, looks) = (self.scanner.client.site(), &self.scanner.records.looks);
        let kept = |cause: BucketError| ScanError::Looks { site: site.clone(), cause };
        let key = key(site, self.family, look);
        let mut record = read(looks, &key).await.map_err(kept)?;
        for _ in 0..BATCHES_MAX {
            if record.next_at.is_some_and(|next_at| now < next_at) {
                break;
            }
            self.found.looks += self
                .ask(look, now, &mut record)
                .await
                .map_err(|cause| self.scanner.announcing(cause))?;
            // Two pollers at once do the same: every look is asked for once.
            looks.put(&key, &record).await.map_err(kept)?;
        }
        Ok(())
    }

    /// Asks for the looks of one batch, and says how many were not asked for before.
    async fn ask(
        &self,
        look: Look,
        now: DateTime<Utc>,
        record: &mut LookRecord,
    ) -> Result<u64, LogError> {
        let (log, site) = (&self.scanner.log, self.scanner.client.site());
        let batch = log
            .ended_after(site, self.family, record.position, look.due_before(now), BATCH_MAX)
            .await?;
        let mut asked = Vec::new();
        for fact in &batch.facts {
            asked.extend(needed(log, look, fact).await?.map(|report| {
                again(report, look.ask(), "its session had just ended when it was fetched")
            }));
        }
        let new = log.announce_all(&asked).await?;
        *record = after(look, &batch, now);
        Ok(new as u64)
    }
}

/// The report that is to be looked at again, if the one that was staged was too early.
async fn needed(
    log: &Log,
    look: Look,
    fact: &Logged<Fact>,
) -> Result<Option<ArtifactId>, LogError> {
    let (report, noticed_at) = match &fact.fact {
        Fact::SessionEnded(ended) if ended.end == End::Seen => {
            let SessionEnded { noticed_at, .. } = ended;
            (ended.report(), Some(*noticed_at))
        }
        Fact::Again(Again { artifact, .. }) if artifact.kind().is_report() => {
            (artifact.clone(), None)
        }
        _ => return Ok(None),
    };
    let Some(staged) = log.last_staged(&report).await? else { return Ok(None) };
    let looked = Looked {
        announced_at: fact.published_at,
        noticed_at,
        staged_at: staged.published_at,
        ended: staged.fact.particulars.ended.map(ApplianceTime::read_off),
    };
    Ok(look.is_needed(&looked).then_some(report))
}

fn after(look: Look, batch: &EndedBatch, now: DateTime<Utc>) -> LookRecord {
    // What is announced from now on is not due before this.
    let next_at = match (batch.next_published_at, batch.facts.len() < BATCH_MAX) {
        (Some(published_at), _) => Some(published_at + look.after()),
        (None, true) => Some(now + look.after()),
        (None, false) => None,
    };
    LookRecord { position: batch.position, next_at }
}

async fn read(looks: &Bucket<LookRecord>, key: &str) -> Result<LookRecord, BucketError> {
    Ok(looks.get(key).await?.map(|kept| kept.value).unwrap_or_default())
}

fn key(site: &SiteHost, family: Family, look: Look) -> String {
    format!("{}.{}.{}", escape(site.as_str()), family.as_str(), look.ask())
}
