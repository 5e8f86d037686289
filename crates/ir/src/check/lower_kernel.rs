//! Lowering to the integer program: explicit requantizations, aligned biases, type ranges,
//! accumulator widths.

mod elementwise;
mod layout;
mod windows;

use super::constants::constant_mantissas;
use super::dot_range::Operand;
use crate::NodeId;
use crate::annotate::{Annotation, Program};
use crate::kernel::{Interval, Kernel, KernelNode, KernelOp, multiplier};
use crate::network::{Op, ValueId};
use crate::types::{Format, TensorFormat};
use ceg4n_base::entity::PrimaryMap;
use ceg4n_base::{Diagnostic, Diagnostics, Span, codes};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Lowers a program whose input has a format.
pub(super) fn lower(program: &Program) -> Result<Kernel, Diagnostics> {
    let mut this = Lowering {
        program,
        nodes: PrimaryMap::new(),
        node_of: BTreeMap::new(),
        errors: Diagnostics::default(),
    };
    let net = &program.network;
    let mut input_format = None;
    for (v, value) in net.values().iter() {
        if matches!(value.op, Op::Const(_)) {
            continue;
        }
        if matches!(value.op, Op::Input) {
            input_format = program.annotations.format(v).and_then(TensorFormat::single);
        }
        // After an error the values that depend on this one are passed over in silence.
        let natural = this.natural(v, input_format);
        if let Some(n) = natural.and_then(|n| this.annotated(v, n)) {
            this.node_of.insert(v, n);
        }
    }
    let output = this
        .node_of
        .get(&net.output())
        .copied()
        .and_then(|n| this.aligned_output(n));
    let (Some(output), Some(input), Some(input_format)) = (
        output,
        this.node_of.get(&net.input()).copied(),
        input_format,
    ) else {
        if !this.errors.has_errors() {
            this.errors
                .push(Diagnostic::error(codes::INTERNAL, "lowering lost a value"));
        }
        return Err(this.errors);
    };
    let output_frac = this.nodes[output].frac.first().copied().unwrap_or(0);
    let kernel = Kernel {
        nodes: this.nodes,
        input,
        output,
        input_format,
        output_frac,
        rounding: program.annotations.rounding,
    };
    this.errors.or(kernel)
}

struct Lowering<'a> {
    program: &'a Program,
    nodes: PrimaryMap<NodeId, KernelNode>,
    node_of: BTreeMap<ValueId, NodeId>,
    errors: Diagnostics,
}

impl Lowering<'_> {
    fn span(&self, v: ValueId) -> Option<Span> {
        self.program
            .annotations
            .spans
            .get(&v)
            .copied()
            .or(self.program.network.value(v).span)
    }

    fn name(&self, v: ValueId) -> &str {
        &self.program.network.value(v).name
    }

    fn fail<T>(&mut self, d: Diagnostic, v: ValueId) -> Option<T> {
        let d = d.at(self.span(v), "");
        self.errors.push(d);
        None
    }

    /// The node of a value before its annotation counts.
    fn natural(&mut self, v: ValueId, input_format: Option<Format>) -> Option<NodeId> {
        let op = self.program.network.value(v).op.clone();
        match op {
            Op::Const(_) => None,
            Op::Input => self.input(v, input_format),
            Op::Dense { x, weight, bias } => self.dense(v, x, weight, bias),
            Op::Conv {
                x, weight, bias, ..
            } => self.conv(v, x, weight, bias),
            Op::MaxPool { x, .. } => self.max_pool(v, x),
            Op::AveragePool { x, count_pad, .. } => self.average_pool(v, x, count_pad),
            Op::Add { x, c } => self.add_const(v, x, c, 1),
            Op::Sub { x, c } => self.add_const(v, x, c, -1),
            Op::Mul { x, c } => self.mul_const(v, x, c),
            Op::Div { x, c } => self.div_const(v, x, c),
            Op::Sum { x, y } => self.sum(v, x, y),
            Op::Concat { xs, axis } => self.concat(v, &xs, axis),
            Op::Pad {
                x, before, value, ..
            } => self.pad(v, x, &before, value),
            Op::Transpose { x, perm } => self.transpose(v, x, &perm),
            Op::Relu { x } => {
                let x = *self.node_of.get(&x)?;
                let node = Draft::like(&self.nodes[x]);
                let positive = |r: Interval| Interval::new(r.lo.max(0), r.hi.max(0));
                self.push(v, KernelOp::Relu { x }, node.map_range(positive))
            }
            Op::Clip { x, lo, hi } => self.clip(v, x, lo, hi),
            Op::LeakyRelu { x, shift } => self.leaky_relu(v, x, shift),
            Op::Unary { x, function } => self.unary(v, x, function),
            Op::Curve { x, curve } => self.table(v, x, curve),
            Op::Snap { .. } => self.no_meaning(v),
            Op::Reshape { x } | Op::Flatten { x } | Op::Identity { x } => {
                let x = *self.node_of.get(&x)?;
                let node = Draft::like(&self.nodes[x]);
                self.push(v, KernelOp::Move { x }, node)
            }
        }
    }

    fn input(&mut self, v: ValueId, format: Option<Format>) -> Option<NodeId> {
        let Some(format) = format else {
            let d = Diagnostic::error(codes::FORMAT, "the input needs one format".to_owned());
            return self.fail(d, v);
        };
        let len = self.program.network.value(v).shape.len();
        let range = Interval::new(format.min(), format.max());
        let node = Draft::stored(format, vec![range; len]);
        self.push(v, KernelOp::Input { format }, node)
    }

    /// The node of an operand that must be a stored tensor, with its format.
    fn stored(&mut self, v: ValueId, x: ValueId) -> Option<(NodeId, Format)> {
        let n = *self.node_of.get(&x)?;
        if let Some(format) = self.nodes[n].format {
            return Some((n, format));
        }
        let name = self.name(x).to_owned();
        let d = Diagnostic::error(
            codes::MIXED_FORMATS,
            format!(
                "%{name}, operand of {} %{}, is an accumulator",
                self.program.network.value(v).op.name(),
                self.name(v)
            ),
        )
        .help(format!("give %{name} a format, for instance %{name}: u8q5"));
        self.fail(d, v)
    }

    /// Adds a node.
    fn push(&mut self, value: ValueId, op: KernelOp, node: Draft) -> Option<NodeId> {
        let hull = node.range.iter().copied().reduce(Interval::hull)?;
        let extra = i64::try_from(node.extra).unwrap_or(i64::MAX);
        let width = hull
            .signed_width()
            .max(Interval::new(-extra, extra).signed_width());
        Some(self.nodes.push(KernelNode {
            value,
            op,
            len: node.range.len(),
            frac: node.frac.into(),
            multiplier: node.multiplier,
            format: node.format,
            range: node.range.into(),
            width,
        }))
    }

    fn constant(&mut self, user: ValueId, c: ValueId) -> Option<(Arc<[i32]>, Vec<Format>)> {
        match constant_mantissas(self.program, c) {
            Some(found) => Some(found),
            None => {
                let name = self.name(c).to_owned();
                let d = Diagnostic::error(
                    codes::MIXED_FORMATS,
                    format!("%{name} has no format in a fixed-point program"),
                )
                .help(format!(
                    "add %{name}: s8q6 (or another format) to the format block"
                ));
                self.fail(d, user)
            }
        }
    }

    fn dense(
        &mut self,
        v: ValueId,
        x: ValueId,
        weight: ValueId,
        bias: Option<ValueId>,
    ) -> Option<NodeId> {
        let (xn, format) = self.stored(v, x)?;
        let (w, w_formats) = self.constant(v, weight)?;
        let node = self.nodes[xn].clone();
        let (rows, cols) = (w_formats.len(), node.len);
        let (frac, multiplier) = products(format, &w_formats);
        let bias = match bias {
            Some(b) => Some(self.aligned_constant(v, b, &frac, multiplier.as_deref(), None)?),
            None => None,
        };
        let mut range = Vec::with_capacity(rows);
        let mut worst = 0u64;
        let operand = Operand::new(&node.range);
        for j in 0..rows {
            let b = bias.as_ref().map_or(0, |b| b[j]);
            let sum = operand.dot(&w[j * cols..(j + 1) * cols], b);
            worst = worst.max(self.fits(v, sum.magnitude)?);
            range.push(Interval::new(sum.lo as i64, sum.hi as i64));
        }
        let op = KernelOp::Dense {
            x: xn,
            weight: w,
            bias: bias.map(Into::into),
            rows,
            cols,
        };
        let node = Draft {
            frac,
            multiplier,
            format: None,
            range,
            extra: worst,
        };
        self.push(v, op, node)
    }

    /// Refuses a magnitude that 64-bit two's complement does not hold.
    fn fits(&mut self, v: ValueId, magnitude: i128) -> Option<u64> {
        match i64::try_from(magnitude) {
            Ok(m) => Some(m.unsigned_abs()),
            Err(_) => {
                let bits = 129 - magnitude.leading_zeros();
                let d = Diagnostic::error(
                    codes::ACCUMULATOR,
                    format!(
                        "the accumulator of %{} may need {bits} bits, more than 64",
                        self.name(v)
                    ),
                )
                .help(
                    "use narrower formats, or formats whose fraction bits are closer to each other",
                );
                self.fail(d, v)
            }
        }
    }

    /// A constant's mantissas shifted left to the scales of an accumulator: `frac` and
    /// `multipliers`, one per element. `index` says which element of the constant each meets;
    /// without it they meet in order.
    fn aligned_constant(
        &mut self,
        v: ValueId,
        c: ValueId,
        frac: &[i32],
        multipliers: Option<&[u16]>,
        index: Option<&[usize]>,
    ) -> Option<Vec<i64>> {
        let (m, formats) = self.constant(v, c)?;
        let per_row = (m.len() / formats.len()).max(1);
        let mut out = Vec::with_capacity(frac.len());
        for (j, target) in frac.iter().enumerate() {
            let i = index.map_or(j, |index| index[j]);
            let format = formats[(i / per_row).min(formats.len() - 1)];
            let factor = multiplier(multipliers, j);
            if format.multiplier() != factor {
                return self.other_multiplier(v, c, j, format, factor);
            }
            let own = format.frac();
            let up = target - own;
            if up < 0 {
                let name = self.name(c).to_owned();
                let d = Diagnostic::error(
                    codes::BIAS_SCALE,
                    format!(
                        "%{name} has {own} fraction bits, the accumulator of %{} only {target}",
                        self.name(v)
                    ),
                )
                .help(format!("give %{name} at most {target} fraction bits"));
                return self.fail(d, c);
            }
            let wide = if up > 96 && m[i] != 0 {
                i128::MAX
            } else {
                i128::from(m[i]) << up.min(96)
            };
            self.fits(v, wide.saturating_abs())?;
            out.push(wide as i64);
        }
        Some(out)
    }

    /// Refuses a constant whose multiplier is not that of the sum that it joins.
    fn other_multiplier<T>(
        &mut self,
        v: ValueId,
        c: ValueId,
        j: usize,
        format: Format,
        factor: u16,
    ) -> Option<T> {
        let (name, sum) = (self.name(c).to_owned(), self.name(v));
        let d = Diagnostic::error(
            codes::MULTIPLIER,
            format!(
                "element {j} of %{sum} has the multiplier {factor}, but its %{name} has {}",
                format.multiplier()
            ),
        );
        let finer = factor.ilog2() as i32 - format.multiplier().ilog2() as i32;
        let fitting = Format::new(format.signed(), format.width(), format.frac() + finer)
            .and_then(|f| f.with_multiplier(factor))
            .unwrap_or(format);
        let d = d.help(format!(
            "give %{name} the multipliers of what it is added to, for instance {fitting} here"
        ));
        self.fail(d, c)
    }

    /// Applies a value's annotation: a requantization, or the check of a declared width.
    fn annotated(&mut self, v: ValueId, n: NodeId) -> Option<NodeId> {
        let node = self.nodes[n].clone();
        match self.program.annotations.get(v) {
            None => Some(n),
            Some(Annotation::Acc(a)) => {
                if let Some(width) = a.width
                    && width < node.width
                {
                    let d = Diagnostic::error(
                        codes::ACCUMULATOR,
                        format!(
                            "%{} is declared acc s{width} but its type range needs {} bits",
                            self.name(v),
                            node.width
                        ),
                    )
                    .help(format!("write acc s{}", node.width));
                    return self.fail(d, v);
                }
                if node.format.is_some() {
                    let d = Diagnostic::error(
                        codes::FORMAT,
                        format!("%{} is no accumulator", self.name(v)),
                    );
                    return self.fail(d, v);
                }
                Some(n)
            }
            Some(Annotation::Fixed { format, .. }) => {
                let format = format.single()?;
                if node.format == Some(format) {
                    Some(n)
                } else {
                    self.requantize(v, n, format)
                }
            }
        }
    }

    fn requantize(&mut self, v: ValueId, x: NodeId, format: Format) -> Option<NodeId> {
        let node = self.nodes[x].clone();
        let rounding = self.program.annotations.rounding;
        let mut shifts = Vec::with_capacity(node.len);
        let mut range = Vec::with_capacity(node.len);
        let mut worst = 0;
        for (j, (r, frac)) in node.range.iter().zip(node.frac.iter()).enumerate() {
            let factor = i128::from(node.multiplier(j));
            let magnitude = i128::from(r.magnitude()) * factor;
            self.fits(v, magnitude)?;
            let bits = (128 - magnitude.leading_zeros()) as i32;
            // Beyond one bit more than the magnitude every right shift means the same.
            let s = (frac - format.frac()).min(bits + 1);
            let register = if s <= 0 {
                let up = s.unsigned_abs();
                if up > 63 && magnitude > 0 {
                    i128::MAX
                } else {
                    magnitude << up.min(63)
                }
            } else {
                magnitude + (1i128 << (s - 1))
            };
            worst = worst.max(self.fits(v, register)?);
            let s = s.max(-63);
            shifts.push(s);
            let y = |m: i64| {
                rounding
                    .shift(i128::from(m) * factor, s)
                    .clamp(i128::from(format.min()), i128::from(format.max()))
                    as i64
            };
            range.push(Interval::new(y(r.lo), y(r.hi)));
        }
        let op = KernelOp::Requantize {
            x,
            multiplier: node.multiplier,
            shift: shifts.into(),
            format,
        };
        let node = Draft {
            extra: worst,
            ..Draft::stored(format, range)
        };
        self.push(v, op, node)
    }

    /// Brings the outputs to one scale by exact left shifts.
    fn aligned_output(&mut self, n: NodeId) -> Option<NodeId> {
        let node = self.nodes[n].clone();
        if node.multiplier.is_some() {
            let name = self.name(node.value).to_owned();
            let d = Diagnostic::error(
                codes::MULTIPLIER,
                format!("the output %{name} is an accumulator with multipliers"),
            );
            let d = d.help(format!(
                "give %{name} a format, for instance %{name}: s16q8, or its weights formats without multipliers"
            ));
            return self.fail(d, node.value);
        }
        let top = node.frac.iter().copied().max()?;
        if node.frac.iter().all(|f| *f == top) {
            return Some(n);
        }
        let shift: Vec<i32> = node.frac.iter().map(|f| top - f).collect();
        let mut range = Vec::with_capacity(node.len);
        for (r, s) in node.range.iter().zip(&shift) {
            let wide = if *s > 63 && r.magnitude() > 0 {
                i128::MAX
            } else {
                i128::from(r.magnitude()) << (*s).min(63)
            };
            self.fits(node.value, wide)?;
            range.push(Interval::new(r.lo << (*s).min(63), r.hi << (*s).min(63)));
        }
        let shift: Arc<[i32]> = shift.into_iter().map(|s| s.min(63)).collect();
        let aligned = Draft {
            frac: vec![top; node.len],
            multiplier: None,
            format: None,
            range,
            extra: 0,
        };
        self.push(node.value, KernelOp::Align { x: n, shift }, aligned)
    }
}

/// The scales of products of a stored operand and weights, one per output channel.
fn products(x: Format, weights: &[Format]) -> (Vec<i32>, Option<Arc<[u16]>>) {
    let frac = weights.iter().map(|f| x.frac() + f.frac()).collect();
    let multiplier = weights
        .iter()
        .any(|f| f.multiplier() != 1)
        .then(|| weights.iter().map(|f| f.multiplier()).collect());
    (frac, multiplier)
}

/// A node before its register's width is known.
struct Draft {
    frac: Vec<i32>,
    multiplier: Option<Arc<[u16]>>,
    format: Option<Format>,
    range: Vec<Interval>,
    /// A magnitude that a register must hold besides the result.
    extra: u64,
}

impl Draft {
    /// A stored tensor of a format without multiplier.
    fn stored(format: Format, range: Vec<Interval>) -> Self {
        Self {
            frac: vec![format.frac(); range.len()],
            multiplier: None,
            format: Some(format),
            range,
            extra: 0,
        }
    }

    /// A node of the same elements.
    fn like(node: &KernelNode) -> Self {
        Self {
            frac: node.frac.to_vec(),
            multiplier: node.multiplier.clone(),
            format: node.format,
            range: node.range.to_vec(),
            extra: 0,
        }
    }

    /// The same with other ranges.
    fn map_range(mut self, f: impl Fn(Interval) -> Interval) -> Self {
        self.range.iter_mut().for_each(|r| *r = f(*r));
        self
    }

    /// The same as an accumulator.
    fn accumulator(self) -> Self {
        Self {
            format: None,
            ..self
        }
    }
}
