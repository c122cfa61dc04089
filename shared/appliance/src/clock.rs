use std::sync::{Mutex, PoisonError};

use chrono::DateTime;
use domain::ApplianceTime;
use reqwest::header::{DATE, HeaderMap};
use tokio::time::Instant;

use crate::{ApplianceError, Client};

/// The appliance's clock as an answer's `Date` header tells it.
pub(crate) fn date_of(headers: &HeaderMap) -> Option<ApplianceTime> {
    let text = headers.get(DATE)?.to_str().ok()?;
    let date = DateTime::parse_from_rfc2822(text.trim()).ok()?;
    Some(ApplianceTime::read_off(date.to_utc()))
}

/// The last time that the appliance told, and when.
#[derive(Debug, Default)]
pub(crate) struct Clock(Mutex<Option<(Instant, ApplianceTime)>>);

impl Clock {
    pub(crate) fn saw(&self, headers: &HeaderMap) {
        if let Some(time) = date_of(headers) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), time));
        }
    }

    /// What an answer told that came since; older ones say nothing about now.
    fn told_since(&self, since: Instant) -> Option<ApplianceTime> {
        let told = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.filter(|(at, _)| *at >= since).map(|(_, time)| time)
    }
}

impl Client {
    /// The appliance's clock now, going by the last time that it told; `None` before its first answer.
    pub fn clock_shown(&self) -> Option<ApplianceTime> {
        let told = *self.inner().clock.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, time) = told?;
        let passed = chrono::TimeDelta::from_std(at.elapsed()).ok()?;
        Some(ApplianceTime::read_off(time.instant() + passed))
    }

    /// The appliance's clock now: as the command API tells it, else the `Date` of whatever it answered.
    ///
    /// # Errors
    /// When the appliance can't be asked, or no answer tells a time.
    pub async fn clock(&self) -> Result<ApplianceTime, ApplianceError> {
        let begun = Instant::now();
        let error = match self.get_api_info().await {
            Ok(info) => return Ok(info.clock),
            Err(error) => error,
        };
        let answered = matches!(
            error,
            ApplianceError::Forbidden { .. }
                | ApplianceError::Refused { .. }
                | ApplianceError::Unexpected { .. }
                | ApplianceError::Malformed { .. }
        );
        match self.inner().clock.told_since(begun) {
            Some(time) if answered => Ok(time),
            _ => Err(error),
        }
    }
}
