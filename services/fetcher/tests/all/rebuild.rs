//! A lost log gets back what staging has, and nothing else.

use std::io;

use bytes::Bytes;
use chrono::Utc;
use domain::facts::{ArtifactStaged, Cause, ClaimCheck};
use domain::{ArtifactId, ArtifactKey, Kind, Particulars, Revision, SiteHost};
use fetcher::agree;
use messages::Fact;
use nats_server::NatsServer;
use queue::{Announced, Log, LogOptions};
use staging::Staging;

struct Stand {
    folder: tempfile::TempDir,
    staging: Staging,
    log: Log,
}

impl Stand {
    async fn new() -> Stand {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("file://{}", folder.path().display());
        let staging = Staging::open(&url).await.expect("it can be opened");
        Stand { folder, staging, log: empty_log().await }
    }

    /// Stages a revision of a recording, as a fetcher of another life of the log did.
    async fn staged(&self, lsid: &str, text: &'static str, revision: Revision) -> String {
        let content =
            futures::stream::iter([Ok::<_, io::Error>(Bytes::from_static(text.as_bytes()))]);
        let put = self.staging.put(&recording(lsid), "flv", content).await.expect("it is staged");
        let fact = Fact::ArtifactStaged(ArtifactStaged {
            artifact: recording(lsid),
            claim: ClaimCheck {
                object: put.object.clone(),
                size: put.size,
                digest: put.digest,
                content: put.digest,
                extension: "flv".to_owned(),
            },
            particulars: Particulars::default(),
            staged_at: Utc::now(),
            cause: Cause { subject: "a test".to_owned(), sequence: 1 },
            revision: Some(revision),
        });
        let bytes = messages::encode(&fact).expect("a fact");
        self.staging.lay_fact(&put.object, &bytes).await.expect("it is laid");
        put.object
    }

    async fn last(&self, lsid: &str) -> Option<ArtifactStaged> {
        let last = self.log.last_staged(&recording(lsid)).await.expect("the log answers");
        last.map(|last| last.fact)
    }

    /// How many facts of artifacts the log holds.
    async fn facts(&self) -> u64 {
        self.log.streams().await.expect("the log answers")[1].messages
    }
}

async fn empty_log() -> Log {
    let server = NatsServer::shared();
    let options = LogOptions {
        prefix: server.fresh_prefix(),
        ..LogOptions::plain(&server.url(), "fetcher's tests")
    };
    Log::connect(&options).await.expect("the server runs")
}

fn recording(lsid: &str) -> ArtifactId {
    let site: SiteHost = "access.example.com".parse().expect("a host");
    let key = ArtifactKey::Lsid(lsid.parse().expect("an id"));
    ArtifactId::new(site, Kind::SessionRecording, key, None).expect("a recording")
}

fn old(position: u64) -> Revision {
    Revision { epoch: 5, position }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_who_rebuild_at_once_put_everything_back_once_in_its_old_order() {
    let stand = Stand::new().await;
    let newer = stand.staged("a", "newer", old(9)).await;
    stand.staged("a", "old", old(2)).await;
    stand.staged("b", "only", old(4)).await;
    let lost = stand.staged("c", "its object is gone", old(7)).await;
    std::fs::remove_file(stand.folder.path().join(lost)).expect("it is there");

    let mut others = Vec::new();
    for _ in 0..3 {
        let (log, staging) = (stand.log.clone(), stand.staging.clone());
        others.push(tokio::spawn(async move { agree(&log, &staging).await.expect("both answer") }));
    }
    for other in others {
        other.await.expect("it does not panic");
    }
    assert_eq!(stand.facts().await, 3);
    let last = stand.last("a").await.expect("it was put back");
    assert_eq!((last.claim.object, last.revision), (newer, Some(old(9))));
    assert_eq!(stand.last("c").await, None, "what has no object is fetched again");
    let due = stand.log.recording_due(&recording("b")).await.expect("the log answers");
    let due = Fact::RecordingDue(due.expect("it was due").fact);
    let again = stand.log.announce(&due).await.expect("the log answers");
    assert_eq!(again, Announced::Already, "nobody announces it anew");
    assert_eq!(agree(&stand.log, &stand.staging).await.expect("both answer"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn staging_that_is_ahead_of_its_log_makes_it_begin_a_new_life() {
    let stand = Stand::new().await;
    agree(&stand.log, &stand.staging).await.expect("both answer");
    let before = stand.log.stands_at().await.expect("the log answers");
    let ahead = Revision { position: before.position + 40, ..before };
    stand.staged("a", "after the copy was made", ahead).await;
    let rebuilt = agree(&stand.log, &stand.staging).await.expect("both answer");
    assert_eq!(rebuilt.expect("it was set back").facts, 1);
    let after = stand.log.stands_at().await.expect("the log answers");
    assert!(after > ahead, "{after} is newer than {ahead}");
    assert_eq!(stand.last("a").await.expect("it was put back").revision, Some(ahead));
    assert_eq!(agree(&stand.log, &stand.staging).await.expect("both answer"), None);
}
