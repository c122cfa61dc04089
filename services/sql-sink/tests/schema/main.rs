//! The schema of a database: made by migrations, by hand, or by another program before us. SQLite always, and a server
//! of T-SQL where `SLUICE_TEST_SQLSERVER` names one.

mod adoption;
mod questions;
#[path = "../suite/server.rs"]
mod server;
#[allow(dead_code, reason = "each program uses a part of it")]
#[path = "../suite/sessions.rs"]
mod sessions;

use std::path::{Path, PathBuf};

use server::Fresh;
use sessions::{expectation, incoming};
use settings::{SqlEngine, SqlTarget};
use sql_sink::columns::TABLES;
use sql_sink::store::{
    Dump, Incoming, Migrate, Schema, SqlServer, Sqlite, Store, StoreError, Written, dump,
};

async fn server() -> Option<Fresh> {
    let Ok(server) = std::env::var(server::VARIABLE) else {
        eprintln!("skipped: {} is not set", server::VARIABLE);
        return None;
    };
    Some(Fresh::at(&server).await)
}

fn schema(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

struct File {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

fn file() -> File {
    let folder = tempfile::tempdir().expect("a folder");
    File { path: folder.path().join("sessions.db"), _folder: folder }
}

impl File {
    fn execute(&self, sql: &str) {
        let connection = rusqlite::Connection::open(&self.path).expect("a file");
        connection.execute_batch(sql).expect("statements");
    }

    /// What defines its tables, indexes and views, white space and comments aside.
    fn definitions(&self) -> Vec<String> {
        let connection = rusqlite::Connection::open(&self.path).expect("a file");
        let sql = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name";
        let mut statement = connection.prepare(sql).expect("a statement");
        let plain = |sql: String| {
            let lines = sql.lines().map(|line| line.split("--").next().unwrap_or_default());
            let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
            words.join(" ").replace(" IF NOT EXISTS", "").replace("( ", "(").replace(" )", ")")
        };
        let definitions = statement.query_map([], |row| row.get(0)).expect("rows");
        definitions.map(|sql| plain(sql.expect("a text"))).collect()
    }
}

async fn run(database: &Fresh, sql: &str) {
    for batch in sql.split("\nGO\n") {
        server::run(&database.connection(), batch).await.expect("statements");
    }
}

/// What a server's catalog says, without the names that servers give: of columns, indexes, foreign keys and views.
async fn definitions(database: &Fresh) -> Vec<String> {
    let sql = "
        SELECT 'column ' + TABLE_NAME + '.' + COLUMN_NAME + ' ' + DATA_TYPE + ' '
               + COALESCE(CAST(CHARACTER_MAXIMUM_LENGTH AS varchar(20)), '') + ' '
               + COALESCE(CAST(DATETIME_PRECISION AS varchar(20)), '') + ' ' + IS_NULLABLE + ' '
               + COALESCE(COLUMN_DEFAULT, '') + ' ' + COALESCE(COLLATION_NAME, '')
        FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = 'dbo'
        UNION ALL
        SELECT 'index ' + OBJECT_NAME(i.object_id) + ' ' + CAST(i.is_unique AS varchar(1)) + CAST(i.is_primary_key AS varchar(1))
               + ' ' + c.name + ' ' + CAST(k.key_ordinal AS varchar(9)) + ' '
               + CAST((SELECT COUNT(*) FROM sys.index_columns o
                       WHERE o.object_id = i.object_id AND o.index_id = i.index_id) AS varchar(9))
        FROM sys.indexes i
        JOIN sys.index_columns k ON k.object_id = i.object_id AND k.index_id = i.index_id
        JOIN sys.columns c ON c.object_id = k.object_id AND c.column_id = k.column_id
        JOIN sys.tables t ON t.object_id = i.object_id
        UNION ALL
        SELECT 'key ' + f.name + ' ' + OBJECT_NAME(f.parent_object_id) + ' ' + OBJECT_NAME(f.referenced_object_id) + ' '
               + CAST(f.delete_referential_action AS varchar(9))
        FROM sys.foreign_keys f";
    let mut client = server::client(&database.connection()).await.expect("a login");
    let results = client.simple_query(sql).await.expect("a query").into_results().await;
    let rows: Vec<_> = results.expect("rows").into_iter().flatten().collect();
    let mut lines: Vec<String> = rows
        .iter()
        .map(|row| row.get::<&str, _>(0).unwrap_or_default().to_owned())
        .filter(|line| {
            line.contains("sluice") || TABLES.iter().any(|table| line.contains(table.name))
        })
        .collect();
    lines.sort();
    lines
}

#[tokio::test]
async fn migrations_add_up_to_the_current_schema_of_sqlite() {
    let (migrated, current) = (file(), file());
    drop(Sqlite::open(&migrated.path).await.expect("a new file"));
    current.execute(&schema("sqlite/current.sql"));
    assert_eq!(migrated.definitions(), current.definitions());
    let report = Sqlite::migrate(&current.path, Migrate::Plan).await.expect("a plan");
    assert!(report.steps.is_empty(), "{report:?}");
    migrated.execute("DELETE FROM sluice_migration");
    Sqlite::migrate(&migrated.path, Migrate::Apply).await.expect("migrations that run twice");
    assert_eq!(migrated.definitions(), current.definitions());
}

#[tokio::test]
async fn migrations_add_up_to_the_current_schema_of_sql_server() {
    let (Some(migrated), Some(current)) = (server().await, server().await) else { return };
    drop(SqlServer::open(&migrated.connection()).await.expect("an empty database"));
    run(&current, &schema("sqlserver/current.sql")).await;
    let expected = definitions(&current).await;
    assert!(expected.len() > 100, "{expected:#?}");
    assert_eq!(definitions(&migrated).await, expected);
    let report = SqlServer::migrate(&current.connection(), Migrate::Plan).await.expect("a plan");
    assert!(report.steps.is_empty(), "{report:?}");
    run(&migrated, "DELETE FROM sluice_migration").await;
    let again = SqlServer::migrate(&migrated.connection(), Migrate::Apply).await;
    assert_eq!(again.expect("migrations that run twice").steps.len(), 3);
    assert_eq!(definitions(&migrated).await, expected);
    migrated.dropped().await;
    current.dropped().await;
}

#[tokio::test]
async fn a_plan_changes_nothing_and_a_sink_that_may_not_says_what_is_missing() {
    let file = file();
    let report = Sqlite::migrate(&file.path, Migrate::Plan).await.expect("a plan");
    assert_eq!(report.steps.len(), 3, "{report:?}");
    Sqlite::migrate(&file.path, Migrate::Try).await.expect("it could be made");
    assert!(!file.path.exists(), "a plan makes no file");
    let nowhere = file.path.with_file_name("nowhere").join("sessions.db");
    let error = Sqlite::migrate(&nowhere, Migrate::Try).await.expect_err("no such folder");
    assert!(error.to_string().contains("does its folder exist"), "{error}");
    let error = Sqlite::open_with(&file.path, Schema::AsItIs).await.expect_err("nothing is there");
    assert!(error.to_string().contains("lacks migration 1 (tables), migration 2"), "{error}");
    Sqlite::migrate(&file.path, Migrate::Apply).await.expect("a schema");
    Sqlite::open_with(&file.path, Schema::AsItIs).await.expect("it is there");

    let Some(database) = server().await else { return };
    let connection = database.connection();
    let report = SqlServer::migrate(&connection, Migrate::Plan).await.expect("a plan");
    assert_eq!(report.steps.len(), 3, "{report:?}");
    assert!(definitions(&database).await.is_empty());
    let error = SqlServer::open_with(&connection, Schema::AsItIs).await.expect_err("nothing");
    assert!(error.to_string().contains("lacks migration 1 (tables), migration 2"), "{error}");
    SqlServer::migrate(&connection, Migrate::Apply).await.expect("a schema");
    drop(SqlServer::open_with(&connection, Schema::AsItIs).await.expect("it is there"));
    database.dropped().await;
}

#[tokio::test]
async fn who_only_wants_to_know_draws_no_identity() {
    let file = file();
    Sqlite::migrate(&file.path, Migrate::Apply).await.expect("a schema");
    let count = || {
        let connection = rusqlite::Connection::open(&file.path).expect("a file");
        let count = "SELECT count(*) FROM sluice_database";
        connection.query_row(count, [], |row| row.get::<_, i64>(0)).expect("a count")
    };
    Sqlite::open_with(&file.path, Schema::ToRead).await.expect("it is there");
    assert_eq!(count(), 0);
    Sqlite::open_with(&file.path, Schema::AsItIs).await.expect("it is there");
    assert_eq!(count(), 1);

    let Some(database) = server().await else { return };
    let connection = database.connection();
    SqlServer::migrate(&connection, Migrate::Apply).await.expect("a schema");
    let first = SqlServer::open_with(&connection, Schema::ToRead).await.expect("it is there");
    let second = SqlServer::open_with(&connection, Schema::AsItIs).await.expect("it is there");
    assert_ne!(first.identity(), second.identity());
    drop((first, second));
    database.dropped().await;
}

#[tokio::test]
async fn the_servers_own_databases_are_refused() {
    let Some(database) = server().await else { return };
    let own = server::within(&database.connection(), "master");
    for wanted in [Migrate::Plan, Migrate::Apply] {
        let error = SqlServer::migrate(&own, wanted).await.expect_err("not for sessions");
        assert!(error.to_string().contains("name the database of the sessions"), "{error}");
    }
    database.dropped().await;
}

/// A login of the server with rights on one database only, dropped with it.
async fn user(database: &Fresh) -> (String, String) {
    let name = format!("sluice_user_{:016x}", rand::random::<u64>());
    run(database, &format!("CREATE LOGIN {name} WITH PASSWORD = 'Only_for_tests_1'")).await;
    run(database, &format!("CREATE USER {name} FOR LOGIN {name}")).await;
    let others = database.connection();
    let mut pairs: Vec<&str> = others.split(';').collect();
    pairs.retain(|pair| {
        let key = pair.to_lowercase();
        !key.starts_with("user") && !key.starts_with("uid") && !key.starts_with("p")
    });
    (format!("{};User Id={name};Password=Only_for_tests_1", pairs.join(";")), name)
}

#[tokio::test]
async fn a_login_without_the_right_to_make_tables_writes_and_one_without_rights_is_told_which() {
    let Some(database) = server().await else { return };
    let (restricted, name) = user(&database).await;
    let told = async |what: &str| {
        let error = SqlServer::open(&restricted).await.expect_err(what);
        assert!(matches!(error, StoreError::Rights { .. }), "{what}: {error:?}");
        error.to_string()
    };
    let error = told("an empty database").await;
    assert!(error.contains("lacks CREATE TABLE") && error.contains("sluice migrate"), "{error}");
    let tried = SqlServer::migrate(&restricted, Migrate::Try).await.expect_err("an empty database");
    assert_eq!(tried.to_string(), error, "a check says what the sink would say");
    SqlServer::migrate(&restricted, Migrate::Plan).await.expect("a plan may be seen");
    SqlServer::migrate(&database.connection(), Migrate::Apply).await.expect("a schema");
    let error = SqlServer::open_with(&restricted, Schema::AsItIs).await.expect_err("no grants");
    assert!(error.to_string().contains("grants.sql"), "not that it was never migrated: {error}");
    let error = told("a database without grants").await;
    assert!(error.contains("grants.sql"), "{error}");
    let grants = schema("sqlserver/grants.sql").replace("sluice_sink", &name);
    run(&database, &grants).await;
    run(&database, &format!("REVOKE UPDATE ON dbo.team FROM {name}")).await;
    let error = told("a database without one grant").await;
    assert!(error.contains("lacks UPDATE on dbo.team;"), "{error}");
    run(&database, &format!("GRANT UPDATE ON dbo.team TO {name}")).await;

    let store = SqlServer::open(&restricted).await.expect("all rights that a sink needs");
    let old = incoming("a.example", "S1", 1, "first");
    let new = incoming("a.example", "S1", 2, "second");
    assert_eq!(write(&store, &old).await, Written::Inserted);
    assert_eq!(write(&store, &new).await, Written::Replaced);
    assert_eq!(dumped(&store).await.tables[..8], expectation(&[new])[..]);
    drop(store);
    let server = database.server.clone();
    database.dropped().await;
    server::run(&server, &format!("DROP LOGIN {name}")).await.expect("a login of ours");
}

async fn write<S: Store>(store: &S, incoming: &Incoming) -> Written {
    store.write(std::slice::from_ref(incoming)).await.expect("a store that works")[0]
}

async fn dumped<S: Store>(store: &S) -> Dump {
    dump(store).await.expect("a store that can be read")
}

#[tokio::test]
async fn a_table_of_somebody_elses_is_named_with_what_tells_it() {
    let file = file();
    file.execute("CREATE TABLE team (id INTEGER PRIMARY KEY, members TEXT)");
    for wanted in [Migrate::Plan, Migrate::Apply] {
        let error = Sqlite::migrate(&file.path, wanted).await.expect_err("not ours");
        let told = error.to_string();
        assert!(told.contains("has a table team that sluice did not make"), "{told}");
        assert!(told.contains("there is no table session beside it"), "{told}");
    }
    file.execute("CREATE TABLE session (id INTEGER PRIMARY KEY, cookie TEXT)");
    let error = Sqlite::open(&file.path).await.expect_err("not ours").to_string();
    assert!(
        error.contains("a table session") && error.contains("lacks the column lsid"),
        "{error}"
    );
}

#[tokio::test]
async fn a_searched_column_is_widened_for_a_text_that_is_longer() {
    let Some(database) = server().await else { return };
    let store = SqlServer::open(&database.connection()).await.expect("a database");
    let short = incoming("a.example", "S1", 1, "short");
    let long = incoming("a.example", "S2", 2, &"ü".repeat(20_000));
    assert_eq!(write(&store, &short).await, Written::Inserted);
    assert_eq!(write(&store, &long).await, Written::Inserted);
    assert_eq!(dumped(&store).await.tables[..8], expectation(&[short, long])[..]);
    let definitions = definitions(&database).await.join("\n");
    assert!(!definitions.contains("index session 00 external_key"), "{definitions}");
    assert!(definitions.contains("index session 00 start_time"), "{definitions}");
    drop(store);
    database.dropped().await;
}

#[tokio::test]
async fn a_table_that_was_lost_is_told_to_whoever_asks_with_what_fills_it_again() {
    let file = file();
    drop(Sqlite::open(&file.path).await.expect("a new file"));
    file.execute("DROP TABLE team");
    let mut target = SqlTarget {
        engine: SqlEngine::Sqlite { path: file.path.clone() },
        batch_sessions_max: 1,
        migrate_at_start: true,
        store_system_information: true,
    };
    let told = sql_sink::check(&target).await.expect("the sink would mend it");
    for part in ["lacks team", "made anew they are empty", "`sluice replay --to`"] {
        assert!(told.contains(part), "{told}");
    }
    target.migrate_at_start = false;
    let error = sql_sink::check(&target).await.expect_err("the sink may not mend it");
    let told = std::error::Error::source(&error).expect("a cause").to_string();
    for part in ["lacks team", "`sluice replay --to`", "`sluice migrate --to`"] {
        assert!(told.contains(part), "{told}");
    }
    let done = Sqlite::migrate(&file.path, Migrate::Apply).await.expect("it can be made");
    assert_eq!(done.lost, ["team"]);
    assert!(done.told_of_lost().expect("a table").contains("`sluice replay --to`"));
}
