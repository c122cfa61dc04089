//! What was asked of the site and what it answered, for tests and people to see.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// What happened since the start. "In flight" is a request until the last byte of its answer is handed over.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Counters {
    /// Requests by endpoint and report, such as `reporting AccessSession`.
    pub requests: BTreeMap<String, u64>,
    /// Reports of single sessions that were asked for, many in one request or alone.
    pub reports: u64,
    /// How much of the site's time session listings were asked for, in seconds; what is asked for twice counts twice.
    pub listed_secs: u64,
    /// Answers by HTTP status.
    pub answers: BTreeMap<u16, u64>,
    /// Tokens issued.
    pub tokens_issued: u64,
    /// Tokens that are valid at this moment.
    pub tokens_valid: usize,
    /// Token requests that were refused.
    pub logins_refused: u64,
    /// Those among them with a wrong secret.
    pub wrong_secrets: u64,
    /// Whether the account is locked at this moment.
    pub locked_out: bool,
    /// Answers with status 429.
    pub throttled: u64,
    /// The most API requests let in within any one second.
    pub most_in_a_second: usize,
    /// API requests in flight.
    pub in_flight: u64,
    /// The most API requests that were in flight at once.
    pub max_in_flight: u64,
    /// Recordings in flight.
    pub recordings_in_flight: u64,
    /// The most recordings that were in flight at once.
    pub max_recordings_in_flight: u64,
    /// Answers whose every byte was handed over.
    pub completed: u64,
    /// Backups begun.
    pub backups: u64,
    /// Those among them that a password came with.
    pub backups_with_password: u64,
}

/// Keeps the counters.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally(Arc<Mutex<Counters>>);

impl Tally {
    pub(crate) fn read(&self) -> Counters {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Counters) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn request(&self, what: &str) {
        self.change(|counters| *counters.requests.entry(what.to_owned()).or_default() += 1);
    }

    pub(crate) fn begin(&self) -> InFlight {
        self.change(|counters| {
            counters.in_flight += 1;
            counters.max_in_flight = counters.max_in_flight.max(counters.in_flight);
        });
        InFlight { tally: self.clone(), recording: false }
    }

    pub(crate) fn begin_recording(&self) -> InFlight {
        self.change(|counters| {
            counters.recordings_in_flight += 1;
            counters.max_recordings_in_flight =
                counters.max_recordings_in_flight.max(counters.recordings_in_flight);
        });
        InFlight { tally: self.clone(), recording: true }
    }
}

/// Counts as in flight until dropped.
#[derive(Debug)]
pub(crate) struct InFlight {
    tally: Tally,
    recording: bool,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.tally.change(|counters| match self.recording {
            true => counters.recordings_in_flight -= 1,
            false => counters.in_flight -= 1,
        });
    }
}
