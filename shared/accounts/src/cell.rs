use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use appliance::{Read, Shared, SharedError};
use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use queue::{Bucket, BucketError, Log, Stored};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::ServerClock;

/// Which bucket a value lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// On disk.
    Lasting,
    /// In memory, which a killed server forgets with the bucket itself.
    Passing,
}

impl Kind {
    /// The bucket, made if it is not there.
    pub async fn open<V: Serialize + DeserializeOwned>(
        self,
        log: &Log,
    ) -> Result<Bucket<V>, BucketError> {
        match self {
            Kind::Lasting => log.bucket("accounts").await,
            Kind::Passing => log.memory_bucket("accounts-now").await,
        }
    }
}

/// A value of one account in one of the log's buckets.
pub(crate) struct Cell<V> {
    log: Log,
    kind: Kind,
    bucket: RwLock<Bucket<V>>,
    key: String,
    clock: Arc<ServerClock>,
}

impl<V: Clone + Serialize + DeserializeOwned> Cell<V> {
    pub fn new(
        log: Log,
        kind: Kind,
        bucket: Bucket<V>,
        key: String,
        clock: Arc<ServerClock>,
    ) -> Self {
        Cell { log, kind, bucket: RwLock::new(bucket), key, clock }
    }

    fn bucket(&self) -> Bucket<V> {
        self.bucket.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The bucket again, which a killed server may have forgotten.
    async fn reopened(&self) -> Result<Bucket<V>, SharedError> {
        let bucket: Bucket<V> = self.kind.open(&self.log).await.map_err(unreachable)?;
        *self.bucket.write().unwrap_or_else(PoisonError::into_inner) = bucket.clone();
        Ok(bucket)
    }
}

impl<V: Clone + Serialize + DeserializeOwned + Send + Sync + 'static> Shared<V> for Cell<V> {
    fn read(&self) -> BoxFuture<'_, Result<Option<Read<V>>, SharedError>> {
        async {
            let kept = match self.bucket().get(&self.key).await {
                Ok(kept) => kept,
                Err(_) => self.reopened().await?.get(&self.key).await.map_err(unreachable)?,
            };
            Ok(kept.map(|kept| Read { value: kept.value, revision: kept.revision }))
        }
        .boxed()
    }

    fn write(
        &self,
        value: V,
        read: Option<u64>,
    ) -> BoxFuture<'_, Result<Option<u64>, SharedError>> {
        async move {
            match self.bucket().set(&self.key, &value, read).await {
                Ok(Stored::At(revision)) => Ok(Some(revision)),
                Ok(Stored::Overtaken) => Ok(None),
                // What was read is gone, or the answer was lost: whoever writes looks again.
                Err(_) => self.reopened().await.map(|_| None),
            }
        }
        .boxed()
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}

impl<V> fmt::Debug for Cell<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cell").field("kind", &self.kind).field("key", &self.key).finish()
    }
}

fn unreachable(error: BucketError) -> SharedError {
    SharedError::Unreachable(error.into())
}
