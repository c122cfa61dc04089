//! A page for a person with a browser.

use std::fmt::Write;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::answer as respond;
use crate::clock::report_time;
use crate::site::{SessionState, Site};
use crate::xml::escape;

const SESSIONS_SHOWN: usize = 200;

const STYLE: &str = "body{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#222}\
table{border-collapse:collapse}td,th{padding:.15rem .8rem .15rem 0;text-align:left;border-bottom:1px solid #ddd}\
code{font-size:13px}";

pub(super) async fn answer(State(site): State<Arc<Site>>) -> Response {
    respond(StatusCode::OK, "text/html; charset=UTF-8", page(&site))
}

fn page(site: &Site) -> String {
    let numbers = site.all();
    let count = numbers.len();
    let mut latest: Vec<SessionState> = numbers
        .into_iter()
        .rev()
        .take(SESSIONS_SHOWN)
        .filter_map(|number| site.session_state(number))
        .collect();
    latest.sort_by_key(|session| std::cmp::Reverse(session.end.unwrap_or(i64::MAX)));
    let host = escape(&site.options.host);
    let mut html = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>{host} (simulated)</title><style>{STYLE}</style>\
         <h1>{host} <small>(simulated)</small></h1>\
         <p>{product:?}, {count} sessions, the site's clock shows {now}. \
         <a href=\"/state\">State as JSON</a>, <a href=\"/faults\">faults</a>.</p>",
        product = site.options.product,
        now = report_time(site.now()),
    );
    write_counters(&mut html, site);
    write_faults(&mut html, site);
    let shown = latest.len();
    let _infallible = write!(
        html,
        "<h2>Sessions</h2><p>The latest {shown} of {count}.</p><table>\
         <tr><th>LSID<th>LSEQ<th>External key<th>Start<th>End<th>Recordings"
    );
    for session in &latest {
        write_session(&mut html, session);
    }
    html.push_str("</table></html>\n");
    html
}

fn write_counters(html: &mut String, site: &Site) {
    let counters = site.counters();
    html.push_str("<h2>Requests</h2><table>");
    for (what, count) in &counters.requests {
        let _infallible = write!(html, "<tr><td>{}<td>{count}", escape(what));
    }
    for (what, count) in [
        ("tokens valid", counters.tokens_valid as u64),
        ("tokens issued", counters.tokens_issued),
        ("logins refused", counters.logins_refused),
        ("answers 429", counters.throttled),
        ("most in flight", counters.max_in_flight),
        ("most in one second", counters.most_in_a_second as u64),
    ] {
        let _infallible = write!(html, "<tr><td><i>{what}</i><td>{count}");
    }
    html.push_str("</table>");
}

fn write_faults(html: &mut String, site: &Site) {
    let faults = site.faults.list();
    if faults.is_empty() {
        return;
    }
    html.push_str("<h2>Faults at work</h2><ul>");
    for fault in faults {
        let json = serde_json::to_string(&fault).expect("a fault has only text and numbers");
        let _infallible = write!(html, "<li><code>{}</code>", escape(&json));
    }
    html.push_str("</ul>");
}

fn write_session(html: &mut String, session: &SessionState) {
    let end = match session.end {
        Some(end) => report_time(end),
        None if session.abnormal => "closed abnormally".to_owned(),
        None => "running".to_owned(),
    };
    let recordings: Vec<String> = session
        .recordings
        .iter()
        .map(|one| format!("{:?} {} ({} bytes)", one.kind, one.instance, one.bytes))
        .collect();
    let _infallible = write!(
        html,
        "<tr><td><a href=\"/peek/session/{lsid}\"><code>{lsid}</code></a><td>{}<td>{}<td>{}<td>{end}<td>{}",
        session.lseq,
        escape(&session.external_key),
        report_time(session.start),
        recordings.join(", "),
        lsid = session.lsid,
    );
}
