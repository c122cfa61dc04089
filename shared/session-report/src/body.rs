use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::Event;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What somebody wrote in an event: a chat message, a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body<'e> {
    /// Its text. Of a body that came encoded it may hold any character, U+0000 included.
    Text(Cow<'e, str>),
    /// A body that came encoded and does not decode to text, as it came.
    Undecodable(&'e str),
}

impl Body<'_> {
    /// The name under which it is kept: an undecodable body keeps its own.
    pub const fn name(&self) -> &'static str {
        match self {
            Body::Text(_) => "body",
            Body::Undecodable(_) => "encoded_body",
        }
    }

    /// What is kept under that name.
    pub fn text(&self) -> &str {
        match self {
            Body::Text(text) => text,
            Body::Undecodable(text) => text,
        }
    }
}

impl Event {
    /// What `body` says, or `encoded_body` where that stands instead; `None` where neither says anything.
    pub fn body_text(&self) -> Option<Body<'_>> {
        if let Some(text) = self.body.as_deref().filter(|text| !text.is_empty()) {
            return Some(Body::Text(Cow::Borrowed(text)));
        }
        let encoded = self.encoded_body.as_deref()?;
        let bytes: Vec<u8> = encoded.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        let decoded = BASE64.decode(bytes).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        match decoded {
            Some(text) if text.is_empty() => None,
            Some(text) => Some(Body::Text(Cow::Owned(text))),
            None => Some(Body::Undecodable(encoded)),
        }
    }
}
