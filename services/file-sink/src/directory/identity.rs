use std::path::PathBuf;

use domain::DestinationId;
use serde::{Deserialize, Serialize};

use crate::directory::WithoutIdentity;
use crate::directory::disk::PlaceError;
use crate::directory::layout::{Key, Layout};
use crate::directory::place::{Place, Sort};
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
        "{} has lost the ledger (.sluice/identity.json) that was kept there: is the share mounted, is it the right \
         bucket? If it is meant to be filled anew, say `sluice replay --to` it", root.display()
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
    /// A bucket that can't be reached with what the environment says.
    #[error("the bucket can't be used")]
    Bucket(#[source] objects::OpenError),
    /// A bucket that does not do what ledgers in buckets stand on.
    #[error(
        "{} ignores the conditions of conditional writes, so that two workers would write over each other's files: \
         this store can't be a destination", root.display()
    )]
    Unconditional {
        /// Its URL.
        root: PathBuf,
    },
    /// A bucket that takes no files of the storage class that the settings name.
    #[error("{} takes no files of the storage class {class:?}: correct `storage_class`", root.display())]
    StorageClass {
        /// Its URL.
        root: PathBuf,
        /// The storage class.
        class: String,
        /// What it said.
        #[source]
        cause: PlaceError,
    },
    /// The place refuses.
    #[error("the destination can't be used")]
    Disk(#[source] PlaceError),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    version: u32,
    id: DestinationId,
}

/// The identity of a place that has one.
pub(crate) fn read(
    layout: &Layout,
    place: &dyn Place,
) -> Result<Option<DestinationId>, DirectoryError> {
    of_bytes(layout, place.read(&layout.identity()))
}

/// What the record of an identity says.
pub(crate) fn of_bytes(
    layout: &Layout,
    read: Result<Option<Vec<u8>>, PlaceError>,
) -> Result<Option<DestinationId>, DirectoryError> {
    let path = layout.shown().join(layout.identity());
    match read {
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

/// That the place is still the one that it was.
pub(crate) fn check(
    layout: &Layout,
    place: &dyn Place,
    known: &DestinationId,
) -> Result<(), DirectoryError> {
    match read(layout, place)? {
        Some(found) if found == *known => Ok(()),
        Some(found) => Err(DirectoryError::Another {
            root: layout.shown().to_owned(),
            known: known.clone(),
            found,
        }),
        None => Err(missing(layout, place.is_there())),
    }
}

/// Without an identity: what there is instead.
pub(crate) fn missing(layout: &Layout, is_there: bool) -> DirectoryError {
    let root = layout.shown().to_owned();
    if is_there { DirectoryError::Unknown { root } } else { DirectoryError::Missing { root } }
}

/// The identity of a place: the one that it has, else what is said of places without.
pub(crate) fn given(
    layout: &Layout,
    place: &dyn Place,
    known: Option<DestinationId>,
    without: WithoutIdentity,
) -> Result<DestinationId, DirectoryError> {
    match (known, without) {
        (Some(identity), _) => Ok(identity),
        (None, WithoutIdentity::New) => {
            draw(layout, place, DestinationId::from_random(rand::random()))
        }
        (None, WithoutIdentity::Becomes(drawn)) => draw(layout, place, drawn),
        (None, WithoutIdentity::Down) => Err(missing(layout, place.is_there())),
    }
}

/// Gives a place its identity, unless somebody was quicker; says which it is.
fn draw(
    layout: &Layout,
    place: &dyn Place,
    id: DestinationId,
) -> Result<DestinationId, DirectoryError> {
    place.create(&layout.identity(), &record(id), true).map_err(DirectoryError::Disk)?;
    read(layout, place)?.ok_or_else(|| missing(layout, place.is_there()))
}

/// Gives a place another identity instead of this one, if it still has this one; says whether.
pub(crate) fn renew(
    layout: &Layout,
    place: &dyn Place,
    old: &DestinationId,
    new: &DestinationId,
) -> Result<bool, DirectoryError> {
    let turn = place.turn(Sort::Name, &Key::of_identity()).map_err(DirectoryError::Disk)?;
    if read(layout, place)?.as_ref() != Some(old) || !turn.is_held() {
        return Ok(false);
    }
    let written = place.replace(&layout.identity(), &record(new.clone()), true);
    written.map(|()| true).map_err(DirectoryError::Disk)
}

fn record(id: DestinationId) -> Vec<u8> {
    serde_json::to_vec(&Identity { version: VERSION, id }).expect("an identity is plain JSON")
}
