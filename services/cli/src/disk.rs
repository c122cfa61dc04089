//! The disk under the server of `sluice up`: watched, because a server that met a full one has to be started again.
//!
//! A stream that once could not be written gives publishes no answer any more, also when there is room again; all that
//! it acknowledged is there. Only a new start of the server mends it.

use std::path::{Path, PathBuf};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use domain::Room;
use queue::{Log, RunnerState};
use service::{HealthHandle, Started};

use crate::broker::{Broker, Restart};

/// With less room than this, the server's next file may not fit.
const ROOM_BYTES_MIN: u64 = 16 << 20;
/// How often the disk is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the log may confirm nothing, while there is room, before its server is started again.
const SILENT_MAX: Duration = Duration::from_secs(60);
/// A server that was started again is left alone for so long: it may have much to read.
const RESTART_PAUSE: Duration = Duration::from_secs(5 * 60);

/// The most that the server may keep: about a hundred million facts.
const STORE_BYTES_MAX: u64 = 64 << 30;
/// What it may keep on any disk. One that is full before says so itself.
const STORE_BYTES_MIN: u64 = 1 << 30;

/// The most that the server may keep: half of its disk. The other half is for staging, which may lie on the same one and
/// leaves the server its lowest floor.
pub(crate) fn store_bytes_max(disk: Option<Room>) -> u64 {
    let half = disk.map(|disk| disk.size / 2);
    half.map_or(STORE_BYTES_MAX, |half| half.clamp(STORE_BYTES_MIN, STORE_BYTES_MAX))
}

/// What the disk and the log look like.
#[derive(Debug, Clone, Copy)]
struct Sight {
    /// Less than enough is free.
    full: bool,
    /// The log confirms no writes, for so long.
    silent: Option<Duration>,
}

/// What was seen since the server was started.
#[derive(Debug, Default, Clone, Copy)]
struct Past {
    /// The disk was full.
    was_full: bool,
    /// It was started again, so long ago.
    restarted: Option<Duration>,
}

/// Whether the server has to be started again.
fn is_to_restart(past: Past, sight: Sight) -> bool {
    if sight.full {
        return false;
    }
    let silent_too_long = sight.silent.is_some_and(|silent| silent >= SILENT_MAX)
        && past.restarted.is_none_or(|ago| ago >= RESTART_PAUSE);
    past.was_full || silent_too_long
}

/// Watches until told to stop, and has the server started again when it has to be.
pub(crate) fn watch(
    broker: &Broker,
    log: &Log,
    started: &Started,
) -> impl Future<Output = ()> + Send + use<> {
    let (folder, orders) = (broker.folder().to_owned(), broker.orders());
    let health = started.health.component("disk of the log");
    let (stop, log) = (started.stop.clone(), log.clone());
    async move {
        let Some(orders) = orders else { return };
        stop.run_until_cancelled(watching(folder, orders, log, health)).await;
    }
}

async fn watching(folder: PathBuf, orders: Sender<Restart>, log: Log, health: HealthHandle) {
    let pulse = log.pulse();
    let mut past = Past::default();
    let (mut silent_since, mut restarted_at) = (None::<Instant>, None::<Instant>);
    loop {
        // None where the file system does not tell.
        let free = staging::room_of(&folder).map(|room| room.free);
        let beats = *pulse.borrow() == RunnerState::Working;
        silent_since = if beats { None } else { silent_since.or(Some(Instant::now())) };
        let sight = Sight {
            full: free.is_some_and(|free| free < ROOM_BYTES_MIN),
            silent: silent_since.map(|since| since.elapsed()),
        };
        tell(&health, &folder, sight, free, past);
        past.restarted = restarted_at.map(|at| at.elapsed());
        if is_to_restart(past, sight) {
            tracing::warn!(
                folder = %folder.display(),
                "the log's disk has room again, or its server confirms nothing; starting the server again"
            );
            if orders.send(Restart).is_err() {
                return;
            }
            past.was_full = false;
            (silent_since, restarted_at) = (None, Some(Instant::now()));
        }
        past.was_full |= sight.full;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn tell(health: &HealthHandle, folder: &Path, sight: Sight, free: Option<u64>, past: Past) {
    if !sight.full {
        return health.ready();
    }
    let reason = format!(
        "the disk of {} is full ({} bytes free; the log needs {ROOM_BYTES_MIN}): make room, and sluice goes on by itself",
        folder.display(),
        free.unwrap_or_default()
    );
    if !past.was_full {
        tracing::error!(reason, "nothing can be published");
    }
    health.not_ready(&reason);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_may_keep_half_of_its_disk() {
        let disk = |size| Some(Room { free: 0, size });
        for (disk, most) in [
            (disk(64 << 20), STORE_BYTES_MIN),
            (disk(20 << 30), 10 << 30),
            (disk(4 << 40), STORE_BYTES_MAX),
            (None, STORE_BYTES_MAX),
        ] {
            assert_eq!(store_bytes_max(disk), most, "{disk:?}");
        }
    }

    #[test]
    fn a_server_is_started_again_when_there_is_room_again_and_not_before() {
        let sight =
            |full, silent: Option<u64>| Sight { full, silent: silent.map(Duration::from_secs) };
        let past = |was_full, restarted: Option<u64>| Past {
            was_full,
            restarted: restarted.map(Duration::from_secs),
        };
        for (past, sight, restarts) in [
            (past(false, None), sight(false, None), false),
            (past(false, None), sight(true, None), false),
            (past(true, None), sight(true, Some(900)), false),
            (past(true, None), sight(false, None), true),
            (past(true, Some(1)), sight(false, None), true),
            (past(false, None), sight(false, Some(59)), false),
            (past(false, None), sight(false, Some(60)), true),
            (past(false, Some(100)), sight(false, Some(90)), false),
            (past(false, Some(300)), sight(false, Some(90)), true),
        ] {
            assert_eq!(is_to_restart(past, sight), restarts, "{past:?} {sight:?}");
        }
    }
}
