//! Tokens for credentials, in any of the three forms that clients send them.

use std::sync::Arc;

use axum::extract::{FromRequest, Json, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::json as json_answer;
use super::parameters::parameters_of;
use crate::account::Refusal;
use crate::selector::Parameters;
use crate::site::Site;

pub(super) async fn answer(State(site): State<Arc<Site>>, request: Request) -> Response {
    site.tally.request("token");
    let basic = basic_credentials(request.headers());
    let is_json = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    let parameters = if is_json {
        Json::<Parameters>::from_request(request, &()).await.ok().map(|Json(parameters)| parameters)
    } else {
        parameters_of(request).await.ok()
    };
    let Some(parameters) = parameters else {
        let body = json!({"error": "invalid_request", "message": "The request is malformed."});
        return json_answer(StatusCode::BAD_REQUEST, &body);
    };
    if parameters.get("grant_type").map(String::as_str) != Some("client_credentials") {
        let body = json!({"error": "unsupported_grant_type", "message": "The grant type is not supported."});
        return json_answer(StatusCode::BAD_REQUEST, &body);
    }
    let credentials = basic.or_else(|| {
        Some((parameters.get("client_id")?.clone(), parameters.get("client_secret")?.clone()))
    });
    issue(&site, credentials)
}

fn issue(site: &Site, credentials: Option<(String, String)>) -> Response {
    let (id, given) = credentials.unwrap_or_default();
    match site.account.log_in(&id, &given, &site.secret(), site.up_time()) {
        Ok(token) => {
            site.tally.change(|counters| counters.tokens_issued += 1);
            let life = site.options.token_seconds;
            json_answer(
                StatusCode::OK,
                &json!({"access_token": token, "token_type": "Bearer", "expires_in": life}),
            )
        }
        Err(refusal) => {
            tracing::debug!(%refusal, "no token");
            site.tally.change(|counters| {
                counters.logins_refused += 1;
                counters.wrong_secrets += u64::from(refusal == Refusal::WrongSecret);
            });
            let body =
                json!({"error": "invalid_client", "message": "Client authentication failed."});
            json_answer(StatusCode::UNAUTHORIZED, &body)
        }
    }
}

fn basic_credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, encoded) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}
