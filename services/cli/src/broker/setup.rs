//! What a server is started with: its program, its port and password in the data directory, and its configuration.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};

const PROGRAM: &str = "nats-server";
/// Who we are to it.
const USER: &str = "sluice";
/// Where a program of one's own choice can be named.
const PROGRAM_VARIABLE: &str = "SLUICE_NATS_SERVER";

/// What it takes to start the server of a data directory.
#[derive(Debug, Clone)]
pub(super) struct Setup {
    pub program: PathBuf,
    pub folder: PathBuf,
    pub access: Access,
}

/// Where a server listens and who may in: whoever can read the data directory.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub port: u16,
    pub(super) password: String,
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
    /// What is in a folder, with what is missing there drawn anew.
    pub fn of(folder: &Path) -> anyhow::Result<Setup> {
        let access = Access { port: port(folder)?, password: password(folder)? };
        Ok(Setup { program: program()?, folder: folder.to_owned(), access })
    }

    /// Its configuration's file.
    pub fn config(&self) -> PathBuf {
        self.folder.join("nats-server.conf")
    }

    pub fn write_config(&self) -> anyhow::Result<()> {
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
}
