//! One service as a process of its own.

use std::future::Future;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use settings::{Needs, Settings, SettingsError};

use crate::exit::{Exit, FAILED, USAGE, fail};
use crate::run::{Started, run};
use crate::serve::ServeError;
use crate::telemetry::{LogFormat, TelemetryOptions};

/// What every service takes on its command line.
#[derive(Debug, Parser)]
struct Arguments {
    /// The settings file, the same for every process.
    #[arg(long, env = settings::FILE_VARIABLE, default_value = settings::FILE_DEFAULT)]
    settings: PathBuf,
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
    let arguments = Arguments::parse();
    let settings = match settings::load(&arguments.settings, needs) {
        Ok(settings) => settings,
        Err(error) => return fail(&BadSettings(error)),
    };
    run(TelemetryOptions::from_settings(&settings, service, version), |started| async move {
        for warning in &settings.warnings {
            tracing::warn!("{warning}");
        }
        tracing::info!(service, version, settings = %settings.digest, "started");
        if let Some(listen) = settings.service.listen {
            started.serve(listen).await.map_err(Failed::Serve)?;
        }
        main(settings, started).await.map_err(Failed::Main)
    })
}
