use std::marker::PhantomData;

use async_nats::jetstream::Context;
use async_nats::jetstream::context::ConsumerInfoErrorKind;
use async_nats::jetstream::kv::{self, Store, UpdateErrorKind};
use async_nats::jetstream::stream::StorageType;
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::BoxError;

/// A small table of JSON values in the log's server, changed by compare-and-set only.
#[derive(Debug, Clone)]
pub struct Bucket<V> {
    name: String,
    store: Store,
    values: PhantomData<fn() -> V>,
}

/// A value and the revision to set it against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept<V> {
    /// The value.
    pub value: V,
    /// Its revision in the bucket.
    pub revision: u64,
    /// When the server stored it, by the server's clock.
    pub stored_at: DateTime<Utc>,
}

/// What became of a compare-and-set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// The value stands, with this revision.
    At(u64),
    /// Somebody else changed it first: read again.
    Overtaken,
}

/// Why a bucket could not be used.
#[derive(Debug, thiserror::Error)]
#[error("could not {doing} {key:?} in the bucket {bucket}")]
pub struct BucketError {
    /// What was tried.
    pub doing: &'static str,
    /// The key.
    pub key: String,
    /// The bucket.
    pub bucket: String,
    /// Why.
    #[source]
    pub cause: BoxError,
}

impl<V: Serialize + DeserializeOwned> Bucket<V> {
    pub(crate) async fn open_in(
        jetstream: &Context,
        prefix: &str,
        name: &str,
        replicas: usize,
        storage: StorageType,
    ) -> Result<Self, BucketError> {
        let name = format!("{prefix}-{name}");
        let config = kv::Config {
            bucket: name.clone(),
            history: 1,
            storage,
            num_replicas: replicas,
            ..kv::Config::default()
        };
        let store = match jetstream.get_key_value(&name).await {
            Ok(store) => Ok(store),
            Err(_) => jetstream.create_key_value(config).await,
        };
        match store {
            Ok(store) => Ok(Bucket { name, store, values: PhantomData }),
            Err(cause) => Err(BucketError {
                doing: "open",
                key: String::new(),
                bucket: name,
                cause: cause.into(),
            }),
        }
    }

    /// Whether the server says that it has no such bucket, which it made when this was opened: the log was lost.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn is_gone(&self) -> Result<bool, BucketError> {
        // Nobody reads through it: of its stream the server says this only where there is none.
        match self.store.stream.consumer_info("nobody").await {
            Ok(_) => Ok(false),
            Err(error) => match error.kind() {
                ConsumerInfoErrorKind::NotFound => Ok(false),
                ConsumerInfoErrorKind::StreamNotFound => Ok(true),
                _ => Err(self.failed("find", "", error)),
            },
        }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    fn failed(&self, doing: &'static str, key: &str, cause: impl Into<BoxError>) -> BucketError {
        BucketError { doing, key: key.to_owned(), bucket: self.name.clone(), cause: cause.into() }
    }

    /// The value of a key, which has to be a token as `messages::escape` makes them, or several with periods between.
    ///
    /// # Errors
    /// When the server does not answer or what stands there is of another form.
    pub async fn get(&self, key: &str) -> Result<Option<Kept<V>>, BucketError> {
        let entry = self.store.entry(key).await.map_err(|cause| self.failed("read", key, cause))?;
        match entry {
            Some(entry) if entry.operation == kv::Operation::Put => {
                let value = serde_json::from_slice(&entry.value)
                    .map_err(|cause| self.failed("understand", key, cause))?;
                let stored = i64::try_from(entry.created.unix_timestamp_nanos()).unwrap_or(0);
                let stored_at = DateTime::from_timestamp_nanos(stored);
                Ok(Some(Kept { value, revision: entry.revision, stored_at }))
            }
            Some(_) | None => Ok(None),
        }
    }

    /// Sets a value, if the key still has the revision that was read (`None`: if it has no value).
    ///
    /// # Errors
    /// When the server does not confirm it.
    pub async fn set(
        &self,
        key: &str,
        value: &V,
        read: Option<u64>,
    ) -> Result<Stored, BucketError> {
        let json = serde_json::to_vec(value).map_err(|cause| self.failed("write", key, cause))?;
        match read {
            Some(revision) => match self.store.update(key, json.into(), revision).await {
                Ok(revision) => Ok(Stored::At(revision)),
                Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => {
                    Ok(Stored::Overtaken)
                }
                Err(cause) => Err(self.failed("write", key, cause)),
            },
            None => match self.store.create(key, json.into()).await {
                Ok(revision) => Ok(Stored::At(revision)),
                Err(error) if error.kind() == kv::CreateErrorKind::AlreadyExists => {
                    Ok(Stored::Overtaken)
                }
                Err(cause) => Err(self.failed("write", key, cause)),
            },
        }
    }

    /// Sets a value whatever stands there; for values that only one process writes.
    ///
    /// # Errors
    /// When the server does not confirm it.
    pub async fn put(&self, key: &str, value: &V) -> Result<(), BucketError> {
        let json = serde_json::to_vec(value).map_err(|cause| self.failed("write", key, cause))?;
        self.store
            .put(key, json.into())
            .await
            .map(drop)
            .map_err(|cause| self.failed("write", key, cause))
    }

    /// Removes a value and its history, without the mark that a bucket's own removal leaves for ever: a bucket that
    /// many keys pass through would grow by all of them.
    ///
    /// # Errors
    /// When the server does not confirm it.
    pub async fn remove(&self, key: &str) -> Result<(), BucketError> {
        let subject = format!("{}{key}", self.store.prefix);
        let purged = self.store.stream.purge().filter(subject).await;
        purged.map(drop).map_err(|cause| self.failed("remove", key, cause))
    }

    /// Every key that has a value.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn keys(&self) -> Result<Vec<String>, BucketError> {
        let keys = self.store.keys().await.map_err(|cause| self.failed("list", "", cause))?;
        keys.try_collect().await.map_err(|cause| self.failed("list", "", cause))
    }
}
