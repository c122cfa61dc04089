//! What another process does to the same database: this test program, started again as a child.

use std::process::{Child, Command, Stdio};

use sql_sink::store::Store;

use super::{Database, count, dumped, incoming, opened, sessions, written};

/// Names the database to the child; tests that are the child's do nothing without it.
pub const ADDRESS: &str = "SLUICE_TEST_CHILD";

/// Starts this program again, for one of its tests only.
fn child(test: &str, address: &str) -> Child {
    let program = std::env::current_exe().expect("a test runs from a file");
    Command::new(program)
        .args(["--exact", test, "--nocapture"])
        .env(ADDRESS, address)
        .stdout(Stdio::null())
        .spawn()
        .expect("a program that runs can be run again")
}

/// The child's part: writes batches until it is killed.
pub async fn writes_for_ever<S: Store>(store: &S) {
    for round in 0_u64.. {
        let batch: Vec<_> =
            (0..7).map(|n| incoming("a.example", &format!("S{}", round * 7 + n), 1, "x")).collect();
        written(store, &batch).await;
    }
}

pub async fn a_killed_process_leaves_whole_batches<D: Database>(database: &D, test: &str) {
    let store = opened(database).await;
    for kill in 1..=3 {
        let wanted = count(&store, "sluice_ledger").await + 7 * kill;
        let mut child = child(test, &database.address());
        while count(&store, "sluice_ledger").await < wanted {
            assert!(child.try_wait().expect("a child").is_none(), "the child ended by itself");
        }
        child.kill().expect("a child that runs");
        child.wait().expect("a child that was killed");
    }
    // Waits its turn behind whatever the killed process still had open at the server.
    written(&store, &[incoming("a.example", "S0", 1, "x")]).await;
    let sessions = count(&store, "session").await as u64;
    assert_eq!(sessions % 7, 0);
    let all: Vec<_> =
        (0..sessions).map(|n| incoming("a.example", &format!("S{n}"), 1, "x")).collect();
    assert_eq!(dumped(&store).await.tables[..8], sessions::expectation(&all)[..]);
}

pub async fn two_processes_that_open_first_agree_on_one_identity<D: Database>(
    database: &D,
    test: &str,
) {
    let children: Vec<Child> = (0..3).map(|_| child(test, &database.address())).collect();
    let store = opened(database).await;
    for mut child in children {
        assert!(child.wait().expect("a child").success());
    }
    assert_eq!(store.identity(), opened(database).await.identity());
    assert_eq!(count(&store, "session").await, 1, "all of them wrote it, and it is there once");
}
