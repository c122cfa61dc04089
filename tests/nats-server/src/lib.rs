//! A real nats-server for tests, killed and restarted at will.
//!
//! **Purpose.** What the log promises, it promises on top of a server that is killed, restarted and slow; so tests run
//! against that server and not against an imitation. Each server has its own folder and loopback port.
//!
//! **Facts in and out.** None.
//!
//! **Why a repeat is harmless.** A restart takes the same port and the same folder, as a service manager would.
//!
//! **Absent on purpose.** Clusters, TLS and accounts; a connection (the tests bring the client); waiting for a time
//! instead of a condition; use outside tests.

mod binary;
mod process;

pub use binary::program;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::{Duration, SystemTime};

use process::Process;
use tempfile::TempDir;

/// How many ports are tried before the test is given up.
const PORTS_TRIED_MAX: u32 = 20;

/// Ports below those that the system hands out for outgoing connections: a client that tries to reconnect while the
/// server is dead could otherwise be given the server's own port, and reach itself.
const PORTS: std::ops::Range<u64> = 14_000..32_000;

/// A nats-server with JetStream that syncs every write, in a folder and on a loopback port of its own. It ends with
/// this value, or with the test process.
#[derive(Debug)]
pub struct NatsServer {
    port: u16,
    process: Mutex<Option<Process>>,
    prefixes: AtomicU64,
    // Dropped after the process.
    folder: TempDir,
}

impl NatsServer {
    /// Starts a server and waits until it answers.
    ///
    /// # Panics
    /// When there is no nats-server, or it does not start: a test can't go on without.
    pub fn start() -> Self {
        Self::configured("")
    }

    /// Starts a server that has JetStream switched off.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn start_without_jetstream() -> Self {
        Self::of(process::base_config)
    }

    /// Starts a server with more lines of configuration, such as `max_payload: 100KB`.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn configured(lines: &str) -> Self {
        Self::of(|folder, port| {
            let base = process::base_config(folder, port);
            let store = folder.join("store");
            format!(
                "{base}jetstream {{\n  store_dir: {store:?}\n  sync_interval: always\n  \
                 max_memory_store: 64MB\n  max_file_store: 8GB\n}}\n{lines}\n"
            )
        })
    }

    /// One server for all tests of this process, which keep out of each other's way by
    /// [`fresh_prefix`](Self::fresh_prefix). Not to be killed.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<NatsServer> = OnceLock::new();
        SHARED.get_or_init(NatsServer::start)
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// A prefix for streams that no other test of this server has.
    pub fn fresh_prefix(&self) -> String {
        format!("test-{}", self.prefixes.fetch_add(1, Ordering::Relaxed))
    }

    /// Kills it as a crash would (SIGKILL) and waits until it is gone. A dead one stays dead.
    pub fn kill(&self) {
        if let Some(process) = self.process().take() {
            process.kill();
        }
    }

    /// Has it shut down (SIGTERM) and waits until it is gone.
    pub fn stop(&self) {
        if let Some(process) = self.process().take() {
            process.stop();
        }
    }

    /// Starts it again, on the same port and with what it stored; kills it first if it runs.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart(&self) {
        let mut process = self.process();
        if let Some(running) = process.take() {
            running.kill();
        }
        let started = Process::start(self.folder.path());
        *process = Some(started.unwrap_or_else(|refusal| panic!("{refusal}")));
    }

    /// Starts it again, on the same port and with nothing of what it stored.
    ///
    /// # Panics
    /// When it does not start.
    pub fn restart_empty(&self) {
        self.kill();
        std::fs::remove_dir_all(self.folder.path().join("store")).expect("it has stored something");
        self.restart();
    }

    fn of(config: impl Fn(&std::path::Path, u16) -> String) -> Self {
        let folder = TempDir::with_prefix("nats-server-").expect("a temporary folder can be made");
        let mut last = String::new();
        for attempt in 0..PORTS_TRIED_MAX {
            let port = candidate(attempt);
            std::fs::write(process::config_file(folder.path()), config(folder.path(), port))
                .expect("a temporary folder is writable");
            match Process::start(folder.path()) {
                Ok(process) => {
                    let process = Mutex::new(Some(process));
                    return NatsServer { port, process, prefixes: AtomicU64::new(0), folder };
                }
                Err(refusal) => last = refusal,
            }
        }
        panic!("{last}");
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        // A test that panicked while it restarted the server leaves none running, which is a state like any other.
        self.process.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nobody listens on just now. Somebody may be quicker; then the server refuses, and the next is tried.
fn candidate(attempt: u32) -> u16 {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or(Duration::ZERO);
    let seed = u64::from(now.subsec_nanos()) / 1_000
        + u64::from(std::process::id()) * 7_919
        + u64::from(attempt) * 104_729;
    let port = PORTS.start + seed % (PORTS.end - PORTS.start);
    u16::try_from(port).expect("the range lies below 65,536")
}
