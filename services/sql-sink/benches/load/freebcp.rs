//! The same rows by `freebcp`, the bulk loader that comes with FreeTDS, one file and one call a table.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sql_sink::columns::{Cell, Table};
use sql_sink::store::SqlServer;

use crate::Numbered;
use crate::server::{self, Fresh};

/// No text of a load has these.
const FIELD: char = '\u{1f}';
const ROW: char = '\u{1e}';

/// Whether the program can be had.
pub fn is_there() -> bool {
    Command::new("freebcp").stdin(Stdio::null()).stderr(Stdio::null()).output().is_ok()
}

/// How long it takes for these rows, without what it takes to write the files.
pub async fn loaded(
    address: &str,
    loads: &[(&'static Table, Vec<Numbered<'_>>)],
) -> Option<Duration> {
    let database = Fresh::at(address).await;
    drop(SqlServer::open(&database.connection()).await.expect("a fresh database"));
    let folder = tempfile::tempdir().expect("a folder");
    let mut calls = Vec::new();
    for (table, rows) in loads.iter().filter(|(_, rows)| !rows.is_empty()) {
        let file = folder.path().join(table.name);
        let order = columns(&database, table.name).await;
        std::fs::write(&file, text(table, rows, &order)).expect("a writable folder");
        calls.push(call(&database.connection(), table.name, &file, folder.path()));
    }
    let begun = Instant::now();
    let done = calls.iter_mut().all(|call| call.status().is_ok_and(|status| status.success()));
    let took = begun.elapsed();
    let whole = counted(&database, loads).await;
    database.dropped().await;
    (done && whole).then_some(took)
}

fn call(connection: &str, table: &str, file: &Path, folder: &Path) -> Command {
    let said = |names: &[&str]| {
        let pairs = connection.split(';').filter_map(|pair| pair.split_once('='));
        let mut values =
            pairs.filter(|(name, _)| names.contains(&name.trim().to_ascii_lowercase().as_str()));
        values.next_back().map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let server = said(&["server", "data source"]).replace("tcp:", "").replace(',', ":");
    let mut call = Command::new("freebcp");
    call.arg(format!("{}.dbo.{table}", said(&["database", "initial catalog"])))
        .arg("in")
        .arg(file)
        .args(["-c", "-E", "-b", "1000000", "-t", &FIELD.to_string(), "-r", &ROW.to_string()])
        .args(["-S", &server, "-U", &said(&["user id", "uid", "user"])])
        .args(["-P", &said(&["password", "pwd"]), "-e"])
        .arg(folder.join("errors"))
        .env("TDSVER", "7.4")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    call
}

/// The names of a table's columns in their order.
async fn columns(database: &Fresh, table: &str) -> Vec<String> {
    let sql = format!(
        "SELECT COLUMN_NAME FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = N'{table}' ORDER BY ORDINAL_POSITION"
    );
    let mut client = server::client(&database.connection()).await.expect("a login");
    let rows = client.simple_query(sql).await.expect("a query").into_first_result().await;
    let name = |row: &tiberius::Row| row.get::<&str, _>(0).unwrap_or_default().to_lowercase();
    rows.expect("rows").iter().map(name).collect()
}

fn text(table: &Table, rows: &[Numbered<'_>], order: &[String]) -> String {
    let mut text = String::new();
    for (id, parent, cells) in rows {
        for (place, name) in order.iter().enumerate() {
            if place > 0 {
                text.push(FIELD);
            }
            let own = table.columns.iter().position(|column| column.name == name);
            match (own.map(|own| &cells[own]), name.as_str(), parent) {
                (Some(Cell::Text(value)), ..) => text.push_str(value),
                (Some(Cell::Integer(value)), ..) => write!(text, "{value}").expect("a string"),
                (Some(Cell::Time(value)), ..) => {
                    write!(text, "{}", value.format("%Y-%m-%d %H:%M:%S")).expect("a string");
                }
                (Some(Cell::Null), ..) => {}
                (None, "id", _) => write!(text, "{id}").expect("a string"),
                (None, _, parent) => write!(text, "{}", parent.unwrap_or(0)).expect("a string"),
            }
        }
        text.push(ROW);
    }
    text
}

/// Whether all rows have come.
async fn counted(database: &Fresh, loads: &[(&'static Table, Vec<Numbered<'_>>)]) -> bool {
    let mut client = server::client(&database.connection()).await.expect("a login");
    for (table, rows) in loads {
        let sql = format!("SELECT COUNT_BIG(*) FROM dbo.[{}]", table.name);
        let found = client.simple_query(sql).await.expect("a query").into_row().await;
        let found = found.expect("a row").and_then(|row| row.get::<i64, _>(0));
        if found != Some(rows.len() as i64) {
            return false;
        }
    }
    true
}
