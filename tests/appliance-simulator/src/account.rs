//! The API account: its secret, its tokens, its lock.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;

use crate::chance::Dice;

/// Valid tokens that an account can have; one more ends the oldest.
const TOKENS_MAX: usize = 30;
const TOKENS: u64 = 60;

/// Why somebody gets no token. All look the same from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Refusal {
    #[error("no account has this client id")]
    UnknownClient,
    #[error("the secret is wrong")]
    WrongSecret,
    #[error("the account is locked after too many wrong secrets")]
    LockedOut,
}

/// What the account's owner has set.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) client_id: String,
    pub(crate) token_life: Duration,
    pub(crate) lock_out_after: u32,
    pub(crate) lock_out: Duration,
}

#[derive(Debug)]
struct Token {
    text: String,
    /// A new secret ends the tokens of the old one.
    secret: String,
    until: Duration,
}

#[derive(Debug, Default)]
struct Inner {
    tokens: VecDeque<Token>,
    issued: u64,
    wrong_in_a_row: u32,
    locked_until: Option<Duration>,
}

/// The one account of a site. Times are the site's up-time.
#[derive(Debug)]
pub(crate) struct Account {
    rules: Rules,
    site_key: u64,
    inner: Mutex<Inner>,
}

impl Account {
    pub(crate) fn new(rules: Rules, site_key: u64) -> Self {
        Self { rules, site_key, inner: Mutex::default() }
    }

    /// A new token, if the credentials are right. `secret` is the account's, `given` what the client sent.
    pub(crate) fn log_in(
        &self,
        id: &str,
        given: &str,
        secret: &str,
        at: Duration,
    ) -> Result<String, Refusal> {
        if id != self.rules.client_id {
            return Err(Refusal::UnknownClient);
        }
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.locked_until.is_some_and(|until| at < until) {
            return Err(Refusal::LockedOut);
        }
        inner.locked_until = None;
        if given != secret {
            inner.wrong_in_a_row += 1;
            if self.rules.lock_out_after > 0 && inner.wrong_in_a_row >= self.rules.lock_out_after {
                inner.locked_until = Some(at + self.rules.lock_out);
                inner.wrong_in_a_row = 0;
            }
            return Err(Refusal::WrongSecret);
        }
        inner.wrong_in_a_row = 0;
        inner.issued += 1;
        let text = Dice::of(&[self.site_key, TOKENS, inner.issued]).hex(40);
        inner.tokens.retain(|token| at < token.until && token.secret == secret);
        while inner.tokens.len() >= TOKENS_MAX {
            inner.tokens.pop_front();
        }
        let until = at + self.rules.token_life;
        inner.tokens.push_back(Token { text: text.clone(), secret: secret.to_owned(), until });
        Ok(text)
    }

    pub(crate) fn accepts(&self, token: &str, secret: &str, at: Duration) -> bool {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner
            .tokens
            .iter()
            .any(|known| known.text == token && known.secret == secret && at < known.until)
    }

    /// How many tokens are valid, and whether the account is locked.
    pub(crate) fn standing(&self, secret: &str, at: Duration) -> (usize, bool) {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let valid =
            inner.tokens.iter().filter(|token| token.secret == secret && at < token.until).count();
        (valid, inner.locked_until.is_some_and(|until| at < until))
    }

    /// Ends every token, as an appliance does that is restarted.
    pub(crate) fn end_tokens(&self) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).tokens.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1);

    fn account() -> Account {
        let rules = Rules {
            client_id: "me".to_owned(),
            token_life: Duration::from_secs(3600),
            lock_out_after: 3,
            lock_out: Duration::from_secs(300),
        };
        Account::new(rules, 1)
    }

    fn token(account: &Account, at: Duration) -> String {
        account.log_in("me", "right", "right", at).expect("the secret is right")
    }

    #[test]
    fn the_31st_token_kills_the_oldest() {
        let account = account();
        let tokens: Vec<String> = (0..31).map(|_| token(&account, NOW)).collect();
        assert!(!account.accepts(&tokens[0], "right", NOW));
        assert!(tokens[1..].iter().all(|token| account.accepts(token, "right", NOW)));
    }

    #[test]
    fn a_token_dies_with_its_time_and_with_its_secret() {
        let account = account();
        let token = token(&account, NOW);
        assert!(account.accepts(&token, "right", NOW));
        assert!(!account.accepts(&token, "right", NOW + Duration::from_secs(3600)));
        assert!(!account.accepts(&token, "changed", NOW));
    }

    #[test]
    fn wrong_secrets_in_a_row_lock_even_the_right_one_out() {
        let account = account();
        for _ in 0..3 {
            assert_eq!(account.log_in("me", "wrong", "right", NOW), Err(Refusal::WrongSecret));
        }
        assert_eq!(account.log_in("me", "right", "right", NOW), Err(Refusal::LockedOut));
        assert!(account.log_in("me", "right", "right", NOW + Duration::from_secs(300)).is_ok());
    }

    #[test]
    fn a_right_secret_forgives_the_wrong_ones_before_it() {
        let account = account();
        for _ in 0..5 {
            assert_eq!(account.log_in("me", "wrong", "right", NOW), Err(Refusal::WrongSecret));
            assert!(account.log_in("me", "right", "right", NOW).is_ok());
        }
    }
}
