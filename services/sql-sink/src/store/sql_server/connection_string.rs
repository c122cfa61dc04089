//! ADO.NET connection strings as people have them: what each keyword means here, and what to write instead of those
//! that mean nothing here.

mod pairs;
mod server;

use std::path::PathBuf;
use std::time::Duration;

use tiberius::{AuthMethod, Config, EncryptionLevel};

pub(super) use server::{Address, Endpoint};

/// How long the server may be silent while a statement runs. It is longer than the wait for the lock.
const SILENCE: Duration = Duration::from_secs(120);
/// Four times the driver's usual, for bulk loads; the largest that a server takes over TLS is 16,383.
const PACKET_BYTES: u32 = 16_000;
/// How long connecting may take, as in ADO.NET.
const CONNECT: Duration = Duration::from_secs(15);

/// What a connection string says.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) address: Address,
    pub(super) config: Config,
    /// The database, if one is named.
    pub(super) database: Option<String>,
    /// Read anew for every connection: tokens are good for an hour or so.
    pub(super) token_file: Option<PathBuf>,
    /// How long a connection may take to come about.
    pub(super) connect_timeout: Duration,
    /// Whether all addresses of the host are tried at once.
    pub(super) all_addresses: bool,
}

/// Why a connection string is of no use. Never says what the value of a secret is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Misunderstood {
    #[error(
        "after its {nth}. keyword it can't be taken apart: {what}; \
         put a value that holds ; or begins with a quotation mark between quotation marks, and double those inside"
    )]
    Form { nth: usize, what: &'static str },
    #[error("{keyword:?} is no keyword of an ADO.NET connection string: {cure}")]
    Unknown { keyword: String, cure: &'static str },
    #[error("{keyword} can't be had here: {cure}")]
    Unsupported { keyword: String, cure: &'static str },
    #[error("{keyword}={value} is not understood: {cure}")]
    Value { keyword: String, value: String, cure: &'static str },
    #[error("it lacks {keyword}: {cure}")]
    Missing { keyword: &'static str, cure: &'static str },
}

/// What a keyword is to us.
enum Keyword {
    Server,
    Database,
    User,
    Password,
    Encrypt,
    Trust,
    TrustAuthority,
    HostInCertificate,
    Application,
    Intent,
    ConnectTimeout,
    CommandTimeout,
    Integrated,
    Authentication,
    Token,
    TokenFile,
    Workstation,
    PacketSize,
    AllAddresses,
    /// Says how another driver manages what ours does in its own way.
    Ignored,
    /// Only this value, in lower case, is what we do anyway.
    Only(&'static str, &'static str),
    Unsupported(&'static str),
}

const NO_WINDOWS: &str = "sluice has no Windows logins: \
    name a SQL Server login (User ID and Password), or an Entra token (Access Token File)";
const NO_TOKENS: &str = "sluice asks nobody for tokens: have one written to a file, as \
    `az account get-access-token --resource https://database.windows.net/` gives it, keep it fresh, and name the file \
    (Access Token File=path)";

impl Keyword {
    fn of(name: &str) -> Option<Keyword> {
        Some(match name {
            "server" | "data source" | "address" | "addr" | "network address" => Keyword::Server,
            "database" | "initial catalog" => Keyword::Database,
            "user id" | "uid" | "user" => Keyword::User,
            "password" | "pwd" => Keyword::Password,
            "encrypt" => Keyword::Encrypt,
            "trustservercertificate" | "trust server certificate" => Keyword::Trust,
            "trustservercertificateca" | "trust server certificate ca" => Keyword::TrustAuthority,
            "hostnameincertificate" | "host name in certificate" | "hostname in certificate" => {
                Keyword::HostInCertificate
            }
            "application name" | "applicationname" | "app" => Keyword::Application,
            "applicationintent" | "application intent" => Keyword::Intent,
            "connect timeout" | "connection timeout" | "timeout" => Keyword::ConnectTimeout,
            "command timeout" | "commandtimeout" => Keyword::CommandTimeout,
            "integrated security" | "integratedsecurity" | "trusted_connection" => {
                Keyword::Integrated
            }
            "authentication" => Keyword::Authentication,
            "access token" | "accesstoken" => Keyword::Token,
            "access token file" | "accesstokenfile" => Keyword::TokenFile,
            "workstation id" | "workstationid" | "wsid" => Keyword::Workstation,
            "packet size" => Keyword::PacketSize,
            "multisubnetfailover" | "multi subnet failover" => Keyword::AllAddresses,
            _ => return Keyword::elsewhere(name),
        })
    }

    /// Keywords that say nothing about how we work, or ask for what we don't do.
    fn elsewhere(name: &str) -> Option<Keyword> {
        Some(match name {
            "pooling"
            | "min pool size"
            | "max pool size"
            | "pool blocking period"
            | "poolblockingperiod"
            | "load balance timeout"
            | "connection lifetime"
            | "connection reset"
            | "enlist"
            | "persist security info"
            | "persistsecurityinfo"
            | "multipleactiveresultsets"
            | "multiple active result sets"
            | "connect retry count"
            | "connectretrycount"
            | "connect retry interval"
            | "connectretryinterval"
            | "transaction binding"
            | "type system version"
            | "replication"
            | "language"
            | "current language"
            | "asynchronous processing"
            | "ip address preference"
            | "ipaddresspreference"
            | "transparentnetworkipresolution"
            | "transparent network ip resolution"
            | "server spn"
            | "serverspn"
            | "failover partner spn"
            | "failoverpartnerspn" => Keyword::Ignored,
            "network library" | "network" | "net" => Keyword::Only(
                "dbmssocn",
                "sluice speaks TCP: leave it out, and let the server listen on TCP",
            ),
            "column encryption setting" | "columnencryption" => Keyword::Only(
                "disabled",
                "sluice encrypts no columns (Always Encrypted): leave it out, and give its tables no encrypted columns",
            ),
            "user instance" | "context connection" => {
                Keyword::Only("false", "leave it out, and name a server that listens on TCP")
            }
            "attachdbfilename" | "extended properties" | "initial file name" => {
                Keyword::Unsupported("attach the file on the server, and name it with Database")
            }
            "failover partner" => Keyword::Unsupported(
                "leave it out; for two servers name the listener of an availability group with Server",
            ),
            "server certificate" | "servercertificate" => Keyword::Unsupported(
                "name the authority that signed the certificate instead (TrustServerCertificateCA=path)",
            ),
            "attestation protocol" | "enclave attestation url" => {
                Keyword::Unsupported("leave it out; sluice encrypts no columns (Always Encrypted)")
            }
            "driver" | "provider" | "dsn" | "filedsn" => Keyword::Unsupported(
                "it belongs to an ODBC or OLE DB string; write one for ADO.NET: \
                 Server=tcp:host,1433;Database=name;User ID=user;Password=secret",
            ),
            _ => return None,
        })
    }
}

/// What is gathered from the pairs before it is put together.
#[derive(Default)]
struct Said {
    target: Option<Address>,
    user: Option<String>,
    password: Option<String>,
    token: Option<String>,
    trust: bool,
    authority: Option<String>,
}

impl Target {
    /// Reads a connection string.
    pub(super) fn read(text: &str) -> Result<Target, Misunderstood> {
        let mut config = Config::new();
        config.application_name("sluice");
        config.encryption(EncryptionLevel::Required);
        config.command_timeout(Some(SILENCE));
        config.packet_size(PACKET_BYTES);
        let mut target = Target {
            address: Address::default(),
            config,
            database: None,
            token_file: None,
            connect_timeout: CONNECT,
            all_addresses: false,
        };
        let mut said = Said::default();
        let mut behind_secret = false;
        for (name, value) in pairs::of(text)? {
            let known = Keyword::of(&name.to_lowercase());
            let keyword = known.ok_or_else(|| unknown(&name, behind_secret))?;
            behind_secret = matches!(keyword, Keyword::Password | Keyword::Token);
            // An empty value means that the keyword is not given.
            if !value.is_empty() {
                target.take(&mut said, &keyword, &name, value)?;
            }
        }
        target.finish(said)
    }

    fn take(
        &mut self,
        said: &mut Said,
        keyword: &Keyword,
        name: &str,
        value: String,
    ) -> Result<(), Misunderstood> {
        match keyword {
            Keyword::Server => said.target = Some(server::read(&value)?),
            Keyword::Database => self.database = Some(value),
            Keyword::User => said.user = Some(value),
            Keyword::Password => said.password = Some(value),
            Keyword::Encrypt => self.config.encryption(encryption(name, &value)?),
            Keyword::Trust => said.trust = boolean(name, &value)?,
            Keyword::TrustAuthority => said.authority = Some(value),
            Keyword::HostInCertificate => self.config.hostname_in_certificate(value),
            Keyword::Application => self.config.application_name(value),
            Keyword::Intent => only(name, &value, "readwrite", "sluice writes: leave it out")?,
            Keyword::ConnectTimeout => {
                self.connect_timeout = seconds(name, &value)?.unwrap_or(Duration::from_secs(3600));
            }
            Keyword::CommandTimeout => self.config.command_timeout(seconds(name, &value)?),
            Keyword::Integrated => no_windows(name, &value)?,
            Keyword::Authentication => authentication(name, &value)?,
            Keyword::Token => said.token = Some(value),
            Keyword::TokenFile => self.token_file = Some(value.into()),
            Keyword::Workstation => self.config.client_name(value),
            Keyword::PacketSize => self.config.packet_size(packet_size(name, &value)?),
            Keyword::AllAddresses => self.all_addresses = boolean(name, &value)?,
            Keyword::Ignored => {}
            Keyword::Only(wanted, cure) => only(name, &value, wanted, cure)?,
            Keyword::Unsupported(cure) => {
                return Err(Misunderstood::Unsupported { keyword: name.to_owned(), cure });
            }
        }
        Ok(())
    }

    fn finish(mut self, said: Said) -> Result<Target, Misunderstood> {
        self.address = said.target.ok_or(Misunderstood::Missing {
            keyword: "Server",
            cure: "say which one, such as Server=tcp:sql.example.com,1433",
        })?;
        self.config.host(&self.address.host);
        self.config.handshake_timeout(Some(self.connect_timeout));
        if let Some(database) = &self.database {
            self.config.database(database);
        }
        match (said.trust, said.authority) {
            (true, Some(_)) => {
                return Err(Misunderstood::Unsupported {
                    keyword: "TrustServerCertificate beside TrustServerCertificateCA".to_owned(),
                    cure: "the one trusts whatever comes, the other an authority: keep the second",
                });
            }
            (true, None) => self.config.trust_cert(),
            (false, Some(path)) => self.config.trust_cert_ca(path),
            (false, None) => {}
        }
        match (said.token, &self.token_file, said.user) {
            (Some(token), _, _) => self.config.authentication(AuthMethod::aad_token(token)),
            (None, Some(_), _) => {}
            (None, None, Some(user)) => {
                let password = said.password.unwrap_or_default();
                self.config.authentication(AuthMethod::sql_server(user, password));
            }
            (None, None, None) => {
                return Err(Misunderstood::Missing {
                    keyword: "User ID",
                    cure: "name a SQL Server login (User ID and Password), or an Entra token (Access Token File)",
                });
            }
        }
        Ok(self)
    }

    /// The database, for people; without secrets.
    pub(super) fn place(&self) -> String {
        match &self.database {
            Some(database) => format!("the database {database} on {}", self.address),
            None => format!("the login's own database on {}", self.address),
        }
    }
}

/// What stands behind a secret may be the rest of it.
fn unknown(name: &str, behind_secret: bool) -> Misunderstood {
    match behind_secret {
        true => Misunderstood::Unknown {
            keyword: "what follows the password".to_owned(),
            cure: "a password that holds ; stands between quotation marks",
        },
        false => Misunderstood::Unknown {
            keyword: name.to_owned(),
            cure: "leave it out, or look at how it is spelt",
        },
    }
}

fn encryption(keyword: &str, value: &str) -> Result<EncryptionLevel, Misunderstood> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "mandatory" => Ok(EncryptionLevel::Required),
        // The login is encrypted all the same.
        "false" | "no" | "optional" => Ok(EncryptionLevel::Off),
        "strict" => Ok(EncryptionLevel::Strict),
        "danger_plaintext" => Ok(EncryptionLevel::NotSupported),
        _ => Err(wrong(keyword, value, "it may be true, false or strict")),
    }
}

fn boolean(keyword: &str, value: &str) -> Result<bool, Misunderstood> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" => Ok(true),
        "false" | "no" => Ok(false),
        _ => Err(wrong(keyword, value, "it may be true or false")),
    }
}

/// `None` where 0 stands: no limit.
fn seconds(keyword: &str, value: &str) -> Result<Option<Duration>, Misunderstood> {
    let secs: u64 =
        value.parse().map_err(|_| wrong(keyword, value, "it is a number of seconds"))?;
    Ok((secs > 0).then(|| Duration::from_secs(secs)))
}

fn packet_size(keyword: &str, value: &str) -> Result<u32, Misunderstood> {
    let size = value.parse().ok().filter(|size| (512..=32_767).contains(size));
    size.ok_or_else(|| wrong(keyword, value, "it is a number of bytes from 512 to 32767"))
}

fn only(keyword: &str, value: &str, wanted: &str, cure: &'static str) -> Result<(), Misunderstood> {
    match value.eq_ignore_ascii_case(wanted) {
        true => Ok(()),
        false => Err(wrong(keyword, value, cure)),
    }
}

fn no_windows(keyword: &str, value: &str) -> Result<(), Misunderstood> {
    match value.to_ascii_lowercase().as_str() {
        "false" | "no" => Ok(()),
        _ => Err(Misunderstood::Unsupported { keyword: keyword.to_owned(), cure: NO_WINDOWS }),
    }
}

fn authentication(keyword: &str, value: &str) -> Result<(), Misunderstood> {
    let folded = value.to_ascii_lowercase().replace(' ', "");
    match folded.as_str() {
        "sqlpassword" | "notspecified" => Ok(()),
        "activedirectoryintegrated" => Err(wrong(keyword, value, NO_WINDOWS)),
        _ => Err(wrong(keyword, value, NO_TOKENS)),
    }
}

fn wrong(keyword: &str, value: &str, cure: &'static str) -> Misunderstood {
    Misunderstood::Value { keyword: keyword.to_owned(), value: value.to_owned(), cure }
}

#[cfg(test)]
mod tests;
