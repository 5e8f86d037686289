//! Labels and verdicts of a run that keeps a store: taken from there, or found and kept.

use super::{Asked, Engine, Timed, label_of};
use crate::record::{Record, blank, stamp};
use crate::told::{label_name, region};
use ceg4n_base::{ContentHash, Diagnostics, Exact, Hasher};
use ceg4n_eval::strict_winner;
use ceg4n_ir::Format;
use ceg4n_store::{AnswerKind, Row};
use ceg4n_verify::space::Space;
use ceg4n_verify::{Effort, Label, Labelled, RegionResult, Stop, Subject, Verdict};
use serde::de::DeserializeOwned;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// An answer of the store.
struct Stored<T> {
    value: T,
    /// What it took when it was found.
    seconds: f64,
    /// Under which key it stands.
    key: ContentHash,
}

/// A solver and, if it is a program of its own, its build.
pub(super) fn solver(name: &str) -> String {
    match ceg4n_smt::solver::program(name) {
        Some(path) => format!("{name} {}", stamp(&path)),
        None => name.to_owned(),
    }
}

impl Engine<'_> {
    /// What the reference does on a question's region: taken from the store, or found.
    pub(super) fn label(&self, i: usize, stop: &Stop) -> Labelled {
        let asked = &self.asked[i];
        let compute = || label_of(&self.reference, asked, &self.effort, stop);
        let Some(record) = self.record else {
            return compute();
        };
        let mut hasher = record.question("label");
        self.identify(&mut hasher, asked, &self.effort);
        let key = hasher.finish();
        let begin = Instant::now();
        if let Some(stored) = self.recall::<Labelled>(record, key)
            && self.shows(asked, &stored.value)
        {
            return stored.value;
        }
        let found = compute();
        if let Some(key) = self.lasting(record, key, stop.now().is_some()) {
            let seconds = begin.elapsed().as_secs_f64();
            let name = label_name(&found.label);
            record.keep_answer(asked, blank(key, AnswerKind::Label, name, seconds), &found);
        }
        found
    }

    /// True unless a stored label says that the class changes and its two points do not show it:
    /// they are evaluated exactly anew.
    fn shows(&self, asked: &Asked, stored: &Labelled) -> bool {
        let Label::Changes(change) = &stored.label else {
            return true;
        };
        let space = Space::new(&asked.region, asked.domain, Format::S32);
        let shown = |(x, class): &(Vec<Exact>, usize)| {
            let outputs = self.reference.outputs(x);
            space.contains(x) && outputs.is_ok_and(|y| strict_winner(&y) == Some(*class))
        };
        self.reference.is_exact()
            && change.a.1 != change.b.1
            && shown(&change.a)
            && shown(&change.b)
    }

    /// Everything but the program that decides a label or verdict.
    fn identify(&self, hasher: &mut Hasher, asked: &Asked, effort: &Effort) {
        hasher
            .bytes(&self.reference.hash().0)
            .str(&format!("{:?}", self.reference.precision()))
            .bytes(&asked.region.hash().0)
            .str(&asked.region.id)
            // Attacks start there.
            .str(&format!("{:?}", asked.region.center()))
            .str(&format!("{:?} {:?}", asked.property, asked.domain))
            .str(&format!("{effort:?}"));
    }

    /// An answer of this or another run; or what this run's own limits decided.
    fn recall<T: DeserializeOwned>(&self, record: &Record, key: ContentHash) -> Option<Stored<T>> {
        let under = |key: ContentHash| {
            let (value, seconds) = record.answer(key)?;
            Some(Stored {
                value,
                seconds,
                key,
            })
        };
        let limited = self.budget.region_time_limit.is_some();
        let own = || under(record.own(key)).filter(|_| limited);
        under(key).or_else(own)
    }

    /// The key under which an answer is kept: of all runs, or where the region's clock ended the
    /// work of this run alone. What the run's end cut short is not kept.
    fn lasting(&self, record: &Record, key: ContentHash, cut: bool) -> Option<ContentHash> {
        match (cut, self.stopped()) {
            (false, _) => Some(key),
            (true, false) => Some(record.own(key)),
            (true, true) => None,
        }
    }

    /// The verdict on a question: taken from the store, or found.
    pub(super) fn answer(
        &self,
        subject: &Subject,
        i: usize,
        decided: &AtomicUsize,
        stop: &Stop,
    ) -> Result<Timed, Diagnostics> {
        let timed = match self.record {
            None => self.decide(subject, i, stop)?,
            Some(record) => {
                let key = self.verdict_key(record, subject, i);
                match self.recalled(record, key, subject, i) {
                    Some(timed) => timed,
                    None => {
                        let found = self.decide(subject, i, stop)?;
                        self.kept(record, key, subject, found, stop)
                    }
                }
            }
        };
        let place = decided.fetch_add(1, Ordering::Relaxed) + 1;
        self.note(&region(&timed.result, place, self.asked.len()));
        Ok(timed)
    }

    /// Everything that decides a verdict: what a run knows already counts too, for it decides how
    /// far a limited effort gets.
    fn verdict_key(&self, record: &Record, subject: &Subject, i: usize) -> ContentHash {
        let asked = &self.asked[i];
        let mut hasher = record.question("verdict");
        self.identify(&mut hasher, asked, &self.work());
        let json = |v: Result<String, serde_json::Error>| v.unwrap_or_default();
        hasher
            .bytes(&subject.program().hash().0)
            .str(&json(serde_json::to_string(&asked.label)))
            .str(&json(serde_json::to_string(&self.divisions[i])))
            .str(&json(serde_json::to_string(&self.hints)))
            .str(&self.solver)
            .str(&format!("{:?}", self.budget.memory_limit_mib));
        hasher.finish()
    }

    /// A stored verdict. A counterexample is replayed; a proof stands for the hash of all that was
    /// asked.
    fn recalled(
        &self,
        record: &Record,
        key: ContentHash,
        subject: &Subject,
        i: usize,
    ) -> Option<Timed> {
        let asked = &self.asked[i];
        let stored = self.recall::<RegionResult>(record, key)?;
        let result = stored.value;
        let sound = match &result.verdict {
            Verdict::Refuted(w) => {
                let space = Space::new(&asked.region, asked.domain, subject.input_format());
                let found = subject.replay(&self.reference, &space, &asked.property, &w.x);
                matches!(found, Ok(Some(found)) if found == **w)
            }
            Verdict::Proved(e) => {
                e.program == subject.program().hash()
                    && e.reference == self.reference.hash()
                    && e.region == asked.region.hash()
            }
            Verdict::Unknown(_) => true,
        };
        let same = result.id == asked.region.id && result.property == asked.property;
        (sound && same).then_some(Timed {
            question: i,
            result,
            seconds: stored.seconds,
            key: Some(stored.key),
        })
    }

    /// Keeps a verdict that was found.
    fn kept(
        &self,
        record: &Record,
        key: ContentHash,
        subject: &Subject,
        mut timed: Timed,
        stop: &Stop,
    ) -> Timed {
        let cut = timed.result.clock_limited || stop.now().is_some();
        timed.key = self.lasting(record, key, cut);
        if let Some(key) = timed.key {
            let name = timed.result.verdict.name();
            let mut answer = blank(key, AnswerKind::Verdict, name, timed.seconds);
            answer.program = Some(subject.program().hash());
            record.keep_answer(&self.asked[timed.question], answer, &timed.result);
        }
        timed
    }

    /// Keeps what was found of a version.
    pub(crate) fn tell_verdicts(&self, version: u32, verdicts: &[Timed]) {
        let Some(record) = self.record else {
            return;
        };
        for t in verdicts {
            let asked = &self.asked[t.question];
            record.put(Row::Verdict {
                version,
                region: asked.region.id.clone(),
                asked: asked.words(),
                verdict: t.result.verdict.name(),
                seconds: t.seconds,
                key: t.key,
            });
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::solver;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn another_build_of_a_solver_is_another_solver() {
        assert_eq!(solver("embedded"), "embedded");
        assert_eq!(solver("no solver of this name"), "no solver of this name");
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("solver");
        let built = |text: &str| {
            fs::write(&path, text).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
            solver(path.to_str().expect("a name"))
        };
        let first = built("#!/bin/sh\n");
        assert_ne!(first, path.to_str().expect("a name"));
        assert_ne!(first, built("#!/bin/sh\n:\n"));
    }
}
