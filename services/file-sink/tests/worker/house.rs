//! A log, a staging and a destination, with a sink between them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use domain::facts::{ArtifactStaged, Cause, ClaimCheck};
use domain::{ArtifactId, Conflict, Digest, Family, Particulars};
use file_sink::{Directory, FileSink, Naming};
use messages::Fact;
use nats_server::NatsServer;
use queue::{Done, Failure, Lease, Log, LogOptions, Origin, Task, Worker as _};
use settings::Formats;
use staging::Staging;
use tempfile::TempDir;

use crate::stand::{files, open, rules};

pub struct House {
    pub log: Log,
    pub staging: Staging,
    pub staged: TempDir,
    pub destination: TempDir,
    directory: Arc<Directory>,
    pub sink: FileSink,
}

impl House {
    pub async fn build() -> Self {
        let destination = tempfile::tempdir().expect("a folder");
        let directory = open(destination.path(), rules(Conflict::AppendNumber));
        House::with(destination, directory).await
    }

    /// With a sink for this destination; `destination` is the folder that it may lie in.
    pub async fn with(destination: TempDir, directory: Directory) -> Self {
        let server = NatsServer::shared();
        let options = LogOptions {
            prefix: server.fresh_prefix(),
            ..LogOptions::plain(&server.url(), "file-sink-test")
        };
        let log = Log::connect(&options).await.expect("the server is there");
        let staged = tempfile::tempdir().expect("a folder");
        let url = format!("file://{}", staged.path().display());
        let staging = Staging::open(&url).await.expect("a folder can be staging");
        let directory = Arc::new(directory);
        let naming = naming("%LSID%.%EXTENSION%");
        let sink = FileSink::new(log.clone(), staging.clone(), Arc::clone(&directory), naming);
        House { log, staging, staged, destination, directory, sink }
    }

    /// The same, with files that are named so.
    pub fn named(self, format: &str) -> Self {
        let (log, staging) = (self.log.clone(), self.staging.clone());
        let sink = FileSink::new(log, staging, Arc::clone(&self.directory), naming(format));
        House { sink, ..self }
    }

    /// Stages this content, and says so in the log.
    pub async fn stage(&self, lsid: &str, content: &[u8]) -> Task {
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

    pub async fn work(&self, task: &Task) -> Result<Done, Failure> {
        let lease = Lease::new("test", Duration::from_secs(60));
        let mut outcomes = self.sink.work(std::slice::from_ref(task), &lease).await?;
        outcomes.pop().expect("one outcome for one task")
    }

    pub fn files(&self) -> Vec<(String, usize)> {
        House::files_in(self.destination.path())
    }

    pub fn files_in(folder: &Path) -> Vec<(String, usize)> {
        let files = files(folder);
        files.into_iter().map(|(name, content)| (name, content.len())).collect()
    }
}

fn naming(format: &str) -> Naming {
    let format = format.parse().expect("a format");
    Naming::new(Formats::new(Some(&format), [].into()), [].into())
}

pub fn task(fact: Fact, sequence: u64) -> Task {
    let origin = Origin {
        stream: "ARTIFACTS".to_owned(),
        subject: "x".to_owned(),
        sequence,
        published_at: Utc::now(),
        route: "deliver".to_owned(),
    };
    Task { fact, origin }
}
