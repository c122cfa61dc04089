//! Promises about reports, recordings and backups.

use crate::site::{Site, bytes, cut, error, xml};
use appliance::{ApplianceError, Client, Download, Recourse};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{Html, IntoResponse};
use domain::{ArtifactId, ArtifactKey, Family, Instance, Kind, Lsid};
use futures::{FutureExt, StreamExt, TryStreamExt};

fn lsid(text: &str) -> Lsid {
    text.parse().expect("an LSID")
}

fn recording(kind: Kind, instance: Option<u32>) -> ArtifactId {
    let site = "access.example.com".parse().expect("a host");
    let key = ArtifactKey::Lsid(lsid("a1"));
    ArtifactId::new(site, kind, key, instance.map(Instance)).expect("a recording")
}

fn flv(size: usize) -> Vec<u8> {
    let mut content = b"FLV\x01".to_vec();
    content.resize(size, 7);
    content
}

async fn whole(download: Download) -> Result<Vec<u8>, ApplianceError> {
    download.into_stream().map_ok(|piece| piece.to_vec()).try_concat().await
}

#[tokio::test]
async fn a_recording_comes_whole_and_is_named_by_its_content() {
    let site = Site::start(|_| bytes(flv(100_000))).await;
    let artifact = recording(Kind::CommandShellRecording, Some(3));
    let download = site.client().recording(&artifact).await.expect("it is there");
    assert!(download.first.len() >= 512);
    assert_eq!(download.extension(artifact.kind()), "flv");
    assert_eq!(whole(download).await.expect("it is whole"), flv(100_000));
    let form = &site.asked("/api/reporting")[0].form;
    assert_eq!(form["generate_report"], "CommandShellRecording");
    assert_eq!((form["lsid"].as_str(), form["instance"].as_str()), ("a1", "3"));
}

#[tokio::test]
async fn a_recording_of_unknown_content_is_named_by_the_headers() {
    let site = Site::start(|_| {
        let headers =
            [(CONTENT_TYPE, "video/webm"), (CONTENT_DISPOSITION, "attachment; filename=\"x.MKV\"")];
        (headers, vec![1_u8; 600]).into_response()
    })
    .await;
    let client = site.client();
    let artifact = recording(Kind::SessionRecording, None);
    let mut download = client.recording(&artifact).await.expect("it is there");
    assert_eq!(download.extension(artifact.kind()), "mkv");
    download.content_disposition = None;
    assert_eq!(download.extension(artifact.kind()), "webm");
    download.content_type = None;
    assert_eq!(download.extension(artifact.kind()), "flv");
    assert_eq!(download.extension(Kind::SiteBackup), "nsb");
}

async fn refused(client: &Client) -> ApplianceError {
    let artifact = recording(Kind::SessionRecording, None);
    client.recording(&artifact).await.expect_err("it is no recording")
}

#[tokio::test]
async fn an_expired_recording_is_unavailable_in_the_appliances_words() {
    let words = "This recording has expired and can no longer be viewed or downloaded.";
    let site = Site::start(move |_| error(words)).await;
    let expired = refused(&site.client()).await;
    assert!(matches!(&expired, ApplianceError::Expired { words: said, .. } if said == words));
    assert_eq!(expired.recourse(), Recourse::Unavailable);
}

#[tokio::test]
async fn what_is_no_recording_is_never_taken_for_one() {
    for (answer, recourse) in [
        (
            "<error>This recording is being processed and is not yet available.</error>",
            Recourse::NotYet,
        ),
        ("<error>Der Vorgang ist fehlgeschlagen.</error>", Recourse::Retry),
        (
            "<error>No Support report information matching your chosen criteria is available.</error>",
            Recourse::NotYet,
        ),
        ("<session_list/>", Recourse::Retry),
    ] {
        let site = Site::start(move |_| xml(answer)).await;
        let error = refused(&site.client()).await;
        assert_eq!(error.recourse(), recourse, "{error}");
    }
    let site = Site::start(|_| Html("<html><title>Proxy</title>").into_response()).await;
    assert_eq!(refused(&site.client()).await.recourse(), Recourse::Down);
    let site = Site::start(|_| bytes("")).await;
    assert!(matches!(refused(&site.client()).await, ApplianceError::Malformed { .. }));
    let site = Site::start(|_| bytes("Invalid credentials\n")).await;
    let error = site.client().backup().await.expect_err("it is no backup");
    assert!(error.to_string().ends_with("Invalid credentials"), "{error}");
}

#[tokio::test]
async fn text_is_no_film_and_no_backup_however_long_but_may_be_what_was_typed_in_a_shell() {
    let text = |length: usize| "Fatal error in line 7.\n".repeat(200)[..length].to_owned();
    let shell = recording(Kind::CommandShellRecording, Some(1));
    for (length, is_shell) in [(300, false), (700, true), (3_200, true)] {
        let site = Site::start(move |_| bytes(text(length))).await;
        let client = site.client();
        assert!(client.backup().await.is_err(), "{length}");
        assert!(refused(&client).await.to_string().contains("Fatal error in line 7."));
        assert_eq!(client.recording(&shell).await.is_ok(), is_shell, "{length}");
    }
}

#[tokio::test]
async fn a_body_that_ends_early_fails_after_its_last_byte() {
    let site = Site::start(|_| cut(vec![flv(1000), vec![7; 50_000]])).await;
    let artifact = recording(Kind::SessionRecording, None);
    let download = site.client().recording(&artifact).await.expect("it begins well");
    let items: Vec<_> = download.into_stream().collect().await;
    let error = items.into_iter().find_map(Result::err).expect("it was cut");
    assert!(matches!(error, ApplianceError::Cut { .. }), "{error}");
    assert_eq!(error.recourse(), Recourse::Retry);
}

#[tokio::test]
async fn a_download_occupies_a_slot_until_it_is_dropped() {
    let site = Site::start(|_| bytes(flv(2000))).await;
    let mut options = site.options();
    options.downloads_max = 1;
    let client = Client::new(options).expect("the options are good");
    let artifact = recording(Kind::SessionRecording, None);
    let mut first =
        client.recording(&artifact).await.expect("a slot is free").into_stream().boxed();
    while first.next().await.is_some() {}
    let mut second = Box::pin(client.recording(&artifact));
    assert!(second.as_mut().now_or_never().is_none(), "the only slot is taken");
    assert_eq!(site.asked("/api/reporting").len(), 1);
    drop(first);
    second.await.expect("the slot is free again");
}

#[tokio::test]
async fn one_report_or_several_are_asked_for_in_one_request() {
    let list = "<session_list xmlns=\"http://x\"><session lsid=\"a1\"><error>no</error></session></session_list>";
    let site = Site::start(move |_| xml(list)).await;
    let client = site.client();
    let one = client.reports(Family::Session, &[lsid("a1")]).await.expect("it is there");
    assert_eq!(one.extension(Kind::SessionData), "xml");
    assert!(whole(one).await.expect("it is whole").ends_with(list.as_bytes()));
    client.reports(Family::Presentation, &[lsid("a1"), lsid("b2")]).await.expect("they are there");
    let asked = site.asked("/api/reporting");
    assert_eq!(asked[0].form["generate_report"], "SupportSession");
    assert_eq!(asked[0].form["lsid"], "a1");
    assert_eq!(asked[1].form["generate_report"], "PresentationSession");
    assert_eq!(asked[1].form["lsids"], "a1,b2");
}

#[tokio::test]
async fn a_report_that_is_not_found_says_so() {
    let none = "<session_list><error>No Support report information matching your chosen criteria is available.</error></session_list>";
    let site = Site::start(move |_| xml(none)).await;
    let error = site.client().reports(Family::Session, &[lsid("a1")]).await.expect_err("none");
    assert!(matches!(error, ApplianceError::NoMatch { .. }), "{error}");
    assert!(error.to_string().contains("session-data a1 of access.example.com"), "{error}");
}

#[tokio::test]
async fn a_backups_password_goes_as_json_and_nowhere_else() {
    let site = Site::start(|_| bytes(vec![0x8c; 2000])).await;
    let mut options = site.options();
    options.backup_password = Some("päss\"wort".into());
    let client = Client::new(options.clone()).expect("the options are good");
    client.backup().await.expect("it is made");
    site.client().backup().await.expect("it is made");
    let asked = site.asked("/api/backup");
    assert_eq!(asked[0].body, "{\"password\":\"päss\\\"wort\"}");
    assert_eq!(asked[0].headers[CONTENT_TYPE], "application/json");
    assert!(asked[1].body.is_empty());
    assert!(!format!("{options:?} {client:?}").contains("wort"));
}

#[tokio::test]
async fn another_sites_artifact_is_refused() {
    let site = Site::start(|_| bytes(flv(2000))).await;
    let elsewhere = ArtifactId::new(
        "other.example.com".parse().expect("a host"),
        Kind::SessionRecording,
        ArtifactKey::Lsid(lsid("a1")),
        None,
    );
    let error = site.client().recording(&elsewhere.expect("a recording")).await;
    assert!(error.is_err_and(|error| error.recourse() == Recourse::Reject));
    assert!(site.asked("").is_empty());
}
