//! Random histories with a real log and the stand-in appliance: the wiring of what `domain` decides.

use std::time::Duration;

use appliance_simulator::{Fault, Options};
use domain::Family;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::{Found, Scanner};
use crate::rig::{Rig, scan};

const DAY_SECS: u32 = 86_400;
/// The appliance's clock is off by this at most.
const OFF_SECS: i64 = 5 * 3_600;
const OPEN: u64 = 3;

/// One history: what happens follows from the seed, how scans and kills interleave does not.
async fn history(seed: u64) {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut rig =
        Rig::new(Options { sessions: 12, open: OPEN, days: 1, seed, ..Options::default() }).await;
    rig.settings.sites[0].first_run_reach = Duration::from_secs(3 * u64::from(DAY_SECS));
    let mut pollers = [rig.scanner("one").await, rig.scanner("other").await];
    for _ in 0..25 {
        match dice.random_range(0..12) {
            0..3 => rig.site.advance_clock(dice.random_range(1..4_000)),
            3..6 => add_sessions(&rig, &mut dice),
            6 => rig
                .site
                .add_fault(Fault::ClockOffset { seconds: dice.random_range(-OFF_SECS..OFF_SECS) }),
            7 => {
                let requests = dice.random_range(1..4);
                rig.site.add_fault(Fault::FailNext { requests, status: 503 });
            }
            8 => end_one(&rig),
            9 => {
                let killed = dice.random_range(0..2);
                kill_within(&pollers[killed], Duration::from_millis(dice.random_range(1..60)))
                    .await;
                pollers[killed] = rig.scanner(["one", "other"][killed]).await;
            }
            10 => {
                let (one, other) = tokio::join!(try_scan(&pollers[0]), try_scan(&pollers[1]));
                let _either_may_fail = (one, other);
            }
            _ => drop(try_scan(&pollers[dice.random_range(0..2)]).await),
        }
    }
    settle(&rig).await;
    let over = rig.sessions(|_| true);
    let facts: Vec<_> = over.iter().map(|lsid| rig.ended(lsid)).collect();
    let due = rig.due().await;
    assert_eq!(
        rig.log.announce_all(&facts).await.expect("it runs"),
        0,
        "seed {seed}: one was lost"
    );
    let again = due - over.len() as u64;
    assert!(again <= OPEN, "seed {seed}: {again} asked for again");
}

/// What ends now; some of it appears late.
fn add_sessions(rig: &Rig, dice: &mut StdRng) {
    let new = rig.site.add_sessions(dice.random_range(1..4));
    if dice.random_bool(0.5) {
        let until = rig.site.now() + dice.random_range(1..900);
        rig.site.add_fault(Fault::Late { lsids: new.into_iter().collect(), until });
    }
}

fn end_one(rig: &Rig) {
    if let Some(open) = rig.sessions(|session| session.end.is_none()).pop_first() {
        rig.site.end_session(&open);
    }
}

async fn try_scan(poller: &Scanner) -> bool {
    poller.scan(Family::Session, &mut Found::default()).await.is_ok()
}

async fn kill_within(poller: &Scanner, within: Duration) {
    let _killed_or_done = tokio::time::timeout(within, try_scan(poller)).await;
}

/// Time goes by without trouble, until what is open counts as abandoned.
async fn settle(rig: &Rig) {
    rig.site.clear_faults();
    for secs in [OFF_SECS as u32, DAY_SECS / 2, DAY_SECS, 60] {
        rig.site.advance_clock(secs);
        scan(&rig.scanner("last").await).await;
    }
}

async fn histories(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        history(seed).await;
    }
}

#[tokio::test]
async fn whatever_happens_every_session_is_announced_once() {
    histories(0..4).await;
}

#[tokio::test]
#[ignore = "make chaos"]
async fn whatever_happens_in_forty_histories_every_session_is_announced_once() {
    histories(4..44).await;
}
