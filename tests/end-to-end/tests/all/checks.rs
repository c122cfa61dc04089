//! What `sluice check` and `sluice verify` say of directories that are not what they were.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use end_to_end::{Destinations, Rig, SettingsFile, files, until};

use crate::replay::{answers, verified};

fn archives(names: &[&'static str]) -> SettingsFile {
    SettingsFile {
        backups: false,
        destinations: Destinations { files: names.to_vec(), sqlite: Vec::new(), sql_server: None },
        ..SettingsFile::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_share_that_is_not_mounted_is_no_good_destination_and_stays_bare() {
    let rig = Rig::new(2).await;
    rig.settle(&archives(&["files"]));
    rig.once().await;
    let up = rig.start("sluice", &["up"]);
    answers(&rig).await;
    let checked = rig.sluice(&["check"]).await;
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(said.contains("can be written"), "{said}");
    assert!(checked.status.success(), "{said}");
    fs::rename(rig.path("files"), rig.path("away")).expect("it can be moved");
    fs::create_dir(rig.path("files")).expect("a folder");
    let checked = rig.sluice(&["check"]).await;
    let said = String::from_utf8_lossy(&checked.stdout);
    assert!(
        said.contains("destination files: FAILED") && said.contains("lost the ledger"),
        "{said}"
    );
    assert!(!checked.status.success(), "{said}");
    assert_eq!(fs::read_dir(rig.path("files")).expect("a folder").count(), 0, "it was filled");
    assert!(up.stop().await, "it stops in good order");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_destinations_that_begin_together_in_one_directory_are_found_out() {
    let rig = Rig::new(2).await;
    rig.settle(&archives(&["files", "second"]));
    fs::remove_dir(rig.path("second")).expect("it is empty");
    symlink(rig.path("files"), rig.path("second")).expect("a link");
    let up = rig.start("sluice", &["up"]);
    let told = until("it is found out", async || {
        let logged = rig.logged("sluice");
        logged.contains("bears the same identity").then_some(logged)
    })
    .await;
    assert!(told.contains("two names of one directory"), "{told}");
    assert!(up.stop().await, "it stops in good order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_record_is_named_counts_as_not_held_and_is_mended_as_it_is_said() {
    let rig = Rig::new(2).await;
    rig.settle(&archives(&["files"]));
    rig.once().await;
    let entries = rig.path("files").join(".sluice/entries");
    let record = first(&first(&entries));
    fs::write(&record, "junk\n").expect("it can be written");
    fs::write(entries.join(".DS_Store"), "by a file browser").expect("it can be written");
    let up = rig.start("sluice", &["up"]);
    answers(&rig).await;
    assert_eq!(
        verified(&rig, "files").await,
        (false, texts(&["missing", "not-in-ledger", "unproven"]))
    );
    let reconciled = rig.sluice(&["reconcile", "--to", "files", "--json"]).await;
    let lines: serde_json::Value = serde_json::from_slice(&reconciled.stdout).expect("JSON");
    let line = lines.as_array().and_then(|lines| lines.last()).expect("one for the destination");
    assert_eq!((&line["of"], &line["missing"]), (&"destination".into(), &1.into()), "{line}");
    let letter = until("who delivers it says what to do", async || {
        let letters = rig.sluice(&["dead-letters", "show", "1"]).await;
        letters.status.success().then(|| String::from_utf8_lossy(&letters.stdout).into_owned())
    })
    .await;
    assert!(letter.contains("remove it"), "{letter}");
    fs::remove_file(&record).expect("it is there");
    let retried = rig.sluice(&["dead-letters", "retry", "1"]).await;
    assert!(retried.status.success(), "{retried:?}");
    until("nothing differs", async || {
        (verified(&rig, "files").await == (true, Vec::new())).then_some(())
    })
    .await;
    assert!(up.stop().await, "it stops in good order");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_reads_to_its_end_is_no_panic() {
    let rig = Rig::new(2).await;
    rig.settle(&archives(&["files"]));
    rig.once().await;
    for number in 0..50 {
        fs::write(rig.path(&format!("files/{number}")), "somebody else's").expect("a file");
    }
    let up = rig.start("sluice", &["up"]);
    answers(&rig).await;
    let reconcile = &["reconcile", "--to", "files"];
    for arguments in [&["verify", "--to", "files", "--json"][..], &["status"], reconcile] {
        let unread = rig.sluice_unread(arguments).await;
        let told = String::from_utf8_lossy(&unread.stderr);
        assert_eq!(unread.status.code(), Some(1), "{arguments:?}: {told}");
        assert!(!told.contains("panicked"), "{arguments:?}: {told}");
    }
    assert!(up.stop().await, "it stops in good order");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_whose_reports_have_other_tokens_in_their_urls_is_adopted_as_it_is() {
    let rig = Rig::with(|options| (options.sessions, options.stable_urls) = (4, false)).await;
    rig.settle(&archives(&["files"]));
    rig.once().await;
    let archive = files(&rig.path("files"));
    fs::remove_dir_all(rig.path("data")).expect("it can be removed");
    fs::remove_dir_all(rig.path("files/.sluice")).expect("it can be removed");
    rig.once().await;
    assert_eq!(files(&rig.path("files")), archive);
    let up = rig.start("sluice", &["up"]);
    answers(&rig).await;
    assert_eq!(verified(&rig, "files").await, (true, Vec::new()));
    assert!(up.stop().await, "it stops in good order");
}

fn first(folder: &Path) -> PathBuf {
    let mut there = fs::read_dir(folder).expect("it can be listed");
    there.next().expect("there are some").expect("an entry").path()
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(ToString::to_string).collect()
}
