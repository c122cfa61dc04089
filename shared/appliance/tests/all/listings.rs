//! Promises about listings.

use crate::site::{Asked, NOW, Site, bytes, cut, error, xml};
use appliance::{ApplianceError, Client, Listed, Recourse, Window};
use axum::response::{Html, IntoResponse, Response};
use chrono::DateTime;
use domain::{ApplianceTime, Family, Product};

const NONE: &str = "No Support report information matching your chosen criteria is available.";

fn window() -> Window {
    let from = DateTime::from_timestamp(NOW - 600, 0).expect("it is an instant");
    Window::Ended { from: ApplianceTime::read_off(from), secs: 600 }
}

async fn list(client: &Client) -> Result<Listed, ApplianceError> {
    client.listing(Family::Session, window()).await
}

#[tokio::test]
async fn a_listing_tells_sessions_and_the_appliances_clock() {
    let site = Site::start(|_| {
        xml("<session_summary_list xmlns=\"http://x\"><session_summary lsid=\"a1\" has_recording=\"1\"/>\
             <session_summary has_recording=\"0\"/><session_summary lsid=\"A1\"/></session_summary_list>")
    })
    .await;
    let listed = list(&site.client()).await.expect("it is told");
    let lsids: Vec<_> = listed.sessions.iter().map(|session| session.lsid.as_str()).collect();
    assert_eq!(lsids, ["a1", "A1"]);
    assert_eq!(listed.unusable.len(), 1);
    assert_eq!(listed.clock.unix_secs(), NOW);
    let form = &site.asked("/api/reporting")[0].form;
    assert_eq!(form["generate_report"], "SupportSessionListing");
    assert_eq!(form["end_time"], (NOW - 600).to_string());
    assert_eq!(form["duration"], "600");
}

#[tokio::test]
async fn each_product_and_family_has_its_own_listing() {
    let site = Site::start(|_| xml("<session_summary_list/>")).await;
    let mut options = site.options();
    options.product = Product::PrivilegedRemoteAccess;
    let access = Client::new(options).expect("the options are good");
    let from = ApplianceTime::read_off(DateTime::UNIX_EPOCH);
    let began = Window::Started { from, secs: 0 };
    access.listing(Family::Session, began).await.expect("it is told");
    site.client().listing(Family::Presentation, began).await.expect("it is told");
    let asked = site.asked("/api/reporting");
    assert_eq!(asked[0].form["generate_report"], "AccessSessionListing");
    assert_eq!(asked[0].form["start_time"], "0");
    assert_eq!(asked[0].form["duration"], "1", "0 would be: up to now");
    assert_eq!(asked[1].form["generate_report"], "PresentationSessionListing");
    let none = access.listing(Family::Presentation, began).await.expect_err("it has none");
    assert_eq!(none.recourse(), Recourse::Reject);
}

#[tokio::test]
async fn nothing_found_is_an_empty_list_however_it_is_said() {
    let french =
        "Aucune information de rapport Support correspondant à vos critères n’est disponible.";
    let nested = format!("<session_summary_list><error>{NONE}</error></session_summary_list>");
    for answer in [
        format!("<error>{NONE}</error>"),
        format!("<error>{french}</error>"),
        nested,
        "<session_summary_list/>".to_owned(),
    ] {
        let site = Site::start(move |_| xml(&answer)).await;
        let listed = list(&site.client()).await.expect("nothing is not a failure");
        assert!(listed.sessions.is_empty());
        assert_eq!(site.asked("/api/reporting").len(), 1, "known words need no further question");
    }
}

/// A site that words things in its own way.
fn german(asked: &Asked) -> Response {
    match (asked.form.get("end_time").map(String::as_str), asked.form.contains_key("duration")) {
        (Some("1"), _) => error("Interner Fehler."),
        (Some(_), true) => error("Es wurden keine Daten gefunden."),
        _ => error("Die Anfrage ist ungültig."),
    }
}

#[tokio::test]
async fn a_sites_own_words_for_nothing_are_learnt_once() {
    let site = Site::start(german).await;
    let client = site.client();
    for _ in 0..2 {
        assert!(list(&client).await.expect("nothing is not a failure").sessions.is_empty());
    }
    assert_eq!(site.asked("/api/reporting").len(), 2 + 2, "two listings, and two questions once");
}

#[tokio::test]
async fn an_error_in_a_sites_own_words_is_not_taken_for_nothing() {
    let site = Site::start(german).await;
    let from = DateTime::from_timestamp(1, 0).expect("it is an instant");
    let window = Window::Ended { from: ApplianceTime::read_off(from), secs: 5 };
    let error = site.client().listing(Family::Session, window).await.expect_err("it is an error");
    assert!(error.to_string().contains("Interner Fehler."), "{error}");
    assert_eq!(error.recourse(), Recourse::Retry);
}

#[tokio::test]
async fn a_site_that_answers_everything_alike_tells_nothing() {
    let site = Site::start(|_| error("Die API ist abgeschaltet.")).await;
    let refused = list(&site.client()).await.expect_err("the window was not seen");
    assert!(matches!(refused, ApplianceError::Refused { .. }), "{refused}");
}

#[tokio::test]
async fn a_proxys_page_is_not_a_listing() {
    let site = Site::start(|_| Html("<html><head><title>Sign in</title>").into_response()).await;
    let error = list(&site.client()).await.expect_err("it is a page");
    assert!(error.to_string().contains("Sign in"), "{error}");
    assert_eq!(error.recourse(), Recourse::Down);
}

#[tokio::test]
async fn a_listing_that_breaks_off_is_not_a_short_one() {
    let half = b"<session_summary_list><session_summary lsid=\"a\"/>".to_vec();
    let whole_bytes = half.clone();
    let site = Site::start(move |_| cut(vec![half.clone()])).await;
    let error = list(&site.client()).await.expect_err("the connection was cut");
    assert!(matches!(error, ApplianceError::Cut { .. }), "{error}");
    let site = Site::start(move |_| bytes(whole_bytes.clone())).await;
    let error = list(&site.client()).await.expect_err("the XML is cut");
    assert!(matches!(error, ApplianceError::Unreadable { .. }), "{error}");
    assert_eq!(error.recourse(), Recourse::Retry);
}
