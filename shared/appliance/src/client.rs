use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::{ArtifactId, SiteHost};
use reqwest::Url;
use reqwest::header::{CONNECTION, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use tokio::sync::Semaphore;

use crate::budget::Budget;
use crate::clock::Clock;
use crate::token::TokenKeeper;
use crate::{ApplianceError, BuildError, ClientOptions};

/// Until a connection stands, TLS included.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Redirects that one request follows, on its own host.
const REDIRECTS_MAX: usize = 3;

/// A client of one site's API account; cheap to clone, and all clones share its token, budget and downloads.
///
/// Make one for each account and process: an appliance keeps 30 tokens of an account and drops the oldest.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) options: ClientOptions,
    pub(crate) base: Url,
    pub(crate) http: reqwest::Client,
    pub(crate) token: TokenKeeper,
    pub(crate) budget: Budget,
    pub(crate) clock: Clock,
    pub(crate) downloads: Arc<Semaphore>,
    /// Texts that this site was seen to answer when a window holds nothing.
    pub(crate) none_words: Mutex<HashSet<String>>,
}

impl Client {
    /// A client with these options; nothing is sent yet.
    ///
    /// # Errors
    /// When the options can't be used.
    pub fn new(options: ClientOptions) -> Result<Client, BuildError> {
        options.require_positive()?;
        let base = options.base()?;
        let http = http_client(&options)?;
        Ok(Client(Arc::new(Inner {
            base,
            http,
            token: TokenKeeper::default(),
            budget: Budget::new(options.requests_per_second, options.requests_per_hour),
            clock: Clock::default(),
            downloads: Arc::new(Semaphore::new(options.downloads_max)),
            none_words: Mutex::default(),
            options,
        })))
    }

    /// The site.
    pub fn site(&self) -> &SiteHost {
        &self.0.options.site
    }

    /// Its product.
    pub fn product(&self) -> domain::Product {
        self.0.options.product
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    pub(crate) fn not_offered(&self, what: String) -> ApplianceError {
        ApplianceError::NotOffered { site: self.site().to_string(), product: self.product(), what }
    }

    pub(crate) fn own(&self, artifact: &ArtifactId) -> Result<(), ApplianceError> {
        if artifact.site() == self.site() {
            return Ok(());
        }
        Err(ApplianceError::WrongSite {
            site: self.site().to_string(),
            asked: artifact.to_string(),
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Client").field(self.site()).finish()
    }
}

fn http_client(options: &ClientOptions) -> Result<reqwest::Client, BuildError> {
    // The vendor asks clients that make consecutive calls to close the connection after each.
    let headers = HeaderMap::from_iter([(CONNECTION, HeaderValue::from_static("close"))]);
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
        .default_headers(headers)
        .http1_only()
        .pool_max_idle_per_host(0)
        .connect_timeout(CONNECT_MAX)
        .redirect(same_host())
        .referer(false)
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate();
    if let Some(path) = &options.ca {
        builder = builder.tls_certs_merge(authorities(path)?);
    }
    builder.build().map_err(|source| BuildError::Http { site: options.site.clone(), source })
}

fn authorities(path: &Path) -> Result<Vec<reqwest::Certificate>, BuildError> {
    let pem = std::fs::read(path)
        .map_err(|source| BuildError::CaFile { path: path.to_owned(), source })?;
    let refused = |source| BuildError::Ca { path: path.to_owned(), source };
    match reqwest::Certificate::from_pem_bundle(&pem) {
        Ok(authorities) if authorities.is_empty() => Err(refused(None)),
        Ok(authorities) => Ok(authorities),
        Err(source) => Err(refused(Some(source))),
    }
}

/// A redirect to another host would carry the token there, and one to plain HTTP would show it; the answer
/// is then the redirect itself, which is told as such.
fn same_host() -> Policy {
    Policy::custom(|attempt| {
        let origin = attempt.previous().first();
        let same = origin.is_some_and(|origin| {
            origin.host_str() == attempt.url().host_str()
                && (origin.scheme() == attempt.url().scheme() || attempt.url().scheme() == "https")
        });
        if same && attempt.previous().len() <= REDIRECTS_MAX {
            attempt.follow()
        } else {
            attempt.stop()
        }
    })
}
