use std::time::Duration;

use domain::DestinationId;
use tiberius::error::Error as Driver;

use crate::store::StoreError;
use crate::store::migrations::FromTheFuture;

/// What can happen while a connection is used, before the database's name is added to it.
#[derive(Debug)]
pub(super) enum Fault {
    Driver(Driver),
    /// No TCP connection.
    Unreachable(std::io::Error),
    /// A TCP connection, but no session of the server.
    Connecting(Driver),
    /// Another transaction holds the lock for longer than we wait.
    LockTaken {
        returned: i32,
    },
    FromTheFuture(FromTheFuture),
    SomebodyElses {
        table: String,
    },
    Another {
        expected: DestinationId,
        found: String,
    },
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

const SILENT: &str = "can't be reached: is the server up, and do its address, port and the network's rules allow it?";
const LOGIN: &str =
    "refuses the login: check user and password, and that the login may use the database";
const RIGHTS: &str = "lets the login not do what is needed: it needs to read and write the tables, and for a new or \
    older schema also to create tables and views (the role db_ddladmin)";
const LOCKED: &str = "is locked by another transaction for longer than sluice waits: find out which one is left open";

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
            Fault::Connecting(Driver::Server(error)) => match Course::of_number(error.code()) {
                Course::Wait => Course::Wait,
                _ => Course::Outage(LOGIN),
            },
            Fault::Connecting(Driver::Tls(_)) => Course::Outage(
                "offers a certificate that can't be trusted: name the authority that signed it \
                 (TrustServerCertificateCA=path), or trust whatever comes (TrustServerCertificate=true)",
            ),
            Fault::Connecting(_) => Course::Outage(
                "answers but no connection comes about: is it a SQL Server's port, and does Encrypt fit?",
            ),
            Fault::LockTaken { .. } => Course::Outage(LOCKED),
            Fault::FromTheFuture(_)
            | Fault::SomebodyElses { .. }
            | Fault::Another { .. }
            | Fault::Damaged { .. } => Course::Unknown,
        }
    }

    /// The server's error numbers, as its documentation of system errors has them.
    fn of_number(number: u32) -> Course {
        match number {
            // Deadlock victim; snapshot update conflict; the object changed underneath.
            1205 | 3960 | 3961 => Course::Again,
            // Duplicate key, in a constraint or an index: somebody else did it meanwhile.
            2627 | 2601 => Course::Again,
            // Connection broken by the server or the network underneath.
            64 | 233 | 596 | 6005 | 10053 | 10054 | 10060 => Course::Again,
            // Too busy, limits of workers or sessions, moving, failing over, memory waits.
            8645 | 8651 | 10928 | 10929 | 40197 | 40501 | 40540 | 40613 | 49918 | 49919 | 49920 => {
                Course::Wait
            }
            1222 => Course::Outage(LOCKED),
            911 | 4060 | 18452 | 18456 | 18486 | 18487 | 18488 => Course::Outage(LOGIN),
            229 | 230 | 262 | 916 | 2760 | 3704 => Course::Outage(RIGHTS),
            1101 | 1105 | 9002 | 40544 => Course::Outage(
                "has no room left: make room for its files or its log, or raise its limit",
            ),
            3906 | 3908 | 976 | 978 | 983 => Course::Outage(
                "can't be written: it is read-only, or another replica is the primary now",
            ),
            207 | 208 => Course::Outage("lacks a table or column of ours: was the schema changed?"),
            823..=825 => Course::Outage("is damaged: look at the server's log and restore it"),
            701 | 802 => Course::Wait,
            // Truncation, null in a column that takes none, conversion, overflow, an unusable value.
            220 | 241 | 242 | 245 | 515 | 2628 | 8114 | 8115 | 8152 => Course::Value,
            _ => Course::Unknown,
        }
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
            Fault::FromTheFuture(FromTheFuture { found, known }) => {
                return StoreError::FromTheFuture { place, found, known };
            }
            Fault::SomebodyElses { table } => return StoreError::SomebodyElses { place, table },
            Fault::Another { expected, found } => {
                return StoreError::Another { place, expected, found };
            }
            Fault::Damaged { what, text } => return StoreError::Damaged { place, what, text },
            Fault::Driver(cause) | Fault::Connecting(cause) => cause.into(),
            Fault::Unreachable(cause) => cause.into(),
            Fault::LockTaken { returned } => format!("sp_getapplock returned {returned}").into(),
        };
        match course {
            Course::Outage(what) => StoreError::Down { place, what, cause },
            Course::Wait => StoreError::Throttled { place, wait: WAIT, cause },
            Course::Value => StoreError::Value { place, cause },
            Course::Again | Course::Unknown => match lost(cause.as_ref()) {
                true => StoreError::Down { place, what: SILENT, cause },
                false => StoreError::Failed { doing, place, cause },
            },
        }
    }
}

fn lost(cause: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    matches!(
        cause.downcast_ref::<Driver>(),
        Some(Driver::Io { .. } | Driver::Protocol(_) | Driver::Tls(_))
    )
}
