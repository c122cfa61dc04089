//! The faults at work, and for how long each.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::chance::Dice;
use crate::fault::{Asked, ErrorPlace, Fault, Language, Speech};
use crate::recordings::RecordingKind;
use crate::selector::Window;

/// How a session's report goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReportFault {
    NotXml,
    Error(ErrorPlace),
    Cut,
}

/// How a recording goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordingFault {
    Expired,
    NotReady,
    Cut { after_bytes: u64 },
}

/// The faults at work.
#[derive(Debug, Default)]
pub(crate) struct Faults(Mutex<Vec<(Instant, Fault)>>);

impl Faults {
    pub(crate) fn add(&self, fault: Fault) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), fault));
    }

    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(crate) fn list(&self) -> Vec<Fault> {
        let faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        faults.iter().map(|(_, fault)| fault.clone()).collect()
    }

    pub(crate) fn of_report(&self, lsid: &str) -> Option<ReportFault> {
        self.first(|_, fault| match fault {
            Fault::NotXml { lsids } if concerns(lsids, lsid) => Some(ReportFault::NotXml),
            Fault::Error { lsids, place } if concerns(lsids, lsid) => {
                Some(ReportFault::Error(*place))
            }
            Fault::CutReport { lsids } if concerns(lsids, lsid) => Some(ReportFault::Cut),
            _ => None,
        })
    }

    pub(crate) fn of_recording(
        &self,
        lsid: &str,
        wanted: RecordingKind,
        now: i64,
    ) -> Option<RecordingFault> {
        let meant = |lsids: &BTreeSet<String>, kind: &Option<RecordingKind>| {
            concerns(lsids, lsid) && kind.is_none_or(|kind| kind == wanted)
        };
        self.first(|_, fault| match fault {
            Fault::Expired { lsids, kind } if meant(lsids, kind) => Some(RecordingFault::Expired),
            Fault::NotReady { lsids, kind, until } if meant(lsids, kind) && now < *until => {
                Some(RecordingFault::NotReady)
            }
            Fault::CutRecording { lsids, kind, after_bytes } if meant(lsids, kind) => {
                Some(RecordingFault::Cut { after_bytes: *after_bytes })
            }
            _ => None,
        })
    }

    /// Where a request for the recording that begins at this byte breaks off. Takes it from those that are left.
    pub(crate) fn take_break(&self, lsid: &str, wanted: RecordingKind, from: u64) -> Option<u64> {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        faults.iter_mut().rev().find_map(|(_, fault)| match fault {
            Fault::CutRecordingOnceAt { lsids, kind, bytes, breaks, .. }
                if concerns(lsids, lsid) && kind.is_none_or(|kind| kind == wanted) =>
            {
                bytes.retain(|at| *at > from);
                let at = (!bytes.is_empty()).then(|| bytes.remove(0))?;
                *breaks += 1;
                Some(at)
            }
            _ => None,
        })
    }

    /// How often the recording was rendered anew.
    pub(crate) fn renderings(&self, lsid: &str, wanted: RecordingKind) -> u32 {
        let renderings = self.first(|_, fault| match fault {
            Fault::CutRecordingOnceAt { lsids, kind, rendered_anew: true, breaks, .. }
                if concerns(lsids, lsid) && kind.is_none_or(|kind| kind == wanted) =>
            {
                Some(*breaks)
            }
            _ => None,
        });
        renderings.unwrap_or_default()
    }

    pub(crate) fn instead(&self, asked: Asked) -> Option<Speech> {
        self.first(|_, fault| match fault {
            Fault::Instead { of, speech } if *of == asked => Some(*speech),
            _ => None,
        })
    }

    /// The status with which a listing of this stretch fails.
    pub(crate) fn of_listing(&self, window: &Window) -> Option<u16> {
        self.first(|_, fault| match fault {
            Fault::ListingFails { from, until, longer_than_secs, status } => {
                let meets = from.is_none_or(|from| from < window.until)
                    && until.is_none_or(|until| window.from < until);
                (meets && window.until - window.from > *longer_than_secs).then_some(*status)
            }
            _ => None,
        })
    }

    /// The most sessions that a listing shows.
    pub(crate) fn listed_max(&self) -> usize {
        let most = self.first(|_, fault| match fault {
            Fault::ListingCutShort { sessions } => Some(*sessions),
            _ => None,
        });
        most.unwrap_or(usize::MAX)
    }

    pub(crate) fn cut_backup(&self) -> Option<u64> {
        self.first(|_, fault| match fault {
            Fault::CutBackup { after_bytes } => Some(*after_bytes),
            _ => None,
        })
    }

    pub(crate) fn is_late(&self, lsid: &str, now: i64) -> bool {
        self.any(|fault| matches!(fault, Fault::Late { lsids, until } if concerns(lsids, lsid) && now < *until))
    }

    /// Whether any session at all is late: asked first, because it spares the look at each.
    pub(crate) fn any_late(&self, now: i64) -> bool {
        self.any(|fault| matches!(fault, Fault::Late { until, .. } if now < *until))
    }

    pub(crate) fn is_incomplete(&self, lsid: &str, now: i64) -> bool {
        self.any(|fault| matches!(fault, Fault::Incomplete { lsids, until } if concerns(lsids, lsid) && now < *until))
    }

    pub(crate) fn is_denied(&self, permission: &str) -> bool {
        self.any(
            |fault| matches!(fault, Fault::Denied { permission: denied } if denied == permission),
        )
    }

    pub(crate) fn is_down(&self) -> bool {
        let down = self.first(|since, fault| match fault {
            Fault::Down { seconds } => seconds
                .is_none_or(|seconds| since.elapsed() < Duration::from_secs(seconds))
                .then_some(()),
            _ => None,
        });
        down.is_some()
    }

    pub(crate) fn delay(&self) -> Option<Duration> {
        self.first(|_, fault| match fault {
            Fault::Delay { millis } => Some(Duration::from_millis(*millis)),
            _ => None,
        })
    }

    pub(crate) fn language(&self) -> Language {
        let language = self.first(|_, fault| match fault {
            Fault::Localized { language } => Some(*language),
            _ => None,
        });
        language.unwrap_or_default()
    }

    pub(crate) fn secret(&self) -> Option<String> {
        self.first(|_, fault| match fault {
            Fault::SecretChanged { secret } => Some(secret.clone()),
            _ => None,
        })
    }

    pub(crate) fn clock_offset(&self) -> i64 {
        let offset = self.first(|_, fault| match fault {
            Fault::ClockOffset { seconds } => Some(*seconds),
            _ => None,
        });
        offset.unwrap_or_default()
    }

    /// The status with which this request is to fail. Takes one from those that are left.
    pub(crate) fn take_failure(&self) -> Option<u16> {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        faults.iter_mut().find_map(|(_, fault)| match fault {
            Fault::FailNext { requests, status } if *requests > 0 => {
                *requests -= 1;
                Some(*status)
            }
            _ => None,
        })
    }

    // The latest one wins, so that a fault can be replaced without being lifted.
    fn first<T>(&self, of: impl Fn(&Instant, &Fault) -> Option<T>) -> Option<T> {
        let faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        faults.iter().rev().find_map(|(since, fault)| of(since, fault))
    }

    fn any(&self, test: impl Fn(&Fault) -> bool) -> bool {
        self.first(|_, fault| test(fault).then_some(())).is_some()
    }
}

fn concerns(lsids: &BTreeSet<String>, lsid: &str) -> bool {
    lsids.is_empty() || lsids.contains(lsid)
}

/// Which of `sessions` the seed makes faulty: `not_xml` of them, and `error` others.
pub(crate) fn chosen_by_seed(
    seed: u64,
    sessions: u64,
    not_xml: u64,
    error: u64,
) -> (Vec<u64>, Vec<u64>) {
    let mut places: Vec<u64> =
        if not_xml + error > 0 { (0..sessions).collect() } else { Vec::new() };
    Dice::of(&[seed, 70]).shuffle(&mut places);
    let mut chosen = places.into_iter();
    let not_xml = chosen.by_ref().take(not_xml as usize).collect();
    (not_xml, chosen.take(error as usize).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lsids(lsid: &str) -> BTreeSet<String> {
        BTreeSet::from([lsid.to_owned()])
    }

    #[test]
    fn a_fault_concerns_only_the_sessions_it_names() {
        let faults = Faults::default();
        faults.add(Fault::NotXml { lsids: lsids("a") });
        assert_eq!(faults.of_report("a"), Some(ReportFault::NotXml));
        assert_eq!(faults.of_report("b"), None);
        faults.add(Fault::CutReport { lsids: BTreeSet::new() });
        assert_eq!(faults.of_report("b"), Some(ReportFault::Cut));
    }

    #[test]
    fn a_recording_is_ready_at_its_time() {
        let faults = Faults::default();
        faults.add(Fault::NotReady {
            lsids: lsids("a"),
            kind: Some(RecordingKind::Screen),
            until: 100,
        });
        assert_eq!(
            faults.of_recording("a", RecordingKind::Screen, 99),
            Some(RecordingFault::NotReady)
        );
        assert_eq!(faults.of_recording("a", RecordingKind::Screen, 100), None);
        assert_eq!(faults.of_recording("a", RecordingKind::CommandShell, 99), None);
    }

    #[test]
    fn only_listings_fail_that_meet_the_stretch() {
        let faults = Faults::default();
        faults.add(Fault::ListingFails {
            from: Some(100),
            until: Some(200),
            longer_than_secs: 0,
            status: 500,
        });
        let failure = |from, until| {
            faults.of_listing(&Window { edge: crate::selector::Edge::End, from, until })
        };
        assert_eq!([failure(0, 100), failure(200, 300)], [None, None]);
        assert_eq!([failure(0, 101), failure(199, 300)], [Some(500), Some(500)]);
    }

    #[test]
    fn only_the_next_requests_fail() {
        let faults = Faults::default();
        faults.add(Fault::FailNext { requests: 2, status: 503 });
        let failures: Vec<_> = (0..3).map(|_| faults.take_failure()).collect();
        assert_eq!(failures, [Some(503), Some(503), None]);
    }

    #[test]
    fn a_fault_is_written_in_json_as_documented() {
        let json = r#"{"fault":"not-ready","lsids":["a"],"until":5}"#;
        let fault = Fault::NotReady { lsids: lsids("a"), kind: None, until: 5 };
        assert_eq!(serde_json::from_str::<Fault>(json).expect("it is a fault"), fault);
        assert!(serde_json::from_str::<Fault>(r#"{"fault":"down","for":5}"#).is_err());
    }

    #[test]
    fn the_seed_chooses_different_sessions_for_each_fault() {
        let (not_xml, error) = chosen_by_seed(1, 10, 3, 4);
        assert_eq!((not_xml.len(), error.len()), (3, 4));
        assert!(not_xml.iter().all(|place| !error.contains(place)));
        assert_eq!((not_xml, error), chosen_by_seed(1, 10, 3, 4));
    }
}
