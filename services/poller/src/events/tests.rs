use std::sync::Arc;

use appliance_simulator::Options;
use service::Health;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::rig::{Rig, until};

const PATH: &str = "drawn-at-random-1";

#[test]
fn an_end_is_told_from_what_else_happens() {
    let ended =
        read(b"event=support_conference_end&lsid=0123456789abcdef0123456789abcdef&version=1");
    let lsid = "0123456789abcdef0123456789abcdef".parse().expect("an LSID");
    assert_eq!(ended, Some(Event::Ended(Some(lsid))));
    assert_eq!(read(b"lsid=&event=support_conference_end"), Some(Event::Ended(None)));
    assert_eq!(read(b"event=support_conference_begin&lsid=a"), Some(Event::Other));
    for no_event in [&b""[..], b"event=", b"{\"event\": 1}", b"\xff\xfe"] {
        assert_eq!(read(no_event), None, "{no_event:?}");
    }
}

/// A poller whose schedule has run and will not for a week, and the address where it takes events.
async fn listening(allow: &str) -> (Arc<Rig>, SocketAddr, CancellationToken) {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let listen = free.local_addr().expect("it is bound");
    drop(free);
    let lines = format!(
        "[events]\nlisten = \"{listen}\"\npath = {{ env = \"PATH\" }}\nallow = [\"{allow}\"]\n\
         [schedule.weekly]\nevery = \"7d\"\n\
         transfers = [{{ site = \"hq\", destination = \"archive\", kinds = [\"session-data\"] }}]\n"
    );
    let rig =
        Arc::new(Rig::with(Options { sessions: 5, days: 2, ..Options::default() }, &lines).await);
    let stop = CancellationToken::new();
    let (running, stopped) = (rig.clone(), stop.clone());
    tokio::spawn(async move {
        let (clients, health) = (running.clients(), Health::new());
        let ended = crate::run(&running.settings, &running.log, &clients, &health, &stopped);
        ended.await.expect("it ends in good order");
    });
    let runs = crate::Runs::open(&rig.log).await.expect("the server runs");
    let ran = async || {
        let run = runs.of("weekly", &rig.host()).await.expect("the server runs");
        run.is_some_and(|run| run.last_success_at.is_some())
    };
    until("the first run is done", ran).await;
    (rig, listen, stop)
}

/// The status that a request is answered with.
async fn send(listen: SocketAddr, method: &str, path: &str, body: &str) -> u16 {
    let mut connection = TcpStream::connect(listen).await.expect("it listens");
    // What is too large is refused before it was read.
    let _refused = connection.write_all(request(method, path, body).as_bytes()).await;
    let mut answer = vec![0; 12];
    connection.read_exact(&mut answer).await.expect("it answers");
    let answer = String::from_utf8(answer).expect("ASCII");
    answer.rsplit(' ').next().and_then(|status| status.parse().ok()).expect("a status")
}

fn request(method: &str, path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: events\r\nConnection: close\r\nContent-Length: {length}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}"
    )
}

fn ended(lsid: &str) -> String {
    format!("event=support_conference_end&version=1&timestamp=1790000000&lsid={lsid}")
}

#[tokio::test]
async fn only_events_at_the_secret_path_are_taken() {
    let (_rig, listen, _stop) = listening("127.0.0.0/8").await;
    let path = format!("/{PATH}/hq");
    let event = "event=support_conference_begin&lsid=a";
    assert_eq!(send(listen, "POST", &path, event).await, 200);
    assert_eq!(send(listen, "POST", &format!("/{PATH}"), event).await, 200);
    for other in
        ["/", "/hq", "/drawn-at-random-2/hq", &format!("/{PATH}/other"), &format!("/{PATH}x")]
    {
        assert_eq!(send(listen, "POST", other, event).await, 404, "{other}");
    }
    assert_eq!(send(listen, "GET", &path, "").await, 405);
    assert_eq!(send(listen, "POST", &path, "no event").await, 400);
    assert_eq!(send(listen, "POST", &path, &"x".repeat(BODY_BYTES_MAX + 1)).await, 413);
}

#[tokio::test]
async fn who_is_not_allowed_learns_nothing() {
    let (_rig, listen, _stop) = listening("192.0.2.0/24").await;
    let mut connection = TcpStream::connect(listen).await.expect("it listens");
    let _shut_out = connection.write_all(b"POST / HTTP/1.1\r\nHost: events\r\n\r\n").await;
    let mut answer = Vec::new();
    let _shut_out = connection.read_to_end(&mut answer).await;
    assert_eq!(answer, b"", "not a word");
}

#[tokio::test]
async fn a_second_poller_of_one_machine_polls_and_takes_the_events_over() {
    let (rig, listen, stop) = listening("127.0.0.1").await;
    let (running, stopped, health) = (rig.clone(), CancellationToken::new(), Health::new());
    let (ended_when, told) = (stopped.clone(), health.clone());
    let second = tokio::spawn(async move {
        let clients = running.clients();
        crate::run(&running.settings, &running.log, &clients, &told, &ended_when).await
    });
    until("the second one is ready", async || health.is_ready()).await;
    let (path, due) = (format!("/{PATH}/hq"), rig.due().await);
    assert_eq!(send(listen, "POST", &path, "event=other").await, 200);
    let new = rig.site.add_sessions(1).pop().expect("one");
    stop.cancel();
    until("the second one takes them", async || {
        let sent = async {
            let mut connection = TcpStream::connect(listen).await?;
            connection.write_all(request("POST", &path, &ended(&new)).as_bytes()).await?;
            connection.read_u8().await
        };
        // Until then nobody is there, or the first one, which is leaving.
        let _answered = sent.await;
        rig.due().await == due + 1
    })
    .await;
    stopped.cancel();
    second.await.expect("it does not panic").expect("it ends in good order");
}

#[tokio::test]
async fn a_pushed_end_is_announced_though_no_schedule_runs_and_forged_ones_cost_little() {
    let (rig, listen, stop) = listening("127.0.0.1").await;
    let path = format!("/{PATH}/hq");
    let (before, due) = (rig.listings(), rig.due().await);
    let new = rig.site.add_sessions(1).pop().expect("one");
    for _ in 0..30 {
        assert_eq!(send(listen, "POST", &path, &ended(&new)).await, 200);
    }
    until("it is announced", async || rig.due().await == due + 1).await;
    assert!(rig.listings() - before <= 3, "{} listings", rig.listings() - before);
    for number in 0..200 {
        assert_eq!(send(listen, "POST", &path, &ended(&format!("{number:032}"))).await, 200);
    }
    assert!(rig.listings() - before <= 15, "{} listings", rig.listings() - before);
    assert_eq!(rig.due().await, due + 1, "an event is no fact");
    stop.cancel();
}
