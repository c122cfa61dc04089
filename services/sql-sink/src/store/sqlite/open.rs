use std::path::Path;
use std::time::{Duration, Instant};

use domain::DestinationId;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior, params};

use super::keeper::{Fault, check_identity};
use crate::store::migrations::{self, SQLITE};

/// How long another process's transaction is waited for.
const BUSY: Duration = Duration::from_secs(30);
/// How long to wait before the journal's mode is asked for again.
const JOURNAL_RETRY: Duration = Duration::from_millis(20);
/// The statements of a write are about two dozen.
const STATEMENTS_CACHED: usize = 64;

/// Opens or makes the file, brings its schema up to date and gives it an identity, all in one transaction, so that of
/// two processes that open it first one finds all done.
pub(super) fn open(path: &Path) -> Result<(Connection, DestinationId), Fault> {
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_CREATE)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    migrate(&transaction)?;
    let drawn = DestinationId::from_random(rand::random());
    transaction.execute(
        "INSERT INTO sluice_database (one, id) VALUES (1, ?1) ON CONFLICT (one) DO NOTHING",
        [drawn.as_str()],
    )?;
    let id = identity(&transaction)?.unwrap_or_default();
    transaction.commit()?;
    let identity = id.parse().map_err(|_| Fault::Damaged { what: "identity", text: id })?;
    Ok((connection, identity))
}

/// Opens the file again. It must be there, and be the same: an empty folder where a disk was mounted must not grow a
/// new database.
pub(super) fn reopen(path: &Path, expected: Option<&DestinationId>) -> Result<Connection, Fault> {
    let connection = connect(path, OpenFlags::empty())?;
    expected.map_or(Ok(()), |expected| check_identity(&connection, expected))?;
    Ok(connection)
}

/// The identity that the database bears, as it stands there.
pub(super) fn identity(connection: &Connection) -> Result<Option<String>, Fault> {
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

fn migrate(connection: &Connection) -> Result<(), Fault> {
    let tables =
        strings(connection, "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")?;
    if let Some(table) = migrations::foreign_table(&tables) {
        return Err(Fault::SomebodyElses { table: table.clone() });
    }
    connection.execute_batch(
        "CREATE TABLE IF NOT EXISTS sluice_migration (
             number     INTEGER NOT NULL PRIMARY KEY,
             name       TEXT NOT NULL,
             applied_at TEXT NOT NULL
         )",
    )?;
    let mut statement = connection.prepare("SELECT number FROM sluice_migration")?;
    let applied: Vec<u32> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let pending = migrations::pending(SQLITE, &applied).map_err(Fault::FromTheFuture)?;
    for migration in pending {
        connection.execute_batch(migration.sql)?;
        connection.execute(
            "INSERT INTO sluice_migration (number, name, applied_at) VALUES (?1, ?2, datetime('now'))",
            params![migration.number, migration.name],
        )?;
    }
    Ok(())
}

fn strings(connection: &Connection, sql: &str) -> Result<Vec<String>, Fault> {
    let mut statement = connection.prepare(sql)?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}
