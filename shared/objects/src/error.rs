use std::error::Error;
use std::io;

/// Why a store can't be used at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The text is no URL.
    #[error(
        "{url:?} is no URL of a store: write file:///folder, s3://bucket/prefix, az://container/prefix or gs://bucket/prefix"
    )]
    Url {
        /// As given.
        url: String,
    },
    /// The folder is not there and could not be made.
    #[error("could not make the folder {folder}: make it, or give this user the right to")]
    Folder {
        /// Its path.
        folder: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The store's own settings (environment variables such as `AWS_REGION`) don't do.
    #[error("{place} cannot be used with the settings found in the environment")]
    Settings {
        /// The URL, without credentials.
        place: String,
        /// What is wrong.
        #[source]
        source: object_store::Error,
    },
}

/// Why an operation on one object did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No such object; the store itself is well.
    #[error("there is no object {object} in {place}")]
    Gone {
        /// The object's name.
        object: String,
        /// The store.
        place: String,
    },
    /// It was to be created, and is there already.
    #[error("{object} is already there in {place}")]
    Taken {
        /// The object's name.
        object: String,
        /// The store.
        place: String,
    },
    /// A name that no store takes.
    #[error("{object:?} cannot name an object: empty segments, '.' and '..' cannot")]
    Name {
        /// The name.
        object: String,
    },
    /// No space, or the quota is used up.
    #[error("{place} is full: {object} could not be written; make space or raise the quota")]
    Full {
        /// The object's name.
        object: String,
        /// The store.
        place: String,
        /// What the store said.
        #[source]
        source: Box<object_store::Error>,
    },
    /// The store does not let us.
    #[error(
        "{place} does not let this service {deed} {object}: check its credentials and permissions"
    )]
    Denied {
        /// What was attempted.
        deed: &'static str,
        /// The object's name.
        object: String,
        /// The store.
        place: String,
        /// What the store said.
        #[source]
        source: Box<object_store::Error>,
    },
    /// The store could not be reached, or failed.
    #[error("could not {deed} {object} in {place}")]
    Failed {
        /// What was attempted.
        deed: &'static str,
        /// The object's name.
        object: String,
        /// The store.
        place: String,
        /// What the store said.
        #[source]
        source: Box<object_store::Error>,
    },
    /// The folder of a local store is not there any more.
    #[error("the folder of {place} is gone: is it mounted?")]
    Unmounted {
        /// The store.
        place: String,
    },
}

impl StoreError {
    /// Whether the object is not there, as told by a store that is well.
    pub fn is_gone(&self) -> bool {
        matches!(self, StoreError::Gone { .. })
    }

    /// Whether an object of that name was there already.
    pub fn is_taken(&self) -> bool {
        matches!(self, StoreError::Taken { .. })
    }

    /// Whether the store has no space left.
    pub fn is_full(&self) -> bool {
        matches!(self, StoreError::Full { .. })
    }

    /// Whether it is the store that fails (unreachable, full, forbidden), not this object.
    pub fn is_down(&self) -> bool {
        match self {
            StoreError::Gone { .. } | StoreError::Taken { .. } | StoreError::Name { .. } => false,
            StoreError::Full { .. }
            | StoreError::Denied { .. }
            | StoreError::Failed { .. }
            | StoreError::Unmounted { .. } => true,
        }
    }

    /// The error of an operation, from what `object_store` says.
    pub(crate) fn of(
        deed: &'static str,
        object: &str,
        place: &str,
        source: object_store::Error,
    ) -> Self {
        use object_store::Error as Raw;
        let (object, place) = (object.to_owned(), place.to_owned());
        match source {
            Raw::NotFound { .. } => StoreError::Gone { object, place },
            Raw::AlreadyExists { .. } | Raw::Precondition { .. } => {
                StoreError::Taken { object, place }
            }
            Raw::InvalidPath { .. } => StoreError::Name { object },
            source if has_io_kind(&source, is_full_kind) => {
                StoreError::Full { object, place, source: source.into() }
            }
            source
                if matches!(source, Raw::PermissionDenied { .. } | Raw::Unauthenticated { .. })
                    || has_io_kind(&source, |kind| kind == io::ErrorKind::PermissionDenied) =>
            {
                StoreError::Denied { deed, object, place, source: source.into() }
            }
            source => StoreError::Failed { deed, object, place, source: source.into() },
        }
    }
}

/// Why a stream could not be stored. Nothing is visible under the name then.
#[derive(Debug, thiserror::Error)]
pub enum PutError<E: Error + 'static> {
    /// The content itself broke off: the fault is its source's.
    #[error("the content of {object} broke off")]
    Content {
        /// The object's name.
        object: String,
        /// What the source said.
        #[source]
        cause: E,
    },
    /// The store did not take it.
    #[error(transparent)]
    Store(StoreError),
}

fn is_full_kind(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

fn has_io_kind(error: &object_store::Error, is: impl Fn(io::ErrorKind) -> bool) -> bool {
    std::iter::successors(error.source(), |error: &&(dyn Error + 'static)| (*error).source())
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| is(error.kind()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_io(kind: io::ErrorKind) -> StoreError {
        let source = object_store::Error::Generic {
            store: "LocalFileSystem",
            source: Box::new(io::Error::from(kind)),
        };
        StoreError::of("write", "a", "file:///x", source)
    }

    #[test]
    fn a_full_disk_is_told_apart_and_is_the_stores_fault() {
        assert!(of_io(io::ErrorKind::StorageFull).is_full());
        assert!(of_io(io::ErrorKind::StorageFull).is_down());
        assert!(!of_io(io::ErrorKind::TimedOut).is_full());
        assert!(of_io(io::ErrorKind::TimedOut).is_down());
    }

    #[test]
    fn a_forbidden_store_says_what_to_check() {
        let error = of_io(io::ErrorKind::PermissionDenied);
        assert!(error.is_down());
        assert!(error.to_string().contains("permissions"), "{error}");
    }
}
