//! One reduction under way: the best candidate so far, what was tried, and when to stop.

use super::Test;
use crate::progress::{Cancel, Event, Progress};
use ceg4n_base::{ContentHash, Diagnostic, Hasher, Sources, codes};
use ceg4n_ir::{Module, Program, check};
use ceg4n_syntax::{PrintOptions, parse, print};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// The file name of every candidate.
pub(super) const CANDIDATE: &str = "candidate.nnir";

/// Why a reduction ends before its fixpoint.
#[derive(Debug)]
pub(super) enum Stop {
    /// All runs are used up.
    Limit,
    /// The user asked for it.
    Cancelled,
    /// The test itself failed.
    Failed(Diagnostic),
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Runs {
    /// Runs of the command.
    pub runs: u64,
    /// Of these the interesting ones, each a step to something smaller.
    pub steps: u64,
    /// Candidates that had been tried before.
    pub known: u64,
    /// Candidates that were no well-formed module.
    pub malformed: u64,
}

/// What a candidate must be before the command sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    /// Its text reads back, and the checker takes the reference and every version.
    Checked,
    /// Its text reads back.
    Readable,
}

/// A text and the files beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) text: String,
    pub(super) beside: Vec<(String, Vec<u8>)>,
}

impl Files {
    /// A module's, with nothing but what it says.
    pub(super) fn of(module: &Module) -> Self {
        let options = PrintOptions {
            keep_files: Some(BTreeSet::new()),
            side_file: "candidate.safetensors".to_owned(),
            ..PrintOptions::default()
        };
        let printed = print(module, &options);
        Self {
            text: printed.text,
            beside: printed.side_files,
        }
    }

    pub(super) fn hash(&self) -> ContentHash {
        let mut h = Hasher::new("candidate");
        h.str(&self.text);
        for (name, bytes) in &self.beside {
            h.str(name).bytes(bytes);
        }
        h.finish()
    }

    /// Bytes in all.
    pub(super) fn size(&self) -> usize {
        let beside: usize = self.beside.iter().map(|(_, b)| b.len()).sum();
        self.text.len() + beside
    }
}

/// A reduction under way.
pub(super) struct Session<'a> {
    pub(super) test: &'a mut dyn Test,
    pub(super) progress: &'a dyn Progress,
    pub(super) cancel: Cancel,
    /// Where candidates are written.
    pub(super) folder: PathBuf,
    /// Runs that may be made.
    pub(super) limit: u64,
    pub(super) demand: Demand,
    /// The best candidate so far.
    pub(super) best: Files,
    /// It as a module; of a text that cannot be read an empty one that nobody looks at.
    pub(super) module: Module,
    pub(super) runs: Runs,
    /// What the next step tries, for people.
    pub(super) stage: &'static str,
    pub(super) tried: BTreeSet<ContentHash>,
}

impl Session<'_> {
    /// Tries a module; if it is interesting it becomes the best one.
    pub(super) fn try_module(&mut self, module: Module) -> Result<bool, Stop> {
        let files = Files::of(&module);
        if self.is_known(&files)? {
            return Ok(false);
        }
        if !self.well_formed(&files) {
            self.runs.malformed += 1;
            return Ok(false);
        }
        let found = self.run(files)?;
        if found {
            self.module = module;
        }
        Ok(found)
    }

    /// Tries a text.
    pub(super) fn try_text(&mut self, text: String) -> Result<bool, Stop> {
        let files = Files {
            text,
            beside: self.best.beside.clone(),
        };
        if self.is_known(&files)? {
            return Ok(false);
        }
        self.run(files)
    }

    fn is_known(&mut self, files: &Files) -> Result<bool, Stop> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(Stop::Cancelled);
        }
        let known = !self.tried.insert(files.hash());
        self.runs.known += u64::from(known);
        Ok(known)
    }

    fn well_formed(&self, files: &Files) -> bool {
        let beside: BTreeMap<String, Vec<u8>> = files.beside.iter().cloned().collect();
        let read = parse(&mut Sources::default(), CANDIDATE, &files.text, &beside);
        match (read, self.demand) {
            (Err(_), _) => false,
            (Ok(_), Demand::Readable) => true,
            (Ok(module), Demand::Checked) => passes_checker(&module),
        }
    }

    fn run(&mut self, files: Files) -> Result<bool, Stop> {
        if self.runs.runs >= self.limit {
            return Err(Stop::Limit);
        }
        self.write(&files).map_err(Stop::Failed)?;
        self.runs.runs += 1;
        let verdict = self.test.run(&self.folder.join(CANDIDATE));
        let verdict = verdict.map_err(Stop::Failed)?;
        if verdict.interesting {
            self.runs.steps += 1;
            self.best = files;
            self.progress.note(&Event::Reduced {
                what: self.stage,
                bytes: self.best.size() as u64,
                runs: self.runs.runs,
            });
        }
        Ok(verdict.interesting)
    }

    /// Writes a candidate where the command finds it.
    fn write(&self, files: &Files) -> Result<(), Diagnostic> {
        let text = (CANDIDATE.to_owned(), files.text.as_bytes());
        let beside = files.beside.iter().map(|(n, b)| (n.clone(), &b[..]));
        for (name, bytes) in beside.chain([text]) {
            let path = self.folder.join(name);
            let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
            made.and_then(|()| std::fs::write(&path, bytes))
                .map_err(|e| {
                    let text = format!("cannot write {}: {e}", path.display());
                    Diagnostic::error(codes::FILE_WRITE, text)
                })?;
        }
        Ok(())
    }

    /// Drops items: all at once, then ever smaller runs of neighbours, down to single ones (the
    /// chunks of Zeller and Hildebrandt's ddmin, "Simplifying and isolating failure-inducing
    /// input", 2002). `count` says how many a module has, `without` makes one without some of them.
    pub(super) fn drop_runs(
        &mut self,
        count: &dyn Fn(&Module) -> usize,
        without: &dyn Fn(&Module, Range<usize>) -> Option<Module>,
    ) -> Result<(), Stop> {
        let mut size = count(&self.module);
        while size > 0 {
            let mut at = 0;
            loop {
                let n = count(&self.module);
                if at >= n {
                    break;
                }
                let range = at..(at + size).min(n);
                let dropped = match without(&self.module, range) {
                    Some(module) => self.try_module(module)?,
                    None => false,
                };
                // What comes next has moved to `at`.
                let shrunk = count(&self.module) < n;
                if !(dropped && shrunk) {
                    at += size;
                }
            }
            size /= 2;
        }
        Ok(())
    }

    /// Changes items that stay: all of a range at once, or where that is not interesting each half
    /// for itself. `change` gives `None` where nothing in the range would change.
    pub(super) fn change_runs(
        &mut self,
        range: Range<usize>,
        change: &dyn Fn(&Module, Range<usize>) -> Option<Module>,
    ) -> Result<(), Stop> {
        let mut open = vec![range];
        while let Some(range) = open.pop() {
            let Some(module) = change(&self.module, range.clone()) else {
                continue;
            };
            if !self.try_module(module)? && range.len() > 1 {
                let middle = range.start + range.len() / 2;
                open.push(middle..range.end);
                open.push(range.start..middle);
            }
        }
        Ok(())
    }

    /// Tries a module if there is one.
    pub(super) fn attempt(&mut self, module: Option<Module>) -> Result<bool, Stop> {
        match module {
            Some(module) => self.try_module(module),
            None => Ok(false),
        }
    }
}

/// True if the checker takes the reference and every version.
pub(super) fn passes_checker(module: &Module) -> bool {
    let versions = module.versions.iter().cloned();
    let programs = versions.map(|a| Program::new(module.network.clone(), a));
    programs
        .chain([module.reference()])
        .all(|program| check(program).is_ok())
}
