use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event};
use messages::{InvalidPrefix, Subjects};
use tokio::sync::RwLock;

use crate::{Log, LogError};

/// The oldest nats-server that will do: 2.9 silently ignores several filters on a consumer (it then delivers
/// everything), metadata and compression, and fails to create key-value buckets with this client.
pub const SERVER_VERSION_MIN: (u32, u32) = (2, 10);

/// Where the log is and how to get in.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// `nats://host:port`, several separated by commas; `tls://` for TLS.
    pub url: String,
    /// The prefix of streams, subjects and buckets.
    pub prefix: String,
    /// Copies of each stream; 3 in a cluster of three.
    pub replicas: usize,
    /// A NATS credentials file.
    pub credentials: Option<PathBuf>,
    /// A user and a password.
    pub user: Option<(String, String)>,
    /// A certificate authority beside the system's.
    pub ca: Option<PathBuf>,
    /// What the server shows of this connection: the service's name.
    pub name: String,
    /// How long to wait for the first connection.
    pub patience: Duration,
}

impl LogOptions {
    /// Plain options for a URL, as tests and the embedded server need them.
    pub fn plain(url: &str, name: &str) -> Self {
        LogOptions {
            url: url.to_owned(),
            prefix: "sluice".to_owned(),
            replicas: 1,
            credentials: None,
            user: None,
            ca: None,
            name: name.to_owned(),
            patience: Duration::from_secs(30),
        }
    }
}

/// Why there is no log to work with.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody answers there.
    #[error(
        "could not reach NATS at {url}: is nats-server running there, and is `url` in [log] right?"
    )]
    Unreachable {
        /// Where.
        url: String,
        /// What the client said.
        #[source]
        cause: async_nats::ConnectError,
    },
    /// The server is too old.
    #[error(
        "the NATS server at {url} is version {version}; sluice needs {}.{} or newer: update nats-server",
        SERVER_VERSION_MIN.0, SERVER_VERSION_MIN.1
    )]
    TooOld {
        /// Where.
        url: String,
        /// Its version.
        version: String,
    },
    /// JetStream is off.
    #[error(
        "the NATS server at {url} has JetStream switched off: start it with `-js` or a `jetstream` block"
    )]
    NoJetStream {
        /// Where.
        url: String,
    },
    /// The prefix.
    #[error("the log's prefix can't be used")]
    Prefix {
        /// Why.
        #[source]
        cause: InvalidPrefix,
    },
    /// The settings name no server, which only `sluice up` can do without.
    #[error(
        "the settings name no NATS server: set `url` in [log], the same for every process, or run `sluice up`, \
         which starts its own"
    )]
    NoUrl,
    /// The credentials file.
    #[error("could not read the NATS credentials {path}", path = path.display())]
    Credentials {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The streams could not be made or read back.
    #[error("could not prepare the log at {url}")]
    Prepare {
        /// Where.
        url: String,
        /// Why.
        #[source]
        cause: LogError,
    },
}

impl LogOptions {
    /// What the settings say.
    ///
    /// # Errors
    /// [`ConnectError::NoUrl`] when they name no server.
    pub fn from_settings(log: &settings::Log, name: &str) -> Result<Self, ConnectError> {
        let url = log.url.clone().ok_or(ConnectError::NoUrl)?;
        let password = log.password.as_ref().and_then(|password| password.expose().ok());
        Ok(LogOptions {
            prefix: log.prefix.clone(),
            replicas: usize::from(log.replicas),
            credentials: log.credentials.clone(),
            user: log.user.clone().zip(password.map(str::to_owned)),
            ca: log.ca.clone(),
            ..LogOptions::plain(&url, name)
        })
    }
}

impl Log {
    /// Connects, checks the server, and makes sure that the streams are there and as they should be.
    ///
    /// Once connected, it reconnects for ever.
    ///
    /// # Errors
    /// When no server answers within the patience given, it is too old, has no JetStream, or refuses the streams.
    pub async fn connect(options: &LogOptions) -> Result<Log, ConnectError> {
        let url = shown(&options.url);
        let subjects =
            Subjects::new(&options.prefix).map_err(|cause| ConnectError::Prefix { cause })?;
        let client = first_connection(options).await?;
        let server = client.server_info();
        if version(&server.version).is_none_or(|version| version < SERVER_VERSION_MIN) {
            return Err(ConnectError::TooOld { url, version: server.version });
        }
        if !server.jetstream {
            return Err(ConnectError::NoJetStream { url });
        }
        Log::prepare(client, subjects, options.replicas, Arc::new(RwLock::new(())))
            .await
            .map_err(|cause| ConnectError::Prepare { url, cause })
    }
}

async fn first_connection(options: &LogOptions) -> Result<Client, ConnectError> {
    let began = tokio::time::Instant::now();
    let mut pause = Duration::from_millis(100);
    loop {
        let servers: Vec<&str> = options.url.split(',').map(str::trim).collect();
        match connect_options(options).await?.connect(servers).await {
            Ok(client) => return Ok(client),
            Err(cause) if began.elapsed() + pause > options.patience => {
                return Err(ConnectError::Unreachable { url: shown(&options.url), cause });
            }
            Err(_) => tokio::time::sleep(pause).await,
        }
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}

async fn connect_options(options: &LogOptions) -> Result<ConnectOptions, ConnectError> {
    let mut connect = ConnectOptions::new()
        .name(&options.name)
        .max_reconnects(None)
        .reconnect_delay_callback(reconnect_delay)
        .event_callback(|event| async move { report(&event) });
    if let Some(path) = &options.credentials {
        let unreadable = |cause| ConnectError::Credentials { path: path.clone(), cause };
        let credentials = tokio::fs::read_to_string(path).await.map_err(unreadable)?;
        connect = connect.credentials(&credentials).map_err(unreadable)?;
    }
    if let Some((user, password)) = &options.user {
        connect = connect.user_and_password(user.clone(), password.clone());
    }
    if let Some(ca) = &options.ca {
        connect = connect.add_root_certificates(ca.clone());
    }
    Ok(connect)
}

/// At once, then ever more slowly to 4 s, each with up to a quarter more, so that a fleet does not come back as one.
fn reconnect_delay(attempts: usize) -> Duration {
    let millis = if attempts <= 1 { 0 } else { 50u64 << attempts.min(7) };
    Duration::from_millis(millis.min(4_000)).mul_f64(1.0 + rand::random::<f64>() / 4.0)
}

/// One line when the connection goes and one when it is back; the client also reports every attempt between.
fn report(event: &Event) {
    match event {
        Event::Connected => tracing::info!("connected to NATS"),
        Event::Disconnected => tracing::warn!("lost the connection to NATS; reconnecting"),
        Event::LameDuckMode => tracing::info!("the NATS server is about to shut down"),
        event => tracing::debug!(%event, "NATS"),
    }
}

/// The URLs without the users and passwords that they may hold.
fn shown(urls: &str) -> String {
    let one = |url: &str| match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        (None, Some((_, host))) => host.to_owned(),
        (_, None) => url.to_owned(),
    };
    urls.split(',').map(str::trim).map(one).collect::<Vec<_>>().join(",")
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(['.', '-']).map(str::parse::<u32>);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(version("2.9.25"), Some((2, 9)));
        assert!(version("2.10.1-beta") >= Some(SERVER_VERSION_MIN));
        assert!(version("2.9.25") < Some(SERVER_VERSION_MIN));
    }

    #[test]
    fn no_error_shows_a_password() {
        assert_eq!(shown("nats://u:p@a:4222, tls://b"), "nats://a:4222,tls://b");
        assert_eq!(shown("secret@a"), "a");
    }

    #[test]
    fn reconnecting_never_waits_longer_than_five_seconds() {
        assert!((0..64).all(|attempt| reconnect_delay(attempt) <= Duration::from_secs(5)));
    }
}
