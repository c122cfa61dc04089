use std::time::Duration;

use session_report::ReportError;

use crate::SharedError;

/// Why the appliance did not give what was asked for. `asked` names it, with its site.
#[derive(Debug, thiserror::Error)]
pub enum ApplianceError {
    /// No connection: the name, the network, the port or TLS.
    #[error(
        "could not connect for {asked}: check the host, the network, proxies and the certificate"
    )]
    Unreachable {
        /// What was asked for.
        asked: String,
        /// What the connection said.
        #[source]
        source: reqwest::Error,
    },
    /// Connected, but the connection ended before an answer began.
    #[error("could not get {asked}: the connection ended without an answer")]
    HungUp {
        /// What was asked for.
        asked: String,
        /// What the connection said.
        #[source]
        source: reqwest::Error,
    },
    /// Connected, but nothing came for too long.
    #[error("could not get {asked}: the appliance was silent for {secs} s")]
    Silent {
        /// What was asked for.
        asked: String,
        /// The limit.
        secs: u64,
    },
    /// Bytes kept coming, but for too long.
    #[error("could not get {asked}: it was not whole after {secs} s and {bytes} bytes")]
    Slow {
        /// What was asked for.
        asked: String,
        /// What had come by then.
        bytes: u64,
        /// The limit.
        secs: u64,
    },
    /// The body ended before its end. Nothing of it may be used.
    #[error("could not get the whole of {asked}: the answer broke off after {bytes} bytes")]
    Cut {
        /// What was asked for.
        asked: String,
        /// What had come by then.
        bytes: u64,
        /// What the connection said.
        #[source]
        source: reqwest::Error,
    },
    /// The appliance (or a proxy before it) failed.
    #[error("could not get {asked}: the appliance answered {status}{words}")]
    Failing {
        /// What was asked for.
        asked: String,
        /// The HTTP status.
        status: u16,
        /// What it said, behind a colon; may be empty.
        words: String,
    },
    /// A token that was just issued is refused.
    #[error(
        "the appliance refuses a token that it has just issued, for {asked}: check that the API account is enabled and that no other client uses it up{words}"
    )]
    Unauthorized {
        /// What was asked for.
        asked: String,
        /// What it said, behind a colon; may be empty.
        words: String,
    },
    /// The client id or secret is wrong. Not tried again, because failed logins lock the account.
    #[error(
        "{site} refuses the client id or secret of its API account; set the right one (nothing is tried until then, lest the account be locked), or, if it is right by now, run `sluice check --forget-refusals`{words}"
    )]
    SecretRefused {
        /// The site.
        site: String,
        /// What it said, behind a colon; may be empty.
        words: String,
    },
    /// The login is refused though the secret may be right. Not tried again for a while.
    #[error(
        "{site} gives its API account no token: check that the account is enabled, not locked, and that this machine's address is allowed; it is asked again in ten minutes{words}"
    )]
    LoginForbidden {
        /// The site.
        site: String,
        /// What it said, behind a colon; may be empty.
        words: String,
    },
    /// What the processes share about the API account can't be reached: nobody knows what may be sent.
    #[error("nothing is asked of {site} while the record of its API account can't be reached")]
    Unshared {
        /// The site.
        site: String,
        /// Why.
        #[source]
        source: SharedError,
    },
    /// Logins of this account ended without a word, several times: their processes were killed.
    #[error("nobody logs in to {site} for {} s: processes were killed while they did, and each login may have failed", wait.as_secs())]
    LoginsUntold {
        /// The site.
        site: String,
        /// How long.
        wait: Duration,
    },
    /// The API account may not do this.
    #[error("the API account may not read {asked}: grant it {permission} on the appliance{words}")]
    Forbidden {
        /// What was asked for.
        asked: String,
        /// The permission's name in the API.
        permission: &'static str,
        /// What it said, behind a colon; may be empty.
        words: String,
    },
    /// Too many requests, or no slot for a download is free.
    #[error("{asked} has to wait {} s: the budget of the API account or of its downloads is used up", wait.as_secs())]
    Throttled {
        /// What was asked for.
        asked: String,
        /// How long.
        wait: Duration,
    },
    /// The appliance does not keep it any more.
    #[error("the appliance does not have {asked} any more: {words}")]
    Expired {
        /// What was asked for.
        asked: String,
        /// What it said.
        words: String,
    },
    /// The appliance is still making it.
    #[error("the appliance does not have {asked} yet: {words}")]
    NotReady {
        /// What was asked for.
        asked: String,
        /// What it said.
        words: String,
    },
    /// The appliance finds nothing under this id. It may be too early, or too late: the caller knows its age.
    #[error("the appliance finds nothing for {asked}: {words}")]
    NoMatch {
        /// What was asked for.
        asked: String,
        /// What it said.
        words: String,
    },
    /// The appliance answered with an error of its own instead of the content.
    #[error("the appliance refuses {asked}: {words}")]
    Refused {
        /// What was asked for.
        asked: String,
        /// What it said.
        words: String,
    },
    /// A page for people, a redirect elsewhere: something else answers in the appliance's place.
    #[error(
        "what answers for {asked} is not the appliance's API: {what}; check the host, `url` and proxies, and that the XML API is enabled"
    )]
    NotTheAppliance {
        /// What was asked for.
        asked: String,
        /// What it looks like.
        what: String,
    },
    /// A status that the API does not document.
    #[error("the appliance answered {status} to {asked}{words}")]
    Unexpected {
        /// What was asked for.
        asked: String,
        /// The HTTP status.
        status: u16,
        /// What it said, behind a colon; may be empty.
        words: String,
    },
    /// An answer that must fit into memory does not.
    #[error("{asked} has more than {bytes_max} bytes: ask for less at a time")]
    TooLarge {
        /// What was asked for.
        asked: String,
        /// The limit.
        bytes_max: usize,
    },
    /// The answer is whole but can't be read.
    #[error("{asked} cannot be read")]
    Unreadable {
        /// What was asked for.
        asked: String,
        /// What is wrong with it.
        #[source]
        source: ReportError,
    },
    /// The answer is whole but is not what the API documents.
    #[error("{asked} is not what the API documents: {what}")]
    Malformed {
        /// What was asked for.
        asked: String,
        /// What is wrong with it.
        what: String,
    },
    /// No answer told the appliance's time.
    #[error(
        "{asked} does not tell the appliance's time: no Date header, and no timestamp in the API's information; a proxy may remove it"
    )]
    NoClock {
        /// What was asked for.
        asked: String,
    },
    /// The product has no such thing.
    #[error("{product} has no {what}: remove it from the transfers of {site}")]
    NotOffered {
        /// The site.
        site: String,
        /// Its product.
        product: domain::Product,
        /// What it does not have.
        what: String,
    },
    /// A request for another site was given to this client.
    #[error("{asked} was asked of the client of {site}: a programming error")]
    WrongSite {
        /// The client's site.
        site: String,
        /// What was asked for.
        asked: String,
    },
}

/// What is to be done about an [`ApplianceError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recourse {
    /// This request failed; it may work later.
    Retry,
    /// It never will.
    Reject,
    /// The appliance does not have it any more; nobody's failure.
    Unavailable,
    /// The appliance does not have it yet, or not any more: the caller knows its age.
    NotYet,
    /// The site or the account as a whole does not work; others of its requests won't either.
    Down,
    /// Wait this long.
    Throttled(Duration),
}

impl ApplianceError {
    /// What is to be done about it: decided here, once.
    pub fn recourse(&self) -> Recourse {
        match self {
            ApplianceError::Unreachable { .. }
            | ApplianceError::HungUp { .. }
            | ApplianceError::Silent { .. }
            | ApplianceError::Slow { .. }
            | ApplianceError::Failing { .. }
            | ApplianceError::Unauthorized { .. }
            | ApplianceError::SecretRefused { .. }
            | ApplianceError::LoginForbidden { .. }
            | ApplianceError::LoginsUntold { .. }
            | ApplianceError::Unshared { .. }
            | ApplianceError::Forbidden { .. }
            | ApplianceError::NotTheAppliance { .. } => Recourse::Down,
            ApplianceError::Cut { .. }
            | ApplianceError::Refused { .. }
            | ApplianceError::Unexpected { .. }
            | ApplianceError::TooLarge { .. }
            | ApplianceError::Unreadable { .. }
            | ApplianceError::Malformed { .. }
            | ApplianceError::NoClock { .. } => Recourse::Retry,
            ApplianceError::NotOffered { .. } | ApplianceError::WrongSite { .. } => {
                Recourse::Reject
            }
            ApplianceError::Expired { .. } => Recourse::Unavailable,
            ApplianceError::NotReady { .. } | ApplianceError::NoMatch { .. } => Recourse::NotYet,
            ApplianceError::Throttled { wait, .. } => Recourse::Throttled(*wait),
        }
    }
}

/// What the appliance said, as it goes behind a sentence; nothing where it said nothing.
pub(crate) fn behind_colon(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(": {words}") }
}
