use std::path::{Path, PathBuf};

use domain::DestinationId;
use serde::{Deserialize, Serialize};

use crate::directory::disk::{self, DiskError, NoClobber};
use crate::directory::layout::Layout;
use crate::directory::presence::Presence;
use crate::entry::VERSION;

/// Why a directory can't be used as the destination that it is meant to be. Each is for a person, or for time, to mend.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// There is no directory.
    #[error("there is no directory {}: is the share mounted? If it is to be made, make it", root.display())]
    Missing {
        /// The directory.
        root: PathBuf,
    },
    /// It is none that we know.
    #[error(
        "{} has lost the ledger (.sluice/identity.json) that was kept there: is the share mounted? If it is meant to \
         be filled anew, say `sluice replay --to` it", root.display()
    )]
    Unknown {
        /// The directory.
        root: PathBuf,
    },
    /// It is another than it was.
    #[error("{} is another destination than before ({found} instead of {known}): is the right share mounted?", root.display())]
    Another {
        /// The directory.
        root: PathBuf,
        /// Which it was.
        known: DestinationId,
        /// Which it is.
        found: DestinationId,
    },
    /// Its identity can't be read.
    #[error("the identity in {} can't be read: it was damaged, or a newer sluice wrote it", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        cause: serde_json::Error,
    },
    /// Less room than the file needs that did not fit.
    #[error("{} has {free_bytes} bytes free, and a file of {wanted_bytes} waits", root.display())]
    Full {
        /// The directory.
        root: PathBuf,
        /// What is free.
        free_bytes: u64,
        /// What is needed.
        wanted_bytes: u64,
    },
    /// The file system refuses.
    #[error("the directory can't be used")]
    Disk(#[source] DiskError),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    version: u32,
    id: DestinationId,
}

/// The identity of a directory that has one.
pub(crate) fn read(layout: &Layout) -> Result<Option<DestinationId>, DirectoryError> {
    let path = layout.identity();
    match disk::read(&path) {
        Ok(None) => Ok(None),
        Ok(Some(bytes)) => match serde_json::from_slice(&bytes) {
            Ok(Identity { version: VERSION, id }) => Ok(Some(id)),
            Ok(Identity { version, .. }) => {
                let newer = serde::de::Error::custom(format!("its version is {version}"));
                Err(DirectoryError::Unreadable { path, cause: newer })
            }
            Err(cause) => Err(DirectoryError::Unreadable { path, cause }),
        },
        Err(error) => Err(DirectoryError::Disk(error)),
    }
}

/// That the directory is still the one that it was.
pub(crate) fn check(layout: &Layout, known: &DestinationId) -> Result<(), DirectoryError> {
    match read(layout)? {
        Some(found) if found == *known => Ok(()),
        Some(found) => Err(DirectoryError::Another {
            root: layout.root().to_owned(),
            known: known.clone(),
            found,
        }),
        None => Err(missing(layout.root())),
    }
}

/// Without an identity: what there is instead.
pub(crate) fn missing(root: &Path) -> DirectoryError {
    let root = root.to_owned();
    if root.is_dir() { DirectoryError::Unknown { root } } else { DirectoryError::Missing { root } }
}

/// Gives a directory its identity, unless somebody was quicker; says which it is.
pub(crate) fn draw(
    layout: &Layout,
    presence: &Presence,
    no_clobber: NoClobber,
) -> Result<DestinationId, DirectoryError> {
    let id = DestinationId::from_random(rand::random());
    let bytes =
        serde_json::to_vec(&Identity { version: VERSION, id }).expect("an identity is plain JSON");
    let temporary = layout.temporary().join(presence.file_name());
    let drawn = disk::write(&temporary, &bytes)
        .and_then(|_file| disk::sync(&temporary))
        .and_then(|()| no_clobber.publish(&temporary, &layout.identity()))
        .and_then(|_ours| disk::remove(&temporary))
        .and_then(|()| disk::sync_parent(&layout.identity()));
    drawn.map_err(DirectoryError::Disk)?;
    read(layout)?.ok_or_else(|| missing(layout.root()))
}
