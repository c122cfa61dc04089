//! The appliance says that a session has ended, and its row is there.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use end_to_end::{Destinations, Rig, SettingsFile, free_address, until};
use rusqlite::{Connection, OpenFlags};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SESSIONS: i64 = 20;
const PATH: &str = "0123456789abcdef-events";
/// Two seconds on an idle machine (what it took is printed); this one may be busy. Without the event it would be most of a day.
const LIMIT: Duration = Duration::from_secs(60);

/// Tells as an appliance does that a session has ended.
async fn tell(listen: SocketAddr, lsid: &str) {
    let body = format!("event=support_conference_end&version=1&timestamp=1790000000&lsid={lsid}");
    let mut connection = TcpStream::connect(listen).await.expect("it listens");
    let request = format!(
        "POST /{PATH}/support HTTP/1.1\r\nHost: events\r\nConnection: close\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}",
        body.len()
    );
    connection.write_all(request.as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// How many sessions the database holds.
fn rows(rig: &Rig) -> Option<i64> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let database = Connection::open_with_flags(rig.path("sessions.db"), flags).ok()?;
    database.query_row("SELECT count(*) FROM session", [], |row| row.get(0)).ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_whose_end_is_pushed_is_in_the_database_long_before_its_schedule_runs() {
    let mut rig = Rig::with(|options| {
        options.sessions = SESSIONS.unsigned_abs();
        options.now = None;
    })
    .await;
    let listen = free_address();
    rig.variable("EVENTS_PATH", PATH);
    rig.settle(&SettingsFile {
        files_of_all_kinds: false,
        second_site: false,
        // A day or more would close its routes between its runs.
        every: "23h",
        more: format!(
            "[events]\nlisten = \"{listen}\"\npath = {{ env = \"EVENTS_PATH\" }}\nallow = [\"127.0.0.0/8\"]\n"
        ),
        destinations: Destinations { sqlite: vec!["sessions.db"], ..Destinations::default() },
        ..SettingsFile::default()
    });
    let sluice = rig.start("sluice", &["up"]);
    until("the first run is delivered", async || (rows(&rig) == Some(SESSIONS)).then_some(()))
        .await;

    let mut took = Vec::new();
    for new in 1..=5 {
        let lsid = rig.sites[0].add_sessions(1).pop().expect("one");
        let began = Instant::now();
        tell(listen, &lsid).await;
        while rows(&rig) != Some(SESSIONS + new) {
            assert!(began.elapsed() < LIMIT, "{LIMIT:?} passed; by then: {took:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        took.push(began.elapsed());
    }
    println!("from the outbound event to the row in SQL: {took:?}");
    assert!(sluice.stop().await, "it stops in good order");
}
