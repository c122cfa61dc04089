//! Promises kept against the stand-in appliance.

use appliance::{ApplianceError, Client, ClientOptions, Proxy, Recourse, Standing, Window};
use appliance_simulator::{
    ErrorPlace, Fault, Language, Options, RecordingKind, RunningSimulator, Simulator,
};
use chrono::DateTime;
use domain::{
    ApplianceTime, ArtifactId, ArtifactKey, Family, Instance, Kind, Lsid, Product, SiteHost,
};
use futures::TryStreamExt;
use settings::TlsVersion;

const DAY_SECS: u32 = 86_400;

fn client(site: &RunningSimulator) -> Client {
    let options = site.options();
    Client::new(ClientOptions {
        site: options.host.parse().expect("a host"),
        url: site.url(),
        product: Product::RemoteSupport,
        client_id: options.client_id.clone(),
        client_secret: options.client_secret.clone().into(),
        backup_password: None,
        requests_per_second: 15,
        requests_per_hour: 15_000,
        downloads_max: 2,
        bytes_per_second: None,
        tls_min: TlsVersion::Tls12,
        proxy: Some(Proxy::Direct),
        keep_connections: false,
        ca: None,
    })
    .expect("the options are good")
}

async fn start(sessions: u64) -> (RunningSimulator, Client) {
    let options = Options { sessions, shells: 1.0, recordings: 1.0, ..Options::default() };
    let site = Simulator::start(options).await.expect("a free port");
    let client = client(&site);
    (site, client)
}

fn days(site: &RunningSimulator, days: u32) -> Window {
    let now = DateTime::from_timestamp(site.now(), 0).expect("it is an instant");
    let from = ApplianceTime::read_off(now).plus_secs(-i64::from(days * DAY_SECS));
    Window::Ended { from, secs: days * DAY_SECS + 1 }
}

#[tokio::test]
async fn a_listing_shows_every_session_that_ended() {
    let (site, client) = start(200).await;
    let listed = client.listing(Family::Session, days(&site, 90)).await.expect("it is told");
    let mut lsids: Vec<_> =
        listed.sessions.iter().map(|session| session.lsid.to_string()).collect();
    let mut ended: Vec<_> =
        site.sessions().into_iter().filter(|one| one.end.is_some()).map(|one| one.lsid).collect();
    lsids.sort();
    ended.sort();
    assert_eq!(lsids, ended);
    assert!((listed.clock.unix_secs() - site.now()).abs() <= 1);
}

#[tokio::test]
async fn nothing_is_an_empty_list_in_three_languages() {
    let (site, client) = start(0).await;
    for language in [Language::English, Language::French, Language::German] {
        site.add_fault(Fault::Localized { language });
        let listed = client.listing(Family::Session, days(&site, 1)).await;
        assert!(listed.expect("nothing is not a failure").sessions.is_empty(), "{language:?}");
    }
}

#[tokio::test]
async fn a_listing_without_permission_is_no_empty_list_in_any_language() {
    let (site, client) = start(0).await;
    site.add_fault(Fault::Localized { language: Language::German });
    site.add_fault(Fault::Denied { permission: "perm_reporting_support".to_owned() });
    let denied = client.listing(Family::Session, days(&site, 1)).await.expect_err("denied");
    assert!(matches!(denied, ApplianceError::Forbidden { .. }), "{denied}");
}

#[tokio::test]
async fn reports_and_recordings_come_whole() {
    let (site, client) = start(2).await;
    let session = site.sessions().remove(0);
    let lsid: Lsid = session.lsid.parse().expect("an LSID");
    let report = client.reports(Family::Session, std::slice::from_ref(&lsid)).await;
    let report = report.expect("it is there").into_stream();
    let report: Vec<u8> = report.map_ok(Vec::from).try_concat().await.expect("it is whole");
    let read = session_report::read(&report, &session_report::Limits::default());
    assert_eq!(read.expect("it can be read").lsid, Some(lsid.clone()));

    let host: SiteHost = site.options().host.parse().expect("a host");
    for recording in &session.recordings {
        let (kind, instance) = match recording.kind {
            RecordingKind::Screen => (Kind::SessionRecording, None),
            RecordingKind::CommandShell => (Kind::CommandShellRecording, Some(recording.instance)),
            RecordingKind::Presentation => unreachable!("no session has one"),
            RecordingKind::ShowMyScreen => (Kind::ShowMyScreenRecording, Some(recording.instance)),
        };
        let key = ArtifactKey::Lsid(lsid.clone());
        let artifact =
            ArtifactId::new(host.clone(), kind, key, instance.map(Instance)).expect("a recording");
        let download = client.recording(&artifact).await.expect("it is there");
        assert_eq!(download.extension(kind), "flv");
        let read =
            download.into_stream().try_fold(0, async |sum, piece| Ok(sum + piece.len() as u64));
        assert_eq!(read.await.expect("it is whole"), recording.bytes);
    }
}

#[tokio::test]
async fn an_expired_recording_is_unavailable_in_three_languages() {
    let (site, client) = start(1).await;
    let lsid = site.sessions().remove(0).lsid.parse().expect("an LSID");
    let host = site.options().host.parse().expect("a host");
    let key = ArtifactKey::Lsid(lsid);
    let artifact = ArtifactId::new(host, Kind::SessionRecording, key, None).expect("a recording");
    site.add_fault(Fault::Expired { lsids: Default::default(), kind: None });
    for language in [Language::English, Language::French, Language::German] {
        site.add_fault(Fault::Localized { language });
        let expired = client.recording(&artifact).await.expect_err("it has expired");
        assert_eq!(expired.recourse(), Recourse::Unavailable, "{expired}");
    }
}

#[tokio::test]
async fn tokens_that_the_site_ends_are_replaced_and_a_new_secret_is_not_guessed() {
    let (site, client) = start(1).await;
    client.get_api_info().await.expect("it is told");
    site.end_tokens();
    client.get_api_info().await.expect("it is told with a new token");
    site.add_fault(Fault::SecretChanged { secret: "another".to_owned() });
    for _ in 0..3 {
        let refused = client.get_api_info().await.expect_err("the secret is wrong now");
        assert!(matches!(refused, ApplianceError::SecretRefused { .. }), "{refused}");
    }
    site.clear_faults();
    let fresh = self::client(&site);
    fresh.get_api_info().await.expect("the account was not locked");
}

#[tokio::test]
async fn a_session_that_a_foreign_site_does_not_find_is_told_from_an_error_in_its_language() {
    let (site, client) = start(1).await;
    site.add_fault(Fault::Localized { language: Language::German });
    let unknown: Lsid = "00000000000000000000000000000000".parse().expect("an LSID");
    for _ in 0..2 {
        let error = client.reports(Family::Session, std::slice::from_ref(&unknown)).await;
        let error = error.expect_err("there is none");
        assert!(matches!(error, ApplianceError::NoMatch { .. }), "{error}");
    }
    let asked = |what: &str| site.counters().requests[what];
    assert_eq!(asked("reporting SupportSessionListing"), 2, "it is learnt once");
    let lsid = site.sessions()[0].lsid.clone();
    site.add_fault(Fault::Error { lsids: [lsid.clone()].into(), place: ErrorPlace::Root });
    for _ in 0..2 {
        let lsid: Lsid = lsid.parse().expect("an LSID");
        let error = client.reports(Family::Session, &[lsid]).await.expect_err("it fails");
        assert!(matches!(error, ApplianceError::Refused { .. }), "{error}");
    }
    assert_eq!(asked("reporting SupportSessionListing"), 3, "and this is asked about once");
}

#[tokio::test]
async fn a_burst_stays_within_the_sites_limits() {
    let (site, client) = start(1).await;
    let burst = futures::future::join_all((0..40).map(|_| client.get_api_info())).await;
    assert!(burst.iter().all(Result::is_ok));
    assert_eq!(site.counters().throttled, 0);
}

#[tokio::test]
async fn a_cut_backup_and_a_cut_recording_are_errors_and_a_site_that_is_down_is_down() {
    let (site, client) = start(1).await;
    site.add_fault(Fault::CutBackup { after_bytes: 100_000 });
    let backup = client.backup().await.expect("it begins well");
    let cut = backup.into_stream().try_for_each(|_| async { Ok(()) }).await.expect_err("it is cut");
    assert!(matches!(cut, ApplianceError::Cut { .. }), "{cut}");
    site.clear_faults();
    let whole = client.backup().await.expect("it is made").into_stream();
    let size = whole.try_fold(0, async |sum, piece| Ok(sum + piece.len() as u64)).await;
    assert_eq!(size.expect("it is whole"), site.options().backup_bytes);
    site.add_fault(Fault::Down { seconds: None });
    let down = client.clock().await.expect_err("it is down");
    assert_eq!(down.recourse(), Recourse::Down, "{down}");
}

#[tokio::test]
async fn a_check_finds_all_well_with_the_stand_in() {
    let (site, client) = start(1).await;
    let now = DateTime::from_timestamp(site.now(), 0).expect("it is an instant");
    let lines = client.check(now, &[Kind::SessionData].into()).await;
    assert!(lines.iter().all(|line| line.standing == Standing::Good), "{lines:#?}");
}

#[tokio::test]
async fn a_check_names_site_account_missing_permission_and_the_seconds_between_the_clocks() {
    let (site, client) = start(1).await;
    site.add_fault(Fault::Denied { permission: "perm_reporting_support".to_owned() });
    let now = DateTime::from_timestamp(site.now(), 0).expect("it is an instant");
    site.add_fault(Fault::ClockOffset { seconds: -3_600 });
    let told = client.check(now, &[Kind::SessionData].into()).await;
    let says = |standing: Standing, text: &str| {
        let found = told.iter().find(|line| line.says.contains(text));
        let found = found.unwrap_or_else(|| panic!("nothing of {text:?} in {told:#?}"));
        assert_eq!(found.standing, standing, "{found:?}");
    };
    says(Standing::Good, "support.example.com accepts API account 01234567…");
    says(
        Standing::Bad,
        "API account 01234567… may not read sessions and recordings: grant it perm_reporting_support on support.example.com",
    );
    let clock = told.iter().find(|line| line.says.contains("clock")).expect("it is told");
    let secs: Vec<i64> = clock.says.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert!((3_599..=3_601).contains(&secs[0]), "{clock:?}");
    assert!(clock.says.contains("s behind this machine's"), "{clock:?}");

    site.clear_faults();
    for permission in ["perm_command", "perm_reporting_support"] {
        site.add_fault(Fault::Denied { permission: permission.to_owned() });
    }
    let told = client.check(now, &[Kind::SessionData].into()).await;
    let standings: Vec<_> = told.iter().map(|line| line.standing).collect();
    assert_eq!(standings, [Standing::Good, Standing::Note, Standing::Bad]);
    assert!(told[2].says.contains("grant it perm_reporting_support"), "{told:#?}");
    assert!(told[2].says.contains("support.example.com"), "{told:#?}");
}
