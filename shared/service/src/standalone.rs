//! One service as a process of its own.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Command, CommandFactory, FromArgMatches, Parser};
use settings::{Needs, Settings, SettingsError};

use crate::exit::{Exit, FAILED, USAGE, fail};
use crate::run::{Started, run};
use crate::serve::ServeError;
use crate::telemetry::{LogFormat, TelemetryOptions};

// What every service takes on its command line; no doc comment, which `--help` would print.
#[derive(Debug, Parser)]
struct Arguments {
    /// The settings file, the same for every process
    #[arg(long, env = settings::FILE_VARIABLE, default_value = settings::FILE_DEFAULT)]
    settings: PathBuf,
    /// Where this process serves its health and metrics, instead of `listen` in [service]: those of one machine need an
    /// address each
    #[arg(long, env = "SLUICE_LISTEN", value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

fn command(service: &'static str, version: &'static str) -> Command {
    // Once in a process, for its command line is known to the compiler by the service alone.
    let name: &'static str = Box::leak(format!("sluice-{service}").into_boxed_str());
    Arguments::command().name(name).version(version).about(format!(
        "The {service} of sluice as a process of its own; `sluice up` runs every service in one"
    ))
}

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct BadSettings(#[from] SettingsError);

impl Exit for BadSettings {
    fn code(&self) -> u8 {
        USAGE
    }
}

/// Why a service ended early.
#[derive(Debug, thiserror::Error)]
enum Failed<E> {
    #[error(transparent)]
    Serve(ServeError),
    #[error(transparent)]
    Main(E),
}

impl<E: Exit> Exit for Failed<E> {
    fn code(&self) -> u8 {
        match self {
            Failed::Serve(_) => FAILED,
            Failed::Main(error) => error.code(),
        }
    }
}

impl TelemetryOptions {
    /// What the settings say, for one service.
    pub fn from_settings(
        settings: &Settings,
        service: &'static str,
        version: &'static str,
    ) -> TelemetryOptions {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let instance = format!("{}-{}", host.trim(), std::process::id());
        TelemetryOptions {
            otlp_endpoint: settings.service.otlp_endpoint.clone(),
            log_format: match settings.service.log_format {
                settings::LogFormat::Text => LogFormat::Text,
                settings::LogFormat::Json => LogFormat::Json,
            },
            settings_digest: settings.digest.to_string(),
            ..TelemetryOptions::new(service, instance, version)
        }
    }
}

/// Runs one service as a process of its own: reads the settings that the command line names (exit code 2 and all
/// problems where they are bad), starts telemetry and the health endpoint, and then `main`.
pub fn standalone<F, Fut, E>(
    service: &'static str,
    version: &'static str,
    needs: Needs,
    main: F,
) -> ExitCode
where
    F: FnOnce(Settings, Started) -> Fut,
    Fut: Future<Output = Result<(), E>>,
    E: Exit + 'static,
{
    let matches = command(service, version).get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let settings = match settings::load(&arguments.settings, needs) {
        Ok(settings) => settings,
        Err(error) => return fail(&BadSettings(error)),
    };
    run(TelemetryOptions::from_settings(&settings, service, version), |started| async move {
        for warning in &settings.warnings {
            tracing::warn!("{warning}");
        }
        tracing::info!(service, version, settings = %settings.digest, "started");
        if let Some(listen) = arguments.listen.or(settings.service.listen) {
            started.serve(listen).await.map_err(Failed::Serve)?;
        }
        main(settings, started).await.map_err(Failed::Main)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_says_what_it_is_and_its_version() {
        let mut command = command("poller", "1.2.3");
        command.build();
        assert_eq!(command.render_version(), "sluice-poller 1.2.3\n");
        let help = command.render_long_help().to_string();
        assert!(help.contains("The poller of sluice") && help.contains("--listen"), "{help}");
        assert!(!help.contains("What every service"), "{help}");
    }
}
