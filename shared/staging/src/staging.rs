use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use chrono::Utc;
use domain::facts::ClaimCheck;
use domain::{ArtifactId, Digest, Room};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};
use objects::{Object, Store, StoreError};
use sha2::{Digest as _, Sha256};

use crate::content::{Content, differs};
use crate::name::{FACT_SUFFIX, object_name};
use crate::room::room_of;
use crate::{OpenError, PutError, StagingError};

/// The folder of staging's own records.
pub(crate) const OWN: &str = ".sluice";
/// Marks a store as staging, so that an unmounted share is not taken for one that lost its objects.
const MARK: &str = ".sluice/staging";
/// Names the epoch of the log that staging belongs to.
const EPOCH: &str = ".sluice/epoch";
/// Written and deleted by a probe.
const PROBE: &str = ".sluice/probe";
/// Facts are small; anything larger is none.
const FACT_BYTES_MAX: u64 = 1 << 20;

/// How long staging counts as marked after it was seen to be.
const MARK_SEEN: Duration = Duration::from_secs(5);
/// How long a process that starts waits for its store, as it does for the log.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two tries to open staging.
const OPEN_AGAIN: Duration = Duration::from_secs(2);

/// The staging store; cheap to clone.
#[derive(Debug, Clone)]
pub struct Staging {
    pub(crate) store: Store,
    mark_seen: Arc<Mutex<Option<Instant>>>,
    /// One name per process: two must not delete each other's, and what can't be deleted is one object.
    probe: Arc<str>,
}

/// What became of a put: the parts of a claim check that only the content tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staged {
    /// The object's name.
    pub object: String,
    /// Its size in bytes.
    pub size: u64,
    /// The digest of its bytes.
    pub digest: Digest,
}

impl Staged {
    /// The claim check of content with this canonical digest, which a file of this extension is to hold.
    pub fn claim(self, content: Digest, extension: &str) -> ClaimCheck {
        let Staged { object, size, digest } = self;
        ClaimCheck { object, size, digest, content, extension: extension.to_owned() }
    }
}

impl Staging {
    /// Opens (or makes) staging at a URL: `file://`, `s3://`, `az://`, `gs://`.
    ///
    /// # Errors
    /// When the URL is none, or the store can't be written.
    pub async fn open(url: &str) -> Result<Staging, StagingError> {
        Staging::within(Store::open(url).await.map_err(StagingError::Open)?).await
    }

    /// Opens (or makes) staging in a store.
    ///
    /// # Errors
    /// When the store can't be written.
    pub async fn within(store: Store) -> Result<Staging, StagingError> {
        let staging = Staging::of(store);
        // Looked for first: one that is full can't be written, and is to be opened all the same.
        if !staging.is_marked().await? {
            let mark = Bytes::from_static(b"sluice staging\n");
            match staging.store.put_small(MARK, mark, true).await {
                Ok(()) => {}
                Err(error) if error.is_taken() => {}
                Err(error) => return Err(StagingError::Store(error)),
            }
        }
        Ok(staging)
    }

    /// Opens staging at a URL if it is there, and makes nothing.
    ///
    /// # Errors
    /// When the URL is none, or the store can't tell.
    pub async fn find(url: &str) -> Result<Option<Staging>, StagingError> {
        let found = Store::find(url).await.map_err(StagingError::Open)?;
        let Some(store) = found else { return Ok(None) };
        let staging = Staging::of(store);
        Ok(staging.is_marked().await?.then_some(staging))
    }

    /// Opens (or makes) staging at a URL, and tries again for a minute while its store can't be reached: whoever starts
    /// gives the log as long.
    ///
    /// # Errors
    /// When it can't be reached for longer, or something else is wrong.
    pub async fn open_patiently(url: &str) -> Result<Staging, StagingError> {
        let store = Store::open(url).await.map_err(StagingError::Open)?;
        Staging::within_patiently(store, PATIENCE).await
    }

    /// Opens (or makes) staging in a store, and tries again for so long while that can't be reached.
    ///
    /// # Errors
    /// When it can't be reached for longer, or something else is wrong.
    pub async fn within_patiently(
        store: Store,
        patience: Duration,
    ) -> Result<Staging, StagingError> {
        let began = Instant::now();
        loop {
            match Staging::within(store.clone()).await {
                Err(StagingError::Store(StoreError::Failed { place, source, .. }))
                    if began.elapsed() < patience =>
                {
                    tracing::warn!(place, reason = %source, "staging can't be reached; trying on");
                    tokio::time::sleep(OPEN_AGAIN).await;
                }
                opened => return opened,
            }
        }
    }

    /// Whether there is staging at a URL that can be written and listed, or could be: what is not staging yet is not made
    /// it.
    ///
    /// # Errors
    /// When it can't.
    pub async fn check(url: &str) -> Result<(), StagingError> {
        Staging::check_store(Store::open(url).await.map_err(StagingError::Open)?).await
    }

    /// The same of a store.
    ///
    /// # Errors
    /// When it can't.
    pub async fn check_store(store: Store) -> Result<(), StagingError> {
        let staging = Staging::of(store);
        staging.is_marked().await?;
        staging.probe_writing().await?;
        staging.store.folders("").await.map(drop).map_err(StagingError::Store)
    }

    fn of(store: Store) -> Staging {
        let probe = format!("{PROBE}-{:08x}", rand::random::<u32>()).into();
        Staging { store, mark_seen: Arc::default(), probe }
    }

    /// The store's URL, without credentials.
    pub fn place(&self) -> &str {
        self.store.place()
    }

    /// Stages a stream of content as one more attempt of an artifact.
    ///
    /// Nothing is visible unless the stream ended well and the store has all of it, durably; memory is bounded.
    ///
    /// # Errors
    /// When the stream breaks off or the store does not take it; the two are told apart.
    pub async fn put<S, E>(
        &self,
        artifact: &ArtifactId,
        extension: &str,
        content: S,
    ) -> Result<Staged, PutError<E>>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Error + 'static,
    {
        self.put_sized(artifact, extension, content, 0).await
    }

    /// The same with content that will be of about this size, where that is known: a bucket takes no more than 10,000
    /// parts, so those of what is large are to be large.
    ///
    /// # Errors
    /// As [`Staging::put`].
    pub async fn put_sized<S, E>(
        &self,
        artifact: &ArtifactId,
        extension: &str,
        content: S,
        size: u64,
    ) -> Result<Staged, PutError<E>>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Error + 'static,
    {
        let object = object_name(artifact, extension, Utc::now(), rand::random());
        if let Err(cause) = self.still_marked().await {
            return Err(PutError::Store { object, cause });
        }
        let mut hasher = Sha256::new();
        let hashed = content.inspect_ok(|piece| hasher.update(piece));
        match self.store.put(&object, hashed, size).await {
            Ok(size) => Ok(Staged { object, size, digest: Digest::finish(hasher) }),
            Err(objects::PutError::Content { object, cause }) => {
                Err(PutError::Content { object, cause })
            }
            Err(objects::PutError::Store(cause)) => Err(PutError::Store { object, cause }),
        }
    }

    /// Opens the object of a claim check; the stream fails at its end if it is not what the claim check names.
    ///
    /// # Errors
    /// [`OpenError::Gone`] when it is not there, [`OpenError::Differs`] when its size alone tells, else when the store fails.
    pub async fn open_checked(&self, claim: &ClaimCheck) -> Result<Content, OpenError> {
        match self.store.get(&claim.object).await {
            Ok(fetched) if fetched.size != claim.size => {
                Err(differs(claim, fetched.size, "(not read)"))
            }
            Ok(fetched) => Ok(Content::new(claim.clone(), fetched)),
            Err(cause) => Err(self.open_error(&claim.object, cause).await),
        }
    }

    /// Opens the object of a claim check as the file that it is, so that it can be copied without going through this
    /// process; none where staging is no folder. Only its size is checked: its digest is for who copies it.
    ///
    /// # Errors
    /// As [`Staging::open_checked`].
    pub async fn open_file(&self, claim: &ClaimCheck) -> Result<Option<std::fs::File>, OpenError> {
        match self.store.open_file(&claim.object).await {
            Ok(Some((_, size))) if size != claim.size => Err(differs(claim, size, "(not read)")),
            Ok(found) => Ok(found.map(|(file, _)| file)),
            Err(cause) => Err(self.open_error(&claim.object, cause).await),
        }
    }

    /// Reads the object of a claim check into memory, verified; for reports.
    ///
    /// # Errors
    /// As [`Staging::open_checked`], and when it is larger than `bytes_max`.
    pub async fn read_whole(&self, claim: &ClaimCheck, bytes_max: u64) -> Result<Bytes, OpenError> {
        let too_large =
            OpenError::TooLarge { object: claim.object.clone(), size: claim.size, bytes_max };
        let capacity = match usize::try_from(claim.size) {
            Ok(size) if claim.size <= bytes_max => size,
            _ => return Err(too_large),
        };
        let mut content = self.open_checked(claim).await?;
        let mut whole = BytesMut::with_capacity(capacity);
        while let Some(piece) = content.try_next().await? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    /// Lays the fact that names an object beside it; what lay there is replaced.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn lay_fact(&self, object: &str, fact: &[u8]) -> Result<(), StoreError> {
        self.still_marked().await?;
        let fact = Bytes::copy_from_slice(fact);
        self.store.put_small(&fact_of(object), fact, false).await
    }

    /// Whether a fact lies beside an object.
    ///
    /// # Errors
    /// When the store can't tell.
    pub async fn fact_laid(&self, object: &str) -> Result<bool, StoreError> {
        self.has(&fact_of(object)).await.map(|fact| fact.is_some())
    }

    /// The fact that lies beside an object, if any.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn read_fact(&self, object: &str) -> Result<Option<Bytes>, StoreError> {
        self.read_small(&fact_of(object)).await
    }

    /// Whether the object of a claim check is there, with the size that it names.
    ///
    /// # Errors
    /// When the store can't tell: never taken for "no", which would fetch everything again.
    pub async fn holds(&self, claim: &ClaimCheck) -> Result<bool, StoreError> {
        let found = self.has(&claim.object).await?;
        Ok(found.is_some_and(|object| object.size == claim.size))
    }

    /// The staged objects (not the facts beside them) below a folder of names; `""`: all.
    pub fn objects(&self, prefix: &str) -> BoxStream<'static, Result<Object, StoreError>> {
        self.list_all(prefix)
            .try_filter(|object| std::future::ready(!object.name.ends_with(FACT_SUFFIX)))
            .boxed()
    }

    /// The staged objects and the facts beside them, but for staging's own records.
    pub(crate) fn list_all(&self, prefix: &str) -> BoxStream<'static, Result<Object, StoreError>> {
        self.store
            .list(prefix)
            .try_filter(|object| std::future::ready(!object.name.starts_with(".sluice/")))
            .boxed()
    }

    /// Removes an object and the fact beside it; the fact first, so that no rebuilt log names a missing object.
    ///
    /// # Errors
    /// When the store does not let us.
    pub async fn remove(&self, object: &str) -> Result<(), StoreError> {
        self.store.delete(&fact_of(object)).await?;
        self.store.delete(object).await
    }

    /// Removes what killed processes left of their puts, unchanged for `age`; returns how many.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn sweep_unfinished(&self, age: Duration) -> Result<u64, StoreError> {
        self.store.sweep_unfinished(age).await
    }

    /// The epoch of the log that staging says it belongs to.
    ///
    /// # Errors
    /// When the store can't be read.
    pub async fn epoch(&self) -> Result<Option<Bytes>, StoreError> {
        self.read_small(EPOCH).await
    }

    /// Has staging belong to another epoch of the log.
    ///
    /// # Errors
    /// When the store does not take it.
    pub async fn set_epoch(&self, epoch: &[u8]) -> Result<(), StoreError> {
        self.store.put_small(EPOCH, Bytes::copy_from_slice(epoch), false).await
    }

    /// Whether staging can be read now. That is enough for a sink: one that waited until staging can be written, too,
    /// would not take from a full one what fills it.
    ///
    /// # Errors
    /// When it can't, or is not the store that was opened.
    pub async fn probe_reading(&self) -> Result<(), StagingError> {
        match self.is_marked().await? {
            true => Ok(()),
            false => Err(self.unmarked()),
        }
    }

    /// Whether staging can be read and written now.
    ///
    /// # Errors
    /// When it can't, or is not the store that was opened.
    pub async fn probe(&self) -> Result<(), StagingError> {
        self.probe_reading().await?;
        self.probe_writing().await
    }

    async fn probe_writing(&self) -> Result<(), StagingError> {
        let bytes = Bytes::from_static(b"probe");
        let mut written = self.store.put_small(&self.probe, bytes.clone(), false).await;
        // A store may take the one and not the other.
        if written.is_ok() && self.store.folder().is_none() {
            written = self.store.put_in_parts(&self.probe, bytes).await;
        }
        let deleted = self.store.delete(&self.probe).await;
        written.and(deleted).map_err(StagingError::Store)
    }

    /// The room on its disk; none where that can't be told, as of a bucket.
    pub fn room(&self) -> Option<Room> {
        self.store.folder().and_then(room_of)
    }

    fn unmarked(&self) -> StagingError {
        StagingError::Unmarked { place: self.place().to_owned() }
    }

    /// Whether the store bears our mark. It is read, not only looked at: only then a store says whether it is the bucket
    /// that is not there.
    async fn is_marked(&self) -> Result<bool, StagingError> {
        let mark = self.store.read_record(MARK).await.map_err(StagingError::Store)?;
        Ok(mark.is_some())
    }

    /// Before something is begun to be written: nothing is to be laid into what is not staging any more.
    async fn still_marked(&self) -> Result<(), StoreError> {
        let seen = || self.mark_seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen().is_some_and(|seen| seen.elapsed() < MARK_SEEN) {
            return Ok(());
        }
        match self.store.read_record(MARK).await? {
            Some(_) => {
                *seen() = Some(Instant::now());
                Ok(())
            }
            None => Err(self.unmounted()),
        }
    }

    fn unmounted(&self) -> StoreError {
        StoreError::Unmounted { place: self.place().to_owned() }
    }

    /// A missing object counts as gone only in a store that still bears our mark.
    async fn open_error(&self, object: &str, cause: StoreError) -> OpenError {
        let cause = self.unless_unmarked(cause).await;
        OpenError::of(object, cause)
    }

    async fn unless_unmarked(&self, cause: StoreError) -> StoreError {
        if !cause.is_gone() {
            return cause;
        }
        match self.store.read_record(MARK).await {
            Ok(Some(_)) => cause,
            Ok(None) => self.unmounted(),
            Err(error) => error,
        }
    }

    async fn has(&self, name: &str) -> Result<Option<Object>, StoreError> {
        match self.store.head(name).await {
            Ok(object) => Ok(Some(object)),
            Err(error) => match self.unless_unmarked(error).await {
                error if error.is_gone() => Ok(None),
                error => Err(error),
            },
        }
    }

    async fn read_small(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        let fetched = match self.store.get(name).await {
            Ok(fetched) if fetched.size <= FACT_BYTES_MAX => fetched,
            Ok(_) => return Ok(None),
            Err(error) => {
                return match self.unless_unmarked(error).await {
                    error if error.is_gone() => Ok(None),
                    error => Err(error),
                };
            }
        };
        let mut whole = BytesMut::new();
        let mut stream = fetched.stream;
        while let Some(piece) = stream.try_next().await? {
            whole.extend_from_slice(&piece);
        }
        Ok(Some(whole.freeze()))
    }
}

fn fact_of(object: &str) -> String {
    format!("{object}{FACT_SUFFIX}")
}
