//! A session's rows as the tables hold them, beside those that its report makes.

use std::collections::HashMap;

use domain::{Lsid, SiteHost};

use crate::columns::{
    Cell, Row, SESSION, SESSION_EVENT, SESSION_EVENT_DATA, SYSTEM_INFORMATION, SessionRows, TABLES,
    Table,
};
use crate::store::{Store, StoreError, StoredRow};

/// How many differences of one session are named.
const NAMED_MAX: usize = 6;

/// The rows of some sessions.
#[derive(Debug, Default)]
pub(super) struct Stored {
    /// By table and by the id of the row that they belong to; a session's own row by its id.
    rows: HashMap<(&'static str, i64), Vec<StoredRow>>,
}

impl Stored {
    /// Reads what belongs to these sessions.
    pub(super) async fn of<S: Store>(store: &S, sessions: &[i64]) -> Result<Stored, StoreError> {
        let mut stored = Stored::default();
        for table in TABLES {
            for row in store.rows(table, Some(sessions)).await? {
                let of = row.parent.unwrap_or(row.id);
                stored.rows.entry((table.name, of)).or_default().push(row);
            }
        }
        Ok(stored)
    }

    /// Whether there is this session under this id, which may be another's by now.
    pub(super) fn has(&self, session_id: i64, site: &SiteHost, lsid: &Lsid) -> bool {
        let cell = |row: &StoredRow, column| row.cells[SESSION.place(column)].clone();
        self.rows(&SESSION, session_id).iter().any(|row| {
            // Other programs wrote host names as they were typed.
            let host_name = cell(row, "host_name").map(|name| name.to_lowercase());
            host_name.as_deref() == Some(site.as_str())
                && cell(row, "lsid").as_deref() == Some(lsid.as_str())
        })
    }

    fn rows(&self, table: &Table, of: i64) -> &[StoredRow] {
        self.rows.get(&(table.name, of)).map_or(&[], Vec::as_slice)
    }

    /// How a session's rows differ from those that its report makes; nothing if they do not.
    pub(super) fn differs(&self, session_id: i64, report: &SessionRows) -> Option<String> {
        let mut found = Differences::default();
        let session = std::slice::from_ref(&report.session);
        found.compare(&SESSION, self.rows(&SESSION, session_id), session);
        for (table, rows) in report.leaves() {
            found.compare(table, self.rows(table, session_id), rows);
        }
        let events: Vec<&Row> = report.events.iter().map(|event| &event.event).collect();
        let stored = self.rows(&SESSION_EVENT, session_id);
        found.compare(&SESSION_EVENT, stored, events);
        if stored.len() == report.events.len() {
            for (stored, event) in stored.iter().zip(&report.events) {
                found.compare(
                    &SESSION_EVENT_DATA,
                    self.rows(&SESSION_EVENT_DATA, stored.id),
                    &event.data,
                );
                let information = self.rows(&SYSTEM_INFORMATION, stored.id);
                // Whether it is stored at all is a setting, which may have been another.
                if !information.is_empty() {
                    found.compare(&SYSTEM_INFORMATION, information, &event.system_information);
                }
            }
        }
        found.told()
    }
}

/// What differs: how many rows there are and should be by table, and how many cells by column.
#[derive(Debug, Default)]
struct Differences {
    counts: Vec<(&'static str, usize, usize)>,
    cells: Vec<(&'static str, &'static str, usize)>,
}

impl Differences {
    fn compare<'r>(
        &mut self,
        table: &Table,
        stored: &[StoredRow],
        report: impl IntoIterator<Item = &'r Row, IntoIter: ExactSizeIterator>,
    ) {
        let report = report.into_iter();
        if stored.len() != report.len() {
            match self.counts.iter_mut().find(|(name, ..)| *name == table.name) {
                Some((_, has, says)) => (*has, *says) = (*has + stored.len(), *says + report.len()),
                None => self.counts.push((table.name, stored.len(), report.len())),
            }
            return;
        }
        for (stored, row) in stored.iter().zip(report) {
            for ((column, stored), cell) in table.columns.iter().zip(&stored.cells).zip(row) {
                if *stored != text(cell) {
                    self.note(table.name, column.name);
                }
            }
        }
    }

    fn note(&mut self, table: &'static str, column: &'static str) {
        match self.cells.iter_mut().find(|(of, name, _)| (*of, *name) == (table, column)) {
            Some((.., cells)) => *cells += 1,
            None => self.cells.push((table, column, 1)),
        }
    }

    fn told(self) -> Option<String> {
        let counts = self
            .counts
            .into_iter()
            .map(|(table, has, says)| format!("{table} has {has} rows, the report makes {says}"));
        let cells = self.cells.into_iter().map(|(table, column, cells)| match cells {
            1 => format!("{table}.{column} differs"),
            _ => format!("{table}.{column} differs in {cells} rows"),
        });
        let mut told: Vec<String> = counts.chain(cells).collect();
        if told.is_empty() {
            return None;
        }
        let more = told.len().saturating_sub(NAMED_MAX);
        told.truncate(NAMED_MAX);
        if more > 0 {
            told.push(format!("and {more} more"));
        }
        Some(told.join("; "))
    }
}

/// A cell as a database shows it.
fn text(cell: &Cell) -> Option<String> {
    match cell {
        Cell::Null => None,
        Cell::Text(text) => Some(text.clone()),
        Cell::Integer(number) => Some(number.to_string()),
        Cell::Time(time) => Some(time.format("%Y-%m-%d %H:%M:%S").to_string()),
    }
}
