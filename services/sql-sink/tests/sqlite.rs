//! The promises of a store, kept by SQLite.

mod suite;

use std::path::PathBuf;

use sql_sink::store::{Sqlite, Store, StoreError};
use suite::{Database, child};

struct File {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

fn fresh() -> File {
    let folder = tempfile::tempdir().expect("a folder");
    File { path: folder.path().join("sessions.db"), _folder: folder }
}

impl Database for File {
    type Store = Sqlite;

    fn address(&self) -> String {
        self.path.display().to_string()
    }

    async fn open(&self) -> Result<Sqlite, StoreError> {
        Sqlite::open(&self.path).await
    }

    async fn execute(&self, sql: &str) {
        let connection = rusqlite::Connection::open(&self.path).expect("a file");
        connection.execute_batch("PRAGMA foreign_keys = ON").expect("a setting");
        connection.execute_batch(sql).expect("a statement");
    }

    async fn poison(&self) {
        self.execute(
            "CREATE TRIGGER poison BEFORE INSERT ON system_information WHEN NEW.category = 'poison'
             BEGIN SELECT RAISE(ABORT, 'poison'); END",
        )
        .await;
    }
}

#[tokio::test]
async fn what_comes_in_stands_in_every_table() {
    suite::what_comes_in_stands_in_every_table(&fresh()).await;
}

#[tokio::test]
async fn a_repeat_changes_nothing() {
    suite::a_repeat_changes_nothing(&fresh()).await;
}

#[tokio::test]
async fn a_newer_revision_replaces_all_but_the_id() {
    suite::a_newer_revision_replaces_all_but_the_id(&fresh()).await;
}

#[tokio::test]
async fn an_older_revision_changes_nothing() {
    suite::an_older_revision_changes_nothing(&fresh()).await;
}

#[tokio::test]
async fn equal_content_raises_the_revision_and_so_keeps_older_content_out() {
    suite::equal_content_raises_the_revision_and_so_keeps_older_content_out(&fresh()).await;
}

#[tokio::test]
async fn a_person_has_equal_content_written_again() {
    suite::a_person_has_equal_content_written_again(&fresh()).await;
}

#[tokio::test]
async fn several_revisions_in_one_batch_leave_the_newest() {
    suite::several_revisions_in_one_batch_leave_the_newest(&fresh()).await;
}

#[tokio::test]
async fn ids_of_sessions_compare_case_sensitively() {
    suite::ids_of_sessions_compare_case_sensitively(&fresh()).await;
}

#[tokio::test]
async fn a_batch_is_written_whole_or_not_at_all() {
    suite::a_batch_is_written_whole_or_not_at_all(&fresh()).await;
}

#[tokio::test]
async fn text_of_any_length_and_script_is_read_back() {
    suite::text_of_any_length_and_script_is_read_back(&fresh()).await;
}

#[tokio::test]
async fn the_mark_of_a_route_never_falls() {
    suite::the_mark_of_a_route_never_falls(&fresh()).await;
}

#[tokio::test]
async fn a_database_opened_again_is_the_same() {
    suite::a_database_opened_again_is_the_same(&fresh()).await;
}

#[tokio::test]
async fn a_database_that_was_exchanged_is_noticed() {
    suite::a_database_that_was_exchanged_is_noticed(&fresh()).await;
}

#[tokio::test]
async fn what_is_rehearsed_is_taken_back() {
    suite::what_is_rehearsed_is_taken_back(&fresh()).await;
}

#[tokio::test]
async fn a_database_from_the_future_is_refused() {
    suite::a_database_from_the_future_is_refused(&fresh()).await;
}

#[tokio::test]
async fn a_table_of_somebody_elses_is_not_touched() {
    suite::a_table_of_somebody_elses_is_not_touched(&fresh()).await;
}

#[tokio::test]
async fn migrations_can_run_twice() {
    suite::migrations_can_run_twice(&fresh()).await;
}

#[tokio::test]
async fn both_names_of_people_and_endpoints_answer() {
    suite::both_names_of_people_and_endpoints_answer(&fresh()).await;
}

#[tokio::test]
async fn writers_at_once_write_each_session_once() {
    suite::writers_at_once_write_each_session_once(&fresh()).await;
}

#[tokio::test]
async fn a_write_that_is_given_up_leaves_all_or_nothing() {
    suite::a_write_that_is_given_up_leaves_all_or_nothing(&fresh()).await;
}

#[tokio::test]
async fn a_killed_process_leaves_whole_batches() {
    child::a_killed_process_leaves_whole_batches(&fresh(), "child_writes_for_ever").await;
}

#[tokio::test]
async fn two_processes_that_open_first_agree_on_one_identity() {
    let test = "child_opens_and_writes_once";
    child::two_processes_that_open_first_agree_on_one_identity(&fresh(), test).await;
}

#[tokio::test]
async fn child_writes_for_ever() {
    if let Ok(path) = std::env::var(child::ADDRESS) {
        let store = Sqlite::open(path.as_ref()).await.expect("the parent's file");
        child::writes_for_ever(&store).await;
    }
}

#[tokio::test]
async fn child_opens_and_writes_once() {
    if let Ok(path) = std::env::var(child::ADDRESS) {
        let store = Sqlite::open(path.as_ref()).await.expect("the parent's file");
        suite::written(&store, &[suite::incoming("a.example", "S1", 1, "x")]).await;
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_named_with_its_cure() {
    let file = fresh();
    std::fs::write(&file.path, "not a database, and long enough to be looked at".repeat(30))
        .expect("a file");
    let error = Sqlite::open(&file.path).await.expect_err("no database");
    assert!(error.to_string().ends_with("is no SQLite database: name another file"), "{error}");
    let missing = file.path.join("missing").join("sessions.db");
    let error = Sqlite::open(&missing).await.expect_err("no folder");
    assert!(error.to_string().contains("does its folder exist"), "{error}");
}

#[tokio::test]
async fn of_two_who_give_it_another_identity_one_does() {
    suite::comparing::of_two_who_give_it_another_identity_one_does(&fresh()).await;
}

#[tokio::test]
async fn the_ledger_is_read_page_by_page_and_strays_are_named() {
    suite::comparing::the_ledger_is_read_page_by_page_and_strays_are_named(&fresh()).await;
}

#[tokio::test]
async fn a_number_that_was_given_to_another_session_is_left_to_it() {
    suite::comparing::a_number_that_was_given_to_another_session_is_left_to_it(&fresh()).await;
}

#[tokio::test]
async fn tables_that_were_dropped_under_it_are_noticed_and_made_anew() {
    suite::comparing::tables_that_were_dropped_under_it_are_noticed_and_made_anew(&fresh()).await;
}

#[tokio::test]
async fn a_table_that_is_lost_under_it_is_no_messages_fault() {
    suite::comparing::a_table_that_is_lost_under_it_is_no_messages_fault(&fresh()).await;
}

#[tokio::test]
async fn a_lost_count_of_migrations_is_begun_anew() {
    suite::comparing::a_lost_count_of_migrations_is_begun_anew(&fresh()).await;
}

#[tokio::test]
async fn a_table_that_was_renamed_is_not_taken_for_a_lost_one() {
    let file = fresh();
    let store = suite::opened(&file).await;
    suite::written(&store, &[suite::sessions::incoming("a.example", "S1", 1, "x")]).await;
    let before = suite::count(&store, "session_event").await;
    file.execute("ALTER TABLE session RENAME TO session_2024").await;
    let error = file.open().await.expect_err("its rows belong to another table");
    let told = error.to_string();
    assert!(told.contains("session_2024") && told.contains("give it back its name"), "{told}");
    file.execute("ALTER TABLE session_2024 RENAME TO session").await;
    assert_eq!(suite::count(&suite::opened(&file).await, "session_event").await, before);
}

#[tokio::test]
async fn what_is_written_for_the_first_time_is_nobody_elses() {
    suite::comparing::what_is_written_for_the_first_time_is_nobody_elses(&fresh()).await;
}

#[tokio::test]
async fn tables_that_views_name_are_made_anew() {
    let drop = "DROP TABLE representative; DROP TABLE customer";
    suite::comparing::tables_that_views_name_are_made_anew(&fresh(), drop).await;
}

#[tokio::test]
async fn a_lost_ledger_doubles_no_session() {
    suite::comparing::a_lost_ledger_doubles_no_session(&fresh()).await;
}

#[tokio::test]
async fn a_lost_record_of_adoption_doubles_no_session() {
    suite::comparing::a_lost_record_of_adoption_doubles_no_session(&fresh()).await;
}

#[tokio::test]
async fn children_of_a_lost_table_are_not_taken_for_others() {
    for lost in ["session", "session_event"] {
        let drop = format!("PRAGMA foreign_keys = OFF; DROP TABLE {lost}");
        let file = fresh();
        suite::comparing::children_of_a_lost_table_are_not_taken_for_others(&file, lost, &drop)
            .await;
    }
}

#[tokio::test]
async fn a_file_that_lost_its_name_is_not_written() {
    let file = fresh();
    let store = suite::opened(&file).await;
    suite::written(&store, &[suite::sessions::incoming("a.example", "S1", 1, "x")]).await;
    std::fs::remove_file(&file.path).expect("a file");
    let two = [suite::sessions::incoming("a.example", "S2", 2, "x")];
    let error = store.write(&two).await.expect_err("the file is gone");
    assert!(matches!(error, StoreError::Down { .. }), "{error:?}");
    assert!(!file.path.exists());
    drop(suite::opened(&file).await);
    let error = store.write(&two).await.expect_err("it is another file");
    assert!(matches!(error, StoreError::Another { .. }), "{error:?}");
}
