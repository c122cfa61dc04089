//! A small XML writer. Escaping is its whole purpose: it shares nothing with the reader under test.

use std::borrow::Cow;
use std::fmt::Write;

/// Whether XML 1.0 allows the character.
pub(crate) fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Text with everything escaped that has a meaning in XML or HTML; what XML does not allow becomes U+FFFD.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    escape_also(text, &['\r'])
}

// Line ends and tabs as references, because a reader turns the bare ones of an attribute into blanks.
fn escape_attribute(text: &str) -> Cow<'_, str> {
    escape_also(text, &['\r', '\n', '\t'])
}

fn escape_also<'a>(text: &'a str, as_references: &[char]) -> Cow<'a, str> {
    // By bytes, because nearly all text is plain. 0xef begins the two forbidden characters that are not controls.
    let may_matter = |byte: u8| matches!(byte, ..b' ' | b'<' | b'>' | b'&' | b'"' | 0xef);
    if !text.bytes().any(may_matter) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            forbidden if !is_allowed(forbidden) => escaped.push('\u{fffd}'),
            referred if as_references.contains(&referred) => {
                escaped.push_str(&format!("&#{};", u32::from(referred)))
            }
            other => escaped.push(other),
        }
    }
    Cow::Owned(escaped)
}

/// Names and values of a start tag.
pub(crate) type Attributes<'a> = &'a [(&'a str, &'a str)];

/// XML text as it grows.
#[derive(Debug, Default)]
pub(crate) struct Xml(String);

impl Xml {
    pub(crate) fn document() -> Self {
        Self("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned())
    }

    pub(crate) fn open(&mut self, name: &str, attributes: Attributes<'_>) {
        self.start(name, attributes);
        self.0.push('>');
    }

    pub(crate) fn close(&mut self, name: &str) {
        let _infallible = write!(self.0, "</{name}>");
    }

    pub(crate) fn empty(&mut self, name: &str, attributes: Attributes<'_>) {
        self.start(name, attributes);
        self.0.push_str(" />");
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.0.push_str(&escape(text));
    }

    /// Text as CDATA, in several sections where it holds the end mark.
    pub(crate) fn cdata(&mut self, text: &str) {
        let allowed: String =
            text.chars().map(|c| if is_allowed(c) { c } else { '\u{fffd}' }).collect();
        let _infallible =
            write!(self.0, "<![CDATA[{}]]>", allowed.replace("]]>", "]]]]><![CDATA[>"));
    }

    pub(crate) fn leaf(&mut self, name: &str, attributes: Attributes<'_>, text: &str) {
        self.open(name, attributes);
        self.text(text);
        self.close(name);
    }

    /// What is XML already.
    pub(crate) fn raw(&mut self, xml: &str) {
        self.0.push_str(xml);
    }

    pub(crate) fn finish(self) -> String {
        self.0
    }

    fn start(&mut self, name: &str, attributes: Attributes<'_>) {
        let _infallible = write!(self.0, "<{name}");
        for (attribute, value) in attributes {
            let _infallible = write!(self.0, " {attribute}=\"{}\"", escape_attribute(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_is_escaped() {
        let mut xml = Xml::default();
        xml.leaf("a", &[("b", "\"<\n>\"")], "1 < 2 & ]]>");
        assert_eq!(xml.finish(), "<a b=\"&quot;&lt;&#10;&gt;&quot;\">1 &lt; 2 &amp; ]]&gt;</a>");
    }

    #[test]
    fn cdata_survives_its_own_end_mark() {
        let mut xml = Xml::default();
        xml.cdata("a]]>b");
        assert_eq!(xml.finish(), "<![CDATA[a]]]]><![CDATA[>b]]>");
    }

    #[test]
    fn a_character_that_xml_forbids_is_never_written() {
        assert_eq!(escape("a\u{0}\u{b}\u{ffff}b"), "a\u{fffd}\u{fffd}\u{fffd}b");
    }
}
