//! `narrow-formats`: fewer bits where the type range leaves some unused.

use crate::pass::{Keeps, Pass};
use crate::tensors::{Lowered, lowered};
use ceg4n_base::Diagnostics;
use ceg4n_ir::{
    Annotation, Annotations, Format, Interval, Kernel, KernelOp, Module, Network, Program, ValueId,
    check,
};

/// Gives a stored activation the narrowest format of its scale that holds its type range: the same
/// integers in fewer bits. The input's format stays, as callers see it, and so does one that other
/// operators take constants from (the ends of a clip, padding) or that must be that of another value
/// (concat), if that would change.
pub(crate) struct NarrowFormats;

impl Pass for NarrowFormats {
    fn name(&self) -> &'static str {
        "narrow-formats"
    }

    fn description(&self) -> &'static str {
        "give an activation whose type range needs fewer bits a format of as many"
    }

    fn keeps(&self, _: Option<&str>) -> Keeps {
        Keeps::ALL
    }

    fn run(&self, module: &Module, _: Option<&str>) -> Result<Module, Diagnostics> {
        let Some(versions) = lowered(module)? else {
            return Ok(module.clone());
        };
        let mut out = module.clone();
        for (a, version) in out.versions.iter_mut().zip(&versions) {
            narrow(&module.network.clone(), a, version, module);
        }
        Ok(out)
    }
}

fn narrow(net: &Network, a: &mut Annotations, version: &Lowered, module: &Module) {
    let stored = |v: &ValueId| net.constant(*v).is_none() && *v != net.input();
    let fixed: Vec<ValueId> = a.values.keys().copied().filter(stored).collect();
    let fixed = || fixed.iter().copied().filter(|v| a.format(*v).is_some());
    let rounds = |v: &ValueId| {
        let makes = |n: &ceg4n_ir::KernelNode| {
            matches!(n.op, KernelOp::Requantize { .. } | KernelOp::Table { .. })
        };
        version.all(*v).any(makes)
    };
    // What only repeats the operand's format follows it.
    let repeats: Vec<ValueId> = fixed().filter(|v| !rounds(v)).collect();
    let wanted: Vec<(ValueId, Format)> = fixed()
        .filter(rounds)
        .filter_map(|v| Some((v, fewer(version, v)?)))
        .collect();
    let lower = |changes: &[(ValueId, Format)]| -> Option<Annotations> {
        let mut next = a.clone();
        for v in &repeats {
            next.values.remove(v);
        }
        for (v, f) in changes {
            next.values.insert(*v, note(*f));
        }
        let checked = |a: &Annotations| {
            let program = Program::new(module.network.clone(), a.clone());
            check(program).ok()?.kernel().cloned()
        };
        let new = Lowered::of(&checked(&next)?);
        for v in &repeats {
            next.values.insert(*v, note(new.last(*v)?.format?));
        }
        same_integers(&version.kernel, &*checked(&next)?).then_some(next)
    };
    if let Some(next) = lower(&wanted) {
        *a = next;
        return;
    }
    let mut taken: Vec<(ValueId, Format)> = Vec::new();
    for change in wanted {
        taken.push(change);
        if lower(&taken).is_none() {
            taken.pop();
        }
    }
    if let Some(next) = lower(&taken).filter(|_| !taken.is_empty()) {
        *a = next;
    }
}

fn note(format: Format) -> Annotation {
    Annotation::Fixed {
        format: format.into(),
        mantissas: None,
    }
}

/// The narrowest format of the value's scale for its type range, if it has fewer bits than now.
fn fewer(version: &Lowered, v: ValueId) -> Option<Format> {
    let node = version.last(v)?;
    let now = node.format?;
    let hull = node.range.iter().copied().reduce(Interval::hull)?;
    let unsigned = Format::new(false, width_unsigned(hull.hi), now.frac());
    let signed = Format::new(true, hull.signed_width(), now.frac());
    let best = if hull.lo >= 0 { unsigned } else { signed }?;
    (best.width() < now.width()).then_some(best)
}

fn width_unsigned(most: i64) -> u8 {
    (64 - most.max(1).leading_zeros()) as u8
}

/// True if two kernels of one network differ in the widths of formats alone, none of which acts: the
/// same operators with the same constants and the same type ranges.
fn same_integers(old: &Kernel, new: &Kernel) -> bool {
    old.nodes.len() == new.nodes.len()
        && old.output_frac == new.output_frac
        && old.nodes.keys().all(|n| {
            let (a, b) = (&old.nodes[n], &new.nodes[n]);
            a.value == b.value
                && a.range == b.range
                && a.frac == b.frac
                && a.multiplier == b.multiplier
                && same_operator(&a.op, &b.op, a.format, b.format)
        })
}

fn same_operator(a: &KernelOp, b: &KernelOp, f: Option<Format>, g: Option<Format>) -> bool {
    match (a, b) {
        (
            KernelOp::Requantize { x, shift, .. },
            KernelOp::Requantize {
                x: y, shift: other, ..
            },
        ) => x == y && shift == other,
        (KernelOp::Clip { x, lo, hi }, KernelOp::Clip { x: y, lo: l, hi: h }) => {
            x == y && lo == l && hi == h
        }
        (
            KernelOp::Gather { x, index, fill },
            KernelOp::Gather {
                x: y,
                index: i,
                fill: g,
            },
        ) => x == y && index == i && fill == g,
        // Entries follow from the formats: those for mantissas of both are the same unless the
        // result's format saturates, which the type ranges exclude.
        (KernelOp::Table { x, .. }, KernelOp::Table { x: y, .. }) => x == y,
        // Formats decide nothing else.
        (
            KernelOp::Input { .. }
            | KernelOp::Dense { .. }
            | KernelOp::AddConst { .. }
            | KernelOp::Conv { .. }
            | KernelOp::MaxPool { .. }
            | KernelOp::SumPool { .. }
            | KernelOp::MulConst { .. }
            | KernelOp::Sum { .. }
            | KernelOp::Concat { .. }
            | KernelOp::Relu { .. }
            | KernelOp::LeakyRelu { .. }
            | KernelOp::Unary { .. }
            | KernelOp::Align { .. }
            | KernelOp::Move { .. },
            _,
        ) => {
            std::mem::discriminant(a) == std::mem::discriminant(b)
                && a.operands() == b.operands()
                && f.map(Format::frac) == g.map(Format::frac)
        }
        (
            KernelOp::Gather { .. }
            | KernelOp::Clip { .. }
            | KernelOp::Table { .. }
            | KernelOp::Requantize { .. },
            _,
        ) => false,
    }
}
