//! Presentations: far simpler than sessions, and there are few.

use serde::Serialize;

use crate::chance::Dice;
use crate::clock::report_time;
use crate::options::{Options, Product};
use crate::recordings::RecordingKind;
use crate::selector::{Edge, Selector, Window};
use crate::timeline::site_key;
use crate::urls::{Target, Urls};
use crate::xml::Xml;

const PRESENTATION: u64 = 90;
const DAY_SECONDS: i64 = 86_400;

/// A presentation as the site knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PresentationState {
    /// Its id.
    pub lsid: String,
    /// When it began, in unix seconds.
    pub start: i64,
    /// When it ended.
    pub end: i64,
    /// Whether it was recorded.
    pub recorded: bool,
}

/// The presentations of a site, computed when asked for.
pub(crate) struct Presentations<'o> {
    options: &'o Options,
    /// The ends lie before it.
    anchor: i64,
}

impl<'o> Presentations<'o> {
    pub(crate) fn new(options: &'o Options, anchor: i64) -> Self {
        Presentations { options, anchor }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = PresentationState> {
        let count = match self.options.product {
            Product::RemoteSupport => self.options.presentations,
            Product::PrivilegedRemoteAccess => 0,
        };
        (0..count).map(|place| {
            let mut dice = Dice::of(&[site_key(self.options), PRESENTATION, place]);
            let lsid = dice.hex(32);
            let span = i64::from(self.options.days) * DAY_SECONDS;
            let end = self.anchor - 1 - dice.below(span.max(1) as u64) as i64;
            let start = end - dice.between(300, 7_200) as i64;
            PresentationState { lsid, start, end, recorded: place.is_multiple_of(2) }
        })
    }

    pub(crate) fn is_recorded(&self, lsid: &str) -> bool {
        self.all().any(|presentation| presentation.recorded && presentation.lsid == lsid)
    }

    /// The report, or the listing, of those that a request finds; nothing if there are none.
    pub(crate) fn document(
        &self,
        selector: &Selector,
        whole: bool,
        urls: &mut Urls,
    ) -> Option<String> {
        let found: Vec<_> = self.all().filter(|one| is_found(one, selector)).collect();
        if found.is_empty() {
            return None;
        }
        let item = if whole { "presentation_session" } else { "presentation_session_summary" };
        let root = format!("{item}_list");
        let mut xml = Xml::document();
        xml.open(&root, &[("xmlns", self.options.reporting_namespace())]);
        for one in found {
            xml.raw("\n");
            match whole {
                true => write_whole(&mut xml, item, &one, urls),
                false => {
                    let recorded = if one.recorded { "1" } else { "0" };
                    xml.empty(item, &[("lsid", &one.lsid), ("has_recording", recorded)]);
                }
            }
        }
        xml.raw("\n");
        xml.close(&root);
        Some(xml.finish())
    }
}

fn is_found(one: &PresentationState, selector: &Selector) -> bool {
    match selector {
        Selector::Lsids(lsids) => lsids.contains(&one.lsid),
        Selector::Window(window @ Window { edge: Edge::Start, .. }) => window.holds(one.start),
        Selector::Window(window) => window.holds(one.end),
    }
}

fn write_whole(xml: &mut Xml, item: &str, one: &PresentationState, urls: &mut Urls) {
    xml.open(item, &[("lsid", &one.lsid)]);
    for (name, at) in [("start_time", one.start), ("end_time", one.end)] {
        xml.leaf(name, &[("timestamp", &at.to_string())], &report_time(at));
    }
    if one.recorded {
        let target = Target::Recording(RecordingKind::Presentation, 0);
        let (view, download) = urls.pair(&one.lsid, target);
        xml.leaf("presentation_recording_view_url", &[], &view);
        xml.leaf("presentation_recording_download_url", &[], &download);
    }
    xml.close(item);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presentations_are_found_by_window_and_by_id() {
        let options = Options { presentations: 7, ..Options::default() };
        let presentations = Presentations::new(&options, 1_750_000_000);
        let mut urls = Urls::new("support.example.com", 1, None);
        let all = Selector::Window(Window { edge: Edge::End, from: 0, until: 1_750_000_000 });
        let listed = presentations.document(&all, false, &mut urls).expect("there are seven");
        assert_eq!(listed.matches("<presentation_session_summary ").count(), 7);
        let third = presentations.all().nth(2).expect("there are seven").lsid;
        let one = presentations.document(&Selector::Lsids(vec![third]), true, &mut urls);
        assert!(one.is_some_and(|xml| xml.contains("presentation_recording_download_url")));
        let none = Selector::Lsids(vec!["x".to_owned()]);
        assert!(presentations.document(&none, true, &mut urls).is_none());
    }
}
