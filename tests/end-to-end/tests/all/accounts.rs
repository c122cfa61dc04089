//! A wrong secret: one login attempt whatever is started and restarted, a plain message, and no locked account.

use end_to_end::{Arrived, Health, Program, Rig, SettingsFile, until};
use nats_server::NatsServer;

const SESSIONS: u64 = 10;
const REFUSED: &str = "refuses the client id or secret of its API account";

async fn rig() -> Rig {
    let mut rig = Rig::new(SESSIONS).await;
    rig.variable("SITE_SECRET", "of yesterday");
    rig
}

/// Has the secret in the settings be the right one from now on.
fn correct(rig: &mut Rig) {
    let right = rig.sites[0].options().client_secret.clone();
    rig.variable("SITE_SECRET", &right);
}

async fn tells_that_it_is_not_ready(health: &Health) {
    until("it says why it is not ready", async || {
        let answer = health.readyz()?;
        (answer.contains(" 503 ") && answer.contains(REFUSED)).then_some(())
    })
    .await;
}

/// How often a program said that it has no login, for any site.
fn refusals(rig: &Rig, program: &str) -> usize {
    rig.logged(program).lines().filter(|line| line.contains("no login")).count()
}

fn assert_one_attempt_each(rig: &Rig) {
    for site in &rig.sites {
        let counters = site.counters();
        assert_eq!((counters.wrong_secrets, counters.logins_refused), (1, 1));
        assert!(!counters.locked_out);
    }
}

async fn assert_status_tells(rig: &Rig) {
    let status = rig.sluice(&["status"]).await;
    let printed = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(printed.contains("the client id or secret was refused at"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn twelve_processes_with_a_wrong_secret_try_it_once_and_the_right_one_works_at_once() {
    let nats = NatsServer::start();
    let mut rig = rig().await;
    let staging = format!("file://{}", rig.path("staging").display());
    rig.settle(&SettingsFile { shared: Some((nats.url(), staging)), ..SettingsFile::default() });
    let health = rig.with_health();
    let mut fleet: Vec<Program> = Vec::new();
    for _ in 0..5 {
        fleet.push(rig.start("sluice-poller", &[]));
        fleet.push(rig.start("sluice-fetcher", &[]));
    }
    fleet.push(rig.start("sluice-poller", &[]));
    fleet.push(rig.start("sluice-fetcher", &["--settings", &health.settings]));
    until("each of the twelve says so for both sites", async || {
        let said = refusals(&rig, "sluice-poller") + refusals(&rig, "sluice-fetcher");
        (said >= 24).then_some(())
    })
    .await;
    assert!(rig.logged("sluice-fetcher").contains(REFUSED));
    tells_that_it_is_not_ready(&health).await;
    assert_status_tells(&rig).await;
    assert_one_attempt_each(&rig);

    fleet.clear();
    correct(&mut rig);
    let _poller = rig.start("sluice-poller", &[]);
    let _fetcher = rig.start("sluice-fetcher", &["--settings", &health.settings]);
    until("the right secret works", async || {
        let fetched =
            |report: &str, site: usize| rig.sites[site].counters().requests.contains_key(report);
        (fetched("reporting SupportSession", 0) && fetched("reporting AccessSession", 1))
            .then_some(())
    })
    .await;
    assert_one_attempt_each(&rig);
    assert!(rig.sites.iter().all(|site| site.counters().tokens_issued == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_tried_once_however_often_it_is_checked_before_the_first_start() {
    let mut rig = rig().await;
    rig.settle(&SettingsFile::default());
    for _ in 0..3 {
        let check = rig.sluice(&["check"]).await;
        let printed = String::from_utf8_lossy(&check.stdout).into_owned();
        assert!(printed.contains(REFUSED), "{printed}");
        assert_eq!(check.status.code(), Some(1));
    }
    assert_one_attempt_each(&rig);
    correct(&mut rig);
    rig.sluice(&["check"]).await;
    assert!(rig.sites.iter().all(|site| site.counters().tokens_issued == 1));
}

async fn restarted_with_a_wrong_secret(restarts: usize) {
    let mut rig = rig().await;
    rig.settle(&SettingsFile::default());
    let health = rig.with_health();
    for restart in 1..=restarts {
        let mut up = rig.start("sluice", &["--settings", &health.settings, "up"]);
        until("it says so for both sites", async || {
            (refusals(&rig, "sluice") >= 2 * restart).then_some(())
        })
        .await;
        tells_that_it_is_not_ready(&health).await;
        if restart == 1 {
            assert_status_tells(&rig).await;
        }
        up.kill();
    }
    assert_one_attempt_each(&rig);
    correct(&mut rig);
    rig.once().await;
    assert_eq!(Arrived::at(&rig).await.sessions(), 2 * SESSIONS as usize);
    assert_one_attempt_each(&rig);
}

#[tokio::test(flavor = "multi_thread")]
async fn sluice_up_restarted_with_a_wrong_secret_tries_it_once() {
    restarted_with_a_wrong_secret(3).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make chaos"]
async fn sluice_up_restarted_twenty_times_with_a_wrong_secret_tries_it_once() {
    restarted_with_a_wrong_secret(20).await;
}
