//! Tables of ours that a person dropped. They are made anew, empty; what was left beside them must not be taken for what
//! it no longer is.

use super::StoreError;
use super::schema::SchemaStep;
use super::survey::{Change, Engine, Foreign, FoundReference, FoundTable};
use crate::columns::{SESSION, SESSION_EVENT, TABLES, Table};

const LEDGER: &str = "sluice_ledger";
const ADOPTION: &str = "sluice_adoption";

/// A table whose rows refer to another than the lost one that they belonged to: that was renamed, it seems, and not lost.
pub(super) fn renamed(lost: &[&'static str], found: &[FoundTable]) -> Option<Foreign> {
    let parents = TABLES.iter().filter_map(|table| Some((table, table.parent.as_ref()?)));
    parents.filter(|(_, parent)| lost.contains(&parent.table)).find_map(|(table, parent)| {
        let child = found.iter().find(|found| found.name == table.name)?;
        let is_elsewhere = |to: &&FoundReference| to.column == parent.column && to.to != parent.table;
        let to = &child.references.iter().find(is_elsewhere)?.to;
        let why = format!(
            "the rows of {} belong to it, and there is no table {} any more: if that was renamed, give it back its name",
            table.name, parent.table
        );
        Some(Foreign { table: to.clone(), why })
    })
}

/// What is done once the lost tables are there again.
pub(super) fn steps(
    lost: &[&'static str],
    found: &[FoundTable],
    engine: Engine,
) -> Vec<SchemaStep> {
    let left = || TABLES.into_iter().filter(|table| !lost.contains(&table.name));
    // Ids are given anew from 1: rows that were left would belong to whichever session or event gets theirs.
    let mut steps: Vec<SchemaStep> =
        left().rev().filter(|table| is_orphaned(table, lost)).map(|t| emptied(t, engine)).collect();
    if engine == Engine::SqlServer {
        let cascades = left().filter_map(|table| cascade(table, lost, found));
        steps.extend(cascades.map(|change| change.step(engine)));
    }
    if !lost.contains(&SESSION.name) {
        // Whether another program's sessions are here is not known any more. To look costs little.
        if lost.contains(&ADOPTION) {
            steps.push(looked_up(engine));
        }
        if lost.contains(&LEDGER) {
            steps.push(entered(engine));
        }
    }
    steps
}

/// As an error about this database.
pub(super) fn error(lost: &[&'static str], place: String) -> StoreError {
    StoreError::Lost { place, tables: told(lost).unwrap_or_default() }
}

/// The tables, for people, and what fills them again.
pub(super) fn told(lost: &[&'static str]) -> Option<String> {
    if lost.is_empty() {
        return None;
    }
    let is_content =
        |name: &&str| *name == LEDGER || TABLES.iter().any(|table| table.name == *name);
    let cure = match lost.iter().any(is_content) {
        true => ", until `sluice replay --to` it has written again what came through the log",
        false => "",
    };
    Some(format!("{}, which it had (made anew they are empty{cure})", lost.join(", ")))
}

fn is_orphaned(table: &Table, lost: &[&'static str]) -> bool {
    let parent = table.parent.as_ref().map(|parent| parent.table);
    let grandparent = (parent == Some(SESSION_EVENT.name)).then_some(SESSION.name);
    parent.into_iter().chain(grandparent).any(|name| lost.contains(&name))
}

fn emptied(table: &Table, engine: Engine) -> SchemaStep {
    let name = table.name;
    let sql = match engine {
        // At once, however many rows there are; not allowed where keys refer to it.
        Engine::SqlServer if name != SESSION_EVENT.name => format!("TRUNCATE TABLE dbo.{name}"),
        Engine::SqlServer => format!("DELETE FROM dbo.{name}"),
        Engine::Sqlite => format!("DELETE FROM {name}"),
    };
    SchemaStep { what: format!("empty {name}, whose rows belonged to rows that are gone"), sql }
}

/// Who drops a table that others refer to drops their keys first. Beside ids of another type than ours, no key can be.
fn cascade(table: &'static Table, lost: &[&'static str], found: &[FoundTable]) -> Option<Change> {
    let parent = table.parent.as_ref().filter(|parent| lost.contains(&parent.table))?;
    let found = found.iter().find(|found| found.name == table.name)?;
    let fits = found.column(parent.column).is_some_and(|column| column.kind == "bigint");
    fits.then(|| Change::Cascade { table, instead_of: Vec::new() })
}

fn looked_up(engine: Engine) -> SchemaStep {
    let sql = match engine {
        Engine::SqlServer => {
            "INSERT INTO dbo.sluice_adoption (one, sessions)
    SELECT 1, COUNT_BIG(*) FROM dbo.session WHERE NOT EXISTS (SELECT 1 FROM dbo.sluice_adoption)"
        }
        Engine::Sqlite => {
            "INSERT OR IGNORE INTO sluice_adoption (one, sessions, adopted_at)
    SELECT 1, COUNT(*), datetime('now') FROM session"
        }
    };
    let what = "let each session be looked for before it is written for the first time";
    SchemaStep { what: what.to_owned(), sql: sql.to_owned() }
}

/// With a revision that is older than any, and the digest of nothing: the next report of each session replaces it, and
/// it keeps its id. So does that of another program's session: which of them had been replaced is not known any more.
fn entered(engine: Engine) -> SchemaStep {
    let digest = domain::Digest::of(b"");
    let sql = match engine {
        Engine::SqlServer => format!(
            "INSERT INTO dbo.sluice_ledger (host_name, lsid, epoch, log_position, content_digest, session_id)
    SELECT s.host_name, s.lsid, 0, 0, N'{digest}', MIN(s.id)
    FROM (SELECT LOWER(host_name COLLATE Latin1_General_BIN2) AS host_name,
                 lsid COLLATE Latin1_General_BIN2 AS lsid, id FROM dbo.session
          WHERE LEN(host_name) <= 255 AND LEN(lsid) <= 200) s
    GROUP BY s.host_name, s.lsid"
        ),
        Engine::Sqlite => format!(
            "INSERT INTO sluice_ledger (host_name, lsid, epoch, log_position, content_digest, session_id, stored_at)
    SELECT lower(host_name), lsid, 0, 0, '{digest}', MIN(id), datetime('now') FROM session
    WHERE host_name IS NOT NULL AND lsid IS NOT NULL
    GROUP BY lower(host_name), lsid"
        ),
    };
    let what =
        "enter the sessions that are there into the ledger, each to be replaced by its next report";
    SchemaStep { what: what.to_owned(), sql }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps_of(lost: &[&'static str]) -> Vec<String> {
        steps(lost, &[], Engine::Sqlite).into_iter().map(|step| step.sql).collect()
    }

    #[test]
    fn what_belonged_to_lost_rows_goes_children_first() {
        assert_eq!(steps_of(&["team"]), [""; 0]);
        assert_eq!(
            steps_of(&["session_event"]),
            ["DELETE FROM system_information", "DELETE FROM session_event_data"]
        );
        let all = steps_of(&["session", "team", LEDGER, ADOPTION]);
        assert_eq!(all.len(), 6, "{all:?}");
        assert_eq!(all[2], "DELETE FROM session_event");
    }

    #[test]
    fn what_fills_a_lost_table_again_is_told_where_something_does() {
        assert_eq!(told(&[]), None);
        assert!(told(&["customer", "team"]).expect("lost").contains("`sluice replay --to`"));
        assert!(!told(&["sluice_adopted"]).expect("lost").contains("replay"));
    }
}
