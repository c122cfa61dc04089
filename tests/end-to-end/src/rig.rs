use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use appliance_simulator::{Options, Product, RunningSimulator, Simulator};
use tempfile::TempDir;

use crate::settings::{SettingsFile, SiteOf};

/// How long a condition may take; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(240);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a program may take to say how it is.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Ports that no system gives out by itself.
const PORTS: Range<u16> = 15_000..30_000;

/// Two simulated appliances and a folder for everything that the programs write.
#[derive(Debug)]
pub struct Rig {
    /// Remote Support first, then Privileged Remote Access.
    pub sites: Vec<RunningSimulator>,
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// A running program, killed with this value.
#[derive(Debug)]
pub struct Program {
    child: Child,
}

/// Settings with an address for health, and that address.
#[derive(Debug)]
pub struct Health {
    /// The settings' file.
    pub settings: String,
    address: String,
}

impl Rig {
    /// Two appliances with this many sessions each; every report is the same whenever it is asked for.
    pub async fn new(sessions: u64) -> Rig {
        Rig::with(|options| options.sessions = sessions).await
    }

    /// The same, with other options.
    pub async fn with(change: impl Fn(&mut Options)) -> Rig {
        let mut sites = Vec::new();
        for (host, product, seed) in [
            ("support.example.com", Product::RemoteSupport, 21),
            ("access.example.com", Product::PrivilegedRemoteAccess, 22),
        ] {
            let mut options = Options {
                host: host.to_owned(),
                product,
                seed,
                now: Some(1_790_000_000),
                stable_urls: true,
                events_mean: 12,
                recordings: 0.3,
                shells: 0.2,
                show_my_screen: 0.0,
                recording_bytes: 20_000,
                backup_bytes: 50_000,
                rate_per_second: 0,
                rate_per_hour: 0,
                ..Options::default()
            };
            change(&mut options);
            sites.push(Simulator::start(options).await.expect("a free port on loopback"));
        }
        let folder = TempDir::new().expect("a folder");
        let secret = sites[0].options().client_secret.clone();
        let variables = vec![("SITE_SECRET".to_owned(), secret)];
        Rig { sites, folder, variables }
    }

    /// Sets a variable in the environment of the programs that are started from now on.
    pub fn variable(&mut self, name: &str, value: &str) {
        self.variables.push((name.to_owned(), value.to_owned()));
    }

    /// A path in the rig's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the settings, and makes the directories that they name.
    pub fn settle(&self, settings: &SettingsFile) {
        let products = ["remote-support", "privileged-remote-access"];
        let sites: Vec<SiteOf<'_>> = self
            .sites
            .iter()
            .zip(["support", "access"])
            .zip(products)
            .map(|((site, label), product)| SiteOf {
                label,
                host: &site.options().host,
                product,
                url: site.url(),
                client_id: &site.options().client_id,
            })
            .collect();
        fs::write(self.path("sluice.toml"), settings.text(self.folder.path(), &sites))
            .expect("a writable folder");
        for name in &settings.destinations.files {
            fs::create_dir_all(self.path(name)).expect("a writable folder");
        }
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary(program));
        command
            .args(arguments)
            .env("SLUICE_SETTINGS", self.path("sluice.toml"))
            .env("SLUICE_NATS_SERVER", nats_server::program())
            .env("SLUICE_LOG", "info")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        if program == "sluice" {
            command.env("SLUICE_DATA_DIR", self.path("data"));
        }
        command
    }

    /// Runs `sluice` to its end.
    pub async fn sluice(&self, arguments: &[&str]) -> Output {
        let mut command = self.command("sluice", arguments);
        tokio::task::spawn_blocking(move || command.output().expect("the program starts"))
            .await
            .expect("waiting does not panic")
    }

    /// Runs `sluice` with nobody to read what it prints.
    pub async fn sluice_unread(&self, arguments: &[&str]) -> Output {
        let (reader, writer) = io::pipe().expect("a pipe");
        drop(reader);
        let mut command = self.command("sluice", arguments);
        command.stdout(writer).stderr(Stdio::piped());
        let child = command.spawn().expect("the program starts");
        // It holds the writer, too.
        drop(command);
        tokio::task::spawn_blocking(move || child.wait_with_output().expect("it ends"))
            .await
            .expect("waiting does not panic")
    }

    /// Runs `sluice up --once`, which has to end well, and returns what it printed.
    pub async fn once(&self) -> String {
        let output = self.sluice(&["up", "--once"]).await;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "sluice up --once: {}\n{printed}\n{log}", output.status);
        printed
    }

    /// Starts a program; what it logs goes to a file of its name in the rig's folder.
    pub fn start(&self, program: &str, arguments: &[&str]) -> Program {
        let path = self.path(&format!("{program}.log"));
        let log =
            fs::OpenOptions::new().create(true).append(true).open(path).expect("a writable folder");
        let mut command = self.command(program, arguments);
        command.stdout(Stdio::null()).stderr(log);
        Program { child: command.spawn().expect("the program starts") }
    }

    /// Writes the settings once more, beside the others, with an address for health.
    pub fn with_health(&self) -> Health {
        let address = free_address().to_string();
        let settings = fs::read_to_string(self.path("sluice.toml")).expect("it was written");
        let path = self.path("with-health.toml");
        fs::write(&path, format!("{settings}\n[service]\nlisten = {address:?}\n"))
            .expect("a writable folder");
        Health { settings: path.display().to_string(), address }
    }

    /// What a program logged so far.
    pub fn logged(&self, program: &str) -> String {
        fs::read_to_string(self.path(&format!("{program}.log"))).unwrap_or_default()
    }
}

impl Health {
    /// What the program says of its readiness; nothing while it does not listen.
    pub fn readyz(&self) -> Option<String> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        stream.set_read_timeout(Some(ANSWER_MAX)).ok()?;
        stream.write_all(b"GET /readyz HTTP/1.0\r\nHost: x\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }

    /// Waits until it says that it is ready.
    pub async fn ready(&self) {
        until("it is ready", async || self.readyz().filter(|said| said.contains("200 OK"))).await;
    }
}

impl Program {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it as a crash would, and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to stop, and returns whether it did so well.
    pub async fn stop(mut self) -> bool {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let _ = rustix::process::kill_process(
            pid.expect("a process has an id"),
            rustix::process::Signal::TERM,
        );
        self.ended().await
    }

    /// Waits until it ends by itself, and returns whether it did so well.
    pub async fn ended(&mut self) -> bool {
        let ended =
            until("the program has ended", async || self.child.try_wait().ok().flatten()).await;
        ended.success()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// An address that a program can listen at a little later. Its port is none that the system gives to a connection or a
/// server of another test meanwhile, and none that was given out here before.
pub fn free_address() -> SocketAddr {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    // Tests of another process begin elsewhere.
    let first = (std::process::id() % 150) as u16 * 100;
    let ports = PORTS.end - PORTS.start;
    loop {
        let given = GIVEN.fetch_add(1, Ordering::Relaxed);
        assert!(given < ports, "no port is free");
        let port = PORTS.start + (first + given) % ports;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

/// Waits for a condition.
///
/// # Panics
/// When it does not come.
pub async fn until<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    within(PATIENCE, what, look).await
}

/// Waits for a condition, for as long as is said.
///
/// # Panics
/// When it does not come.
pub async fn within<T>(
    patience: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let began = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(began.elapsed() < patience, "waited in vain until {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A program of the workspace, built beside this test.
fn binary(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a test has a path");
    let folder =
        own.parent().and_then(Path::parent).expect("tests lie two folders below the target");
    let path = folder.join(name);
    assert!(path.is_file(), "{} is not built: run `cargo build --workspace` first", path.display());
    path
}
