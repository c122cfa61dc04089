//! Directories that are put back from a backup, moved away, or begun late end as what they would have been.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use domain::Digest;
use end_to_end::{Arrived, Destinations, Program, Rig, SettingsFile, files, until};
use nats_server::NatsServer;

use crate::replay::{answers, more, nats_log, open_replays, status, verified};

const SESSIONS: u64 = 4;

type Files = BTreeMap<String, Digest>;

fn archives(names: &[&'static str]) -> SettingsFile {
    SettingsFile {
        backups: false,
        destinations: Destinations { files: names.to_vec(), sqlite: Vec::new(), sql_server: None },
        ..SettingsFile::default()
    }
}

fn identity(folder: &Path) -> String {
    let text = fs::read_to_string(folder.join(".sluice/identity.json")).expect("it has one");
    let identity: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    identity["id"].as_str().expect("a text").to_owned()
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp runs");
    assert!(copied.success());
}

/// Puts a copy of a backup in the place of a directory, in one step.
fn put_back(rig: &Rig, backup: &str, directory: &str) {
    copy(&rig.path(backup), &rig.path("coming"));
    let _ = fs::remove_dir_all(rig.path("gone"));
    fs::rename(rig.path(directory), rig.path("gone")).expect("it can be moved");
    fs::rename(rig.path("coming"), rig.path(directory)).expect("it can be moved");
}

async fn until_files(rig: &Rig, expected: &Files) {
    let path = rig.path("files");
    until("the files are there", async || (files(&path) == *expected).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_was_put_back_from_a_backup_catches_up_by_itself_once() {
    let rig = Rig::new(SESSIONS).await;
    rig.settle(&archives(&["files"]));
    rig.once().await;
    copy(&rig.path("files"), &rig.path("backup"));
    more(&rig, SESSIONS);
    rig.once().await;
    let expected = files(&rig.path("files"));
    let was = identity(&rig.path("files"));
    assert!(expected.len() > files(&rig.path("backup")).len());

    // The second time the backup bears an identity of before.
    let mut identities = vec![was];
    for _ in 0..2 {
        put_back(&rig, "backup", "files");
        assert_eq!(identity(&rig.path("files")), identities[0]);
        rig.once().await;
        assert_eq!(files(&rig.path("files")), expected);
        let is = identity(&rig.path("files"));
        assert!(!identities.contains(&is), "it has a new identity");
        identities.push(is);
    }
    let printed = rig.once().await;
    assert_eq!(identity(&rig.path("files")), identities[2], "once is enough");
    assert!(printed.contains("delivered to files  0"), "{printed}");
    let up = rig.start("sluice", &["up"]);
    answers(&rig).await;
    let shown = status(&rig).await;
    assert!(!identities.iter().any(|id| shown.contains(id)), "old routes are dropped: {shown}");
    assert_eq!(verified(&rig, "files").await, (true, Vec::new()));
    assert!(up.stop().await, "it stops in good order");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sinks_that_find_an_older_directory_together_or_under_them_do_not_undo_each_other() {
    let nats = NatsServer::start();
    let rig = Rig::new(SESSIONS).await;
    let staging = format!("file://{}", rig.path("staging").display());
    rig.settle(&SettingsFile { shared: Some((nats.url(), staging)), ..archives(&["files"]) });
    let _poller = rig.start("sluice-poller", &[]);
    let _fetcher = rig.start("sluice-fetcher", &[]);
    let log = nats_log(&rig).await;
    let two = || -> [Program; 2] { [0, 1].map(|_| rig.start("sluice-file-sink", &[])) };
    let idle = async || {
        until("nothing waits, and only one identity has routes", async || {
            let is = identity(&rig.path("files"));
            let routes = log.routes().await.ok()?;
            let due = routes.iter().filter(|route| !route.name.contains("deliver-"));
            let fetched =
                due.clone().count() > 0 && due.clone().all(|one| one.waiting + one.in_hand == 0);
            let mut delivering = routes.iter().filter(|route| route.name.contains("deliver-"));
            let idle = |route: &queue::RouteState| {
                route.name.contains(&is) && route.waiting + route.in_hand == 0
            };
            (fetched && delivering.clone().count() > 2 && delivering.all(idle)).then_some(is)
        })
        .await
    };
    let mut sinks = two();
    until("something is delivered", async || {
        (files(&rig.path("files")).len() as u64 > 2 * SESSIONS).then_some(())
    })
    .await;
    idle().await;
    copy(&rig.path("files"), &rig.path("backup"));
    let before = files(&rig.path("backup")).len();
    more(&rig, SESSIONS);
    until("more is delivered", async || {
        (files(&rig.path("files")).len() as u64 >= before as u64 + 2 * SESSIONS).then_some(())
    })
    .await;
    let mut was = idle().await;
    let expected = files(&rig.path("files"));

    for round in 0..3 {
        // In the last round under the sinks, which find it when they look, or mark what comes.
        if round < 2 {
            for sink in sinks {
                assert!(sink.stop().await, "a sink runs until it is told to stop");
            }
            put_back(&rig, "backup", "files");
            sinks = two();
        } else {
            put_back(&rig, "backup", "files");
        }
        until_files(&rig, &expected).await;
        let is = idle().await;
        assert_ne!(is, was, "round {round}");
        assert_eq!(identity(&rig.path("files")), is, "round {round}: it was undone");
        was = is;
    }
    assert!(log.dead_letters().list().await.expect("the log answers").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_was_moved_away_stays_empty_until_a_replay_is_asked_for() {
    let rig = Rig::new(SESSIONS).await;
    rig.settle(&archives(&["files", "second"]));
    let up = rig.start("sluice", &["up"]);
    answers(&rig).await;
    let second = rig.path("second");
    until("something is delivered", async || (files(&second).len() > 3).then_some(())).await;
    fs::rename(rig.path("files"), rig.path("away")).expect("it can be moved");
    fs::create_dir(rig.path("files")).expect("a folder");
    more(&rig, SESSIONS);
    until("it is found out", async || {
        rig.logged("sluice").contains("lost the ledger").then_some(())
    })
    .await;
    let all = 2 * 2 * SESSIONS as usize;
    let reports = |path: &Path| files(path).keys().filter(|name| name.ends_with(".xml")).count();
    until("the other goes on", async || (reports(&second) == all).then_some(())).await;
    assert_eq!(fs::read_dir(rig.path("files")).expect("a folder").count(), 0, "it was filled");

    let replay = rig.sluice(&["replay", "--to", "files", "--wait"]).await;
    let printed = String::from_utf8_lossy(&replay.stdout).into_owned();
    assert!(replay.status.success() && printed.contains("is done"), "{replay:?}");
    assert_eq!(reports(&rig.path("files")), all, "what was asked for is there when it is done");
    until("both are equal", async || (files(&rig.path("files")) == files(&second)).then_some(()))
        .await;
    assert_eq!(verified(&rig, "files").await, (true, Vec::new()));
    let letters = rig.sluice(&["dead-letters", "list"]).await;
    assert!(String::from_utf8_lossy(&letters.stdout).contains("There are no dead letters"));
    assert!(up.stop().await, "it stops in good order");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_moved_away_comes_back_by_a_replay_of_its_kind_and_site_alone() {
    replayed(SESSIONS, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make chaos"]
async fn two_thousand_sessions_are_replayed_although_their_sink_is_killed_beside_live_delivery() {
    replayed(1_000, 4).await;
}

async fn replayed(count: u64, kills: u32) {
    let rig = Rig::new(count).await;
    rig.settle(&archives(&["files"]));
    rig.once().await;
    let folder = rig.path("files");
    let expected = files(&folder);
    for name in expected.keys() {
        fs::remove_file(folder.join(name)).expect("it can be deleted");
    }
    let mut up = rig.start("sluice", &["up"]);
    answers(&rig).await;
    let (_, found) = verified(&rig, "files").await;
    assert_eq!(found.len(), expected.len(), "{found:?}");

    let kinds = ["--kinds", "session-data"];
    let site = ["replay", "--to", "files", "--site", "access", "--wait"];
    let some = rig.sluice(&[&site[..], &kinds[..]].concat()).await;
    assert!(some.status.success(), "{some:?}");
    let came = files(&folder);
    assert!(
        came.keys().all(|name| name.starts_with("access.") && name.ends_with(".xml")),
        "{came:?}"
    );
    assert_eq!(came.len() as u64, count);

    let asked = rig.sluice(&["replay", "--to", "files"]).await;
    assert!(asked.status.success(), "{asked:?}");
    for _ in 0..kills {
        let going_on = open_replays(&rig).await;
        assert!(going_on.contains("facts"), "it goes on: {going_on}");
        more(&rig, 5);
        up.kill();
        up = rig.start("sluice", &["up"]);
        answers(&rig).await;
    }
    until("no replay goes on", async || {
        (!open_replays(&rig).await.contains("asked for")).then_some(())
    })
    .await;
    let sessions = 2 * (count + 5 * u64::from(kills));
    until("what came meanwhile is there, too", async || {
        let reports = files(&folder).into_keys().filter(|name| name.ends_with(".xml"));
        (reports.count() as u64 == sessions).then_some(())
    })
    .await;
    let came = files(&folder);
    for (name, digest) in &expected {
        assert_eq!(came.get(name), Some(digest), "{name}");
    }
    until("nothing differs", async || verified(&rig, "files").await.0.then_some(())).await;
    assert!(up.stop().await, "it stops in good order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_begins_now_gets_what_comes_also_when_it_is_put_back() {
    let rig = Rig::new(SESSIONS).await;
    rig.settle(&archives(&["files"]));
    rig.once().await;
    rig.settle(&archives(&["files", "recent"]));
    let settings = fs::read_to_string(rig.path("sluice.toml")).expect("the settings");
    let begun = settings.replace("/recent\"\n", "/recent\"\nstart = \"now\"\n");
    assert_ne!(begun, settings);
    fs::write(rig.path("sluice.toml"), begun).expect("a writable folder");
    rig.once().await;
    let recent = rig.path("recent");
    assert_eq!(files(&recent), Files::new());
    copy(&recent, &rig.path("backup"));
    let before = files(&rig.path("files"));
    more(&rig, 3);
    rig.once().await;
    let mut since = files(&rig.path("files"));
    since.retain(|name, _| !before.contains_key(name));
    assert!(since.len() >= 6);
    assert_eq!(files(&recent), since);

    put_back(&rig, "backup", "recent");
    rig.once().await;
    assert_eq!(files(&recent), since);
    let whole = Arrived { files: files(&recent), rows: Vec::new() };
    whole.assert_equal(&Arrived { files: since, rows: Vec::new() });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_a_directory_is_no_second_destination_before_it_has_an_identity_of_its_own() {
    let rig = Rig::new(SESSIONS).await;
    rig.settle(&archives(&["files"]));
    rig.once().await;
    let expected = files(&rig.path("files"));
    copy(&rig.path("files"), &rig.path("second"));
    more(&rig, 2);
    rig.settle(&archives(&["files", "second"]));
    let up = rig.start("sluice", &["up"]);
    until("it is found out", async || {
        rig.logged("sluice").contains("one is a copy of the other").then_some(())
    })
    .await;
    until("the first goes on", async || {
        (files(&rig.path("files")).len() > expected.len() + 3).then_some(())
    })
    .await;
    assert_eq!(files(&rig.path("second")), expected);
    fs::remove_file(rig.path("second/.sluice/identity.json")).expect("it is there");
    until("both are equal", async || {
        (files(&rig.path("files")) == files(&rig.path("second"))).then_some(())
    })
    .await;
    assert!(up.stop().await, "it stops in good order");
}
