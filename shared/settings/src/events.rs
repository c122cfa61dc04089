use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::Secret;
use crate::reader::TableReader;

/// Where the appliances' outbound events are taken. What they say is never believed: a site is only scanned sooner.
#[derive(Debug, Clone)]
pub struct Events {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// The first part of the path, which only the appliance is told.
    pub path: Secret,
    /// Who may send.
    pub allow: Vec<Network>,
}

/// A network, as `192.0.2.0/24`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// A text that is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no network: \"192.0.2.0/24\", \"2001:db8::/32\" and \"192.0.2.7\" are")]
pub struct InvalidNetwork(pub String);

impl Network {
    /// Whether an address lies in it. An IPv4 address that is written as an IPv6 one is that IPv4 address.
    pub fn holds(&self, address: IpAddr) -> bool {
        let (mask, bits) = match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let differs = u128::from(network.to_bits() ^ address.to_bits());
                (differs, 32)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                (network.to_bits() ^ address.to_bits(), 128)
            }
            _ => return false,
        };
        let free = bits - u32::from(self.prefix);
        mask.checked_shr(free).unwrap_or(0) == 0
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let invalid = || InvalidNetwork(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| invalid())?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                digits.parse().ok().filter(|prefix| *prefix <= longest).ok_or_else(invalid)?
            }
            Some(_) => return Err(invalid()),
            None => longest,
        };
        Ok(Network { address, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Events {
    /// The shortest path that nobody guesses.
    pub const PATH_BYTES_MIN: usize = 16;

    pub(crate) fn read(mut table: TableReader<'_>) -> Option<Events> {
        let needed = table.needs().sites;
        let listen = table.required("listen", |value| {
            value.understood(|text| {
                text.parse().map_err(|_| {
                    format!("{text:?} is no address to listen on: \"0.0.0.0:8090\" is")
                })
            })
        });
        let path = table.required("path", |value| value.secret(needed));
        let allow = table.required("allow", |value| {
            let items = value.items("a network of `allow`")?;
            items.iter().map(|item| item.parsed::<Network>()).collect::<Option<Vec<Network>>>()
        });
        if path.as_ref().and_then(|path| path.expose().ok()).is_some_and(|path| !is_path(path)) {
            table.refuse(
                "path",
                "holds what can't be the secret part of a path",
                "16 or more of a-z, A-Z, 0-9, '-' and '_' can; draw them at random",
            );
        }
        table.finish();
        Some(Events { listen: listen?, path: path?, allow: allow? })
    }
}

fn is_path(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.len() >= Events::PATH_BYTES_MIN && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(network: &str, address: &str) -> bool {
        let network: Network = network.parse().expect("a network");
        network.holds(address.parse().expect("an address"))
    }

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        assert!(holds("192.0.2.0/24", "192.0.2.255"));
        assert!(!holds("192.0.2.0/24", "192.0.3.0"));
        assert!(holds("192.0.2.0/24", "::ffff:192.0.2.7"));
        assert!(holds("192.0.2.7", "192.0.2.7") && !holds("192.0.2.7", "192.0.2.8"));
        assert!(holds("0.0.0.0/0", "198.51.100.1") && !holds("0.0.0.0/0", "2001:db8::1"));
        assert!(holds("2001:db8::/32", "2001:db8:1::1") && !holds("2001:db8::/32", "2001:db9::1"));
        assert!(holds("::/0", "2001:db8::1"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in
            ["", "192.0.2.0/33", "192.0.2.0/", "192.0.2.0/+8", "192.0.2/24", "host", "::/129"]
        {
            assert!(text.parse::<Network>().is_err(), "{text:?}");
        }
    }
}
