//! Destinations that are new, moved, put back from a backup or gone through once more end as equals of the first.

use std::fs;
use std::path::Path;

use appliance_simulator::Fault;
use end_to_end::{Arrived, Destinations, Program, Rig, SettingsFile, rows_of, until};
use nats_server::NatsServer;

pub(crate) type Rows = Vec<(&'static str, Vec<String>)>;

const SESSIONS: u64 = 15;

fn databases(names: &[&'static str]) -> SettingsFile {
    SettingsFile {
        files_of_all_kinds: false,
        destinations: Destinations { files: Vec::new(), sqlite: names.to_vec(), sql_server: None },
        ..SettingsFile::default()
    }
}

pub(crate) async fn rows(rig: &Rig, name: &str) -> Rows {
    rows_of(&rig.path(name)).await
}

fn sessions(rows: &Rows) -> u64 {
    rows[0].1.len() as u64
}

#[track_caller]
pub(crate) fn assert_equal(rows: &Rows, expected: &Rows) {
    for ((table, rows), (_, expected)) in rows.iter().zip(expected) {
        assert_eq!(rows.len(), expected.len(), "rows of {table}");
        for (row, expected) in rows.iter().zip(expected) {
            assert_eq!(row, expected, "a row of {table}");
        }
    }
}

/// More sessions at both appliances.
pub(crate) fn more(rig: &Rig, sessions: u64) {
    for site in &rig.sites {
        site.add_sessions(u32::try_from(sessions).expect("few"));
        site.advance_clock(120);
    }
}

fn open(path: &Path) -> rusqlite::Connection {
    let database = rusqlite::Connection::open(path).expect("a database");
    database.busy_timeout(std::time::Duration::from_secs(20)).expect("it can be set");
    database
}

fn identity(path: &Path) -> String {
    let id = open(path).query_row("SELECT id FROM sluice_database", [], |row| row.get(0));
    id.expect("it has an identity")
}

fn back_up(rig: &Rig, database: &str, backup: &str) {
    let to = rig.path(backup).display().to_string();
    open(&rig.path(database)).execute("VACUUM INTO ?1", [to]).expect("a copy");
}

/// Puts a backup in the place of a database that nobody has open.
fn put_back(rig: &Rig, backup: &str, database: &str) {
    // Another file: whoever still reads the old one, as this test may, must not write its journal into the new one.
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(rig.path(&format!("{database}{suffix}")));
    }
    fs::copy(rig.path(backup), rig.path(database)).expect("it can be copied");
}

/// What `sluice status` says.
pub(crate) async fn status(rig: &Rig) -> String {
    let output = rig.sluice(&["status"]).await;
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) async fn answers(rig: &Rig) {
    until("the log answers", async || rig.sluice(&["status"]).await.status.success().then_some(()))
        .await;
}

/// The exit code and the differences of `sluice verify`.
pub(crate) async fn verified(rig: &Rig, to: &str) -> (bool, Vec<String>) {
    let output = rig.sluice(&["verify", "--to", to, "--json"]).await;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let kind = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        line["difference"].as_str().expect("a text").to_owned()
    };
    let mut found: Vec<String> = printed.lines().map(kind).collect();
    found.sort();
    (output.status.success(), found)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_a_moved_and_an_emptied_database_end_as_equals_of_the_first() {
    filled_alike(SESSIONS).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make chaos"]
async fn ten_thousand_sessions_fill_a_new_a_moved_and_an_emptied_database_alike() {
    filled_alike(5_000).await;
}

async fn filled_alike(count: u64) {
    let rig = Rig::new(count).await;
    rig.settle(&databases(&["sessions.db"]));
    rig.once().await;
    let expected = rows(&rig, "sessions.db").await;
    assert_eq!(sessions(&expected), 2 * count);

    // A second one beside the first.
    rig.settle(&databases(&["sessions.db", "second.db"]));
    rig.once().await;
    assert_equal(&rows(&rig, "second.db").await, &expected);

    // Only the place of the first changes.
    let settings = fs::read_to_string(rig.path("sluice.toml")).expect("the settings");
    let moved = settings.replace("/sessions.db\"", "/moved.db\"");
    assert_ne!(moved, settings);
    fs::write(rig.path("sluice.toml"), moved).expect("a writable folder");
    rig.once().await;
    assert_equal(&rows(&rig, "moved.db").await, &expected);
    assert_ne!(identity(&rig.path("moved.db")), identity(&rig.path("sessions.db")));

    // It is emptied, but for what it is.
    let emptied = open(&rig.path("moved.db"));
    let was = identity(&rig.path("moved.db"));
    emptied
        .execute_batch(
            "PRAGMA foreign_keys = ON; DELETE FROM session; DELETE FROM sluice_ledger; DELETE FROM sluice_route",
        )
        .expect("rows can be deleted");
    drop(emptied);
    rig.once().await;
    assert_equal(&rows(&rig, "moved.db").await, &expected);
    assert_ne!(identity(&rig.path("moved.db")), was);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_put_back_from_a_backup_catches_up_by_itself_once() {
    caught_up(SESSIONS).await;
}

async fn caught_up(count: u64) {
    let rig = Rig::new(count).await;
    rig.settle(&databases(&["sessions.db"]));
    rig.once().await;
    back_up(&rig, "sessions.db", "backup.db");
    more(&rig, count / 2);
    rig.once().await;
    let expected = rows(&rig, "sessions.db").await;
    assert!(sessions(&expected) > 2 * count);

    put_back(&rig, "backup.db", "sessions.db");
    let was = identity(&rig.path("sessions.db"));
    rig.once().await;
    assert_equal(&rows(&rig, "sessions.db").await, &expected);
    let is = identity(&rig.path("sessions.db"));
    assert_ne!(is, was);
    let printed = rig.once().await;
    assert_eq!(identity(&rig.path("sessions.db")), is, "once is enough");
    assert!(printed.contains("delivered to sessions  0"), "{printed}");

    // The same backup a second time.
    put_back(&rig, "backup.db", "sessions.db");
    rig.once().await;
    assert_equal(&rows(&rig, "sessions.db").await, &expected);
    let up = rig.start("sluice", &["up"]);
    answers(&rig).await;
    let routes = status(&rig).await;
    assert!(!routes.contains(&was) && !routes.contains(&is), "old routes are dropped: {routes}");
    assert_eq!(verified(&rig, "sessions").await, (true, Vec::new()));
    assert!(up.stop().await, "it stops in good order");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sinks_that_find_a_backup_together_do_not_undo_each_other() {
    found_by_two(SESSIONS, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make chaos"]
async fn ten_thousand_sessions_and_two_sinks_that_find_a_backup_together() {
    found_by_two(5_000, 2).await;
}

async fn found_by_two(count: u64, rounds: u32) {
    let nats = NatsServer::start();
    let rig = Rig::new(count).await;
    rig.settle(&SettingsFile {
        shared: Some((nats.url(), format!("file://{}", rig.path("staging").display()))),
        ..databases(&["sessions.db"])
    });
    let _poller = rig.start("sluice-poller", &[]);
    let _fetcher = rig.start("sluice-fetcher", &[]);
    let two = || -> [Program; 2] { [0, 1].map(|_| rig.start("sluice-sql-sink", &[])) };
    let sinks = two();
    until_sessions(&rig, 2 * count).await;
    back_up(&rig, "sessions.db", "backup.db");
    more(&rig, count / 2);
    let whole = 2 * count + 2 * (count / 2);
    until_sessions(&rig, whole).await;
    stopped(sinks).await;
    let expected = rows(&rig, "sessions.db").await;
    let was = identity(&rig.path("backup.db"));

    for round in 0..rounds {
        put_back(&rig, "backup.db", "sessions.db");
        let sinks = two();
        until_sessions(&rig, whole).await;
        let is = identity(&rig.path("sessions.db"));
        assert_ne!(is, was, "round {round}");
        until_idle(&rig, &is).await;
        assert_eq!(identity(&rig.path("sessions.db")), is, "round {round}: it was undone");
        // Both deliver what comes, under the one identity.
        stopped(sinks).await;
        assert_equal(&rows(&rig, "sessions.db").await, &expected);
    }
}

async fn stopped(sinks: [Program; 2]) {
    for sink in sinks {
        assert!(sink.stop().await, "a sink runs until it is told to stop");
    }
}

async fn until_sessions(rig: &Rig, count: u64) {
    let path = rig.path("sessions.db");
    until("the sessions are there", async || {
        let counted = rusqlite::Connection::open(&path)
            .and_then(|db| db.query_row("SELECT count(*) FROM session", [], |row| row.get(0)));
        (counted.unwrap_or(0_i64).cast_unsigned() == count).then_some(())
    })
    .await;
}

/// Nothing waits for this identity, and no other has routes.
async fn until_idle(rig: &Rig, identity: &str) {
    let log = nats_log(rig).await;
    until("only the new identity has routes, and nothing waits", async || {
        let routes = log.routes().await.ok()?;
        let mut delivering = routes.iter().filter(|route| route.name.contains("deliver-"));
        let idle = delivering
            .all(|route| route.name.contains(identity) && route.waiting == 0 && route.in_hand == 0);
        idle.then_some(())
    })
    .await;
}

pub(crate) async fn nats_log(rig: &Rig) -> queue::Log {
    let settings = fs::read_to_string(rig.path("sluice.toml")).expect("the settings");
    let url = settings.lines().find_map(|line| line.strip_prefix("url = \"nats"));
    let url = format!("nats{}", url.expect("an address").trim_end_matches('"'));
    let options = queue::LogOptions::plain(&url, "test");
    queue::Log::connect(&options).await.expect("a log")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_altered_by_hand_is_named_and_a_replay_puts_it_right() {
    replayed(SESSIONS, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make chaos"]
async fn ten_thousand_sessions_are_replayed_although_their_sink_is_killed() {
    replayed(5_000, 4).await;
}

async fn replayed(count: u64, kills: u32) {
    let rig = Rig::new(count).await;
    rig.settle(&databases(&["sessions.db"]));
    rig.once().await;
    let expected = rows(&rig, "sessions.db").await;
    let mut up = rig.start("sluice", &["up"]);
    answers(&rig).await;
    assert_eq!(verified(&rig, "sessions").await, (true, Vec::new()));

    // What the ledger knows nothing of, and what it still believes in.
    open(&rig.path("sessions.db"))
        .execute_batch(
            "PRAGMA foreign_keys = ON;
             INSERT INTO session (lsid, host_name) VALUES ('theirs', 'access.example.com');
             DELETE FROM session WHERE id IN (SELECT session_id FROM sluice_ledger ORDER BY lsid LIMIT 3);
             DELETE FROM session_event;
             UPDATE session SET external_key = 'altered'",
        )
        .expect("rows can be changed");
    let found = verified(&rig, "sessions").await;
    let mut named = vec!["altered"; 2 * count as usize - 3];
    named.extend(["gone", "gone", "gone", "not-in-ledger"]);
    assert_eq!(found, (false, named.into_iter().map(str::to_owned).collect()));
    open(&rig.path("sessions.db"))
        .execute("DELETE FROM session WHERE lsid = 'theirs'", [])
        .expect("a row can be deleted");

    let asked = rig.sluice(&["replay", "--to", "sessions"]).await;
    assert!(asked.status.success(), "{asked:?}");
    for _ in 0..kills {
        let before = open_replays(&rig).await;
        assert!(before.contains("facts"), "it goes on: {before}");
        up.kill();
        up = rig.start("sluice", &["up"]);
        answers(&rig).await;
    }
    let second = rig.sluice(&["replay", "--to", "sessions", "--site", "access", "--wait"]).await;
    let printed = String::from_utf8_lossy(&second.stdout).into_owned();
    assert!(second.status.success() && printed.contains("is done"), "{second:?}");
    until("no replay goes on", async || {
        (!open_replays(&rig).await.contains("asked for")).then_some(())
    })
    .await;
    assert_equal(&rows(&rig, "sessions.db").await, &expected);
    assert_eq!(verified(&rig, "sessions").await, (true, Vec::new()));
    let refused = rig.sluice(&["replay", "--to", "sessions", "--kinds", "site-backup"]).await;
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(up.stop().await, "it stops in good order");
}

/// The part of `sluice status` that tells of replays.
pub(crate) async fn open_replays(rig: &Rig) -> String {
    let status = status(rig).await;
    let from = status.find(" replay ").unwrap_or(status.len());
    status[from..].split("\n\n").next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_begins_now_gets_what_comes_and_nothing_of_before() {
    let rig = Rig::new(SESSIONS).await;
    rig.settle(&databases(&["sessions.db"]));
    rig.once().await;
    rig.settle(&databases(&["sessions.db", "recent.db"]));
    let settings = fs::read_to_string(rig.path("sluice.toml")).expect("the settings");
    let begun = settings.replace("/recent.db\"\n", "/recent.db\"\nstart = \"now\"\n");
    assert_ne!(begun, settings);
    fs::write(rig.path("sluice.toml"), begun).expect("a writable folder");
    rig.once().await;
    assert_eq!(sessions(&rows(&rig, "recent.db").await), 0);
    back_up(&rig, "recent.db", "backup.db");
    more(&rig, 3);
    rig.once().await;
    let recent = rows(&rig, "recent.db").await;
    assert_eq!(sessions(&recent), 6);

    // Put back from a backup, it begins where it began.
    put_back(&rig, "backup.db", "recent.db");
    rig.once().await;
    assert_equal(&rows(&rig, "recent.db").await, &recent);
    let all = Arrived { files: Default::default(), rows: rows(&rig, "sessions.db").await };
    assert_eq!(all.sessions() as u64, 2 * SESSIONS + 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_staging_lost_is_asked_for_again_or_recorded_as_unavailable() {
    let rig = Rig::new(SESSIONS).await;
    rig.settle(&databases(&["sessions.db"]));
    rig.once().await;
    assert!(lose_reports(&rig.path("data/staging")) >= 2 * SESSIONS);
    for site in &rig.sites {
        let purged = site.sessions().into_iter().take(5).map(|session| session.lsid).collect();
        site.add_fault(Fault::Late { lsids: purged, until: i64::MAX });
    }
    rig.settle(&databases(&["sessions.db", "second.db"]));
    rig.once().await;
    assert_eq!(sessions(&rows(&rig, "second.db").await), 2 * (SESSIONS - 5));
    assert_eq!(sessions(&rows(&rig, "sessions.db").await), 2 * SESSIONS, "what is there stays");

    let up = rig.start("sluice", &["up"]);
    answers(&rig).await;
    let (ended_well, found) = verified(&rig, "second").await;
    assert_eq!((ended_well, found), (false, vec!["unavailable".to_owned(); 10]));
    let reconciled = rig.sluice(&["reconcile", "--to", "second", "--json"]).await;
    let reconciled: serde_json::Value =
        serde_json::from_slice(&reconciled.stdout).expect("it prints JSON");
    let line = reconciled.as_array().expect("lines").last().expect("a destination").clone();
    assert_eq!((&line["missing"], &line["settled"]), (&0.into(), &10.into()), "{line}");
    assert!(up.stop().await, "it stops in good order");
}

/// Deletes the staged reports, and not the facts that lie beside them; says how many.
fn lose_reports(folder: &Path) -> u64 {
    let mut lost = 0;
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            lost += lose_reports(&path);
        } else if path.extension().is_some_and(|extension| extension == "xml") {
            fs::remove_file(path).expect("it can be deleted");
            lost += 1;
        }
    }
    lost
}
