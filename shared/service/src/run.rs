//! From `main` to the exit code.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::exit::{DONE, Exit, fail_in};
use crate::health::Health;
use crate::serve::{ServeError, serve};
use crate::signals::{SignalsError, signals};
use crate::telemetry::{Telemetry, TelemetryOptions};

/// How long blocking tasks may outlive the service's main before the process leaves them behind.
const STRAGGLERS_SECS_MAX: u64 = 2;

/// What a service's main is given.
#[derive(Clone, Debug)]
pub struct Started {
    /// Cancelled by the first SIGTERM or SIGINT. The service cancels it too when it ends by itself.
    pub stop: CancellationToken,
    /// Where each part registers itself.
    pub health: Health,
    /// Logs, traces and metrics; [`run`] shuts it down.
    pub telemetry: Telemetry,
}

impl Started {
    /// Serves `/livez`, `/readyz` and `/metrics`; see [`serve`].
    pub async fn serve(&self, listen: SocketAddr) -> Result<SocketAddr, ServeError> {
        serve(listen, self.health.clone(), self.telemetry.clone(), self.stop.clone()).await
    }
}

/// Runs a service: TLS provider, telemetry, signals, runtime, then `main`; prints its error once, with
/// the whole cause chain; hands the collector what is left; returns the exit code.
///
/// Call it outside any async runtime. The order is law: telemetry's HTTP client must be neither built
/// nor dropped inside a runtime.
pub fn run<F, Fut, E>(options: TelemetryOptions, main: F) -> ExitCode
where
    F: FnOnce(Started) -> Fut,
    Fut: Future<Output = Result<(), E>>,
    E: Exit,
{
    install_tls_provider();
    let log_format = options.log_format;
    let telemetry = match Telemetry::start(options) {
        Ok(telemetry) => telemetry,
        Err(error) => return fail_in(log_format, &error),
    };
    let code = match prepare() {
        Ok((runtime, stop)) => {
            let started = Started { stop, health: Health::new(), telemetry: telemetry.clone() };
            let outcome = runtime.block_on(main(started));
            runtime.shutdown_timeout(Duration::from_secs(STRAGGLERS_SECS_MAX));
            match outcome {
                Ok(()) => ExitCode::from(DONE),
                Err(error) => fail_in(log_format, &error),
            }
        }
        Err(error) => fail_in(log_format, &error),
    };
    telemetry.shutdown();
    code
}

/// Why there is nothing to run `main` on.
#[derive(Debug, thiserror::Error)]
enum PrepareError {
    #[error("could not start the async runtime")]
    Runtime(#[source] io::Error),
    #[error("could not prepare for being stopped")]
    Signals(#[source] SignalsError),
}

impl Exit for PrepareError {}

fn prepare() -> Result<(tokio::runtime::Runtime, CancellationToken), PrepareError> {
    let stop = CancellationToken::new();
    signals(stop.clone()).map_err(PrepareError::Signals)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(PrepareError::Runtime)?;
    Ok((runtime, stop))
}

/// One TLS provider for the process, named before anything connects: where two are compiled in and
/// none is named, the first TLS connect panics.
fn install_tls_provider() {
    // An error says that a provider is installed already, which is what we want.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}
