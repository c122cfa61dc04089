//! Windows that fail while the site answers otherwise: one of them must not hide what is older, nor hold up the rest.

use std::sync::Arc;
use std::time::Duration;

use appliance::ApplianceError;
use domain::{ApplianceTime, Stretch};
use tokio::time::Instant;

use super::{Passed, Scan, ScanError};
use crate::listing::{is_of_its_window, lists_anything};
use crate::sweep::{By, Sweep};

/// More windows than this are not set aside: then it is the site that fails.
const WINDOWS_MAX: usize = 40;
/// How long a window that failed once is left alone; four times as long with each more time. So one that goes on failing
/// does not cost a busy schedule some requests each minute.
const LEFT_ALONE_FIRST: Duration = Duration::from_mins(1);
const LEFT_ALONE_MAX: Duration = Duration::from_hours(1);
/// One that holds what ended so short a while ago is asked for by every scan.
const NEWS_SECS: i64 = 3_600;

/// The windows of one site and family that failed lately. They are not covered.
#[derive(Debug, Default)]
pub(super) struct SetAside(Vec<Failed>);

#[derive(Debug)]
struct Failed {
    by: By,
    window: Stretch,
    since: Instant,
    times: u32,
    /// It is not asked for at present.
    left_alone: bool,
    cause: Arc<ApplianceError>,
}

impl SetAside {
    /// Decides which a scan leaves alone that begins now.
    pub fn begin(&mut self, now: ApplianceTime) {
        for failed in &mut self.0 {
            let is_old = failed.window.until() <= now.plus_secs(-NEWS_SECS);
            failed.left_alone = is_old && failed.since.elapsed() < left_alone(failed.times);
        }
    }

    /// Those of the sweeps by end, or by start, that are left alone.
    pub fn of(&self, by: By) -> impl Iterator<Item = Stretch> {
        self.left_alone().filter(move |failed| failed.by == by).map(|failed| failed.window)
    }

    /// This window went well: what failed in it before is forgotten.
    pub fn went_well(&mut self, by: By, window: Stretch) {
        self.0
            .retain(|failed| failed.left_alone || failed.by != by || !meet(failed.window, window));
    }

    fn failed(&mut self, by: By, window: Stretch, cause: ApplianceError) {
        let before =
            self.0.iter().position(|failed| failed.by == by && meet(failed.window, window));
        let times = before.map_or(0, |index| self.0.remove(index).times).saturating_add(1);
        let (since, cause) = (Instant::now(), Arc::new(cause));
        self.0.push(Failed { by, window, since, times, left_alone: true, cause });
    }

    fn left_alone(&self) -> impl Iterator<Item = &Failed> {
        self.0.iter().filter(|failed| failed.left_alone)
    }
}

fn meet(one: Stretch, other: Stretch) -> bool {
    one.from() < other.until() && other.from() < one.until()
}

fn left_alone(times: u32) -> Duration {
    let longer = 4_u32.saturating_pow(times.saturating_sub(1));
    LEFT_ALONE_FIRST.saturating_mul(longer).min(LEFT_ALONE_MAX)
}

impl Scan<'_> {
    /// Leaves a window that failed in the backlog and goes on without it, if it is the window that fails.
    pub(super) async fn set_aside(
        &mut self,
        sweep: &mut Sweep,
        window: Stretch,
        cause: ApplianceError,
    ) -> Result<Passed, ScanError> {
        let client = &self.scanner.client;
        let of_the_site = !is_of_its_window(&cause)
            || self.memory.set_aside.left_alone().count() >= WINDOWS_MAX
            || !lists_anything(client, self.family).await;
        if of_the_site {
            return Err(self.scanner.appliance(cause));
        }
        tracing::debug!(site = %client.site(), %cause, "going on without a window");
        sweep.skip(window);
        self.memory.set_aside.failed(sweep.by(), window, cause);
        Ok(Passed::SetAside)
    }

    /// The failure of a scan that went on to its end without some windows.
    pub(super) fn outcome(&self) -> Result<(), ScanError> {
        let Some(first) = self.memory.set_aside.left_alone().next() else { return Ok(()) };
        Err(ScanError::SetAside {
            site: self.scanner.client.site().clone(),
            windows: self.memory.set_aside.left_alone().count(),
            cause: Arc::clone(&first.cause),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_goes_on_failing_is_asked_for_ever_more_seldom() {
        let minutes = [1, 2, 3, 4, 40].map(|times| left_alone(times).as_secs() / 60);
        assert_eq!(minutes, [1, 4, 16, 60, 60]);
    }
}
