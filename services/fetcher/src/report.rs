//! Reports: an answer split into the sessions that it tells of, while it comes in.

use std::io::{self, BufRead, Read};

use bytes::{Buf, Bytes};
use domain::facts::{ClaimCheck, RecordingDue};
use domain::{ArtifactId, Digest, Family, Lsid, SiteHost};
use queue::Failure;
use session_report::{Documents, Limits, Report, ReportError, Session};
use staging::Staging;
use tokio::sync::mpsc;

/// The largest staged report that is read into memory. The longest sessions' reports have some megabytes.
const REPORT_BYTES_MAX: u64 = 64 << 20;

/// A report as it is staged, and what it says.
pub(crate) struct Split {
    pub lsid: Lsid,
    pub xml: Bytes,
    /// What is wrong with this one is no matter of the others.
    pub read: Result<(Session, Digest), ReportError>,
}

/// An answer as it comes in, for a reader on a thread of its own. It ends where the sender is dropped.
pub(crate) struct Incoming {
    blocks: mpsc::Receiver<Bytes>,
    block: Bytes,
}

impl Incoming {
    pub fn new(blocks: mpsc::Receiver<Bytes>) -> Self {
        Incoming { blocks, block: Bytes::new() }
    }
}

impl BufRead for Incoming {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.block.is_empty() {
            match self.blocks.blocking_recv() {
                Some(block) => self.block = block,
                None => break,
            }
        }
        Ok(&self.block)
    }

    fn consume(&mut self, count: usize) {
        self.block.advance(count);
    }
}

impl Read for Incoming {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.len().min(into.len());
        into[..count].copy_from_slice(&self.block[..count]);
        self.consume(count);
        Ok(count)
    }
}

/// Splits an answer into its sessions and hands each out as soon as it is whole.
///
/// # Errors
/// Where the answer is none, or stops being one; what was handed out before counts.
pub(crate) fn split(answer: Incoming, to: &mpsc::Sender<Split>) -> Result<(), ReportError> {
    for document in Documents::new(answer) {
        let document = match document {
            Ok(document) => document,
            // A session without a name is missed by whoever asked for it.
            Err(ReportError::LsidMissing { .. } | ReportError::LsidInvalid { .. }) => continue,
            Err(error) => return Err(error),
        };
        let read = Report::read(&document.xml, &Limits::default());
        let split = Split {
            lsid: document.lsid,
            xml: document.xml.into(),
            read: read.map(|report| (report.session, report.content)),
        };
        if to.blocking_send(split).is_err() {
            break;
        }
    }
    Ok(())
}

/// The announcements of the recordings that a report names.
pub(crate) fn recordings(session: &Session, site: &SiteHost, family: Family) -> Vec<RecordingDue> {
    let particulars = session.particulars();
    let due = |recording| RecordingDue { recording, particulars: particulars.clone() };
    session.recordings_in(site, family).into_iter().map(due).collect()
}

/// The same, from a report that lies in staging.
pub(crate) async fn recordings_of(
    staging: &Staging,
    artifact: &ArtifactId,
    claim: &ClaimCheck,
) -> Result<Vec<RecordingDue>, Failure> {
    let Some(family) = artifact.kind().family().filter(|_| artifact.kind().is_report()) else {
        return Ok(Vec::new());
    };
    let xml = match staging.read_whole(claim, REPORT_BYTES_MAX).await {
        Ok(xml) => xml,
        Err(error) if error.is_lost() => return Ok(Vec::new()),
        Err(error) => return Err(Failure::Down(error.into())),
    };
    let session = session_report::read(&xml, &Limits::default())
        .map_err(|error| Failure::Reject(error.into()))?;
    Ok(recordings(&session, artifact.site(), family))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split_up(answer: &str, block: usize) -> (Vec<String>, Result<(), ReportError>) {
        let (to_splitter, blocks) = mpsc::channel(1024);
        let (to_us, mut splits) = mpsc::channel(1024);
        for block in answer.as_bytes().chunks(block) {
            let block = Bytes::copy_from_slice(block);
            to_splitter.try_send(block).expect("there is room");
        }
        drop(to_splitter);
        let ended = split(Incoming::new(blocks), &to_us);
        let mut lsids = Vec::new();
        while let Ok(split) = splits.try_recv() {
            let told = if split.read.is_ok() { "" } else { " unreadable" };
            lsids.push(format!("{}{told}", split.lsid));
        }
        (lsids, ended)
    }

    #[test]
    fn what_came_whole_counts_though_the_answer_breaks_off() {
        let answer = "<session_list><session lsid='a'/><session/><session lsid='b'><lseq>&no;\
                      </lseq></session><session lsid='c'/><session lsid='d'><lseq>";
        for block in [1, 7, 1000] {
            let (lsids, ended) = split_up(answer, block);
            assert_eq!(lsids.first().map(String::as_str), Some("a"), "{lsids:?}");
            assert!(ended.is_err());
        }
        let (lsids, ended) = split_up("<session_list><session lsid='a'/></session_list>", 5);
        assert!(ended.is_ok() && lsids == ["a"], "{lsids:?}");
    }
}
