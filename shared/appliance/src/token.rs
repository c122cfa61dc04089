use std::sync::Arc;
use std::time::Duration;

use reqwest::{Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::answer::{Said, said, said_anyway};
use crate::error::behind_colon;
use crate::request::{LIMITS_QUICK, read_words};
use crate::{ApplianceError, Client};

/// A token is renewed this long before its end, or at nine tenths of a short life.
const MARGIN_MAX: Duration = Duration::from_secs(60);
/// The life of a token whose answer does not tell it.
const LIFE_DEFAULT: Duration = Duration::from_secs(300);
/// How long a forbidden login is left alone: failed logins in a row lock the account.
const FORBIDDEN_WAIT: Duration = Duration::from_secs(600);
/// A token's answer is a few hundred bytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// The account's token, shared by all requests. Who logs in holds the lock, so that only one does.
#[derive(Default)]
pub(crate) struct TokenKeeper(Mutex<State>);

#[derive(Default)]
enum State {
    #[default]
    None,
    Held {
        token: Token,
        until: Instant,
    },
    Refused {
        words: String,
    },
    Forbidden {
        words: String,
        until: Instant,
    },
}

/// An access token.
#[derive(Clone)]
pub(crate) struct Token(Arc<SecretString>);

impl Token {
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// What the token endpoint answers; other fields don't matter.
#[derive(Deserialize)]
struct Issued {
    access_token: SecretString,
    token_type: Option<String>,
    expires_in: Option<serde_json::Value>,
}

impl TokenKeeper {
    /// Forgets a token that was refused, unless another took its place already.
    pub(crate) async fn forget(&self, refused: &Token) {
        let mut state = self.0.lock().await;
        if matches!(&*state, State::Held { token, .. } if Arc::ptr_eq(&token.0, &refused.0)) {
            *state = State::None;
        }
    }
}

impl Client {
    /// The account's token, after a login where none is held.
    pub(crate) async fn token(&self) -> Result<Token, ApplianceError> {
        let mut state = self.inner().token.0.lock().await;
        let now = Instant::now();
        match &*state {
            State::Held { token, until } if *until > now => return Ok(token.clone()),
            State::Refused { words } => return Err(self.secret_refused(words)),
            State::Forbidden { words, until } if *until > now => {
                return Err(self.login_forbidden(words));
            }
            _ => {}
        }
        let (token, life) = match self.log_in().await {
            Ok(issued) => issued,
            Err(error) => {
                *state = match &error {
                    ApplianceError::SecretRefused { words, .. } => {
                        State::Refused { words: words.clone() }
                    }
                    ApplianceError::LoginForbidden { words, .. } => {
                        State::Forbidden { words: words.clone(), until: now + FORBIDDEN_WAIT }
                    }
                    _ => State::None,
                };
                return Err(error);
            }
        };
        *state =
            State::Held { token: token.clone(), until: now + (life - MARGIN_MAX.min(life / 10)) };
        Ok(token)
    }

    async fn log_in(&self) -> Result<(Token, Duration), ApplianceError> {
        let asked = format!("a token of {}", self.site());
        let options = &self.inner().options;
        let request = self
            .inner()
            .http
            .post(self.address("oauth2/token", &asked)?)
            .basic_auth(&options.client_id, Some(options.client_secret.expose_secret()))
            .form(&[("grant_type", "client_credentials")]);
        let response = self.exchange(&asked, request, LIMITS_QUICK.first_byte).await?;
        let status = response.status();
        if !status.is_success() {
            return Err(self.login_failed(asked, response).await);
        }
        let body = read_words(response, ANSWER_BYTES_MAX).await;
        match serde_json::from_slice::<Issued>(&body) {
            Ok(issued) if issued.is_bearer() => {
                Ok((Token(Arc::new(issued.access_token)), life_of(issued.expires_in.as_ref())))
            }
            // Never the body itself: it may hold a token.
            Ok(_) => {
                Err(ApplianceError::Malformed { asked, what: "it is no bearer token".to_owned() })
            }
            Err(_) => Err(self.login_answered(asked, status, &body)),
        }
    }

    async fn login_failed(&self, asked: String, response: Response) -> ApplianceError {
        let status = response.status();
        if status == StatusCode::TOO_MANY_REQUESTS
            || status.is_server_error()
            || status.is_redirection()
        {
            return self.failed(asked, "", response).await;
        }
        let body = read_words(response, ANSWER_BYTES_MAX).await;
        self.login_answered(asked, status, &body)
    }

    /// The error of an answer to a login that is no token.
    fn login_answered(&self, asked: String, status: StatusCode, body: &[u8]) -> ApplianceError {
        let words = match said(body) {
            Some(Said::Page(what)) => return ApplianceError::NotTheAppliance { asked, what },
            _ if body.is_empty() => String::new(),
            _ => said_anyway(body).words(),
        };
        if status == StatusCode::UNAUTHORIZED || blames_the_client(body) {
            self.secret_refused(&behind_colon(&words))
        } else if status == StatusCode::FORBIDDEN {
            self.login_forbidden(&behind_colon(&words))
        } else if status == StatusCode::NOT_FOUND {
            let what = "it has no oauth2/token".to_owned();
            ApplianceError::NotTheAppliance { asked, what }
        } else {
            ApplianceError::Unexpected {
                asked,
                status: status.as_u16(),
                words: behind_colon(&words),
            }
        }
    }

    fn secret_refused(&self, words: &str) -> ApplianceError {
        ApplianceError::SecretRefused { site: self.site().to_string(), words: words.to_owned() }
    }

    fn login_forbidden(&self, words: &str) -> ApplianceError {
        ApplianceError::LoginForbidden { site: self.site().to_string(), words: words.to_owned() }
    }
}

impl Issued {
    fn is_bearer(&self) -> bool {
        let bearer = |kind: &String| kind.eq_ignore_ascii_case("bearer");
        !self.access_token.expose_secret().is_empty() && self.token_type.as_ref().is_none_or(bearer)
    }
}

/// Documented is a number of seconds; one in quotes will do.
fn life_of(expires_in: Option<&serde_json::Value>) -> Duration {
    let secs = expires_in.and_then(|value| match value {
        serde_json::Value::String(text) => text.trim().parse().ok(),
        value => value.as_u64(),
    });
    // A token's life is minutes or hours; an instant that is years ahead may not be representable.
    secs.map_or(LIFE_DEFAULT, |secs| Duration::from_secs(secs.min(86_400)))
}

fn blames_the_client(body: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(body).is_ok_and(|value| {
        let error = value.get("error").and_then(|error| error.as_str());
        matches!(error, Some("invalid_client" | "unauthorized_client"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_life_is_told_in_seconds() {
        assert_eq!(life_of(Some(&json!(1799))), Duration::from_secs(1799));
        assert_eq!(life_of(Some(&json!("3600"))), Duration::from_secs(3600));
        assert_eq!(life_of(Some(&json!(-1))), LIFE_DEFAULT);
        assert_eq!(life_of(None), LIFE_DEFAULT);
        assert_eq!(life_of(Some(&json!(u64::MAX))), Duration::from_secs(86_400));
    }
}
