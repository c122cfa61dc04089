use std::sync::Arc;

use appliance::ApplianceError;
use domain::SiteHost;
use queue::{BucketError, LogError};

use crate::ChangeError;

/// Why a scan ended early. What was covered by then stays covered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScanError {
    /// The appliance did not tell.
    #[error("could not learn from {site} what has ended")]
    Appliance {
        /// The site.
        site: SiteHost,
        /// What it said.
        #[source]
        cause: ApplianceError,
    },
    /// The appliance did not tell of some windows, and told of all others.
    #[error(
        "could not learn from {site} what has ended in {windows} windows of its time; all else was scanned, and they are asked for again within the hour"
    )]
    SetAside {
        /// The site.
        site: SiteHost,
        /// How many.
        windows: usize,
        /// What it said of the first that failed.
        #[source]
        cause: Arc<ApplianceError>,
    },
    /// The log did not take it.
    #[error("could not announce what has ended on {site}")]
    Announce {
        /// The site.
        site: SiteHost,
        /// Why.
        #[source]
        cause: LogError,
    },
    /// How far it got could not be kept.
    #[error("could not keep how far the scan of {site} got")]
    Coverage {
        /// The site.
        site: SiteHost,
        /// Why.
        #[source]
        cause: ChangeError,
    },
    /// The marks of abandoned sessions could not be read or written.
    #[error("could not keep the abandoned sessions of {site}")]
    Abandoned {
        /// The site.
        site: SiteHost,
        /// Why.
        #[source]
        cause: BucketError,
    },
    /// What was looked at again could not be read or kept.
    #[error("could not keep how far second looks at the sessions of {site} got")]
    Looks {
        /// The site.
        site: SiteHost,
        /// Why.
        #[source]
        cause: BucketError,
    },
    /// Whose turn it is to scan could not be read or kept.
    #[error("could not take the turn to scan {site}")]
    Turn {
        /// The site.
        site: SiteHost,
        /// Why.
        #[source]
        cause: ChangeError,
    },
    /// This process was so slow that another one took over.
    #[error("another poller has taken over the scan of {site}")]
    TakenOver {
        /// The site.
        site: SiteHost,
    },
}
