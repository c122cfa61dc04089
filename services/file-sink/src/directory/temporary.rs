use std::fs::File;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use domain::{Digest, RelativePath};
use sha2::{Digest as _, Sha256};

use crate::directory::Directory;
use crate::directory::delivery::Wanted;
use crate::directory::disk::PlaceError;
use crate::directory::place::Writing;
use crate::entry::Stamp;

/// A file that is being written where nobody looks for it. Dropped, it is removed.
#[derive(Debug)]
pub struct Temporary {
    writing: Box<dyn Writing>,
    size: u64,
    hasher: Sha256,
}

/// A temporary file that is whole: its bytes are those that were promised, and survive a loss of power.
#[derive(Debug)]
pub struct Written {
    writing: Mutex<Box<dyn Writing>>,
    stamp: Stamp,
}

/// Why content could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The place refused.
    #[error("the content can't be written")]
    Disk(#[source] PlaceError),
    /// What came is not what was promised.
    #[error(
        "{size} bytes with the digest {digest} came instead of {size_wanted} with {digest_wanted}"
    )]
    Differs {
        /// Bytes that came.
        size: u64,
        /// Bytes that were promised.
        size_wanted: u64,
        /// The digest of what came.
        digest: Digest,
        /// The digest that was promised.
        digest_wanted: Digest,
    },
}

impl Directory {
    /// Begins a file that has this name reserved.
    ///
    /// # Errors
    /// When the place refuses.
    pub fn temporary(&self, wanted: &Wanted, name: &RelativePath) -> Result<Temporary, WriteError> {
        let begun = self.place.begin(&self.layout.file(name), wanted);
        let writing = begun.map_err(WriteError::Disk)?;
        Ok(Temporary { writing, size: 0, hasher: Sha256::new() })
    }
}

impl Directory {
    /// Takes content from a file by the cheapest way there is, checks it as it lies there, and waits until it survives a
    /// loss of power. None where it has to be appended to a temporary file.
    ///
    /// # Errors
    /// When it is not what was promised, or the place refuses.
    pub fn copy(
        &self,
        wanted: &Wanted,
        name: &RelativePath,
        from: &mut File,
        progress: &AtomicU64,
    ) -> Result<Option<Written>, WriteError> {
        let begun = self.place.begin(&self.layout.file(name), wanted);
        let mut writing = begun.map_err(WriteError::Disk)?;
        match writing.copy(from, progress).map_err(WriteError::Disk)? {
            None => Ok(None),
            Some((size, digest)) => whole(writing, size, digest, &wanted.stamp).map(Some),
        }
    }
}

/// Checks what came, and waits until it survives a loss of power.
fn whole(
    mut writing: Box<dyn Writing>,
    size: u64,
    digest: Digest,
    stamp: &Stamp,
) -> Result<Written, WriteError> {
    if size != stamp.size || digest != stamp.digest {
        return Err(WriteError::Differs {
            size,
            size_wanted: stamp.size,
            digest,
            digest_wanted: stamp.digest,
        });
    }
    writing.sync().map_err(WriteError::Disk)?;
    Ok(Written { writing: Mutex::new(writing), stamp: *stamp })
}

impl Temporary {
    /// Adds what comes next.
    ///
    /// # Errors
    /// When the place refuses.
    pub fn append(&mut self, pieces: &[Bytes]) -> Result<(), WriteError> {
        for piece in pieces {
            self.hasher.update(piece);
            self.size += piece.len() as u64;
            self.writing.append(piece.clone()).map_err(WriteError::Disk)?;
        }
        Ok(())
    }

    /// Ends it: checks what came, and waits until it survives a loss of power.
    ///
    /// # Errors
    /// When it is not what was promised, or the place refuses.
    pub fn complete(self, stamp: &Stamp) -> Result<Written, WriteError> {
        whole(self.writing, self.size, Digest::finish(self.hasher), stamp)
    }
}

impl Written {
    /// What it is.
    pub(super) fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// Whether it can still get this name.
    pub(super) fn can_have(&self, file: &Path) -> bool {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner).can_have(file)
    }

    /// Gives it its name; says whether, for with `create_only` the name may be taken.
    pub(super) fn give_name(&self, file: &Path, create_only: bool) -> Result<bool, PlaceError> {
        let mut writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        writing.give_name(file, create_only)
    }
}
