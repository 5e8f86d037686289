//! The tables, and opening a file that has them.

use crate::Error;
use rusqlite::Connection;
use std::path::Path;
use std::time::Duration;

/// The version of the tables, `PRAGMA user_version`.
pub const SCHEMA_VERSION: i64 = 1;

/// `PRAGMA application_id`: "ceg4".
const APPLICATION: i64 = 0x6365_6734;

/// How long a connection waits for another's lock.
const PATIENCE: Duration = Duration::from_secs(30);

const TABLES: &str = "
CREATE TABLE runs (
  id INTEGER PRIMARY KEY,
  command_line TEXT NOT NULL,
  arguments TEXT NOT NULL,      -- JSON list
  working_folder TEXT NOT NULL,
  tool TEXT NOT NULL,           -- name and version
  build TEXT NOT NULL,          -- answers of other builds are not taken
  network TEXT NOT NULL,
  network_sha256 TEXT NOT NULL,
  inputs_sha256 TEXT NOT NULL,  -- everything that the run read
  seed INTEGER NOT NULL,
  effort INTEGER NOT NULL,
  started TEXT NOT NULL,        -- RFC 3339, UTC
  ended TEXT,
  state TEXT NOT NULL,          -- running, stopped, finished, failed
  resumed INTEGER NOT NULL DEFAULT 0,
  seconds REAL NOT NULL DEFAULT 0,
  status TEXT,                  -- proved, refuted, unknown
  report TEXT                   -- report.json
);
CREATE TABLE steps (
  run INTEGER NOT NULL REFERENCES runs,
  seq INTEGER NOT NULL,
  kind TEXT NOT NULL,
  asked BLOB NOT NULL,
  answer TEXT NOT NULL,
  sum BLOB NOT NULL,
  seconds REAL NOT NULL,
  PRIMARY KEY (run, seq)
) WITHOUT ROWID;
CREATE TABLE latents (
  run INTEGER PRIMARY KEY REFERENCES runs,
  seq INTEGER NOT NULL,
  data TEXT NOT NULL,
  sum BLOB NOT NULL
);
CREATE TABLE answers (
  key BLOB PRIMARY KEY,
  kind TEXT NOT NULL,           -- label or verdict
  run INTEGER NOT NULL REFERENCES runs,
  region TEXT NOT NULL,
  asked TEXT NOT NULL,          -- property and domain
  program TEXT,
  answer TEXT NOT NULL,         -- proved, refuted, unknown; keeps, changes, undecided
  evidence TEXT NOT NULL,       -- JSON
  sum BLOB NOT NULL,
  seconds REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE versions (
  run INTEGER NOT NULL REFERENCES runs,
  version INTEGER NOT NULL,
  program TEXT NOT NULL,
  assignment TEXT NOT NULL,
  guided INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  candidates INTEGER NOT NULL,
  counterexamples INTEGER NOT NULL,
  ended TEXT NOT NULL,
  seconds REAL NOT NULL,        -- since the run began, or went on
  annotations TEXT NOT NULL,    -- JSON
  PRIMARY KEY (run, version)
) WITHOUT ROWID;
CREATE TABLE version_verdicts (
  run INTEGER NOT NULL REFERENCES runs,
  version INTEGER NOT NULL,
  region TEXT NOT NULL,
  asked TEXT NOT NULL,
  verdict TEXT NOT NULL,
  seconds REAL NOT NULL,
  key BLOB                      -- of the answer with the evidence, if one was kept
);
CREATE INDEX version_verdicts_of ON version_verdicts (run, version);
CREATE TABLE counterexamples (
  run INTEGER NOT NULL REFERENCES runs,
  number INTEGER NOT NULL,
  region TEXT NOT NULL,
  ended INTEGER,                -- the version that it refuted; none for start points
  x TEXT NOT NULL,              -- JSON, exact
  PRIMARY KEY (run, number)
) WITHOUT ROWID;
";

/// Opens a store for writing; makes one where there is none.
pub(crate) fn open_writable(path: &Path) -> Result<Connection, Error> {
    let fail = |e: rusqlite::Error| Error::of("write", path, &e);
    let connection = Connection::open(path).map_err(fail)?;
    connection.busy_timeout(PATIENCE).map_err(fail)?;
    // A committed transaction survives a loss of power.
    connection
        .execute_batch(
            "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF;",
        )
        .map_err(fail)?;
    if is_empty(&connection).map_err(fail)? {
        let text = format!(
            "BEGIN EXCLUSIVE; PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {SCHEMA_VERSION}; {TABLES} COMMIT;"
        );
        connection.execute_batch(&text).map_err(fail)?;
    }
    check(&connection, path)?;
    Ok(connection)
}

/// Opens a store that exists, for reading.
pub(crate) fn open_readable(path: &Path) -> Result<Connection, Error> {
    let fail = |e: rusqlite::Error| Error::of("read", path, &e);
    // Not read-only: what an interrupted write left must be rolled back first.
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE;
    let connection = Connection::open_with_flags(path, flags).map_err(fail)?;
    connection.busy_timeout(PATIENCE).map_err(fail)?;
    check(&connection, path)?;
    Ok(connection)
}

/// Nothing was ever written: the process that made the file was killed before it made tables.
pub(crate) fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0))?;
    Ok(tables == 0)
}

fn check(connection: &Connection, path: &Path) -> Result<(), Error> {
    let fail = |e: rusqlite::Error| Error::of("read", path, &e);
    let number = |name: &str| {
        connection
            .query_row(&format!("PRAGMA {name}"), [], |r| r.get::<_, i64>(0))
            .map_err(fail)
    };
    let damaged = |what: String| Error::Damaged {
        path: path.to_owned(),
        what,
    };
    if is_empty(connection).map_err(fail)? {
        return Ok(());
    }
    if number("application_id")? != APPLICATION {
        return Err(damaged("a database of another program".into()));
    }
    let found = number("user_version")?;
    if found > SCHEMA_VERSION {
        return Err(Error::Newer {
            path: path.to_owned(),
            found,
            known: SCHEMA_VERSION,
        });
    }
    let found: String = connection
        .query_row("PRAGMA quick_check(1)", [], |r| r.get(0))
        .map_err(fail)?;
    match found.as_str() {
        "ok" => Ok(()),
        _ => Err(damaged(found)),
    }
}
