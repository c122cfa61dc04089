use std::io::BufRead;

use domain::Lsid;

use crate::attributes::Attributes;
use crate::outline::{Found, Kind, Outline};
use crate::parts::Part;
use crate::{Limits, ReportError, names, read};

/// A session as a listing names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedSession {
    /// The session.
    pub lsid: Lsid,
    /// Whether it has a recording, where the listing says so.
    pub has_recording: Option<bool>,
    /// Its external key, where the listing has one.
    pub external_key: Option<String>,
}

/// Reads a listing of any size; a list of whole sessions will do as well.
///
/// A session without a usable LSID is an error of its own, and the next one follows; any other error is the last item.
pub struct Listing<R> {
    outline: Outline<R>,
}

impl<R: BufRead> Listing<R> {
    /// The listing in this body, within the usual limits.
    pub fn new(body: R) -> Self {
        Self::with_limits(body, Limits::default())
    }

    /// The listing in this body, within these limits.
    pub fn with_limits(body: R, limits: Limits) -> Self {
        let kind = Kind { is_root: names::is_listing, is_item: names::is_listed };
        Listing { outline: Outline::new(body, kind, limits) }
    }

    fn listed(&mut self, found: &Found) -> Result<Result<ListedSession, ReportError>, ReportError> {
        let mut said = Said::in_tag(&self.outline)?;
        if !found.empty {
            self.outline.finish_item(Some(&mut |part| said.hear(part)))?;
        }
        Ok(said.into_session(found.position))
    }
}

impl<R: BufRead> Iterator for Listing<R> {
    type Item = Result<ListedSession, ReportError>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = match self.outline.next_item() {
            Ok(found) => found?,
            Err(error) => return Some(Err(error)),
        };
        let listed = self.listed(&found).unwrap_or_else(|error| {
            self.outline.give_up();
            Err(error)
        });
        Some(listed)
    }
}

/// What an item says of itself, in attributes or in elements.
#[derive(Default)]
struct Said {
    lsid: Option<String>,
    has_recording: Option<String>,
    external_key: Option<String>,
    recording_url: Option<String>,
    hearing: Option<Hearing>,
}

#[derive(Clone, Copy)]
enum Hearing {
    Lsid,
    HasRecording,
    ExternalKey,
    RecordingUrl,
}

/// Elements right in the item; the item itself is the first.
const CHILD_DEPTH: usize = 2;

impl Said {
    fn in_tag<R: BufRead>(outline: &Outline<R>) -> Result<Self, ReportError> {
        let tag = outline.tag();
        let name = names::of_tag(tag, outline.limits(), outline.position())?;
        let mut attributes = Attributes::default();
        attributes.reread(tag, name.full.len(), outline.limits(), outline.position())?;
        Ok(Said {
            lsid: attributes.owned("lsid"),
            has_recording: attributes.owned("has_recording"),
            external_key: attributes.owned("external_key"),
            ..Said::default()
        })
    }

    fn hear(&mut self, part: Part<'_>) {
        match part {
            Part::Open(name, CHILD_DEPTH) => {
                let hearing = match name {
                    "lsid" => Hearing::Lsid,
                    "has_recording" => Hearing::HasRecording,
                    "external_key" => Hearing::ExternalKey,
                    "session_recording_view_url"
                    | "session_recording_download_url"
                    | "presentation_recording_view_url"
                    | "presentation_recording_download_url" => Hearing::RecordingUrl,
                    _ => return,
                };
                // What stands already, in the tag or in an element before, counts.
                let place = self.place(hearing);
                if place.is_none() {
                    *place = Some(String::new());
                    self.hearing = Some(hearing);
                }
            }
            Part::Text(text) => {
                if let Some(hearing) = self.hearing
                    && let Some(said) = self.place(hearing)
                {
                    said.push_str(text);
                }
            }
            Part::Close(CHILD_DEPTH) => self.hearing = None,
            Part::Open(..) | Part::Close(_) => {}
        }
    }

    fn place(&mut self, hearing: Hearing) -> &mut Option<String> {
        match hearing {
            Hearing::Lsid => &mut self.lsid,
            Hearing::HasRecording => &mut self.has_recording,
            Hearing::ExternalKey => &mut self.external_key,
            Hearing::RecordingUrl => &mut self.recording_url,
        }
    }

    fn into_session(self, position: u64) -> Result<ListedSession, ReportError> {
        let has_recording = match self.has_recording.as_deref().map(str::trim) {
            Some("1" | "true") => Some(true),
            Some("0" | "false") => Some(false),
            // A whole session has no flag. That it names no recording yet says nothing: it may be open.
            _ => self.recording_url.filter(|url| !url.trim().is_empty()).map(|_| true),
        };
        Ok(ListedSession {
            lsid: read::lsid(self.lsid.as_deref(), position)?,
            has_recording,
            external_key: self.external_key,
        })
    }
}
