use std::time::Duration;

use bytes::{Bytes, BytesMut};
use domain::ApplianceTime;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt, stream};
use reqwest::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION};
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use tracing::Instrument;

use crate::account::BudgetError;
use crate::answer::{Said, said, said_anyway};
use crate::clock::date_of;
use crate::error::behind_colon;
use crate::part::{Part, Rest};
use crate::sniff::{Sniffed, sniff};
use crate::throttle::{remaining, retry_after};
use crate::{ApplianceError, Client};

/// What is read of a body before anything is decided about it.
const FIRST_BYTES: usize = 512;
/// What is read of a body that is an error.
const WORDS_BYTES_MAX: usize = 64 << 10;

/// How long an answer may be silent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Until its first byte.
    pub(crate) first_byte: Duration,
    /// From one piece to the next.
    pub(crate) between: Duration,
    /// Until the last one; a file may take as long as its pieces keep coming.
    pub(crate) whole: Option<Duration>,
}

/// For what the appliance has at hand.
pub(crate) const LIMITS_QUICK: Limits = Limits {
    first_byte: Duration::from_secs(60),
    between: Duration::from_secs(60),
    whole: Some(Duration::from_secs(1800)),
};
/// For what the appliance makes while we wait: recordings are rendered, backups gathered.
pub(crate) const LIMITS_MADE: Limits =
    Limits { first_byte: Duration::from_secs(600), between: Duration::from_secs(60), whole: None };

/// A request to the API.
pub(crate) struct Ask {
    /// What is asked for, with its site, for errors.
    pub(crate) asked: String,
    /// Below the base.
    pub(crate) path: &'static str,
    pub(crate) body: Body,
    /// What the account needs for it.
    pub(crate) permission: &'static str,
    pub(crate) limits: Limits,
}

/// What a request sends.
pub(crate) enum Body {
    /// Nothing: a GET.
    Nothing,
    /// A form.
    Form(Vec<(&'static str, String)>),
    /// A form that asks for the rest of an answer which broke off.
    FormForRest(Vec<(&'static str, String)>, Rest),
    /// The password of a backup, as JSON: the only place where the API takes it in a documented way.
    Password(SecretString),
}

/// An answer with a good status, its first bytes read.
pub(crate) struct Opened {
    client: Client,
    pub(crate) asked: String,
    pub(crate) permission: &'static str,
    pub(crate) content_type: Option<String>,
    pub(crate) content_disposition: Option<String>,
    pub(crate) clock: Option<ApplianceTime>,
    pub(crate) part: Part,
    /// At least [`FIRST_BYTES`], or all.
    pub(crate) first: Bytes,
    /// Whether the body is known to end with them.
    pub(crate) is_whole: bool,
    pub(crate) rest: BoxStream<'static, Result<Bytes, ApplianceError>>,
}

impl Client {
    /// Sends a request with the account's token, and once more with a new one if that is refused.
    pub(crate) async fn open(&self, ask: Ask) -> Result<Opened, ApplianceError> {
        match self.open_with_token(&ask).await? {
            Ok(opened) => Ok(opened),
            // The token had ended before its time: the account was used elsewhere, or its secret renewed.
            Err(words) => match self.open_with_token(&ask).await {
                Ok(opened) => opened.map_err(|words| unauthorized(&ask, &words)),
                Err(ApplianceError::Unauthorized { .. }) => Err(unauthorized(&ask, &words)),
                Err(error) => Err(error),
            },
        }
    }

    /// The inner error is a refusal of the token, in the appliance's words; the token is forgotten then.
    async fn open_with_token(&self, ask: &Ask) -> Result<Result<Opened, String>, ApplianceError> {
        let token = self.token().await?;
        let address = self.address(ask.path, &ask.asked)?;
        let http = &self.inner().http;
        let request = match &ask.body {
            Body::Nothing => http.get(address),
            Body::Form(form) => http.post(address).form(form),
            Body::FormForRest(form, rest) => http.post(address).headers(rest.headers()).form(form),
            Body::Password(password) => http
                .post(address)
                .json(&serde_json::json!({ "password": password.expose_secret() })),
        };
        let request = request.bearer_auth(token.expose());
        let response = self.exchange(&ask.asked, request, ask.limits.first_byte).await?;
        let status = response.status();
        if status == StatusCode::UNAUTHORIZED {
            self.inner().token.forget(&token).await;
            let body = read_words(response, WORDS_BYTES_MAX).await;
            return Ok(Err(words_of(&body)));
        }
        if !status.is_success() {
            return Err(self.failed(ask.asked.clone(), ask.permission, response).await);
        }
        let opened = opened(ask, self.clone(), response).await?;
        if sniff(&opened.first) != Sniffed::Json {
            self.proven(&token).await;
            return Ok(Ok(opened));
        }
        // No content of the API is JSON, but a refusal of the token is; its status is not documented.
        let (opened, body) = opened.with_words().await;
        match said(&body) {
            Some(Said::TokenRefused(words)) => {
                self.inner().token.forget(&token).await;
                Ok(Err(words))
            }
            _ => Ok(Ok(opened)),
        }
    }

    /// One request and the head of its answer, within the budget.
    pub(crate) async fn exchange(
        &self,
        asked: &str,
        request: RequestBuilder,
        first_byte: Duration,
    ) -> Result<Response, ApplianceError> {
        let inner = self.inner();
        let number = inner.budget.wait().await.map_err(|error| match error {
            BudgetError::Wait(wait) => ApplianceError::Throttled { asked: asked.to_owned(), wait },
            BudgetError::Shared(source) => self.unshared(source),
        })?;
        let span = tracing::debug_span!(
            "appliance request",
            otel.kind = "client",
            server.address = self.site().as_str(),
            asked,
            http.response.status_code = tracing::field::Empty,
        );
        let sent = tokio::time::timeout(first_byte, request.send().instrument(span.clone())).await;
        let response = match sent {
            Err(_) => {
                return Err(ApplianceError::Silent {
                    asked: asked.to_owned(),
                    secs: first_byte.as_secs(),
                });
            }
            Ok(Err(source)) => return Err(unsent(asked.to_owned(), source.without_url())),
            Ok(Ok(response)) => response,
        };
        span.record("http.response.status_code", response.status().as_u16());
        inner.clock.saw(response.headers());
        if let Some(requests) = remaining(response.headers()) {
            inner.budget.remains(number, requests).await;
        }
        Ok(response)
    }

    /// The error of an answer with a bad status.
    pub(crate) async fn failed(
        &self,
        asked: String,
        permission: &'static str,
        response: Response,
    ) -> ApplianceError {
        let status = response.status();
        if status == StatusCode::TOO_MANY_REQUESTS {
            let wait = retry_after(response.headers());
            self.inner().budget.close_for(wait).await;
            return ApplianceError::Throttled { asked, wait };
        }
        if status.is_redirection() {
            let what = redirect_of(&response);
            return ApplianceError::NotTheAppliance { asked, what };
        }
        let body = read_words(response, WORDS_BYTES_MAX).await;
        if status.is_server_error() {
            return ApplianceError::Failing {
                asked,
                status: status.as_u16(),
                words: behind_colon(&words_of(&body)),
            };
        }
        match (said(&body), status) {
            (Some(Said::Page(what)), _) => ApplianceError::NotTheAppliance { asked, what },
            (_, StatusCode::FORBIDDEN) => ApplianceError::Forbidden {
                asked,
                permission,
                words: behind_colon(&words_of(&body)),
            },
            (
                Some(
                    said @ (Said::NoMatch(_)
                    | Said::Expired(_)
                    | Said::NotReady(_)
                    | Said::Forbidden(_)),
                ),
                _,
            ) => error_of(asked, permission, said),
            _ => ApplianceError::Unexpected {
                asked,
                status: status.as_u16(),
                words: behind_colon(&words_of(&body)),
            },
        }
    }

    pub(crate) fn address(&self, path: &str, asked: &str) -> Result<Url, ApplianceError> {
        // The base was checked and the paths are ours, so this cannot fail; an error is cheaper than a panic.
        self.inner().base.join(path).map_err(|cause| ApplianceError::Malformed {
            asked: asked.to_owned(),
            what: cause.to_string(),
        })
    }
}

impl Opened {
    /// Reads what is left of a body that is an error; returns it beside the answer, which is unchanged.
    pub(crate) async fn with_words(self) -> (Opened, Bytes) {
        let mut whole = BytesMut::from(&self.first[..]);
        let mut rest = self.rest;
        while whole.len() < WORDS_BYTES_MAX {
            match rest.try_next().await {
                Ok(Some(piece)) => whole.extend_from_slice(&piece),
                // Half an error is worth telling; that it broke off is not.
                Ok(None) | Err(_) => break,
            }
        }
        let whole = whole.freeze();
        let opened = Opened { first: whole.clone(), rest, ..self };
        (opened, whole)
    }

    /// The error that this answer is, in words that are known or not: for listings, by which the unknown are learnt.
    pub(crate) async fn into_spoken_error(self) -> ApplianceError {
        let (opened, body) = self.with_words().await;
        error_of(opened.asked, opened.permission, said_anyway(&body))
    }

    /// The error that this answer is, whatever it says.
    pub(crate) async fn into_error(self) -> ApplianceError {
        let (opened, body) = self.with_words().await;
        let said = match said_anyway(&body) {
            Said::Error(words)
                if opened.client.finds_nothing_by(opened.permission, &words).await =>
            {
                Said::NoMatch(words)
            }
            said => said,
        };
        error_of(opened.asked, opened.permission, said)
    }

    /// Reads the whole body into memory.
    pub(crate) async fn whole(mut self, bytes_max: usize) -> Result<Bytes, ApplianceError> {
        let mut whole = BytesMut::from(&self.first[..]);
        while let Some(piece) = self.rest.try_next().await? {
            if whole.len() + piece.len() > bytes_max {
                return Err(ApplianceError::TooLarge { asked: self.asked, bytes_max });
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }
}

/// The error for what the appliance said.
pub(crate) fn error_of(asked: String, permission: &'static str, said: Said) -> ApplianceError {
    match said {
        Said::NoMatch(words) => ApplianceError::NoMatch { asked, words },
        Said::Expired(words) => ApplianceError::Expired { asked, words },
        Said::NotReady(words) => ApplianceError::NotReady { asked, words },
        Said::Forbidden(words) => {
            ApplianceError::Forbidden { asked, permission, words: behind_colon(&words) }
        }
        Said::TokenRefused(words) => {
            ApplianceError::Unauthorized { asked, words: behind_colon(&words) }
        }
        Said::Error(words) => ApplianceError::Refused { asked, words },
        Said::Page(what) => ApplianceError::NotTheAppliance { asked, what },
    }
}

fn unauthorized(ask: &Ask, words: &str) -> ApplianceError {
    ApplianceError::Unauthorized { asked: ask.asked.clone(), words: behind_colon(words) }
}

fn unsent(asked: String, source: reqwest::Error) -> ApplianceError {
    if source.is_connect() {
        ApplianceError::Unreachable { asked, source }
    } else {
        ApplianceError::HungUp { asked, source }
    }
}

async fn opened(ask: &Ask, client: Client, response: Response) -> Result<Opened, ApplianceError> {
    let headers = response.headers();
    let content_type = text_of(headers, &CONTENT_TYPE);
    let content_disposition = text_of(headers, &CONTENT_DISPOSITION);
    let clock = date_of(headers);
    let part = Part::of(&response);
    let mut rest = pieces(ask.asked.clone(), client.clone(), ask.limits, response);
    let mut first = BytesMut::new();
    let mut is_whole = false;
    while first.len() < FIRST_BYTES && !is_whole {
        match rest.try_next().await? {
            Some(piece) => first.extend_from_slice(&piece),
            None => is_whole = true,
        }
    }
    Ok(Opened {
        client,
        asked: ask.asked.clone(),
        permission: ask.permission,
        content_type,
        content_disposition,
        clock,
        part,
        first: first.freeze(),
        is_whole,
        rest,
    })
}

/// The pieces of a body. A silence that is too long, an end before the end, or none in time is an error and the last
/// item.
fn pieces(
    asked: String,
    client: Client,
    limits: Limits,
    response: Response,
) -> BoxStream<'static, Result<Bytes, ApplianceError>> {
    let state = (response, 0_u64);
    let begun = Instant::now();
    stream::try_unfold(state, move |(mut response, bytes)| {
        let (asked, client) = (asked.clone(), client.clone());
        async move {
            let limit = if bytes == 0 { limits.first_byte } else { limits.between };
            if let Some(whole) = limits.whole.filter(|whole| begun.elapsed() > *whole) {
                return Err(ApplianceError::Slow { asked, bytes, secs: whole.as_secs() });
            }
            match tokio::time::timeout(limit, response.chunk()).await {
                Err(_) => Err(ApplianceError::Silent { asked, secs: limit.as_secs() }),
                Ok(Err(source)) => {
                    Err(ApplianceError::Cut { asked, bytes, source: source.without_url() })
                }
                Ok(Ok(None)) => Ok(None),
                Ok(Ok(Some(piece))) => {
                    let bytes = bytes + piece.len() as u64;
                    client.inner().budget.wait_for_bytes(piece.len()).await;
                    Ok(Some((piece, (response, bytes))))
                }
            }
        }
    })
    .boxed()
}

/// What can be had of a body that is an error.
pub(crate) async fn read_words(mut response: Response, bytes_max: usize) -> Bytes {
    let mut words = BytesMut::new();
    while words.len() < bytes_max {
        match tokio::time::timeout(LIMITS_QUICK.between, response.chunk()).await {
            Ok(Ok(Some(piece))) => words.extend_from_slice(&piece),
            _ => break,
        }
    }
    words.freeze()
}

fn words_of(body: &[u8]) -> String {
    if body.is_empty() { String::new() } else { said_anyway(body).words() }
}

fn redirect_of(response: &Response) -> String {
    let location = text_of(response.headers(), &LOCATION);
    let target = location.and_then(|location| response.url().join(&location).ok());
    match target.as_ref().and_then(Url::host_str) {
        Some(host) => format!("it redirects to {host}"),
        None => "it redirects to nowhere".to_owned(),
    }
}

fn text_of(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}
