//! Facts as messages and back; subjects; versions.
//!
//! **Purpose.** The one place that knows how a fact lies in the log: a named MessagePack map
//! `{fact, version, body}`, and a subject that is the fact's identity.
//!
//! **Facts in and out.** All of them, both ways.
//!
//! **Why a repeat is harmless.** Equal facts have equal subjects, so the log can refuse the second.
//!
//! **Absent on purpose.** Content (a message names an object in staging), routing (no fact knows a schedule),
//! and guessing: a field that this version does not know is an error, a version that it does not know is another.

mod codec;
mod subjects;
mod token;

pub use codec::{DecodeError, EncodeError, Fact, VERSION, decode, encode};
pub use subjects::{InvalidPrefix, Subjects};
pub use token::{escape, unescape};

#[cfg(test)]
mod examples;
