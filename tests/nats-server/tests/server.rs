//! What tests lean on when they use the server.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;

use nats_server::NatsServer;

fn greeting(server: &NatsServer) -> Option<String> {
    let address = server.url().replace("nats://", "");
    let connection = TcpStream::connect(address).ok()?;
    let mut line = String::new();
    BufReader::new(connection).read_line(&mut line).ok()?;
    Some(line)
}

#[test]
fn a_killed_server_is_gone_and_comes_back_on_its_port() {
    let server = NatsServer::start();
    assert!(greeting(&server).expect("it answers").contains("\"jetstream\":true"));
    let url = server.url();
    server.kill();
    assert_eq!(greeting(&server), None);
    server.restart();
    assert!(greeting(&server).is_some());
    assert_eq!(server.url(), url);
}

#[test]
fn a_stopped_server_is_gone() {
    let server = NatsServer::start_without_jetstream();
    assert!(!greeting(&server).expect("it answers").contains("\"jetstream\":true"));
    server.stop();
    assert_eq!(greeting(&server), None);
}

#[test]
fn servers_of_one_process_keep_out_of_each_others_way() {
    let (one, other) = (NatsServer::start(), NatsServer::start());
    assert_ne!(one.url(), other.url());
    assert_ne!(one.fresh_prefix(), one.fresh_prefix());
}
