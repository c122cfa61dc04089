//! The schema of a SQL Server database: read from its catalog, and brought up to date in one transaction.

use std::collections::BTreeMap;

use super::connection::Connection;
use super::fault::Fault;
use super::{integer, string};
use crate::store::migrations::{OWN_TABLES, SQL_SERVER_MIGRATIONS};
use crate::store::schema::{Asked, Found, Migrate, Refusal, Todo};
use crate::store::survey::{self, Engine, FoundColumn, FoundReference, FoundTable};

/// What there is.
pub(super) const NAMES: &str = "SELECT LOWER(name) FROM sys.objects WHERE schema_id = SCHEMA_ID(N'dbo') AND type IN (N'U', N'V')";

/// Where the login is, whether it is an owner, who may do anything, and whether it may make tables.
const LOGIN: &str = "
    SELECT DB_NAME(), CAST(COALESCE(IS_ROLEMEMBER(N'db_owner'), 0) AS bigint),
           COALESCE(CAST(HAS_PERMS_BY_NAME(DB_NAME(), N'DATABASE', N'CREATE TABLE') AS bigint), 0)";

/// What every server has, and makes anew or copies as it likes.
const SYSTEM_DATABASES: [&str; 4] = ["master", "model", "msdb", "tempdb"];

const COLUMNS: &str = "
    SELECT c.TABLE_NAME, t.TABLE_TYPE, c.COLUMN_NAME, c.DATA_TYPE,
           COALESCE(CAST(c.CHARACTER_MAXIMUM_LENGTH AS bigint), -1),
           COALESCE(CAST(COLUMNPROPERTY(OBJECT_ID(N'dbo.' + QUOTENAME(c.TABLE_NAME)), c.COLUMN_NAME, N'IsIdentity') AS bigint), 0)
    FROM INFORMATION_SCHEMA.COLUMNS c
    JOIN INFORMATION_SCHEMA.TABLES t ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME
    WHERE c.TABLE_SCHEMA = N'dbo'";

const REFERENCES: &str = "
    SELECT OBJECT_NAME(f.parent_object_id), f.name, COL_NAME(k.parent_object_id, k.parent_column_id),
           OBJECT_NAME(f.referenced_object_id), CAST(f.delete_referential_action AS bigint)
    FROM sys.foreign_keys f
    JOIN sys.foreign_key_columns k ON k.constraint_object_id = f.object_id";

/// How many sessions are there, and how many of them more than once.
const SESSIONS: &str = "
    SELECT COUNT_BIG(*) FROM dbo.session
    UNION ALL
    SELECT COUNT_BIG(*) FROM (SELECT MIN(id) AS id FROM dbo.session GROUP BY LOWER(host_name COLLATE Latin1_General_BIN2), lsid HAVING COUNT(*) > 1) d";

/// Rights that a login lacks. A table that it may not even see is none for it.
const MISSING_RIGHTS: &str = "
    SELECT r.name + N' on ' + t.name
    FROM (VALUES (N'dbo.session', 4), (N'dbo.session_event', 4), (N'dbo.session_event_data', 4),
                 (N'dbo.system_information', 4), (N'dbo.representative', 4), (N'dbo.customer', 4), (N'dbo.team', 4),
                 (N'dbo.custom_attribute', 4), (N'dbo.sluice_ledger', 4), (N'dbo.sluice_route', 4),
                 (N'dbo.sluice_database', 3), (N'dbo.sluice_adoption', 1), (N'dbo.sluice_migration', 1),
                 (N'dbo.sluice_adopted', 4)) t (name, needs)
    JOIN (VALUES (N'SELECT', 1), (N'INSERT', 2), (N'UPDATE', 3), (N'DELETE', 4)) r (name, place) ON r.place <= t.needs
    WHERE COALESCE(HAS_PERMS_BY_NAME(t.name, N'OBJECT', r.name), 0) = 0
    ORDER BY t.name, r.place";

const GRANTS: &str = "schema/sqlserver/grants.sql has the statements that give it all of them; what it can't even see may be \
    gone, and `sluice migrate --to` it puts it back, with a login that may make tables (the role db_ddladmin)";
const MAKE: &str = "if the database was prepared, it may not see its tables (schema/sqlserver/grants.sql has the statements \
    that let it); if not, run `sluice migrate --to` it with a login that may make tables (the role db_ddladmin)";

/// How many rights are named before the rest is counted.
const RIGHTS_NAMED_MAX: usize = 4;

/// What was found and done.
pub(super) struct Prepared {
    pub(super) todo: Todo,
    pub(super) found: Option<Found>,
    /// Whether sessions of another program may be here.
    pub(super) adopts: bool,
}

/// Does what is asked of the schema, within a transaction of the caller's, which holds the lock that all our writers
/// share: so of two that start at once, one finds all done.
pub(super) async fn prepare(connection: &mut Connection, asked: Asked) -> Result<Prepared, Fault> {
    let login = connection.query(LOGIN, &[]).await?;
    let login = login.first().ok_or(Fault::Damaged { what: "database", text: String::new() })?;
    let (database, is_owner) = (string(login, 0)?, integer(login, 1)? == 1);
    let may_make_tables = is_owner || integer(login, 2)? == 1;
    if SYSTEM_DATABASES.contains(&database.to_lowercase().as_str()) {
        return Err(Fault::Refused(Refusal::SystemDatabase(database)));
    }
    let names = connection.query(NAMES, &[]).await?;
    let names: Vec<String> = names.iter().map(|row| string(row, 0)).collect::<Result<_, _>>()?;
    let is_ours = names.iter().any(|name| name == OWN_TABLES[0]);
    let applied = match is_ours {
        true => applied(connection).await?,
        false => Vec::new(),
    };
    let sees_none = !names.iter().any(|name| survey::is_one_of_ours(name));
    let mut tables: Vec<FoundTable> = names.into_iter().map(FoundTable::named).collect();
    // A whole catalog takes a while to be read, and tells more than the names do only of somebody else's tables, or where
    // some are gone.
    let is_whole = is_ours && survey::lost(&tables).is_empty();
    if !sees_none && !is_whole {
        tables = catalog(connection).await?;
    }
    let todo = Todo::of(&tables, &applied, Engine::SqlServer, asked, may_make_tables);
    let todo = match todo {
        // Where there is something to see, it is not for this login.
        Err(Refusal::Unmigrated(_)) if sees_none && !may_make_tables => {
            return Err(Fault::Rights {
                missing: format!("SELECT on dbo.{}", OWN_TABLES[0]),
                cure: MAKE,
            });
        }
        todo => todo.map_err(Fault::Refused)?,
    };
    let found = match todo.adopts {
        true => Some(sessions(connection).await?),
        false => None,
    };
    let makes = !todo.is_nothing() && asked != Asked::Person(Migrate::Plan);
    if makes && !may_make_tables {
        return Err(Fault::Rights { missing: "CREATE TABLE".to_owned(), cure: MAKE });
    }
    if matches!(asked, Asked::Person(Migrate::Plan | Migrate::Try)) {
        return Ok(Prepared { todo, found, adopts: false });
    }
    if makes {
        apply(connection, &todo, found).await?;
    }
    if !is_owner {
        rights(connection).await?;
    }
    let rows = connection.query("SELECT sessions FROM dbo.sluice_adoption", &[]).await?;
    Ok(Prepared { todo, found, adopts: !rows.is_empty() })
}

async fn apply(
    connection: &mut Connection,
    todo: &Todo,
    found: Option<Found>,
) -> Result<(), Fault> {
    connection.batch(SQL_SERVER_MIGRATIONS).await?;
    for step in todo.steps(Engine::SqlServer) {
        connection.batch(&step.sql).await?;
    }
    for migration in &todo.migrations {
        let entry = "INSERT INTO dbo.sluice_migration (number, [name])
                     SELECT CAST(@P1 AS bigint), @P2
                     WHERE NOT EXISTS (SELECT 1 FROM dbo.sluice_migration WHERE number = CAST(@P1 AS bigint))";
        connection.query(entry, &[&migration.number.to_string(), migration.name]).await?;
    }
    if let Some(found) = found {
        let entry = "INSERT INTO dbo.sluice_adoption (one, sessions) VALUES (1, @P1)";
        connection.query(entry, &[&found.sessions.to_string()]).await?;
    }
    Ok(())
}

async fn catalog(connection: &mut Connection) -> Result<Vec<FoundTable>, Fault> {
    let mut tables: BTreeMap<String, FoundTable> = BTreeMap::new();
    for row in connection.query(COLUMNS, &[]).await? {
        let name = string(&row, 0)?.to_lowercase();
        let table = tables.entry(name.clone()).or_default();
        table.name = name;
        table.is_view = string(&row, 1)? != "BASE TABLE";
        table.columns.push(FoundColumn {
            name: string(&row, 2)?.to_lowercase(),
            kind: string(&row, 3)?.to_lowercase(),
            length: usize::try_from(integer(&row, 4)?).ok(),
            is_generated: integer(&row, 5)? == 1,
        });
    }
    for row in connection.query(REFERENCES, &[]).await? {
        if let Some(table) = tables.get_mut(&string(&row, 0)?.to_lowercase()) {
            table.references.push(FoundReference {
                name: string(&row, 1)?,
                column: string(&row, 2)?.to_lowercase(),
                to: string(&row, 3)?.to_lowercase(),
                cascades: integer(&row, 4)? == 1,
            });
        }
    }
    Ok(tables.into_values().collect())
}

/// Whether all our tables are there.
pub(super) fn check_tables(names: Vec<String>) -> Result<(), Fault> {
    let found: Vec<FoundTable> = names.into_iter().map(FoundTable::named).collect();
    let lost = survey::lost(&found);
    if lost.is_empty() { Ok(()) } else { Err(Fault::Lost(lost)) }
}

async fn applied(connection: &mut Connection) -> Result<Vec<u32>, Fault> {
    let rows = connection.query("SELECT number FROM dbo.sluice_migration", &[]).await?;
    let number = |row| Ok(u32::try_from(integer(row, 0)?).unwrap_or(u32::MAX));
    rows.iter().map(number).collect()
}

async fn sessions(connection: &mut Connection) -> Result<Found, Fault> {
    let rows = connection.query(SESSIONS, &[]).await?;
    let count = |place: usize| rows.get(place).map_or(Ok(0), |row| integer(row, 0));
    Ok(Found { sessions: count(0)?.cast_unsigned(), doubles: count(1)?.cast_unsigned() })
}

async fn rights(connection: &mut Connection) -> Result<(), Fault> {
    let rows = connection.query(MISSING_RIGHTS, &[]).await?;
    let missing: Vec<String> = rows.iter().map(|row| string(row, 0)).collect::<Result<_, _>>()?;
    if missing.is_empty() {
        return Ok(());
    }
    let named = missing[..missing.len().min(RIGHTS_NAMED_MAX)].join(", ");
    let missing = match missing.len().saturating_sub(RIGHTS_NAMED_MAX) {
        0 => named,
        more => format!("{named} and {more} more"),
    };
    Err(Fault::Rights { missing, cure: GRANTS })
}
