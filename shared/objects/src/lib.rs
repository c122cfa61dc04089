//! Objects by name, on a local disk or in S3, Azure or Google storage.
//!
//! **Purpose.** What staging and object-store destinations share; the only crate that knows `object_store`.
//! Content streams in and out through memory of a fixed size, however large it is.
//!
//! **Facts in and out.** None.
//!
//! **Why a repeat is harmless.** An object appears whole under its name or not at all, a second put of the same
//! content leaves the same object, and deleting what is gone is success. Small objects are created and replaced on
//! conditions, so that of two writers one is told that it came second.
//!
//! **Absent on purpose.** Retention, digests and naming (their callers'); appending; renaming.

mod error;
mod reading;
mod record;
mod remote;
mod store;
mod unfinished;
mod upload;

pub use error::{OpenError, PutError, Said, StoreError};
pub use record::{Details, Tag};
pub use store::{Fetched, Object, Store};
pub use upload::Upload;
