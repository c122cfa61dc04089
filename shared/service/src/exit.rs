//! How a program ends: its exit code and the one text that says why.

use std::error::Error;
use std::fmt::Write as _;
use std::process::ExitCode;

use crate::LogFormat;

/// The work is done, or was stopped in good order.
pub const DONE: u8 = 0;
/// The work failed; starting again may help.
pub const FAILED: u8 = 1;
/// The settings or the command line are wrong; starting again changes nothing.
pub const USAGE: u8 = 2;

/// An error that ends a program, and the exit code that it ends with.
pub trait Exit: Error {
    /// The exit code: [`FAILED`] unless the error knows better.
    fn code(&self) -> u8 {
        FAILED
    }
}

/// Prints the error with its whole cause chain to stderr, once, and returns its exit code.
///
/// For what fails before telemetry is started, such as reading the settings.
pub fn fail(error: &impl Exit) -> ExitCode {
    fail_in(LogFormat::Text, error)
}

pub(crate) fn fail_in(format: LogFormat, error: &impl Exit) -> ExitCode {
    match format {
        LogFormat::Text => eprintln!("{}", report(error)),
        LogFormat::Json => eprintln!("{}", report_json(error)),
    }
    ExitCode::from(error.code())
}

/// The error and its causes, one a line: `error: …`, then `  caused by: …`.
pub fn report(error: &dyn Error) -> String {
    let mut text = format!("error: {error}");
    for cause in causes(error) {
        write!(text, "\n  caused by: {cause}").expect("writing to a string cannot fail");
    }
    text
}

/// One line, so that whoever reads stderr as JSON can read the last line too.
fn report_json(error: &dyn Error) -> serde_json::Value {
    let causes: Vec<String> = causes(error).collect();
    serde_json::json!({
        "level": "ERROR",
        "fields": { "message": error.to_string(), "causes": causes },
        "target": "service",
    })
}

fn causes(error: &dyn Error) -> impl Iterator<Item = String> {
    std::iter::successors(error.source(), |&cause| cause.source()).map(ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("could not start")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("could not open the log")]
    struct Inner(#[source] std::io::Error);

    impl Exit for Outer {}

    fn error() -> Outer {
        Outer(Inner(std::io::Error::other("disk on fire")))
    }

    #[test]
    fn a_report_tells_the_whole_chain_once() {
        assert_eq!(
            report(&error()),
            "error: could not start\n  caused by: could not open the log\n  caused by: disk on fire"
        );
    }

    #[test]
    fn a_json_report_is_one_line_with_the_same_chain() {
        let line = report_json(&error()).to_string();
        assert!(!line.contains('\n'));
        assert!(line.contains(r#""causes":["could not open the log","disk on fire"]"#), "{line}");
    }

    #[test]
    fn an_error_fails_with_one_unless_it_says_otherwise() {
        assert_eq!(error().code(), FAILED);
    }
}
