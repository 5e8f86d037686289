//! What both languages print: the kernel as a sequence of fused loops over stored vectors.
//!
//! A stage computes one stored vector element by element: it starts from a dense accumulator or
//! from an element of an earlier vector and applies steps to it. Stored are the output, operands
//! of dense layers and what is used more than once; everything else stays in a local variable.
//! Every rewriting here (clamps that cannot act, shifts of elements that are always zero) rests
//! on type ranges; the input is clamped to its format first, because the type ranges start there.

use crate::EmitError;
use crate::elem::{Elem, hull};
use ceg4n_base::entity::SecondaryMap;
use ceg4n_ir::{
    Checked, Interval, Kernel, KernelNode, KernelOp, NodeId, Op, Program, Rounding, TensorFormat,
};
use std::borrow::Cow;

/// A constant array.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    /// `w0`, `b0`, …; unique.
    pub(crate) name: String,
    pub(crate) ty: Elem,
    pub(crate) data: Data<'a>,
    /// What it holds.
    pub(crate) comment: String,
}

/// Borrowed where the IR has the numbers already.
#[derive(Debug)]
pub(crate) enum Data<'a> {
    Narrow(&'a [i32]),
    Wide(Cow<'a, [i64]>),
}

impl Data<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Narrow(d) => d.len(),
            Self::Wide(d) => d.len(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = i64> {
        let (narrow, wide): (&[i32], &[i64]) = match self {
            Self::Narrow(d) => (d, &[]),
            Self::Wide(d) => (&[], d),
        };
        narrow
            .iter()
            .map(|v| i64::from(*v))
            .chain(wide.iter().copied())
    }
}

/// Index of a [`Table`] in its plan.
pub(crate) type TableId = usize;

/// A constant operand of an elementwise step.
#[derive(Debug)]
pub(crate) enum Operand {
    /// The same for every element.
    Uniform(i64),
    /// One per element; least and greatest entry.
    Table(TableId, i64, i64),
}

/// What is done to the accumulator, in [`Step::word`].
#[derive(Debug)]
pub(crate) enum StepKind {
    Add(Operand),
    Relu,
    /// `round(acc·2^-s)`; a shift `≤ 0` is an exact left shift.
    Shift(Operand),
    /// Only the sides that can act.
    Clamp {
        lo: Option<i64>,
        hi: Option<i64>,
    },
}

impl StepKind {
    fn is_identity(&self) -> bool {
        match self {
            Self::Add(Operand::Uniform(c)) | Self::Shift(Operand::Uniform(c)) => *c == 0,
            Self::Clamp { lo, hi } => lo.is_none() && hi.is_none(),
            Self::Add(Operand::Table(..)) | Self::Shift(Operand::Table(..)) | Self::Relu => false,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Step {
    /// `I32` or `I64`; holds operand, result and everything between.
    pub(crate) word: Elem,
    pub(crate) kind: StepKind,
}

/// Where a stage reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The caller's input.
    Input,
    /// The result of an earlier stage.
    Stage(usize),
}

/// The dense part of a stage.
#[derive(Debug)]
pub(crate) struct Dense {
    pub(crate) weight: TableId,
    pub(crate) bias: Option<TableId>,
    pub(crate) cols: usize,
}

/// One loop.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) source: Source,
    pub(crate) source_ty: Elem,
    pub(crate) dense: Option<Dense>,
    /// The word of the dense accumulator or of the loaded element.
    pub(crate) word: Elem,
    pub(crate) steps: Vec<Step>,
    pub(crate) ty: Elem,
    pub(crate) len: usize,
    /// What it does, for comments.
    pub(crate) notes: Vec<String>,
}

/// The whole kernel. The last stage writes the output.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) kernel: &'a Kernel,
    pub(crate) stages: Vec<Stage>,
    pub(crate) tables: Vec<Table<'a>>,
    pub(crate) input: Elem,
    pub(crate) output: Elem,
}

impl Plan<'_> {
    /// Bytes of all constant arrays.
    pub(crate) fn constant_bytes(&self) -> usize {
        let bytes = |t: &Table<'_>| t.ty.bytes() * t.data.len();
        self.tables.iter().map(bytes).sum()
    }

    /// The input's format, in words.
    pub(crate) fn input_text(&self) -> String {
        let f = self.kernel.input_format;
        format!(
            "{f}: integer m in [{}, {}] stands for m * 2^{}; other values are clamped",
            f.min(),
            f.max(),
            -f.frac()
        )
    }

    /// The output's scale, in words.
    pub(crate) fn output_text(&self) -> String {
        let r = hull(&self.kernel.nodes[self.kernel.output].range);
        format!(
            "integer m stands for m * 2^{}; proved range [{}, {}]",
            -self.kernel.output_frac, r.lo, r.hi
        )
    }
}

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
        // From the node back to where its chain starts.
        let mut chain = Vec::new();
        let mut at = n;
        while let Some(x) = self.source(at) {
            chain.push(at);
            if matches!(self.node(at).op, KernelOp::Dense { .. }) || self.stored[x] {
                break;
            }
            at = x;
        }
        let head = chain.last().and_then(|at| self.source(*at));
        let (source, source_ty) = match head {
            Some(x) if self.stored[x] => self.vector[x]
                .ok_or_else(|| EmitError::Internal(format!("{x} is used before it is computed")))?,
            Some(_) | None => (Source::Input, self.plan.input),
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
        // The caller's integers are loaded here for the first time.
        let loads_input =
            source == Source::Input && (is_input || head.is_some_and(|x| !self.stored[x]));
        if loads_input && self.clamps_input() {
            let f = self.kernel.input_format;
            let (lo, hi) = self.plan.input.range();
            stage.notes.push(format!("input: clamped to {f}"));
            stage.steps.push(Step {
                word: stage.word,
                kind: StepKind::Clamp {
                    lo: (lo < f.min()).then_some(f.min()),
                    hi: (hi > f.max()).then_some(f.max()),
                },
            });
        }
        for at in chain.into_iter().rev() {
            self.step(&mut stage, at)?;
        }
        if stage.notes.is_empty() {
            stage
                .notes
                .push(format!("{}: the input itself", self.name(n)));
        }
        self.vector[n] = Some((Source::Stage(self.plan.stages.len()), ty));
        self.plan.stages.push(stage);
        Ok(())
    }

    /// Appends what one node does to a stage.
    fn step(&mut self, stage: &mut Stage, n: NodeId) -> Result<(), EmitError> {
        let node = self.node(n);
        let name = self.name(n);
        let of_x = self
            .source(n)
            .map(|x| &self.node(x).range[..])
            .unwrap_or(&[]);
        let x = hull(of_x);
        let width = node.width.max(x.signed_width());
        let range = hull(&node.range);
        let proved = format!("proved range [{}, {}]", range.lo, range.hi);
        let mut push = |width: u8, kind: StepKind| {
            if !kind.is_identity() {
                let word = Elem::word(width);
                stage.steps.push(Step { word, kind });
            }
        };
        match &node.op {
            KernelOp::Input { .. } | KernelOp::Move { .. } => {}
            KernelOp::Dense {
                weight,
                bias,
                rows,
                cols,
                ..
            } => {
                let formats = self.weight_formats(n);
                let (lo, hi) = ends(weight.iter().map(|m| i64::from(*m)));
                let weight = self.table(
                    'w',
                    Elem::holding(lo, hi),
                    Data::Narrow(weight),
                    format!("{name}: {rows} rows of {cols} weights, {formats}"),
                );
                let bias = bias.as_ref().map(|b| {
                    let (lo, hi) = ends(b.iter().copied());
                    let comment = format!("{name}: {rows} biases at the accumulator's scale");
                    self.table(
                        'b',
                        Elem::holding(lo, hi),
                        Data::Wide(Cow::Borrowed(b)),
                        comment,
                    )
                });
                stage.dense = Some(Dense {
                    weight,
                    bias,
                    cols: *cols,
                });
                stage.word = Elem::word(width);
                stage.notes.push(format!(
                    "{name}: dense {cols} -> {rows}, weights {formats}; accumulator {}, {proved}, \
                     partial sums in any order fit {} bits",
                    scale(&node.frac),
                    node.width
                ));
            }
            KernelOp::AddConst { c, .. } => {
                let add = self.constants('c', Cow::Borrowed(c), format!("{name}: added constants"));
                push(width, StepKind::Add(add));
                stage.notes.push(format!("{name}: add constants; {proved}"));
            }
            KernelOp::Relu { .. } => {
                if x.lo < 0 {
                    push(width, StepKind::Relu);
                }
                stage.notes.push(format!("{name}: relu; {proved}"));
            }
            KernelOp::Requantize { shift, format, .. } => {
                let rounding = self.kernel.rounding;
                let rounded = of_x.iter().zip(shift.iter()).map(|(r, s)| {
                    (
                        round_shift(rounding, r.lo, *s),
                        round_shift(rounding, r.hi, *s),
                    )
                });
                let (lo, hi) = rounded.fold((0, 0), |(lo, hi), (a, b)| (a.min(lo), b.max(hi)));
                let (min, max) = (i128::from(format.min()), i128::from(format.max()));
                let shift = self.shift(name, of_x, shift);
                let width = shift_width(width, &shift)?;
                let text = shift_text(&shift);
                push(width, StepKind::Shift(shift));
                let clamp = StepKind::Clamp {
                    lo: (lo < min).then_some(format.min()),
                    hi: (hi > max).then_some(format.max()),
                };
                push(width, clamp);
                stage.notes.push(format!(
                    "{name}: requantize to {format}, {text}, rounding {}; {proved}",
                    rounding.name()
                ));
            }
            KernelOp::Align { shift, .. } => {
                let left: Vec<i32> = shift.iter().map(|s| -s).collect();
                let shift = self.shift(name, of_x, &left);
                let width = shift_width(width, &shift)?;
                push(width, StepKind::Shift(shift));
                stage.notes.push(format!(
                    "{name}: channels aligned to scale 2^{}; {proved}",
                    -self.kernel.output_frac
                ));
            }
        }
        Ok(())
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

    /// The shifts of a step. Where the operand is always zero any shift gives zero, so such
    /// elements take the shift of the first one that is not.
    fn shift(&mut self, name: &str, of_x: &[Interval], shift: &[i32]) -> Operand {
        let zero = |r: &Interval| r.lo == 0 && r.hi == 0;
        let moving = of_x.iter().zip(shift).find(|(r, _)| !zero(r));
        let common = moving.map_or(0, |(_, s)| *s);
        let pick = |(r, s): (&Interval, &i32)| i64::from(if zero(r) { common } else { *s });
        let values: Vec<i64> = of_x.iter().zip(shift).map(pick).collect();
        let comment = format!("{name}: right shifts (negative: left)");
        self.constants('s', Cow::Owned(values), comment)
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
fn scale(frac: &[i32]) -> String {
    match frac.first() {
        Some(f) if frac.iter().all(|g| g == f) => format!("at scale 2^{}", -f),
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

/// `round(m·2^-s)`, monotone in `m`; decides which clamps can act.
fn round_shift(rounding: Rounding, m: i64, s: i32) -> i128 {
    let m = i128::from(m);
    if s <= 0 {
        return m << s.unsigned_abs().min(63);
    }
    let s = s.min(120);
    let floor = m >> s;
    let twice_rest = (m - (floor << s)) << 1;
    let up = match rounding {
        Rounding::Floor => false,
        Rounding::HalfUp => twice_rest >= 1 << s,
        Rounding::HalfEven => twice_rest > 1 << s || (twice_rest == 1 << s && floor & 1 == 1),
    };
    floor + i128::from(up)
}
