//! Nodes that become part of others: added constants join the biases of a dense layer, and a
//! requantization of a requantization is one, where that is exact.

use super::{Removed, Simplified, is_outward};
use ceg4n_base::entity::SecondaryMap;
use ceg4n_ir::kernel::multiplier;
use ceg4n_ir::{Interval, Kernel, KernelNode, KernelOp, NodeId, Rounding};
use std::sync::Arc;

/// Merges what can be merged; true if anything was.
pub(super) fn merge(now: &mut Simplified) -> bool {
    let ids: Vec<NodeId> = now.kernel.nodes.keys().collect();
    let mut changed = false;
    for n in ids {
        let merged = add_into_bias(&mut now.kernel, n) || one_requantization(&mut now.kernel, n);
        if merged {
            let more = Removed {
                merged: 1,
                ..Removed::default()
            };
            let own = &mut now.removed[n];
            *own = own.and(more);
            changed = true;
        }
    }
    changed
}

fn uses(kernel: &Kernel) -> SecondaryMap<NodeId, u32> {
    let mut uses: SecondaryMap<NodeId, u32> = SecondaryMap::new();
    uses[kernel.output] += 1;
    for node in kernel.nodes.values() {
        for x in node.op.operands() {
            uses[x] += 1;
        }
    }
    uses
}

/// `Σ x·w + b + c` is `Σ x·w + (b + c)`.
fn add_into_bias(kernel: &mut Kernel, n: NodeId) -> bool {
    let node = &kernel.nodes[n];
    let KernelOp::AddConst { x, c } = &node.op else {
        return false;
    };
    let x = *x;
    let KernelOp::Dense { bias, rows, .. } = &kernel.nodes[x].op else {
        return false;
    };
    if uses(kernel)[x] != 1 || *rows != c.len() {
        return false;
    }
    let sum = |j: usize| bias.as_ref().map_or(0, |b| b[j]).checked_add(c[j]);
    let Some(sums) = (0..*rows).map(sum).collect::<Option<Vec<i64>>>() else {
        return false;
    };
    let (range, width) = (node.range.clone(), node.width);
    let dense = &mut kernel.nodes[x];
    // The partial sums of both nodes, and the constants.
    let most = sums.iter().map(|b| b.unsigned_abs()).max().unwrap_or(0);
    let whole = 1u128 << (dense.width.max(width) - 1);
    let bits = 129 - (whole + u128::from(most)).leading_zeros();
    if bits > 64 {
        return false;
    }
    if let KernelOp::Dense { bias, .. } = &mut dense.op {
        *bias = Some(sums.into());
    }
    dense.range = range;
    dense.width = dense.width.max(bits as u8);
    kernel.nodes[n].op = KernelOp::Move { x };
    true
}

/// `round(y·2^-t)` of `y = x·m·2^-s` is `round(x·m·2^-(s + t))` where `y` is exact, and
/// where both round down.
fn one_requantization(kernel: &mut Kernel, n: NodeId) -> bool {
    let node = &kernel.nodes[n];
    let KernelOp::Requantize {
        x: inner,
        multiplier: None,
        shift,
        format,
    } = &node.op
    else {
        return false;
    };
    let KernelOp::Requantize {
        x,
        multiplier: m,
        shift: first,
        format: between,
    } = &kernel.nodes[*inner].op
    else {
        return false;
    };
    if is_outward(kernel, *inner) || shift.len() != first.len() {
        return false;
    }
    let of_x = &kernel.nodes[*x];
    let ends = (between.min(), between.max());
    let mut shifts = Vec::with_capacity(shift.len());
    let mut width = node.width;
    for (j, (t, s)) in shift.iter().zip(first.iter()).enumerate() {
        let factor = multiplier(m.as_deref(), j);
        let one = Merged { s: *s, t: *t };
        match one.of(of_x, j, factor, ends, kernel.rounding) {
            Some((sum, bits)) => {
                shifts.push(sum);
                width = width.max(bits);
            }
            None => return false,
        }
    }
    let op = KernelOp::Requantize {
        x: *x,
        multiplier: m.clone(),
        shift: Arc::from(shifts),
        format: *format,
    };
    let node = &mut kernel.nodes[n];
    node.op = op;
    node.width = width;
    true
}

/// Two shifts of an element.
struct Merged {
    s: i32,
    t: i32,
}

impl Merged {
    /// The one shift, and the bits of its register; `None` where it is not the same.
    fn of(
        &self,
        x: &KernelNode,
        j: usize,
        factor: u16,
        (least, most): (i64, i64),
        rounding: Rounding,
    ) -> Option<(i32, u8)> {
        let is_exact = self.s <= 0;
        let both_floor = rounding == Rounding::Floor && self.s > 0 && self.t >= 0;
        if !is_exact && !both_floor {
            return None;
        }
        let r: Interval = x.range[j];
        let product = |v: i64| i128::from(v) * i128::from(factor);
        let end = |v: i64| match u32::try_from(-self.s) {
            Ok(up) => product(v).checked_mul(1i128.checked_shl(up).filter(|p| *p > 0)?),
            Err(_) => Some(rounding.shift(product(v), self.s)),
        };
        let (lo, hi) = (end(r.lo)?, end(r.hi)?);
        // Nothing may be cut off between the two.
        if lo < i128::from(least) || hi > i128::from(most) {
            return None;
        }
        let sum = self.s + self.t;
        if !(-63..=63).contains(&sum) {
            return None;
        }
        let magnitude = product(r.lo).abs().max(product(r.hi).abs());
        let register = match sum {
            1.. => magnitude.checked_add(1i128 << (sum - 1))?,
            _ => magnitude.checked_mul(1i128 << sum.unsigned_abs())?,
        };
        let bits = 129 - register.leading_zeros();
        u8::try_from(bits)
            .ok()
            .filter(|b| *b <= 64)
            .map(|b| (sum, b))
    }
}
