//! Three real sinks, each a process of its own, one of which is killed every other moment.

use std::path::Path;
use std::pin::pin;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chrono::Utc;
use domain::facts::{Again, AgainMode, Asked};
use domain::{ArtifactId, Family};
use messages::Fact;
use nats_server::NatsServer;
use sql_sink::store::Store;

use crate::house::{House, check, is_complete};
use crate::reports::{self, Dice, Report};
use crate::suite::{Database, opened};

const SESSIONS: usize = 10_000;
/// Names another number of them, for those who can't wait.
const VARIABLE: &str = "SLUICE_LOAD_SESSIONS";
const EVENTS_MEAN: u32 = 30;
const SINKS: usize = 3;
/// The most sessions that are delivered between one kill and the next: by progress, not by time, so that a slow machine
/// gets to an end.
const KILL_EVERY_SESSIONS: usize = 500;
const LOOK_EVERY: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(3_600);

/// A sink that is killed with this value.
struct Sink(Child);

impl Sink {
    fn start(folder: &Path, address: &str) -> Self {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log"));
        let child = Command::new(env!("CARGO_BIN_EXE_sluice-sql-sink"))
            .env("SLUICE_SETTINGS", folder.join("sluice.toml"))
            .env("WAREHOUSE", address)
            .env("SECRET", "secret")
            .env("SLUICE_LOG", "info")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.expect("a writable folder"))
            .spawn();
        Sink(child.expect("the program is built with its tests"))
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn settings(house: &House, server: &NatsServer, target: &str) -> String {
    let mut text = format!(
        "[log]\nurl = {:?}\n[staging]\nurl = {:?}\n[retry]\nattempts = 4\nfirst = \"1s\"\nlongest = \"2s\"\n",
        server.url(),
        format!("file://{}", house.folder.path().join("staging").display()),
    );
    let mut transfers = String::new();
    for (label, product) in [("support", "remote-support"), ("access", "privileged-remote-access")]
    {
        text += &format!(
            "[site.{label}]\nhost = \"{label}.example.com\"\nproduct = {product:?}\nclient_id = \"x\"\n\
             client_secret = {{ env = \"SECRET\" }}\n"
        );
        transfers += &format!(
            "  {{ site = {label:?}, destination = \"warehouse\", kinds = [\"session-data\"] }},\n"
        );
    }
    text += &format!("[destination.warehouse]\n{target}\nstore_system_information = true\n");
    text + &format!("[schedule.all]\nevery = \"5m\"\ntransfers = [\n{transfers}]\n")
}

/// Ten thousand sessions, some of them several times, by three processes that are killed at random: the end is what
/// the reports say, and nobody had to do anything about it.
pub async fn load_while_processes_die<D: Database>(database: &D, target: &str) {
    let mut dice = Dice::new();
    let server = NatsServer::start();
    let house = House::build(&server, None).await;
    let sessions = std::env::var(VARIABLE).ok().and_then(|text| text.parse().ok());
    let sessions = sessions.unwrap_or(SESSIONS);
    let reports = reports::staged(sessions, EVENTS_MEAN, &mut dice).await;
    let store = opened(database).await;
    let folder = house.folder.path();
    std::fs::write(folder.join("sluice.toml"), settings(&house, &server, target))
        .expect("a writable folder");
    let start = || Sink::start(folder, &database.address());

    let began = Instant::now();
    let mut sinks: Vec<Sink> = (0..SINKS).map(|_| start()).collect();
    let mut staging = pin!(async {
        let (tasks, ()) = tokio::join!(house.stage(&reports), ask_again(&house, &store, &reports));
        (house.expected(&reports, &tasks).await, began.elapsed())
    });
    let mut staged = None;
    let mut kills = 0;
    let mut kill_at = 1;
    // They die while more is staged, too.
    let (expected, staged) = loop {
        tokio::select! {
            all = &mut staging, if staged.is_none() => staged = Some(all),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        if let Some((expected, _)) = &staged
            && is_complete(&store, expected).await
        {
            break staged.expect("it is complete");
        }
        assert!(began.elapsed() < PATIENCE, "{}", logged(folder));
        if delivered(&store).await >= kill_at {
            let victim = dice.below(SINKS);
            sinks[victim] = start();
            kills += 1;
            kill_at = delivered(&store).await + 1 + dice.below(KILL_EVERY_SESSIONS);
        }
    };
    let took = began.elapsed();
    let dead = house.log.dead_letters().list().await.expect("a log");
    assert!(dead.is_empty(), "{dead:?}");
    let rows = check(&store, &expected).await;
    println!(
        "{}: {} sessions, {} reports staged in {:.0} s, {rows} rows, {SINKS} processes, {kills} kills: {:.0} s",
        store.place(),
        expected.len(),
        reports.len(),
        staged.as_secs_f64(),
        took.as_secs_f64()
    );
}

async fn delivered<S: Store>(store: &S) -> usize {
    store.ledger_rows().await.map_or(0, |rows| rows.len())
}

fn logged(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap_or_default()
}

/// Meanwhile some are asked for again, in any order, whether they were delivered or not.
async fn ask_again<S: Store>(house: &House, store: &S, reports: &[Report]) {
    for (number, report) in reports.iter().rev().step_by(40).enumerate() {
        let artifact =
            ArtifactId::report(report.site.clone(), Family::Session, report.lsid.clone());
        let again = Fact::Again(Again {
            artifact,
            to: Asked::Deliver(store.identity().clone()),
            ask: format!("load-{number}"),
            mode: if number % 2 == 0 { AgainMode::IfMissing } else { AgainMode::EvenIfDone },
            why: "a test asks".to_owned(),
            asked_by: "a test".to_owned(),
            asked_at: Utc::now(),
            destinations: Vec::new(),
            import: None,
        });
        house.log.publish(&again).await.expect("it can be published");
    }
}
