use std::io::BufRead;

use domain::Lsid;

use crate::attributes::Attributes;
use crate::outline::{Found, Kind, Outline};
use crate::{Limits, ReportError, names, read};

/// One session's report as a document of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The session.
    pub lsid: Lsid,
    /// What came before the list's first element (the XML declaration, where there was one, and the root's start
    /// tag), a line end, the session element, a line end, the root's end tag, a line end. All but the line ends and
    /// the end tag are bytes as they came, without a byte order mark and without white space at the very start.
    pub xml: Vec<u8>,
}

/// Splits a report of any size into one document a session, holding one at a time.
///
/// A session without a usable LSID is an error of its own, and the next one follows; any other error is the last
/// item. What was handed out before an error is whole.
pub struct Documents<R> {
    outline: Outline<R>,
}

impl<R: BufRead> Documents<R> {
    /// A splitter of this body, within the usual limits.
    pub fn new(body: R) -> Self {
        Self::with_limits(body, Limits::default())
    }

    /// A splitter of this body, within these limits.
    pub fn with_limits(body: R, limits: Limits) -> Self {
        let kind = Kind { is_root: names::is_list, is_item: names::is_item };
        Documents { outline: Outline::new(body, kind, limits) }
    }

    fn document(&mut self, found: &Found) -> Result<Result<Document, ReportError>, ReportError> {
        let lsid = lsid_of(&self.outline, found)?;
        if !found.empty {
            self.outline.finish_item(None)?;
        }
        let xml = self.outline.take_document();
        Ok(lsid.map(|lsid| Document { lsid, xml }))
    }
}

impl<R: BufRead> Iterator for Documents<R> {
    type Item = Result<Document, ReportError>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = match self.outline.next_item() {
            Ok(found) => found?,
            Err(error) => return Some(Err(error)),
        };
        let document = self.document(&found).unwrap_or_else(|error| {
            self.outline.give_up();
            Err(error)
        });
        Some(document)
    }
}

fn lsid_of<R: BufRead>(
    outline: &Outline<R>,
    found: &Found,
) -> Result<Result<Lsid, ReportError>, ReportError> {
    let tag = outline.tag();
    let name = names::of_tag(tag, outline.limits(), outline.position())?;
    let mut attributes = Attributes::default();
    attributes.reread(tag, name.full.len(), outline.limits(), outline.position())?;
    Ok(read::lsid(attributes.get("lsid"), found.position))
}
