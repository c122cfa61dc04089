//! A directory that loses its ledger under a sink that runs.

use std::fs;

use end_to_end::{Arrived, Rig, SettingsFile, until};

const LEDGER: &str = ".sluice";

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_directory_gets_all_that_it_had_also_by_a_replay_of_a_part_of_it() {
    let rig = Rig::new(6).await;
    // Backups would wait for their schedule's next run.
    rig.settle(&SettingsFile { backups: false, ..SettingsFile::default() });
    rig.once().await;
    let expected = Arrived::at(&rig).await;
    let health = rig.with_health();
    let sink = rig.start("sluice", &["--settings", &health.settings, "up"]);
    health.ready().await;
    let files = rig.path("files");
    fs::remove_dir_all(&files).expect("it can be removed");
    fs::create_dir(&files).expect("a folder");
    let lost = async || rig.logged("sluice").contains("has lost the ledger").then_some(());
    until("the sink has noticed", lost).await;
    let part = ["--kinds", "session-data", "--since", "2026-08-01"];
    let asked = rig.sluice(&[&["replay", "--to", "files"], &part[..]].concat()).await;
    assert!(asked.status.success(), "{asked:?}");
    let verified = async || rig.sluice(&["verify", "--to", "files"]).await.status.success();
    let identity = files.join(LEDGER).join("identity.json");
    until("it is filled anew", async || identity.exists().then_some(())).await;
    until("all has arrived", async || {
        (end_to_end::files(&files).len() == expected.files.len()).then_some(())
    })
    .await;
    until("all is in the new ledger", async || verified().await.then_some(())).await;
    assert!(sink.stop().await);
    Arrived::at(&rig).await.assert_equal(&expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_lost_its_ledger_is_filled_anew_once_a_person_asks_with_what_it_has() {
    let rig = Rig::new(6).await;
    // Backups would wait for their schedule's next run.
    rig.settle(&SettingsFile { files_of_all_kinds: false, ..SettingsFile::default() });
    rig.once().await;
    let expected = Arrived::at(&rig).await;
    let health = rig.with_health();
    let sink = rig.start("sluice", &["--settings", &health.settings, "up"]);
    // Ready is who has opened the directory; before, its loss would not be the loss of something open.
    health.ready().await;
    let ask = async || rig.sluice(&["replay", "--to", "files"]).await.status.success();
    let verified = async || rig.sluice(&["verify", "--to", "files"]).await.status.success();
    assert!(verified().await);

    let files = rig.path("files");
    fs::rename(files.join(LEDGER), rig.path("away")).expect("it can be moved");
    let identity = files.join(LEDGER).join("identity.json");
    // What is asked for before the sink has noticed says nothing.
    until("it is filled anew", async || (ask().await && identity.exists()).then_some(())).await;
    until("all is in the new ledger", async || verified().await.then_some(())).await;
    let logged = rig.logged("sluice");
    assert!(logged.contains("has lost the ledger"), "{logged}");
    assert!(sink.stop().await);
    Arrived::at(&rig).await.assert_equal(&expected);
}
