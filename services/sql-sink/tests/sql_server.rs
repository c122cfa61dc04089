//! The promises of a store, kept by a server of T-SQL: the one that `SLUICE_TEST_SQLSERVER` names, an ADO.NET
//! connection string of a login that may make databases. Without it these tests pass unrun, and say so.

mod suite;

use sql_sink::store::{SqlServer, Sqlite, Store, StoreError};
use suite::server::{Fresh, VARIABLE, run, within};
use suite::{Database, child};

async fn fresh() -> Option<Fresh> {
    let Ok(server) = std::env::var(VARIABLE) else {
        eprintln!("skipped: {VARIABLE} is not set");
        return None;
    };
    Some(Fresh::at(&server).await)
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
            "ALTER TABLE system_information ADD CONSTRAINT poison CHECK (category <> N'poison')",
        )
        .await;
    }
}

#[tokio::test]
async fn what_comes_in_stands_in_every_table() {
    let Some(database) = fresh().await else { return };
    suite::what_comes_in_stands_in_every_table(&database).await;
    database.dropped().await;
}

#[tokio::test]
async fn a_repeat_changes_nothing() {
    let Some(database) = fresh().await else { return };
    suite::a_repeat_changes_nothing(&database).await;
    database.dropped().await;
}

#[tokio::test]
async fn a_newer_revision_replaces_all_but_the_id() {
    let Some(database) = fresh().await else { return };
    suite::a_newer_revision_replaces_all_but_the_id(&database).await;
    database.dropped().await;
}

#[tokio::test]
async fn an_older_revision_changes_nothing() {
    let Some(database) = fresh().await else { return };
    suite::an_older_revision_changes_nothing(&database).await;
    database.dropped().await;
}

#[tokio::test]
async fn equal_content_raises_the_revision_and_so_keeps_older_content_out() {
    let Some(database) = fresh().await else { return };
    suite::equal_content_raises_the_revision_and_so_keeps_older_content_out(&database).await;
    database.dropped().await;
}

#[tokio::test]
async fn a_person_has_equal_content_written_again() {
    let Some(database) = fresh().await else { return };
    suite::a_person_has_equal_content_written_again(&database).await;
    database.dropped().await;
}

#[tokio::test]
async fn several_revisions_in_one_batch_leave_the_newest() {
    let Some(database) = fresh().await else { return };
    suite::several_revisions_in_one_batch_leave_the_newest(&database).await;
    database.dropped().await;
}

#[tokio::test]
async fn ids_of_sessions_compare_case_sensitively() {
    let Some(database) = fresh().await else { return };
    suite::ids_of_sessions_compare_case_sensitively(&database).await;
    database.dropped().await;
}

#[tokio::test]
async fn a_batch_is_written_whole_or_not_at_all() {
    let Some(database) = fresh().await else { return };
    suite::a_batch_is_written_whole_or_not_at_all(&database).await;
    database.dropped().await;
}

#[tokio::test]
async fn text_of_any_length_and_script_is_read_back() {
    let Some(database) = fresh().await else { return };
    suite::text_of_any_length_and_script_is_read_back(&database).await;
    database.dropped().await;
}

#[tokio::test]
async fn the_mark_of_a_route_never_falls() {
    let Some(database) = fresh().await else { return };
    suite::the_mark_of_a_route_never_falls(&database).await;
    database.dropped().await;
}

#[tokio::test]
async fn a_database_opened_again_is_the_same() {
    let Some(database) = fresh().await else { return };
    suite::a_database_opened_again_is_the_same(&database).await;
    database.dropped().await;
}

#[tokio::test]
async fn a_database_that_was_exchanged_is_noticed() {
    let Some(database) = fresh().await else { return };
    suite::a_database_that_was_exchanged_is_noticed(&database).await;
    database.dropped().await;
}

#[tokio::test]
async fn what_is_rehearsed_is_taken_back() {
    let Some(database) = fresh().await else { return };
    suite::what_is_rehearsed_is_taken_back(&database).await;
    database.dropped().await;
}

#[tokio::test]
async fn a_database_from_the_future_is_refused() {
    let Some(database) = fresh().await else { return };
    suite::a_database_from_the_future_is_refused(&database).await;
    database.dropped().await;
}

#[tokio::test]
async fn a_table_of_somebody_elses_is_not_touched() {
    let Some(database) = fresh().await else { return };
    suite::a_table_of_somebody_elses_is_not_touched(&database).await;
    database.dropped().await;
}

#[tokio::test]
async fn migrations_can_run_twice() {
    let Some(database) = fresh().await else { return };
    suite::migrations_can_run_twice(&database).await;
    database.dropped().await;
}

#[tokio::test]
async fn both_names_of_people_and_endpoints_answer() {
    let Some(database) = fresh().await else { return };
    suite::both_names_of_people_and_endpoints_answer(&database).await;
    database.dropped().await;
}

#[tokio::test]
async fn writers_at_once_write_each_session_once() {
    let Some(database) = fresh().await else { return };
    suite::writers_at_once_write_each_session_once(&database).await;
    database.dropped().await;
}

#[tokio::test]
async fn a_write_that_is_given_up_leaves_all_or_nothing() {
    let Some(database) = fresh().await else { return };
    suite::a_write_that_is_given_up_leaves_all_or_nothing(&database).await;
    database.dropped().await;
}

#[tokio::test]
async fn a_killed_process_leaves_whole_batches() {
    let Some(database) = fresh().await else { return };
    child::a_killed_process_leaves_whole_batches(&database, "child_writes_for_ever").await;
    database.dropped().await;
}

#[tokio::test]
async fn two_processes_that_open_first_agree_on_one_identity() {
    let Some(database) = fresh().await else { return };
    let test = "child_opens_and_writes_once";
    child::two_processes_that_open_first_agree_on_one_identity(&database, test).await;
    database.dropped().await;
}

#[tokio::test]
async fn child_writes_for_ever() {
    if let Ok(connection) = std::env::var(child::ADDRESS) {
        let store = SqlServer::open(&connection).await.expect("the parent's database");
        child::writes_for_ever(&store).await;
    }
}

#[tokio::test]
async fn child_opens_and_writes_once() {
    if let Ok(connection) = std::env::var(child::ADDRESS) {
        let store = SqlServer::open(&connection).await.expect("the parent's database");
        suite::written(&store, &[suite::incoming("a.example", "S1", 1, "x")]).await;
    }
}

#[tokio::test]
async fn the_same_sessions_make_the_same_rows_in_both_engines() {
    let Some(database) = fresh().await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let lite = Sqlite::open(&folder.path().join("sessions.db")).await.expect("a file");
    let server = suite::opened(&database).await;
    for batch in [0..30, 20..50] {
        let batch: Vec<_> = batch
            .map(|n| suite::incoming("a.example", &format!("S{n}"), n, &format!("w{n}")))
            .collect();
        assert_eq!(suite::written(&lite, &batch).await, suite::written(&server, &batch).await);
    }
    assert_eq!(suite::dumped(&lite).await, suite::dumped(&server).await);
    drop(server);
    database.dropped().await;
}

#[tokio::test]
async fn a_login_that_is_refused_and_a_server_that_is_not_there_are_outages_with_a_cure() {
    let error =
        SqlServer::open("Server=tcp:127.0.0.1,1;User Id=u;Password=p").await.expect_err("nobody");
    assert!(error.to_string().contains("can't be reached"), "{error}");
    assert_eq!(error.recourse(), sql_sink::store::Recourse::Down);
    let Some(database) = fresh().await else { return };
    let wrong = format!("{};Password=wrong", database.address());
    let error = SqlServer::open(&wrong).await.expect_err("a wrong password");
    assert!(error.to_string().contains("refuses the login"), "{error:?}");
    let nowhere = within(&database.server, "sluice_no_such_database");
    let error = SqlServer::open(&nowhere).await.expect_err("no such database");
    assert!(error.to_string().contains("refuses the login"), "{error:?}");
    database.dropped().await;
}

/// The server pads what it compares, so it would take one for the other.
#[tokio::test]
async fn an_id_that_ends_in_a_space_is_refused_before_it_is_taken_for_another() {
    let Some(database) = fresh().await else { return };
    let store = suite::opened(&database).await;
    suite::written(&store, &[suite::incoming("a.example", "S1", 1, "x")]).await;
    let error =
        store.write(&[suite::incoming("a.example", "S1 ", 2, "y")]).await.expect_err("a space");
    assert_eq!(error.recourse(), sql_sink::store::Recourse::Reject, "{error:?}");
    drop(store);
    database.dropped().await;
}

#[tokio::test]
async fn a_value_that_no_column_holds_is_refused_by_its_name_and_length_and_never_cut() {
    let Some(database) = fresh().await else { return };
    let store = suite::opened(&database).await;
    database
        .execute(
            "ALTER TABLE custom_attribute DROP COLUMN [value];
             ALTER TABLE custom_attribute ADD [value] nvarchar(10) NULL",
        )
        .await;
    let long = suite::incoming("a.example", "S2", 2, "eleven long");
    let batch = [suite::incoming("a.example", "S1", 1, "ten in all"), long.clone()];
    let error = store.write(&batch).await.expect_err("a value too long");
    assert_eq!(error.recourse(), sql_sink::store::Recourse::Reject, "{error:?}");
    let error = store.write(&[long]).await.expect_err("a value too long");
    let told = std::error::Error::source(&error).expect("a cause").to_string();
    for part in ["the session S2 of a.example", "custom_attribute.value", "11 characters", "10"] {
        assert!(told.contains(part), "{told}");
    }
    suite::written(&store, &batch[..1]).await;
    let expected = suite::sessions::expectation(&batch[..1]);
    assert_eq!(suite::dumped(&store).await.tables[..8], expected[..]);
    drop(store);
    database.dropped().await;
}

#[tokio::test]
async fn tables_that_have_other_types_than_ours_take_the_same_rows() {
    let Some(database) = fresh().await else { return };
    drop(suite::opened(&database).await);
    database
        .execute(
            "ALTER TABLE session_event_data DROP COLUMN [value];
             ALTER TABLE session_event_data ADD [value] nvarchar(4000) NULL",
        )
        .await;
    let store = suite::opened(&database).await;
    let batch =
        [suite::incoming("a.example", "S1", 1, "x"), suite::incoming("b.example", "S1", 2, "y")];
    suite::written(&store, &batch).await;
    let expected = suite::sessions::expectation(&batch);
    assert_eq!(suite::dumped(&store).await.tables[..8], expected[..]);
    drop(store);
    database.dropped().await;
}

#[tokio::test]
async fn a_connection_string_that_is_none_is_not_shown() {
    let error =
        SqlServer::open("Server=x;Password='sec'ret'").await.expect_err("a string like that");
    assert!(!format!("{error} {error:?}").contains("sec'ret"), "{error:?}");
}

#[tokio::test]
async fn of_two_who_give_it_another_identity_one_does() {
    let Some(database) = fresh().await else { return };
    suite::comparing::of_two_who_give_it_another_identity_one_does(&database).await;
    database.dropped().await;
}

#[tokio::test]
async fn the_ledger_is_read_page_by_page_and_strays_are_named() {
    let Some(database) = fresh().await else { return };
    suite::comparing::the_ledger_is_read_page_by_page_and_strays_are_named(&database).await;
    database.dropped().await;
}

#[tokio::test]
async fn a_number_that_was_given_to_another_session_is_left_to_it() {
    let Some(database) = fresh().await else { return };
    suite::comparing::a_number_that_was_given_to_another_session_is_left_to_it(&database).await;
    database.dropped().await;
}

#[tokio::test]
async fn tables_that_were_dropped_under_it_are_noticed_and_made_anew() {
    let Some(database) = fresh().await else { return };
    suite::comparing::tables_that_were_dropped_under_it_are_noticed_and_made_anew(&database).await;
    database.dropped().await;
}

#[tokio::test]
async fn a_table_that_is_lost_under_it_is_no_messages_fault() {
    let Some(database) = fresh().await else { return };
    suite::comparing::a_table_that_is_lost_under_it_is_no_messages_fault(&database).await;
    database.dropped().await;
}

#[tokio::test]
async fn a_lost_count_of_migrations_is_begun_anew() {
    let Some(database) = fresh().await else { return };
    suite::comparing::a_lost_count_of_migrations_is_begun_anew(&database).await;
    database.dropped().await;
}

#[tokio::test]
async fn what_is_written_for_the_first_time_is_nobody_elses() {
    let Some(database) = fresh().await else { return };
    suite::comparing::what_is_written_for_the_first_time_is_nobody_elses(&database).await;
    database.dropped().await;
}

#[tokio::test]
async fn tables_that_views_name_are_made_anew() {
    let Some(database) = fresh().await else { return };
    // SQL Server would keep the views; some who speak its language would keep the tables.
    let drop =
        "DROP VIEW [user]; DROP VIEW endpoint; DROP TABLE representative; DROP TABLE customer";
    suite::comparing::tables_that_views_name_are_made_anew(&database, drop).await;
    database.dropped().await;
}

#[tokio::test]
async fn a_lost_ledger_doubles_no_session() {
    let Some(database) = fresh().await else { return };
    suite::comparing::a_lost_ledger_doubles_no_session(&database).await;
    database.dropped().await;
}

#[tokio::test]
async fn a_lost_record_of_adoption_doubles_no_session() {
    let Some(database) = fresh().await else { return };
    suite::comparing::a_lost_record_of_adoption_doubles_no_session(&database).await;
    database.dropped().await;
}

#[tokio::test]
async fn children_of_a_lost_table_are_not_taken_for_others() {
    let of_session = ["representative", "customer", "team", "custom_attribute", "session_event"];
    let keys = |tables: &[&str], of: &str| {
        let drop = |table: &&str| format!("ALTER TABLE {table} DROP CONSTRAINT fk_{table}_{of};");
        tables.iter().map(drop).collect::<String>()
    };
    for (lost, keys) in [
        ("session", keys(&of_session, "session")),
        ("session_event", keys(&["session_event_data", "system_information"], "event")),
    ] {
        let Some(database) = fresh().await else { return };
        let drop = format!("{keys} DROP TABLE {lost}");
        suite::comparing::children_of_a_lost_table_are_not_taken_for_others(&database, lost, &drop)
            .await;
        database.dropped().await;
    }
}
