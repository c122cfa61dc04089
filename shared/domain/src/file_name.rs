use std::fmt;
use std::str::FromStr;

use crate::{ArtifactId, Kind, Particulars};

mod folding;
mod relative_path;
mod sharing;
mod value;

use relative_path::is_hostile;
pub use relative_path::{InvalidPath, RelativePath};
pub use sharing::SharedName;
use value::Value;

/// How the files of a destination are named: text, values between percent signs, and `/` for sub-directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileNameFormat {
    text: String,
    segments: Vec<Vec<Piece>>,
}

/// Why a text is no file name format. Positions are counted in characters, from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidFormat {
    /// No name at all.
    #[error("a file name format is empty")]
    Empty,
    /// Between percent signs stands a name that is none of the known ones.
    #[error("%{name}% at character {at} is not known; known are {known}", known = known())]
    UnknownValue {
        /// What stands between the percent signs.
        name: String,
        /// Where its first percent sign stands.
        at: usize,
    },
    /// A percent sign that nothing closes.
    #[error("the percent sign at character {at} has no second one behind it")]
    Unclosed {
        /// Where it stands.
        at: usize,
    },
    /// Between percent signs stands something that can't be a name.
    #[error(
        "between the percent signs at characters {at} and {to} stands {name:?}: only UPPER CASE letters and \
         underscores may stand there"
    )]
    Malformed {
        /// What stands between the percent signs.
        name: String,
        /// Where the first stands.
        at: usize,
        /// Where the second stands.
        to: usize,
    },
    /// A character that no file name can hold everywhere.
    #[error(
        "{character:?} at character {at} can't stand in a file name; sub-directories are made with '/'"
    )]
    Hostile {
        /// The character.
        character: char,
        /// Where it stands.
        at: usize,
    },
    /// A part between separators that names no directory or file.
    #[error(
        "the part {part:?} names nothing: a format is relative, and no part is empty, \".\" or \"..\""
    )]
    EmptyPart {
        /// The part.
        part: String,
    },
    /// More parts than any path has room for.
    #[error("{parts} parts are more than {max}", max = FileNameFormat::PARTS_MAX)]
    TooDeep {
        /// How many there are.
        parts: usize,
    },
}

fn known() -> String {
    let known: Vec<String> = Value::all().map(|value| format!("%{value}%")).collect();
    known.join(" ")
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(Value),
}

/// What a name is made of.
#[derive(Debug, Clone, Copy)]
pub struct NameValues<'a> {
    /// What the file holds.
    pub artifact: &'a ArtifactId,
    /// What the settings call its site.
    pub site_label: &'a str,
    /// What its report says.
    pub particulars: &'a Particulars,
    /// The extension, without a period.
    pub extension: &'a str,
}

impl FileNameFormat {
    /// Parts (sub-directories and the file itself) that a format may have: with 255 bytes each, what most systems
    /// take as a whole path is left with a kilobyte for the directory's own.
    pub const PARTS_MAX: usize = 12;

    /// The format of a kind for which the settings give none.
    pub fn standard(kind: Kind) -> Self {
        let text = match kind {
            Kind::SessionData | Kind::SessionRecording => {
                "%SUPPORT_SITE_HOST%-%SESSION_TYPE%-%LSID%.%EXTENSION%"
            }
            Kind::CommandShellRecording => {
                "%SUPPORT_SITE_HOST%-%SESSION_TYPE%-%LSID%-shell-%INSTANCE%.%EXTENSION%"
            }
            Kind::ShowMyScreenRecording => {
                "%SUPPORT_SITE_HOST%-%SESSION_TYPE%-%LSID%-show-my-screen-%INSTANCE%.%EXTENSION%"
            }
            Kind::PresentationData | Kind::PresentationRecording => {
                "%SUPPORT_SITE_HOST%-presentation-%LSID%.%EXTENSION%"
            }
            Kind::SiteBackup => "%SUPPORT_SITE_HOST%-backup-%DATE%T%TIME%.%EXTENSION%",
        };
        text.parse().expect("the standard formats are well formed, which a test shows")
    }

    /// The format as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name that these values make: always below the directory that it is put in, whatever they hold.
    pub fn render(&self, values: &NameValues<'_>) -> RelativePath {
        let segment = |pieces: &Vec<Piece>| -> String {
            pieces
                .iter()
                .map(|piece| match piece {
                    Piece::Text(text) => text.clone(),
                    Piece::Value(value) => value.of(values).replace(is_hostile, "_"),
                })
                .collect()
        };
        RelativePath::from_segments(self.segments.iter().map(segment))
    }
}

impl FromStr for FileNameFormat {
    type Err = InvalidFormat;

    fn from_str(text: &str) -> Result<Self, InvalidFormat> {
        if text.is_empty() {
            return Err(InvalidFormat::Empty);
        }
        for part in text.split('/') {
            // A part of blanks and dots alone would only ever be rendered as `_`.
            if part.trim_end_matches(['.', ' ']).is_empty() {
                return Err(InvalidFormat::EmptyPart { part: part.to_owned() });
            }
        }
        let mut segments = vec![Vec::new()];
        let mut literal = String::new();
        let mut characters = text.chars().enumerate().map(|(at, c)| (at + 1, c));
        while let Some((at, character)) = characters.next() {
            let segment = segments.last_mut().expect("there is a segment from the start");
            match character {
                '%' => {
                    flush(segment, &mut literal);
                    segment.push(Piece::Value(value(at, &mut characters)?));
                }
                '/' => {
                    flush(segment, &mut literal);
                    segments.push(Vec::new());
                }
                _ if is_hostile(character) => return Err(InvalidFormat::Hostile { character, at }),
                _ => literal.push(character),
            }
        }
        flush(segments.last_mut().expect("there is a segment from the start"), &mut literal);
        if segments.len() > Self::PARTS_MAX {
            return Err(InvalidFormat::TooDeep { parts: segments.len() });
        }
        Ok(FileNameFormat { text: text.to_owned(), segments })
    }
}

fn flush(segment: &mut Vec<Piece>, literal: &mut String) {
    if !literal.is_empty() {
        segment.push(Piece::Text(std::mem::take(literal)));
    }
}

/// The value whose first percent sign, at `at`, was read.
fn value(
    at: usize,
    characters: &mut impl Iterator<Item = (usize, char)>,
) -> Result<Value, InvalidFormat> {
    let mut name = String::new();
    for (to, character) in characters {
        if character != '%' {
            name.push(character);
            continue;
        }
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_uppercase() || c == '_') {
            return Err(InvalidFormat::Malformed { name, at, to });
        }
        return Value::all()
            .find(|value| value.to_string() == name)
            .ok_or(InvalidFormat::UnknownValue { name, at });
    }
    Err(InvalidFormat::Unclosed { at })
}

impl fmt::Display for FileNameFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests;
