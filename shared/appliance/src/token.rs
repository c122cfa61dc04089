use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::{Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::account::{LOGIN_LIFE, LoginEnd, SealedToken, TokenTurn, Turn};
use crate::answer::{Said, said, said_anyway};
use crate::check::chain;
use crate::client::Inner;
use crate::error::behind_colon;
use crate::request::{LIMITS_QUICK, read_words};
use crate::{ApplianceError, Client};

/// A token is renewed this long before its end, or at nine tenths of a short life.
const MARGIN_MAX: Duration = Duration::from_secs(60);
/// The life of a token whose answer does not tell it.
const LIFE_DEFAULT: Duration = Duration::from_secs(300);
/// A token's answer is a few hundred bytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// How long a login may take; less than it belongs to its process, lest another begins one meanwhile.
const LOGIN_MAX: Duration = Duration::from_secs(20);
const _: () = assert!(LOGIN_MAX.as_secs() < LOGIN_LIFE.as_secs());
/// How often the end of another process's login is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long it is waited for: longer than a login belongs to a process that was killed.
const PATIENCE: Duration = Duration::from_secs(45);

/// The account's token as this process holds it. Who sees to a new one holds the lock, so that only one does.
#[derive(Default)]
pub(crate) struct TokenKeeper(Mutex<State>);

#[derive(Default)]
struct State {
    held: Option<(Token, DateTime<Utc>)>,
    /// The token that the appliance refused last, as it stands sealed in the record.
    refused: Option<Arc<str>>,
}

/// An access token.
#[derive(Clone)]
pub(crate) struct Token {
    secret: Arc<SecretString>,
    /// As it stands in the record, which tells it from others.
    sealed: Arc<str>,
    /// It took the place of a refused one, and nobody has seen it accepted.
    unproven: Arc<AtomicBool>,
}

impl Token {
    fn new(secret: SecretString, token: &SealedToken) -> Self {
        Token {
            secret: Arc::new(secret),
            sealed: token.sealed.as_str().into(),
            unproven: Arc::new(AtomicBool::new(token.follows_refusal)),
        }
    }

    pub(crate) fn expose(&self) -> &str {
        self.secret.expose_secret()
    }
}

/// What the token endpoint answers; other fields don't matter.
#[derive(Deserialize)]
struct Issued {
    access_token: SecretString,
    token_type: Option<String>,
    expires_in: Option<serde_json::Value>,
}

/// What came of looking for a token in the record.
enum Found {
    Token(Token, DateTime<Utc>),
    /// A login is ours.
    LogIn,
    /// Somebody else logs in.
    Busy,
}

impl TokenKeeper {
    /// Forgets a token that was refused, unless another took its place already.
    pub(crate) async fn forget(&self, refused: &Token) {
        let mut state = self.0.lock().await;
        if state.held.as_ref().is_none_or(|(held, _)| held.sealed == refused.sealed) {
            state.held = None;
            state.refused = Some(refused.sealed.clone());
        }
    }
}

impl Client {
    /// Makes sure that there is a token, as any request would: by another process's where there is one.
    ///
    /// # Errors
    /// When there is none, and why.
    pub async fn log_in(&self) -> Result<(), ApplianceError> {
        self.token().await.map(drop)
    }

    /// The account's token: the one that is held, or another process's, or after a login a new one.
    pub(crate) async fn token(&self) -> Result<Token, ApplianceError> {
        let mut state = self.inner().token.0.lock().await;
        if let Some((token, renew_at)) = &state.held
            && *renew_at > self.inner().account.now()
        {
            return Ok(token.clone());
        }
        let found = self.shared_token(state.refused.as_deref()).await;
        self.tell_trouble(found.as_ref().err());
        let (token, renew_at) = found?;
        state.held = Some((token.clone(), renew_at));
        Ok(token)
    }

    /// The appliance has accepted the token: if it is refused later, another login helps.
    pub(crate) async fn proven(&self, token: &Token) {
        if !token.unproven.swap(false, Ordering::Relaxed) {
            return;
        }
        let told = self.inner().account.change_passing(|passing, _| {
            let held = passing.token.as_mut().filter(|held| *held.sealed == *token.sealed);
            held.into_iter().for_each(|held| held.follows_refusal = false);
        });
        if let Err(error) = told.await {
            tracing::debug!(%error, "could not note that a token is good");
        }
    }

    /// The token of the record, put there by us if nobody else does.
    async fn shared_token(
        &self,
        refused: Option<&str>,
    ) -> Result<(Token, DateTime<Utc>), ApplianceError> {
        let begun = Instant::now();
        loop {
            match self.find_token(refused).await? {
                Found::Token(token, renew_at) => return Ok((token, renew_at)),
                Found::LogIn => return self.log_in_for_all(refused).await,
                Found::Busy if begun.elapsed() > PATIENCE => {
                    let asked = format!("a token of {}", self.site());
                    return Err(ApplianceError::Silent { asked, secs: PATIENCE.as_secs() });
                }
                Found::Busy => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    async fn find_token(&self, refused: Option<&str>) -> Result<Found, ApplianceError> {
        if let Some(found) = self.token_of_record(refused).await? {
            return Ok(found);
        }
        let Inner { account, seal, .. } = self.inner();
        let turn = account.change_lasting(|lasting, now| {
            lasting.begin_login(seal.digest(), account.holder(), now)
        });
        let site = || self.site().to_string();
        match turn.await.map_err(|source| self.unshared(source))? {
            Turn::LogIn => {}
            Turn::Busy => return Ok(Found::Busy),
            Turn::Refused(words) => {
                return Err(ApplianceError::SecretRefused { site: site(), words });
            }
            Turn::Forbidden(words) => {
                return Err(ApplianceError::LoginForbidden { site: site(), words });
            }
            Turn::Untold(wait) => return Err(ApplianceError::LoginsUntold { site: site(), wait }),
        }
        // Somebody may have logged in between the two looks.
        match self.token_of_record(refused).await {
            Ok(None) => Ok(Found::LogIn),
            Ok(Some(found)) => {
                self.end_login(&LoginEnd::Harmless).await?;
                Ok(found)
            }
            Err(error) => {
                self.end_login(&LoginEnd::Harmless).await?;
                Err(error)
            }
        }
    }

    /// The token that the record holds for us, if there is one.
    async fn token_of_record(
        &self,
        refused: Option<&str>,
    ) -> Result<Option<Found>, ApplianceError> {
        let Inner { account, seal, .. } = self.inner();
        let passing = account.passing().await.map_err(|source| self.unshared(source))?;
        Ok(match passing.token_turn(refused, account.now()) {
            TokenTurn::LogIn => None,
            TokenTurn::Hopeless => {
                let asked = format!("a token of {}", self.site());
                return Err(ApplianceError::Unauthorized { asked, words: String::new() });
            }
            // One that was sealed under another secret is not ours: one of the two secrets is out of date.
            TokenTurn::Use(token) => seal
                .open(&token.sealed)
                .map(|secret| Found::Token(Token::new(secret, token), token.renew_at)),
        })
    }

    /// Logs in, and gives the token to all who share the account.
    async fn log_in_for_all(
        &self,
        refused: Option<&str>,
    ) -> Result<(Token, DateTime<Utc>), ApplianceError> {
        let asked = || format!("a token of {}", self.site());
        let logged_in = match tokio::time::timeout(LOGIN_MAX, self.ask_for_token()).await {
            Ok(logged_in) => logged_in,
            Err(_) => Err(ApplianceError::Silent { asked: asked(), secs: LOGIN_MAX.as_secs() }),
        };
        let (secret, life) = match logged_in {
            Ok(issued) => issued,
            Err(error) => {
                self.end_login(&end_of(&error)).await?;
                return Err(error);
            }
        };
        let Inner { account, seal, .. } = self.inner();
        let Some(sealed) = seal.seal(secret.expose_secret()) else {
            self.end_login(&LoginEnd::Harmless).await?;
            let what = "it could not be sealed".to_owned();
            return Err(ApplianceError::Malformed { asked: asked(), what });
        };
        let issued_at = account.now();
        let renew_at = issued_at + (life - MARGIN_MAX.min(life / 10));
        let follows_refusal = refused.is_some();
        let token = SealedToken { sealed, issued_at, renew_at, follows_refusal };
        let told = account.change_passing(|passing, _| passing.token = Some(token.clone())).await;
        self.end_login(&LoginEnd::Harmless).await?;
        told.map_err(|source| self.unshared(source))?;
        Ok((Token::new(secret, &token), renew_at))
    }

    async fn end_login(&self, end: &LoginEnd) -> Result<(), ApplianceError> {
        let Inner { account, seal, .. } = self.inner();
        let ended = account.change_lasting(|lasting, now| {
            lasting.end_login(seal.digest(), account.holder(), end, now);
        });
        ended.await.map_err(|source| self.unshared(source))
    }

    fn tell_trouble(&self, error: Option<&ApplianceError>) {
        let trouble = error.map(chain);
        self.inner().trouble.send_if_modified(|told| {
            let news = *told != trouble;
            if let (true, Some(trouble)) = (news, &trouble) {
                tracing::warn!(site = %self.site(), account = self.account(), reason = trouble, "no login");
            }
            *told = trouble;
            news
        });
    }

    async fn ask_for_token(&self) -> Result<(SecretString, Duration), ApplianceError> {
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
                Ok((issued.access_token, life_of(issued.expires_in.as_ref())))
            }
            // Never the body itself: it may hold a token.
            Ok(_) => Err(self.login_forbidden(": what it gives is no bearer token")),
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

    /// The error of an answer to a login that is no token. What the appliance may have counted as a failed login is
    /// remembered, however it words it: a locked account must not be asked on and on.
    fn login_answered(&self, asked: String, status: StatusCode, body: &[u8]) -> ApplianceError {
        let page = match said(body) {
            Some(Said::Page(what)) => Some(what),
            _ => None,
        };
        if status == StatusCode::NOT_FOUND {
            let what = "it has no oauth2/token".to_owned();
            return ApplianceError::NotTheAppliance { asked, what };
        }
        if let Some(what) = page {
            return match status.is_success() {
                true => ApplianceError::NotTheAppliance { asked, what },
                false => self.login_forbidden(&format!(": {} with {what}", status.as_u16())),
            };
        }
        let words = match body.is_empty() {
            true => String::new(),
            false => said_anyway(body).words(),
        };
        if status == StatusCode::UNAUTHORIZED || blames_the_client(body) {
            self.secret_refused(&behind_colon(&words))
        } else {
            self.login_forbidden(&format!(": {}{}", status.as_u16(), behind_colon(&words)))
        }
    }

    fn secret_refused(&self, words: &str) -> ApplianceError {
        ApplianceError::SecretRefused { site: self.site().to_string(), words: words.to_owned() }
    }

    fn login_forbidden(&self, words: &str) -> ApplianceError {
        ApplianceError::LoginForbidden { site: self.site().to_string(), words: words.to_owned() }
    }
}

/// What a failed login means for those that may come after it.
fn end_of(error: &ApplianceError) -> LoginEnd {
    match error {
        ApplianceError::SecretRefused { words, .. } => LoginEnd::Refused(words.clone()),
        ApplianceError::LoginForbidden { words, .. } => LoginEnd::Forbidden(words.clone()),
        _ => LoginEnd::Harmless,
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
