//! What keeps the house in order: checks that run as tests of this crate, and the generators of
//! the book's reference pages.
//!
//! - [`layers`]: dependencies point one way.
//! - [`tidy`]: house rules that neither rustfmt nor clippy knows.
//! - [`book`]: generated pages, the table of contents, links.
//! - [`commands`]: the command-line page knows every command and option.
//! - [`networks`]: generated networks of two million parameters.
//! - [`examples`]: the worked examples of the book, carried out.
//! - [`formulas`]: what rewriting does to formulas and their solving time, as a table.
//! - [`kernels`]: what emitted kernels take on microcontrollers, as a table.
//! - [`textmate`]: the grammar that editors colour `.nnir` files with.
//! - [`untested`]: what has no text test, and files that no test needs.
//! - [`licences`]: what the dependencies' licences and sources may be.
//!
//! Every check returns what it found as [`Finding`]s; the tests demand that there are none, and
//! show on made-up input that there could be.

pub mod book;
pub mod commands;
pub mod examples;
pub mod formulas;
pub mod kernels;
pub mod kills;
pub mod layers;
pub mod licences;
pub mod networks;
pub mod textmate;
pub mod tidy;
pub mod tree;
pub mod untested;

pub use tree::Tree;

use std::fmt;
use std::path::PathBuf;

/// A breach of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// File or package, relative to the root of the repository.
    pub place: String,
    /// Line, from 1, where there is one.
    pub line: Option<usize>,
    /// The rule that was broken.
    pub message: String,
}

impl Finding {
    /// A finding about a whole file or package.
    pub fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            line: None,
            message: message.into(),
        }
    }

    /// The same finding at a line, from 1.
    #[must_use]
    pub fn line(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.place, self.message),
            None => write!(f, "{}: {}", self.place, self.message),
        }
    }
}

/// One finding a line, for a test's message.
pub fn listed(findings: &[Finding]) -> String {
    findings.iter().map(|f| format!("{f}\n")).collect()
}

/// Why a check could not be made at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder that cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file that is not what it should be.
    #[error("{place}: {message}")]
    Content {
        /// File or command.
        place: String,
        /// What is wrong with it.
        message: String,
    },
}
