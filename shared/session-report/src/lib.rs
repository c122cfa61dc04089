//! Session reports: XML from an appliance to a typed session.
//!
//! **Purpose.** The one place that reads the appliance's XML: it splits a body of any size into one document a
//! session ([`Documents`]), makes a document a typed session ([`read`], [`Report::read`], [`Sessions`]), and reads
//! listings ([`Listing`]). Elements go by their local names, in any order, each of them optional.
//!
//! **Facts in and out.** None: bytes come in, values go out.
//!
//! **Why a repeat is harmless.** Nothing here acts. Equal sessions have equal content digests, however their
//! reports are written and whatever tokens their URLs bear.
//!
//! **Absent on purpose.** Async, downloads, files, the columns of any database, which texts of an appliance's errors
//! mean "nothing found", and any XML that needs a DTD.

mod attributes;
mod body;
mod canonical;
mod cursor;
mod documents;
mod error;
mod guard;
mod limits;
mod listing;
mod names;
mod opening;
mod outline;
mod parts;
mod read;
mod session;
mod sessions;

pub use body::Body;
pub use documents::{Document, Documents};
pub use error::ReportError;
pub use limits::Limits;
pub use listing::{ListedSession, Listing};
pub use read::{Report, read};
pub use session::*;
pub use sessions::Sessions;
