//! What a simulator can be told at its start.

use std::net::SocketAddr;

use clap::{Parser, ValueEnum};
use serde::{Deserialize, Serialize};

/// The product that the site runs. It decides the names of the reports and which elements a report has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Product {
    /// Remote Support: `SupportSession…` reports, public sites, teams, surveys, Show My Screen.
    RemoteSupport,
    /// Privileged Remote Access: `AccessSession…` reports.
    PrivilegedRemoteAccess,
}

/// Which of the XML namespaces that are seen in the field the answers carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Namespace {
    /// The old one of Remote Support.
    Bomgar,
    /// The one that Privileged Remote Access answers with.
    Sra,
    /// The one that the vendor's documentation prints.
    Vendor,
}

/// How session ids look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LsidStyle {
    /// 32 lower-case hex digits.
    Hex32,
    /// 16 letters of both cases and digits: two may differ in case alone.
    Mixed16,
}

/// The container that a recording's first bytes announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecordingFormat {
    /// Flash video, as the guides say.
    Flv,
    /// MP4, as newer products may send.
    Mp4,
}

/// Everything that a simulated site can be told at its start. `Options::default()` is what the command line has without arguments.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "appliance-simulator",
    version,
    about = "A stand-in for one BeyondTrust / Bomgar site, over HTTP"
)]
pub struct Options {
    /// Name of the site, as it stands in the URLs of its reports.
    #[arg(long, default_value = "support.example.com")]
    pub host: String,
    /// Product that the site runs.
    #[arg(long, value_enum, default_value = "remote-support")]
    pub product: Product,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Everything is generated from this number and the host name.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Unix seconds at which the site's clock stands still; without it the clock runs and starts at the present.
    #[arg(long)]
    pub now: Option<i64>,
    /// Seconds by which the site's clock is ahead (behind, if negative).
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    pub clock_offset: i64,

    /// Sessions that ended before the start.
    #[arg(long, default_value_t = 100)]
    pub sessions: u64,
    /// Sessions that run and do not end by themselves.
    #[arg(long, default_value_t = 0)]
    pub open: u64,
    /// Sessions that closed abnormally: their end stays empty for ever.
    #[arg(long, default_value_t = 0)]
    pub abnormal: u64,
    /// New sessions that end per minute while the simulator runs.
    #[arg(long, default_value_t = 0)]
    pub live_per_minute: u32,
    /// Days before the start over which the ends are spread.
    #[arg(long, default_value_t = 30)]
    pub days: u32,
    /// Mean number of events in a session.
    #[arg(long, default_value_t = 30)]
    pub events_mean: u32,
    /// Fraction of sessions with a screen recording.
    #[arg(long, default_value_t = 0.5, value_parser = fraction)]
    pub recordings: f64,
    /// Fraction of sessions with command shell recordings.
    #[arg(long, default_value_t = 0.2, value_parser = fraction)]
    pub shells: f64,
    /// Fraction of sessions with Show My Screen recordings (Remote Support only).
    #[arg(long, default_value_t = 0.1, value_parser = fraction)]
    pub show_my_screen: f64,
    /// Mean size of a recording; sizes lie between a half and one and a half of it.
    #[arg(long, default_value_t = 200_000)]
    pub recording_bytes: u64,
    /// Size of every recording.
    #[arg(long)]
    pub recording_bytes_exact: Option<u64>,
    /// Container of the recordings.
    #[arg(long, value_enum, default_value = "flv")]
    pub recording_format: RecordingFormat,
    /// Recordings can be asked for in parts (Range and If-Range, with an ETag).
    #[arg(long)]
    pub ranges: bool,
    /// Presentations that ended before the start (Remote Support only); every second one was recorded.
    #[arg(long, default_value_t = 0)]
    pub presentations: u64,
    /// Size of a backup.
    #[arg(long, default_value_t = 500_000)]
    pub backup_bytes: u64,
    /// The signatures in a report's addresses stay the same; without it they differ in every answer.
    #[arg(long)]
    pub stable_urls: bool,
    /// How session ids look.
    #[arg(long, value_enum, default_value = "hex32")]
    pub lsid_style: LsidStyle,
    /// Namespace of the answers; without it, the one that the product is known for.
    #[arg(long, value_enum)]
    pub namespace: Option<Namespace>,

    /// OAuth client id of the API account.
    #[arg(long, default_value = "0123456789abcdef0123456789abcdef01234567")]
    pub client_id: String,
    /// OAuth client secret of the API account.
    #[arg(long, default_value = "c2ltdWxhdG9yK3NlY3JldC9mb3IrdGVzdHM9PT0+Pz8=")]
    pub client_secret: String,
    /// Life of a token.
    #[arg(long, default_value_t = 3600)]
    pub token_seconds: u64,
    /// Wrong secrets in a row after which the account is locked; 0 = never.
    #[arg(long, default_value_t = 5)]
    pub lock_out_after: u32,
    /// How long a locked account stays locked.
    #[arg(long, default_value_t = 300)]
    pub lock_out_seconds: u64,
    /// Requests in any one second; 0 = unlimited.
    #[arg(long, default_value_t = 20)]
    pub rate_per_second: u32,
    /// Requests per hour; 0 = unlimited.
    #[arg(long, default_value_t = 15_000)]
    pub rate_per_hour: u32,
    /// How long the second of that limit is.
    #[arg(long, default_value_t = 1_000)]
    pub second_millis: u64,
    /// How long the hour of that limit is.
    #[arg(long, default_value_t = 3600)]
    pub hour_seconds: u64,
    /// What an answer 429 says in `Retry-After`; nothing unless set.
    #[arg(long)]
    pub retry_after_seconds: Option<u64>,
    /// Permissions that the account lacks, such as `perm_backup`.
    #[arg(long)]
    pub deny: Vec<String>,

    /// Sessions, chosen by the seed, whose report is not XML.
    #[arg(long, default_value_t = 0)]
    pub faulty_not_xml: u64,
    /// Sessions, chosen by the seed, whose report is an error.
    #[arg(long, default_value_t = 0)]
    pub faulty_error: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self::parse_from(["appliance-simulator"])
    }
}

impl Options {
    /// The namespace of this site's reports.
    pub fn reporting_namespace(&self) -> &'static str {
        match self.namespace_or_products() {
            Namespace::Bomgar => "http://www.bomgar.com/namespaces/API/reporting",
            Namespace::Sra => "http://www.beyondtrust.com/sra/namespaces/API/reporting",
            Namespace::Vendor => "https://www.beyondtrust.com/namespaces/API/reporting",
        }
    }

    /// The namespace of this site's command answers.
    pub fn command_namespace(&self) -> &'static str {
        match self.namespace_or_products() {
            Namespace::Bomgar => "http://www.bomgar.com/namespaces/API/command",
            Namespace::Sra => "http://www.beyondtrust.com/sra/namespaces/API/command",
            Namespace::Vendor => "https://www.beyondtrust.com/namespaces/API/command",
        }
    }

    fn namespace_or_products(&self) -> Namespace {
        self.namespace.unwrap_or(match self.product {
            Product::RemoteSupport => Namespace::Bomgar,
            Product::PrivilegedRemoteAccess => Namespace::Sra,
        })
    }
}

fn fraction(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=1.0).contains(&value) => Ok(value),
        Ok(_) => Err("a fraction lies between 0 and 1".to_owned()),
        Err(cause) => Err(cause.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_documented_limits() {
        let options = Options::default();
        assert_eq!((options.rate_per_second, options.rate_per_hour), (20, 15_000));
        assert_eq!(options.token_seconds, 3600);
    }

    #[test]
    fn each_product_has_its_own_namespace() {
        let access = Options { product: Product::PrivilegedRemoteAccess, ..Options::default() };
        assert!(access.reporting_namespace().contains("/sra/"));
        assert!(Options::default().reporting_namespace().contains("bomgar.com"));
    }

    #[test]
    fn a_fraction_above_one_is_refused() {
        assert!(Options::try_parse_from(["x", "--recordings", "1.5"]).is_err());
    }
}
