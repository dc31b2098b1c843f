//! What a check found.

use crate::config::{Config, Place, Places};
use serde::Serialize;
use std::fmt;

/// One line of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The key that asks for it.
    pub place: Place,
    /// What was found.
    pub verdict: Verdict,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is as it should be.
    Ok(String),
    /// How this host is, which is neither right nor wrong.
    Note(String),
    /// It is not.
    Problem {
        /// What is wrong.
        problem: String,
        /// What to do.
        remedy: String,
    },
}

impl Finding {
    /// Whether it keeps a supervisor from starting.
    pub fn is_problem(&self) -> bool {
        match self.verdict {
            Verdict::Ok(_) | Verdict::Note(_) => false,
            Verdict::Problem { .. } => true,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Verdict::Ok(found) => write!(f, "ok       {}: {found}", self.place.key),
            Verdict::Note(found) => write!(f, "note     {}: {found}", self.place.key),
            Verdict::Problem { problem, remedy } => {
                write!(f, "problem  {}: {problem}; {remedy}", self.place)
            }
        }
    }
}

/// This host cannot do what the configuration asks for. One line for each problem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(problems))]
pub struct Unfit {
    /// At least one.
    pub problems: Vec<Finding>,
}

fn lines(findings: &[Finding]) -> String {
    let lines: Vec<_> = findings.iter().map(Finding::to_string).collect();
    lines.join("\n")
}

impl Serialize for Finding {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Flat<'a> {
            ok: bool,
            kind: &'a str,
            file: &'a str,
            line: Option<usize>,
            column: Option<usize>,
            key: &'a str,
            found: &'a str,
            remedy: Option<&'a str>,
        }
        let (kind, found, remedy) = match &self.verdict {
            Verdict::Ok(found) => ("ok", found, None),
            Verdict::Note(found) => ("note", found, None),
            Verdict::Problem { problem, remedy } => ("problem", problem, Some(remedy.as_str())),
        };
        let position = self.place.position;
        let flat = Flat {
            ok: !self.is_problem(),
            kind,
            file: &self.place.file.to_string_lossy(),
            line: position.map(|position| position.line),
            column: position.map(|position| position.column),
            key: &self.place.key,
            found,
            remedy,
        };
        flat.serialize(to)
    }
}

/// What is wrong, and what to do; or what was found.
pub(super) type Outcome = Result<String, (String, String)>;

/// A problem and its remedy.
pub(super) fn problem(problem: impl Into<String>, remedy: impl Into<String>) -> Outcome {
    Err((problem.into(), remedy.into()))
}

/// Collects findings about a configuration.
pub(super) struct Findings<'c> {
    pub(super) config: &'c Config,
    pub(super) list: Vec<Finding>,
    places: Places<'c>,
}

impl<'c> Findings<'c> {
    pub(super) fn new(config: &'c Config) -> Self {
        Self {
            config,
            list: Vec::new(),
            places: config.places(),
        }
    }

    pub(super) fn add(&mut self, key: &str, outcome: Outcome) {
        self.push(
            key,
            match outcome {
                Ok(found) => Verdict::Ok(found),
                Err((problem, remedy)) => Verdict::Problem { problem, remedy },
            },
        );
    }

    /// `what` is no key of the configuration.
    pub(super) fn note(&mut self, what: &str, text: impl Into<String>) {
        self.push(what, Verdict::Note(text.into()));
    }

    fn push(&mut self, key: &str, verdict: Verdict) {
        let place = self.places.of(key);
        self.list.push(Finding { place, verdict });
    }
}
