use std::time::Duration;

use domain::facts::Verdict;

use crate::Failure;

/// How often and how long a message is retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Failed attempts after which it is a dead letter.
    pub attempts_max: u32,
    /// The wait after the first failure; it doubles with each.
    pub delay_first: Duration,
    /// The longest wait.
    pub delay_max: Duration,
}

impl Default for RetryPolicy {
    /// The settings' defaults.
    fn default() -> Self {
        RetryPolicy::from_settings(&settings::Retry::default())
    }
}

impl RetryPolicy {
    /// What the settings say.
    pub fn from_settings(retry: &settings::Retry) -> Self {
        RetryPolicy {
            attempts_max: retry.attempts_max,
            delay_first: retry.first,
            delay_max: retry.longest,
        }
    }
}

/// Whose fault a failure is; the class of a [`Failure`] without its cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// This message's, and it may pass.
    Passing,
    /// This message's, for good.
    Lasting,
    /// Not this message's.
    Dependency,
    /// Nobody's: wait this long.
    Throttle(Duration),
}

impl From<&Failure> for Fault {
    fn from(failure: &Failure) -> Fault {
        match failure {
            Failure::Retry(_) => Fault::Passing,
            Failure::Reject(_) => Fault::Lasting,
            Failure::Down(_) => Fault::Dependency,
            Failure::Throttled { wait, .. } => Fault::Throttle(*wait),
        }
    }
}

/// What becomes of a message whose work failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settlement {
    /// It comes again after a while; the failure counts.
    Retry { after: Duration },
    /// It comes again after a while; nothing counts.
    HandBack { after: Duration },
    /// It is a dead letter.
    Dead(Verdict),
}

/// Settles a failed message: a pure function of the fault, the failures before this one, and a random number of [0, 1).
pub(crate) fn settle(
    fault: Fault,
    failures_before: u32,
    jitter: f64,
    policy: &RetryPolicy,
) -> Settlement {
    match fault {
        Fault::Lasting => Settlement::Dead(Verdict::Rejected),
        Fault::Passing if failures_before + 1 >= policy.attempts_max => {
            Settlement::Dead(Verdict::AttemptsExhausted)
        }
        Fault::Passing => {
            let doubled = policy.delay_first.saturating_mul(1 << failures_before.min(20));
            Settlement::Retry { after: doubled.min(policy.delay_max).mul_f64(0.75 + jitter / 2.0) }
        }
        // Not at once: whoever pulls next from this route would find the same.
        Fault::Dependency => Settlement::HandBack { after: Duration::from_secs(1) },
        Fault::Throttle(wait) => Settlement::HandBack { after: wait },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> RetryPolicy {
        RetryPolicy::default()
    }

    #[test]
    fn the_wait_doubles_up_to_its_bound() {
        let wait = |failures| match settle(Fault::Passing, failures, 0.5, &policy()) {
            Settlement::Retry { after } => after.as_secs(),
            other => panic!("{other:?}"),
        };
        assert_eq!((wait(0), wait(1), wait(2)), (2, 4, 8));
        assert_eq!(wait(8), 512);
    }

    #[test]
    fn the_last_allowed_failure_is_a_dead_letter() {
        let last = policy().attempts_max - 1;
        assert_eq!(
            settle(Fault::Passing, last, 0.0, &policy()),
            Settlement::Dead(Verdict::AttemptsExhausted)
        );
        assert!(matches!(
            settle(Fault::Passing, last - 1, 0.0, &policy()),
            Settlement::Retry { .. }
        ));
    }

    #[test]
    fn what_can_never_succeed_is_a_dead_letter_at_once() {
        assert_eq!(settle(Fault::Lasting, 0, 0.0, &policy()), Settlement::Dead(Verdict::Rejected));
    }

    #[test]
    fn an_outage_makes_no_dead_letter_however_often_it_strikes() {
        for fault in [Fault::Dependency, Fault::Throttle(Duration::from_secs(9))] {
            assert!(matches!(
                settle(fault, 1_000_000, 0.0, &policy()),
                Settlement::HandBack { .. }
            ));
        }
    }
}
