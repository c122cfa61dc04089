use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use domain::Digest;
use sha2::{Digest as _, Sha256};

use crate::directory::Directory;
use crate::directory::disk::{self, DiskError};
use crate::entry::Stamp;

/// A file that is being written under a name that nobody looks for. Dropped, it is removed.
#[derive(Debug)]
pub struct Temporary {
    path: Remaining,
    file: File,
    size: u64,
    hasher: Sha256,
}

/// A temporary file that is whole: its bytes are those that were promised, and are on the disk.
#[derive(Debug)]
pub struct Written {
    path: Remaining,
    stamp: Stamp,
}

/// Why content could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The file system refused.
    #[error("the content can't be written")]
    Disk(#[source] DiskError),
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

/// A path whose file is removed with it.
#[derive(Debug)]
struct Remaining(PathBuf);

impl Drop for Remaining {
    fn drop(&mut self) {
        // What can't be removed now is removed when the next worker starts.
        drop(disk::remove(&self.0));
    }
}

impl Directory {
    /// Begins a file.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn temporary(&self) -> Result<Temporary, WriteError> {
        let path = Remaining(self.layout.temporary().join(self.presence.file_name()));
        let file = File::create_new(&path.0)
            .map_err(|cause| WriteError::Disk(DiskError::new("write", &path.0, cause)))?;
        Ok(Temporary { path, file, size: 0, hasher: Sha256::new() })
    }
}

impl Temporary {
    /// Adds what comes next.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn append(&mut self, pieces: &[Bytes]) -> Result<(), WriteError> {
        for piece in pieces {
            self.file
                .write_all(piece)
                .map_err(|cause| WriteError::Disk(DiskError::new("write", &self.path.0, cause)))?;
            self.hasher.update(piece);
            self.size += piece.len() as u64;
        }
        Ok(())
    }

    /// Ends it: checks what came, and waits until it is on the disk.
    ///
    /// # Errors
    /// When it is not what was promised, or the file system refuses.
    pub fn complete(self, stamp: &Stamp) -> Result<Written, WriteError> {
        let digest = Digest::finish(self.hasher);
        if self.size != stamp.size || digest != stamp.digest {
            return Err(WriteError::Differs {
                size: self.size,
                size_wanted: stamp.size,
                digest,
                digest_wanted: stamp.digest,
            });
        }
        self.file
            .sync_all()
            .map_err(|cause| WriteError::Disk(DiskError::new("flush", &self.path.0, cause)))?;
        Ok(Written { path: self.path, stamp: *stamp })
    }
}

impl Written {
    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.path.0
    }

    /// What it is.
    pub(super) fn stamp(&self) -> &Stamp {
        &self.stamp
    }
}
