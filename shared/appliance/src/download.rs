use std::fmt;

use bytes::Bytes;
use domain::{ArtifactId, Family, Kind, Lsid};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, stream};

use crate::account::DownloadPermit;
use crate::answer::{is_short_text, is_text, said};
use crate::listing::report_name;
use crate::request::{Ask, Body, LIMITS_MADE, LIMITS_QUICK, Opened};
use crate::resume::resumable;
use crate::sniff::{Sniffed, sniff};
use crate::{ApplianceError, Client};

/// How long a download waits for another to end before its caller is told to come again.
const PERMIT_WAIT: std::time::Duration = std::time::Duration::from_secs(30);
/// What a caller is told to wait then.
const PERMIT_AGAIN: std::time::Duration = std::time::Duration::from_secs(30);
/// Longer texts behind a period are no extensions.
const EXTENSION_CHARS_MAX: usize = 8;
const PERMISSION: &str = "perm_reporting_support";

/// Content on its way. A recording's or backup's occupies one of the site's download slots until it is dropped.
pub struct Download {
    /// The answer's `Content-Type`.
    pub content_type: Option<String>,
    /// The answer's `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// How many bytes the appliance says that it has.
    pub size: Option<u64>,
    /// The first 512 bytes or more, or all of a smaller body; the stream begins with them.
    pub first: Bytes,
    rest: BoxStream<'static, Result<Bytes, ApplianceError>>,
    permit: Option<DownloadPermit>,
}

impl Client {
    /// The report of one session or presentation, or of several in one document.
    ///
    /// An error inside the list, and a session that the list lacks, are for its reader to find.
    ///
    /// # Errors
    /// When the appliance does not give it; [`ApplianceError::NoMatch`] when it has none of them.
    pub async fn reports(
        &self,
        family: Family,
        lsids: &[Lsid],
    ) -> Result<Download, ApplianceError> {
        let name = self.offered(report_name(self.product(), family), family.report())?;
        let ids = lsids.iter().map(Lsid::as_str).collect::<Vec<_>>().join(",");
        let (parameter, asked) = match lsids {
            [lsid] => ("lsid", format!("the {} {lsid} of {}", family.report(), self.site())),
            _ => (
                "lsids",
                format!(
                    "the {} of {} {family}s of {}",
                    family.report(),
                    lsids.len(),
                    self.site(),
                    family = family.as_str()
                ),
            ),
        };
        let ask = Ask {
            asked,
            path: "api/reporting",
            body: Body::Form(vec![("generate_report", name.to_owned()), (parameter, ids)]),
            permission: PERMISSION,
            limits: LIMITS_QUICK,
        };
        let opened = self.open(ask).await?;
        let refused = match sniff(&opened.first) {
            Sniffed::Html | Sniffed::Json => true,
            Sniffed::Nothing => return Err(empty(opened.asked)),
            _ => said(&opened.first).is_some(),
        };
        if refused {
            return Err(opened.into_error().await);
        }
        Ok(Download::of(opened, None))
    }

    /// A recording of a session or presentation.
    ///
    /// # Errors
    /// [`ApplianceError::Expired`] when the appliance says that it has it no more; [`ApplianceError::Throttled`] when
    /// all download slots are taken; else when the appliance does not give it.
    pub async fn recording(&self, artifact: &ArtifactId) -> Result<Download, ApplianceError> {
        self.own(artifact)?;
        let name =
            self.offered(recording_name(self.product(), artifact.kind()), artifact.kind())?;
        let Some(lsid) = artifact.lsid() else {
            return Err(self.not_offered(format!("recording of {artifact}")));
        };
        let mut form = vec![("generate_report", name.to_owned()), ("lsid", lsid.to_string())];
        if let Some(instance) = artifact.instance() {
            form.push(("instance", instance.to_string()));
        }
        let (opened, permit) = self
            .file(
                Ask {
                    asked: format!("the {artifact}"),
                    path: "api/reporting",
                    body: Body::Form(form.clone()),
                    permission: PERMISSION,
                    limits: LIMITS_MADE,
                },
                artifact.kind(),
            )
            .await?;
        Ok(Download::of(resumable(self, form, opened), Some(permit)))
    }

    /// A backup of the site as it is now, encrypted if a password is set.
    ///
    /// # Errors
    /// As [`Client::recording`].
    pub async fn backup(&self) -> Result<Download, ApplianceError> {
        let body = match &self.inner().options.backup_password {
            Some(password) => Body::Password(password.clone()),
            None => Body::Nothing,
        };
        // Each is another one: there is no rest to ask for.
        let (opened, permit) = self
            .file(
                Ask {
                    asked: format!("a backup of {}", self.site()),
                    path: "api/backup",
                    body,
                    permission: "perm_backup",
                    limits: LIMITS_MADE,
                },
                Kind::SiteBackup,
            )
            .await?;
        Ok(Download::of(opened, Some(permit)))
    }

    /// A file, in one of the site's download slots; what the appliance says in its stead is an error.
    async fn file(&self, ask: Ask, kind: Kind) -> Result<(Opened, DownloadPermit), ApplianceError> {
        let slots = self.inner().downloads.clone();
        let permit = match tokio::time::timeout(PERMIT_WAIT, slots.acquire_owned()).await {
            Ok(Ok(permit)) => permit,
            // Time ran out, or the record of the permits does not answer: either way, later.
            _ => {
                return Err(ApplianceError::Throttled { asked: ask.asked, wait: PERMIT_AGAIN });
            }
        };
        let opened = self.open(ask).await?;
        // Films and backups are never text, however long; what was typed in a shell may be.
        let is_words = match kind {
            Kind::CommandShellRecording => opened.is_whole && is_short_text(&opened.first),
            _ => is_text(&opened.first),
        };
        match sniff(&opened.first) {
            Sniffed::Nothing => Err(empty(opened.asked)),
            sniffed if sniffed.is_speech() || is_words => Err(opened.into_error().await),
            _ if opened.part.ends_unseen() => {
                let what = "nothing tells where it ends, so it can't be known to be whole";
                Err(ApplianceError::Malformed { asked: opened.asked, what: what.to_owned() })
            }
            _ => Ok((opened, permit)),
        }
    }

    fn offered(
        &self,
        name: Option<&'static str>,
        kind: Kind,
    ) -> Result<&'static str, ApplianceError> {
        name.ok_or_else(|| self.not_offered(kind.to_string()))
    }
}

impl Download {
    fn of(opened: Opened, permit: Option<DownloadPermit>) -> Self {
        Download {
            content_type: opened.content_type,
            content_disposition: opened.content_disposition,
            size: opened.part.total,
            first: opened.first,
            rest: opened.rest,
            permit,
        }
    }

    /// The content, from its first byte. It fails where the body ends early, and then nothing of it may be used.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, ApplianceError>> + Send + 'static {
        let Download { first, rest, permit, .. } = self;
        stream::iter([Ok(first)]).chain(rest).inspect(move |_| {
            // The slot is occupied for as long as the stream lives.
            let _ = &permit;
        })
    }

    /// The extension for a file of this kind: a report's and a backup's are fixed, a recording's goes by its content,
    /// then by the answer's headers; `flv` where nothing tells.
    pub fn extension(&self, kind: Kind) -> String {
        let fixed = match kind {
            Kind::SessionData | Kind::PresentationData => Some("xml"),
            Kind::SiteBackup => Some("nsb"),
            Kind::SessionRecording
            | Kind::CommandShellRecording
            | Kind::ShowMyScreenRecording
            | Kind::PresentationRecording => sniff(&self.first).extension(),
        };
        if let Some(extension) = fixed {
            return extension.to_owned();
        }
        let named = self.content_disposition.as_deref().and_then(extension_of_name);
        let typed = self.content_type.as_deref().and_then(extension_of_type).map(str::to_owned);
        named.or(typed).unwrap_or_else(|| "flv".to_owned())
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("content_type", &self.content_type)
            .field("content_disposition", &self.content_disposition)
            .finish_non_exhaustive()
    }
}

fn empty(asked: String) -> ApplianceError {
    let what = "it is empty".to_owned();
    ApplianceError::Malformed { asked, what }
}

const fn recording_name(product: domain::Product, kind: Kind) -> Option<&'static str> {
    use domain::Product::{PrivilegedRemoteAccess, RemoteSupport};
    match (kind, product) {
        (Kind::SessionRecording, RemoteSupport) => Some("SupportSessionRecording"),
        (Kind::SessionRecording, PrivilegedRemoteAccess) => Some("AccessSessionRecording"),
        (Kind::CommandShellRecording, _) => Some("CommandShellRecording"),
        (Kind::ShowMyScreenRecording, RemoteSupport) => Some("ShowMyScreenRecording"),
        (Kind::PresentationRecording, RemoteSupport) => Some("PresentationSessionRecording"),
        _ => None,
    }
}

/// The extension of the file name that a `Content-Disposition` gives, if it looks like one.
fn extension_of_name(disposition: &str) -> Option<String> {
    let (_, name) = disposition.split_once("filename")?;
    let name = name.split(';').next()?.trim_end_matches(['"', ' ']);
    let (_, extension) = name.rsplit_once('.')?;
    let fits = (1..=EXTENSION_CHARS_MAX).contains(&extension.len())
        && extension.bytes().all(|byte| byte.is_ascii_alphanumeric());
    fits.then(|| extension.to_ascii_lowercase())
}

fn extension_of_type(content_type: &str) -> Option<&'static str> {
    let essence = content_type.split(';').next()?.trim().to_ascii_lowercase();
    match essence.as_str() {
        "video/x-flv" | "video/flv" => Some("flv"),
        "video/mp4" => Some("mp4"),
        "video/webm" => Some("webm"),
        "application/zip" => Some("zip"),
        "text/plain" => Some("txt"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_tells_an_extension_only_if_it_looks_like_one() {
        for (disposition, wanted) in [
            ("attachment; filename=\"a.b.MP4\"; size=3", Some("mp4")),
            ("attachment; filename*=UTF-8''x.webm", Some("webm")),
            ("attachment; filename=\"../..\"", None),
            ("attachment; filename=x.tar/../y", None),
            ("inline", None),
        ] {
            assert_eq!(extension_of_name(disposition).as_deref(), wanted, "{disposition}");
        }
    }

    #[test]
    fn each_product_has_names_for_what_it_has_and_for_nothing_else() {
        for product in [domain::Product::RemoteSupport, domain::Product::PrivilegedRemoteAccess] {
            let recordings =
                Kind::ALL.into_iter().filter(|kind| !kind.is_report() && *kind != Kind::SiteBackup);
            for kind in recordings {
                assert_eq!(recording_name(product, kind).is_some(), product.has(kind), "{kind}");
            }
        }
    }
}
