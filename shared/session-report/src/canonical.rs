use domain::Digest;
use sha2::{Digest as _, Sha256};

use crate::attributes::Attributes;

const OPEN: u8 = 1;
const TEXT: u8 = 2;
const CLOSE: u8 = 3;
const CHUNK_BYTES: usize = 16 * 1024;

/// The digest of what a session element says, however it is written.
///
/// Each tag and text is a mark, then its parts with their lengths before them, so no two contents run into one form.
/// Left out: namespaces, the order of attributes, comments and processing instructions, white space between
/// elements, and whatever is named `*_url`: the tokens in there change with every download.
pub(crate) struct Canonical {
    hasher: Sha256,
    chunk: Vec<u8>,
    /// Elements open since one that is left out was met, it included.
    muted: usize,
    just_opened: bool,
}

impl Canonical {
    pub(crate) fn new() -> Self {
        Canonical {
            hasher: Sha256::new(),
            chunk: Vec::with_capacity(2 * CHUNK_BYTES),
            muted: 0,
            just_opened: false,
        }
    }

    /// An element opens, with this text before it.
    pub(crate) fn open(&mut self, text: &str, local: &str, attributes: &mut Attributes<'_>) {
        if self.muted > 0 {
            self.muted += 1;
            return;
        }
        self.text(text, false);
        self.just_opened = true;
        if is_url(local, attributes) {
            self.muted = 1;
            return;
        }
        self.mark(OPEN);
        self.part(local);
        let attributes = attributes.sorted();
        self.length(attributes.len());
        for attribute in attributes {
            self.part(attribute.name.local);
            self.part(&attribute.value);
        }
    }

    /// An element closes, with this text before its end.
    pub(crate) fn close(&mut self, text: &str) {
        if self.muted == 0 {
            self.text(text, self.just_opened);
            self.mark(CLOSE);
        } else {
            self.muted -= 1;
        }
        self.just_opened = false;
    }

    /// The digest of all that was told.
    pub(crate) fn digest(mut self) -> Digest {
        self.hasher.update(&self.chunk);
        Digest::finish(self.hasher)
    }

    fn text(&mut self, text: &str, alone: bool) {
        let says_nothing = if alone { text.is_empty() } else { is_blank(text) };
        if !says_nothing {
            self.mark(TEXT);
            self.part(text);
        }
    }

    fn mark(&mut self, mark: u8) {
        if self.chunk.len() >= CHUNK_BYTES {
            self.hasher.update(&self.chunk);
            self.chunk.clear();
        }
        self.chunk.push(mark);
    }

    fn part(&mut self, part: &str) {
        self.length(part.len());
        if part.len() < CHUNK_BYTES {
            self.chunk.extend_from_slice(part.as_bytes());
        } else {
            self.hasher.update(&self.chunk);
            self.chunk.clear();
            self.hasher.update(part);
        }
    }

    // Seven bits a byte, the lowest first: most lengths take one.
    fn length(&mut self, mut length: usize) {
        while length >= 0x80 {
            self.chunk.push(length as u8 | 0x80);
            length >>= 7;
        }
        self.chunk.push(length as u8);
    }
}

/// White space as XML has it.
pub(crate) fn is_blank(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'))
}

// Events carry the same URLs as values of their data.
fn is_url(local: &str, attributes: &Attributes<'_>) -> bool {
    local.ends_with("_url")
        || (local == "value" && attributes.get("name").is_some_and(|name| name.ends_with("_url")))
}
