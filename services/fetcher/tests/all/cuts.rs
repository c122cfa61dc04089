//! Promises about recordings whose connection breaks.

use std::collections::BTreeSet;

use crate::house::{House, digest, quick};
use appliance_simulator::{Fault, Options, RecordingKind, recording_bytes, recording_bytes_anew};
use domain::{ArtifactId, Kind};

/// What a download may add to the resident memory of this process, in which the appliance runs as well.
const MEMORY_MAX: u64 = 48 << 20;

async fn house(bytes: u64, ranges: bool) -> (House, String, ArtifactId) {
    let options = Options {
        sessions: 1,
        recordings: 1.0,
        recording_bytes_exact: Some(bytes),
        ranges,
        ..Options::default()
    };
    let house = House::new(options).await;
    let lsid = house.lsids().remove(0);
    let recording = house.recording(&lsid, Kind::SessionRecording, None);
    (house, lsid, recording)
}

fn cuts(bytes: Vec<u64>, rendered_anew: bool) -> Fault {
    Fault::CutRecordingOnceAt {
        lsids: BTreeSet::new(),
        kind: None,
        bytes,
        rendered_anew,
        breaks: 0,
    }
}

/// The most memory that this process has had since it was last forgotten, in bytes.
fn resident_max() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("it is told");
    let kib: String = line.chars().filter(char::is_ascii_digit).collect();
    kib.parse::<u64>().expect("a number") << 10
}

/// Cuts a recording of this size at each tenth; returns how many requests it took.
async fn survives_cuts_at_each_tenth(bytes: u64, ranges: bool) -> u64 {
    let (house, lsid, recording) = house(bytes, ranges).await;
    house.site.add_fault(cuts((1..10).map(|tenth| bytes / 10 * tenth).collect(), false));
    house.log.announce(&house.due(recording.clone())).await.expect("the server runs");
    std::fs::write("/proc/self/clear_refs", "5").expect("Linux forgets the peak");
    let before = resident_max();
    let running = house.run(&[Kind::SessionRecording], quick(2)).await;
    house.drained().await;
    running.ended().await;
    let more = resident_max() - before;
    assert_eq!(house.dead().await, [""; 0]);
    let staged = house.staged(&recording).await.expect("it is staged");
    let sent = recording_bytes(house.site.options(), &lsid, RecordingKind::Screen, 0);
    assert_eq!((staged.claim.size, staged.claim.digest), (bytes, digest(sent)));
    assert_eq!(house.objects().await, 1, "nothing truncated was staged");
    println!("{bytes} bytes, ranges {ranges}: {more} bytes more of memory");
    assert!(more < MEMORY_MAX, "{more} bytes more of memory");
    house.requests("SupportSessionRecording")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_is_cut_at_each_tenth_is_resumed_and_staged_whole() {
    assert_eq!(survives_cuts_at_each_tenth(20 << 20, true).await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_ranges_it_starts_again_each_time_and_is_never_given_up() {
    assert_eq!(survives_cuts_at_each_tenth(10 << 20, false).await, 10);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make chaos"]
async fn a_large_recording_that_is_cut_at_each_tenth_is_staged_whole_in_flat_memory() {
    for ranges in [true, false] {
        assert_eq!(survives_cuts_at_each_tenth(200 << 20, ranges).await, 10);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_renderings_of_a_recording_are_never_joined() {
    let (house, lsid, recording) = house(1 << 20, true).await;
    house.site.add_fault(cuts(vec![500_000], true));
    house.log.announce(&house.due(recording.clone())).await.expect("the server runs");
    let running = house.run(&[Kind::SessionRecording], quick(2)).await;
    house.drained().await;
    running.ended().await;
    let staged = house.staged(&recording).await.expect("it is staged");
    let options = house.site.options();
    let anew = recording_bytes_anew(options, &lsid, RecordingKind::Screen, 0, 1);
    assert_eq!(staged.claim.digest, digest(anew));
    let requests = house.requests("SupportSessionRecording");
    assert_eq!(requests, 3, "cut, refused the rest of another rendering, begun anew");
}

/// A fault that breaks a recording at one place, whoever asks for it.
fn cut_at(after_bytes: u64) -> Fault {
    Fault::CutRecording { lsids: BTreeSet::new(), kind: None, after_bytes }
}

async fn is_given_up(ranges: bool, fault: Fault) {
    let (house, _, recording) = house(1 << 20, ranges).await;
    house.site.add_fault(fault);
    let outcome = house.work_one(house.due(recording)).await;
    assert!(matches!(outcome, Err(queue::Failure::Retry(_))), "{outcome:?}");
    assert_eq!(house.objects().await, 0);
    assert!(house.requests("SupportSessionRecording") <= 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_always_breaks_at_one_place_is_given_up_and_nothing_is_staged() {
    is_given_up(false, cut_at(300_000)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make chaos"]
async fn a_rest_that_never_comes_is_asked_for_for_a_minute_and_then_given_up() {
    is_given_up(true, cut_at(300_000)).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make chaos"]
async fn a_recording_that_comes_in_crumbs_is_not_asked_for_a_thousand_times() {
    is_given_up(true, cuts((1..=1000).map(|crumb| crumb * 1000).collect(), false)).await;
}
