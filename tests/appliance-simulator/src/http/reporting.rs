//! Reports and recordings.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;

use super::parameters::{ParametersError, parameters_of};
use super::{answer as respond, cut_after, denied, streamed, xml};
use crate::errors::Message;
use crate::faults::RecordingFault;
use crate::options::{Product, RecordingFormat};
use crate::recordings::{RecordingKind, recording_bytes};
use crate::report::{FullReport, Listing, fault_document};
use crate::selector::{Parameters, Selector, selector_of};
use crate::site::{Site, recordings_of};

/// What can be asked for here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Full,
    Listing,
    Recording(RecordingKind),
    /// Known to the product, but this site has none.
    Nothing,
}

pub(super) async fn answer(State(site): State<Arc<Site>>, request: Request) -> Response {
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
        Wanted::Recording(kind) => recording(&site, kind, &parameters),
        Wanted::Nothing => xml(site.error(Message::NothingFound)),
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
        (
            RemoteSupport,
            "PresentationSession" | "PresentationSessionListing" | "PresentationSessionRecording",
        ) => Some(Wanted::Nothing),
        _ => None,
    }
}

fn full(site: &Arc<Site>, parameters: &Parameters) -> Response {
    let selector = match selector_of(parameters, site.now(), true) {
        Ok(selector) => selector,
        Err(error) => return xml(site.error_text(&error.to_string())),
    };
    let numbers = site.select(&selector);
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
    let selector = match selector_of(parameters, site.now(), false) {
        Ok(selector) => selector,
        Err(error) => return xml(site.error_text(&error.to_string())),
    };
    let numbers = site.select(&selector);
    if numbers.is_empty() {
        return xml(site.error(Message::NothingFound));
    }
    xml(streamed(Listing::new(site.clone(), numbers), None))
}

fn recording(site: &Arc<Site>, kind: RecordingKind, parameters: &Parameters) -> Response {
    let lsid = parameters.get("lsid").map_or("", String::as_str);
    let instance = match (kind, parameters.get("instance")) {
        (RecordingKind::Screen, _) => Some(0),
        (_, given) => given.and_then(|given| given.parse::<u32>().ok()),
    };
    let now = site.now();
    let existing = site.find(lsid).zip(instance).filter(|(outline, instance)| {
        recordings_of(outline, now).any(|recording| recording == (kind, *instance))
    });
    let Some((outline, instance)) = existing else {
        return xml(site.error(Message::NoRecording));
    };
    let content = recording_bytes(&site.options, &outline.lsid, kind, instance);
    let in_flight = Some(site.tally.begin_recording());
    let body = match site.faults.of_recording(&outline.lsid, kind, now) {
        Some(RecordingFault::Expired) => return xml(site.error(Message::RecordingExpired)),
        Some(RecordingFault::NotReady) => return xml(site.error(Message::RecordingNotReady)),
        Some(RecordingFault::Cut { after_bytes }) => {
            streamed(cut_after(content, after_bytes), in_flight)
        }
        None => streamed(content.map(Ok), in_flight),
    };
    let (content_type, extension) = match site.options.recording_format {
        RecordingFormat::Flv => ("video/x-flv", "flv"),
        RecordingFormat::Mp4 => ("video/mp4", "mp4"),
    };
    let mut response = respond(StatusCode::OK, content_type, body);
    let name = format!("attachment; filename=\"{}.{extension}\"", outline.lsid);
    let name = HeaderValue::from_str(&name).expect("an id of ours is letters and digits");
    response.headers_mut().insert(header::CONTENT_DISPOSITION, name);
    response
}
