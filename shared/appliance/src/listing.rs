use std::fmt;
use std::sync::PoisonError;

use chrono::DateTime;
use domain::{ApplianceTime, Family, Product};
use session_report::{ListedSession, Listing, ReportError};

use crate::answer::{Said, said, said_anyway};
use crate::request::{Ask, Body, LIMITS_QUICK, error_of};
use crate::sniff::{Sniffed, sniff};
use crate::{ApplianceError, Client};

/// About half a million sessions. A scan that meets it asks for smaller windows.
const LISTING_BYTES_MAX: usize = 64 << 20;
/// Texts that are remembered not to mean "nothing"; some may hold a number that is never the same.
const WORDS_MAX: usize = 100;
/// A second in which no session ever ended: 1970-01-02T00:00:00Z.
const LONG_AGO_SECS: i64 = 86_400;

/// Which sessions a listing shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// Those that are closed and ended in it.
    Ended {
        /// Its start.
        from: ApplianceTime,
        /// Its length. The API takes 0 for "up to now", so 0 is taken for 1.
        secs: u32,
    },
    /// Those that began in it, also such as still run or closed abnormally.
    Started {
        /// Its start.
        from: ApplianceTime,
        /// Its length. The API takes 0 for "up to now", so 0 is taken for 1.
        secs: u32,
    },
}

/// What a listing shows.
#[derive(Debug)]
pub struct Listed {
    /// The sessions or presentations.
    pub sessions: Vec<ListedSession>,
    /// Entries that name no usable session: nothing can be done for them, and a person should know.
    pub unusable: Vec<ReportError>,
    /// The appliance's clock when it answered.
    pub clock: ApplianceTime,
}

impl Client {
    /// Lists the sessions or presentations of a window. None is an empty list, however the site words it.
    ///
    /// # Errors
    /// When the appliance does not tell; the window then counts as not seen.
    pub async fn listing(&self, family: Family, window: Window) -> Result<Listed, ApplianceError> {
        let Some(name) = listing_name(self.product(), family) else {
            return Err(self.not_offered(format!("{} listing", family.as_str())));
        };
        let asked = format!("the {}s of {} that {window}", family.as_str(), self.site());
        let form = vec![("generate_report", name.to_owned())];
        let (body, clock) =
            self.listing_body(asked.clone(), [form, window.form()].concat()).await?;
        let clock = match clock {
            Some(clock) => clock,
            None => self.clock().await?,
        };
        let nothing = || Listed { sessions: Vec::new(), unusable: Vec::new(), clock };
        match said(&body) {
            Some(Said::NoMatch(_)) => return Ok(nothing()),
            Some(Said::Error(words)) if self.means_nothing(name, &window, &words).await? => {
                return Ok(nothing());
            }
            // A list of sessions does not expire: these words mean something else here.
            Some(Said::Expired(words)) => return Err(ApplianceError::Refused { asked, words }),
            Some(said) => return Err(error_of(asked, "perm_reporting_support", said)),
            None => {}
        }
        let (sessions, unusable) = parsed(&asked, &body)?;
        Ok(Listed { sessions, unusable, clock })
    }

    /// Whether the appliance answers requests for reports at all, which its command API does not tell: a second long
    /// ago is listed.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn answers_reports(&self) -> Result<(), ApplianceError> {
        let from = DateTime::from_timestamp(LONG_AGO_SECS, 0).unwrap_or_default();
        let window = Window::Ended { from: ApplianceTime::read_off(from), secs: 1 };
        self.listing(Family::Session, window).await.map(drop)
    }

    async fn listing_body(
        &self,
        asked: String,
        form: Vec<(&'static str, String)>,
    ) -> Result<(bytes::Bytes, Option<ApplianceTime>), ApplianceError> {
        let ask = Ask {
            asked,
            path: "api/reporting",
            body: Body::Form(form),
            permission: "perm_reporting_support",
            limits: LIMITS_QUICK,
        };
        let opened = self.open(ask).await?;
        match sniff(&opened.first) {
            // To ask what its words mean is to ask for a listing: a site that answers each like this is asked no end.
            Sniffed::Html | Sniffed::Json => Err(opened.into_spoken_error().await),
            Sniffed::Nothing => Err(ApplianceError::Malformed {
                asked: opened.asked,
                what: "it is empty".to_owned(),
            }),
            _ => {
                let clock = opened.clock;
                Ok((opened.whole(LISTING_BYTES_MAX).await?, clock))
            }
        }
    }

    /// Whether an error in unknown words, in answer to a request that needs this permission, is this site's way to say
    /// that it finds nothing. Each text is asked about once.
    pub(crate) async fn finds_nothing_by(&self, permission: &str, words: &str) -> bool {
        let name = listing_name(self.product(), Family::Session);
        let other = &self.inner().other_words;
        let known = || other.lock().unwrap_or_else(PoisonError::into_inner).contains(words);
        let (Some(name), "perm_reporting_support", false) = (name, permission, known()) else {
            return false;
        };
        let window = Window::Ended { from: ApplianceTime::read_off(DateTime::UNIX_EPOCH), secs: 1 };
        // In a box: to ask is a request, whose answer may be an error, too.
        match Box::pin(self.means_nothing(name, &window, words)).await {
            Ok(true) => true,
            Ok(false) => {
                let mut other = other.lock().unwrap_or_else(PoisonError::into_inner);
                if other.len() < WORDS_MAX {
                    other.insert(words.to_owned());
                }
                false
            }
            Err(error) => {
                tracing::debug!(%error, "could not ask how the site says that it found nothing");
                false
            }
        }
    }

    /// Whether an error in unknown words is this site's way to say that a window holds nothing.
    ///
    /// It is, if the site says the same of a second long ago, and says something else of a request that is wrong: a
    /// site that answers everything alike (the API is switched off, say) tells nothing about the window.
    async fn means_nothing(
        &self,
        name: &'static str,
        window: &Window,
        words: &str,
    ) -> Result<bool, ApplianceError> {
        let learnt = &self.inner().none_words;
        if learnt.lock().unwrap_or_else(PoisonError::into_inner).contains(words) {
            return Ok(true);
        }
        let list = || vec![("generate_report", name.to_owned())];
        let long_ago =
            vec![(window.parameter(), LONG_AGO_SECS.to_string()), ("duration", "1".to_owned())];
        let of_nothing = self.error_words([list(), long_ago].concat()).await?;
        if of_nothing.as_deref() != Some(words) {
            return Ok(false);
        }
        if self.error_words(list()).await?.as_deref() == Some(words) {
            return Ok(false);
        }
        tracing::info!(site = %self.site(), words, "learnt how the site says that it found nothing");
        learnt.lock().unwrap_or_else(PoisonError::into_inner).insert(words.to_owned());
        Ok(true)
    }

    /// The words of the error that a listing is; `None` where it is none. A bad status has words, too.
    async fn error_words(
        &self,
        form: Vec<(&'static str, String)>,
    ) -> Result<Option<String>, ApplianceError> {
        let asked = format!("how {} says that it found nothing", self.site());
        match self.listing_body(asked, form).await {
            Ok((body, _)) => Ok(said(&body).map(Said::words)),
            Err(
                ApplianceError::Refused { words, .. } | ApplianceError::Unexpected { words, .. },
            ) => Ok(Some(words)),
            Err(error) => Err(error),
        }
    }
}

fn parsed(
    asked: &str,
    body: &[u8],
) -> Result<(Vec<ListedSession>, Vec<ReportError>), ApplianceError> {
    let (mut sessions, mut unusable) = (Vec::new(), Vec::new());
    for listed in Listing::new(body) {
        match listed {
            Ok(session) => sessions.push(session),
            Err(error @ (ReportError::LsidMissing { .. } | ReportError::LsidInvalid { .. })) => {
                unusable.push(error);
            }
            Err(ReportError::Appliance { message, .. }) => {
                let said = said_anyway(message.as_bytes());
                return Err(error_of(asked.to_owned(), "perm_reporting_support", said));
            }
            Err(source) => {
                return Err(ApplianceError::Unreadable { asked: asked.to_owned(), source });
            }
        }
    }
    Ok((sessions, unusable))
}

impl Window {
    fn parts(&self) -> (&'static str, ApplianceTime, u32) {
        match *self {
            Window::Ended { from, secs } => ("end_time", from, secs.max(1)),
            Window::Started { from, secs } => ("start_time", from, secs.max(1)),
        }
    }

    fn parameter(&self) -> &'static str {
        self.parts().0
    }

    fn form(&self) -> Vec<(&'static str, String)> {
        let (parameter, from, secs) = self.parts();
        vec![(parameter, from.unix_secs().to_string()), ("duration", secs.to_string())]
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self {
            Window::Ended { .. } => "ended",
            Window::Started { .. } => "began",
        };
        let (_, from, secs) = self.parts();
        write!(f, "{verb} in the {secs} s from {from}")
    }
}

const fn listing_name(product: Product, family: Family) -> Option<&'static str> {
    match (product, family) {
        (Product::RemoteSupport, Family::Session) => Some("SupportSessionListing"),
        (Product::RemoteSupport, Family::Presentation) => Some("PresentationSessionListing"),
        (Product::PrivilegedRemoteAccess, Family::Session) => Some("AccessSessionListing"),
        (Product::PrivilegedRemoteAccess, Family::Presentation) => None,
    }
}

pub(crate) const fn report_name(product: Product, family: Family) -> Option<&'static str> {
    match (product, family) {
        (Product::RemoteSupport, Family::Session) => Some("SupportSession"),
        (Product::RemoteSupport, Family::Presentation) => Some("PresentationSession"),
        (Product::PrivilegedRemoteAccess, Family::Session) => Some("AccessSession"),
        (Product::PrivilegedRemoteAccess, Family::Presentation) => None,
    }
}
