use std::collections::BTreeMap;

use domain::{Conflict, FileNameFormat, Kind};

use crate::reader::{Entry, TableReader, Value};
use crate::{Begin, Destination, FilesTarget, Formats, SqlEngine, SqlTarget, Target, url};

/// What `type` may say.
#[derive(Clone, Copy)]
enum Type {
    Files,
    SqlServer,
    Sqlite,
}

const FILES_KEYS: [&str; 7] =
    ["url", "file_name", "file_names", "on_conflict", "prior_backups", "storage_class", "sidecars"];
const SQL_SERVER_KEYS: [&str; 4] =
    ["connection", "store_system_information", "batch_sessions_max", "migrate_at_start"];
const SQLITE_KEYS: [&str; 4] =
    ["path", "store_system_information", "batch_sessions_max", "migrate_at_start"];

impl std::fmt::Display for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Type::Files => "files",
            Type::SqlServer => "sql-server",
            Type::Sqlite => "sqlite",
        })
    }
}

impl Destination {
    pub(crate) fn read(entry: &Entry<'_>) -> Option<Destination> {
        let mut table = entry.table()?;
        let types = [Type::Files, Type::SqlServer, Type::Sqlite];
        let target_type = table.required("type", |value| value.one_of(&types));
        let workers = table.optional("workers", |value| value.number(1..=64));
        let start = table.optional("start", |value| value.parsed::<Begin>());
        let Some(target_type) = target_type else {
            // Which keys are unknown depends on the type; all that a type knows are let pass.
            table.finish_knowing(&[&FILES_KEYS[..], &SQL_SERVER_KEYS, &SQLITE_KEYS].concat());
            return None;
        };
        let (target, usual_workers) = match target_type {
            Type::Files => (files(&mut table).map(Target::Files), Destination::FILES_WORKERS),
            Type::SqlServer | Type::Sqlite => (
                sql(&mut table, target_type, entry.needs().destinations).map(Target::Sql),
                Destination::SQL_WORKERS,
            ),
        };
        table.finish();
        Some(Destination {
            label: entry.label().to_owned(),
            workers: workers.unwrap_or(usual_workers),
            start: start.unwrap_or_default(),
            target: target?,
        })
    }
}

fn files(table: &mut TableReader<'_>) -> Option<FilesTarget> {
    let url = table.required("url", |value| value.checked(url::place));
    let given = table.optional("file_name", |value| value.parsed::<FileNameFormat>());
    let overrides = table.optional("file_names", formats_by_kind);
    let on_conflict = table.optional("on_conflict", |value| value.one_of(&Conflict::ALL));
    let prior_backups = table.optional("prior_backups", |value| value.number(0..=10_000));
    let storage_class = table.optional("storage_class", |value| value.filled_text());
    let sidecars = table.optional("sidecars", |value| value.boolean());
    let is_folder = url.is_some_and(|url| url.starts_with("file:"));
    if is_folder {
        table.refuse("storage_class", "goes only with a bucket", "a folder has no storage classes");
    }
    Some(FilesTarget {
        url: if is_folder { url? } else { url?.trim_end_matches('/') }.to_owned(),
        storage_class,
        sidecars: sidecars.unwrap_or(false),
        formats: Formats::new(given.as_ref(), overrides.unwrap_or_default()),
        on_conflict: on_conflict.unwrap_or(Conflict::AppendNumber),
        prior_backups,
    })
}

fn formats_by_kind(value: Value<'_>) -> Option<BTreeMap<Kind, FileNameFormat>> {
    let mut table = value.table()?;
    let formats = Kind::ALL
        .into_iter()
        .filter_map(|kind| {
            let format = table.optional(kind.as_str(), |value| value.parsed::<FileNameFormat>())?;
            Some((kind, format))
        })
        .collect();
    table.finish();
    Some(formats)
}

fn sql(table: &mut TableReader<'_>, target_type: Type, needed: bool) -> Option<SqlTarget> {
    let engine = match target_type {
        Type::SqlServer => table
            .required("connection", |value| value.secret(needed))
            .map(|connection| SqlEngine::SqlServer { connection }),
        Type::Sqlite | Type::Files => {
            table.required("path", |value| value.path()).map(|path| SqlEngine::Sqlite { path })
        }
    };
    let store_system_information =
        table.optional("store_system_information", |value| value.boolean());
    let batch_sessions_max = table.optional("batch_sessions_max", |value| value.number(1..=1_000));
    let migrate_at_start = table.optional("migrate_at_start", |value| value.boolean());
    Some(SqlTarget {
        engine: engine?,
        store_system_information: store_system_information.unwrap_or(true),
        batch_sessions_max: batch_sessions_max.unwrap_or(SqlTarget::BATCH_SESSIONS_MAX),
        migrate_at_start: migrate_at_start.unwrap_or(true),
    })
}
