//! Reading a parsed file without stopping at the first problem: each is noted, and reading goes on.

use std::cell::RefCell;
use std::fmt::Display;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::nearest::nearest;
use crate::{Needs, Position, Problem};

mod value;

pub(crate) use value::Value;

/// What all of one reading shares.
pub(crate) struct Context<'a> {
    /// The file's name, for messages.
    pub(crate) file: &'a str,
    pub(crate) text: &'a str,
    /// What relative paths are relative to.
    pub(crate) base: &'a Path,
    pub(crate) needs: Needs,
    pub(crate) env: &'a dyn Fn(&str) -> Option<String>,
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(
        file: &'a str,
        text: &'a str,
        base: &'a Path,
        needs: Needs,
        env: &'a dyn Fn(&str) -> Option<String>,
    ) -> Self {
        Context {
            file,
            text,
            base,
            needs,
            env,
            problems: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    pub(crate) fn problem(&self, at: usize, message: String, help: Option<String>) {
        let problem = self.found(at, message, help);
        self.problems.borrow_mut().push(problem);
    }

    pub(crate) fn warning(&self, at: usize, message: String, help: Option<String>) {
        let warning = self.found(at, message, help);
        self.warnings.borrow_mut().push(warning);
    }

    fn found(&self, at: usize, message: String, help: Option<String>) -> Problem {
        Problem { file: self.file.to_owned(), position: Position::of(at, self.text), message, help }
    }

    /// What was found: problems, then warnings.
    pub(crate) fn into_findings(self) -> (Vec<Problem>, Vec<Problem>) {
        (self.problems.into_inner(), self.warnings.into_inner())
    }

    /// `line N` of this place, to point to from elsewhere.
    pub(crate) fn line(&self, at: usize) -> String {
        format!("line {}", Position::of(at, self.text).line)
    }
}

/// One table under a heading of labels: `[site.hq]`.
pub(crate) struct Entry<'a> {
    context: &'a Context<'a>,
    heading: &'static str,
    label: &'a str,
    /// Where the label stands.
    pub(crate) at: usize,
    value: &'a Spanned<DeValue<'a>>,
}

/// Labels appear in commands, subjects' names and metrics.
const LABEL_BYTES_MAX: usize = 64;

impl<'a> Entry<'a> {
    pub(crate) fn label(&self) -> &'a str {
        self.label
    }

    /// `site.hq`.
    pub(crate) fn name(&self) -> String {
        format!("{}.{}", self.heading, self.label)
    }

    pub(crate) fn needs(&self) -> Needs {
        self.context.needs
    }

    /// Its table; notes a label or a value that is none.
    pub(crate) fn table(&self) -> Option<TableReader<'a>> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let fits = (1..=LABEL_BYTES_MAX).contains(&self.label.len());
        if !fits || !self.label.bytes().all(plain) {
            self.context.problem(
                self.at,
                format!("{:?} is no name for a {}", self.label, self.heading),
                Some(format!("1 to {LABEL_BYTES_MAX} letters, digits, '-' and '_' are")),
            );
        }
        let name = format!("[{}]", self.name());
        Value::new(self.context, name, self.value).table()
    }

    /// Where the value of one of its keys stands; where itself does if it has no such key.
    pub(crate) fn place_of(&self, key: &str) -> usize {
        self.value.get_ref().get(key).map_or(self.at, |value| value.span().start)
    }
}

impl Entry<'_> {
    /// Where the value of a key within one of its tables stands, if there is one.
    pub(crate) fn place_within(&self, table: &str, key: &str) -> Option<usize> {
        let value = self.value.get_ref().get(table)?.get_ref().get(key)?;
        Some(value.span().start)
    }
}

/// A table that is being read; knows by what was asked for which keys are known.
pub(crate) struct TableReader<'a> {
    context: &'a Context<'a>,
    name: String,
    at: usize,
    table: &'a DeTable<'a>,
    asked: Vec<&'static str>,
    missing: Vec<&'static str>,
}

impl<'a> TableReader<'a> {
    pub(crate) fn new(
        context: &'a Context<'a>,
        name: String,
        at: usize,
        table: &'a DeTable<'a>,
    ) -> Self {
        TableReader { context, name, at, table, asked: Vec::new(), missing: Vec::new() }
    }

    pub(crate) fn needs(&self) -> Needs {
        self.context.needs
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// The value of a key that may be absent.
    pub(crate) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(Value<'a>) -> Option<T>,
    ) -> Option<T> {
        self.asked.push(key);
        let value = self.table.get(key)?;
        read(Value::new(self.context, format!("`{key}`"), value))
    }

    /// The value of a key that must be there.
    pub(crate) fn required<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(Value<'a>) -> Option<T>,
    ) -> Option<T> {
        if !self.has(key) {
            self.missing.push(key);
        }
        self.optional(key, read)
    }

    /// The entries under a heading, in the order of the file; none where the heading is absent.
    pub(crate) fn entries(&mut self, heading: &'static str) -> Vec<Entry<'a>> {
        let name = format!("[{heading}.…]");
        let labelled =
            self.optional(heading, |value| value.named(name).plain_table()).into_iter().flatten();
        let mut entries: Vec<Entry<'a>> = labelled
            .map(|(label, value)| Entry {
                context: self.context,
                heading,
                label: label.get_ref(),
                at: label.span().start,
                value,
            })
            .collect();
        entries.sort_by_key(|entry| entry.at);
        entries
    }

    /// A sub-table, read if it is there.
    pub(crate) fn section(&mut self, key: &'static str) -> Option<TableReader<'a>> {
        self.optional(key, |value| value.named(format!("[{key}]")).table())
    }

    /// Notes that a key that is there must not be.
    pub(crate) fn refuse(&self, key: &str, why: &str, help: &str) {
        if let Some((key, _)) = self.table.get_key_value(key) {
            let message = format!("`{}` {why}", key.get_ref());
            self.context.problem(key.span().start, message, Some(help.to_owned()));
        }
    }

    /// Notes that of two keys that go together only one is there.
    pub(crate) fn together(&self, one: &str, other: &str) {
        for (key, partner) in [(one, other), (other, one)] {
            if !self.has(partner) {
                self.refuse(
                    key,
                    &format!("stands alone: {} lacks `{partner}`", self.name),
                    &format!("set `{partner}` too, or neither"),
                );
            }
        }
    }

    /// Notes the keys that are missing, and those that nobody asked for.
    pub(crate) fn finish(self) {
        self.finish_knowing(&[]);
    }

    /// The same where some known keys could not be asked for.
    pub(crate) fn finish_knowing(mut self, unasked: &[&'static str]) {
        self.asked.extend(unasked);
        for (key, _) in self.table {
            let key_text: &str = key.get_ref();
            if self.asked.contains(&key_text) {
                continue;
            }
            let meant = nearest(key_text, self.asked.iter().copied());
            // What is there under a misspelt name is not missing as well.
            self.missing.retain(|missing| Some(*missing) != meant);
            self.context.problem(
                key.span().start,
                format!("unknown key `{}` in {}", key_text.escape_debug(), self.name),
                Some(did_you_mean(meant, "known here", &self.asked)),
            );
        }
        for key in &self.missing {
            self.context.problem(self.at, format!("{} lacks `{key}`", self.name), None);
        }
    }
}

/// The word that was probably meant, or else all that could be.
pub(crate) fn did_you_mean(meant: Option<&str>, heading: &str, known: &[impl Display]) -> String {
    if let Some(meant) = meant {
        return format!("did you mean `{meant}`?");
    }
    let known: Vec<String> = known.iter().map(|word| format!("`{word}`")).collect();
    match known.is_empty() {
        true => format!("{heading}: none"),
        false => format!("{heading}: {}", known.join(", ")),
    }
}
