//! Texts of statements that both engines take: names in brackets are SQL Server's and understood by SQLite.

use crate::columns::Table;

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
