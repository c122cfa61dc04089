//! A stand-in for one BeyondTrust / Bomgar site, over HTTP: for tests, demonstrations, and people with a browser.
//!
//! # Purpose
//! One process, or one [`RunningSimulator`] inside a test, is one site: Remote Support or Privileged Remote Access. Its sessions,
//! recordings and backups are computed from a seed while they are sent, so that a million sessions or a terabyte of recording
//! cost no memory; and a test computes the same bytes ([`recording_bytes`], [`backup_bytes`]) to know what must have arrived.
//! It writes its XML with a writer of its own and shares no code with the programs that read it.
//!
//! ```text
//! appliance-simulator --host support.example.com --sessions 5000 --live-per-minute 6 --listen 127.0.0.1:8080
//! ```
//!
//! # What it imitates
//! `/oauth2/token` (at most 30 tokens, lock-out after wrong secrets), `/api/reporting` (sessions, listings, recordings),
//! `/api/backup`, `/api/command` (`get_api_info`, `check_health`), each also with the old ending `.ns`. Answers are chunked
//! without a length, one to a connection; errors come as XML with status 200, "nothing found" among them.
//! 20 requests in any one second and 15,000 an hour per account; status 429 beyond. Both lengths can be scaled.
//!
//! # What no appliance has
//! `/` is a page for people, `/state` (`?sessions=no`) what the site holds and was asked, `/peek/session/<lsid>` a report
//! without a token. `POST /faults` takes `{"clear": true, "add": [{"fault": "down", "seconds": 30}]}`, each [`Fault`] as JSON.
//! `POST /control` takes `{"advance_seconds": 60, "end_sessions": ["…"], "new_sessions": 3, "end_tokens": true}`.
//! None of them needs a token, passes a fault or counts against a limit.
//!
//! # Time
//! The clock runs unless [`Options::now`] makes it stand still; it can be moved on, and be wrong by an offset. Sessions, windows and
//! `until` of faults follow it. Tokens age with it, but not when its offset changes. Rates are counted in real time.
//! Two runs with the same options and a fixed clock answer the same requests, in the same order, with the same bytes.
//!
//! # Where it guesses
//! - A window holds its first second and not its last. Dates are read as UTC. Where a date and a time are given the time holds.
//! - A sliding second is stricter than whatever an appliance counts. Token requests, and such as have no valid token, are not counted.
//! - The words of "not ready", "no such recording", of parameter errors and of all that is German; French ones but for "nothing found".
//! - A missing permission is status 403 with an XML error. Multipart is status 400.
//! - `has_recording` of a listing speaks of screen recordings only; running and abnormally closed sessions name no recordings.
//! - Content types and file names of recordings and backups. A new signature in each address of each answer, those among event data too.
//! - Values of the rarer events; surveys (only an empty element); `show_my_screen_recordings`, `primary_team`, `team_list`'s children.
//! - Listings that fail, or are cut short without a word, are faults of session listings only.
//! - Presentations: all their elements but those that sessions have as well.
//! - Ranges of recordings, which are off unless [`Options::ranges`] is set.
//!
//! # Absent on purpose
//! TLS, summaries, team, licence, vault, jump item and syslog reports, archives, outbound events, more than one account.

mod account;
mod chance;
mod clock;
mod counters;
mod errors;
mod event_details;
mod event_registry;
mod event_types;
mod event_xml;
mod events;
mod fault;
mod faults;
mod http;
mod limits;
mod lsid;
mod names;
mod options;
mod people;
mod presentations;
mod recordings;
mod report;
mod selector;
mod server;
mod session_xml;
mod site;
mod system_information;
mod timeline;
mod urls;
mod xml;

pub use counters::Counters;
pub use fault::{Asked, ErrorPlace, Fault, Language, Speech};
pub use options::{LsidStyle, Namespace, Options, Product, RecordingFormat};
pub use presentations::PresentationState;
pub use recordings::{
    Content, RecordingKind, backup_bytes, recording_bytes, recording_bytes_anew, recording_size,
};
pub use server::{RunningSimulator, Simulator, StartError};
pub use site::{RecordingState, SessionState};
