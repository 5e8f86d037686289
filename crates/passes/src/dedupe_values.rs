//! `dedupe-values`: what is computed twice is computed once.

use crate::draft::Draft;
use crate::pass::{Keeps, Pass};
use ceg4n_base::Diagnostics;
use ceg4n_ir::{Annotation, Constant, Module, Op, ValueId};
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
    match (a, b) {
        (Op::Const(a), Op::Const(b)) => equal_constants(a, b),
        (
            Op::Conv {
                slide: s,
                groups: g,
                ..
            },
            Op::Conv {
                slide: t,
                groups: h,
                ..
            },
        ) => s == t && g == h,
        (
            Op::MaxPool {
                kernel: k,
                slide: s,
                ..
            },
            Op::MaxPool {
                kernel: l,
                slide: t,
                ..
            },
        ) => k == l && s == t,
        (
            Op::AveragePool {
                kernel: k,
                slide: s,
                count_pad: c,
                ..
            },
            Op::AveragePool {
                kernel: l,
                slide: t,
                count_pad: d,
                ..
            },
        ) => k == l && s == t && c == d,
        (Op::Concat { axis: i, .. }, Op::Concat { axis: k, .. }) => i == k,
        (
            Op::Pad {
                before: p,
                after: q,
                value: f,
                ..
            },
            Op::Pad {
                before: r,
                after: s,
                value: g,
                ..
            },
        ) => p == r && q == s && f == g,
        (Op::Transpose { perm: p, .. }, Op::Transpose { perm: q, .. }) => p == q,
        (Op::Clip { lo, hi, .. }, Op::Clip { lo: l, hi: h, .. }) => lo == l && hi == h,
        (Op::LeakyRelu { shift: s, .. }, Op::LeakyRelu { shift: t, .. }) => s == t,
        (
            Op::Snap {
                scale,
                zero_point,
                lo,
                hi,
                ..
            },
            Op::Snap {
                scale: s,
                zero_point: z,
                lo: l,
                hi: h,
                ..
            },
        ) => scale == s && zero_point == z && lo == l && hi == h,
        // Names are equal, so it is the same operator, and these are nothing but their operands.
        (
            Op::Dense { .. }
            | Op::Add { .. }
            | Op::Sub { .. }
            | Op::Mul { .. }
            | Op::Div { .. }
            | Op::Sum { .. }
            | Op::Relu { .. }
            | Op::Abs { .. }
            | Op::Sign { .. }
            | Op::Curve { .. }
            | Op::Reshape { .. }
            | Op::Flatten { .. }
            | Op::Identity { .. },
            _,
        ) => true,
        (
            Op::Input
            | Op::Const(_)
            | Op::Conv { .. }
            | Op::MaxPool { .. }
            | Op::AveragePool { .. }
            | Op::Concat { .. }
            | Op::Pad { .. }
            | Op::Transpose { .. }
            | Op::Clip { .. }
            | Op::LeakyRelu { .. }
            | Op::Snap { .. },
            _,
        ) => false,
    }
}

/// Equal bits; what is only enclosed is equal to itself alone.
fn equal_constants(a: &Constant, b: &Constant) -> bool {
    let bits = |c: &Constant| c.data.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    !a.enclosed() && bits(a) == bits(b) && a.wide == b.wide
}
