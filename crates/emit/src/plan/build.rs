//! From a kernel's nodes to stages: which nodes get a vector, and what each stage starts from.

use super::bodies::{pool, scale};
use super::operands::{self, Constants};
use super::{Body, By, Data, Operand, Plan, Source, Stage, StepKind, Table, TableId, Taps, Vector};
use crate::EmitError;
use crate::elem::{Elem, hull};
use ceg4n_base::entity::SecondaryMap;
use ceg4n_ir::{Checked, Kernel, KernelNode, KernelOp, NodeId, Program};
use ceg4n_scalar::Removed;
use ceg4n_target::{KernelChoice, Target};
use std::borrow::Cow;

/// A program's kernel, as it was checked or simplified.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given<'a> {
    pub(crate) program: &'a Checked<Program>,
    pub(crate) kernel: &'a Kernel,
    /// What nodes lost, if it is simplified.
    pub(crate) removed: Option<&'a SecondaryMap<NodeId, Removed>>,
}

/// Plans a kernel, in loops for a target.
pub(crate) fn plan(
    given: Given<'_>,
    target: Target,
    choice: KernelChoice,
) -> Result<Plan<'_>, EmitError> {
    let Given {
        program, kernel, ..
    } = given;
    let mut builder = Builder {
        kernel,
        removed: given.removed,
        program,
        target,
        choice,
        stored: SecondaryMap::new(),
        added: SecondaryMap::new(),
        vector: SecondaryMap::new(),
        pending: Vec::new(),
        plan: Plan {
            kernel,
            stages: Vec::new(),
            tables: Vec::new(),
            input: Elem::of_format(kernel.input_format),
            output: Elem::I64,
            straight: None,
        },
    };
    let output = builder.through_moves(kernel.output);
    builder.mark_stored(output);
    for n in kernel.nodes.keys() {
        if builder.stored[n] {
            builder.stage(n, n == output)?;
        }
    }
    let mut plan = builder.plan;
    plan.output = plan
        .stages
        .last()
        .map(|s| s.ty)
        .ok_or_else(|| EmitError::Internal("a kernel without stages".to_owned()))?;
    Ok(plan)
}

/// What a node lost, in words; `None` for nothing that a reader would look for.
fn lost(removed: Removed, left: usize) -> Option<String> {
    let Removed {
        constant,
        duplicate,
        unread,
        merged,
    } = removed;
    let mut parts: Vec<String> = Vec::new();
    for (count, what) in [
        (constant, "constant"),
        (duplicate, "equal to another one"),
        (unread, "never read"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    if !parts.is_empty() {
        let of = left + constant + duplicate + unread;
        return Some(format!("of {of} elements removed: {}", parts.join(", ")));
    }
    (merged > 0).then(|| "merged with the operation before it".to_owned())
}

/// True if the operator reads its operand at more than one place, or at another place than it
/// writes: the operand then needs a vector.
fn reads_elsewhere(op: &KernelOp) -> bool {
    match op {
        KernelOp::Dense { .. }
        | KernelOp::Conv { .. }
        | KernelOp::MaxPool { .. }
        | KernelOp::SumPool { .. }
        | KernelOp::Concat { .. }
        | KernelOp::Gather { .. } => true,
        KernelOp::Input { .. }
        | KernelOp::AddConst { .. }
        | KernelOp::MulConst { .. }
        | KernelOp::Sum { .. }
        | KernelOp::Relu { .. }
        | KernelOp::Clip { .. }
        | KernelOp::LeakyRelu { .. }
        | KernelOp::Unary { .. }
        | KernelOp::Table { .. }
        | KernelOp::Requantize { .. }
        | KernelOp::Align { .. }
        | KernelOp::Move { .. } => false,
    }
}

pub(super) struct Builder<'a> {
    pub(super) kernel: &'a Kernel,
    removed: Option<&'a SecondaryMap<NodeId, Removed>>,
    pub(super) program: &'a Checked<Program>,
    pub(super) target: Target,
    pub(super) choice: KernelChoice,
    /// Nodes that get a vector.
    stored: SecondaryMap<NodeId, bool>,
    /// Of a sum: the operand that is added to the other one.
    added: SecondaryMap<NodeId, Option<NodeId>>,
    /// Where a stored node's elements are.
    vector: SecondaryMap<NodeId, Option<Vector>>,
    /// The tables of the stage at hand whose constants are not laid out yet.
    pending: Vec<(TableId, Constants)>,
    pub(super) plan: Plan<'a>,
}

impl<'a> Builder<'a> {
    pub(super) fn node(&self, n: NodeId) -> &'a KernelNode {
        &self.kernel.nodes[n]
    }

    pub(super) fn name(&self, n: NodeId) -> &'a str {
        let value = self.node(n).value;
        &self.program.program().network.value(value).name
    }

    /// The operand whose elements a node hands on in the same order, if it does nothing else.
    fn handed_on(&self, n: NodeId) -> Option<NodeId> {
        let op = &self.node(n).op;
        if let KernelOp::Move { x } = op {
            return Some(*x);
        }
        let KernelOp::Gather { x, index, .. } = op else {
            return None;
        };
        let in_order = index.iter().enumerate().all(|(j, i)| *i as usize == j);
        (in_order && index.len() == self.node(*x).len).then_some(*x)
    }

    /// The node whose elements a chain of moves hands on.
    fn through_moves(&self, mut n: NodeId) -> NodeId {
        while let Some(x) = self.handed_on(n) {
            n = x;
        }
        n
    }

    /// The operands whose elements count.
    pub(super) fn sources(&self, n: NodeId) -> Vec<NodeId> {
        let operands = self.node(n).op.operands();
        operands.iter().map(|x| self.through_moves(*x)).collect()
    }

    /// The operand that the chain of a node comes from; `None` for the input.
    pub(super) fn source(&self, n: NodeId) -> Option<NodeId> {
        let sources = self.sources(n);
        match sources[..] {
            // The operand that is added has a vector of its own.
            [x, y] if self.added[n] == Some(x) => Some(y),
            _ => sources.first().copied(),
        }
    }

    /// The vector of the operand that a sum adds.
    pub(super) fn added_vector(&self, n: NodeId) -> Result<Vector, EmitError> {
        let y = self.added[n];
        let y = y.ok_or_else(|| EmitError::Internal(format!("{n} adds nothing")))?;
        self.vector_of(y)
    }

    /// The node that a sum adds.
    pub(super) fn added(&self, n: NodeId) -> Option<NodeId> {
        self.added[n]
    }

    /// Marks what needs a vector among the nodes that the output depends on.
    fn mark_stored(&mut self, output: NodeId) {
        let mut uses: SecondaryMap<NodeId, u32> = SecondaryMap::new();
        uses[output] = 1;
        self.stored[output] = true;
        let mut nodes: Vec<NodeId> = self.kernel.nodes.keys().collect();
        nodes.reverse();
        // Users before operands.
        nodes.retain(|n| {
            if uses[*n] == 0 {
                return false;
            }
            let op = &self.node(*n).op;
            if matches!(op, KernelOp::Concat { .. } | KernelOp::Gather { .. }) {
                self.stored[*n] = true;
            }
            for x in self.sources(*n) {
                uses[x] += 1;
                self.stored[x] |= uses[x] > 1 || reads_elsewhere(op);
            }
            true
        });
        for n in nodes {
            let KernelOp::Sum { .. } = self.node(n).op else {
                continue;
            };
            if let [x, y] = self.sources(n)[..] {
                let added = if self.stored[x] && !self.stored[y] {
                    x
                } else {
                    y
                };
                self.stored[added] = true;
                self.added[n] = Some(added);
            }
        }
    }

    /// True if the input's storage type has values outside its format.
    fn clamps_input(&self) -> bool {
        let f = self.kernel.input_format;
        self.plan.input.range() != (f.min(), f.max())
    }

    pub(super) fn vector_of(&self, n: NodeId) -> Result<Vector, EmitError> {
        self.vector[n]
            .ok_or_else(|| EmitError::Internal(format!("{n} is used before it is computed")))
    }

    /// The type of a node's vector: that of its format. Without a format the output is a word; what
    /// lies between is as small as its range allows.
    fn elem(&self, n: NodeId, is_output: bool) -> Elem {
        let node = self.node(n);
        if let Some(f) = node.format {
            return Elem::of_format(f);
        }
        let range = hull(&node.range);
        let word = Elem::word(range.signed_width());
        let least = Elem::holding(range.lo, range.hi);
        if is_output || least.own_word() != word {
            word
        } else {
            least
        }
    }

    /// Adds the stage that computes a stored node.
    fn stage(&mut self, n: NodeId, is_output: bool) -> Result<(), EmitError> {
        let op = &self.node(n).op;
        let is_input = matches!(op, KernelOp::Input { .. });
        let input = Vector {
            source: Source::Input,
            ty: self.plan.input,
        };
        if is_input && !is_output && !self.clamps_input() {
            self.vector[n] = Some(input);
            return Ok(());
        }
        let (chain, from) = self.chain(n);
        let x = match from {
            None => input,
            Some(x) => self.vector_of(x)?,
        };
        let mut stage = Stage {
            reads: vec![x],
            body: Body::Load,
            word: x.ty.own_word(),
            steps: Vec::new(),
            ty: self.elem(n, is_output),
            len: self.node(n).len,
            padding: 0,
            inner: 1,
            node: n,
            notes: Vec::new(),
        };
        if from.is_none() {
            self.load_input(&mut stage);
        }
        for at in chain {
            self.node_into(&mut stage, at)?;
        }
        let nothing = matches!(stage.body, Body::Load) && stage.steps.is_empty();
        if nothing && !is_output && stage.ty == x.ty {
            self.vector[n] = Some(x);
            return Ok(());
        }
        self.lay_out(&mut stage);
        self.finish(&mut stage);
        self.vector[n] = Some(Vector {
            source: Source::Stage(self.plan.stages.len()),
            ty: stage.ty,
        });
        self.plan.stages.push(stage);
        Ok(())
    }

    /// The nodes that a stored node's stage computes, in order, and the stored node that it
    /// reads; `None` if it loads the caller's integers itself.
    fn chain(&self, n: NodeId) -> (Vec<NodeId>, Option<NodeId>) {
        let mut chain = Vec::new();
        let mut from = None;
        let mut at = n;
        while let Some(x) = self.source(at) {
            chain.push(at);
            if self.stored[x] {
                from = Some(x);
                break;
            }
            at = x;
        }
        chain.reverse();
        (chain, from)
    }

    /// Type ranges start from the input's format: other values of the storage type are clamped.
    fn load_input(&self, stage: &mut Stage) {
        let f = self.kernel.input_format;
        let (lo, hi) = self.plan.input.range();
        let clamp = StepKind::Clamp {
            lo: (lo < f.min()).then_some(f.min()),
            hi: (hi > f.max()).then_some(f.max()),
        };
        let done = if clamp.is_identity() {
            "read"
        } else {
            "clamped"
        };
        stage.notes.push(format!("input: {done} as {f}"));
        stage.push(stage.word, clamp);
    }

    /// Appends what one node does to a stage: a body, which only the first node has, or steps.
    fn node_into(&mut self, stage: &mut Stage, n: NodeId) -> Result<(), EmitError> {
        let node = self.node(n);
        let note = match &node.op {
            KernelOp::Input { .. } | KernelOp::Move { .. } => return Ok(()),
            KernelOp::Dense { weight, bias, .. } => self.dense(stage, n, weight, bias.as_deref()),
            KernelOp::Conv {
                weight, bias, conv, ..
            } => self.conv(stage, n, weight, bias.as_deref(), conv),
            KernelOp::MaxPool { window, .. } => {
                let least = self.operand_range(n).lo;
                pool(stage, Taps::Max { least }, window, "max pool")
            }
            KernelOp::SumPool { window, .. } => {
                stage.word = Elem::word(self.width(n));
                let mean = pool(stage, Taps::Sum, window, "sums of average pool");
                format!(
                    "{mean}; {}, any order of sums in {} bits",
                    scale(node, "position"),
                    node.width
                )
            }
            KernelOp::Concat { outer, .. } => self.concat(stage, n, *outer)?,
            KernelOp::Gather { x, index, fill } => self.gather(stage, index, *fill, *x),
            KernelOp::AddConst { .. }
            | KernelOp::MulConst { .. }
            | KernelOp::Sum { .. }
            | KernelOp::Relu { .. }
            | KernelOp::Clip { .. }
            | KernelOp::LeakyRelu { .. }
            | KernelOp::Unary { .. }
            | KernelOp::Table { .. }
            | KernelOp::Requantize { .. }
            | KernelOp::Align { .. } => self.step(stage, n)?,
        };
        let (name, proved) = (self.name(n), hull(&node.range));
        stage.notes.push(format!(
            "{name}: {note}; proved range [{}, {}]",
            proved.lo, proved.hi
        ));
        if let Some(lost) = self.removed.and_then(|all| lost(all[n], node.len)) {
            stage.notes.push(format!("{name}: {lost}"));
        }
        Ok(())
    }

    /// The range of all elements of a node's chain operand.
    pub(super) fn operand_range(&self, n: NodeId) -> ceg4n_ir::Interval {
        hull(self.source(n).map_or(&[][..], |x| &self.node(x).range))
    }

    /// Bits that hold a node's operand, its result and all between.
    pub(super) fn width(&self, n: NodeId) -> u8 {
        let x = self.operand_range(n);
        self.node(n).width.max(x.signed_width())
    }

    pub(super) fn table(
        &mut self,
        kind: char,
        ty: Elem,
        data: Data<'a>,
        comment: String,
    ) -> TableId {
        let number = self
            .plan
            .tables
            .iter()
            .filter(|t| t.name.starts_with(kind))
            .count();
        self.plan.tables.push(Table {
            name: format!("{kind}{number}"),
            ty,
            data,
            by: By::Element,
            comment,
        });
        self.plan.tables.len() - 1
    }

    /// One number if all constants that matter are the same (`unused` if none does), else a table
    /// that [`Self::lay_out`] fills.
    pub(super) fn constants(
        &mut self,
        kind: char,
        values: Constants,
        unused: i64,
        comment: String,
    ) -> Operand {
        let (lo, hi) = operands::ends(&values).unwrap_or((unused, unused));
        if lo == hi {
            return Operand::Uniform(lo);
        }
        let data = Data::Wide(Cow::Borrowed(&[]));
        let id = self.table(kind, Elem::holding(lo, hi), data, comment);
        self.pending.push((id, values));
        Operand::Table(id, lo, hi)
    }

    /// Fills the tables of a stage's steps, and decides how the stage counts unless its body does.
    fn lay_out(&mut self, stage: &mut Stage) {
        let pending = std::mem::take(&mut self.pending);
        match stage.body {
            Body::Load => {
                let lists: Vec<&Constants> = pending.iter().map(|(_, l)| l).collect();
                stage.inner = operands::inner(&lists);
            }
            Body::Dense(_) | Body::Windows(_) | Body::Copy { .. } | Body::Pick { .. } => {}
        }
        for (id, values) in pending {
            let (by, data) = operands::compress(&values, stage.inner);
            let table = &mut self.plan.tables[id];
            (table.by, table.data) = (by, Data::Wide(Cow::Owned(data)));
        }
    }
}
