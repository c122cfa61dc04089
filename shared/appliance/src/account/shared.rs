use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::Instant;

/// More attempts than this to change one value are a fault, and not many writers.
const ATTEMPTS_MAX: u32 = 100;
/// From so many attempts on, who was overtaken pauses for a moment that nobody else pauses for.
const ATTEMPTS_AT_ONCE: u32 = 3;

/// A value that all processes share, changed by compare-and-set only.
pub trait Shared<V>: fmt::Debug + Send + Sync {
    /// The value, if there is one.
    fn read(&self) -> BoxFuture<'_, Result<Option<Read<V>>, SharedError>>;

    /// Sets the value if it still has the revision that was read (`None`: if there is none); gives the new revision,
    /// or `None` where somebody else was quicker.
    fn write(&self, value: V, read: Option<u64>)
    -> BoxFuture<'_, Result<Option<u64>, SharedError>>;

    /// The time, by a clock that all who share the value go by.
    fn now(&self) -> DateTime<Utc>;
}

/// A value that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read<V> {
    /// The value.
    pub value: V,
    /// Its revision, to set it against.
    pub revision: u64,
}

/// Why a shared value could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum SharedError {
    /// What keeps it does not answer.
    #[error("could not reach what the processes share")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Others were quicker, each time.
    #[error("could not change what the processes share: others were quicker {ATTEMPTS_MAX} times")]
    Contended,
}

/// A value that this process keeps to itself: for a command that works without a log, and for tests.
#[derive(Debug)]
pub struct Own<V> {
    value: Mutex<Read<V>>,
    begun: (Instant, DateTime<Utc>),
}

impl<V> Own<V> {
    /// A value of this process alone.
    pub fn new(value: V) -> Self {
        let value = Mutex::new(Read { value, revision: 1 });
        Own { value, begun: (Instant::now(), Utc::now()) }
    }
}

impl<V: Clone + fmt::Debug + Send> Shared<V> for Own<V> {
    fn read(&self) -> BoxFuture<'_, Result<Option<Read<V>>, SharedError>> {
        let read = self.value.lock().unwrap_or_else(PoisonError::into_inner).clone();
        async { Ok(Some(read)) }.boxed()
    }

    fn write(
        &self,
        value: V,
        read: Option<u64>,
    ) -> BoxFuture<'_, Result<Option<u64>, SharedError>> {
        let mut stands = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        let set = (read == Some(stands.revision)).then(|| {
            *stands = Read { value, revision: stands.revision + 1 };
            stands.revision
        });
        async move { Ok(set) }.boxed()
    }

    fn now(&self) -> DateTime<Utc> {
        // A clock that is set while the process runs changes nothing here.
        let (instant, time) = self.begun;
        time + instant.elapsed()
    }
}

/// A shared value as one process sees it: what it last wrote or read is tried first.
#[derive(Debug)]
pub(crate) struct View<V> {
    shared: Arc<dyn Shared<V>>,
    last: Mutex<Option<Read<V>>>,
}

impl<V: Clone + PartialEq> View<V> {
    pub fn new(shared: Arc<dyn Shared<V>>) -> Self {
        View { shared, last: Mutex::new(None) }
    }

    pub fn now(&self) -> DateTime<Utc> {
        self.shared.now()
    }

    /// What was last seen of it.
    pub fn last(&self) -> Option<V> {
        self.lock().as_ref().map(|read| read.value.clone())
    }

    /// The value as it stands.
    pub async fn read(&self) -> Result<Option<V>, SharedError> {
        let read = self.shared.read().await?;
        *self.lock() = read.clone();
        Ok(read.map(|read| read.value))
    }

    /// Changes the value by what `decide` makes of it, asked anew whenever somebody else was quicker. Where it changes
    /// nothing, nothing is written. `fresh` is the value where there is none.
    pub async fn change<T>(
        &self,
        fresh: impl Fn(DateTime<Utc>) -> V,
        mut decide: impl FnMut(&mut V, DateTime<Utc>) -> T,
    ) -> Result<T, SharedError> {
        for attempt in 0..ATTEMPTS_MAX {
            let seen = self.lock().clone().filter(|_| attempt == 0);
            let was_seen = seen.is_some();
            let read = match seen {
                Some(read) => Some(read),
                None => self.shared.read().await?,
            };
            let now = self.shared.now();
            let mut value = read.as_ref().map_or_else(|| fresh(now), |read| read.value.clone());
            let told = decide(&mut value, now);
            if read.as_ref().is_some_and(|read| read.value == value) {
                // What is refused by what was seen a while ago may be granted by what stands there now.
                if !was_seen {
                    *self.lock() = read;
                    return Ok(told);
                }
                continue;
            }
            let revision = read.map(|read| read.revision);
            if let Some(revision) = self.shared.write(value.clone(), revision).await? {
                *self.lock() = Some(Read { value, revision });
                return Ok(told);
            }
            if attempt >= ATTEMPTS_AT_ONCE {
                let millis = u64::from(rand::random::<u8>() / 16);
                tokio::time::sleep(Duration::from_millis(millis)).await;
            }
        }
        Err(SharedError::Contended)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Read<V>>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn changes_by_many_are_all_there_and_a_refusal_is_decided_on_what_stands() {
        let shared: Arc<dyn Shared<u32>> = Arc::new(Own::new(0));
        let views: Vec<_> = (0..8).map(|_| View::new(shared.clone())).collect();
        let add = |view| View::change(view, |_| 0, |value, _| *value += 1);
        let adding = views.iter().flat_map(|view| (0..10).map(move |_| add(view)));
        for changed in futures::future::join_all(adding).await {
            changed.expect("nobody is away");
        }
        let below = |value: &mut u32, _| *value < 80;
        assert!(!views[0].change(|_| 0, below).await.expect("nobody is away"));
        views[1].change(|_| 0, |value, _| *value = 7).await.expect("nobody is away");
        assert!(views[0].change(|_| 0, below).await.expect("nobody is away"));
    }
}
