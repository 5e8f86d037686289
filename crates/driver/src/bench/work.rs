//! The pieces of work of a bench: labels, kernels and verdicts, on one pool of threads.

use super::inputs::{Inputs, Item, Net};
use super::kernels::{self, Kernel};
use super::{BenchOptions, BenchPreset};
use crate::engine::{Asked, default_margin, label_of, needs_label};
use crate::options::{Boundary, Demand};
use crate::parallel::parallel;
use crate::progress::{Cancel, Event, Live, Progress, Stage};
use crate::resources::{MemoryGuard, thread_seconds};
pub(super) use crate::told::label_name;
use crate::told::region;
use ceg4n_base::{ContentHash, Exact};
use ceg4n_ir::Property;
use ceg4n_jit::CodeCache;
use ceg4n_verify::{
    Effort, Label, Labelled, Question, RegionResult, SolverLeaf, Stop, Subject, Verdict, decide,
};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// What became of a piece of work.
pub(super) struct Timed<T> {
    pub value: T,
    /// Wall seconds.
    pub seconds: f64,
    /// Seconds of processor time of the thread.
    pub cpu: f64,
    /// A limit or an interruption was in force when it ended.
    pub stopped: bool,
}

/// A value per network and region; `None` where nothing was to be done.
pub(super) type PerRegion<T> = Vec<Vec<Option<Timed<T>>>>;

/// Kernels and margins by network and group.
pub(super) struct Subjects {
    /// By preset, network and group.
    pub kernels: Vec<Vec<Vec<Option<Kernel>>>>,
    /// By network and group.
    pub margins: Vec<Vec<Exact>>,
}

/// Verdicts of one preset.
pub(super) struct Verdicts {
    pub results: PerRegion<RegionResult>,
    /// By network and region: the region whose verdict serves for this one.
    pub same: BTreeMap<(usize, usize), usize>,
}

/// A bench under way.
pub(super) struct Run<'a> {
    pub inputs: Inputs,
    pub options: &'a BenchOptions,
    progress: &'a dyn Progress,
    effort: Effort,
    stop: Stop,
    memory: MemoryGuard,
    cache: CodeCache,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        options: &'a BenchOptions,
        inputs: Inputs,
        started: Instant,
        progress: &'a dyn Progress,
        cancel: &Cancel,
    ) -> Self {
        let budget = &options.budget;
        let deadline = budget.time_limit.and_then(|t| started.checked_add(t));
        let memory = MemoryGuard::new(budget.memory_limit_mib, cancel);
        let live = Arc::new(Live::default());
        progress.watch(&live);
        Self {
            inputs,
            options,
            progress,
            effort: Effort::scaled(budget.effort),
            stop: Stop {
                jobs: options.region_jobs,
                gauge: Some(live.boxes.clone()),
                ..memory.stop(deadline)
            },
            memory,
            cache: CodeCache::new(),
        }
    }

    /// Labels are asked for, or the requirement depends on them.
    pub(super) fn needs_labels(&self) -> bool {
        let asked = self.options.presets.contains(&BenchPreset::Labels);
        asked
            || match super::inputs::requirement(&self.options.load) {
                Demand::Property(p) => needs_label(&p),
                Demand::Query(_) => false,
            }
    }

    /// What the reference does on each region; once per box under `distinct`.
    pub(super) fn labels(&self) -> PerRegion<Labelled> {
        let needed = self.needs_labels();
        let wanted = |item: &Item| needed && item.wanted && item.equal.is_none();
        let pieces = self.pieces(|_, _, item| wanted(item));
        self.stage(Stage::Label, "regions", pieces.len());
        let count = AtomicUsize::new(0);
        let done = self.timed(pieces.len(), |i, stop| {
            let (net, item) = self.at(pieces[i]);
            let work = || label_of(&net.reference, &item.asked, &self.effort, stop);
            let label = guarded(work).unwrap_or(Labelled::UNDECIDED);
            self.progress.note(&Event::Labelled {
                id: format!("{} {}", net.name, item.asked.region.id),
                label: label_name(&label.label),
                done: count.fetch_add(1, Ordering::Relaxed) + 1,
                of: pieces.len(),
            });
            label
        });
        self.scatter(pieces, done)
    }

    /// The programs of each preset and the boundary margins.
    pub(super) fn subjects(&self) -> Subjects {
        let nets = &self.inputs.nets;
        let presets = &self.options.presets;
        let mut pieces = Vec::new();
        for (n, net) in nets.iter().enumerate() {
            for g in 0..net.groups.len() {
                if net.items.iter().any(|i| i.wanted && i.group == g) {
                    pieces.push((n, g));
                }
            }
        }
        self.stage(Stage::Kernels, "programs", pieces.len());
        let asked = presets.iter().any(|p| *p != BenchPreset::Labels);
        let made = parallel(self.options.budget.jobs, pieces.len(), |i| {
            let (n, g) = pieces[i];
            let (net, group) = (&nets[n], &nets[n].groups[g]);
            let margin = match &self.options.boundary_margin {
                Some(m) => m.clone(),
                None => default_margin(&net.reference, group.regions.iter()),
            };
            if !asked {
                return (margin, Vec::new());
            }
            let model = kernels::model(net, group, self.options.rounding);
            let make = |p: &BenchPreset| kernels::subject(*p, net, &model, &self.cache);
            (margin, presets.iter().map(make).collect())
        });
        let per_group = |n: &Net| {
            n.groups
                .iter()
                .map(|_| None)
                .collect::<Vec<Option<Kernel>>>()
        };
        let empty = || nets.iter().map(per_group).collect::<Vec<_>>();
        let mut out = Subjects {
            kernels: presets.iter().map(|_| empty()).collect(),
            margins: nets
                .iter()
                .map(|n| vec![Exact::zero(); n.groups.len()])
                .collect(),
        };
        for ((n, g), (margin, kernels)) in pieces.into_iter().zip(made) {
            out.margins[n][g] = margin;
            for (p, kernel) in kernels.into_iter().enumerate() {
                out.kernels[p][n][g] = kernel;
            }
        }
        out
    }

    /// The verdicts of each preset.
    pub(super) fn verdicts(
        &self,
        labels: &PerRegion<Labelled>,
        subjects: &Subjects,
    ) -> Vec<Verdicts> {
        let presets = self.options.presets.iter().enumerate();
        presets
            .map(|(p, preset)| self.preset_verdicts(p, &preset.to_string(), labels, subjects))
            .collect()
    }

    fn preset_verdicts(
        &self,
        p: usize,
        preset: &str,
        labels: &PerRegion<Labelled>,
        subjects: &Subjects,
    ) -> Verdicts {
        let mut first: BTreeMap<(usize, usize, ContentHash, String), usize> = BTreeMap::new();
        let mut same = BTreeMap::new();
        let pieces = self.pieces(|n, i, item| {
            let Some(Ok(subject)) = &subjects.kernels[p][n][item.group] else {
                return false;
            };
            if !item.wanted {
                return false;
            }
            let property = self.property(n, i, labels, subjects).to_string();
            let key = (
                n,
                item.equal.unwrap_or(i),
                subject.program().hash(),
                property,
            );
            let own = *first.entry(key).or_insert(i);
            // Unless equal boxes are decided once, every box is the first of its kind.
            if own != i {
                same.insert((n, i), own);
            }
            own == i
        });
        if !pieces.is_empty() {
            self.stage(Stage::Verify, &format!("regions, {preset}"), pieces.len());
        }
        let count = AtomicUsize::new(0);
        let done = self.timed(pieces.len(), |k, stop| {
            let (n, i) = pieces[k];
            let (net, item) = self.at(pieces[k]);
            let property = self.property(n, i, labels, subjects);
            let label = self.label(labels, n, i);
            let result = match &subjects.kernels[p][n][item.group] {
                Some(Ok(subject)) => self.decide(net, &item.asked, subject, &property, label, stop),
                Some(Err(_)) | None => unknown(&item.asked, &property, &label.label, "no kernel"),
            };
            let done = count.fetch_add(1, Ordering::Relaxed) + 1;
            let mut event = region(&result, done, pieces.len());
            if let Event::Region { id, .. } = &mut event {
                *id = format!("{} {id}", net.name);
            }
            self.progress.note(&event);
            result
        });
        Verdicts {
            results: self.scatter(pieces, done),
            same,
        }
    }

    fn decide(
        &self,
        net: &Net,
        asked: &Asked,
        subject: &Subject,
        property: &Property,
        label: &Labelled,
        stop: &Stop,
    ) -> RegionResult {
        if let Some(stopped) = stop.now() {
            let mut result = unknown(asked, property, &label.label, &stopped.to_string());
            result.clock_limited = true;
            return result;
        }
        let budget = &self.options.budget;
        let question = Question {
            reference: &net.reference,
            subject,
            region: &asked.region,
            property,
            domain: asked.domain,
            label,
        };
        let work = || match SolverLeaf::new(&budget.solver, budget.memory_limit_mib) {
            Ok(mut leaf) => decide(&question, &self.effort, stop, &mut leaf),
            Err(d) => unknown(asked, property, &label.label, &d.message),
        };
        guarded(work).unwrap_or_else(|| unknown(asked, property, &label.label, "defect: a panic"))
    }

    /// What is asked on a region, now that its label is known.
    fn property(
        &self,
        n: usize,
        i: usize,
        labels: &PerRegion<Labelled>,
        subjects: &Subjects,
    ) -> Property {
        let item = &self.inputs.nets[n].items[i];
        match (&item.asked.property, self.options.boundary) {
            (Property::Top1, Boundary::Margin)
                if matches!(self.label(labels, n, i).label, Label::Changes(_)) =>
            {
                Property::Top1Margin(subjects.margins[n][item.group].clone())
            }
            (property, Boundary::Margin | Boundary::Refute) => property.clone(),
        }
    }

    pub(super) fn label<'l>(
        &self,
        labels: &'l PerRegion<Labelled>,
        n: usize,
        i: usize,
    ) -> &'l Labelled {
        static UNDECIDED: Labelled = Labelled::UNDECIDED;
        let first = self.inputs.nets[n].items[i].equal.unwrap_or(i);
        labels[n][first].as_ref().map_or(&UNDECIDED, |t| &t.value)
    }

    /// A label stayed open under a limit, which may be the limit's doing.
    pub(super) fn label_limited(&self, labels: &PerRegion<Labelled>, n: usize, i: usize) -> bool {
        let first = self.inputs.nets[n].items[i].equal.unwrap_or(i);
        let limited = |t: &Timed<Labelled>| t.stopped && t.value.label == Label::Undecided;
        labels[n][first].as_ref().is_some_and(limited)
    }

    pub(super) fn at(&self, (n, i): (usize, usize)) -> (&Net, &Item) {
        (&self.inputs.nets[n], &self.inputs.nets[n].items[i])
    }

    pub(super) fn pieces(
        &self,
        mut wanted: impl FnMut(usize, usize, &Item) -> bool,
    ) -> Vec<(usize, usize)> {
        let mut out = Vec::new();
        for (n, net) in self.inputs.nets.iter().enumerate() {
            for (i, item) in net.items.iter().enumerate() {
                if wanted(n, i, item) {
                    out.push((n, i));
                }
            }
        }
        out
    }

    fn scatter<T>(&self, pieces: Vec<(usize, usize)>, done: Vec<Timed<T>>) -> PerRegion<T> {
        let empty = |n: &Net| n.items.iter().map(|_| None).collect();
        let mut out: PerRegion<T> = self.inputs.nets.iter().map(empty).collect();
        for ((n, i), t) in pieces.into_iter().zip(done) {
            out[n][i] = Some(t);
        }
        out
    }

    fn timed<T: Send>(&self, n: usize, work: impl Fn(usize, &Stop) -> T + Sync) -> Vec<Timed<T>> {
        parallel(self.options.budget.jobs, n, |i| {
            let (begin, cpu) = (Instant::now(), thread_seconds());
            let limit = self.options.budget.region_time_limit;
            let stop = self.stop.sooner(limit.and_then(|t| begin.checked_add(t)));
            let value = work(i, &stop);
            Timed {
                value,
                stopped: stop.now().is_some(),
                seconds: begin.elapsed().as_secs_f64(),
                cpu: (thread_seconds() - cpu).max(0.0),
            }
        })
    }

    fn stage(&self, stage: Stage, detail: &str, n: usize) {
        self.progress.note(&Event::Stage {
            stage,
            detail: detail.to_owned(),
            of: Some(n),
        });
    }

    /// A limit or an interruption had a part in some answer.
    pub(super) fn clock_limited(
        &self,
        labels: &PerRegion<Labelled>,
        verdicts: &[Verdicts],
    ) -> bool {
        let wanted = self.pieces(|_, _, item| item.wanted);
        let mut labels = wanted
            .iter()
            .map(|(n, i)| self.label_limited(labels, *n, *i));
        let results = verdicts
            .iter()
            .flat_map(|v| v.results.iter().flatten().flatten());
        let mut results = results.map(|t| t.value.clock_limited);
        self.memory.was_reached() || labels.any(|l| l) || results.any(|r| r)
    }
}

/// A defect on one region must not cost the verdicts on all others: a panic is no answer.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    // What the work had borrowed is not looked at after a panic, but for counters and caches
    // that are whole between calls.
    catch_unwind(AssertUnwindSafe(work)).ok()
}

fn unknown(asked: &Asked, property: &Property, label: &Label, reason: &str) -> RegionResult {
    RegionResult {
        id: asked.region.id.clone(),
        property: property.clone(),
        verdict: Verdict::Unknown(reason.to_owned()),
        label: label.clone(),
        vacuous: None,
        margin_proved: None,
        boxes: 0,
        points: 0,
        clock_limited: false,
        open: None,
        partial: None,
    }
}
