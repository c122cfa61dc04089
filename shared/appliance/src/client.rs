use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::{ArtifactId, SiteHost};
use reqwest::Url;
use reqwest::header::{CONNECTION, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use secrecy::ExposeSecret;
use settings::TlsVersion;
use tokio::sync::watch;

use crate::account::{Account, AccountRecord, Budget, Downloads, Seal, SharedError};
use crate::clock::Clock;
use crate::token::TokenKeeper;
use crate::{ApplianceError, BuildError, ClientOptions, Proxy};

/// Until a connection stands, TLS included.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Characters of a client id that are shown.
const ID_CHARS_SHOWN: usize = 8;
/// Redirects that one request follows, on its own host.
const REDIRECTS_MAX: usize = 3;

/// A client of one site's API account; cheap to clone. All clones, and all clients that are given the same
/// [`AccountRecord`], share the account's token, its limits, and what is known of its secret.
///
/// Without a common record each process has a token of its own (an appliance keeps 30 of an account and drops the
/// oldest), and together they outrun the account's limits.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) options: ClientOptions,
    pub(crate) base: Url,
    pub(crate) http: reqwest::Client,
    pub(crate) token: TokenKeeper,
    pub(crate) account: Arc<Account>,
    pub(crate) seal: Seal,
    pub(crate) budget: Budget,
    pub(crate) clock: Clock,
    pub(crate) downloads: Arc<Downloads>,
    pub(crate) trouble: watch::Sender<Option<String>>,
    /// Texts that this site was seen to answer when a window holds nothing.
    pub(crate) none_words: Mutex<HashSet<String>>,
    /// Texts that this site was seen to answer otherwise.
    pub(crate) other_words: Mutex<HashSet<String>>,
}

impl Client {
    /// A client with these options and a record of its own; nothing is sent yet.
    ///
    /// # Errors
    /// When the options can't be used.
    pub fn new(options: ClientOptions) -> Result<Client, BuildError> {
        Client::sharing(options, AccountRecord::own())
    }

    /// A client with these options that shares its account's record; nothing is sent yet.
    ///
    /// # Errors
    /// When the options can't be used.
    pub fn sharing(options: ClientOptions, record: AccountRecord) -> Result<Client, BuildError> {
        options.require_positive()?;
        let base = options.base()?;
        let http = http_client(&options)?;
        let account = Account::new(record);
        let limits = (options.requests_per_second, options.requests_per_hour);
        Ok(Client(Arc::new(Inner {
            base,
            http,
            token: TokenKeeper::default(),
            seal: Seal::new(&options.account(), &options.client_secret),
            budget: Budget::new(account.clone(), limits, options.bytes_per_second),
            clock: Clock::default(),
            downloads: Downloads::new(account.clone(), options.downloads_max),
            trouble: watch::Sender::new(None),
            account,
            none_words: Mutex::default(),
            other_words: Mutex::default(),
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

    /// The API account, fit to be shown: its client id, shortened.
    pub fn account(&self) -> String {
        shown(&self.0.options.client_id)
    }

    /// What stands against a login, as this process last saw it; it follows every attempt.
    pub fn trouble(&self) -> watch::Receiver<Option<String>> {
        self.0.trouble.subscribe()
    }

    /// Forgets that a secret was refused or a login forbidden, for all processes that share the account: a person says
    /// that the account was put right.
    ///
    /// # Errors
    /// When the record does not answer.
    pub async fn forget_refusals(&self) -> Result<(), ApplianceError> {
        let forgiven = self.0.account.change_lasting(|lasting, _| lasting.forgive()).await;
        forgiven.map_err(|source| self.unshared(source))
    }

    pub(crate) fn unshared(&self, source: SharedError) -> ApplianceError {
        ApplianceError::Unshared { site: self.site().to_string(), source }
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

/// A client id without its end: enough to know it by.
fn shown(client_id: &str) -> String {
    match client_id.char_indices().nth(ID_CHARS_SHOWN) {
        Some((end, _)) => format!("{}…", &client_id[..end]),
        None => client_id.to_owned(),
    }
}

fn http_client(options: &ClientOptions) -> Result<reqwest::Client, BuildError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        .connect_timeout(CONNECT_MAX)
        .tls_version_min(match options.tls_min {
            TlsVersion::Tls12 => reqwest::tls::Version::TLS_1_2,
            TlsVersion::Tls13 => reqwest::tls::Version::TLS_1_3,
        })
        .redirect(same_host())
        .referer(false)
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate();
    if !options.keep_connections {
        // The vendor asks clients that make consecutive calls to close the connection after each.
        let close = HeaderMap::from_iter([(CONNECTION, HeaderValue::from_static("close"))]);
        builder = builder.default_headers(close).pool_max_idle_per_host(0);
    }
    if let Some(path) = &options.ca {
        builder = builder.tls_certs_merge(authorities(path)?);
    }
    match &options.proxy {
        // As the environment says: HTTPS_PROXY, HTTP_PROXY, NO_PROXY.
        None => {}
        Some(Proxy::Direct) => builder = builder.no_proxy(),
        Some(Proxy::Through { url, user }) => {
            let refused = |source| BuildError::Proxy { site: options.site.clone(), source };
            let mut proxy = reqwest::Proxy::all(url).map_err(refused)?;
            if let Some((name, password)) = user {
                proxy = proxy.basic_auth(name, password.expose_secret());
            }
            builder = builder.no_proxy().proxy(proxy);
        }
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
