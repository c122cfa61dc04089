//! One token for all processes, and no secret that is tried again after it was refused.

mod fleet;

use appliance::{ApplianceError, Client, Clients};
use appliance_simulator::{Fault, Options};
use fleet::Fleet;
use futures::future::join_all;
use nats_server::NatsServer;

fn unlimited() -> Options {
    Options { sessions: 1, rate_per_second: 0, rate_per_hour: 0, ..Options::default() }
}

const FAST: &str = "requests_per_second = 500";

async fn ask_all(clients: &[Client]) -> Vec<Result<(), ApplianceError>> {
    let asking = clients.iter().map(async |client| client.get_api_info().await.map(drop));
    join_all(asking).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_logs_in_once_and_once_more_for_each_token_that_is_killed() {
    let fleet = Fleet::of(NatsServer::shared(), unlimited()).await;
    let clients = fleet.processes(7, FAST).await;
    for issued in 1..=3 {
        for answer in ask_all(&clients).await {
            answer.expect("it is told");
        }
        assert_eq!(fleet.site.counters().tokens_issued, issued);
        fleet.site.end_tokens();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_thirty_younger_ones_pushed_out_is_replaced_by_one_process() {
    let fleet = Fleet::of(NatsServer::shared(), unlimited()).await;
    let clients = fleet.processes(4, FAST).await;
    ask_all(&clients).await;
    let secret = fleet.site.options().client_secret.clone();
    for _ in 0..30 {
        let stranger = Clients::from_settings(&fleet.settings(FAST, &secret));
        let stranger = stranger.expect("the settings are good");
        stranger.iter().next().expect("one site").log_in().await.expect("the secret is right");
    }
    for answer in ask_all(&clients).await {
        answer.expect("it is told");
    }
    assert_eq!(fleet.site.counters().tokens_issued, 32);
}

#[tokio::test(flavor = "multi_thread")]
async fn twelve_processes_try_a_wrong_secret_once_and_the_right_one_at_once() {
    let server = NatsServer::start();
    let fleet = Fleet::of(&server, unlimited()).await;
    let mut wrong = Vec::new();
    for _ in 0..12 {
        wrong.push(fleet.process(FAST, "wrong").await);
    }
    for answer in ask_all(&wrong).await {
        let refused = answer.expect_err("the secret is wrong");
        assert!(matches!(refused, ApplianceError::SecretRefused { .. }), "{refused}");
        assert!(refused.to_string().contains("Client authentication failed."), "{refused}");
    }
    tokio::task::block_in_place(|| server.restart());
    let later = fleet.process(FAST, "wrong").await;
    assert!(matches!(later.log_in().await, Err(ApplianceError::SecretRefused { .. })));
    assert_eq!(fleet.site.counters().wrong_secrets, 1);

    let settings = fleet.settings(FAST, "wrong");
    let standing = async || {
        let log = fleet.log().await;
        let standings = accounts::standings(&settings, &log).await.expect("the log answers");
        standings[0].trouble.clone()
    };
    let trouble = standing().await.expect("the secret was refused");
    assert!(trouble.contains("refused at"), "{trouble}");

    for right in fleet.processes(2, FAST).await {
        right.get_api_info().await.expect("the right secret works at once");
    }
    assert_eq!(standing().await, None);
    assert!(matches!(later.log_in().await, Err(ApplianceError::SecretRefused { .. })));
    let counters = fleet.site.counters();
    assert_eq!((counters.wrong_secrets, counters.tokens_issued), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_may_have_a_refused_secret_tried_again_once() {
    let fleet = Fleet::of(NatsServer::shared(), unlimited()).await;
    fleet.site.add_fault(Fault::SecretChanged { secret: "another".to_owned() });
    let clients = fleet.processes(2, FAST).await;
    for answer in ask_all(&clients).await {
        answer.expect_err("the secret is another one");
    }
    fleet.site.clear_faults();
    clients[1].log_in().await.expect_err("nobody tries it");
    clients[0].forget_refusals().await.expect("the log answers");
    for answer in ask_all(&clients).await {
        answer.expect("it is right by now");
    }
    let counters = fleet.site.counters();
    assert_eq!((counters.wrong_secrets, counters.tokens_issued), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_forgets_the_passing_bucket_costs_one_login_and_no_request() {
    let server = NatsServer::start();
    let fleet = Fleet::of(&server, unlimited()).await;
    let clients = fleet.processes(3, FAST).await;
    ask_all(&clients).await;
    for kills in 1..=2 {
        tokio::task::block_in_place(|| server.restart());
        fleet.site.end_tokens();
        for answer in ask_all(&clients).await {
            answer.expect("whoever finds the bucket missing makes it again");
        }
        assert_eq!(fleet.site.counters().tokens_issued, 1 + kills);
    }
}
