//! The worker, with a real log and a real staging, delivering to SQLite.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use domain::facts::{Again, AgainMode, ArtifactStaged, Asked, Cause, ClaimCheck, Deed};
use domain::{ArtifactId, Digest, Family, Marks, Particulars};
use messages::Fact;
use nats_server::NatsServer;
use queue::{Failure, Lease, Log, LogOptions, Origin, Outcome, Task, Worker as _};
use service::Health;
use settings::Needs;
use sql_sink::SqlSink;
use sql_sink::store::{Sqlite, Store as _, dump};
use staging::Staging;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// A log, a staging and a database, with a sink between them.
struct House {
    log: Log,
    staging: Staging,
    folder: TempDir,
    sink: SqlSink<Sqlite>,
    /// The same database, looked at by the test.
    store: Sqlite,
}

impl House {
    async fn build() -> Self {
        let server = NatsServer::shared();
        let options = LogOptions {
            prefix: server.fresh_prefix(),
            ..LogOptions::plain(&server.url(), "sql-sink-test")
        };
        let log = Log::connect(&options).await.expect("the server is there");
        let folder = tempfile::tempdir().expect("a folder");
        let staged = folder.path().join("staging");
        std::fs::create_dir(&staged).expect("a folder");
        let staging = Staging::open(&format!("file://{}", staged.display()))
            .await
            .expect("a folder can be staging");
        let store = Sqlite::open(&folder.path().join("sessions.db")).await.expect("a database");
        let sink = SqlSink::new(store.clone(), log.clone(), staging.clone(), true);
        House { log, staging, folder, sink, store }
    }

    /// Stages this text as the report of a session, and says so in the log.
    async fn stage(&self, lsid: &str, xml: &str) -> Task {
        let pieces = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from(xml.to_owned()))]);
        let artifact = artifact(lsid);
        let staged = self.staging.put(&artifact, "xml", pieces).await.expect("it can be staged");
        let fact = Fact::ArtifactStaged(ArtifactStaged {
            artifact,
            claim: ClaimCheck {
                object: staged.object,
                size: staged.size,
                digest: staged.digest,
                content: Digest::of(xml.as_bytes()),
                extension: "xml".to_owned(),
            },
            particulars: Particulars::default(),
            staged_at: Utc::now(),
            cause: Cause { subject: "x".to_owned(), sequence: 1 },
            revision: None,
        });
        let sequence = self.log.publish(&fact).await.expect("it can be published");
        task(fact, sequence)
    }

    async fn work(&self, tasks: &[Task]) -> Vec<Outcome> {
        let lease = Lease::new("test", Duration::from_secs(60));
        self.sink.work(tasks, &lease).await.expect("the batch as a whole works")
    }

    /// The notes of what was done; `-` where nothing was to be told.
    async fn notes(&self, tasks: &[Task]) -> Vec<String> {
        let note = |outcome: Outcome| {
            let done = outcome.expect("delivered");
            let activity = done.activity.first();
            assert!(activity.is_none_or(|activity| activity.deed == Deed::Delivered));
            activity.map_or("-".to_owned(), |activity| activity.note.clone())
        };
        self.work(tasks).await.into_iter().map(note).collect()
    }

    async fn dumped(&self) -> String {
        dump(&self.store).await.expect("a database that can be read").to_string()
    }
}

fn artifact(lsid: &str) -> ArtifactId {
    let site = "support.example.com".parse().expect("a host");
    ArtifactId::report(site, Family::Session, lsid.parse().expect("an LSID"))
}

fn task(fact: Fact, sequence: u64) -> Task {
    let origin = Origin {
        stream: "ARTIFACTS".to_owned(),
        subject: "x".to_owned(),
        sequence,
        published_at: Utc::now(),
        route: "deliver".to_owned(),
    };
    Task { fact, origin }
}

fn report(lsid: &str, said: &str) -> String {
    format!(
        "<session_list xmlns=\"http://www.beyondtrust.com/sra/namespaces/API/reporting\"><session lsid=\"{lsid}\">\
         <session_type>support</session_type><session_details><event timestamp=\"1700000000\" \
         event_type=\"Chat Message\"><body>{said}</body></event></session_details></session></session_list>"
    )
}

fn again(lsid: &str, to: &Sqlite, mode: AgainMode, sequence: u64) -> Task {
    let fact = Fact::Again(Again {
        artifact: artifact(lsid),
        to: Asked::Deliver(to.identity().clone()),
        ask: "test".to_owned(),
        mode,
        why: "a test asks".to_owned(),
        asked_by: "a test".to_owned(),
        asked_at: Utc::now(),
        destinations: Vec::new(),
        import: None,
    });
    task(fact, sequence)
}

#[tokio::test(flavor = "multi_thread")]
async fn staged_reports_become_rows_and_a_redelivery_changes_nothing() {
    let house = House::build().await;
    let tasks =
        [house.stage("1", &report("1", "one")).await, house.stage("2", &report("2", "two")).await];
    assert_eq!(house.notes(&tasks).await, ["inserted", "inserted"]);
    let before = house.dumped().await;
    assert!(before.contains("support.example.com/1#00001#00001 | \"body\" | \"one\""), "{before}");
    assert_eq!(house.notes(&tasks).await, ["-", "-"]);
    assert_eq!(house.notes(&tasks[1..]).await, ["-"]);
    assert_eq!(house.dumped().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_out_of_order_leave_the_newest_revision() {
    let house = House::build().await;
    let old = house.stage("1", &report("1", "old")).await;
    let new = house.stage("1", &report("1", "new")).await;
    assert_eq!(house.notes(&[new]).await, ["inserted"]);
    assert_eq!(house.notes(&[old]).await, ["-"]);
    let dump = house.dumped().await;
    assert!(dump.contains("\"new\"") && !dump.contains("\"old\""), "{dump}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_cant_be_read_is_rejected_alone() {
    let house = House::build().await;
    let tasks = [
        house.stage("1", &report("1", "one")).await,
        house.stage("2", "this is no XML").await,
        house.stage("3", &report("other", "three")).await,
        house.stage("4", &report("4", "four")).await,
    ];
    let outcomes = house.work(&tasks).await;
    assert!(outcomes[0].is_ok() && outcomes[3].is_ok());
    let why = |outcome: &Outcome| match outcome {
        Err(failure @ Failure::Reject(_)) => failure.to_string(),
        other => panic!("{other:?} is no rejection"),
    };
    assert!(why(&outcomes[1]).contains("can't be understood"), "{}", why(&outcomes[1]));
    assert!(why(&outcomes[2]).contains("tells of the session other"), "{}", why(&outcomes[2]));
    let dump = house.dumped().await;
    assert!(
        dump.contains("\"one\"") && dump.contains("\"four\"") && !dump.contains("\"three\""),
        "{dump}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_staging_lost_is_asked_for_again() {
    let house = House::build().await;
    let lost = house.stage("1", &report("1", "one")).await;
    let there = house.stage("2", &report("2", "two")).await;
    let Fact::ArtifactStaged(staged) = &lost.fact else { panic!("it was staged") };
    house.staging.remove(&staged.claim.object).await.expect("an object can be removed");
    let mut outcomes = house.work(&[lost, there]).await.into_iter();
    let asked = outcomes.next().expect("two outcomes").expect("not a failure");
    assert!(
        matches!(&asked.announce[..], [Fact::Again(again)] if again.to == Asked::Fetch),
        "{asked:?}"
    );
    assert_eq!(outcomes.next().expect("two outcomes").expect("delivered").activity.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_again_delivers_what_the_log_says_last() {
    let house = House::build().await;
    house.stage("1", &report("1", "old")).await;
    house.stage("1", &report("1", "new")).await;
    let missing = again("1", &house.store, AgainMode::IfMissing, 3);
    assert_eq!(house.notes(std::slice::from_ref(&missing)).await, ["inserted"]);
    assert_eq!(house.notes(std::slice::from_ref(&missing)).await, ["-"]);
    let asked = again("1", &house.store, AgainMode::EvenIfDone, 4);
    assert_eq!(house.notes(&[asked]).await, ["replaced"]);
    let nothing = again("2", &house.store, AgainMode::IfMissing, 5);
    assert_eq!(house.notes(&[nothing]).await, ["-"], "nothing was staged yet");
    let marks = house.store.marks().await.expect("marks");
    let epoch = house.log.epoch().await.expect("the log answers");
    assert_eq!(marks.into_iter().collect::<Vec<_>>(), [(Marks::key("deliver", epoch), 4)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_fails_is_an_outage_and_nobodys_fault() {
    let house = House::build().await;
    let task = house.stage("1", &report("1", "one")).await;
    let database = house.folder.path().join("sessions.db");
    let other = rusqlite::Connection::open(&database).expect("a file");
    other.execute_batch("UPDATE sluice_database SET id = 'x'").expect("a statement");
    let lease = Lease::new("test", Duration::from_secs(60));
    let failure =
        house.sink.work(std::slice::from_ref(&task), &lease).await.expect_err("another database");
    assert!(matches!(failure, Failure::Down(_)), "{failure:?}");
    assert!(matches!(house.sink.probe().await, Err(Failure::Down(_))));
    let id = house.store.identity().as_str();
    other.execute("UPDATE sluice_database SET id = ?1", [id]).expect("a statement");
    house.sink.probe().await.expect("it is back");
    assert_eq!(house.notes(&[task]).await, ["inserted"]);
}

/// Sets which version of the format a program must know to write the file; it may be read all the same.
fn set_write_version(path: &Path, version: u8) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::OpenOptions::new().write(true).open(path).expect("a file");
    file.write_all_at(&[version], 18).expect("a file that is there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_can_be_read_only_is_down_until_it_can_be_written() {
    let house = House::build().await;
    let first = house.stage("1", &report("1", "one")).await;
    assert_eq!(house.notes(&[first]).await, ["inserted"]);
    let path = house.folder.path().join("sessions.db");
    let other = rusqlite::Connection::open(&path).expect("a file");
    other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).expect("nobody reads");
    // What others wrote has the sink read the file's head again.
    other.execute_batch("BEGIN; UPDATE sluice_database SET id = id").expect("a statement");
    set_write_version(&path, 3);
    other.execute_batch("COMMIT").expect("it was begun before");

    let second = house.stage("2", &report("2", "two")).await;
    let lease = Lease::new("test", Duration::from_secs(60));
    for _ in 0..2 {
        let tasks = std::slice::from_ref(&second);
        let failure = house.sink.work(tasks, &lease).await.expect_err("it is read-only");
        assert!(matches!(failure, Failure::Down(_)), "{failure:?}");
        assert!(failure.to_string().contains("is read-only: give the user"), "{failure}");
        house.store.probe().await.expect("it can be read");
        let probed = house.sink.probe().await.expect_err("it can't be written");
        assert!(matches!(probed, Failure::Down(_)), "{probed:?}");
    }
    set_write_version(&path, 2);
    house.sink.probe().await.expect("it can be written again");
    assert_eq!(house.notes(&[second]).await, ["inserted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_copy_of_the_database_is_not_written_to() {
    let house = House::build().await;
    let (first, second) =
        (house.stage("1", &report("1", "one")).await, house.stage("2", &report("2", "two")).await);
    assert_eq!(house.notes(&[first]).await, ["inserted"]);
    let backup = house.folder.path().join("backup.db");
    let database = rusqlite::Connection::open(house.folder.path().join("sessions.db"));
    let database = database.expect("a file");
    database.execute("VACUUM INTO ?1", [backup.to_string_lossy()]).expect("a copy");
    assert_eq!(house.notes(&[second]).await, ["inserted"]);

    // Somebody else's sink has the older copy.
    let store = Sqlite::open(&backup).await.expect("a database");
    let sink = SqlSink::new(store, house.log.clone(), house.staging.clone(), true);
    let third = house.stage("3", &report("3", "three")).await;
    let lease = Lease::new("test", Duration::from_secs(60));
    let failure = sink.work(&[third], &lease).await.expect_err("an older copy");
    assert!(matches!(failure, Failure::Down(_)), "{failure:?}");
    assert!(failure.to_string().contains("older copy of itself"), "{failure}");
    assert!(matches!(sink.probe().await, Err(Failure::Down(_))), "not before it is renewed");
    let marks = sink.store().marks().await.expect("it can be read");
    assert_eq!(marks.into_values().collect::<Vec<_>>(), [1], "nothing was written");
    house.sink.probe().await.expect("the newer one works");
}

/// How many rows a table has; none where there is no such table.
fn count(path: &Path, table: &str) -> Option<i64> {
    let connection = rusqlite::Connection::open(path).expect("a file");
    let sql = format!("SELECT count(*) FROM {table}");
    connection.query_row(&sql, [], |row| row.get(0)).ok()
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect(what);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_lost_under_a_running_sink_is_made_anew_and_no_message_dies() {
    let house = House::build().await;
    let path = house.folder.path().join("sessions.db");
    let text = format!(
        "[site.support]\nhost = \"support.example.com\"\nproduct = \"remote-support\"\nclient_id = \"x\"\n\
         client_secret = {{ env = \"X\" }}\n[destination.warehouse]\ntype = \"sqlite\"\npath = {path:?}\n\
         [schedule.often]\nevery = \"5m\"\ntransfers = [{{ site = \"support\", destination = \"warehouse\", \
         kinds = [\"session-data\"] }}]\n"
    );
    let settings = settings::parse(&text, "/test/sluice.toml", Needs::NONE, &|_| None);
    let settings = settings.expect("they are right");
    let (health, stop) = (Health::new(), CancellationToken::new());
    let run = sql_sink::run(&settings, &house.log, &house.staging, &health, &stop);
    let test = async {
        house.stage("1", &report("1", "one")).await;
        until("the first", || count(&path, "session_event") == Some(1)).await;
        let other = rusqlite::Connection::open(&path).expect("a file");
        other.execute_batch("DROP TABLE session_event").expect("a statement");
        house.stage("2", &report("2", "two")).await;
        until("the second", || count(&path, "session_event") == Some(1)).await;
        assert_eq!(count(&path, "session"), Some(2));
        stop.cancel();
    };
    let (ran, ()) = tokio::join!(run, test);
    ran.expect("it ends in good order");
}
