use std::path::PathBuf;

use domain::{Product, SiteHost};
use reqwest::Url;
use secrecy::SecretString;
use settings::TlsVersion;

/// What a client of one site needs.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// The site.
    pub site: SiteHost,
    /// Where it answers: `https://<site>` unless tests or a proxy say otherwise.
    pub url: String,
    /// The product that it runs, which decides the names of its reports.
    pub product: Product,
    /// The API account's client id.
    pub client_id: String,
    /// The API account's client secret.
    pub client_secret: SecretString,
    /// The password that backups are encrypted with.
    pub backup_password: Option<SecretString>,
    /// Requests in any one second, at most.
    pub requests_per_second: u32,
    /// Requests in any one hour, at most.
    pub requests_per_hour: u32,
    /// Recordings and backups under way at one time, at most.
    pub downloads_max: usize,
    /// Bytes of answers in any one second, at most; no limit unless set.
    pub bytes_per_second: Option<u32>,
    /// The oldest TLS that is spoken.
    pub tls_min: TlsVersion,
    /// The way there; as the environment says unless set.
    pub proxy: Option<Proxy>,
    /// Whether a connection serves several calls. The vendor asks for one call each.
    pub keep_connections: bool,
    /// A PEM file with certificate authorities to trust beside the system's.
    pub ca: Option<PathBuf>,
}

/// The way to a site.
#[derive(Debug, Clone)]
pub enum Proxy {
    /// No proxy, whatever the environment says.
    Direct,
    /// This one, whatever the environment says.
    Through {
        /// `http://` or `https://`, host and port.
        url: String,
        /// A name and a password, where it wants them.
        user: Option<(String, SecretString)>,
    },
}

impl ClientOptions {
    /// What the settings say of a site.
    ///
    /// # Errors
    /// When this process did not ask for the sites' secrets as it read the settings.
    pub fn from_site(site: &settings::Site) -> Result<Self, settings::UnresolvedSecret> {
        let secret = |secret: &settings::Secret| secret.expose().map(SecretString::from);
        let proxy = |proxy: &settings::Proxy| {
            Ok(match proxy {
                settings::Proxy::None => Proxy::Direct,
                settings::Proxy::Through { url, user } => {
                    let user =
                        user.as_ref().map(|(name, password)| Ok((name.clone(), secret(password)?)));
                    Proxy::Through { url: url.clone(), user: user.transpose()? }
                }
            })
        };
        Ok(ClientOptions {
            site: site.host.clone(),
            url: site.url.clone(),
            product: site.product,
            client_id: site.client_id.clone(),
            client_secret: secret(&site.client_secret)?,
            backup_password: site.backup_password.as_ref().map(secret).transpose()?,
            requests_per_second: site.requests_per_second,
            requests_per_hour: site.requests_per_hour,
            downloads_max: site.downloads_max,
            bytes_per_second: site.bytes_per_second,
            tls_min: site.tls_min,
            proxy: site.proxy.as_ref().map(proxy).transpose()?,
            keep_connections: site.keep_connections,
            ca: site.ca.clone(),
        })
    }
}

/// Why a client can't be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The URL is none, or has parts that an API's address has not.
    #[error(
        "{url:?} is no address of an appliance: write https://host, without user, query or fragment"
    )]
    Url {
        /// As given, without its user.
        url: String,
    },
    /// Nothing could ever be asked.
    #[error("the {what} of {site} is 0: at least 1 is needed")]
    Zero {
        /// The site.
        site: SiteHost,
        /// Which limit.
        what: &'static str,
    },
    /// The file with certificate authorities can't be read.
    #[error("could not read the certificate authorities in {path}")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file with certificate authorities is none.
    #[error("{path} holds no certificate authorities in PEM form")]
    Ca {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, where something is told.
        #[source]
        source: Option<reqwest::Error>,
    },
    /// The proxy's address is none.
    #[error("the proxy of {site} cannot be used")]
    Proxy {
        /// The site.
        site: SiteHost,
        /// What is wrong.
        #[source]
        source: reqwest::Error,
    },
    /// TLS can't be set up.
    #[error("the HTTP client of {site} cannot be set up")]
    Http {
        /// The site.
        site: SiteHost,
        /// What is wrong.
        #[source]
        source: reqwest::Error,
    },
}

impl ClientOptions {
    /// The base of every address, ending in a separator.
    pub(crate) fn base(&self) -> Result<Url, BuildError> {
        let refused = |url: &str| BuildError::Url { url: url.to_owned() };
        let mut base = Url::parse(&self.url).map_err(|_| refused(&self.url))?;
        let plain = matches!(base.scheme(), "https" | "http")
            && base.has_host()
            && base.username().is_empty()
            && base.password().is_none()
            && base.query().is_none()
            && base.fragment().is_none();
        if !plain {
            return Err(refused(&format!("{}://…", base.scheme())));
        }
        if !base.path().ends_with('/') {
            let path = format!("{}/", base.path());
            base.set_path(&path);
        }
        Ok(base)
    }

    /// The name of the account, that others of the site and other sites have not.
    pub(crate) fn account(&self) -> String {
        format!("{}\n{}", self.site, self.client_id)
    }

    pub(crate) fn require_positive(&self) -> Result<(), BuildError> {
        let limits = [
            ("requests_per_second", self.requests_per_second == 0),
            ("requests_per_hour", self.requests_per_hour == 0),
            ("downloads_max", self.downloads_max == 0),
            ("bytes_per_second", self.bytes_per_second == Some(0)),
        ];
        match limits.into_iter().find(|(_, zero)| *zero) {
            Some((what, _)) => Err(BuildError::Zero { site: self.site.clone(), what }),
            None => Ok(()),
        }
    }
}
