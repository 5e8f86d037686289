//! From a kernel's nodes to stages.

use super::{Data, Dense, Operand, Plan, Source, Stage, StepKind, Table, TableId};
use crate::EmitError;
use crate::elem::{Elem, hull};
use ceg4n_base::entity::SecondaryMap;
use ceg4n_ir::{
    Checked, Format, Interval, Kernel, KernelNode, KernelOp, NodeId, Op, Program, Rounding,
    TensorFormat,
};
use std::borrow::Cow;

/// Plans a fixed-point program.
pub(crate) fn plan(program: &Checked<Program>) -> Result<Plan<'_>, EmitError> {
    let kernel = program.kernel().ok_or(EmitError::NotFixedPoint)?;
    let mut builder = Builder {
        kernel,
        program,
        stored: SecondaryMap::new(),
        vector: SecondaryMap::new(),
        plan: Plan {
            kernel,
            stages: Vec::new(),
            tables: Vec::new(),
            input: Elem::of_format(kernel.input_format),
            output: Elem::I64,
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

/// The vector operand of an operator.
fn operand(op: &KernelOp) -> Option<NodeId> {
    match op {
        KernelOp::Input { .. } => None,
        KernelOp::Dense { x, .. }
        | KernelOp::AddConst { x, .. }
        | KernelOp::Relu { x }
        | KernelOp::Requantize { x, .. }
        | KernelOp::Align { x, .. }
        | KernelOp::Move { x } => Some(*x),
        _ => unimplemented!("TEMP-OP"),
    }
}

struct Builder<'a> {
    kernel: &'a Kernel,
    program: &'a Checked<Program>,
    /// Nodes that get a vector.
    stored: SecondaryMap<NodeId, bool>,
    /// Where a stored node's elements are.
    vector: SecondaryMap<NodeId, Option<(Source, Elem)>>,
    plan: Plan<'a>,
}

impl<'a> Builder<'a> {
    fn node(&self, n: NodeId) -> &'a KernelNode {
        &self.kernel.nodes[n]
    }

    fn name(&self, n: NodeId) -> &'a str {
        let value = self.node(n).value;
        &self.program.program().network.value(value).name
    }

    /// The node whose elements a chain of moves hands on.
    fn through_moves(&self, mut n: NodeId) -> NodeId {
        while let KernelOp::Move { x } = self.node(n).op {
            n = x;
        }
        n
    }

    /// The operand whose elements count.
    fn source(&self, n: NodeId) -> Option<NodeId> {
        operand(&self.node(n).op).map(|x| self.through_moves(x))
    }

    /// Marks what needs a vector among the nodes that the output depends on.
    fn mark_stored(&mut self, output: NodeId) {
        let mut uses: SecondaryMap<NodeId, u32> = SecondaryMap::new();
        let mut open = vec![output];
        self.stored[output] = true;
        while let Some(n) = open.pop() {
            let Some(x) = self.source(n) else { continue };
            uses[x] += 1;
            if uses[x] == 1 {
                open.push(x);
            }
            if uses[x] > 1 || matches!(self.node(n).op, KernelOp::Dense { .. }) {
                self.stored[x] = true;
            }
        }
    }

    /// True if the input's storage type has values outside its format.
    fn clamps_input(&self) -> bool {
        let f = self.kernel.input_format;
        self.plan.input.range() != (f.min(), f.max())
    }

    /// Adds the stage that computes a stored node.
    fn stage(&mut self, n: NodeId, is_output: bool) -> Result<(), EmitError> {
        let node = self.node(n);
        let is_input = matches!(node.op, KernelOp::Input { .. });
        if is_input && !is_output && !self.clamps_input() {
            self.vector[n] = Some((Source::Input, self.plan.input));
            return Ok(());
        }
        let (chain, from) = self.chain(n);
        let (source, source_ty) = match from {
            None => (Source::Input, self.plan.input),
            Some(x) => self.vector[x]
                .ok_or_else(|| EmitError::Internal(format!("{x} is used before it is computed")))?,
        };
        let ty = match node.format {
            Some(f) => Elem::of_format(f),
            None => Elem::word(hull(&node.range).signed_width()),
        };
        let mut stage = Stage {
            source,
            source_ty,
            dense: None,
            word: source_ty.own_word(),
            steps: Vec::new(),
            ty,
            len: node.len,
            notes: Vec::new(),
        };
        if from.is_none() {
            self.load_input(&mut stage);
        }
        for at in chain {
            self.step(&mut stage, at)?;
        }
        self.vector[n] = Some((Source::Stage(self.plan.stages.len()), ty));
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

    /// Appends what one node does to a stage.
    fn step(&mut self, stage: &mut Stage, n: NodeId) -> Result<(), EmitError> {
        let node = self.node(n);
        let name = self.name(n);
        let of_x = self.source(n).map_or(&[][..], |x| &self.node(x).range);
        let x = hull(of_x);
        let width = node.width.max(x.signed_width());
        let note = match &node.op {
            KernelOp::Input { .. } | KernelOp::Move { .. } => return Ok(()),
            KernelOp::Dense { weight, bias, .. } => {
                stage.word = Elem::word(width);
                self.dense(stage, n, weight, bias.as_deref())
            }
            KernelOp::AddConst { c, .. } => {
                let add = self.constants('c', Cow::Borrowed(c), format!("{name}: added constants"));
                stage.push(Elem::word(width), StepKind::Add(add));
                "add constants".to_owned()
            }
            KernelOp::Relu { .. } => {
                if x.lo < 0 {
                    stage.push(Elem::word(width), StepKind::Relu);
                }
                "relu".to_owned()
            }
            KernelOp::Requantize {
                multiplier,
                shift,
                format,
                ..
            } => {
                let (product, factor) = match multiplier {
                    None => (Cow::Borrowed(of_x), String::new()),
                    Some(m) => self.multiply(stage, name, width, of_x, m),
                };
                let clamp = acting_clamp(self.kernel.rounding, &product, shift, *format);
                let (word, text) = self.shift(stage, name, width, &product, shift)?;
                stage.push(word, clamp);
                let rounding = self.kernel.rounding.name();
                format!("requantize to {format}, {factor}{text}, rounding {rounding}")
            }
            KernelOp::Align { shift, .. } => {
                let left: Vec<i32> = shift.iter().map(|s| -s).collect();
                self.shift(stage, name, width, of_x, &left)?;
                format!("channels aligned to scale 2^{}", -self.kernel.output_frac)
            }
            _ => unimplemented!("TEMP-OP"),
        };
        let proved = hull(&node.range);
        stage.notes.push(format!(
            "{name}: {note}; proved range [{}, {}]",
            proved.lo, proved.hi
        ));
        Ok(())
    }

    /// Makes a stage start from a dense layer; tells what it does.
    fn dense(
        &mut self,
        stage: &mut Stage,
        n: NodeId,
        weight: &'a [i32],
        bias: Option<&'a [i64]>,
    ) -> String {
        let node = self.node(n);
        let name = self.name(n);
        let rows = node.len;
        let cols = weight.len() / rows.max(1);
        let formats = self.weight_formats(n);
        let (lo, hi) = ends(weight.iter().map(|m| i64::from(*m)));
        let comment = format!("{name}: {rows} rows of {cols} weights, {formats}");
        let weight = self.table('w', Elem::holding(lo, hi), Data::Narrow(weight), comment);
        let bias = bias.map(|b| {
            let (lo, hi) = ends(b.iter().copied());
            let comment = format!("{name}: {rows} biases at the accumulator's scale");
            let data = Data::Wide(Cow::Borrowed(b));
            self.table('b', Elem::holding(lo, hi), data, comment)
        });
        stage.dense = Some(Dense { weight, bias, cols });
        format!(
            "dense {cols} -> {rows}, weights {formats}; accumulator {}, any order of sums in {} bits",
            scale(node),
            node.width
        )
    }

    fn table(&mut self, kind: char, ty: Elem, data: Data<'a>, comment: String) -> TableId {
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
            comment,
        });
        self.plan.tables.len() - 1
    }

    /// A constant per element, or one number if they are all the same.
    fn constants(&mut self, kind: char, values: Cow<'a, [i64]>, comment: String) -> Operand {
        let (lo, hi) = ends(values.iter().copied());
        if lo == hi {
            return Operand::Uniform(lo);
        }
        let id = self.table(kind, Elem::holding(lo, hi), Data::Wide(values), comment);
        Operand::Table(id, lo, hi)
    }

    /// Appends the product with multipliers; returns its ranges and what it does. Where the operand
    /// is always zero any multiplier gives zero, so such elements take that of the first one that
    /// is not.
    fn multiply(
        &mut self,
        stage: &mut Stage,
        name: &str,
        width: u8,
        of_x: &[Interval],
        multiplier: &[u16],
    ) -> (Cow<'static, [Interval]>, String) {
        let zero = |r: &Interval| r.lo == 0 && r.hi == 0;
        let moving = of_x.iter().zip(multiplier).find(|(r, _)| !zero(r));
        let common = moving.map_or(1, |(_, m)| *m);
        let pick = |(r, m): (&Interval, &u16)| i64::from(if zero(r) { common } else { *m });
        let values: Vec<i64> = of_x.iter().zip(multiplier).map(pick).collect();
        // The checker proved that 64 bits hold the products.
        let product = |(r, m): (&Interval, &i64)| Interval::new(r.lo * m, r.hi * m);
        let products: Vec<Interval> = of_x.iter().zip(&values).map(product).collect();
        let comment = format!("{name}: multipliers");
        let factor = self.constants('m', Cow::Owned(values), comment);
        let text = match &factor {
            Operand::Uniform(1) => String::new(),
            Operand::Uniform(m) => format!("times {m}, "),
            Operand::Table(_, lo, hi) => format!("times {lo} to {hi} by channel, "),
        };
        stage.push(Elem::word(width), StepKind::Multiply(factor));
        (Cow::Owned(products), text)
    }

    /// Appends shifts; returns their word and what they do. Where the operand is always zero any
    /// shift gives zero, so such elements take the shift of the first one that is not.
    fn shift(
        &mut self,
        stage: &mut Stage,
        name: &str,
        width: u8,
        of_x: &[Interval],
        shift: &[i32],
    ) -> Result<(Elem, String), EmitError> {
        let zero = |r: &Interval| r.lo == 0 && r.hi == 0;
        let moving = of_x.iter().zip(shift).find(|(r, _)| !zero(r));
        let common = moving.map_or(0, |(_, s)| *s);
        let pick = |(r, s): (&Interval, &i32)| i64::from(if zero(r) { common } else { *s });
        let values: Vec<i64> = of_x.iter().zip(shift).map(pick).collect();
        let comment = format!("{name}: right shifts (negative: left)");
        let shift = self.constants('s', Cow::Owned(values), comment);
        let word = Elem::word(shift_width(width, &shift)?);
        let text = shift_text(&shift);
        stage.push(word, StepKind::Shift(shift));
        Ok((word, text))
    }

    /// The formats of a dense layer's weights, in words.
    fn weight_formats(&self, n: NodeId) -> String {
        let program = self.program.program();
        let Op::Dense { weight, .. } = program.network.value(self.node(n).value).op else {
            return String::new();
        };
        match program.annotations.format(weight) {
            Some(TensorFormat::Tensor(f)) => f.to_string(),
            Some(TensorFormat::Channels(list)) => {
                let list: Vec<String> = list.iter().take(4).map(ToString::to_string).collect();
                format!("per channel ({}, ...)", list.join(", "))
            }
            None => String::new(),
        }
    }
}

/// The sides of a format's clamp that the rounded operand can reach.
fn acting_clamp(rounding: Rounding, of_x: &[Interval], shift: &[i32], format: Format) -> StepKind {
    let end = |m: i64, s: &i32| rounding.shift(i128::from(m), *s);
    let rounded = of_x.iter().zip(shift);
    let (lo, hi) = rounded.fold((0, 0), |(lo, hi), (r, s)| {
        (end(r.lo, s).min(lo), end(r.hi, s).max(hi))
    });
    StepKind::Clamp {
        lo: (lo < i128::from(format.min())).then_some(format.min()),
        hi: (hi > i128::from(format.max())).then_some(format.max()),
    }
}

/// The word that a shift needs: besides what the IR proved, the power of two itself.
fn shift_width(width: u8, shift: &Operand) -> Result<u8, EmitError> {
    let (lo, hi) = match shift {
        Operand::Uniform(s) => (*s, *s),
        Operand::Table(_, lo, hi) => (*lo, *hi),
    };
    let power = if lo < 0 { 2 - lo } else { 0 }.max(hi + 1);
    u8::try_from(power)
        .ok()
        .map(|p| p.max(width))
        .filter(|w| *w <= 64)
        .ok_or_else(|| EmitError::Internal(format!("shifts {lo} to {hi} exceed 64 bits")))
}

fn shift_text(shift: &Operand) -> String {
    match shift {
        Operand::Uniform(s) if *s < 0 => format!("shift left {}", -s),
        Operand::Uniform(s) => format!("shift right {s}"),
        Operand::Table(_, lo, hi) => format!("shift right {lo} to {hi} by channel"),
    }
}

/// The scale of accumulators, in words.
fn scale(node: &KernelNode) -> String {
    let frac = &node.frac;
    let plain = node.multiplier.is_none();
    match frac.first() {
        Some(f) if plain && frac.iter().all(|g| g == f) => format!("at scale 2^{}", -f),
        Some(_) | None => "at a scale per channel".to_owned(),
    }
}

/// Least and greatest; `(0, 0)` for none.
fn ends(values: impl Iterator<Item = i64>) -> (i64, i64) {
    values
        .map(|v| (v, v))
        .reduce(|(lo, hi), (a, b)| (lo.min(a), hi.max(b)))
        .unwrap_or((0, 0))
}
