use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tiberius::Config;

use super::connection::Connection;
use super::fault::Fault;
use crate::store::StoreError;

/// Idle connections that are kept. Writers take turns, so few are ever in use.
const IDLE_MAX: usize = 4;
/// How long the server may be silent while a statement runs. It is longer than the wait for the lock.
const SILENCE: Duration = Duration::from_secs(120);

/// Connections that wait to be used again. How many are in use is for the callers to bound.
pub(super) struct Pool {
    config: Config,
    place: String,
    idle: Mutex<Vec<Connection>>,
}

impl std::fmt::Debug for Pool {
    // The configuration holds a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Pool {
    pub(super) fn new(connection_string: &str) -> Result<Self, StoreError> {
        let mut config = Config::from_ado_string(connection_string)
            .map_err(|cause| StoreError::ConnectionString { cause: cause.into() })?;
        config.command_timeout(Some(SILENCE));
        let place = match database(connection_string) {
            Some(database) => format!("the database {database} on {}", config.get_addr()),
            None => format!("the login's own database on {}", config.get_addr()),
        };
        Ok(Pool { config, place, idle: Mutex::default() })
    }

    /// The database, for people.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    pub(super) async fn take(&self) -> Result<Connection, Fault> {
        let idle = self.idle().pop();
        match idle {
            Some(connection) => Ok(connection),
            None => Connection::open(&self.config).await,
        }
    }

    /// Takes back a connection that is in no transaction and has seen no error.
    pub(super) fn give_back(&self, connection: Connection) {
        let mut idle = self.idle();
        if idle.len() < IDLE_MAX {
            idle.push(connection);
        }
    }

    /// Closes what waits here: where one connection was lost, the others were opened to the same server.
    pub(super) fn forget(&self) {
        self.idle().clear();
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The database that a connection string names; the driver does not tell.
fn database(connection_string: &str) -> Option<&str> {
    connection_string.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let key = key.trim().to_ascii_lowercase();
        matches!(key.as_str(), "database" | "initial catalog").then_some(value.trim())
    })
}
