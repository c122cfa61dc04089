//! What a listing makes of its sessions: facts, each once.

use std::collections::HashSet;

use appliance::Listed;
use chrono::Utc;
use domain::facts::{Again, AgainMode, Asked, End, SessionEnded};
use domain::{ApplianceTime, ArtifactId, Lsid, Stretch};
use messages::Fact;
use queue::Announced;

use crate::listing::Told;
use crate::sweep::By;

use super::{END_WITHIN_SECS, REMEMBERED_MAX, Records, Scan, ScanError, Scanner};

impl Scan<'_> {
    pub(super) async fn announce_ended(&mut self, listed: &Listed) -> Result<(), ScanError> {
        let (known, fresh): (Vec<&Lsid>, Vec<&Lsid>) =
            lsids(listed).partition(|lsid| self.memory.ended.contains(*lsid));
        // What is known to be in the log is announced all the same: the log may have been lost behind us.
        let again = self.announce(&known, listed.clock).await?;
        let new = self.announce(&fresh, listed.clock).await?;
        self.found.sessions += (again + new) as u64;
        if new < fresh.len() {
            self.announce_ended_after_all(&fresh).await?;
        }
        remember(&mut self.memory.ended, fresh.into_iter().cloned());
        Ok(())
    }

    async fn announce(&self, lsids: &[&Lsid], clock: ApplianceTime) -> Result<usize, ScanError> {
        let facts: Vec<Fact> = lsids.iter().map(|lsid| self.over(lsid, End::Seen, clock)).collect();
        let announced = self.scanner.log.announce_all(&facts).await;
        announced.map_err(|cause| self.scanner.announcing(cause))
    }

    /// Of sessions whose end is listed and that were announced before: has those fetched again that counted as abandoned.
    async fn announce_ended_after_all(&mut self, lsids: &[&Lsid]) -> Result<(), ScanError> {
        let Scanner { log, records: Records { abandoned, .. }, client, .. } = self.scanner;
        // Read after the announcement was refused: whoever announced one as abandoned had marked it before.
        let marks = abandoned.marks(client.site(), self.family).await;
        let marks = marks.map_err(|cause| self.scanner.marks(cause))?;
        for (lsid, marks) in lsids.iter().filter_map(|lsid| marks.get_key_value(*lsid)) {
            let again = self.ended_after_all(lsid).await?;
            log.announce_all(&again).await.map_err(|cause| self.scanner.announcing(cause))?;
            for mark in marks {
                abandoned.remove(mark).await.map_err(|cause| self.scanner.marks(cause))?;
            }
            self.found.ended_after_all += 1;
        }
        Ok(())
    }

    pub(super) async fn announce_abandoned(
        &mut self,
        window: Stretch,
        listed: &Listed,
    ) -> Result<(), ScanError> {
        self.recall(listed).await?;
        if lsids(listed).any(|lsid| !self.memory.has_seen(lsid)) {
            // Most of those whose end is not in the log have ended since; their ends tell which.
            let until = window.until().plus_secs(END_WITHIN_SECS);
            self.announce_ends_within(window.from(), until).await?;
        }
        let open: Vec<&Lsid> = lsids(listed).filter(|lsid| !self.memory.has_seen(lsid)).collect();
        if open.is_empty() {
            return Ok(());
        }
        let Scanner { records: Records { abandoned, .. }, client, .. } = self.scanner;
        let marked = abandoned.marks(client.site(), self.family).await;
        let marked = marked.map_err(|cause| self.scanner.marks(cause))?;
        for lsid in &open {
            self.abandon(lsid, marked.contains_key(*lsid), listed.clock).await?;
        }
        remember(&mut self.memory.suspected, open.into_iter().cloned());
        Ok(())
    }

    /// Announces what ended in a stretch, whatever of it was scanned before, in as many windows as the site needs.
    async fn announce_ends_within(
        &mut self,
        from: ApplianceTime,
        until: ApplianceTime,
    ) -> Result<(), ScanError> {
        let mut left = Stretch::new(from, until);
        while let Some(stretch) = left {
            let Some(window) = stretch.split(self.secs_max()).next() else { break };
            let told = self.ask_for(By::End, window).await;
            if let Told::Listed(ends) = told.map_err(|cause| self.scanner.appliance(cause))? {
                self.announce_ended(&ends).await?;
                left = Stretch::new(from, window.from());
            }
        }
        Ok(())
    }

    /// Looks up in the log what this process does not know to be there: after a start that is everything.
    async fn recall(&mut self, listed: &Listed) -> Result<(), ScanError> {
        let Scanner { log, client, .. } = self.scanner;
        let mut announced = Vec::new();
        for lsid in lsids(listed).filter(|lsid| !self.memory.has_seen(lsid)) {
            let known = log.is_end_announced(client.site(), self.family, lsid).await;
            if known.map_err(|cause| self.scanner.announcing(cause))? {
                announced.push(lsid.clone());
            }
        }
        remember(&mut self.memory.suspected, announced.into_iter());
        Ok(())
    }

    /// Announces one as abandoned, if nothing was announced of it yet.
    async fn abandon(
        &mut self,
        lsid: &Lsid,
        marked: bool,
        clock: ApplianceTime,
    ) -> Result<(), ScanError> {
        let Scanner { log, records: Records { abandoned, .. }, client, .. } = self.scanner;
        let mark = match marked {
            true => None,
            false => {
                let mark = abandoned.mark(client.site(), self.family, lsid, clock).await;
                Some(mark.map_err(|cause| self.scanner.marks(cause))?)
            }
        };
        let announced = log.announce(&self.over(lsid, End::Abandoned, clock)).await;
        match (announced.map_err(|cause| self.scanner.announcing(cause))?, mark) {
            (Announced::At(_), _) => {
                self.found.sessions += 1;
                self.found.abandoned += 1;
            }
            (Announced::Already, Some(mark)) => {
                abandoned.remove(&mark).await.map_err(|cause| self.scanner.marks(cause))?;
            }
            (Announced::Already, None) => {}
        }
        Ok(())
    }

    fn over(&self, lsid: &Lsid, end: End, noticed_at: ApplianceTime) -> Fact {
        let site = self.scanner.client.site().clone();
        Fact::SessionEnded(SessionEnded {
            site,
            family: self.family,
            lsid: lsid.clone(),
            end,
            noticed_at,
        })
    }

    /// What is asked for where a session that counted as abandoned has ended after all: its report, and the recordings
    /// known so far, which may have been cut short with it.
    async fn ended_after_all(&self, lsid: &Lsid) -> Result<Vec<Fact>, ScanError> {
        let Scanner { log, client, .. } = self.scanner;
        let report = ArtifactId::report(client.site().clone(), self.family, lsid.clone());
        let recordings = log.recordings_due_of(client.site(), lsid).await;
        let recordings = recordings.map_err(|cause| self.scanner.announcing(cause))?;
        let of_family =
            recordings.into_iter().filter(|one| one.kind().family() == Some(self.family));
        let why = "it counted as abandoned and has ended after all";
        Ok(std::iter::once(report).chain(of_family).map(|one| again(one, "ended", why)).collect())
    }
}

/// A fact by which the scan has something fetched once more, whether it was fetched or not.
pub(super) fn again(artifact: ArtifactId, ask: &str, why: &str) -> Fact {
    Fact::Again(Again {
        artifact,
        to: Asked::Fetch,
        ask: ask.to_owned(),
        mode: AgainMode::EvenIfDone,
        why: why.to_owned(),
        asked_by: "poller".to_owned(),
        asked_at: Utc::now(),
        destinations: Vec::new(),
        import: None,
    })
}

fn lsids(listed: &Listed) -> impl Iterator<Item = &Lsid> {
    listed.sessions.iter().map(|session| &session.lsid)
}

pub(super) fn remember(memory: &mut HashSet<Lsid>, lsids: impl Iterator<Item = Lsid>) {
    if memory.len() > REMEMBERED_MAX {
        memory.clear();
    }
    memory.extend(lsids);
}
