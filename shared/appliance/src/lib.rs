//! One appliance site over HTTPS: the account's token and budget, listings, reports, recordings, backups.
//!
//! **Purpose.** The only crate that speaks to an appliance. It turns what sites really answer (errors in 200 bodies,
//! "nothing found" as an error, a proxy's page, bodies that end early) into values and errors that say what to do.
//!
//! **Facts in and out.** None. A [`Download`] is content for staging; a [`Listed`] is what a scan subtracts the log from.
//!
//! **Why a repeat is harmless.** Every call only reads. A backup is made anew each time it is asked for.
//!
//! **Absent on purpose.** Retries (the runner's), storing, parsing of reports (`session-report`), the polling of
//! windows. A download that breaks off is resumed only where the appliance gives ranges and says what they are ranges of.

mod answer;
mod budget;
mod check;
mod client;
mod clients;
mod clock;
mod download;
mod error;
mod info;
mod listing;
mod options;
mod part;
mod request;
mod resume;
mod sniff;
mod tags;
mod throttle;
mod token;

pub use budget::Budget;
pub use check::{CheckLine, Standing};
pub use client::Client;
pub use clients::{Clients, ClientsError};
pub use download::Download;
pub use error::{ApplianceError, Recourse};
pub use info::ApiInfo;
pub use listing::{Listed, Window};
pub use options::{BuildError, ClientOptions};
pub use sniff::{Sniffed, sniff};
