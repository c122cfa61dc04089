use chrono::{DateTime, Utc};
use compact_str::CompactString;
use domain::{ArtifactId, Family, Instance, Lsid, Particulars, SiteHost};

/// A text of a report. Most are shorter than 25 bytes, and take no allocation of their own.
pub type Text = CompactString;

/// One session as its report tells it.
///
/// `None` is "the report does not say"; an empty text is "the report says nothing there". Text is what XML 1.0
/// makes of the bytes (entities, CDATA, line ends); nothing is trimmed or folded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields bear the names of the elements")]
pub struct Session {
    pub lsid: Option<Lsid>,
    pub session_type: Option<Text>,
    pub lseq: Option<Text>,
    pub start_time: Option<Moment>,
    pub end_time: Option<Moment>,
    pub duration: Option<Text>,
    pub public_site: Option<Named>,
    pub jumpoint: Option<Named>,
    pub jump_group: Option<JumpGroup>,
    pub external_key: Option<Text>,
    pub custom_attributes: Vec<CustomAttribute>,
    pub has_session_recording: bool,
    pub command_shell_recordings: Vec<Instance>,
    pub show_my_screen_recordings: Vec<Instance>,
    pub file_transfer_count: Option<Text>,
    pub file_move_count: Option<Text>,
    pub file_delete_count: Option<Text>,
    pub primary_customer: Option<Actor>,
    pub primary_rep: Option<Actor>,
    pub primary_team: Option<Named>,
    pub customers: Vec<Customer>,
    pub representatives: Vec<Representative>,
    pub teams: Vec<Team>,
    pub events: Vec<Event>,
}

/// An instant as the report writes it: `@timestamp` in unix seconds, and the text beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the two ways to say it")]
pub struct Moment {
    pub timestamp: Option<Text>,
    pub text: Option<Text>,
}

/// Something with an id whose text is its name (`public_site`, `jumpoint`, `primary_team`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields bear the names of the attributes")]
pub struct Named {
    pub id: Option<Text>,
    pub name: Option<Text>,
}

/// `jump_group`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields bear the names of the attributes")]
pub struct JumpGroup {
    pub id: Option<Text>,
    pub kind: Option<Text>,
    pub name: Option<Text>,
}

/// `custom_attributes/custom_attribute`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields bear the names of the attributes")]
pub struct CustomAttribute {
    pub display_name: Option<Text>,
    pub code_name: Option<Text>,
    pub value: Option<Text>,
}

/// A reference to somebody in the session (`primary_customer`, `primary_rep`, `performed_by`, `destination`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields bear the names of the attributes")]
pub struct Actor {
    pub gsnumber: Option<Text>,
    pub id: Option<Text>,
    pub kind: Option<Text>,
    pub name: Option<Text>,
}

/// `customer_list/customer`; `info/*` flattened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields bear the names of the elements")]
pub struct Customer {
    pub gsnumber: Option<Text>,
    pub username: Option<Text>,
    pub public_ip: Option<Text>,
    pub private_ip: Option<Text>,
    pub hostname: Option<Text>,
    pub os: Option<Text>,
    pub primary_cust: Option<Text>,
    pub rpat_support: Option<Text>,
    pub info_name: Option<Text>,
    pub info_company: Option<Text>,
    pub info_company_code: Option<Text>,
    pub info_issue: Option<Text>,
    pub info_details: Option<Text>,
}

/// `rep_list/representative`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields bear the names of the elements")]
pub struct Representative {
    pub gsnumber: Option<Text>,
    pub id: Option<Text>,
    pub username: Option<Text>,
    pub display_name: Option<Text>,
    pub public_display_name: Option<Text>,
    pub private_display_name: Option<Text>,
    pub display_number: Option<Text>,
    pub public_ip: Option<Text>,
    pub private_ip: Option<Text>,
    pub hostname: Option<Text>,
    pub os: Option<Text>,
    pub session_owner: Option<Text>,
    pub primary_rep: Option<Text>,
    pub seconds_involved: Option<Text>,
    pub invited: Option<Text>,
}

/// `team_list/team`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields bear the names of the elements")]
pub struct Team {
    pub id: Option<Text>,
    pub name: Option<Text>,
    pub primary_team: Option<Text>,
}

/// `session_details/event`, in document order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields bear the names of the elements")]
pub struct Event {
    pub event_type: Option<Text>,
    pub timestamp: Option<Text>,
    pub performed_by: Option<Actor>,
    pub destination: Option<Actor>,
    pub body: Option<Text>,
    /// As it stands in the report, before base64 is undone.
    pub encoded_body: Option<Text>,
    pub filename: Option<Text>,
    pub filesize: Option<Text>,
    /// `data/value` of every `data`, in document order; an attribute that is missing is empty.
    pub values: Vec<Value>,
    /// `files/file/*`: each child's own name and text, in document order.
    pub files: Vec<Value>,
    pub system_information: Vec<Category>,
}

/// A name and its value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "they say what they are")]
pub struct Value {
    pub name: Text,
    pub value: Text,
}

/// `system_information/category`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields bear the names of the elements")]
pub struct Category {
    pub name: Option<Text>,
    /// `description/field/@name`: the column headings.
    pub headings: Vec<Text>,
    /// `data/row`: the texts of its `field`s, by position.
    pub rows: Vec<Vec<Text>>,
}

impl Moment {
    /// The instant: `@timestamp`, and the text only where there is no such attribute.
    pub fn instant(&self) -> Option<DateTime<Utc>> {
        match &self.timestamp {
            Some(timestamp) => DateTime::from_timestamp(timestamp.trim().parse().ok()?, 0),
            None => DateTime::parse_from_rfc3339(self.text.as_deref()?.trim())
                .ok()
                .map(|instant| instant.to_utc()),
        }
    }
}

impl Session {
    /// When the session ended; `None` while it is open and after an abnormal close (no element, or an empty one).
    pub fn ended(&self) -> Option<DateTime<Utc>> {
        self.end_time.as_ref().and_then(Moment::instant)
    }

    /// What the names of its files may need.
    pub fn particulars(&self) -> Particulars {
        Particulars {
            session_type: self.session_type.as_deref().map(str::to_owned),
            lseq: self.lseq.as_deref().map(str::to_owned),
            external_key: self.external_key.as_deref().map(str::to_owned),
            started: self.start_time.as_ref().and_then(Moment::instant),
            ended: self.ended(),
        }
    }

    /// The recordings that the report names, where it is that of a session.
    pub fn recordings(&self, site: &SiteHost) -> Vec<ArtifactId> {
        self.recordings_in(site, Family::Session)
    }

    /// The recordings that the report names. Its own elements don't tell a presentation's from a session's.
    pub fn recordings_in(&self, site: &SiteHost, family: Family) -> Vec<ArtifactId> {
        use domain::{ArtifactKey, Kind};
        let whole = match family {
            Family::Session => Kind::SessionRecording,
            Family::Presentation => Kind::PresentationRecording,
        };
        let Some(lsid) = &self.lsid else {
            return Vec::new();
        };
        let screen = self.has_session_recording.then_some((whole, None));
        let shells =
            self.command_shell_recordings.iter().map(|i| (Kind::CommandShellRecording, Some(*i)));
        let shown =
            self.show_my_screen_recordings.iter().map(|i| (Kind::ShowMyScreenRecording, Some(*i)));
        screen
            .into_iter()
            .chain(shells)
            .chain(shown)
            .map(|(kind, instance)| {
                ArtifactId::new(site.clone(), kind, ArtifactKey::Lsid(lsid.clone()), instance)
                    .expect(
                        "shells and Show My Screens come with their instance, the screen without",
                    )
            })
            .collect()
    }
}
