//! Why nothing was fetched, and what is to be done about it.

use std::time::Duration;

use appliance::{ApplianceError, Recourse};
use queue::{Failure, LogError};
use session_report::ReportError;

use crate::room::NoRoom;

/// Why there is nothing to publish.
#[derive(Debug)]
pub(crate) enum Unfetched {
    /// The appliance does not have it any more; its own words.
    Unavailable(String),
    /// The appliance does not have it.
    NotThere(ApplianceError),
    /// The report names no end yet, although the appliance lists one.
    NoEnd,
    /// Something failed.
    Failed(Failure),
}

/// A report without the end that the appliance lists.
#[derive(Debug, thiserror::Error)]
#[error("the report has no end yet, although the appliance lists one")]
struct NoEnd;

/// What was listed so long ago and is not found now has been purged.
const PURGED_AFTER: Duration = Duration::from_secs(2 * 86_400);

/// What a message comes to.
pub(crate) enum Verdict {
    /// It will never be had.
    Unavailable(String),
    /// It was not had this time.
    Failed(Failure),
}

impl Unfetched {
    /// What becomes of a message whose content the appliance should have had for so long.
    pub fn verdict(self, age: Duration) -> Verdict {
        match self {
            Unfetched::Unavailable(words) => Verdict::Unavailable(words),
            Unfetched::Failed(failure) => Verdict::Failed(failure),
            Unfetched::NotThere(error @ ApplianceError::NoMatch { .. }) if age >= PURGED_AFTER => {
                Verdict::Unavailable(error.to_string())
            }
            Unfetched::NotThere(error) => Verdict::Failed(Failure::NotYet(error.into())),
            Unfetched::NoEnd => Verdict::Failed(Failure::NotYet(NoEnd.into())),
        }
    }

    /// The same for another message that was not even tried; `None` where it says nothing about others.
    pub fn for_others(&self) -> Option<Failure> {
        match self {
            Unfetched::Failed(failure) => match failure {
                Failure::Down(_) => Some(Failure::Down(failure.to_string().into())),
                Failure::Throttled { wait, .. } => {
                    Some(Failure::Throttled { wait: *wait, cause: failure.to_string().into() })
                }
                Failure::Retry(_)
                | Failure::Reject(_)
                | Failure::NotYet(_)
                | Failure::NoRoom { .. } => None,
            },
            Unfetched::Unavailable(_) | Unfetched::NotThere(_) | Unfetched::NoEnd => None,
        }
    }
}

impl From<ApplianceError> for Unfetched {
    fn from(error: ApplianceError) -> Self {
        let failure = match error.recourse() {
            Recourse::Unavailable => return Unfetched::Unavailable(error.to_string()),
            Recourse::NotYet => return Unfetched::NotThere(error),
            Recourse::Retry => Failure::Retry(error.into()),
            Recourse::Reject => Failure::Reject(error.into()),
            Recourse::Down => Failure::Down(error.into()),
            Recourse::Throttled(wait) => Failure::Throttled { wait, cause: error.into() },
        };
        Unfetched::Failed(failure)
    }
}

/// What was cut short may come whole; what is no report will not become one, and an error in its place is the
/// appliance's last word on it until a person asks again.
impl From<ReportError> for Unfetched {
    fn from(error: ReportError) -> Self {
        Unfetched::Failed(match error {
            error @ (ReportError::Read(_) | ReportError::Truncated) => Failure::Retry(error.into()),
            error => Failure::Reject(error.into()),
        })
    }
}

impl From<NoRoom> for Unfetched {
    fn from(no_room: NoRoom) -> Self {
        Unfetched::Failed(no_room.into())
    }
}

impl From<std::convert::Infallible> for Unfetched {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

pub(crate) fn down(error: impl std::error::Error + Send + Sync + 'static) -> Failure {
    Failure::Down(error.into())
}

pub(crate) fn log_failed(error: LogError) -> Failure {
    match error {
        error @ (LogError::Decode { .. } | LogError::Unexpected { .. }) => {
            Failure::Reject(error.into())
        }
        error => Failure::Down(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn told(not_ready: bool) -> Unfetched {
        let (asked, words) = ("it".to_owned(), "no".to_owned());
        Unfetched::from(match not_ready {
            true => ApplianceError::NotReady { asked, words },
            false => ApplianceError::NoMatch { asked, words },
        })
    }

    #[test]
    fn what_is_not_there_yet_is_waited_for_and_what_is_not_found_any_more_is_unavailable() {
        for (unfetched, age) in [
            (told(true), DAY),
            (told(true), 80 * DAY),
            (told(false), DAY),
            (Unfetched::NoEnd, 3 * DAY),
        ] {
            assert!(matches!(unfetched.verdict(age), Verdict::Failed(Failure::NotYet(_))));
        }
        assert!(matches!(told(false).verdict(3 * DAY), Verdict::Unavailable(_)));
    }

    #[test]
    fn only_what_concerns_the_whole_site_concerns_the_other_messages() {
        let down = Unfetched::Failed(Failure::Down("away".into()));
        assert!(matches!(down.for_others(), Some(Failure::Down(_))));
        let retry = Unfetched::Failed(Failure::Retry("cut".into()));
        assert!(retry.for_others().is_none() && told(true).for_others().is_none());
    }
}
