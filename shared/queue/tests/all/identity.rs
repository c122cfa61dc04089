//! What is known of destinations: how far they came, where their routes begin, what an identity took the place of.

use crate::support::*;
use chrono::{TimeDelta, Utc};
use domain::facts::{Again, AgainMode, Asked, Import};
use domain::{DestinationId, Held, Kind, Revision};
use messages::Fact;
use queue::*;

fn at(position: u64) -> Revision {
    Revision { epoch: 1, position }
}

fn other() -> DestinationId {
    DestinationId::from_random([8; 16])
}

async fn stage(log: &Log, numbers: std::ops::Range<usize>) {
    for number in numbers {
        log.publish(&staged(number, "content")).await.expect("the log takes it");
    }
}

fn to(log: &Log, destination: &DestinationId) -> Route {
    Route::deliver(log, destination, &site(), Kind::SessionData)
}

async fn state(log: &Log, route: &Route) -> RouteState {
    log.route_state(route).await.expect("the log answers").expect("the route is there")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_marks_is_raised_by_many_and_never_lowered() {
    let log = log().await;
    let mut raising = Vec::new();
    for position in [5, 9, 3, 7, 9, 1] {
        let marks = log.known_marks(&destination()).await.expect("the log answers");
        raising.push(tokio::spawn(async move { marks.raise("a", at(position)).await }));
    }
    for raised in raising {
        raised.await.expect("it does not panic").expect("the log takes it");
    }
    let marks = log.known_marks(&destination()).await.expect("the log answers");
    marks.raise("b", at(2)).await.expect("the log takes it");
    let all = marks.all().await.expect("the log answers");
    assert_eq!(all.iter().collect::<Vec<_>>(), [("a", at(9)), ("b", at(2))]);
    let others = log.known_marks(&other()).await.expect("the log answers");
    assert!(others.all().await.expect("the log answers").is_empty(), "each has its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_begins_with_what_comes_or_at_a_time_and_says_where_that_was() {
    let log = log().await;
    stage(&log, 0..3).await;
    let (before, after) = (Utc::now(), other());
    stage(&log, 3..5).await;
    for (start, destination, waiting, begins_at) in [
        (Start::New, destination(), 0, 6),
        (Start::Since(before), after, 2, 4),
        (Start::Since(before - TimeDelta::days(1)), DestinationId::from_random([1; 16]), 5, 0),
        (Start::Since(Utc::now() + TimeDelta::days(1)), DestinationId::from_random([2; 16]), 0, 6),
        (Start::At(5), DestinationId::from_random([3; 16]), 1, 5),
    ] {
        let route = to(&log, &destination).starting(start);
        log.ensure_route(&route).await.expect("it is made");
        let state = state(&log, &route).await;
        assert_eq!((state.waiting, state.begins_at), (waiting, begins_at), "{start:?}");
    }
    // It stays where it began, whatever is asked for later.
    let route = to(&log, &destination()).starting(Start::All);
    log.ensure_route(&route).await.expect("it is there");
    assert_eq!(state(&log, &route).await.begins_at, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stood_before_the_start_of_a_route_is_not_asked_for() {
    let log = log().await;
    stage(&log, 0..3).await;
    let route = to(&log, &destination()).starting(Start::New);
    log.ensure_route(&route).await.expect("it is made");
    stage(&log, 3..4).await;
    let begun = Deliveries::begin(&log, &destination(), [(site(), Kind::SessionData)]).await;
    let mut ledger = Ledger::default();
    ledger.note(&report(0), Held::Revision(Revision { epoch: u64::MAX, position: 1 }));
    let begun = begun.expect("the log answers");
    let counts = begun.against(&ledger, Period::default()).await.expect("the log answers");
    let expected = Counts { checked: 4, complete: 1, settled: 2, waiting: 1, missing: 0, asked: 0 };
    assert_eq!(counts, expected);
}

fn import(number: usize) -> Fact {
    let Fact::ArtifactStaged(staged) = staged(number, "old") else { panic!("it is staged") };
    Fact::Again(Again {
        artifact: staged.artifact,
        to: Asked::Deliver(destination()),
        ask: "import-1".to_owned(),
        mode: AgainMode::IfMissing,
        why: "a person imports".to_owned(),
        asked_by: "a person".to_owned(),
        asked_at: Utc::now(),
        destinations: Vec::new(),
        import: Some(Import { claim: staged.claim, particulars: staged.particulars }),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_that_takes_anothers_place_begins_where_that_began_and_has_its_imports() {
    let log = log().await;
    stage(&log, 0..3).await;
    let old = to(&log, &destination()).starting(Start::New);
    let again = Route::again_deliver(&log, &destination());
    for route in [&old, &again] {
        log.ensure_route(route).await.expect("it is made");
    }
    stage(&log, 3..5).await;
    log.announce(&import(9)).await.expect("the log takes it");

    log.prepare_succession(&destination(), &other(), Some(destination()))
        .await
        .expect("it is written");
    let succession = log.succession(&other()).await.expect("the log answers").expect("it is there");
    let new = to(&log, &other());
    let start = succession.start_of(&new.name, &other()).expect("the old one had this route");
    let (new, new_again) = (new.starting(start), Route::again_deliver(&log, &other()));
    for route in [&new, &new_again] {
        log.ensure_route(route).await.expect("it is made");
    }
    assert_eq!(log.end_succession(&succession, &other()).await.expect("the log answers"), 2);
    assert_eq!(log.end_succession(&succession, &other()).await.expect("a repeat is harmless"), 0);

    assert_eq!(state(&log, &new).await.waiting, 2, "from where the old one began");
    assert_eq!(state(&log, &new_again).await.waiting, 1, "the import");
    assert_eq!(log.route_state(&old).await.expect("the log answers"), None);
    // The same older copy is put back a second time: its routes are gone, where they began is known.
    let third = DestinationId::from_random([9; 16]);
    log.prepare_succession(&destination(), &third, Some(other())).await.expect("it is written");
    let succession = log.succession(&third).await.expect("the log answers").expect("it is there");
    assert_eq!(succession.start_of(&to(&log, &third).name, &third), Some(start));
    // What it overwrote has no routes any more either.
    assert_eq!(log.end_succession(&succession, &third).await.expect("the log answers"), 2);
    assert_eq!(log.route_state(&new).await.expect("the log answers"), None);
}

/// A destination that was lost, and is filled by a replay of all of it, under this identity.
async fn refilled(log: &Log, old: &DestinationId, new: &DestinationId) -> Route {
    let of = vec![(site(), Kind::SessionData)];
    let asked = log.ask_replay(old, of, Period::default(), "a person").await;
    let replay = asked.expect("the log takes it");
    log.prepare_refill(old, new, &[replay]).await.expect("it is written");
    let succession = log.succession(new).await.expect("the log answers").expect("it is there");
    let begin = Beginning::new(Start::All, Some(succession));
    let routes = begin.routes(log, new, vec![to(log, new)]).await.expect("they are made");
    routes.into_iter().find(|route| route.name == to(log, new).name).expect("it is one of them")
}

async fn end_replays(log: &Log, destination: &DestinationId) {
    for replay in log.replays_to(destination).await.expect("the log answers") {
        log.end_replay(&replay).await.expect("it is ended");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_replay_had_brought_is_wanted_still_after_the_next_loss() {
    let log = log().await;
    log.ensure_route(&to(&log, &destination())).await.expect("it is made");
    is_wanted_still_after_the_next_loss(&log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_replay_brings_of_a_kind_that_is_new_is_wanted_still_after_the_next_loss() {
    is_wanted_still_after_the_next_loss(&log().await).await;
}

async fn is_wanted_still_after_the_next_loss(log: &Log) {
    stage(log, 0..3).await;
    let filled = refilled(log, &destination(), &other()).await;
    assert_eq!(state(log, &filled).await.waiting, 0, "the replay brings what is there");
    end_replays(log, &other()).await;

    // It is lost once more, and a person asks for a part: the routes bring the rest.
    let third = DestinationId::from_random([9; 16]);
    let period = Period { since: Some(Utc::now() - TimeDelta::days(1)), until: None };
    let part =
        log.ask_replay(&other(), vec![(site(), Kind::SessionData)], period, "a person").await;
    log.prepare_refill(&other(), &third, &[part.expect("the log takes it")])
        .await
        .expect("it is written");
    let succession = log.succession(&third).await.expect("the log answers").expect("it is there");
    assert_eq!(succession.start_of(&to(log, &third).name, &third), Some(Start::All));

    // Or a copy is put back that was made while it was being filled.
    let fourth = DestinationId::from_random([8; 16]);
    log.prepare_succession(&other(), &fourth, None).await.expect("it is written");
    let succession = log.succession(&fourth).await.expect("the log answers").expect("it is there");
    assert_eq!(succession.start_of(&to(log, &fourth).name, &fourth), Some(Start::All));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_replay_is_to_bring_waits_and_is_missed_when_the_replay_has_ended() {
    let log = log().await;
    stage(&log, 0..3).await;
    log.ensure_route(&to(&log, &destination())).await.expect("it is made");
    refilled(&log, &destination(), &other()).await;
    let compare = async || {
        let begun = Deliveries::begin(&log, &other(), [(site(), Kind::SessionData)]).await;
        let begun = begun.expect("the log answers");
        let counts = begun.against(&Ledger::default(), Period::default()).await;
        counts.expect("the log answers")
    };
    let nothing = Counts { checked: 3, complete: 0, settled: 0, waiting: 0, missing: 0, asked: 0 };
    assert_eq!(compare().await, Counts { waiting: 3, ..nothing });
    end_replays(&log, &other()).await;
    assert_eq!(compare().await, Counts { missing: 3, asked: 3, ..nothing });
}
