//! Texts of statements that both engines take: names in brackets are SQL Server's and understood by SQLite.

use crate::columns::{SESSION, Table};

impl Table {
    /// Its columns, for a list, each after this prefix.
    pub(super) fn column_list(&self, prefix: &str) -> String {
        let columns: Vec<String> =
            self.columns.iter().map(|column| format!("{prefix}[{}]", column.name)).collect();
        columns.join(", ")
    }

    /// The column that refers to its parent, with a comma, or nothing.
    pub(super) fn parent_column(&self) -> String {
        self.parent.as_ref().map(|parent| format!("[{}], ", parent.column)).unwrap_or_default()
    }

    /// The place of a column.
    ///
    /// # Panics
    /// When there is none of this name.
    pub(crate) fn place(&self, name: &str) -> usize {
        let place = self.columns.iter().position(|column| column.name == name);
        place.expect("a column of this table")
    }

    /// The condition that its rows belong to these sessions; none where all rows are meant. Names of tables begin with
    /// this prefix.
    pub(super) fn condition(&self, sessions: Option<&[i64]>, prefix: &str) -> String {
        let Some(sessions) = sessions else { return String::new() };
        let ids: Vec<String> = sessions.iter().map(i64::to_string).collect();
        let ids = match ids.is_empty() {
            true => "NULL".to_owned(),
            false => ids.join(", "),
        };
        match &self.parent {
            None => format!("WHERE id IN ({ids})"),
            Some(parent) if parent.table == SESSION.name => {
                format!("WHERE {} IN ({ids})", parent.column)
            }
            Some(parent) => format!(
                "WHERE {} IN (SELECT id FROM {prefix}{} WHERE session_id IN ({ids}))",
                parent.column, parent.table
            ),
        }
    }

    /// For each column "column = prefix.column".
    pub(super) fn assignments(&self, value: impl Fn(usize, &str) -> String) -> String {
        let assignments: Vec<String> = self
            .columns
            .iter()
            .enumerate()
            .map(|(place, column)| format!("[{}] = {}", column.name, value(place, column.name)))
            .collect();
        assignments.join(", ")
    }
}
