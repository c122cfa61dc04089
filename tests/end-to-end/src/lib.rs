//! What the end-to-end tests share: simulated appliances, a folder with settings, the real programs, and a way to
//! compare what arrived.
//!
//! **Purpose.** The programs as a user runs them: started, killed, started again, against the real nats-server.
//!
//! **Facts in and out.** None of its own.
//!
//! **Why a repeat is harmless.** Each rig has a folder and ports of its own.
//!
//! **Absent on purpose.** Looking into the programs: only what an operator sees counts (files, rows, exit codes, what
//! they print), and the log where a test is about the log.

mod compare;
mod rig;
mod settings;

pub use compare::{Arrived, files, rows_of};
pub use rig::{Health, Program, Rig, free_address, until, within};
pub use settings::{Destinations, SettingsFile};
