//! Killed workers: the healthy ones lose nothing, and the one that kills them is found.

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::*;
use domain::facts::Verdict;
use futures::FutureExt;
use nats_server::NatsServer;
use queue::*;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

/// A process of its own, as far as a test can have one: runtime, connection, log and runner end at once.
struct Life(Option<Runtime>);

impl Life {
    fn begin<W: Worker>(
        server: &NatsServer,
        prefix: &'static str,
        slots: usize,
        worker: impl FnOnce() -> W + Send + 'static,
    ) -> Life {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let options =
            LogOptions { prefix: prefix.to_owned(), ..LogOptions::plain(&server.url(), "a life") };
        runtime.spawn(async move {
            let log = Log::connect(&options).await.expect("the server takes a log");
            let runner = Runner::new(log.clone(), worker(), vec![short(&log)], quick(slots));
            runner.run(CancellationToken::new()).await
        });
        Life(Some(runtime))
    }

    fn kill(mut self) {
        self.0.take().expect("it lives").shutdown_background();
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

fn short(log: &Log) -> Route {
    Route { ack_wait: Duration::from_millis(800), ..route(log) }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_kills_of_a_healthy_worker_make_no_dead_letter() {
    let server = NatsServer::start();
    let log = log_at(&server, "healthy").await;
    announce_ends(&log, 40).await;
    let done = Arc::new(Mutex::new(BTreeSet::new()));
    for kill in 0..=10 {
        let (working, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (in_work, out, all) = (Arc::clone(&working), Arc::clone(&ended), Arc::clone(&done));
        let worker = move || {
            Scripted::singly(move |number| {
                in_work.fetch_add(1, SeqCst);
                let (in_work, out, all) =
                    (Arc::clone(&in_work), Arc::clone(&out), Arc::clone(&all));
                async move {
                    tokio::time::sleep(Duration::from_millis(30)).await;
                    all.lock().expect("unpoisoned").insert(number);
                    in_work.fetch_sub(1, SeqCst);
                    out.fetch_add(1, SeqCst);
                    Ok(Done::nothing())
                }
            })
        };
        let life = Life::begin(&server, "healthy", 4, worker);
        if kill < 10 {
            until("some are done and some in work", async || {
                ended.load(SeqCst) > 0 && working.load(SeqCst) > 0
            })
            .await;
            life.kill();
        } else {
            until_settled(&log, &short(&log)).await;
        }
    }
    assert_eq!(*done.lock().expect("unpoisoned"), (0..40).collect());
    no_dead_letters(&log).await;
    assert_eq!(remembered(&log).await, Vec::<String>::new());
}

/// Lives are taken by session 3: whoever handles it does not come back. `further` is how far it says that it came.
async fn lives_with_a_killer(
    server: &NatsServer,
    prefix: &'static str,
    further: impl Fn(u64) -> u64,
    ended: impl AsyncFn(&Log, u64) -> bool,
) -> (Log, Arc<Mutex<BTreeSet<usize>>>, u64) {
    let log = log_at(server, prefix).await;
    announce_ends(&log, 12).await;
    let done = Arc::new(Mutex::new(BTreeSet::new()));
    let mut kills = 0;
    loop {
        let struck = CancellationToken::new();
        let (strike, all, progress) = (struck.clone(), Arc::clone(&done), further(kills));
        let worker = move || {
            Scripted::batches(move |tasks, lease| {
                let (number, strike, all) = (number(&tasks[0]), strike.clone(), Arc::clone(&all));
                async move {
                    if number == 3 {
                        lease.progressed(progress);
                        // Long enough for the progress to be written down, where there is any.
                        tokio::time::sleep(Duration::from_millis(if progress > 0 {
                            1_500
                        } else {
                            0
                        }))
                        .await;
                        strike.cancel();
                        pending::<()>().await;
                    }
                    all.lock().expect("unpoisoned").insert(number);
                    Ok(vec![Ok(Done::nothing())])
                }
                .boxed()
            })
        };
        let life = Life::begin(server, prefix, 2, worker);
        let over =
            until("a kill, or the end", async || struck.is_cancelled() || ended(&log, kills).await);
        over.await;
        life.kill();
        if !struck.is_cancelled() {
            return (log, done, kills);
        }
        kills += 1;
        if ended(&log, kills).await {
            return (log, done, kills);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_kills_its_worker_is_given_up_and_the_others_are_done() {
    let server = NatsServer::start();
    // Killed before it has let the message go, a worker leaves it to the next one to bury it, and to count once more.
    let is_buried = async |log: &Log, _| {
        let letters = log.dead_letters().list().await.expect("an answer");
        !letters.is_empty() && remembered(log).await.is_empty()
    };
    let (log, done, kills) = lives_with_a_killer(&server, "killer", |_| 0, is_buried).await;
    // Twice among others, five times alone.
    assert_eq!(kills, 7);
    let life =
        Life::begin(&server, "killer", 2, || Scripted::singly(async |_| Ok(Done::nothing())));
    until_settled(&log, &short(&log)).await;
    life.kill();
    let letters = log.dead_letters().list().await.expect("the log answers");
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].letter.verdict, Verdict::KilledItsWorker);
    assert_eq!(
        (letters[0].letter.artifact.clone(), letters[0].letter.attempts),
        (Some(report(3)), 7)
    );
    assert!(!done.lock().expect("unpoisoned").contains(&3));
    assert_eq!(remembered(&log).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_gets_further_with_every_kill_is_not_given_up() {
    let server = NatsServer::start();
    let enough = async |_: &Log, kills| kills >= 9;
    let further = |kills| 1_000 + 1_000 * kills;
    let (log, done, _) = lives_with_a_killer(&server, "further", further, enough).await;
    no_dead_letters(&log).await;
    assert_eq!(done.lock().expect("unpoisoned").len(), 11);
}
