//! Backups of the site.

use std::sync::Arc;

use axum::extract::{FromRequest, Json, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use super::parameters::parameters_of;
use super::{answer as respond, cut_after, denied, instead, streamed};
use crate::errors::Message;
use crate::fault::Asked;
use crate::recordings::backup_bytes;
use crate::selector::Parameters;
use crate::site::Site;

pub(super) async fn answer(State(site): State<Arc<Site>>, request: Request) -> Response {
    site.tally.request("backup");
    if site.faults.is_denied("perm_backup") {
        return denied(&site);
    }
    if let Some(speech) = site.faults.instead(Asked::Backup) {
        return instead(&site, speech);
    }
    let Some(with_password) = has_password(request).await else {
        let body = site.error(Message::FormRequired);
        return respond(StatusCode::BAD_REQUEST, "text/xml; charset=UTF-8", body);
    };
    let number = site.tally.change(|counters| {
        counters.backups += 1;
        counters.backups_with_password += u64::from(with_password);
        counters.backups
    });
    let content = backup_bytes(&site.options, number, with_password);
    let body = match site.faults.cut_backup() {
        Some(after_bytes) => streamed(cut_after(content, after_bytes), None),
        None => streamed(content.map(Ok), None),
    };
    let mut response = respond(StatusCode::OK, "application/octet-stream", body);
    let name = format!("attachment; filename=\"{}-{number}.nsb\"", site.options.host);
    // A host name of the options may be anything.
    if let Ok(name) = HeaderValue::from_str(&name) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    }
    response
}

// The password itself is not kept: whether one came is all that a test can want.
async fn has_password(request: Request) -> Option<bool> {
    let is_json = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    let parameters = if is_json {
        Json::<Parameters>::from_request(request, &()).await.ok()?.0
    } else {
        parameters_of(request).await.ok()?
    };
    Some(parameters.get("password").is_some_and(|password| !password.is_empty()))
}
