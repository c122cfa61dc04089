//! Who logs in, and who never does. Pure functions of the account's record.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::CLOCKS_DIFFER;
use super::record::Lasting;

/// How long a login belongs to its process without word of how it ended.
pub(crate) const LOGIN_LIFE: Duration = Duration::from_secs(30);
/// How long a forbidden login is left alone: failed logins in a row lock the account.
const FORBIDDEN_WAIT: TimeDelta = TimeDelta::minutes(10);
/// Logins whose end nobody told, because their process was killed: they may have been refused.
const UNTOLD_MAX: u32 = 3;
/// How long nobody logs in after so many.
const UNTOLD_WAIT: TimeDelta = TimeDelta::minutes(10);
/// Refused secrets that are remembered; two versions of the settings must not make each other's forgotten.
const REFUSED_MAX: usize = 8;

/// A login that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Login {
    holder: String,
    until: DateTime<Utc>,
}

/// A secret that the appliance refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RefusedSecret {
    /// Its keyed digest.
    pub secret: String,
    /// What the appliance said, behind a colon; may be empty.
    pub words: String,
    pub at: DateTime<Utc>,
}

/// A login that was forbidden though the secret may be right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ForbiddenLogin {
    /// What the appliance said, behind a colon; may be empty.
    pub words: String,
    pub until: DateTime<Utc>,
}

/// What is to be done about a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It is ours; nobody else logs in meanwhile.
    LogIn,
    /// Somebody else is at it.
    Busy,
    /// The secret was refused, in these words.
    Refused(String),
    /// The login was forbidden, in these words.
    Forbidden(String),
    /// Too many ended without a word: nobody tries before that long.
    Untold(Duration),
}

/// How a login ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LoginEnd {
    /// With a token, or with nothing that counts as a failed login.
    Harmless,
    /// The secret is wrong, in these words.
    Refused(String),
    /// It is forbidden, in these words.
    Forbidden(String),
}

impl Lasting {
    /// Claims the login for a holder, unless something stands against it. `secret` is the keyed digest of the secret.
    pub(crate) fn begin_login(&mut self, secret: &str, holder: &str, now: DateTime<Utc>) -> Turn {
        if let Some(refused) = self.refused.iter().find(|refused| refused.secret == secret) {
            return Turn::Refused(refused.words.clone());
        }
        let sane = now + FORBIDDEN_WAIT + CLOCKS_DIFFER;
        let forbidden = self.forbidden.as_ref();
        if let Some(forbidden) = forbidden.filter(|one| one.until > now && one.until <= sane) {
            return Turn::Forbidden(forbidden.words.clone());
        }
        if let Some(login) = &self.login {
            let life = TimeDelta::from_std(LOGIN_LIFE).unwrap_or_default();
            let sane = now + life + CLOCKS_DIFFER;
            if login.holder != holder && login.until > now && login.until <= sane {
                return Turn::Busy;
            }
            let wait = login.until + UNTOLD_WAIT - now;
            if self.untold + 1 >= UNTOLD_MAX
                && wait > TimeDelta::zero()
                && wait <= UNTOLD_WAIT + life + CLOCKS_DIFFER
            {
                return Turn::Untold(wait.to_std().unwrap_or_default());
            }
            self.untold += 1;
        }
        self.login = Some(Login { holder: holder.to_owned(), until: now + LOGIN_LIFE });
        Turn::LogIn
    }

    /// Notes how the holder's login ended.
    pub(crate) fn end_login(
        &mut self,
        secret: &str,
        holder: &str,
        end: &LoginEnd,
        now: DateTime<Utc>,
    ) {
        if self.login.as_ref().is_some_and(|login| login.holder == holder) {
            self.login = None;
            self.untold = 0;
        }
        match end {
            LoginEnd::Harmless => {}
            LoginEnd::Forbidden(words) => {
                let until = now + FORBIDDEN_WAIT;
                self.forbidden = Some(ForbiddenLogin { words: words.clone(), until });
            }
            LoginEnd::Refused(words) => {
                self.refused.retain(|refused| refused.secret != secret);
                let (secret, words) = (secret.to_owned(), words.clone());
                self.refused.push(RefusedSecret { secret, words, at: now });
                let surplus = self.refused.len().saturating_sub(REFUSED_MAX);
                self.refused.drain(..surplus);
            }
        }
    }

    /// Forgets what stands against a login: a person says that the account was put right.
    pub(crate) fn forgive(&mut self) {
        self.refused.clear();
        self.forbidden = None;
        self.untold = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_363_200 + secs, 0).expect("an instant")
    }

    fn refused() -> LoginEnd {
        LoginEnd::Refused(": no".to_owned())
    }

    #[test]
    fn one_logs_in_and_the_others_wait_for_the_end_of_it() {
        let mut record = Lasting::default();
        assert_eq!(record.begin_login("s", "one", at(0)), Turn::LogIn);
        assert_eq!(record.begin_login("s", "two", at(1)), Turn::Busy);
        record.end_login("s", "one", &LoginEnd::Harmless, at(2));
        assert_eq!(record.begin_login("s", "two", at(3)), Turn::LogIn);
    }

    #[test]
    fn a_refused_secret_is_never_tried_again_and_another_one_is_at_once() {
        let mut record = Lasting::default();
        for (secret, time) in [("wrong", 0), ("also wrong", 10)] {
            assert_eq!(record.begin_login(secret, "one", at(time)), Turn::LogIn);
            record.end_login(secret, "one", &refused(), at(time + 1));
        }
        for secret in ["wrong", "also wrong"] {
            let said = record.begin_login(secret, "two", at(86_400_000));
            assert_eq!(said, Turn::Refused(": no".to_owned()));
        }
        assert_eq!(record.begin_login("right", "two", at(20)), Turn::LogIn);
        record.end_login("right", "two", &LoginEnd::Harmless, at(21));
        assert!(matches!(record.begin_login("wrong", "one", at(22)), Turn::Refused(_)));
        record.forgive();
        assert_eq!(record.begin_login("wrong", "one", at(23)), Turn::LogIn);
    }

    #[test]
    fn a_forbidden_login_is_left_alone_for_ten_minutes() {
        let mut record = Lasting::default();
        record.begin_login("s", "one", at(0));
        record.end_login("s", "one", &LoginEnd::Forbidden(": locked".to_owned()), at(1));
        let said = record.begin_login("s", "two", at(600));
        assert_eq!(said, Turn::Forbidden(": locked".to_owned()));
        assert_eq!(record.begin_login("s", "two", at(601)), Turn::LogIn);
    }

    #[test]
    fn a_fleet_that_is_killed_at_each_login_tries_three_times_in_ten_minutes() {
        let mut record = Lasting::default();
        let (mut tried, mut now) = (0, 0);
        while now < 600 {
            let holder = format!("process {now}");
            tried += i32::from(record.begin_login("s", &holder, at(now)) == Turn::LogIn);
            now += 1;
        }
        assert_eq!(tried, 3);
        assert!(matches!(record.begin_login("s", "next", at(600)), Turn::Untold(_)));
        assert_eq!(record.begin_login("s", "next", at(720)), Turn::LogIn);
    }

    #[test]
    fn a_process_whose_measure_of_the_clock_is_behind_respects_what_another_has_just_written() {
        let mut record = Lasting::default();
        assert_eq!(record.begin_login("s", "ahead", at(1)), Turn::LogIn);
        assert_eq!(record.begin_login("s", "two", at(0)), Turn::Busy);
        record.end_login("s", "ahead", &LoginEnd::Forbidden(": locked".to_owned()), at(2));
        assert_eq!(record.begin_login("s", "two", at(1)), Turn::Forbidden(": locked".to_owned()));
    }

    #[test]
    fn a_login_that_a_wrong_clock_wrote_blocks_nobody() {
        let mut record = Lasting::default();
        record.begin_login("s", "ahead", at(86_400));
        assert_eq!(record.begin_login("s", "two", at(0)), Turn::LogIn);
    }
}
