//! The log is lost, or set back to an older copy: staging puts it back, and every destination ends complete.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use appliance_simulator::{Fault, RunningSimulator};
use async_nats::jetstream;
use end_to_end::{Arrived, Destinations, Rig, SettingsFile, rows_of, until};

const SESSIONS: u64 = 30;

/// What a rig without any misfortune ends with, and the rig.
async fn loaded(sessions: u64) -> (Rig, Arrived) {
    let rig = Rig::new(sessions).await;
    rig.settle(&SettingsFile::default());
    rig.once().await;
    let arrived = Arrived::at(&rig).await;
    (rig, arrived)
}

/// The appliances keep the last third of their sessions and nothing else.
pub(crate) fn forget_two_thirds(rig: &Rig) {
    for site in &rig.sites {
        let mut sessions = site.sessions();
        sessions.sort_by_key(|session| session.end);
        let gone = sessions.len() * 2 / 3;
        let lsids: BTreeSet<String> =
            sessions.into_iter().take(gone).map(|session| session.lsid).collect();
        site.add_fault(Fault::Late { lsids, until: i64::MAX });
    }
}

/// How many reports, recordings and backups the appliances were asked for.
pub(crate) fn downloads(rig: &Rig) -> u64 {
    let asked = |site: &RunningSimulator| {
        let counters = site.counters();
        let content = counters.requests.into_iter().filter(|(what, _)| !what.ends_with("Listing"));
        let reports = content.filter(|(what, _)| what.starts_with("reporting"));
        reports.map(|(_, count)| count).sum::<u64>() + counters.backups
    };
    rig.sites.iter().map(asked).sum()
}

/// The same destinations, and a new, empty database beside them.
pub(crate) fn with_a_new_database() -> SettingsFile {
    SettingsFile {
        destinations: Destinations {
            sqlite: vec!["sessions.db", "new.db"],
            ..SettingsFile::default().destinations
        },
        ..SettingsFile::default()
    }
}

/// All is there once, and a new database has all that staging has.
pub(crate) async fn complete(rig: &Rig, expected: &Arrived) {
    Arrived::at(rig).await.assert_equal(expected);
    let new = Arrived { rows: rows_of(&rig.path("new.db")).await, files: expected.files.clone() };
    new.assert_equal(expected);
}

pub(crate) fn store(rig: &Rig) -> std::path::PathBuf {
    rig.path("data/nats/store")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a writable folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("a readable folder");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).expect("it can be copied");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_log_is_put_back_from_staging_and_nothing_is_fetched_again() {
    let (rig, expected) = loaded(SESSIONS).await;
    fs::remove_dir_all(store(&rig)).expect("it is there");
    forget_two_thirds(&rig);
    let before = downloads(&rig);
    // Many reports may share a download.
    let alone = expected.files.keys().filter(|name| !name.ends_with(".xml")).count() as u64;
    assert!(alone > 0 && before > alone, "{before} downloads, {alone} of them no reports");
    rig.settle(&with_a_new_database());
    rig.once().await;
    complete(&rig, &expected).await;
    assert_eq!(downloads(&rig), before, "what is staged is not fetched again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_is_killed_five_times_ends_as_one_that_is_not() {
    rebuilt_although_killed(SESSIONS).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make chaos"]
async fn a_rebuild_of_thousands_that_is_killed_five_times_ends_as_one_that_is_not() {
    rebuilt_although_killed(1_000).await;
}

async fn rebuilt_although_killed(sessions: u64) {
    let (rig, expected) = loaded(sessions).await;
    fs::remove_dir_all(store(&rig)).expect("it is there");
    forget_two_thirds(&rig);
    let before = downloads(&rig);
    rig.settle(&with_a_new_database());
    let named = fs::read(rig.path("data/staging/.sluice/epoch")).expect("staging has an epoch");
    let facts = 2 * sessions;
    for kill in 1..=5 {
        let mut up = rig.start("sluice", &["up"]);
        staged(&rig, facts * kill / 6).await;
        up.kill();
        let now = fs::read(rig.path("data/staging/.sluice/epoch")).expect("staging has an epoch");
        assert_eq!(now, named, "kill {kill} came before the rebuild had ended");
    }
    rig.once().await;
    complete(&rig, &expected).await;
    assert_eq!(downloads(&rig), before, "what is staged is not fetched again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_set_back_to_an_older_copy_is_brought_up_to_date_from_staging() {
    let (rig, _) = loaded(SESSIONS).await;
    copy(&store(&rig), &rig.path("copy"));
    for site in &rig.sites {
        site.add_sessions(SESSIONS as u32 / 2);
        site.advance_clock(120);
    }
    rig.once().await;
    let expected = Arrived::at(&rig).await;
    assert_eq!(expected.sessions() as u64, 2 * (SESSIONS + SESSIONS / 2));

    fs::remove_dir_all(store(&rig)).expect("it is there");
    copy(&rig.path("copy"), &store(&rig));
    forget_two_thirds(&rig);
    let before = downloads(&rig);
    rig.settle(&with_a_new_database());
    rig.once().await;
    complete(&rig, &expected).await;
    assert_eq!(downloads(&rig), before, "what is staged is not fetched again");

    // A change that comes after all that is newer than what the destinations hold.
    let printed = rig.once().await;
    assert!(!printed.contains("dead      1"), "{printed}");
    Arrived::at(&rig).await.assert_equal(&expected);
}

/// Waits until the log of a running `sluice up` holds that many facts of artifacts.
async fn staged(rig: &Rig, count: u64) {
    let stream = until("the log answers", async || artifacts(rig).await).await;
    let began = std::time::Instant::now();
    loop {
        let info = stream.get_info().await;
        if info.is_ok_and(|info| info.state.messages >= count) {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "waited in vain for {count} facts");
    }
}

async fn artifacts(rig: &Rig) -> Option<jetstream::stream::Stream> {
    let read = |name: &str| fs::read_to_string(rig.path(&format!("data/nats/{name}"))).ok();
    let options = async_nats::ConnectOptions::with_user_and_password(
        "sluice".to_owned(),
        read("password")?.trim().to_owned(),
    );
    let client = options.connect(format!("127.0.0.1:{}", read("port")?.trim())).await.ok()?;
    jetstream::new(client).get_stream("sluice-ARTIFACTS").await.ok()
}
