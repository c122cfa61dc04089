//! What the first bytes of a body tell.

use quick_xml::events::BytesDecl;

use crate::ReportError;

/// So many bytes decide; a body that has fewer is looked at whole.
pub(crate) const OPENING_BYTES: usize = 256;
const SHOWN_CHARACTERS: usize = 60;

/// How many bytes to skip before the XML: a byte order mark, or none.
///
/// # Errors
/// When it is no XML, XML in another encoding, or nothing at all.
pub(crate) fn mark_bytes(opening: &[u8]) -> Result<usize, ReportError> {
    let encoding = |name: &str| Err(ReportError::Encoding { encoding: name.to_owned() });
    match opening {
        [0xff, 0xfe, 0, 0, ..]
        | [0, 0, 0xfe, 0xff, ..]
        | [0, 0, 0, b'<', ..]
        | [b'<', 0, 0, 0, ..] => {
            return encoding("UTF-32");
        }
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, b'<', ..] | [b'<', 0, ..] => {
            return encoding("UTF-16");
        }
        _ => {}
    }
    let mark_bytes = if opening.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    match opening[mark_bytes..].trim_ascii_start().first() {
        Some(b'<') => Ok(mark_bytes),
        // A page of white space may still be followed by XML.
        None if opening.len() >= OPENING_BYTES => Ok(mark_bytes),
        None => Err(ReportError::Truncated),
        Some(_) => Err(ReportError::NotXml { beginning: printable(opening) }),
    }
}

/// Refuses a declaration of anything but UTF-8.
pub(crate) fn check_declaration(
    declaration: &BytesDecl<'_>,
    position: u64,
) -> Result<(), ReportError> {
    match declaration.encoding() {
        None => Ok(()),
        Some(Ok(encoding)) if is_utf8(&encoding) => Ok(()),
        Some(Ok(encoding)) => {
            Err(ReportError::Encoding { encoding: printable(encoding.as_bytes()) })
        }
        Some(Err(cause)) => Err(ReportError::malformed(position, cause)),
    }
}

fn is_utf8(encoding: &str) -> bool {
    encoding.eq_ignore_ascii_case("utf-8") || encoding.eq_ignore_ascii_case("utf8")
}

/// Its first characters, with a mark for each that can't be shown.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let bytes = &bytes[..bytes.len().min(4 * SHOWN_CHARACTERS)];
    String::from_utf8_lossy(bytes)
        .chars()
        .take(SHOWN_CHARACTERS)
        .map(|character| if character.is_control() { '\u{fffd}' } else { character })
        .collect()
}
