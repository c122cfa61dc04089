use crate::tags::tags;

/// What the first bytes of a body announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sniffed {
    /// Flash video.
    Flv,
    /// MP4 and its kin.
    Mp4,
    /// WebM or Matroska.
    WebM,
    /// A ZIP archive.
    Zip,
    /// gzip.
    Gzip,
    /// XML that is not HTML.
    Xml,
    /// A page for people.
    Html,
    /// JSON.
    Json,
    /// No bytes at all.
    Nothing,
    /// Anything else; a backup (`.nsb`) has no known mark.
    Unknown,
}

/// What these first bytes of a body announce; 512 are enough.
pub fn sniff(first: &[u8]) -> Sniffed {
    match first {
        [] => Sniffed::Nothing,
        [b'F', b'L', b'V', 1, ..] => Sniffed::Flv,
        [_, _, _, _, b'f', b't', b'y', b'p', ..] => Sniffed::Mp4,
        [0x1a, 0x45, 0xdf, 0xa3, ..] => Sniffed::WebM,
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Sniffed::Zip,
        [0x1f, 0x8b, 8, ..] => Sniffed::Gzip,
        [0xfe, 0xff, 0, b'<', ..] | [0xff, 0xfe, b'<', 0, ..] => Sniffed::Xml,
        _ => sniff_text(first),
    }
}

fn sniff_text(first: &[u8]) -> Sniffed {
    let text = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first);
    let text = text.trim_ascii_start();
    match text {
        [b'{' | b'[', ..] if text.iter().all(|byte| is_text(*byte)) => Sniffed::Json,
        [b'<', ..] if is_html(text) => Sniffed::Html,
        [b'<', b'?' | b'!' | b'_' | b':', ..] => Sniffed::Xml,
        [b'<', letter, ..] if letter.is_ascii_alphabetic() => Sniffed::Xml,
        _ => Sniffed::Unknown,
    }
}

fn is_text(byte: u8) -> bool {
    byte >= b' ' || byte.is_ascii_whitespace()
}

/// By its doctype or its first element: a `<body>` further in may be a chat's, in a report.
fn is_html(text: &[u8]) -> bool {
    let start = String::from_utf8_lossy(&text[..text.len().min(512)]).to_ascii_lowercase();
    let mut prolog = start.as_str();
    while let Some((opening, closing)) =
        [("<?", "?>"), ("<!--", "-->")].into_iter().find(|(opening, _)| prolog.starts_with(opening))
    {
        let Some(end) = prolog[opening.len()..].find(closing) else { return false };
        prolog = prolog[opening.len() + end + closing.len()..].trim_start();
    }
    prolog.starts_with("<!doctype html")
        || tags(prolog).next().is_some_and(|root| HTML_ROOTS.contains(&root.name))
}

/// What pages begin with, those of bare proxies included; no document of the API does.
const HTML_ROOTS: [&str; 8] = ["html", "head", "body", "title", "center", "h1", "p", "div"];

impl Sniffed {
    /// The extension of a file with such content, where the content alone tells.
    pub const fn extension(self) -> Option<&'static str> {
        match self {
            Sniffed::Flv => Some("flv"),
            Sniffed::Mp4 => Some("mp4"),
            Sniffed::WebM => Some("webm"),
            Sniffed::Zip => Some("zip"),
            Sniffed::Gzip => Some("gz"),
            Sniffed::Xml => Some("xml"),
            Sniffed::Html => Some("html"),
            Sniffed::Json => Some("json"),
            Sniffed::Nothing | Sniffed::Unknown => None,
        }
    }

    /// Whether it is a text in which a server speaks: never a recording, never a backup.
    pub(crate) const fn is_speech(self) -> bool {
        matches!(self, Sniffed::Xml | Sniffed::Html | Sniffed::Json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_known_by_its_first_bytes() {
        let cases: [(&[u8], Sniffed); 18] = [
            (b"FLV\x01\x05", Sniffed::Flv),
            (b"\0\0\0\x20ftypisom", Sniffed::Mp4),
            (b"\x1a\x45\xdf\xa3", Sniffed::WebM),
            (b"PK\x03\x04", Sniffed::Zip),
            (b"\x1f\x8b\x08\0", Sniffed::Gzip),
            (b"<?xml version=\"1.0\"?><error>", Sniffed::Xml),
            (b"\xef\xbb\xbf\r\n<error>", Sniffed::Xml),
            (b"<!DOCTYPE html><p>", Sniffed::Html),
            (b"<?xml version=\"1.0\"?>\n<HTML>", Sniffed::Html),
            (b"<!-- x --><center>502</center>", Sniffed::Html),
            (b"<session_list><session><body>see <html></body>", Sniffed::Xml),
            (b"<?xml version=\"1.0\"?><!-- <html> --><error/>", Sniffed::Xml),
            (b"<?xml without an end", Sniffed::Xml),
            (b" {\"error\":1}", Sniffed::Json),
            (b"{\0\x01", Sniffed::Unknown),
            (b"< not xml", Sniffed::Unknown),
            (b"", Sniffed::Nothing),
            (b"\x8c\x01", Sniffed::Unknown),
        ];
        for (first, wanted) in cases {
            assert_eq!(sniff(first), wanted, "{first:?}");
        }
    }
}
