//! Does the kernel keep one class on a box of integers? Integer intervals with merged margins,
//! backward bounds, division, enumeration of small boxes, then the solver.

use crate::bounds::{Form, integer, margins};
use crate::budget::{Effort, Stop};
use crate::frontier::{self, Earlier, Ended, OpenPart};
use crate::leaf::{Leaf, LeafAnswer};
use crate::margins::{Area, Exactly, FEW_INPUTS, Margins, View, Whole};
use crate::space::{Part, Space, volume};
use crate::subject::{Subject, Trouble};
use crate::tree::{Closure, Tree, TreeNode};
use crate::verdict::{Method, Open};
use ceg4n_ir::{Domain, Kernel};

/// Boxes with at most this many inputs are evaluated point by point.
const LEAF_POINTS: u64 = 1 << 14;
/// The name of this stage of the work.
pub const STAGE: &str = "keep";
/// Inputs evaluated in one batch.
const BATCH: usize = 1 << 10;

/// What was found.
pub enum Kept {
    /// The class is kept on every input.
    Yes(Tally),
    /// These inputs leave it (each of them lies in the box; a point of the region that rounds
    /// to it may not exist in domain `grid`).
    No(Vec<i64>, Tally),
    /// Budget or clock ended the work.
    Open(String, Tally),
}

/// What it took.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// Boxes looked at.
    pub boxes: u64,
    /// Inputs evaluated.
    pub points: u64,
    /// Solver queries answered `unsat`, and the solver's name.
    pub solver: Option<(String, u64)>,
    /// The clock ended the work.
    pub clock_limited: bool,
    /// The division, and how each part was decided.
    pub tree: Tree,
    /// What is left.
    pub open: Option<Open>,
    /// The largest slack of the decided parts.
    pub slack: f64,
    /// The stage that made the division; empty before any did.
    pub stage: &'static str,
}

impl Tally {
    /// Of a search.
    pub(crate) fn of<I, F>(ended: &Ended<I, F>, stage: &'static str) -> Self {
        let left = || ended.open.iter().chain(ended.stuck.iter().map(|s| &s.0));
        let open = (!ended.is_proved()).then(|| Open {
            best: left()
                .map(|p| p.bound)
                .reduce(f64::min)
                .filter(|b| b.is_finite()),
            fraction: (1.0 - left().map(|p| p.share).sum::<f64>()).max(0.0),
            boxes: left().count() as u64,
        });
        Self {
            boxes: ended.boxes,
            points: ended.points,
            solver: None,
            clock_limited: ended.stopped.is_some(),
            tree: ended.tree.clone(),
            open,
            slack: ended.slack,
            stage,
        }
    }

    /// The strongest method used.
    pub fn method(&self) -> Method {
        Method::of(&self.tree)
    }

    /// Notes a part that the solver decided.
    pub(crate) fn solved(&mut self, node: usize, name: String) {
        let queries = self.solver.take().map_or(0, |s| s.1);
        self.solver = Some((name, queries + 1));
        self.tree.nodes[node] = TreeNode::Closed(Closure::Solver);
    }
}

/// Why a search ended with parts left.
pub(crate) fn left_open<I, F>(ended: &Ended<I, F>) -> String {
    match (ended.stopped, ended.stuck.first()) {
        (Some(stopped), _) => {
            let left = ended.open.len() + ended.stuck.len();
            format!("{stopped} with {left} boxes open")
        }
        (None, Some((_, reason))) if ended.open.is_empty() => reason.clone(),
        (None, _) => {
            let left = ended.open.len() + ended.stuck.len();
            format!("{left} boxes open after {}", ended.boxes)
        }
    }
}

/// True if integer intervals show that the kernel answers `class` on the whole part.
pub fn bounded(kernel: &Kernel, part: &Part, class: usize) -> bool {
    let forward = integer::forward(kernel, &part.input);
    (0..kernel.output_len()).filter(|j| *j != class).all(|j| {
        // The first index wins a tie.
        let least = i128::from(j < class);
        integer::form(kernel, &forward, Form::margin(class, j)).lo >= least
    })
}

/// The question whether the kernel keeps `class` on a region.
pub struct Keep<'a> {
    /// The program.
    pub subject: &'a Subject,
    /// Its integer form.
    pub kernel: &'a Kernel,
    /// The region.
    pub space: &'a Space,
    /// The class.
    pub class: usize,
    /// Budgets.
    pub effort: &'a Effort,
    /// What may end the work early.
    pub stop: &'a Stop,
}

impl Keep<'_> {
    /// Decides it on `root` by one look, if that suffices.
    pub fn at_once(&self, root: &Part) -> Option<Tally> {
        let closure = if bounded(self.kernel, root, self.class) {
            Closure::Intervals
        } else if self.with(|m| m.quick(root)).unwrap_or(false) {
            Closure::Backward
        } else {
            return None;
        };
        Some(Tally {
            boxes: 1,
            tree: Tree::leaf(closure),
            ..Tally::default()
        })
    }

    /// Decides it on `root`, which [`Self::at_once`] left open.
    ///
    /// # Errors
    /// A failure of native code.
    pub fn decide(
        &self,
        root: &Part,
        earlier: Option<Earlier<'_>>,
        leaf: &mut dyn Leaf,
    ) -> Result<Kept, Trouble> {
        let boxes = self.effort.boxes_for(root.input.len());
        let run = |m: &Margins<'_, Vec<i64>>| {
            frontier::run(
                m,
                m.start(earlier, root),
                (boxes, self.effort.points),
                self.stop,
            )
        };
        let ended = match self.with(run) {
            Some(ended) => ended?,
            None => {
                return Ok(Kept::Open(
                    "the program has no integers".into(),
                    Tally::default(),
                ));
            }
        };
        let tally = Tally::of(&ended, STAGE);
        if let Some(input) = ended.found {
            return Ok(Kept::No(input, tally));
        }
        if ended.is_proved() {
            return Ok(Kept::Yes(tally));
        }
        let reason = left_open(&ended);
        let left: Vec<OpenPart<Area>> = (ended.open.into_iter())
            .chain(ended.stuck.into_iter().map(|s| s.0))
            .collect();
        // Constraints on signs are no part of a solver's question.
        let askable = left.iter().all(|p| p.item.splits.is_empty()) && ended.stopped.is_none();
        if !askable || left.len() as u64 > self.effort.queries {
            return Ok(Kept::Open(reason, tally));
        }
        self.by_solver(&left, tally, leaf)
    }

    fn with<T>(&self, run: impl FnOnce(&Margins<'_, Vec<i64>>) -> T) -> Option<T> {
        let graph = self.subject.integer_graph()?;
        let outputs = self.kernel.output_len();
        // Outputs are multiples of a unit, and the first index wins a tie.
        let unit = crate::bounds::graph::unit(self.kernel.output_frac);
        let need = (0..outputs).filter(|j| *j != self.class);
        let need = need
            .map(|j| if j < self.class { 0.0 } else { -unit })
            .collect();
        let first = |part: &Part| bounded(self.kernel, part, self.class);
        let visit = |x: &[f64]| self.visit(x);
        let exactly = |part: &Part| self.exactly(part);
        let problem = Margins {
            graph,
            space: self.space,
            view: View::Mantissas(self.kernel.input_format.frac()),
            forms: margins(self.class, outputs),
            need,
            cases: Vec::new(),
            by_sign: self.kernel.input_len() > FEW_INPUTS,
            first: &first,
            visit: &visit,
            exactly: &exactly,
            whole: Whole::default(),
        };
        Some(run(&problem))
    }

    /// The inputs near a point, if they leave the class and are of the region.
    fn visit(&self, x: &[f64]) -> Result<Option<Vec<i64>>, Trouble> {
        let Some(point) = self.space.snap(x) else {
            return Ok(None);
        };
        let input = self.kernel.quantize_input(&point);
        Axes::single(&input).first_leaving(self.subject, self.class)
    }

    fn exactly(&self, part: &Part) -> Result<Exactly<Vec<i64>>, Trouble> {
        let Some(axes) = Axes::new(self.space, part) else {
            return Ok(Exactly::Open);
        };
        Ok(match axes.first_leaving(self.subject, self.class)? {
            Some(input) => Exactly::Found(input),
            None => Exactly::Holds(axes.count()),
        })
    }

    /// Hands the open boxes to the solver.
    fn by_solver(
        &self,
        open: &[OpenPart<Area>],
        mut tally: Tally,
        leaf: &mut dyn Leaf,
    ) -> Result<Kept, Trouble> {
        for part in open {
            let input = &part.item.part.input;
            match leaf.leaves_class(self.kernel, input, self.class, self.effort, self.stop) {
                LeafAnswer::Never => tally.solved(part.node, leaf.name()),
                LeafAnswer::At(input) => return self.model(&part.item.part, input, tally),
                LeafAnswer::Unknown(reason) => {
                    tally.clock_limited |= self.stop.now().is_some();
                    return Ok(Kept::Open(format!("solver: {reason}"), tally));
                }
            }
        }
        tally.open = None;
        Ok(Kept::Yes(tally))
    }

    /// A solver's model counts only after evaluation.
    fn model(&self, part: &Part, input: Vec<i64>, tally: Tally) -> Result<Kept, Trouble> {
        let within = |(v, r): (&i64, &ceg4n_ir::Interval)| r.lo <= *v && *v <= r.hi;
        let inside = input.len() == part.input.len() && input.iter().zip(&part.input).all(within);
        if !inside
            || Axes::single(&input)
                .first_leaving(self.subject, self.class)?
                .is_none()
        {
            return Ok(Kept::Open(
                "the solver's model does not replay".into(),
                tally,
            ));
        }
        if self.space.point(&input, None).is_none() {
            return Ok(Kept::Open(
                "the solver's model is no point of the domain".into(),
                tally,
            ));
        }
        Ok(Kept::No(input, tally))
    }
}

/// The kernel inputs of a part, as a product of one list per coordinate.
struct Axes(Vec<Vec<i64>>);

impl Axes {
    /// `None` if there are more inputs than a leaf may have.
    fn new(space: &Space, part: &Part) -> Option<Self> {
        if space.domain == Domain::Real && volume(&part.input) > LEAF_POINTS {
            return None;
        }
        let lists: Vec<_> = (0..part.input.len())
            .map(|i| space.axis(part, i, LEAF_POINTS))
            .collect();
        let axes = Self(lists);
        (axes.count() <= LEAF_POINTS && !axes.0.iter().any(Vec::is_empty)).then_some(axes)
    }

    fn single(input: &[i64]) -> Self {
        Self(input.iter().map(|v| vec![*v]).collect())
    }

    /// Number of inputs, saturating.
    fn count(&self) -> u64 {
        self.0
            .iter()
            .fold(1u64, |n, a| n.saturating_mul(a.len() as u64))
    }

    /// The first input, in lexicographic order, on which the kernel answers another class.
    fn first_leaving(&self, subject: &Subject, class: usize) -> Result<Option<Vec<i64>>, Trouble> {
        let n = self.0.len();
        let outputs = subject.output_len();
        let mut at = vec![0usize; n];
        let mut done = false;
        while !done {
            let mut inputs = Vec::with_capacity(BATCH * n);
            let mut rows = 0;
            while rows < BATCH && !done {
                inputs.extend((0..n).map(|i| self.0[i][at[i]]));
                rows += 1;
                done = !self.advance(&mut at);
            }
            let out = subject.batch(&inputs, rows)?;
            let leaving = out
                .chunks_exact(outputs)
                .position(|y| ceg4n_ir::kernel::argmax(y) != Some(class));
            if let Some(r) = leaving {
                return Ok(Some(inputs[r * n..(r + 1) * n].to_vec()));
            }
        }
        Ok(None)
    }

    fn advance(&self, at: &mut [usize]) -> bool {
        for i in (0..at.len()).rev() {
            at[i] += 1;
            if at[i] < self.0[i].len() {
                return true;
            }
            at[i] = 0;
        }
        false
    }
}
