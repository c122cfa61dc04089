use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use chrono_tz::Tz;
use domain::Digest;
use toml::de::DeTable;

use crate::nearest::nearest;
use crate::reader::{Context, Entry, TableReader, Value};
use crate::schedule::Named;
use crate::{
    Destination, Events, Log, Needs, Position, Problem, Problems, Retry, Schedule, Service,
    Settings, Site, Staging, checks, names,
};

/// The settings file unless one is named.
pub const FILE_DEFAULT: &str = "sluice.toml";
/// The environment variable that names the settings file.
pub const FILE_VARIABLE: &str = "SLUICE_SETTINGS";
/// A settings file of a thousand sites has half of this; a larger one is the wrong file.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file can't be had.
    #[error("could not read the settings file {path}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// The file is far too large to be one.
    #[error(
        "the settings file {path} is larger than {FILE_BYTES_MAX} bytes",
        path = .path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// What it says can't be used.
    #[error("the settings can't be used:\n{0}")]
    Unusable(Problems),
}

/// The settings in this file, with the secrets that this process needs.
///
/// # Errors
/// When the file can't be read, or with all that is wrong in it.
pub fn load(path: &Path, secrets: Needs) -> Result<Settings, SettingsError> {
    let unreadable = |cause| SettingsError::Read { path: path.to_owned(), cause };
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(SettingsError::TooLarge { path: path.to_owned() });
    }
    let name = path.display().to_string();
    let text = utf8(&bytes, &name).map_err(SettingsError::Unusable)?;
    // Absolute, so that a process that changes its working directory finds the same files.
    let absolute = std::path::absolute(path).map_err(unreadable)?;
    let env = |variable: &str| std::env::var(variable).ok();
    let context = Context::new(&name, text, folder_of(&absolute), secrets, &env);
    read(context).map_err(SettingsError::Unusable)
}

/// The settings in this text; `name` is its file's, whose folder relative paths start from.
///
/// # Errors
/// With all that is wrong in it.
pub fn parse(
    text: &str,
    name: &str,
    secrets: Needs,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Settings, Problems> {
    let base = folder_of(Path::new(name));
    read(Context::new(name, text, base, secrets, env))
}

fn folder_of(file: &Path) -> &Path {
    file.parent().unwrap_or(Path::new(""))
}

fn utf8<'b>(bytes: &'b [u8], name: &str) -> Result<&'b str, Problems> {
    std::str::from_utf8(bytes).map_err(|cause| {
        let sound = bytes.get(..cause.valid_up_to()).unwrap_or_default();
        let sound = String::from_utf8_lossy(sound);
        Problems::in_order_of_file(vec![Problem {
            file: name.to_owned(),
            position: Position::of(sound.len(), &sound),
            message: "this byte is not UTF-8".to_owned(),
            help: Some("save the file as UTF-8".to_owned()),
        }])
    })
}

fn read(context: Context<'_>) -> Result<Settings, Problems> {
    let (document, errors) = DeTable::parse_recoverable(context.text);
    for error in &errors {
        let at = error.span().map_or(0, |span| span.start);
        context.problem(at, error.message().to_owned(), None);
    }
    // Of a text that is not TOML nobody knows what it means: what recovery made of it is not looked at.
    let settings = match errors.is_empty() {
        true => whole(&context, document.get_ref()),
        false => None,
    };
    let (problems, mut warnings) = context.into_findings();
    warnings.sort_by_key(|warning| warning.position);
    match settings {
        Some(settings) if problems.is_empty() => Ok(Settings { warnings, ..settings }),
        _ => Err(Problems::in_order_of_file(problems)),
    }
}

/// The whole file; `None`, or some in vain, if there were problems.
fn whole<'a>(context: &'a Context<'a>, document: &'a DeTable<'a>) -> Option<Settings> {
    let mut root = TableReader::new(context, "the settings".to_owned(), 0, document);
    let time_zone = root.optional("time_zone", |value| time_zone(&value));
    let log = root.section("log").map_or_else(Log::default, Log::read);
    let staging = root.section("staging").map(Staging::read);
    let service = root.section("service").map(Service::read);
    let retry = root.section("retry").map(Retry::read);
    let events = root.section("events").map(Events::read);
    let sites = root.entries("site");
    let destinations = root.entries("destination");
    let schedules = root.entries("schedule");
    root.finish();

    let read_sites: Vec<Option<Site>> = sites.iter().map(Site::read).collect();
    let read_destinations: Vec<Option<Destination>> =
        destinations.iter().map(Destination::read).collect();
    let staging = staging.unwrap_or_default();
    checks::hosts(context, &sites, &read_sites);
    checks::places(context, &destinations, &read_destinations, &staging);

    let mut named = Named {
        sites: by_label(&sites, &read_sites),
        destinations: by_label(&destinations, &read_destinations),
        backups: BTreeMap::new(),
        used: BTreeSet::new(),
    };
    let read_schedules: Vec<Option<Schedule>> = schedules
        .iter()
        .map(|entry| Schedule::read(entry, time_zone.unwrap_or(Tz::UTC), &mut named))
        .collect();
    checks::unused(context, [&sites, &destinations], &schedules, &named.used);
    names::check(context, &destinations, &read_destinations, &read_schedules);

    Some(Settings {
        digest: Digest::of(context.text.as_bytes()),
        log,
        staging,
        service: service.unwrap_or_default(),
        retry: retry.unwrap_or_default(),
        events: events.flatten(),
        time_zone: time_zone.unwrap_or(Tz::UTC),
        sites: read_sites.into_iter().collect::<Option<_>>()?,
        destinations: read_destinations.into_iter().collect::<Option<_>>()?,
        schedules: read_schedules.into_iter().collect::<Option<_>>()?,
        warnings: Vec::new(),
    })
}

fn time_zone(value: &Value<'_>) -> Option<Tz> {
    let name = value.text()?;
    let zone = name.parse().ok();
    if zone.is_none() {
        let names = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        let help = match nearest(name, names) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => {
                "names of the IANA time zone database are known, such as `Europe/Berlin`".to_owned()
            }
        };
        value.problem(format!("there is no time zone {name:?}"), Some(help));
    }
    zone
}

fn by_label<'s, T>(
    entries: &[Entry<'s>],
    read: &'s [Option<T>],
) -> BTreeMap<&'s str, Option<&'s T>> {
    entries.iter().map(Entry::label).zip(read.iter().map(Option::as_ref)).collect()
}
