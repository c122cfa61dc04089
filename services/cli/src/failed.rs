use std::error::Error;
use std::fmt;

use service::{Exit, FAILED, USAGE};

/// Why a command failed, with its whole chain, and what the process says by its exit code.
#[derive(Debug)]
pub(crate) struct Failed {
    error: anyhow::Error,
    code: u8,
}

impl Failed {
    pub fn settings(error: settings::SettingsError) -> Self {
        Failed { error: error.into(), code: USAGE }
    }
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Self {
        Failed { error, code: FAILED }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let error: &(dyn Error + 'static) = self.error.as_ref();
        error.source()
    }
}

impl Exit for Failed {
    fn code(&self) -> u8 {
        self.code
    }
}
