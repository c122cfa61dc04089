//! SIGTERM and SIGINT: the first asks to stop, the second ends the process.

use std::io;
use std::sync::mpsc;
use std::thread;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Why signals cannot be listened for.
#[derive(Debug, thiserror::Error)]
#[error("could not listen for SIGTERM and SIGINT")]
pub struct SignalsError(#[source] io::Error);

/// From its return on, the first SIGTERM or SIGINT cancels `stop`, and a second one exits at once
/// with 143 or 130.
///
/// It listens on a thread and a small runtime of its own: the second signal is for the day when the
/// workers' runtime no longer answers.
pub fn signals(stop: CancellationToken) -> Result<(), SignalsError> {
    let (registered, outcome) = mpsc::channel();
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || listen(&stop, &registered))
        .map_err(SignalsError)?;
    let lost = || io::Error::other("the thread for signals ended early");
    outcome.recv().unwrap_or_else(|_| Err(lost())).map_err(SignalsError)
}

fn listen(stop: &CancellationToken, registered: &mpsc::Sender<io::Result<()>>) {
    // Nobody waits for the answer only if the caller is gone, and then nobody misses it.
    let tell = |outcome| drop(registered.send(outcome));
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_io().build() {
        Ok(runtime) => runtime,
        Err(cause) => return tell(Err(cause)),
    };
    runtime.block_on(async {
        let mut both = match Both::register() {
            Ok(both) => both,
            Err(cause) => return tell(Err(cause)),
        };
        tell(Ok(()));
        let first = both.next().await;
        tracing::info!(signal = first.name(), "stopping; a second signal ends the process at once");
        stop.cancel();
        let second = both.next().await;
        eprintln!("ended at once by a second signal, {}", second.name());
        std::process::exit(second.exit_code());
    });
}

struct Both {
    terminate: Signal,
    interrupt: Signal,
}

#[derive(Clone, Copy)]
enum Came {
    Terminate,
    Interrupt,
}

impl Both {
    fn register() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Came {
        tokio::select! {
            _ = self.terminate.recv() => Came::Terminate,
            _ = self.interrupt.recv() => Came::Interrupt,
        }
    }
}

impl Came {
    fn name(self) -> &'static str {
        match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
        }
    }

    /// 128 + the signal's number, as shells report it.
    fn exit_code(self) -> i32 {
        match self {
            Self::Terminate => 143,
            Self::Interrupt => 130,
        }
    }
}
