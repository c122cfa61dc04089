use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use domain::Digest;
use futures::{StreamExt, TryStreamExt, stream};
use objects::{Details, Store, StoreError, Upload};
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;

use crate::directory::delivery::Wanted;
use crate::directory::disk::{BLOCK_BYTES, PlaceError};
use crate::directory::identity::DirectoryError;
use crate::directory::layout::{Key, Layout};
use crate::directory::place::{Listed, NoClobber, Place, Sort, Standing, Turn, Writing};

mod turns;

use turns::Turns;

/// What a file's digest is written down as, with the file.
const DIGEST: &str = "sha256";
/// Records that are read at a time: each takes a trip to the store and back.
const READS_MAX: usize = 16;

/// A bucket, or what lies below a prefix in one. Its files are written once, under their names, and can be seen when
/// they are whole; its ledger stands on conditional writes.
#[derive(Debug, Clone)]
pub struct Bucket(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    runtime: Handle,
    id: String,
    storage_class: Option<String>,
    turns: Turns,
}

impl Bucket {
    /// A bucket whose files get this storage class, or the bucket's own; `runtime` waits for its answers.
    pub fn new(store: Store, storage_class: Option<String>, runtime: Handle) -> Self {
        let id = hex::encode(rand::random::<[u8; 8]>());
        Bucket(Arc::new(Inner { store, runtime, id, storage_class, turns: Turns::default() }))
    }

    /// Its URL.
    pub fn url(&self) -> &str {
        self.0.store.place()
    }

    /// Whether it can be written, and keeps the conditions of conditional writes. Leaves nothing behind.
    pub(crate) fn check(&self, layout: &Layout) -> Result<(), DirectoryError> {
        let trial = layout.ledger().join(format!("check-{}", self.0.id));
        let tried = self.tried(&trial);
        let removed = self.remove(&trial);
        match tried.and_then(|kept| removed.map(|()| kept)) {
            Ok(true) => Ok(()),
            Ok(false) => Err(DirectoryError::Unconditional { root: layout.shown().to_owned() }),
            Err(cause) => Err(DirectoryError::Disk(cause)),
        }
    }

    /// Whether it takes files of the storage class that the settings name: each delivery would fail by itself otherwise.
    pub(crate) fn check_class(&self, layout: &Layout) -> Result<(), DirectoryError> {
        let Some(class) = &self.0.storage_class else { return Ok(()) };
        let trial = layout.ledger().join(format!("class-{}", self.0.id));
        let details = Details { storage_class: Some(class.clone()), ..Details::default() };
        let tried = self.name(&trial).and_then(|name| {
            let failed = |cause| PlaceError::of_bucket("write", &trial, cause);
            let mut upload = self.0.store.upload(name, details, 0).map_err(failed)?;
            self.wait(upload.complete(name, false)).map_err(failed)
        });
        let removed = self.remove(&trial);
        tried.and(removed).map_err(|cause| DirectoryError::StorageClass {
            root: layout.shown().to_owned(),
            class: class.clone(),
            cause,
        })
    }

    fn tried(&self, trial: &Path) -> Result<bool, PlaceError> {
        if !self.create(trial, b"1", false)? || self.create(trial, b"2", false)? {
            return Ok(false);
        }
        let name = self.name(trial)?;
        let store = &self.0.store;
        let failed = |cause| PlaceError::of_bucket("write", trial, cause);
        let read = self.wait(store.read_record(name)).map_err(failed)?;
        let Some((_, stale)) = read else { return Ok(false) };
        self.replace(trial, b"3", false)?;
        let replaced = store.replace_record(name, Bytes::from_static(b"4"), &stale);
        self.wait(replaced).map(|replaced| !replaced).map_err(failed)
    }

    fn wait<T>(&self, answer: impl Future<Output = T>) -> T {
        self.0.runtime.block_on(answer)
    }

    fn name<'p>(&self, path: &'p Path) -> Result<&'p str, PlaceError> {
        path.to_str().ok_or_else(|| {
            let cause = StoreError::Name { object: path.display().to_string() };
            PlaceError::of_bucket("name", path, cause)
        })
    }

    async fn record(&self, record: &Path) -> Result<Option<Vec<u8>>, PlaceError> {
        let read = self.0.store.read_record(self.name(record)?).await;
        read.map(|found| found.map(|(bytes, _)| bytes.into()))
            .map_err(|cause| PlaceError::of_bucket("read", record, cause))
    }

    fn digest_read(&self, name: &str) -> Result<Option<Digest>, StoreError> {
        self.wait(async {
            let mut stream = match self.0.store.get(name).await {
                Ok(fetched) => fetched.stream,
                Err(error) if error.is_gone() => return Ok(None),
                Err(error) => return Err(error),
            };
            let mut hasher = Sha256::new();
            while let Some(piece) = stream.try_next().await? {
                hasher.update(&piece);
            }
            Ok(Some(Digest::finish(hasher)))
        })
    }
}

impl Place for Bucket {
    fn id(&self) -> &str {
        &self.0.id
    }

    fn is_there(&self) -> bool {
        true
    }

    fn no_clobber(&self) -> NoClobber {
        NoClobber::ConditionalPut
    }

    fn read(&self, record: &Path) -> Result<Option<Vec<u8>>, PlaceError> {
        self.wait(self.record(record))
    }

    fn read_all(&self, records: &[PathBuf]) -> Vec<Result<Option<Vec<u8>>, PlaceError>> {
        let reads = stream::iter(records).map(|record| self.record(record));
        self.wait(reads.buffered(READS_MAX).collect())
    }

    fn create(&self, record: &Path, bytes: &[u8], _durably: bool) -> Result<bool, PlaceError> {
        let bytes = Bytes::copy_from_slice(bytes);
        match self.wait(self.0.store.put_small(self.name(record)?, bytes, true)) {
            Ok(()) => Ok(true),
            Err(error) if error.is_taken() => Ok(false),
            Err(cause) => Err(PlaceError::of_bucket("write", record, cause)),
        }
    }

    fn replace(&self, record: &Path, bytes: &[u8], _durably: bool) -> Result<(), PlaceError> {
        let bytes = Bytes::copy_from_slice(bytes);
        self.wait(self.0.store.put_small(self.name(record)?, bytes, false))
            .map_err(|cause| PlaceError::of_bucket("write", record, cause))
    }

    fn add(&self, record: &Path, line: &[u8]) -> Result<(), PlaceError> {
        // Objects can't grow; only the last line counts.
        self.replace(record, line, true)
    }

    fn sync(&self, _record: &Path) -> Result<(), PlaceError> {
        Ok(())
    }

    fn remove(&self, record: &Path) -> Result<(), PlaceError> {
        self.wait(self.0.store.delete(self.name(record)?))
            .map_err(|cause| PlaceError::of_bucket("remove", record, cause))
    }

    fn names(&self, folder: &Path) -> Result<Vec<String>, PlaceError> {
        self.wait(self.0.store.names(self.name(folder)?))
            .map_err(|cause| PlaceError::of_bucket("list", folder, cause))
    }

    fn files(&self, tell: &mut dyn FnMut(Listed)) -> Result<(), PlaceError> {
        let mut listed = self.0.store.list("");
        let ledger = format!("{}/", domain::RelativePath::LEDGER);
        let failed = |cause| PlaceError::of_bucket("list", Path::new(self.url()), cause);
        // Who is told may block, which nothing may that is waited for.
        while let Some(object) = self.wait(listed.try_next()).map_err(failed)? {
            if !object.name.starts_with(&ledger) {
                tell(Listed::File(object.name));
            }
        }
        Ok(())
    }

    fn look(&self, file: &Path) -> Result<Standing, PlaceError> {
        match self.wait(self.0.store.head(self.name(file)?)) {
            Ok(object) => Ok(Standing::File { size: object.size }),
            Err(error) if error.is_gone() => Ok(Standing::Nothing),
            Err(cause) => Err(PlaceError::of_bucket("look at", file, cause)),
        }
    }

    fn digest_of(&self, file: &Path) -> Result<Option<Digest>, PlaceError> {
        let name = self.name(file)?;
        let failed = |cause| PlaceError::of_bucket("read", file, cause);
        let told = self.wait(self.0.store.detail(name, DIGEST)).map_err(failed)?;
        let Some((_, told)) = told else { return Ok(None) };
        // We write it with the file itself, in one step: it is the bytes' own.
        match told.and_then(|digest| digest.parse().ok()) {
            Some(digest) => Ok(Some(digest)),
            None => self.digest_read(name).map_err(failed),
        }
    }

    fn sync_name(&self, _file: &Path) -> Result<(), PlaceError> {
        Ok(())
    }

    fn remove_file(&self, file: &Path) -> Result<(), PlaceError> {
        self.remove(file)
    }

    fn begin(&self, file: &Path, wanted: &Wanted) -> Result<Box<dyn Writing>, PlaceError> {
        let details = details(wanted, self.0.storage_class.clone());
        let upload = self.0.store.upload(self.name(file)?, details, wanted.stamp.size);
        let upload = upload.map_err(|cause| PlaceError::of_bucket("write", file, cause))?;
        Ok(Box::new(Uploading {
            bucket: self.clone(),
            file: file.to_owned(),
            upload: Some(upload),
        }))
    }

    fn turn(&self, sort: Sort, key: &Key) -> Result<Box<dyn Turn + '_>, PlaceError> {
        let lock = Path::new(".sluice/locks").join(format!("{}-{}", sort.as_str(), key.as_name()));
        Ok(Box::new(self.0.turns.turn(self, sort, key, lock)?))
    }

    fn probe(&self) -> Result<Option<u64>, PlaceError> {
        let path = PathBuf::from(format!(".sluice/probe-{}", self.0.id));
        let tried = self.replace(&path, b"probe", false);
        let removed = self.remove(&path);
        tried.and(removed).map(|()| None)
    }
}

/// What is written down with a file, for whoever finds it without the ledger.
fn details(wanted: &Wanted, storage_class: Option<String>) -> Details {
    let artifact = &wanted.artifact;
    let mut texts: std::collections::BTreeMap<&'static str, String> = [
        ("site", artifact.site().to_string()),
        ("kind", artifact.kind().to_string()),
        (DIGEST, wanted.stamp.digest.to_string()),
    ]
    .into();
    texts.insert(
        if artifact.slot().is_some() { "slot" } else { "lsid" },
        artifact.key().to_string(),
    );
    if let Some(instance) = artifact.instance() {
        texts.insert("instance", instance.to_string());
    }
    Details { texts, storage_class }
}

/// Content on its way into a bucket.
#[derive(Debug)]
struct Uploading {
    bucket: Bucket,
    file: PathBuf,
    upload: Option<Upload>,
}

impl Uploading {
    fn upload(&mut self) -> &mut Upload {
        self.upload.as_mut().expect("it is taken only when it is dropped")
    }
}

impl Writing for Uploading {
    /// Each byte is read once and hashed once; parts are on their way meanwhile.
    fn copy(
        &mut self,
        from: &mut File,
        progress: &AtomicU64,
    ) -> Result<Option<(u64, Digest)>, PlaceError> {
        let mut hasher = Sha256::new();
        let mut size = 0;
        loop {
            let mut block = Vec::with_capacity(BLOCK_BYTES);
            let read = from.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut block);
            read.map_err(|cause| PlaceError::new("read what is staged for", &self.file, cause))?;
            if block.is_empty() {
                return Ok(Some((size, Digest::finish(hasher))));
            }
            hasher.update(&block);
            size += block.len() as u64;
            self.append(block.into())?;
            progress.store(size, Ordering::Relaxed);
        }
    }

    fn append(&mut self, piece: Bytes) -> Result<(), PlaceError> {
        let bucket = self.bucket.clone();
        let appended = bucket.wait(self.upload().append(piece));
        appended.map_err(|cause| PlaceError::of_bucket("write", &self.file, cause))
    }

    /// Not later: who gives it its name holds a turn, which ends.
    fn sync(&mut self) -> Result<(), PlaceError> {
        let bucket = self.bucket.clone();
        let flushed = bucket.wait(self.upload().flush());
        flushed.map_err(|cause| PlaceError::of_bucket("write", &self.file, cause))
    }

    fn can_have(&self, file: &Path) -> bool {
        let name = file.to_str().unwrap_or_default();
        self.upload.as_ref().is_some_and(|upload| upload.can_have(name))
    }

    fn give_name(&mut self, file: &Path, create_only: bool) -> Result<bool, PlaceError> {
        let bucket = self.bucket.clone();
        let name = bucket.name(file)?;
        let given = bucket.wait(self.upload().complete(name, create_only));
        given.map_err(|cause| PlaceError::of_bucket("write", file, cause))
    }
}

impl Drop for Uploading {
    fn drop(&mut self) {
        if let Some(mut upload) = self.upload.take() {
            // Dropped wherever a delivery failed, also where nothing may block.
            self.bucket.0.runtime.spawn(async move { upload.abort().await });
        }
    }
}
