//! A store that a run writes to.

use crate::rows::{NewRun, Row};
use crate::writer::{Writer, sum, sum_of_step};
use crate::{Error, FILE, schema};
use ceg4n_base::ContentHash;
use rusqlite::{Connection, OptionalExtension, params};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The store of one run under way. Its folder must be held by a [`crate::Lock`].
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    run: i64,
    reader: Mutex<Connection>,
    writer: Writer,
}

impl Store {
    /// Enters a new run into the store of a folder; makes a store where there is none.
    ///
    /// # Errors
    /// A store that is damaged, of a later version, or that cannot be written.
    pub fn begin(folder: &Path, run: &NewRun) -> Result<Self, Error> {
        let path = folder.join(FILE);
        let connection = schema::open_writable(&path)?;
        let fail = |e: rusqlite::Error| Error::of("write", &path, &e);
        // The folder is held, so whatever seems to be running is not.
        connection
            .execute(
                "UPDATE runs SET state = 'killed' WHERE state = 'running'",
                [],
            )
            .map_err(fail)?;
        let arguments = serde_json::to_string(&run.arguments).unwrap_or_default();
        connection
            .execute(
                "INSERT INTO runs (command_line, arguments, working_folder, tool, build, network, \
                 network_sha256, inputs_sha256, seed, effort, started, state) \
                 VALUES (?,?,?,?,?,?,?,?,?,?,strftime('%Y-%m-%dT%H:%M:%SZ','now'),'running')",
                params![
                    run.command_line,
                    arguments,
                    run.working_folder,
                    run.tool,
                    run.build,
                    run.network,
                    run.network_sha256.to_string(),
                    run.inputs_sha256.to_string(),
                    run.seed as i64,
                    run.effort,
                ],
            )
            .map_err(fail)?;
        let id = connection.last_insert_rowid();
        Self::over(path, id, connection)
    }

    /// Goes on with a run of the store of a folder.
    ///
    /// # Errors
    /// As for [`Store::begin`].
    pub fn resume(folder: &Path, run: i64) -> Result<Self, Error> {
        let path = folder.join(FILE);
        let connection = schema::open_writable(&path)?;
        let again = format!(
            "BEGIN IMMEDIATE; \
             UPDATE runs SET state = 'killed' WHERE state = 'running'; \
             UPDATE runs SET state = 'running', resumed = resumed + 1, ended = NULL WHERE id = {run}; \
             DELETE FROM version_verdicts WHERE run = {run}; \
             DELETE FROM versions WHERE run = {run}; \
             DELETE FROM counterexamples WHERE run = {run}; COMMIT;"
        );
        // These three are written again as the run goes through its steps.
        connection
            .execute_batch(&again)
            .map_err(|e| Error::of("write", &path, &e))?;
        Self::over(path, run, connection)
    }

    fn over(path: PathBuf, run: i64, reader: Connection) -> Result<Self, Error> {
        Ok(Self {
            writer: Writer::start(&path, run)?,
            reader: Mutex::new(reader),
            path,
            run,
        })
    }

    /// The run's number.
    pub fn run(&self) -> i64 {
        self.run
    }

    /// Hands a row over to be written.
    pub fn put(&self, row: Row) {
        self.writer.put(row);
    }

    /// Waits until all rows are on the disk.
    ///
    /// # Errors
    /// What could not be written; it is told once.
    pub fn flush(&self) -> Result<(), Error> {
        self.writer.flush()
    }

    /// Nothing is written while the guard lives: so long the folder may be replaced by another
    /// one that has the same file. A transaction has a journal beside the file, which must not be
    /// parted from it.
    pub fn pause(&self) -> MutexGuard<'_, ()> {
        self.writer.pause()
    }

    /// Whether writing has failed.
    ///
    /// # Errors
    /// What could not be written; it is told once.
    pub fn check(&self) -> Result<(), Error> {
        self.writer.check()
    }

    /// The step at a place: its kind, the hash of the question, the answer and the seconds it took.
    /// `None` where there is none, or it is damaged.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn step(&self, seq: u64) -> Result<Option<(String, ContentHash, String, f64)>, Error> {
        let query = "SELECT kind, asked, answer, sum, seconds FROM steps WHERE run = ? AND seq = ?";
        let found = self.read(query, params![self.run, seq as i64], |r| {
            let (kind, asked): (String, [u8; 32]) = (r.get(0)?, r.get(1)?);
            let (answer, stored): (String, [u8; 32]) = (r.get(2)?, r.get(3)?);
            Ok((kind, ContentHash(asked), answer, stored, r.get(4)?))
        })?;
        Ok(found.and_then(|(kind, asked, answer, stored, seconds)| {
            let whole = sum_of_step(&kind, asked, &answer).0 == stored;
            whole.then_some((kind, asked, answer, seconds))
        }))
    }

    /// What the last step that left something left, with the step's place.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn latents(&self) -> Result<Option<(u64, String)>, Error> {
        let query = "SELECT seq, data, sum FROM latents WHERE run = ?";
        let found = self.read(query, params![self.run], |r| {
            let (seq, data, stored): (i64, String, [u8; 32]) = (r.get(0)?, r.get(1)?, r.get(2)?);
            Ok((seq as u64, data, stored))
        })?;
        Ok(found.and_then(|(seq, data, stored)| (sum(&data).0 == stored).then_some((seq, data))))
    }

    /// An answer under a key, as JSON, and the seconds that it took; `None` where there is none, or
    /// it is damaged.
    ///
    /// # Errors
    /// A store that cannot be read.
    pub fn answer(&self, key: ContentHash) -> Result<Option<(String, f64)>, Error> {
        let query = "SELECT evidence, sum, seconds FROM answers WHERE key = ?";
        let found = self.read(query, params![key.0], |r| {
            let (text, stored): (String, [u8; 32]) = (r.get(0)?, r.get(1)?);
            Ok((text, stored, r.get(2)?))
        })?;
        Ok(found.and_then(|(text, stored, seconds)| {
            (sum(&text).0 == stored).then_some((text, seconds))
        }))
    }

    /// Ends the run: `state` is `stopped`, `finished` or `failed`.
    ///
    /// # Errors
    /// What could not be written.
    pub fn end(
        &self,
        state: &str,
        status: Option<&str>,
        report: Option<&str>,
        seconds: f64,
    ) -> Result<(), Error> {
        self.flush()?;
        self.connection()
            .execute(
                "UPDATE runs SET state = ?, status = ?, report = ?, \
                 ended = strftime('%Y-%m-%dT%H:%M:%SZ','now'), seconds = seconds + ? WHERE id = ?",
                params![state, status, report, seconds, self.run],
            )
            .map_err(|e| Error::of("write", &self.path, &e))?;
        Ok(())
    }

    /// Forgets the steps of the run that a run which goes on could not take: from the first one on
    /// that is missing or damaged; and, where the latents are not those that the last step of the
    /// kind `leaves` left, from the first step of this kind on. Called before any step is asked
    /// for. Returns how many steps are left.
    ///
    /// # Errors
    /// A store that cannot be read or written.
    pub fn mend(&self, leaves: &str) -> Result<u64, Error> {
        let sound = self.sound_steps(leaves);
        let sound = sound.map_err(|e| Error::of("read", &self.path, &e))?;
        let left = self.latents()?.map(|(seq, _)| seq);
        let same = left == sound.last;
        let keep = match sound.first.filter(|_| !same) {
            Some(first) => first,
            None => sound.count,
        };
        let fail = |e: rusqlite::Error| Error::of("write", &self.path, &e);
        let connection = self.connection();
        connection
            .execute(
                "DELETE FROM steps WHERE run = ? AND seq >= ?",
                params![self.run, keep as i64],
            )
            .map_err(fail)?;
        if !same {
            connection
                .execute("DELETE FROM latents WHERE run = ?", params![self.run])
                .map_err(fail)?;
        }
        Ok(keep)
    }

    fn sound_steps(&self, leaves: &str) -> rusqlite::Result<Sound> {
        let connection = self.connection();
        let query = "SELECT seq, kind, asked, answer, sum FROM steps WHERE run = ? ORDER BY seq";
        let mut statement = connection.prepare(query)?;
        let mut rows = statement.query(params![self.run])?;
        let mut sound = Sound::default();
        while let Some(row) = rows.next()? {
            let seq = row.get::<_, i64>(0)? as u64;
            let read = || -> rusqlite::Result<(String, bool)> {
                let (kind, asked): (String, [u8; 32]) = (row.get(1)?, row.get(2)?);
                let (answer, stored): (String, [u8; 32]) = (row.get(3)?, row.get(4)?);
                let whole = sum_of_step(&kind, ContentHash(asked), &answer).0 == stored;
                Ok((kind, whole))
            };
            let Some((kind, true)) = legible(read())? else {
                break;
            };
            if seq != sound.count {
                break;
            }
            sound.count += 1;
            if kind == leaves {
                sound.first.get_or_insert(seq);
                sound.last = Some(seq);
            }
        }
        Ok(sound)
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T>(
        &self,
        query: &str,
        values: impl rusqlite::Params,
        row: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Error> {
        let connection = self.connection();
        let found = connection
            .prepare_cached(query)
            .and_then(|mut s| Ok(legible(s.query_row(values, row).optional())?.flatten()));
        found.map_err(|e| Error::of("read", &self.path, &e))
    }
}

/// The steps from the first one on that are what was written.
#[derive(Default)]
struct Sound {
    /// How many.
    count: u64,
    /// The first of a kind.
    first: Option<u64>,
    /// The last of that kind.
    last: Option<u64>,
}

/// A value that is not of its column's type was not written by this crate: it is none.
fn legible<T>(found: rusqlite::Result<T>) -> rusqlite::Result<Option<T>> {
    use rusqlite::Error::{FromSqlConversionFailure, InvalidColumnType, Utf8Error};
    match found {
        Ok(value) => Ok(Some(value)),
        Err(
            FromSqlConversionFailure(..)
            | InvalidColumnType(..)
            | Utf8Error(..)
            | rusqlite::Error::IntegralValueOutOfRange(..),
        ) => Ok(None),
        Err(e) => Err(e),
    }
}
