use std::borrow::Cow;

use memchr::memchr;
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
        self.read::<false>(tag, name_bytes, limits, position).map(drop)
    }

    /// Reads those of the tag that a text starts with, from behind its `<`. Tells where the first byte stands that
    /// belongs to no attribute.
    pub(crate) fn reread_at_start(
        &mut self,
        text: &'x str,
        name_bytes: usize,
        limits: &Limits,
        position: u64,
    ) -> Result<usize, ReportError> {
        self.read::<true>(text, name_bytes, limits, position)
    }

    fn read<const MORE_FOLLOWS: bool>(
        &mut self,
        tag: &'x str,
        name_bytes: usize,
        limits: &Limits,
        position: u64,
    ) -> Result<usize, ReportError> {
        self.0.clear();
        let bytes = tag.as_bytes();
        let malformed = |cause: &'static str| ReportError::malformed(position, cause);
        let mut at = name_bytes;
        let mut count = 0;
        loop {
            let start = behind_space(bytes, at);
            match bytes.get(start) {
                None => return Ok(start),
                Some(b'>' | b'/') if MORE_FOLLOWS => return Ok(start),
                Some(_) => {}
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
            let equals = behind_space(bytes, start + name.full.len());
            if bytes.get(equals) != Some(&b'=') {
                return Err(malformed("an attribute has no '='"));
            }
            let quoted = behind_space(bytes, equals + 1);
            let (end, plain) = quoted_value(bytes, quoted)
                .ok_or_else(|| malformed("an attribute's value is not in quotes"))?;
            let raw = &tag[quoted + 1..end];
            at = end + 1;
            if !name.is_namespace() {
                let value = if plain { Cow::Borrowed(raw) } else { normal(raw, position)? };
                self.add(Attribute { name, value }, position)?;
            }
        }
    }

    #[inline]
    fn add(&mut self, attribute: Attribute<'x>, position: u64) -> Result<(), ReportError> {
        if self.0.iter().any(|other| other.name.full == attribute.name.full) {
            return Err(doubled(attribute.name, position));
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
    pub(crate) fn owned<T: for<'t> From<&'t str>>(&self, local: &str) -> Option<T> {
        self.get(local).map(T::from)
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
fn behind_space(bytes: &[u8], at: usize) -> usize {
    let mut end = at;
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(end) {
        end += 1;
    }
    end
}

/// Where the value ends whose opening quote stands here, and whether it is written as it is meant.
#[inline]
fn quoted_value(bytes: &[u8], quoted: usize) -> Option<(usize, bool)> {
    let quote = match bytes.get(quoted) {
        Some(quote @ (b'"' | b'\'')) => *quote,
        _ => return None,
    };
    let value = &bytes[quoted + 1..];
    let stop = first_stop(value, quote)?;
    if value[stop] == quote {
        return Some((quoted + 1 + stop, true));
    }
    let end = stop + memchr(quote, &value[stop..])?;
    Some((quoted + 1 + end, !value[stop..end].iter().any(|byte| is_special(*byte))))
}

/// Whether a value has to be normalised for it.
fn is_special(byte: u8) -> bool {
    matches!(byte, b'&' | b'<' | b'\t' | b'\n' | b'\r')
}

/// Where the first byte stands that is the quote, may have to be normalised, or is some other control character.
#[inline]
fn first_stop(value: &[u8], quote: u8) -> Option<usize> {
    const ONES: u64 = u64::MAX / 0xff;
    // Eight bytes at once. A byte below a bound borrows, which shows in its highest bit; a borrow can spoil the bytes
    // above it, but never the lowest one that shows.
    let below = |word: u64, bound: u8| word.wrapping_sub(ONES * u64::from(bound)) & !word;
    let (words, rest) = value.as_chunks::<8>();
    for (place, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
        let shown = (below(word, b' ') | is(quote) | is(b'&') | is(b'<')) & (ONES * 0x80);
        if shown != 0 {
            return Some(8 * place + shown.trailing_zeros() as usize / 8);
        }
    }
    let stops = |byte: &u8| *byte == quote || *byte < b' ' || is_special(*byte);
    rest.iter().position(stops).map(|place| value.len() - rest.len() + place)
}

#[cold]
fn doubled(name: Name<'_>, position: u64) -> ReportError {
    ReportError::malformed(position, format!("the attribute {:?} stands twice", name.full))
}

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
