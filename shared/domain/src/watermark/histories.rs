//! Random histories: the decisions of scans and second looks against a model of an appliance and of the log.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};

use super::*;
use crate::{Look, Looked};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;
const OVERLAP: i64 = 900;
/// What a poller adds to it because other pollers' clocks differ from its own.
const MARGIN: i64 = 300;
const ABANDONED_AFTER: i64 = DAY;
const ENDS: Reach = Reach { overlap_secs: OVERLAP as u32, first_run_secs: 90 * DAY as u32 };
const STARTS: Reach = Reach { first_run_secs: (89 * DAY - OVERLAP) as u32, ..ENDS };
/// True time begins here; all of the model is counted from it.
const BEGINNING: i64 = 1_790_000_000;

#[derive(Debug, Clone)]
enum Event {
    Pass(i64),
    Start,
    End {
        which: prop::sample::Index,
        late: i64,
        incomplete: i64,
        fetched_after: i64,
    },
    Jump(i64),
    /// A poller begins to scan, or goes on.
    Scan {
        poller: usize,
        windows: usize,
    },
    /// A poll fails, or the process is killed and started again: what it had in mind is gone.
    Killed {
        poller: usize,
    },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1..5_000_i64).prop_map(Event::Pass),
        1 => (5_000..60_000_i64).prop_map(Event::Pass),
        4 => Just(Event::Start),
        6 => (any::<prop::sample::Index>(), 0..=OVERLAP, 0..=DAY, 0..2 * HOUR).prop_map(
            |(which, late, incomplete, fetched_after)| Event::End { which, late, incomplete, fetched_after }
        ),
        1 => (-5 * HOUR..5 * HOUR).prop_map(Event::Jump),
        8 => (0..2_usize, 1..12_usize).prop_map(|(poller, windows)| Event::Scan { poller, windows }),
        1 => (0..2_usize).prop_map(|poller| Event::Killed { poller }),
    ]
}

/// A session; its true times beside what the appliance wrote down.
#[derive(Debug, Clone)]
struct Session {
    started: ApplianceTime,
    ended: Option<Ended>,
}

#[derive(Debug, Clone)]
struct Ended {
    instant: ApplianceTime,
    visible_at: i64,
    complete_at: i64,
    fetched_after: i64,
}

/// What the log holds of a session.
#[derive(Debug, Clone, Default)]
struct Told {
    /// When it was announced, and what the appliance's clock showed then.
    announced: Option<(i64, ApplianceTime)>,
    abandoned: bool,
    /// When it was asked for again because it ended after all.
    ended_after_all: Option<i64>,
    looks: BTreeSet<Look>,
    /// When it was staged, and whether that was all of it.
    staged: Vec<(i64, bool)>,
}

/// What a poller has in mind.
#[derive(Debug, Clone, Copy)]
struct Sweeping {
    now: ApplianceTime,
    by_start: bool,
}

struct Model {
    time: i64,
    ahead: i64,
    /// The clock was set since anybody read it (or nobody ever did): one more time nobody could notice but the daily scan.
    jumped_unseen: bool,
    sessions: Vec<Session>,
    told: BTreeMap<usize, Told>,
    ends: Option<Coverage>,
    starts: Option<Coverage>,
    /// True time at which the last scan began that the stored coverage knows of.
    begun_at: i64,
    pollers: [Option<Sweeping>; 2],
    skews: [i64; 2],
    /// How far scans look back; less than reports are late shows that the histories notice.
    overlap: i64,
}

fn instant(secs: i64) -> ApplianceTime {
    let instant = DateTime::from_timestamp(BEGINNING + secs, 0);
    ApplianceTime::read_off(instant.expect("within the ends of time"))
}

impl Model {
    fn new(ahead: i64, skews: [i64; 2]) -> Self {
        Model {
            time: 0,
            ahead,
            jumped_unseen: true,
            sessions: Vec::new(),
            told: BTreeMap::new(),
            ends: None,
            starts: None,
            begun_at: 0,
            pollers: [None; 2],
            skews,
            overlap: OVERLAP,
        }
    }

    fn clock(&self) -> ApplianceTime {
        instant(self.time + self.ahead)
    }

    fn happen(&mut self, event: &Event) {
        match event {
            Event::Pass(secs) => self.time += secs,
            Event::Start => {
                self.sessions.push(Session { started: self.clock(), ended: None });
            }
            Event::End { which, late, incomplete, fetched_after } => {
                let (now, clock) = (self.time, self.clock());
                let open: Vec<usize> = (0..self.sessions.len())
                    .filter(|i| self.sessions[*i].ended.is_none())
                    .collect();
                if let Some(one) = open.get(which.index(open.len().max(1))) {
                    self.sessions[*one].ended = Some(Ended {
                        instant: clock,
                        visible_at: now + late,
                        complete_at: now + incomplete,
                        fetched_after: *fetched_after,
                    });
                }
            }
            Event::Jump(_) if self.jumped_unseen => {}
            Event::Jump(secs) => {
                self.ahead += secs;
                self.jumped_unseen = true;
            }
            Event::Scan { poller, windows } => self.scan(*poller, *windows),
            Event::Killed { poller } => self.pollers[*poller] = None,
        }
    }

    fn reading(&self, poller: usize) -> Reading {
        let ours = instant(self.time + self.skews[poller]).instant();
        Reading { appliance: self.clock(), ours }
    }

    /// Up to so many windows of one poller's scan: ends first, then starts, as the poller does.
    fn scan(&mut self, poller: usize, windows: usize) {
        for _ in 0..windows {
            let sweeping = match self.pollers[poller] {
                Some(sweeping) => sweeping,
                None => self.begin(poller, false),
            };
            let coverage = if sweeping.by_start { &self.starts } else { &self.ends };
            let coverage = coverage.as_ref().expect("it was stored when the sweep began");
            match coverage.windows(sweeping.now, 86_400).next() {
                Some(window) if sweeping.by_start => {
                    self.find_abandoned(window);
                    self.starts = self.starts.as_ref().map(|starts| starts.cover(window));
                }
                Some(window) => {
                    self.announce_ended(window);
                    self.ends = self.ends.as_ref().map(|ends| ends.cover(window));
                }
                None if sweeping.by_start => {
                    self.pollers[poller] = None;
                    self.look_again();
                    return;
                }
                None => drop(self.begin(poller, true)),
            }
        }
    }

    fn begin(&mut self, poller: usize, by_start: bool) -> Sweeping {
        let reading = self.reading(poller);
        let now = if by_start {
            reading.appliance.plus_secs(-ABANDONED_AFTER)
        } else {
            reading.appliance
        };
        let reach = |reach: Reach| Reach { overlap_secs: self.overlap as u32, ..reach };
        if by_start {
            self.starts = Some(Coverage::begin(self.starts.as_ref(), now, reading, reach(STARTS)));
        } else {
            self.ends = Some(Coverage::begin(self.ends.as_ref(), now, reading, reach(ENDS)));
            self.begun_at = self.time;
            self.jumped_unseen = false;
        }
        let sweeping = Sweeping { now, by_start };
        self.pollers[poller] = Some(sweeping);
        sweeping
    }

    /// The sessions with this instant in the window (and the second behind it, as the poller asks).
    fn listed(
        &self,
        window: Stretch,
        of: impl Fn(&Session) -> Option<ApplianceTime>,
    ) -> Vec<usize> {
        let asked = window.from()..=window.until();
        let listed = |i: &usize| of(&self.sessions[*i]).is_some_and(|at| asked.contains(&at));
        (0..self.sessions.len()).filter(listed).collect()
    }

    fn visible_end(&self, session: &Session) -> Option<ApplianceTime> {
        let ended = session.ended.as_ref()?;
        (ended.visible_at <= self.time).then_some(ended.instant)
    }

    fn announce_ended(&mut self, window: Stretch) {
        let (now, clock) = (self.time, self.clock());
        for i in self.listed(window, |session| self.visible_end(session)) {
            let told = self.told.entry(i).or_default();
            match told.announced {
                None => told.announced = Some((now, clock)),
                Some(_) if told.abandoned => {
                    told.ended_after_all.get_or_insert(now);
                }
                Some(_) => {}
            }
        }
    }

    fn find_abandoned(&mut self, window: Stretch) {
        let (now, clock) = (self.time, self.clock());
        for i in self.listed(window, |session| Some(session.started)) {
            let told = self.told.entry(i).or_default();
            if told.announced.is_none() {
                told.announced = Some((now, clock));
                told.abandoned = true;
            }
        }
    }

    /// Fetchers stage what was announced; then the looks that are due are published, and answered at once.
    fn look_again(&mut self) {
        for (i, told) in &mut self.told {
            let Some(ended) = self.sessions[*i].ended.as_ref() else { continue };
            let asked = match (told.abandoned, told.announced, told.ended_after_all) {
                (false, Some((at, noticed_at)), _) => Some((at, Some(noticed_at))),
                (true, _, Some(at)) => Some((at, None)),
                _ => None,
            };
            let Some((asked_at, noticed_at)) = asked else { continue };
            let staged_at = asked_at + ended.fetched_after;
            if staged_at > self.time {
                continue;
            }
            if told.staged.is_empty() {
                told.staged.push((staged_at, staged_at >= ended.complete_at));
            }
            let looked = Looked {
                announced_at: instant(asked_at).instant(),
                noticed_at,
                staged_at: instant(staged_at).instant(),
                ended: Some(ended.instant),
            };
            for look in Look::ALL {
                let due = look.due_before(instant(self.time).instant()) >= looked.announced_at;
                if due && look.is_needed(&looked) && told.looks.insert(look) {
                    told.staged.push((self.time, self.time >= ended.complete_at));
                }
            }
        }
    }

    /// No session that the appliance showed when the last scan began lies behind it unannounced.
    fn nothing_was_passed(&self) -> Result<(), TestCaseError> {
        let Some(ends) = &self.ends else { return Ok(()) };
        for (i, session) in self.sessions.iter().enumerate() {
            let Some(ended) = session.ended.as_ref().filter(|e| e.visible_at < self.begun_at)
            else {
                continue;
            };
            prop_assert!(
                self.is_end_told(i) || ends.is_to_do(ended.instant),
                "session {i}, {ended:?}, was passed at {}: {ends:?}",
                self.time
            );
        }
        Ok(())
    }

    fn is_end_told(&self, i: usize) -> bool {
        self.told.get(&i).is_some_and(|told| {
            if told.abandoned { told.ended_after_all.is_some() } else { told.announced.is_some() }
        })
    }

    /// Time goes by without trouble.
    fn settle(&mut self) {
        for _ in 0..40 {
            self.time += 2 * HOUR;
            self.scan(0, 1_000);
            self.scan(1, 1_000);
        }
    }

    fn all_is_told(&self) -> Result<(), TestCaseError> {
        for (i, session) in self.sessions.iter().enumerate() {
            let told = self.told.get(&i);
            prop_assert!(told.is_some_and(|told| told.announced.is_some()), "session {i} was lost");
            if session.ended.is_some() {
                prop_assert!(self.is_end_told(i), "the end of session {i} was lost");
                let last = told.and_then(|told| told.staged.last()).copied();
                prop_assert!(
                    last.is_some_and(|(_, complete)| complete),
                    "the last content of session {i} was never asked for: {told:?}"
                );
            }
        }
        Ok(())
    }
}

/// How far the appliance's clock is ahead, how far each poller's own, and what happens.
type History = (i64, [i64; 2], Vec<Event>);

fn history() -> impl Strategy<Value = History> {
    // Two poll in turns; of clocks that differ by more than the margin for that, the daily scan finds what slips through.
    let skews = [-120..=120_i64, -120..=120_i64];
    (-12 * HOUR..12 * HOUR, skews, prop::collection::vec(event(), 1..150))
}

/// Runs so many histories with scans that look this far back.
fn run(cases: u32, overlap: i64) -> Result<(), TestError<History>> {
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    TestRunner::new(config).run(&history(), |(ahead, skews, events)| {
        let mut model = Model { overlap, ..Model::new(ahead, skews) };
        for event in &events {
            model.happen(event);
            model.nothing_was_passed()?;
        }
        model.settle();
        model.all_is_told()
    })
}

/// Sessions start and end at random, reports come late and incomplete, the clock is off and jumps, polls fail, processes
/// are killed, and two pollers whose own clocks differ scan at the same time.
#[test]
fn whatever_happens_every_session_is_announced_and_its_last_content_asked_for() {
    run(500, OVERLAP + MARGIN).unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
#[ignore = "make chaos"]
fn whatever_happens_in_twenty_thousand_histories_every_session_is_announced() {
    run(20_000, OVERLAP + MARGIN).unwrap_or_else(|failure| panic!("{failure}"));
}

#[test]
fn these_histories_notice_an_overlap_that_is_too_short() {
    assert!(run(500, OVERLAP / 2).is_err());
}
