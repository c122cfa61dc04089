use std::fmt::Display;
use std::fs::File;
use std::io::Read as _;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use domain::{format_duration, format_size, parse_duration, parse_size};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Context, TableReader, did_you_mean};
use crate::Secret;
use crate::nearest::nearest;
use crate::secret::Source;

/// A value of the file, and what to call it in messages. Each method notes why it has no answer.
pub(crate) struct Value<'a> {
    context: &'a Context<'a>,
    name: String,
    value: &'a Spanned<DeValue<'a>>,
}

/// Certificates' keys are a few kilobytes; a larger file is the wrong file.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

impl<'a> Value<'a> {
    pub(super) fn new(
        context: &'a Context<'a>,
        name: String,
        value: &'a Spanned<DeValue<'a>>,
    ) -> Self {
        Value { context, name, value }
    }

    pub(crate) fn named(self, name: String) -> Self {
        Value { name, ..self }
    }

    /// Where it stands.
    pub(crate) fn at(&self) -> usize {
        self.value.span().start
    }

    /// Notes a problem with it.
    pub(crate) fn problem(&self, message: String, help: Option<String>) {
        self.context.problem(self.at(), message, help);
    }

    fn wrong_type<T>(&self, wanted: &str) -> Option<T> {
        let given = match self.value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time without quotes",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.problem(format!("{} is {wanted}, not {given}", self.name), None);
        None
    }

    pub(crate) fn text(&self) -> Option<&'a str> {
        match self.value.get_ref() {
            DeValue::String(text) => Some(text),
            _ => self.wrong_type("a string"),
        }
    }

    /// A text that says something.
    pub(crate) fn filled_text(&self) -> Option<String> {
        let text = self.text()?;
        if text.trim().is_empty() || text.chars().any(char::is_control) {
            self.problem(format!("{} is empty or holds control characters", self.name), None);
            return None;
        }
        Some(text.to_owned())
    }

    /// A text that passes a check, unchanged.
    pub(crate) fn checked<E: Display>(
        &self,
        check: impl FnOnce(&str) -> Result<(), E>,
    ) -> Option<&'a str> {
        let text = self.text()?;
        self.understood(check).map(|()| text)
    }

    /// What a text means.
    pub(crate) fn understood<T, E: Display>(
        &self,
        understand: impl FnOnce(&'a str) -> Result<T, E>,
    ) -> Option<T> {
        understand(self.text()?)
            .map_err(|cause| self.problem(format!("{}: {cause}", self.name), None))
            .ok()
    }

    /// What a text means to its type.
    pub(crate) fn parsed<T: FromStr<Err: Display>>(&self) -> Option<T> {
        self.understood(str::parse)
    }

    /// One of a few words.
    pub(crate) fn one_of<T: Display + Copy>(&self, known: &[T]) -> Option<T> {
        let text = self.text()?;
        let found = known.iter().find(|word| word.to_string() == text).copied();
        if found.is_none() {
            let words: Vec<String> = known.iter().map(T::to_string).collect();
            let meant = nearest(text, words.iter().map(String::as_str));
            self.problem(
                format!("{}: there is no {text:?}", self.name),
                Some(did_you_mean(meant, "one of", known)),
            );
        }
        found
    }

    /// A whole number within bounds.
    pub(crate) fn number<T>(&self, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i64> + PartialOrd + Display + Copy,
    {
        let DeValue::Integer(integer) = self.value.get_ref() else {
            return self.wrong_type("a whole number");
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .and_then(|number| T::try_from(number).ok())
            .filter(|number| range.contains(number));
        if number.is_none() {
            let (least, most) = (range.start(), range.end());
            self.problem(format!("{} is {least} to {most}, not {integer}", self.name), None);
        }
        number
    }

    pub(crate) fn boolean(&self) -> Option<bool> {
        match self.value.get_ref() {
            DeValue::Boolean(boolean) => Some(*boolean),
            _ => self.wrong_type("true or false"),
        }
    }

    /// A length of time within bounds, in seconds.
    pub(crate) fn duration(&self, secs: RangeInclusive<u64>) -> Option<Duration> {
        let length = self.understood(parse_duration)?;
        if !secs.contains(&length.as_secs()) {
            let [least, most] =
                [*secs.start(), *secs.end()].map(|secs| format_duration(Duration::from_secs(secs)));
            self.problem(format!("{} is {least} to {most}", self.name), None);
            return None;
        }
        Some(length)
    }

    /// A number of bytes within bounds.
    pub(crate) fn size(&self, bytes: RangeInclusive<u64>) -> Option<u64> {
        let size = self.understood(parse_size)?;
        if !bytes.contains(&size) {
            let [least, most] = [*bytes.start(), *bytes.end()].map(format_size);
            self.problem(format!("{} is {least} to {most}", self.name), None);
            return None;
        }
        Some(size)
    }

    /// A path; a relative one starts from the folder of the settings.
    pub(crate) fn path(&self) -> Option<PathBuf> {
        self.filled_text().map(|path| self.context.base.join(path))
    }

    pub(crate) fn plain_table(&self) -> Option<&'a DeTable<'a>> {
        match self.value.get_ref() {
            DeValue::Table(table) => Some(table),
            _ => self.wrong_type("a table"),
        }
    }

    pub(crate) fn table(self) -> Option<TableReader<'a>> {
        let table = self.plain_table()?;
        let at = self.at();
        Some(TableReader::new(self.context, self.name, at, table))
    }

    /// The items of a list that is not empty.
    pub(crate) fn items(&self, item_name: &str) -> Option<Vec<Value<'a>>> {
        let DeValue::Array(array) = self.value.get_ref() else {
            return self.wrong_type("a list");
        };
        if array.is_empty() {
            self.problem(format!("{} is an empty list", self.name), None);
        }
        let item = |value| Value::new(self.context, item_name.to_owned(), value);
        Some(array.iter().map(item).collect())
    }

    /// A secret: where it is, and itself if it is needed.
    pub(crate) fn secret(self, needed: bool) -> Option<Secret> {
        const FORM: &str = "write { env = \"NAME\" } or { file = \"path\" }";
        if !matches!(self.value.get_ref(), DeValue::Table(_)) {
            let message = format!("{} is a secret, which never stands in this file", self.name);
            self.problem(message, Some(FORM.to_owned()));
            return None;
        }
        let (context, name, value) = (self.context, self.name.clone(), self.value);
        let mut table = self.table()?;
        let env = table.optional("env", |value| value.checked(is_variable));
        let file = table.optional("file", |value| value.path());
        let count = usize::from(table.has("env")) + usize::from(table.has("file"));
        table.finish();
        let place = Value::new(context, name, value);
        if count != 1 {
            let message = format!("{} comes from one variable or one file", place.name);
            place.problem(message, Some(FORM.to_owned()));
            return None;
        }
        let source = env.map(|name| Source::Env(name.to_owned())).or(file.map(Source::File))?;
        match needed {
            true => place.resolve(source),
            false => Some(Secret::unneeded(source)),
        }
    }

    fn resolve(&self, source: Source) -> Option<Secret> {
        let (found, help) = match &source {
            Source::Env(variable) => (
                (self.context.env)(variable).ok_or_else(|| "is not set".to_owned()),
                format!("set {variable} in the environment of this process"),
            ),
            Source::File(path) => (
                secret_file(path),
                "make it readable for the account that this process runs under".to_owned(),
            ),
        };
        let found = match found {
            Ok(value) if value.is_empty() => Err("is empty".to_owned()),
            found => found,
        };
        match found {
            Ok(value) => Some(Secret::resolved(source, value)),
            Err(why) => {
                self.problem(format!("{}: {source} {why}", self.name), Some(help));
                // Whatever names it is looked at all the same, so that its other problems are told, too.
                Some(Secret::unneeded(source))
            }
        }
    }
}

/// What a secret's file says, without the line end that editors add.
fn secret_file(path: &std::path::Path) -> Result<String, String> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text))
        .map_err(|cause| format!("could not be read: {cause}"))?;
    if text.len() as u64 > SECRET_BYTES_MAX {
        return Err(format!("is larger than {SECRET_BYTES_MAX} bytes"));
    }
    let without_newline = text.strip_suffix('\n').unwrap_or(&text);
    let without_return = without_newline.strip_suffix('\r').unwrap_or(without_newline);
    Ok(without_return.to_owned())
}

/// The text itself is not in the message: it may be the secret, put in the wrong place.
fn is_variable(text: &str) -> Result<(), &'static str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let starts_well = text.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    match starts_well && text.bytes().all(plain) {
        true => Ok(()),
        false => Err("not the name of an environment variable: letters, digits and '_' are"),
    }
}
