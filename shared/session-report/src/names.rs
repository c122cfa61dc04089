//! The names that tell lists, their items and errors apart; local names only, whatever the namespace.

use crate::{Limits, ReportError};

/// What stands where only lists and sessions may.
const ITEMS: [&str; 3] = ["session", "presentation", "presentation_session"];

/// Whether a root of this name holds whole sessions.
pub(crate) fn is_list(root: &str) -> bool {
    root.strip_suffix("_list").is_some_and(is_item)
}

/// Whether an element in such a root is a session.
pub(crate) fn is_item(name: &str) -> bool {
    ITEMS.contains(&name)
}

/// Whether a root of this name lists sessions, whole or in brief.
pub(crate) fn is_listing(root: &str) -> bool {
    root.strip_suffix("_list").is_some_and(is_listed)
}

/// Whether an element in such a root stands for a session.
pub(crate) fn is_listed(name: &str) -> bool {
    is_item(name.strip_suffix("_summary").unwrap_or(name))
}

/// The name of the appliance's own errors.
pub(crate) const ERROR: &str = "error";

/// A name as it stands in markup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name<'x> {
    /// With its prefix.
    pub(crate) full: &'x str,
    /// The part behind the prefix.
    pub(crate) local: &'x str,
}

impl Name<'_> {
    /// Whether it declares a namespace, as the name of an attribute.
    #[inline]
    pub(crate) fn is_namespace(&self) -> bool {
        self.full.starts_with('x') && (self.full == "xmlns" || self.full.starts_with("xmlns:"))
    }
}

const STARTS: u8 = 1;
const CONTINUES: u8 = 2;
/// Continues a name and ends no prefix.
const PLAIN: u8 = 4;

/// What each byte may do in a name. Of characters beyond ASCII not each rule is checked: it is enough that
/// markup did not run into text.
const ROLES: [u8; 256] = {
    let mut roles = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        roles[byte] = match byte as u8 {
            b':' => STARTS | CONTINUES,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.. => STARTS | CONTINUES | PLAIN,
            b'0'..=b'9' | b'-' | b'.' => CONTINUES | PLAIN,
            _ => 0,
        };
        byte += 1;
    }
    roles
};

/// The name that a text starts with.
#[inline]
pub(crate) fn at_start<'x>(
    text: &'x str,
    limits: &Limits,
    position: u64,
) -> Result<Name<'x>, ReportError> {
    let bytes = text.as_bytes();
    let mut end = 0;
    while bytes.get(end).is_some_and(|b| ROLES[usize::from(*b)] & PLAIN != 0) {
        end += 1;
    }
    let prefixed = bytes.get(end) == Some(&b':');
    while prefixed && bytes.get(end).is_some_and(|b| ROLES[usize::from(*b)] != 0) {
        end += 1;
    }
    if !starts(text) || end > limits.name_bytes_max {
        return Err(no_name(text, end, limits, position));
    }
    let full = &text[..end];
    let local = if prefixed { behind_prefix(full) } else { full };
    Ok(Name { full, local })
}

/// Whether a text starts with a name.
#[inline]
pub(crate) fn starts(text: &str) -> bool {
    text.bytes().next().is_some_and(|b| ROLES[usize::from(b)] & STARTS != 0)
}

fn behind_prefix(full: &str) -> &str {
    full.rsplit_once(':').map_or(full, |(_, local)| local)
}

/// The name of the element whose tag this is (what stands between `<` and `>`).
pub(crate) fn of_tag<'x>(
    tag: &'x str,
    limits: &Limits,
    position: u64,
) -> Result<Name<'x>, ReportError> {
    let name = at_start(tag, limits, position)?;
    match tag.as_bytes().get(name.full.len()) {
        None | Some(b' ' | b'\t' | b'\n' | b'\r') => Ok(name),
        Some(_) => Err(no_name(tag, 0, limits, position)),
    }
}

#[cold]
fn no_name(text: &str, bytes: usize, limits: &Limits, position: u64) -> ReportError {
    if bytes > limits.name_bytes_max {
        return ReportError::TooLarge { what: "a name has more bytes", max: limits.name_bytes_max };
    }
    let shown = crate::opening::printable(text.as_bytes());
    ReportError::malformed(position, format!("no name stands where there must be one: {shown:?}"))
}
