//! The poller: asks the appliances what has ended, and announces it.
//!
//! **Purpose.** Each schedule scans its sites when its time has come: lists what ended since the last scan, and what
//! began so long ago that it counts as abandoned, in bounded windows, the newest first. A window that fails while the site
//! answers otherwise is left for later, and hides nothing else. Whenever the schedules run, it has reports looked at again
//! after an hour and after a day that were fetched when their sessions had just ended, and once a day it scans all that
//! the appliance still has; where that lists a recording of which no report has told, the report is looked at once more. An
//! appliance's outbound event has its site scanned at once; nothing that it says is believed.
//!
//! **Facts in and out.** In: none; it reads back its own records and announcements. Out: SessionEnded for each session
//! and presentation, BackupDue for each slot of the schedule that makes a site's backups, an Again for each second look,
//! and for an abandoned session that ends after all.
//!
//! [`compare()`] lists what an appliance has and announces what the log lacks, on demand; it moves no watermark.
//!
//! **Why a repeat is harmless.** Every fact is created once: the log refuses a second. A window counts as covered only
//! when all of it is announced and acknowledged, so a kill costs one listing. The records of scans and runs are changed
//! by compare-and-set; leases keep two pollers from scanning one site at once, which would do double work and no harm.
//!
//! **Absent on purpose.** Downloads (the fetchers'), schedules in facts, and our own clock where the appliance's counts:
//! how far a scan got is told in its time alone.

mod abandoned;
mod change;
mod compare;
mod events;
mod held_open;
mod listing;
mod pace;
#[cfg(test)]
mod rig;
mod round;
mod runs;
mod scan;
mod site_scans;
mod sweep;
mod turn;
mod upkeep;
mod waker;
mod wiring;

pub use change::ChangeError;
pub use compare::{CompareError, Compared, Progress, REACH_DAYS_MAX, Span, compare};
pub use events::EventsError;
pub use runs::{Lease, RunRecord, Runs};
pub use wiring::{PollerError, Swept, run, run_once, standalone};
