use appliance_simulator::{Fault, Options};
use chrono::Utc;
use domain::facts::{ArtifactStaged, Cause, ClaimCheck};
use domain::{ArtifactId, Family, Look, Particulars};
use messages::Fact;

use super::Found;
use crate::rig::{Rig, at, scan, until};
use crate::sweep::By;

const DAY_SECS: i64 = 86_400;

fn few() -> Options {
    Options { sessions: 60, days: 80, ..Options::default() }
}

#[tokio::test]
async fn every_session_that_ended_is_announced_once() {
    let rig = Rig::new(few()).await;
    let found = rig.scan().await;
    assert_eq!((found.sessions, found.abandoned), (60, 0));
    assert_eq!(found.covered_until, Some(at(rig.site.now())));
    assert_eq!(rig.scan().await.sessions, 0);
    rig.expect_announced(&rig.sessions(|session| session.end.is_some())).await;
}

#[tokio::test]
async fn later_scans_ask_for_two_windows_each() {
    let rig = Rig::new(few()).await;
    let scanner = rig.scanner("one").await;
    scan(&scanner).await;
    for _ in 0..3 {
        rig.site.advance_clock(300);
        rig.site.add_sessions(2);
        let before = rig.listings();
        assert_eq!(scan(&scanner).await.sessions, 2);
        assert_eq!(rig.listings() - before, 2);
    }
}

#[tokio::test]
async fn a_session_that_is_announced_while_its_window_is_not_covered_is_not_announced_twice() {
    let rig = Rig::new(few()).await;
    let ended = rig.sessions(|session| session.end.is_some());
    let some: Vec<_> = ended.iter().take(30).map(|lsid| rig.ended(lsid)).collect();
    rig.log.announce_all(&some).await.expect("the server runs");
    assert_eq!(rig.scan().await.sessions, 30);
    rig.expect_announced(&ended).await;
}

#[tokio::test]
async fn a_first_run_that_is_killed_again_and_again_repeats_one_window_each_time() {
    let rig = Rig::new(few()).await;
    const KILLS: u64 = 10;
    for kill in 1..=KILLS {
        let scanner = rig.scanner("one").await;
        let scanning = tokio::spawn(async move { scan(&scanner).await });
        until("some more windows are scanned", async || rig.listings() >= kill * 8).await;
        scanning.abort();
        assert!(scanning.await.is_err_and(|end| end.is_cancelled()));
    }
    rig.scan().await;
    rig.expect_announced(&rig.sessions(|session| session.end.is_some())).await;
    // 90 windows of ends, 89 of starts. Each kill costs the window that was being scanned, and the next process looks at
    // the newest ends and starts once more.
    println!("{} listings with {KILLS} kills", rig.listings());
    assert!(rig.listings() <= 179 + KILLS * 3 + 2, "{} listings", rig.listings());
}

#[tokio::test]
async fn two_scans_at_once_announce_each_session_once() {
    let rig = Rig::new(Options { abnormal: 5, ..few() }).await;
    let (one, other) = (rig.scanner("one").await, rig.scanner("other").await);
    let (one, other) = tokio::join!(scan(&one), scan(&other));
    let over =
        rig.sessions(|session| session.end.is_some() || session.start <= rig.site.now() - DAY_SECS);
    assert_eq!(one.sessions + other.sessions, over.len() as u64);
    rig.expect_announced(&over).await;
}

#[tokio::test]
async fn an_open_session_is_announced_when_it_has_ended() {
    let rig = Rig::new(Options { sessions: 0, open: 1, ..Options::default() }).await;
    assert_eq!(rig.scan().await.sessions, 0);
    let open = rig.sessions(|session| session.end.is_none()).pop_first().expect("one is open");
    rig.site.advance_clock(60);
    assert!(rig.site.end_session(&open));
    rig.site.advance_clock(60);
    assert_eq!(rig.scan().await.sessions, 1);
    rig.expect_announced(&[open].into()).await;
}

#[tokio::test]
async fn a_session_that_stays_open_is_abandoned_once_and_fetched_again_when_it_ends() {
    let rig = Rig::new(Options { sessions: 20, open: 1, days: 5, ..Options::default() }).await;
    let open = rig.sessions(|session| session.end.is_none()).pop_first().expect("one is open");
    rig.scan().await;
    let ended = rig.due().await;
    rig.site.advance_clock(86_400);
    let found = rig.scan().await;
    assert_eq!((found.sessions, found.abandoned), (1, 1));
    rig.site.advance_clock(300);
    assert_eq!(rig.scan().await.abandoned, 0);
    assert!(rig.site.end_session(&open));
    rig.site.advance_clock(300);
    let found = rig.scan().await;
    assert_eq!((found.sessions, found.ended_after_all), (0, 1));
    rig.site.advance_clock(300);
    assert_eq!(rig.scan().await.ended_after_all, 0, "the overlap lists it once more");
    assert_eq!(rig.due().await, ended + 2);
    assert!(rig.held(rig.ended(&open)).await);
    assert!(rig.held(rig.again(&open)).await);
}

#[tokio::test]
async fn sessions_that_closed_abnormally_are_found_however_long_ago() {
    let rig = Rig::new(Options { abnormal: 12, ..few() }).await;
    let long_ago = rig.site.now() - DAY_SECS;
    let abandoned = rig.sessions(|session| session.end.is_none() && session.start <= long_ago);
    let found = rig.scan().await;
    assert_eq!(
        (found.sessions, found.abandoned),
        (60 + abandoned.len() as u64, abandoned.len() as u64)
    );
}

#[tokio::test]
async fn a_kill_between_mark_and_announcement_forgets_no_abandoned_session() {
    let rig = Rig::new(Options { sessions: 0, open: 1, ..Options::default() }).await;
    let open = rig.sessions(|session| session.end.is_none()).pop_first().expect("one is open");
    rig.scan().await;
    rig.site.advance_clock(86_400);
    let killed = crate::abandoned::Abandoned::open(&rig.log, "killed").await.expect("it runs");
    let lsid = open.parse().expect("an LSID");
    let now = at(rig.site.now());
    killed.mark(&rig.host(), Family::Session, &lsid, now).await.expect("it runs");
    assert_eq!(rig.scan().await.abandoned, 1);
    rig.site.end_session(&open);
    rig.site.advance_clock(60);
    assert_eq!(rig.scan().await.ended_after_all, 1);
    let marks = killed.marks(&rig.host(), Family::Session).await.expect("it runs");
    assert!(marks.is_empty(), "{marks:?}");
}

#[tokio::test]
async fn a_session_that_lasted_for_days_and_has_ended_is_not_abandoned() {
    let rig = Rig::new(Options { sessions: 300, days: 10, ..Options::default() }).await;
    rig.scan().await;
    // A new process remembers none of them, and its window of starts holds one that lasted for days.
    for _ in 0..4 {
        rig.site.advance_clock(20_000);
        assert_eq!(
            rig.scan().await,
            Found { covered_until: Some(at(rig.site.now())), ..Found::default() }
        );
    }
    let abandoned = crate::abandoned::Abandoned::open(&rig.log, "one").await.expect("it runs");
    assert!(abandoned.marks(&rig.host(), Family::Session).await.expect("it runs").is_empty());
}

#[tokio::test]
async fn a_poll_that_fails_moves_nothing() {
    let rig = Rig::new(few()).await;
    rig.scan().await;
    let before = (rig.coverage(By::End).await, rig.coverage(By::Start).await, rig.due().await);
    rig.site.advance_clock(3_600);
    rig.site.add_sessions(3);
    rig.site.add_fault(Fault::Down { seconds: None });
    let mut found = Found::default();
    let scanner = rig.scanner("one").await;
    scanner.scan(Family::Session, &mut found).await.expect_err("it is down");
    assert_eq!(found, Found::default());
    let after = (rig.coverage(By::End).await, rig.coverage(By::Start).await, rig.due().await);
    assert_eq!(before, after);
    rig.site.clear_faults();
    assert_eq!(scan(&scanner).await.sessions, 3);
}

#[tokio::test]
async fn a_report_that_appears_late_is_found_within_the_overlap() {
    let rig = Rig::new(few()).await;
    rig.scan().await;
    rig.site.advance_clock(60);
    let late = rig.site.add_sessions(1);
    let until = rig.site.now() + 600;
    rig.site.add_fault(Fault::Late { lsids: late.into_iter().collect(), until });
    rig.site.advance_clock(300);
    assert_eq!(rig.scan().await.sessions, 0);
    rig.site.advance_clock(300);
    assert_eq!(rig.scan().await.sessions, 1);
}

#[tokio::test]
async fn a_clock_that_is_set_back_hides_no_session() {
    let rig = Rig::new(few()).await;
    rig.site.add_fault(Fault::ClockOffset { seconds: 7_200 });
    rig.scan().await;
    assert_eq!(rig.coverage(By::End).await.expect("it ran").watermark(), at(rig.site.now()));
    rig.site.clear_faults();
    rig.site.advance_clock(60);
    rig.site.add_sessions(2);
    rig.site.advance_clock(60);
    assert_eq!(rig.scan().await.sessions, 2);
    assert_eq!(rig.coverage(By::End).await.expect("it ran").watermark(), at(rig.site.now()));
}

#[tokio::test]
async fn after_an_outage_of_a_week_everything_is_found() {
    let rig = Rig::new(few()).await;
    rig.scan().await;
    for _ in 0..7 {
        rig.site.advance_clock(86_400);
        rig.site.add_sessions(3);
    }
    assert_eq!(rig.scan().await.sessions, 21);
}

#[tokio::test]
async fn what_ends_during_a_first_run_does_not_wait_for_its_end() {
    let rig = Rig::new(few()).await;
    rig.site.add_fault(Fault::Delay { millis: 20 });
    let scanner = rig.scanner("one").await;
    let scanning = tokio::spawn(async move { scan(&scanner).await });
    until("some windows are scanned", async || rig.listings() >= 5).await;
    rig.site.advance_clock(61);
    rig.site.add_sessions(1);
    let live = at(rig.site.now());
    let passed =
        async || rig.coverage(By::End).await.is_some_and(|ended| ended.watermark() >= live);
    until("what is new is scanned", passed).await;
    let coverage = rig.coverage(By::End).await.expect("it runs");
    assert!(coverage.covered_until() < live, "the rest is still to do");
    assert_eq!(scanning.await.expect("it ends").sessions, 61);
}

#[tokio::test]
async fn what_ends_while_abandoned_sessions_are_looked_for_does_not_wait_either() {
    let rig = Rig::new(few()).await;
    rig.site.add_fault(Fault::Delay { millis: 20 });
    let scanner = rig.scanner("one").await;
    let scanning = tokio::spawn(async move { scan(&scanner).await });
    until("the ends are scanned", async || rig.coverage(By::Start).await.is_some()).await;
    rig.site.advance_clock(61);
    rig.site.add_sessions(1);
    assert_eq!(scanning.await.expect("it ends").sessions, 61);
    assert_eq!(rig.coverage(By::End).await.expect("it ran").watermark(), at(rig.site.now()));
}

#[tokio::test]
async fn a_listing_that_is_suspiciously_large_is_had_in_parts() {
    let sessions = crate::listing::SESSIONS_SUSPICIOUS as u64 * 2 + 500;
    let rig = Rig::new(Options { sessions, days: 1, ..Options::default() }).await;
    assert_eq!(rig.scan().await.sessions, sessions);
    assert_eq!(rig.due().await, sessions);
    let whole_days = 90 + 89;
    assert!(rig.listings() > whole_days + 4, "{} listings: nothing was split", rig.listings());
}

/// What a fetcher leaves of a report, with the session's end as the report says it.
async fn stage(rig: &Rig, lsid: &str) {
    let lsid: domain::Lsid = lsid.parse().expect("an LSID");
    let ended = rig.site.sessions().into_iter().find(|session| session.lsid == lsid.as_str());
    let ended = ended.and_then(|session| session.end).map(|end| at(end).instant());
    let digest = domain::Digest::of(b"a report");
    let staged = Fact::ArtifactStaged(ArtifactStaged {
        artifact: ArtifactId::report(rig.host(), Family::Session, lsid),
        claim: ClaimCheck {
            object: "an object".to_owned(),
            size: 8,
            digest,
            content: digest,
            extension: "xml".to_owned(),
        },
        particulars: Particulars { ended, ..Particulars::default() },
        staged_at: Utc::now(),
        cause: Cause { subject: "test".to_owned(), sequence: 1 },
        revision: None,
    });
    rig.log.publish(&staged).await.expect("the server runs");
}

/// The look as if it were due at once: so much is passed over of what there is to wait for.
async fn looks_asked(rig: &Rig, look: Look) -> u64 {
    let scanner = rig.scanner("one").await;
    let mut found = Found::default();
    let mut memory = super::Memory::default();
    let mut scan = super::Scan {
        scanner: &scanner,
        family: Family::Session,
        memory: &mut memory,
        found: &mut found,
    };
    scan.look_at(look, Utc::now() + look.after()).await.expect("the server runs");
    found.looks
}

#[tokio::test]
async fn what_was_fetched_fresh_is_looked_at_again_after_an_hour_and_after_a_day() {
    let rig = Rig::new(Options { sessions: 40, days: 80, ..Options::default() }).await;
    let fresh = rig.site.add_sessions(3);
    rig.scan().await;
    for lsid in rig.sessions(|session| session.end.is_some()) {
        if lsid != fresh[2] {
            stage(&rig, &lsid).await;
        }
    }
    assert_eq!(rig.scan().await.looks, 0, "it is too early");
    let due = rig.due().await;
    assert_eq!(looks_asked(&rig, Look::Hour).await, 2, "not the old ones, nor what is not fetched");
    assert_eq!(looks_asked(&rig, Look::Hour).await, 0, "once");
    let days = looks_asked(&rig, Look::Day).await;
    assert!((2..6).contains(&days), "{days}");
    assert_eq!(rig.due().await, due + 2 + days);
    for ask in ["look-1h", "look-24h"] {
        assert!(rig.held(rig.again_as(&fresh[0], ask)).await);
    }
}

#[tokio::test]
async fn the_daily_scan_announces_what_was_missed_and_counts_it() {
    let rig = Rig::new(few()).await;
    rig.scan().await;
    // A report that appears much later than any overlap.
    rig.site.advance_clock(60);
    let late = rig.site.add_sessions(1);
    let until = rig.site.now() + 40_000;
    rig.site.add_fault(Fault::Late { lsids: late.into_iter().collect(), until });
    rig.site.advance_clock(20_000);
    assert_eq!(rig.scan().await.sessions, 0);
    rig.site.advance_clock(30_000);
    rig.scan().await;
    rig.a_day_goes_by().await;
    let scanned = rig.scan().await;
    let before = rig.listings();
    assert_eq!(rig.scan().await.missed, 0, "it was today");
    assert!(rig.listings() - before < 10);
    rig.a_day_goes_by().await;
    assert_eq!(rig.scan().await.missed, 0, "a good day");
    // Each jump of the stand-in's clock is a jump for the poller, so that the overlap alone may find it.
    assert!(scanned.missed <= 1);
    rig.expect_announced(&rig.sessions(|session| session.end.is_some())).await;
}

#[tokio::test]
async fn a_recording_that_only_the_listing_tells_of_has_its_report_looked_at_once_more() {
    let rig = Rig::new(Options { recordings: 1.0, sessions: 30, days: 20, ..few() }).await;
    rig.scan().await;
    let ended = |days: i64| {
        let before = rig.site.now() - days * DAY_SECS;
        rig.sessions(|session| session.end.is_some_and(|end| end < before))
    };
    let (old, older) = (ended(3), ended(9));
    let Some(known) = older.first() else { panic!("none is old") };
    for lsid in old.iter().skip(1) {
        stage(&rig, lsid).await;
    }
    stage(&rig, known).await;
    rig.log.announce(&rig.recording(known)).await.expect("the server runs");
    let due = rig.due().await;
    rig.a_day_goes_by().await;
    let looks = rig.scan().await.looks;
    // The staged ones but for that whose recording is known; two days old, or nearly so, are those between.
    assert!(looks >= (old.len() - 2) as u64, "{looks} of {}", old.len());
    assert_eq!(rig.due().await, due + looks);
    rig.a_day_goes_by().await;
    assert_eq!(rig.scan().await.looks, 0, "once");
    let (asked, other) = (older.last().expect("some"), "recording-7d");
    assert!(rig.held(rig.again_as(asked, other)).await);
    assert!(!rig.held(rig.again_as(known, other)).await);
}

#[tokio::test]
async fn a_clock_that_is_set_on_leaves_no_late_report_behind() {
    let rig = Rig::new(few()).await;
    rig.scan().await;
    let late = rig.site.add_sessions(1);
    let until = rig.site.now() + 7_260;
    rig.site.add_fault(Fault::Late { lsids: late.into_iter().collect(), until });
    rig.site.add_fault(Fault::ClockOffset { seconds: 7_200 });
    assert_eq!(rig.scan().await.sessions, 0);
    rig.site.advance_clock(61);
    assert_eq!(rig.scan().await.sessions, 1, "it ended two hours ago, by this clock");
}
