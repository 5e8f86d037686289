//! Reference and subject together, part by part: what decides margins, tolerances, and top-1
//! where the reference is neither robust nor changing.
//!
//! On a part both programs are bounded over one closed superset of the real points that belong
//! to it; the subject's rounding of the input is an error like any other.

use crate::bounds::differential::{On, OpenSign, PairBounds, PairForm, PairSplits, Together};
use crate::bounds::graph::{Graph, Op};
use crate::bounds::integer;
use crate::bounds::split::Split;
use crate::budget::{Effort, Stop};
use crate::frontier::{self, Earlier, Look, Problem, Start};
use crate::keep::{Tally, left_open};
use crate::leaf::Leaf;
use crate::margins::{FEW_INPUTS, View};
use crate::reference::Reference;
use crate::requirement::{Bounded, Shown};
use crate::space::{Part, Space};
use crate::subject::{Subject, Trouble};
use crate::tree::{Closure, Cut, Tree};
use crate::verdict::Witness;
use ceg4n_base::Exact;
use ceg4n_ir::kernel::argmax;
use ceg4n_ir::{KernelNode, KernelOp, OutputConstraint, OutputSpec, Property};

/// Exact integer intervals are worth their cost up to so many weights.
const EXACT_WEIGHTS: usize = 4096;

/// The name of this stage of the work.
pub const STAGE: &str = "pair";
/// Cells per input up to which parts are halved evenly.
const FEW_CELLS: i64 = 8;

/// What was found.
pub enum Celled {
    /// Holds everywhere; for a margin, the least one that was shown.
    Holds(Option<f64>, Tally),
    /// Broken at a replayed point.
    Broken(Box<Witness>, Tally),
    /// Budget or clock ended the work.
    Open(String, Tally),
}

/// One question over a space.
pub struct Cells<'a> {
    /// The reference.
    pub reference: &'a Reference,
    /// The subject.
    pub subject: &'a Subject,
    /// Both, for bounds.
    pub together: &'a Together<'a>,
    /// The region.
    pub space: &'a Space,
    /// What must hold.
    pub property: &'a Property,
    /// Guides splitting.
    pub influence: &'a [f64],
}

impl Cells<'_> {
    /// Decides it on `root` by one look, if that suffices.
    pub fn at_once(&self, root: &Part) -> Option<Celled> {
        match self.shown(&PairArea::new(root.clone()), false)?.0 {
            Shown::Holds(slack) => {
                let tally = Tally {
                    boxes: 1,
                    tree: Tree::leaf(Closure::Differential),
                    ..Tally::default()
                };
                Some(Celled::Holds(self.margin(slack), tally))
            }
            Shown::Fails { .. } => None,
        }
    }

    /// A margin's slack.
    fn margin(&self, slack: f64) -> Option<f64> {
        matches!(self.property, Property::Top1Margin(_)).then_some(slack)
    }

    /// Branch and bound from `root`.
    ///
    /// # Errors
    /// A defect found by replay.
    pub fn decide(
        &self,
        root: &Part,
        earlier: Option<Earlier<'_>>,
        effort: &Effort,
        stop: &Stop,
        leaf: &mut dyn Leaf,
    ) -> Result<Celled, Trouble> {
        let start = self.start(earlier, root);
        let boxes = effort.boxes_for(root.input.len());
        let ended = frontier::run(self, start, (boxes, effort.points), stop)?;
        let tally = Tally::of(&ended, STAGE);
        if let Some(w) = ended.found {
            return Ok(Celled::Broken(Box::new(w), tally));
        }
        let slack = self.margin(ended.slack);
        if ended.is_proved() {
            return Ok(Celled::Holds(slack, tally));
        }
        let reason = left_open(&ended);
        if ended.stopped.is_some() || !ended.stuck.is_empty() {
            return Ok(Celled::Open(reason, tally));
        }
        self.by_solver(&ended.open, reason, slack, tally, effort, stop, leaf)
    }

    fn start(&self, earlier: Option<Earlier<'_>>, root: &Part) -> Start<PairArea> {
        let divide = |area: &PairArea, cut: &Cut| match *cut {
            Cut::Relu {
                of_subject,
                node,
                element,
            } => {
                let graph: &Graph = if of_subject {
                    self.subject.graph()
                } else {
                    self.reference.graph()
                };
                let here = graph.nodes.get(node)?;
                let known = matches!(here.op, Op::Relu) && here.on.contains(&element);
                known.then(|| Cut::signs(node, element).map(|s| area.and(of_subject, s)))
            }
            Cut::Real { .. } | Cut::Grid { .. } => {
                let parts = self.space.replay(&area.part, cut)?;
                Some(parts.map(|part| PairArea {
                    part,
                    signs: area.signs.clone(),
                }))
            }
        };
        Start::new(earlier, PairArea::new(root.clone()), divide)
    }

    /// `None` where the constraints leave nothing.
    fn shown(&self, area: &PairArea, deep: bool) -> Option<(Shown, PairBounds<'_>)> {
        let part = &area.part;
        let frac = self.subject.input_format().frac();
        let input = self
            .subject
            .kernel()
            .map(|_| View::Mantissas(frac).of(part));
        let pair = self.together.on(&On {
            x: &part.real,
            input: input.as_deref(),
            signs: &area.signs,
        })?;
        let middle = middle(part);
        let likely = argmax(&self.subject.net().outputs(&middle)).unwrap_or(0);
        let kernel = self.subject.kernel().filter(|k| {
            // Terms that integer intervals sum, all in all.
            let weights = |n: &KernelNode| match &n.op {
                KernelOp::Dense { weight, .. } => weight.len(),
                KernelOp::Conv { conv, .. } => conv.macs(),
                KernelOp::MaxPool { window, .. } | KernelOp::SumPool { window, .. } => {
                    n.len * window.size()
                }
                // Up to a whole table for each element.
                KernelOp::Table { table, .. } => n.len * table.len(),
                KernelOp::Input { .. }
                | KernelOp::AddConst { .. }
                | KernelOp::MulConst { .. }
                | KernelOp::Sum { .. }
                | KernelOp::Concat { .. }
                | KernelOp::Gather { .. }
                | KernelOp::Relu { .. }
                | KernelOp::Clip { .. }
                | KernelOp::LeakyRelu { .. }
                | KernelOp::Unary { .. }
                | KernelOp::Requantize { .. }
                | KernelOp::Align { .. }
                | KernelOp::Move { .. } => 0,
            };
            k.nodes.values().map(weights).sum::<usize>() <= EXACT_WEIGHTS
        });
        let forward = kernel.map(|k| integer::forward(k, &part.input));
        let exact = kernel.zip(forward.as_ref());
        let deep = deep && part.input.len() > FEW_INPUTS;
        let mut bounded = Bounded::new(&pair, exact, self.reference.output_len(), deep);
        let shown = bounded.shows(self.property, likely);
        Some((shown, pair))
    }

    /// Could a point break the property, as floating point sees it?
    fn is_suspect(&self, x: &[f64]) -> bool {
        let n = self.reference.approximate(x);
        let y = self.subject.net().outputs(x);
        let scale = n.iter().chain(&y).fold(1.0f64, |m, v| m.max(v.abs()));
        let hair = 1e-6 * scale;
        let Some(k) = argmax(&y) else {
            return false;
        };
        let behind = |k: usize| n.iter().fold(f64::NEG_INFINITY, |m, v| m.max(*v)) - n[k];
        match self.property {
            Property::Top1 => {
                let tied = |v: &f64| y[k] - v <= hair;
                behind(k) > -hair && (behind(k) > hair || y.iter().filter(|v| tied(v)).count() > 1)
            }
            Property::Top1Margin(m) => {
                let m = m.to_f64() - hair;
                (0..y.len()).any(|j| y[k] - y[j] <= hair && behind(j) > m)
            }
            Property::Eps(e) => {
                let e = e.to_f64() - hair;
                n.iter().zip(&y).any(|(n, y)| (n - y).abs() > e)
            }
            Property::TopK(_) => true,
            Property::Spec(spec) => nearly_met(spec, &[&y], hair),
            Property::Joint(spec) => nearly_met(spec, &[&n, &y], hair),
        }
    }

    fn try_point(&self, x: &[f64]) -> Result<Option<Witness>, Trouble> {
        match self.space.snap(x) {
            Some(point) => self
                .subject
                .replay(self.reference, self.space, self.property, &point),
            None => Ok(None),
        }
    }

    /// The margin needed at one point, rounded up.
    fn margin_at(&self, x: &[f64]) -> Result<Option<f64>, Trouble> {
        let Some(point) = self.space.snap(x) else {
            return Ok(None);
        };
        let (_, y) = self.subject.outputs(&point)?;
        let Ok(n) = self.reference.outputs(&point) else {
            return Ok(None);
        };
        let most = n.iter().cloned().reduce(Exact::max);
        Ok(argmax(&y)
            .zip(most)
            .map(|(k, most)| (&most - &n[k]).enclosure().1))
    }

    /// Divides an area where bounds fail on a form.
    fn divided(
        &self,
        area: &PairArea,
        pair: &PairBounds<'_>,
        form: &PairForm,
    ) -> Option<(Cut, [PairArea; 2])> {
        let part = &area.part;
        if part.input.len() > FEW_INPUTS {
            let by_cost = |a: &OpenSign, b: &OpenSign| {
                let order = a.cost.total_cmp(&b.cost);
                order.then((b.node, b.element).cmp(&(a.node, a.element)))
            };
            let open = pair.open_signs(form);
            if let Some(o) = open.into_iter().max_by(by_cost) {
                let parts = Cut::signs(o.node, o.element).map(|s| area.and(o.of_subject, s));
                let cut = Cut::Relu {
                    of_subject: o.of_subject,
                    node: o.node,
                    element: o.element,
                };
                return Some((cut, parts));
            }
        }
        let generators = pair.influence(form);
        let widths = part.real.iter().zip(self.influence);
        let widths: Vec<f64> = widths.map(|(b, i)| b.width() * i).collect();
        // Within a few cells the input's rounding counts, which generators do not show.
        let coarse = part.input.iter().any(|r| r.hi - r.lo > FEW_CELLS);
        let scores = generators
            .filter(|g| coarse && g.iter().any(|g| *g > 0.0))
            .unwrap_or(widths);
        let (cut, parts) = self.space.split(part, |i| scores[i])?;
        let areas = parts.map(|part| PairArea {
            part,
            signs: area.signs.clone(),
        });
        Some((cut, areas))
    }
}

/// A part of a region, under constraints on the signs of both programs.
#[derive(Clone, Debug)]
pub struct PairArea {
    /// The box.
    pub part: Part,
    /// The constraints.
    pub signs: PairSplits,
}

impl PairArea {
    /// A part without constraints.
    pub fn new(part: Part) -> Self {
        Self {
            part,
            signs: PairSplits::default(),
        }
    }

    fn and(&self, of_subject: bool, split: Split) -> Self {
        let mut out = self.clone();
        let side = if of_subject {
            &mut out.signs.subject
        } else {
            &mut out.signs.reference
        };
        *side = side.and(split);
        out
    }
}

/// Are all constraints of some case met but for a hair per unit of their coefficients?
fn nearly_met(spec: &OutputSpec, outputs: &[&[f64]], hair: f64) -> bool {
    let output = |j: usize| {
        let mut all = outputs.iter().flat_map(|o| o.iter());
        all.nth(j).copied().unwrap_or(f64::NAN)
    };
    let met = |c: &OutputConstraint| {
        let (mut value, mut size) = (c.constant.to_f64(), 1.0);
        for (j, a) in &c.coefficients {
            let a = a.to_f64();
            value += a * output(*j);
            size += a.abs();
        }
        value <= hair * size
    };
    spec.cases.iter().any(|case| case.iter().all(met))
}

fn middle(part: &Part) -> Vec<f64> {
    part.real
        .iter()
        .map(|b| b.lo + (b.hi - b.lo) / 2.0)
        .collect()
}

impl Problem for Cells<'_> {
    type Item = PairArea;
    type Found = Witness;

    fn look(&self, area: &PairArea) -> Result<Look<PairArea, Witness>, Trouble> {
        let closed = |closure, slack, points| Look::Closed {
            closure,
            slack,
            points,
        };
        let (gap, form, pair) = match self.shown(area, true) {
            None => return Ok(closed(Closure::Empty, 0.0, 0)),
            Some((Shown::Holds(slack), _)) => return Ok(closed(Closure::Differential, slack, 0)),
            Some((Shown::Fails { gap, form }, pair)) => (gap, form, pair),
        };
        let part = &area.part;
        let middle = middle(part);
        let is_point = self.space.is_point(part);
        if (is_point || self.is_suspect(&middle))
            && let Some(w) = self.try_point(&middle)?
        {
            return Ok(Look::Found(w));
        }
        if is_point && self.reference.is_exact() && self.subject.is_exact() {
            // The part's only point was replayed above and holds.
            let slack = self.margin_at(&middle)?.unwrap_or(f64::INFINITY);
            return Ok(closed(Closure::Enumeration(1), slack, 1));
        }
        Ok(match self.divided(area, &pair, &form) {
            Some((cut, parts)) => Look::Divided {
                cut,
                parts: Box::new(parts),
                bound: gap,
                points: 0,
            },
            None => Look::Stuck {
                reason: "bounds do not close on a part that cannot be divided".into(),
                bound: gap,
            },
        })
    }
}
