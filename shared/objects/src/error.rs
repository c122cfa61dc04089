use std::error::Error;
use std::io;

/// What stores say in the place of an object when there is no bucket. The answer to a look at an object does not.
const NO_BUCKET: [&str; 2] = ["<Code>NoSuchBucket</Code>", "<Code>ContainerNotFound</Code>"];

/// What stores say that take no more.
const FULL: [&str; 4] =
    ["507 Insufficient Storage", "StorageFull", "QuotaExceeded", "AccountIsFull"];

/// Who is asked for credentials when the environment has none.
const METADATA_SERVERS: [&str; 2] = ["169.254.169.254", "metadata.google.internal"];

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
        source: Said,
    },
    /// There is no such bucket.
    #[error(
        "there is no bucket (or container) of the name in {place}: make it, or correct the URL"
    )]
    NoBucket {
        /// The store.
        place: String,
        /// What the store said.
        #[source]
        source: Said,
    },
    /// Nothing says as whom to come: the last resort, asking the machine's own cloud, did not help.
    #[error(
        "nothing in the environment says who we are to {place}: set {}",
        credentials(.place).unwrap_or("its credentials")
    )]
    Nobody {
        /// The store.
        place: String,
        /// What became of it.
        #[source]
        source: Said,
    },
    /// The store does not let us.
    #[error("{place} does not let this service {deed} {object}: check {}", what_lets_us(.place))]
    Denied {
        /// What was attempted.
        deed: &'static str,
        /// The object's name.
        object: String,
        /// The store.
        place: String,
        /// What the store said.
        #[source]
        source: Said,
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
        source: Said,
    },
    /// The folder of a local store is not there any more, or what its user left in the store to know it by.
    #[error(
        "{place} is not there as it was when it was opened: is the share mounted, is it the same bucket?"
    )]
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
            | StoreError::NoBucket { .. }
            | StoreError::Nobody { .. }
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
        let said = Said::of(&source);
        match source {
            Raw::NotFound { .. } if said.has(&NO_BUCKET) => {
                StoreError::NoBucket { place, source: said }
            }
            Raw::NotFound { .. } => StoreError::Gone { object, place },
            Raw::AlreadyExists { .. } | Raw::Precondition { .. } => {
                StoreError::Taken { object, place }
            }
            Raw::InvalidPath { .. } => StoreError::Name { object },
            source if has_io_kind(&source, is_full_kind) || said.has(&FULL) => {
                StoreError::Full { object, place, source: said }
            }
            _ if said.has(&METADATA_SERVERS) => StoreError::Nobody { place, source: said },
            source
                if matches!(source, Raw::PermissionDenied { .. } | Raw::Unauthenticated { .. })
                    || has_io_kind(&source, |kind| kind == io::ErrorKind::PermissionDenied) =>
            {
                StoreError::Denied { deed, object, place, source: said }
            }
            _ => StoreError::Failed { deed, object, place, source: said },
        }
    }
}

/// What a store, or the way to it, said: in one line, without what its parts repeat.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Said(String);

impl Said {
    pub(crate) fn of(error: &object_store::Error) -> Self {
        let mut line = error.to_string();
        for cause in causes(error) {
            let cause = cause.to_string();
            if !line.contains(&cause) {
                line = format!("{line}: {cause}");
            }
        }
        // Bodies of answers have lines of their own.
        Said(line.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// What a store says that says nothing.
    pub(crate) fn silence(for_so_long: std::time::Duration) -> Self {
        Said(format!("it broke off, or nothing came for {for_so_long:?}"))
    }

    fn has(&self, any: &[&str]) -> bool {
        any.iter().any(|text| self.0.contains(text))
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

/// What a person checks who is not let in.
fn what_lets_us(place: &str) -> String {
    match credentials(place) {
        Some(names) => format!("{names}, and what that account may do"),
        None => "the permissions of the folder, and who this service runs as".to_owned(),
    }
}

/// Where a store's clients find out who they are.
fn credentials(place: &str) -> Option<&'static str> {
    match place.split_once("://")?.0 {
        "s3" => Some("AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION"),
        "az" => Some("AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY"),
        "gs" => Some("GOOGLE_SERVICE_ACCOUNT, the path of its key"),
        _ => None,
    }
}

fn is_full_kind(kind: io::ErrorKind) -> bool {
    matches!(
        kind,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

fn has_io_kind(error: &object_store::Error, is: impl Fn(io::ErrorKind) -> bool) -> bool {
    causes(error)
        .filter_map(|error| error.downcast_ref::<io::Error>())
        .any(|error| is(error.kind()))
}

fn causes(error: &object_store::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |error: &&(dyn Error + 'static)| (*error).source())
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
    fn what_a_store_said_is_told_once() {
        let source = io::Error::new(io::ErrorKind::ConnectionRefused, "connection\nrefused");
        let source = object_store::Error::Generic { store: "S3", source: Box::new(source) };
        assert_eq!(Said::of(&source).to_string(), "Generic S3 error: connection refused");
    }

    #[test]
    fn who_has_no_credentials_is_told_where_they_are_looked_for() {
        let source = "PUT http://169.254.169.254/latest/api/token: no route to host".into();
        let source = object_store::Error::Generic { store: "S3", source };
        let error = StoreError::of("write", "a", "s3://bucket/a", source);
        assert!(error.is_down() && error.to_string().contains("set AWS_ACCESS_KEY_ID"), "{error}");
    }

    #[test]
    fn a_forbidden_store_says_what_to_check() {
        let error = of_io(io::ErrorKind::PermissionDenied);
        assert!(error.is_down());
        assert!(error.to_string().contains("permissions"), "{error}");
    }
}
