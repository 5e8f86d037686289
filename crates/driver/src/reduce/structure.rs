//! Steps that take operators out of a network: less at the end, less at the start, less between.

use super::edit::Edit;
use super::numbers::rounded;
use super::session::{Session, Stop};
use ceg4n_base::Exact;
use ceg4n_eval::{BITS, outputs_within};
use ceg4n_ir::{
    AccAnnotation, Annotation, Module, Network, Op, Program, Region, TensorFormat, ValueId, check,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Networks with more multiplications than this are not evaluated to find boxes for a new input.
const MACS: usize = 1 << 20;
/// Digits of such a box.
const DIGITS: usize = 3;

/// The values that are computed, the input included, in order.
fn computed(network: &Network) -> Vec<ValueId> {
    let values = network.values().iter();
    let computed = values.filter(|(_, v)| !matches!(v.op, Op::Const(_)));
    computed.map(|(v, _)| v).collect()
}

/// Makes an earlier value the output, the earliest that will do.
pub(super) fn earlier_output(session: &mut Session<'_>) -> Result<(), Stop> {
    for v in computed(&session.module.network) {
        if v == session.module.network.output() {
            break;
        }
        let edit = Edit {
            output: Some(v),
            ..Edit::default()
        };
        let module = edit.apply(&session.module);
        if session.attempt(module)? {
            break;
        }
    }
    Ok(())
}

/// Makes a later value the input, the latest that will do.
pub(super) fn later_input(session: &mut Session<'_>) -> Result<(), Stop> {
    for v in computed(&session.module.network).into_iter().rev() {
        if v == session.module.network.input() {
            break;
        }
        for module in with_input(&session.module, v) {
            if session.try_module(module)? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The module with `v` as its input: in the format that `v` has, and in that of the old input.
fn with_input(module: &Module, v: ValueId) -> Vec<Module> {
    let old = module.network.input();
    let edit = Edit {
        input: Some((v, boxes(module, v))),
        ..Edit::default()
    };
    let own = edit.clone().apply(module);
    let mut formatted = module.clone();
    for a in &mut formatted.versions {
        if let Some(format) = a.values.get(&old).cloned() {
            a.values.insert(v, format);
        }
    }
    own.into_iter().chain(edit.apply(&formatted)).collect()
}

/// A box of the values of `v` for each region: around those at its corners and its centre.
fn boxes(module: &Module, v: ValueId) -> Vec<Region> {
    let edit = Edit {
        output: Some(v),
        ..Edit::default()
    };
    let bare = Module {
        versions: Vec::new(),
        requirements: Vec::new(),
        ..module.clone()
    };
    let program = edit
        .apply(&bare)
        .filter(|m| m.network.macs() <= MACS)
        .and_then(|m| check(Program::reference(m.network)).ok());
    let len = module.network.value(v).shape.len();
    let hull = |region: &Region| {
        let program = program.as_ref()?;
        let points = [region.center(), region.lower.clone(), region.upper.clone()];
        let mut hull: Option<Vec<(Exact, Exact)>> = None;
        for x in points {
            let found = outputs_within(program, &x, BITS).ok()?;
            hull = Some(match hull {
                None => found,
                Some(h) => {
                    let both = h.into_iter().zip(found);
                    both.map(|(a, b)| (a.0.min(b.0), a.1.max(b.1))).collect()
                }
            });
        }
        hull
    };
    let around = |region: &Region| {
        let unit = || vec![(Exact::from(-1), Exact::from(1)); len];
        let hull = hull(region).unwrap_or_else(unit);
        let (lower, upper) = hull
            .into_iter()
            .map(|(l, u)| (rounded(&l, DIGITS), rounded(&u, DIGITS)))
            .unzip();
        Region {
            lower,
            upper,
            center: None,
            ball_size: None,
            ..region.clone()
        }
    };
    module.regions.iter().map(around).collect()
}

/// Takes values out whose users can do with an operand or the input, from the end to the start.
/// What becomes of shapes is left to the network: it is well-formed or no candidate.
pub(super) fn bypass(session: &mut Session<'_>) -> Result<(), Stop> {
    for name in names(&session.module) {
        for k in 0.. {
            let network = &session.module.network;
            let Some(v) = network.find(&name) else { break };
            let mut others = network.value(v).op.activations();
            if v != network.input() {
                others.push(network.input());
            }
            let Some(x) = others.get(k).copied() else {
                break;
            };
            let without = |move_formats| {
                let edit = Edit {
                    instead: BTreeMap::from([(v, x)]),
                    move_formats,
                    ..Edit::default()
                };
                edit.apply(&session.module)
            };
            for module in [without(false), without(true)] {
                if session.attempt(module)? {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// The names of the computed values, the last one first.
fn names(module: &Module) -> Vec<String> {
    let network = &module.network;
    let values = computed(network).into_iter().rev();
    values.map(|v| network.value(v).name.clone()).collect()
}

/// Puts simpler operators in the place of others, and drops operands that may be absent.
pub(super) fn simpler_operators(session: &mut Session<'_>) -> Result<(), Stop> {
    for name in names(&session.module) {
        for k in 0.. {
            let network = &session.module.network;
            let Some(v) = network.find(&name) else { break };
            let Some(op) = simpler(network, v).into_iter().nth(k) else {
                break;
            };
            let edit = Edit {
                ops: BTreeMap::from([(v, op)]),
                ..Edit::default()
            };
            let module = edit.apply(&session.module);
            if session.attempt(module)? {
                break;
            }
        }
    }
    Ok(())
}

/// Operators of the same shape that are simpler than that of `v`; none of them leads back.
fn simpler(network: &Network, v: ValueId) -> Vec<Op> {
    match &network.value(v).op {
        Op::Dense { x, weight, bias } if bias.is_some() => vec![Op::Dense {
            x: *x,
            weight: *weight,
            bias: None,
        }],
        Op::Conv {
            x,
            weight,
            bias,
            slide,
            groups,
        } if bias.is_some() => vec![Op::Conv {
            x: *x,
            weight: *weight,
            bias: None,
            slide: slide.clone(),
            groups: *groups,
        }],
        Op::AveragePool {
            x, kernel, slide, ..
        } => vec![Op::MaxPool {
            x: *x,
            kernel: kernel.clone(),
            slide: slide.clone(),
        }],
        Op::Clip { x, .. }
        | Op::LeakyRelu { x, .. }
        | Op::Unary { x, .. }
        | Op::Curve { x, .. }
        | Op::Snap { x, .. } => vec![Op::Relu { x: *x }],
        Op::Sub { x, c } | Op::Mul { x, c } | Op::Div { x, c } => {
            vec![Op::Add { x: *x, c: *c }]
        }
        Op::Input
        | Op::Const(_)
        | Op::Dense { .. }
        | Op::Conv { .. }
        | Op::MaxPool { .. }
        | Op::Add { .. }
        | Op::Sum { .. }
        | Op::Concat { .. }
        | Op::Pad { .. }
        | Op::Transpose { .. }
        | Op::Relu { .. }
        | Op::Reshape { .. }
        | Op::Flatten { .. }
        | Op::Identity { .. } => Vec::new(),
    }
}

/// Drops what formats say beyond a format: explicit mantissas, widths, formats by channel.
pub(super) fn plain(annotation: &Annotation) -> Vec<Annotation> {
    match annotation {
        Annotation::Acc(AccAnnotation { width: Some(_) }) => {
            vec![Annotation::Acc(AccAnnotation { width: None })]
        }
        Annotation::Acc(AccAnnotation { width: None }) => Vec::new(),
        Annotation::Fixed { format, mantissas } => {
            let one = match format {
                TensorFormat::Tensor(_) => None,
                TensorFormat::Channels(list) => list.first().map(|f| TensorFormat::Tensor(*f)),
            };
            let fixed = |format: &TensorFormat, mantissas: &Option<Arc<[i32]>>| Annotation::Fixed {
                format: format.clone(),
                mantissas: mantissas.clone(),
            };
            let bare = mantissas.as_ref().map(|_| fixed(format, &None));
            let one = one.map(|one| fixed(&one, mantissas));
            bare.into_iter().chain(one).collect()
        }
    }
}
