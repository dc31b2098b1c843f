//! Where the keys and values of a TOML document are.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A place in a file, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

impl Position {
    /// That of the byte at `offset` of `text`.
    pub(super) fn of_offset(text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        Self {
            line: before.matches('\n').count() + 1,
            column: before.chars().rev().take_while(|&c| c != '\n').count() + 1,
        }
    }
}

/// A key of a file. `file:line:column: key`, as far as they are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: PathBuf,
    /// Where in the file the key's value is; `None` when it is not there.
    pub position: Option<Position>,
    /// The key; empty when it is about the file.
    pub key: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(Position { line, column }) = self.position {
            write!(f, ":{line}:{column}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        Ok(())
    }
}

/// All places of one file.
#[derive(Debug)]
pub struct Places<'c> {
    file: &'c Path,
    document: Document<'c>,
}

impl<'c> Places<'c> {
    pub(super) fn new(file: &'c Path, text: &'c str) -> Self {
        let document = Document::new(text);
        Self { file, document }
    }

    /// Where `key` is, such as `uplink.a` or `port[0].socket`.
    pub fn of(&self, key: &str) -> Place {
        Place {
            file: self.file.to_owned(),
            position: self.document.position(key),
            key: key.to_owned(),
        }
    }
}

#[derive(Debug)]
struct Entry {
    key: String,
    key_span: Range<usize>,
    value_span: Range<usize>,
}

/// A document, with the spans of all its keys and values. One that is no TOML has none.
#[derive(Debug)]
pub(super) struct Document<'t> {
    text: &'t str,
    entries: Vec<Entry>,
}

impl<'t> Document<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let mut entries = Vec::new();
        if let Ok(table) = DeTable::parse(text) {
            collect_table("", table.get_ref(), &mut entries);
        }
        Self { text, entries }
    }

    /// Where the value of `key` begins.
    pub(super) fn position(&self, key: &str) -> Option<Position> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(Position::of_offset(self.text, entry.value_span.start))
    }

    /// The innermost key that `offset` belongs to.
    pub(super) fn key_at(&self, offset: usize) -> Option<&str> {
        self.entries
            .iter()
            .flat_map(|entry| {
                [
                    (&entry.key, &entry.key_span),
                    (&entry.key, &entry.value_span),
                ]
            })
            .filter(|(_, span)| span.contains(&offset))
            .min_by_key(|(_, span)| span.len())
            .map(|(key, _)| key.as_str())
    }
}

fn collect_table(path: &str, table: &DeTable<'_>, into: &mut Vec<Entry>) {
    for (name, value) in table {
        let dot = if path.is_empty() { "" } else { "." };
        let key = format!("{path}{dot}{}", name.get_ref());
        collect_value(key, name.span(), value, into);
    }
}

fn collect_value(
    key: String,
    key_span: Range<usize>,
    value: &Spanned<DeValue<'_>>,
    into: &mut Vec<Entry>,
) {
    if let Some(table) = value.get_ref().as_table() {
        collect_table(&key, table, into);
    }
    for (index, element) in value.get_ref().as_array().into_iter().flatten().enumerate() {
        collect_value(format!("{key}[{index}]"), element.span(), element, into);
    }
    let value_span = value.span();
    into.push(Entry {
        key,
        key_span,
        value_span,
    });
}
