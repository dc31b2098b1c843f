//! What is wrong with a configuration.

use super::document::{Document, Place, Position};
use std::fmt;
use std::io;
use std::path::Path;
use std::string::FromUtf8Error;

/// One thing that is wrong: `place: problem; remedy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place, self.problem, self.remedy)
    }
}

/// All that is wrong with a configuration, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// At least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().enumerate() {
            let separator = if number == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl ConfigError {
    pub(super) fn unreadable(file: &Path, error: &io::Error) -> Self {
        let problem = format!("the configuration cannot be read: {error}");
        Self::about_file(file, problem, "name an existing file with --config")
    }

    pub(super) fn not_text(file: &Path, error: &FromUtf8Error) -> Self {
        let problem = format!("the configuration is not UTF-8: {}", error.utf8_error());
        Self::about_file(file, problem, "write it as UTF-8 text")
    }

    fn about_file(file: &Path, problem: String, remedy: &str) -> Self {
        let place = Place {
            file: file.to_owned(),
            position: None,
            key: String::new(),
        };
        let remedy = remedy.to_owned();
        Self {
            problems: vec![Problem {
                place,
                problem,
                remedy,
            }],
        }
    }

    pub(super) fn from_toml(file: &Path, text: &str, error: &toml::de::Error) -> Self {
        let offset = error.span().map(|span| span.start);
        let document = Document::new(text);
        let key = offset.and_then(|offset| document.key_at(offset));
        let (problem, remedy) = explain(error.message());
        Self {
            problems: vec![Problem {
                place: Place {
                    file: file.to_owned(),
                    position: offset.map(|offset| Position::of_offset(text, offset)),
                    key: key.unwrap_or_default().to_owned(),
                },
                problem,
                remedy,
            }],
        }
    }
}

/// Problem and remedy, from the words of serde and toml, and from our own that hold both.
fn explain(message: &str) -> (String, String) {
    let message = message.trim().replace('\n', ", ");
    if let Some((unknown, known)) = split(&message, "unknown field ", ", expected ") {
        let known = known.trim_start_matches("one of ");
        let remedy = format!("remove it, or write one of the keys known here: {known}");
        return (format!("unknown key {unknown}"), remedy);
    }
    if let Some((unknown, known)) = split(&message, "unknown variant ", ", expected ") {
        let known = known.trim_start_matches("one of ");
        return (
            format!("unknown value {unknown}"),
            format!("write one of {known}"),
        );
    }
    if let Some(key) = message.strip_prefix("missing field ") {
        return (format!("the key {key} is missing"), "add it".to_owned());
    }
    if let Some((found, expected)) = split(&message, "invalid type: ", ", expected ") {
        return (format!("this is {found}"), format!("write {expected}"));
    }
    if let Some((found, expected)) = split(&message, "invalid length ", ", expected ") {
        return (
            format!("there are {found} elements"),
            format!("write {expected}"),
        );
    }
    match message.split_once("; ") {
        Some((problem, remedy)) => (problem.to_owned(), remedy.to_owned()),
        None => (
            message,
            "docs/configuration.md shows how it is written".to_owned(),
        ),
    }
}

fn split<'m>(message: &'m str, start: &str, middle: &str) -> Option<(&'m str, &'m str)> {
    message.strip_prefix(start)?.split_once(middle)
}
