use std::collections::BTreeMap;

use domain::SiteHost;
use settings::{Settings, UnresolvedSecret};

use crate::{AccountRecord, BuildError, Client, ClientOptions};

/// One client for each site: whatever asks a site in this process shares it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Clients(BTreeMap<SiteHost, Client>);

/// Why a site has no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientsError {
    /// Its secret was not read.
    #[error("the client secret of {site} was not read")]
    Secret {
        /// Which site.
        site: SiteHost,
        /// Why.
        #[source]
        cause: UnresolvedSecret,
    },
    /// It can't be reached as the settings say.
    #[error("the settings of {site} make no client")]
    Client {
        /// Which site.
        site: SiteHost,
        /// Why.
        #[source]
        cause: BuildError,
    },
}

impl Clients {
    /// The clients of all sites in the settings, each with a record of this process alone.
    ///
    /// # Errors
    /// At the first site that can't have one.
    pub fn from_settings(settings: &Settings) -> Result<Self, ClientsError> {
        Clients::sharing(settings, |_| AccountRecord::own())
    }

    /// The clients of all sites in the settings, each with the record of its account that it is given here.
    ///
    /// # Errors
    /// At the first site that can't have one.
    pub fn sharing(
        settings: &Settings,
        record: impl Fn(&settings::Site) -> AccountRecord,
    ) -> Result<Self, ClientsError> {
        let client = |site: &settings::Site| {
            let options = ClientOptions::from_site(site)
                .map_err(|cause| ClientsError::Secret { site: site.host.clone(), cause })?;
            let client = Client::sharing(options, record(site))
                .map_err(|cause| ClientsError::Client { site: site.host.clone(), cause })?;
            Ok((site.host.clone(), client))
        };
        settings.sites.iter().map(client).collect::<Result<_, _>>().map(Clients)
    }

    /// All of them, by site.
    pub fn iter(&self) -> impl Iterator<Item = &Client> {
        self.0.values()
    }

    /// The client of a site of these settings.
    pub fn of(&self, site: &SiteHost) -> Option<&Client> {
        self.0.get(site)
    }
}
