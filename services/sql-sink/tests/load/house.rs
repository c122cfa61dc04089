//! A log and a staging with reports in them, and what a database must hold when all is delivered.

use std::collections::HashMap;

use bytes::Bytes;
use chrono::Utc;
use domain::facts::{ArtifactStaged, Cause, ClaimCheck};
use domain::{ArtifactId, Family, Lsid, Particulars, Revision, SiteHost};
use futures::StreamExt;
use messages::Fact;
use nats_server::NatsServer;
use queue::{Log, LogOptions, Origin, Task};
use sql_sink::store::{Incoming, Store, dump};
use staging::Staging;
use tempfile::TempDir;

use crate::reports::Report;
use crate::suite::sessions;

/// Objects that are staged at once.
const STAGED_AT_ONCE: usize = 16;

/// What the sinks work from.
pub struct House {
    /// The log.
    pub log: Log,
    /// The staging.
    pub staging: Staging,
    /// A folder for staging and settings.
    pub folder: TempDir,
}

impl House {
    /// A log of this prefix on this server, and an empty staging.
    pub async fn build(server: &NatsServer, prefix: Option<String>) -> Self {
        let mut options = LogOptions::plain(&server.url(), "sql-sink-load");
        if let Some(prefix) = prefix {
            options.prefix = prefix;
        }
        let log = Log::connect(&options).await.expect("the server is there");
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("staging");
        std::fs::create_dir(&place).expect("a folder");
        let url = format!("file://{}", place.display());
        let staging = Staging::open(&url).await.expect("a folder can be staging");
        House { log, staging, folder }
    }

    /// Stages these reports, and says so in the log, in their order. Gives the messages.
    pub async fn stage(&self, reports: &[Report]) -> Vec<Task> {
        let put = futures::stream::iter(reports).map(|report| self.put(report));
        let mut facts = put.buffered(STAGED_AT_ONCE);
        let mut tasks = Vec::with_capacity(reports.len());
        while let Some(fact) = facts.next().await {
            let sequence = self.log.publish(&fact).await.expect("it can be published");
            tasks.push(task(fact, sequence));
        }
        tasks
    }

    async fn put(&self, report: &Report) -> Fact {
        let bytes = Bytes::copy_from_slice(report.xml.as_bytes());
        let pieces = futures::stream::iter([Ok::<_, std::io::Error>(bytes)]);
        let artifact =
            ArtifactId::report(report.site.clone(), Family::Session, report.lsid.clone());
        let staged = self.staging.put(&artifact, "xml", pieces).await.expect("it can be staged");
        Fact::ArtifactStaged(ArtifactStaged {
            artifact,
            claim: ClaimCheck {
                object: staged.object,
                size: staged.size,
                digest: staged.digest,
                content: report.content(),
                extension: "xml".to_owned(),
            },
            particulars: Particulars::default(),
            staged_at: Utc::now(),
            cause: Cause { subject: "load".to_owned(), sequence: 1 },
            revision: None,
        })
    }

    /// What a database must hold: of each session the report that was staged last.
    pub async fn expected(&self, reports: &[Report], tasks: &[Task]) -> Vec<Incoming> {
        let mut last: HashMap<(&SiteHost, &Lsid), (&Report, u64)> = HashMap::new();
        for (report, task) in reports.iter().zip(tasks) {
            last.insert((&report.site, &report.lsid), (report, task.origin.sequence));
        }
        let mut expected = Vec::with_capacity(last.len());
        for (report, position) in last.into_values() {
            let revision: Revision = self.log.revision_at(position).await.expect("a log");
            expected.push(report.incoming(revision));
        }
        expected
    }
}

fn task(fact: Fact, sequence: u64) -> Task {
    let origin = Origin {
        stream: "ARTIFACTS".to_owned(),
        subject: "load".to_owned(),
        sequence,
        published_at: Utc::now(),
        route: "deliver".to_owned(),
    };
    Task { fact, origin }
}

/// The ledger that belongs to it.
fn ledger(expected: &[Incoming]) -> Vec<String> {
    let line = |incoming: &Incoming| {
        let Incoming { site, lsid, revision, content, .. } = incoming;
        format!("{site}/{lsid} {revision} {content} -> {site}/{lsid}")
    };
    let mut lines: Vec<String> = expected.iter().map(line).collect();
    lines.sort();
    lines
}

/// Compares tables and ledger with what they must hold, to the row; says how many rows there are.
pub async fn check<S: Store>(store: &S, expected: &[Incoming]) -> usize {
    let found = dump(store).await.expect("a database that can be read").tables;
    let mut tables = sessions::expectation(expected);
    tables.push(("sluice_ledger", ledger(expected)));
    for ((table, found), (_, expected)) in found.iter().zip(&tables) {
        assert!(
            found == expected,
            "{table} has {} rows and should have {}; they differ at {}",
            found.len(),
            expected.len(),
            sessions::first_difference(found, expected)
        );
    }
    found[..8].iter().map(|(_, lines)| lines.len()).sum()
}

/// Whether the ledger says what it must in the end.
pub async fn is_complete<S: Store>(store: &S, expected: &[Incoming]) -> bool {
    let Ok(rows) = store.ledger_rows().await else { return false };
    let mut lines: Vec<String> = rows
        .into_iter()
        .map(|(site, lsid, row)| {
            format!("{site}/{lsid} {} {} -> {site}/{lsid}", row.revision, row.content)
        })
        .collect();
    lines.sort();
    lines == ledger(expected)
}
