use std::borrow::Cow;
use std::io::BufRead;

use domain::Digest;
use memchr::memchr2;
use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, Event};

use crate::attributes::Attributes;
use crate::canonical::{Canonical, is_blank};
use crate::opening::{OPENING_BYTES, check_declaration, mark_bytes};
use crate::{Limits, ReportError, Text, names};

/// What comes next in a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next<'x> {
    /// An element opens; its local name.
    Open(&'x str),
    /// An element closes.
    Close,
    /// The document ends.
    End,
}

/// What is known of the end of the element that has just opened.
#[derive(Debug, Clone, Copy, Default)]
enum Ahead {
    #[default]
    Unknown,
    /// It is an empty element.
    Empty,
    /// Text of so many bytes, then an end tag of so many.
    Text { text: usize, tag: usize },
}

/// A start tag whose attributes are read.
struct Scanned<'x> {
    local: &'x str,
    bytes: usize,
    ahead: Ahead,
}

/// A walk from tag to tag through a document that lies in memory.
///
/// The text before a tag is whole: references, CDATA and line ends are resolved, and comments don't part it.
pub(crate) struct Cursor<'x> {
    reader: Reader<&'x [u8]>,
    xml: &'x str,
    /// Whether each line end is a line feed already.
    plain_lines: bool,
    mark_bytes: usize,
    limits: &'x Limits,
    depth: usize,
    elements: usize,
    ahead: Ahead,
    declarable: bool,
    /// The text before the tag that was met last.
    text: Cow<'x, str>,
    /// The attributes of the element that opened last.
    pub(crate) attributes: Attributes<'x>,
    canonical: Option<Canonical>,
}

impl<'x> Cursor<'x> {
    pub(crate) fn over(xml: &'x [u8], limits: &'x Limits) -> Result<Self, ReportError> {
        let max = limits.session_bytes_max.saturating_add(limits.outside_bytes_max);
        if xml.len() > max {
            return Err(ReportError::TooLarge { what: "a document has more bytes", max });
        }
        let mark_bytes = mark_bytes(&xml[..xml.len().min(OPENING_BYTES)])?;
        let xml = utf8(&xml[mark_bytes..])?;
        // One pass without branches, which the compiler makes a fast one.
        let (null, carriage_return) =
            xml.bytes().fold((false, false), |(null, cr), b| (null | (b == 0), cr | (b == b'\r')));
        if null {
            let position = xml.bytes().take_while(|b| *b != 0).count() + mark_bytes;
            return Err(ReportError::malformed(position as u64, "U+0000 is no character of XML"));
        }
        Ok(Cursor {
            reader: Reader::from_str(xml),
            xml,
            plain_lines: !carriage_return,
            mark_bytes,
            limits,
            depth: 0,
            elements: 0,
            ahead: Ahead::Unknown,
            declarable: true,
            text: Cow::Borrowed(""),
            attributes: Attributes::default(),
            canonical: None,
        })
    }

    /// Where it stands, in bytes from the document's start.
    pub(crate) fn position(&self) -> u64 {
        self.mark_bytes as u64 + self.reader.buffer_position()
    }

    /// Walks on to the next tag.
    pub(crate) fn next(&mut self) -> Result<Next<'x>, ReportError> {
        self.text = Cow::Borrowed("");
        match std::mem::take(&mut self.ahead) {
            Ahead::Unknown => {}
            Ahead::Empty => return Ok(self.close()),
            Ahead::Text { text, tag } => {
                self.text = Cow::Borrowed(self.take(text));
                self.take(tag);
                return Ok(self.close());
            }
        }
        loop {
            let mut known = None;
            if self.depth > 0 && self.plain_lines {
                self.take_plain_text();
                known = self.scan_tag();
                if let Some(tag) = &known
                    && !matches!(tag.ahead, Ahead::Unknown)
                {
                    self.take(tag.bytes);
                    self.ahead = tag.ahead;
                    return self.enter(tag.local);
                }
            }
            let start = self.reader.buffer_position() as usize;
            let event = self.reader.read_event().map_err(|error| self.fault(error))?;
            let end = self.reader.buffer_position() as usize;
            // White space before the declaration is forgiven.
            let declarable = self.declarable;
            self.declarable = declarable && matches!(&event, Event::Text(text) if is_blank(text));
            match event {
                Event::Text(text) if self.plain_lines => self.append(text.into_inner()),
                Event::Text(text) => self.append(text.xml10_content()),
                Event::CData(text) => self.append(text.xml10_content()),
                Event::GeneralRef(reference) => {
                    let resolved = resolve(&reference, self.position())?;
                    self.text.to_mut().push_str(resolved.encode_utf8(&mut [0; 4]));
                }
                Event::Start(_) => {
                    return match known {
                        Some(tag) if tag.bytes == end - start => self.enter(tag.local),
                        _ => self.open(&self.xml[start + 1..end - 1]),
                    };
                }
                Event::Empty(_) => {
                    self.ahead = Ahead::Empty;
                    return self.open(&self.xml[start + 1..end - 2]);
                }
                Event::End(_) => return Ok(self.close()),
                Event::Decl(declaration) if declarable => {
                    check_declaration(&declaration, self.position())?
                }
                Event::Decl(_) => return Err(misplaced_declaration(self.position())),
                Event::DocType(_) => return Err(ReportError::Doctype),
                Event::Comment(_) | Event::PI(_) => {}
                Event::Eof => return Ok(Next::End),
            }
        }
    }

    fn open(&mut self, tag: &'x str) -> Result<Next<'x>, ReportError> {
        if self.depth >= self.limits.depth_max {
            return Err(too_deep(self.limits));
        }
        if self.elements >= self.limits.elements_max {
            return Err(too_many_elements(self.limits));
        }
        let position = self.position();
        let names::Name { full, local } = names::of_tag(tag, self.limits, position)?;
        self.attributes.reread(tag, full.len(), self.limits, position)?;
        self.enter(local)
    }

    /// An element opens whose attributes are read.
    fn enter(&mut self, local: &'x str) -> Result<Next<'x>, ReportError> {
        self.depth += 1;
        self.elements += 1;
        if self.depth > self.limits.depth_max {
            return Err(too_deep(self.limits));
        }
        if self.elements > self.limits.elements_max {
            return Err(too_many_elements(self.limits));
        }
        if let Some(canonical) = &mut self.canonical {
            canonical.open(&self.text, local, &mut self.attributes);
        }
        Ok(Next::Open(local))
    }

    fn close(&mut self) -> Next<'x> {
        self.depth -= 1;
        self.attributes.clear();
        if let Some(canonical) = &mut self.canonical {
            canonical.close(&self.text);
        }
        Next::Close
    }

    /// Takes so many bytes past the parser, between two of its events.
    #[inline]
    fn take(&mut self, bytes: usize) -> &'x str {
        let start = self.reader.buffer_position() as usize;
        self.reader.stream().consume(bytes);
        &self.xml[start..start + bytes]
    }

    /// Takes the text that the next markup or reference ends: most texts mean what they say, so the parser has
    /// nothing to add.
    #[inline]
    fn take_plain_text(&mut self) {
        let bytes = memchr2(b'<', b'&', self.reader.get_ref()).unwrap_or(0);
        if bytes > 0 {
            let text = self.take(bytes);
            self.append(Cow::Borrowed(text));
        }
    }

    /// Looks whether a start tag comes next, and whether its element holds nothing but plain text, as most do: those
    /// are read without the parser. `None` is "ask the parser", which then tells what is wrong, too.
    fn scan_tag(&mut self) -> Option<Scanned<'x>> {
        let position = self.position();
        let rest = &self.xml[self.reader.buffer_position() as usize..];
        let tag = rest.strip_prefix('<').filter(|tag| names::starts(tag))?;
        let names::Name { full, local } = names::at_start(tag, self.limits, position).ok()?;
        let end = self.attributes.reread_at_start(tag, full.len(), self.limits, position).ok()?;
        let behind = match &tag.as_bytes()[end..] {
            [b'>', behind @ ..] => behind,
            [b'/', b'>', ..] => {
                return Some(Scanned { local, bytes: end + 3, ahead: Ahead::Empty });
            }
            _ => return None,
        };
        let text = memchr2(b'<', b'&', behind)?;
        let ends = behind[text..]
            .strip_prefix(b"</")
            .and_then(|end_tag| end_tag.strip_prefix(full.as_bytes()))
            .is_some_and(|end_tag| end_tag.first() == Some(&b'>'));
        let ahead = if ends { Ahead::Text { text, tag: full.len() + 3 } } else { Ahead::Unknown };
        Some(Scanned { local, bytes: end + 2, ahead })
    }

    fn append(&mut self, text: Cow<'x, str>) {
        if self.text.is_empty() {
            self.text = text;
        } else {
            self.text.to_mut().push_str(&text);
        }
    }

    fn fault(&self, error: quick_xml::Error) -> ReportError {
        let position = self.reader.buffer_position() as usize;
        // Of "<!" at the very end the parser has read nothing when it gives up.
        let ended = position + 2 >= self.xml.len();
        ReportError::parsing(error, self.position(), ended)
    }

    /// The local name of the next element in the one that is open; `None` once that one closes.
    pub(crate) fn child(&mut self) -> Result<Option<&'x str>, ReportError> {
        match self.next()? {
            Next::Open(name) => Ok(Some(name)),
            Next::Close => Ok(None),
            Next::End => Err(ReportError::Truncated),
        }
    }

    /// The text of the element that has just opened, without that of elements in it; stands behind it then.
    pub(crate) fn text(&mut self) -> Result<Text, ReportError> {
        let mut text = Text::default();
        while self.child()?.is_some() {
            text.push_str(&self.text);
            self.skip()?;
        }
        if text.is_empty() {
            return Ok(Text::from(std::mem::take(&mut self.text)));
        }
        text.push_str(&self.text);
        Ok(text)
    }

    /// The text of the element that has just opened and of all elements in it.
    pub(crate) fn whole_text(&mut self) -> Result<String, ReportError> {
        let outside = self.depth - 1;
        let mut text = String::new();
        while self.depth > outside {
            self.child()?;
            text.push_str(&self.text);
        }
        Ok(text)
    }

    /// Keeps the text of the element that has just opened; of several elements of one name the first counts.
    pub(crate) fn keep(&mut self, place: &mut Option<Text>) -> Result<(), ReportError> {
        let text = self.text()?;
        place.get_or_insert(text);
        Ok(())
    }

    /// Walks past the element that has just opened.
    pub(crate) fn skip(&mut self) -> Result<(), ReportError> {
        let outside = self.depth - 1;
        while self.depth > outside {
            self.child()?;
        }
        Ok(())
    }

    /// Refuses text before the last tag, where only elements may stand.
    pub(crate) fn refuse_text(&self) -> Result<(), ReportError> {
        if is_blank(&self.text) { Ok(()) } else { Err(stray_text(self.position())) }
    }

    /// The element that has just opened is the session: limits count from here on, and so does the digest.
    pub(crate) fn enter_session(&mut self, local: &str, digested: bool) {
        self.elements = 1;
        self.canonical = digested.then(|| {
            let mut canonical = Canonical::new();
            canonical.open("", local, &mut self.attributes);
            canonical
        });
    }

    /// The digest of what was met since its start.
    pub(crate) fn take_digest(&mut self) -> Option<Digest> {
        self.canonical.take().map(Canonical::digest)
    }
}

/// The character that a reference stands for.
pub(crate) fn resolve(reference: &BytesRef<'_>, position: u64) -> Result<char, ReportError> {
    let character =
        reference.resolve_char_ref().map_err(|cause| ReportError::malformed(position, cause))?;
    character
        .or_else(|| resolve_xml_entity(reference).and_then(|text| text.chars().next()))
        .ok_or_else(|| ReportError::UnknownEntity { name: reference.to_string() })
}

pub(crate) fn too_deep(limits: &Limits) -> ReportError {
    ReportError::TooLarge {
        what: "elements stand more deeply in one another",
        max: limits.depth_max,
    }
}

pub(crate) fn too_many_elements(limits: &Limits) -> ReportError {
    ReportError::TooLarge { what: "a session has more elements", max: limits.elements_max }
}

pub(crate) fn stray_text(position: u64) -> ReportError {
    ReportError::malformed(position, "text stands where only elements may")
}

pub(crate) fn misplaced_declaration(position: u64) -> ReportError {
    ReportError::malformed(position, "an XML declaration stands behind the start")
}

/// The document as text; another encoding is told by its declaration rather than by the first byte that is wrong.
fn utf8(xml: &[u8]) -> Result<&str, ReportError> {
    std::str::from_utf8(xml).map_err(|cause| {
        let mut reader = Reader::from_reader(&xml[..cause.valid_up_to()]);
        let position = cause.valid_up_to() as u64;
        if let Ok(Event::Decl(declaration)) = reader.read_event()
            && let Err(encoding) = check_declaration(&declaration, 0)
        {
            return encoding;
        }
        let ended = cause.error_len().is_none();
        ReportError::parsing(quick_xml::Error::from(cause), position, ended)
    })
}
