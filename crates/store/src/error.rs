//! What can go wrong with a store.

use std::io;
use std::path::PathBuf;

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process works in the folder.
    #[error("process {pid} is at work in {folder}")]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The process, or `?` where it did not say.
        pid: String,
    },
    /// The file is no store, or is damaged.
    #[error("{path} is damaged or no run store: {what}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// The file was written by a later version.
    #[error("{path} has version {found} of the run store; this program knows {known}")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The greatest version known.
        known: i64,
    },
    /// The database cannot be read or written.
    #[error("cannot {what} {path}: {why}")]
    Database {
        /// `read` or `write`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the library says.
        why: String,
    },
    /// A file cannot be read or written.
    #[error("cannot {what} {path}: {source}")]
    File {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl Error {
    /// An error of the database as one of ours.
    pub(crate) fn of(what: &'static str, path: &std::path::Path, e: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        let path = path.to_owned();
        match e.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) => Self::Damaged {
                path,
                what: e.to_string(),
            },
            _ => Self::Database {
                what,
                path,
                why: e.to_string(),
            },
        }
    }
}
