use std::fmt;

use super::Misunderstood;

const PORT: u16 = 1433;

/// Where a server is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Address {
    pub(in super::super) host: String,
    pub(in super::super) endpoint: Endpoint,
}

/// Which of a host's servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) enum Endpoint {
    Port(u16),
    /// The host's SQL Server Browser knows the port.
    Instance(String),
}

impl Default for Endpoint {
    fn default() -> Self {
        Endpoint::Port(PORT)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.endpoint {
            Endpoint::Port(port) => write!(f, "{}:{port}", self.host),
            Endpoint::Instance(instance) => write!(f, "{}\\{instance}", self.host),
        }
    }
}

/// `[tcp:]host[\instance][,port]`. As in ADO.NET, a port makes the instance's name superfluous, and the name of the
/// default instance is no name.
pub(super) fn read(text: &str) -> Result<Address, Misunderstood> {
    let wrong =
        |cure| Misunderstood::Value { keyword: "Server".to_owned(), value: text.to_owned(), cure };
    let lower = text.to_ascii_lowercase();
    let rest = match lower.split_once(':') {
        Some(("tcp", _)) => &text[4..],
        Some(("np" | "lpc" | "admin", _)) => {
            return Err(wrong(
                "sluice speaks TCP: write tcp: in front, and let the server listen on TCP",
            ));
        }
        _ if lower.starts_with("\\\\") => {
            return Err(wrong("a pipe can't be used, TCP can: write tcp:host,1433"));
        }
        _ if lower.starts_with("(localdb)") => {
            return Err(wrong(
                "LocalDB does not listen on TCP: use SQL Server Express or another edition",
            ));
        }
        _ => text,
    };
    let (place, port) = match rest.split_once(',') {
        Some((place, port)) => (place, Some(port)),
        None => (rest, None),
    };
    let port = port.map(|port| port.trim().parse::<u16>().ok().filter(|port| *port > 0));
    if port == Some(None) {
        return Err(wrong("behind the comma stands the port, a number from 1 to 65535"));
    }
    let (host, instance) = match place.split_once('\\') {
        Some((host, instance)) => (host, Some(instance.trim())),
        None => (place, None),
    };
    let host = match host.trim().trim_start_matches('[').trim_end_matches(']') {
        "" => return Err(wrong("it names no host")),
        "." | "(local)" => "localhost",
        // More colons are an address of IPv6.
        host if host.matches(':').count() == 1 => {
            return Err(wrong("the port stands behind a comma: host,1433"));
        }
        host => host,
    };
    let endpoint = match (port.flatten(), instance) {
        (Some(port), _) => Endpoint::Port(port),
        (None, Some(instance)) if !instance.is_empty() && !default(instance) => {
            Endpoint::Instance(instance.to_owned())
        }
        (None, _) => Endpoint::Port(PORT),
    };
    Ok(Address { host: host.to_owned(), endpoint })
}

fn default(instance: &str) -> bool {
    instance.eq_ignore_ascii_case("MSSQLSERVER")
}
