//! What can't succeed is told, and holds up nothing else; what is down is waited for.

use appliance_simulator::{ErrorPlace, Fault};
use end_to_end::{Arrived, Destinations, Rig, SettingsFile, rows_of, until};
use nats_server::NatsServer;
use queue::{Log, LogOptions};

use crate::replay::Rows;

const SESSIONS: u64 = 15;

fn databases(sqlite: &[&'static str]) -> SettingsFile {
    SettingsFile {
        files_of_all_kinds: false,
        destinations: Destinations { sqlite: sqlite.to_vec(), ..Destinations::default() },
        ..SettingsFile::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_succeed_is_a_dead_letter_with_its_reason_and_all_else_arrives() {
    let nats = NatsServer::start();
    let rig = Rig::new(SESSIONS).await;
    let lsids: Vec<String> =
        rig.sites[0].sessions().into_iter().map(|session| session.lsid).collect();
    let only = |index: usize| [lsids[index].clone()].into();
    rig.sites[0].add_fault(Fault::NotXml { lsids: only(0) });
    rig.sites[0].add_fault(Fault::Error { lsids: only(1), place: ErrorPlace::default() });
    let staging = format!("file://{}", rig.path("staging").display());
    rig.settle(&SettingsFile { shared: Some((nats.url(), staging)), ..SettingsFile::default() });
    let log = Log::connect(&LogOptions::plain(&nats.url(), "test")).await.expect("a log");
    let garbage = "sluice.session.ended.support=2Eexample=2Ecom.garbage";
    let client = async_nats::connect(nats.url()).await.expect("a server");
    client.publish(garbage, "no fact".into()).await.expect("a connection");
    client.flush().await.expect("a connection");

    rig.once().await;

    let letters = log.dead_letters().list().await.expect("a log");
    let reasons: Vec<&str> = letters.iter().map(|lying| lying.letter.reason.as_str()).collect();
    assert_eq!(letters.len(), 3, "{reasons:#?}");
    assert!(reasons.iter().any(|reason| reason.contains("the XML is malformed")), "{reasons:#?}");
    assert!(
        reasons.iter().any(|reason| reason.contains("the appliance refuses the session-data")),
        "{reasons:#?}"
    );
    assert!(
        reasons.iter().any(|reason| reason.contains("can't be read as a fact")),
        "{reasons:#?}"
    );
    assert_eq!(Arrived::at(&rig).await.sessions(), 2 * SESSIONS as usize - 2);

    // The appliance is mended; a person has them tried again.
    rig.sites[0].clear_faults();
    let output = rig.sluice(&["dead-letters", "retry", "--all"]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    rig.once().await;
    assert_eq!(Arrived::at(&rig).await.sessions(), 2 * SESSIONS as usize);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_is_away_is_waited_for_and_nothing_is_given_up() {
    let rig = Rig::new(SESSIONS).await;
    let settings = SettingsFile::default();
    rig.settle(&settings);
    rig.once().await;
    // The share is unmounted: where it was there is an empty directory.
    let (mounted, away) = (rig.path("files"), rig.path("away"));
    std::fs::rename(&mounted, &away).expect("a folder of ours");
    std::fs::create_dir(&mounted).expect("a folder of ours");
    let up = rig.start("sluice", &["up"]);
    rig.sites[0].add_sessions(5);
    until("the database has the new sessions", async || {
        (Arrived::at(&rig).await.sessions() == 2 * SESSIONS as usize + 5).then_some(())
    })
    .await;
    // Far longer than the retries of a message that fails would take.
    tokio::time::sleep(std::time::Duration::from_secs(20)).await;
    assert_eq!(
        std::fs::read_dir(&mounted).expect("a directory").count(),
        0,
        "nothing was written there"
    );
    let status = rig.sluice(&["status"]).await;
    let printed = String::from_utf8_lossy(&status.stdout).into_owned();
    assert!(printed.contains("dead letters: none"), "{printed}");

    std::fs::remove_dir(&mounted).expect("it is empty");
    std::fs::rename(&away, &mounted).expect("a folder of ours");
    until("the files are there, too", async || {
        let names = Arrived::at(&rig).await.files;
        (names.keys().filter(|name| name.ends_with(".xml")).count() == 2 * SESSIONS as usize + 5)
            .then_some(())
    })
    .await;
    assert!(up.stop().await, "it stops in good order");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_run_waits_for_a_destination_that_is_not_open_yet_and_fills_it() {
    let rig = Rig::new(SESSIONS).await;
    rig.settle(&databases(&["sessions.db"]));
    rig.once().await;
    // It has no routes before it is opened, so nothing waits for it.
    let held = rusqlite::Connection::open(rig.path("second.db")).expect("a file");
    held.execute_batch("BEGIN EXCLUSIVE").expect("nobody else has it");
    rig.settle(&databases(&["sessions.db", "second.db"]));
    let mut once = rig.start("sluice", &["up", "--once"]);
    until("it has said more than once what it waits for", async || {
        let told = rig.logged("sluice").matches("database second is waited for").count();
        (told > 1).then_some(())
    })
    .await;
    held.execute_batch("ROLLBACK").expect("it is ours");
    assert!(once.ended().await, "{}", rig.logged("sluice"));
    let first = rows_of(&rig.path("sessions.db")).await;
    assert_eq!(rows_of(&rig.path("second.db")).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_run_does_not_wait_for_a_destination_that_the_settings_no_longer_name() {
    let rig = Rig::new(SESSIONS).await;
    rig.settle(&databases(&["sessions.db", "second.db"]));
    rig.once().await;
    rig.settle(&databases(&["sessions.db"]));
    rig.sites[0].add_sessions(1);
    rig.sites[0].advance_clock(120);
    let mut once = rig.start("sluice", &["up", "--once"]);
    assert!(once.ended().await, "{}", rig.logged("sluice"));
    let count = |rows: Rows| rows[0].1.len();
    let first = rows_of(&rig.path("sessions.db")).await;
    assert_eq!(count(first), 2 * SESSIONS as usize + 1);
    assert_eq!(count(rows_of(&rig.path("second.db")).await), 2 * SESSIONS as usize);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_settings_are_told_all_at_once_with_exit_code_2() {
    let rig = Rig::new(1).await;
    std::fs::write(
        rig.path("sluice.toml"),
        "[site.hq]\nhost = \"a.example.com\"\nproduct = \"telephone\"\nclient_id = \"x\"\ncolour = 1\n\
         client_secret = { env = \"NO_SUCH_VARIABLE\" }\n\
         [schedule.s]\nevery = \"8d\"\ntransfers = [{ site = \"nowhere\", destination = \"none\", kinds = [\"session-data\"] }]\n",
    )
    .expect("a writable folder");
    let output = rig.sluice(&["up"]).await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{told}");
    for part in [
        "telephone",
        "colour",
        "NO_SUCH_VARIABLE",
        "nowhere",
        "none",
        "sluice.toml:3:",
        "sluice.toml:8:",
    ] {
        assert!(told.contains(part), "{part}\n{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_nats_is_told_in_one_plain_sentence() {
    let rig = Rig::new(1).await;
    rig.settle(&SettingsFile {
        shared: Some(("nats://127.0.0.1:9".to_owned(), "file:///tmp/nowhere".to_owned())),
        ..SettingsFile::default()
    });
    let output = rig.sluice(&["status"]).await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("could not reach NATS at nats://127.0.0.1:9"), "{told}");
}
