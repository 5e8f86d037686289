//! Lowering to the integer program: explicit requantizations, aligned biases, type ranges,
//! accumulator widths.

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
            Op::Input => {
                let Some(format) = input_format else {
                    let d =
                        Diagnostic::error(codes::FORMAT, "the input needs one format".to_owned());
                    return self.fail(d, v);
                };
                let len = self.program.network.value(v).shape.len();
                let range = vec![Interval::new(format.min(), format.max()); len];
                let op = KernelOp::Input { format };
                self.push(v, op, vec![format.frac(); len], Some(format), range, 0)
            }
            Op::Dense { x, weight, bias } => self.dense(v, x, weight, bias),
            Op::Add { x, c } => self.add_const(v, x, c, 1),
            Op::Sub { x, c } => self.add_const(v, x, c, -1),
            Op::Div { x, c } => self.div_const(v, x, c),
            Op::Relu { x } => {
                let x = *self.node_of.get(&x)?;
                let n = self.nodes[x].clone();
                let range = n
                    .range
                    .iter()
                    .map(|r| Interval::new(r.lo.max(0), r.hi.max(0)))
                    .collect();
                self.push(v, KernelOp::Relu { x }, n.frac.to_vec(), n.format, range, 0)
            }
            Op::Reshape { x } | Op::Flatten { x } | Op::Identity { x } => {
                let x = *self.node_of.get(&x)?;
                let n = self.nodes[x].clone();
                self.push(
                    v,
                    KernelOp::Move { x },
                    n.frac.to_vec(),
                    n.format,
                    n.range.to_vec(),
                    0,
                )
            }
        }
    }

    /// Adds a node; `extra` is a magnitude that a register must hold besides the result.
    fn push(
        &mut self,
        value: ValueId,
        op: KernelOp,
        frac: Vec<i32>,
        format: Option<Format>,
        range: Vec<Interval>,
        extra: u64,
    ) -> Option<NodeId> {
        let hull = range.iter().copied().reduce(Interval::hull)?;
        let extra = i64::try_from(extra).unwrap_or(i64::MAX);
        let width = hull
            .signed_width()
            .max(Interval::new(-extra, extra).signed_width());
        let len = range.len();
        let multiplier = match &op {
            // A dense node's is set by the caller; the others are stored tensors and outputs.
            KernelOp::Input { .. }
            | KernelOp::Dense { .. }
            | KernelOp::Requantize { .. }
            | KernelOp::Align { .. } => None,
            KernelOp::AddConst { x, .. } | KernelOp::Relu { x } | KernelOp::Move { x } => {
                self.nodes[*x].multiplier.clone()
            }
        };
        Some(self.nodes.push(KernelNode {
            value,
            op,
            len,
            frac: frac.into(),
            multiplier,
            format,
            range: range.into(),
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
        let xn = *self.node_of.get(&x)?;
        let (w, w_formats) = self.constant(v, weight)?;
        let node = self.nodes[xn].clone();
        let Some(format) = node.format else {
            let name = self.name(x).to_owned();
            let d = Diagnostic::error(
                codes::MIXED_FORMATS,
                format!(
                    "%{name}, operand of dense %{}, is an accumulator",
                    self.name(v)
                ),
            )
            .help(format!("give %{name} a format, for instance %{name}: u8q5"));
            return self.fail(d, v);
        };
        let (rows, cols) = (w_formats.len(), node.len);
        let frac: Vec<i32> = w_formats.iter().map(|f| format.frac() + f.frac()).collect();
        let multiplier: Option<Arc<[u16]>> = w_formats
            .iter()
            .any(|f| f.multiplier() != 1)
            .then(|| w_formats.iter().map(|f| f.multiplier()).collect());
        let bias = match bias {
            Some(b) => Some(self.aligned_constant(v, b, &frac, multiplier.as_deref())?),
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
        let n = self.push(v, op, frac, None, range, worst)?;
        self.nodes[n].multiplier = multiplier;
        Some(n)
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
    /// `multipliers` (one per element, or one constant element for all).
    fn aligned_constant(
        &mut self,
        v: ValueId,
        c: ValueId,
        frac: &[i32],
        multipliers: Option<&[u16]>,
    ) -> Option<Vec<i64>> {
        let (m, formats) = self.constant(v, c)?;
        let per_row = (m.len() / formats.len()).max(1);
        let mut out = Vec::with_capacity(frac.len());
        for (j, target) in frac.iter().enumerate() {
            let i = if m.len() == 1 { 0 } else { j };
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

    fn add_const(&mut self, v: ValueId, x: ValueId, c: ValueId, sign: i64) -> Option<NodeId> {
        let xn = *self.node_of.get(&x)?;
        let node = self.nodes[xn].clone();
        let c: Vec<i64> = self
            .aligned_constant(v, c, &node.frac, node.multiplier.as_deref())?
            .into_iter()
            .map(|c| sign * c)
            .collect();
        let mut range = Vec::with_capacity(node.len);
        let mut worst = 0;
        for (r, c) in node.range.iter().zip(&c) {
            let (lo, hi) = (
                i128::from(r.lo) + i128::from(*c),
                i128::from(r.hi) + i128::from(*c),
            );
            worst = worst.max(self.fits(v, lo.abs().max(hi.abs()))?);
            range.push(Interval::new(lo as i64, hi as i64));
        }
        self.push(
            v,
            KernelOp::AddConst { x: xn, c: c.into() },
            node.frac.to_vec(),
            None,
            range,
            worst,
        )
    }

    fn div_const(&mut self, v: ValueId, x: ValueId, c: ValueId) -> Option<NodeId> {
        let xn = *self.node_of.get(&x)?;
        let node = self.nodes[xn].clone();
        let data = self.program.network.constant(c).map(|c| c.data.clone())?;
        let k = data.first().and_then(|d| power_of_two(*d));
        let Some(k) = k.filter(|_| data.iter().all(|d| *d == data[0])) else {
            let d = Diagnostic::error(codes::NO_FIXED_MEANING, format!("%{} divides by constants that are not one power of two", self.name(v)))
                .help("a fixed-point program divides by shifting only: divide the weights of the following layer by the constant instead");
            return self.fail(d, v);
        };
        let frac: Vec<i32> = node.frac.iter().map(|f| f + k).collect();
        let format = node
            .format
            .and_then(|f| Format::new(f.signed(), f.width(), f.frac() + k));
        self.push(
            v,
            KernelOp::Move { x: xn },
            frac,
            format,
            node.range.to_vec(),
            0,
        )
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
        let frac = vec![format.frac(); node.len];
        let n = self.push(
            v,
            KernelOp::Requantize {
                x,
                multiplier: node.multiplier,
                shift: shifts.into(),
                format,
            },
            frac,
            Some(format),
            range,
            worst,
        )?;
        Some(n)
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
        self.push(
            node.value,
            KernelOp::Align { x: n, shift },
            vec![top; node.len],
            None,
            range,
            0,
        )
    }
}

/// `k` if `v = 2^k`.
fn power_of_two(v: f32) -> Option<i32> {
    let k = v.log2().round();
    (v > 0.0 && k.abs() < 120.0 && 2f32.powi(k as i32) == v).then_some(k as i32)
}
