//! How many messages a second a worker that does nothing gets through, with a server that syncs every write.
//! `cargo bench -p queue`; a figure for people, not a test.

use std::time::Instant;

use chrono::Utc;
use domain::facts::{DestinationId, End, SessionEnded};
use domain::{ApplianceTime, Family, Kind};
use messages::Fact;
use nats_server::NatsServer;
use queue::*;
use tokio_util::sync::CancellationToken;

const MESSAGES: usize = 5_000;

struct Idle;

impl Worker for Idle {
    fn name(&self) -> &'static str {
        "idle"
    }

    fn destination(&self) -> Option<DestinationId> {
        None
    }

    async fn work(&self, tasks: &[Task], _: &Lease) -> Result<Vec<Outcome>, Failure> {
        Ok(tasks.iter().map(|_| Ok(Done::nothing())).collect())
    }

    async fn probe(&self) -> Result<(), Failure> {
        Ok(())
    }
}

fn end(number: usize) -> Fact {
    Fact::SessionEnded(SessionEnded {
        site: "support.example.com".parse().expect("a host"),
        family: Family::Session,
        lsid: format!("{number:032x}").parse().expect("an id"),
        end: End::Seen,
        noticed_at: ApplianceTime::read_off(Utc::now()),
    })
}

async fn through(log: &Log, name: &str, slots: usize, batch_max: usize) {
    let site = "support.example.com".parse().expect("a host");
    let route = Route {
        name: format!("bench-{slots}-{batch_max}"),
        ..Route::fetch(log, &site, Kind::SessionData).batched(batch_max)
    };
    let stop = CancellationToken::new();
    let runner = Runner::new(log.clone(), Idle, vec![route.clone()], RunnerOptions::slots(slots));
    let began = Instant::now();
    let running = tokio::spawn(runner.run(stop.clone()));
    loop {
        let state = log.route_state(&route).await.expect("the log answers");
        if state.is_some_and(|state| state.settled_to >= MESSAGES as u64) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let rate = MESSAGES as f64 / began.elapsed().as_secs_f64();
    stop.cancel();
    running.await.expect("no panic").expect("it runs well");
    println!("{name}, {slots} slots: {rate:.0} messages/s");
}

#[tokio::main]
async fn main() {
    let server = NatsServer::start();
    let log = Log::connect(&LogOptions::plain(&server.url(), "bench")).await.expect("a log");
    let facts: Vec<Fact> = (0..MESSAGES).map(end).collect();
    let began = Instant::now();
    log.announce_all(&facts).await.expect("the log takes facts");
    println!("announced: {:.0} messages/s", MESSAGES as f64 / began.elapsed().as_secs_f64());
    for slots in [1, 2, 8, 32] {
        through(&log, "singly", slots, 1).await;
    }
    for (slots, batch_max) in [(1, 100), (2, 500)] {
        through(&log, &format!("in batches of {batch_max}"), slots, batch_max).await;
    }
}
