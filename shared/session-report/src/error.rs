use std::io;

use domain::InvalidLsid;

/// Why a report can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The bytes did not come; a retry may help.
    #[error("could not read the report")]
    Read(#[source] io::Error),
    /// The report stops before its root ends; a retry may help.
    #[error("the report ends early: its root element is not closed")]
    Truncated,
    /// The appliance answers with an error of its own.
    #[error("the appliance answers with an error{}: {message:?}", code_in_brackets(.code))]
    Appliance {
        /// Its text, without white space around it; it may be in any language.
        message: String,
        /// Its code, where it has one.
        code: Option<String>,
    },
    /// Something else than XML.
    #[error("this is not XML; it starts with {beginning:?}")]
    NotXml {
        /// Its first characters, made printable.
        beginning: String,
    },
    /// XML of another kind.
    #[error("the root element is <{root}>, which is no list of sessions")]
    UnexpectedRoot {
        /// Its local name.
        root: String,
    },
    /// An encoding that appliances don't use.
    #[error("the report is encoded in {encoding}; only UTF-8 is read")]
    Encoding {
        /// As declared, or as the first bytes tell.
        encoding: String,
    },
    /// No report has one, and it can define entities that grow without bound.
    #[error("there is a DOCTYPE, which reports don't have; is it a web page?")]
    Doctype,
    /// A reference to something that XML does not define.
    #[error("the entity &{name}; is not defined")]
    UnknownEntity {
        /// What stands between `&` and `;`.
        name: String,
    },
    /// XML that breaks the rules of XML.
    #[error("the XML is malformed at byte {position}")]
    Malformed {
        /// Where, in bytes from the start of the body.
        position: u64,
        /// How.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// More than the limit for it.
    #[error("{what} than the limit of {max}")]
    TooLarge {
        /// What has more of what.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// A session that can't be named.
    #[error("session {position} of the report has no attribute lsid")]
    LsidMissing {
        /// Which one, counted from 1.
        position: u64,
    },
    /// A session whose name can't be used.
    #[error("the attribute lsid of session {position} of the report is unusable")]
    LsidInvalid {
        /// Which one, counted from 1.
        position: u64,
        /// Why.
        #[source]
        cause: InvalidLsid,
    },
    /// A recording that can't be named.
    #[error(
        "the session {lsid} names a recording by the instance {instance:?}, which is no number"
    )]
    Instance {
        /// The session.
        lsid: String,
        /// The attribute's value.
        instance: String,
    },
    /// A document is expected to hold one session.
    #[error("the document holds {count} sessions instead of one")]
    NotOneSession {
        /// "no" or "several".
        count: &'static str,
    },
}

fn code_in_brackets(code: &Option<String>) -> String {
    code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default()
}

/// Longer messages of an appliance are cut.
const MESSAGE_CHARACTERS_MAX: usize = 4096;

impl ReportError {
    pub(crate) fn appliance(message: &str, code: Option<String>) -> Self {
        ReportError::Appliance {
            message: message.trim().chars().take(MESSAGE_CHARACTERS_MAX).collect(),
            code,
        }
    }

    pub(crate) fn malformed(
        position: u64,
        cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        ReportError::Malformed { position, cause: cause.into() }
    }

    /// What the parser says, told apart by whether the bytes had come to their end.
    pub(crate) fn parsing(error: quick_xml::Error, position: u64, ended: bool) -> Self {
        use quick_xml::errors::IllFormedError::UnclosedReference;
        use quick_xml::{Error, encoding::EncodingError};
        match error {
            Error::Io(cause) => ReportError::Read(io::Error::new(cause.kind(), cause)),
            Error::Syntax(_) | Error::IllFormed(UnclosedReference) if ended => {
                ReportError::Truncated
            }
            Error::Encoding(EncodingError::Utf8(cause)) if ended && cause.error_len().is_none() => {
                ReportError::Truncated
            }
            other => ReportError::malformed(position, other),
        }
    }
}
