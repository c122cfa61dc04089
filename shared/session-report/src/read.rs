use domain::{Digest, Lsid};

use crate::cursor::{Cursor, Next};
use crate::{Limits, ReportError, Session, names};

mod events;
mod session;

/// A session and the digest of what its report says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The session.
    pub session: Session,
    /// Of the session element in canonical form. Equal for two reports that differ in nothing but how they are
    /// written (namespaces and their prefixes, the order of attributes, CDATA, references, white space between
    /// elements, comments) and in what is named `*_url`.
    pub content: Digest,
}

/// Reads a document that holds one session. Its `lsid` is there for certain.
///
/// # Errors
/// When it is no report, not whole, beyond a limit, or does not hold one session.
pub fn read(xml: &[u8], limits: &Limits) -> Result<Session, ReportError> {
    document(xml, limits, false).map(|(session, _)| session)
}

impl Report {
    /// Reads a document that holds one session, and takes its digest on the way.
    ///
    /// # Errors
    /// As [`read`].
    pub fn read(xml: &[u8], limits: &Limits) -> Result<Self, ReportError> {
        let (session, content) = document(xml, limits, true)?;
        Ok(Report { session, content: content.expect("the cursor was told to take it") })
    }
}

fn document(
    xml: &[u8],
    limits: &Limits,
    digested: bool,
) -> Result<(Session, Option<Digest>), ReportError> {
    let mut cursor = Cursor::over(xml, limits)?;
    let Next::Open(root) = cursor.next()? else {
        cursor.refuse_text()?;
        return Err(ReportError::Truncated);
    };
    cursor.refuse_text()?;
    if root == names::ERROR {
        return Err(error_of_appliance(&mut cursor));
    }
    if !names::is_list(root) {
        return Err(ReportError::UnexpectedRoot { root: root.to_owned() });
    }
    let mut found = None;
    while let Some(name) = cursor.child()? {
        cursor.refuse_text()?;
        if !names::is_item(name) {
            pass(&mut cursor, name)?;
        } else if found.is_some() {
            return Err(ReportError::NotOneSession { count: "several" });
        } else {
            cursor.enter_session(name, digested);
            let session = session::session(&mut cursor)?;
            found = Some((session, cursor.take_digest()));
        }
    }
    cursor.refuse_text()?;
    let behind = cursor.next()?;
    cursor.refuse_text()?;
    if behind != Next::End {
        return Err(ReportError::malformed(
            cursor.position(),
            "something follows the root element",
        ));
    }
    found.ok_or(ReportError::NotOneSession { count: "no" })
}

/// Walks past an element that is no session, unless there is an error in it.
fn pass(cursor: &mut Cursor<'_>, name: &str) -> Result<(), ReportError> {
    let mut opened = Some(name);
    let mut depth = 1;
    while depth > 0 {
        match opened {
            Some(names::ERROR) => return Err(error_of_appliance(cursor)),
            Some(_) => {}
            None => depth -= 1,
        }
        if depth > 0 {
            opened = cursor.child()?;
            depth += usize::from(opened.is_some());
        }
    }
    Ok(())
}

fn error_of_appliance(cursor: &mut Cursor<'_>) -> ReportError {
    let code = cursor.attributes.owned("code");
    match cursor.whole_text() {
        Ok(message) => ReportError::appliance(&message, code),
        Err(error) => error,
    }
}

/// The id of a session, from its attribute.
pub(crate) fn lsid(attribute: Option<&str>, position: u64) -> Result<Lsid, ReportError> {
    attribute
        .ok_or(ReportError::LsidMissing { position })?
        .parse()
        .map_err(|cause| ReportError::LsidInvalid { position, cause })
}
