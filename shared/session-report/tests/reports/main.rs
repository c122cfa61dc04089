//! What the reader of reports promises.

mod appliance_errors;
mod bombs;
mod digests;
mod generated;
mod listings;
mod properties;
mod reading;
mod splitting;
mod writer;

use session_report::{Limits, ReportError, Session, read};

/// A list with this content, in the namespace of most appliances.
fn list(content: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<session_list xmlns=\"http://www.beyondtrust.com/sra/namespaces/API/reporting\">{content}</session_list>\n"
    )
}

fn read_text(xml: &str) -> Result<Session, ReportError> {
    read(xml.as_bytes(), &Limits::default())
}

/// The session with this content.
fn session(content: &str) -> Session {
    read_text(&list(&format!("<session lsid=\"a1\">{content}</session>"))).expect("a report")
}
