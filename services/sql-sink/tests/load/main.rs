//! Many sessions into one database by several sinks at once, whatever is killed, comes twice or comes late: in the end
//! the tables hold what the reports say, to the row.

mod fleet;
mod house;
mod reports;
#[allow(dead_code, reason = "this program uses a part of it")]
#[path = "../suite/mod.rs"]
mod suite;
mod takers;

use sql_sink::store::{SqlServer, Sqlite, StoreError};
use suite::Database;
use suite::server::{Fresh, VARIABLE, run};

/// A file of one test's own.
struct File(tempfile::TempDir);

impl Database for File {
    type Store = Sqlite;

    fn address(&self) -> String {
        self.0.path().join("sessions.db").display().to_string()
    }

    async fn open(&self) -> Result<Sqlite, StoreError> {
        Sqlite::open(self.address().as_ref()).await
    }

    async fn execute(&self, sql: &str) {
        let connection = rusqlite::Connection::open(self.address()).expect("a file");
        connection.execute_batch(sql).expect("a statement");
    }

    async fn poison(&self) {
        self.execute(
            "CREATE TRIGGER poison BEFORE INSERT ON session_event_data WHEN NEW.value LIKE 'poison%'
             BEGIN SELECT RAISE(ABORT, 'poison'); END",
        )
        .await;
    }
}

impl Database for Fresh {
    type Store = SqlServer;

    fn address(&self) -> String {
        self.connection()
    }

    async fn open(&self) -> Result<SqlServer, StoreError> {
        SqlServer::open(&self.address()).await
    }

    async fn execute(&self, sql: &str) {
        run(&self.address(), sql).await.expect("a statement that succeeds");
    }

    async fn poison(&self) {
        self.execute(
            "ALTER TABLE session_event_data ADD CONSTRAINT poison CHECK (value NOT LIKE N'poison%')",
        )
        .await;
    }
}

fn file() -> File {
    File(tempfile::tempdir().expect("a folder"))
}

async fn fresh() -> Option<Fresh> {
    let Ok(server) = std::env::var(VARIABLE) else {
        eprintln!("skipped: {VARIABLE} is not set");
        return None;
    };
    Some(Fresh::at(&server).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_three_takers_deliver_in_any_order_is_what_the_reports_say_in_sqlite() {
    takers::deliver_in_any_order(&file()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_three_takers_deliver_in_any_order_is_what_the_reports_say_in_sql_server() {
    let Some(database) = fresh().await else { return };
    takers::deliver_in_any_order(&database).await;
    database.dropped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_session_stands_alone_as_a_dead_letter_in_sqlite() {
    takers::poison_stands_alone(&file()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_session_stands_alone_as_a_dead_letter_in_sql_server() {
    let Some(database) = fresh().await else { return };
    takers::poison_stands_alone(&database).await;
    database.dropped().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make chaos"]
async fn ten_thousand_sessions_by_three_killed_processes_are_what_the_reports_say_in_sqlite() {
    let database = file();
    let target = format!("type = \"sqlite\"\npath = {:?}", database.address());
    fleet::load_while_processes_die(&database, &target).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "make chaos"]
async fn ten_thousand_sessions_by_three_killed_processes_are_what_the_reports_say_in_sql_server() {
    let Some(database) = fresh().await else { return };
    let target = "type = \"sql-server\"\nconnection = { env = \"WAREHOUSE\" }";
    fleet::load_while_processes_die(&database, target).await;
    database.dropped().await;
}
