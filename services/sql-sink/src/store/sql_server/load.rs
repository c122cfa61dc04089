//! A batch on its way: rows are loaded in bulk into temporary tables, and from there written set by set.
//!
//! Bulk loads straight into the tables would be faster still, but check no foreign keys and can't tell new ids.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::LazyLock;

use tiberius::{ColumnData, IntoSql, TokenRow};

use super::connection::Connection;
use super::fault::Fault;
use crate::columns::{
    Cell, Holds, Row, SESSION, SESSION_EVENT, SESSION_EVENT_DATA, SYSTEM_INFORMATION, TABLES, Table,
};
use crate::store::Incoming;
use crate::store::plan::{self, Change, Plan};

/// Longer texts the driver takes as parameters only: in a bulk load it holds 65,535 bytes for the longest of all.
const BULK_UNITS_MAX: usize = 32_000;

/// The temporary table for rows of this one.
pub(super) fn temporary(table: &Table) -> String {
    format!("#sluice_{}", table.name)
}

/// `ord` is the row's place in the batch, from 1 (a session's: its place among the incoming, from 0); `parent` is the
/// `ord` of what it belongs to (a session's: the id that it keeps, or 0).
static TEMPORARY_TABLES: LazyLock<String> = LazyLock::new(|| {
    let mut sql = "CREATE TABLE #sluice_incoming (
        ord bigint NOT NULL,
        host_name nvarchar(255) COLLATE Latin1_General_BIN2 NOT NULL,
        lsid nvarchar(200) COLLATE Latin1_General_BIN2 NOT NULL,
        epoch bigint NOT NULL,
        log_position bigint NOT NULL,
        content_digest nvarchar(64) NOT NULL);
    CREATE TABLE #sluice_id (ord bigint NOT NULL, id bigint NOT NULL);
    CREATE TABLE #sluice_new_session (id bigint NOT NULL);
    CREATE TABLE #sluice_new_event (id bigint NOT NULL);"
        .to_owned();
    for table in TABLES {
        let columns: Vec<String> = table
            .columns
            .iter()
            .map(|column| match column.holds {
                Holds::Text => format!("[{}] nvarchar(max) NULL", column.name),
                Holds::Integer => format!("[{}] bigint NULL", column.name),
                Holds::Time => format!("[{}] datetime2(0) NULL", column.name),
            })
            .collect();
        write!(
            sql,
            "CREATE TABLE {} (ord bigint NOT NULL, parent bigint NOT NULL, {});",
            temporary(table),
            columns.join(", ")
        )
        .expect("a string takes all that is written to it");
    }
    sql
});

/// Makes the temporary tables.
pub(super) fn tables() -> &'static str {
    &TEMPORARY_TABLES
}

/// Empties them.
pub(super) static EMPTY: LazyLock<String> = LazyLock::new(|| {
    let own = ["#sluice_incoming", "#sluice_id", "#sluice_new_session", "#sluice_new_event"];
    let names = own.into_iter().map(str::to_owned).chain(TABLES.into_iter().map(temporary));
    names.map(|name| format!("TRUNCATE TABLE {name};")).collect()
});

/// Loads what the ledger is asked for.
pub(super) async fn incoming(connection: &mut Connection, batch: &[Incoming]) -> Result<(), Fault> {
    let columns = ["ord", "host_name", "lsid", "epoch", "log_position", "content_digest"];
    let mut request = connection.client.bulk_insert_columns("#sluice_incoming", &columns).await?;
    for (place, incoming) in batch.iter().enumerate() {
        let mut row = TokenRow::with_capacity(columns.len());
        row.push(number(place));
        row.push(text(incoming.site.as_str()));
        row.push(text(incoming.lsid.as_str()));
        row.push(ColumnData::I64(Some(incoming.revision.epoch.cast_signed())));
        row.push(ColumnData::I64(Some(incoming.revision.position.cast_signed())));
        row.push(ColumnData::String(Some(Cow::Owned(incoming.content.to_string()))));
        request.send(row).await?;
    }
    request.finalize().await?;
    Ok(())
}

/// A row in the order of its table's load.
struct Loaded<'b> {
    parent: i64,
    cells: &'b Row,
}

/// What was loaded.
#[derive(Default)]
pub(super) struct Content {
    /// Whether any session replaces another.
    pub(super) replaces: bool,
    /// The tables that have rows; none where no content is written.
    pub(super) tables: Vec<&'static Table>,
}

/// Loads the rows of all sessions whose content is written.
pub(super) async fn content(
    connection: &mut Connection,
    batch: &[Incoming],
    plan: &Plan,
) -> Result<Content, Fault> {
    let mut loaded = Content::default();
    let mut loads: Vec<(&'static Table, Vec<Loaded<'_>>)> =
        TABLES.into_iter().map(|table| (table, Vec::new())).collect();
    // The sessions' own order is their place among the incoming, which the ledger goes by.
    let mut places = Vec::new();
    for Change { incoming, content } in &plan.changes {
        let session_id = match *content {
            plan::Content::Keep => continue,
            plan::Content::Insert => 0,
            plan::Content::Replace { session_id } => session_id,
        };
        places.push(*incoming);
        loaded.replaces |= session_id != 0;
        gather(&mut loads, session_id, *incoming as i64, &batch[*incoming]);
    }
    for (table, rows) in &loads {
        if rows.is_empty() {
            continue;
        }
        let place = |row: usize| match table.parent {
            None => places[row],
            Some(_) => row + 1,
        };
        load(connection, table, rows, place).await?;
        loaded.tables.push(table);
    }
    Ok(loaded)
}

fn gather<'b>(
    loads: &mut [(&'static Table, Vec<Loaded<'b>>)],
    session_id: i64,
    place: i64,
    incoming: &'b Incoming,
) {
    let rows = &incoming.rows;
    let mut add = |table: &'static Table, parent: i64, cells: &'b Row| {
        let (_, load) = loads
            .iter_mut()
            .find(|(loaded, _)| loaded.name == table.name)
            .expect("every table has its load");
        load.push(Loaded { parent, cells });
        load.len() as i64
    };
    add(&SESSION, session_id, &rows.session);
    for (table, rows) in rows.leaves() {
        for row in rows {
            add(table, place, row);
        }
    }
    for event in &rows.events {
        let event_place = add(&SESSION_EVENT, place, &event.event);
        for row in &event.data {
            add(&SESSION_EVENT_DATA, event_place, row);
        }
        for row in &event.system_information {
            add(&SYSTEM_INFORMATION, event_place, row);
        }
    }
}

async fn load(
    connection: &mut Connection,
    table: &'static Table,
    rows: &[Loaded<'_>],
    place: impl Fn(usize) -> usize,
) -> Result<(), Fault> {
    let name = temporary(table);
    let bracketed: Vec<String> =
        table.columns.iter().map(|column| format!("[{}]", column.name)).collect();
    let columns: Vec<&str> =
        ["ord", "parent"].into_iter().chain(bracketed.iter().map(String::as_str)).collect();
    let mut long = Vec::new();
    let mut request = connection.client.bulk_insert_columns(&name, &columns).await?;
    for (number_of_row, loaded) in rows.iter().enumerate() {
        let mut row = TokenRow::with_capacity(columns.len());
        row.push(number(place(number_of_row)));
        row.push(ColumnData::I64(Some(loaded.parent)));
        for (column, cell) in table.columns.iter().zip(loaded.cells) {
            match cell {
                Cell::Text(text) if is_long(text) => {
                    long.push((place(number_of_row), column.name, text.as_str()));
                    row.push(ColumnData::String(None));
                }
                cell => row.push(value(cell, column.holds)),
            }
        }
        request.send(row).await?;
    }
    request.finalize().await?;
    for (ord, column, text) in long {
        let sql = format!("UPDATE {name} SET [{column}] = @P1 WHERE ord = @P2");
        connection.query(&sql, &[text, &ord.to_string()]).await?;
    }
    Ok(())
}

fn is_long(text: &str) -> bool {
    text.len() > BULK_UNITS_MAX && text.encode_utf16().count() > BULK_UNITS_MAX
}

fn value(cell: &Cell, holds: Holds) -> ColumnData<'_> {
    match cell {
        Cell::Text(text) => self::text(text),
        Cell::Integer(number) => ColumnData::I64(Some(*number)),
        Cell::Time(instant) => instant.naive_utc().into_sql(),
        Cell::Null => match holds {
            Holds::Text => ColumnData::String(None),
            Holds::Integer => ColumnData::I64(None),
            Holds::Time => ColumnData::DateTime2(None),
        },
    }
}

fn text(text: &str) -> ColumnData<'_> {
    ColumnData::String(Some(Cow::Borrowed(text)))
}

fn number(place: usize) -> ColumnData<'static> {
    ColumnData::I64(Some(place as i64))
}
