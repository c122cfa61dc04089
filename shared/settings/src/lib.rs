//! The settings file, read and validated: all problems at once, each with its line and column.
//!
//! **Purpose.** One TOML file is the same for every process. It becomes [`Settings`] that need no second
//! check, or [`Problems`] that say where each is, what is wrong and what cures it. Unknown keys are errors,
//! defaults are written down here and nowhere else, nothing is guessed.
//!
//! **Facts in and out.** None. The digest of the file's bytes goes along, so that a fleet with two versions
//! of the file can be seen.
//!
//! **Why a repeat is harmless.** Nothing is written; reading twice gives the same.
//!
//! **Absent on purpose.** Secrets in the file (they are named there, by variable or file, and never shown),
//! environment variables that override a setting, more than one file, reloading while running, and any
//! contact with what the settings name: whether it answers is for others to find out.

mod begin;
mod checks;
mod destination;
mod destination_reading;
mod events;
mod load;
mod names;
mod nearest;
mod opening;
mod problem;
mod reader;
mod schedule;
mod secret;
mod server;
mod settings;
mod site;
mod url;

pub use begin::{Begin, InvalidBegin};
pub use destination::{Destination, FilesTarget, Formats, SqlEngine, SqlTarget, Target};
pub use events::{Events, InvalidNetwork, Network};
pub use load::{FILE_BYTES_MAX, FILE_DEFAULT, FILE_VARIABLE, SettingsError, load, parse};
pub use opening::Opening;
pub use problem::{Position, Problem, Problems};
pub use schedule::{Schedule, Transfer};
pub use secret::{Needs, Secret, UnresolvedSecret};
pub use server::{Log, LogFormat, Retry, Service, Staging};
pub use settings::Settings;
pub use site::{Proxy, Site, TlsVersion};
