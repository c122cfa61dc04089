//! The schema of a SQLite database: read from the file, and brought up to date in one transaction.

use rusqlite::{Connection, params};

use super::keeper::Fault;
use crate::store::migrations::{OWN_TABLES, SQLITE_MIGRATIONS};
use crate::store::schema::{Asked, Found, Migrate, Todo};
use crate::store::survey::{Engine, FoundColumn, FoundReference, FoundTable};

/// What was found and done.
pub(super) struct Prepared {
    pub(super) todo: Todo,
    pub(super) found: Option<Found>,
}

/// Does what is asked of the schema, within a transaction of the caller's: so of two that start at once, one finds all
/// done.
pub(super) fn prepare(connection: &Connection, asked: Asked) -> Result<Prepared, Fault> {
    let tables = catalog(connection)?;
    let applied = match tables.iter().any(|table| table.name == OWN_TABLES[0]) {
        true => applied(connection)?,
        false => Vec::new(),
    };
    let todo = Todo::of(&tables, &applied, Engine::Sqlite, asked, true).map_err(Fault::Refused)?;
    let found = match todo.adopts {
        true => Some(sessions(connection)?),
        false => None,
    };
    let only_asks = matches!(asked, Asked::Person(Migrate::Plan | Migrate::Try));
    if !only_asks && !todo.is_nothing() {
        apply(connection, &todo, found)?;
    }
    Ok(Prepared { todo, found })
}

fn apply(connection: &Connection, todo: &Todo, found: Option<Found>) -> Result<(), Fault> {
    connection.execute_batch(SQLITE_MIGRATIONS)?;
    for step in todo.steps(Engine::Sqlite) {
        connection.execute_batch(&step.sql)?;
    }
    for migration in &todo.migrations {
        connection.execute(
            "INSERT OR IGNORE INTO sluice_migration (number, name, applied_at) VALUES (?1, ?2, datetime('now'))",
            params![migration.number, migration.name],
        )?;
    }
    if let Some(found) = found {
        connection.execute(
            "INSERT INTO sluice_adoption (one, sessions, adopted_at) VALUES (1, ?1, datetime('now'))",
            [found.sessions.cast_signed()],
        )?;
    }
    Ok(())
}

fn catalog(connection: &Connection) -> Result<Vec<FoundTable>, Fault> {
    let mut named = connection
        .prepare("SELECT name, type = 'view' FROM sqlite_master WHERE type IN ('table', 'view')")?;
    let names: Vec<(String, bool)> =
        named.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let found = |(name, is_view): (String, bool)| {
        let mut found = FoundTable { is_view, ..FoundTable::named(name.to_lowercase()) };
        // A view whose table is gone has no columns to tell.
        if !is_view {
            found.columns = columns(connection, &name)?;
            found.references = references(connection, &name)?;
        }
        Ok(found)
    };
    names.into_iter().map(found).collect()
}

fn columns(connection: &Connection, table: &str) -> Result<Vec<FoundColumn>, Fault> {
    let mut statement = connection.prepare("SELECT name, type, pk FROM pragma_table_info(?1)")?;
    let column = |row: &rusqlite::Row<'_>| {
        Ok(FoundColumn {
            name: row.get::<_, String>(0)?.to_lowercase(),
            kind: row.get::<_, String>(1)?.to_lowercase(),
            length: None,
            is_generated: row.get::<_, i64>(2)? == 1,
        })
    };
    Ok(statement.query_map([table], column)?.collect::<Result<_, _>>()?)
}

fn references(connection: &Connection, table: &str) -> Result<Vec<FoundReference>, Fault> {
    let mut statement = connection
        .prepare("SELECT \"from\", \"table\", on_delete FROM pragma_foreign_key_list(?1)")?;
    let reference = |row: &rusqlite::Row<'_>| {
        Ok(FoundReference {
            name: String::new(),
            column: row.get::<_, String>(0)?.to_lowercase(),
            to: row.get::<_, String>(1)?.to_lowercase(),
            cascades: row.get::<_, String>(2)? == "CASCADE",
        })
    };
    Ok(statement.query_map([table], reference)?.collect::<Result<_, _>>()?)
}

fn applied(connection: &Connection) -> Result<Vec<u32>, Fault> {
    let mut statement = connection.prepare("SELECT number FROM sluice_migration")?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

fn sessions(connection: &Connection) -> Result<Found, Fault> {
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    Ok(Found {
        sessions: count("SELECT COUNT(*) FROM session")?.cast_unsigned(),
        doubles: count(
            "SELECT COUNT(*) FROM (SELECT 1 FROM session GROUP BY lower(host_name), lsid HAVING COUNT(*) > 1)",
        )?
        .cast_unsigned(),
    })
}
