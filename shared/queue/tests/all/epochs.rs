//! A log that is found set back begins a new life, and takes back what was kept elsewhere.

use crate::support::*;
use domain::Revision;
use domain::facts::ArtifactStaged;
use messages::Fact;
use queue::{Log, Published, Route};

async fn revision(log: &Log, position: u64) -> Revision {
    log.revision_at(position).await.expect("the log answers")
}

async fn publish(log: &Log, number: usize, content: &str) -> u64 {
    log.publish(&staged(number, content)).await.expect("the log takes it")
}

async fn outlived(log: &Log, named: Revision) -> bool {
    log.outlived_by(named).await.expect("the log answers")
}

fn kept(number: usize, content: &str, revision: Revision) -> ArtifactStaged {
    match staged(number, content) {
        Fact::ArtifactStaged(staged) => ArtifactStaged { revision: Some(revision), ..staged },
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_that_was_lost_is_given_again_under_a_higher_epoch() {
    let log = log().await;
    let last = publish(&log, 1, "a").await;
    let held = Revision { position: last + 7, ..revision(&log, last).await };
    assert!(!outlived(&log, revision(&log, last).await).await, "what it gave is no news");
    assert!(outlived(&log, held).await);
    assert!(!outlived(&log, held).await, "once is enough");
    let next = publish(&log, 2, "b").await;
    assert!(revision(&log, next).await > held);
    assert_eq!(revision(&log, last).await.epoch, held.epoch, "what it has stays what it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_find_it_set_back_one_opens_the_epoch_and_all_see_it() {
    let server = nats_server::NatsServer::shared();
    let log = log().await;
    let last = publish(&log, 1, "a").await;
    let held = Revision { position: last + 1, ..revision(&log, last).await };
    let mut others = Vec::new();
    for _ in 0..8 {
        let other = log_at(server, log.subjects().prefix()).await;
        others.push(tokio::spawn(async move {
            let opened = outlived(&other, held).await;
            (opened, other.epoch().await.expect("the log answers"))
        }));
    }
    let mut opened = 0;
    let mut epochs = std::collections::BTreeSet::new();
    for other in others {
        let (by_it, epoch) = other.await.expect("it does not panic");
        opened += usize::from(by_it);
        epochs.insert(epoch);
    }
    assert_eq!((opened, epochs.len()), (1, 1));
    // One that has known the log from before finds out by itself.
    let next = publish(&log, 2, "b").await;
    assert!(epochs.contains(&revision(&log, next).await.epoch));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_put_back_keeps_its_revision_and_its_order_and_doubles_nothing() {
    let log = log().await;
    let old = |position| Revision { epoch: 5, position };
    for (content, position, news) in
        [("a", 3, true), ("b", 9, true), ("a", 3, false), ("b", 9, false)]
    {
        let restored = log.restore(&kept(1, content, old(position))).await;
        assert_eq!(restored.expect("the log takes it"), news, "{content}");
    }
    let last = log.last_staged(&report(1)).await.expect("the log answers").expect("it stands");
    assert_eq!(last.fact.revision, Some(old(9)));
    let newer = log.publish_after(&staged(1, "c"), last.sequence).await.expect("it is taken");
    assert!(matches!(newer, Published::At(_)));
    let late = log.restore(&kept(1, "b", old(9))).await;
    assert!(!late.expect("the log answers"), "what is newer stays the last");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_follows_through_an_opening() {
    let log = log().await;
    let route = Route::deliver(&log, &destination(), &site(), domain::Kind::SessionData);
    log.ensure_route(&route).await.expect("it is made");
    let last = publish(&log, 1, "a").await;
    assert!(outlived(&log, Revision { epoch: u64::MAX - 9, position: 1 }).await);
    publish(&log, 2, "b").await;
    let state = log.route_state(&route).await.expect("the log answers").expect("it is there");
    assert_eq!(state.waiting, 2, "the opening is no message of a route's");
    assert!(revision(&log, last + 2).await.epoch > u64::MAX - 9);
}
