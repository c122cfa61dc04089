use crate::columns::TABLES;

/// A numbered change of the schema. It can run twice.
#[derive(Debug)]
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

pub(crate) const SQLITE: &[Migration] = &[Migration {
    number: 1,
    name: "tables",
    sql: include_str!("../../../../schema/sqlite/0001-tables.sql"),
}];

pub(crate) const SQL_SERVER: &[Migration] = &[Migration {
    number: 1,
    name: "tables",
    sql: include_str!("../../../../schema/sqlserver/0001-tables.sql"),
}];

/// The tables that are ours beside the eight. `sluice_migration` is made before any migration runs.
pub(crate) const OWN_TABLES: [&str; 4] =
    ["sluice_migration", "sluice_ledger", "sluice_database", "sluice_route"];

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

/// A table of ours in a database that no migration of ours was applied to: then it is somebody else's.
pub(crate) fn foreign_table(tables: &[String]) -> Option<&String> {
    let ours =
        |table: &str| TABLES.iter().any(|ours| ours.name == table) || OWN_TABLES.contains(&table);
    match tables.iter().any(|table| table == OWN_TABLES[0]) {
        true => None,
        false => tables.iter().find(|table| ours(&table.to_ascii_lowercase())),
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

    #[test]
    fn a_table_of_our_name_is_somebody_elses_unless_our_migrations_are_there() {
        let tables =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(foreign_table(&tables(&["invoice"])), None);
        assert_eq!(foreign_table(&tables(&["invoice", "Session"])), Some(&"Session".to_owned()));
        assert_eq!(foreign_table(&tables(&["session", "sluice_migration"])), None);
    }
}
