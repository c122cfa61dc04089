//! Promises of staging, in buckets.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use domain::facts::ClaimCheck;
use domain::{ArtifactId, Family};
use futures::{StreamExt, TryStreamExt, stream};
use object_stores::{Bucket, Gate, Way, buckets};
use objects::Store;
use staging::{PutError, Staged, Staging, StagingError};

fn store(bucket: &Bucket) -> Store {
    Store::open_bucket(&bucket.url, bucket.settings.clone()).expect("a bucket")
}

async fn opened(bucket: &Bucket) -> Staging {
    Staging::within(store(bucket)).await.expect("it can be opened")
}

fn report() -> ArtifactId {
    let site = "access.example.com".parse().expect("a host");
    ArtifactId::report(site, Family::Session, "../odd".parse().expect("an LSID"))
}

async fn stage(staging: &Staging, content: &[u8]) -> Staged {
    let pieces: Vec<_> = content
        .chunks(100_000)
        .map(|piece| Ok::<_, io::Error>(Bytes::copy_from_slice(piece)))
        .collect();
    staging.put(&report(), "xml", stream::iter(pieces)).await.expect("it is staged")
}

fn claim(staged: &Staged) -> ClaimCheck {
    staged.clone().claim(staged.digest, "xml")
}

/// An error with its causes.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_staged_is_read_back_with_its_fact_and_both_go_together() {
    for (stand_in, bucket) in buckets() {
        let staging = opened(&bucket).await;
        // More than one part.
        let large: Vec<u8> = (0..18_000_000_u32).map(|at| (at % 251) as u8).collect();
        for content in [b"<session/>".as_slice(), &large] {
            let staged = stage(&staging, content).await;
            let claim = claim(&staged);
            assert!(staging.holds(&claim).await.expect("it answers"));
            let read = staging.read_whole(&claim, 1 << 30).await.expect("it is whole");
            assert!(read == content);
            assert!(staging.open_file(&claim).await.expect("it is there").is_none(), "no file");
            staging.lay_fact(&staged.object, b"fact").await.expect("it is laid");
            let fact = staging.read_fact(&staged.object).await.expect("it answers");
            assert_eq!(fact.as_deref(), Some(b"fact".as_slice()));
        }
        let days = staging.days().await.expect("it can be listed");
        let [day] = days.iter().collect::<Vec<_>>()[..] else { panic!("one day: {days:?}") };
        let laid = staging.laid(day).await.expect("it can be listed").concat();
        assert_eq!(laid.len(), 2);
        for laid in laid {
            staging.remove(&laid.object).await.expect("it can be removed");
            assert!(!staging.fact_laid(&laid.object).await.expect("it answers"));
        }
        assert_eq!(staging.objects("").count().await, 0);
        staging.set_epoch(b"7").await.expect("it is written");
        staging.probe().await.expect("it is well");
        let again = opened(&bucket).await;
        assert_eq!(again.epoch().await.expect("it answers").as_deref(), Some(b"7".as_slice()));
        assert!(again.room().is_none(), "a bucket tells of no room");
        assert_eq!(stand_in.unfinished(&bucket).unwrap_or(0), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_breaks_off_shows_nothing_and_leaves_no_parts() {
    for (stand_in, bucket) in buckets() {
        let staging = opened(&bucket).await;
        let begun = (0..90).map(|_| Ok(Bytes::from(vec![0; 200_000])));
        let broken = begun.chain([Err(io::Error::other("cut"))]);
        let put = staging.put(&report(), "flv", stream::iter(broken)).await;
        assert!(matches!(put, Err(PutError::Content { .. })), "{put:?}");
        assert_eq!(staging.objects("").count().await, 0);
        assert_eq!(stand_in.unfinished(&bucket).unwrap_or(0), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_somebody_emptied_is_down_and_not_without_objects() {
    for (_, bucket) in buckets() {
        let (staging, before) = (opened(&bucket).await, opened(&bucket).await);
        let staged = stage(&staging, b"x").await;
        let store = store(&bucket);
        let names: Vec<String> = store
            .list("")
            .map_ok(|object| object.name)
            .try_collect()
            .await
            .expect("it can be listed");
        for name in names {
            store.delete(&name).await.expect("it can be deleted");
        }
        let error = staging.open_checked(&claim(&staged)).await.expect_err("nothing is there");
        assert!(error.is_down() && !error.is_lost(), "{error}");
        assert!(told(&error).contains("is it the same bucket?"), "{}", told(&error));
        assert!(staging.holds(&claim(&staged)).await.is_err());
        let probe = staging.probe().await;
        assert!(matches!(probe, Err(StagingError::Unmarked { .. })), "{probe:?}");
        // To whoever looks now it may never have been there, and looking makes nothing.
        let put = before.put(&report(), "flv", stream::iter(pieces())).await;
        let error = put.expect_err("nothing is laid into what is not staging");
        assert!(
            error.is_down() && told(&error).contains("is it the same bucket?"),
            "{}",
            told(&error)
        );
        assert_eq!(store.list("").count().await, 0);
        Staging::check_store(store.clone()).await.expect("it can be written");
        assert_eq!(store.list("").count().await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_not_there_says_so_at_the_start_and_while_it_is_used() {
    for (_, bucket) in buckets() {
        let mut elsewhere = bucket.clone();
        elsewhere.url = elsewhere.url.replace("bucket-", "nothing-");
        let error = Staging::within(store(&elsewhere)).await.expect_err("there is no such bucket");
        assert!(told(&error).contains("there is no bucket"), "{}", told(&error));

        let (gate, through) = Gate::before(&bucket);
        let staging = opened(&through).await;
        let staged = stage(&staging, b"x").await;
        let code = match bucket.url.starts_with("s3") {
            true => "<Error><Code>NoSuchBucket</Code></Error>",
            false => "<Error><Code>ContainerNotFound</Code></Error>",
        };
        gate.set(Way::Answered("404 Not Found", code));
        let error = staging.holds(&claim(&staged)).await.expect_err("it is not there now");
        assert!(error.is_down() && told(&error).contains("there is no bucket"), "{}", told(&error));
        gate.set(Way::Open);
        assert!(staging.holds(&claim(&staged)).await.expect("it is there again"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_cut_is_the_stores_fault_and_the_next_one_is_whole() {
    let cutting = buckets().into_iter().map(async |(_, bucket)| {
        let (gate, through) = Gate::before(&bucket);
        let staging = opened(&through).await;
        gate.set(Way::ClosedAfter(12_000_000));
        let put = staging.put(&report(), "flv", stream::iter(pieces())).await;
        let error = put.expect_err("it was cut");
        assert!(error.is_down(), "{error}");
        gate.set(Way::Open);
        assert_eq!(staging.objects("").count().await, 0);
        let staged = staging.put(&report(), "flv", stream::iter(pieces())).await;
        let staged = staged.expect("the store is well");
        assert_eq!(staged.size, 18_000_000);
        staging.open_checked(&claim(&staged)).await.expect("it is there");
    });
    futures::future::join_all(cutting).await;
}

/// 18 MB: more than one part.
fn pieces() -> impl Iterator<Item = Result<Bytes, io::Error>> {
    (0..90).map(|_| Ok(Bytes::from(vec![7; 200_000])))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_slowly_is_read_whole_also_when_it_breaks_off() {
    // Longer than any request may take, and than the client itself goes on where it broke off.
    const PAUSE: Duration = Duration::from_secs(33);
    let reading = buckets().into_iter().map(async |(_, bucket)| {
        let (gate, through) = Gate::before(&bucket);
        let staging = opened(&through).await;
        let staged = staging.put(&report(), "flv", stream::iter(pieces())).await;
        let claim = claim(&staged.expect("it is staged"));
        let mut content = staging.open_checked(&claim).await.expect("it is there");
        let mut size = content.try_next().await.expect("it comes").expect("a piece").len();
        tokio::time::sleep(PAUSE).await;
        gate.set(Way::Closed);
        let opening = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            gate.set(Way::Open);
        };
        let rest = async {
            while let Some(piece) = content.try_next().await.expect("it goes on") {
                size += piece.len();
            }
        };
        tokio::join!(opening, rest);
        assert_eq!(size, 18_000_000);
    });
    futures::future::join_all(reading).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_falls_silent_is_down_soon() {
    let looking = buckets().into_iter().map(async |(_, bucket)| {
        let (gate, through) = Gate::before(&bucket);
        let staging = opened(&through).await;
        let staged = stage(&staging, b"x").await;
        gate.set(Way::Silent);
        let began = std::time::Instant::now();
        let error = staging.open_checked(&claim(&staged)).await.expect_err("it says nothing");
        assert!(error.is_down() && told(&error).contains("nothing came"), "{}", told(&error));
        // Before the lease of whoever wants it ends.
        assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
        gate.set(Way::Open);
        staging.open_checked(&claim(&staged)).await.expect("it is well");
    });
    futures::future::join_all(looking).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_leaves_nothing() {
    for (_, bucket) in buckets() {
        let (gate, through) = Gate::before(&bucket);
        let staging = opened(&through).await;
        gate.set(Way::Answered("403 Forbidden", "<Error><Code>AccessDenied</Code></Error>"));
        staging.probe().await.expect_err("it can't be written");
        gate.set(Way::Open);
        staging.probe().await.expect("it can be written");
        let left = store(&bucket).list(".sluice").count().await;
        assert_eq!(left, 1, "the mark");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_the_store_gave_up_or_has_no_room_for_is_the_stores_fault() {
    for (stand_in, bucket) in buckets() {
        for (status, code) in
            [("404 Not Found", "NoSuchUpload"), ("403 Forbidden", "QuotaExceeded")]
        {
            let (gate, through) = Gate::before(&bucket);
            let staging = opened(&through).await;
            let body: &'static str = format!("<Error><Code>{code}</Code></Error>").leak();
            let turning = pieces().enumerate().map(|(at, piece)| {
                if at == 45 {
                    gate.set(Way::Answered(status, body));
                }
                piece
            });
            let put = staging.put(&report(), "flv", stream::iter(turning)).await;
            let error = put.expect_err("it is refused");
            assert!(error.is_down(), "{}", told(&error));
            assert_eq!(error.is_full(), code == "QuotaExceeded", "{}", told(&error));
            gate.set(Way::Open);
            assert_eq!(staging.objects("").count().await, 0);
            let staged = staging.put(&report(), "flv", stream::iter(pieces())).await;
            staging.remove(&staged.expect("the store is well").object).await.expect("it can be");
        }
        // Nobody could tell the store to forget the parts.
        assert!(stand_in.unfinished(&bucket).is_none_or(|count| count == 2));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_away_as_a_process_starts_is_waited_for() {
    for (_, bucket) in buckets() {
        let (gate, through) = Gate::before(&bucket);
        gate.set(Way::Answered("500 Internal Server Error", ""));
        let store = store(&through);
        let (opened, ()) =
            tokio::join!(Staging::within_patiently(store, Duration::from_secs(60)), async {
                tokio::time::sleep(Duration::from_secs(10)).await;
                gate.set(Way::Open);
            });
        opened.expect("it came back");
        gate.set(Way::Answered("403 Forbidden", "<Error><Code>AccessDenied</Code></Error>"));
        let refused =
            Staging::within_patiently(self::store(&through), Duration::from_secs(60)).await;
        assert!(told(&refused.expect_err("it is refused")).contains("AccessDenied"));
    }
}
