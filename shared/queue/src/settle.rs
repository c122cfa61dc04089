use std::time::Duration;

use domain::facts::Verdict;
use domain::patience;

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
    /// Nobody's: this message alone waits this long.
    Room(Duration),
    /// Nobody's: this message is too early.
    Early,
}

impl From<&Failure> for Fault {
    fn from(failure: &Failure) -> Fault {
        match failure {
            Failure::Retry(_) => Fault::Passing,
            Failure::Reject(_) => Fault::Lasting,
            Failure::Down(_) => Fault::Dependency,
            Failure::Throttled { wait, .. } => Fault::Throttle(*wait),
            Failure::NoRoom { wait, .. } => Fault::Room(*wait),
            Failure::NotYet(_) => Fault::Early,
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

/// What is known of a message from its failures before this one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Before {
    /// Those that count.
    pub failures: u32,
    /// For how long it has been too early.
    pub early: Duration,
}

/// Settles a failed message: a pure function of the fault, what went before, and a random number of [0, 1).
pub(crate) fn settle(
    fault: Fault,
    before: Before,
    jitter: f64,
    policy: &RetryPolicy,
) -> Settlement {
    let failures_before = before.failures;
    match fault {
        Fault::Early => match patience(before.early) {
            Some(wait) => Settlement::HandBack { after: wait.mul_f64(0.75 + jitter / 2.0) },
            None => settle(Fault::Passing, before, jitter, policy),
        },
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
        Fault::Throttle(wait) | Fault::Room(wait) => Settlement::HandBack { after: wait },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> RetryPolicy {
        RetryPolicy::default()
    }

    fn failed(failures: u32) -> Before {
        Before { failures, early: Duration::ZERO }
    }

    #[test]
    fn what_is_too_early_is_waited_for_and_in_the_end_counts_as_failing() {
        let early = |hours: u64, failures| {
            let before = Before { failures, early: Duration::from_secs(hours * 3600) };
            settle(Fault::Early, before, 0.5, &policy())
        };
        let hour = Duration::from_secs(3600);
        assert_eq!(early(1, 9), Settlement::HandBack { after: hour / 2 });
        assert_eq!(early(40, 9), Settlement::HandBack { after: hour });
        assert!(matches!(early(48, 0), Settlement::Retry { .. }));
        assert_eq!(early(49, 9), Settlement::Dead(Verdict::AttemptsExhausted));
    }

    #[test]
    fn the_wait_doubles_up_to_its_bound() {
        let wait = |failures| match settle(Fault::Passing, failed(failures), 0.5, &policy()) {
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
            settle(Fault::Passing, failed(last), 0.0, &policy()),
            Settlement::Dead(Verdict::AttemptsExhausted)
        );
        assert!(matches!(
            settle(Fault::Passing, failed(last - 1), 0.0, &policy()),
            Settlement::Retry { .. }
        ));
    }

    #[test]
    fn what_can_never_succeed_is_a_dead_letter_at_once() {
        let dead = settle(Fault::Lasting, failed(0), 0.0, &policy());
        assert_eq!(dead, Settlement::Dead(Verdict::Rejected));
    }

    #[test]
    fn an_outage_makes_no_dead_letter_however_often_it_strikes() {
        let wait = Duration::from_secs(9);
        let strikes = [Fault::Dependency, Fault::Throttle(wait), Fault::Room(wait), Fault::Early];
        for fault in strikes {
            assert!(matches!(
                settle(fault, failed(1_000_000), 0.0, &policy()),
                Settlement::HandBack { .. }
            ));
        }
    }
}
