//! Streams, routes, the worker runner, dead letters: the log, and what is done with it.
//!
//! **Purpose.** The one crate that knows NATS JetStream. It keeps the four streams, publishes facts so that a second
//! first announcement is refused, and runs workers: pulls from routes that are open, leases, publishes what follows,
//! acknowledges, retries, and gives up into the stream of dead letters.
//!
//! **Facts in and out.** All; it decides nothing about their content.
//!
//! **Why a repeat is harmless.** First announcements expect their subject to be empty; closing facts expect the last
//! sequence that was read before the work began; an acknowledgement that a killed server forgot brings the message
//! back to a worker that must recognise what is done.
//!
//! **Epochs.** A revision is an epoch and a position. A log that is found set back (somebody holds a revision that it has
//! not given yet) begins a new epoch behind its last position ([`Log::outlived_by`]), so that positions which are given
//! again are newer than what was lost; what others kept is put back with the revision that it had ([`Log::restore`]).
//!
//! **Reconciling.** [`Deliveries`] compares the log with a destination's ledger, [`Log::reconcile_fetches`] what was due
//! with what came of it; what is missing is asked for again by an Again that is created once. [`Verification`] compares, too,
//! and only names what differs.
//!
//! **Identity of destinations.** A destination bears an identity, by which its routes are named. What was committed
//! through each route is known here, too ([`KnownMarks`]); a store that is behind it is an older copy of itself, gets
//! another identity, and with that routes which begin where the old ones began ([`Succession`]).
//!
//! **Replays.** A person has a destination go through what was staged once more, beside live delivery ([`Replay`]).
//!
//! **Absent on purpose.** Exactly-once delivery (there is none), the server's own max_deliver and backoff (a message
//! that reached max_deliver is never delivered again and counted nowhere; a backoff list overrides ack_wait), and
//! prefetching (`messages()` takes a dozen while one is worked on, and the clocks of all run).

mod attempts;
mod bucket;
mod connect;
mod dead;
mod delivery;
mod destinations;
mod ended;
mod epochs;
mod expiry;
mod gate;
mod hand;
mod lease;
mod log;
mod log_error;
mod marks;
mod pull;
mod pulse;
mod reading;
mod reconcile;
mod replays;
mod restore;
mod route;
mod runner;
mod settle;
mod streams;
mod succession;
mod trace;
mod verify;
mod work;

pub use bucket::{Bucket, BucketError, Kept, Stored};
pub use connect::{ConnectError, LogOptions, SERVER_VERSION_MIN};
pub use dead::{DeadLetters, Lying};
pub use delivery::Delivery;
pub use destinations::KnownDestination;
pub use ended::EndedBatch;
pub use expiry::{Recipient, Wants};
pub use gate::{Gate, OpenRun, OpenRuns, RunsHeldOpen};
pub use lease::{Lease, PhaseTimedOut};
pub use log::{Announced, Log, Logged, Published};
pub use log_error::LogError;
pub use marks::{KnownMarks, SetBack, is_copied, mark_key};
pub use reconcile::{Counts, Deliveries, Ledger, Period, Reconciled, daily};
pub use replays::{Replay, ReplayProgress};
pub use route::{Bounds, Route, RouteState, Start, names};
pub use runner::{RouteAdder, RunError, Runner, RunnerOptions, RunnerState};
pub use settle::RetryPolicy;
pub use streams::StreamState;
pub use succession::{Beginning, Lineage, Succession};
pub use verify::{Part, Verification};
pub use work::{BoxError, Closing, Done, Failure, Origin, Outcome, Task, Worker};
