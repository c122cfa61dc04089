use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use domain::{Family, Lsid, SiteHost};
use messages::escape;
use queue::{Bucket, BucketError, Log};
use tokio::sync::Mutex;
use tokio::time::sleep;

use crate::ChangeError;
use crate::change::change;
use crate::runs::{LEASE, Lease, lease};
use crate::scan::{Found, ScanError, Scanner};

/// How often a scan of another poller is looked after.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The scans of one site, one at a time among all pollers: schedules that share a site, and events that are pushed, find
/// the work of the one before done.
#[derive(Debug, Clone)]
pub(crate) struct SiteScans {
    site: SiteHost,
    scanner: Scanner,
    leases: Bucket<Lease>,
    holder: String,
    /// In this process, where all have one name as holder.
    turns: Arc<BTreeMap<Family, Mutex<()>>>,
}

impl SiteScans {
    pub async fn new(
        log: &Log,
        site: &SiteHost,
        scanner: Scanner,
        holder: &str,
    ) -> Result<Self, BucketError> {
        let turns =
            [Family::Session, Family::Presentation].map(|family| (family, Mutex::default()));
        Ok(SiteScans {
            site: site.clone(),
            scanner,
            leases: log.bucket("scanning").await?,
            holder: holder.to_owned(),
            turns: Arc::new(turns.into()),
        })
    }

    /// A whole scan, as a run of a schedule makes it.
    pub async fn scan(&self, family: Family, found: &mut Found) -> Result<(), ScanError> {
        self.alone(family, self.scanner.scan(family, found)).await
    }

    /// What is to be done whenever the site's schedules run.
    pub async fn look_after(&self, family: Family, found: &mut Found) -> Result<(), ScanError> {
        self.alone(family, self.scanner.look_after(family, found)).await
    }

    pub fn site(&self) -> &SiteHost {
        &self.site
    }

    /// A scan of what has ended just now; tells which of these sessions are announced by then.
    pub async fn scan_ended(
        &self,
        family: Family,
        awaited: &[Lsid],
        found: &mut Found,
    ) -> Result<Vec<Lsid>, ScanError> {
        self.alone(family, self.scanner.scan_ended(family, awaited, found)).await
    }

    async fn alone<T>(
        &self,
        family: Family,
        scan: impl Future<Output = Result<T, ScanError>>,
    ) -> Result<T, ScanError> {
        let _in_this_process = self.turns[&family].lock().await;
        let key = self.key(family);
        let failed = |cause| ScanError::Turn { site: self.site.clone(), cause };
        while !self.take(&key).await.map_err(failed)? {
            sleep(LOOK_EVERY).await;
        }
        let scanned = tokio::select! {
            scanned = scan => scanned,
            // The other one announces what this one would have; whatever both do is done once.
            () = self.keep(&key) => Err(ScanError::TakenOver { site: self.site.clone() }),
        };
        if let Err(error) = self.release(&key).await {
            tracing::debug!(%error, "the lease of a scan lapses by itself");
        }
        scanned
    }

    /// Gives up a turn that was interrupted, so that another poller may take it at once.
    pub async fn leave(&self, family: Family) -> Result<(), ChangeError> {
        self.release(&self.key(family)).await
    }

    async fn take(&self, key: &str) -> Result<bool, ChangeError> {
        let holder = &self.holder;
        change(&self.leases, key, |stored: Option<Lease>| {
            let now = Utc::now();
            let others = stored.filter(|held| held.holder != *holder && held.is_running(now));
            match others {
                Some(_) => (None, false),
                None => (Some(lease(holder, now)), true),
            }
        })
        .await
    }

    /// Renews the lease until it is lost.
    async fn keep(&self, key: &str) {
        loop {
            sleep(LEASE / 3).await;
            match self.take(key).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::debug!(%error, "could not renew the lease of a scan"),
            }
        }
    }

    async fn release(&self, key: &str) -> Result<(), ChangeError> {
        let holder = &self.holder;
        change(&self.leases, key, |stored: Option<Lease>| {
            let ours = stored.filter(|held| held.holder == *holder);
            (ours.map(|held| Lease { expires_at: Utc::now(), ..held }), ())
        })
        .await
    }

    fn key(&self, family: Family) -> String {
        format!("{}.{}", escape(self.site.as_str()), family.as_str())
    }
}
