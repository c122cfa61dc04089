use std::collections::BTreeSet;
use std::sync::Arc;

use appliance_simulator::{Fault, Options, Simulator};
use chrono::Utc;
use domain::Slot;
use service::Health;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{PollerError, run, run_once};
use crate::rig::{Rig, settings, site_table, until};
use crate::{RunRecord, Runs};

fn few(host: &str) -> Options {
    Options { sessions: 10, host: host.to_owned(), ..Options::default() }
}

/// A schedule that moves these kinds of the sites with these labels.
fn schedule(every: &str, sites: &[&str], kinds: &str) -> String {
    let transfers: String = sites
        .iter()
        .map(|site| {
            format!("{{ site = \"{site}\", destination = \"archive\", kinds = [{kinds}] }},")
        })
        .collect();
    format!("[schedule.regular]\nevery = \"{every}\"\ntransfers = [{transfers}]\n")
}

async fn rig(every: &str, kinds: &str) -> Arc<Rig> {
    let lines = schedule(every, &["hq"], kinds);
    Arc::new(Rig::with(few("hq.example.com"), &lines).await)
}

async fn once(rig: &Rig) -> super::Swept {
    let stop = CancellationToken::new();
    run_once(&rig.settings, &rig.log, &rig.clients(), &stop).await.expect("the log answers")
}

struct Poller {
    stop: CancellationToken,
    health: Health,
    task: JoinHandle<Result<(), PollerError>>,
}

impl Poller {
    fn start(rig: &Arc<Rig>) -> Poller {
        let (stop, health, rig) = (CancellationToken::new(), Health::new(), rig.clone());
        let (stopped, told) = (stop.clone(), health.clone());
        let task = tokio::spawn(async move {
            run(&rig.settings, &rig.log, &rig.clients(), &told, &stopped).await
        });
        Poller { stop, health, task }
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.expect("it does not panic").expect("it ends in good order");
    }
}

async fn record(rig: &Rig) -> Option<RunRecord> {
    let runs = Runs::open(&rig.log).await.expect("the server runs");
    runs.of("regular", &rig.host()).await.expect("the server runs")
}

async fn has_succeeded(rig: &Rig) -> bool {
    record(rig).await.is_some_and(|record| record.last_success_at.is_some())
}

#[tokio::test]
async fn a_schedule_that_never_ran_runs_at_once() {
    let rig = rig("7d", "\"session-data\"").await;
    let poller = Poller::start(&rig);
    until("it ran", async || has_succeeded(&rig).await).await;
    until("it is ready", async || poller.health.is_ready()).await;
    poller.end().await;
    let record = record(&rig).await.expect("it ran");
    assert_eq!((record.sessions_announced, record.failure, record.lease), (10, None, None));
    assert!(record.covered_until.is_some());
    rig.expect_announced(&rig.sessions(|session| session.end.is_some())).await;
}

#[tokio::test]
async fn a_run_that_was_made_is_not_made_again_by_a_restart() {
    let rig = rig("7d", "\"session-data\"").await;
    once(&rig).await;
    let before = (record(&rig).await, rig.listings());
    let poller = Poller::start(&rig);
    until("it is ready", async || poller.health.is_ready()).await;
    poller.end().await;
    assert_eq!((record(&rig).await, rig.listings()), before);
}

#[tokio::test]
async fn a_run_that_fails_records_its_failure_and_moves_nothing() {
    let rig = rig("7d", "\"session-data\"").await;
    once(&rig).await;
    let good = record(&rig).await.expect("it ran");
    rig.site.add_sessions(1);
    rig.site.add_fault(Fault::Down { seconds: None });
    let swept = once(&rig).await;
    let bad = record(&rig).await.expect("it ran");
    assert_eq!(swept.runs, std::slice::from_ref(&bad));
    assert!(bad.failure.expect("it failed").contains("hq.example.com"));
    assert!(bad.started_at > good.started_at && bad.finished_at > good.finished_at);
    assert_eq!(
        (bad.slot, bad.last_success_at, bad.covered_until),
        (good.slot, good.last_success_at, good.covered_until)
    );
    rig.site.clear_faults();
    rig.site.advance_clock(1);
    assert_eq!(once(&rig).await.sessions, 1);
    assert_eq!(record(&rig).await.expect("it ran").failure, None);
}

#[tokio::test]
async fn a_backup_is_due_once_a_slot() {
    let rig = rig("1d", "\"site-backup\"").await;
    let first = once(&rig).await;
    assert_eq!((first.backups, first.sessions), (1, 0));
    assert_eq!(once(&rig).await.backups, 0);
    assert_eq!(rig.due().await, 1);
    let slot = record(&rig).await.and_then(|record| record.backup_slot).expect("it was announced");
    assert!(rig.held(rig.backup(slot)).await);
    assert_eq!(slot, rig.settings.schedules[0].timetable.latest(Utc::now()));
}

#[tokio::test]
async fn a_backup_is_due_though_the_scan_fails() {
    let rig = rig("1d", "\"site-backup\", \"session-data\"").await;
    rig.site.add_fault(Fault::Down { seconds: None });
    assert_eq!(once(&rig).await.backups, 1);
    assert_eq!(record(&rig).await.expect("it ran").slot, None, "the slot is still to be run");
    rig.site.clear_faults();
    let swept = once(&rig).await;
    assert_eq!((swept.backups, swept.sessions), (0, 10));
}

#[tokio::test]
async fn a_backup_of_a_slot_that_was_overtaken_is_not_due() {
    let rig = rig("1d", "\"site-backup\"").await;
    once(&rig).await;
    let timetable = rig.settings.schedules[0].timetable;
    let latest = timetable.latest(Utc::now());
    let earlier = Slot::at(latest.instant() - chrono::TimeDelta::days(1));
    assert!(!rig.held(rig.backup(earlier)).await);
}

#[tokio::test]
async fn two_pollers_make_one_run() {
    let rig = rig("7d", "\"session-data\", \"site-backup\"").await;
    rig.site.add_fault(Fault::Delay { millis: 5 });
    let (one, other) = (Poller::start(&rig), Poller::start(&rig));
    until("it ran", async || has_succeeded(&rig).await).await;
    one.end().await;
    other.end().await;
    let sessions = rig.sessions(|session| session.end.is_some());
    assert_eq!(rig.due().await, sessions.len() as u64 + 1);
    assert!(rig.listings() < 200, "{} listings: both scanned", rig.listings());
}

/// How many listings so many pollers make of a first run that two schedules of one site want.
async fn listings_of(pollers: usize) -> u64 {
    let lines = schedule("7d", &["hq"], "\"session-data\"");
    let other = lines.replace("schedule.regular", "schedule.other");
    let rig = Arc::new(Rig::with(few("hq.example.com"), &format!("{lines}{other}")).await);
    rig.site.add_fault(Fault::Delay { millis: 3 });
    let pollers: Vec<Poller> = (0..pollers).map(|_| Poller::start(&rig)).collect();
    let runs = Runs::open(&rig.log).await.expect("the server runs");
    let both_ran = async || {
        let records = runs.all().await.expect("it answers");
        records.iter().filter(|run| run.last_success_at.is_some()).count() == 2
    };
    until("both schedules ran", both_ran).await;
    for poller in pollers {
        poller.end().await;
    }
    rig.listings()
}

#[tokio::test]
async fn three_pollers_ask_for_hardly_more_than_one() {
    let (one, three) = tokio::join!(listings_of(1), listings_of(3));
    println!("listings of a first run of two schedules: {one} by one poller, {three} by three");
    assert!(three <= one + 10, "{one} by one, {three} by three");
}

#[tokio::test]
async fn a_poller_that_is_stopped_leaves_its_run_to_the_next() {
    let rig = rig("7d", "\"session-data\"").await;
    rig.site.add_fault(Fault::Delay { millis: 20 });
    let poller = Poller::start(&rig);
    until("it has begun", async || rig.listings() > 5).await;
    poller.end().await;
    let left = record(&rig).await.expect("it has begun");
    assert_eq!((left.lease, left.finished_at), (None, None));
    let next = Poller::start(&rig);
    until("it ran", async || has_succeeded(&rig).await).await;
    next.end().await;
    assert!(rig.listings() < 200, "{} listings: it began anew", rig.listings());
    rig.expect_announced(&rig.sessions(|session| session.end.is_some())).await;
}

#[tokio::test]
async fn a_dead_site_and_a_slow_one_delay_no_other() {
    let rig = Rig::with(few("hq.example.com"), "").await;
    let (dead, slow) = tokio::join!(
        Simulator::start(few("dead.example.com")),
        Simulator::start(few("slow.example.com")),
    );
    let (dead, slow) = (dead.expect("a free port"), slow.expect("a free port"));
    dead.add_fault(Fault::Down { seconds: None });
    slow.add_fault(Fault::Delay { millis: 3_600_000 });
    let sites = [("hq", &rig.site), ("dead", &dead), ("slow", &slow)];
    let tables: String = sites.iter().map(|(label, site)| site_table(label, site)).collect();
    let schedule = schedule("1m", &["dead", "slow", "hq"], "\"session-data\"");
    let rig = Arc::new(Rig { settings: settings(&format!("{tables}{schedule}")), ..rig });
    let poller = Poller::start(&rig);
    until("the good site's run is done", async || has_succeeded(&rig).await).await;
    let runs = Runs::open(&rig.log).await.expect("the server runs");
    let failed =
        async || runs.all().await.expect("it answers").iter().any(|run| run.failure.is_some());
    until("the dead site's run has failed", failed).await;
    let running: BTreeSet<String> = runs
        .all()
        .await
        .expect("it answers")
        .into_iter()
        .filter(|run| run.is_running(Utc::now()))
        .map(|run| run.site.to_string())
        .collect();
    assert!(running.contains("slow.example.com"), "{running:?}");
    assert!(!poller.health.is_ready() && poller.health.is_alive());
    poller.end().await;
}

#[tokio::test]
async fn a_poller_whose_log_was_lost_ends_and_says_so() {
    let server = nats_server::NatsServer::start();
    let lines = schedule("1m", &["hq"], "\"session-data\"");
    let rig = Arc::new(Rig::on(&server, few("hq.example.com"), &lines).await);
    let poller = Poller::start(&rig);
    until("it ran", async || has_succeeded(&rig).await).await;
    server.restart_empty();
    let ended = tokio::time::timeout(std::time::Duration::from_secs(120), poller.task).await;
    let ended = ended.expect("it ends by itself").expect("it does not panic");
    assert!(matches!(ended, Err(PollerError::RecordsGone)), "{ended:?}");
}

#[tokio::test]
async fn a_poller_is_ready_while_its_first_run_goes_on() {
    let rig = rig("7d", "\"session-data\"").await;
    rig.site.add_fault(Fault::Delay { millis: 3_600_000 });
    let poller = Poller::start(&rig);
    until("it is ready", async || poller.health.is_ready()).await;
    assert!(!has_succeeded(&rig).await);
    poller.end().await;
}

#[tokio::test]
async fn everything_is_scanned_once_a_day_though_the_schedule_is_weekly() {
    let rig = rig("7d", "\"session-data\"").await;
    once(&rig).await;
    rig.a_day_goes_by().await;
    let (listings, run) = (rig.listings(), record(&rig).await);
    let poller = Poller::start(&rig);
    until("everything is scanned", async || rig.listings() >= listings + 170).await;
    poller.end().await;
    assert_eq!(record(&rig).await, run, "no run of the schedule was made");
}
