use std::io;
use std::time::Duration;

use futures::stream;

use super::*;
use crate::Details;

async fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let url = Url::from_directory_path(folder.path()).expect("its path is absolute");
    let store = Store::open(url.as_str()).await.expect("it can be opened");
    (folder, store)
}

fn pieces(sizes: &[usize]) -> Vec<Result<Bytes, io::Error>> {
    sizes.iter().map(|size| Ok(Bytes::from(vec![b'x'; *size]))).collect()
}

async fn names(store: &Store, prefix: &str) -> Vec<String> {
    let mut names: Vec<String> = store
        .list(prefix)
        .map_ok(|object| object.name)
        .try_collect()
        .await
        .expect("the folder can be listed");
    names.sort();
    names
}

#[tokio::test]
async fn what_streams_in_streams_out_and_is_listed_under_its_name() {
    let (_folder, store) = store().await;
    let sizes = [1, 700_000, 2_500_000, 0, 17];
    let size = store.put("a/b/c.flv", stream::iter(pieces(&sizes)), 0).await.expect("it is stored");
    assert_eq!(size, 3_200_018);
    let fetched = store.get("a/b/c.flv").await.expect("it is there");
    assert_eq!(fetched.size, size);
    let read: usize = fetched
        .stream
        .try_fold(0, async |sum, piece| Ok(sum + piece.len()))
        .await
        .expect("it can be read");
    assert_eq!(read as u64, size);
    assert_eq!(names(&store, "").await, ["a/b/c.flv"]);
    assert_eq!(names(&store, "a/b").await, ["a/b/c.flv"]);
    assert_eq!(names(&store, "other").await, [""; 0]);
    assert_eq!(store.head("a/b/c.flv").await.expect("it is there").size, size);
}

#[tokio::test]
async fn a_stream_that_breaks_off_leaves_nothing_and_its_error_is_told_apart() {
    let (folder, store) = store().await;
    let broken =
        pieces(&[3_000_000]).into_iter().chain([Err(io::Error::other("the line went dead"))]);
    match store.put("a/x", stream::iter(broken), 0).await {
        Err(PutError::Content { cause, .. }) => assert_eq!(cause.to_string(), "the line went dead"),
        other => panic!("{other:?}"),
    }
    assert!(store.head("a/x").await.is_err_and(|error| error.is_gone()));
    let left = std::fs::read_dir(folder.path().join("a")).map_or(0, Iterator::count);
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_name_is_created_once() {
    let (_folder, store) = store().await;
    store.put_small("id", Bytes::from_static(b"1"), true).await.expect("it is new");
    let again = store.put_small("id", Bytes::from_static(b"2"), true).await;
    assert!(again.is_err_and(|error| error.is_taken() && !error.is_down()));
    store.put_small("id", Bytes::from_static(b"34"), false).await.expect("it may be replaced");
    assert_eq!(store.head("id").await.expect("it is there").size, 2);
}

#[tokio::test]
async fn what_came_in_parts_gets_its_own_name_or_none() {
    let (_folder, store) = store().await;
    let part = Bytes::from(vec![b'x'; LOCAL_PART_BYTES]);
    let mut upload = store.upload("a", Details::default(), 0).expect("it is a name");
    for _ in 0..3 {
        upload.append(part.clone()).await.expect("it is taken");
    }
    upload.flush().await.expect("it is taken");
    store.put_small("a", Bytes::from_static(b"another's"), true).await.expect("it is new");
    assert!(!upload.complete("a", true).await.expect("it is asked"));
    assert!(!upload.can_have("b") && !upload.complete("b", true).await.expect("it is asked"));
    upload.abort().await;
    assert!(!upload.can_have("a"));
    assert_eq!(names(&store, "").await, ["a"]);
    assert_eq!(store.head("a").await.expect("it is there").size, 9);
}

#[tokio::test]
async fn what_is_uploaded_is_cut_into_parts_and_comes_whole() {
    let (_folder, store) = store().await;
    for size in [0, 1, LOCAL_PART_BYTES, LOCAL_PART_BYTES + 1, 3 * LOCAL_PART_BYTES - 1] {
        let content: Bytes = (0..size).map(|at| (at % 251) as u8).collect();
        let mut upload = store.upload("a", Details::default(), 0).expect("it is a name");
        let mut rest = content.clone();
        while !rest.is_empty() {
            let piece = rest.split_to(rest.len().min(700_001));
            upload.append(piece).await.expect("it is taken");
        }
        upload.flush().await.expect("it is taken");
        assert!(upload.complete("a", false).await.expect("it is taken"));
        let read = store.read_record("a").await.expect("it can be read");
        assert!(read.is_some_and(|(bytes, _)| bytes == content), "{size}");
    }
}

#[tokio::test]
async fn deleting_twice_is_success_and_leaves_no_empty_folders() {
    let (folder, store) = store().await;
    store.put_small("a/b/c", Bytes::new(), false).await.expect("it is stored");
    store.delete("a/b/c").await.expect("it is deleted");
    store.delete("a/b/c").await.expect("it is gone");
    assert!(!folder.path().join("a").exists());
}

#[tokio::test]
async fn a_name_cannot_leave_the_store() {
    let (_folder, store) = store().await;
    for name in ["", "..", "../x", "a/../../x", "/etc/passwd", "a//b", "a/", "."] {
        let refused = store.head(name).await;
        assert!(matches!(refused, Err(StoreError::Name { .. })), "{name:?}: {refused:?}");
    }
}

#[tokio::test]
async fn a_folder_that_vanished_is_down_and_not_empty() {
    let (folder, store) = store().await;
    drop(folder);
    let error = store.get("a").await.err().expect("nothing can be read");
    assert!(error.is_down() && !error.is_gone(), "{error}");
}

#[tokio::test]
async fn what_a_killed_put_left_is_swept_and_objects_are_not() {
    let (folder, store) = store().await;
    store.put_small("a/whole", Bytes::new(), false).await.expect("it is stored");
    std::fs::write(folder.path().join("a/half#1"), "x").expect("it can be written");
    assert_eq!(store.sweep_unfinished(Duration::from_secs(3600)).await.expect("readable"), 0);
    assert_eq!(store.sweep_unfinished(Duration::ZERO).await.expect("readable"), 1);
    assert_eq!(names(&store, "").await, ["a/whole"]);
}

#[tokio::test]
async fn what_could_not_be_completed_leaves_nothing() {
    let (folder, store) = store().await;
    std::fs::create_dir_all(folder.path().join("a/b")).expect("it can be made");
    let content = Bytes::from(vec![7; 2 * LOCAL_PART_BYTES]);
    let whole = stream::iter([Ok::<_, io::Error>(content)]);
    let error = store.put("a/b", whole, 0).await.expect_err("a folder stands there");
    let left = std::fs::read_dir(folder.path().join("a")).expect("it is there");
    let left: Vec<_> = left.map(|entry| entry.expect("it is there").file_name()).collect();
    assert_eq!(left, ["b"], "{error}");
}

#[tokio::test]
async fn what_is_no_url_says_how_one_is_written() {
    for url in ["", "/srv/x", "srv", "file://host/x"] {
        let error = Store::open(url).await.expect_err("it is no URL of a store");
        assert!(error.to_string().contains("file:///"), "{url:?}: {error}");
    }
    let remote = Url::parse("https://me:secret@example.com/c?sig=1").expect("it is a URL");
    assert_eq!(without_credentials(&remote), "https://example.com/c");
}
