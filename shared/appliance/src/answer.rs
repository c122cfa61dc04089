//! What the appliance says instead of content. Everything here is a pure function of an answer's bytes.

use crate::sniff::{Sniffed, sniff};
use crate::tags::tags;

/// Longer words are cut: they end in logs and dead letters.
const WORDS_CHARS_MAX: usize = 300;
/// The longest whole body that may be nothing but words where content may be text, too.
const PLAIN_BYTES_MAX: usize = 1024;

/// What a body says where content was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// "Nothing found", in words that are known.
    NoMatch(String),
    /// "Not any more", in words that are known.
    Expired(String),
    /// "Not yet", in words that are known.
    NotReady(String),
    /// "You may not", in words that are known.
    Forbidden(String),
    /// The token does not count.
    TokenRefused(String),
    /// An error in other words.
    Error(String),
    /// A page for people.
    Page(String),
}

impl Said {
    /// Its words.
    pub(crate) fn words(self) -> String {
        match self {
            Said::NoMatch(words)
            | Said::Expired(words)
            | Said::NotReady(words)
            | Said::Forbidden(words)
            | Said::TokenRefused(words)
            | Said::Error(words)
            | Said::Page(words) => words,
        }
    }
}

/// What a speaking body says; `None` where it is no error.
pub(crate) fn said(body: &[u8]) -> Option<Said> {
    let text = String::from_utf8_lossy(body);
    match sniff(body) {
        Sniffed::Html => Some(Said::Page(page_title(&text))),
        Sniffed::Json => json_error(&text),
        Sniffed::Xml => error_words(&text).map(understood),
        _ => None,
    }
}

/// What a speaking body says where it can't be content: also where it is no error that we know.
pub(crate) fn said_anyway(body: &[u8]) -> Said {
    let text = String::from_utf8_lossy(body);
    said(body).unwrap_or_else(|| match sniff(body) {
        Sniffed::Xml => {
            let root = tags(&text).next().map_or("?".to_owned(), |root| root.name.to_owned());
            Said::Error(shortened(&format!("an XML document <{root}>")))
        }
        Sniffed::Json => Said::Error("a JSON document".to_owned()),
        _ => understood(shortened(&text)),
    })
}

/// Whether a whole body is a short text for people, where content may be text, too.
pub(crate) fn is_short_text(whole: &[u8]) -> bool {
    whole.len() <= PLAIN_BYTES_MAX && is_text(whole)
}

/// Whether the first bytes of a body are text; a character that their end cuts is no fault of theirs.
pub(crate) fn is_text(first: &[u8]) -> bool {
    let text = match std::str::from_utf8(first) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&first[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.trim().is_empty() && text.chars().all(|c| !c.is_control() || c.is_whitespace())
}

/// The words of an `<error>` that is the root or the root's first child.
fn error_words(xml: &str) -> Option<String> {
    let error = tags(xml).take(2).find(|tag| tag.name == "error")?;
    let words = error.text();
    // Seen in one layout: `<error><message>…</message></error>`.
    let words = if words.is_empty() {
        tags(xml).map(|tag| tag.text()).find(|text| !text.is_empty()).unwrap_or_default()
    } else {
        words
    };
    Some(shortened(&words))
}

fn json_error(json: &str) -> Option<Said> {
    let value: serde_json::Value = serde_json::from_str(json).ok()?;
    let word = |key: &str| value.get(key).and_then(|word| word.as_str()).unwrap_or_default();
    let (error, message) = (word("error"), word("message"));
    if error.is_empty() && message.is_empty() {
        return None;
    }
    let words = shortened(if message.is_empty() { error } else { message });
    Some(match error {
        "access_denied" | "invalid_token" => Said::TokenRefused(words),
        _ => understood(words),
    })
}

/// Sorts the words of an error. Sites answer in their own language; what is not known stays an error.
fn understood(words: String) -> Said {
    let folded = words.to_lowercase().replace('\u{2019}', "'");
    let holds = |all: &[&str]| all.iter().all(|part| folded.contains(part));
    let any = |phrases: &[&[&str]]| phrases.iter().any(|phrase| holds(phrase));
    if any(&NO_MATCH) {
        Said::NoMatch(words)
    } else if any(&EXPIRED) {
        Said::Expired(words)
    } else if any(&NOT_READY) {
        Said::NotReady(words)
    } else if any(&FORBIDDEN) {
        Said::Forbidden(words)
    } else {
        Said::Error(words)
    }
}

/// English and French are what sites were seen to say; other languages are learnt from the site itself.
const NO_MATCH: [&[&str]; 4] = [
    &["no ", "matching your", "criteria"],
    &["no ", "found for the given", "criteria"],
    &["correspondant à vos critères", "disponible"],
    &["matching the specified criteria"],
];
/// Always with the thing itself: "your session has expired" is about a login.
const EXPIRED: [&[&str]; 8] = [
    &["recording", "expired"],
    &["recording", "no longer"],
    &["report", "has expired"],
    &["report", "no longer available"],
    &["enregistrement", "expiré"],
    &["enregistrement", "n'est plus"],
    &["enregistrement", "ne peut plus"],
    &["aufzeichnung", "abgelaufen"],
];
/// What is on its way: worth waiting for, and nobody's failure.
const NOT_READY: [&[&str]; 10] = [
    &["not yet available"],
    &["not yet ready"],
    &["not ready yet"],
    &["recording", "being processed"],
    &["recording", "being converted"],
    &["recording", "in progress"],
    &["enregistrement", "en cours"],
    &["enregistrement", "pas encore"],
    &["aufzeichnung", "wird noch"],
    &["aufzeichnung", "noch nicht"],
];
const FORBIDDEN: [&[&str]; 5] =
    [&["permission"], &["not authorized"], &["not allowed"], &["access denied"], &["may not use"]];

fn page_title(html: &str) -> String {
    let title = tags(html)
        .find(|tag| tag.name.eq_ignore_ascii_case("title"))
        .map(|tag| shortened(&tag.text()))
        .filter(|title| !title.is_empty());
    match title {
        Some(title) => format!("a page titled {title:?}"),
        None => "a page without a title".to_owned(),
    }
}

/// Words on one line, without control characters, cut where they get long.
pub(crate) fn shortened(words: &str) -> String {
    let line = words.split(|c: char| c.is_whitespace() || c.is_control());
    let line = line.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(WORDS_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: &str = "No Support report information matching your chosen criteria is available.";

    #[test]
    fn nothing_found_is_known_at_the_root_and_inside_it() {
        let root = format!("<?xml version=\"1.0\"?><error xmlns=\"http://x\">{NONE}</error>");
        let nested =
            format!("<session_list xmlns=\"http://x\"><error>{NONE}</error></session_list>");
        assert_eq!(said(root.as_bytes()), Some(Said::NoMatch(NONE.to_owned())));
        assert_eq!(said(nested.as_bytes()), Some(Said::NoMatch(NONE.to_owned())));
    }

    #[test]
    fn french_sites_are_understood() {
        let none = "<error>Aucune information correspondant à vos critères n\u{2019}est disponible.</error>";
        assert!(matches!(said(none.as_bytes()), Some(Said::NoMatch(_))));
        let gone = "<error>Cet enregistrement a expiré.</error>";
        assert!(matches!(said(gone.as_bytes()), Some(Said::Expired(_))));
    }

    #[test]
    fn an_expired_recording_is_told_from_other_refusals() {
        let gone =
            b"<error>This recording has expired and can no longer be viewed or downloaded.</error>";
        assert!(matches!(said(gone), Some(Said::Expired(_))));
        for other in ["Internal error 7", "Your session has expired", "The license has expired."] {
            let body = format!("<error>{other}</error>");
            assert!(matches!(said(body.as_bytes()), Some(Said::Error(_))), "{other}");
        }
    }

    #[test]
    fn a_recording_that_is_not_ready_is_told_from_one_that_is_gone() {
        for words in [
            "This recording is being processed and is not yet available.",
            "Cet enregistrement est en cours de traitement.",
            "Diese Aufzeichnung wird noch verarbeitet.",
        ] {
            let body = format!("<error>{words}</error>");
            assert_eq!(said(body.as_bytes()), Some(Said::NotReady(words.to_owned())));
        }
    }

    #[test]
    fn json_errors_speak_by_their_message() {
        let denied =
            br#"{"error":"access_denied","message":"The resource owner denied the request."}"#;
        assert_eq!(
            said(denied),
            Some(Said::TokenRefused("The resource owner denied the request.".to_owned()))
        );
        assert_eq!(said(br#"{"access_token":"x"}"#), None);
    }

    #[test]
    fn a_report_is_no_error_though_a_note_in_it_says_error() {
        let report =
            b"<session_list><session lsid=\"1\"><error>no</error></session></session_list>";
        assert_eq!(said(report), None);
        assert_eq!(said(b"<session_summary_list/>"), None);
    }

    #[test]
    fn a_page_is_named_by_its_title() {
        let page = b"<!DOCTYPE html><html><head><title>Corporate\n proxy</title>";
        assert_eq!(said(page), Some(Said::Page("a page titled \"Corporate proxy\"".to_owned())));
    }

    #[test]
    fn words_stay_short_and_on_one_line() {
        let long = shortened(&"wort\r\n\u{1b}[31m ".repeat(200));
        assert!(long.chars().count() <= WORDS_CHARS_MAX + 1 && !long.contains(['\n', '\u{1b}']));
    }

    #[test]
    fn text_is_told_from_content() {
        assert!(is_short_text(b"Invalid credentials\n") && !is_short_text(&[b'a'; 2000]));
        assert!(is_text(&[b'a'; 2000]) && is_text("Größe".as_bytes().split_at(3).0));
        assert!(!is_text(b"\x00\x01nsb") && !is_text(b"\n") && !is_text(b"nsb\xff\xfe"));
    }
}
