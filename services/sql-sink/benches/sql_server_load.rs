//! Sessions through the store into a server of T-SQL, beside two yardsticks of the same run: bulk loads of the same
//! rows, with their ids known beforehand, one load a table, into tables with the same keys and indexes by the same
//! driver; a plain writer that sends each row by itself; and, where FreeTDS has been installed, its `freebcp`.
//!
//! `SLUICE_TEST_SQLSERVER=… cargo bench -p sql-sink --bench sql_server_load [-- sessions]`: an ADO.NET connection string
//! of a login that may make databases.

#[path = "load/freebcp.rs"]
mod freebcp;
mod load;
#[path = "../tests/suite/server.rs"]
mod server;

use std::time::{Duration, Instant};

use server::{Client, Fresh, VARIABLE};
use settings::SqlTarget;
use sql_sink::columns::{
    Cell, Holds, Row, SESSION, SESSION_EVENT, SESSION_EVENT_DATA, SYSTEM_INFORMATION, TABLES, Table,
};
use sql_sink::store::{Incoming, SqlServer, Store};
use tiberius::{ColumnData, IntoSql, SqlBulkCopyOption, ToSql, TokenRow};

const SESSIONS: usize = 1_000;
/// The plain writer is so slow that a part tells enough.
const PLAIN_SESSIONS: usize = 30;
const BATCH: usize = SqlTarget::BATCH_SESSIONS_MAX;
const ROUNDS: usize = 4;

#[tokio::main]
async fn main() {
    let Ok(address) = std::env::var(VARIABLE) else {
        println!("T-SQL: not measured: {VARIABLE} is not set");
        return;
    };
    let sessions = load::asked().unwrap_or(SESSIONS);
    let all: Vec<Incoming> = (0..sessions).map(load::incoming).collect();
    let rows = load::rows(&all);
    let some = &all[..sessions.min(PLAIN_SESSIONS)];
    let [mut store, mut bulk, mut plain, mut freebcp] = [Duration::MAX; 4];
    // Turn by turn, and the best of each, so that other work on the machine tells less.
    for _ in 0..ROUNDS {
        store = store.min(through_the_store(&address, &all).await);
        bulk = bulk.min(in_bulk(&address, &all).await);
        plain = plain.min(row_by_row(&address, some).await);
        if freebcp::is_there() {
            let loaded = freebcp::loaded(&address, &numbered(&all)).await;
            freebcp = freebcp.min(loaded.unwrap_or(Duration::MAX));
        }
    }
    println!("T-SQL: {sessions} sessions, {rows} rows, {BATCH} a transaction, best of {ROUNDS}");
    load::line("store", sessions, rows, store);
    load::line("bulk loads", sessions, rows, bulk);
    load::line("one row a call", some.len(), load::rows(some), plain);
    let rate = |rows: usize, took: Duration| rows as f64 / took.as_secs_f64();
    let store = rate(rows, store);
    match freebcp {
        Duration::MAX => println!("  freebcp: not measured: it is not there, or did not load all"),
        freebcp => {
            load::line("freebcp", sessions, rows, freebcp);
            println!("store / freebcp: {:.2}", store / rate(rows, freebcp));
        }
    }
    println!("store / bulk loads: {:.2} (at least 0.5 wanted)", store / rate(rows, bulk));
    let plain = rate(load::rows(some), plain);
    println!("store / one row a call: {:.1} (at least 10 wanted)", store / plain);
}

async fn through_the_store(address: &str, all: &[Incoming]) -> Duration {
    let database = Fresh::at(address).await;
    let store = SqlServer::open(&database.connection()).await.expect("a fresh database");
    // The first statements of a connection cost more than all others.
    store.write(&[load::incoming(all.len())]).await.expect("a store that works");
    let begun = Instant::now();
    for batch in all.chunks(BATCH) {
        store.write(batch).await.expect("a store that works");
    }
    let took = begun.elapsed();
    drop(store);
    database.dropped().await;
    took
}

/// A row with its id, and which one it belongs to.
pub type Numbered<'a> = (i64, Option<i64>, &'a Row);

/// The rows of each table with the ids that they get in an empty database.
fn numbered(all: &[Incoming]) -> Vec<(&'static Table, Vec<Numbered<'_>>)> {
    let mut loads: Vec<(&Table, Vec<Numbered<'_>>)> =
        TABLES.into_iter().map(|table| (table, Vec::new())).collect();
    for incoming in all {
        let mut add = |table: &Table, parent: Option<i64>, row| {
            let load = loads.iter_mut().find(|(known, _)| known.name == table.name);
            let (_, rows) = load.expect("there are eight tables");
            let id = rows.len() as i64 + 1;
            rows.push((id, parent, row));
            id
        };
        let rows = &incoming.rows;
        let session = add(&SESSION, None, &rows.session);
        for (table, rows) in rows.leaves() {
            for row in rows {
                add(table, Some(session), row);
            }
        }
        for event in &rows.events {
            let id = add(&SESSION_EVENT, Some(session), &event.event);
            for row in &event.data {
                add(&SESSION_EVENT_DATA, Some(id), row);
            }
            for row in &event.system_information {
                add(&SYSTEM_INFORMATION, Some(id), row);
            }
        }
    }
    loads
}

async fn in_bulk(address: &str, all: &[Incoming]) -> Duration {
    let database = Fresh::at(address).await;
    drop(SqlServer::open(&database.connection()).await.expect("a fresh database"));
    let mut client = server::client(&database.connection()).await.expect("a login");
    let loads = numbered(all);
    for (table, _) in &loads {
        client.column_metadata(table.name, &["*"]).await.expect("a table");
    }
    let begun = Instant::now();
    for (table, rows) in &loads {
        if !rows.is_empty() {
            bulk(&mut client, table, rows).await.expect("a load that works");
        }
    }
    let took = begun.elapsed();
    drop(client);
    database.dropped().await;
    took
}

fn columns(table: &Table) -> Vec<String> {
    let parent = table.parent.as_ref().map(|parent| parent.column);
    let own = table.columns.iter().map(|column| column.name);
    parent.into_iter().chain(own).map(|name| format!("[{name}]")).collect()
}

async fn bulk(client: &mut Client, table: &Table, rows: &[Numbered<'_>]) -> tiberius::Result<()> {
    let columns = columns(table);
    let columns: Vec<&str> =
        std::iter::once("[id]").chain(columns.iter().map(String::as_str)).collect();
    let name = format!("[{}]", table.name);
    let options = SqlBulkCopyOption::KeepIdentity
        | SqlBulkCopyOption::CheckConstraints
        | SqlBulkCopyOption::KeepNulls;
    let mut request = client.bulk_insert_with_options(&name, &columns, options, &[]).await?;
    for (id, parent, cells) in rows {
        let mut row = TokenRow::with_capacity(columns.len());
        row.push(ColumnData::I64(Some(*id)));
        if table.parent.is_some() {
            row.push(ColumnData::I64(*parent));
        }
        for (column, cell) in table.columns.iter().zip(*cells) {
            row.push(value(cell, column.holds));
        }
        request.send(row).await?;
    }
    request.finalize().await.map(drop)
}

fn value(cell: &Cell, holds: Holds) -> ColumnData<'_> {
    match (cell, holds) {
        (Cell::Text(text), _) => ColumnData::String(Some(text.as_str().into())),
        (Cell::Integer(number), _) => ColumnData::I64(Some(*number)),
        (Cell::Time(instant), _) => instant.naive_utc().into_sql(),
        (Cell::Null, Holds::Text) => ColumnData::String(None),
        (Cell::Null, Holds::Integer) => ColumnData::I64(None),
        (Cell::Null, Holds::Time) => ColumnData::DateTime2(None),
    }
}

async fn row_by_row(address: &str, some: &[Incoming]) -> Duration {
    let database = Fresh::at(address).await;
    drop(SqlServer::open(&database.connection()).await.expect("a fresh database"));
    let mut client = server::client(&database.connection()).await.expect("a login");
    let loads = numbered(some);
    let begun = Instant::now();
    let simple = async |client: &mut Client, sql: &str| {
        let answer = client.simple_query(sql.to_owned()).await.expect("a statement that works");
        answer.into_results().await.expect("a statement that works");
    };
    simple(&mut client, "BEGIN TRANSACTION").await;
    for (table, rows) in &loads {
        let columns = columns(table);
        let places: Vec<String> = (1..=columns.len()).map(|place| format!("@P{place}")).collect();
        let sql = format!(
            "INSERT INTO [{}] ({}) VALUES ({})",
            table.name,
            columns.join(", "),
            places.join(", ")
        );
        for (_, parent, cells) in rows {
            let cells: Vec<Box<dyn ToSql>> = parent
                .map(|id| Box::new(id) as Box<dyn ToSql>)
                .into_iter()
                .chain(
                    cells.iter().zip(table.columns).map(|(cell, column)| plain(cell, column.holds)),
                )
                .collect();
            let parameters: Vec<&dyn ToSql> = cells.iter().map(|cell| &**cell).collect();
            client.execute(&sql, &parameters).await.expect("a row that fits");
        }
    }
    simple(&mut client, "COMMIT TRANSACTION").await;
    let took = begun.elapsed();
    drop(client);
    database.dropped().await;
    took
}

fn plain(cell: &Cell, holds: Holds) -> Box<dyn ToSql> {
    match (cell, holds) {
        (Cell::Text(text), _) => Box::new(text.clone()),
        (Cell::Integer(number), _) => Box::new(*number),
        (Cell::Time(instant), _) => Box::new(instant.naive_utc()),
        (Cell::Null, Holds::Text) => Box::new(None::<String>),
        (Cell::Null, Holds::Integer) => Box::new(None::<i64>),
        (Cell::Null, Holds::Time) => Box::new(None::<chrono::NaiveDateTime>),
    }
}
