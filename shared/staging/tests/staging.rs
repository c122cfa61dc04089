//! Promises of staging, on a local disk.

use std::io;
use std::path::Path;

use bytes::Bytes;
use domain::facts::ClaimCheck;
use domain::{ArtifactId, Digest, Family};
use futures::{StreamExt, TryStreamExt, stream};
use small_disk::Mount;
use staging::{OpenError, PutError, Staged, Staging, StagingError};

struct Place {
    folder: tempfile::TempDir,
    staging: Staging,
}

async fn place() -> Place {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let url = format!("file://{}", folder.path().display());
    let staging = Staging::open(&url).await.expect("it can be opened");
    Place { folder, staging }
}

fn report() -> ArtifactId {
    let site = "access.example.com".parse().expect("a host");
    ArtifactId::report(site, Family::Session, "../odd".parse().expect("an LSID"))
}

fn claim(staged: &Staged) -> ClaimCheck {
    staged.clone().claim(staged.digest, "xml")
}

async fn stage(staging: &Staging, text: &'static str) -> Staged {
    let content = stream::iter([Ok::<_, io::Error>(Bytes::from_static(text.as_bytes()))]);
    staging.put(&report(), "xml", content).await.expect("it is staged")
}

#[tokio::test]
async fn what_was_staged_is_read_back_and_verified() {
    let Place { staging, folder: _folder } = place().await;
    let staged = stage(&staging, "<session/>").await;
    assert_eq!(staged.digest, Digest::of(b"<session/>"));
    let whole = staging.read_whole(&claim(&staged), 100).await.expect("it is whole");
    assert_eq!(whole, "<session/>");
    assert!(staging.holds(&claim(&staged)).await.expect("staging is up"));
    let limited = staging.read_whole(&claim(&staged), 9).await;
    assert!(matches!(limited, Err(OpenError::TooLarge { .. })), "{limited:?}");
}

#[tokio::test]
async fn two_attempts_are_two_objects() {
    let Place { staging, folder: _folder } = place().await;
    let (one, two) = (stage(&staging, "1").await, stage(&staging, "1").await);
    assert_ne!(one.object, two.object);
    let objects: Vec<_> = staging.objects("").try_collect().await.expect("it can be listed");
    assert_eq!(objects.len(), 2);
}

#[tokio::test]
async fn content_that_breaks_off_leaves_nothing() {
    let Place { staging, folder: _folder } = place().await;
    let content = stream::iter([
        Ok(Bytes::from(vec![0; 3_000_000])),
        Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
    ]);
    let error = staging.put(&report(), "flv", content).await.expect_err("it broke off");
    assert!(matches!(error, PutError::Content { .. }) && !error.is_down(), "{error:?}");
    assert_eq!(staging.objects("").count().await, 0);
}

#[tokio::test]
async fn a_put_that_is_cancelled_leaves_nothing() {
    let Place { staging, folder: _folder } = place().await;
    let begun = stream::iter([Ok::<_, io::Error>(Bytes::from(vec![0; 3_000_000]))]);
    let (told, mut seen) = tokio::sync::mpsc::channel(1);
    let endless = begun.chain(stream::once(async move {
        told.send(()).await.expect("the test waits for it");
        std::future::pending().await
    }));
    let artifact = report();
    tokio::select! {
        done = staging.put(&artifact, "flv", endless) => panic!("{done:?}"),
        _ = seen.recv() => {}
    }
    assert_eq!(staging.objects("").count().await, 0);
}

#[tokio::test]
async fn a_gone_object_is_gone_and_a_changed_one_differs() {
    let Place { staging, folder } = place().await;
    let staged = stage(&staging, "<session/>").await;
    std::fs::write(folder.path().join(&staged.object), "<SESSION/>").expect("it can be changed");
    let changed = staging.read_whole(&claim(&staged), 100).await.expect_err("it was changed");
    assert!(matches!(changed, OpenError::Differs { .. }) && changed.is_lost(), "{changed}");
    std::fs::write(folder.path().join(&staged.object), "<").expect("it can be cut");
    assert!(!staging.holds(&claim(&staged)).await.expect("staging is up"));
    staging.remove(&staged.object).await.expect("it can be removed");
    let gone = staging.open_checked(&claim(&staged)).await.expect_err("it is gone");
    assert!(matches!(gone, OpenError::Gone { .. }) && !gone.is_down(), "{gone}");
}

#[tokio::test]
async fn staging_is_found_only_where_it_was_made_and_looking_makes_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("staging");
    let url = format!("file://{}", path.display());
    assert!(Staging::find(&url).await.expect("it can be told").is_none());
    assert!(!path.exists());
    std::fs::create_dir(&path).expect("a writable folder");
    assert!(Staging::find(&url).await.expect("it can be told").is_none());
    assert_eq!(std::fs::read_dir(&path).expect("a folder").count(), 0);
    Staging::open(&url).await.expect("it can be opened");
    assert!(Staging::find(&url).await.expect("it can be told").is_some());
}

#[tokio::test]
async fn an_unmounted_share_is_down_and_not_empty() {
    let Place { staging, folder } = place().await;
    let staged = stage(&staging, "x").await;
    std::fs::remove_dir_all(folder.path()).expect("it can be removed");
    std::fs::create_dir(folder.path()).expect("as an empty mount point");
    let error = staging.open_checked(&claim(&staged)).await.expect_err("nothing is there");
    assert!(error.is_down() && !error.is_lost(), "{error}");
    assert!(staging.holds(&claim(&staged)).await.is_err());
    assert!(staging.fact_laid(&staged.object).await.is_err());
    let probe = staging.probe().await;
    assert!(matches!(probe, Err(StagingError::Unmarked { .. })), "{probe:?}");
}

#[tokio::test]
async fn a_fact_lies_beside_its_object_and_goes_with_it() {
    let Place { staging, folder: _folder } = place().await;
    let staged = stage(&staging, "x").await;
    assert!(!staging.fact_laid(&staged.object).await.expect("staging is up"));
    for fact in ["one", "two"] {
        staging.lay_fact(&staged.object, fact.as_bytes()).await.expect("it is laid");
    }
    assert!(staging.fact_laid(&staged.object).await.expect("staging is up"));
    let fact = staging.read_fact(&staged.object).await.expect("staging is up");
    assert_eq!(fact.as_deref(), Some(b"two".as_slice()));
    staging.remove(&staged.object).await.expect("it can be removed");
    assert_eq!(staging.read_fact(&staged.object).await.expect("staging is up"), None);
}

#[tokio::test]
async fn staging_remembers_its_epoch_and_probes_leave_nothing() {
    let Place { staging, folder } = place().await;
    assert_eq!(staging.epoch().await.expect("staging is up"), None);
    staging.set_epoch(b"7").await.expect("it is written");
    assert_eq!(staging.epoch().await.expect("staging is up").as_deref(), Some(b"7".as_slice()));
    staging.probe().await.expect("staging is up");
    let own = std::fs::read_dir(folder.path().join(".sluice")).expect("it is there");
    assert_eq!(own.count(), 2);
}

#[tokio::test]
async fn facts_are_gone_through_artifact_by_artifact_and_never_without_their_object() {
    let Place { staging, folder } = place().await;
    let mut objects = Vec::new();
    for (text, fact) in [("1", true), ("22", true), ("333", false), ("4444", true)] {
        let staged = stage(&staging, text).await;
        if fact {
            staging.lay_fact(&staged.object, b"fact").await.expect("it is laid");
        }
        objects.push(staged.object);
    }
    std::fs::remove_file(folder.path().join(&objects[3])).expect("it is there");
    let days = staging.days().await.expect("it can be listed");
    let day = days.first().expect("there is one");
    let laid = staging.laid(day).await.expect("it can be listed");
    let [laid] = laid.as_slice() else { panic!("one artifact: {laid:?}") };
    let mut sizes: Vec<u64> = laid.iter().map(|laid| laid.size).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 2]);
    let last = staging.laid_last(2).await.expect("it can be listed");
    assert_eq!(last.len(), 2);
    assert!(last.contains(&objects[3]), "the last one that was laid: {last:?}");
}

/// The files on a disk, but for our own and for what fills it.
fn files(on: &Path) -> usize {
    let (mut folders, mut files) = (vec![on.to_owned()], 0);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("a readable folder").path();
            match path.is_dir() {
                true if path.ends_with(".sluice") => {}
                true => folders.push(path),
                false if path.ends_with("ballast") => {}
                false => files += 1,
            }
        }
    }
    files
}

#[tokio::test]
async fn a_disk_that_fills_at_each_tenth_of_an_object_has_nothing_of_it_and_then_all() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let Some(disk) = Mount::small(16, folder.path()) else { return };
    let url = format!("file://{}", folder.path().display());
    let staging = Staging::open(&url).await.expect("it can be opened");
    let pieces: Vec<Bytes> = (0..10_u8).map(|piece| Bytes::from(vec![piece; 900_000])).collect();
    let whole = pieces.concat();
    for tenth in 0..10 {
        let filling = pieces.iter().cloned().enumerate().map(|(at, piece)| {
            if at == tenth {
                disk.fill();
            }
            Ok::<_, io::Error>(piece)
        });
        let put = staging.put(&report(), "flv", stream::iter(filling)).await;
        let error = put.expect_err("there is no room for it");
        assert!(error.is_full() && error.is_down(), "{tenth}: {error:?}");
        assert_eq!(files(folder.path()), 0, "{tenth}: something is left of it");
        // What the attempt had has become room again.
        disk.fill();
        Staging::open(&url).await.expect("what is full can be opened");
        staging.probe_reading().await.expect("what is full can be read");
        assert!(staging.probe().await.is_err(), "{tenth}: it can't be written");
        disk.free();
        let again = stream::iter(pieces.iter().cloned().map(Ok::<_, io::Error>));
        let staged = staging.put(&report(), "flv", again).await.expect("there is room");
        let read = staging.read_whole(&claim(&staged), 1 << 30).await.expect("it is whole");
        assert!(read == whole, "{tenth}");
        staging.remove(&staged.object).await.expect("it can be removed");
    }
}
