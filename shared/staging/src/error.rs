use std::error::Error;

use domain::Digest;
use objects::StoreError;

/// Why staging as a whole can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StagingError {
    /// Its store can't be opened.
    #[error("staging cannot be opened")]
    Open(#[source] objects::OpenError),
    /// Its store fails.
    #[error("staging fails")]
    Store(#[source] StoreError),
    /// The store answers, but what marks it as staging is gone: an empty folder where a share was mounted, most likely.
    #[error(
        "{place} has lost the mark that staging made there: is the share mounted, is it the same bucket? If it is meant to be new, start again"
    )]
    Unmarked {
        /// The store.
        place: String,
    },
}

/// Why content was not staged. Nothing is visible of it then.
#[derive(Debug, thiserror::Error)]
pub enum PutError<E: Error + 'static> {
    /// The content broke off: the fault is its source's (the appliance's).
    #[error("the content for {object} broke off")]
    Content {
        /// The object's name.
        object: String,
        /// What the source said.
        #[source]
        cause: E,
    },
    /// The store did not take it.
    #[error("could not stage {object}")]
    Store {
        /// The object's name.
        object: String,
        /// What the store said.
        #[source]
        cause: StoreError,
    },
}

/// Why a staged object could not be read.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is not there any more.
    #[error("the staged object {object} is gone: it has to be fetched again")]
    Gone {
        /// The object's name.
        object: String,
    },
    /// It is not what the fact names. Staging was tampered with, or its disk is failing.
    #[error(
        "the staged object {object} is not what its fact names: {size} bytes with digest {digest} instead of {size_wanted} with {digest_wanted}; it has to be fetched again, and the store's health looked at"
    )]
    Differs {
        /// The object's name.
        object: String,
        /// Bytes read.
        size: u64,
        /// Bytes that the fact names.
        size_wanted: u64,
        /// The digest of what was read.
        digest: Box<str>,
        /// The digest that the fact names.
        digest_wanted: Digest,
    },
    /// Larger than the reader takes into memory.
    #[error(
        "the staged object {object} has {size} bytes, more than the {bytes_max} that are read into memory"
    )]
    TooLarge {
        /// The object's name.
        object: String,
        /// Its size.
        size: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// The store fails.
    #[error("could not read the staged object {object}")]
    Store {
        /// The object's name.
        object: String,
        /// What the store said.
        #[source]
        cause: StoreError,
    },
}

impl<E: Error + 'static> PutError<E> {
    /// Whether it is the store that fails (unreachable, full, forbidden).
    pub fn is_down(&self) -> bool {
        match self {
            PutError::Content { .. } => false,
            PutError::Store { cause, .. } => cause.is_down(),
        }
    }

    /// Whether the store has no room left.
    pub fn is_full(&self) -> bool {
        match self {
            PutError::Content { .. } => false,
            PutError::Store { cause, .. } => cause.is_full(),
        }
    }
}

impl OpenError {
    /// Whether the object is not there, or not as its fact names it: either way it has to be fetched again.
    pub fn is_lost(&self) -> bool {
        matches!(self, OpenError::Gone { .. } | OpenError::Differs { .. })
    }

    /// Whether it is the store that fails.
    pub fn is_down(&self) -> bool {
        match self {
            OpenError::Store { cause, .. } => cause.is_down(),
            OpenError::Gone { .. } | OpenError::Differs { .. } | OpenError::TooLarge { .. } => {
                false
            }
        }
    }

    pub(crate) fn of(object: &str, cause: StoreError) -> Self {
        let object = object.to_owned();
        if cause.is_gone() {
            OpenError::Gone { object }
        } else {
            OpenError::Store { object, cause }
        }
    }
}
