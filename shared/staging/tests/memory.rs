//! The promise that memory does not grow with content; alone in its process, so that only it is measured.

use std::io;

use bytes::Bytes;
use domain::{ArtifactId, Slot};
use futures::{StreamExt, TryStreamExt, stream};
use staging::Staging;

const MIB: u64 = 1 << 20;

/// The most memory that this process ever had, in bytes.
fn memory_peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line =
        status.lines().find(|line| line.starts_with("VmHWM:")).expect("Linux tells the peak");
    let kib = line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok());
    kib.expect("the peak is a number") * 1024
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_large_stream_goes_in_and_out_in_flat_memory() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let url = format!("file://{}", folder.path().display());
    let staging = Staging::open(&url).await.expect("it can be opened");
    let site = "access.example.com".parse().expect("a host");
    let artifact = ArtifactId::backup(site, Slot::at(chrono::DateTime::UNIX_EPOCH));

    let before = memory_peak();
    let pieces = stream::iter(0..256 * 16).map(|n: u32| {
        Ok::<_, io::Error>(Bytes::from(vec![u8::try_from(n % 251).expect("below 251"); 64 << 10]))
    });
    let staged = staging.put(&artifact, "nsb", pieces).await.expect("it is staged");
    assert_eq!(staged.size, 256 * MIB);
    let digest = staged.digest;
    let claim = staged.claim(digest, "nsb");
    let content = staging.open_checked(&claim).await.expect("it is there");
    let read = content.try_fold(0, async |sum, piece| Ok(sum + piece.len() as u64)).await;
    assert_eq!(read.expect("it is whole"), 256 * MIB);

    let grown = memory_peak() - before;
    assert!(grown < 40 * MIB, "memory grew by {} MiB", grown / MIB);
}
