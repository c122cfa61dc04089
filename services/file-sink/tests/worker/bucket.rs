//! The worker, into buckets: what is written with an object, and stores that are down, forbidden or not there.

use std::time::Duration;

use domain::{Conflict, Digest};
use file_sink::{Bucket, Directory, Found, NoClobber, WithoutIdentity};
use object_stores::{Gate, Way, buckets};
use objects::{Details, Store};
use queue::{Failure, Worker as _};
use tokio::runtime::Handle;

use crate::house::House;
use crate::stand::rules;

fn store(bucket: &object_stores::Bucket) -> Store {
    Store::open_bucket(&bucket.url, bucket.settings.clone()).expect("a bucket")
}

async fn open(
    store: &Store,
    class: Option<&str>,
    without: WithoutIdentity,
) -> Result<Directory, String> {
    let bucket = Bucket::new(store.clone(), class.map(str::to_owned), Handle::current());
    let opened = tokio::task::spawn_blocking(move || {
        Directory::open_bucket(bucket, rules(Conflict::AppendNumber), without)
    });
    opened.await.expect("it does not panic").map_err(|error| told(&error))
}

/// An error with its causes.
fn told(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

async fn house(store: &Store) -> House {
    let directory = open(store, None, WithoutIdentity::New).await.expect("it can be opened");
    House::with(tempfile::tempdir().expect("a folder"), directory).await
}

/// More than one part, and more than one request takes.
fn large() -> Vec<u8> {
    (0..18_000_000_u32).map(|at| (at % 251) as u8).collect()
}

async fn read(store: &Store, name: &str) -> Option<Vec<u8>> {
    store.read_record(name).await.expect("it can be read").map(|(bytes, _)| bytes.into())
}

#[tokio::test(flavor = "multi_thread")]
async fn content_of_any_size_becomes_an_object_with_its_details_and_storage_class() {
    for (stand_in, bucket) in buckets() {
        let (store, class) = (store(&bucket), stand_in.storage_class());
        let directory = open(&store, Some(class), WithoutIdentity::New).await;
        let directory = directory.expect("it can be opened");
        assert_eq!(directory.no_clobber(), NoClobber::ConditionalPut);
        let house = House::with(tempfile::tempdir().expect("a folder"), directory).await;
        house.sink.probe().await.expect("it can be written");
        // One in a single request, one in parts.
        let large = large();
        for (lsid, content) in [("small", b"one".as_slice()), ("large", large.as_slice())] {
            let task = house.stage(lsid, content).await;
            house.work(&task).await.expect("delivered");
            house.work(&task).await.expect("delivered again");
            let name = format!("{lsid}.xml");
            assert!(read(&store, &name).await.is_some_and(|read| read == content), "{lsid}");
            let head = stand_in.head(&bucket, &name);
            let digest = Digest::of(content).to_string();
            let details = [
                ("sha256", digest.as_str()),
                ("lsid", lsid),
                ("site", "support.example.com"),
                ("kind", "session-data"),
            ];
            for (name, value) in details {
                assert!(head.contains(&format!("-meta-{name}: {value}\r\n")), "{head}");
            }
            assert!(head.contains(&format!(": {}\r\n", class.to_lowercase())), "{head}");
        }
        let left: Vec<_> = store.names(".sluice/locks").await.expect("it can be listed");
        assert_eq!(left, [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn details_in_any_script_come_back_as_they_were() {
    for (_, bucket) in buckets() {
        let store = store(&bucket);
        let text = "Zürich 名前 100 % \u{202e}\n";
        let texts = [("site", text.to_owned())].into();
        let details = Details { texts, ..Details::default() };
        let mut upload = store.upload("a", details, 0).expect("it is a name");
        upload.complete("a", true).await.expect("it is taken");
        let (_, told) = store.detail("a", "site").await.expect("readable").expect("it is there");
        assert_eq!(told.as_deref(), Some(text));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_class_that_the_store_does_not_know_is_told_before_anything_is_delivered() {
    for (_, bucket) in buckets() {
        let store = store(&bucket);
        let refused = open(&store, Some("NO_SUCH_CLASS"), WithoutIdentity::New).await;
        let why = refused.expect_err("it is refused");
        assert!(why.contains("\"NO_SUCH_CLASS\": correct `storage_class`"), "{why}");
        // Also where the destination is known by now.
        open(&store, None, WithoutIdentity::New).await.expect("it can be opened");
        assert!(open(&store, Some("NO_SUCH_CLASS"), WithoutIdentity::Down).await.is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_lost_its_ledger_is_down_and_stays_as_it_is() {
    for (_, bucket) in buckets() {
        let store = store(&bucket);
        let unknown = open(&store, None, WithoutIdentity::Down).await;
        assert!(unknown.is_err_and(|why| why.contains("lost the ledger")));
        let house = house(&store).await;
        let task = house.stage("1", b"one").await;
        store.delete(".sluice/identity.json").await.expect("it can be removed");
        assert!(matches!(house.work(&task).await, Err(Failure::Down(_))));
        assert!(house.sink.probe().await.is_err());
        assert!(store.head("1.xml").await.is_err_and(|error| error.is_gone()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_told_what_a_bucket_holds_may_block() {
    for (_, bucket) in buckets() {
        let store = store(&bucket);
        let directory = open(&store, None, WithoutIdentity::New).await.expect("it can be opened");
        for name in ["a.xml", "b/c.xml"] {
            store.put_small(name, "x".into(), true).await.expect("it is new");
        }
        let (sender, mut found) = tokio::sync::mpsc::channel(1);
        let examining = tokio::task::spawn_blocking(move || {
            directory.examine(true, &mut |one| sender.blocking_send(one).expect("it is taken"))
        });
        let mut foreign = Vec::new();
        while let Some(one) = found.recv().await {
            foreign.push(one);
        }
        examining.await.expect("it does not panic").expect("it can be examined");
        foreign.sort_by_key(|one| format!("{one:?}"));
        let wanted = ["a.xml", "b/c.xml"].map(|name| Found::Foreign(name.to_owned()));
        assert_eq!(foreign, wanted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_not_there_is_down_and_the_cure_is_told() {
    for (_, bucket) in buckets() {
        let nowhere = bucket.url.replace("://bucket-", "://no-bucket-");
        let nowhere = Store::open_bucket(&nowhere, bucket.settings.clone()).expect("a URL");
        for without in [WithoutIdentity::New, WithoutIdentity::Down] {
            let why = open(&nowhere, None, without).await.expect_err("it is not there");
            assert!(why.contains("there is no bucket") && why.contains("make it"), "{why}");
        }
        // The same when it goes while it is used.
        let (gate, bucket) = Gate::before(&bucket);
        let house = house(&store(&bucket)).await;
        let task = house.stage("1", b"one").await;
        let code = if bucket.url.starts_with("s3") { NO_SUCH_BUCKET } else { NO_CONTAINER };
        gate.set(Way::Answered("404 Not Found", code));
        let why = match house.work(&task).await {
            Err(Failure::Down(why)) => told(why.as_ref()),
            other => panic!("{other:?}"),
        };
        assert!(why.contains("there is no bucket"), "{why}");
        assert!(house.sink.probe().await.is_err());
        gate.set(Way::Open);
        house.work(&task).await.expect("delivered");
    }
}

const NO_SUCH_BUCKET: &str = "<Error><Code>NoSuchBucket</Code></Error>";
const NO_CONTAINER: &str = "<Error><Code>ContainerNotFound</Code></Error>";

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_refuses_us_is_down_and_says_what_to_check() {
    for (_, bucket) in buckets() {
        let (gate, through) = Gate::before(&bucket);
        let house = house(&store(&through)).await;
        let task = house.stage("1", b"one").await;
        gate.set(Way::Answered("403 Forbidden", "<Error><Code>AccessDenied</Code></Error>"));
        let why = match house.work(&task).await {
            Err(Failure::Down(why)) => told(why.as_ref()),
            other => panic!("{other:?}"),
        };
        let account = if bucket.url.starts_with("s3") { "AWS_ACCESS" } else { "AZURE_STORAGE" };
        assert!(why.contains(account) && why.contains("AccessDenied"), "{why}");
        gate.set(Way::Open);
        house.work(&task).await.expect("delivered");
        // Azurite looks at signatures; moto does not.
        let mut settings = bucket.settings.clone();
        let key = settings.iter_mut().find(|(name, _)| name == "azure_storage_account_key");
        let Some((_, key)) = key else { continue };
        *key = "d3Jvbmc=".to_owned();
        let wrong = Store::open_bucket(&bucket.url, settings).expect("a bucket");
        let why = open(&wrong, None, WithoutIdentity::Down).await.expect_err("it is refused");
        assert!(why.contains("AZURE_STORAGE_ACCOUNT_KEY"), "{why}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_for_a_while_is_down_and_all_is_there_when_it_is_well() {
    for (_, bucket) in buckets() {
        let (gate, through) = Gate::before(&bucket);
        let house = house(&store(&through)).await;
        let task = house.stage("1", b"one").await;
        gate.set(Way::Answered("500 Internal Server Error", ""));
        assert!(matches!(house.work(&task).await, Err(Failure::Down(_))));
        gate.set(Way::Open);
        house.sink.probe().await.expect("it is well");
        house.work(&task).await.expect("delivered");
        assert_eq!(read(&store(&bucket), "1.xml").await.as_deref(), Some(b"one".as_slice()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_cut_in_the_middle_shows_nothing_and_is_sent_again() {
    let cutting = buckets().into_iter().map(async |(stand_in, bucket)| {
        let (gate, through) = Gate::before(&bucket);
        let house = house(&store(&through)).await;
        let large = large();
        let task = house.stage("large", &large).await;
        gate.set(Way::ClosedAfter(12_000_000));
        assert!(matches!(house.work(&task).await, Err(Failure::Down(_))));
        // As after a kill: nobody could tell the store to forget the parts, and its own rules have to.
        assert!(stand_in.unfinished(&bucket).is_none_or(|count| count == 1));
        let direct = store(&bucket);
        assert!(direct.head("large.xml").await.is_err_and(|error| error.is_gone()));
        gate.set(Way::Open);
        house.sink.probe().await.expect("it is well");
        house.work(&task).await.expect("delivered");
        assert!(read(&direct, "large.xml").await.is_some_and(|read| read == large));
    });
    futures::future::join_all(cutting).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_of_something_damaged_is_aborted() {
    for (stand_in, bucket) in buckets() {
        let store = store(&bucket);
        let house = house(&store).await;
        let task = house.stage("large", &large()).await;
        let messages::Fact::ArtifactStaged(staged) = &task.fact else { unreachable!("it is one") };
        let path = house.staged.path().join(&staged.claim.object);
        let mut damaged = large();
        damaged[17_000_000] ^= 1;
        std::fs::write(path, damaged).expect("it can be damaged");
        assert!(matches!(house.work(&task).await, Err(Failure::Retry(_))));
        assert!(store.head("large.xml").await.is_err_and(|error| error.is_gone()));
        let aborted = async {
            while stand_in.unfinished(&bucket).is_some_and(|count| count > 0) {
                tokio::task::yield_now().await;
            }
        };
        let aborted = tokio::time::timeout(Duration::from_secs(30), aborted).await;
        aborted.expect("its parts are given up");
    }
}
