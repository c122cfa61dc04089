//! Recordings and backups: one file each, streamed into staging.

use std::time::Duration;

use appliance::{ApplianceError, Download};
use bytes::Bytes;
use domain::Kind;
use domain::facts::ClaimCheck;
use futures::{Stream, StreamExt};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, UpDownCounter};
use queue::Lease;
use tokio::time::Instant;

use crate::failure::Unfetched;
use crate::wanted::Wanted;
use crate::worker::{FIRST_BYTE_MAX, Fetched, Fetcher, SYNC_MAX};

/// How long the appliance may pause within a body, the asking for a rest that broke off included.
const BLOCK_MAX: Duration = Duration::from_secs(11 * 60);
/// How often a download that goes on for long says how far it is.
const TOLD_EVERY: Duration = Duration::from_secs(30);

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
    artifact: String,
    bytes: u64,
    told_at: Instant,
}

impl Fetcher {
    pub(crate) async fn file(&self, wanted: &Wanted, lease: &Lease) -> Result<Fetched, Unfetched> {
        lease.phase("the appliance's first byte", FIRST_BYTE_MAX);
        let download = match wanted.artifact.kind() {
            Kind::SiteBackup => self.client.backup().await?,
            _ => self.client.recording(&wanted.artifact).await?,
        };
        let extension = download.extension(wanted.artifact.kind());
        let progress = Progress::new(self.meters.clone(), wanted, lease);
        let content = watched(download, progress);
        let staged = self.staging.put(&wanted.artifact, &extension, content).await?;
        Ok(Fetched {
            claim: ClaimCheck {
                object: staged.object,
                size: staged.size,
                digest: staged.digest,
                content: staged.digest,
                extension,
            },
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
    fn new(meters: Meters, wanted: &Wanted, lease: &'a Lease) -> Self {
        let artifact = &wanted.artifact;
        let attributes = [
            KeyValue::new("site", artifact.site().to_string()),
            KeyValue::new("kind", artifact.kind().as_str()),
        ];
        meters.under_way.add(1, &attributes);
        let (artifact, told_at) = (artifact.to_string(), Instant::now());
        Progress { lease, meters, attributes, artifact, bytes: 0, told_at }
    }

    fn more(&mut self, block: &Bytes) {
        self.bytes += block.len() as u64;
        self.lease.progressed(self.bytes);
        self.meters.bytes.add(block.len() as u64, &self.attributes);
        if self.told_at.elapsed() >= TOLD_EVERY {
            self.told_at = Instant::now();
            tracing::info!(artifact = self.artifact, bytes = self.bytes, "a download is under way");
        }
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
    mut progress: Progress<'_>,
) -> impl Stream<Item = Result<Bytes, ApplianceError>> + Send {
    let lease = progress.lease;
    let blocks = download.into_stream().inspect(move |block| {
        if let Ok(block) = block {
            progress.more(block);
        }
        lease.phase("the appliance's next block", BLOCK_MAX);
    });
    blocks.chain(
        futures::stream::once(async move { lease.phase("staging's sync", SYNC_MAX) })
            .filter_map(async |()| None),
    )
}
