//! What a program means: an evaluator written from the semantics page over the network and its
//! annotations, in exact integers; it shares nothing with the lowered kernel.

use ceg4n_ir::{Annotation, Format, Op, Program, Rounding, TensorFormat, ValueId};
use std::collections::BTreeMap;

/// `round(m·2^-s)` by Euclidean division of exact integers.
fn rounded(rounding: Rounding, m: i128, s: i64) -> i128 {
    if s <= 0 {
        let up = (-s).min(90) as u32;
        // Beyond 2^36 every format clamps, whatever the shift.
        return m.clamp(-(1 << 36), 1 << 36) * 2i128.pow(up.min(90));
    }
    let unit = 2i128.pow(s.min(100) as u32);
    match rounding {
        Rounding::Floor => m.div_euclid(unit),
        Rounding::HalfUp => (2 * m + unit).div_euclid(2 * unit),
        Rounding::HalfEven => {
            let q = (2 * m + unit).div_euclid(2 * unit);
            let tie = (2 * m + unit).rem_euclid(2 * unit) == 0;
            if tie && q.rem_euclid(2) == 1 {
                q - 1
            } else {
                q
            }
        }
    }
}

fn channel_format(program: &Program, c: ValueId, i: usize, len: usize) -> Format {
    let rows = program.network.value(c).shape.0[0];
    let format = program.annotations.format(c).unwrap();
    format.channel(i / (len / rows)).unwrap()
}

/// Mantissa, times its multiplier, and fraction bits of element `i` of a constant with explicit
/// mantissas.
fn element(program: &Program, c: ValueId, i: usize) -> (i128, i64) {
    let Some(Annotation::Fixed { mantissas, .. }) = program.annotations.get(c) else {
        panic!("constants of the tests have formats");
    };
    let m = mantissas
        .as_ref()
        .expect("constants of the tests have mantissas");
    let f = channel_format(program, c, i, m.len());
    let whole = i128::from(m[i]) * i128::from(f.multiplier());
    (whole, i64::from(f.frac()))
}

/// Runs a program on input integers, straight from the semantics page.
pub(crate) fn evaluate(program: &Program, input: &[i64]) -> Vec<i64> {
    let net = &program.network;
    let rounding = program.annotations.rounding;
    // Per value: exact mantissas and their fraction bits.
    let mut known: BTreeMap<ValueId, Vec<(i128, i64)>> = BTreeMap::new();
    for (v, value) in net.values().iter() {
        let scaled = |c: ValueId, i: usize, to: i64| {
            let (m, f) = element(program, c, i);
            m * 2i128.pow(u32::try_from(to - f).unwrap())
        };
        let constant_index =
            |c: ValueId, i: usize| if net.value(c).shape.len() == 1 { 0 } else { i };
        let mut result: Vec<(i128, i64)> = match &value.op {
            Op::Const(_) => continue,
            Op::Input => {
                let f = program.annotations.format(v).unwrap().single().unwrap();
                let clamp = |m: &i64| {
                    (
                        i128::from((*m).clamp(f.min(), f.max())),
                        i64::from(f.frac()),
                    )
                };
                input.iter().map(clamp).collect()
            }
            Op::Dense { x, weight, bias } => {
                let x = &known[x];
                let row = |j: usize| {
                    let f = x[0].1 + element(program, *weight, j * x.len()).1;
                    let sum: i128 = (0..x.len())
                        .map(|k| x[k].0 * element(program, *weight, j * x.len() + k).0)
                        .sum();
                    (sum + bias.map_or(0, |b| scaled(b, j, f)), f)
                };
                (0..value.shape.len()).map(row).collect()
            }
            Op::Add { x, c } => {
                let add = |(i, (m, f)): (usize, &(i128, i64))| {
                    (m + scaled(*c, constant_index(*c, i), *f), *f)
                };
                known[x].iter().enumerate().map(add).collect()
            }
            Op::Sub { x, c } => {
                let sub = |(i, (m, f)): (usize, &(i128, i64))| {
                    (m - scaled(*c, constant_index(*c, i), *f), *f)
                };
                known[x].iter().enumerate().map(sub).collect()
            }
            Op::Div { x, c } => {
                let k = net.constant(*c).unwrap().data[0].log2() as i64;
                known[x].iter().map(|(m, f)| (*m, f + k)).collect()
            }
            Op::Relu { x } => known[x].iter().map(|(m, f)| (0.max(*m), *f)).collect(),
            Op::Reshape { x } | Op::Flatten { x } | Op::Identity { x } => known[x].clone(),
        };
        if let Some(TensorFormat::Tensor(y)) = program.annotations.format(v) {
            for (m, f) in &mut result {
                let exact = rounded(rounding, *m, *f - i64::from(y.frac()));
                *m = exact.clamp(i128::from(y.min()), i128::from(y.max()));
                *f = i64::from(y.frac());
            }
        }
        known.insert(v, result);
    }
    let out = &known[&net.output()];
    let top = out.iter().map(|(_, f)| *f).max().unwrap();
    out.iter()
        .map(|(m, f)| {
            i64::try_from(m * 2i128.pow(if *m == 0 { 0 } else { (top - f) as u32 })).unwrap()
        })
        .collect()
}
