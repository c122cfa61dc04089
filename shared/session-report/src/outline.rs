use std::io::BufRead;

use quick_xml::Reader;
use quick_xml::events::Event;

use crate::attributes::Attributes;
use crate::canonical::is_blank;
use crate::cursor::{misplaced_declaration, resolve, stray_text, too_deep, too_many_elements};
use crate::guard::Guard;
use crate::opening::{OPENING_BYTES, check_declaration, mark_bytes};
use crate::parts::{Part, Tell, tell_part};
use crate::{Limits, ReportError, names};

/// A walk through a list of any length, from item to item. It holds the list's head and one item.
pub(crate) struct Outline<R> {
    reader: Reader<Guard<R>>,
    kind: Kind,
    limits: Limits,
    stage: Stage,
    /// The list's head, and behind it whatever is read: the parser appends each event's bytes as they came.
    held: Vec<u8>,
    head_bytes: usize,
    root: String,
    mark_bytes: usize,
    items: u64,
}

/// No more than this is set aside for a session before it is read.
const LIKELY_BYTES_MAX: usize = 256 * 1024;

/// Which lists and items are looked for.
pub(crate) struct Kind {
    pub(crate) is_root: fn(&str) -> bool,
    pub(crate) is_item: fn(&str) -> bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Unread,
    BeforeRoot,
    InRoot,
    BehindRoot,
    Over,
}

/// An item whose start tag was met.
pub(crate) struct Found {
    /// Whether it is an empty element, which nothing follows.
    pub(crate) empty: bool,
    /// Which one, counted from 1.
    pub(crate) position: u64,
}

/// A limit, and what goes beyond it.
#[derive(Clone, Copy)]
struct Bound {
    what: &'static str,
    max: usize,
}

impl<R: BufRead> Outline<R> {
    pub(crate) fn new(body: R, kind: Kind, limits: Limits) -> Self {
        Outline {
            reader: Reader::from_reader(Guard::new(body)),
            kind,
            limits,
            stage: Stage::Unread,
            held: Vec::new(),
            head_bytes: 0,
            root: String::new(),
            mark_bytes: 0,
            items: 0,
        }
    }

    /// Walks on to the next item; `None` at the end, and after any error.
    pub(crate) fn next_item(&mut self) -> Result<Option<Found>, ReportError> {
        let found = self.search();
        if !matches!(found, Ok(Some(_))) {
            self.stage = Stage::Over;
        }
        found
    }

    /// The start tag of the item that was found, between `<` and `>`.
    pub(crate) fn tag(&self) -> &str {
        inside(&self.held[self.head_bytes..])
    }

    /// Whether an error was met: nothing follows.
    pub(crate) fn give_up(&mut self) {
        self.stage = Stage::Over;
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Where it stands, in bytes from the body's start.
    pub(crate) fn position(&self) -> u64 {
        self.mark_bytes as u64 + self.reader.buffer_position()
    }

    /// The item that was read to its end, in the list's head and end: a document of its own.
    pub(crate) fn take_document(&mut self) -> Vec<u8> {
        // The next one is likely as large.
        let mut head = Vec::with_capacity(self.held.len().min(LIKELY_BYTES_MAX));
        head.extend_from_slice(&self.held[..self.head_bytes]);
        let mut document = std::mem::replace(&mut self.held, head);
        document.extend_from_slice(b"\n</");
        document.extend_from_slice(self.root.as_bytes());
        document.extend_from_slice(b">\n");
        document
    }

    fn search(&mut self) -> Result<Option<Found>, ReportError> {
        if self.stage == Stage::Unread {
            self.open()?;
        }
        if self.stage == Stage::BeforeRoot {
            self.find_root()?;
        }
        if self.stage == Stage::InRoot
            && let Some(found) = self.find_item()?
        {
            return Ok(Some(found));
        }
        if self.stage == Stage::BehindRoot {
            self.find_end()?;
        }
        Ok(None)
    }

    fn open(&mut self) -> Result<(), ReportError> {
        let guard = self.reader.get_mut();
        let opening = guard.peek_opening(OPENING_BYTES).map_err(ReportError::Read)?;
        self.mark_bytes = mark_bytes(opening)?;
        guard.allow(usize::MAX);
        guard.consume(self.mark_bytes);
        self.stage = Stage::BeforeRoot;
        Ok(())
    }

    /// Reads the head as it came: the declaration, what follows it, and the root's start tag.
    fn find_root(&mut self) -> Result<(), ReportError> {
        let bound = self.allow_outside();
        let mut declarable = true;
        loop {
            let start = self.held.len();
            let at = self.position();
            let event = match self.reader.read_event_into(&mut self.held) {
                Ok(event) => event,
                Err(error) => return Err(self.fault(error, bound)),
            };
            let empty = match event {
                Event::Start(_) => false,
                Event::Empty(_) => true,
                Event::Decl(declaration) if declarable => {
                    check_declaration(&declaration, at)?;
                    declarable = false;
                    continue;
                }
                Event::Text(text) if is_blank(&text) => continue,
                Event::Comment(_) | Event::PI(_) => {
                    declarable = false;
                    continue;
                }
                Event::DocType(_) => return Err(ReportError::Doctype),
                Event::Eof => return Err(ReportError::Truncated),
                Event::Decl(_) => return Err(misplaced_declaration(at)),
                Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) | Event::End(_) => {
                    return Err(stray_text(at));
                }
            };
            return self.enter_root(start, empty);
        }
    }

    fn enter_root(&mut self, start: usize, empty: bool) -> Result<(), ReportError> {
        let position = self.position();
        let tag = inside(&self.held[start..]);
        let names::Name { full, local } = names::of_tag(tag, &self.limits, position)?;
        if local == names::ERROR {
            let code = self.code(tag, full.len())?;
            return Err(self.error_of_appliance(code, empty));
        }
        if !(self.kind.is_root)(local) {
            return Err(ReportError::UnexpectedRoot { root: local.to_owned() });
        }
        self.root = full.to_owned();
        let white_space = self.held.iter().take_while(|b| b.is_ascii_whitespace()).count();
        self.held.drain(..white_space);
        self.held.push(b'\n');
        self.head_bytes = self.held.len();
        self.stage = if empty { Stage::BehindRoot } else { Stage::InRoot };
        Ok(())
    }

    fn find_item(&mut self) -> Result<Option<Found>, ReportError> {
        // Elements open beneath the root that are no items.
        let mut strangers = 0;
        loop {
            self.held.truncate(self.head_bytes);
            let bound = self.allow_outside();
            let at = self.position();
            let event = match self.reader.read_event_into(&mut self.held) {
                Ok(event) => event,
                Err(error) => return Err(self.fault(error, bound)),
            };
            let empty = match event {
                Event::Start(_) => false,
                Event::Empty(_) => true,
                Event::End(_) if strangers == 0 => {
                    self.stage = Stage::BehindRoot;
                    return Ok(None);
                }
                Event::End(_) => {
                    strangers -= 1;
                    continue;
                }
                Event::Text(text) if strangers > 0 || is_blank(&text) => continue,
                Event::CData(_) if strangers > 0 => continue,
                Event::GeneralRef(reference) if strangers > 0 => {
                    resolve(&reference, at)?;
                    continue;
                }
                Event::Comment(_) | Event::PI(_) => continue,
                Event::DocType(_) => return Err(ReportError::Doctype),
                Event::Decl(_) => return Err(misplaced_declaration(at)),
                Event::Eof => return Err(ReportError::Truncated),
                Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => {
                    return Err(stray_text(at));
                }
            };
            let tag = inside(&self.held[self.head_bytes..]);
            let names::Name { full, local } = names::of_tag(tag, &self.limits, at)?;
            if local == names::ERROR {
                let code = self.code(tag, full.len())?;
                return Err(self.error_of_appliance(code, empty));
            }
            if strangers == 0 && (self.kind.is_item)(local) {
                self.items += 1;
                return Ok(Some(Found { empty, position: self.items }));
            }
            strangers += usize::from(!empty);
            if strangers + 1 > self.limits.depth_max {
                return Err(too_deep(&self.limits));
            }
        }
    }

    /// Reads on to the end of the item that was found. Its bytes are held unless its parts are told.
    pub(crate) fn finish_item(&mut self, tell: Option<Tell<'_>>) -> Result<(), ReportError> {
        let tag_bytes = self.held.len() - self.head_bytes;
        let max = self.limits.session_bytes_max;
        self.reader.get_mut().allow(max.saturating_sub(tag_bytes));
        self.finish(tell, Bound { what: "a session has more bytes", max })
    }

    fn finish(&mut self, mut tell: Option<Tell<'_>>, bound: Bound) -> Result<(), ReportError> {
        let (mut depth, mut elements) = (1, 1);
        while depth > 0 {
            if tell.is_some() {
                self.held.truncate(self.head_bytes);
            }
            let at = self.position();
            let event = match self.reader.read_event_into(&mut self.held) {
                Ok(event) => event,
                Err(error) => return Err(self.fault(error, bound)),
            };
            match &event {
                Event::Start(start) => {
                    (depth, elements) = (depth + 1, elements + 1);
                    opened(&self.limits, depth, elements, start.name().into_inner(), at)?;
                }
                Event::Empty(start) => {
                    elements += 1;
                    opened(&self.limits, depth + 1, elements, start.name().into_inner(), at)?;
                }
                Event::End(_) => depth -= 1,
                Event::GeneralRef(reference) => {
                    resolve(reference, at)?;
                }
                Event::Text(_) | Event::CData(_) | Event::Comment(_) | Event::PI(_) => {}
                Event::DocType(_) => return Err(ReportError::Doctype),
                Event::Decl(_) => return Err(misplaced_declaration(at)),
                Event::Eof => return Err(ReportError::Truncated),
            }
            if let Some(tell) = &mut tell {
                tell_part(tell, &event, depth, at)?;
            }
        }
        Ok(())
    }

    fn find_end(&mut self) -> Result<(), ReportError> {
        loop {
            self.held.truncate(self.head_bytes);
            let bound = self.allow_outside();
            let at = self.position();
            match self.reader.read_event_into(&mut self.held) {
                Ok(Event::Eof) => return Ok(()),
                Ok(Event::Comment(_) | Event::PI(_)) => {}
                Ok(Event::Text(text)) if is_blank(&text) => {}
                Ok(Event::DocType(_)) => return Err(ReportError::Doctype),
                Ok(_) => {
                    return Err(ReportError::malformed(at, "something follows the root element"));
                }
                Err(error) => return Err(self.fault(error, bound)),
            }
        }
    }

    fn allow_outside(&mut self) -> Bound {
        let max = self.limits.outside_bytes_max;
        self.reader.get_mut().allow(max);
        Bound { what: "what stands outside of sessions has more bytes", max }
    }

    fn code(&self, tag: &str, name_bytes: usize) -> Result<Option<String>, ReportError> {
        let mut attributes = Attributes::default();
        attributes.reread(tag, name_bytes, &self.limits, self.position())?;
        Ok(attributes.owned("code"))
    }

    /// Reads the message of the error that has just opened.
    fn error_of_appliance(&mut self, code: Option<String>, empty: bool) -> ReportError {
        if empty {
            return ReportError::appliance("", code);
        }
        let mut message = String::new();
        let mut hear = |part: Part<'_>| {
            if let Part::Text(text) = part {
                message.push_str(text);
            }
        };
        let bound = self.allow_outside();
        match self.finish(Some(&mut hear), bound) {
            Ok(()) => ReportError::appliance(&message, code),
            Err(error) => error,
        }
    }

    fn fault(&self, error: quick_xml::Error, bound: Bound) -> ReportError {
        let guard = self.reader.get_ref();
        if guard.exceeded() {
            return ReportError::TooLarge { what: bound.what, max: bound.max };
        }
        ReportError::parsing(error, self.position(), guard.ended())
    }
}

fn opened(
    limits: &Limits,
    depth: usize,
    elements: usize,
    name: &str,
    at: u64,
) -> Result<(), ReportError> {
    // The root is one more.
    if depth + 1 > limits.depth_max {
        return Err(too_deep(limits));
    }
    if elements > limits.elements_max {
        return Err(too_many_elements(limits));
    }
    names::of_tag(name, limits, at).map(drop)
}

/// What stands between `<` and `>` of a start tag.
fn inside(tag: &[u8]) -> &str {
    let tag = std::str::from_utf8(tag).expect("the parser has checked it");
    let tag = tag.strip_prefix('<').unwrap_or(tag);
    let tag = tag.strip_suffix('>').unwrap_or(tag);
    tag.strip_suffix('/').unwrap_or(tag)
}
