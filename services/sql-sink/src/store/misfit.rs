use std::collections::HashMap;

use chrono::Datelike;
use domain::{Lsid, SiteHost};

use crate::columns::{Cell, Row, SESSION, SESSION_EVENT, SESSION_EVENT_DATA, SYSTEM_INFORMATION};
use crate::columns::{SessionRows, Table};

/// What a column of a database takes, where that is less than a report may say: the schema was somebody else's, or a
/// person changed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Takes {
    /// Texts up to this many UTF-16 units.
    Text(usize),
    /// Whole numbers up to this one, and down to its negative less one (to 0 where only small ones fit).
    Integer(i64),
    /// Instants from this year on, up to that one.
    Years(i32, i32),
}

/// What columns take, by table and column.
pub(super) type Limits = HashMap<(String, String), Takes>;

/// A value that its column can't hold. Nothing of its session is written: it is never cut.
#[derive(Debug, thiserror::Error)]
#[error(
    "of the session {lsid} of {site}, {table}.{column} would hold {value}, but the column takes {takes}: widen it, and \
     retry the dead letter"
)]
pub(super) struct Misfit {
    lsid: Lsid,
    site: SiteHost,
    table: &'static str,
    column: &'static str,
    value: String,
    takes: String,
    #[source]
    cause: Box<dyn std::error::Error + Send + Sync>,
}

/// The first value of a session that its column can't hold; else the cause, as it was.
pub(super) fn explained(
    (site, lsid): (&SiteHost, &Lsid),
    rows: &SessionRows,
    limits: &Limits,
    cause: Box<dyn std::error::Error + Send + Sync>,
) -> Box<dyn std::error::Error + Send + Sync> {
    let Some((table, column, value, takes)) = first(rows, limits) else { return cause };
    let (lsid, site) = (lsid.clone(), site.clone());
    Box::new(Misfit { lsid, site, table: table.name, column, value, takes, cause })
}

type Found = (&'static Table, &'static str, String, String);

fn first(rows: &SessionRows, limits: &Limits) -> Option<Found> {
    let in_table = |table: &'static Table, rows: &[Row]| {
        rows.iter().find_map(|row| in_row(table, row, limits))
    };
    in_row(&SESSION, &rows.session, limits)
        .or_else(|| rows.leaves().into_iter().find_map(|(table, rows)| in_table(table, rows)))
        .or_else(|| {
            rows.events.iter().find_map(|event| {
                in_row(&SESSION_EVENT, &event.event, limits)
                    .or_else(|| in_table(&SESSION_EVENT_DATA, &event.data))
                    .or_else(|| in_table(&SYSTEM_INFORMATION, &event.system_information))
            })
        })
}

fn in_row(table: &'static Table, row: &Row, limits: &Limits) -> Option<Found> {
    table.columns.iter().zip(row).find_map(|(column, cell)| {
        let takes = limits.get(&(table.name.to_owned(), column.name.to_owned()))?;
        let (value, takes) = misfit(cell, *takes)?;
        Some((table, column.name, value, takes))
    })
}

/// How long a value is that does not fit, and what would.
fn misfit(cell: &Cell, takes: Takes) -> Option<(String, String)> {
    match (cell, takes) {
        (Cell::Text(text), Takes::Text(most)) => {
            let length = text.encode_utf16().count();
            (length > most)
                .then(|| (format!("a text of {length} characters"), format!("{most} at most")))
        }
        (Cell::Integer(number), Takes::Integer(most)) => {
            let least = if most == i64::from(u8::MAX) { 0 } else { -most - 1 };
            let fits = (least..=most).contains(number);
            (!fits).then(|| (format!("the number {number}"), format!("{least} to {most}")))
        }
        (Cell::Time(instant), Takes::Years(first, last)) => {
            let fits = (first..=last).contains(&instant.year());
            (!fits).then(|| (format!("the time {instant}"), format!("the years {first} to {last}")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_told_with_its_length_and_with_what_would() {
        let year = |year: i64| {
            let secs = (year - 1970) * 31_556_952;
            Cell::Time(chrono::DateTime::from_timestamp(secs, 0).expect("a time"))
        };
        let text = |text: &str| Cell::Text(text.to_owned());
        let cases = [
            (text("abc"), Takes::Text(3), None),
            (text("abcd"), Takes::Text(3), Some("a text of 4 characters; 3 at most")),
            (text("🦀🦀"), Takes::Text(3), Some("a text of 4 characters; 3 at most")),
            (Cell::Integer(-128), Takes::Integer(127), None),
            (Cell::Integer(-1), Takes::Integer(255), Some("the number -1; 0 to 255")),
            (Cell::Integer(128), Takes::Integer(127), Some("the number 128; -128 to 127")),
            (year(2026), Takes::Years(1753, 9999), None),
            (Cell::Null, Takes::Text(0), None),
        ];
        for (cell, takes, told) in cases {
            let found = misfit(&cell, takes).map(|(value, takes)| format!("{value}; {takes}"));
            assert_eq!(found.as_deref(), told, "{cell:?} {takes:?}");
        }
        assert!(misfit(&year(1700), Takes::Years(1753, 9999)).is_some());
    }
}
