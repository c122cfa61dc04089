use std::path::{Path, PathBuf};

use sql_sink::store::{Incoming, SqlServer, Sqlite, Store};

use crate::sessions::incoming;
use crate::{file, run, schema, server};

fn queries(engine: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema").join(engine);
    let listed = std::fs::read_dir(folder.join("queries")).expect("a folder");
    let mut paths: Vec<PathBuf> = listed.map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    assert!(paths.len() >= 10, "{paths:?}");
    let read = |path: &PathBuf| std::fs::read_to_string(path).expect("a text");
    paths.iter().map(|path| (path.display().to_string(), read(path))).collect()
}

/// The queries' own examples ask for this.
fn asked_for() -> Vec<Incoming> {
    vec![incoming("a.example", "S1", 1, "TICKET-1"), incoming("a.example", "S2", 2, "other")]
}

#[tokio::test]
async fn an_auditors_questions_are_answered_by_sqlite() {
    let file = file();
    let store = Sqlite::open(&file.path).await.expect("a file");
    store.write(&asked_for()).await.expect("two sessions");
    file.execute("UPDATE session SET start_time = '2026-11-22 03:00:00'");
    file.execute("UPDATE session_event SET type = 'File Upload', event_time = start FROM
                  (SELECT id AS s, start_time AS start FROM session) WHERE session_id = s AND session_event.id % 2 = 0");
    file.execute("UPDATE session_event SET type = 'Command Shell Session Started', event_time = '2026-11-22 03:00:00'
                  WHERE id % 2 = 1");
    file.execute("UPDATE session SET end_time = NULL WHERE lsid = 'S2'; DELETE FROM session WHERE lsid = 'S3'");
    file.execute(
        "INSERT INTO sluice_ledger VALUES ('a.example', 'S9', 1, 1, 'x', 99, datetime('now'))",
    );
    file.execute(&schema("sqlite/views.sql"));
    let connection = rusqlite::Connection::open(&file.path).expect("a file");
    for (path, sql) in queries("sqlite") {
        let mut statement =
            connection.prepare(&sql).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(
            statement.exists([]).unwrap_or_else(|error| panic!("{path}: {error}")),
            "{path} finds nothing"
        );
    }
    file.execute("UPDATE representative SET user_name = NULL");
    let (_, nameless) = queries("sqlite").swap_remove(9);
    let endpoints = connection.query_row(&nameless, [], |row| row.get::<_, i64>("endpoints"));
    assert_eq!(endpoints.expect("a row"), 1, "who has no name has endpoints, too");
    for view in ["session_overview", "event_overview"] {
        let mut statement = connection.prepare(&format!("SELECT * FROM {view}")).expect("a view");
        assert!(statement.exists([]).expect("rows"), "{view} is empty");
    }
}

#[tokio::test]
async fn an_auditors_questions_are_answered_by_sql_server() {
    let Some(database) = server().await else { return };
    let store = SqlServer::open(&database.connection()).await.expect("a database");
    store.write(&asked_for()).await.expect("two sessions");
    run(&database, "UPDATE session SET start_time = '2026-11-22T03:00:00'").await;
    run(&database, "UPDATE session_event SET type = N'File Upload', event_time = '2026-11-22T03:00:00' WHERE id % 2 = 0").await;
    run(&database, "UPDATE session_event SET type = N'Command Shell Session Started', event_time = '2026-11-22T03:00:00' WHERE id % 2 = 1").await;
    run(&database, "UPDATE session SET end_time = NULL WHERE lsid = 'S2'").await;
    run(&database, "INSERT INTO sluice_ledger (host_name, lsid, epoch, log_position, content_digest, session_id)
                    VALUES (N'a.example', N'S9', 1, 1, N'x', 99)").await;
    run(&database, &schema("sqlserver/views.sql")).await;
    let mut client = server::client(&database.connection()).await.expect("a login");
    let views = ["session_overview", "event_overview"];
    let views = views.map(|view| (view.to_owned(), format!("SELECT * FROM dbo.{view}")));
    for (path, sql) in queries("sqlserver").into_iter().chain(views) {
        let results =
            client.simple_query(sql).await.expect(&path).into_results().await.expect(&path);
        assert!(results.iter().any(|rows| !rows.is_empty()), "{path} finds nothing");
    }
    run(&database, "UPDATE representative SET user_name = NULL").await;
    let (_, nameless) = queries("sqlserver").swap_remove(9);
    let results = client.simple_query(nameless).await.expect("a query").into_results().await;
    let results = results.expect("rows");
    let row = results.iter().flatten().next().expect("a row");
    assert_eq!(row.get::<i32, _>("endpoints"), Some(1), "who has no name has endpoints, too");
    drop((client, store));
    database.dropped().await;
}
