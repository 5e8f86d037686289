//! Does the kernel keep one class on a box of integers? Interval bounds with merged margins,
//! bisection, enumeration of small boxes, then the solver.

use crate::bounds::{Form, integer};
use crate::budget::{Effort, Stop};
use crate::leaf::{Leaf, LeafAnswer};
use crate::space::{Part, Space, volume};
use crate::subject::{Subject, Trouble};
use crate::verdict::Method;
use ceg4n_ir::Domain;

/// Boxes with at most this many inputs are evaluated point by point.
const LEAF_POINTS: u64 = 1 << 14;
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Boxes looked at.
    pub boxes: u64,
    /// Inputs evaluated.
    pub points: u64,
    /// Solver queries answered `unsat`, and the solver's name.
    pub solver: Option<(String, u64)>,
    /// The clock ended the work.
    pub clock_limited: bool,
}

impl Tally {
    /// The strongest method used.
    pub fn method(&self) -> Method {
        match (&self.solver, self.points) {
            (Some(_), _) => Method::Smt,
            (None, 0) => Method::Intervals,
            (None, _) => Method::Enumeration,
        }
    }
}

/// True if bounds show that the kernel answers `class` on the whole part.
pub fn bounded(subject: &Subject, part: &Part, class: usize) -> bool {
    let kernel = subject.kernel();
    let forward = integer::forward(kernel, &part.input);
    (0..kernel.output_len()).filter(|j| *j != class).all(|j| {
        // The first index wins a tie.
        let least = i128::from(j < class);
        integer::form(kernel, &forward, Form::margin(class, j)).lo >= least
    })
}

/// The question whether the kernel keeps `class` on a region.
pub struct Keep<'a> {
    /// The kernel.
    pub subject: &'a Subject,
    /// The region.
    pub space: &'a Space,
    /// The class.
    pub class: usize,
    /// Guides splitting.
    pub influence: &'a [f64],
    /// Budgets.
    pub effort: &'a Effort,
    /// What may end the work early.
    pub stop: &'a Stop,
}

impl Keep<'_> {
    /// Decides it on `root`.
    ///
    /// # Errors
    /// A failure of native code.
    pub fn decide(&self, root: &Part, leaf: &mut dyn Leaf) -> Result<Kept, Trouble> {
        let mut tally = Tally::default();
        let boxes = self.effort.boxes_for(root.input.len());
        let mut open = vec![root.clone()];
        while let Some(part) = open.pop() {
            tally.boxes += 1;
            if bounded(self.subject, &part, self.class) {
                continue;
            }
            let affordable =
                |a: &Axes| tally.points.saturating_add(a.count()) <= self.effort.points;
            if let Some(axes) = Axes::new(self.space, &part).filter(affordable) {
                tally.points += axes.count();
                if let Some(input) = axes.first_leaving(self.subject, self.class)? {
                    return Ok(Kept::No(input, tally));
                }
                continue;
            }
            if let Some(stopped) = self.stop.now() {
                tally.clock_limited = true;
                return Ok(Kept::Open(
                    format!("{stopped} with {} boxes open", open.len() + 1),
                    tally,
                ));
            }
            match self.space.split_input(&part, self.influence) {
                Some((a, b)) if tally.boxes < boxes => open.extend([b, a]),
                _ => {
                    open.push(part);
                    return self.by_solver(&open, tally, leaf);
                }
            }
        }
        Ok(Kept::Yes(tally))
    }

    /// Hands the open boxes to the solver.
    fn by_solver(
        &self,
        open: &[Part],
        mut tally: Tally,
        leaf: &mut dyn Leaf,
    ) -> Result<Kept, Trouble> {
        if open.len() as u64 > self.effort.queries {
            let reason = format!("{} boxes open after {} boxes", open.len(), tally.boxes);
            return Ok(Kept::Open(reason, tally));
        }
        for part in open {
            match leaf.leaves_class(
                self.subject,
                &part.input,
                self.class,
                self.effort,
                self.stop,
            ) {
                LeafAnswer::Never => {
                    let queries = tally.solver.map_or(0, |s| s.1);
                    tally.solver = Some((leaf.name(), queries + 1));
                }
                LeafAnswer::At(input) => return self.model(part, input, tally),
                LeafAnswer::Unknown(reason) => {
                    tally.clock_limited |= self.stop.now().is_some();
                    return Ok(Kept::Open(format!("solver: {reason}"), tally));
                }
            }
        }
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
        let outputs = subject.kernel().output_len();
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
