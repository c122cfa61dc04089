//! The clients of buckets.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{BackoffConfig, ObjectStore, ObjectStoreScheme, RetryConfig};
use url::Url;

use crate::OpenError;
use crate::store::without_credentials;

/// The environment variables that the stores' own settings come from.
const SETTINGS_PREFIXES: [&str; 3] = ["AWS_", "AZURE_", "GOOGLE_"];
/// How long a request is tried again for by itself; what takes longer is an outage, which the callers wait out.
const RETRY_MAX: Duration = Duration::from_secs(20);

/// What the environment says, under the names that the clients know.
pub(crate) fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| SETTINGS_PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
}

/// The client of a bucket, and the prefix in it that the URL names.
pub(crate) fn open(
    url: &Url,
    settings: impl IntoIterator<Item = (String, String)>,
) -> Result<(Arc<dyn ObjectStore>, Path), OpenError> {
    let refused = |source| OpenError::Settings { place: without_credentials(url), source };
    let not_known = || OpenError::Url { url: without_credentials(url) };
    let (scheme, prefix) = ObjectStoreScheme::parse(url).map_err(|_| not_known())?;
    // Settings that are none of the client's are other programs'.
    macro_rules! built {
        ($builder:ident) => {{
            let mut builder = $builder::new().with_url(url.as_str()).with_retry(retry());
            for (name, value) in settings {
                if let Ok(key) = name.parse() {
                    builder = builder.with_config(key, value);
                }
            }
            Arc::new(builder.build().map_err(refused)?)
        }};
    }
    let inner: Arc<dyn ObjectStore> = match scheme {
        ObjectStoreScheme::AmazonS3 => built!(AmazonS3Builder),
        ObjectStoreScheme::MicrosoftAzure => built!(MicrosoftAzureBuilder),
        ObjectStoreScheme::GoogleCloudStorage => built!(GoogleCloudStorageBuilder),
        _ => return Err(not_known()),
    };
    Ok((inner, prefix))
}

fn retry() -> RetryConfig {
    RetryConfig { backoff: BackoffConfig::default(), max_retries: 6, retry_timeout: RETRY_MAX }
}
