//! One appliance site over HTTPS: the account's token and budget, listings, reports, recordings, backups.
//!
//! **Purpose.** The only crate that speaks to an appliance. It turns what sites really answer (errors in 200 bodies,
//! "nothing found" as an error, a proxy's page, bodies that end early) into values and errors that say what to do.
//!
//! **Facts in and out.** None. A [`Download`] is content for staging; a [`Listed`] is what a scan subtracts the log from.
//!
//! **Why a repeat is harmless.** Every call only reads. A backup is made anew each time it is asked for.
//!
//! **Shared between processes.** The limits, the token and a refused secret belong to the API account, so everything
//! about them is an [`AccountRecord`]: two values that are changed by compare-and-set only, with two implementations,
//! this process's own memory ([`Own`], for a command without a log) and the log's buckets (the crate `accounts`).
//! A request takes a place in the account's second and its share of a grant out of the account's hour; a download takes
//! a permit; the token lies sealed under the secret. One process logs in, the others wait for its token; a secret that
//! was refused is not tried again by anybody. Times in a record are told by the clock of what keeps it.
//!
//! **Absent on purpose.** Retries (the runner's), storing, parsing of reports (`session-report`), the polling of
//! windows. A download that breaks off is resumed only where the appliance gives ranges and says what they are ranges of.

mod account;
mod answer;
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

pub use account::{
    AccountRecord, AccountStanding, Lasting, Own, Passing, Read, Shared, SharedError,
};
pub use check::{CheckLine, Standing};
pub use client::Client;
pub use clients::{Clients, ClientsError};
pub use download::Download;
pub use error::{ApplianceError, Recourse};
pub use info::ApiInfo;
pub use listing::{Listed, Window};
pub use options::{BuildError, ClientOptions, Proxy};
pub use sniff::{Sniffed, sniff};
