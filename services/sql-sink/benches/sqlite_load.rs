//! Sessions through the store, beside the yardstick: the same rows by prepared inserts into tables with the same keys
//! and indexes, in one transaction, and nothing else.
//!
//! `cargo bench -p sql-sink --bench sqlite_load [-- sessions]`

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::{Digest, Revision};
use rusqlite::{Connection, Statement};
use session_report::{Actor, Customer, Event, Representative, Session, Text, Value};
use sql_sink::columns::{
    Row, SESSION, SESSION_EVENT, SESSION_EVENT_DATA, SYSTEM_INFORMATION, SessionRows, TABLES, Table,
};
use sql_sink::store::{Incoming, Sqlite, Store};

const SESSIONS: usize = 2_000;
const EVENTS_A_SESSION: usize = 30;
const BATCH: usize = 100;
const ROUNDS: usize = 3;

fn main() {
    let sessions =
        std::env::args().filter_map(|argument| argument.parse().ok()).next().unwrap_or(SESSIONS);
    let all: Vec<Incoming> = (0..sessions).map(incoming).collect();
    let rows: usize = all.iter().map(|incoming| incoming.rows.count()).sum();
    let runtime = tokio::runtime::Builder::new_multi_thread().build().expect("a runtime");
    // Turn by turn, and the best of each, so that other work on the machine tells less.
    let mut store = Duration::MAX;
    let mut yardstick = Duration::MAX;
    for _ in 0..ROUNDS {
        store = store.min(runtime.block_on(through_the_store(&all)));
        yardstick = yardstick.min(prepared(&all));
    }
    let rate = |took: Duration| rows as f64 / took.as_secs_f64();
    println!("{sessions} sessions, {rows} rows, {BATCH} sessions a transaction, best of {ROUNDS}");
    println!("store:            {:>9.0} rows/s  {store:?}", rate(store));
    println!("prepared inserts: {:>9.0} rows/s  {yardstick:?}", rate(yardstick));
    println!("ratio:            {:>9.2}", rate(store) / rate(yardstick));
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

fn prepared(all: &[Incoming]) -> Duration {
    let folder = tempfile::tempdir().expect("a folder");
    let connection = tables(&folder.path().join("b.db"));
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

fn tables(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("a file");
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON",
        )
        .expect("settings");
    connection
        .execute_batch(include_str!("../../../schema/sqlite/0001-tables.sql"))
        .expect("the tables");
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

fn incoming(number: usize) -> Incoming {
    let site = "access.example.com".parse().expect("a host");
    let lsid = format!("{number:032x}").parse().expect("an LSID");
    let rows = SessionRows::of(&session(number), &site, &lsid, true);
    Incoming {
        revision: Revision { epoch: 1, position: number as u64 },
        content: Digest::of(&number.to_le_bytes()),
        even_if_done: false,
        rows: Arc::new(rows),
        route: "bench".into(),
        position: number as u64,
        site,
        lsid,
    }
}

fn session(number: usize) -> Session {
    let some = |text: &str| Some(Text::from(text));
    let actor = |name: &str| {
        Some(Actor { name: some(name), kind: some("representative"), ..Actor::default() })
    };
    let event = |n: usize| Event {
        event_type: some("Chat Message"),
        timestamp: Some((1_700_000_000 + n).to_string().into()),
        performed_by: actor("Jane Doe"),
        destination: actor("everyone"),
        body: Some(
            format!("Message {n} of session {number}, about as long as people write them here.")
                .into(),
        ),
        values: vec![Value { name: "n".into(), value: n.to_string().into() }],
        ..Event::default()
    };
    Session {
        session_type: some("support"),
        lseq: Some(number.to_string().into()),
        duration: some("00:10:00"),
        representatives: vec![Representative {
            username: some("jane"),
            display_name: some("Jane Doe"),
            public_ip: some("192.0.2.1:1234"),
            ..Representative::default()
        }],
        customers: vec![Customer {
            username: some("ann"),
            hostname: some("PC-1"),
            ..Customer::default()
        }],
        events: (0..EVENTS_A_SESSION).map(event).collect(),
        ..Session::default()
    }
}
