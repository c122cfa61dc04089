use chrono::DateTime;
use reqwest::header::{
    ACCEPT_RANGES, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_RANGE,
    LAST_MODIFIED, RANGE, TRANSFER_ENCODING,
};
use reqwest::{Response, StatusCode};

use crate::clock::date_of;

/// A date tells versions apart only where it is this much older than the answer that bears it.
const DATE_AGE_SECS_MIN: i64 = 60;

/// Which part of a content an answer is, and what tells its version.
#[derive(Debug, Clone, Default)]
pub(crate) struct Part {
    /// Where it begins; 0 for a whole content.
    pub(crate) from: u64,
    /// The size of the whole content, where it is told.
    pub(crate) total: Option<u64>,
    /// What tells this version of the content from any other, where something does.
    pub(crate) version: Option<HeaderValue>,
    /// Neither a length nor a last chunk tells the end, nor does TLS: a break looks like the end.
    unseen_end: bool,
}

/// The rest of a content: from a byte, if its version is still this one.
#[derive(Debug, Clone)]
pub(crate) struct Rest {
    pub(crate) from: u64,
    pub(crate) version: HeaderValue,
}

impl Rest {
    /// The headers that ask for it.
    pub(crate) fn headers(&self) -> HeaderMap {
        let range = HeaderValue::try_from(format!("bytes={}-", self.from));
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, range.expect("a number is plain ASCII"));
        headers.insert(IF_RANGE, self.version.clone());
        headers
    }
}

impl Part {
    pub(crate) fn of(response: &Response) -> Part {
        let headers = response.headers();
        let partial = response.status() == StatusCode::PARTIAL_CONTENT;
        let range = partial.then(|| text(headers, &CONTENT_RANGE).and_then(content_range));
        let (from, total) = match range {
            None => (0, response.content_length()),
            Some(Some((from, total))) => (from, total),
            // A part that does not say which: never the one that is wanted.
            Some(None) => (u64::MAX, None),
        };
        let told = response.content_length().is_some() || headers.contains_key(TRANSFER_ENCODING);
        let unseen_end = !told && response.url().scheme() == "http";
        Part { from, total, version: version(headers), unseen_end }
    }

    /// Whether this answer continues another at this byte.
    pub(crate) fn continues(&self, other: &Part, at: u64) -> bool {
        let same = |total: Option<u64>| other.total.is_none_or(|known| total == Some(known));
        let versions = (&self.version, &other.version);
        let same_version = matches!(versions, (Some(one), Some(two)) if one == two)
            || self.version.is_none() && other.version.is_some();
        at > 0 && self.from == at && same(self.total) && same_version
    }

    pub(crate) fn ends_unseen(&self) -> bool {
        self.unseen_end
    }
}

/// A strong entity tag, or a date that is old enough to be one version's alone; nothing where ranges are refused.
fn version(headers: &HeaderMap) -> Option<HeaderValue> {
    if text(headers, &ACCEPT_RANGES).is_some_and(|ranges| ranges.trim() == "none") {
        return None;
    }
    match headers.get(ETAG) {
        Some(tag) => tag.as_bytes().starts_with(b"\"").then(|| tag.clone()),
        None => {
            let date = headers.get(LAST_MODIFIED)?;
            let modified = DateTime::parse_from_rfc2822(date.to_str().ok()?.trim()).ok()?;
            let age = date_of(headers)?.unix_secs() - modified.timestamp();
            (age >= DATE_AGE_SECS_MIN).then(|| date.clone())
        }
    }
}

/// `bytes 5-9/10`: where a part begins, and the size of the whole, if it is told.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (span, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (from, to) = span.split_once('-')?;
    let (from, to) = (from.parse::<u64>().ok()?, to.parse::<u64>().ok()?);
    let total = match total {
        "*" => None,
        total => Some(total.parse::<u64>().ok()?),
    };
    (from <= to && total.is_none_or(|total| to < total)).then_some((from, total))
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use reqwest::header::DATE;

    use super::*;

    #[test]
    fn a_content_range_is_believed_only_if_it_is_one() {
        for (text, wanted) in [
            ("bytes 5-9/10", Some((5, Some(10)))),
            ("bytes 0-0/*", Some((0, None))),
            ("bytes 5-10/10", None),
            ("bytes 9-5/10", None),
            ("bytes */10", None),
            ("items 5-9/10", None),
            ("bytes 5-/10", None),
        ] {
            assert_eq!(content_range(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_version_is_told_by_a_strong_tag_or_an_old_date() {
        let told = |pairs: &[(HeaderName, &'static str)]| {
            let pairs =
                pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
            version(&pairs.collect()).is_some()
        };
        let date = (DATE, "Sun, 22 Nov 2026 16:00:00 GMT");
        assert!(told(&[(ETAG, "\"a\"")]));
        assert!(!told(&[(ETAG, "W/\"a\"")]));
        assert!(!told(&[(ETAG, "\"a\""), (ACCEPT_RANGES, "none")]));
        assert!(told(&[date.clone(), (LAST_MODIFIED, "Sun, 22 Nov 2026 15:00:00 GMT")]));
        assert!(!told(&[date.clone(), (LAST_MODIFIED, "Sun, 22 Nov 2026 15:59:30 GMT")]));
        assert!(!told(&[(LAST_MODIFIED, "Sun, 22 Nov 2026 15:00:00 GMT")]));
        assert!(!told(&[date]));
    }

    #[test]
    fn only_the_same_version_at_the_right_byte_continues() {
        let part = |from, total, version: Option<&'static str>| Part {
            from,
            total,
            version: version.map(HeaderValue::from_static),
            unseen_end: false,
        };
        let first = part(0, Some(10), Some("\"a\""));
        assert!(part(5, Some(10), Some("\"a\"")).continues(&first, 5));
        assert!(part(5, Some(10), None).continues(&first, 5), "its If-Range was met");
        for other in [
            part(5, Some(10), Some("\"b\"")),
            part(4, Some(10), Some("\"a\"")),
            part(5, Some(11), Some("\"a\"")),
            part(5, None, Some("\"a\"")),
            part(0, Some(10), Some("\"a\"")),
        ] {
            assert!(!other.continues(&first, 5), "{other:?}");
        }
    }
}
