use std::collections::HashMap;
use std::fmt;

use super::{Store, StoreError};
use crate::columns::{TABLES, Table};

/// A row as a database holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRow {
    /// Its id.
    pub id: i64,
    /// The id of the row that it belongs to, if it belongs to any.
    pub parent: Option<i64>,
    /// Its cells in the order of the table's columns, as text: times as `YYYY-MM-DD HH:MM:SS`.
    pub cells: Vec<Option<String>>,
}

/// What a database holds, without its identities: equal for two databases exactly when they tell the same.
///
/// Made for comparisons (of two databases, of a database and an expectation) by tests and by people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dump {
    /// Each of the eight tables and the ledger: its name, and a line for each row, sorted. A line begins with the
    /// natural key: host name and LSID, and the row's place among those of its session or event.
    pub tables: Vec<(&'static str, Vec<String>)>,
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (table, lines) in &self.tables {
            writeln!(f, "== {table}")?;
            for line in lines {
                writeln!(f, "{line}")?;
            }
        }
        Ok(())
    }
}

/// Dumps a database.
///
/// # Errors
/// When it can't be read.
pub async fn dump<S: Store>(store: &S) -> Result<Dump, StoreError> {
    let mut keys: HashMap<&'static str, HashMap<i64, String>> = HashMap::new();
    let mut tables = Vec::new();
    for table in TABLES {
        let rows = store.rows(table, None).await?;
        let named = natural_keys(table, &rows, &keys);
        tables.push((table.name, lines(&rows, &named)));
        keys.insert(table.name, rows.iter().map(|row| row.id).zip(named).collect());
    }
    let sessions = &keys[TABLES[0].name];
    let mut ledger: Vec<String> = Vec::new();
    for (host_name, lsid, row) in store.ledger_rows().await? {
        let session = sessions.get(&row.session_id).map_or("(gone)", String::as_str);
        ledger.push(format!("{host_name}/{lsid} {} {} -> {session}", row.revision, row.content));
    }
    ledger.sort();
    tables.push(("sluice_ledger", ledger));
    Ok(Dump { tables })
}

/// By which each row is known without its id.
fn natural_keys(
    table: &Table,
    rows: &[StoredRow],
    keys: &HashMap<&'static str, HashMap<i64, String>>,
) -> Vec<String> {
    let cell = |row: &StoredRow, name: &str| {
        let place = table.columns.iter().position(|column| column.name == name);
        place.and_then(|place| row.cells[place].clone()).unwrap_or_default()
    };
    let mut siblings: HashMap<String, usize> = HashMap::new();
    let mut named = Vec::with_capacity(rows.len());
    for row in rows {
        let of = match &table.parent {
            None => format!("{}/{}", cell(row, "host_name"), cell(row, "lsid")),
            Some(parent) => row
                .parent
                .and_then(|id| keys.get(parent.table)?.get(&id).cloned())
                .unwrap_or_else(|| "(orphan)".to_owned()),
        };
        let place = siblings.entry(of.clone()).and_modify(|place| *place += 1).or_insert(1);
        named.push(match (&table.parent, *place) {
            (None, 1) => of,
            (None, place) => format!("{of} (twice: {place})"),
            (Some(_), place) => format!("{of}#{place:05}"),
        });
    }
    named
}

fn lines(rows: &[StoredRow], named: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = rows
        .iter()
        .zip(named)
        .map(|(row, key)| {
            let cells: Vec<String> = row
                .cells
                .iter()
                .map(|cell| cell.as_ref().map_or("NULL".to_owned(), |text| format!("{text:?}")))
                .collect();
            format!("{key} | {}", cells.join(" | "))
        })
        .collect();
    lines.sort();
    lines
}
