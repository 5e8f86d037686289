//! The network of the benchmark, seeded, and its candidates.

use crate::Outcome;
use ceg4n_ir::check::quantize_tensor;
use ceg4n_ir::network::{Constant, Origin};
use ceg4n_ir::{Checked, Format, Network, NetworkBuilder, Op, Program, Rounding, Shape, ValueId};
use std::sync::Arc;

pub(crate) const LAYERS: [usize; 4] = [784, 50, 50, 10];

/// A seeded float in `-1..1`.
pub(crate) fn noise(state: &mut u64) -> f32 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1);
    (*state >> 40) as f32 / (1 << 23) as f32 - 1.0
}

pub(crate) fn build() -> Outcome<Network> {
    let mut net = NetworkBuilder::new("candidates");
    let state = &mut 1;
    let mut constant = |net: &mut NetworkBuilder, name: String, shape: Vec<usize>| {
        let data = (0..shape.iter().product()).map(|_| noise(state)).collect();
        let origin = Origin::Inline;
        let op = Op::Const(Constant {
            data,
            origin,
            wide: None,
        });
        net.push(name, op, Some(Shape(shape)), None)
    };
    let mut x = net.push("x", Op::Input, Some(Shape::vector(LAYERS[0])), None);
    for (i, sizes) in LAYERS.windows(2).enumerate() {
        let weight = constant(&mut net, format!("w{i}"), vec![sizes[1], sizes[0]]);
        let bias = Some(constant(&mut net, format!("b{i}"), vec![sizes[1]]));
        x = net.push(format!("d{i}"), Op::Dense { x, weight, bias }, None, None);
        if i + 2 < LAYERS.len() {
            x = net.push(format!("r{i}"), Op::Relu { x }, None, None);
        }
    }
    Ok(net.finish(x).map_err(|e| format!("{e:?}"))?)
}

/// The weights of the layers, first layer first.
pub(crate) fn weights(net: &Network) -> Vec<ValueId> {
    let weight = |v: &ValueId| net.value(*v).shape.0.len() == 2;
    net.values().keys().filter(weight).collect()
}

/// Weights of `bits` bits, biases of 8, activations of 9; the input are pixels.
pub(crate) fn candidate(net: &Arc<Network>, bits: u8) -> Outcome<Program> {
    let mut patch = Program::reference(net.clone())
        .patch()
        .rounding(Rounding::HalfUp);
    let bad = "a bad format";
    for (v, value) in net.values().iter() {
        let format = match value.op {
            Op::Input => Format::new(false, 8, 8),
            Op::Const(_) if value.shape.0.len() == 1 => Format::new(true, 8, 3),
            Op::Const(_) => Format::new(true, bits, i32::from(bits) - 1),
            Op::Relu { .. } => Format::new(false, 9, 3),
            Op::Dense { .. }
            | Op::Conv { .. }
            | Op::MaxPool { .. }
            | Op::AveragePool { .. }
            | Op::Add { .. }
            | Op::Sub { .. }
            | Op::Mul { .. }
            | Op::Div { .. }
            | Op::Sum { .. }
            | Op::Concat { .. }
            | Op::Pad { .. }
            | Op::Transpose { .. }
            | Op::Clip { .. }
            | Op::LeakyRelu { .. }
            | Op::Unary { .. }
            | Op::Curve { .. }
            | Op::Snap { .. }
            | Op::Reshape { .. }
            | Op::Flatten { .. }
            | Op::Identity { .. } => continue,
        };
        patch = patch.format(v, format.ok_or(bad)?);
    }
    Ok(patch.finish())
}

/// Another number of bits in one layer, and one mantissa moved by a step: no two candidates of a
/// series are the same.
pub(crate) fn with_weight(
    program: &Program,
    weight: ValueId,
    bits: u8,
    i: usize,
) -> Outcome<Program> {
    let format = Format::new(true, bits, i32::from(bits) - 1).ok_or("a bad format")?;
    let constant = program.network.constant(weight).ok_or("no constant")?;
    let mut mantissas = quantize_tensor(&[format], &constant.data).ok_or("no formats")?;
    let k = i % mantissas.len();
    mantissas[k] += if mantissas[k] < 0 { 1 } else { -1 };
    let patch = program.patch();
    Ok(patch.mantissas(weight, format, mantissas.into()).finish())
}

pub(crate) fn checked(program: Program) -> Outcome<Checked<Program>> {
    Ok(ceg4n_ir::check(program).map_err(|e| format!("{e:?}"))?)
}
