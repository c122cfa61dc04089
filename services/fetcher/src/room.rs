//! The room in staging: what waits while there is too little of it, and what goes to make more.
//!
//! Below the floor of the settings what all have goes at once, whatever its age; if that is not enough, recordings wait,
//! and below the lowest floor everything does. Waiting is nobody's failure: the routes are closed, and what is in hand
//! all the same (asked for again, or begun before) comes again after a while. What staging refuses for another reason is
//! told here, too.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::{ArtifactId, Fetching, Floors, Kind, Room, format_size};
use queue::{Failure, Log};
use service::HealthHandle;
use settings::Settings;
use staging::Staging;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::expiry::make_room;

/// How often the room is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a file that has no room waits before it is looked at again.
pub(crate) const WAIT: Duration = Duration::from_secs(15);
/// What has not asked for its room again for so long does not wait for it any more.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(120);
/// How often staging is gone through while it is under its floor: going through it takes a tenth of the time at most.
const SWEEP_PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
/// How long it is known that staging did not take something: longer than it waits before it is tried again.
const REFUSED_FOR: Duration = Duration::from_secs(80 * 60);
/// Files that wait for room, and what was refused, are remembered, up to so many.
const WAITING_MAX: usize = 10_000;

/// The room in staging, as all fetchers of a process see it; cheap to clone.
#[derive(Debug, Clone)]
pub struct StagingRoom {
    staging: Staging,
    settings: settings::Staging,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    recordings: watch::Sender<bool>,
    others: watch::Sender<bool>,
    files: Mutex<Files>,
}

#[derive(Debug, Default)]
struct Files {
    /// What the files that are being fetched still need.
    promised: u64,
    /// Files that had no room, with the bytes that they need, and when they last asked.
    waiting: HashMap<ArtifactId, (u64, Instant)>,
    /// What staging did not take.
    refused: HashMap<ArtifactId, Refusal>,
}

/// Something that staging did not take.
#[derive(Debug)]
struct Refusal {
    why: String,
    at: Instant,
    /// Whether staging could be written all the same.
    alone: bool,
}

/// Why something is not fetched now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoRoom {
    /// Nothing of its kind is.
    #[error(
        "{place} has {} free, under its {}: {} until there is room again",
        format_size(room.free), floor(*floors, *fetching), waits(*fetching)
    )]
    UnderFloor {
        /// Staging's place.
        place: String,
        /// Its room.
        room: Room,
        /// Its floors.
        floors: Floors,
        /// What is fetched all the same.
        fetching: Fetching,
    },
    /// It is too large for what there is.
    #[error(
        "the {artifact} has {} or more, and {place} only {} above its lowest floor of {}",
        format_size(*bytes), format_size(room.free.saturating_sub(floors.lowest)), format_size(floors.lowest)
    )]
    DoesNotFit {
        /// Staging's place.
        place: String,
        /// What does not fit.
        artifact: ArtifactId,
        /// How much it is known to need.
        bytes: u64,
        /// The room.
        room: Room,
        /// The floors.
        floors: Floors,
    },
    /// Staging does not take it, whatever its room.
    #[error("{place} did not take the {artifact}: {why}")]
    Refused {
        /// Staging's place.
        place: String,
        /// What it did not take.
        artifact: ArtifactId,
        /// What it said.
        why: String,
    },
}

fn floor(floors: Floors, fetching: Fetching) -> String {
    match fetching {
        Fetching::All | Fetching::NoRecordings => format!("floor of {}", format_size(floors.floor)),
        Fetching::Nothing => format!("lowest floor of {}", format_size(floors.lowest)),
    }
}

fn waits(fetching: Fetching) -> &'static str {
    match fetching {
        Fetching::All | Fetching::NoRecordings => "recordings wait",
        Fetching::Nothing => "nothing is fetched",
    }
}

impl From<NoRoom> for Failure {
    fn from(cause: NoRoom) -> Self {
        Failure::NoRoom { wait: WAIT, cause: cause.into() }
    }
}

/// What a person can do about a store that does not take something.
const CURE_REFUSAL: &str = "look into its quota, its limits and what it lets this service write; it is tried again, after waits that grow";

/// What a person can do where there is too little room.
const CURE: &str = "make room on that disk, or have the destinations catch up whose debts fill it (`sluice status` names \
                    them), or lower `floor` and `lowest_floor` in [staging]";

impl StagingRoom {
    /// The room in this staging, with the floors that these settings say.
    pub fn new(staging: Staging, settings: settings::Staging) -> Self {
        let shared = Shared {
            recordings: watch::Sender::new(true),
            others: watch::Sender::new(true),
            files: Mutex::default(),
        };
        StagingRoom { staging, settings, shared: Arc::new(shared) }
    }

    /// Whether what is of this kind may be fetched, as it changes while [`StagingRoom::watch`] is polled. Without a kind:
    /// what is fetched down to the lowest floor.
    pub(crate) fn gate(&self, kind: Option<Kind>) -> watch::Receiver<bool> {
        match kind.is_some_and(Kind::is_recording) {
            true => self.shared.recordings.subscribe(),
            false => self.shared.others.subscribe(),
        }
    }

    /// The room and the floors; none where staging can't tell.
    async fn seen(&self) -> Option<(Room, Floors)> {
        let staging = self.staging.clone();
        // A share that hangs must hold up nothing else.
        let room = tokio::task::spawn_blocking(move || staging.room()).await.ok().flatten()?;
        Some((room, self.settings.floors(room.size)))
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.shared.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what is of this kind may be fetched now.
    pub(crate) async fn takes(&self, kind: Kind) -> Result<(), NoRoom> {
        let Some((room, floors)) = self.seen().await else { return Ok(()) };
        let fetching = floors.fetching(room);
        if fetching.takes(kind) {
            return Ok(());
        }
        Err(NoRoom::UnderFloor { place: self.place(), room, floors, fetching })
    }

    /// Before a file is asked for: whether what it is known to need, because it had no room before, fits by now.
    pub(crate) async fn may_have_room(&self, artifact: &ArtifactId) -> Result<(), NoRoom> {
        self.takes(artifact.kind()).await?;
        let needs = self.files().waiting.get(artifact).map(|(bytes, _)| *bytes);
        match needs {
            Some(bytes) => self.promise(artifact, bytes).await.map(drop),
            None => Ok(()),
        }
    }

    /// Keeps so much for a file, if that fits beside what is kept for others.
    pub(crate) async fn promise(
        &self,
        artifact: &ArtifactId,
        bytes: u64,
    ) -> Result<Promise, NoRoom> {
        let seen = self.seen().await;
        let mut files = self.files();
        if let Some((room, floors)) = seen
            && !floors.fits(room, bytes.saturating_add(files.promised))
        {
            files.wait(artifact, bytes);
            return Err(self.does_not_fit(artifact, bytes, (room, floors)));
        }
        files.promised += bytes;
        drop(files);
        Ok(Promise { room: self.clone(), left: bytes })
    }

    /// While a file comes, of which there is so much: whether there is room above the lowest floor. Others may write, too.
    pub(crate) async fn still_fits(&self, artifact: &ArtifactId, bytes: u64) -> Result<(), NoRoom> {
        match self.seen().await {
            Some((mut room, floors)) if !floors.fits(room, 0) => {
                // What is there of it goes.
                room.free = room.free.saturating_add(bytes);
                Err(self.does_not_fit(artifact, bytes, (room, floors)))
            }
            _ => Ok(()),
        }
    }

    /// Notes that a file of which so much was there had to be given up for lack of room.
    pub(crate) fn given_up(&self, artifact: &ArtifactId, bytes: u64) {
        self.files().wait(artifact, bytes);
    }

    /// Notes that staging did not take something, and why; says whether that was so the last time, too.
    pub(crate) fn refused(&self, artifact: &ArtifactId, why: String) -> bool {
        let mut files = self.files();
        if files.refused.len() >= WAITING_MAX {
            files.refused.clear();
        }
        files.forget_refusals();
        let alone = files.refused.get(artifact).is_some_and(|before| before.alone);
        let refusal = Refusal { why, at: Instant::now(), alone };
        files.refused.insert(artifact.clone(), refusal).is_some()
    }

    /// Notes that staging could be written although it did not take this.
    pub(crate) fn refused_alone(&self, artifact: &ArtifactId) {
        if let Some(refusal) = self.files().refused.get_mut(artifact) {
            refusal.alone = true;
        }
    }

    /// Whether staging tells its room, as a disk does.
    pub(crate) async fn is_told(&self) -> bool {
        self.seen().await.is_some()
    }

    /// Notes that something is there.
    pub(crate) fn has_come(&self, artifact: &ArtifactId) {
        let mut files = self.files();
        files.waiting.remove(artifact);
        files.refused.remove(artifact);
    }

    fn does_not_fit(
        &self,
        artifact: &ArtifactId,
        bytes: u64,
        (room, floors): (Room, Floors),
    ) -> NoRoom {
        let (place, artifact) = (self.place(), artifact.clone());
        NoRoom::DoesNotFit { place, artifact, bytes, room, floors }
    }

    fn place(&self) -> String {
        self.staging.place().to_owned()
    }

    /// The largest file that waits, as far as it is still asked for.
    fn largest_waiting(&self) -> Option<(ArtifactId, u64)> {
        let mut files = self.files();
        files.waiting.retain(|_, (_, asked)| asked.elapsed() < FORGOTTEN_AFTER);
        let largest = files.waiting.iter().max_by_key(|(_, (bytes, _))| *bytes);
        largest.map(|(artifact, (bytes, _))| (artifact.clone(), *bytes))
    }

    /// What was refused last although staging could be written.
    fn refused_last(&self) -> Option<(ArtifactId, String)> {
        let mut files = self.files();
        files.forget_refusals();
        let alone = files.refused.iter().filter(|(_, refusal)| refusal.alone);
        let last = alone.max_by_key(|(_, refusal)| refusal.at);
        last.map(|(artifact, refusal)| (artifact.clone(), refusal.why.clone()))
    }

    /// Looks after the room for as long as it is polled: opens and closes the gates, makes room, and says how it stands.
    pub(crate) async fn watch(&self, log: &Log, settings: &Settings, health: &HealthHandle) {
        let (mut told, mut sweep_again) = (None, Instant::now());
        loop {
            let mut seen = self.look().await;
            let is_low = |seen: &Option<NoRoom>| matches!(seen, Some(NoRoom::UnderFloor { .. }));
            if is_low(&seen) && Instant::now() >= sweep_again {
                let began = Instant::now();
                self.sweep(log, settings).await;
                let pause = (began.elapsed() * 10).clamp(SWEEP_PAUSE.0, SWEEP_PAUSE.1);
                sweep_again = Instant::now() + pause;
                seen = self.look().await;
            }
            tell(health, seen.as_ref(), &mut told);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Opens or closes the gates, and says why something waits, if anything does.
    async fn look(&self) -> Option<NoRoom> {
        let place = self.place();
        if let Some((room, floors)) = self.seen().await {
            let fetching = floors.fetching(room);
            let (recordings, others) = (&self.shared.recordings, &self.shared.others);
            recordings.send_if_modified(|open| change(open, fetching == Fetching::All));
            others.send_if_modified(|open| change(open, fetching != Fetching::Nothing));
            if fetching != Fetching::All {
                return Some(NoRoom::UnderFloor { place, room, floors, fetching });
            }
            if let Some((artifact, bytes)) = self.largest_waiting() {
                return Some(NoRoom::DoesNotFit { place, artifact, bytes, room, floors });
            }
        }
        let (artifact, why) = self.refused_last()?;
        Some(NoRoom::Refused { place, artifact, why })
    }

    async fn sweep(&self, log: &Log, settings: &Settings) {
        match make_room(log, &self.staging, settings, chrono::Utc::now()).await {
            Ok(counts) if counts.settled > 0 => tracing::info!(
                removed = counts.settled,
                kept = counts.complete,
                "staging is under its floor: what all have was removed before its time"
            ),
            Ok(_) => {}
            Err(error) => {
                let error = Failure::Down(error.into()).to_string();
                tracing::warn!(error, "staging is under its floor and can't be gone through");
            }
        }
    }
}

impl Files {
    fn forget_refusals(&mut self) {
        self.refused.retain(|_, refusal| refusal.at.elapsed() < REFUSED_FOR);
    }

    fn wait(&mut self, artifact: &ArtifactId, bytes: u64) {
        if self.waiting.len() >= WAITING_MAX {
            self.waiting.clear();
        }
        self.waiting.insert(artifact.clone(), (bytes, Instant::now()));
    }
}

fn change(open: &mut bool, to: bool) -> bool {
    std::mem::replace(open, to) != to
}

/// Says how it stands, and in the log what has changed: not each figure.
fn tell(health: &HealthHandle, seen: Option<&NoRoom>, told: &mut Option<String>) {
    let news = seen.map(|no_room| match no_room {
        NoRoom::UnderFloor { fetching, .. } => waits(*fetching).to_owned(),
        NoRoom::DoesNotFit { artifact, .. } | NoRoom::Refused { artifact, .. } => {
            artifact.to_string()
        }
    });
    let cure = match seen {
        Some(NoRoom::Refused { .. }) => CURE_REFUSAL,
        _ => CURE,
    };
    match seen {
        None => health.ready(),
        Some(no_room) => health.not_ready(format!("{no_room}: {cure}")),
    }
    if news == *told {
        return;
    }
    match seen {
        None => tracing::info!("staging takes all again"),
        Some(no_room @ NoRoom::Refused { .. }) => {
            tracing::warn!(reason = %no_room, "staging does not take all: {cure}");
        }
        Some(no_room) => tracing::warn!(reason = %no_room, "staging lacks room: {cure}"),
    }
    *told = news;
}

/// Room that is kept for a file.
#[derive(Debug)]
pub(crate) struct Promise {
    room: StagingRoom,
    left: u64,
}

impl Promise {
    /// So much of it is there now.
    pub(crate) fn written(&mut self, bytes: u64) {
        let bytes = bytes.min(self.left);
        self.left -= bytes;
        self.room.files().promised -= bytes;
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        self.written(self.left);
    }
}
