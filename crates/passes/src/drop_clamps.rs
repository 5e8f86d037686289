//! `drop-clamps`: relus and clips that cannot act.

use crate::drop_dead_neurons::KERNELS;
use crate::forward::forward;
use crate::pass::{Keeps, Parameter, Pass};
use crate::ranges::{Range, real_ranges};
use crate::tensors::{Lowered, lowered};
use ceg4n_base::{Diagnostics, Exact};
use ceg4n_ir::{KernelOp, Module, Network, Op, ValueId};
use std::collections::BTreeMap;

/// Takes out relus and clips whose operand is within their ends: over every real input in the real
/// function, and over its type range in every version. With the parameter `kernels` the versions
/// alone count.
pub(crate) struct DropClamps;

impl Pass for DropClamps {
    fn name(&self) -> &'static str {
        "drop-clamps"
    }

    fn description(&self) -> &'static str {
        "remove relu and clip where the operand cannot leave their ends"
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[KERNELS]
    }

    fn keeps(&self, parameter: Option<&str>) -> Keeps {
        Keeps {
            reference: parameter.is_none(),
            kernels: true,
        }
    }

    fn run(&self, module: &Module, parameter: Option<&str>) -> Result<Module, Diagnostics> {
        let Some(versions) = lowered(module)? else {
            return Ok(module.clone());
        };
        if parameter.is_some() && versions.is_empty() {
            return Ok(module.clone());
        }
        let net = &module.network;
        let ranges = match parameter {
            None => Some(real_ranges(net)),
            Some(_) => None,
        };
        forward(module, |v| {
            let (Op::Relu { x } | Op::Clip { x, .. }) = &net.value(v).op else {
                return None;
            };
            let real = ranges.as_ref().is_none_or(|r| real_idle(net, v, *x, r));
            let idle = real && versions.iter().all(|k| kernel_idle(k, v));
            idle.then_some(*x)
        })
    }
}

fn real_idle(net: &Network, v: ValueId, x: ValueId, all: &BTreeMap<ValueId, Vec<Range>>) -> bool {
    let Some(ranges) = all.get(&x) else {
        return false;
    };
    let end = |e: &Option<f32>| e.and_then(Exact::from_f32);
    let (lo, hi) = if let Op::Clip { lo, hi, .. } = &net.value(v).op {
        (end(lo), end(hi))
    } else {
        (Some(Exact::zero()), None)
    };
    let above = |r: &Range| {
        lo.as_ref()
            .is_none_or(|e| r.lo.as_ref().is_some_and(|l| l >= e))
    };
    let below = |r: &Range| {
        hi.as_ref()
            .is_none_or(|e| r.hi.as_ref().is_some_and(|h| h <= e))
    };
    ranges.iter().all(|r| above(r) && below(r))
}

fn kernel_idle(version: &Lowered, v: ValueId) -> bool {
    let Some(node) = version.first(v) else {
        return false;
    };
    let range = |x| &version.kernel.nodes[x].range;
    if let KernelOp::Relu { x } = &node.op {
        return range(*x).iter().all(|r| r.lo >= 0);
    }
    let KernelOp::Clip { x, lo, hi } = &node.op else {
        return false;
    };
    let mut all = range(*x).iter().zip(lo.iter().zip(hi.iter()));
    all.all(|(r, (lo, hi))| lo <= &r.lo && r.hi <= *hi)
}
