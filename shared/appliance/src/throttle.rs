//! What an answer's headers say about the budget of the account.

use std::time::Duration;

use chrono::DateTime;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::clock::date_of;

/// What is waited after a refusal that does not say how long.
const WAIT_DEFAULT: Duration = Duration::from_secs(10);
/// The budget is counted by the hour: nothing is worth a longer wait.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// How long a refused request has to wait: `Retry-After` in seconds, or as a date by the answer's own clock.
pub(crate) fn retry_after(headers: &HeaderMap) -> Duration {
    let text = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::trim);
    let told = text.and_then(|text| match text.parse() {
        Ok(secs) => Some(Duration::from_secs(secs)),
        Err(_) => {
            let until = DateTime::parse_from_rfc2822(text).ok()?;
            (until.to_utc() - date_of(headers)?.instant()).to_std().ok()
        }
    });
    told.unwrap_or(WAIT_DEFAULT).clamp(Duration::from_secs(1), WAIT_MAX)
}

/// How many requests remain of the hour, where the answer tells.
pub(crate) fn remaining(headers: &HeaderMap) -> Option<u32> {
    headers.get("x-ratelimit-remaining")?.to_str().ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use reqwest::header::{DATE, HeaderValue};

    use super::*;

    fn headers(retry_after: &'static str) -> HeaderMap {
        HeaderMap::from_iter([
            (RETRY_AFTER, HeaderValue::from_static(retry_after)),
            (DATE, HeaderValue::from_static("Sun, 22 Nov 2026 16:00:00 GMT")),
        ])
    }

    #[test]
    fn a_wait_is_told_in_seconds_or_as_a_date() {
        assert_eq!(retry_after(&headers("7")), Duration::from_secs(7));
        assert_eq!(
            retry_after(&headers("Sun, 22 Nov 2026 16:02:00 GMT")),
            Duration::from_secs(120)
        );
        assert_eq!(retry_after(&headers("soon")), WAIT_DEFAULT);
        assert_eq!(retry_after(&headers("99999999")), WAIT_MAX);
        assert_eq!(retry_after(&HeaderMap::new()), WAIT_DEFAULT);
    }
}
