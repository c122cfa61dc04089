//! The `sluice` command.
//!
//! **Purpose.** `sluice up` runs every service in one process, with a NATS server of its own where the settings name
//! none, which it starts again when it dies or had met a full disk; the other commands look at the log and at what the
//! settings name, act on dead letters, ask for what is missing or is to be gone through once more.
//!
//! **Facts in and out.** In: all, to be shown. Out: Again for a dead letter that is retried and for what a
//! reconciliation misses, and the ends of sessions that the log lacks.
//!
//! **Why a repeat is harmless.** The services are; a command that acts publishes facts that are created once.
//!
//! **Absent on purpose.** Business: whatever decides about artifacts is in the services.

/// The standard library's panic where nobody reads any more (`sluice verify … | head`); these end the program.
/// They hide the others from all modules below, so that none can forget it.
macro_rules! print {
    ($($told:tt)*) => {
        $crate::table::tell(format_args!($($told)*))
    };
}

macro_rules! println {
    ($($told:tt)*) => {
        $crate::table::tell(format_args!("{}\n", format_args!($($told)*)))
    };
}

mod arguments;
mod broker;
mod check;
mod data_dir;
mod dead_letters;
mod disk;
mod failed;
mod migrate;
mod once;
mod reconcile;
mod replay;
mod routes;
mod staged;
mod status;
mod table;
mod up;
mod verify;

use std::process::ExitCode;

use clap::Parser;
use service::TelemetryOptions;
use settings::{Needs, Settings};

use crate::arguments::{Arguments, Command};
use crate::failed::Failed;

/// Parses the command line and does what it says.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Command::EmbeddedBroker(child) = &arguments.command {
        return broker::become_nats_server(child);
    }
    let settings = match settings::load(&arguments.settings, arguments.command.needs()) {
        Ok(settings) => settings,
        Err(error) => return service::fail(&Failed::settings(error)),
    };
    let mut telemetry = TelemetryOptions::from_settings(&settings, "up", env!("CARGO_PKG_VERSION"));
    if !matches!(arguments.command, Command::Up(_)) {
        // A command for people answers on stdout; of its log they want to see what went wrong.
        telemetry.log_filter = "warn".to_owned();
        telemetry.otlp_endpoint = None;
    }
    service::run(telemetry, |started| run(arguments, settings, started))
}

async fn run(
    arguments: Arguments,
    settings: Settings,
    started: service::Started,
) -> Result<(), Failed> {
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let data_dir = &arguments.data_dir;
    let done = match arguments.command {
        Command::Up(up) => up::up(&up, &settings, data_dir, &started).await,
        Command::Check(check) => check::check(&check, &settings, data_dir).await,
        Command::Status => status::status(&settings, data_dir).await,
        Command::DeadLetters(command) => dead_letters::run(command, &settings, data_dir).await,
        Command::Migrate(wanted) => migrate::run(&wanted, &settings).await,
        Command::Reconcile(wanted) => reconcile::run(&wanted, &settings, data_dir).await,
        Command::Replay(wanted) => replay::run(&wanted, &settings, data_dir).await,
        Command::Verify(wanted) => verify::run(&wanted, &settings, data_dir).await,
        Command::EmbeddedBroker(_) => {
            unreachable!("it has been dealt with before the settings are read")
        }
    };
    done.map_err(Failed::from)
}

impl Command {
    /// Whose secrets the command needs.
    fn needs(&self) -> Needs {
        match self {
            Command::Up(_) | Command::Check(_) | Command::Reconcile(_) => {
                Needs { sites: true, destinations: true }
            }
            Command::Migrate(_) | Command::Verify(_) => Needs { sites: false, destinations: true },
            Command::Status
            | Command::Replay(_)
            | Command::DeadLetters(_)
            | Command::EmbeddedBroker(_) => Needs { sites: false, destinations: false },
        }
    }
}
