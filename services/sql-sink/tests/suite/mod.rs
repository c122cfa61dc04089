//! What a store promises, whatever its engine. Each function is one promise, kept by a fresh database.

pub mod child;
pub mod comparing;
pub mod server;
pub mod sessions;

use std::time::Duration;

use domain::Revision;
use sql_sink::store::{Dump, Incoming, Store, StoreError, Written, dump};

pub use sessions::{incoming, telling};

/// A database of one test's own.
pub trait Database {
    /// The store under test.
    type Store: Store;
    /// How another process finds it.
    fn address(&self) -> String;
    /// Opens it, as a sink does.
    fn open(&self) -> impl Future<Output = Result<Self::Store, StoreError>> + Send;
    /// Runs statements of the engine's own, as a person does.
    fn execute(&self, sql: &str) -> impl Future<Output = ()> + Send;
    /// Makes the last of the eight tables refuse the category "poison".
    fn poison(&self) -> impl Future<Output = ()> + Send;
}

pub async fn opened<D: Database>(database: &D) -> D::Store {
    database.open().await.expect("a fresh database")
}

pub async fn written<S: Store>(store: &S, batch: &[Incoming]) -> Vec<Written> {
    store.write(batch).await.expect("a store that works")
}

pub async fn dumped<S: Store>(store: &S) -> Dump {
    dump(store).await.expect("a store that can be read")
}

/// How many rows a table has.
pub async fn count<S: Store>(store: &S, table: &str) -> usize {
    let dump = dumped(store).await;
    let (_, lines) = dump.tables.iter().find(|(name, _)| *name == table).expect("a known table");
    lines.len()
}

pub async fn what_comes_in_stands_in_every_table<D: Database>(database: &D) {
    let store = opened(database).await;
    let batch = [incoming("a.example", "S1", 1, "first"), incoming("b.example", "S1", 2, "second")];
    assert_eq!(written(&store, &batch).await, [Written::Inserted, Written::Inserted]);
    let dump = dumped(&store).await;
    for (table, lines) in &dump.tables {
        assert!(!lines.is_empty(), "{table} is empty");
        assert!(
            !lines.iter().any(|line| line.contains("(orphan)") || line.contains("(gone)")),
            "{dump}"
        );
    }
    let expected = sessions::expectation(&batch);
    assert_eq!(dump.tables[..8], expected[..], "{dump}");
}

pub async fn a_repeat_changes_nothing<D: Database>(database: &D) {
    let store = opened(database).await;
    let batch = [incoming("a.example", "S1", 1, "first"), incoming("a.example", "S2", 2, "second")];
    written(&store, &batch).await;
    let before = dumped(&store).await;
    assert_eq!(written(&store, &batch).await, [Written::Unchanged, Written::Unchanged]);
    let reversed: Vec<Incoming> = batch.iter().rev().cloned().collect();
    written(&store, &reversed).await;
    assert_eq!(dumped(&store).await, before);
}

pub async fn a_newer_revision_replaces_all_but_the_id<D: Database>(database: &D) {
    let store = opened(database).await;
    let old = incoming("a.example", "S1", 1, "first");
    let neighbour = incoming("a.example", "S2", 2, "neighbour");
    written(&store, &[old.clone(), neighbour.clone()]).await;
    let id = session_id(&store, &old).await;

    let new = incoming("a.example", "S1", 3, "second");
    assert_eq!(written(&store, std::slice::from_ref(&new)).await, [Written::Replaced]);
    assert_eq!(session_id(&store, &new).await, id);
    assert_eq!(dumped(&store).await.tables[..8], sessions::expectation(&[new, neighbour])[..]);
}

pub async fn an_older_revision_changes_nothing<D: Database>(database: &D) {
    let store = opened(database).await;
    written(&store, &[incoming("a.example", "S1", 5, "new")]).await;
    let before = dumped(&store).await;
    assert_eq!(written(&store, &[incoming("a.example", "S1", 4, "old")]).await, [Written::Older]);
    let asked = Incoming { even_if_done: true, ..incoming("a.example", "S1", 4, "old") };
    assert_eq!(written(&store, &[asked]).await, [Written::Older]);
    let epoch = Revision { epoch: 0, position: 99 };
    let import = Incoming { revision: epoch, ..incoming("a.example", "S1", 99, "import") };
    assert_eq!(written(&store, &[import]).await, [Written::Older]);
    assert_eq!(dumped(&store).await, before);
}

pub async fn equal_content_raises_the_revision_and_so_keeps_older_content_out<D: Database>(
    database: &D,
) {
    let store = opened(database).await;
    written(&store, &[incoming("a.example", "S1", 1, "same")]).await;
    assert_eq!(
        written(&store, &[incoming("a.example", "S1", 9, "same")]).await,
        [Written::Unchanged]
    );
    assert_eq!(
        written(&store, &[incoming("a.example", "S1", 5, "between")]).await,
        [Written::Older]
    );
    let row = ledger_row(&store, &incoming("a.example", "S1", 0, "")).await;
    assert_eq!(row.revision.position, 9);
    assert_eq!(count(&store, "session").await, 1);
}

pub async fn a_person_has_equal_content_written_again<D: Database>(database: &D) {
    let store = opened(database).await;
    let session = incoming("a.example", "S1", 1, "same");
    written(&store, std::slice::from_ref(&session)).await;
    let before = dumped(&store).await;
    let id = session_id(&store, &session).await;
    database.execute("DELETE FROM session_event").await;
    assert_eq!(count(&store, "session_event_data").await, 0, "children go with their parents");
    let asked = Incoming { even_if_done: true, ..session.clone() };
    assert_eq!(written(&store, std::slice::from_ref(&asked)).await, [Written::Replaced]);
    assert_eq!(dumped(&store).await, before);
    assert_eq!(session_id(&store, &session).await, id);

    database.execute("DELETE FROM session").await;
    assert_eq!(
        written(&store, std::slice::from_ref(&session)).await,
        [Written::Unchanged],
        "nobody asked"
    );
    assert_eq!(count(&store, "session").await, 0);
    assert_eq!(written(&store, &[asked]).await, [Written::Replaced]);
    assert_eq!(dumped(&store).await, before);
    assert_ne!(session_id(&store, &session).await, id, "an id is never given twice");
}

pub async fn several_revisions_in_one_batch_leave_the_newest<D: Database>(database: &D) {
    let store = opened(database).await;
    let newest = incoming("a.example", "S1", 3, "newest");
    let batch = [
        incoming("a.example", "S1", 1, "first"),
        newest.clone(),
        incoming("a.example", "S1", 2, "late"),
    ];
    assert_eq!(
        written(&store, &batch).await,
        [Written::Inserted, Written::Replaced, Written::Older]
    );
    assert_eq!(dumped(&store).await.tables[..8], sessions::expectation(&[newest])[..]);
}

pub async fn ids_of_sessions_compare_case_sensitively<D: Database>(database: &D) {
    let store = opened(database).await;
    let batch = [incoming("a.example", "abc", 1, "x"), incoming("a.example", "aBc", 2, "y")];
    assert_eq!(written(&store, &batch).await, [Written::Inserted; 2]);
    assert_eq!(written(&store, &batch).await, [Written::Unchanged; 2]);
    assert_eq!(count(&store, "session").await, 2);
}

pub async fn a_batch_is_written_whole_or_not_at_all<D: Database>(database: &D) {
    let store = opened(database).await;
    written(&store, &[incoming("a.example", "S1", 1, "first")]).await;
    let before = dumped(&store).await;
    database.poison().await;
    let batch = [
        incoming("a.example", "S1", 2, "changed"),
        incoming("a.example", "S2", 3, "new"),
        incoming("a.example", "S3", 4, "poison"),
    ];
    let error = store.write(&batch).await.expect_err("a table that refuses");
    assert_eq!(error.recourse(), sql_sink::store::Recourse::Retry, "{error:?}");
    assert_eq!(dumped(&store).await, before);
    assert_eq!(store.marks().await.expect("marks")["deliver-test"], 1);
    assert_eq!(written(&store, &batch[..2]).await, [Written::Replaced, Written::Inserted]);
}

pub async fn text_of_any_length_and_script_is_read_back<D: Database>(database: &D) {
    let store = opened(database).await;
    let texts = [
        " leading and trailing ".to_owned(),
        "\u{1}\t\r\n'\"[]{}%_\\@P1 \u{FFFD} \u{7f}".to_owned(),
        "🦀 ünïcödé 漢字 עברית \u{10FFFF}".to_owned(),
        "é".repeat(4001),
        format!("{}🦀", "x".repeat(31_999)),
        format!("{}é", "y".repeat(70_000)),
        "🦀".repeat(60_000),
        String::new(),
    ];
    let batch: Vec<Incoming> =
        (1..).zip(&texts).map(|(n, text)| telling(&format!("S{n}"), n, text)).collect();
    written(&store, &batch).await;
    let stored = dumped(&store).await;
    for ((table, stored), (_, expected)) in stored.tables.iter().zip(sessions::expectation(&batch))
    {
        assert!(
            *stored == expected,
            "{table} differs: {}",
            sessions::first_difference(stored, &expected)
        );
    }
}

pub async fn the_mark_of_a_route_never_falls<D: Database>(database: &D) {
    let store = opened(database).await;
    assert!(store.marks().await.expect("marks").is_empty());
    assert_eq!(store.newest().await.expect("the ledger"), None);
    written(&store, &[incoming("a.example", "S1", 7, "x")]).await;
    let late =
        Incoming { position: 3, route: "again".into(), ..incoming("a.example", "S2", 3, "y") };
    written(&store, &[incoming("a.example", "S1", 4, "older"), late]).await;
    let marks = store.marks().await.expect("marks");
    assert_eq!(
        marks.into_iter().collect::<Vec<_>>(),
        [("again".to_owned(), 3), ("deliver-test".to_owned(), 7)]
    );
    let newest = store.newest().await.expect("the ledger").expect("it holds something");
    assert_eq!(newest.position, 7);
}

pub async fn a_database_opened_again_is_the_same<D: Database>(database: &D) {
    let first = opened(database).await;
    written(&first, &[incoming("a.example", "S1", 1, "x")]).await;
    let before = dumped(&first).await;
    let second = opened(database).await;
    assert_eq!(second.identity(), first.identity());
    assert_eq!(dumped(&second).await, before);
    second.probe().await.expect("a database that answers");
}

pub async fn a_database_that_was_exchanged_is_noticed<D: Database>(database: &D) {
    let store = opened(database).await;
    database.execute("UPDATE sluice_database SET id = '0123456789abcdef0123456789abcdef'").await;
    let error = store.write(&[incoming("a.example", "S1", 1, "x")]).await.expect_err("another id");
    assert!(matches!(error, StoreError::Another { .. }), "{error:?}");
    assert!(matches!(store.probe().await, Err(StoreError::Another { .. })));
    assert_eq!(count(&store, "session").await, 0);
}

pub async fn what_is_rehearsed_is_taken_back<D: Database>(database: &D) {
    let store = opened(database).await;
    written(&store, &[incoming("a.example", "S1", 7, "x")]).await;
    let before = dumped(&store).await;
    for bytes in [0, 1, 200_000] {
        store.rehearse(bytes).await.expect("there is room");
    }
    assert_eq!(dumped(&store).await, before);
    assert_eq!(store.marks().await.expect("marks").len(), 1);
}

pub async fn a_database_from_the_future_is_refused<D: Database>(database: &D) {
    drop(opened(database).await);
    database
        .execute("INSERT INTO sluice_migration (number, name, applied_at) VALUES (9999, 'later', '2030-01-01 00:00:00')")
        .await;
    let error = database.open().await.err().expect("a refusal");
    assert!(matches!(error, StoreError::FromTheFuture { found: 9999, .. }), "{error:?}");
    assert!(error.to_string().contains("update it"), "{error}");
}

pub async fn a_table_of_somebody_elses_is_not_touched<D: Database>(database: &D) {
    database.execute("CREATE TABLE session (id int)").await;
    let error = database.open().await.err().expect("a refusal");
    assert!(
        matches!(&error, StoreError::SomebodyElses { table, .. } if table == "session"),
        "{error:?}"
    );
}

pub async fn migrations_can_run_twice<D: Database>(database: &D) {
    let store = opened(database).await;
    written(&store, &[incoming("a.example", "S1", 1, "x")]).await;
    let before = dumped(&store).await;
    database.execute("DELETE FROM sluice_migration").await;
    assert_eq!(dumped(&opened(database).await).await, before);
}

pub async fn both_names_of_people_and_endpoints_answer<D: Database>(database: &D) {
    let store = opened(database).await;
    written(&store, &[incoming("a.example", "S1", 1, "x")]).await;
    database.execute("UPDATE team SET name = (SELECT MIN(user_name) FROM [user])").await;
    database.execute("UPDATE team SET team_id = (SELECT MAX(host_name) FROM endpoint)").await;
    let dump = dumped(&store).await;
    let (_, teams) = dump.tables.iter().find(|(table, _)| *table == "team").expect("teams");
    assert!(teams[0].contains("jane") && teams[0].contains("CUSTOMER-PC"), "{teams:?}");
}

pub async fn writers_at_once_write_each_session_once<D: Database>(database: &D) {
    let first = opened(database).await;
    let second = opened(database).await;
    let batch = |from: u64| -> Vec<Incoming> {
        (from..from + 10)
            .map(|n| incoming("a.example", &format!("S{}", n % 12), 1 + n % 12, "x"))
            .collect()
    };
    let (a, b, c) = (batch(0), batch(4), batch(8));
    let rounds = async |store: &D::Store, batches: [&[Incoming]; 3]| {
        for batch in batches {
            written(store, batch).await;
        }
    };
    tokio::join!(
        rounds(&first, [&a, &b, &c]),
        rounds(&second, [&c, &a, &b]),
        rounds(&second, [&b, &c, &a])
    );
    let expected: Vec<Incoming> =
        (0..12).map(|n| incoming("a.example", &format!("S{n}"), 1 + n, "x")).collect();
    assert_eq!(dumped(&first).await.tables[..8], sessions::expectation(&expected)[..]);
    assert_eq!(count(&first, "sluice_ledger").await, 12);
}

pub async fn a_write_that_is_given_up_leaves_all_or_nothing<D: Database>(database: &D) {
    let store = opened(database).await;
    let batch: Vec<Incoming> =
        (1..=20).map(|n| incoming("a.example", &format!("S{n}"), n, "x")).collect();
    for chunk in 0..20 {
        let writing = store.write(&batch[chunk..]);
        drop(tokio::time::timeout(Duration::from_millis(3 * chunk as u64), writing).await);
        let dump = dumped(&store).await;
        assert_eq!(sessions::keys(&dump.tables[0].1), sessions::ledger_keys(&dump.tables[8].1));
    }
    written(&store, &batch).await;
    assert_eq!(dumped(&store).await.tables[..8], sessions::expectation(&batch)[..]);
}

async fn ledger_row<S: Store>(store: &S, of: &Incoming) -> sql_sink::store::LedgerRow {
    store.ledger(&of.site, &of.lsid).await.expect("a ledger").expect("a row")
}

async fn session_id<S: Store>(store: &S, of: &Incoming) -> i64 {
    ledger_row(store, of).await.session_id
}
