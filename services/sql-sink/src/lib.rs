//! Delivers sessions to SQL databases.
//!
//! **Purpose.** Each session's report becomes rows of eight tables, whole and once, whatever is redelivered, reordered
//! or killed; SQL Server and SQLite hold the same rows.
//!
//! **Facts in and out.** In: ArtifactStaged of session data, and Again for a destination. Out: nothing but Activity; an
//! object that staging has lost is asked for again.
//!
//! **Why a repeat is harmless.** The ledger row of (host name, LSID) is written in the same transaction as the
//! session: a repeat finds it and writes nothing. A newer revision replaces what the session says and keeps its id, an
//! older one changes nothing. A commit whose answer was lost is tried again and found in the ledger.
//!
//! **Reconciling.** Once a day, and when a person asks, the ledger is compared with the log ([`reconcile()`]). A database
//! that holds a revision which the log has not given yet tells, when it is opened, that the log was set back. [`verify()`]
//! compares more, when a person asks: the tables with the ledger, and each session's rows with those that its staged report
//! makes, but for sessions that another program wrote.
//!
//! **The schema** is made by numbered migrations, each of which can run twice: by the sink when it starts, or, where its
//! login may make no tables, by a person ([`migrate()`]). A database that another program filled is adopted by a person
//! only; each of its sessions then becomes the ledger's when the first report of it comes. A table of ours that is gone is
//! made anew by running all of them again.
//!
//! **Older copies.** How far each route came is written with the delivery, and then told to the broker. A database that is
//! behind what the broker knows was put back from a backup: it gets another identity, and with that routes that fill it
//! up again; the ledger makes of what is there already a no-op.
//!
//! **Absent on purpose.** MERGE (it deadlocks), lock hints, one row a call, retries of messages (the runner's),
//! deleting sessions, and reading the tables to learn what was delivered (the ledger says it).

pub mod columns;
mod identity;
mod migrate;
mod progress;
mod reconcile;
pub mod store;
mod verify;
mod wiring;
mod worker;

pub use migrate::{MigrateError, check, migrate};
pub use reconcile::{ReconcileError, reconcile};
pub use verify::verify;
pub use wiring::{SqlSinkError, component, run, standalone};
pub use worker::{SqlSink, WorkError};
