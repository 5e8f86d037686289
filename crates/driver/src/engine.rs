//! Questions, labels and verdicts of one run: what `verify` and `compile` share.

mod stored;

use crate::load::Loaded;
use crate::options::{Boundary, Budget};
use crate::parallel::parallel;
use crate::progress::{Cancel, Event, Live, Progress, Stage};
use crate::record::Record;
use crate::resources::MemoryGuard;
use crate::told::label_name;
use ceg4n_base::{ContentHash, Diagnostic, Diagnostics, Exact, codes};
use ceg4n_ir::{Checked, Domain, Format, Program, Property, Region, Requirement, Selection};
use ceg4n_jit::CodeCache;
use ceg4n_refine::Counterexample;
use ceg4n_verify::attack::{Target, simplify};
use ceg4n_verify::space::Space;
use ceg4n_verify::tree::Tree;
use ceg4n_verify::verdict::Witness;
use ceg4n_verify::{
    Effort, Known, Label, Labelled, Obligation, Question, Reference, RegionResult, SolverLeaf,
    Stop, Subject, Verdict, decide_from, label,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Points that refuted something and are tried on other programs and regions.
const HINTS: usize = 8;

/// The share of the median lead that the default boundary margin takes.
const BOUNDARY_SHARE: f64 = 0.05;

/// A requirement on one region.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The region.
    pub region: Region,
    /// What must hold there.
    pub property: Property,
    /// On which inputs.
    pub domain: Domain,
    /// The reference's behaviour.
    pub label: Labelled,
}

/// A verdict and the wall time it took.
#[derive(Clone, Debug)]
pub(crate) struct Timed {
    /// Which question.
    pub question: usize,
    /// The verdict.
    pub result: RegionResult,
    /// Wall time.
    pub seconds: f64,
    /// Where the run's store has the verdict with its evidence.
    pub key: Option<ContentHash>,
}

/// What a run tells, what may end it, and what it keeps.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    /// Takes events.
    pub progress: &'a dyn Progress,
    /// Ends the run.
    pub cancel: &'a Cancel,
    /// Its store, if it has one.
    pub record: Option<&'a Record>,
}

impl Asked {
    /// Property and domain in words.
    pub(crate) fn words(&self) -> String {
        format!("{} {}", self.property, self.domain)
    }
}

/// Everything that stays the same over the candidates of a run.
pub(crate) struct Engine<'a> {
    /// The reference.
    pub reference: Reference,
    /// The questions, in file order.
    pub asked: Vec<Asked>,
    /// The margin asked for where the reference changes class, if anywhere.
    pub boundary_margin: Option<Exact>,
    /// Native code of the shapes met so far.
    pub cache: CodeCache,
    /// Seconds spent on labels and verdicts.
    pub seconds: f64,
    /// A clock limit ended some label's work.
    pub clock_limited: bool,
    /// Candidates are many: each gets a brief look.
    pub brief: bool,
    /// The questions in the order in which they are asked.
    order: Vec<usize>,
    /// Per question how its region was divided last, where that took more than one part.
    divisions: Vec<Option<Tree>>,
    /// The points that refuted something last, youngest first.
    hints: Vec<Vec<Exact>>,
    budget: &'a Budget,
    effort: Effort,
    stop: Stop,
    memory: MemoryGuard,
    progress: &'a dyn Progress,
    /// What displays read while the run goes on.
    pub live: Arc<Live>,
    record: Option<&'a Record>,
    /// The solver that verdicts are asked of: its name and its build.
    solver: String,
}

/// Every obligation of a loaded network, as questions.
///
/// # Errors
/// Nothing to decide, a region without a point of its domain, a property that does not fit.
pub(crate) fn questions(loaded: &Loaded) -> Result<Vec<Asked>, Diagnostics> {
    let mut errors = Diagnostics::default();
    let mut asked = Vec::new();
    for o in loaded.obligations()? {
        crate::load::check_property(o.property, loaded.module.network.output_len())?;
        if let Err(d) = o.region.check(loaded.module.network.input_len()) {
            errors.push(d);
        } else if let Err(d) = Space::new(o.region, o.domain, Format::S32).root() {
            // Any input format will do here: the grid is the requirement's.
            errors.push(d.at(o.region.span, "this region"));
        }
        asked.push(Asked {
            region: o.region.clone(),
            property: o.property.clone(),
            domain: o.domain,
            label: Labelled::UNDECIDED,
        });
    }
    errors.or(asked)
}

/// Only top-1 makes use of a label; other properties are decided cell by cell.
pub(crate) fn needs_label(property: &Property) -> bool {
    match property {
        Property::Top1 | Property::Top1Margin(_) => true,
        Property::TopK(_) | Property::Eps(_) | Property::Spec(_) | Property::Joint(_) => false,
    }
}

/// What the reference does on the region of a question.
pub(crate) fn label_of(reference: &Reference, a: &Asked, effort: &Effort, stop: &Stop) -> Labelled {
    // Any input format will do here: labels speak of the reference alone.
    let space = Space::new(&a.region, a.domain, Format::S32);
    match space.root() {
        Ok(root) => label::label(reference, &space, &a.region.center(), &root, effort, stop),
        Err(_) => Labelled::UNDECIDED,
    }
}

/// The default boundary margin: 5 % of the median lead of the reference's winner over the
/// centres of the regions, to three digits.
pub(crate) fn default_margin<'r>(
    reference: &Reference,
    regions: impl Iterator<Item = &'r Region>,
) -> Exact {
    let mut leads: Vec<f64> = regions
        .filter_map(|region| {
            let x: Vec<f64> = region.center().iter().map(Exact::to_f64).collect();
            let mut y = reference.approximate(&x);
            y.sort_by(|a, b| b.total_cmp(a));
            Some(y.first()? - y.get(1)?)
        })
        .collect();
    leads.sort_by(f64::total_cmp);
    let n = leads.len();
    let median = if n == 0 {
        0.0
    } else {
        (leads[(n - 1) / 2] + leads[n / 2]) / 2.0
    };
    format!("{:.2e}", BOUNDARY_SHARE * median)
        .parse()
        .unwrap_or_else(|_| Exact::zero())
}

impl<'a> Engine<'a> {
    /// Labels every question's region and settles what is asked where the reference changes
    /// class under strict top-1.
    pub(crate) fn new(
        reference: Reference,
        asked: Vec<Asked>,
        boundary: (Boundary, Option<Exact>),
        budget: &'a Budget,
        started: Instant,
        around: Surroundings<'a>,
    ) -> Self {
        let Surroundings {
            progress,
            cancel,
            record,
        } = around;
        let deadline = budget.time_limit.and_then(|t| started.checked_add(t));
        let memory = MemoryGuard::new(budget.memory_limit_mib, cancel);
        let live = Arc::new(Live::default());
        progress.watch(&live);
        let stop = Stop {
            jobs: budget.jobs,
            gauge: Some(live.boxes.clone()),
            ..memory.stop(deadline)
        };
        let mut engine = Self {
            order: (0..asked.len()).collect(),
            divisions: vec![None; asked.len()],
            hints: Vec::new(),
            reference,
            asked,
            boundary_margin: None,
            cache: CodeCache::new(),
            seconds: 0.0,
            clock_limited: false,
            brief: false,
            budget,
            effort: Effort::scaled(budget.effort),
            stop,
            memory,
            progress,
            live,
            record,
            solver: stored::solver(&budget.solver),
        };
        let begin = Instant::now();
        engine.label_all();
        // Under a clock an undecided label may be the clock's doing.
        let clock = budget.time_limit.is_some()
            || budget.region_time_limit.is_some()
            || engine.memory.was_reached();
        let open = |a: &Asked| {
            let labelled = matches!(a.property, Property::Top1 | Property::Top1Margin(_));
            labelled && a.label.label == Label::Undecided
        };
        engine.clock_limited = clock && engine.asked.iter().any(open);
        engine.settle_boundary(boundary);
        engine.seconds += begin.elapsed().as_secs_f64();
        engine
    }

    /// The questions as requirements: what a file must say so that `verify` asks the same.
    pub(crate) fn requirements(&self) -> Vec<Requirement> {
        let mut out: Vec<Requirement> = Vec::new();
        for a in &self.asked {
            let same = |r: &&mut Requirement| r.property == a.property && r.domain == a.domain;
            let id = a.region.id.clone();
            match out.iter_mut().find(same) {
                Some(Requirement {
                    regions: Selection::Ids(ids),
                    ..
                }) => ids.push(id),
                Some(_) | None => out.push(Requirement {
                    property: a.property.clone(),
                    domain: a.domain,
                    regions: Selection::Ids(vec![id]),
                    span: None,
                }),
            }
        }
        if let [Requirement { regions, .. }] = &mut out[..] {
            *regions = Selection::All;
        }
        out
    }

    /// What a program must be proved for.
    pub(crate) fn obligations(&self) -> Vec<Obligation> {
        let obligation = |a: &Asked| Obligation {
            reference: self.reference.hash(),
            region: a.region.hash(),
            property: a.property.clone(),
            domain: a.domain,
        };
        self.asked.iter().map(obligation).collect()
    }

    /// The run's store.
    pub(crate) fn record(&self) -> Option<&'a Record> {
        self.record
    }

    /// Passes an event on.
    pub(crate) fn note(&self, event: &Event) {
        self.progress.note(event);
    }

    /// Moves a start point into its question's domain; `None` where there is no such point.
    pub(crate) fn snap(&self, c: Counterexample) -> Option<Counterexample> {
        let a = &self.asked[c.question];
        let space = Space::new(&a.region, a.domain, Format::S32);
        let near: Vec<f64> = c.x.iter().map(Exact::to_f64).collect();
        let x = if space.contains(&c.x) {
            c.x
        } else {
            space.snap(&near)?
        };
        Some(Counterexample { x, ..c })
    }

    /// What may stop the run.
    pub(crate) fn stop(&self) -> &Stop {
        &self.stop
    }

    /// True when the run must end.
    pub(crate) fn stopped(&self) -> bool {
        self.stop.now().is_some()
    }

    /// Labels each region once, for all questions about it in the same domain.
    fn label_all(&mut self) {
        let mut first: BTreeMap<(ContentHash, String), usize> = BTreeMap::new();
        let mut once = Vec::new();
        let mut same = vec![None; self.asked.len()];
        for (i, a) in self.asked.iter().enumerate() {
            // Only top-1 makes use of a label; others are decided on both programs together.
            if needs_label(&a.property) {
                let key = (a.region.hash(), a.domain.to_string());
                let at = *first.entry(key).or_insert_with(|| {
                    once.push(i);
                    once.len() - 1
                });
                same[i] = Some(at);
            }
        }
        self.note(&Event::Stage {
            stage: Stage::Label,
            detail: "regions".to_owned(),
            of: Some(once.len()),
        });
        let done = AtomicUsize::new(0);
        let labels = self.parallel(once.len(), |k, stop| {
            let found = self.label(once[k], stop);
            self.note(&Event::Labelled {
                id: self.asked[once[k]].region.id.clone(),
                label: label_name(&found.label),
                done: done.fetch_add(1, Ordering::Relaxed) + 1,
                of: once.len(),
            });
            found
        });
        for (a, at) in self.asked.iter_mut().zip(same) {
            if let Some(at) = at {
                a.label = labels[at].clone();
            }
        }
    }

    fn settle_boundary(&mut self, (boundary, margin): (Boundary, Option<Exact>)) {
        let on_boundary =
            |a: &Asked| a.property == Property::Top1 && matches!(a.label.label, Label::Changes(_));
        if boundary == Boundary::Refute || !self.asked.iter().any(on_boundary) {
            return;
        }
        let regions = || self.asked.iter().map(|a| &a.region);
        let margin = margin.unwrap_or_else(|| default_margin(&self.reference, regions()));
        for a in &mut self.asked {
            if on_boundary(a) {
                a.property = Property::Top1Margin(margin.clone());
            }
        }
        self.boundary_margin = Some(margin);
    }

    /// Decides the questions for a program. With `early` the rest is left out after a refuted
    /// one. The answers do not depend on the number of threads.
    ///
    /// # Errors
    /// A program that cannot be evaluated, a solver that cannot be had.
    pub(crate) fn verify(
        &mut self,
        program: &Checked<Program>,
        early: bool,
    ) -> Result<Vec<Timed>, Diagnostics> {
        let begin = Instant::now();
        let subject = Subject::new(program.clone(), &self.cache)
            .map_err(|t| Diagnostics::from(Diagnostic::error(codes::INTERNAL, t.to_string())))?;
        let wave = if early {
            self.budget.jobs.max(1)
        } else {
            self.asked.len()
        };
        let order = self.order.clone();
        let mut done: Vec<Timed> = Vec::new();
        let decided = AtomicUsize::new(0);
        for questions in order.chunks(wave) {
            let results = self.parallel(questions.len(), |i, stop| {
                self.answer(&subject, questions[i], &decided, stop)
            });
            if let Some(record) = self.record {
                record.check()?;
            }
            for r in results {
                let timed = r?;
                self.learn(&timed);
                let refuted = matches!(timed.result.verdict, Verdict::Refuted(_));
                done.push(timed);
                if early && refuted {
                    self.seconds += begin.elapsed().as_secs_f64();
                    return Ok(done);
                }
            }
        }
        if !early {
            let simple = self.parallel(done.len(), |i, stop| self.simple(&subject, &done[i], stop));
            for (t, w) in done.iter_mut().zip(simple) {
                if let Some(w) = w {
                    t.result.verdict = Verdict::Refuted(Box::new(w));
                }
            }
        }
        self.seconds += begin.elapsed().as_secs_f64();
        done.sort_by_key(|t| t.question);
        Ok(done)
    }

    /// A witness that is easier to read, where nothing searches with it.
    fn simple(&self, subject: &Subject, timed: &Timed, stop: &Stop) -> Option<Witness> {
        let Verdict::Refuted(w) = &timed.result.verdict else {
            return None;
        };
        if stop.now().is_some() {
            return None;
        }
        let a = &self.asked[timed.question];
        let target = Target {
            reference: &self.reference,
            subject,
            space: &Space::new(&a.region, a.domain, subject.input_format()),
            property: &a.property,
            label: &a.label.label,
            center: &a.region.center(),
            hints: &[],
        };
        simplify(&target, Witness::clone(w)).ok()
    }

    /// What was refuted last is asked first, what stayed open last: the next candidate is likely
    /// to fail at the same place, and an open question is dear.
    fn learn(&mut self, timed: &Timed) {
        let front = match &timed.result.verdict {
            Verdict::Proved(e) => {
                self.divisions[timed.question] = (e.tree.nodes.len() > 1).then(|| e.tree.clone());
                return;
            }
            Verdict::Refuted(w) => {
                self.hints.insert(0, w.x.clone());
                self.hints.truncate(HINTS);
                true
            }
            Verdict::Unknown(_) => false,
        };
        self.order.retain(|q| *q != timed.question);
        let at = if front { 0 } else { self.order.len() };
        self.order.insert(at, timed.question);
    }

    fn work(&self) -> Effort {
        match self.brief {
            true => self.effort.brief(),
            false => self.effort,
        }
    }

    fn decide(&self, subject: &Subject, i: usize, stop: &Stop) -> Result<Timed, Diagnostics> {
        let a = &self.asked[i];
        let begin = Instant::now();
        let mut leaf = SolverLeaf::new(&self.budget.solver, self.budget.memory_limit_mib)?;
        let question = Question {
            reference: &self.reference,
            subject,
            region: &a.region,
            property: &a.property,
            domain: a.domain,
            label: &a.label,
        };
        let known = Known {
            division: self.divisions[i].as_ref(),
            hints: &self.hints,
            partial: None,
        };
        let result = decide_from(&question, known, &self.work(), stop, &mut leaf);
        Ok(Timed {
            question: i,
            result,
            seconds: begin.elapsed().as_secs_f64(),
            key: None,
        })
    }

    /// Runs `n` independent pieces of work on the run's threads; results in order.
    fn parallel<T: Send>(&self, n: usize, work: impl Fn(usize, &Stop) -> T + Sync) -> Vec<T> {
        let region_limit = self.budget.region_time_limit;
        parallel(self.budget.jobs, n, |i| {
            let own = region_limit.and_then(|t: Duration| Instant::now().checked_add(t));
            work(i, &self.stop.sooner(own))
        })
    }
}
