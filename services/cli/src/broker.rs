//! The NATS server of `sluice up`: a child that dies with it and is started anew when it dies alone.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};

use crate::arguments::EmbeddedBroker;
use crate::data_dir::DataDir;

const PROGRAM: &str = "nats-server";
/// Who we are to it.
const USER: &str = "sluice";
/// Where a program of one's own choice can be named.
const PROGRAM_VARIABLE: &str = "SLUICE_NATS_SERVER";
/// How long a server may take to answer; it reads its store first.
const START_MAX: Duration = Duration::from_secs(30 * 60);
/// How long it may take to stop before it is killed.
const STOP_MAX: Duration = Duration::from_secs(15);
/// How often the child is looked at.
const WATCH_EVERY: Duration = Duration::from_millis(100);
/// How long to wait before a server that died is started again.
const RESTART_PAUSE: Duration = Duration::from_millis(500);

/// A running server. Dropping it stops the server.
#[derive(Debug)]
pub(crate) struct Broker {
    access: Access,
    folder: PathBuf,
    orders: Option<Sender<Restart>>,
    keeper: Option<JoinHandle<()>>,
}

/// What a running server's keeper is told; that nobody can tell it anything any more means to stop the server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Restart;

#[derive(Debug, Clone)]
struct Setup {
    program: PathBuf,
    folder: PathBuf,
    access: Access,
}

/// Where a server listens and who may in: whoever can read the data directory.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub port: u16,
    password: String,
}

impl Access {
    /// The server's address.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The user and the password.
    pub fn user(&self) -> (String, String) {
        (USER.to_owned(), self.password.clone())
    }
}

impl Broker {
    /// Starts the server of a data directory, or adopts one that a killed `sluice up` left there.
    pub fn start(data_dir: &DataDir) -> anyhow::Result<Broker> {
        let folder = data_dir.path().join("nats");
        fs::create_dir_all(&folder)
            .with_context(|| format!("could not make {}", folder.display()))?;
        let access = Access { port: port(&folder)?, password: password(&folder)? };
        let setup = Setup { program: program()?, folder: folder.clone(), access: access.clone() };
        setup.write_config()?;
        let (orders, ordered) = mpsc::channel();
        let (started, starting) = mpsc::channel();
        // The death signal is tied to the thread that starts the child, so it is one that lives as long as we do.
        let keeper = std::thread::Builder::new()
            .name("nats-server".to_owned())
            .spawn({
                let setup = setup.clone();
                move || keep(&setup, &started, &ordered)
            })
            .context("could not start a thread for nats-server")?;
        starting.recv().context("the thread of nats-server ended")??;
        Ok(Broker { access, folder, orders: Some(orders), keeper: Some(keeper) })
    }

    /// Where it listens, and the way in.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Where it keeps its files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The way to have it stopped and started again.
    pub fn orders(&self) -> Option<Sender<Restart>> {
        self.orders.clone()
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(keeper) = self.keeper.take()
            && keeper.join().is_err()
        {
            tracing::error!("the thread of nats-server panicked");
        }
    }
}

/// The server that runs in this data directory.
pub(crate) fn running(data_dir: &Path) -> anyhow::Result<Access> {
    let read = |name: &str| {
        fs::read_to_string(data_dir.join("nats").join(name)).with_context(|| {
            format!(
                "the settings name no NATS server and there is none in {}: run `sluice up` first, or name its directory with --data-dir",
                data_dir.display()
            )
        })
    };
    let port = read("port")?.trim().parse().context("the data directory's port is no number")?;
    Ok(Access { port, password: read("password")?.trim().to_owned() })
}

/// The child's part: dies with its parent, and becomes nats-server.
pub(crate) fn become_nats_server(child: &EmbeddedBroker) -> ExitCode {
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        eprintln!("error: could not tie nats-server to its parent: {error}");
        return ExitCode::FAILURE;
    }
    // The parent may have died before the tie was made.
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    if parent.and_then(|pid| u32::try_from(pid).ok()) != Some(child.parent) {
        return ExitCode::FAILURE;
    }
    let error = Command::new(&child.program).arg("--config").arg(&child.config).exec();
    eprintln!("error: could not start {}: {error}", child.program.display());
    ExitCode::FAILURE
}

/// The program: as named, on the PATH, or in the tools folder.
fn program() -> anyhow::Result<PathBuf> {
    if let Some(named) = std::env::var_os(PROGRAM_VARIABLE) {
        let named = PathBuf::from(named);
        if named.is_file() {
            return Ok(named);
        }
        bail!("{PROGRAM_VARIABLE} names {}, which is no file", named.display());
    }
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let own = std::env::current_exe().unwrap_or_default();
    let tools = own.ancestors().skip(1).map(|folder| folder.join(".tools"));
    std::env::split_paths(&on_path)
        .chain([PathBuf::from(".tools")])
        .chain(tools)
        .map(|folder| folder.join(PROGRAM))
        .find(|program| program.is_file())
        .and_then(|program| std::path::absolute(program).ok())
        .ok_or_else(|| {
            anyhow!(
                "there is no {PROGRAM} on the PATH: install NATS server {}.{} or newer, name it in {PROGRAM_VARIABLE}, \
                 or set `url` in [log] to a server that runs",
                queue::SERVER_VERSION_MIN.0,
                queue::SERVER_VERSION_MIN.1
            )
        })
}

/// The data directory's own port: the same at every start, so that clients which outlive a server find the next.
fn port(folder: &Path) -> anyhow::Result<u16> {
    let path = folder.join("port");
    if let Ok(text) = fs::read_to_string(&path) {
        return text
            .trim()
            .parse()
            .with_context(|| format!("{} does not hold a port: remove it", path.display()));
    }
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .context("could not find a free port for nats-server")?
        .port();
    fs::write(&path, port.to_string())
        .with_context(|| format!("could not write {}", path.display()))?;
    Ok(port)
}

/// The data directory's own password, drawn once.
fn password(folder: &Path) -> anyhow::Result<String> {
    let path = folder.join("password");
    if let Ok(text) = fs::read_to_string(&path) {
        return Ok(text.trim().to_owned());
    }
    let password = format!("{:032x}", rand::random::<u128>());
    write_private(&path, &password)?;
    Ok(password)
}

/// Writes a file that nobody else can read.
fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("could not write {}", path.display()))
}

impl Setup {
    fn config(&self) -> PathBuf {
        self.folder.join("nats-server.conf")
    }

    fn write_config(&self) -> anyhow::Result<()> {
        let text = format!(
            "# Written by sluice at every start.\n\
             listen: \"127.0.0.1:{port}\"\n\
             server_name: \"sluice\"\n\
             pid_file: {pid:?}\n\
             authorization {{ user: {USER}, password: \"{password}\" }}\n\
             jetstream {{\n  store_dir: {store:?}\n  \
             # Without a bound it would take three quarters of what is free at its start, which may be next to nothing.\n  \
             max_file_store: {store_max}\n  \
             # Acknowledged means on the disk: what is lost here may be gone from the appliance, too.\n  \
             sync_interval: always\n}}\n",
            port = self.access.port,
            password = self.access.password,
            store_max = crate::disk::store_bytes_max(staging::room_of(&self.folder)),
            pid = self.folder.join("pid"),
            store = self.folder.join("store"),
        );
        write_private(&self.config(), &text)
    }

    fn spawn(&self) -> anyhow::Result<Child> {
        let own = std::env::current_exe().context("could not find our own program")?;
        Command::new(own)
            .arg("embedded-broker")
            .arg("--program")
            .arg(&self.program)
            .arg("--config")
            .arg(self.config())
            .arg("--parent")
            .arg(std::process::id().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // An interrupt at the terminal is for us; we stop the server when all else has stopped.
            .process_group(0)
            .spawn()
            .with_context(|| format!("could not start {}", self.program.display()))
    }

    fn answers(&self) -> bool {
        let address = (Ipv4Addr::LOCALHOST, self.access.port).into();
        let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) else {
            return false;
        };
        let mut greeting = [0; 5];
        stream.set_read_timeout(Some(Duration::from_secs(2))).is_ok()
            && stream.read_exact(&mut greeting).is_ok()
            && greeting == *b"INFO "
    }

    /// The server that a killed `sluice up` left behind, if it is still there and is the one of this folder.
    fn survivor(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.folder.join("pid")).ok()?;
        let pid = Pid::from_raw(text.trim().parse().ok()?)?;
        is_ours(pid, &self.config()).then_some(pid)
    }
}

fn is_ours(pid: Pid, config: &Path) -> bool {
    let command = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
    let config = config.as_os_str().as_encoded_bytes();
    command.split(|byte| *byte == 0).any(|argument| argument == config)
}

/// Keeps a server running until told to stop.
fn keep(setup: &Setup, started: &Sender<anyhow::Result<()>>, ordered: &mpsc::Receiver<Restart>) {
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
        if let Some(pid) = setup.survivor() {
            tracing::info!(
                pid = pid.as_raw_nonzero().get(),
                "adopting the nats-server of an earlier start"
            );
            let server = Server::Adopted(pid);
            return server.answering(setup);
        }
        if setup.answers() {
            bail!(
                "another NATS server listens on 127.0.0.1:{}, the port of this data directory: stop it, or remove {}",
                setup.access.port,
                setup.folder.join("port").display()
            );
        }
        let mut child = setup.spawn()?;
        let last_words = forward(&mut child);
        Server::Own(child, last_words).answering(setup)
    }

    fn answering(mut self, setup: &Setup) -> anyhow::Result<Server> {
        let began = Instant::now();
        while !setup.answers() {
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
