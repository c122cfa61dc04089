use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use domain::{Product, SiteHost};

use crate::Secret;
use crate::reader::{Entry, TableReader};
use crate::url;

/// An appliance, and how to get on with it.
#[derive(Debug, Clone)]
pub struct Site {
    /// Its name in the settings; a label, part of no key.
    pub label: String,
    /// Its identity.
    pub host: SiteHost,
    /// Where it is reached, without a trailing slash; `https://` and the host unless set.
    pub url: String,
    /// What runs on it.
    pub product: Product,
    /// The API account.
    pub client_id: String,
    /// The API account's secret.
    pub client_secret: Secret,
    /// What backups are encrypted with.
    pub backup_password: Option<Secret>,
    /// The appliance's limit for this account, in all processes together.
    pub requests_per_second: u32,
    /// The appliance's limit for this account, in all processes together.
    pub requests_per_hour: u32,
    /// How many downloads may run at a time, in all processes together.
    pub downloads_max: usize,
    /// How many bytes may come in a second, in all processes together; as many as come unless set.
    pub bytes_per_second: Option<u32>,
    /// How far a scan reaches back behind the last one.
    pub overlap: Duration,
    /// How long after its start a session without an end counts as abandoned.
    pub abandoned_after: Duration,
    /// How far back the first scan reaches.
    pub first_run_reach: Duration,
    /// A certificate authority to trust beside the system's.
    pub ca: Option<PathBuf>,
    /// The oldest TLS that is spoken with it.
    pub tls_min: TlsVersion,
    /// The way there; as the environment says unless set.
    pub proxy: Option<Proxy>,
    /// Whether a connection serves several calls; the vendor asks for one call each.
    pub keep_connections: bool,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.2.
    Tls12,
    /// 1.3.
    Tls13,
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TlsVersion::Tls12 => "1.2",
            TlsVersion::Tls13 => "1.3",
        })
    }
}

/// The way to a site.
#[derive(Debug, Clone)]
pub enum Proxy {
    /// No proxy, whatever the environment says.
    None,
    /// This one, whatever the environment says.
    Through {
        /// Where it is.
        url: String,
        /// A name and a password, where it wants them.
        user: Option<(String, Secret)>,
    },
}

impl Proxy {
    /// What `proxy`, `proxy_user` and `proxy_password` say.
    fn read(table: &mut TableReader<'_>, needed: bool) -> Option<Proxy> {
        let way = table.optional("proxy", |value| {
            value.checked(|text| if text == "none" { Ok(()) } else { url::web(text) })
        });
        let through = way.is_some_and(|way| way != "none");
        let name = table.optional("proxy_user", |value| {
            if !through {
                let message = "`proxy_user` is for a `proxy`, and there is none".to_owned();
                value.problem(message, None);
            }
            value.filled_text()
        });
        let password = table.optional("proxy_password", |value| {
            if name.is_none() {
                let message = "`proxy_password` needs a `proxy_user`".to_owned();
                value.problem(message, None);
            }
            value.secret(needed)
        });
        match way? {
            "none" => Some(Proxy::None),
            url => Some(Proxy::Through { url: url.to_owned(), user: name.zip(password) }),
        }
    }
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

impl Site {
    /// What an appliance grants one API account in a second.
    pub const REQUESTS_PER_SECOND: u32 = 20;
    /// What an appliance grants one API account in an hour.
    pub const REQUESTS_PER_HOUR: u32 = 15_000;
    /// Enough to keep a line busy, few enough to leave the appliance to its sessions.
    pub const DOWNLOADS_MAX: usize = 4;
    /// Below the first, a single piece of an answer would take too long; the last is 2 GB.
    const BYTES_PER_SECOND: RangeInclusive<u32> = 65_536..=2_000_000_000;
    /// Reports can appear minutes after the session's end.
    pub const OVERLAP: Duration = Duration::from_secs(15 * MINUTE);
    /// Few sessions last longer than a day.
    pub const ABANDONED_AFTER: Duration = Duration::from_secs(DAY);
    /// How long an appliance keeps its reports.
    pub const FIRST_RUN_REACH: Duration = Duration::from_secs(90 * DAY);

    pub(crate) fn read(entry: &Entry<'_>) -> Option<Site> {
        let mut table = entry.table()?;
        let host = table.required("host", |value| value.parsed::<SiteHost>());
        let url = table.optional("url", |value| value.checked(url::web));
        let product = table.required("product", |value| {
            value.one_of(&[Product::RemoteSupport, Product::PrivilegedRemoteAccess])
        });
        let client_id = table.required("client_id", |value| value.filled_text());
        let needed = entry.needs().sites;
        let client_secret = table.required("client_secret", |value| value.secret(needed));
        let backup_password = table.optional("backup_password", |value| value.secret(needed));
        let limits = Limits::read(&mut table);
        let ca = table.optional("ca", |value| value.path());
        let tls_min = table
            .optional("tls_min", |value| value.one_of(&[TlsVersion::Tls12, TlsVersion::Tls13]));
        let proxy = Proxy::read(&mut table, needed);
        let keep_connections = table.optional("keep_connections", |value| value.boolean());
        table.finish();

        let host = host?;
        Some(Site {
            label: entry.label().to_owned(),
            url: url
                .map(|url| url.trim_end_matches('/').to_owned())
                .unwrap_or_else(|| format!("https://{host}")),
            host,
            product: product?,
            client_id: client_id?,
            client_secret: client_secret?,
            backup_password,
            requests_per_second: limits.requests_per_second,
            requests_per_hour: limits.requests_per_hour,
            downloads_max: limits.downloads_max,
            overlap: limits.overlap,
            abandoned_after: limits.abandoned_after,
            first_run_reach: limits.first_run_reach,
            bytes_per_second: limits.bytes_per_second,
            ca,
            tls_min: tls_min.unwrap_or(TlsVersion::Tls12),
            proxy,
            keep_connections: keep_connections.unwrap_or(false),
        })
    }
}

/// What has a default.
struct Limits {
    requests_per_second: u32,
    requests_per_hour: u32,
    downloads_max: usize,
    bytes_per_second: Option<u32>,
    overlap: Duration,
    abandoned_after: Duration,
    first_run_reach: Duration,
}

impl Limits {
    fn read(table: &mut TableReader<'_>) -> Self {
        Limits {
            requests_per_second: table
                .optional("requests_per_second", |value| value.number(1..=1_000))
                .unwrap_or(Site::REQUESTS_PER_SECOND),
            requests_per_hour: table
                .optional("requests_per_hour", |value| value.number(1..=1_000_000))
                .unwrap_or(Site::REQUESTS_PER_HOUR),
            downloads_max: table
                .optional("downloads_max", |value| value.number(1..=64))
                .unwrap_or(Site::DOWNLOADS_MAX),
            bytes_per_second: table
                .optional("bytes_per_second", |value| value.number(Site::BYTES_PER_SECOND)),
            overlap: table
                .optional("overlap", |value| value.duration(0..=DAY))
                .unwrap_or(Site::OVERLAP),
            abandoned_after: table
                .optional("abandoned_after", |value| value.duration(MINUTE..=30 * DAY))
                .unwrap_or(Site::ABANDONED_AFTER),
            first_run_reach: table
                .optional("first_run_reach", |value| value.duration(MINUTE..=120 * DAY))
                .unwrap_or(Site::FIRST_RUN_REACH),
        }
    }
}
