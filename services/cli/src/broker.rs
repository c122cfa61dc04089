//! The NATS server of `sluice up`: a child that dies with it and is started anew when it dies alone.

mod server;
mod setup;

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::mpsc::{self, Sender};
use std::thread::JoinHandle;

use anyhow::Context;
use rustix::process::{Signal, set_parent_process_death_signal};

use self::server::keep;
pub(crate) use self::setup::Access;
use self::setup::Setup;
use crate::arguments::EmbeddedBroker;
use crate::data_dir::DataDir;

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

impl Broker {
    /// Starts the server of a data directory, or adopts one that a killed `sluice up` left there.
    pub fn start(data_dir: &DataDir) -> anyhow::Result<Broker> {
        let folder = data_dir.path().join("nats");
        fs::create_dir_all(&folder)
            .with_context(|| format!("could not make {}", folder.display()))?;
        let setup = Setup::of(&folder)?;
        setup.write_config()?;
        let access = setup.access.clone();
        let (orders, ordered) = mpsc::channel();
        let (started, starting) = mpsc::channel();
        // The death signal is tied to the thread that starts the child, so it is one that lives as long as we do.
        let keeper = std::thread::Builder::new()
            .name("nats-server".to_owned())
            .spawn(move || keep(&setup, &started, &ordered))
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
