//! From the text of a `cluster.toml` to a [`Config`]: every key known, every value in its range.
//!
//! All problems of a file are found in one pass; what the values must hold together is `check.rs`'s question.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::error::{Origin, Problem, Wrong};
use super::not_yet;
use super::section::{Found, Kind, Section, Unfit};
use super::suggest::nearest;
use super::{AnySection, Config};

/// Names of the arrays of tables.
pub(super) const LISTS: [&str; 2] = ["node", "keyspace"];

/// Reads one text into one config.
pub(super) struct Reader<'a> {
    text: &'a str,
    file: Option<&'a Path>,
    pub(super) problems: Vec<Problem>,
}

type Entry<'a, 'i> = (&'a Spanned<DeString<'i>>, &'a Spanned<DeValue<'i>>);

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str, file: Option<&'a Path>) -> Reader<'a> {
        Reader { text, file, problems: Vec::new() }
    }

    /// Fills `config`; what is wrong goes to `problems`.
    pub(super) fn read_into(&mut self, config: &mut Config) {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        for error in &errors {
            let message = error.message().to_owned();
            self.problem(&error.span().unwrap_or(0..0), Wrong::Syntax { message });
        }
        if errors.is_empty() {
            for (name, value) in document.get_ref() {
                self.read_section((name, value), config);
            }
        }
        self.problems.sort_by_key(|problem| match problem.origin {
            Origin::File { line, column } => (line, column),
            _ => (usize::MAX, 0),
        });
    }

    fn read_section(&mut self, (name, value): Entry<'_, '_>, config: &mut Config) {
        let section = name.get_ref().as_ref();
        if let Some(wrong) = not_yet::section(section) {
            return self.problem(&name.span(), wrong);
        }
        if LISTS.contains(&section) {
            return self.read_list((name, value), config);
        }
        if config.single(section).is_none() {
            let meant = nearest(section, Config::section_names().chain(LISTS));
            return self.problem(&name.span(), Wrong::UnknownSection { name: section.to_owned(), meant });
        }
        let Some(table) = value.get_ref().as_table() else {
            let expected = format!("as a section, [{section}]");
            return self.problem(&name.span(), Wrong::NotASection { name: section.to_owned(), expected });
        };
        self.read_table(table, section, &mut |config| config.single(section), config);
    }

    fn read_list(&mut self, (name, value): Entry<'_, '_>, config: &mut Config) {
        let section = name.get_ref().as_ref();
        let tables: Option<Vec<_>> = value.get_ref().as_array().and_then(|list| {
            list.iter().map(|item| Some((item.span(), item.get_ref().as_table()?))).collect()
        });
        let Some(tables) = tables else {
            let expected = format!("as [[{section}]], once for each");
            return self.problem(&name.span(), Wrong::NotASection { name: section.to_owned(), expected });
        };
        for (span, table) in tables {
            let (named, unnamed) = if section == "node" { ("id", "?") } else { ("name", "default") };
            let label = table.get(named).and_then(|v| v.get_ref().as_str()).unwrap_or(unnamed).to_owned();
            let index = config.push(section);
            let path = format!("{section}.{label}");
            config.origins.insert(path.clone(), self.origin(&span));
            self.read_table(table, &path, &mut |config| config.listed(section, index), config);
        }
    }

    fn read_table(
        &mut self,
        table: &DeTable<'_>,
        path: &str,
        target: &mut dyn FnMut(&mut Config) -> Option<&mut dyn AnySection>,
        config: &mut Config,
    ) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let (kind, text) = scalar(value.get_ref());
            let found = Found::File(kind, &text);
            let Some(section) = target(config) else { return };
            match set(section, name, &found) {
                Ok(()) => {
                    config.origins.insert(format!("{path}.{name}"), self.origin(&value.span()));
                }
                Err(wrong @ (Wrong::UnknownKey { .. } | Wrong::NotYet { .. })) => {
                    self.problem(&key.span(), wrong);
                }
                Err(wrong) => self.problem(&value.span(), wrong),
            }
        }
    }

    fn problem(&mut self, span: &Range<usize>, wrong: Wrong) {
        let origin = self.origin(span);
        self.problems.push(Problem { file: self.file.map(Path::to_owned), origin, wrong });
    }

    fn origin(&self, span: &Range<usize>) -> Origin {
        let before = self.text.get(..span.start.min(self.text.len())).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.matches('\n').count() + 1;
        Origin::File { line, column: before[line_start..].chars().count() + 1 }
    }
}

/// Takes `found` for `key` of `section`, or says what is wrong with it.
pub(super) fn set(section: &mut dyn AnySection, key: &str, found: &Found<'_>) -> Result<(), Wrong> {
    let (kind, text) = match found {
        Found::File(kind, text) => (*kind, *text),
        Found::Text(text) => (Kind::String, *text),
    };
    if let Some(wrong) = not_yet::value(section.name(), key, text) {
        return Err(wrong);
    }
    let shown = if kind == Kind::String { format!("{text:?}") } else { text.to_owned() };
    section.set(key, found).map_err(|unfit| match unfit {
        Unfit::NoSuchKey => Wrong::UnknownKey {
            section: bracketed(section.name()),
            key: key.to_owned(),
            meant: nearest(key, section.keys().iter().map(|info| info.name)),
        },
        Unfit::NotOfType { expected } => {
            let found = if matches!(kind, Kind::Other(_)) {
                format!("{} {kind}", if kind == Kind::Other("array") { "an" } else { "a" })
            } else {
                format!("the {kind} {shown}")
            };
            Wrong::NotOfType { key: key.to_owned(), expected, found }
        }
        Unfit::OutOfRange { min, max } => Wrong::OutOfRange { key: key.to_owned(), found: shown, min, max },
    })
}

/// The section's name as a file has it.
pub(super) fn bracketed(section: &str) -> String {
    if LISTS.contains(&section) { format!("[[{section}]]") } else { format!("[{section}]") }
}

/// A value's type and its text.
fn scalar(value: &DeValue<'_>) -> (Kind, String) {
    match value {
        DeValue::String(text) => (Kind::String, text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => (Kind::Integer, number.as_str().to_owned()),
        DeValue::Integer(number) => (
            Kind::Integer,
            i64::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| number.to_string(), |n| n.to_string()),
        ),
        DeValue::Boolean(value) => (Kind::Boolean, value.to_string()),
        DeValue::Float(number) => (Kind::Float, number.as_str().to_owned()),
        DeValue::Datetime(time) => (Kind::Other("datetime"), time.to_string()),
        DeValue::Array(_) => (Kind::Other("array"), String::new()),
        DeValue::Table(_) => (Kind::Other("table"), String::new()),
    }
}

impl<S: Section> AnySection for S {
    fn name(&self) -> &'static str {
        S::NAME
    }

    fn keys(&self) -> Vec<super::section::KeyInfo> {
        S::keys()
    }

    fn doc(&self) -> &'static [&'static str] {
        S::DOC
    }

    fn set(&mut self, key: &str, found: &Found<'_>) -> Result<(), Unfit> {
        Section::set(self, key, found)
    }

    fn shown(&self, key: &str) -> Option<String> {
        Section::shown(self, key)
    }
}
