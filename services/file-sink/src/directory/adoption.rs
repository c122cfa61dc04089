use domain::{Digest, RelativePath};
use session_report::{Limits, Report};

use crate::directory::Directory;
use crate::directory::delivery::Wanted;
use crate::directory::disk::PlaceError;
use crate::entry::Stamp;

/// A larger file is read as no report: no appliance makes such.
const REPORT_BYTES_MAX: u64 = 64 << 20;
/// Two reports that differ in their URLs alone are no further apart than this, the larger by the smaller.
const RATIO_MAX: u64 = 2;

impl Directory {
    /// The stamp of a file of this size that stands under a name, if it is what would be written: the same bytes, or a
    /// report that says the same. The URLs in a report bear tokens that differ in each of an appliance's answers, so the
    /// one that the vendor's client saved has other bytes.
    pub(super) fn same(
        &self,
        wanted: &Wanted,
        name: &RelativePath,
        size: u64,
    ) -> Result<Option<Stamp>, PlaceError> {
        let (path, stamp) = (self.layout.file(name), wanted.stamp);
        if size == stamp.size && self.place.digest_of(&path)? == Some(stamp.digest) {
            return Ok(Some(stamp));
        }
        let is_near = size <= stamp.size.saturating_mul(RATIO_MAX)
            && stamp.size <= size.saturating_mul(RATIO_MAX)
            && size <= REPORT_BYTES_MAX;
        if !wanted.artifact.kind().is_report() || !is_near {
            return Ok(None);
        }
        let xml = self.place.read(&path)?.unwrap_or_default();
        let report = Report::read(&xml, &Limits::default());
        Ok(report.ok().filter(|report| report.content == stamp.content).map(|_| Stamp {
            digest: Digest::of(&xml),
            size: xml.len() as u64,
            ..stamp
        }))
    }
}
