//! Sites that are slow, or fail, with some windows.

use appliance_simulator::{Fault, Options};

use domain::Family;

use super::{Found, ScanError};
use crate::rig::{Rig, at, scan};

const HOUR_SECS: i64 = 3_600;
const DAY_SECS: i64 = 24 * HOUR_SECS;

/// Listings of longer windows than this fail as a proxy has them fail that waits no longer.
fn too_slow_for(longer_than_secs: i64) -> Fault {
    Fault::ListingFails { from: None, until: None, longer_than_secs, status: 504 }
}

fn failed_requests(rig: &Rig) -> u64 {
    let answers = rig.site.counters().answers;
    answers.iter().filter(|(status, _)| **status >= 500).map(|(_, count)| count).sum()
}

#[tokio::test]
async fn abandoned_sessions_are_found_where_two_days_are_too_much_for_one_listing() {
    let rig = Rig::new(Options { sessions: 20, open: 1, days: 5, ..Options::default() }).await;
    rig.scan().await;
    rig.site.advance_clock(86_400);
    rig.site.add_fault(too_slow_for(DAY_SECS + HOUR_SECS));
    assert_eq!(rig.scan().await.abandoned, 1);
}

#[tokio::test]
async fn a_site_that_was_slow_is_not_asked_for_long_windows_by_the_next_scan() {
    let rig = Rig::new(Options { sessions: 20, days: 5, ..Options::default() }).await;
    rig.site.add_fault(too_slow_for(8 * HOUR_SECS));
    let scanner = rig.scanner("one").await;
    scan(&scanner).await;
    let before = failed_requests(&rig);
    assert!(before > 0, "it was slow");
    rig.site.advance_clock(86_400);
    scan(&scanner).await;
    assert_eq!(failed_requests(&rig), before);
}

/// The hour of five days ago can't be listed.
fn one_hour(rig: &Rig) -> Fault {
    let from = rig.site.now() - 5 * DAY_SECS;
    Fault::ListingFails {
        from: Some(from),
        until: Some(from + HOUR_SECS),
        longer_than_secs: 0,
        status: 500,
    }
}

#[tokio::test]
async fn a_window_that_fails_hides_nothing_older_and_is_told_and_had_when_it_works_again() {
    let rig =
        Rig::new(Options { sessions: 400, abnormal: 12, days: 80, ..Options::default() }).await;
    let broken = one_hour(&rig);
    rig.site.add_fault(broken);
    let scanner = rig.scanner("one").await;
    let mut found = Found::default();
    let failure = scanner.scan(Family::Session, &mut found).await.expect_err("an hour fails");
    assert!(matches!(failure, ScanError::SetAside { .. }), "{failure:?}");
    let covered_until = found.covered_until.expect("it scanned");
    let from = rig.site.now() - 5 * DAY_SECS;
    assert!((at(from - HOUR_SECS)..at(from + HOUR_SECS)).contains(&covered_until));
    let (ended, abandoned) = (found.sessions - found.abandoned, found.abandoned);
    assert!(ended >= 395 && abandoned >= 10, "{found:?}");

    let before = failed_requests(&rig);
    rig.site.advance_clock(60);
    let again = scanner.scan(Family::Session, &mut Found::default()).await;
    again.expect_err("the hour is still not scanned");
    assert_eq!(failed_requests(&rig), before, "it is left alone for a while");

    rig.site.clear_faults();
    let long_ago = rig.site.now() - DAY_SECS;
    let over = rig.sessions(|session| session.end.is_some() || session.start <= long_ago);
    let rest = rig.scan().await;
    assert_eq!(found.sessions + rest.sessions, over.len() as u64);
    assert_eq!(rest.covered_until, Some(at(rig.site.now())));
}

#[tokio::test]
async fn a_site_that_lists_nothing_at_all_ends_the_scan_at_its_first_window() {
    let rig = Rig::new(Options { sessions: 20, days: 5, ..Options::default() }).await;
    let everything =
        Fault::ListingFails { from: None, until: None, longer_than_secs: 0, status: 503 };
    rig.site.add_fault(everything);
    let scanner = rig.scanner("one").await;
    let failure = scanner.scan(Family::Session, &mut Found::default()).await;
    assert!(matches!(failure, Err(ScanError::Appliance { .. })), "{failure:?}");
    // Shorter and shorter windows, and the question whether it lists at all.
    assert!(failed_requests(&rig) <= 8, "{} requests", failed_requests(&rig));
}

#[tokio::test]
async fn listings_that_are_cut_at_a_round_number_lose_nothing() {
    let rig = Rig::new(Options { sessions: 1_300, days: 1, ..Options::default() }).await;
    rig.site.add_fault(Fault::ListingCutShort { sessions: 500 });
    assert_eq!(rig.scan().await.sessions, 1_300);
}
