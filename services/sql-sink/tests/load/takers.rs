//! Three sinks in this process take messages that come in any order, some of them several times, and are given up in
//! the midst of their work.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nats_server::NatsServer;
use queue::{Failure, Lease, Log, RetryPolicy, Route, Runner, RunnerOptions, Task, Worker as _};
use sql_sink::SqlSink;
use sql_sink::store::{Store, dump};
use staging::Staging;
use tokio_util::sync::CancellationToken;

use crate::house::{House, check};
use crate::reports::{self, Dice, Report};
use crate::suite::{Database, opened};

const SESSIONS: usize = 300;
const EVENTS_MEAN: u32 = 6;
const TAKERS: usize = 3;
const BATCH_MAX: usize = 40;
/// One batch in so many is given up, and its sink with it.
const GIVEN_UP_ONE_IN: usize = 8;
const GIVEN_UP_WITHIN_MILLIS: usize = 60;
/// None is needed, but for a server that misreads one bulk load in hundreds (where its last token lies across packets).
const RETRIES_MAX: usize = 3;

/// Each failure costs a connection, and its first statements.
const POISON_AMONG: usize = 14;

type Pile = Arc<Mutex<(Vec<Task>, Dice)>>;

/// Each message once or more often, in any order; in the end the tables hold what was staged last.
pub async fn deliver_in_any_order<D: Database>(database: &D) {
    let mut dice = Dice::new();
    let house = House::build(NatsServer::shared(), Some(NatsServer::shared().fresh_prefix())).await;
    let reports = reports::staged(SESSIONS, EVENTS_MEAN, &mut dice).await;
    let tasks = house.stage(&reports).await;
    let expected = house.expected(&reports, &tasks).await;

    let mut pile = tasks.clone();
    pile.extend(tasks.iter().filter(|_| dice.below(3) == 0).cloned());
    dice.shuffle(&mut pile);
    let pile: Pile = Arc::new(Mutex::new((pile, dice)));
    let takers = (0..TAKERS).map(|_| takes(database, &house, Arc::clone(&pile)));
    futures::future::join_all(takers).await;
    check(&opened(database).await, &expected).await;
}

async fn sink<D: Database>(database: &D, log: &Log, staging: &Staging) -> SqlSink<D::Store> {
    SqlSink::new(opened(database).await, log.clone(), staging.clone(), true)
}

/// Takes batches off the pile until it is empty.
async fn takes<D: Database>(database: &D, house: &House, pile: Pile) {
    let mut taker = sink(database, &house.log, &house.staging).await;
    let mut retries = 0;
    while let Some((batch, given_up_after)) = taken(&pile) {
        let lease = Lease::new("load", Duration::from_secs(60));
        let work = tokio::time::timeout(given_up_after, taker.work(&batch, &lease)).await;
        match work {
            Ok(Ok(outcomes)) => {
                for outcome in outcomes {
                    outcome.expect("a report that can be delivered");
                }
            }
            // The runner would try again, and halve the batch: so does the pile.
            Ok(Err(failure)) => {
                assert!(matches!(failure, Failure::Retry(_)), "{failure:?}");
                retries += 1;
                assert!(retries <= RETRIES_MAX, "{failure:?}");
                back(&pile, batch);
            }
            // As if its process were killed: whether it committed, nobody knows.
            Err(_) => {
                back(&pile, batch);
                taker = sink(database, &house.log, &house.staging).await;
            }
        }
    }
}

fn taken(pile: &Pile) -> Option<(Vec<Task>, Duration)> {
    let mut pile = pile.lock().unwrap_or_else(PoisonError::into_inner);
    let (tasks, dice) = &mut *pile;
    let count = (1 + dice.below(BATCH_MAX)).min(tasks.len());
    let batch = tasks.split_off(tasks.len() - count);
    let given_up_after = match dice.below(GIVEN_UP_ONE_IN) {
        0 => Duration::from_millis(dice.below(GIVEN_UP_WITHIN_MILLIS) as u64),
        _ => Duration::from_secs(600),
    };
    (!batch.is_empty()).then_some((batch, given_up_after))
}

fn back(pile: &Pile, batch: Vec<Task>) {
    let mut pile = pile.lock().unwrap_or_else(PoisonError::into_inner);
    let (tasks, dice) = &mut *pile;
    tasks.extend(batch);
    dice.shuffle(tasks);
}

/// Through the real runner: what a batch is refused for, only the message answers for that holds it.
pub async fn poison_stands_alone<D: Database>(database: &D) {
    let mut dice = Dice::new();
    let house = House::build(NatsServer::shared(), Some(NatsServer::shared().fresh_prefix())).await;
    let mut reports = reports::staged(POISON_AMONG, EVENTS_MEAN, &mut dice).await;
    let poisoned = dice.below(reports.len());
    let of = reports[poisoned].clone();
    reports.retain(|report| report.lsid != of.lsid);
    let place = dice.below(reports.len());
    let xml = of.xml.replace("</session_details>", POISON);
    reports.insert(place, Report { xml: xml.into(), ..of.clone() });
    let tasks = house.stage(&reports).await;
    let mut expected = house.expected(&reports, &tasks).await;
    expected.retain(|incoming| incoming.lsid != of.lsid);

    let store = opened(database).await;
    database.poison().await;
    let sites =
        ["support.example.com", "access.example.com"].map(|site| site.parse().expect("a host"));
    let routes = sites.iter().map(|site| {
        Route::deliver(&house.log, store.identity(), site, domain::Kind::SessionData).batched(50)
    });
    let retry = RetryPolicy {
        attempts_max: 2,
        delay_first: Duration::from_millis(50),
        delay_max: Duration::from_millis(50),
    };
    let options = RunnerOptions { retry, ..RunnerOptions::slots(1) };
    let sink = sink(database, &house.log, &house.staging).await;
    let runner = Runner::new(house.log.clone(), sink, routes.collect(), options);
    let stop = CancellationToken::new();
    let running = tokio::spawn(runner.run(stop.clone()));

    let settled = async {
        loop {
            let ledger = store.ledger_rows().await.expect("a database").len();
            let dead = house.log.dead_letters().list().await.expect("a log");
            if ledger >= expected.len() && !dead.is_empty() {
                break dead;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let dead = tokio::time::timeout(Duration::from_secs(240), settled).await.expect("an end");
    stop.cancel();
    running.await.expect("a runner does not panic").expect("a runner that stops well");
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert!(dead[0].subject.contains(of.lsid.as_str()), "{}", dead[0].subject);
    let found = dump(&store).await.expect("a database");
    assert!(!found.to_string().contains("poison"));
    check(&store, &expected).await;
}

const POISON: &str = "<event timestamp=\"1790000000\" event_type=\"Chat Message\"><body>poison</body></event>\
    </session_details>";
