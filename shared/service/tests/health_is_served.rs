//! `/livez`, `/readyz` and `/metrics` over HTTP.

use std::net::SocketAddr;
use std::sync::LazyLock;

use service::{Health, ServeError, Telemetry, TelemetryOptions, serve};
use tokio_util::sync::CancellationToken;

static TELEMETRY: LazyLock<Telemetry> = LazyLock::new(|| {
    Telemetry::start(TelemetryOptions::new("poller", "hq-1", "1.2.3"))
        .expect("telemetry starts once")
});

const ANY_PORT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

async fn started(health: &Health, stop: &CancellationToken) -> SocketAddr {
    serve(ANY_PORT, health.clone(), TELEMETRY.clone(), stop.clone())
        .await
        .expect("loopback has a free port")
}

async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let client =
        reqwest::Client::builder().no_proxy().build().expect("a plain client can be built");
    let answer =
        client.get(format!("http://{address}{path}")).send().await.expect("the server answers");
    (answer.status().as_u16(), answer.text().await.expect("the answer is text"))
}

#[tokio::test]
async fn readiness_names_each_component_and_its_reason() {
    let health = Health::new();
    let address = started(&health, &CancellationToken::new()).await;
    assert_eq!(get(address, "/readyz").await.0, 503);

    let (poller, sink) = (health.component("poller hq"), health.component("sink archive"));
    poller.ready();
    sink.not_ready("the bucket refuses our key");
    let (code, body) = get(address, "/readyz").await;
    assert_eq!(code, 503);
    assert_eq!(
        body,
        r#"{"status":"not ready","components":[{"name":"poller hq","state":"ready"},{"name":"sink archive","state":"not ready","reason":"the bucket refuses our key"}]}"#
    );
    assert_eq!(get(address, "/livez").await.0, 200);

    sink.ready();
    assert_eq!(get(address, "/readyz").await.0, 200);
}

#[tokio::test]
async fn a_dead_component_ends_liveness() {
    let health = Health::new();
    let address = started(&health, &CancellationToken::new()).await;
    health.component("runner").dead("its task panicked");
    let (code, body) = get(address, "/livez").await;
    assert_eq!(code, 503);
    assert!(body.contains("its task panicked"), "{body}");
}

#[tokio::test]
async fn a_stopping_process_is_not_ready_but_goes_on_answering() {
    let (health, stop) = (Health::new(), CancellationToken::new());
    let address = started(&health, &stop).await;
    health.component("runner").ready();
    stop.cancel();
    let (code, body) = get(address, "/readyz").await;
    assert_eq!(code, 503);
    assert!(body.contains(r#""status":"stopping""#), "{body}");
    assert_eq!(get(address, "/livez").await.0, 200);
}

#[tokio::test]
async fn metrics_are_served() {
    let address = started(&Health::new(), &CancellationToken::new()).await;
    opentelemetry::global::meter("sluice").u64_counter("scans").build().add(2, &[]);
    let (code, body) = get(address, "/metrics").await;
    assert_eq!(code, 200);
    assert!(body.contains("scans_total 2\n"), "{body}");
    assert!(body.contains("service_name=\"sluice-poller\""), "{body}");
}

#[tokio::test]
async fn a_taken_port_is_told_in_one_sentence() {
    let taken = started(&Health::new(), &CancellationToken::new()).await;
    let error = serve(taken, Health::new(), TELEMETRY.clone(), CancellationToken::new())
        .await
        .expect_err("the address is taken");
    assert!(matches!(error, ServeError::AddressInUse { listen } if listen == taken));
    assert_eq!(
        service::report(&error),
        format!(
            "error: {taken} is in use by another process: processes of one machine that share a settings file need an address each, by --listen or SLUICE_LISTEN; else end the other program, or set `listen` in [service] to a free address"
        )
    );
}
