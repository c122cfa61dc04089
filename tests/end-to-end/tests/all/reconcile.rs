//! What a destination lost is found, asked for and delivered again, once.

use std::fs;
use std::path::PathBuf;

use end_to_end::{Arrived, Rig, SettingsFile, until};

const SESSIONS: u64 = 8;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_by_hand_is_found_and_delivered_again_once() {
    let rig = Rig::new(SESSIONS).await;
    rig.settle(&SettingsFile::default());
    rig.once().await;
    let expected = Arrived::at(&rig).await;
    let up = rig.start("sluice", &["up"]);
    until("the log answers", async || rig.sluice(&["status"]).await.status.success().then_some(()))
        .await;
    for line in reconciled(&rig, &[]).await {
        assert_eq!((line.missing, line.asked), (0, 0), "a good day: {line:?}");
    }

    lose_files(&rig, 3);
    lose_rows(&rig, 2);
    let one_site = reconciled(&rig, &["--site", "access", "--to", "sessions"]).await;
    let of_one_site = one_site.last().expect("a destination").missing;
    let found = reconciled(&rig, &[]).await;
    let missing = |name: &str| {
        let line = found.iter().find(|line| line.name == name && line.of == "destination");
        line.expect("each destination has a line").missing
    };
    assert_eq!(missing("files"), 3);
    assert!(missing("sessions") + of_one_site >= 2, "{found:?}");
    until("everything is there again", async || {
        (Arrived::at(&rig).await == expected).then_some(())
    })
    .await;
    until("nothing is missing or waited for", async || {
        let lines = reconciled(&rig, &[]).await;
        lines.iter().all(|line| (line.missing, line.asked, line.waiting) == (0, 0, 0)).then_some(())
    })
    .await;
    Arrived::at(&rig).await.assert_equal(&expected);
    let table = rig.sluice(&["reconcile", "--since", "2020-01-01", "--until", "2020-02-01"]).await;
    let table = String::from_utf8_lossy(&table.stdout).into_owned();
    assert!(table.contains("destination files"), "{table}");
    assert!(up.stop().await, "it stops in good order");
}

#[derive(Debug, serde::Deserialize)]
struct Line {
    of: String,
    name: String,
    waiting: u64,
    missing: u64,
    asked: u64,
}

async fn reconciled(rig: &Rig, arguments: &[&str]) -> Vec<Line> {
    let output = rig.sluice(&[&["reconcile", "--json"], arguments].concat()).await;
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{log}");
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}

/// Deletes files and what the ledger says of them.
fn lose_files(rig: &Rig, count: usize) {
    let shards = entries(rig.path("files/.sluice/entries"));
    for entry in shards.into_iter().flat_map(entries).take(count) {
        let text = fs::read_to_string(&entry).expect("a readable ledger");
        let last = text.lines().last().expect("an entry says something");
        let value: serde_json::Value = serde_json::from_str(last).expect("an entry is JSON");
        let name = value["name"].as_str().expect("it was placed");
        fs::remove_file(rig.path("files").join(name)).expect("it is there");
        fs::remove_file(entry).expect("it is there");
    }
}

fn entries(folder: PathBuf) -> Vec<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(folder)
        .expect("a directory")
        .map(|entry| entry.expect("a readable directory").path())
        .collect();
    entries.sort();
    entries
}

/// Deletes sessions, what belongs to them, and what the ledger says of them.
fn lose_rows(rig: &Rig, count: u32) {
    let database = rusqlite::Connection::open(rig.path("sessions.db")).expect("a database");
    database.busy_timeout(std::time::Duration::from_secs(20)).expect("it can be set");
    let deleted = database.execute_batch(&format!(
        "PRAGMA foreign_keys = ON;
         BEGIN IMMEDIATE;
         CREATE TEMP TABLE lost AS SELECT session_id FROM sluice_ledger ORDER BY lsid LIMIT {count};
         DELETE FROM sluice_ledger WHERE session_id IN (SELECT session_id FROM lost);
         DELETE FROM session WHERE id IN (SELECT session_id FROM lost);
         COMMIT;"
    ));
    deleted.expect("rows can be deleted");
}
