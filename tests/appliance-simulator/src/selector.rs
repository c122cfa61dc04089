//! Which sessions a report request asks for: exactly one way of saying it.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use thiserror::Error;

const DAY_SECONDS: i64 = 86_400;

/// The parameters of a request, from its query and its form.
pub(crate) type Parameters = BTreeMap<String, String>;

/// The end of a session by which a window finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edge {
    Start,
    End,
}

/// `from` belongs to it, `until` does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) edge: Edge,
    pub(crate) from: i64,
    pub(crate) until: i64,
}

impl Window {
    pub(crate) fn holds(&self, instant: i64) -> bool {
        self.from <= instant && instant < self.until
    }
}

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selector {
    Window(Window),
    Lsids(Vec<String>),
}

/// Why a request asks for nothing that can be found.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum SelectorError {
    #[error("One of start_date, start_time, end_date, end_time, lsid or lsids is required.")]
    Missing,
    #[error("Only one of start_date, start_time, end_date, end_time, lsid and lsids may be given.")]
    Several,
    #[error("The parameter lsid is not valid for this report.")]
    LsidInListing,
    #[error("The parameter {0} is not valid.")]
    Invalid(&'static str),
}

/// Reads the selection; `by_id` says whether the report takes ids.
pub(crate) fn selector_of(
    parameters: &Parameters,
    now: i64,
    by_id: bool,
) -> Result<Selector, SelectorError> {
    let has = |name: &str| parameters.contains_key(name);
    let starts = has("start_date") || has("start_time");
    let ends = has("end_date") || has("end_time");
    let ids = has("lsid") || has("lsids");
    match (starts, ends, ids) {
        (true, false, false) => window(parameters, now, Edge::Start, "start_time", "start_date"),
        (false, true, false) => window(parameters, now, Edge::End, "end_time", "end_date"),
        (false, false, true) if by_id => ids_of(parameters),
        (false, false, true) => Err(SelectorError::LsidInListing),
        (false, false, false) => Err(SelectorError::Missing),
        _ => Err(SelectorError::Several),
    }
}

fn ids_of(parameters: &Parameters) -> Result<Selector, SelectorError> {
    let given = parameters.get("lsid").or_else(|| parameters.get("lsids"));
    let ids: Vec<String> = given
        .map(|given| {
            given.split(',').map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()).collect()
        })
        .unwrap_or_default();
    if ids.is_empty() { Err(SelectorError::Invalid("lsid")) } else { Ok(Selector::Lsids(ids)) }
}

// Where both are given the instant holds: clients in the field send both.
fn window(
    parameters: &Parameters,
    now: i64,
    edge: Edge,
    time_name: &'static str,
    date_name: &'static str,
) -> Result<Selector, SelectorError> {
    let duration = number(parameters, "duration")?.filter(|duration| *duration >= 0);
    let duration = duration.ok_or(SelectorError::Invalid("duration"))?;
    let (from, unit) = match number(parameters, time_name)? {
        Some(instant) => (instant, 1),
        None => (midnight(parameters, date_name)?, DAY_SECONDS),
    };
    let until = if duration == 0 {
        now.saturating_add(1)
    } else {
        from.saturating_add(duration.saturating_mul(unit))
    };
    Ok(Selector::Window(Window { edge, from, until }))
}

fn number(parameters: &Parameters, name: &'static str) -> Result<Option<i64>, SelectorError> {
    let parse = |text: &String| text.trim().parse().map_err(|_| SelectorError::Invalid(name));
    parameters.get(name).map(parse).transpose()
}

fn midnight(parameters: &Parameters, name: &'static str) -> Result<i64, SelectorError> {
    parameters
        .get(name)
        .and_then(|text| NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d").ok())
        .and_then(|date| date.and_hms_opt(0, 0, 0))
        .map(|midnight| midnight.and_utc().timestamp())
        .ok_or(SelectorError::Invalid(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn select(pairs: &[(&str, &str)], by_id: bool) -> Result<Selector, SelectorError> {
        let parameters =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        selector_of(&parameters, 1_000_000, by_id)
    }

    fn window(edge: Edge, from: i64, until: i64) -> Result<Selector, SelectorError> {
        Ok(Selector::Window(Window { edge, from, until }))
    }

    #[test]
    fn a_time_window_counts_in_seconds_and_a_date_window_in_days() {
        assert_eq!(
            select(&[("end_time", "100"), ("duration", "60")], true),
            window(Edge::End, 100, 160)
        );
        assert_eq!(
            select(&[("start_date", "1970-01-03"), ("duration", "2")], true),
            window(Edge::Start, 2 * 86_400, 4 * 86_400)
        );
    }

    #[test]
    fn a_duration_of_zero_reaches_up_to_now() {
        assert_eq!(
            select(&[("end_time", "100"), ("duration", "0")], true),
            window(Edge::End, 100, 1_000_001)
        );
    }

    #[test]
    fn two_ways_of_asking_are_refused() {
        let both = [("end_time", "1"), ("start_time", "1"), ("duration", "0")];
        assert_eq!(select(&both, true), Err(SelectorError::Several));
        assert_eq!(select(&[("lsid", "a"), ("end_time", "1")], true), Err(SelectorError::Several));
        assert_eq!(select(&[], true), Err(SelectorError::Missing));
    }

    #[test]
    fn a_listing_takes_no_ids() {
        assert_eq!(select(&[("lsid", "a")], false), Err(SelectorError::LsidInListing));
        assert_eq!(
            select(&[("lsids", "a, b,")], true),
            Ok(Selector::Lsids(vec!["a".to_owned(), "b".to_owned()]))
        );
    }

    #[test]
    fn a_window_without_a_duration_is_refused() {
        assert_eq!(select(&[("end_time", "1")], true), Err(SelectorError::Invalid("duration")));
        assert_eq!(
            select(&[("end_time", "soon"), ("duration", "0")], true),
            Err(SelectorError::Invalid("end_time"))
        );
    }
}
