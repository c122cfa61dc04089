//! The disk of the broker, or of staging, is full, and free again: nothing is lost, and nobody has to do anything but make
//! room.

use std::fs;
use std::path::Path;

use end_to_end::{Arrived, Destinations, Rig, SettingsFile, files, until};
use small_disk::Mount;

use crate::replay::{answers, more, status};

const SESSIONS: u64 = 20;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make chaos: it waits for a minute, and mounts a file system"]
async fn a_full_disk_stops_everything_and_a_free_one_sets_it_going_again() {
    let rig = Rig::new(SESSIONS).await;
    // Elsewhere: what staging sheds below its floor would be room for the log.
    rig.settle(&SettingsFile {
        staging: format!("url = \"file://{}\"\n", rig.path("staging").display()),
        ..SettingsFile::default()
    });
    let data = rig.path("data");
    let Some(disk) = Mount::small(64, &data) else { return };
    let health = rig.with_health();
    rig.once().await;
    let up = rig.start("sluice", &["--settings", &health.settings, "up"]);
    health.ready().await;
    disk.fill();
    for site in &rig.sites {
        site.add_sessions(SESSIONS as u32);
        site.advance_clock(120);
    }
    until("it is down, with the reason", async || {
        health.readyz().filter(|said| said.contains("is full") && said.contains("could not write"))
    })
    .await;
    disk.free();
    let sessions = 2 * 2 * SESSIONS as usize;
    until("everything has arrived", async || {
        (Arrived::at(&rig).await.sessions() == sessions).then_some(())
    })
    .await;
    let log = rig.logged("sluice");
    assert!(log.contains("starting the server again"), "{log}");
    let letters = rig.sluice(&["dead-letters", "list"]).await;
    let letters = String::from_utf8_lossy(&letters.stdout).into_owned();
    assert!(letters.contains("There are no dead letters"), "{letters}");
    assert!(up.stop().await, "it stops in good order");
}

/// Files in a folder of this ending.
fn ending(folder: &Path, with: &str) -> usize {
    files(folder).keys().filter(|name| name.ends_with(with)).count()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make chaos: it mounts a file system, and waits for what is looked at seldom"]
async fn under_its_floor_staging_sheds_what_all_have_then_recordings_wait_and_all_comes_in_the_end()
{
    let rig = Rig::with(|options| {
        options.sessions = 10;
        options.recordings = 1.0;
        options.shells = 0.0;
        options.recording_bytes_exact = Some(5_000_000);
    })
    .await;
    let staging = rig.path("staging");
    rig.settle(&SettingsFile {
        staging: format!("url = \"file://{}\"\n", staging.display()),
        destinations: Destinations {
            files: vec!["files", "cold"],
            sqlite: Vec::new(),
            sql_server: None,
        },
        ..SettingsFile::default()
    });
    // Room for six recordings above the floor, of twenty; one destination is down, and holds them back.
    let Some(disk) = Mount::small(96, &staging) else { return };
    fs::remove_dir(rig.path("cold")).expect("it is empty");
    let health = rig.with_health();
    let mut up = rig.start("sluice", &["--settings", &health.settings, "up"]);
    let waits = async || {
        let waits = |said: &String| said.contains("recordings wait") && said.contains("make room");
        until("recordings wait", async || health.readyz().filter(waits)).await
    };
    waits().await;
    let folder = rig.path("files");
    until("reports and backups go on", async || {
        (ending(&folder, ".xml") == 20 && ending(&folder, ".nsb") == 2).then_some(())
    })
    .await;
    let recordings = ending(&folder, ".flv");
    assert!((1..20).contains(&recordings), "{recordings}");
    let shown = status(&rig).await;
    let debts = shown.split("staging is needed by").nth(1).expect("it tells of staging");
    assert!(debts.contains(" cold ") && !debts.contains(" files "), "{debts}");
    assert!(debts.contains("recordings wait, reports and backups are fetched"), "{debts}");

    // Full, killed, and started again.
    disk.fill();
    until("nothing is fetched", async || {
        health.readyz().filter(|said| said.contains("nothing is fetched"))
    })
    .await;
    more(&rig, 1);
    up.kill();
    up = rig.start("sluice", &["--settings", &health.settings, "up"]);
    answers(&rig).await;
    until("nothing is fetched, still", async || {
        health.readyz().filter(|said| said.contains("nothing is fetched"))
    })
    .await;
    assert_eq!(ending(&folder, ".xml"), 20);
    disk.free();
    waits().await;

    // The debtor pays: what it has now goes, and the rest comes.
    fs::create_dir(rig.path("cold")).expect("a folder");
    for destination in [&folder, &rig.path("cold")] {
        until("all is there", async || {
            (ending(destination, ".xml") == 22 && ending(destination, ".flv") == 22).then_some(())
        })
        .await;
    }
    assert_eq!(files(&folder), files(&rig.path("cold")));
    health.ready().await;
    let letters = rig.sluice(&["dead-letters", "list"]).await;
    let letters = String::from_utf8_lossy(&letters.stdout).into_owned();
    assert!(letters.contains("There are no dead letters"), "{letters}");
    assert!(up.stop().await, "it stops in good order");
}
