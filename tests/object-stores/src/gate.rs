use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::Bucket;

/// A way to a stand-in that can be bad.
#[derive(Debug)]
pub struct Gate {
    port: u16,
    shared: Arc<Mutex<Shared>>,
}

/// What becomes of what comes to a gate.
#[derive(Debug, Clone)]
pub enum Way {
    /// It gets to the stand-in.
    Open,
    /// Nobody answers: connections are closed.
    Closed,
    /// Nobody answers, and connections stay.
    Silent,
    /// Each request is answered with this status and body, and gets no further.
    Answered(&'static str, &'static str),
    /// So many bytes get to the stand-in, then the gate is closed.
    ClosedAfter(u64),
}

#[derive(Debug)]
struct Shared {
    way: Way,
    open: Vec<TcpStream>,
}

impl Gate {
    /// A gate before a bucket's stand-in, and the bucket as it is seen through it.
    ///
    /// # Panics
    /// When no port is free, or the bucket names no stand-in.
    pub fn before(bucket: &Bucket) -> (Gate, Bucket) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let port = listener.local_addr().expect("it has one").port();
        let shared = Arc::new(Mutex::new(Shared { way: Way::Open, open: Vec::new() }));
        let behind = bucket.settings.iter().find_map(|(_, value)| port_in(value));
        let behind = behind.expect("its settings name the stand-in's port");
        let gate = Gate { port, shared: Arc::clone(&shared) };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || serve(stream, behind, &shared));
            }
        });
        let through = |(name, value): &(String, String)| {
            let value = match port_in(value) {
                Some(behind) => value.replace(&format!(":{behind}"), &format!(":{port}")),
                None => value.clone(),
            };
            (name.clone(), value)
        };
        let settings = bucket.settings.iter().map(through).collect();
        (gate, Bucket { url: bucket.url.clone(), settings })
    }

    /// From now on it is so; connections that are there are closed.
    pub fn set(&self, way: Way) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.way = way;
        close(&mut shared);
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

fn port_in(value: &str) -> Option<u16> {
    let rest = value.split_once("http://127.0.0.1:")?.1;
    rest.split('/').next()?.parse().ok()
}

fn close(shared: &mut Shared) {
    for stream in shared.open.drain(..) {
        // It may be closed already.
        let _ = stream.shutdown(Shutdown::Both);
    }
}

fn serve(stream: TcpStream, behind: u16, shared: &Mutex<Shared>) {
    let way = {
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.open.extend(stream.try_clone());
        shared.way.clone()
    };
    // What breaks off here is what the tests want to see on the other side.
    let _ = match way {
        Way::Closed => stream.shutdown(Shutdown::Both),
        Way::Silent => std::io::copy(&mut &stream, &mut std::io::sink()).map(drop),
        Way::Answered(status, body) => answer(&stream, status, body),
        Way::Open | Way::ClosedAfter(_) => forward(stream, behind, shared),
    };
}

fn answer(mut stream: &TcpStream, status: &str, body: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? <= 2 {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    stream.shutdown(Shutdown::Both)
}

fn forward(client: TcpStream, behind: u16, shared: &Mutex<Shared>) -> std::io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", behind))?;
    shared.lock().unwrap_or_else(PoisonError::into_inner).open.push(server.try_clone()?);
    let (from_server, to_client) = (server.try_clone()?, client.try_clone()?);
    thread::spawn(move || pour(from_server, to_client, |_| true));
    pour(client, server, |count| {
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let Way::ClosedAfter(left) = &mut shared.way else { return true };
        *left = left.saturating_sub(count);
        if *left == 0 {
            shared.way = Way::Closed;
            close(&mut shared);
        }
        !matches!(shared.way, Way::Closed)
    });
    Ok(())
}

fn pour(mut from: TcpStream, mut to: TcpStream, go_on: impl Fn(u64) -> bool) {
    let mut block = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut block) {
        if !go_on(count as u64) || to.write_all(&block[..count]).is_err() {
            break;
        }
    }
    // The other end sees that this one ended.
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
