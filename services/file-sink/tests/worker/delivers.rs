//! The worker, with a real log and a real staging.

use chrono::Utc;
use domain::Conflict;
use domain::facts::{Again, AgainMode, Asked, Deed};
use messages::Fact;
use queue::{Done, Failure, Worker as _};

use crate::house::{House, task};
use crate::stand::{self, rules};

fn deeds(done: &Done) -> Vec<(Deed, &str)> {
    done.activity.iter().map(|activity| (activity.deed, activity.note.as_str())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_staged_artifact_becomes_a_file_and_a_redelivery_changes_nothing() {
    let house = House::build().await;
    let task = house.stage("1", b"one").await;
    let done = house.work(&task).await.expect("delivered");
    assert_eq!(deeds(&done), [(Deed::Delivered, "1.xml")]);
    let again = house.work(&task).await.expect("delivered again");
    assert_eq!(deeds(&again), []);
    assert_eq!(house.files(), [("1.xml".to_owned(), 3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_large_is_copied_whole_and_not_at_all_if_it_was_damaged() {
    let house = House::build().await;
    let content: Vec<u8> = (0..5_000_000_u32).map(|at| (at % 90) as u8 + 32).collect();
    let (whole, damaged) = (house.stage("large", &content).await, house.stage("2", &content).await);
    house.work(&whole).await.expect("delivered");
    let Fact::ArtifactStaged(staged) = &damaged.fact else { unreachable!("it is one") };
    let mut other = content.clone();
    other[4_000_000] ^= 1;
    let path = house.staged.path().join(&staged.claim.object);
    std::fs::write(path, other).expect("it can be damaged");
    assert!(matches!(house.work(&damaged).await, Err(Failure::Retry(_))));
    let file = std::fs::read(house.destination.path().join("large.xml")).expect("it is there");
    assert!(file == content);
    assert_eq!(house.files(), [("large.xml".to_owned(), content.len())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_gone_is_asked_for_and_its_name_is_free() {
    let house = House::build().await;
    let task = house.stage("1", b"one").await;
    let Fact::ArtifactStaged(staged) = &task.fact else { unreachable!("it is one") };
    house.staging.remove(&staged.claim.object).await.expect("removed");
    let done = house.work(&task).await.expect("settled");
    assert!(matches!(&done.announce[..], [Fact::Again(again)] if again.to == Asked::Fetch));
    let entries = stand::open(house.destination.path(), rules(Conflict::Skip));
    assert_eq!(entries.entries().expect("the ledger").count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_object_is_not_delivered_and_its_name_is_free() {
    let house = House::build().await;
    let task = house.stage("1", b"one").await;
    let Fact::ArtifactStaged(staged) = &task.fact else { unreachable!("it is one") };
    let path = house.staged.path().join(&staged.claim.object);
    std::fs::write(path, "two").expect("it can be damaged");
    assert!(matches!(house.work(&task).await, Err(Failure::Retry(_))));
    assert_eq!(house.files(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_is_not_there_is_down_until_it_is_back() {
    let house = House::build().await;
    let task = house.stage("1", b"one").await;
    let (here, away) = (house.destination.path().join(".sluice"), house.staged.path().join("away"));
    std::fs::rename(&here, &away).expect("it can be moved");
    assert!(matches!(house.work(&task).await, Err(Failure::Down(_))));
    assert!(house.sink.probe().await.is_err());
    std::fs::rename(&away, &here).expect("it can be moved back");
    house.sink.probe().await.expect("it is back");
    house.work(&task).await.expect("delivered");
    assert_eq!(house.files(), [("1.xml".to_owned(), 3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_gets_a_file_again_that_was_moved_away() {
    let house = House::build().await;
    let staged = house.stage("1", b"one").await;
    house.work(&staged).await.expect("delivered");
    std::fs::remove_file(house.destination.path().join("1.xml")).expect("it is there");
    let Fact::ArtifactStaged(fact) = &staged.fact else { unreachable!("it is one") };
    let again = Again {
        artifact: fact.artifact.clone(),
        to: Asked::Deliver(house.sink.destination().expect("it serves one")),
        ask: "person".to_owned(),
        mode: AgainMode::EvenIfDone,
        why: "lost".to_owned(),
        asked_by: "a person".to_owned(),
        asked_at: Utc::now(),
        destinations: Vec::new(),
        import: None,
    };
    let task = task(Fact::Again(again), 99);
    house.work(&task).await.expect("delivered");
    assert_eq!(house.files(), [("1.xml".to_owned(), 3)]);
}
