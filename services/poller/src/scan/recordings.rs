//! Recordings that a report named later than any look at it: the listing says that there is one.

use appliance::Listed;
use domain::{ArtifactId, Family, Kind, Lsid, Stretch};
use queue::LogError;

use super::announce::{again, remember};
use super::{Scan, ScanError};

const DAY_SECS: i64 = 86_400;
/// When a report is looked at once more of whose recording nothing is known, and what its Again is told apart by. A
/// recording may be gone while the listing still speaks of it, so that it is done twice and never again.
const LOOKS: [(i64, &str); 2] = [(7 * DAY_SECS, "recording-7d"), (2 * DAY_SECS, "recording-2d")];

/// What is asked for where a session has been over for so long.
fn look_at(age_secs: i64) -> Option<&'static str> {
    LOOKS.iter().find(|(after_secs, _)| *after_secs <= age_secs).map(|(_, ask)| *ask)
}

impl Scan<'_> {
    /// Has the reports of a window looked at again whose sessions have a recording, as their listing says, of which the
    /// log knows nothing.
    pub(super) async fn look_for_recordings(
        &mut self,
        window: Stretch,
        listed: &Listed,
    ) -> Result<(), ScanError> {
        let age_secs = listed.clock.unix_secs() - window.until().unix_secs();
        let Some(ask) = look_at(age_secs) else { return Ok(()) };
        let recorded = listed.sessions.iter().filter(|session| session.has_recording == Some(true));
        let unknown: Vec<&Lsid> = recorded
            .map(|session| &session.lsid)
            .filter(|lsid| !self.memory.recorded.contains(*lsid))
            .collect();
        let looked = self.look_for_recordings_of(&unknown, ask).await;
        looked.map_err(|cause| self.scanner.announcing(cause))
    }

    async fn look_for_recordings_of(&mut self, lsids: &[&Lsid], ask: &str) -> Result<(), LogError> {
        let (log, site) = (&self.scanner.log, self.scanner.client.site());
        let kind = match self.family {
            Family::Session => Kind::SessionRecording,
            Family::Presentation => Kind::PresentationRecording,
        };
        let (mut known, mut asked) = (Vec::new(), Vec::new());
        for &lsid in lsids {
            let report = ArtifactId::report(site.clone(), self.family, lsid.clone());
            if log.is_recording_announced(site, kind, lsid).await? {
                known.push(lsid.clone());
            } else if log.last_staged(&report).await?.is_some() {
                let why = "it has a recording, as its listing says, and its report named none";
                asked.push(again(report, ask, why));
            }
        }
        self.found.looks += log.announce_all(&asked).await? as u64;
        remember(&mut self.memory.recorded, known.into_iter());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_without_its_recording_is_looked_at_after_two_days_and_after_a_week() {
        let asked = [0, 1, 2, 6, 7, 80].map(|days| look_at(days * DAY_SECS));
        let (two, week) = (Some("recording-2d"), Some("recording-7d"));
        assert_eq!(asked, [None, None, two, two, week, week]);
    }
}
