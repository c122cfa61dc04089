//! The one site that a simulator serves.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::account::{Account, Rules};
use crate::clock::Clock;
use crate::counters::{Counters, Tally};
use crate::errors::{Message, error_document, text_of};
use crate::fault::{ErrorPlace, Fault};
use crate::faults::{Faults, chosen_by_seed};
use crate::limits::Limits;
use crate::lsid::{Family, Number, lsid_of};
use crate::options::Options;
use crate::presentations::Presentations;
use crate::recordings::{RecordingKind, recording_size};
use crate::selector::Selector;
use crate::timeline::{Outline, Timeline, site_key};
use crate::urls::Urls;

/// A recording that a session has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordingState {
    /// What was recorded.
    pub kind: RecordingKind,
    /// Which one of its kind, from 0.
    pub instance: u32,
    /// Size in bytes.
    pub bytes: u64,
}

/// A session as the site knows it, and what a complete download of it brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionState {
    /// Its id.
    pub lsid: String,
    /// Its number, not unique.
    pub lseq: u64,
    /// `support`.
    pub session_type: &'static str,
    /// Its external key, often empty.
    pub external_key: String,
    /// When it began, in unix seconds.
    pub start: i64,
    /// When it ended; none while it runs or if it closed abnormally.
    pub end: Option<i64>,
    /// Whether it closed abnormally (and was not ended by hand since).
    pub abnormal: bool,
    /// Its recordings; none before its end.
    pub recordings: Vec<RecordingState>,
}

#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) options: Options,
    pub(crate) key: u64,
    pub(crate) account: Account,
    pub(crate) limits: Limits,
    pub(crate) faults: Faults,
    pub(crate) tally: Tally,
    /// Ends every answer under way.
    pub(crate) stop: CancellationToken,
    clock: Clock,
    timeline: Timeline,
    answers: AtomicU64,
}

impl Site {
    pub(crate) fn new(options: Options) -> Self {
        let clock = Clock::new(options.now, options.clock_offset);
        let rules = Rules {
            client_id: options.client_id.clone(),
            token_life: Duration::from_secs(options.token_seconds),
            lock_out_after: options.lock_out_after,
            lock_out: Duration::from_secs(options.lock_out_seconds),
        };
        let site = Self {
            key: site_key(&options),
            account: Account::new(rules, site_key(&options)),
            limits: Limits::new(options.rate_per_second, options.rate_per_hour).scaled(
                Duration::from_millis(options.second_millis),
                Duration::from_secs(options.hour_seconds),
            ),
            faults: Faults::default(),
            tally: Tally::default(),
            stop: CancellationToken::new(),
            timeline: Timeline::new(&options, clock.start()),
            clock,
            answers: AtomicU64::new(0),
            options,
        };
        site.set_faults_of_options();
        site
    }

    /// The site's clock, in unix seconds.
    pub(crate) fn now(&self) -> i64 {
        self.clock.now() + self.faults.clock_offset()
    }

    pub(crate) fn up_time(&self) -> Duration {
        self.clock.up_time()
    }

    pub(crate) fn advance(&self, seconds: u32) {
        self.clock.advance(seconds);
    }

    /// The account's secret as it stands.
    pub(crate) fn secret(&self) -> String {
        self.faults.secret().unwrap_or_else(|| self.options.client_secret.clone())
    }

    pub(crate) fn accepts_token(&self, token: &str) -> bool {
        self.account.accepts(token, &self.secret(), self.up_time())
    }

    pub(crate) fn counters(&self) -> Counters {
        let (tokens_valid, locked_out) = self.account.standing(&self.secret(), self.up_time());
        Counters {
            tokens_valid,
            locked_out,
            most_in_a_second: self.limits.most_in_a_second(),
            ..self.tally.read()
        }
    }

    /// An XML document that is only this error.
    pub(crate) fn error(&self, message: Message) -> String {
        self.error_text(self.text(message))
    }

    pub(crate) fn error_text(&self, text: &str) -> String {
        error_document(self.options.reporting_namespace(), text)
    }

    pub(crate) fn text(&self, message: Message) -> &'static str {
        text_of(message, self.faults.language())
    }

    /// Addresses for one more answer.
    pub(crate) fn urls(&self) -> Urls {
        let answer = self.answers.fetch_add(1, Ordering::Relaxed);
        let answer = (!self.options.stable_urls).then_some(answer);
        Urls::new(&self.options.host, self.key, answer)
    }

    /// The sessions that a request finds.
    pub(crate) fn select(&self, selector: &Selector) -> Vec<Number> {
        let now = self.now();
        let mut numbers = self.timeline.select(selector, now);
        if self.faults.any_late(now) {
            numbers.retain(|number| !self.faults.is_late(&self.lsid(*number), now));
        }
        numbers
    }

    /// The session with this id, if a request finds it.
    pub(crate) fn find(&self, lsid: &str) -> Option<Outline> {
        let now = self.now();
        self.timeline.find(lsid, now).filter(|_| !self.faults.is_late(lsid, now))
    }

    pub(crate) fn outline(&self, number: Number) -> Option<Outline> {
        self.timeline.outline(number)
    }

    /// Every session that has begun, whether requests find it or not.
    pub(crate) fn all(&self) -> Vec<Number> {
        self.timeline.all(self.now())
    }

    pub(crate) fn session_states(&self) -> impl Iterator<Item = SessionState> + '_ {
        self.all().into_iter().filter_map(|number| self.session_state(number))
    }

    pub(crate) fn session_state(&self, number: Number) -> Option<SessionState> {
        let outline = self.outline(number)?;
        let now = self.now();
        let recordings = recordings_of(&outline, now)
            .map(|(kind, instance)| RecordingState {
                kind,
                instance,
                bytes: recording_size(&self.options, &outline.lsid, kind, instance),
            })
            .collect();
        Some(SessionState {
            lseq: outline.lseq,
            session_type: "support",
            start: outline.start,
            end: outline.end.filter(|end| *end <= now),
            abnormal: outline.number.family == Family::Abnormal && outline.end.is_none(),
            recordings,
            external_key: outline.external_key,
            lsid: outline.lsid,
        })
    }

    pub(crate) fn end_session(&self, lsid: &str) -> bool {
        self.timeline.end_session(lsid, self.now())
    }

    pub(crate) fn add_session(&self) -> String {
        self.timeline.add_session(self.now())
    }

    pub(crate) fn presentations(&self) -> Presentations<'_> {
        Presentations::new(&self.options, self.clock.start())
    }

    fn lsid(&self, number: Number) -> String {
        lsid_of(number, self.key, self.options.lsid_style)
    }

    fn set_faults_of_options(&self) {
        let options = &self.options;
        for permission in &options.deny {
            self.faults.add(Fault::Denied { permission: permission.clone() });
        }
        let (not_xml, error) = chosen_by_seed(
            options.seed,
            options.sessions,
            options.faulty_not_xml,
            options.faulty_error,
        );
        let lsids = |places: Vec<u64>| {
            places
                .into_iter()
                .map(|place| self.lsid(Number { family: Family::Ended, place }))
                .collect()
        };
        // An empty set would mean every session.
        if !not_xml.is_empty() {
            self.faults.add(Fault::NotXml { lsids: lsids(not_xml) });
        }
        if !error.is_empty() {
            self.faults.add(Fault::Error { lsids: lsids(error), place: ErrorPlace::Root });
        }
    }
}

/// The recordings that a session has at `now`.
pub(crate) fn recordings_of(
    outline: &Outline,
    now: i64,
) -> impl Iterator<Item = (RecordingKind, u32)> + use<> {
    let ended = outline.has_ended(now);
    let screens = u32::from(outline.screen_recording);
    [
        (RecordingKind::Screen, screens),
        (RecordingKind::CommandShell, outline.shells),
        (RecordingKind::ShowMyScreen, outline.show_my_screens),
    ]
    .into_iter()
    .filter(move |_| ended)
    .flat_map(|(kind, count)| (0..count).map(move |instance| (kind, instance)))
}
