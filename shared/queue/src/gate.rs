//! Routes that are open only while a run lasts: recordings travel at night if a schedule says so.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::kv::Operation;
use chrono::{DateTime, Utc};
use domain::{SiteHost, Slot};
use futures::StreamExt;
use messages::escape;
use serde::{Deserialize, Serialize};
use settings::Opening;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{BoxError, Bucket, BucketError, Kept, Log, Route, Stored};

const RUNS: &str = "open";
const WAITS: &str = "waits";

/// After the watching of the runs failed.
const WATCH_AGAIN: Duration = Duration::from_secs(1);

/// A run of a day-sized schedule on one site, as far as its routes are concerned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRun {
    /// Which slot it is the run of.
    pub slot: Slot,
    /// Whether it holds its routes open.
    pub open: bool,
}

/// The runs that hold routes open: kept in the log's server, so that a restart changes nothing.
#[derive(Debug, Clone)]
pub struct RunsHeldOpen {
    bucket: Bucket<OpenRun>,
}

/// What of these runs is open just now, in every process that follows it.
#[derive(Debug, Clone)]
pub struct OpenRuns {
    open: watch::Receiver<BTreeSet<String>>,
    _followed_until_dropped: Arc<DropGuard>,
}

/// Whether a route may be pulled from: while any of its runs is open, where it goes by runs, and while there is room for
/// what it brings, where somebody looks after that.
#[derive(Debug, Clone)]
pub struct Gate {
    runs: Option<(OpenRuns, BTreeSet<String>)>,
    room: Option<watch::Receiver<bool>>,
}

/// A message that comes again late: it does not hold a run open.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Waits {
    until: DateTime<Utc>,
}

impl RunsHeldOpen {
    /// Has a run hold its routes open.
    ///
    /// # Errors
    /// When the server does not confirm it.
    pub async fn open(
        &self,
        schedule: &str,
        site: &SiteHost,
        slot: Slot,
    ) -> Result<(), BucketError> {
        self.bucket.put(&key(schedule, site), &OpenRun { slot, open: true }).await
    }

    /// What is known of the run of one schedule on one site.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn of(
        &self,
        schedule: &str,
        site: &SiteHost,
    ) -> Result<Option<Kept<OpenRun>>, BucketError> {
        self.bucket.get(&key(schedule, site)).await
    }

    /// Closes a run that is drained, unless it was opened anew since it was read.
    ///
    /// # Errors
    /// When the server does not confirm it.
    pub async fn close(
        &self,
        schedule: &str,
        site: &SiteHost,
        read: &Kept<OpenRun>,
    ) -> Result<Stored, BucketError> {
        let closed = OpenRun { open: false, ..read.value.clone() };
        self.bucket.set(&key(schedule, site), &closed, Some(read.revision)).await
    }
}

impl OpenRuns {
    /// The gate of a route of this site; `None` for one that is always open.
    pub fn gate(&self, opening: &Opening, site: &SiteHost) -> Option<Gate> {
        match opening {
            Opening::Always => None,
            Opening::During(schedules) => {
                let runs = schedules.iter().map(|schedule| key(schedule, site)).collect();
                Some(Gate { runs: Some((self.clone(), runs)), room: None })
            }
        }
    }
}

impl Gate {
    /// A gate that is open while there is room.
    pub fn of_room(room: watch::Receiver<bool>) -> Self {
        Gate { runs: None, room: Some(room) }
    }

    /// The same gate, open only while there is room, too.
    #[must_use]
    pub fn with_room(self, room: watch::Receiver<bool>) -> Self {
        Gate { room: Some(room), ..self }
    }

    /// Whether any of its runs is open, and there is room.
    pub fn is_open(&self) -> bool {
        let runs =
            |(open, runs): &(OpenRuns, BTreeSet<String>)| !open.open.borrow().is_disjoint(runs);
        self.runs.as_ref().is_none_or(runs) && self.room.as_ref().is_none_or(|room| *room.borrow())
    }

    /// Waits until it is open.
    pub(crate) async fn opened(&self) {
        while !self.is_open() {
            if self.both_were_open().await.is_err() {
                // Nobody follows the runs, or the room, any more: the process ends.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits for the one, then for the other, which may take so long that the first has closed again.
    async fn both_were_open(&self) -> Result<(), watch::error::RecvError> {
        if let Some((open, runs)) = &self.runs {
            open.open.clone().wait_for(|open| !open.is_disjoint(runs)).await?;
        }
        if let Some(room) = &self.room {
            room.clone().wait_for(|room| *room).await?;
        }
        Ok(())
    }
}

impl Log {
    /// The runs that hold routes open, to be changed.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn runs_held_open(&self) -> Result<RunsHeldOpen, BucketError> {
        Ok(RunsHeldOpen { bucket: self.bucket(RUNS).await? })
    }

    /// Follows the runs that hold routes open, until the last clone of what this returns is dropped. Nothing counts as
    /// open before the server has told.
    pub fn follow_open_runs(&self) -> OpenRuns {
        let (told, open) = watch::channel(BTreeSet::new());
        let stop = CancellationToken::new();
        let (log, stopped) = (self.clone(), stop.clone());
        tokio::spawn(async move {
            stopped.run_until_cancelled(log.tell_open_runs(told)).await;
        });
        OpenRuns { open, _followed_until_dropped: Arc::new(stop.drop_guard()) }
    }

    async fn tell_open_runs(&self, told: watch::Sender<BTreeSet<String>>) {
        loop {
            if let Err(error) = self.tell_open_runs_once(&told).await {
                tracing::debug!(error, "could not follow which runs are open");
            }
            tokio::time::sleep(WATCH_AGAIN).await;
        }
    }

    async fn tell_open_runs_once(
        &self,
        told: &watch::Sender<BTreeSet<String>>,
    ) -> Result<(), BoxError> {
        let bucket: Bucket<OpenRun> = self.bucket(RUNS).await?;
        let mut entries = bucket.store().watch_with_history(">").await?;
        while let Some(entry) = entries.next().await {
            let entry = entry?;
            let run = serde_json::from_slice::<OpenRun>(&entry.value).ok();
            let open = entry.operation == Operation::Put && run.is_some_and(|run| run.open);
            told.send_if_modified(|runs| match open {
                true => runs.insert(entry.key.clone()),
                false => runs.remove(&entry.key),
            });
        }
        Ok(())
    }

    /// Notes that a message comes again so late that no run is held open for it.
    pub(crate) async fn waits_long(&self, route: &str, sequence: u64, after: Duration) {
        let until = Utc::now() + after;
        let noted = async {
            self.bucket(WAITS).await?.put(&format!("{route}.{sequence}"), &Waits { until }).await
        };
        if let Err(error) = noted.await {
            tracing::debug!(%error, "it was not noted that a message waits long");
        }
    }

    /// Forgets that a message waits long: it is settled.
    pub(crate) async fn waits_no_more(&self, route: &str, sequence: u64) {
        let forgotten = async {
            let waits: Bucket<Waits> = self.bucket(WAITS).await?;
            waits.remove(&format!("{route}.{sequence}")).await
        };
        if let Err(error) = forgotten.await {
            tracing::debug!(%error, "it was not forgotten that a message waited long");
        }
    }

    /// Whether a route has nothing left for the present: nothing that nobody has taken, nothing in hand but what comes
    /// again late. A route that is not there yet has everything left.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn is_drained(&self, route: &Route) -> Result<bool, BoxError> {
        let Some(state) = self.route_state(route).await? else { return Ok(false) };
        if !self.is_all_taken(&state).await? {
            return Ok(false);
        }
        Ok(state.in_hand == 0 || state.in_hand <= self.late(&route.name).await?)
    }

    /// How many messages of a route come again late: in an hour or more from when they were handed back.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn late(&self, route: &str) -> Result<u64, BoxError> {
        let waits: Bucket<Waits> = self.bucket(WAITS).await?;
        let mut late = 0;
        for key in waits.keys().await? {
            if key.strip_prefix(route).is_none_or(|rest| !rest.starts_with('.')) {
                continue;
            }
            match waits.get(&key).await? {
                Some(kept) if kept.value.until > Utc::now() => late += 1,
                Some(_) => waits.remove(&key).await?,
                None => {}
            }
        }
        Ok(late)
    }
}

fn key(schedule: &str, site: &SiteHost) -> String {
    format!("{}.{}", escape(schedule), escape(site.as_str()))
}
