//! The same load into a server of T-SQL: the one that `SLUICE_TEST_SQLSERVER` names, an ADO.NET connection string of a
//! login that may make databases. Without it this test passes unrun, and says so.

use end_to_end::{Arrived, Destinations, Rig, SettingsFile, until};
use sql_sink::store::{SqlServer, dump};
use tokio_util::compat::TokioAsyncWriteCompatExt;

use crate::replay::{answers, verified};

pub(crate) const VARIABLE: &str = "SLUICE_TEST_SQLSERVER";

pub(crate) async fn run(connection: &str, sql: &str) -> tiberius::Result<()> {
    let config = tiberius::Config::from_ado_string(connection).expect("a connection string");
    let stream = tokio::net::TcpStream::connect(config.get_addr()).await.expect("a server");
    let mut client =
        tiberius::Client::connect(config, stream.compat_write()).await.expect("a login");
    client.simple_query(sql).await?.into_results().await.map(drop)
}

pub(crate) fn within(connection: &str, database: &str) -> String {
    let other = |pair: &&str| {
        let key = pair.split('=').next().unwrap_or_default().trim().to_ascii_lowercase();
        !matches!(key.as_str(), "database" | "initial catalog" | "")
    };
    let pairs: Vec<&str> = connection.split(';').filter(other).collect();
    format!("{};Database={database}", pairs.join(";"))
}

/// Makes a database, and returns its connection string.
pub(crate) async fn made(server: &str, database: &str) -> String {
    let create = format!("CREATE DATABASE {database}");
    // Some servers make one database at a time, and tell the others so.
    until("the database is made", async || run(server, &create).await.ok()).await;
    within(server, database)
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_server_holds_the_same_rows_as_sqlite_table_by_table() {
    let Ok(server) = std::env::var(VARIABLE) else {
        eprintln!("skipped: {VARIABLE} is not set");
        return;
    };
    let name = format!("sluice_end_{:08x}", rand::random::<u32>());
    let connection = made(&server, &name).await;

    let mut rig = Rig::new(60).await;
    rig.variable("WAREHOUSE", &connection);
    rig.settle(&SettingsFile {
        destinations: Destinations {
            files: vec!["files"],
            sqlite: vec!["sessions.db"],
            sql_server: Some("WAREHOUSE"),
        },
        ..SettingsFile::default()
    });
    rig.once().await;

    let sqlite = Arrived::at(&rig).await;
    assert_eq!(sqlite.sessions(), 120);
    let store = SqlServer::open(&connection).await.expect("the database");
    let tables = dump(&store).await.expect("the database").tables;
    for ((table, rows), (_, expected)) in tables.iter().zip(&sqlite.rows) {
        assert_eq!(rows.len(), expected.len(), "rows of {table}");
        for (row, expected) in rows.iter().zip(expected) {
            assert_eq!(row, expected, "a row of {table}");
        }
    }
    drop(store);
    let up = rig.start("sluice", &["up"]);
    answers(&rig).await;
    assert_eq!(verified(&rig, "warehouse").await, (true, Vec::new()));
    let nth = |nth: usize| {
        let in_order = "SELECT session_id FROM sluice_ledger ORDER BY session_id";
        format!("({in_order} OFFSET {nth} ROWS FETCH NEXT 1 ROW ONLY)")
    };
    let altered = format!(
        "UPDATE session SET end_time = '2020-01-01T00:00:00' WHERE id = {};
         DELETE FROM session_event WHERE session_id = {};
         INSERT INTO customer (session_id, display_name) VALUES ({}, N'nobody');
         DELETE FROM session WHERE id = {};",
        nth(0),
        nth(1),
        nth(2),
        nth(3)
    );
    run(&connection, &altered).await.expect("rows can be changed");
    let named = ["altered", "altered", "altered", "gone"].map(str::to_owned);
    assert_eq!(verified(&rig, "warehouse").await, (false, named.to_vec()));
    let replayed = rig.sluice(&["replay", "--to", "warehouse", "--wait"]).await;
    assert!(replayed.status.success(), "{replayed:?}");
    assert_eq!(verified(&rig, "warehouse").await, (true, Vec::new()));
    assert!(up.stop().await, "it stops in good order");
    // Best effort: the server takes its time to notice that connections are closed.
    let _ = run(&server, &format!("DROP DATABASE {name}")).await;
}
