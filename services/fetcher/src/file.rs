//! Recordings and backups: one file each, streamed into staging.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use appliance::{ApplianceError, Download};
use bytes::Bytes;
use domain::{ArtifactId, Kind};
use futures::{Stream, TryStreamExt};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, UpDownCounter};
use queue::{Failure, Lease};
use tokio::time::Instant;

use crate::failure::Unfetched;
use crate::room::{NoRoom, Promise, StagingRoom};
use crate::wanted::Wanted;
use crate::worker::{FIRST_BYTE_MAX, Fetched, Fetcher, SYNC_MAX};

/// How long the appliance may pause within a body, the asking for a rest that broke off included.
const BLOCK_MAX: Duration = Duration::from_secs(11 * 60);
/// How often a download that goes on for long says how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(30);
/// How much may come before the room is looked at again.
const SEEN_EVERY_BYTES: u64 = 4 << 20;

/// What is measured of downloads.
#[derive(Debug, Clone)]
pub(crate) struct Meters {
    bytes: Counter<u64>,
    under_way: UpDownCounter<i64>,
}

/// A download under way: it tells how far it is.
struct Progress<'a> {
    lease: &'a Lease,
    meters: Meters,
    attributes: [KeyValue; 2],
    artifact: ArtifactId,
    room: StagingRoom,
    promise: Promise,
    bytes: Arc<AtomicU64>,
    /// What has come since the room was looked at.
    unseen: u64,
    told_at: Instant,
}

/// Why a download ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Interrupted {
    #[error(transparent)]
    Appliance(ApplianceError),
    #[error(transparent)]
    Room(NoRoom),
}

impl From<Interrupted> for Unfetched {
    fn from(interrupted: Interrupted) -> Self {
        match interrupted {
            Interrupted::Appliance(error) => error.into(),
            Interrupted::Room(no_room) => no_room.into(),
        }
    }
}

impl Fetcher {
    pub(crate) async fn file(&self, wanted: &Wanted, lease: &Lease) -> Result<Fetched, Unfetched> {
        let artifact = &wanted.artifact;
        self.room.may_have_room(artifact).await?;
        lease.phase("the appliance's first byte", FIRST_BYTE_MAX);
        let download = match artifact.kind() {
            Kind::SiteBackup => self.client.backup().await?,
            _ => self.client.recording(artifact).await?,
        };
        let extension = download.extension(artifact.kind());
        let size = download.size.unwrap_or(0);
        let promise = self.room.promise(artifact, size).await?;
        let progress = Progress::new(self, wanted, lease, promise);
        let come = Arc::clone(&progress.bytes);
        let content = watched(download, progress);
        let staged = match self.stage(artifact, &extension, content, size).await {
            Ok(staged) => staged,
            Err(unfetched) => {
                if matches!(unfetched, Unfetched::Failed(Failure::NoRoom { .. })) {
                    self.room.given_up(artifact, size.max(come.load(Ordering::Relaxed)));
                }
                return Err(unfetched);
            }
        };
        let digest = staged.digest;
        Ok(Fetched {
            claim: staged.claim(digest, &extension),
            particulars: wanted.particulars.clone(),
            recordings: Vec::new(),
        })
    }
}

impl Meters {
    pub fn new() -> Self {
        let meter = opentelemetry::global::meter("sluice");
        Meters {
            bytes: meter
                .u64_counter("sluice.download.bytes")
                .with_unit("By")
                .with_description(
                    "Bytes of recordings and backups that have come, by site and kind",
                )
                .build(),
            under_way: meter
                .i64_up_down_counter("sluice.downloads.active")
                .with_description("Recordings and backups under way, by site and kind")
                .build(),
        }
    }
}

impl<'a> Progress<'a> {
    fn new(fetcher: &Fetcher, wanted: &Wanted, lease: &'a Lease, promise: Promise) -> Self {
        let (artifact, meters) = (wanted.artifact.clone(), fetcher.meters.clone());
        let attributes = [
            KeyValue::new("site", artifact.site().to_string()),
            KeyValue::new("kind", artifact.kind().as_str()),
        ];
        meters.under_way.add(1, &attributes);
        let room = fetcher.room.clone();
        let (told_at, bytes) = (Instant::now(), Arc::default());
        Progress { lease, meters, attributes, artifact, room, promise, bytes, unseen: 0, told_at }
    }

    /// So much more has come. Now and then it is looked whether there is room for the next.
    async fn more(&mut self, block: &Bytes) -> Result<(), NoRoom> {
        let size = block.len() as u64;
        let bytes = self.bytes.fetch_add(size, Ordering::Relaxed) + size;
        self.lease.progressed(bytes);
        self.meters.bytes.add(size, &self.attributes);
        self.promise.written(size);
        if self.told_at.elapsed() >= TOLD_EVERY {
            self.told_at = Instant::now();
            tracing::info!(artifact = %self.artifact, bytes, "a download is under way");
        }
        self.unseen += size;
        if self.unseen >= SEEN_EVERY_BYTES {
            self.unseen = 0;
            self.room.still_fits(&self.artifact, bytes).await?;
        }
        Ok(())
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.meters.under_way.add(-1, &self.attributes);
    }
}

/// The download's content; each block renews the lease and counts as progress.
fn watched(
    download: Download,
    progress: Progress<'_>,
) -> impl Stream<Item = Result<Bytes, Interrupted>> + Send {
    let blocks = Box::pin(download.into_stream());
    futures::stream::try_unfold((blocks, progress), async |(mut blocks, mut progress)| {
        let block = blocks.try_next().await.map_err(Interrupted::Appliance)?;
        let Some(block) = block else {
            progress.lease.phase("staging's sync", SYNC_MAX);
            return Ok(None);
        };
        progress.more(&block).await.map_err(Interrupted::Room)?;
        progress.lease.phase("the appliance's next block", BLOCK_MAX);
        Ok(Some((block, (blocks, progress))))
    })
}
