use std::time::Duration;

use domain::DestinationId;
use tiberius::error::Error as Driver;

use super::browser::BrowserError;
use super::numbers::{CHANGED, LOCKED, LOGIN, Means, SILENT, look_up};
use crate::store::StoreError;
use crate::store::error::refused;
use crate::store::lost;
use crate::store::schema::Refusal;

/// What can happen while a connection is used, before the database's name is added to it.
#[derive(Debug)]
pub(super) enum Fault {
    Driver(Driver),
    /// No TCP connection.
    Unreachable(std::io::Error),
    /// The port of a named instance is not known.
    Instance(BrowserError),
    /// No token to log in with.
    Token {
        path: String,
        cause: std::io::Error,
    },
    /// A TCP connection, but no session of the server.
    Connecting(Driver),
    /// Another transaction holds the lock for longer than we wait.
    LockTaken {
        returned: i32,
    },
    Refused(Refusal),
    /// The login may not do what is needed.
    Rights {
        missing: String,
        cure: &'static str,
    },
    Another {
        expected: DestinationId,
        found: String,
    },
    /// Tables of ours are gone.
    Lost(Vec<&'static str>),
    Damaged {
        what: &'static str,
        text: String,
    },
}

impl From<Driver> for Fault {
    fn from(error: Driver) -> Self {
        Fault::Driver(error)
    }
}

/// What a fault means for the transaction that met it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// The whole transaction once more on another connection: a deadlock, a lost connection, or somebody was quicker.
    Again,
    /// The database is overloaded or moving.
    Wait,
    /// The database as a whole does not work, for this reason.
    Outage(&'static str),
    /// No column holds the value.
    Value,
    /// Nobody knows.
    Unknown,
}

impl Course {
    pub(super) fn of(fault: &Fault) -> Course {
        match fault {
            Fault::Driver(Driver::Server(error)) => Course::of_number(error.code()),
            // Whatever it was, the connection is lost, and with it the transaction, unless that was committed.
            Fault::Driver(Driver::Io { .. } | Driver::Protocol(_) | Driver::Tls(_)) => {
                Course::Again
            }
            Fault::Driver(Driver::BulkInput(_) | Driver::Encoding(_)) => Course::Value,
            Fault::Driver(_) => Course::Unknown,
            Fault::Unreachable(_) => Course::Outage(SILENT),
            Fault::Instance(_) => Course::Outage(
                "can't be found: is the name of the instance right, does the SQL Server Browser run there, and may UDP 1434 \
                 pass? Else write the port (Server=tcp:host,port)",
            ),
            Fault::Token { .. } => Course::Outage(
                "can't be logged in to without the token: does the file that Access Token File names exist, and may \
                 sluice read it?",
            ),
            Fault::Connecting(Driver::Server(error)) => Course::of_login(error.code()),
            Fault::Connecting(Driver::Tls(text)) => Course::Outage(certificate(text)),
            Fault::Connecting(_) => Course::Outage(
                "answers but no connection comes about: is it just starting or stopping, is it a SQL Server's port, and does Encrypt fit?",
            ),
            Fault::LockTaken { .. } => Course::Outage(LOCKED),
            Fault::Refused(_)
            | Fault::Rights { .. }
            | Fault::Another { .. }
            | Fault::Lost(_)
            | Fault::Damaged { .. } => Course::Unknown,
        }
    }

    fn of_number(number: u32) -> Course {
        match look_up(number).map(|row| row.means) {
            // Somebody was quicker: the next try finds it in the ledger.
            Some(Means::Retry | Means::SomebodyElse) => Course::Again,
            Some(Means::Wait) => Course::Wait,
            Some(Means::Outage(what)) => Course::Outage(what),
            Some(Means::Reject) => Course::Value,
            None => Course::Unknown,
        }
    }

    /// While a connection comes about, whatever does not pass by itself keeps everything from being done.
    fn of_login(number: u32) -> Course {
        match look_up(number).map(|row| row.means) {
            Some(Means::Retry | Means::Wait) => Course::Wait,
            Some(Means::Outage(what)) => Course::Outage(what),
            _ => Course::Outage(LOGIN),
        }
    }
}

impl Fault {
    /// Whether it may come of a table that is gone. Not every server says so with a number of its own.
    pub(super) fn may_be_of_a_lost_table(&self) -> bool {
        let course = Course::of(self);
        matches!(self, Fault::Driver(_))
            && [Course::Unknown, Course::Outage(CHANGED)].contains(&course)
    }
}

/// How long to leave a server alone that asks for it.
const WAIT: Duration = Duration::from_secs(20);

impl Fault {
    /// As an error about this database.
    pub(super) fn named(self, doing: &'static str, place: &str) -> StoreError {
        let place = place.to_owned();
        let course = Course::of(&self);
        let cause = match self {
            Fault::Refused(refusal) => return refused(refusal, place),
            Fault::Rights { missing, cure } => return StoreError::Rights { place, missing, cure },
            Fault::Another { expected, found } => {
                return StoreError::Another { place, expected, found };
            }
            Fault::Lost(tables) => return lost::error(&tables, place),
            Fault::Damaged { what, text } => return StoreError::Damaged { place, what, text },
            Fault::Driver(cause) | Fault::Connecting(cause) => cause.into(),
            Fault::Unreachable(cause) => cause.into(),
            Fault::Instance(cause) => cause.into(),
            Fault::Token { path, cause } => format!("{path}: {cause}").into(),
            Fault::LockTaken { returned } => format!("sp_getapplock returned {returned}").into(),
        };
        match course {
            Course::Outage(what) => StoreError::Down { place, what, cause },
            Course::Wait => StoreError::Throttled { place, wait: WAIT, cause },
            Course::Value => StoreError::Value { place, cause },
            Course::Again | Course::Unknown => match is_lost(cause.as_ref()) {
                true => StoreError::Down { place, what: SILENT, cause },
                false => StoreError::Failed { doing, place, cause },
            },
        }
    }
}

fn is_lost(cause: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    matches!(
        cause.downcast_ref::<Driver>(),
        Some(Driver::Io { .. } | Driver::Protocol(_) | Driver::Tls(_))
    )
}

/// What is the matter with a certificate, by what the driver's own sentence says of it.
fn certificate(text: &str) -> &'static str {
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if says(&["NotValidForName", "not valid for name", "not valid for any names"]) {
        "offers a certificate for another name: write the server's full name as the certificate has it, or name it \
         (HostNameInCertificate=name)"
    } else if says(&["Expired", "expired", "NotValidYet", "not valid yet"]) {
        "offers a certificate that is not valid now: renew it, and look at the clocks"
    } else if says(&["UnsupportedCertVersion", "CaUsedAsEndEntity"]) {
        "offers the certificate that SQL Server makes for itself, which proves nothing: give the server a certificate of \
         an authority, or trust whatever comes (TrustServerCertificate=true)"
    } else {
        "offers a certificate that can't be trusted: name the authority that signed it \
         (TrustServerCertificateCA=path), or trust whatever comes (TrustServerCertificate=true)"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_certificate_decides_on_its_cure() {
        let cases = [
            ("invalid peer certificate: UnknownIssuer", "TrustServerCertificateCA"),
            (
                "invalid peer certificate: certificate not valid for name \"sql\"",
                "HostNameInCertificate",
            ),
            ("invalid peer certificate: Expired", "renew it"),
            (
                "invalid peer certificate: Other(OtherError(UnsupportedCertVersion))",
                "makes for itself",
            ),
        ];
        for (text, cure) in cases {
            let fault = Fault::Connecting(Driver::Tls(text.to_owned()));
            let error = fault.named("open", "it").to_string();
            assert!(error.starts_with("it offers") && error.contains(cure), "{error}");
        }
    }

    #[test]
    fn a_server_that_moves_is_no_refused_login() {
        for number in [40613, 40197, 40501, 10928, 18401] {
            assert_eq!(Course::of_login(number), Course::Wait, "{number}");
        }
        for number in [18456, 4060, 4711, 2627] {
            assert_eq!(Course::of_login(number), Course::Outage(LOGIN), "{number}");
        }
        assert_ne!(Course::of_login(40615), Course::Outage(LOGIN), "the firewall has its own cure");
    }
}
