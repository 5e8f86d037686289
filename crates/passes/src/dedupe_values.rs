//! `dedupe-values`: what is computed twice is computed once.

use crate::draft::Draft;
use crate::pass::{Keeps, Pass};
use ceg4n_base::Diagnostics;
use ceg4n_ir::{Annotation, Constant, Module, Op, Slide, ValueId};
use std::collections::BTreeMap;

/// Takes out values that an earlier one is equal to: the same operator and shape on the same
/// operands, constants by their content, with the same annotation in every version.
pub(crate) struct DedupeValues;

impl Pass for DedupeValues {
    fn name(&self) -> &'static str {
        "dedupe-values"
    }

    fn description(&self) -> &'static str {
        "compute equal values once"
    }

    fn keeps(&self, _: Option<&str>) -> Keeps {
        Keeps::ALL
    }

    fn run(&self, module: &Module, _: Option<&str>) -> Result<Module, Diagnostics> {
        let net = &module.network;
        // Constants are compared, but each user keeps its own.
        let mut same: BTreeMap<ValueId, ValueId> = BTreeMap::new();
        let mut draft = Draft::new(module);
        for v in net.values().keys() {
            let image = |o: ValueId| same.get(&o).copied().unwrap_or(o);
            let op = net.value(v).op.map_operands(image);
            let earlier = net.values().keys().take_while(|w| *w < v);
            let mut earlier = earlier.filter(|w| !same.contains_key(w));
            let twin = earlier.find(|w| {
                let other = net.value(*w).op.map_operands(image);
                net.value(*w).shape == net.value(v).shape
                    && equal(&op, &other)
                    && notes(module, *w).eq(notes(module, v))
            });
            if let Some(twin) = twin {
                same.insert(v, twin);
                if net.constant(v).is_none() {
                    draft.replace(v, twin);
                }
            }
        }
        draft.finish()
    }
}

fn notes(module: &Module, v: ValueId) -> impl Iterator<Item = Option<&Annotation>> {
    module.versions.iter().map(move |a| a.get(v))
}

/// True for two operators on the same operands that compute the same.
fn equal(a: &Op, b: &Op) -> bool {
    if a.name() != b.name() || a.operands() != b.operands() {
        return false;
    }
    // Names are equal, so it is the same operator; the smooth activations' are their own.
    match a {
        Op::Input => false,
        Op::Const(a) => matches!(b, Op::Const(b) if equal_constants(a, b)),
        Op::Conv { .. } | Op::MaxPool { .. } | Op::AveragePool { .. } => equal_windows(a, b),
        Op::Concat { .. }
        | Op::Pad { .. }
        | Op::Transpose { .. }
        | Op::Clip { .. }
        | Op::LeakyRelu { .. }
        | Op::Snap { .. } => equal_attributes(a, b),
        // Nothing but their operands.
        Op::Dense { .. }
        | Op::Add { .. }
        | Op::Sub { .. }
        | Op::Mul { .. }
        | Op::Div { .. }
        | Op::Sum { .. }
        | Op::Relu { .. }
        | Op::Unary { .. }
        | Op::Curve { .. }
        | Op::Reshape { .. }
        | Op::Flatten { .. }
        | Op::Identity { .. } => true,
    }
}

/// The window of an operator that has one: its extents, how it slides, groups, and whether padding
/// counts.
fn window(op: &Op) -> Option<(&[usize], &Slide, usize, bool)> {
    if let Op::Conv { slide, groups, .. } = op {
        return Some((&[], slide, *groups, false));
    }
    if let Op::MaxPool { kernel, slide, .. } = op {
        return Some((kernel, slide, 1, false));
    }
    let Op::AveragePool {
        kernel,
        slide,
        count_pad,
        ..
    } = op
    else {
        return None;
    };
    Some((kernel, slide, 1, *count_pad))
}

fn equal_windows(a: &Op, b: &Op) -> bool {
    window(a).is_some() && window(a) == window(b)
}

/// The attributes of an operator that moves elements, or acts on each, as numbers.
fn equal_attributes(a: &Op, b: &Op) -> bool {
    let bits = |e: &Option<f32>| e.map_or(-1, |v| i64::from((v + 0.0).to_bits()));
    let list = |op: &Op| -> Option<Vec<i64>> {
        let whole = |l: &[usize]| l.iter().map(|v| *v as i64).collect::<Vec<_>>();
        if let Op::Concat { axis, .. } = op {
            return Some(vec![*axis as i64]);
        }
        if let Op::Pad {
            before,
            after,
            value,
            ..
        } = op
        {
            return Some([whole(before), whole(after), vec![bits(&Some(*value))]].concat());
        }
        if let Op::Transpose { perm, .. } = op {
            return Some(whole(perm));
        }
        if let Op::Clip { lo, hi, .. } = op {
            return Some(vec![bits(lo), bits(hi)]);
        }
        if let Op::LeakyRelu { shift, .. } = op {
            return Some(vec![i64::from(*shift)]);
        }
        let Op::Snap {
            scale,
            zero_point,
            lo,
            hi,
            ..
        } = op
        else {
            return None;
        };
        let ends = [*zero_point, *lo, *hi].map(i64::from);
        Some([vec![bits(&Some(*scale))], ends.to_vec()].concat())
    };
    list(a).is_some() && list(a) == list(b)
}

/// Equal bits; what is only enclosed is equal to itself alone.
fn equal_constants(a: &Constant, b: &Constant) -> bool {
    let bits = |c: &Constant| c.data.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    !a.enclosed() && bits(a) == bits(b) && a.wide == b.wide
}
