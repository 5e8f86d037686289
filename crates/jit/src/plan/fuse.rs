//! Which nodes a stage takes into its epilogues.

use super::facts::elem;
use super::{Place, Progress, StagePlan, Work};
use crate::order::Order;
use crate::shape::{Elem, Row};
use ceg4n_ir::kernel::multiplier;
use ceg4n_ir::{Kernel, KernelOp, NodeId};

/// Epilogues: element `i` has number `i / per`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) list: Vec<Row>,
    /// Neighbouring elements that share an epilogue.
    pub(crate) per: usize,
}

impl Rows {
    /// The same epilogue for equal parts of `len` elements.
    fn identity(len: usize, per: usize) -> Self {
        Self {
            list: vec![Row::IDENTITY; len / per.max(1)],
            per: per.max(1),
        }
    }

    /// The same epilogues, one for every `per` elements; `per` divides the present number.
    fn split(&mut self, per: usize) {
        let times = self.per / per;
        let each = self.list.iter();
        self.list = each.flat_map(|r| std::iter::repeat_n(*r, times)).collect();
        self.per = per;
    }
}

impl StagePlan {
    /// A stage without epilogues.
    pub(super) fn bare(operands: Vec<Place>, work: Work, order: Order, y: Elem) -> Self {
        Self {
            operands,
            work,
            y,
            order,
            rows: Rows::identity(order.len(), order.len()),
            width: 1,
            sum_width: 1,
            progress: Progress::Done,
        }
    }

    /// A stage that begins with a node.
    pub(super) fn new(
        operands: Vec<Place>,
        work: Work,
        order: Order,
        y: Elem,
        kernel: &Kernel,
        id: NodeId,
    ) -> Self {
        let mut stage = Self::bare(operands, work, order, y);
        if !stage.work.has_epilogue() {
            return stage;
        }
        stage.progress = Progress::Sum;
        let node = &kernel.nodes[id];
        (stage.width, stage.sum_width) = (node.width, node.width);
        match &node.op {
            KernelOp::Dense { bias, .. } => {
                stage.rows = Rows::identity(node.len, 1);
                stage.add(bias.as_deref().unwrap_or_default());
            }
            KernelOp::Conv { bias, conv, .. } => {
                stage.rows = Rows::identity(node.len, conv.window.windows());
                stage.add(bias.as_deref().unwrap_or_default());
            }
            KernelOp::MulConst { c, .. } => {
                let part = node.len / c.len();
                let at = |j: usize| i64::from(c[j / part]);
                stage.regroup(&|per| (0..node.len).all(|j| at(j) == at(j / per * per)));
                stage.each(|row, j| row.factor = at(j));
            }
            KernelOp::LeakyRelu { shift, .. } => {
                stage.each(|row, _| row.factor = i64::from(*shift));
            }
            KernelOp::Sum { .. } | KernelOp::Unary { .. } => {}
            KernelOp::AddConst { .. }
            | KernelOp::Relu { .. }
            | KernelOp::Clip { .. }
            | KernelOp::Requantize { .. }
            | KernelOp::Align { .. } => {
                // Before the node there is an operand, which its type holds.
                (stage.width, stage.sum_width) = (1, 1);
                let taken = stage.extend(kernel, id);
                debug_assert!(taken, "an empty stage takes every elementwise node");
            }
            KernelOp::Input { .. }
            | KernelOp::MaxPool { .. }
            | KernelOp::SumPool { .. }
            | KernelOp::Concat { .. }
            | KernelOp::Gather { .. }
            | KernelOp::Table { .. }
            | KernelOp::Move { .. } => debug_assert!(false, "no work with epilogues"),
        }
        stage
    }

    /// Takes the node after the stage's present last one, if the order of steps allows it.
    pub(super) fn extend(&mut self, kernel: &Kernel, id: NodeId) -> bool {
        if self.progress == Progress::Done {
            return false;
        }
        let node = &kernel.nodes[id];
        let taken = match &node.op {
            KernelOp::AddConst { c, .. } => {
                let taken = self.progress == Progress::Sum && self.regroup(&|per| even(c, per));
                if taken {
                    self.each(|row, j| row.bias = row.bias.wrapping_add(c[j]));
                }
                taken
            }
            KernelOp::Relu { .. } => {
                self.clip(|_| (0, i64::MAX));
                true
            }
            KernelOp::Clip { lo, hi, .. } => {
                let taken = self.regroup(&|per| even(lo, per) && even(hi, per));
                if taken {
                    self.clip(|j| (lo[j], hi[j]));
                }
                taken
            }
            KernelOp::Requantize {
                multiplier: factors,
                shift,
                format,
                ..
            } => {
                let factors = factors.as_deref();
                let taken = self.progress < Progress::Shift
                    && self.regroup(&|per| {
                        even(shift, per) && factors.is_none_or(|factors| even(factors, per))
                    });
                if taken {
                    self.each(|row, j| {
                        row.multiplier = multiplier(factors, j).into();
                        row.set_shift(shift[j], kernel.rounding);
                        (row.lo, row.hi) = (format.min(), format.max());
                    });
                    self.progress = Progress::Shift;
                }
                taken
            }
            KernelOp::Align { shift, .. } => {
                let taken =
                    self.progress < Progress::Shift && self.regroup(&|per| even(shift, per));
                if taken {
                    self.each(|row, j| row.set_shift(-shift[j], kernel.rounding));
                    self.progress = Progress::Shift;
                }
                taken
            }
            KernelOp::Input { .. }
            | KernelOp::Dense { .. }
            | KernelOp::Conv { .. }
            | KernelOp::MaxPool { .. }
            | KernelOp::SumPool { .. }
            | KernelOp::MulConst { .. }
            | KernelOp::Sum { .. }
            | KernelOp::Concat { .. }
            | KernelOp::Gather { .. }
            | KernelOp::LeakyRelu { .. }
            | KernelOp::Unary { .. }
            | KernelOp::Table { .. }
            | KernelOp::Move { .. } => false,
        };
        if taken {
            self.width = self.width.max(node.width);
            if self.progress < Progress::Shift {
                self.sum_width = self.sum_width.max(node.width);
            }
            self.y = elem(kernel, id);
        }
        taken
    }

    /// Changes every epilogue; gets it and the first element that it belongs to.
    fn each(&mut self, change: impl Fn(&mut Row, usize)) {
        for (g, row) in self.rows.list.iter_mut().enumerate() {
            change(row, g * self.rows.per);
        }
    }

    /// Adds constants to the sums of a layer, one per epilogue. Two's complement sums of constants
    /// may wrap: the whole sum is what the proved width holds.
    fn add(&mut self, c: &[i64]) {
        for (row, c) in self.rows.list.iter_mut().zip(c) {
            row.bias = row.bias.wrapping_add(*c);
        }
    }

    /// Clips each element to what `ends` says.
    fn clip(&mut self, ends: impl Fn(usize) -> (i64, i64)) {
        let shifted = self.progress >= Progress::Shift;
        self.each(|row, j| {
            let (lo, hi) = ends(j);
            match shifted {
                true => row.clip_result(lo, hi),
                false => row.clip_sum(lo, hi),
            }
        });
        self.progress = self.progress.max(Progress::Clip);
    }

    /// Splits epilogues until neighbours that share one are alike as `alike` says for so many
    /// neighbours; false if the stage cannot have so many.
    fn regroup(&mut self, alike: &dyn Fn(usize) -> bool) -> bool {
        let positions = self.order.positions();
        let finer = [positions, 1]
            .into_iter()
            .filter(|per| *per < self.rows.per);
        let elementwise = self.work.is_elementwise();
        let mut choices = std::iter::once(self.rows.per).chain(finer.filter(|_| elementwise));
        match choices.find(|per| alike(*per)) {
            Some(per) => {
                self.rows.split(per);
                true
            }
            None => false,
        }
    }
}

/// True if each `per` neighbours are equal.
fn even<T: PartialEq>(list: &[T], per: usize) -> bool {
    per == 1
        || list
            .chunks(per)
            .all(|part| part.iter().all(|v| *v == part[0]))
}
