//! The same with a server of T-SQL: the one that `SLUICE_TEST_SQLSERVER` names. Without it these tests pass unrun, and
//! say so. A backup is what the tables held at a time; putting it back takes away what came since.

use end_to_end::{Destinations, Program, Rig, SettingsFile, until};
use nats_server::NatsServer;
use sql_sink::store::{SqlServer, Store, dump};

use crate::replay::{Rows, assert_equal, more, rows};
use crate::sql_server::{VARIABLE, made, run};

const BACK_UP: &str = "SELECT * INTO backup_session FROM dbo.session;
    SELECT * INTO backup_route FROM dbo.sluice_route;";

const PUT_BACK: &str = "BEGIN TRANSACTION;
    DELETE FROM dbo.session WHERE id NOT IN (SELECT id FROM backup_session);
    DELETE FROM dbo.sluice_ledger WHERE session_id NOT IN (SELECT id FROM backup_session);
    DELETE FROM dbo.sluice_route;
    INSERT INTO dbo.sluice_route (route, log_position) SELECT route, log_position FROM backup_route;
    COMMIT TRANSACTION;";

/// All but what the ledger says.
async fn tables(connection: &str) -> Rows {
    let store = SqlServer::open(connection).await.expect("the database");
    let mut tables = dump(&store).await.expect("the database").tables;
    tables.retain(|(table, _)| *table != "sluice_ledger");
    tables
}

async fn identity(connection: &str) -> String {
    let store = SqlServer::open(connection).await.expect("the database");
    store.identity().as_str().to_owned()
}

async fn fresh() -> Option<(String, String, String)> {
    let Ok(server) = std::env::var(VARIABLE) else {
        eprintln!("skipped: {VARIABLE} is not set");
        return None;
    };
    let name = format!("sluice_replay_{:08x}", rand::random::<u32>());
    let connection = made(&server, &name).await;
    Some((server, name, connection))
}

async fn until_holds(connection: &str, expected: &Rows) {
    let count = expected[0].1.len();
    until("the database has all sessions", async || {
        let store = SqlServer::open(connection).await.ok()?;
        (store.ledger_rows().await.ok()?.len() == count).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sql_server_that_is_put_back_under_two_sinks_catches_up_once() {
    caught_up(12).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make chaos"]
async fn ten_thousand_sessions_and_a_sql_server_that_is_put_back_under_two_sinks() {
    caught_up(many()).await;
}

/// Of each site; another number of them is named by this variable, for those who can't wait.
fn many() -> u64 {
    let named =
        std::env::var("SLUICE_LOAD_SESSIONS").ok().and_then(|text| text.parse::<u64>().ok());
    named.map_or(5_000, |all| all / 2)
}

async fn caught_up(count: u64) {
    let Some((server, name, connection)) = fresh().await else { return };
    let nats = NatsServer::start();
    let mut rig = Rig::new(count).await;
    rig.variable("WAREHOUSE", &connection);
    rig.settle(&SettingsFile {
        shared: Some((nats.url(), format!("file://{}", rig.path("staging").display()))),
        files_of_all_kinds: false,
        destinations: Destinations {
            files: Vec::new(),
            sqlite: vec!["sessions.db"],
            sql_server: Some("WAREHOUSE"),
        },
        ..SettingsFile::default()
    });
    let _poller = rig.start("sluice-poller", &[]);
    let _fetcher = rig.start("sluice-fetcher", &[]);
    let sinks: [Program; 2] = [0, 1].map(|_| rig.start("sluice-sql-sink", &[]));
    let loaded = until_sqlite(&rig, 2 * count).await;
    until_holds(&connection, &loaded).await;
    run(&connection, BACK_UP).await.expect("a copy");
    more(&rig, count / 2);
    let expected = until_sqlite(&rig, 2 * count + 2 * (count / 2)).await;
    until_holds(&connection, &expected).await;
    let was = identity(&connection).await;

    run(&connection, PUT_BACK).await.expect("rows can be deleted");
    assert_equal(&tables(&connection).await, &loaded);
    until_holds(&connection, &expected).await;
    let is = identity(&connection).await;
    assert_ne!(is, was);
    // What comes afterwards comes under the one identity.
    more(&rig, 1);
    let expected = until_sqlite(&rig, 2 * count + 2 * (count / 2) + 2).await;
    until_holds(&connection, &expected).await;
    assert_equal(&tables(&connection).await, &expected);
    assert_eq!(identity(&connection).await, is, "once is enough");
    for sink in sinks {
        assert!(sink.stop().await, "a sink runs until it is told to stop");
    }
    // Best effort: the server takes its time to notice that connections are closed.
    let _ = run(&server, &format!("DROP DATABASE {name}")).await;
}

async fn until_sqlite(rig: &Rig, count: u64) -> Rows {
    let path = rig.path("sessions.db");
    until("the SQLite database has all sessions", async || {
        let counted = rusqlite::Connection::open(&path)
            .and_then(|db| db.query_row("SELECT count(*) FROM session", [], |row| row.get(0)));
        (counted.unwrap_or(0_i64).cast_unsigned() == count).then_some(())
    })
    .await;
    rows(rig, "sessions.db").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_sql_server_fills_itself_as_the_first_when_only_the_string_changes() {
    moved(12).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make chaos"]
async fn ten_thousand_sessions_fill_a_second_sql_server_when_only_the_string_changes() {
    moved(many()).await;
}

async fn moved(count: u64) {
    let Some((server, name, connection)) = fresh().await else { return };
    let mut rig = Rig::new(count).await;
    rig.variable("WAREHOUSE", &connection);
    rig.settle(&SettingsFile {
        files_of_all_kinds: false,
        destinations: Destinations {
            files: Vec::new(),
            sqlite: Vec::new(),
            sql_server: Some("WAREHOUSE"),
        },
        ..SettingsFile::default()
    });
    rig.once().await;
    let expected = tables(&connection).await;
    assert_eq!(expected[0].1.len() as u64, 2 * count);
    let (_, second_name, second) = fresh().await.expect("it was there before");
    rig.variable("WAREHOUSE", &second);
    rig.once().await;
    assert_equal(&tables(&second).await, &expected);
    for name in [name, second_name] {
        let _ = run(&server, &format!("DROP DATABASE {name}")).await;
    }
}
