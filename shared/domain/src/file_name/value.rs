use std::fmt;

use chrono::{DateTime, Utc};

use super::NameValues;

/// The values that a format may name: the seven of the vendor's client, and those beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    Lseq,
    Lsid,
    ExternalKey,
    SessionType,
    SupportSiteHost,
    Instance,
    Extension,
    Site,
    Kind,
    Date,
    Time,
    Start(Part),
    End(Part),
}

/// A part of an instant, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

impl Part {
    pub(super) const ALL: [Part; 6] =
        [Part::Year, Part::Month, Part::Day, Part::Hour, Part::Minute, Part::Second];

    const fn as_str(self) -> &'static str {
        match self {
            Part::Year => "YYYY",
            Part::Month => "MM",
            Part::Day => "DD",
            Part::Hour => "HH",
            // MM is the month.
            Part::Minute => "MIN",
            Part::Second => "SS",
        }
    }

    fn of(self, instant: DateTime<Utc>) -> String {
        let format = match self {
            Part::Year => "%Y",
            Part::Month => "%m",
            Part::Day => "%d",
            Part::Hour => "%H",
            Part::Minute => "%M",
            Part::Second => "%S",
        };
        instant.format(format).to_string()
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Lseq => f.write_str("LSEQ"),
            Value::Lsid => f.write_str("LSID"),
            Value::ExternalKey => f.write_str("EXTERNAL_KEY"),
            Value::SessionType => f.write_str("SESSION_TYPE"),
            Value::SupportSiteHost => f.write_str("SUPPORT_SITE_HOST"),
            Value::Instance => f.write_str("INSTANCE"),
            Value::Extension => f.write_str("EXTENSION"),
            Value::Site => f.write_str("SITE"),
            Value::Kind => f.write_str("KIND"),
            Value::Date => f.write_str("DATE"),
            Value::Time => f.write_str("TIME"),
            Value::Start(part) => write!(f, "START_{}", part.as_str()),
            Value::End(part) => write!(f, "END_{}", part.as_str()),
        }
    }
}

impl Value {
    /// Every value that a format may name.
    pub(super) fn all() -> impl Iterator<Item = Value> {
        let plain = [
            Value::Lseq,
            Value::Lsid,
            Value::ExternalKey,
            Value::SessionType,
            Value::SupportSiteHost,
            Value::Instance,
            Value::Extension,
            Value::Site,
            Value::Kind,
            Value::Date,
            Value::Time,
        ];
        let starts = Part::ALL.into_iter().map(Value::Start);
        plain.into_iter().chain(starts).chain(Part::ALL.into_iter().map(Value::End))
    }

    /// The value as it came; empty where the artifact has none.
    pub(super) fn of(self, values: &NameValues<'_>) -> String {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let (artifact, particulars) = (values.artifact, values.particulars);
        // All that is known of a backup's time is its slot.
        let slot = artifact.slot().map(|slot| slot.instant());
        let (started, ended) = (slot.or(particulars.started), slot.or(particulars.ended));
        let named = |instant: Option<DateTime<Utc>>, format: &str| {
            instant.map(|instant| instant.format(format).to_string()).unwrap_or_default()
        };
        match self {
            Value::Lseq => text(&particulars.lseq),
            Value::Lsid => artifact.lsid().map(ToString::to_string).unwrap_or_default(),
            Value::ExternalKey => text(&particulars.external_key),
            Value::SessionType => text(&particulars.session_type),
            Value::SupportSiteHost => artifact.site().to_string(),
            Value::Instance => artifact.instance().map(|i| i.to_string()).unwrap_or_default(),
            Value::Extension => values.extension.to_owned(),
            Value::Site => values.site_label.to_owned(),
            Value::Kind => artifact.kind().to_string(),
            Value::Date => named(ended.or(started), "%Y-%m-%d"),
            Value::Time => named(ended.or(started), "%H%M%S"),
            Value::Start(part) => started.map(|at| part.of(at)).unwrap_or_default(),
            Value::End(part) => ended.map(|at| part.of(at)).unwrap_or_default(),
        }
    }
}
