//! The run store: what runs asked, tried, proved and refuted, in one SQLite file.
//!
//! A run hands over [`Row`]s as it goes; a thread of the store's own writes them, so that no run waits
//! for a disk. What was handed over more than about a second ago is on the disk, whatever happens
//! to the process or to the power. A run that goes on finds there
//!
//! - its *steps*: the answers of calls that it makes one after the other, in their order
//!   ([`Store::step`]); each with a hash of what was asked, so that an answer is only taken for
//!   the same question;
//! - *labels* and *verdicts*, under a hash of everything that decides them ([`Store::answer`]).
//!   Other runs find these too.
//!
//! This crate knows no network: answers are JSON texts. A text whose hash is not the one stored
//! beside it is no answer.

mod error;
mod lock;
mod read;
mod rows;
mod schema;
mod store;
mod writer;

pub use error::Error;
pub use lock::Lock;
pub use read::{RunRow, RunState, VerdictRow, VersionRow, read_runs, read_verdicts, read_versions};
pub use rows::{Answer, AnswerKind, NewRun, Row};
pub use schema::SCHEMA_VERSION;
pub use store::Store;

/// The file's name in an output folder.
pub const FILE: &str = "run.sqlite";
/// The lock's name in an output folder.
pub const LOCK: &str = "lock";
/// Every name that a store may have in an output folder.
pub const FILES: [&str; 3] = [FILE, "run.sqlite-journal", LOCK];
