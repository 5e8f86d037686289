//! Does one program keep linear forms of its outputs above a bound on a region? Backward bounds
//! with optimised slopes; then division by input or by relu sign, enumeration of small boxes.
//!
//! Serves the label of a reference (does it keep its class?), a kernel alone on integers, and
//! output specifications.

use crate::bounds::backward::{self, Backward, Rows};
use crate::bounds::forward::{Bounds, real};
use crate::bounds::graph::{Graph, Op};
use crate::bounds::optimise::{Optimised, optimise};
use crate::bounds::split::Splits;
use crate::float::Bound;
use crate::frontier::{Earlier, Look, Problem, Start};
use crate::space::{Part, Space};
use crate::subject::Trouble;
use crate::tree::{Closure, Cut, Slopes};
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// With more inputs than this, division by input closes nothing: signs are divided.
pub const FEW_INPUTS: usize = 12;
/// Passes of a bound that is worth optimising.
const STEPS: usize = 12;
/// Passes where every sign is decided and only the constraints' multipliers are left.
const LAST_STEPS: usize = 80;
/// Divisions that are tried out before one is chosen.
const CANDIDATES: usize = 4;

/// A part of a region: a box, under constraints on signs.
#[derive(Clone, Debug)]
pub struct Area {
    /// The box.
    pub part: Part,
    /// The constraints.
    pub splits: Splits,
}

impl Area {
    /// A part without constraints.
    pub fn new(part: Part) -> Self {
        Self {
            part,
            splits: Splits::default(),
        }
    }
}

/// What a graph's input nodes stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum View {
    /// The real points of a part.
    Reals,
    /// The kernel inputs of a part, in real units, with so many fraction bits.
    Mantissas(i32),
}

impl View {
    /// The box that bounds start from.
    pub fn of(self, part: &Part) -> Vec<Bound> {
        match self {
            Self::Reals => part.real.clone(),
            Self::Mantissas(frac) => part.input.iter().map(|m| real(*m, frac)).collect(),
        }
    }
}

/// What exact evaluation says of a part.
pub enum Exactly<F> {
    /// Every point was evaluated and holds: so many.
    Holds(u64),
    /// A point that ends the search.
    Found(F),
    /// Too many points, or none that breaks anything.
    Open,
}

/// Evaluates a likely point.
pub type Visit<'a, F> = dyn Fn(&[f64]) -> Result<Option<F>, Trouble> + Sync + 'a;

/// Evaluates all of a part.
pub type Each<'a, F> = dyn Fn(&Part) -> Result<Exactly<F>, Trouble> + Sync + 'a;

/// The question whether at each point of a region some form of every case exceeds its need.
pub struct Margins<'a, F> {
    /// The program.
    pub graph: &'a Graph,
    /// The region.
    pub space: &'a Space,
    /// What the graph starts from.
    pub view: View,
    /// The forms, over the outputs.
    pub forms: Rows,
    /// What each must exceed.
    pub need: Vec<f64>,
    /// The case of each form, ascending from 0; empty if every form is its own.
    pub cases: Vec<usize>,
    /// Divide by sign and not by input.
    pub by_sign: bool,
    /// A cheap exact proof of a part without constraints, by another method.
    pub first: &'a (dyn Fn(&Part) -> bool + Sync),
    /// Evaluates a likely point (real, or in real units of the kernel's input).
    pub visit: &'a Visit<'a, F>,
    /// Evaluates all of a small part.
    pub exactly: &'a Each<'a, F>,
    /// Of a wide program the bounds on the whole box: parts by sign start from them.
    pub whole: Whole,
}

/// Bounds of a wide program on a box.
#[derive(Debug, Default)]
pub struct Whole {
    x: OnceLock<Vec<Bound>>,
    bounds: OnceLock<Option<Bounds>>,
}

impl<F> Margins<'_, F> {
    /// The parts to start from.
    pub fn start(&self, earlier: Option<Earlier<'_>>, root: &Part) -> Start<Area> {
        self.whole.x.get_or_init(|| self.view.of(root));
        let divide = |area: &Area, cut: &Cut| match *cut {
            Cut::Relu {
                of_subject: false,
                node,
                element,
            } => {
                let here = self.graph.nodes.get(node)?;
                let known = matches!(here.op, Op::Relu) && here.on.contains(&element);
                known.then(|| {
                    Cut::signs(node, element).map(|s| Area {
                        part: area.part.clone(),
                        splits: area.splits.and(s),
                    })
                })
            }
            Cut::Relu {
                of_subject: true, ..
            } => None,
            Cut::Real { .. } | Cut::Grid { .. } => {
                let parts = self.space.replay(&area.part, cut)?;
                Some(parts.map(|part| Area {
                    part,
                    splits: area.splits.clone(),
                }))
            }
        };
        Start::new(earlier, Area::new(root.clone()), divide)
    }

    /// Bounds on a box under constraints; `None` if these leave nothing. Those of a wide program
    /// are new in their intervals only.
    fn bounds(&self, x: &[Bound], splits: &Splits) -> Option<Bounds> {
        let whole = self.whole.x.get().filter(|_| self.graph.is_wide());
        let inside = |(b, w): (&Bound, &Bound)| w.lo <= b.lo && b.hi <= w.hi;
        if let Some(box_) = whole.filter(|w| x.iter().zip(w.iter()).all(inside)) {
            let none = Splits::default();
            let known = || backward::bounds(self.graph, box_, &none);
            if let Some(known) = self.whole.bounds.get_or_init(known) {
                return backward::bounds_within(self.graph, x, splits, known);
            }
        }
        backward::bounds(self.graph, x, splits)
    }

    /// One backward pass over the whole part; of a wide program first from plain intervals.
    pub fn quick(&self, part: &Part) -> bool {
        let (x, splits) = (self.view.of(part), Splits::default());
        let shows = |bounds: &Bounds| {
            let pass = Backward {
                graph: self.graph,
                bounds,
                splits: &splits,
                guide: None,
            };
            self.is_met(&pass.lower(self.graph.output(), self.forms.clone()))
        };
        let at_once = self.graph.is_wide() && shows(&Bounds::new(self.graph, &x));
        at_once || backward::bounds(self.graph, &x, &splits).is_some_and(|b| shows(&b))
    }

    fn is_met(&self, lower: &[f64]) -> bool {
        // NaN compares false: an undefined bound proves nothing.
        let met = |(l, n): (&f64, &f64)| l > n;
        if self.cases.is_empty() {
            return lower.iter().zip(&self.need).all(met);
        }
        // One form of each case that exceeds its need everywhere excludes the case.
        let cases = self.cases.chunk_by(|a, b| a == b);
        let mut at = 0;
        cases.into_iter().all(|case| {
            let own = at..at + case.len();
            at = own.end;
            lower[own.clone()].iter().zip(&self.need[own]).any(met)
        })
    }

    /// How far the worst case's best form is from being met, not positive; and which it is.
    fn gap(&self, lower: &[f64]) -> (f64, usize) {
        let gaps = lower.iter().zip(&self.need).map(|(l, n)| {
            let g = l - n;
            if g.is_nan() { f64::NEG_INFINITY } else { g }
        });
        let gaps: Vec<(f64, usize)> = gaps.zip(0..).collect();
        let order = |a: &&(f64, usize), b: &&(f64, usize)| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1));
        let case = |a: &(f64, usize), b: &(f64, usize)| match self.cases.is_empty() {
            true => false,
            false => self.cases[a.1] == self.cases[b.1],
        };
        let best = gaps.chunk_by(case).filter_map(|c| c.iter().max_by(order));
        let worst = best.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        worst.copied().unwrap_or((0.0, 0))
    }

    fn by_sign(
        &self,
        area: &Area,
        bounds: &Bounds,
        found: &Optimised,
        gap: (f64, usize),
    ) -> Option<Look<Area, F>> {
        let x = self.view.of(&area.part);
        let mut ranked = self.open_signs(bounds, found, gap.1);
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        ranked.truncate(CANDIDATES);
        let worth = |(node, element): (usize, usize)| {
            Cut::signs(node, element)
                .into_iter()
                .map(|s| self.glance(&x, &area.splits.and(s), gap.1))
                .fold(f64::INFINITY, f64::min)
        };
        let single = ranked.len() == 1;
        let best = ranked
            .into_iter()
            .map(|(_, at)| (if single { 0.0 } else { worth(at) }, at))
            .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))?;
        let (node, element) = best.1;
        let parts = Cut::signs(node, element).map(|s| Area {
            part: area.part.clone(),
            splits: area.splits.and(s),
        });
        Some(Look::Divided {
            cut: Cut::Relu {
                of_subject: false,
                node,
                element,
            },
            parts: Box::new(parts),
            bound: gap.0,
            points: 0,
        })
    }

    /// Elements of relu nodes whose sign is open, with how much their relaxation costs the form
    /// (after BaBSR: Bunel et al. 2020).
    fn open_signs(
        &self,
        bounds: &Bounds,
        found: &Optimised,
        form: usize,
    ) -> Vec<(f64, (usize, usize))> {
        let mut out = Vec::new();
        for (i, node) in self.graph.nodes.iter().enumerate() {
            if !matches!(node.op, Op::Relu) {
                continue;
            }
            for j in node.on.clone() {
                let b = bounds.nodes[i - 1][j];
                if b.lo < 0.0 && b.hi > 0.0 {
                    let c = found.over[i].get(form * node.len + j).copied();
                    let height = b.hi * -b.lo / (b.hi - b.lo);
                    out.push((c.unwrap_or(0.0).abs() * height, (i, j)));
                }
            }
        }
        out
    }

    /// The bound of one form under constraints, by one pass (filtered smart branching: De Palma
    /// et al. 2021).
    fn glance(&self, x: &[Bound], splits: &Splits, form: usize) -> f64 {
        let Some(bounds) = self.bounds(x, splits) else {
            return f64::INFINITY;
        };
        let pass = Backward {
            graph: self.graph,
            bounds: &bounds,
            splits,
            guide: None,
        };
        let row = Rows::new(1, self.forms.row(form).to_vec());
        let lower = pass.lower(self.graph.output(), row)[0] - self.need[form];
        if lower.is_nan() {
            f64::NEG_INFINITY
        } else {
            lower
        }
    }

    fn by_input(&self, area: &Area, found: &Optimised, gap: (f64, usize)) -> Option<Look<Area, F>> {
        let x = self.view.of(&area.part);
        let row = found.at_input.row(gap.1);
        let score = |i: usize| {
            let s = row[i].abs() * x[i].width();
            // Where the form does not move, the widest input.
            if s.is_nan() {
                x[i].width()
            } else {
                s + 1e-9 * x[i].width()
            }
        };
        let (cut, parts) = match self.view {
            View::Reals => self.space.split(&area.part, score)?,
            View::Mantissas(_) => self.space.split_input(&area.part, score)?,
        };
        Some(Look::Divided {
            cut,
            parts: Box::new(parts.map(|part| Area {
                part,
                splits: area.splits.clone(),
            })),
            bound: gap.0,
            points: 0,
        })
    }
}

impl<F: Send> Problem for Margins<'_, F> {
    type Item = Area;
    type Found = F;

    fn look(&self, area: &Area) -> Result<Look<Area, F>, Trouble> {
        let closed = |closure, points| Look::Closed {
            closure,
            slack: 0.0,
            points,
        };
        if area.splits.is_empty() && (self.first)(&area.part) {
            return Ok(closed(Closure::Intervals, 0));
        }
        let x = self.view.of(&area.part);
        let Some(bounds) = self.bounds(&x, &area.splits) else {
            return Ok(closed(Closure::Empty, 0));
        };
        let steps = if self.by_sign { STEPS } else { 3 };
        let mut found = self.bound(&bounds, &area.splits, steps);
        if self.is_met(&found.lower) {
            return Ok(closed(how(found), 0));
        }
        let mut gap = self.gap(&found.lower);
        if let Some(f) = (self.visit)(&found.corners[gap.1])? {
            return Ok(Look::Found(f));
        }
        if area.splits.is_empty() {
            match (self.exactly)(&area.part)? {
                Exactly::Holds(points) => {
                    return Ok(closed(Closure::Enumeration(points), points));
                }
                Exactly::Found(f) => return Ok(Look::Found(f)),
                Exactly::Open => {}
            }
        }
        if self.by_sign {
            if let Some(look) = self.by_sign(area, &bounds, &found, gap) {
                return Ok(look);
            }
            found = self.bound(&bounds, &area.splits, LAST_STEPS);
            if self.is_met(&found.lower) {
                return Ok(closed(how(found), 0));
            }
            gap = self.gap(&found.lower);
            if let Some(f) = (self.visit)(&found.corners[gap.1])? {
                return Ok(Look::Found(f));
            }
        } else if let Some(look) = self.by_input(area, &found, gap) {
            return Ok(look);
        }
        Ok(Look::Stuck {
            reason: "bounds do not close on a part that cannot be divided".into(),
            bound: gap.0,
        })
    }
}

impl<F> Margins<'_, F> {
    fn bound(&self, bounds: &Bounds, splits: &Splits, steps: usize) -> Optimised {
        optimise(self.graph, bounds, splits, &self.forms, &self.need, steps)
    }
}

/// The closure of a met bound: the default slopes met it if no others were tried.
fn how(found: Optimised) -> Closure {
    if found.guide.alpha.is_empty() {
        Closure::Backward
    } else {
        Closure::Slopes(Slopes::of(found))
    }
}
