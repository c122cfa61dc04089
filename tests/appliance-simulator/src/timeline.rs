//! Which sessions there are, when they began and ended, and what was recorded of them.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use crate::chance::{Dice, key_of, key_of_text};
use crate::lsid::{Family, Number, lsid_of, number_of};
use crate::options::{LsidStyle, Options, Product};
use crate::selector::{Edge, Selector, Window};

const DAY_SECONDS: u64 = 86_400;
/// Live sessions are short, so that those which run at any time are few and can be counted up to.
const LIVE_SECONDS_MAX: u64 = 600;
const OUTLINE: u64 = 1;

/// A session without its details: what can be known without writing its report.
#[derive(Debug, Clone)]
pub(crate) struct Outline {
    pub(crate) number: Number,
    pub(crate) lsid: String,
    pub(crate) lseq: u64,
    pub(crate) external_key: String,
    pub(crate) start: i64,
    /// When it will have ended; none if it never does.
    pub(crate) end: Option<i64>,
    pub(crate) screen_recording: bool,
    pub(crate) shells: u32,
    pub(crate) show_my_screens: u32,
}

impl Outline {
    pub(crate) fn has_ended(&self, now: i64) -> bool {
        self.end.is_some_and(|end| end <= now)
    }

    /// Seconds between start and end, or until now.
    pub(crate) fn duration(&self, now: i64) -> i64 {
        (self.end.unwrap_or(now).min(now) - self.start).max(0)
    }
}

/// All sessions of a site, computed when asked for.
#[derive(Debug)]
pub(crate) struct Timeline {
    key: u64,
    style: LsidStyle,
    options: Options,
    /// What the clock showed at the start: the ends lie before it.
    anchor: i64,
    ended_by_hand: RwLock<HashMap<Number, i64>>,
    added: RwLock<Vec<i64>>,
}

impl Timeline {
    pub(crate) fn new(options: &Options, anchor: i64) -> Self {
        Self {
            key: site_key(options),
            style: options.lsid_style,
            options: options.clone(),
            anchor,
            ended_by_hand: RwLock::default(),
            added: RwLock::default(),
        }
    }

    /// The session with this id, if it has begun.
    pub(crate) fn find(&self, lsid: &str, now: i64) -> Option<Outline> {
        let number = number_of(lsid, self.key, self.style)?;
        let outline = self.outline(number)?;
        (outline.start <= now).then_some(outline)
    }

    /// The sessions that a request asks for, as they stand at `now`.
    pub(crate) fn select(&self, selector: &Selector, now: i64) -> Vec<Number> {
        match selector {
            Selector::Lsids(lsids) => lsids
                .iter()
                .filter_map(|lsid| self.find(lsid, now))
                .map(|found| found.number)
                .collect(),
            Selector::Window(window) => {
                self.numbers(now).filter(|number| self.is_in(*number, window, now)).collect()
            }
        }
    }

    /// Every session that has begun at `now`.
    pub(crate) fn all(&self, now: i64) -> Vec<Number> {
        let begun = |number: &Number| self.span(*number).is_some_and(|(start, _)| start <= now);
        self.numbers(now).filter(begun).collect()
    }

    pub(crate) fn outline(&self, number: Number) -> Option<Outline> {
        let (start, end) = self.span(number)?;
        let mut dice = Dice::of(&[self.key, OUTLINE, number.value()]);
        let screen_recording = dice.happens(self.options.recordings);
        let shells = if dice.happens(self.options.shells) { dice.between(1, 3) as u32 } else { 0 };
        let shows_screens = self.options.product == Product::RemoteSupport
            && dice.happens(self.options.show_my_screen);
        let show_my_screens = if shows_screens { dice.between(1, 2) as u32 } else { 0 };
        Some(Outline {
            number,
            lsid: lsid_of(number, self.key, self.style),
            lseq: number.place + 1 + (number.value() >> 40) * 1_000_000,
            external_key: external_key(&mut dice, number),
            start,
            end,
            screen_recording,
            shells,
            show_my_screens,
        })
    }

    /// Makes an open or abnormally closed session end at `now`. False if there is none with this id, or it has ended.
    pub(crate) fn end_session(&self, lsid: &str, now: i64) -> bool {
        let Some(outline) = self.find(lsid, now).filter(|outline| outline.end.is_none()) else {
            return false;
        };
        self.ended_by_hand
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(outline.number, now);
        true
    }

    /// Adds a session that ends at `now`, and gives its id.
    pub(crate) fn add_session(&self, now: i64) -> String {
        let mut added = self.added.write().unwrap_or_else(PoisonError::into_inner);
        added.push(now);
        lsid_of(
            Number { family: Family::Added, place: added.len() as u64 - 1 },
            self.key,
            self.style,
        )
    }

    fn is_in(&self, number: Number, window: &Window, now: i64) -> bool {
        let Some((start, end)) = self.span(number) else { return false };
        match window.edge {
            Edge::Start => start <= now && window.holds(start),
            Edge::End => end.is_some_and(|end| end <= now && window.holds(end)),
        }
    }

    fn numbers(&self, now: i64) -> impl Iterator<Item = Number> + use<> {
        let added = self.added.read().unwrap_or_else(PoisonError::into_inner).len() as u64;
        [
            (Family::Ended, self.options.sessions),
            (Family::Open, self.options.open),
            (Family::Abnormal, self.options.abnormal),
            (Family::Live, self.live_sessions_by(now)),
            (Family::Added, added),
        ]
        .into_iter()
        .flat_map(|(family, count)| (0..count).map(move |place| Number { family, place }))
    }

    /// How many live sessions can have begun by `now`.
    fn live_sessions_by(&self, now: i64) -> u64 {
        let seconds = (now - self.anchor).max(0) as u64 + LIVE_SECONDS_MAX;
        seconds * u64::from(self.options.live_per_minute) / 60
    }

    fn span(&self, number: Number) -> Option<(i64, Option<i64>)> {
        let mut dice = Dice::of(&[self.key, 0, number.value()]);
        let (start, end) = match number.family {
            Family::Ended if number.place < self.options.sessions => {
                let end = self.spread_end(number.place, self.options.sessions, &mut dice);
                (end - usual_seconds(&mut dice), Some(end))
            }
            Family::Open if number.place < self.options.open => {
                (self.anchor - dice.between(300, 20_000) as i64, None)
            }
            Family::Abnormal if number.place < self.options.abnormal => {
                let closed = self.spread_end(number.place, self.options.abnormal, &mut dice);
                (closed - usual_seconds(&mut dice), None)
            }
            Family::Live if self.options.live_per_minute > 0 => {
                let end = self.anchor
                    + ((number.place + 1) * 60 / u64::from(self.options.live_per_minute)) as i64;
                (end - dice.between(30, LIVE_SECONDS_MAX) as i64, Some(end))
            }
            Family::Added => {
                let end = *self
                    .added
                    .read()
                    .unwrap_or_else(PoisonError::into_inner)
                    .get(number.place as usize)?;
                (end - usual_seconds(&mut dice), Some(end))
            }
            _ => return None,
        };
        let by_hand = self.ended_by_hand.read().unwrap_or_else(PoisonError::into_inner);
        Some((start, end.or_else(|| by_hand.get(&number).copied())))
    }

    // In order and evenly, so that a window of any width holds its share.
    fn spread_end(&self, place: u64, count: u64, dice: &mut Dice) -> i64 {
        let span = (u64::from(self.options.days) * DAY_SECONDS) as f64;
        let along = (place as f64 + dice.fraction()) / count as f64;
        self.anchor - 1 - (span * (1.0 - along)) as i64
    }
}

/// What tells this site's chance from any other's.
pub(crate) fn site_key(options: &Options) -> u64 {
    key_of(&[options.seed, key_of_text(&options.host)])
}

fn usual_seconds(dice: &mut Dice) -> i64 {
    let seconds = match dice.below(100) {
        0 => dice.between(DAY_SECONDS, 3 * DAY_SECONDS),
        1..=14 => dice.between(5_400, 28_800),
        _ => dice.between(60, 5_400),
    };
    seconds as i64
}

fn external_key(dice: &mut Dice, number: Number) -> String {
    match dice.below(10) {
        0..=4 => String::new(),
        5..=7 => format!("INC{:07}", number.place),
        8 => format!("TÄT/{}: \"ß\" <{}>", dice.below(1000), number.place),
        _ => format!("..\\{}|*?", number.place),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline() -> Timeline {
        let options = Options {
            sessions: 500,
            open: 3,
            abnormal: 2,
            live_per_minute: 6,
            ..Options::default()
        };
        Timeline::new(&options, 1_750_000_000)
    }

    fn window(edge: Edge, from: i64, until: i64) -> Selector {
        Selector::Window(Window { edge, from, until })
    }

    #[test]
    fn an_end_time_window_never_lists_an_open_session() {
        let timeline = timeline();
        let now = 1_750_000_000;
        let listed = timeline.select(&window(Edge::End, 0, i64::MAX), now);
        assert_eq!(listed.len(), 500);
        assert!(listed.iter().all(|number| number.family == Family::Ended));
    }

    #[test]
    fn a_start_time_window_lists_what_still_runs() {
        let timeline = timeline();
        let listed = timeline.select(&window(Edge::Start, 0, i64::MAX), 1_750_000_000);
        assert_eq!(listed.iter().filter(|number| number.family == Family::Open).count(), 3);
        assert_eq!(listed.iter().filter(|number| number.family == Family::Abnormal).count(), 2);
    }

    #[test]
    fn windows_side_by_side_list_each_session_once() {
        let timeline = timeline();
        let now = 1_750_000_000;
        let from = now - 30 * 86_400 - 1;
        let step = 10_000;
        let listed: usize = (0..=(now - from) / step)
            .map(|part| window(Edge::End, from + part * step, from + (part + 1) * step))
            .map(|selector| timeline.select(&selector, now).len())
            .sum();
        assert_eq!(listed, 500);
    }

    #[test]
    fn a_live_session_ends_at_its_time() {
        let timeline = timeline();
        let lists = |now| timeline.select(&window(Edge::End, 1_750_000_000, i64::MAX), now).len();
        assert_eq!((lists(1_750_000_000), lists(1_750_000_060)), (0, 6));
    }

    #[test]
    fn an_open_session_ends_when_told() {
        let timeline = timeline();
        let now = 1_750_000_000;
        let open = timeline.select(&window(Edge::Start, 0, i64::MAX), now).into_iter();
        let open = open
            .filter_map(|number| timeline.outline(number))
            .find(|outline| outline.end.is_none());
        let lsid = open.expect("three are open").lsid;
        assert!(timeline.end_session(&lsid, now));
        assert!(!timeline.end_session(&lsid, now), "it has ended");
        assert!(timeline.find(&lsid, now).expect("it is still there").has_ended(now));
    }

    #[test]
    fn an_added_session_is_listed_at_once() {
        let timeline = timeline();
        let lsid = timeline.add_session(1_750_000_100);
        assert_eq!(
            timeline.find(&lsid, 1_750_000_100).and_then(|outline| outline.end),
            Some(1_750_000_100)
        );
    }
}
