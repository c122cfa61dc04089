//! The clients of buckets.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, ObjectStoreScheme, RetryConfig};
use url::Url;

use crate::OpenError;
use crate::store::without_credentials;

/// The environment variables that the stores' own settings come from.
const SETTINGS_PREFIXES: [&str; 3] = ["AWS_", "AZURE_", "GOOGLE_"];
/// What holds unless the environment says otherwise: we delete one object at a time, and not every store that speaks
/// S3's language can delete many in one request.
const DEFAULTS: [(&str, &str); 1] = [("aws_disable_bulk_delete", "true")];
/// How long a request is tried again for by itself; what takes longer is an outage, which the callers wait out.
const RETRY_MAX: Duration = Duration::from_secs(20);
/// How often a small request is tried again, and an object asked for, within seconds: their callers try again themselves.
const RETRIES: usize = 6;
/// How often a part is tried again: for all of that time, because with it goes all that was sent before it.
const PART_RETRIES: usize = 1_000;

/// How long one part of an upload may take: the four that are under way at most go through a line of 2 Mbit/s.
const PART_MAX: Duration = Duration::from_secs(90);
/// How long any other request may take. Turns in buckets stand on it: what is begun in one ends within its lease.
const REQUEST_MAX: Duration = Duration::from_secs(30);

/// What the environment says, under the names that the clients know.
pub(crate) fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| SETTINGS_PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
}

/// The clients of one bucket.
pub(crate) struct Clients {
    /// For small requests.
    pub(crate) requests: Arc<dyn ObjectStore>,
    /// For uploads in parts.
    pub(crate) uploads: Arc<dyn ObjectStore>,
    /// For content that is read.
    pub(crate) reads: Arc<dyn ObjectStore>,
    /// The prefix in the bucket that the URL names.
    pub(crate) prefix: Path,
}

/// The clients of a bucket.
pub(crate) fn open(
    url: &Url,
    settings: impl IntoIterator<Item = (String, String)>,
) -> Result<Clients, OpenError> {
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let settings: Vec<_> = DEFAULTS.map(owned).into_iter().chain(settings).collect();
    let not_known = || OpenError::Url { url: without_credentials(url) };
    let (scheme, prefix) = ObjectStoreScheme::parse(url).map_err(|_| not_known())?;
    let within = |longest| ClientOptions::new().with_timeout(longest);
    let client = |options, retries, retried_for| {
        client(url, &scheme, &settings, (options, retry(retries, retried_for)))
    };
    // All of an object takes as long as it takes; how long nothing may come of it, its reader minds.
    let unbounded = ClientOptions::new().with_timeout_disabled();
    Ok(Clients {
        requests: client(within(REQUEST_MAX), RETRIES, RETRY_MAX)?,
        uploads: client(within(PART_MAX), PART_RETRIES, RETRY_MAX)?,
        reads: client(unbounded, RETRIES, RETRY_MAX)?,
        prefix,
    })
}

fn client(
    url: &Url,
    scheme: &ObjectStoreScheme,
    settings: &[(String, String)],
    (options, retry): (ClientOptions, RetryConfig),
) -> Result<Arc<dyn ObjectStore>, OpenError> {
    let refused = |source| OpenError::Settings { place: without_credentials(url), source };
    // Settings that are none of the client's are other programs'.
    macro_rules! built {
        ($builder:ident) => {{
            let mut builder = $builder::new()
                .with_url(url.as_str())
                .with_retry(retry)
                .with_client_options(options);
            for (name, value) in settings {
                if let Ok(key) = name.parse() {
                    builder = builder.with_config(key, value.clone());
                }
            }
            Arc::new(builder.build().map_err(refused)?)
        }};
    }
    Ok(match scheme {
        ObjectStoreScheme::AmazonS3 => built!(AmazonS3Builder),
        ObjectStoreScheme::MicrosoftAzure => built!(MicrosoftAzureBuilder),
        ObjectStoreScheme::GoogleCloudStorage => built!(GoogleCloudStorageBuilder),
        _ => return Err(OpenError::Url { url: without_credentials(url) }),
    })
}

fn retry(max_retries: usize, retry_timeout: Duration) -> RetryConfig {
    RetryConfig { backoff: BackoffConfig::default(), max_retries, retry_timeout }
}
