//! The optimality statement checked again: from the stored points alone, without a verifier and
//! without trust in a count.

use super::folder::{Folder, Versioned, asked};
use super::{Outcome, Recheck};
use crate::Failure;
use crate::optimality::certificate::{Certificate, StoredResult, stored_regions};
use crate::optimality::fate::Stored;
use crate::optimality::{Limits, go_through, in_space, set_aside, statement};
use crate::progress::Live;
use ceg4n_base::{Diagnostic, Diagnostics, codes};
use ceg4n_ir::{Format, Module, Region};
use ceg4n_jit::CodeCache;
use ceg4n_quantize::Model;
use ceg4n_refine::{Counterexample, Ended};
use ceg4n_report::{Optimality, Status};
use ceg4n_search::AnnotationSpace;
use ceg4n_verify::space::Space;
use ceg4n_verify::{Reference, Subject};

/// Checks the statement of a folder again.
pub(super) fn recheck(
    folder: &Folder,
    jobs: usize,
    stopped: &dyn Fn() -> bool,
    live: &Live,
) -> Result<Recheck, Failure> {
    let result = folder.any()?;
    let reference = folder.reference(&result.loaded)?;
    let mut checker = Checker {
        folder,
        certificate: &folder.certificate,
        reference,
        cache: CodeCache::new(),
        faults: Vec::new(),
    };
    checker.files();
    checker.module(&result);
    let regions = checker.points(&result);
    checker.versions(&regions);
    let again = checker.statement(&result, (jobs, live), stopped)?;
    let stated = folder.certificate.statement.as_ref();
    let data = stated.map_or(0, |s| s.missed_demand);
    let outcome = match (&checker.faults[..], &again) {
        ([_, ..], _) => Outcome::Fails,
        ([], None) => Outcome::Open,
        ([], Some(_)) if data > 0 => Outcome::Open,
        ([], Some(_)) => Outcome::Holds,
    };
    Ok(Recheck {
        outcome,
        statement: stated.map(|s| s.statement.clone()),
        faults: checker.faults,
        counterexamples: folder.certificate.counterexamples.len() as u64,
        cheaper: again.as_ref().map_or(0, |s| s.cheaper),
        rest_on_data: data,
        cut_short: stated.is_some() && again.is_none(),
    })
}

struct Checker<'a> {
    folder: &'a Folder,
    certificate: &'a Certificate,
    reference: Reference,
    cache: CodeCache,
    faults: Vec<String>,
}

impl Checker<'_> {
    fn require(&mut self, holds: bool, fault: impl FnOnce() -> String) {
        if !holds {
            self.faults.push(fault());
        }
    }

    /// Certificate and report are as they were written, and say the same.
    fn files(&mut self) {
        let (c, report) = (self.certificate, &self.folder.report);
        let Some(l) = &report.loop_ else { return };
        self.require(c.hash == c.content_hash(), || {
            "the certificate was changed: its content does not have the hash that it states".into()
        });
        self.require(l.certificate == Some(c.hash), || {
            "report.json states another certificate".into()
        });
        self.require(l.optimality == c.statement, || {
            "report.json makes another statement than the certificate".into()
        });
        self.require(
            c.statement.is_none() || report.status == Status::Proved,
            || "a statement is made of a result that is not proved".into(),
        );
        let points = c.counterexamples.len() as u64;
        self.require(l.counterexamples == points, || {
            format!(
                "report.json counts {} stored points, the certificate has {points}",
                l.counterexamples
            )
        });
        let aside: Vec<u32> = l.set_aside.iter().map(|s| s.version).collect();
        let open = c
            .versions
            .iter()
            .filter(|v| matches!(v.ended, Ended::Unknown(_)));
        let open: Vec<u32> = open.map(|v| v.version).collect();
        self.require(aside == open, || {
            format!("report.json sets the versions {aside:?} aside, the certificate {open:?}")
        });
        let program = c.result.as_ref().map(|r| r.program);
        self.require(report.program == program, || {
            "report.json speaks of another program".into()
        });
    }

    /// Network, regions, requirements and program are those of the certificate.
    fn module(&mut self, result: &Versioned) {
        let (c, module) = (self.certificate, &result.loaded.module);
        self.require(module.network.hash() == c.network, || {
            "the network is another one".into()
        });
        self.require(stored_regions(&module.regions) == c.regions, || {
            "the regions are others".into()
        });
        let count = result.loaded.obligations().map_or(0, |o| o.len());
        let all = c
            .questions
            .iter()
            .all(|q| asked(&result.loaded, q).is_some());
        self.require(all && count == c.questions.len(), || {
            "the requirements are others".into()
        });
        if let Some(r) = &c.result {
            let hash = result.program.hash();
            self.require(hash == r.program, || {
                format!(
                    "the program is {}, the certificate speaks of {}",
                    hash.short(),
                    r.program.short()
                )
            });
        }
    }

    /// Every stored point lies in its region and domain; the regions, by question.
    fn points(&mut self, result: &Versioned) -> Vec<Option<Region>> {
        let c = self.certificate;
        let regions: Vec<Option<Region>> = c
            .questions
            .iter()
            .map(|q| asked(&result.loaded, q).cloned())
            .collect();
        for (i, p) in c.counterexamples.iter().enumerate() {
            let lies = self.space_of(p, &regions).is_some_and(|s| s.contains(&p.x));
            self.require(lies, || {
                format!("stored point {i} does not lie in its region and domain")
            });
        }
        regions
    }

    fn space_of(&self, p: &Counterexample, regions: &[Option<Region>]) -> Option<Space> {
        let region = regions.get(p.question)?.as_ref()?;
        let domain = self.certificate.questions.get(p.question)?.domain;
        // Any input format will do: what a point lies in is no matter of the kernel.
        (p.x.len() == region.lower.len()).then(|| Space::new(region, domain, Format::S32))
    }

    /// Every version has its program, and breaks the counterexample that ended it.
    fn versions(&mut self, regions: &[Option<Region>]) {
        let c = self.certificate;
        for (i, v) in c.versions.iter().enumerate() {
            let name = v.version;
            self.require(name as usize == i + 1, || {
                format!("version v{name} stands in place {}", i + 1)
            });
            let program = match self.folder.version(name) {
                Ok(found) => found.program,
                Err(f) => {
                    let why = f.to_string();
                    let first = why.lines().next().unwrap_or_default();
                    self.faults.push(format!("versions/v{name}.nnir: {first}"));
                    continue;
                }
            };
            self.require(program.hash() == v.program, || {
                format!("versions/v{name}.nnir is another program")
            });
            let Ended::Refuted(at) = v.ended else {
                continue;
            };
            let breaks = c.counterexamples.get(at).is_some_and(|p| {
                p.ended == Some(name) && self.breaks(p, regions, program).unwrap_or(false)
            });
            self.require(breaks, || {
                format!("stored point {at} does not refute version v{name}, which it ended")
            });
        }
        for (i, p) in c.counterexamples.iter().enumerate() {
            let Some(v) = p.ended else { continue };
            let ends = c
                .versions
                .iter()
                .any(|x| x.version == v && x.ended == Ended::Refuted(i));
            self.require(ends, || {
                format!("stored point {i} ended version v{v}, which does not say so")
            });
        }
    }

    /// Exact replay; `None` where there is none.
    fn breaks(
        &self,
        p: &Counterexample,
        regions: &[Option<Region>],
        program: ceg4n_ir::Checked<ceg4n_ir::Program>,
    ) -> Option<bool> {
        let space = self.space_of(p, regions)?;
        let property = &self.certificate.questions.get(p.question)?.requirement;
        let subject = Subject::new(program, &self.cache).ok()?;
        let replayed = subject.replay(&self.reference, &space, property, &p.x);
        Some(replayed.ok()?.is_some())
    }

    /// The statement made anew; `None` where there is none, or the clock ended the work.
    fn statement(
        &mut self,
        result: &Versioned,
        (jobs, live): (usize, &Live),
        stopped: &dyn Fn() -> bool,
    ) -> Result<Option<Optimality>, Failure> {
        let c = self.certificate;
        let (Some(stated), Some(r)) = (&c.statement, &c.result) else {
            self.require(c.statement.is_none(), || {
                "a statement is made without a result".into()
            });
            return Ok(None);
        };
        let space = match c.space.rebuild(&result.loaded.module) {
            Ok(space) => space,
            Err(e) => {
                self.faults
                    .push(format!("the search space cannot be made again: {e}"));
                return Ok(None);
            }
        };
        self.ranges(&space, &result.loaded.module);
        let name = space.name();
        self.require(name == c.space.name, || {
            format!("the search space is {name}")
        });
        self.costs(&space, r);
        let versions = c.versions.iter().map(|v| (v.version, v.program, &v.ended));
        let properties = c.questions.iter().map(|q| q.requirement.clone()).collect();
        let points = &c.counterexamples;
        let stored = Stored::new(
            &space,
            &self.reference,
            properties,
            points,
            set_aside(versions),
        );
        let limits = Limits {
            below: stated
                .not_tried_from
                .map_or(r.cost, |from| from.min(r.cost)),
            most: u64::MAX,
            jobs,
            stopped,
            live,
        };
        let mut tally = go_through(&stored, &limits)
            .map_err(|e| Diagnostics::from(Diagnostic::error(codes::INTERNAL, e)))?;
        if tally.from.is_some() {
            return Ok(None);
        }
        tally.from = stated.not_tried_from;
        // What rests on data cannot be told from what was not tried.
        tally.missed_demand = stated.missed_demand.min(tally.open);
        tally.open -= tally.missed_demand;
        let own = in_space(&space, &r.assignment, r.program);
        let again = statement(&space, r, own, &tally);
        self.compare(stated, &again);
        Ok(Some(again))
    }

    /// Without data, what activation formats are chosen from follows from the regions.
    fn ranges(&mut self, space: &AnnotationSpace, module: &Module) {
        if self.folder.report.accuracy.is_some() {
            return;
        }
        let (network, rounding) = (module.network.clone(), space.model().rounding());
        let own = Model::new(&self.reference, network, &module.regions, rounding);
        self.require(own.ranges() == space.model().ranges(), || {
            "the ranges of activations are not those of the regions".into()
        });
    }

    fn costs(&mut self, space: &AnnotationSpace, r: &StoredResult) {
        let cost = space.cost(&r.assignment);
        self.require(cost == r.cost, || {
            format!("the result costs {cost}, the certificate says {}", r.cost)
        });
        let reported = self.folder.report.cost.as_ref();
        let differs = reported.is_some_and(|c| c.metric == space.cost.name() && c.value != cost);
        self.require(!differs, || {
            format!("the result costs {cost}, report.json says otherwise")
        });
        let result = self
            .certificate
            .versions
            .iter()
            .find(|v| v.version == r.version);
        let same = result.is_some_and(|v| {
            v.program == r.program && v.cost == r.cost && v.assignment == r.assignment
        });
        self.require(same, || format!("version v{} is not the result", r.version));
    }

    fn compare(&mut self, stated: &Optimality, again: &Optimality) {
        let mut differ = |what: &str, a: u64, b: u64| {
            if a != b {
                let text = format!("{what}: the certificate says {a}, found are {b}");
                self.faults.push(text);
            }
        };
        differ("cost of the result", stated.cost, again.cost);
        differ("cheaper assignments", stated.cheaper, again.cheaper);
        differ(
            "refuted assignments",
            stated.refuted_count(),
            again.refuted_count(),
        );
        differ("refused assignments", stated.refused, again.refused);
        differ("missed demands", stated.missed_demand, again.missed_demand);
        differ(
            "assignments set aside",
            stated.set_aside_count(),
            again.set_aside_count(),
        );
        differ("assignments not tried", stated.not_tried, again.not_tried);
        let same = stated == again;
        let told = !self.faults.is_empty();
        self.require(same || told, || {
            format!("the statement is another one: {}", again.statement)
        });
    }
}

/// What becomes of the assignments of a certificate's space, for tests that write certificates.
#[cfg(test)]
pub(super) fn tally(
    path: &std::path::Path,
    c: &Certificate,
    (most, jobs): (u64, usize),
    stopped: bool,
) -> (crate::optimality::Tally, Optimality) {
    let folder = Folder::open(path).expect("a folder");
    let result = folder.result().expect("a result");
    let reference = folder.reference(&result.loaded).expect("a reference");
    let space = c.space.rebuild(&result.loaded.module).expect("a space");
    let versions = c.versions.iter().map(|v| (v.version, v.program, &v.ended));
    let properties = c.questions.iter().map(|q| q.requirement.clone()).collect();
    let points = &c.counterexamples;
    let stored = Stored::new(&space, &reference, properties, points, set_aside(versions));
    let r = c.result.as_ref().expect("a result");
    let live = Live::default();
    let limits = Limits {
        below: r.cost,
        most,
        jobs,
        stopped: &|| stopped,
        live: &live,
    };
    let tally = go_through(&stored, &limits).expect("no defect");
    assert_eq!(live.assignments(), tally.cheaper, "what a display shows");
    let own = in_space(&space, &r.assignment, r.program);
    let told = statement(&space, r, own, &tally);
    (tally, told)
}
