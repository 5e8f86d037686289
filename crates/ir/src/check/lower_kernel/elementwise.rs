//! Operators that act on each element: sums, products, activations.

use super::{Draft, Lowering};
use crate::kernel::{Interval, KernelOp, TABLE_BITS};
use crate::network::{Curve, ValueId};
use crate::tables::table;
use crate::types::Format;
use crate::{NodeId, Unary};
use ceg4n_base::{Diagnostic, Exact, codes};
use num_traits::ToPrimitive;
use std::sync::Arc;

impl Lowering<'_> {
    /// Which element of constant `c` each element of `v` meets.
    fn spread(&self, v: ValueId, c: ValueId) -> Vec<usize> {
        let net = &self.program.network;
        net.value(c).shape.spread_over(&net.value(v).shape)
    }

    pub(super) fn add_const(
        &mut self,
        v: ValueId,
        x: ValueId,
        c: ValueId,
        sign: i64,
    ) -> Option<NodeId> {
        let xn = *self.node_of.get(&x)?;
        let node = self.nodes[xn].clone();
        let index = self.spread(v, c);
        let c: Vec<i64> = self
            .aligned_constant(v, c, &node.frac, node.multiplier.as_deref(), Some(&index))?
            .into_iter()
            .map(|c| sign * c)
            .collect();
        let constant = |j: usize| Interval::new(c[j], c[j]);
        let draft = self.added(v, xn, constant)?;
        self.push(v, KernelOp::AddConst { x: xn, c: c.into() }, draft)
    }

    /// The accumulator of node `n` plus something of the given ranges.
    fn added(&mut self, v: ValueId, n: NodeId, other: impl Fn(usize) -> Interval) -> Option<Draft> {
        let mut draft = Draft::like(&self.nodes[n]).accumulator();
        for (j, r) in draft.range.iter_mut().enumerate() {
            let o = other(j);
            let lo = i128::from(r.lo) + i128::from(o.lo);
            let hi = i128::from(r.hi) + i128::from(o.hi);
            draft.extra = draft.extra.max(self.fits(v, lo.abs().max(hi.abs()))?);
            *r = Interval::new(lo as i64, hi as i64);
        }
        Some(draft)
    }

    pub(super) fn sum(&mut self, v: ValueId, x: ValueId, y: ValueId) -> Option<NodeId> {
        let (xn, yn) = (*self.node_of.get(&x)?, *self.node_of.get(&y)?);
        let (a, b) = (&self.nodes[xn], &self.nodes[yn]);
        let differ = |j: &usize| a.frac[*j] != b.frac[*j] || a.multiplier(*j) != b.multiplier(*j);
        if let Some(j) = (0..a.len).find(differ) {
            let scale = |f: i32, m: u16| match m {
                1 => format!("{f} fraction bits"),
                m => format!("{f} fraction bits and the multiplier {m}"),
            };
            let (left, right) = (
                scale(a.frac[j], a.multiplier(j)),
                scale(b.frac[j], b.multiplier(j)),
            );
            let wanted = a
                .format
                .or(b.format)
                .map_or_else(String::new, |f| format!(", for instance {f}"));
            let (xname, yname) = (self.name(x).to_owned(), self.name(y).to_owned());
            let d = Diagnostic::error(
                codes::SCALES,
                format!(
                    "%{} adds %{xname} with {left} and %{yname} with {right}",
                    self.name(v)
                ),
            );
            return self.fail(
                d.help(format!("give %{xname} and %{yname} one format{wanted}; an identity of a value may have another format than the value")),
                v,
            );
        }
        let range = self.nodes[yn].range.clone();
        let draft = self.added(v, xn, |j| range[j])?;
        self.push(v, KernelOp::Sum { x: xn, y: yn }, draft)
    }

    pub(super) fn mul_const(&mut self, v: ValueId, x: ValueId, c: ValueId) -> Option<NodeId> {
        let (xn, format) = self.stored(v, x)?;
        let (m, formats) = self.constant(v, c)?;
        let index = self.spread(v, c);
        let per_row = (m.len() / formats.len()).max(1);
        let node = self.nodes[xn].clone();
        let mut draft = Draft::like(&node).accumulator();
        let mut multipliers = Vec::with_capacity(node.len);
        for (j, r) in node.range.iter().enumerate() {
            let i = index[j];
            let own = formats[(i / per_row).min(formats.len() - 1)];
            let (a, b) = (
                i128::from(r.lo) * i128::from(m[i]),
                i128::from(r.hi) * i128::from(m[i]),
            );
            draft.extra = draft.extra.max(self.fits(v, a.abs().max(b.abs()))?);
            draft.range[j] = Interval::new(a.min(b) as i64, a.max(b) as i64);
            draft.frac[j] = format.frac() + own.frac();
            multipliers.push(own.multiplier());
        }
        draft.multiplier = multipliers
            .iter()
            .any(|m| *m != 1)
            .then(|| multipliers.into());
        let c = compact(&m, &index);
        self.push(v, KernelOp::MulConst { x: xn, c }, draft)
    }

    pub(super) fn div_const(&mut self, v: ValueId, x: ValueId, c: ValueId) -> Option<NodeId> {
        let xn = *self.node_of.get(&x)?;
        let data = self.program.network.constant(c).map(|c| c.data.clone())?;
        let k = data.first().and_then(|d| power_of_two(*d));
        let Some(k) = k.filter(|_| data.iter().all(|d| *d == data[0])) else {
            let d = Diagnostic::error(codes::NO_FIXED_MEANING, format!("%{} divides by constants that are not one power of two", self.name(v)))
                .help("a fixed-point program divides by shifting only: multiply by the inverse, or run the pass fold-affine, which moves it into the weights of the following layer");
            return self.fail(d, v);
        };
        let mut draft = Draft::like(&self.nodes[xn]);
        draft.frac.iter_mut().for_each(|f| *f += k);
        draft.format = draft
            .format
            .and_then(|f| Format::new(f.signed(), f.width(), f.frac() + k));
        self.push(v, KernelOp::Move { x: xn }, draft)
    }

    pub(super) fn clip(
        &mut self,
        v: ValueId,
        x: ValueId,
        lo: Option<f32>,
        hi: Option<f32>,
    ) -> Option<NodeId> {
        let xn = *self.node_of.get(&x)?;
        let node = &self.nodes[xn];
        // The nearest mantissa; of a stored tensor one of the format.
        let end = |value: Option<f32>, j: usize, open: i64| -> i64 {
            let Some(value) = value.and_then(Exact::from_f32) else {
                return open;
            };
            if let Some(format) = node.format {
                return format.quantize(&value);
            }
            let scaled = value.shifted(i64::from(node.frac[j]));
            let m = Exact::from(i64::from(node.multiplier(j)));
            let near = scaled.checked_div(&m).unwrap_or(scaled);
            let near = (&near + &Exact::dyadic(1, -1)).floor();
            let open = if value.signum() < 0 {
                i64::MIN
            } else {
                i64::MAX
            };
            near.to_i64().unwrap_or(open)
        };
        let los: Arc<[i64]> = (0..node.len).map(|j| end(lo, j, i64::MIN)).collect();
        let his: Arc<[i64]> = (0..node.len).map(|j| end(hi, j, i64::MAX)).collect();
        let mut draft = Draft::like(node);
        for (j, r) in draft.range.iter_mut().enumerate() {
            *r = Interval::new(r.lo.max(los[j]).min(his[j]), r.hi.max(los[j]).min(his[j]));
        }
        let op = KernelOp::Clip {
            x: xn,
            lo: los,
            hi: his,
        };
        self.push(v, op, draft)
    }

    pub(super) fn leaky_relu(&mut self, v: ValueId, x: ValueId, shift: u8) -> Option<NodeId> {
        let xn = *self.node_of.get(&x)?;
        let mut draft = Draft::like(&self.nodes[xn]).accumulator();
        for (r, frac) in draft.range.iter_mut().zip(&mut draft.frac) {
            let wide = i128::from(r.magnitude()) << shift;
            draft.extra = draft.extra.max(self.fits(v, wide)?);
            let image = |m: i64| m.max(m << shift);
            *r = Interval::new(image(r.lo), image(r.hi));
            *frac += i32::from(shift);
        }
        self.push(v, KernelOp::LeakyRelu { x: xn, shift }, draft)
    }

    pub(super) fn unary(&mut self, v: ValueId, x: ValueId, function: Unary) -> Option<NodeId> {
        let xn = *self.node_of.get(&x)?;
        let mut draft = Draft::like(&self.nodes[xn]).accumulator();
        for r in &mut draft.range {
            let (lo, hi) = function.image(*r);
            let ends = (i64::try_from(lo).ok(), i64::try_from(hi).ok());
            self.fits(v, lo.abs().max(hi))?;
            *r = Interval::new(ends.0?, ends.1?);
        }
        if let Some(format) = function.format() {
            draft = Draft::stored(format, draft.range);
        }
        self.push(v, KernelOp::Unary { x: xn, function }, draft)
    }

    pub(super) fn table(&mut self, v: ValueId, x: ValueId, curve: Curve) -> Option<NodeId> {
        let (xn, own) = self.stored(v, x)?;
        let annotated = self.program.annotations.format(v).and_then(|f| f.single());
        let name = self.name(v).to_owned();
        let Some(format) = annotated else {
            let d = Diagnostic::error(
                codes::MIXED_FORMATS,
                format!("{} %{name} has no format", curve.name()),
            );
            let d = d.help(format!(
                "it becomes a table, whose entries need a format, for instance %{name}: s8q7"
            ));
            return self.fail(d, v);
        };
        if own.width() > TABLE_BITS {
            let operand = self.name(x).to_owned();
            let d = Diagnostic::error(
                codes::FORMAT,
                format!(
                    "%{operand}, operand of {} %{name}, has {} bits",
                    curve.name(),
                    own.width()
                ),
            );
            let d = d.help(format!(
                "it becomes a table with an entry for each mantissa: at most {TABLE_BITS} bits"
            ));
            return self.fail(d, v);
        }
        let entries = table(curve, own, format);
        let image = |r: &Interval| {
            let at = |m: i64| entries[(m - own.min()) as usize];
            // Both curves rise, and so does rounding.
            Interval::new(at(r.lo).into(), at(r.hi).into())
        };
        let range = self.nodes[xn].range.iter().map(image).collect();
        let op = KernelOp::Table {
            x: xn,
            least: own.min(),
            table: entries,
            format,
            curve,
        };
        self.push(v, op, Draft::stored(format, range))
    }

    pub(super) fn no_meaning(&mut self, v: ValueId) -> Option<NodeId> {
        let value = self.program.network.value(v);
        let d = Diagnostic::error(
            codes::NO_FIXED_MEANING,
            format!(
                "{} %{} has a meaning over real numbers only",
                value.op.name(),
                value.name
            ),
        );
        self.fail(d, v)
    }
}

/// A constant's mantissas as short as they can be repeated: one for all, one for each of equal
/// parts, or one for each element.
fn compact(m: &[i32], index: &[usize]) -> Arc<[i32]> {
    let parts = m.len();
    let per = index.len() / parts.max(1);
    let even = parts > 0
        && index.len().is_multiple_of(parts)
        && index.iter().enumerate().all(|(j, i)| *i == j / per.max(1));
    if even {
        return m.into();
    }
    index.iter().map(|i| m[*i]).collect()
}

/// `k` if `v = 2^k`.
fn power_of_two(v: f32) -> Option<i32> {
    let k = v.log2().round();
    (v > 0.0 && k.abs() < 120.0 && 2f32.powi(k as i32) == v).then_some(k as i32)
}
