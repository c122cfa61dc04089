use std::borrow::Cow;

use quick_xml::XmlVersion;
use quick_xml::escape::EscapeError;
use quick_xml::events::attributes::Attribute as Raw;
use quick_xml::name::QName;

use crate::names::{self, Name};
use crate::{Limits, ReportError};

/// One attribute, its value as XML 1.0 normalises it.
#[derive(Debug)]
pub(crate) struct Attribute<'x> {
    pub(crate) name: Name<'x>,
    pub(crate) value: Cow<'x, str>,
}

/// The attributes of one tag, without the declarations of namespaces.
///
/// They are parsed here, in one pass with their checks. They are few (there is a limit), so each is compared with
/// those before it.
#[derive(Debug, Default)]
pub(crate) struct Attributes<'x>(Vec<Attribute<'x>>);

impl<'x> Attributes<'x> {
    /// Reads those of this tag (what stands between `<` and `>`), in place of the ones before.
    pub(crate) fn reread(
        &mut self,
        tag: &'x str,
        name_bytes: usize,
        limits: &Limits,
        position: u64,
    ) -> Result<(), ReportError> {
        self.0.clear();
        let malformed = |cause: &'static str| ReportError::malformed(position, cause);
        let mut at = name_bytes;
        let mut count = 0;
        loop {
            let start = behind_space(tag, at);
            if start == tag.len() {
                return Ok(());
            }
            if start == at {
                return Err(malformed("no white space stands before an attribute"));
            }
            count += 1;
            if count > limits.attributes_max {
                let max = limits.attributes_max;
                return Err(ReportError::TooLarge { what: "an element has more attributes", max });
            }
            let name = names::at_start(&tag[start..], limits, position)?;
            let equals = behind_space(tag, start + name.full.len());
            if tag.as_bytes().get(equals) != Some(&b'=') {
                return Err(malformed("an attribute has no '='"));
            }
            let quoted = behind_space(tag, equals + 1);
            let (raw, plain) = quoted_value(&tag[quoted..])
                .ok_or_else(|| malformed("an attribute's value is not in quotes"))?;
            at = quoted + raw.len() + 2;
            if !name.is_namespace() {
                let value = if plain { Cow::Borrowed(raw) } else { normal(raw, position)? };
                self.add(Attribute { name, value }, position)?;
            }
        }
    }

    #[inline]
    fn add(&mut self, attribute: Attribute<'x>, position: u64) -> Result<(), ReportError> {
        if self.0.iter().any(|other| other.name.full == attribute.name.full) {
            let cause = format!("the attribute {:?} stands twice", attribute.name.full);
            return Err(ReportError::malformed(position, cause));
        }
        self.0.push(attribute);
        Ok(())
    }

    /// The value of the attribute with this local name; of two the one without a prefix counts.
    pub(crate) fn get(&self, local: &str) -> Option<&str> {
        let mut found = None;
        for attribute in &self.0 {
            if attribute.name.full == local {
                return Some(&attribute.value);
            }
            if attribute.name.local == local {
                found = found.or(Some(&*attribute.value));
            }
        }
        found
    }

    /// The same, to keep.
    pub(crate) fn owned(&self, local: &str) -> Option<String> {
        self.get(local).map(str::to_owned)
    }

    /// All of them, in an order that does not depend on how they were written.
    pub(crate) fn sorted(&mut self) -> &[Attribute<'x>] {
        if self.0.len() > 1 {
            let order = |attribute: &Attribute<'x>| {
                (attribute.name.local, attribute.name.full.len(), attribute.name.full)
            };
            self.0.sort_unstable_by(|a, b| order(a).cmp(&order(b)));
        }
        &self.0
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

/// Where the white space that starts here ends.
#[inline]
fn behind_space(tag: &str, at: usize) -> usize {
    let mut end = at;
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = tag.as_bytes().get(end) {
        end += 1;
    }
    end
}

/// The value in the quotes that a text starts with, and whether it is written as it is meant.
#[inline]
fn quoted_value(text: &str) -> Option<(&str, bool)> {
    let quote = match text.as_bytes().first() {
        Some(quote @ (b'"' | b'\'')) => *quote,
        _ => return None,
    };
    let mut plain = true;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        if byte == quote {
            return Some((&text[1..at], plain));
        }
        plain &= !SPECIAL[usize::from(byte)];
    }
    None
}

/// What a value has to be normalised for.
const SPECIAL: [bool; 256] = {
    let mut special = [false; 256];
    let mut bytes: &[u8] = b"&<\t\n\r";
    while let [byte, rest @ ..] = bytes {
        special[*byte as usize] = true;
        bytes = rest;
    }
    special
};

#[cold]
fn normal(value: &str, position: u64) -> Result<Cow<'_, str>, ReportError> {
    if value.contains('<') {
        return Err(ReportError::malformed(position, "a '<' stands in an attribute"));
    }
    let raw = Raw { key: QName(""), value: Cow::Borrowed(value) };
    raw.normalized_value(XmlVersion::Implicit1_0).map_err(|error| match error {
        quick_xml::Error::Escape(EscapeError::UnrecognizedEntity(_, name)) => {
            ReportError::UnknownEntity { name }
        }
        other => ReportError::malformed(position, other),
    })
}
