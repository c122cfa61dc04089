use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::folding::fold;
use crate::Digest;

/// The path of a file below the directory of its destination: no value of it leads outside, into the ledger, or to a
/// name that some file system refuses.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelativePath(String);

/// A text that is no path of a file below a destination.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the path of a file that a destination may hold")]
pub struct InvalidPath(pub String);

/// Characters that separate, or that some file system refuses.
pub(super) fn is_hostile(character: char) -> bool {
    matches!(character, '/' | '\\' | '<' | '>' | ':' | '"' | '|' | '?' | '*')
        || character.is_control()
}

/// What file systems take as the name of one file or directory, in bytes of UTF-8.
const SEGMENT_BYTES_MAX: usize = 255;
/// What a name that had to be cut leaves free for a number and its period.
const NUMBER_BYTES_MAX: usize = 12;
/// An extension that is longer is no extension, and is cut with the rest.
const EXTENSION_BYTES_MAX: usize = 64;
/// Names that Windows gives to devices, with any extension.
const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];

impl RelativePath {
    /// Where a destination keeps its ledger; no file of ours is put there.
    pub const LEDGER: &'static str = ".sluice";

    /// The path of these segments, each made fit.
    pub(super) fn from_segments(segments: impl Iterator<Item = String>) -> Self {
        let mut path = String::new();
        for segment in segments {
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(&cut(clean(&segment), 0));
        }
        RelativePath(path)
    }

    /// The path, with `/` between its segments.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path, to be joined to the destination's directory.
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// The sub-directories, if any, and the file's own name.
    pub fn split(&self) -> (Option<&str>, &str) {
        match self.0.rsplit_once('/') {
            Some((directories, name)) => (Some(directories), name),
            None => (None, &self.0),
        }
    }

    /// The same path with this number just before the last period of the file's name; at its end where it has none.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Self {
        let (directories, name) = self.split();
        let number = format!(".{number}");
        let name = cut(name.to_owned(), number.len());
        let at = name.rfind('.').unwrap_or(name.len());
        let (stem, extension) = name.split_at(at);
        RelativePath(match directories {
            Some(directories) => format!("{directories}/{stem}{number}{extension}"),
            None => format!("{stem}{number}{extension}"),
        })
    }

    /// What two paths have in common that some file system takes for one, by case or by how letters are composed.
    pub fn folded(&self) -> String {
        fold(&self.0)
    }
}

/// The segment without what some file system refuses.
fn clean(segment: &str) -> String {
    let segment = segment.replace(is_hostile, "_");
    // "." and ".." are among those that end up empty.
    let segment = segment.trim_end_matches(|c: char| c == '.' || c.is_whitespace());
    if segment.is_empty() {
        return "_".to_owned();
    }
    if is_ledger(segment) {
        return format!("{segment}_");
    }
    let stem = segment.find('.').unwrap_or(segment.len());
    if is_device(segment[..stem].trim_end()) {
        return format!("{}_{}", &segment[..stem], &segment[stem..]);
    }
    segment.to_owned()
}

/// Whether some file system finds the ledger under this name: folded, or as the short name that Windows gives it.
fn is_ledger(segment: &str) -> bool {
    let folded = fold(segment);
    let short = folded.strip_prefix("sluice~");
    folded == RelativePath::LEDGER
        || short.is_some_and(|number| number.chars().all(|c| c.is_ascii_digit()))
}

fn is_device(stem: &str) -> bool {
    let stem = stem.to_uppercase();
    let port = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    DEVICES.contains(&stem.as_str())
        || port.is_some_and(|number| {
            let mut digits = number.chars();
            let digit = digits.next();
            digits.next().is_none()
                && digit.is_some_and(|c| c.is_ascii_digit() || "¹²³".contains(c))
        })
}

/// The segment, cut before its extension if it and `more` bytes are too long; the digest keeps two long names that
/// begin alike apart.
fn cut(segment: String, more: usize) -> String {
    if segment.len() + more <= SEGMENT_BYTES_MAX {
        return segment;
    }
    let mark = format!("~{}", &Digest::of(segment.as_bytes()).to_string()[..8]);
    let period = segment.rfind('.').filter(|at| segment.len() - at <= EXTENSION_BYTES_MAX);
    let (stem, extension) = segment.split_at(period.unwrap_or(segment.len()));
    let room = SEGMENT_BYTES_MAX - NUMBER_BYTES_MAX - mark.len() - extension.len();
    let stem: String = stem
        .char_indices()
        .take_while(|(at, c)| at + c.len_utf8() <= room)
        .map(|(_, c)| c)
        .collect();
    format!("{stem}{mark}{extension}")
}

impl FromStr for RelativePath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        let fit = |segment: &str| segment.len() <= SEGMENT_BYTES_MAX && clean(segment) == segment;
        if text.split('/').all(fit) {
            Ok(RelativePath(text.to_owned()))
        } else {
            Err(InvalidPath(text.to_owned()))
        }
    }
}

impl TryFrom<String> for RelativePath {
    type Error = InvalidPath;

    fn try_from(text: String) -> Result<Self, InvalidPath> {
        text.parse()
    }
}

impl From<RelativePath> for String {
    fn from(path: RelativePath) -> String {
        path.0
    }
}

impl fmt::Display for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
