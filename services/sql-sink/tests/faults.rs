//! What the server says when it does not do what it is told, and what becomes of it: each kind of error takes the way
//! that the table of error numbers says. The server is Microsoft's stand-in for tests, which answers with what it is
//! told to; what that can't play (a refused login, a cut connection) is played by a door in front of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mssql_mock_tds::query_response::{QueryResponse, TerminalError};
use mssql_mock_tds::{MockTdsServer, protocol};
use sql_sink::store::{Recourse, SqlServer, StoreError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a connection begins with, by which the stand-in knows it.
const FIRST: &str = "SET XACT_ABORT ON; SET DEADLOCK_PRIORITY LOW; SET NOCOUNT ON; SET ANSI_NULLS ON; SET ANSI_WARNINGS ON; \
    SET ANSI_PADDING ON; SET QUOTED_IDENTIFIER ON; SET CONCAT_NULL_YIELDS_NULL ON; SET ARITHABORT ON; \
    SET ANSI_NULL_DFLT_ON ON;";

struct StandIn {
    address: SocketAddr,
    connections: Arc<tokio::sync::Mutex<mssql_mock_tds::server::ConnectionStore>>,
}

/// A server that answers the first statement of every connection like this.
async fn answering(response: Option<QueryResponse>) -> StandIn {
    let server = MockTdsServer::new("127.0.0.1:0").await.expect("a port");
    if let Some(response) = response {
        server.query_registry().lock().await.register(FIRST, response);
    }
    let stand_in = StandIn { address: server.local_addr(), connections: server.connection_store() };
    tokio::spawn(server.run());
    stand_in
}

fn error(number: u32) -> Option<QueryResponse> {
    Some(QueryResponse::error_only(TerminalError::new(number, 16, format!("error {number}"))))
}

async fn opened(address: SocketAddr, more: &str) -> StoreError {
    let connection = format!(
        "Server=tcp:127.0.0.1,{};Database=d;User ID=u;Password=p;Encrypt=DANGER_PLAINTEXT;{more}",
        address.port()
    );
    SqlServer::open(&connection).await.expect_err("a server that does not do what it is told")
}

/// How often it was tried, and what came of it.
async fn tried(number: u32) -> (usize, StoreError) {
    let server = answering(error(number)).await;
    let error = opened(server.address, "").await;
    (server.connections.lock().await.count(), error)
}

#[tokio::test]
async fn a_deadlock_is_tried_again_on_new_connections_and_is_then_the_messages_retry() {
    let (tries, error) = tried(1205).await;
    assert_eq!(tries, 4);
    assert_eq!(error.recourse(), Recourse::Retry, "{error:?}");
}

#[tokio::test]
async fn what_somebody_else_did_meanwhile_is_looked_at_again() {
    for number in [2627, 2601] {
        let (tries, error) = tried(number).await;
        assert_eq!(tries, 4, "{number}");
        assert_eq!(error.recourse(), Recourse::Retry, "{error:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_too_busy_or_moves_is_left_alone_for_a_while() {
    for number in [40501, 10928, 49918, 40613, 40197] {
        let (tries, error) = tried(number).await;
        assert_eq!(tries, 1, "{number}");
        assert!(matches!(error.recourse(), Recourse::Throttled(_)), "{number}: {error:?}");
    }
}

#[tokio::test]
async fn a_database_that_is_full_or_read_only_is_down_with_a_cure() {
    for (number, cure) in
        [(1105, "make room"), (3906, "read-only"), (262, "grants.sql"), (1222, "left open")]
    {
        let (tries, error) = tried(number).await;
        assert_eq!(tries, 1, "{number}");
        assert_eq!(error.recourse(), Recourse::Down, "{error:?}");
        assert!(error.to_string().contains(cure), "{number}: {error}");
    }
}

#[tokio::test]
async fn a_value_that_no_column_holds_is_rejected_and_an_unknown_number_retried() {
    assert_eq!(tried(8152).await.1.recourse(), Recourse::Reject);
    let (tries, error) = tried(50_000).await;
    assert_eq!((tries, error.recourse()), (1, Recourse::Retry), "{error:?}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_after_the_time_that_the_string_names() {
    let silent = QueryResponse::select_one().with_delay(Duration::from_secs(600));
    let server = answering(Some(silent)).await;
    let begun = Instant::now();
    let error = opened(server.address, "Command Timeout=1").await;
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    assert_eq!(error.recourse(), Recourse::Down, "{error:?}");
    assert!(error.to_string().contains("can't be reached"), "{error}");
    assert_eq!(server.connections.lock().await.count(), 4, "each try has a connection of its own");
}

/// What a door does with a connection.
#[derive(Clone, Copy)]
enum Door {
    /// Answers the login with this error.
    Refuses(u32),
    /// Cuts the connection when the first statement comes.
    Cuts,
    /// Lets the client in, and never answers.
    Silent,
}

/// A door in front of a server, and how many came.
async fn door(to: SocketAddr, door: Door) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let came = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&came);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(pass(client, to, door));
        }
    });
    (address, came)
}

const LOGIN: u8 = 0x10;
const STATEMENT: u8 = 0x01;

async fn pass(mut client: TcpStream, to: SocketAddr, door: Door) {
    let mut server = TcpStream::connect(to).await.expect("the stand-in");
    while let Some(packet) = packet(&mut client).await {
        match (packet[0], door) {
            (_, Door::Silent) => {
                std::future::pending::<()>().await;
            }
            (LOGIN, Door::Refuses(number)) => {
                let error = TerminalError::new(number, 14, format!("error {number}"));
                let tokens = protocol::build_terminal_error_tokens(&error);
                let mut answer = bytes::BytesMut::new();
                let length = u16::try_from(8 + tokens.len()).expect("a short answer");
                protocol::PacketHeader::new(protocol::PacketType::TabularResult, length, 1)
                    .write(&mut answer);
                answer.extend_from_slice(&tokens);
                drop(client.write_all(&answer).await);
                return;
            }
            (STATEMENT, Door::Cuts) => return,
            _ => {}
        }
        server.write_all(&packet).await.expect("the stand-in");
        let Some(answer) = self::packet(&mut server).await else { return };
        client.write_all(&answer).await.expect("the client");
    }
}

/// A whole packet: its header says how long it is.
async fn packet(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut packet = vec![0; 8];
    stream.read_exact(&mut packet).await.ok()?;
    let length = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    packet.resize(length, 0);
    stream.read_exact(&mut packet[8..]).await.ok()?;
    Some(packet)
}

#[tokio::test]
async fn a_refused_login_is_an_outage_with_a_cure_and_is_not_hammered() {
    let server = answering(None).await;
    for (number, cure) in
        [(18456, "check user and password"), (18487, "change it"), (40615, "firewall")]
    {
        let (address, came) = door(server.address, Door::Refuses(number)).await;
        let error = opened(address, "").await;
        assert_eq!(error.recourse(), Recourse::Down, "{error:?}");
        assert!(error.to_string().contains(cure), "{number}: {error}");
        assert_eq!(came.load(Ordering::Relaxed), 1, "{number}");
    }
    let (address, _) = door(server.address, Door::Refuses(40613)).await;
    let error = opened(address, "").await;
    assert!(matches!(error.recourse(), Recourse::Throttled(_)), "it fails over: {error:?}");
}

#[tokio::test]
async fn a_cut_connection_is_tried_again_on_another_and_is_then_an_outage() {
    let server = answering(None).await;
    let (address, came) = door(server.address, Door::Cuts).await;
    let error = opened(address, "").await;
    assert_eq!(error.recourse(), Recourse::Down, "{error:?}");
    assert_eq!(came.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn a_server_that_takes_the_connection_and_says_nothing_is_down() {
    let server = answering(None).await;
    let (address, _) = door(server.address, Door::Silent).await;
    let error = opened(address, "Connect Timeout=1").await;
    assert_eq!(error.recourse(), Recourse::Down, "{error:?}");
}

#[tokio::test]
async fn a_gateway_sends_the_client_on_to_the_server_that_it_means() {
    let meant = answering(error(1205)).await;
    let gateway =
        MockTdsServer::new_with_redirection("127.0.0.1:0", "127.0.0.1", meant.address.port())
            .await
            .expect("a port");
    let address = gateway.local_addr();
    tokio::spawn(gateway.run());
    let error = opened(address, "").await;
    assert_eq!(error.recourse(), Recourse::Retry, "{error:?}");
    assert_eq!(meant.connections.lock().await.count(), 4, "each connection was sent on");
}

#[tokio::test]
async fn a_token_is_read_from_its_file_for_each_connection() {
    let server = answering(error(1205)).await;
    let folder = tempfile::tempdir().expect("a folder");
    let token = folder.path().join("token");
    let more = format!("Access Token File={}", token.display());
    let missing = opened(server.address, &more).await;
    assert!(missing.to_string().contains("Access Token File names"), "{missing}");
    std::fs::write(&token, "a token\n").expect("a file");
    opened(server.address, &more).await;
    let connections = server.connections.lock().await;
    let tokens: Vec<Option<String>> =
        connections.all().values().map(|seen| seen.received_token_as_string()).collect();
    assert_eq!(tokens, vec![Some("a token".to_owned()); 4]);
}
