use std::io::BufRead;

use crate::{Documents, Limits, ReportError, Session, read};

/// Reads the sessions of a report of any size, one at a time.
///
/// A session that can't be read is an error of its own, and the next one follows where there is one.
pub struct Sessions<R> {
    documents: Documents<R>,
    limits: Limits,
}

impl<R: BufRead> Sessions<R> {
    /// The sessions of this body, within the usual limits.
    pub fn new(body: R) -> Self {
        Self::with_limits(body, Limits::default())
    }

    /// The sessions of this body, within these limits.
    pub fn with_limits(body: R, limits: Limits) -> Self {
        Sessions { documents: Documents::with_limits(body, limits), limits }
    }
}

impl<R: BufRead> Iterator for Sessions<R> {
    type Item = Result<Session, ReportError>;

    fn next(&mut self) -> Option<Self::Item> {
        let document = self.documents.next()?;
        Some(document.and_then(|document| read(&document.xml, &self.limits)))
    }
}
