//! A collector on loopback that keeps what it is sent.

use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::routing::post;

/// Its runtime is its own, so that a test can use it from outside any.
pub struct Receiver {
    pub address: SocketAddr,
    received: Arc<Received>,
    _runtime: tokio::runtime::Runtime,
}

#[derive(Default)]
struct Received {
    bodies: Mutex<Vec<(String, Vec<u8>)>>,
    more: Condvar,
}

impl Receiver {
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime can be built");
        let received = Arc::new(Received::default());
        let router =
            axum::Router::new().route("/v1/{signal}", post(keep)).with_state(received.clone());
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound listener has an address");
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { address, received, _runtime: runtime }
    }

    /// Waits until a body of this signal holds all the words. Protobuf keeps strings as they are.
    pub fn wait_for(&self, signal: &str, words: &[&str]) {
        let holds =
            |body: &[u8], word: &str| body.windows(word.len()).any(|part| part == word.as_bytes());
        let came = |bodies: &Vec<(String, Vec<u8>)>| {
            bodies
                .iter()
                .any(|(of, body)| of == signal && words.iter().all(|word| holds(body, word)))
        };
        let bodies = self.received.bodies.lock().unwrap_or_else(PoisonError::into_inner);
        let (bodies, _) = self
            .received
            .more
            .wait_timeout_while(bodies, Duration::from_secs(20), |bodies| !came(bodies))
            .unwrap_or_else(PoisonError::into_inner);
        let signals: Vec<&String> = bodies.iter().map(|(signal, _)| signal).collect();
        assert!(came(&bodies), "no {signal} with {words:?} among {signals:?}");
    }
}

async fn keep(State(received): State<Arc<Received>>, Path(signal): Path<String>, body: Bytes) {
    let mut bodies = received.bodies.lock().unwrap_or_else(PoisonError::into_inner);
    bodies.push((signal, body.to_vec()));
    received.more.notify_all();
}
