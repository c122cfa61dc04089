use std::sync::atomic::{AtomicI64, Ordering};

use appliance_simulator::{Fault, Options};

use super::*;
use crate::rig::{Rig, at};

async fn compared(rig: &Rig, since: Option<i64>) -> Result<Compared, CompareError> {
    let clients = rig.clients();
    let client = clients.of(&rig.host()).expect("every site has one");
    let since = since.and_then(|secs| DateTime::from_timestamp(secs, 0));
    compare(client, &rig.log, Family::Session, Span { since, until: None }, |_| {}).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_log_lacks_is_announced_and_the_second_time_nothing_is() {
    let rig = Rig::new(Options { sessions: 40, ..Options::default() }).await;
    let recent = compared(&rig, Some(rig.site.now() - 7 * DAY_SECS)).await.expect("both answer");
    assert!(0 < recent.missing && recent.missing < 40, "{recent:?}");
    let rest = Compared { listed: 40, missing: 40 - recent.missing, waiting: 0 };
    assert_eq!(compared(&rig, None).await.expect("both answer"), rest);
    let nothing = Compared { listed: 40, missing: 0, waiting: 0 };
    assert_eq!(compared(&rig, None).await.expect("both answer"), nothing);
    rig.expect_announced(&rig.sessions(|session| session.end.is_some())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_next_scan_would_find_is_not_missing() {
    let rig = Rig::new(Options { sessions: 40, ..Options::default() }).await;
    rig.scan().await;
    rig.site.advance_clock(3_600);
    rig.site.add_sessions(1);
    rig.site.advance_clock(3_600);
    let found = compared(&rig, None).await.expect("both answer");
    assert_eq!(found, Compared { listed: 41, missing: 0, waiting: 1 });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_that_fails_is_told_when_all_others_are_compared() {
    let rig = Rig::new(Options { sessions: 200, days: 30, ..Options::default() }).await;
    let from = rig.site.now() - 5 * DAY_SECS;
    let until = from + 3_600;
    let status = 500;
    let broken =
        Fault::ListingFails { from: Some(from), until: Some(until), longer_than_secs: 0, status };
    rig.site.add_fault(broken);
    let failure = compared(&rig, None).await.expect_err("an hour fails");
    assert!(matches!(failure, CompareError::Windows { .. }), "{failure:?}");
    rig.site.clear_faults();
    let rest = compared(&rig, None).await.expect("both answer");
    assert!(rest.listed == 200 && rest.missing <= 3, "{rest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_appliance_can_have_is_not_asked_for_and_progress_is_told() {
    let rig = Rig::new(Options { sessions: 5, ..Options::default() }).await;
    let clients = rig.clients();
    let client = clients.of(&rig.host()).expect("every site has one");
    let (told, left) = (AtomicI64::new(0), AtomicI64::new(-1));
    let since = DateTime::from_timestamp(946_684_800, 0);
    let tell = |progress: Progress| {
        told.fetch_add(1, Ordering::Relaxed);
        left.store(progress.left_secs, Ordering::Relaxed);
    };
    let span = Span { since, until: None };
    let compared = compare(client, &rig.log, Family::Session, span, tell).await;
    assert_eq!(compared.expect("both answer").listed, 5);
    let listings = i64::try_from(rig.listings()).expect("a few");
    assert!(listings <= REACH_DAYS_MAX + 1, "{listings} listings since the year 2000");
    assert_eq!((told.into_inner(), left.into_inner()), (listings, 0));
}

#[test]
fn a_span_that_lies_in_the_future_or_far_back_is_empty() {
    let instant = |text: &str| text.parse::<DateTime<Utc>>().ok();
    let within = |since, until| {
        Span { since: instant(since), until: instant(until) }.within(at(1_790_000_000))
    };
    assert_eq!(within("2040-01-01T00:00:00Z", ""), None);
    assert_eq!(within("2000-01-01T00:00:00Z", "2001-01-01T00:00:00Z"), None);
    let days = within("2000-01-01T00:00:00Z", "").map(|stretch| stretch.secs() / DAY_SECS);
    assert_eq!(days, Some(REACH_DAYS_MAX));
}
