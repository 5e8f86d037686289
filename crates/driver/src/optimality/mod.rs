//! The optimality statement of a run: every assignment of the search space that is cheaper than
//! the result, and what became of it.

pub(crate) mod certificate;
pub(crate) mod fate;

use crate::compile::Chosen;
use crate::data::Data;
use crate::demand::Demanded;
use crate::engine::{Asked, Engine};
use crate::parallel::parallel;
use crate::plan::{Plan, Stage};
use crate::progress::Live;
use crate::verify::reference_name;
use ceg4n_base::{ContentHash, Diagnostic, Diagnostics, codes};
use ceg4n_ir::Module;
use ceg4n_quantize::Assignment;
use ceg4n_refine::{Ended, State, Version};
use ceg4n_report::{Optimality, RefutedBy, SetAsideBy};
use ceg4n_search::{AnnotationSpace, Exact};
use certificate::{
    Certificate, Parts, StoredQuestion, StoredResult, StoredSpace, StoredVersion, stored_regions,
};
use fate::{Fate, Stored};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

/// No more assignments are gone through, unless the search itself went through more.
const MOST: u64 = 200_000;
/// Parameters that are quantized on the way: fewer assignments of a large network are gone
/// through.
const WORK: u64 = 50_000_000;
/// Assignments between two looks at the clock, per thread.
const BLOCK: usize = 32;

/// What became of the cheaper assignments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub cheaper: u64,
    pub refuted: BTreeMap<usize, u64>,
    pub refused: u64,
    pub missed_demand: u64,
    pub set_aside: BTreeMap<u32, u64>,
    pub open: u64,
    /// The least cost of what was not gone through.
    pub from: Option<u64>,
}

impl Tally {
    fn add(&mut self, fate: Fate) {
        self.cheaper += 1;
        match fate {
            Fate::Refuted(i) => *self.refuted.entry(i).or_default() += 1,
            Fate::Refused => self.refused += 1,
            Fate::MissedDemand => self.missed_demand += 1,
            Fate::SetAside(v) => *self.set_aside.entry(v).or_default() += 1,
            Fate::Open => self.open += 1,
        }
    }
}

/// How far [`go_through`] goes.
pub(crate) struct Limits<'a> {
    /// Only assignments below this cost.
    pub below: u64,
    /// About so many assignments; those of one cost are gone through together.
    pub most: u64,
    /// Threads; no result depends on them.
    pub jobs: usize,
    /// True when the clock says stop.
    pub stopped: &'a dyn Fn() -> bool,
    /// Where those gone through are counted for a display.
    pub live: &'a Live,
}

/// Goes through the assignments of a space in order of cost.
///
/// # Errors
/// As for [`Stored::fate`].
pub(crate) fn go_through(stored: &Stored<'_>, limits: &Limits<'_>) -> Result<Tally, String> {
    let space = stored.space;
    let mut tally = Tally::default();
    let mut order = Exact::new(space);
    let next = |order: &Exact| order.next_cost().filter(|cost| *cost < limits.below);
    let mut last = None;
    while let Some(cost) = next(&order) {
        // Costs are cut between, never within, so that "from cost X on" is exact.
        let full = tally.cheaper >= limits.most && last.is_some_and(|l| cost > l);
        if full || (last != Some(cost) && (limits.stopped)()) {
            tally.from = Some(cost);
            break;
        }
        let mut block: Vec<Assignment> = Vec::new();
        while block.len() < BLOCK * limits.jobs.max(1)
            && let Some(c) = next(&order)
            && (block.is_empty()
                || last == Some(c)
                || tally.cheaper + (block.len() as u64) < limits.most)
        {
            last = Some(c);
            block.extend(order.next(space));
        }
        let fates = parallel(limits.jobs, block.len(), |i| {
            let fate = stored.fate(&block[i]);
            limits.live.assignments.fetch_add(1, Ordering::Relaxed);
            fate
        });
        for fate in fates {
            tally.add(fate?);
        }
    }
    Ok(tally)
}

/// True if an assignment lies in the space and this is the hash of its program there.
pub(crate) fn in_space(space: &AnnotationSpace, a: &Assignment, program: ContentHash) -> bool {
    let mut genes = a.weights.clone();
    genes.extend(a.activations.first());
    let limits = space.genes();
    let within = genes.len() == limits.len()
        && genes
            .iter()
            .zip(&limits)
            .all(|(g, (lo, hi))| lo <= g && g <= hi);
    within
        && space.assignment(&genes) == *a
        && space.program(a, 0).is_ok_and(|p| p.hash() == program)
}

/// The statement that a tally allows.
pub(crate) fn statement(
    space: &AnnotationSpace,
    result: &StoredResult,
    in_space: bool,
    tally: &Tally,
) -> Optimality {
    let refuted = tally.refuted.iter().map(|(i, n)| RefutedBy {
        counterexample: *i,
        assignments: *n,
    });
    let set_aside = tally.set_aside.iter().map(|(v, n)| SetAsideBy {
        version: *v,
        assignments: *n,
    });
    let mut out = Optimality {
        statement: String::new(),
        space: space.name(),
        metric: space.cost.name().to_owned(),
        cost: result.cost,
        in_space,
        least: tally.open == 0 && tally.from.is_none(),
        cheaper: tally.cheaper,
        refuted: refuted.collect(),
        refused: tally.refused,
        missed_demand: tally.missed_demand,
        set_aside: set_aside.collect(),
        not_tried: tally.open,
        not_tried_from: tally.from,
    };
    out.statement = sentence(&out, result.guided);
    out
}

/// A statement in words.
fn sentence(o: &Optimality, guided: bool) -> String {
    let (cost, aside) = (o.cost, o.set_aside_count());
    let but = match aside {
        0 => String::new(),
        n => format!(" but for {n} set aside"),
    };
    let claim = match (o.least, o.in_space) {
        (true, true) => format!("cost {cost} is least in this search space{but}"),
        (true, false) => format!("no program of this search space costs less than {cost}{but}"),
        (false, false) => {
            format!("whether a program of this search space costs less than {cost} is not shown")
        }
        (false, true) => format!("cost {cost} is not shown to be least in this search space"),
    };
    let mut parts = Vec::new();
    let mut part = |n: u64, one: &str, many: &str| {
        if n > 0 {
            parts.push(format!("{n} {}", if n == 1 { one } else { many }));
        }
    };
    part(
        o.refuted_count(),
        "breaks a stored counterexample or start point",
        "break a stored counterexample or start point",
    );
    part(
        o.refused,
        "is refused by the checker",
        "are refused by the checker",
    );
    part(
        o.missed_demand,
        "misses a demand on data",
        "miss a demand on data",
    );
    part(aside, "was set aside", "were set aside");
    part(
        o.not_tried,
        "satisfies all of these and was not tried",
        "satisfy all of these and were not tried",
    );
    let mut text = format!("{claim}: {}", o.space);
    if o.cheaper == 0 && o.not_tried_from.is_none() {
        text += "; no assignment is cheaper";
    } else if o.cheaper > 0 {
        let s = if o.cheaper == 1 { "" } else { "s" };
        text += &format!(
            "; of {} cheaper assignment{s} {}",
            o.cheaper,
            parts.join(", ")
        );
    }
    if let Some(from) = o.not_tried_from {
        text += &format!("; those of cost {from} and above were not gone through");
    }
    if !o.in_space {
        text += match guided {
            true => {
                "; guided rounding moved weights of the result, so it is none of these programs"
            }
            false => "; the result itself is none of these programs",
        };
    }
    text
}

/// What a run is when its results are written.
pub(crate) struct Run<'a> {
    pub plan: &'a Plan,
    pub engine: &'a Engine<'a>,
    pub module: &'a Module,
    pub state: &'a State,
    pub chosen: Option<&'a Chosen>,
    pub data: Option<&'a Data>,
    pub jobs: usize,
    /// The result is proved and meets every demand.
    pub proved: bool,
    /// The search is over.
    pub complete: bool,
}

impl Run<'_> {
    /// The certificate; with a statement if the search is over, has a proved result, and went
    /// through the space.
    ///
    /// # Errors
    /// A defect of the tool.
    pub(crate) fn certificate(&self) -> Result<Certificate, Diagnostics> {
        let (space, engine) = (&self.plan.space, self.engine);
        let result = self.result();
        let statement = match &result {
            Some(r) if self.states() => Some(self.statement(r)?),
            Some(_) | None => None,
        };
        let question = |a: &Asked| StoredQuestion {
            region: a.region.id.clone(),
            requirement: a.property.clone(),
            domain: a.domain,
        };
        Ok(Certificate::new(Parts {
            network: self.module.network.hash(),
            reference: reference_name(engine.reference.precision()).to_owned(),
            regions: stored_regions(&self.module.regions),
            space: StoredSpace::of(space),
            questions: engine.asked.iter().map(question).collect(),
            counterexamples: self.state.counterexamples.clone(),
            versions: self.state.versions.iter().map(stored_version).collect(),
            result,
            statement,
        }))
    }

    /// True where a statement about the space is made.
    fn states(&self) -> bool {
        let walks = |s: &Stage| matches!(s, Stage::Enumerate | Stage::Cheaper);
        self.complete
            && self.proved
            && self.plan.space.quantizer().is_pure()
            && self.plan.stages.iter().any(walks)
            && self.chosen.is_some_and(|c| c.proof.is_some())
    }

    /// The version that was chosen.
    fn result(&self) -> Option<StoredResult> {
        let program = self.chosen?.program.hash();
        let with = |v: &&Version| v.program == program;
        let proved = self.state.proved().filter(with);
        let v = proved.or_else(|| self.state.versions.iter().rev().find(with))?;
        Some(StoredResult {
            version: v.version,
            assignment: v.assignment.clone(),
            guided: v.guided,
            cost: v.cost,
            program,
        })
    }

    fn statement(&self, result: &StoredResult) -> Result<Optimality, Diagnostics> {
        let (space, engine) = (&self.plan.space, self.engine);
        let properties = engine.asked.iter().map(|a| a.property.clone()).collect();
        let aside = set_aside(
            self.state
                .versions
                .iter()
                .map(|v| (v.version, v.program, &v.ended)),
        );
        let points = &self.state.counterexamples;
        let stored = Stored::new(space, &engine.reference, properties, points, aside)
            .with_demands(Demanded::new(self.data));
        let parameters = self.module.network.parameters().max(1) as u64;
        let mut most = (WORK / parameters).min(MOST);
        if self.plan.is_enumeration() {
            most = most.max(self.state.candidates);
        }
        let limits = Limits {
            below: result.cost,
            most,
            jobs: self.jobs,
            stopped: &|| engine.stopped(),
            live: &engine.live,
        };
        let tally = go_through(&stored, &limits)
            .map_err(|e| Diagnostics::from(Diagnostic::error(codes::INTERNAL, e)))?;
        let own = in_space(space, &result.assignment, result.program);
        Ok(statement(space, result, own, &tally))
    }
}

fn stored_version(v: &Version) -> StoredVersion {
    StoredVersion {
        version: v.version,
        assignment: v.assignment.clone(),
        guided: v.guided,
        cost: v.cost,
        program: v.program,
        ended: v.ended.clone(),
    }
}

/// The programs that stayed open, each with the first version that has it.
pub(crate) fn set_aside<'v>(
    versions: impl Iterator<Item = (u32, ContentHash, &'v Ended)>,
) -> BTreeMap<ContentHash, u32> {
    let mut out = BTreeMap::new();
    for (version, program, ended) in versions {
        if matches!(ended, Ended::Unknown(_)) {
            out.entry(program).or_insert(version);
        }
    }
    out
}
