//! Sessions through the store, beside the yardstick: the same rows by prepared inserts into tables with the same keys
//! and indexes, in one transaction, and nothing else.
//!
//! `cargo bench -p sql-sink --bench sqlite_load [-- sessions]`

mod load;

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Statement};
use settings::SqlTarget;
use sql_sink::columns::{
    Row, SESSION, SESSION_EVENT, SESSION_EVENT_DATA, SYSTEM_INFORMATION, TABLES, Table,
};
use sql_sink::store::{Incoming, Sqlite, Store};

const SESSIONS: usize = 2_000;
const BATCH: usize = SqlTarget::BATCH_SESSIONS_MAX;
const ROUNDS: usize = 12;

fn main() {
    let sessions = load::asked().unwrap_or(SESSIONS);
    let all: Vec<Incoming> = (0..sessions).map(load::incoming).collect();
    let rows: usize = load::rows(&all);
    let runtime = tokio::runtime::Builder::new_multi_thread().build().expect("a runtime");
    // Turn by turn, and the best of each, so that other work on the machine tells less.
    let mut store = Duration::MAX;
    let mut yardstick = Duration::MAX;
    for _ in 0..ROUNDS {
        store = store.min(runtime.block_on(through_the_store(&all)));
        yardstick = yardstick.min(runtime.block_on(prepared(&all)));
    }
    println!(
        "SQLite: {sessions} sessions, {rows} rows, {BATCH} sessions a transaction, best of {ROUNDS}"
    );
    load::line("store", sessions, rows, store);
    load::line("prepared inserts", sessions, rows, yardstick);
    let ratio = yardstick.as_secs_f64() / store.as_secs_f64();
    println!("store / prepared inserts: {ratio:.2} (at least 0.7 wanted)");
}

async fn through_the_store(all: &[Incoming]) -> Duration {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Sqlite::open(&folder.path().join("a.db")).await.expect("a file");
    let begun = Instant::now();
    for batch in all.chunks(BATCH) {
        store.write(batch).await.expect("a store that works");
    }
    begun.elapsed()
}

async fn prepared(all: &[Incoming]) -> Duration {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("b.db");
    drop(Sqlite::open(&path).await.expect("a file"));
    let connection = tables(&path);
    let begun = Instant::now();
    connection.execute_batch("BEGIN IMMEDIATE").expect("a transaction");
    let mut statements =
        TABLES.map(|table| connection.prepare(&statement(table)).expect("a statement"));
    let mut insert = |table: &Table, parent: Option<i64>, row: &Row| {
        let place = TABLES.iter().position(|known| known.name == table.name).expect("a table");
        insert(&connection, &mut statements[place], parent, row)
    };
    for incoming in all {
        let rows = &incoming.rows;
        let session = insert(&SESSION, None, &rows.session);
        for (table, rows) in rows.leaves() {
            for row in rows {
                insert(table, Some(session), row);
            }
        }
        for event in &rows.events {
            let id = insert(&SESSION_EVENT, Some(session), &event.event);
            for row in &event.data {
                insert(&SESSION_EVENT_DATA, Some(id), row);
            }
            for row in &event.system_information {
                insert(&SYSTEM_INFORMATION, Some(id), row);
            }
        }
    }
    connection.execute_batch("COMMIT").expect("a commit");
    begun.elapsed()
}

/// The tables as the store itself makes them, with all their indexes.
fn tables(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("a file");
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON",
        )
        .expect("settings");
    connection
}

fn insert(
    connection: &Connection,
    statement: &mut Statement<'_>,
    parent: Option<i64>,
    row: &Row,
) -> i64 {
    let first = match parent {
        Some(id) => {
            statement.raw_bind_parameter(1, id).expect("a number");
            2
        }
        None => 1,
    };
    for (place, cell) in row.iter().enumerate() {
        statement.raw_bind_parameter(first + place, cell).expect("a cell");
    }
    statement.raw_execute().expect("a row");
    connection.last_insert_rowid()
}

fn statement(table: &Table) -> String {
    let parent = table.parent.as_ref().map(|parent| parent.column);
    let names: Vec<&str> =
        parent.into_iter().chain(table.columns.iter().map(|column| column.name)).collect();
    let marks = vec!["?"; names.len()].join(", ");
    format!("INSERT INTO {} ({}) VALUES ({marks})", table.name, names.join(", "))
}
