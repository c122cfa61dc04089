//! Reports, session by session: nothing is held but the session that is being written.

use std::io;
use std::sync::Arc;
use std::vec::IntoIter;

use bytes::Bytes;

use crate::chance::Dice;
use crate::errors::{Message, nested_error_document};
use crate::fault::ErrorPlace;
use crate::faults::ReportFault;
use crate::lsid::Number;
use crate::options::Product;
use crate::session_xml::session_xml;
use crate::site::Site;
use crate::timeline::Outline;
use crate::urls::Urls;
use crate::xml::Xml;

const LISTED_PER_PIECE: usize = 200;
const GARBAGE_BYTES: u64 = 3_000;

pub(crate) const FULL_ROOT: &str = "session_list";
pub(crate) const LISTING_ROOT: &str = "session_summary_list";

/// A piece of an answer; an error breaks the connection.
pub(crate) type Piece = io::Result<Bytes>;

/// The break of a connection.
pub(crate) fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "cut by a fault")
}

/// The whole answer for a session that was asked for alone, if it is a faulty one.
pub(crate) fn fault_document(site: &Site, lsid: &str) -> Option<Vec<u8>> {
    match site.faults.of_report(lsid)? {
        ReportFault::NotXml => Some(garbage(site, lsid)),
        ReportFault::Error(ErrorPlace::Root) => {
            Some(site.error(Message::ReportFailed).into_bytes())
        }
        ReportFault::Error(ErrorPlace::Nested) => {
            let namespace = site.options.reporting_namespace();
            Some(
                nested_error_document(namespace, FULL_ROOT, site.text(Message::ReportFailed))
                    .into_bytes(),
            )
        }
        ReportFault::Cut => None,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    Sessions,
    /// The next piece breaks the connection.
    Cut,
    Over,
}

/// The full report of some sessions.
#[derive(Debug)]
pub(crate) struct FullReport {
    site: Arc<Site>,
    numbers: IntoIter<Number>,
    urls: Urls,
    now: i64,
    stage: Stage,
}

impl FullReport {
    pub(crate) fn new(site: Arc<Site>, numbers: Vec<Number>) -> Self {
        let (urls, now) = (site.urls(), site.now());
        Self { site, numbers: numbers.into_iter(), urls, now, stage: Stage::Head }
    }

    fn next_session(&mut self) -> Bytes {
        let outline = self.numbers.find_map(|number| self.site.outline(number));
        let Some(outline) = outline else {
            self.stage = Stage::Over;
            return Bytes::from(format!("</{FULL_ROOT}>\n"));
        };
        match self.site.faults.of_report(&outline.lsid) {
            None => Bytes::from(self.session(&outline)),
            Some(ReportFault::NotXml) => Bytes::from(garbage(&self.site, &outline.lsid)),
            Some(ReportFault::Error(_)) => {
                let mut xml = Xml::default();
                xml.leaf("error", &[], self.site.text(Message::ReportFailed));
                Bytes::from(xml.finish() + "\n")
            }
            Some(ReportFault::Cut) => {
                self.stage = Stage::Cut;
                let mut session = Bytes::from(self.session(&outline));
                session.truncate(session.len() / 2);
                session
            }
        }
    }

    fn session(&mut self, outline: &Outline) -> String {
        let half = self.site.faults.is_incomplete(&outline.lsid, self.now);
        session_xml(&self.site.options, outline, &mut self.urls, self.now, half) + "\n"
    }
}

impl Iterator for FullReport {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        match self.stage {
            Stage::Head => {
                self.stage = Stage::Sessions;
                Some(Ok(head(&self.site, FULL_ROOT)))
            }
            Stage::Sessions => Some(Ok(self.next_session())),
            Stage::Cut => {
                self.stage = Stage::Over;
                Some(Err(cut()))
            }
            Stage::Over => None,
        }
    }
}

/// The listing of some sessions.
#[derive(Debug)]
pub(crate) struct Listing {
    site: Arc<Site>,
    numbers: IntoIter<Number>,
    now: i64,
    stage: Stage,
}

impl Listing {
    pub(crate) fn new(site: Arc<Site>, numbers: Vec<Number>) -> Self {
        let now = site.now();
        Self { site, numbers: numbers.into_iter(), now, stage: Stage::Head }
    }

    fn next_lines(&mut self) -> String {
        let mut lines = String::new();
        for number in self.numbers.by_ref().take(LISTED_PER_PIECE) {
            if let Some(outline) = self.site.outline(number) {
                lines.push_str(&line(&outline, self.now));
            }
        }
        if self.numbers.len() == 0 {
            self.stage = Stage::Over;
            lines.push_str(&format!("</{LISTING_ROOT}>\n"));
        }
        lines
    }
}

impl Iterator for Listing {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        match self.stage {
            Stage::Head => {
                self.stage = Stage::Sessions;
                Some(Ok(head(&self.site, LISTING_ROOT)))
            }
            Stage::Sessions => Some(Ok(Bytes::from(self.next_lines()))),
            Stage::Cut | Stage::Over => None,
        }
    }
}

fn line(outline: &Outline, now: i64) -> String {
    let flag = if outline.has_ended(now) && outline.screen_recording { "1" } else { "0" };
    let mut xml = Xml::default();
    let mut attributes = vec![("lsid", outline.lsid.as_str()), ("has_recording", flag)];
    if !outline.external_key.is_empty() {
        attributes.insert(1, ("external_key", outline.external_key.as_str()));
    }
    xml.empty("session_summary", &attributes);
    xml.finish() + "\n"
}

fn head(site: &Site, root: &str) -> Bytes {
    let mut xml = Xml::document();
    let namespace = site.options.reporting_namespace();
    match site.options.product {
        Product::RemoteSupport => xml.open(root, &[("xmlns", namespace)]),
        Product::PrivilegedRemoteAccess => {
            xml.open(
                root,
                &[("xmlns", namespace), ("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance")],
            );
        }
    }
    xml.raw("\n");
    Bytes::from(xml.finish())
}

// The same for the same session, so that a retry meets the same garbage.
fn garbage(site: &Site, lsid: &str) -> Vec<u8> {
    let mut dice = Dice::of(&[site.key, crate::chance::key_of_text(lsid), 80]);
    let mut bytes = b"<session lsid=".to_vec();
    bytes.extend((0..GARBAGE_BYTES).map(|_| dice.roll() as u8));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Options;

    fn site(options: Options) -> Arc<Site> {
        Arc::new(Site::new(Options { now: Some(1_750_000_000), ..options }))
    }

    fn text(pieces: impl Iterator<Item = Piece>) -> String {
        let bytes: Vec<u8> = pieces.flat_map(|piece| piece.expect("there is no fault")).collect();
        String::from_utf8(bytes).expect("a report is text")
    }

    #[test]
    fn a_report_is_written_session_by_session() {
        let site = site(Options { sessions: 1_000_000, ..Options::default() });
        let mut pieces = FullReport::new(site.clone(), site.all());
        let head = pieces.next().expect("there is a head").expect("there is no fault");
        assert!(head.ends_with(b"API/reporting\">\n"));
        let first = pieces.next().expect("there is a session").expect("there is no fault");
        assert_eq!(first.windows(10).filter(|ten| ten == b"</session>").count(), 1);
    }

    #[test]
    fn a_session_that_closed_abnormally_has_an_empty_end_and_a_running_one_has_none() {
        let site = site(Options { sessions: 0, open: 1, abnormal: 1, ..Options::default() });
        let report = text(FullReport::new(site.clone(), site.all()));
        assert_eq!(report.matches("<end_time />").count(), 1);
        assert_eq!(report.matches("<end_time").count(), 1);
    }

    #[test]
    fn what_only_remote_support_has_is_missing_elsewhere() {
        let support = site(Options { show_my_screen: 1.0, ..Options::default() });
        let access = site(Options {
            show_my_screen: 1.0,
            product: Product::PrivilegedRemoteAccess,
            ..Options::default()
        });
        let support_report = text(FullReport::new(support.clone(), support.all()));
        let access_report = text(FullReport::new(access.clone(), access.all()));
        for element in [
            "public_site",
            "team_list",
            "primary_cust>",
            "show_my_screen_recordings",
            "cust_survey_list",
        ] {
            assert!(support_report.contains(element), "{element}");
            assert!(!access_report.contains(element), "{element}");
        }
        assert!(access_report.contains("xmlns:xsi"));
    }

    #[test]
    fn every_form_occurs_that_a_reader_must_know() {
        let site = site(Options { abnormal: 1, open: 1, ..Options::default() });
        let report = text(FullReport::new(site.clone(), site.all()));
        for form in [
            "<encoded_body>",
            "<body><![CDATA[",
            "<filename>",
            "<value name=\"filename\"",
            "<files><file>",
            "<jumpoint id=\"-1\"></jumpoint>",
            "<jump_group type=\"personal\"",
            "<public_ip>[2001:db8::",
            "<public_ip>Unknown</public_ip>",
            "<invited>1</invited>",
            "type=\"everyone\"",
            "<category name=\"Drives\"><description><field name=\"Drive\" />",
            "<custom_attribute display_name=",
            "𠮷",
            "<event timestamp=",
            "event_type=\"Session End\" />",
        ] {
            assert!(report.contains(form), "{form}");
        }
    }

    #[test]
    fn a_listing_of_many_ends_once() {
        for sessions in [1, 199, 200, 201, 400] {
            let site = site(Options { sessions, ..Options::default() });
            let listing = text(Listing::new(site.clone(), site.all()));
            assert_eq!(listing.matches("<session_summary ").count() as u64, sessions);
            assert_eq!(listing.matches("</session_summary_list>").count(), 1);
        }
    }
}
