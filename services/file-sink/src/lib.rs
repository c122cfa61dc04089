//! Delivers artifacts as files.
//!
//! **Purpose.** Each artifact becomes one file in a directory or a bucket, once, whole and under the expected name,
//! whatever is redelivered, reordered or killed. Names, conflicts and the number of backups are the destination's
//! settings.
//!
//! **Places.** One set of rules, and one suite of tests, for all that files can lie in. In a directory workers take
//! turns by locks, and a file is a temporary one (cloned, or copied by the kernel, where that goes) that is renamed
//! without replacing. In a bucket turns are objects that are created on the condition that there is none, and can be
//! taken over when they have not changed for a minute; a file is written once under its name, in one conditional put or
//! in parts that become visible together. Google Cloud Storage goes the same way, and nobody has tried it.
//!
//! **Facts in and out.** In: ArtifactStaged, and Again for a destination. Out: nothing but Activity; an object that
//! staging has lost is asked for again.
//!
//! **Why a repeat is harmless.** The destination keeps a ledger in itself, `.sluice/`: its identity, an entry for each
//! artifact (chosen name, revision, digests, size, what became of it), and a claim for each name. The entry is made
//! before the first byte and made final after the rename; what was stopped in between is recognised by its digest.
//! A newer revision replaces the artifact's own file, an older one changes nothing.
//!
//! **Reconciling.** Once a day, and when a person asks, the ledger is compared with the log ([`reconcile()`]). A directory
//! that holds a revision which the log has not given yet tells, when it is opened, that the log was set back.
//!
//! **Put back.** The destination's marks say how far each route came, and the log's server has a copy of them, raised after
//! the delivery. A destination that is behind the copy, or bears an identity that another took the place of, was put back
//! from a backup: it gets another identity, by compare-and-set, and with that routes which bring what it lacks.
//!
//! **Absent on purpose.** A search of the directory for what is there (the ledger says it), deleting anything that we
//! did not write, and making the destination's own directory: one that is missing is a share that isn't mounted.
//! Copies within a bucket: staging lies in a folder, as the settings have it.

mod directory;
mod entry;
mod failure;
mod holder;
mod identity;
mod naming;
mod place;
mod progress;
mod reconcile;
mod service;
mod streaming;
mod verify;
mod wiring;
mod worker;

pub use directory::{
    Begun, Bucket, DeliveryError, Directory, DirectoryError, Found, LedgerError, NoClobber,
    PlaceError, Retired, RouteMarks, Rules, Settled, Temporary, Wanted, WithoutIdentity,
    WriteError, Written,
};
pub use entry::{Entry, Stamp, State, UnexpectedEvent};
pub use naming::{Naming, example_names};
pub use reconcile::{ReconcileError, reconcile};
pub use service::{CheckError, FileSinkError, check, component, run, standalone};
pub use verify::verify;
pub use worker::FileSink;
