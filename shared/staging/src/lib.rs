//! Staging: where content waits between the appliance and its destinations.
//!
//! **Purpose.** Puts content as it streams in, with its size and digest; opens it again by its claim check and
//! verifies both; keeps beside each object the fact that names it, from which a lost log is rebuilt, and goes through
//! them artifact by artifact for that. It bears the name of the log's epoch that it belongs to, and tells how much room
//! there is on its disk.
//!
//! **Facts in and out.** None: it returns what a fact needs ([`Staged`]) and takes what a fact names
//! (`ClaimCheck`). The bytes of a fact that are laid beside an object are opaque to it.
//!
//! **Why a repeat is harmless.** Every attempt writes an object of its own, whole or not at all. Only the one that a
//! fact names counts; others are listed ([`Staging::objects`]) and expire.
//!
//! **Absent on purpose.** Deciding what expires (that needs the log); deduplication; encryption (the store's).

mod content;
mod error;
mod laid;
mod name;
mod room;
mod staging;

pub use content::Content;
pub use error::{OpenError, PutError, StagingError};
pub use laid::Laid;
pub use room::room_of;
pub use staging::{Staged, Staging};
