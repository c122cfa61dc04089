//! The fetcher: takes what is due, downloads it from the appliance into staging, and says so.
//!
//! **Purpose.** Reports, recordings and backups, each streamed into staging with its digest, never whole in memory
//! (single reports are, because they name the recordings). Reports that wait together are asked for together, up to
//! fifty in a request, and split into a document each; what an answer lacks is asked for alone, and an answer that
//! fails is asked for again in halves, so that one bad session costs its neighbours nothing but a few requests.
//! What the appliance does not have yet is waited for, for up to two days and without counting as a failure.
//!
//! **Facts in and out.** In: SessionEnded, RecordingDue, BackupDue, Again. Out: a RecordingDue for each recording that
//! a report names, and last ArtifactStaged, or ArtifactUnavailable for what the appliance does not have any more.
//!
//! **Why a repeat is harmless.** Each attempt writes an object of its own, and only the one that a fact names counts.
//! The fact is published against the last sequence of its subject, read before the download: of two fetchers the slower
//! one is refused and looks again. A repeat that finds the closing fact announces the recordings again (each is created
//! once), lays a missing fact beside its object, and is done. Each message of a batch is settled by itself.
//!
//! **A lost log** is rebuilt before anything is fetched: staging names the epoch of the log that it belongs to, and as
//! long as that is another, the facts beside its objects are put back, with their old revisions. The poller need not
//! wait for that: all that it publishes is created once, and nothing is fetched before the rebuild is done.
//!
//! **What goes again.** Once a day staging is gone through ([`expire`]): recordings and backups go when every route that
//! wants them has passed them, no dead letter names them and they are old enough; reports stay as long as their facts;
//! what given-up attempts left goes after two days. While staging is under its floor, what all have goes at once, and
//! recordings wait; under its lowest floor everything waits ([`StagingRoom`]).
//!
//! **Absent on purpose.** Retries (the runner's), conditions on schedules (no fact knows one).

mod agreement;
mod bulk;
mod expiry;
mod failure;
mod file;
mod rebuild;
mod reconcile;
mod report;
mod room;
mod stage;
mod wanted;
mod wiring;
mod worker;

pub use agreement::agreed;
pub use expiry::{ExpiryError, debts, expire, make_room};
pub use rebuild::{RebuildError, Rebuilt, agree};
pub use reconcile::reconcile;
pub use room::{NoRoom, StagingRoom};
pub use wiring::{FetcherError, components, run, standalone};
pub use worker::Fetcher;
