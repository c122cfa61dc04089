use std::collections::BTreeSet;

use chrono::DateTime;
use proptest::prelude::*;

use super::*;

const WINDOW: u32 = 50;
const REACH: Reach = Reach { overlap_secs: 7, first_run_secs: 300 };

fn at(secs: i64) -> ApplianceTime {
    ApplianceTime::read_off(DateTime::from_timestamp(secs, 0).expect("a small number"))
}

/// A clock of ours that agrees with the appliance's.
fn read(secs: i64) -> Reading {
    Reading { appliance: at(secs), ours: at(secs).instant() }
}

fn begin(stored: Option<&Coverage>, now: i64) -> Coverage {
    Coverage::begin(stored, at(now), read(now), REACH)
}

/// Behind a watermark that the clock stood at, a little more than the overlap: clocks are read to the second.
fn again_from(watermark: i64, now: i64) -> i64 {
    (watermark - i64::from(REACH.overlap_secs) - 5).min(now - i64::from(REACH.overlap_secs))
}

fn secs(stretch: Stretch) -> std::ops::Range<i64> {
    stretch.from().unix_secs()..stretch.until().unix_secs()
}

fn all_secs(windows: impl IntoIterator<Item = Stretch>) -> Vec<i64> {
    let mut all: Vec<i64> = windows.into_iter().flat_map(secs).collect();
    all.sort_unstable();
    all
}

fn finished(mut coverage: Coverage, now: ApplianceTime) -> Coverage {
    while let Some(window) = coverage.windows(now, WINDOW).next() {
        coverage = coverage.cover(window);
    }
    coverage
}

#[test]
fn a_first_run_begins_with_the_newest_window() {
    let coverage = begin(None, 1_000);
    let windows: Vec<_> = coverage.windows(at(1_000), 100).map(secs).collect();
    assert_eq!(windows, [900..1_000, 800..900, 700..800]);
}

#[test]
fn a_first_run_that_is_killed_goes_on_where_it_was() {
    let begun = begin(None, 1_000);
    let newest = begun.windows(at(1_000), 100).next().expect("three are to do");
    let stored = begun.cover(newest);
    assert_eq!(stored.watermark(), at(1_000));
    assert_eq!(stored.covered_until(), at(700));
    let again = begin(Some(&stored), 1_010);
    let windows: Vec<_> = again.windows(at(1_010), 100).map(secs).collect();
    assert_eq!(windows, [988..1_010, 800..900, 700..800]);
}

#[test]
fn a_watermark_ahead_of_the_clock_is_set_back() {
    let ahead = finished(begin(None, 5_000), at(5_000));
    assert_eq!(ahead.secs_ahead(at(1_400)), 3_600);
    let begun = begin(Some(&ahead), 1_400);
    assert_eq!(begun.watermark(), at(1_400));
    let windows: Vec<_> = begun.windows(at(1_400), WINDOW).map(secs).collect();
    assert_eq!(windows, vec![1_393..1_400]);
}

#[test]
fn a_clock_that_showed_1970_costs_no_scan_of_decades() {
    let astray = finished(begin(None, 1_000), at(1_000));
    let now = at(1_800_000_000);
    let begun = begin(Some(&astray), now.unix_secs());
    assert_eq!(begun.windows(now, 86_400).count(), 400);
}

/// The appliance's clock stands at the first and ours at the second of these, and a minute passes each time.
fn scanned(
    stored: Option<&Coverage>,
    appliance: i64,
    ours: i64,
) -> (Coverage, Vec<std::ops::Range<i64>>) {
    let reading = Reading { appliance: at(appliance), ours: at(ours).instant() };
    let begun = Coverage::begin(stored, at(appliance), reading, REACH);
    let windows = begun.windows(at(appliance), 86_400).map(secs).collect();
    (finished(begun, at(appliance)), windows)
}

#[test]
fn a_clock_that_was_set_on_leaves_no_late_report_behind() {
    let (first, _) = scanned(None, 10_000, 10_000);
    let (second, windows) = scanned(Some(&first), 17_204, 10_004);
    assert_eq!(
        first.jump_secs(Reading { appliance: at(17_204), ours: at(10_004).instant() }),
        7_200
    );
    assert_eq!(windows, vec![9_988..17_204]);
    // What ended before the jump may still appear, under an instant of the clock as it was.
    let (third, windows) = scanned(Some(&second), 17_208, 10_008);
    assert_eq!(windows, vec![17_192..17_208, 9_992..10_020]);
    let (_, windows) = scanned(Some(&third), 17_228, 10_028);
    assert_eq!(windows, vec![17_196..17_228, 9_996..10_040]);
    let (fourth, _) = scanned(Some(&third), 17_228, 10_028);
    let (_, windows) = scanned(Some(&fourth), 17_248, 10_048);
    assert_eq!(windows, vec![17_216..17_248], "it is too long ago");
}

#[test]
fn a_clock_that_was_set_back_while_nobody_looked_hides_nothing() {
    let (first, _) = scanned(None, 10_000, 10_000);
    // It stood two hours earlier for three hours, and is ahead of the watermark once more.
    let (_, windows) = scanned(Some(&first), 13_600, 20_800);
    assert_eq!(windows, vec![2_788..13_600]);
}

proptest! {
    #[test]
    fn the_windows_cover_all_from_the_watermark_less_the_overlap_up_to_now(
        watermark in 1_000i64..3_000, now in 1_000i64..3_000, secs_max in 1u32..500,
    ) {
        let stored = finished(begin(None, watermark), at(watermark));
        let begun = begin(Some(&stored), now);
        let windows: Vec<_> = begun.windows(at(now), secs_max).collect();
        let start = again_from(watermark, now);
        prop_assert_eq!(all_secs(windows.iter().copied()), (start..now).collect::<Vec<_>>());
        prop_assert!(windows.iter().all(|window| window.secs() <= i64::from(secs_max)));
    }

    #[test]
    fn a_split_stretch_is_the_same_stretch(from in 0i64..100, len in 1i64..300, secs_max in 0u32..90) {
        let stretch = Stretch::new(at(from), at(from + len)).expect("not empty");
        prop_assert_eq!(all_secs(stretch.split(secs_max)), (from..from + len).collect::<Vec<_>>());
    }

    /// Scans begin, cover windows in any order, are killed and begin anew, several at a time.
    #[test]
    fn the_watermark_never_passes_what_is_neither_scanned_nor_in_the_backlog(
        steps in prop::collection::vec((0i64..120, any::<prop::sample::Index>(), 1u32..90), 1..60),
    ) {
        let mut now = 1_000;
        let floor = now + steps[0].0 - i64::from(REACH.first_run_secs);
        let mut scanned = BTreeSet::new();
        let mut stored = None;
        for (passed, pick, secs_max) in steps {
            now += passed;
            let begun = begin(stored.as_ref(), now);
            let windows: Vec<_> = begun.windows(at(now), secs_max).collect();
            if windows.is_empty() {
                continue;
            }
            let window = windows[pick.index(windows.len())];
            scanned.extend(secs(window));
            let covered = begun.cover(window);
            prop_assert!(covered.watermark() <= at(now));
            for second in floor..covered.covered_until().unix_secs() {
                prop_assert!(scanned.contains(&second), "{second} was passed");
            }
            stored = Some(covered);
        }
        let begun = begin(stored.as_ref(), now);
        let end = finished(begun, at(now));
        prop_assert_eq!((end.watermark(), end.covered_until()), (at(now), at(now)));
    }

    /// The clock jumps either way; whatever it does, the next scan reaches back from the lower of the two.
    #[test]
    fn a_jumping_clock_never_leaves_the_watermark_ahead(nows in prop::collection::vec(2_000i64..9_000, 1..20)) {
        let mut stored: Option<Coverage> = None;
        for now in nows {
            let before = stored.as_ref().map(Coverage::watermark);
            let begun = begin(stored.as_ref(), now);
            let start = begun.covered_until();
            if let Some(before) = before {
                prop_assert_eq!(start, at(again_from(before.unix_secs(), now)));
            }
            let end = finished(begun, at(now));
            prop_assert_eq!(end.watermark(), at(now));
            stored = Some(end);
        }
    }
}
