use std::fs::{DirBuilder, File, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use queue::{Log, LogOptions};
use settings::Settings;

/// The folder of one `sluice up`, held so that no second one uses it: two servers on one store would corrupt it.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Makes and locks it.
    pub fn hold(path: &Path) -> anyhow::Result<DataDir> {
        // Reports, recordings and backups lie in there: they are nobody else's business.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("could not make the data directory {}", path.display()))?;
        let path = path
            .canonicalize()
            .with_context(|| format!("could not find the data directory {}", path.display()))?;
        let lock = File::create(path.join("lock")).with_context(|| {
            format!("could not write into the data directory {}", path.display())
        })?;
        match lock.try_lock() {
            Ok(()) => Ok(DataDir { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(anyhow!(
                "another `sluice up` runs with the data directory {}: stop it, or choose another with --data-dir",
                path.display()
            )),
            Err(TryLockError::Error(cause)) => {
                Err(cause).with_context(|| format!("could not lock {}", path.display()))
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// The URL of staging: the settings', or a folder of the data directory.
pub(crate) fn staging_url(settings: &Settings, data_dir: &Path) -> anyhow::Result<String> {
    if let Some(url) = &settings.staging.url {
        return Ok(url.clone());
    }
    let data_dir = std::path::absolute(data_dir).context("could not find the data directory")?;
    Ok(format!("file://{}/staging", data_dir.display()))
}

/// Connects a command for people to the log that the settings name, or to that of a running `sluice up`.
pub(crate) async fn connect(settings: &Settings, data_dir: &Path) -> anyhow::Result<Log> {
    let embedded = settings.log.url.is_none();
    let mut options = if embedded {
        let access = crate::broker::running(data_dir)?;
        LogOptions {
            prefix: settings.log.prefix.clone(),
            user: Some(access.user()),
            ..LogOptions::plain(&access.url(), "sluice")
        }
    } else {
        LogOptions::from_settings(&settings.log, "sluice")?
    };
    options.patience = std::time::Duration::from_secs(3);
    let connected = Log::connect(&options).await;
    if embedded {
        return connected.with_context(|| {
            format!(
                "no `sluice up` runs with the data directory {}: start it, or name its directory with --data-dir",
                data_dir.display()
            )
        });
    }
    Ok(connected?)
}
