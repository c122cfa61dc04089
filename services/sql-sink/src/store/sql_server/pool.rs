use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::connection::Connection;
use super::connection_string::Target;
use super::fault::Fault;
use crate::store::StoreError;

/// Idle connections that are kept. Writers take turns, so few are ever in use.
const IDLE_MAX: usize = 4;

/// Connections that wait to be used again. How many are in use is for the callers to bound.
pub(super) struct Pool {
    target: Target,
    place: String,
    idle: Mutex<Vec<Connection>>,
    /// Whether sessions of another program may be in the database.
    adopts: AtomicBool,
}

impl std::fmt::Debug for Pool {
    // The target holds a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Pool {
    pub(super) fn new(connection_string: &str) -> Result<Self, StoreError> {
        let target = Target::read(connection_string)
            .map_err(|cause| StoreError::ConnectionString { cause: cause.into() })?;
        Ok(Pool {
            place: target.place(),
            target,
            idle: Mutex::default(),
            adopts: AtomicBool::default(),
        })
    }

    /// The database, for people.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Whether sessions that the ledger does not know may be there all the same.
    pub(super) fn adopts(&self) -> bool {
        self.adopts.load(Ordering::Relaxed)
    }

    pub(super) fn set_adopts(&self, adopts: bool) {
        self.adopts.store(adopts, Ordering::Relaxed);
    }

    pub(super) async fn take(&self) -> Result<Connection, Fault> {
        let idle = self.idle().pop();
        match idle {
            Some(connection) => Ok(connection),
            None => Connection::open(&self.target).await,
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
