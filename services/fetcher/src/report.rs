//! Reports: bounded, read, and split into the one session that was asked for.

use appliance::ApplianceError;
use bytes::Bytes;
use domain::facts::{ClaimCheck, RecordingDue};
use domain::{ArtifactId, Digest, Lsid, SiteHost};
use futures::{Stream, TryStreamExt};
use queue::Failure;
use session_report::{Documents, Limits, Report, ReportError, Session};
use staging::Staging;

use crate::worker::Unfetched;

/// The largest answer that is read into memory. The longest sessions' reports have some megabytes.
const REPORT_BYTES_MAX: usize = 64 << 20;

/// A report as it is staged, and what it says.
pub(crate) struct Read {
    pub xml: Bytes,
    pub session: Session,
    pub content: Digest,
}

/// An answer that is larger than any report.
#[derive(Debug, thiserror::Error)]
#[error("the answer is larger than {REPORT_BYTES_MAX} bytes, which no report should be")]
struct TooLarge;

/// The whole answer, within bounds.
pub(crate) async fn collected(
    blocks: impl Stream<Item = Result<Bytes, ApplianceError>>,
) -> Result<Vec<u8>, Unfetched> {
    let mut blocks = std::pin::pin!(blocks);
    let mut body = Vec::new();
    while let Some(block) = blocks.try_next().await? {
        if body.len() + block.len() > REPORT_BYTES_MAX {
            return Err(Unfetched::Failed(Failure::Reject(TooLarge.into())));
        }
        body.extend_from_slice(&block);
    }
    Ok(body)
}

/// The one session of an answer, as the file that it becomes.
pub(crate) fn read(body: Vec<u8>, lsid: &Lsid) -> Result<Read, Unfetched> {
    for document in Documents::new(body.as_slice()) {
        let document = document.map_err(unreadable)?;
        if document.lsid == *lsid {
            let report = Report::read(&document.xml, &Limits::default()).map_err(unreadable)?;
            return Ok(Read {
                xml: document.xml.into(),
                session: report.session,
                content: report.content,
            });
        }
    }
    let missing = format!("the appliance's answer does not hold the session {lsid}");
    Err(Unfetched::Failed(Failure::Retry(missing.into())))
}

/// What was cut short may come whole; what is no report will not become one, and an error in its place is the
/// appliance's last word on it until a person asks again.
fn unreadable(error: ReportError) -> Unfetched {
    Unfetched::Failed(match error {
        error @ (ReportError::Read(_) | ReportError::Truncated) => Failure::Retry(error.into()),
        error => Failure::Reject(error.into()),
    })
}

/// The announcements of the recordings that a report names.
pub(crate) fn recordings(session: &Session, site: &SiteHost) -> Vec<RecordingDue> {
    let particulars = session.particulars();
    let due = |recording| RecordingDue { recording, particulars: particulars.clone() };
    session.recordings(site).into_iter().map(due).collect()
}

/// The same, from a report that lies in staging.
pub(crate) async fn recordings_of(
    staging: &Staging,
    artifact: &ArtifactId,
    claim: &ClaimCheck,
) -> Result<Vec<RecordingDue>, Failure> {
    let xml = match staging.read_whole(claim, REPORT_BYTES_MAX as u64).await {
        Ok(xml) => xml,
        Err(error) if error.is_lost() => return Ok(Vec::new()),
        Err(error) => return Err(Failure::Down(error.into())),
    };
    let session = session_report::read(&xml, &Limits::default())
        .map_err(|error| Failure::Reject(error.into()))?;
    Ok(recordings(&session, artifact.site()))
}
