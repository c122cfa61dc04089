use chrono::{DateTime, Utc};
use domain::{ArtifactId, Instance, Lsid, Particulars, SiteHost};

/// One session as its report tells it.
///
/// `None` is "the report does not say"; an empty text is "the report says nothing there". Text is what XML 1.0
/// makes of the bytes (entities, CDATA, line ends); nothing is trimmed or folded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields bear the names of the elements")]
pub struct Session {
    pub lsid: Option<Lsid>,
    pub session_type: Option<String>,
    pub lseq: Option<String>,
    pub start_time: Option<Moment>,
    pub end_time: Option<Moment>,
    pub duration: Option<String>,
    pub public_site: Option<Named>,
    pub jumpoint: Option<Named>,
    pub jump_group: Option<JumpGroup>,
    pub external_key: Option<String>,
    pub custom_attributes: Vec<CustomAttribute>,
    pub has_session_recording: bool,
    pub command_shell_recordings: Vec<Instance>,
    pub show_my_screen_recordings: Vec<Instance>,
    pub file_transfer_count: Option<String>,
    pub file_move_count: Option<String>,
    pub file_delete_count: Option<String>,
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
    pub timestamp: Option<String>,
    pub text: Option<String>,
}

/// Something with an id whose text is its name (`public_site`, `jumpoint`, `primary_team`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields bear the names of the attributes")]
pub struct Named {
    pub id: Option<String>,
    pub name: Option<String>,
}

/// `jump_group`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields bear the names of the attributes")]
pub struct JumpGroup {
    pub id: Option<String>,
    pub kind: Option<String>,
    pub name: Option<String>,
}

/// `custom_attributes/custom_attribute`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields bear the names of the attributes")]
pub struct CustomAttribute {
    pub display_name: Option<String>,
    pub code_name: Option<String>,
    pub value: Option<String>,
}

/// A reference to somebody in the session (`primary_customer`, `primary_rep`, `performed_by`, `destination`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields bear the names of the attributes")]
pub struct Actor {
    pub gsnumber: Option<String>,
    pub id: Option<String>,
    pub kind: Option<String>,
    pub name: Option<String>,
}

/// `customer_list/customer`; `info/*` flattened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields bear the names of the elements")]
pub struct Customer {
    pub gsnumber: Option<String>,
    pub username: Option<String>,
    pub public_ip: Option<String>,
    pub private_ip: Option<String>,
    pub hostname: Option<String>,
    pub os: Option<String>,
    pub primary_cust: Option<String>,
    pub rpat_support: Option<String>,
    pub info_name: Option<String>,
    pub info_company: Option<String>,
    pub info_company_code: Option<String>,
    pub info_issue: Option<String>,
    pub info_details: Option<String>,
}

/// `rep_list/representative`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields bear the names of the elements")]
pub struct Representative {
    pub gsnumber: Option<String>,
    pub id: Option<String>,
    pub username: Option<String>,
    pub display_name: Option<String>,
    pub public_display_name: Option<String>,
    pub private_display_name: Option<String>,
    pub display_number: Option<String>,
    pub public_ip: Option<String>,
    pub private_ip: Option<String>,
    pub hostname: Option<String>,
    pub os: Option<String>,
    pub session_owner: Option<String>,
    pub primary_rep: Option<String>,
    pub seconds_involved: Option<String>,
    pub invited: Option<String>,
}

/// `team_list/team`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields bear the names of the elements")]
pub struct Team {
    pub id: Option<String>,
    pub name: Option<String>,
    pub primary_team: Option<String>,
}

/// `session_details/event`, in document order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields bear the names of the elements")]
pub struct Event {
    pub event_type: Option<String>,
    pub timestamp: Option<String>,
    pub performed_by: Option<Actor>,
    pub destination: Option<Actor>,
    pub body: Option<String>,
    /// As it stands in the report, before base64 is undone.
    pub encoded_body: Option<String>,
    pub filename: Option<String>,
    pub filesize: Option<String>,
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
    pub name: String,
    pub value: String,
}

/// `system_information/category`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields bear the names of the elements")]
pub struct Category {
    pub name: Option<String>,
    /// `description/field/@name`: the column headings.
    pub headings: Vec<String>,
    /// `data/row`: the texts of its `field`s, by position.
    pub rows: Vec<Vec<String>>,
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
            session_type: self.session_type.clone(),
            lseq: self.lseq.clone(),
            external_key: self.external_key.clone(),
            started: self.start_time.as_ref().and_then(Moment::instant),
            ended: self.ended(),
        }
    }

    /// The recordings that the report names.
    pub fn recordings(&self, site: &SiteHost) -> Vec<ArtifactId> {
        use domain::{ArtifactKey, Kind};
        let Some(lsid) = &self.lsid else {
            return Vec::new();
        };
        let screen = self.has_session_recording.then_some((Kind::SessionRecording, None));
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
