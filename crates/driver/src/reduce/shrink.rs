//! Steps that make tensors smaller: fewer neurons, channels, inputs and positions, narrower
//! windows.

use super::edit::Edit;
use super::session::{Session, Stop};
use super::slices::Gone;
use ceg4n_ir::{Module, Network, Op, Slide, ValueId};
use std::collections::BTreeMap;
use std::ops::Range;

/// Takes slices out of every tensor whose extents are its own, along every axis.
pub(super) fn slices(session: &mut Session<'_>) -> Result<(), Stop> {
    for (name, rank) in sized(&session.module.network) {
        for axis in 0..rank {
            let extent = |m: &Module| {
                let v = m.network.find(&name);
                let shape = v.map(|v| &m.network.value(v).shape.0);
                // One index always stays.
                shape.and_then(|s| s.get(axis)).map_or(0, |n| *n)
            };
            let without = |m: &Module, range: Range<usize>| {
                let v = m.network.find(&name)?;
                let mut gone = Gone::default();
                gone.add(v, axis, range);
                Edit {
                    gone,
                    ..Edit::default()
                }
                .apply(m)
            };
            session.drop_runs(&extent, &without)?;
        }
    }
    Ok(())
}

/// Names and ranks of the values whose extents are not simply those of an operand.
fn sized(network: &Network) -> Vec<(String, usize)> {
    let own = |op: &Op| match op {
        Op::Input
        | Op::Dense { .. }
        | Op::Conv { .. }
        | Op::MaxPool { .. }
        | Op::AveragePool { .. }
        | Op::Concat { .. }
        | Op::Pad { .. }
        | Op::Reshape { .. }
        | Op::Flatten { .. } => true,
        Op::Const(_)
        | Op::Add { .. }
        | Op::Sub { .. }
        | Op::Mul { .. }
        | Op::Div { .. }
        | Op::Sum { .. }
        | Op::Transpose { .. }
        | Op::Relu { .. }
        | Op::Clip { .. }
        | Op::LeakyRelu { .. }
        | Op::Unary { .. }
        | Op::Curve { .. }
        | Op::Snap { .. }
        | Op::Identity { .. } => false,
    };
    let values = network.values().values().filter(|v| own(&v.op));
    values.map(|v| (v.name.clone(), v.shape.0.len())).collect()
}

/// Drops operands of concatenations.
pub(super) fn operands(session: &mut Session<'_>) -> Result<(), Stop> {
    let network = &session.module.network;
    let concats = network.values().values();
    let concats = concats.filter(|v| matches!(v.op, Op::Concat { .. }));
    let names: Vec<String> = concats.map(|v| v.name.clone()).collect();
    for name in names {
        let count = |m: &Module| match m.network.find(&name).map(|v| &m.network.value(v).op) {
            Some(Op::Concat { xs, .. }) => xs.len(),
            _ => 0,
        };
        let without = |m: &Module, range: Range<usize>| {
            let v = m.network.find(&name)?;
            let Op::Concat { xs, axis } = &m.network.value(v).op else {
                return None;
            };
            // An operand without a slice left is dropped.
            let extent = |x: &ValueId| m.network.value(*x).shape.0[*axis];
            let start: usize = xs[..range.start].iter().map(extent).sum();
            let lost: usize = xs[range].iter().map(extent).sum();
            let mut gone = Gone::default();
            gone.add(v, *axis, start..start + lost);
            Edit {
                gone,
                ..Edit::default()
            }
            .apply(m)
        };
        session.drop_runs(&count, &without)?;
    }
    Ok(())
}

/// Makes windows narrower and takes strides, dilations and padding away.
pub(super) fn windows(session: &mut Session<'_>) -> Result<(), Stop> {
    let network = &session.module.network;
    let values = network.values().values();
    let names: Vec<String> = values
        .filter(|v| parts(network, &v.op).is_some())
        .map(|v| v.name.clone())
        .collect();
    for name in names {
        for axis in 0..2 {
            narrower(session, &name, axis)?;
            for simpler in [unpadded, unstrided, undilated] {
                let module = changed(&session.module, &name, axis, simpler);
                session.attempt(module)?;
            }
        }
    }
    Ok(())
}

/// Taps along each axis and how the window slides.
fn parts<'n>(network: &'n Network, op: &'n Op) -> Option<(Vec<usize>, &'n Slide)> {
    match op {
        Op::Conv { weight, slide, .. } => {
            Some((network.value(*weight).shape.0[2..].to_vec(), slide))
        }
        Op::MaxPool { kernel, slide, .. } | Op::AveragePool { kernel, slide, .. } => {
            Some((kernel.clone(), slide))
        }
        Op::Input
        | Op::Const(_)
        | Op::Dense { .. }
        | Op::Add { .. }
        | Op::Sub { .. }
        | Op::Mul { .. }
        | Op::Div { .. }
        | Op::Sum { .. }
        | Op::Concat { .. }
        | Op::Pad { .. }
        | Op::Transpose { .. }
        | Op::Relu { .. }
        | Op::Clip { .. }
        | Op::LeakyRelu { .. }
        | Op::Unary { .. }
        | Op::Curve { .. }
        | Op::Snap { .. }
        | Op::Reshape { .. }
        | Op::Flatten { .. }
        | Op::Identity { .. } => None,
    }
}

/// One tap, half of them, one less, until none of these is interesting.
fn narrower(session: &mut Session<'_>, name: &str, axis: usize) -> Result<(), Stop> {
    loop {
        let network = &session.module.network;
        let op = network.find(name).map(|v| &network.value(v).op);
        let taps = op.and_then(|op| parts(network, op));
        let Some(taps) = taps.and_then(|(t, _)| t.get(axis).copied()) else {
            return Ok(());
        };
        let mut wanted = vec![1, taps / 2, taps.saturating_sub(1)];
        wanted.retain(|k| (1..taps).contains(k));
        wanted.dedup();
        let mut any = false;
        for k in wanted {
            let module = with_taps(&session.module, name, axis, k);
            if session.attempt(module)? {
                any = true;
                break;
            }
        }
        if !any {
            return Ok(());
        }
    }
}

/// The window `name` with `taps` taps along an axis, on as much of its operand as it then needs.
fn with_taps(module: &Module, name: &str, axis: usize, taps: usize) -> Option<Module> {
    let network = &module.network;
    let v = network.find(name)?;
    let mut edit = Edit::default();
    let mut op = network.value(v).op.clone();
    match &mut op {
        Op::Conv { weight, .. } => {
            let extent = *network.value(*weight).shape.0.get(2 + axis)?;
            edit.gone.add(*weight, 2 + axis, taps..extent);
        }
        Op::MaxPool { kernel, .. } | Op::AveragePool { kernel, .. } => {
            *kernel.get_mut(axis)? = taps;
        }
        _ => return None,
    }
    edit.ops.insert(v, op);
    edit.apply(module)
}

fn unpadded(slide: &mut Slide, axis: usize) -> Option<()> {
    *slide.before.get_mut(axis)? = 0;
    *slide.after.get_mut(axis)? = 0;
    Some(())
}

fn unstrided(slide: &mut Slide, axis: usize) -> Option<()> {
    *slide.strides.get_mut(axis)? = 1;
    Some(())
}

fn undilated(slide: &mut Slide, axis: usize) -> Option<()> {
    *slide.dilations.get_mut(axis)? = 1;
    Some(())
}

/// The window `name` sliding otherwise; `None` if it slides so already.
fn changed(
    module: &Module,
    name: &str,
    axis: usize,
    change: fn(&mut Slide, usize) -> Option<()>,
) -> Option<Module> {
    let v = module.network.find(name)?;
    let mut op = module.network.value(v).op.clone();
    let slide = match &mut op {
        Op::Conv { slide, .. } | Op::MaxPool { slide, .. } | Op::AveragePool { slide, .. } => slide,
        _ => return None,
    };
    let before = slide.clone();
    change(slide, axis)?;
    if *slide == before {
        return None;
    }
    Edit {
        ops: BTreeMap::from([(v, op)]),
        ..Edit::default()
    }
    .apply(module)
}
