/// A numbered change of the schema. It can run twice.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Migration {
    pub(crate) number: u32,
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
}

/// A program that is older than the database.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FromTheFuture {
    pub(crate) found: u32,
    pub(crate) known: u32,
}

pub(crate) const SQLITE: &[Migration] = &[
    Migration {
        number: 1,
        name: "tables",
        sql: include_str!("../../../../schema/sqlite/0001-tables.sql"),
    },
    Migration {
        number: 2,
        name: "indexes",
        sql: include_str!("../../../../schema/sqlite/0002-indexes.sql"),
    },
    Migration {
        number: 3,
        name: "adopted",
        sql: include_str!("../../../../schema/sqlite/0003-adopted.sql"),
    },
];

pub(crate) const SQL_SERVER: &[Migration] = &[
    Migration {
        number: 1,
        name: "tables",
        sql: include_str!("../../../../schema/sqlserver/0001-tables.sql"),
    },
    Migration {
        number: 2,
        name: "indexes",
        sql: include_str!("../../../../schema/sqlserver/0002-indexes.sql"),
    },
    Migration {
        number: 3,
        name: "adopted",
        sql: include_str!("../../../../schema/sqlserver/0003-adopted.sql"),
    },
];

/// The tables that are ours beside the eight. `sluice_migration` is made before any migration runs.
pub(crate) const OWN_TABLES: [&str; 6] = [
    "sluice_migration",
    "sluice_ledger",
    "sluice_database",
    "sluice_route",
    "sluice_adoption",
    "sluice_adopted",
];

/// Made before any migration.
pub(crate) const SQLITE_MIGRATIONS: &str = "CREATE TABLE IF NOT EXISTS sluice_migration (
    number     INTEGER NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL,
    applied_at TEXT NOT NULL
)";

/// Made before any migration.
pub(crate) const SQL_SERVER_MIGRATIONS: &str = "IF OBJECT_ID(N'dbo.sluice_migration', N'U') IS NULL
    CREATE TABLE dbo.sluice_migration (
        number     bigint NOT NULL CONSTRAINT pk_sluice_migration PRIMARY KEY,
        [name]     nvarchar(200) NOT NULL,
        applied_at datetime2(0) NOT NULL
            CONSTRAINT df_sluice_migration_applied_at DEFAULT SYSUTCDATETIME()
    )";

/// Those of `all` that a database still needs, in order.
pub(crate) fn pending(
    all: &'static [Migration],
    applied: &[u32],
) -> Result<Vec<&'static Migration>, FromTheFuture> {
    let known = all.iter().map(|migration| migration.number).max().unwrap_or(0);
    match applied.iter().copied().max() {
        Some(found) if found > known => Err(FromTheFuture { found, known }),
        _ => Ok(all.iter().filter(|migration| !applied.contains(&migration.number)).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_numbered_from_one_without_gaps_and_alike_on_both_engines() {
        for all in [SQLITE, SQL_SERVER] {
            let numbers: Vec<u32> = all.iter().map(|migration| migration.number).collect();
            assert_eq!(numbers, (1..=all.len() as u32).collect::<Vec<_>>());
        }
        assert_eq!(SQLITE.len(), SQL_SERVER.len());
    }

    #[test]
    fn what_was_applied_is_not_applied_again() {
        assert_eq!(pending(SQLITE, &[]).expect("a new database").len(), SQLITE.len());
        let all: Vec<u32> = SQLITE.iter().map(|migration| migration.number).collect();
        assert!(pending(SQLITE, &all).expect("an up-to-date database").is_empty());
    }

    #[test]
    fn a_database_from_the_future_is_refused() {
        let known = SQLITE.len() as u32;
        assert_eq!(
            pending(SQLITE, &[1, known + 1]).err(),
            Some(FromTheFuture { found: known + 1, known })
        );
    }
}
