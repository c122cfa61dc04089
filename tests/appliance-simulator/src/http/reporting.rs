//! Reports and recordings.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;

use super::parameters::{ParametersError, parameters_of};
use super::{answer as respond, cut_after, denied, instead, streamed, xml};
use crate::errors::Message;
use crate::fault::Asked;
use crate::faults::RecordingFault;
use crate::options::{Product, RecordingFormat};
use crate::recordings::{RecordingKind, recording_bytes_anew};
use crate::report::{FullReport, Listing, fault_document};
use crate::selector::{Parameters, Selector, selector_of};
use crate::site::{Site, recordings_of};

/// What can be asked for here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Full,
    Listing,
    Recording(RecordingKind),
    Presentations,
    PresentationListing,
}

pub(super) async fn answer(State(site): State<Arc<Site>>, request: Request) -> Response {
    let headers = request.headers().clone();
    let parameters = match parameters_of(request).await {
        Ok(parameters) => parameters,
        Err(ParametersError::NotAForm) => {
            site.tally.request("reporting refused");
            let body = site.error(Message::FormRequired);
            return respond(StatusCode::BAD_REQUEST, "text/xml; charset=UTF-8", body);
        }
        Err(ParametersError::Malformed) => {
            site.tally.request("reporting refused");
            return xml(site.error(Message::UnknownReport));
        }
    };
    let name = parameters.get("generate_report").map_or("", String::as_str);
    let Some(wanted) = wanted_by(name, site.options.product) else {
        site.tally.request("reporting unknown");
        return xml(site.error(Message::UnknownReport));
    };
    site.tally.request(&format!("reporting {name}"));
    if site.faults.is_denied("perm_reporting_support") {
        return denied(&site);
    }
    match wanted {
        Wanted::Full => full(&site, &parameters),
        Wanted::Listing => listing(&site, &parameters),
        Wanted::Recording(kind) => recording(&site, kind, &parameters, &headers),
        Wanted::Presentations => presentations(&site, &parameters, true),
        Wanted::PresentationListing => presentations(&site, &parameters, false),
    }
}

fn wanted_by(name: &str, product: Product) -> Option<Wanted> {
    use Product::{PrivilegedRemoteAccess, RemoteSupport};
    match (product, name) {
        (RemoteSupport, "SupportSession") | (PrivilegedRemoteAccess, "AccessSession") => {
            Some(Wanted::Full)
        }
        (RemoteSupport, "SupportSessionListing")
        | (PrivilegedRemoteAccess, "AccessSessionListing") => Some(Wanted::Listing),
        (RemoteSupport, "SupportSessionRecording")
        | (PrivilegedRemoteAccess, "AccessSessionRecording") => {
            Some(Wanted::Recording(RecordingKind::Screen))
        }
        (_, "CommandShellRecording") => Some(Wanted::Recording(RecordingKind::CommandShell)),
        (RemoteSupport, "ShowMyScreenRecording") => {
            Some(Wanted::Recording(RecordingKind::ShowMyScreen))
        }
        (RemoteSupport, "PresentationSession") => Some(Wanted::Presentations),
        (RemoteSupport, "PresentationSessionListing") => Some(Wanted::PresentationListing),
        (RemoteSupport, "PresentationSessionRecording") => {
            Some(Wanted::Recording(RecordingKind::Presentation))
        }
        _ => None,
    }
}

fn full(site: &Arc<Site>, parameters: &Parameters) -> Response {
    if let Some(speech) = site.faults.instead(Asked::Report) {
        return instead(site, speech);
    }
    let selector = match selector_of(parameters, site.now(), true) {
        Ok(selector) => selector,
        Err(error) => return xml(site.error_text(&error.to_string())),
    };
    let numbers = site.select(&selector);
    site.tally.change(|counters| counters.reports += numbers.len() as u64);
    if numbers.is_empty() {
        return xml(site.error(Message::NothingFound));
    }
    if let Selector::Lsids(lsids) = &selector
        && let [lsid] = lsids.as_slice()
        && let Some(document) = fault_document(site, lsid)
    {
        return xml(document);
    }
    xml(streamed(FullReport::new(site.clone(), numbers), None))
}

fn listing(site: &Arc<Site>, parameters: &Parameters) -> Response {
    if let Some(speech) = site.faults.instead(Asked::Listing) {
        return instead(site, speech);
    }
    let selector = match selector_of(parameters, site.now(), false) {
        Ok(selector) => selector,
        Err(error) => return xml(site.error_text(&error.to_string())),
    };
    if let Selector::Window(window) = &selector {
        let secs = u64::try_from(window.until - window.from).unwrap_or(0);
        site.tally.change(|counters| counters.listed_secs += secs);
        let failure =
            site.faults.of_listing(window).and_then(|code| StatusCode::from_u16(code).ok());
        if let Some(status) = failure {
            return respond(status, "text/plain", "failed by a fault\n");
        }
    }
    let mut numbers = site.select(&selector);
    numbers.truncate(site.faults.listed_max());
    if numbers.is_empty() {
        return xml(site.error(Message::NothingFound));
    }
    xml(streamed(Listing::new(site.clone(), numbers), None))
}

fn presentations(site: &Arc<Site>, parameters: &Parameters, whole: bool) -> Response {
    let selector = match selector_of(parameters, site.now(), whole) {
        Ok(selector) => selector,
        Err(error) => return xml(site.error_text(&error.to_string())),
    };
    match site.presentations().document(&selector, whole, &mut site.urls()) {
        Some(document) => xml(document),
        None => xml(site.error(Message::NothingFound)),
    }
}

/// The recording that is asked for, if it exists: of which session or presentation, and which one.
fn existing(site: &Site, kind: RecordingKind, parameters: &Parameters) -> Option<(String, u32)> {
    let lsid = parameters.get("lsid").map_or("", String::as_str);
    let instance = match (kind, parameters.get("instance")) {
        (RecordingKind::Screen | RecordingKind::Presentation, _) => Some(0),
        (_, given) => given.and_then(|given| given.parse::<u32>().ok()),
    }?;
    let exists = match kind {
        RecordingKind::Presentation => site.presentations().is_recorded(lsid),
        _ => site.find(lsid).is_some_and(|outline| {
            recordings_of(&outline, site.now()).any(|recording| recording == (kind, instance))
        }),
    };
    exists.then(|| (lsid.to_owned(), instance))
}

fn recording(
    site: &Arc<Site>,
    kind: RecordingKind,
    parameters: &Parameters,
    headers: &HeaderMap,
) -> Response {
    if let Some(speech) = site.faults.instead(Asked::Recording) {
        return instead(site, speech);
    }
    let Some((lsid, instance)) = existing(site, kind, parameters) else {
        return xml(site.error(Message::NoRecording));
    };
    let fault = site.faults.of_recording(&lsid, kind, site.now());
    match fault {
        Some(RecordingFault::Expired) => return xml(site.error(Message::RecordingExpired)),
        Some(RecordingFault::NotReady) => return xml(site.error(Message::RecordingNotReady)),
        Some(RecordingFault::Cut { .. }) | None => {}
    }
    let renderings = site.faults.renderings(&lsid, kind);
    let content = recording_bytes_anew(&site.options, &lsid, kind, instance, renderings);
    let (size, tag) = (content.bytes_left(), format!("\"{:016x}\"", content.key()));
    let from = match site.options.ranges {
        true => asked_from(headers, &tag, size),
        false => 0,
    };
    let broken_at = match fault {
        Some(RecordingFault::Cut { after_bytes }) => Some(after_bytes),
        _ => site.faults.take_break(&lsid, kind, from),
    };
    let in_flight = Some(site.tally.begin_recording());
    let content = content.beginning_at(from);
    let body = match broken_at.map(|at| at.saturating_sub(from)) {
        Some(bytes) => streamed(cut_after(content, bytes), in_flight),
        None => streamed(content.map(Ok), in_flight),
    };
    let (content_type, extension) = match site.options.recording_format {
        RecordingFormat::Flv => ("video/x-flv", "flv"),
        RecordingFormat::Mp4 => ("video/mp4", "mp4"),
    };
    let status = if from > 0 { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut response = respond(status, content_type, body);
    let mut tell = |name, value: String| {
        let value = HeaderValue::from_str(&value).expect("ids and numbers are plain ASCII");
        response.headers_mut().insert(name, value);
    };
    tell(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{lsid}.{extension}\""));
    if site.options.ranges {
        tell(header::ACCEPT_RANGES, "bytes".to_owned());
        tell(header::ETAG, tag);
    }
    if from > 0 {
        tell(header::CONTENT_RANGE, format!("bytes {from}-{}/{size}", size - 1));
    }
    response
}

/// The byte from which a request wants a content: 0 for the whole, also where it has another version in mind.
fn asked_from(headers: &HeaderMap, tag: &str, size: u64) -> u64 {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let from = text(header::RANGE)
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok())
        .filter(|from| *from < size);
    match (from, text(header::IF_RANGE)) {
        (Some(from), None) => from,
        (Some(from), Some(wanted)) if wanted == tag => from,
        _ => 0,
    }
}
