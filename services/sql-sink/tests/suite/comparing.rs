//! Identities, and reading for comparisons: the promises, whatever the engine.

use domain::DestinationId;
use sql_sink::store::{Incoming, LedgerEntry, Recourse, Store, StoreError, Written};

use super::sessions::expectation;
use super::{Database, count, dumped, incoming, opened, written};

fn drawn(byte: u8) -> DestinationId {
    DestinationId::from_random([byte; 16])
}

pub async fn of_two_who_give_it_another_identity_one_does<D: Database>(database: &D) {
    let (one, other) = (opened(database).await, opened(database).await);
    assert_eq!(one.identity(), other.identity());
    let [first, second] = [drawn(1), drawn(2)];
    let (by_one, by_other) = tokio::join!(one.renew(&first), other.renew(&second));
    let by_one = by_one.expect("a database that works");
    assert_ne!(by_one, by_other.expect("a database that works"));
    let now = opened(database).await;
    assert_eq!(*now.identity(), if by_one { first } else { second });
    // Who has the old identity writes no more.
    let batch = [incoming("a.example", "S1", 1, "first")];
    for old in [&one, &other] {
        let refused = old.write(&batch).await.expect_err("it is another database now");
        assert!(matches!(refused, StoreError::Another { .. }), "{refused:?}");
        let probed = old.probe().await.expect_err("it is another database now");
        assert!(matches!(probed, StoreError::Another { .. }), "{probed:?}");
    }
    written(&now, &batch).await;
    assert!(now.renew(now.identity()).await.is_ok(), "a repeat is no error");
}

pub async fn the_ledger_is_read_page_by_page_and_strays_are_named<D: Database>(database: &D) {
    let store = opened(database).await;
    let mut batch = Vec::new();
    for number in 1..=5 {
        batch.push(incoming("a.example", &format!("S{number}"), number, "first"));
        batch.push(incoming("b.example", &format!("s{number}"), 10 + number, "second"));
    }
    written(&store, &batch).await;
    assert_eq!(store.strays(0, 10).await.expect("it works"), []);
    database
        .execute(
            "INSERT INTO session (lsid, host_name) VALUES ('theirs', 'a.example');
             INSERT INTO session (lsid, host_name) VALUES ('S1', 'a.example');
             DELETE FROM session WHERE lsid = 'S3';",
        )
        .await;
    let mut entries: Vec<LedgerEntry> = Vec::new();
    loop {
        let page = store.ledger_page(entries.last(), 3).await.expect("it works");
        let is_last = page.len() < 3;
        entries.extend(page);
        if is_last {
            break;
        }
    }
    let mut whole = store.ledger_rows().await.expect("it works");
    assert_eq!(whole.len(), 10);
    for (entry, (host_name, lsid, row)) in entries.iter().zip(whole.drain(..)) {
        assert_eq!((&entry.host_name, &entry.lsid, &entry.row), (&host_name, &lsid, &row));
        assert_eq!(entry.has_session, lsid != "S3", "{lsid}");
    }
    assert_eq!(entries.len(), 10);
    let mut strays = store.strays(0, 1).await.expect("it works");
    let more = store.strays(strays[0].id, 10).await.expect("it works");
    strays.extend(more);
    let strays: Vec<_> =
        strays.iter().map(|stray| (stray.lsid.as_str(), stray.is_double)).collect();
    assert_eq!(strays, [("theirs", false), ("S1", true)]);

    // Another program wrote host names as they were typed.
    database.execute("UPDATE session SET host_name = upper(host_name)").await;
    let strays = store.strays(0, 10).await.expect("it works");
    assert_eq!(strays.len(), 2, "{strays:?}");
    let entries = store.ledger_page(None, 20).await.expect("it works");
    assert_eq!(entries.iter().filter(|entry| entry.has_session).count(), 9);
}

pub async fn a_number_that_was_given_to_another_session_is_left_to_it<D: Database>(database: &D) {
    let store = opened(database).await;
    let [one, other] = ["S1", "S2"].map(|lsid| incoming("a.example", lsid, 1, lsid));
    written(&store, &[one.clone(), other.clone()]).await;
    let before = dumped(&store).await;
    database
        .execute(
            "UPDATE sluice_ledger SET session_id = (SELECT id FROM session WHERE lsid = 'S2') WHERE lsid = 'S1';
             DELETE FROM session WHERE lsid = 'S1';",
        )
        .await;
    let entries = store.ledger_page(None, 10).await.expect("it works");
    let held: Vec<bool> = entries.iter().map(|entry| entry.has_session).collect();
    assert_eq!(held, [false, true]);
    for again in [one, other] {
        let asked = Incoming { even_if_done: true, ..again };
        assert_eq!(written(&store, &[asked]).await, [Written::Replaced]);
    }
    assert_eq!(dumped(&store).await, before);
    assert_eq!(store.strays(0, 10).await.expect("it works"), []);
}

pub async fn tables_that_were_dropped_under_it_are_noticed_and_made_anew<D: Database>(
    database: &D,
) {
    let store = opened(database).await;
    let session = incoming("a.example", "S1", 1, "x");
    written(&store, std::slice::from_ref(&session)).await;
    database.execute("DROP TABLE sluice_database; DROP TABLE team; DROP TABLE sluice_ledger").await;
    assert!(matches!(store.probe().await, Err(StoreError::Another { .. })));
    let error = store.write(std::slice::from_ref(&session)).await.expect_err("no identity");
    assert!(matches!(error, StoreError::Another { .. }), "{error:?}");
    let anew = opened(database).await;
    assert_ne!(anew.identity(), store.identity());
    assert_eq!(written(&anew, std::slice::from_ref(&session)).await, [Written::Replaced]);
    assert_eq!(dumped(&anew).await.tables[..8], expectation(&[session])[..]);
    assert_eq!(anew.strays(0, 10).await.expect("it works"), []);
}

pub async fn a_table_that_is_lost_under_it_is_no_messages_fault<D: Database>(database: &D) {
    let store = opened(database).await;
    let session = incoming("a.example", "S1", 1, "x");
    database.execute("DROP TABLE team").await;
    let written_to = store.write(std::slice::from_ref(&session)).await.map(drop);
    for lost in [written_to, store.probe().await] {
        let error = lost.expect_err("a table is gone");
        assert_eq!(error.recourse(), Recourse::Down, "{error:?}");
        let told = error.to_string();
        assert!(told.contains("lacks team") && told.contains("replay"), "{told}");
    }
    let anew = opened(database).await;
    assert_eq!(anew.identity(), store.identity());
    for store in [&anew, &store] {
        store.probe().await.expect("all is there again");
    }
    assert_eq!(written(&anew, std::slice::from_ref(&session)).await, [Written::Inserted]);
    assert_eq!(dumped(&anew).await.tables[..8], expectation(&[session])[..]);
}

pub async fn a_lost_count_of_migrations_is_begun_anew<D: Database>(database: &D) {
    let store = opened(database).await;
    let session = incoming("a.example", "S1", 1, "x");
    written(&store, std::slice::from_ref(&session)).await;
    database.execute("DROP TABLE sluice_migration; DROP TABLE team").await;
    assert_eq!(store.probe().await.expect_err("a table is gone").recourse(), Recourse::Down);
    let anew = opened(database).await;
    anew.probe().await.expect("all is there again");
    assert_eq!(anew.identity(), store.identity());
    let asked = Incoming { even_if_done: true, ..session.clone() };
    assert_eq!(written(&anew, &[asked]).await, [Written::Replaced]);
    assert_eq!(dumped(&anew).await.tables[..8], expectation(&[session])[..]);
}

/// Left of a ledger that a person emptied.
pub async fn what_is_written_for_the_first_time_is_nobody_elses<D: Database>(database: &D) {
    let store = opened(database).await;
    let old = "INSERT INTO sluice_adopted (host_name, lsid) VALUES ('a.example', 'S1')";
    database.execute(old).await;
    let session = incoming("a.example", "S1", 1, "x");
    let key = [(session.site.clone(), session.lsid.clone())];
    assert_eq!(store.adopted(&key).await.expect("it works").len(), 1);
    assert_eq!(written(&store, &[session]).await, [Written::Inserted]);
    assert!(store.adopted(&key).await.expect("it works").is_empty());
}

/// `drop` drops representative and customer, and what keeps the engine from it.
pub async fn tables_that_views_name_are_made_anew<D: Database>(database: &D, drop: &str) {
    let store = opened(database).await;
    let session = incoming("a.example", "S1", 1, "x");
    written(&store, std::slice::from_ref(&session)).await;
    database.execute(drop).await;
    let anew = opened(database).await;
    assert_eq!(count(&anew, "representative").await, 0);
    assert_eq!(count(&anew, "customer").await, 0);
    let asked = Incoming { even_if_done: true, ..session.clone() };
    assert_eq!(written(&anew, &[asked]).await, [Written::Replaced]);
    assert_eq!(dumped(&anew).await.tables[..8], expectation(&[session])[..]);
}

pub async fn a_lost_ledger_doubles_no_session<D: Database>(database: &D) {
    let store = opened(database).await;
    let [same, older] = ["S1", "S2"].map(|lsid| incoming("a.example", lsid, 1, lsid));
    written(&store, &[same.clone(), older.clone()]).await;
    database.execute("DROP TABLE sluice_ledger").await;
    let anew = opened(database).await;
    assert_eq!(anew.strays(0, 10).await.expect("it works"), []);
    let newer = incoming("a.example", "S2", 2, "newer");
    let batch = [same.clone(), newer.clone()];
    assert_eq!(written(&anew, &batch).await, [Written::Replaced; 2]);
    assert_eq!(written(&anew, &batch).await, [Written::Unchanged; 2]);
    assert_eq!(written(&anew, &[older]).await, [Written::Older]);
    assert_eq!(dumped(&anew).await.tables[..8], expectation(&batch)[..]);
    assert_eq!(anew.strays(0, 10).await.expect("it works"), []);
}

/// Whether another program's sessions are there is not known any more.
pub async fn a_lost_record_of_adoption_doubles_no_session<D: Database>(database: &D) {
    drop(opened(database).await);
    database.execute("INSERT INTO session (lsid, host_name) VALUES ('S1', 'A.example')").await;
    // Without a ledger nobody knows which of the sessions are not another program's any more.
    for (lost, done) in [
        ("sluice_adoption", Written::Unchanged),
        ("sluice_ledger", Written::Replaced),
        ("sluice_adoption; DROP TABLE sluice_ledger", Written::Replaced),
    ] {
        database.execute(&format!("DROP TABLE {lost}")).await;
        let anew = opened(database).await;
        let first = incoming("a.example", "S1", 1, "first");
        assert_eq!(written(&anew, &[first]).await, [done], "{lost}");
        assert_eq!(count(&anew, "session").await, 1, "{lost}");
        assert_eq!(anew.strays(0, 10).await.expect("it works"), [], "{lost}");
    }
    let anew = opened(database).await;
    let newer = incoming("a.example", "S1", 2, "newer");
    assert_eq!(written(&anew, std::slice::from_ref(&newer)).await, [Written::Replaced]);
    assert_eq!(dumped(&anew).await.tables[..8], expectation(&[newer])[..]);
}

/// `drop` drops the table `lost`, but not what refers to it.
pub async fn children_of_a_lost_table_are_not_taken_for_others<D: Database>(
    database: &D,
    lost: &str,
    drop: &str,
) {
    let store = opened(database).await;
    let old = ["S1", "S2"].map(|lsid| incoming("a.example", lsid, 1, lsid));
    written(&store, &old).await;
    database.execute(drop).await;
    let anew = opened(database).await;
    for table in [lost, "session_event", "session_event_data", "system_information"] {
        assert_eq!(count(&anew, table).await, 0, "{table}");
    }
    let new = incoming("a.example", "S3", 2, "new");
    assert_eq!(written(&anew, std::slice::from_ref(&new)).await, [Written::Inserted]);
    let asked = old.clone().map(|old| Incoming { even_if_done: true, ..old });
    assert_eq!(written(&anew, &asked).await, [Written::Replaced; 2]);
    let [one, other] = old;
    assert_eq!(dumped(&anew).await.tables[..8], expectation(&[one, other, new])[..]);
    database.execute("DELETE FROM session").await;
    for table in ["team", "session_event", "session_event_data", "system_information"] {
        assert_eq!(count(&anew, table).await, 0, "{table} goes with the sessions");
    }
}
