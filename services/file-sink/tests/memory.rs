//! The promise that memory does not grow with content; each test alone in its process, so that only it is measured.

use std::io;

use bytes::Bytes;
use domain::facts::{ArtifactStaged, Cause, ClaimCheck};
use domain::{ArtifactId, ArtifactKey, Kind, Particulars};
use futures::stream;
use messages::Fact;

#[path = "worker/house.rs"]
#[allow(dead_code, reason = "a part of it is enough here")]
mod house;
mod stand;

use house::{House, task};

const MIB: u64 = 1 << 20;

/// The most memory that this process ever had, in bytes.
fn memory_peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line =
        status.lines().find(|line| line.starts_with("VmHWM:")).expect("Linux tells the peak");
    let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
    kib.expect("the peak is a number") * 1024
}

/// Stages and delivers a recording of this size; says the most memory that the process had.
async fn delivered(mib: u64) -> u64 {
    let house = House::build().await;
    let site = "access.example.com".parse().expect("a host");
    let key = ArtifactKey::Lsid("large".parse().expect("an LSID"));
    let artifact = ArtifactId::new(site, Kind::SessionRecording, key, None).expect("a recording");
    let block = Bytes::from((0..MIB).map(|at| (at % 251) as u8).collect::<Vec<u8>>());
    let pieces = stream::iter((0..mib).map(move |_| Ok::<_, io::Error>(block.clone())));
    let staged = house.staging.put(&artifact, "flv", pieces).await.expect("it is staged");
    let fact = Fact::ArtifactStaged(ArtifactStaged {
        artifact,
        claim: ClaimCheck {
            object: staged.object,
            size: staged.size,
            digest: staged.digest,
            content: staged.digest,
            extension: "flv".to_owned(),
        },
        particulars: Particulars::default(),
        staged_at: chrono::Utc::now(),
        cause: Cause { subject: "x".to_owned(), sequence: 1 },
        revision: None,
    });
    let sequence = house.log.publish(&fact).await.expect("it can be published");
    house.work(&task(fact, sequence)).await.expect("delivered");
    let file = house.destination.path().join("large.flv");
    assert_eq!(std::fs::metadata(file).expect("it is there").len(), mib * MIB);
    memory_peak()
}

#[tokio::test(flavor = "multi_thread")]
#[cfg(target_os = "linux")]
async fn a_recording_is_staged_and_delivered_in_flat_memory() {
    let peak = delivered(192).await;
    assert!(peak < 64 * MIB, "{} MiB", peak / MIB);
}

#[tokio::test(flavor = "multi_thread")]
#[cfg(target_os = "linux")]
#[ignore = "make chaos"]
async fn five_gibibytes_are_delivered_in_less_than_64_mebibytes() {
    let peak = delivered(5 * 1024).await;
    println!("5 GiB in {} MiB", peak / MIB);
    assert!(peak < 64 * MIB, "{} MiB", peak / MIB);
}
