use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use domain::DestinationId;
use rusqlite::{Connection, ErrorCode};

use super::schema::Prepared;
#[cfg(test)]
use super::write;
use super::{Job, open};
use crate::store::error::refused;
use crate::store::lost;
use crate::store::schema::Refusal;
use crate::store::survey::{self, Engine, FoundTable};
use crate::store::{Migrate, Schema, SchemaReport, StoreError};

/// What can happen while the connection is used, before the database's name is added to it.
#[derive(Debug)]
pub(super) enum Fault {
    Driver(rusqlite::Error),
    Refused(Refusal),
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

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Fault::Driver(error)
    }
}

impl Fault {
    /// What comes of a lost table says nothing else that a program could rely on.
    fn or_lost(self, connection: &Connection) -> Fault {
        match &self {
            Fault::Driver(cause) if cause.sqlite_error_code() == Some(ErrorCode::Unknown) => {
                check_tables(connection).err().unwrap_or(self)
            }
            _ => self,
        }
    }
}

/// The one thread that holds the connection, for the whole life of the store.
pub(super) struct Keeper {
    path: PathBuf,
    place: String,
    identity: Option<DestinationId>,
    connection: Option<Connection>,
    /// The file that the connection has open.
    file: Option<(u64, u64)>,
}

impl Keeper {
    pub(super) fn new(path: &Path, place: &str) -> Self {
        Keeper {
            path: path.to_owned(),
            place: place.to_owned(),
            identity: None,
            connection: None,
            file: None,
        }
    }

    /// Does jobs until nobody can send any more.
    pub(super) fn run(mut self, jobs: &mpsc::Receiver<Job>) {
        for job in jobs {
            if catch_unwind(AssertUnwindSafe(|| job(&mut self))).is_err() {
                // Its transaction was rolled back while unwinding; what else it left behind is unknown.
                self.connection = None;
            }
        }
    }

    /// Opens the file for the first time.
    pub(super) fn open(&mut self, schema: Schema) -> Result<DestinationId, StoreError> {
        let opened = open::open(&self.path, schema);
        let (connection, identity) = opened.map_err(|fault| self.error("open", fault))?;
        self.connection = Some(connection);
        self.file = file_id(&self.path);
        self.identity = Some(identity.clone());
        Ok(identity)
    }

    /// Does what a person wants of the schema.
    pub(super) fn migrate(&self, wanted: Migrate) -> Result<SchemaReport, StoreError> {
        let done = open::migrate(&self.path, wanted);
        let Prepared { todo, found, .. } = done.map_err(|fault| self.error("migrate", fault))?;
        let steps = todo.steps(Engine::Sqlite);
        Ok(SchemaReport { place: self.place.clone(), adopts: found, lost: todo.lost, steps })
    }

    /// Works with the connection; opens another if the last one saw the database fail.
    pub(super) fn with<T>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&mut Connection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        if self.connection.is_some() && file_id(&self.path) != self.file {
            // What is written to a file that lost its name is lost.
            self.connection = None;
        }
        if self.connection.is_none() {
            let reopened = open::reopen(&self.path, self.identity.as_ref());
            self.connection = Some(reopened.map_err(|fault| self.error("open", fault))?);
            self.file = file_id(&self.path);
        }
        let connection = self.connection.as_mut().expect("it was opened above");
        let done = work(connection).map_err(|fault| fault.or_lost(connection));
        done.map_err(|fault| {
            let error = self.error(doing, fault);
            if matches!(error, StoreError::Down { .. }) {
                self.connection = None;
            }
            error
        })
    }

    fn error(&self, doing: &'static str, fault: Fault) -> StoreError {
        let place = self.place.clone();
        match fault {
            Fault::Refused(refusal) => refused(refusal, place),
            Fault::Another { expected, found } => StoreError::Another { place, expected, found },
            Fault::Lost(tables) => lost::error(&tables, place),
            Fault::Damaged { what, text } => StoreError::Damaged { place, what, text },
            Fault::Driver(cause) => {
                let code = cause.sqlite_error_code();
                match code.and_then(outage) {
                    Some(what) => StoreError::Down { place, what, cause: cause.into() },
                    None if code == Some(ErrorCode::TooBig) => {
                        StoreError::Value { place, cause: cause.into() }
                    }
                    None => StoreError::Failed { doing, place, cause: cause.into() },
                }
            }
        }
    }
}

/// What tells a file from another of the same name.
fn file_id(path: &Path) -> Option<(u64, u64)> {
    let file = std::fs::metadata(path).ok()?;
    Some((file.dev(), file.ino()))
}

/// What is the matter with the database as a whole, if that is what this code says.
fn outage(code: ErrorCode) -> Option<&'static str> {
    match code {
        ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::FileLockingProtocolFailed => Some(
            "is locked by another program for longer than sluice waits: find out which one holds a transaction open",
        ),
        ErrorCode::DiskFull => Some("has no room left: make room on its disk"),
        ErrorCode::ReadOnly => Some(
            "is read-only: give the user that sluice runs as the right to write the file and its folder",
        ),
        ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied => Some(
            "may not be used by the user that sluice runs as: give it the right to write the file and its folder",
        ),
        ErrorCode::CannotOpen => Some(
            "can't be opened: does its folder exist, and may the user that sluice runs as write it?",
        ),
        ErrorCode::SystemIoFailure => Some("can't be read or written: look at its disk"),
        ErrorCode::NotADatabase => Some("is no SQLite database: name another file"),
        ErrorCode::DatabaseCorrupt => {
            Some("is damaged: restore it from a backup, or name a new file and it fills itself")
        }
        ErrorCode::OutOfMemory => Some("needs more memory than there is"),
        _ => None,
    }
}

/// Whether the database is still the one that was opened: a file of the same name need not be.
pub(super) fn check_identity(
    connection: &Connection,
    expected: &DestinationId,
) -> Result<(), Fault> {
    let found = open::identity(connection)?.unwrap_or_else(|| "none".to_owned());
    match found == expected.as_str() {
        true => Ok(()),
        false => Err(Fault::Another { expected: expected.clone(), found }),
    }
}

/// Whether all our tables are there.
pub(super) fn check_tables(connection: &Connection) -> Result<(), Fault> {
    let mut statement = connection
        .prepare_cached("SELECT lower(name) FROM sqlite_master WHERE type IN ('table', 'view')")?;
    let names = statement.query_map([], |row| row.get(0))?;
    let found: Vec<FoundTable> =
        names.map(|name| name.map(FoundTable::named)).collect::<Result<_, _>>()?;
    let lost = survey::lost(&found);
    if lost.is_empty() { Ok(()) } else { Err(Fault::Lost(lost)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_gone_grows_no_new_database() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("sessions.db");
        let mut keeper = Keeper::new(&path, "it");
        keeper.open(Schema::BringUpToDate).expect("a new database");
        keeper.connection = None;
        keeper.with("read", |_| Ok(())).expect("it is still there");
        keeper.connection = None;
        std::fs::remove_file(&path).expect("a file");
        let error = keeper.with("read", |_| Ok(())).expect_err("no file");
        assert!(matches!(error, StoreError::Down { .. }), "{error:?}");
        assert!(!path.exists());
    }

    #[test]
    fn a_file_of_another_database_is_not_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, other) = (folder.path().join("a.db"), folder.path().join("b.db"));
        let mut keeper = Keeper::new(&path, "it");
        keeper.open(Schema::BringUpToDate).expect("a new database");
        Keeper::new(&other, "other").open(Schema::BringUpToDate).expect("another");
        keeper.connection = None;
        std::fs::rename(&other, &path).expect("a file");
        let error = keeper.with("read", |_| Ok(())).expect_err("another database");
        assert!(matches!(error, StoreError::Another { .. }), "{error:?}");
    }

    #[test]
    fn a_rehearsal_finds_out_that_there_is_no_room_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut keeper = Keeper::new(&folder.path().join("sessions.db"), "it");
        keeper.open(Schema::BringUpToDate).expect("a new database");
        let count = |connection: &mut Connection| {
            let count = "SELECT count(*) FROM sluice_route";
            Ok(connection.query_row(count, [], |row| row.get::<_, i64>(0))?)
        };
        let rehearse = |connection: &mut Connection| write::rehearse(connection, 1_000_000);
        keeper.with("write to", rehearse).expect("there is room");
        assert_eq!(keeper.with("read", count).expect("it can be read"), 0);
        let full = |connection: &mut Connection| {
            let pages =
                connection.query_row("PRAGMA page_count", [], |row| row.get::<_, i64>(0))?;
            connection.execute_batch(&format!("PRAGMA max_page_count = {}", pages + 100))?;
            write::rehearse(connection, 1_000_000)
        };
        let error = keeper.with("write to", full).expect_err("no room");
        assert!(matches!(error, StoreError::Down { .. }), "{error:?}");
    }

    /// A database on which something is the matter, and what is told of it.
    fn told(trouble: &str, cure: &str) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut keeper = Keeper::new(&folder.path().join("sessions.db"), "it");
        keeper.open(Schema::BringUpToDate).expect("a new database");
        let set = |keeper: &mut Keeper, sql: &str| {
            keeper.with("set", |connection| Ok(connection.execute_batch(sql)?)).expect("a setting");
        };
        let fill =
            "INSERT INTO sluice_route (route, log_position) VALUES (hex(randomblob(500000)), 1)";
        set(&mut keeper, trouble);
        let filled = keeper.with("write", |connection| Ok(connection.execute(fill, [])?));
        let error = filled.expect_err("nothing can be written");
        assert!(matches!(error, StoreError::Down { .. }), "{error:?}");
        assert!(error.to_string().contains(cure), "{error}");
        // The connection is another, and the trouble over: nothing is left of what failed, and all works again.
        let count = "SELECT count(*) FROM sluice_route";
        let left = keeper.with("read", |connection| {
            Ok(connection.query_row(count, [], |row| row.get::<_, i64>(0))?)
        });
        assert_eq!(left.expect("it can be read"), 0);
        keeper
            .with("write", |connection| Ok(connection.execute(fill, [])?))
            .expect("there is room again");
    }

    #[test]
    fn a_full_disk_is_an_outage_that_leaves_nothing_half_done_and_passes() {
        told("PRAGMA max_page_count = 10", "has no room left: make room on its disk");
    }

    #[test]
    fn a_database_that_may_not_be_written_is_an_outage_with_a_cure() {
        told("PRAGMA query_only = ON", "is read-only: give the user that sluice runs as");
    }
}
