//! An HTTP client of a page: one request per connection, and it tells a complete answer from one that was cut.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use appliance_simulator::{Options, RunningSimulator, Simulator};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// An answer; `complete` is false if the connection ended before the last chunk.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    pub complete: bool,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the answer is text")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the answer is JSON")
    }
}

/// Starts a site whose clock stands still, so that runs can be compared.
pub async fn start(options: Options) -> RunningSimulator {
    let options =
        Options { now: options.now.or(Some(1_750_000_000)), rate_per_second: 0, ..options };
    Simulator::start(options).await.expect("a free port of this machine can be taken")
}

/// Sends a request and reads the answer to its end. None if the connection was closed without one.
pub async fn send(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Option<Answer> {
    let mut stream = TcpStream::connect(to).await.ok()?;
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nHost: simulated\r\nContent-Length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    request.push_str(body);
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut received = Vec::new();
    let _broken_or_not = stream.read_to_end(&mut received).await;
    parse(&received)
}

fn parse(received: &[u8]) -> Option<Answer> {
    let end = received.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&received[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let (body, complete) = dechunk(&received[end + 4..]);
    Some(Answer { status, headers, body, complete })
}

fn dechunk(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(line_end) = rest.windows(2).position(|two| two == b"\r\n") else {
            return (body, false);
        };
        let size = std::str::from_utf8(&rest[..line_end])
            .ok()
            .and_then(|hex| usize::from_str_radix(hex, 16).ok());
        let Some(size) = size else { return (body, false) };
        let from = line_end + 2;
        if size == 0 {
            return (body, true);
        }
        let Some(chunk) = rest.get(from..from + size) else {
            body.extend_from_slice(&rest[from..]);
            return (body, false);
        };
        body.extend_from_slice(chunk);
        rest = rest.get(from + size + 2..).unwrap_or_default();
    }
}

/// The answer to a request for a token.
pub async fn log_in(simulator: &RunningSimulator, secret: &str) -> Answer {
    let basic = BASE64_STANDARD.encode(format!("{}:{secret}", simulator.options().client_id));
    let headers = [
        ("Authorization", &*format!("Basic {basic}")),
        ("Content-Type", "application/x-www-form-urlencoded"),
    ];
    let body = "grant_type=client_credentials";
    send(simulator.address(), "POST", "/oauth2/token", &headers, body)
        .await
        .expect("the site answers")
}

/// A token.
pub async fn token(simulator: &RunningSimulator) -> String {
    let answer = log_in(simulator, &simulator.options().client_secret).await;
    answer.json()["access_token"].as_str().expect("the credentials are right").to_owned()
}

/// A GET with a token of its own.
pub async fn get(simulator: &RunningSimulator, path: &str) -> Answer {
    let token = token(simulator).await;
    get_with(simulator, &token, path).await.expect("the site answers")
}

/// A GET with a given token.
pub async fn get_with(simulator: &RunningSimulator, token: &str, path: &str) -> Option<Answer> {
    let bearer = format!("Bearer {token}");
    send(simulator.address(), "GET", path, &[("Authorization", &bearer)], "").await
}

/// A GET without a token.
pub async fn look(simulator: &RunningSimulator, path: &str) -> Answer {
    send(simulator.address(), "GET", path, &[], "").await.expect("the site answers")
}
