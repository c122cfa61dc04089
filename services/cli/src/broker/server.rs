//! A server's process: started or adopted, watched, started again, stopped.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::Restart;
use super::setup::Setup;

/// How long a server may take to answer; it reads its store first.
const START_MAX: Duration = Duration::from_secs(30 * 60);
/// How long it may take to stop before it is killed.
const STOP_MAX: Duration = Duration::from_secs(15);
/// How often the child is looked at.
const WATCH_EVERY: Duration = Duration::from_millis(100);
/// How long to wait before a server that died is started again.
const RESTART_PAUSE: Duration = Duration::from_millis(500);

/// Keeps a server running until told to stop.
pub(super) fn keep(
    setup: &Setup,
    started: &Sender<anyhow::Result<()>>,
    ordered: &mpsc::Receiver<Restart>,
) {
    let mut first = Some(started);
    loop {
        let mut server = match Server::begin(setup) {
            Ok(server) => server,
            Err(error) => match first.take() {
                Some(started) => {
                    let _ = started.send(Err(error));
                    return;
                }
                None => {
                    tracing::error!(
                        error = format!("{error:#}"),
                        "could not start nats-server again; trying on"
                    );
                    match ordered.recv_timeout(Duration::from_secs(5)) {
                        Err(RecvTimeoutError::Disconnected) => return,
                        Ok(Restart) | Err(RecvTimeoutError::Timeout) => continue,
                    }
                }
            },
        };
        if let Some(started) = first.take() {
            let _ = started.send(Ok(()));
        }
        loop {
            match ordered.recv_timeout(WATCH_EVERY) {
                Err(RecvTimeoutError::Timeout) if server.lives(setup) => {}
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => return server.end(setup),
                Ok(Restart) => {
                    server.end(setup);
                    break;
                }
            }
        }
        tracing::warn!("nats-server has ended; starting it again");
        std::thread::sleep(RESTART_PAUSE);
    }
}

enum Server {
    Own(Child, LastWords),
    Adopted(Pid),
}

/// What the server said last, for when it ends at once.
type LastWords = Arc<Mutex<String>>;

impl Server {
    fn begin(setup: &Setup) -> anyhow::Result<Server> {
        if let Some(pid) = survivor(setup) {
            tracing::info!(
                pid = pid.as_raw_nonzero().get(),
                "adopting the nats-server of an earlier start"
            );
            let server = Server::Adopted(pid);
            return server.answering(setup);
        }
        if answers(setup) {
            bail!(
                "another NATS server listens on 127.0.0.1:{}, the port of this data directory: stop it, or remove {}",
                setup.access.port,
                setup.folder.join("port").display()
            );
        }
        let mut child = spawn(setup)?;
        let last_words = forward(&mut child);
        Server::Own(child, last_words).answering(setup)
    }

    fn answering(mut self, setup: &Setup) -> anyhow::Result<Server> {
        let began = Instant::now();
        while !answers(setup) {
            if !self.lives(setup) {
                bail!("nats-server ended at once: {}", self.last_words());
            }
            if began.elapsed() > START_MAX {
                self.end(setup);
                bail!("nats-server did not answer within {} minutes", START_MAX.as_secs() / 60);
            }
            std::thread::sleep(WATCH_EVERY / 4);
        }
        Ok(self)
    }

    fn lives(&mut self, setup: &Setup) -> bool {
        match self {
            Server::Own(child, _) => matches!(child.try_wait(), Ok(None)),
            Server::Adopted(pid) => is_ours(*pid, &setup.config()),
        }
    }

    fn pid(&self) -> Option<Pid> {
        match self {
            Server::Own(child, _) => Pid::from_raw(i32::try_from(child.id()).ok()?),
            Server::Adopted(pid) => Some(*pid),
        }
    }

    fn last_words(&self) -> String {
        match self {
            Server::Own(_, words) => words.lock().expect("no holder of this lock panics").clone(),
            Server::Adopted(_) => "it said nothing".to_owned(),
        }
    }

    /// Asks it to stop, and kills it if it takes too long.
    fn end(&mut self, setup: &Setup) {
        let Some(pid) = self.pid() else { return };
        if !self.lives(setup) {
            return;
        }
        let _ = kill_process(pid, Signal::TERM);
        let began = Instant::now();
        while self.lives(setup) && began.elapsed() < STOP_MAX {
            std::thread::sleep(WATCH_EVERY / 4);
        }
        if self.lives(setup) {
            let _ = kill_process(pid, Signal::KILL);
            while self.lives(setup) {
                std::thread::sleep(WATCH_EVERY / 4);
            }
        }
    }
}

fn spawn(setup: &Setup) -> anyhow::Result<Child> {
    let own = std::env::current_exe().context("could not find our own program")?;
    Command::new(own)
        .arg("embedded-broker")
        .arg("--program")
        .arg(&setup.program)
        .arg("--config")
        .arg(setup.config())
        .arg("--parent")
        .arg(std::process::id().to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // An interrupt at the terminal is for us; we stop the server when all else has stopped.
        .process_group(0)
        .spawn()
        .with_context(|| format!("could not start {}", setup.program.display()))
}

fn answers(setup: &Setup) -> bool {
    let address = (Ipv4Addr::LOCALHOST, setup.access.port).into();
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) else {
        return false;
    };
    let mut greeting = [0; 5];
    stream.set_read_timeout(Some(Duration::from_secs(2))).is_ok()
        && stream.read_exact(&mut greeting).is_ok()
        && greeting == *b"INFO "
}

/// The server that a killed `sluice up` left behind, if it is still there and is the one of this folder.
fn survivor(setup: &Setup) -> Option<Pid> {
    let text = fs::read_to_string(setup.folder.join("pid")).ok()?;
    let pid = Pid::from_raw(text.trim().parse().ok()?)?;
    is_ours(pid, &setup.config()).then_some(pid)
}

fn is_ours(pid: Pid, config: &Path) -> bool {
    let command = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
    let config = config.as_os_str().as_encoded_bytes();
    command.split(|byte| *byte == 0).any(|argument| argument == config)
}

/// What the server complains about goes into our log; all else it says is of no use here. Read from the start: a server
/// that recovers a large store says more than a pipe holds.
fn forward(child: &mut Child) -> LastWords {
    let last_words = LastWords::default();
    if let Some(stderr) = child.stderr.take() {
        let said = Arc::clone(&last_words);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if ["[WRN]", "[ERR]", "[FTL]"].iter().any(|level| line.contains(level)) {
                    tracing::warn!(target: "nats_server", "{line}");
                }
                *said.lock().expect("no holder of this lock panics") = line;
            }
        });
    }
    last_words
}
