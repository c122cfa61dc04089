//! How a service starts, tells how it is, and ends.
//!
//! **Purpose.** One start for every program of the house: logs, traces and metrics ([`Telemetry`]),
//! health over HTTP ([`Health`], [`serve`], [`Door`]), signals, and exit codes ([`run`], [`Exit`]). Only this
//! crate knows the OpenTelemetry SDK; the others use `tracing` and the `opentelemetry` API.
//!
//! **Facts in and out.** None. It knows the settings only as far as they speak of the process itself.
//!
//! **Why a repeat is harmless.** Nothing is stored. A second start in one process is an error, a
//! second shutdown does nothing, a component that is registered twice is the same component.
//!
//! **Absent on purpose.** Retries and restarts (what runs us restarts us); trace headers of messages
//! (the queue injects and extracts them through the global propagator); anything that waits for the
//! collector: telemetry is lost before work is slowed.

mod door;
mod exit;
mod health;
mod prometheus;
mod run;
mod serve;
mod signals;
mod standalone;
mod telemetry;

pub use door::{Door, Visit};
pub use exit::{DONE, Exit, FAILED, USAGE, fail, report};
pub use health::{Component, Health, HealthHandle, State};
pub use run::{Started, run};
pub use serve::{ServeError, serve};
pub use signals::{SignalsError, signals};
pub use standalone::standalone;
pub use telemetry::{LogFormat, StartError, Telemetry, TelemetryOptions};
