use queue::{Bucket, BucketError, Stored};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// More writers than this at one key at one time are a fault.
const ATTEMPTS_MAX: usize = 20;

/// Why a record could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The log's server did not do it.
    #[error("could not keep the poller's records")]
    Bucket(#[source] BucketError),
    /// Others were quicker, each time.
    #[error(
        "could not change {key:?} in the poller's records: others changed it {ATTEMPTS_MAX} times meanwhile"
    )]
    Contended {
        /// The key.
        key: String,
    },
}

/// Changes a value by compare-and-set: `decide` is asked anew whenever somebody else was quicker. Where it gives no
/// value, the old one stays.
pub(crate) async fn change<V: Serialize + DeserializeOwned, T>(
    bucket: &Bucket<V>,
    key: &str,
    decide: impl Fn(Option<V>) -> (Option<V>, T),
) -> Result<T, ChangeError> {
    for _ in 0..ATTEMPTS_MAX {
        let (read, stored) = match bucket.get(key).await.map_err(ChangeError::Bucket)? {
            Some(kept) => (Some(kept.revision), Some(kept.value)),
            None => (None, None),
        };
        let (value, told) = decide(stored);
        let Some(value) = value else { return Ok(told) };
        match bucket.set(key, &value, read).await.map_err(ChangeError::Bucket)? {
            Stored::At(_) => return Ok(told),
            Stored::Overtaken => {}
        }
    }
    Err(ChangeError::Contended { key: key.to_owned() })
}
