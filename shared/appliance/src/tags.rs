/// A start tag and the text behind it, up to the next tag.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tag<'a> {
    /// Its name without a namespace prefix.
    pub(crate) name: &'a str,
    attributes: &'a str,
    text: &'a str,
}

/// The start tags of a small XML answer, in order.
///
/// It reads the appliance's short answers (errors, the API's information) and forgives what is not well-formed,
/// because half an error message is worth more than none. Reports are `session-report`'s.
pub(crate) fn tags(xml: &str) -> impl Iterator<Item = Tag<'_>> {
    let mut rest = xml;
    std::iter::from_fn(move || {
        loop {
            rest = &rest[rest.find('<')? + 1..];
            let skipped =
                [("!--", "-->"), ("![CDATA[", "]]>"), ("?", "?>"), ("!", ">"), ("/", ">")]
                    .into_iter()
                    .find(|(opening, _)| rest.starts_with(opening));
            if let Some((_, closing)) = skipped {
                rest = &rest[rest.find(closing)? + closing.len()..];
                continue;
            }
            let end = tag_end(rest)?;
            let (tag, behind) = (&rest[..end], &rest[end + 1..]);
            rest = behind;
            return Some(tag_of(tag.trim_end_matches('/'), behind));
        }
    })
}

/// Where a tag ends: a `>` within a quoted value does not end it.
fn tag_end(rest: &str) -> Option<usize> {
    let mut quote = None;
    rest.bytes().position(|byte| {
        match (quote, byte) {
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            (None, b'>') => return true,
            _ => {}
        }
        false
    })
}

fn tag_of<'a>(tag: &'a str, behind: &'a str) -> Tag<'a> {
    let (name, attributes) = tag.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((tag, ""));
    let text = match behind.strip_prefix("<![CDATA[") {
        Some(cdata) => cdata.split("]]>").next().unwrap_or(""),
        None => behind.split('<').next().unwrap_or(""),
    };
    Tag { name: name.rsplit(':').next().unwrap_or(name), attributes, text }
}

impl Tag<'_> {
    /// The text behind it, trimmed, with entities undone.
    pub(crate) fn text(&self) -> String {
        unescaped(self.text.trim())
    }

    /// The value of an attribute.
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        let mut rest = self.attributes;
        loop {
            let (key, behind) = rest.split_once('=')?;
            let behind = behind.trim_start();
            let quote = behind.chars().next().filter(|c| matches!(c, '"' | '\''))?;
            let (value, next) = behind[1..].split_once(quote)?;
            if key.trim() == name {
                return Some(unescaped(value));
            }
            rest = next;
        }
    }
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        match behind.split_once(';').and_then(|(name, next)| Some((entity(name)?, next))) {
            Some((character, next)) => {
                plain.push(character);
                rest = next;
            }
            None => {
                plain.push('&');
                rest = behind;
            }
        }
    }
    plain.push_str(rest);
    plain
}

fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_by_local_name_with_their_text() {
        let xml = "<?xml version='1.0'?><!-- <a> --><r:error xmlns:r=\"x>y\" code='7'>\n L&#8217;un &amp; l&apos;autre </r:error><b/>";
        let read: Vec<_> = tags(xml).collect();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0].name, "error");
        assert_eq!(read[0].text(), "L’un & l'autre");
        assert_eq!(read[0].attribute("code").as_deref(), Some("7"));
        assert_eq!(read[0].attribute("missing"), None);
        assert_eq!(read[1].name, "b");
    }

    #[test]
    fn cdata_is_text_and_broken_xml_ends_quietly() {
        let read: Vec<_> = tags("<error><![CDATA[a < b]]></error><unfinished").collect();
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].text(), "a < b");
        assert_eq!(unescaped("a & b &nope; &#xZZ;"), "a & b &nope; &#xZZ;");
    }
}
