//! The words of errors and the XML they come in.

use crate::fault::Language;
use crate::xml::Xml;

/// What an appliance says when it has nothing better to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Message {
    NothingFound,
    RecordingExpired,
    RecordingNotReady,
    NoRecording,
    ReportFailed,
    UnknownReport,
    PermissionDenied,
    UnknownAction,
    FormRequired,
}

pub(crate) fn text_of(message: Message, language: Language) -> &'static str {
    use Language::{English, French, German};
    match (message, language) {
        (Message::NothingFound, English) => {
            "No Support report information matching your chosen criteria is available."
        }
        (Message::NothingFound, French) => {
            "Aucune information de rapport Support correspondant à vos critères n’est disponible."
        }
        (Message::NothingFound, German) => {
            "Es sind keine Support-Berichtsdaten verfügbar, die Ihren Kriterien entsprechen."
        }
        (Message::RecordingExpired, English) => {
            "This recording has expired and can no longer be viewed or downloaded."
        }
        (Message::RecordingExpired, French) => {
            "Cet enregistrement a expiré et ne peut plus être consulté ni téléchargé."
        }
        (Message::RecordingExpired, German) => {
            "Diese Aufzeichnung ist abgelaufen und kann nicht mehr angesehen oder heruntergeladen werden."
        }
        (Message::RecordingNotReady, English) => {
            "This recording is being processed and is not yet available."
        }
        (Message::RecordingNotReady, French) => "Cet enregistrement est en cours de traitement.",
        (Message::RecordingNotReady, German) => "Diese Aufzeichnung wird noch verarbeitet.",
        (Message::NoRecording, _) => "The requested recording does not exist.",
        (Message::ReportFailed, English) => {
            "An unexpected error occurred while generating the report."
        }
        (Message::ReportFailed, French) => {
            "Une erreur est survenue lors de la génération du rapport."
        }
        (Message::ReportFailed, German) => {
            "Beim Erstellen des Berichts ist ein Fehler aufgetreten."
        }
        (Message::UnknownReport, _) => "The requested report is not valid.",
        (Message::PermissionDenied, _) => {
            "The API account does not have permission to perform this operation."
        }
        (Message::UnknownAction, _) => "The requested action is not valid.",
        (Message::FormRequired, _) => "The request must be form-urlencoded.",
    }
}

/// An XML document that is only an error.
pub(crate) fn error_document(namespace: &str, text: &str) -> String {
    let mut xml = Xml::document();
    xml.leaf("error", &[("xmlns", namespace)], text);
    xml.finish()
}

/// An XML document with the error inside the root of a good answer.
pub(crate) fn nested_error_document(namespace: &str, root: &str, text: &str) -> String {
    let mut xml = Xml::document();
    xml.open(root, &[("xmlns", namespace)]);
    xml.leaf("error", &[], text);
    xml.close(root);
    xml.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_found_is_an_error_at_the_root() {
        let document = error_document("urn:x", text_of(Message::NothingFound, Language::English));
        assert!(document.ends_with(
            "<error xmlns=\"urn:x\">No Support report information matching your chosen criteria is available.</error>"
        ));
    }
}
