use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use domain::Floors;

use crate::Secret;
use crate::reader::TableReader;
use crate::url;

/// The log of facts: a NATS server of the operator's, or one of our own.
#[derive(Debug, Clone)]
pub struct Log {
    /// `nats://` or `tls://`; several servers of a cluster parted by commas. None is the embedded server.
    pub url: Option<String>,
    /// What every stream and subject starts with.
    pub prefix: String,
    /// How many servers of the cluster keep each stream.
    pub replicas: u8,
    /// A NATS credentials file.
    pub credentials: Option<PathBuf>,
    /// The user, where there is no credentials file.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<Secret>,
    /// A certificate authority to trust beside the system's.
    pub ca: Option<PathBuf>,
}

/// Where artifacts wait between appliance and destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staging {
    /// A folder (`file:///`) or a bucket (`s3://`, `az://`, `gs://`) that all processes share. None is `staging` in the
    /// data directory.
    pub url: Option<String>,
    /// How long recordings and backups stay after they were staged, if all that want them have them by then.
    pub keep: Duration,
    /// How much room staging leaves on its disk, in bytes: with less, what all have goes at once, and then recordings
    /// wait. None goes by the disk's size. A bucket has no floors.
    pub floor: Option<u64>,
    /// With less room than this nothing is fetched. None goes by the disk's size.
    pub lowest_floor: Option<u64>,
}

impl Default for Staging {
    /// A week: a destination that is added or asked for within it need not ask the appliance.
    fn default() -> Self {
        let keep = Duration::from_secs(7 * 86_400);
        Staging { url: None, keep, floor: None, lowest_floor: None }
    }
}

/// What every process does beside its work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Service {
    /// Where health, readiness and metrics are asked for. None is nowhere.
    pub listen: Option<SocketAddr>,
    /// Where traces, metrics and logs are sent over OTLP. None is nowhere.
    pub otlp_endpoint: Option<String>,
    /// How the process's own log is written.
    pub log_format: LogFormat,
}

/// How often and how long a message that failed is tried again, before it is a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Failed attempts after which it is a dead letter.
    pub attempts_max: u32,
    /// The wait after the first failure; it doubles with each.
    pub first: Duration,
    /// The longest wait.
    pub longest: Duration,
}

/// How a process writes its own log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

impl Default for Retry {
    /// Ten attempts in about a quarter of an hour.
    fn default() -> Self {
        Retry {
            attempts_max: 10,
            first: Duration::from_secs(2),
            longest: Duration::from_secs(30 * 60),
        }
    }
}

impl Retry {
    pub(crate) fn read(mut table: TableReader<'_>) -> Retry {
        let usual = Retry::default();
        let attempts_max = table.optional("attempts", |value| value.number(1..=1_000));
        let first = table.optional("first", |value| value.duration(1..=3_600));
        let longest = table.optional("longest", |value| value.duration(1..=7 * 86_400));
        let (first, longest) = (first.unwrap_or(usual.first), longest.unwrap_or(usual.longest));
        if first > longest {
            let key = if table.has("first") { "first" } else { "longest" };
            table.refuse(
                key,
                "makes the first wait longer than the longest",
                "`first` is at most `longest`",
            );
        }
        table.finish();
        Retry { attempts_max: attempts_max.unwrap_or(usual.attempts_max), first, longest }
    }
}

impl Default for Log {
    fn default() -> Self {
        Log {
            url: None,
            prefix: Log::PREFIX.to_owned(),
            replicas: 1,
            credentials: None,
            user: None,
            password: None,
            ca: None,
        }
    }
}

impl Log {
    /// The prefix unless set.
    pub const PREFIX: &str = "sluice";
    /// The longest prefix.
    pub const PREFIX_BYTES_MAX: usize = 32;

    /// The servers to try, one address each; none where the server is embedded.
    pub fn servers(&self) -> Vec<&str> {
        self.url.iter().flat_map(|url| url.split(',')).map(str::trim).collect()
    }

    pub(crate) fn read(mut table: TableReader<'_>) -> Log {
        let named = table.optional("url", |value| value.checked(url::servers));
        let prefix = table.optional("prefix", |value| value.checked(is_prefix));
        let replicas = table.optional("replicas", |value| value.number(1..=5));
        let credentials = table.optional("credentials", |value| value.path());
        let user = table.optional("user", |value| value.filled_text());
        let password = table.optional("password", |value| value.secret(true));
        let ca = table.optional("ca", |value| value.path());

        if !table.has("url") {
            for key in ["credentials", "user", "password", "ca"] {
                table.refuse(
                    key,
                    "goes only with the `url` of a server",
                    "without `url` the log is a server of our own, which needs none of it",
                );
            }
            if replicas.is_some_and(|replicas| replicas > 1) {
                table.refuse(
                    "replicas",
                    "needs the `url` of a cluster",
                    "without `url` the log is a single server of our own",
                );
            }
        }
        table.together("user", "password");
        if table.has("credentials") && table.has("user") {
            table.refuse("user", "does not go with `credentials`", "keep one of the two");
        }
        table.finish();
        Log {
            url: named.map(str::to_owned),
            prefix: prefix.unwrap_or(Log::PREFIX).to_owned(),
            replicas: replicas.unwrap_or(1),
            credentials,
            user,
            password,
            ca,
        }
    }
}

fn is_prefix(text: &str) -> Result<(), String> {
    let fits = (1..=Log::PREFIX_BYTES_MAX).contains(&text.len());
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    match fits && text.bytes().all(plain) {
        true => Ok(()),
        false => Err(format!(
            "{text:?} is no prefix: 1 to {} of a-z, 0-9 and '-' are",
            Log::PREFIX_BYTES_MAX
        )),
    }
}

impl Staging {
    /// More is a slip of the keyboard.
    const FLOOR_MAX: u64 = 1_000_000_000_000_000;

    pub(crate) fn read(mut table: TableReader<'_>) -> Staging {
        let place = table.optional("url", |value| value.checked(url::place));
        let keep = table.optional("keep", |value| value.duration(0..=3_650 * 86_400));
        let bounds = Floors::LOWEST_MIN..=Staging::FLOOR_MAX;
        let floor = table.optional("floor", |value| value.size(bounds.clone()));
        let lowest_floor = table.optional("lowest_floor", |value| value.size(bounds));
        if lowest_floor > floor && floor.is_some() {
            table.refuse("lowest_floor", "is above `floor`", "`lowest_floor` is at most `floor`");
        }
        if place.is_some_and(|place| url::file(place).is_err()) {
            for key in ["floor", "lowest_floor"] {
                table.refuse(
                    key,
                    "has no meaning for a bucket",
                    "leave it out: only a disk tells its room",
                );
            }
        }
        table.finish();
        let keep = keep.unwrap_or(Staging::default().keep);
        Staging { url: place.map(str::to_owned), keep, floor, lowest_floor }
    }

    /// The floors on a disk of this size.
    pub fn floors(&self, size: u64) -> Floors {
        Floors::of(self.floor, self.lowest_floor, size)
    }
}

impl Service {
    pub(crate) fn read(mut table: TableReader<'_>) -> Service {
        let listen = table.optional("listen", |value| {
            value.understood(|text| {
                text.parse().map_err(|_| {
                    format!("{text:?} is no address to listen on: \"0.0.0.0:8080\" is")
                })
            })
        });
        let otlp_endpoint = table.optional("otlp_endpoint", |value| value.checked(url::web));
        let log_format =
            table.optional("log_format", |value| value.one_of(&[LogFormat::Text, LogFormat::Json]));
        table.finish();
        Service {
            listen,
            otlp_endpoint: otlp_endpoint.map(str::to_owned),
            log_format: log_format.unwrap_or_default(),
        }
    }
}

impl std::fmt::Display for LogFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        })
    }
}
