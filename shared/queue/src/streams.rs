use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::context::CreateStreamErrorKind;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use messages::Subjects;

use crate::{BoxError, LogError};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Longer than an appliance keeps its reports (90 days), with room for a scan that comes late.
const DUE_AGE_MAX: Duration = DAY.saturating_mul(120);

/// How full a stream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamState {
    /// Its name.
    pub name: String,
    /// Messages in it.
    pub messages: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// The last position.
    pub last: u64,
}

/// The names of the four streams.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    pub due: String,
    pub artifacts: String,
    pub activity: String,
    pub dead: String,
}

impl Names {
    pub fn new(prefix: &str) -> Self {
        Names {
            due: format!("{prefix}-DUE"),
            artifacts: format!("{prefix}-ARTIFACTS"),
            activity: format!("{prefix}-ACTIVITY"),
            dead: format!("{prefix}-DEAD"),
        }
    }
}

/// Makes the four streams, or brings ours up to date, and reads back what the server made of them.
pub(crate) async fn ensure(
    jetstream: &Context,
    names: &Names,
    subjects: &Subjects,
    replicas: usize,
) -> Result<(), LogError> {
    let base = |name: &str, subjects: Vec<String>| Config {
        name: name.to_owned(),
        subjects,
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        discard: DiscardPolicy::New,
        num_replicas: replicas,
        deny_delete: true,
        deny_purge: true,
        ..Config::default()
    };
    let due = Config { max_age: DUE_AGE_MAX, ..base(&names.due, subjects.of_due()) };
    let artifacts = base(&names.artifacts, subjects.of_artifacts());
    let activity = Config { max_age: DUE_AGE_MAX, ..base(&names.activity, subjects.of_activity()) };
    // One letter a worker, destination and artifact: the last one wins, and handled ones are deleted.
    let dead = Config {
        max_messages_per_subject: 1,
        deny_delete: false,
        deny_purge: false,
        ..base(&names.dead, subjects.of_dead())
    };
    for config in [due, activity, dead, artifacts] {
        ensure_one(jetstream, subjects.prefix(), config).await?;
    }
    Ok(())
}

async fn ensure_one(jetstream: &Context, prefix: &str, wanted: Config) -> Result<(), LogError> {
    let name = wanted.name.clone();
    let failed = |cause: BoxError| LogError::Stream { name: name.clone(), cause };
    let stream = jetstream
        .get_or_create_stream(wanted.clone())
        .await
        .map_err(|cause| failed(cause.into()))?;
    let mut info = stream.get_info().await.map_err(|cause| failed(cause.into()))?;
    if !is_ours(&info.config, prefix) {
        return Err(LogError::StreamDiffers { name: wanted.name });
    }
    if !as_wanted(&info.config, &wanted) {
        info = match jetstream.update_stream(&wanted).await {
            Ok(info) => info,
            Err(error) if matches!(error.kind(), CreateStreamErrorKind::JetStream(_)) => {
                return Err(LogError::StreamDiffers { name: wanted.name });
            }
            Err(cause) => return Err(failed(cause.into())),
        };
    }
    if as_wanted(&info.config, &wanted) {
        Ok(())
    } else {
        Err(LogError::StreamDiffers { name: wanted.name })
    }
}

/// Whether all its subjects lie below our prefix: another program's stream of the same name is left as it is.
fn is_ours(has: &Config, prefix: &str) -> bool {
    let below = |subject: &String| subject.strip_prefix(prefix).is_some_and(|s| s.starts_with('.'));
    has.subjects.iter().all(below)
}

fn as_wanted(has: &Config, wanted: &Config) -> bool {
    let (mut has_subjects, mut wanted_subjects) = (has.subjects.clone(), wanted.subjects.clone());
    has_subjects.sort();
    wanted_subjects.sort();
    has_subjects == wanted_subjects
        && has.retention == wanted.retention
        && has.storage == wanted.storage
        && has.discard == wanted.discard
        && has.num_replicas == wanted.num_replicas
        && has.max_age == wanted.max_age
        && has.max_messages_per_subject.max(-1)
            == if wanted.max_messages_per_subject == 0 {
                -1
            } else {
                wanted.max_messages_per_subject
            }
        && has.deny_delete == wanted.deny_delete
        && has.deny_purge == wanted.deny_purge
}
