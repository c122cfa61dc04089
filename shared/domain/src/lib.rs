//! The words and decisions of sluice: ids, facts, revisions, schedules, file names.
//!
//! **Purpose.** One place where each word of the house has its one meaning, and where decisions are
//! pure functions of their arguments: `now`, ids and settings come in, a decision goes out.
//!
//! **Facts in and out.** The facts themselves are defined in [`facts`]; this crate sends none.
//!
//! **Why a repeat is harmless.** Nothing here acts.
//!
//! **Absent on purpose.** Async, input and output, clocks, randomness, environment variables, wire formats.

mod artifact;
mod conflict;
mod debts;
mod digest;
mod epochs;
mod expiry;
pub mod facts;
mod file_name;
mod kind;
mod look;
mod lsid;
mod marks;
mod particulars;
mod patience;
mod product;
mod reconcile;
mod retention;
mod revision;
mod room;
mod schedule;
mod site;
mod size;
mod time;
mod verify;
mod wake;
mod watermark;

pub use artifact::{ArtifactId, ArtifactKey, Instance, InvalidArtifact};
pub use conflict::{Conflict, UnknownConflict};
pub use debts::{Amount, Debt, Debtor, Debts};
pub use digest::{Digest, InvalidDigest};
pub use epochs::{Epoch, Epochs};
pub use expiry::{StagedObject, Wanted};
pub use facts::DestinationId;
pub use file_name::{
    FileNameFormat, InvalidFormat, InvalidPath, NameValues, RelativePath, SharedName,
};
pub use kind::{Family, Kind, UnknownKind};
pub use look::{Look, Looked};
pub use lsid::{InvalidLsid, Lsid};
pub use marks::{Behind, Marks};
pub use particulars::Particulars;
pub use patience::patience;
pub use product::{Product, UnknownProduct};
pub use reconcile::{Held, LastFact, Standing};
pub use retention::Retention;
pub use revision::Revision;
pub use room::{Fetching, Floors, Room};
pub use schedule::{
    InvalidDuration, InvalidPeriod, Period, TimeWithoutDays, Timetable, format_duration,
    parse_duration,
};
pub use site::{InvalidSite, SiteHost};
pub use size::{InvalidSize, format_size, parse_size};
pub use time::{ApplianceTime, Slot};
pub use verify::{Difference, Entry, Finding};
pub use wake::Wakes;
pub use watermark::{Coverage, Reach, Reading, Stretch};
