//! Promises about a disk of staging that fills. They need the right to mount; without it they say that they were skipped.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use appliance_simulator::{Options, RecordingKind, recording_bytes};
use domain::Kind;
use fetcher::Fetcher;
use messages::Fact;
use queue::{Failure, Lease, Outcome, Task, Worker as _};
use staging::room_of;
use tokio::runtime::Handle;

use crate::house::{House, digest};

const MIB: u64 = 1 << 20;

async fn work(fetcher: &Fetcher, task: &Task) -> Outcome {
    let lease = Lease::new("test", Duration::from_secs(60));
    let outcomes = fetcher.work(std::slice::from_ref(task), &lease).await;
    outcomes.expect("a batch does not fail as a whole").remove(0)
}

fn lacks_room(outcome: &Outcome) -> bool {
    matches!(outcome, Err(Failure::NoRoom { .. }))
}

/// The files below a folder, but for staging's own and for what fills the disk.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("a readable folder").path();
        match path.is_dir() {
            true if path.ends_with(".sluice") => {}
            true => found.extend(files(&path)),
            false if path.ends_with("ballast") => {}
            false => found.push(path),
        }
    }
    found
}

/// Fills the disk as soon as so much has been written to it.
fn fill_after(house: &House, bytes: u64, ended: &AtomicBool) {
    let free = || room_of(house.folder()).expect("it tells").free;
    let before = free();
    while before.saturating_sub(free()) < bytes && !ended.load(Ordering::Relaxed) {
        std::thread::yield_now();
    }
    house.disk().fill();
}

/// Has a task worked on while the disk fills after so many bytes of it.
fn worked_while_it_fills(house: &House, task: &Task, after: u64) -> Outcome {
    let (fetcher, ended) = (house.fetcher(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let filled = scope.spawn(|| fill_after(house, after, &ended));
        let working = async {
            let outcome = work(&fetcher, task).await;
            ended.store(true, Ordering::Relaxed);
            outcome
        };
        let outcome = tokio::task::block_in_place(|| Handle::current().block_on(working));
        filled.join().expect("it fills");
        outcome
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_under_a_download_gets_it_whole_when_there_is_room_and_nobody_is_to_blame()
 {
    let size = 32 * MIB;
    let options = Options {
        sessions: 1,
        recordings: 1.0,
        recording_bytes_exact: Some(size),
        ..Options::default()
    };
    let Some(house) = House::on_disk(options, "", 112).await else { return };
    let lsid = house.lsids().remove(0);
    let task = house.task(house.due(house.recording(&lsid, Kind::SessionRecording, None))).await;
    for after in [2 * MIB, 10 * MIB] {
        let outcome = worked_while_it_fills(&house, &task, after);
        assert!(lacks_room(&outcome), "{after}: {outcome:?}");
        assert!(files(house.folder()).is_empty(), "{after}");
        let asked = house.requests("SupportSessionRecording");
        assert!(lacks_room(&work(&house.fetcher(), &task).await), "{after}: it is still full");
        assert_eq!(house.requests("SupportSessionRecording"), asked, "{after}: asked in vain");
        house.disk().free();
    }
    let done = work(&house.fetcher(), &task).await.expect("there is room");
    let Some(Fact::ArtifactStaged(staged)) = done.closing.map(|closing| closing.fact) else {
        panic!("nothing was staged");
    };
    let sent = recording_bytes(house.site.options(), &lsid, RecordingKind::Screen, 0);
    assert_eq!((staged.claim.size, staged.claim.digest), (size, digest(sent)));
    assert_eq!(house.content(&staged.claim).await.len() as u64, size);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_can_t_fit_is_not_begun_and_what_is_smaller_comes() {
    let options = Options {
        sessions: 1,
        recordings: 1.0,
        recording_bytes_exact: Some(64 * MIB),
        backup_bytes: MIB,
        ..Options::default()
    };
    let Some(house) = House::on_disk(options, "", 80).await else { return };
    let (fetcher, lsid) = (house.fetcher(), house.lsids().remove(0));
    let due = house.due(house.recording(&lsid, Kind::SessionRecording, None));
    let recording = house.task(due).await;
    for _ in 0..2 {
        let outcome = work(&fetcher, &recording).await;
        let Err(failure @ Failure::NoRoom { .. }) = outcome else { panic!("{outcome:?}") };
        let reason = failure.to_string();
        assert!(reason.contains("lowest floor of 32.0 MB"), "{reason}");
        assert_eq!(house.requests("SupportSessionRecording"), 1, "so much of it is known now");
    }
    let report = house.task(house.ended(&lsid)).await;
    work(&fetcher, &report).await.expect("a report fits");
    assert_eq!(house.objects().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_staging_refuses_although_it_can_be_written_waits_by_itself_and_is_nobodys_fault() {
    let options = Options { sessions: 1, recordings: 1.0, ..Options::default() };
    let house = House::new(options).await;
    let (fetcher, lsid) = (house.fetcher(), house.lsids().remove(0));
    let due = house.due(house.recording(&lsid, Kind::SessionRecording, None));
    let recording = house.task(due).await;
    // Nothing can be laid below what is no folder.
    let stone = house.folder().join(house.host().as_str()).join("session-recording");
    fs::create_dir_all(stone.parent().expect("it has one")).expect("a writable folder");
    fs::write(&stone, "").expect("a writable folder");
    let refused = work(&fetcher, &recording).await;
    assert!(matches!(refused, Err(Failure::Down(_))), "it may be staging as a whole: {refused:?}");
    fetcher.probe().await.expect("staging can be written");
    for _ in 0..3 {
        let refused = work(&fetcher, &recording).await;
        let Err(failure @ Failure::NotYet(_)) = refused else { panic!("{refused:?}") };
        assert!(failure.to_string().contains("could not stage"), "{failure}");
    }
    // A process that has just started does not know of it.
    assert!(matches!(work(&house.fetcher(), &recording).await, Err(Failure::Down(_))));
    fs::remove_file(&stone).expect("it is there");
    work(&fetcher, &recording).await.expect("it is taken");
    // From now on it is news again.
    fs::remove_dir_all(&stone).expect("it is there");
    fs::write(&stone, "").expect("a writable folder");
    assert!(matches!(work(&fetcher, &recording).await, Err(Failure::Down(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_staged_where_a_share_was_unmounted() {
    let house = House::new(Options { sessions: 1, recordings: 1.0, ..Options::default() }).await;
    let (fetcher, lsid) = (house.fetcher(), house.lsids().remove(0));
    let due = house.due(house.recording(&lsid, Kind::SessionRecording, None));
    let recording = house.task(due).await;
    fs::remove_dir_all(house.folder().join(".sluice")).expect("as an empty mount point");
    for _ in 0..2 {
        let outcome = work(&fetcher, &recording).await;
        let Err(failure @ Failure::Down(_)) = outcome else { panic!("{outcome:?}") };
        assert!(failure.to_string().contains("is the share mounted"), "{failure}");
        assert!(fetcher.probe().await.is_err());
    }
    assert_eq!(files(house.folder()), Vec::<PathBuf>::new());
}
