//! The simulator over real connections.

mod client;
mod faults;

use appliance_simulator::{Options, Product, RecordingKind, backup_bytes, recording_bytes};
use client::{get, get_with, log_in, look, send, start, token};

const EVERYTHING_ENDED: &str = "end_time=0&duration=0";

fn access(options: Options) -> Options {
    Options { product: Product::PrivilegedRemoteAccess, ..options }
}

#[tokio::test]
async fn a_token_opens_the_api_and_none_does_not() {
    let simulator = start(Options::default()).await;
    let refused = look(&simulator, "/api/command?action=get_api_info").await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.json()["error"], "access_denied");
    let answer = get(&simulator, "/api/command?action=get_api_info").await;
    assert!(answer.text().contains("<timestamp>1750000000</timestamp>"), "{}", answer.text());
    assert!(answer.text().contains("<permission name=\"perm_backup\">1</permission>"));
}

#[tokio::test]
async fn a_wrong_secret_is_counted_and_locks_the_account() {
    let simulator = start(Options { lock_out_after: 2, ..Options::default() }).await;
    for _ in 0..2 {
        let refused = log_in(&simulator, "wrong").await;
        assert_eq!(
            (refused.status, refused.json()["error"].as_str()),
            (401, Some("invalid_client"))
        );
    }
    assert_eq!(log_in(&simulator, &simulator.options().client_secret).await.status, 401);
    assert_eq!(simulator.counters().wrong_secrets, 2);
    assert!(simulator.counters().locked_out);
}

#[tokio::test]
async fn credentials_are_taken_in_a_json_body_and_in_form_fields() {
    let simulator = start(Options { client_secret: "s+/=".to_owned(), ..Options::default() }).await;
    let id = &simulator.options().client_id;
    let json = format!(
        r#"{{"grant_type":"client_credentials","client_id":"{id}","client_secret":"s+/="}}"#
    );
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret=s%2B%2F%3D");
    for (kind, body) in [("application/json", json), ("application/x-www-form-urlencoded", form)] {
        let answer =
            send(simulator.address(), "POST", "/oauth2/token", &[("Content-Type", kind)], &body)
                .await;
        assert_eq!(answer.expect("the site answers").status, 200, "{kind}");
    }
}

#[tokio::test]
async fn same_seed_gives_the_same_bytes() {
    for options in [Options::default(), access(Options::default())] {
        let path = match options.product {
            Product::RemoteSupport => {
                format!("/api/reporting?generate_report=SupportSession&{EVERYTHING_ENDED}")
            }
            Product::PrivilegedRemoteAccess => {
                format!("/api/reporting?generate_report=AccessSession&{EVERYTHING_ENDED}")
            }
        };
        let one = get(&start(options.clone()).await, &path).await;
        let other = get(&start(options.clone()).await, &path).await;
        assert!(one.complete && one.body.len() > 100_000);
        assert!(one.body == other.body);
        let seeded = get(&start(Options { seed: 2, ..options }).await, &path).await;
        assert!(one.body != seeded.body);
    }
}

#[tokio::test]
async fn addresses_differ_in_every_answer() {
    let simulator = start(Options { sessions: 5, ..Options::default() }).await;
    let path = format!("/api/reporting?generate_report=SupportSession&{EVERYTHING_ENDED}");
    let (one, other) = (get(&simulator, &path).await, get(&simulator, &path).await);
    assert_eq!(one.body.len(), other.body.len());
    assert_ne!(one.body, other.body);
}

#[tokio::test]
async fn a_listing_names_what_the_state_names() {
    let options = Options { sessions: 450, open: 2, abnormal: 1, ..Options::default() };
    let simulator = start(access(options)).await;
    let path = format!("/api/reporting?generate_report=AccessSessionListing&{EVERYTHING_ENDED}");
    let listing = get(&simulator, &path).await;
    let state = look(&simulator, "/state").await.json();
    let sessions = state["sessions"].as_array().expect("the state lists sessions").clone();
    assert_eq!(sessions.len(), 453);
    for session in sessions {
        let lsid = session["lsid"].as_str().expect("a session has an id");
        assert_eq!(listing.text().contains(lsid), session["end"].is_i64(), "{session}");
    }
    assert_eq!(listing.text().matches("<session_summary ").count(), 450);
}

#[tokio::test]
async fn nothing_found_is_an_error_with_status_200() {
    let simulator = start(Options::default()).await;
    for selection in ["end_time=5&duration=10", "lsid=unknown"] {
        let answer =
            get(&simulator, &format!("/api/reporting?generate_report=SupportSession&{selection}"))
                .await;
        assert_eq!(answer.status, 200);
        assert!(answer.text().contains("matching your chosen criteria is available.</error>"));
    }
}

#[tokio::test]
async fn reports_of_the_other_product_are_unknown() {
    let simulator = start(Options::default()).await;
    for report in ["AccessSession", "AccessSessionListing", "Nonsense", ""] {
        let path = format!("/api/reporting?generate_report={report}&{EVERYTHING_ENDED}");
        assert!(
            get(&simulator, &path).await.text().contains("The requested report is not valid."),
            "{report}"
        );
    }
}

#[tokio::test]
async fn a_form_is_taken_and_multipart_is_refused() {
    let simulator = start(Options::default()).await;
    let bearer = format!("Bearer {}", token(&simulator).await);
    let body = format!("generate_report=SupportSessionListing&{EVERYTHING_ENDED}");
    for (kind, status) in
        [("application/x-www-form-urlencoded", 200), ("multipart/form-data; boundary=x", 400)]
    {
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", kind)];
        let answer = send(simulator.address(), "POST", "/api/reporting.ns", &headers, &body).await;
        assert_eq!(answer.expect("the site answers").status, status, "{kind}");
    }
}

#[tokio::test]
async fn a_recording_holds_what_can_be_computed_beforehand() {
    let options = Options {
        shells: 1.0,
        recordings: 1.0,
        show_my_screen: 1.0,
        sessions: 3,
        ..Options::default()
    };
    let simulator = start(options).await;
    let lsid = simulator.sessions().remove(0).lsid;
    for (report, kind) in [
        ("SupportSessionRecording", RecordingKind::Screen),
        ("CommandShellRecording", RecordingKind::CommandShell),
        ("ShowMyScreenRecording", RecordingKind::ShowMyScreen),
    ] {
        let path = format!("/api/reporting?generate_report={report}&lsid={lsid}&instance=0");
        let answer = get(&simulator, &path).await;
        let expected: Vec<u8> =
            recording_bytes(simulator.options(), &lsid, kind, 0).flatten().collect();
        assert!(answer.complete && answer.body == expected, "{report}");
        assert!(!answer.headers.contains_key("content-length"));
        assert_eq!(answer.headers.get("connection").map(String::as_str), Some("close"));
    }
}

#[tokio::test]
async fn a_recording_that_is_not_there_is_an_error() {
    let simulator = start(Options { shells: 0.0, ..Options::default() }).await;
    let lsid = simulator.sessions().remove(0).lsid;
    let path =
        format!("/api/reporting?generate_report=CommandShellRecording&lsid={lsid}&instance=0");
    assert!(get(&simulator, &path).await.text().contains("<error"));
}

#[tokio::test]
async fn a_backup_tells_whether_a_password_came() {
    let simulator = start(Options::default()).await;
    let bearer = format!("Bearer {}", token(&simulator).await);
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let answer =
        send(simulator.address(), "POST", "/api/backup", &headers, r#"{"password":"geheim"}"#)
            .await;
    let answer = answer.expect("the site answers");
    let expected: Vec<u8> = backup_bytes(simulator.options(), 1, true).flatten().collect();
    assert!(answer.complete && answer.body == expected);
    assert!(answer.headers["content-disposition"].ends_with(".nsb\""));
    assert_eq!(simulator.counters().backups_with_password, 1);
}

#[tokio::test]
async fn the_account_runs_out_of_requests() {
    let simulator = start(Options { rate_per_hour: 2, ..Options::default() }).await;
    let token = token(&simulator).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        let answer = get_with(&simulator, &token, "/api/command?action=check_health").await;
        let answer = answer.expect("the site answers");
        seen.push((answer.status, answer.headers["x-ratelimit-remaining"].clone()));
    }
    assert_eq!(seen, [(200, "1".to_owned()), (200, "0".to_owned()), (429, "0".to_owned())]);
    assert_eq!(simulator.counters().throttled, 1);
}

#[tokio::test]
async fn a_token_dies_when_the_clock_passes_its_time() {
    let simulator = start(Options { token_seconds: 60, ..Options::default() }).await;
    let token = token(&simulator).await;
    simulator.advance_clock(61);
    let answer = get_with(&simulator, &token, "/api/command?action=check_health").await;
    assert_eq!(answer.expect("the site answers").status, 401);
}

#[tokio::test]
async fn the_date_is_read_off_the_sites_clock() {
    let simulator = start(Options { clock_offset: 3600, ..Options::default() }).await;
    let answer = look(&simulator, "/state").await;
    assert_eq!(answer.headers["date"], "Sun, 15 Jun 2025 16:06:40 GMT");
}

#[tokio::test]
async fn a_person_sees_the_sessions() {
    let simulator = start(Options { host: "a<b".to_owned(), ..Options::default() }).await;
    let page = look(&simulator, "/").await;
    assert!(page.text().contains("a&lt;b") && page.text().contains(&simulator.sessions()[99].lsid));
}

#[tokio::test]
async fn a_stopped_simulator_gives_its_port_back() {
    let simulator = start(Options::default()).await;
    let listen = simulator.address();
    simulator.stop().await;
    start(Options { listen, ..Options::default() }).await;
}
