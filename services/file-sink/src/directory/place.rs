//! What a destination's files and its ledger lie in: a directory, or a bucket.

use std::fmt::Debug;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use domain::Digest;

use crate::directory::delivery::Wanted;
use crate::directory::disk::PlaceError;
use crate::directory::layout::Key;

/// A place for files and for the records of a ledger. Paths are those of the place's layout. All of it blocks.
pub(crate) trait Place: Debug + Send + Sync {
    /// What tells this process from all others that work here.
    fn id(&self) -> &str;

    /// Whether the place itself is there, whatever is missing in it.
    fn is_there(&self) -> bool;

    /// For people: how a name is taken that nobody has.
    fn no_clobber(&self) -> NoClobber;

    /// Reads a record, if there is one.
    fn read(&self, record: &Path) -> Result<Option<Vec<u8>>, PlaceError>;

    /// Reads many records, in their order.
    fn read_all(&self, records: &[PathBuf]) -> Vec<Result<Option<Vec<u8>>, PlaceError>> {
        records.iter().map(|record| self.read(record)).collect()
    }

    /// Makes a record that is not there yet, whole; says whether. `durably`: it survives a loss of power.
    fn create(&self, record: &Path, bytes: &[u8], durably: bool) -> Result<bool, PlaceError>;

    /// Writes a record, whole, in the place of what there was. `durably`: it survives a loss of power.
    fn replace(&self, record: &Path, bytes: &[u8], durably: bool) -> Result<(), PlaceError>;

    /// Writes one more line of a record that is there; of a record only its last line counts. Survives a loss of power.
    fn add(&self, record: &Path, line: &[u8]) -> Result<(), PlaceError>;

    /// Makes a record survive a loss of power.
    fn sync(&self, record: &Path) -> Result<(), PlaceError>;

    /// Removes a record, if there is one.
    fn remove(&self, record: &Path) -> Result<(), PlaceError>;

    /// The names in a folder of records; none where there is no folder.
    fn names(&self, folder: &Path) -> Result<Vec<String>, PlaceError>;

    /// The files that are there, without the ledger. Memory is bounded by what lies in one folder.
    fn files(&self, tell: &mut dyn FnMut(Listed)) -> Result<(), PlaceError>;

    /// Looks what stands under the name of a file.
    fn look(&self, file: &Path) -> Result<Standing, PlaceError>;

    /// The digest of a file's bytes; `None` if it is gone.
    fn digest_of(&self, file: &Path) -> Result<Option<Digest>, PlaceError>;

    /// Makes a file's name survive a loss of power.
    fn sync_name(&self, file: &Path) -> Result<(), PlaceError>;

    /// Removes a file for good, if there is one.
    fn remove_file(&self, file: &Path) -> Result<(), PlaceError>;

    /// Begins to write what is to become this file.
    fn begin(&self, file: &Path, wanted: &Wanted) -> Result<Box<dyn Writing>, PlaceError>;

    /// Waits for the turn of an artifact or a name.
    fn turn(&self, sort: Sort, key: &Key) -> Result<Box<dyn Turn + '_>, PlaceError>;

    /// Whether the place can be written, as far as it ever refused, and how much is free in it where that can be told.
    fn probe(&self) -> Result<Option<u64>, PlaceError>;

    /// Whether what was not allowed here meets every file alike. Then the probes fail until it is allowed.
    fn refuses_all(&self, _error: &PlaceError) -> bool {
        true
    }
}

/// Content on its way to its name. Dropped before it has one, it leaves nothing.
pub(crate) trait Writing: Debug + Send {
    /// Takes all from a file, where that is cheaper than to append it; says its size and its digest. `progress` counts
    /// bytes. None where it has to be appended.
    fn copy(
        &mut self,
        _from: &mut File,
        _progress: &AtomicU64,
    ) -> Result<Option<(u64, Digest)>, PlaceError> {
        Ok(None)
    }

    /// Adds what comes next.
    fn append(&mut self, piece: Bytes) -> Result<(), PlaceError>;

    /// Waits until all that came survives a loss of power.
    fn sync(&mut self) -> Result<(), PlaceError>;

    /// Whether it can still get this name.
    fn can_have(&self, file: &Path) -> bool;

    /// Gives it its name; says whether, for with `create_only` the name may be taken. The name survives a loss of power.
    fn give_name(&mut self, file: &Path, create_only: bool) -> Result<bool, PlaceError>;
}

/// Who holds one for an artifact, or for a name, is alone with it. Whoever needs both takes the artifact's first, then
/// one name's, and never a second of either: no two wait for each other. One that dies gives its turns back.
pub(crate) trait Turn {
    /// Whether it is still held for sure. A turn that somebody could have taken for a dead one's is not.
    fn is_held(&self) -> bool;
}

/// What turns are taken at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    Artifact,
    Name,
}

impl Sort {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Sort::Artifact => "artifact",
            Sort::Name => "name",
        }
    }
}

/// What a search for files comes upon.
#[derive(Debug)]
pub(crate) enum Listed {
    /// A file, with `/` between the parts of its name.
    File(String),
    /// Something in a folder, or a folder, that can't be looked at: what is in it is not told.
    Closed { name: String, cause: PlaceError },
}

/// What stands under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Nothing,
    File {
        size: u64,
    },
    /// A directory, a link, a device.
    Other,
}

/// How a file gets a name that nobody has, which places offer in different ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoClobber {
    /// A rename that refuses to replace: one step, nothing to be seen before.
    Rename,
    /// A second link to the file, and the first one removed.
    Link,
    /// An empty file made exclusively and replaced by the rename: for a moment it can be seen.
    CreateAndRename,
    /// A put that a bucket refuses where the name is taken.
    ConditionalPut,
}

impl NoClobber {
    /// For people.
    pub const fn as_str(self) -> &'static str {
        match self {
            NoClobber::Rename => "rename without replacing",
            NoClobber::Link => "link and unlink",
            NoClobber::CreateAndRename => "exclusive create and rename",
            NoClobber::ConditionalPut => "conditional put",
        }
    }
}
