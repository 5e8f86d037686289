//! The thread that writes rows: one transaction for what came within a moment.

use crate::rows::{Answer, Row};
use crate::{Error, schema};
use ceg4n_base::{ContentHash, Hasher};
use rusqlite::{Connection, Transaction, params};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long rows are collected before they are written together.
const MOMENT: Duration = Duration::from_millis(500);
/// At most so many rows in one transaction.
const MOST: usize = 20_000;

enum Message {
    Row(Row),
    Flush(Sender<()>),
}

/// The way to the thread.
#[derive(Debug)]
pub(crate) struct Writer {
    path: PathBuf,
    to: Option<Sender<Message>>,
    thread: Option<JoinHandle<()>>,
    failure: Arc<Mutex<Option<Error>>>,
    /// Held while a transaction is under way.
    busy: Arc<Mutex<()>>,
}

impl Writer {
    /// Starts the thread for the rows of a run.
    pub(crate) fn start(path: &Path, run: i64) -> Result<Self, Error> {
        let connection = schema::open_writable(path)?;
        let failure = Arc::new(Mutex::new(None));
        let busy = Arc::new(Mutex::new(()));
        let (to, from) = channel();
        let work = Work {
            busy: Arc::clone(&busy),
            connection,
            path: path.to_owned(),
            run,
            failure: Arc::clone(&failure),
        };
        let thread = std::thread::Builder::new()
            .name("run store".into())
            .spawn(move || work.serve(&from))
            .map_err(|source| Error::File {
                what: "start a thread for",
                path: path.to_owned(),
                source,
            })?;
        Ok(Self {
            path: path.to_owned(),
            to: Some(to),
            thread: Some(thread),
            failure,
            busy,
        })
    }

    /// Nothing is written while the guard lives.
    pub(crate) fn pause(&self) -> MutexGuard<'_, ()> {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a row over.
    pub(crate) fn put(&self, row: Row) {
        if let Some(to) = &self.to {
            // A thread that is gone has left its failure.
            let _ = to.send(Message::Row(row));
        }
    }

    /// Waits until everything handed over is on the disk, or has failed.
    pub(crate) fn flush(&self) -> Result<(), Error> {
        if let Some(to) = &self.to {
            let (done, wait) = channel();
            let served = to.send(Message::Flush(done)).is_ok() && wait.recv().is_ok();
            self.check()?;
            if !served {
                return Err(Error::Database {
                    what: "write",
                    path: self.path.clone(),
                    why: "the thread that writes it has ended".into(),
                });
            }
        }
        self.check()
    }

    /// What could not be written, once.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        match failure.take() {
            Some(e) => Err(e),
            None => Ok(()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.to = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Work {
    connection: Connection,
    path: PathBuf,
    run: i64,
    failure: Arc<Mutex<Option<Error>>>,
    busy: Arc<Mutex<()>>,
}

impl Work {
    fn serve(mut self, from: &Receiver<Message>) {
        let mut broken = false;
        let mut closed = false;
        while !closed {
            let (mut rows, mut waiting) = (Vec::new(), Vec::new());
            match from.recv() {
                Ok(Message::Row(row)) => rows.push(row),
                Ok(Message::Flush(done)) => waiting.push(done),
                Err(_) => return,
            }
            let until = Instant::now() + MOMENT;
            while waiting.is_empty() && rows.len() < MOST {
                let left = until.saturating_duration_since(Instant::now());
                match from.recv_timeout(left) {
                    Ok(Message::Row(row)) => rows.push(row),
                    Ok(Message::Flush(done)) => waiting.push(done),
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => {
                        closed = true;
                        break;
                    }
                }
            }
            // After a failure nothing is written: what is there stays a beginning of the run.
            if !broken && let Err(e) = self.write(&rows) {
                broken = true;
                let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
                *failure = Some(Error::of("write", &self.path, &e));
            }
            for done in waiting {
                let _ = done.send(());
            }
        }
    }

    fn write(&mut self, rows: &[Row]) -> rusqlite::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let _busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = self
            .connection
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        for row in rows {
            write_row(&transaction, self.run, row)?;
        }
        transaction.commit()
    }
}

/// The hash that tells damage.
pub(crate) fn sum(text: &str) -> ContentHash {
    ContentHash::of(text.as_bytes())
}

/// The same for a step: its question counts too.
pub(crate) fn sum_of_step(kind: &str, asked: ContentHash, answer: &str) -> ContentHash {
    let mut hasher = Hasher::new("step");
    hasher.str(kind).bytes(&asked.0).str(answer);
    hasher.finish()
}

fn write_row(t: &Transaction<'_>, run: i64, row: &Row) -> rusqlite::Result<()> {
    match row {
        Row::Step {
            seq,
            kind,
            asked,
            answer,
            latents,
            seconds,
        } => {
            t.prepare_cached("INSERT OR REPLACE INTO steps VALUES (?,?,?,?,?,?,?)")?
                .execute(params![
                    run,
                    *seq as i64,
                    kind,
                    asked.0,
                    answer,
                    sum_of_step(kind, *asked, answer).0,
                    seconds
                ])?;
            if let Some(data) = latents {
                t.prepare_cached("INSERT OR REPLACE INTO latents VALUES (?,?,?,?)")?
                    .execute(params![run, *seq as i64, data, sum(data).0])?;
            }
        }
        Row::Forget { seq } => {
            t.prepare_cached("DELETE FROM steps WHERE run = ? AND seq >= ?")?
                .execute(params![run, *seq as i64])?;
        }
        Row::Answer(answer) => write_answer(t, run, answer)?,
        Row::Verdict {
            version,
            region,
            asked,
            verdict,
            seconds,
            key,
        } => {
            t.prepare_cached("INSERT INTO version_verdicts VALUES (?,?,?,?,?,?,?)")?
                .execute(params![
                    run,
                    version,
                    region,
                    asked,
                    verdict,
                    seconds,
                    key.map(|k| k.0)
                ])?;
        }
        Row::Version { .. } => write_version(t, run, row)?,
        Row::Counterexample {
            number,
            region,
            ended,
            x,
        } => {
            t.prepare_cached("INSERT OR REPLACE INTO counterexamples VALUES (?,?,?,?,?)")?
                .execute(params![run, *number as i64, region, ended, x])?;
        }
    }
    Ok(())
}

fn write_answer(t: &Transaction<'_>, run: i64, a: &Answer) -> rusqlite::Result<()> {
    t.prepare_cached("INSERT OR REPLACE INTO answers VALUES (?,?,?,?,?,?,?,?,?,?)")?
        .execute(params![
            a.key.0,
            a.kind.name(),
            run,
            a.region,
            a.asked,
            a.program.map(|p| p.to_string()),
            a.answer,
            a.evidence,
            sum(&a.evidence).0,
            a.seconds
        ])?;
    Ok(())
}

fn write_version(t: &Transaction<'_>, run: i64, row: &Row) -> rusqlite::Result<()> {
    let Row::Version {
        version,
        program,
        assignment,
        guided,
        cost,
        candidates,
        counterexamples,
        ended,
        seconds,
        annotations,
    } = row
    else {
        return Ok(());
    };
    t.prepare_cached("INSERT OR REPLACE INTO versions VALUES (?,?,?,?,?,?,?,?,?,?,?)")?
        .execute(params![
            run,
            version,
            program.to_string(),
            assignment,
            guided,
            *cost as i64,
            *candidates as i64,
            *counterexamples as i64,
            ended,
            seconds,
            annotations
        ])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_is_gone_is_no_success() {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = Writer::start(&dir.path().join(crate::FILE), 1).unwrap();
        assert!(writer.flush().is_ok());
        // As if the thread had died: nobody listens any more.
        writer.to = Some(channel().0);
        assert!(matches!(writer.flush(), Err(Error::Database { .. })));
    }
}
