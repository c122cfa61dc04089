use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    GetOptions, GetResultPayload, ListResult, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode,
    PutOptions,
};
use tokio::sync::Semaphore;
use tokio_util::io::ReaderStream;
use url::Url;

use crate::reading::{self, Reading};
use crate::{Details, OpenError, PutError, StoreError, remote};

/// A part of a local file: what one write takes.
const LOCAL_PART_BYTES: usize = 1 << 20;
/// A part of an upload: the least that S3 takes, unless an object needs larger ones.
const REMOTE_PART_BYTES: usize = 5 << 20;
/// Parts under way at one time in all uploads to a store: with the part that each of them fills they bound its memory.
const PARTS_IN_ALL_MAX: usize = 4;
/// Parts of one upload under way at one time; with the one that is being filled they bound its memory.
pub(crate) const PARTS_IN_FLIGHT_MAX: usize = 2;
/// How much of a local file one read takes.
const READ_BYTES: usize = 256 << 10;

/// A store of objects; cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<dyn ObjectStore>,
    /// The same store, by a client that waits longer for a part.
    pub(crate) uploads: Arc<dyn ObjectStore>,
    /// The same store, by a client without a limit to how long all of an object takes.
    pub(crate) reads: Arc<dyn ObjectStore>,
    prefix: Path,
    place: Arc<str>,
    pub(crate) part_bytes: usize,
    pub(crate) parts_under_way: Arc<Semaphore>,
    pub(crate) folder: Option<Arc<std::path::Path>>,
}

/// An object that a listing or a look at it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was last written, by the store's clock.
    pub modified: DateTime<Utc>,
}

/// An object that is being read.
pub struct Fetched {
    /// Its size in bytes.
    pub size: u64,
    /// Its content.
    pub stream: BoxStream<'static, Result<Bytes, StoreError>>,
}

impl Store {
    /// Opens the store at a URL: `file:///folder` (made where it is missing), `s3://`, `az://`, `gs://`.
    ///
    /// Credentials, regions and endpoints of the latter come from the environment, under their vendors' usual names.
    ///
    /// # Errors
    /// When the URL is none, the folder can't be made, or the environment lacks something.
    pub async fn open(url: &str) -> Result<Store, OpenError> {
        let parsed = Url::parse(url).map_err(|_| OpenError::Url { url: url.to_owned() })?;
        if parsed.scheme() == "file" {
            Store::open_folder(&parsed).await
        } else {
            Store::open_bucket(url, remote::environment())
        }
    }

    /// Opens the store at a URL, and makes nothing; none where it is a folder that is not there.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn find(url: &str) -> Result<Option<Store>, OpenError> {
        let parsed = Url::parse(url).map_err(|_| OpenError::Url { url: url.to_owned() })?;
        let folder = match parsed.scheme() {
            "file" => parsed.to_file_path().map_err(|()| OpenError::Url { url: url.to_owned() })?,
            _ => return Store::open(url).await.map(Some),
        };
        match tokio::fs::metadata(folder).await.is_ok_and(|found| found.is_dir()) {
            true => Store::open(url).await.map(Some),
            false => Ok(None),
        }
    }

    async fn open_folder(url: &Url) -> Result<Store, OpenError> {
        let folder: PathBuf =
            url.to_file_path().map_err(|()| OpenError::Url { url: url.to_string() })?;
        let failed = |source| OpenError::Folder { folder: folder.display().to_string(), source };
        tokio::fs::create_dir_all(&folder).await.map_err(failed)?;
        let inner = LocalFileSystem::new_with_prefix(&folder)
            .map_err(|source| OpenError::Settings { place: url.to_string(), source })?
            .with_fsync(true)
            .with_automatic_cleanup(true);
        let inner: Arc<dyn ObjectStore> = Arc::new(inner);
        Ok(Store {
            uploads: Arc::clone(&inner),
            reads: Arc::clone(&inner),
            inner,
            prefix: Path::default(),
            place: url.as_str().into(),
            part_bytes: LOCAL_PART_BYTES,
            parts_under_way: Arc::new(Semaphore::new(PARTS_IN_ALL_MAX)),
            folder: Some(folder.into()),
        })
    }

    /// Opens a bucket with these settings instead of the environment's, under the same names in lower case.
    ///
    /// # Errors
    /// When the URL is none of a bucket, or something is lacking.
    pub fn open_bucket(
        url: &str,
        settings: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Store, OpenError> {
        let parsed = Url::parse(url).map_err(|_| OpenError::Url { url: url.to_owned() })?;
        let remote::Clients { requests, uploads, reads, prefix } = remote::open(&parsed, settings)?;
        Ok(Store {
            inner: requests,
            uploads,
            reads,
            prefix,
            place: without_credentials(&parsed).into(),
            part_bytes: REMOTE_PART_BYTES,
            parts_under_way: Arc::new(Semaphore::new(PARTS_IN_ALL_MAX)),
            folder: None,
        })
    }

    /// The store's URL, without credentials.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The folder that it is; none where it is a bucket.
    pub fn folder(&self) -> Option<&std::path::Path> {
        self.folder.as_deref()
    }

    /// Stores a stream under a name, replacing what was there, and returns its size. `size` is what it will be about, or 0:
    /// by it the parts are made so large that a bucket takes their number.
    ///
    /// The name shows the whole content or what it showed before, also when this is cancelled; memory is bounded by a few parts.
    /// Two at once to one name of a folder are not for this: one that fails takes the other's file away.
    ///
    /// # Errors
    /// When the stream breaks off, or the store does not take it.
    pub async fn put<S, E>(&self, name: &str, content: S, size: u64) -> Result<u64, PutError<E>>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Error + 'static,
    {
        let mut upload = self.upload(name, Details::default(), size).map_err(PutError::Store)?;
        let put = upload.take_all(content).await;
        if put.is_err() {
            upload.abort().await;
        }
        put
    }

    /// Stores a few bytes in one request: under a new name only (`create_only`), or replacing what was there.
    ///
    /// # Errors
    /// [`StoreError::Taken`] when it was to be created and is there; else when the store does not take it.
    pub async fn put_small(
        &self,
        name: &str,
        bytes: Bytes,
        create_only: bool,
    ) -> Result<(), StoreError> {
        let path = self.path(name)?;
        let mode = if create_only { PutMode::Create } else { PutMode::Overwrite };
        self.inner
            .put_opts(&path, bytes.into(), PutOptions::from(mode))
            .await
            .map(|_| ())
            .map_err(|source| self.error("write", name, source))
    }

    /// Opens an object for reading. However slowly it is taken, it comes whole; what breaks off, or falls silent, is gone on
    /// with where it stopped.
    ///
    /// # Errors
    /// When it is not there, or the store can't be read.
    pub async fn get(&self, name: &str) -> Result<Fetched, StoreError> {
        let found = self.opened(name, GetOptions::default()).await?;
        let size = found.meta.size;
        let (store, name) = (self.clone(), name.to_owned());
        let stream = match found.payload {
            // The store's own stream of a local file goes in steps of 8 KiB, each a trip to another thread.
            GetResultPayload::File(file, _) => {
                ReaderStream::with_capacity(tokio::fs::File::from_std(file), READ_BYTES)
                    .map_err(move |source| store.read_error(&name, source))
                    .boxed()
            }
            GetResultPayload::Stream(stream) => {
                let etag = found.meta.e_tag;
                reading::resumed(Reading { store, name, etag, size, at: 0, stream }).boxed()
            }
        };
        Ok(Fetched { size, stream })
    }

    /// Opens an object as the file that it is, with its size; none where the store is no folder.
    ///
    /// # Errors
    /// When it is not there, or the store can't be read.
    pub async fn open_file(&self, name: &str) -> Result<Option<(std::fs::File, u64)>, StoreError> {
        if self.folder.is_none() {
            return Ok(None);
        }
        let path = self.path(name)?;
        let found =
            self.inner.get(&path).await.map_err(|source| self.error("read", name, source))?;
        let size = found.meta.size;
        Ok(match found.payload {
            GetResultPayload::File(file, _) => Some((file, size)),
            GetResultPayload::Stream(_) => None,
        })
    }

    /// Looks at an object without reading it.
    ///
    /// # Errors
    /// When it is not there, or the store can't be read.
    pub async fn head(&self, name: &str) -> Result<Object, StoreError> {
        let path = self.path(name)?;
        let meta =
            self.inner.head(&path).await.map_err(|source| self.error("look at", name, source))?;
        Ok(Object { name: name.to_owned(), size: meta.size, modified: meta.last_modified })
    }

    /// Deletes an object; one that is gone already is success.
    ///
    /// # Errors
    /// When the store does not let us, or can't be reached.
    pub async fn delete(&self, name: &str) -> Result<(), StoreError> {
        let path = self.path(name)?;
        match self.inner.delete(&path).await {
            Ok(()) => Ok(()),
            Err(source) => match self.error("delete", name, source) {
                error if error.is_gone() => Ok(()),
                error => Err(error),
            },
        }
    }

    /// The objects below a folder of names (`""`: all), in no promised order.
    pub fn list(&self, prefix: &str) -> BoxStream<'static, Result<Object, StoreError>> {
        let below = if prefix.is_empty() { Ok(self.prefix.clone()) } else { self.path(prefix) };
        let below = match below {
            Ok(below) => below,
            Err(error) => return futures::stream::once(async { Err(error) }).boxed(),
        };
        let (store, prefix) = (self.clone(), prefix.to_owned());
        self.inner
            .list(Some(&below))
            .map(move |found| match found {
                Ok(meta) => Ok(store.object(&meta)),
                Err(source) => Err(store.error("list", &prefix, source)),
            })
            .boxed()
    }

    /// The last segments of what lies directly below a folder of names (`""`: the store), folders among them.
    ///
    /// # Errors
    /// When the store can't be listed.
    pub async fn names(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let listed = self.listed(folder).await?;
        let objects = listed.objects.iter().map(|meta| &meta.location);
        Ok(objects.chain(&listed.common_prefixes).filter_map(last).collect())
    }

    /// The last segments of the folders directly below a folder of names (`""`: the store).
    ///
    /// # Errors
    /// When the store can't be listed.
    pub async fn folders(&self, folder: &str) -> Result<Vec<String>, StoreError> {
        let listed = self.listed(folder).await?;
        Ok(listed.common_prefixes.iter().filter_map(last).collect())
    }

    async fn listed(&self, folder: &str) -> Result<ListResult, StoreError> {
        let path = if folder.is_empty() { self.prefix.clone() } else { self.path(folder)? };
        let listed = self.inner.list_with_delimiter(Some(&path)).await;
        listed.map_err(|source| self.error("list", folder, source))
    }

    fn object(&self, meta: &ObjectMeta) -> Object {
        let name = match meta.location.prefix_match(&self.prefix) {
            Some(parts) => parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/"),
            None => meta.location.to_string(),
        };
        Object { name, size: meta.size, modified: meta.last_modified }
    }

    pub(crate) fn path(&self, name: &str) -> Result<Path, StoreError> {
        let refused = || StoreError::Name { object: name.to_owned() };
        let relative = Path::parse(name).map_err(|_| refused())?;
        // `Path::parse` forgives separators at the ends; two names for one object are one too many.
        if name.is_empty() || relative.as_ref() != name {
            return Err(refused());
        }
        Ok(Path::from_iter(self.prefix.parts().chain(relative.parts())))
    }

    fn read_error(&self, name: &str, source: std::io::Error) -> StoreError {
        let source =
            object_store::Error::Generic { store: "LocalFileSystem", source: source.into() };
        self.error("read", name, source)
    }

    /// An unmounted share shows no object at all, which must not pass for "this one is gone".
    pub(crate) fn error(
        &self,
        deed: &'static str,
        name: &str,
        source: object_store::Error,
    ) -> StoreError {
        let error = StoreError::of(deed, name, &self.place, source);
        let unmounted =
            error.is_gone() && self.folder.as_deref().is_some_and(|folder| !folder.is_dir());
        if unmounted {
            return StoreError::Unmounted { place: self.place.to_string() };
        }
        error
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.place).finish()
    }
}

fn last(path: &Path) -> Option<String> {
    path.filename().map(str::to_owned)
}

pub(crate) fn without_credentials(url: &Url) -> String {
    let mut url = url.clone();
    // Both fail only for URLs that cannot have a user, and so have nothing to hide.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.to_string()
}

#[cfg(test)]
mod tests;
