use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use domain::DestinationId;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior};

use super::keeper::{Fault, check_identity};
use super::schema::{self, Prepared};
use crate::store::schema::Asked;
use crate::store::{Migrate, Schema};

/// How long another process's transaction is waited for.
const BUSY: Duration = Duration::from_secs(30);
/// How long to wait before the journal's mode is asked for again.
const JOURNAL_RETRY: Duration = Duration::from_millis(20);
/// The statements of a write are about two dozen.
const STATEMENTS_CACHED: usize = 64;

/// Opens or makes the file, does what may be done to its schema and gives it an identity, all in one transaction, so
/// that of two processes that open it first one finds all done.
pub(super) fn open(path: &Path, asked: Schema) -> Result<(Connection, DestinationId), Fault> {
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_CREATE)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let prepared = schema::prepare(&transaction, Asked::Sink(asked))?;
    let drawn = DestinationId::from_random(rand::random());
    transaction.execute(
        "INSERT INTO sluice_database (one, id) VALUES (1, ?1) ON CONFLICT (one) DO NOTHING",
        [drawn.as_str()],
    )?;
    let id = identity(&transaction)?.unwrap_or_default();
    match asked {
        Schema::BringUpToDate | Schema::AsItIs => transaction.commit()?,
        Schema::ToRead => transaction.rollback()?,
    }
    prepared.todo.warn_of_lost(&path.display().to_string());
    let identity = id.parse().map_err(|_| Fault::Damaged { what: "identity", text: id })?;
    Ok((connection, identity))
}

/// Does what a person wants of the schema. To plan makes no file and changes none.
pub(super) fn migrate(path: &Path, wanted: Migrate) -> Result<Prepared, Fault> {
    match wanted {
        Migrate::Plan | Migrate::Try if !path.exists() => {
            if wanted == Migrate::Try {
                takes_files(path)?;
            }
            schema::prepare(&Connection::open_in_memory()?, Asked::Person(wanted))
        }
        Migrate::Plan => {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(BUSY)?;
            schema::prepare(&connection, Asked::Person(wanted))
        }
        Migrate::Try => {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let mut connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(BUSY)?;
            // One that may not be written is opened all the same, but not for this.
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            schema::prepare(&transaction, Asked::Person(wanted))
        }
        Migrate::Apply => {
            let mut connection = connect(path, OpenFlags::SQLITE_OPEN_CREATE)?;
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let prepared = schema::prepare(&transaction, Asked::Person(wanted))?;
            transaction.commit()?;
            Ok(prepared)
        }
    }
}

/// Whether the file can be made that is not there: another one is, and goes at once.
fn takes_files(path: &Path) -> Result<(), Fault> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let name = format!(".sluice-{:016x}", rand::random::<u64>());
    let other = folder.unwrap_or(Path::new(".")).join(name);
    let made = File::create_new(&other).and_then(|_| std::fs::remove_file(&other));
    made.map_err(|cause| {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CANTOPEN);
        Fault::Driver(rusqlite::Error::SqliteFailure(code, Some(cause.to_string())))
    })
}

/// Opens the file again. It must be there, and be the same: an empty folder where a disk was mounted must not grow a
/// new database.
pub(super) fn reopen(path: &Path, expected: Option<&DestinationId>) -> Result<Connection, Fault> {
    let connection = connect(path, OpenFlags::empty())?;
    expected.map_or(Ok(()), |expected| check_identity(&connection, expected))?;
    Ok(connection)
}

/// The identity that the database bears, as it stands there; none where the tables were dropped under us.
pub(super) fn identity(connection: &Connection) -> Result<Option<String>, Fault> {
    let is_there = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'sluice_database'";
    if !connection.prepare_cached(is_there)?.exists([])? {
        return Ok(None);
    }
    let mut statement = connection.prepare_cached("SELECT id FROM sluice_database")?;
    Ok(statement.query_row([], |row| row.get(0)).optional()?)
}

fn connect(path: &Path, create: OpenFlags) -> Result<Connection, Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | create;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_CACHED);
    connection.busy_timeout(BUSY)?;
    write_ahead(&connection)?;
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;")?;
    Ok(connection)
}

/// SQLite does not wait by itself for others while it changes the journal's mode.
fn write_ahead(connection: &Connection) -> Result<(), Fault> {
    let given_up = Instant::now() + BUSY;
    loop {
        let set = connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()));
        match set {
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && Instant::now() < given_up =>
            {
                std::thread::sleep(JOURNAL_RETRY);
            }
            set => return Ok(set?),
        }
    }
}
