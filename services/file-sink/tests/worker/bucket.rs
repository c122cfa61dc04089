//! The worker, into a bucket.

use domain::{Conflict, Digest};
use file_sink::{Bucket, Directory, NoClobber, WithoutIdentity};
use object_stores::StandIn;
use objects::Store;
use queue::{Failure, Worker as _};
use tokio::runtime::Handle;

use crate::house::House;
use crate::stand::rules;

async fn open(store: &Store, without: WithoutIdentity) -> Result<Directory, String> {
    let bucket = Bucket::new(store.clone(), Some("STANDARD_IA".to_owned()), Handle::current());
    let opened = tokio::task::spawn_blocking(move || {
        Directory::open_bucket(bucket, rules(Conflict::AppendNumber), without)
    });
    opened.await.expect("it does not panic").map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn content_of_any_size_becomes_an_object_with_its_details_and_storage_class() {
    let Some(stand_in) = StandIn::s3() else {
        println!("skipped: there is no moto_server (make tools)");
        return;
    };
    let bucket = stand_in.bucket();
    let store = Store::open_bucket(&bucket.url, bucket.settings).expect("a bucket");
    let directory = open(&store, WithoutIdentity::New).await.expect("it can be opened");
    assert_eq!(directory.no_clobber(), NoClobber::ConditionalPut);
    let folder = tempfile::tempdir().expect("a folder");
    let house = House::with(folder, directory).await;
    house.sink.probe().await.expect("it can be written");
    // One in a single request, one in three parts.
    let large: Vec<u8> = (0..18_000_000_u32).map(|at| (at % 251) as u8).collect();
    for (lsid, content) in [("small", b"one".as_slice()), ("large", large.as_slice())] {
        let task = house.stage(lsid, content).await;
        house.work(&task).await.expect("delivered");
        house.work(&task).await.expect("delivered again");
        let name = format!("{lsid}.xml");
        let (object, digest) =
            store.detail(&name, "sha256").await.expect("it can be read").expect("it is there");
        assert_eq!(object.size, content.len() as u64);
        assert_eq!(digest, Some(Digest::of(content).to_string()));
        let (_, told) =
            store.detail(&name, "lsid").await.expect("it can be read").expect("it is there");
        assert_eq!(told.as_deref(), Some(lsid));
        let (read, _) =
            store.read_record(&name).await.expect("it can be read").expect("it is there");
        assert!(read == content, "{lsid}");
    }
    let left: Vec<_> = store.names(".sluice/locks").await.expect("it can be listed");
    assert_eq!(left, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_lost_its_ledger_is_down_and_stays_as_it_is() {
    let Some(stand_in) = StandIn::s3() else {
        println!("skipped: there is no moto_server (make tools)");
        return;
    };
    let bucket = stand_in.bucket();
    let store = Store::open_bucket(&bucket.url, bucket.settings.clone()).expect("a bucket");
    assert!(
        open(&store, WithoutIdentity::Down).await.is_err_and(|why| why.contains("lost the ledger"))
    );
    let directory = open(&store, WithoutIdentity::New).await.expect("it can be opened");
    let house = House::with(tempfile::tempdir().expect("a folder"), directory).await;
    let task = house.stage("1", b"one").await;
    store.delete(".sluice/identity.json").await.expect("it can be removed");
    assert!(matches!(house.work(&task).await, Err(Failure::Down(_))));
    assert!(house.sink.probe().await.is_err());
    assert!(store.head("1.xml").await.is_err_and(|error| error.is_gone()));
    let nowhere = bucket.url.replace("s3://bucket-", "s3://no-bucket-");
    let nowhere = Store::open_bucket(&nowhere, bucket.settings).expect("a URL");
    assert!(open(&nowhere, WithoutIdentity::New).await.is_err());
}
