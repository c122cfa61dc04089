//! The worker, with a real log and a real staging.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use domain::facts::{Again, AgainMode, ArtifactStaged, Asked, Cause, ClaimCheck, Deed};
use domain::{ArtifactId, Conflict, Digest, Family, Particulars};
use file_sink::{FileSink, Naming};
use messages::Fact;
use nats_server::NatsServer;
use queue::{Done, Failure, Lease, Log, LogOptions, Origin, Task, Worker as _};
use settings::Formats;
use staging::Staging;
use tempfile::TempDir;

mod stand;
use stand::{files, open, rules};

/// A log, a staging and a destination, with a sink between them.
struct House {
    log: Log,
    staging: Staging,
    staged: TempDir,
    destination: TempDir,
    sink: FileSink,
}

impl House {
    async fn build() -> Self {
        let server = NatsServer::shared();
        let options = LogOptions {
            prefix: server.fresh_prefix(),
            ..LogOptions::plain(&server.url(), "file-sink-test")
        };
        let log = Log::connect(&options).await.expect("the server is there");
        let staged = tempfile::tempdir().expect("a folder");
        let url = format!("file://{}", staged.path().display());
        let staging = Staging::open(&url).await.expect("a folder can be staging");
        let destination = tempfile::tempdir().expect("a folder");
        let directory = Arc::new(open(destination.path(), rules(Conflict::AppendNumber)));
        let format = "%LSID%.%EXTENSION%".parse().expect("a format");
        let formats = Formats::new(Some(&format), [].into());
        let naming = Naming::new(formats, [].into());
        let sink = FileSink::new(log.clone(), staging.clone(), directory, naming);
        House { log, staging, staged, destination, sink }
    }

    /// Stages this content, and says so in the log.
    async fn stage(&self, lsid: &str, content: &[u8]) -> Task {
        let site = "support.example.com".parse().expect("a host");
        let artifact = ArtifactId::report(site, Family::Session, lsid.parse().expect("an LSID"));
        let piece = Bytes::copy_from_slice(content);
        let pieces = futures::stream::iter([Ok::<_, std::io::Error>(piece)]);
        let staged = self.staging.put(&artifact, "xml", pieces).await.expect("it can be staged");
        let fact = Fact::ArtifactStaged(ArtifactStaged {
            artifact,
            claim: ClaimCheck {
                object: staged.object,
                size: staged.size,
                digest: staged.digest,
                content: Digest::of(content),
                extension: "xml".to_owned(),
            },
            particulars: Particulars::default(),
            staged_at: Utc::now(),
            cause: Cause { subject: "x".to_owned(), sequence: 1 },
            revision: None,
        });
        let sequence = self.log.publish(&fact).await.expect("it can be published");
        task(fact, sequence)
    }

    async fn work(&self, task: &Task) -> Result<Done, Failure> {
        let lease = Lease::new("test", Duration::from_secs(60));
        let mut outcomes = self.sink.work(std::slice::from_ref(task), &lease).await?;
        outcomes.pop().expect("one outcome for one task")
    }

    fn files(&self) -> Vec<(String, usize)> {
        let files = files(self.destination.path());
        files.into_iter().map(|(name, content)| (name, content.len())).collect()
    }
}

fn task(fact: Fact, sequence: u64) -> Task {
    let origin = Origin {
        stream: "ARTIFACTS".to_owned(),
        subject: "x".to_owned(),
        sequence,
        published_at: Utc::now(),
        route: "deliver".to_owned(),
    };
    Task { fact, origin }
}

fn deeds(done: &Done) -> Vec<(Deed, &str)> {
    done.activity.iter().map(|activity| (activity.deed, activity.note.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staged_artifact_becomes_a_file_and_a_redelivery_changes_nothing() {
    let house = House::build().await;
    let task = house.stage("1", b"one").await;
    let done = house.work(&task).await.expect("delivered");
    assert_eq!(deeds(&done), [(Deed::Delivered, "1.xml")]);
    let again = house.work(&task).await.expect("delivered again");
    assert_eq!(deeds(&again), []);
    assert_eq!(house.files(), [("1.xml".to_owned(), 3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_large_goes_block_by_block() {
    let house = House::build().await;
    let content: Vec<u8> = (0..5_000_000_u32).map(|at| (at % 90) as u8 + 32).collect();
    let task = house.stage("large", &content).await;
    house.work(&task).await.expect("delivered");
    assert_eq!(house.files(), [("large.xml".to_owned(), content.len())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_gone_is_asked_for_and_its_name_is_free() {
    let house = House::build().await;
    let task = house.stage("1", b"one").await;
    let Fact::ArtifactStaged(staged) = &task.fact else { unreachable!("it is one") };
    house.staging.remove(&staged.claim.object).await.expect("removed");
    let done = house.work(&task).await.expect("settled");
    assert!(matches!(&done.announce[..], [Fact::Again(again)] if again.to == Asked::Fetch));
    let entries = stand::open(house.destination.path(), rules(Conflict::Skip));
    assert_eq!(entries.entries().expect("the ledger").count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_object_is_not_delivered_and_its_name_is_free() {
    let house = House::build().await;
    let task = house.stage("1", b"one").await;
    let Fact::ArtifactStaged(staged) = &task.fact else { unreachable!("it is one") };
    let path = house.staged.path().join(&staged.claim.object);
    std::fs::write(path, "two").expect("it can be damaged");
    assert!(matches!(house.work(&task).await, Err(Failure::Retry(_))));
    assert_eq!(house.files(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_is_not_there_is_down_until_it_is_back() {
    let house = House::build().await;
    let task = house.stage("1", b"one").await;
    let (here, away) = (house.destination.path().join(".sluice"), house.staged.path().join("away"));
    std::fs::rename(&here, &away).expect("it can be moved");
    assert!(matches!(house.work(&task).await, Err(Failure::Down(_))));
    assert!(house.sink.probe().await.is_err());
    std::fs::rename(&away, &here).expect("it can be moved back");
    house.sink.probe().await.expect("it is back");
    house.work(&task).await.expect("delivered");
    assert_eq!(house.files(), [("1.xml".to_owned(), 3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_gets_a_file_again_that_was_moved_away() {
    let house = House::build().await;
    let staged = house.stage("1", b"one").await;
    house.work(&staged).await.expect("delivered");
    std::fs::remove_file(house.destination.path().join("1.xml")).expect("it is there");
    let Fact::ArtifactStaged(fact) = &staged.fact else { unreachable!("it is one") };
    let again = Again {
        artifact: fact.artifact.clone(),
        to: Asked::Deliver(house.sink.destination().expect("it serves one")),
        ask: "person".to_owned(),
        mode: AgainMode::EvenIfDone,
        why: "lost".to_owned(),
        asked_by: "a person".to_owned(),
        asked_at: Utc::now(),
        destinations: Vec::new(),
        import: None,
    };
    let task = task(Fact::Again(again), 99);
    house.work(&task).await.expect("delivered");
    assert_eq!(house.files(), [("1.xml".to_owned(), 3)]);
}
