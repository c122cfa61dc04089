use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::binary;

/// How long a server may take to start, or to shut down, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Waits for the end of its input, which comes with the end of the test process however that ends, and then ends the
/// server and removes its folder.
const WATCHDOG: &str = "read -r _; kill -9 \"$1\"; \
    for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 \"$1\" 2>/dev/null || break; sleep 0.1; done; rm -rf -- \"$2\"";

/// A running server and its watchdog.
#[derive(Debug)]
pub(crate) struct Process {
    server: Child,
    watchdog: Child,
}

/// Where the configuration lies in a server's folder.
pub(crate) fn config_file(folder: &Path) -> PathBuf {
    folder.join("nats.conf")
}

/// What every server of this crate is configured with.
pub(crate) fn base_config(folder: &Path, port: u16) -> String {
    format!(
        "server_name: \"test-{port}\"\nlisten: \"127.0.0.1:{port}\"\nports_file_dir: {folder:?}\n"
    )
}

impl Process {
    /// Starts the server that is configured in this folder; returns once it listens.
    pub fn start(folder: &Path) -> Result<Process, String> {
        let log = folder.join("nats.log");
        let file = File::options().create(true).append(true).open(&log);
        let file = file.expect("a temporary folder is writable");
        let binary = binary::program();
        let server = Command::new(&binary)
            .arg("-c")
            .arg(config_file(folder))
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a file can be opened twice"))
            .stderr(file)
            .spawn()
            .unwrap_or_else(|cause| panic!("{} can't be run: {cause}", binary.display()));
        let watchdog = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(server.id().to_string())
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("there is a shell");
        let mut process = Process { server, watchdog };
        match process.wait_until_it_listens(folder) {
            Ok(()) => Ok(process),
            Err(refusal) => {
                process.kill();
                let told = std::fs::read_to_string(&log).unwrap_or_default();
                Err(format!("{refusal}:\n{told}"))
            }
        }
    }

    /// Its own ports file tells; a connection would not: somebody else's server may have the port.
    fn wait_until_it_listens(&mut self, folder: &Path) -> Result<(), String> {
        let ports = folder.join(format!("nats-server_{}.ports", self.server.id()));
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if std::fs::metadata(&ports).is_ok_and(|ports| ports.len() > 0) {
                return Ok(());
            }
            match self.server.try_wait() {
                Ok(Some(status)) => return Err(format!("nats-server ended at once ({status})")),
                Ok(None) | Err(_) => thread::sleep(LOOK_EVERY),
            }
        }
        Err(format!("nats-server did not listen within {PATIENCE:?}"))
    }

    /// Kills it.
    pub fn kill(mut self) {
        // The watchdog first: it names the server by a number that is free again once the server is reaped.
        self.end_watchdog();
        let _ = self.server.kill();
        let _ = self.server.wait();
    }

    /// Has it shut down; kills it if it does not.
    pub fn stop(mut self) {
        self.end_watchdog();
        let _ = kill_process(Pid::from_child(&self.server), Signal::TERM);
        let began = Instant::now();
        while began.elapsed() < PATIENCE && matches!(self.server.try_wait(), Ok(None)) {
            thread::sleep(LOOK_EVERY);
        }
        let _ = self.server.kill();
        let _ = self.server.wait();
    }

    fn end_watchdog(&mut self) {
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
    }
}
