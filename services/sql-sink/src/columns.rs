//! Which cell of which table holds what of a report: a pure mapping, the same for every engine.

mod map;
mod system_information;
mod tables;

pub use map::{EventRows, SessionRows};
pub use tables::{
    CUSTOM_ATTRIBUTE, CUSTOMER, Column, Holds, Parent, REPRESENTATIVE, SESSION, SESSION_EVENT,
    SESSION_EVENT_DATA, SYSTEM_INFORMATION, TABLES, TEAM, Table,
};

use chrono::{DateTime, Utc};

/// What a column of a row holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// Nothing: the report does not say, or says what the column can't hold.
    Null,
    /// Unicode text, without U+0000.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// An instant, in whole seconds, between the years 1 and 9999.
    Time(DateTime<Utc>),
}

/// The cells of one row in the order of [`Table::columns`].
pub type Row = Vec<Cell>;

#[cfg(test)]
mod tests;
