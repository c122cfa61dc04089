//! Each fault, as a client meets it.

use std::collections::BTreeSet;

use appliance_simulator::{Fault, Language, Options, RunningSimulator};

use super::EVERYTHING_ENDED;
use super::client::{Answer, get, get_with, look, send, start, token};

async fn report(simulator: &RunningSimulator, selection: &str) -> Answer {
    get(simulator, &format!("/api/reporting?generate_report=SupportSession&{selection}")).await
}

async fn recording(simulator: &RunningSimulator, lsid: &str) -> Answer {
    get(simulator, &format!("/api/reporting?generate_report=SupportSessionRecording&lsid={lsid}"))
        .await
}

async fn site(options: Options) -> (RunningSimulator, String, BTreeSet<String>) {
    let simulator = start(Options { sessions: 10, recordings: 1.0, ..options }).await;
    let lsid = simulator.sessions().remove(4).lsid;
    let lsids = BTreeSet::from([lsid.clone()]);
    (simulator, lsid, lsids)
}

#[tokio::test]
async fn a_faulty_report_spoils_the_list_that_holds_it() {
    let (simulator, lsid, lsids) = site(Options::default()).await;
    simulator.add_fault(Fault::NotXml { lsids });
    let alone = report(&simulator, &format!("lsid={lsid}")).await;
    assert!(alone.complete && std::str::from_utf8(&alone.body).is_err());
    let list = report(&simulator, EVERYTHING_ENDED).await;
    assert!(list.complete && std::str::from_utf8(&list.body).is_err());
    simulator.clear_faults();
    assert!(report(&simulator, &format!("lsid={lsid}")).await.text().contains("</session>"));
}

#[tokio::test]
async fn a_cut_report_lacks_its_end() {
    let (simulator, lsid, lsids) = site(Options::default()).await;
    simulator.add_fault(Fault::CutReport { lsids });
    let answer = report(&simulator, &format!("lsid={lsid}")).await;
    assert!(!answer.complete && answer.body.starts_with(b"<?xml") && answer.body.len() > 300);
}

#[tokio::test]
async fn a_cut_recording_brings_just_the_bytes_it_was_allowed() {
    let (simulator, lsid, lsids) = site(Options::default()).await;
    simulator.add_fault(Fault::CutRecording { lsids, kind: None, after_bytes: 70_000 });
    let answer = recording(&simulator, &lsid).await;
    assert!(!answer.complete);
    assert_eq!(answer.body.len(), 70_000);
}

#[tokio::test]
async fn an_expired_recording_is_an_xml_error() {
    let (simulator, lsid, lsids) = site(Options::default()).await;
    simulator.add_fault(Fault::Expired { lsids, kind: None });
    let answer = recording(&simulator, &lsid).await;
    assert!(
        answer
            .text()
            .contains("This recording has expired and can no longer be viewed or downloaded.")
    );
}

#[tokio::test]
async fn a_recording_gets_ready_and_a_late_session_appears() {
    let (simulator, lsid, lsids) = site(Options::default()).await;
    let until = simulator.now() + 60;
    simulator.add_fault(Fault::NotReady { lsids: lsids.clone(), kind: None, until });
    assert!(recording(&simulator, &lsid).await.text().contains("<error"));
    simulator.add_fault(Fault::Late { lsids, until });
    assert!(
        !report(&simulator, EVERYTHING_ENDED)
            .await
            .text()
            .contains(&format!("<session lsid=\"{lsid}\""))
    );
    simulator.advance_clock(60);
    assert!(recording(&simulator, &lsid).await.body.starts_with(b"FLV"));
    assert!(
        report(&simulator, EVERYTHING_ENDED)
            .await
            .text()
            .contains(&format!("<session lsid=\"{lsid}\""))
    );
}

#[tokio::test]
async fn an_incomplete_report_grows() {
    let (simulator, lsid, lsids) = site(Options::default()).await;
    simulator.add_fault(Fault::Incomplete { lsids, until: simulator.now() + 60 });
    let half = report(&simulator, &format!("lsid={lsid}")).await;
    simulator.advance_clock(60);
    let whole = report(&simulator, &format!("lsid={lsid}")).await;
    assert!(half.body.len() < whole.body.len());
    assert!(!half.text().contains("session_recording_download_url"));
    assert!(whole.text().contains("session_recording_download_url"));
}

#[tokio::test]
async fn a_site_that_is_down_closes_without_a_word() {
    let (simulator, ..) = site(Options::default()).await;
    let token = token(&simulator).await;
    simulator.add_fault(Fault::Down { seconds: None });
    assert!(get_with(&simulator, &token, "/api/command?action=check_health").await.is_none());
    simulator.clear_faults();
    assert!(get_with(&simulator, &token, "/api/command?action=check_health").await.is_some());
}

#[tokio::test]
async fn faults_are_set_over_http() {
    let (simulator, ..) = site(Options::default()).await;
    let orders = r#"{"add":[{"fault":"fail-next","requests":1,"status":503},{"fault":"denied","permission":"perm_backup"}]}"#;
    let answer =
        send(simulator.address(), "POST", "/faults", &[], orders).await.expect("the site answers");
    assert_eq!(answer.json()["faults"].as_array().map(Vec::len), Some(2));
    let statuses = [
        look(&simulator, "/api/command?action=check_health").await.status,
        get(&simulator, "/api/backup").await.status,
    ];
    assert_eq!(statuses, [503, 403]);
    let refused =
        send(simulator.address(), "POST", "/faults", &[], r#"{"add":[{"fault":"typo"}]}"#).await;
    assert_eq!(refused.expect("the site answers").status, 400);
}

#[tokio::test]
async fn errors_come_in_the_sites_language() {
    let (simulator, ..) = site(Options::default()).await;
    simulator.add_fault(Fault::Localized { language: Language::French });
    assert!(
        report(&simulator, "end_time=5&duration=1")
            .await
            .text()
            .contains("correspondant à vos critères n’est")
    );
}

#[tokio::test]
async fn the_options_make_the_first_reports_faulty() {
    let (simulator, ..) =
        site(Options { faulty_not_xml: 1, faulty_error: 2, ..Options::default() }).await;
    let mut errors = 0;
    let mut garbage = 0;
    for session in simulator.sessions() {
        let answer = report(&simulator, &format!("lsid={}", session.lsid)).await;
        garbage += u32::from(std::str::from_utf8(&answer.body).is_err());
        errors += u32::from(answer.body.windows(6).any(|six| six == b"<error"));
    }
    assert_eq!((garbage, errors), (1, 2));
}

#[tokio::test]
async fn orders_end_sessions_and_make_new_ones() {
    let (simulator, ..) = site(Options { open: 1, ..Options::default() }).await;
    let open = simulator
        .sessions()
        .into_iter()
        .find(|session| session.end.is_none())
        .expect("one is open")
        .lsid;
    let orders = format!(r#"{{"advance_seconds":60,"end_sessions":["{open}"],"new_sessions":2}}"#);
    let answer = send(simulator.address(), "POST", "/control", &[], &orders)
        .await
        .expect("the site answers");
    assert_eq!(answer.json()["ended"], 1);
    let listed = report(&simulator, &format!("end_time={}&duration=0", simulator.now())).await;
    assert_eq!(listed.text().matches("</session>").count(), 3);
}
