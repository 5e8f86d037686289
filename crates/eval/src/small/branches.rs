//! What stands side by side in a small program: each operator, on the input and on sums.

use super::Branches;
use ceg4n_ir::{Curve, Op, Slide, Unary, ValueId};

/// Makes a value from the input.
pub(super) type Branch = fn(&mut Branches) -> ValueId;

/// A function of each element of the input.
pub(super) fn function(b: &mut Branches, function: Unary) -> ValueId {
    let x = b.x;
    b.op(Op::Unary { x, function })
}

/// A function of each element of sums.
pub(super) fn function_of_sum(b: &mut Branches, function: Unary) -> ValueId {
    let x = dense(b);
    b.op(Op::Unary { x, function })
}

/// Branches whose values are sums or may be: they end in accumulators unless they are requantized.
pub(super) const SUMS: &[(&str, Branch)] = &[
    ("dense", |b| dense(b)),
    ("dense of several scales", |b| scaled(b, &[1, 1, 1])),
    ("conv", |b| {
        let x = line(b);
        let weight = b.constant(&[2, 1, 2], &[(1, 1)], &[1, -3, 7, 2]);
        let bias = bias(b, &[-5, 3]);
        let slide = padded();
        b.op(Op::Conv {
            x,
            weight,
            bias: Some(bias),
            slide,
            groups: 1,
        })
    }),
    ("conv in groups", |b| {
        let x = b.x;
        let x = b.push(Op::Reshape { x }, Some(&[2, 1]));
        let weight = b.constant(&[4, 1, 1], &[(1, 1)], &[5, -8, 1, -2]);
        b.op(Op::Conv {
            x,
            weight,
            bias: None,
            slide: Slide::dense(1),
            groups: 2,
        })
    }),
    ("add", |b| added(b)),
    ("sub", |b| {
        let (x, frac) = (b.x, b.format.frac());
        let c = b.constant(&[2], &[(frac, 1)], &[7, -6]);
        b.op(Op::Sub { x, c })
    }),
    ("mul", |b| {
        let x = b.x;
        let c = b.constant(&[2], &[(2, 1)], &[-5, 7]);
        b.op(Op::Mul { x, c })
    }),
    ("mul by one", |b| {
        let x = b.x;
        let c = b.constant(&[1], &[(0, 1)], &[3]);
        b.op(Op::Mul { x, c })
    }),
    ("sum", |b| {
        let x = b.x;
        let y = b.op(Op::Relu { x });
        b.op(Op::Sum { x, y })
    }),
    ("sum of sums", |b| {
        let x = added(b);
        let function = Unary::Abs;
        let y = b.op(Op::Unary { x, function });
        b.op(Op::Sum { x, y })
    }),
    ("relu of a sum", |b| {
        let x = dense(b);
        b.op(Op::Relu { x })
    }),
    ("clip of a sum", |b| {
        let x = added(b);
        let unit = unit(b);
        b.op(Op::Clip {
            x,
            lo: Some(-2.0 * unit),
            hi: Some(3.0 * unit),
        })
    }),
    ("leaky_relu of a sum", |b| {
        let x = added(b);
        b.op(Op::LeakyRelu { x, shift: 2 })
    }),
    ("leaky_relu", |b| {
        let x = b.x;
        b.op(Op::LeakyRelu { x, shift: 1 })
    }),
    ("max_pool of a sum", |b| {
        let x = added(b);
        let x = b.push(Op::Reshape { x }, Some(&[1, 2]));
        pooled(b, x)
    }),
    ("identity of a sum", |b| {
        let x = dense(b);
        b.op(Op::Identity { x })
    }),
];

/// Branches that are stored integers, or that only a requantization gives one scale.
pub(super) const STORED: &[(&str, Branch)] = &[
    ("dense with multipliers", |b| scaled(b, &[3, 1, 23170])),
    ("relu", |b| {
        let x = b.x;
        b.op(Op::Relu { x })
    }),
    ("clip", |b| {
        let (x, unit) = (b.x, unit(b));
        b.op(Op::Clip {
            x,
            lo: Some(-3.0 * unit),
            hi: Some(2.0 * unit),
        })
    }),
    ("clip from below", |b| {
        let (x, unit) = (b.x, unit(b));
        b.op(Op::Clip {
            x,
            lo: Some(unit),
            hi: None,
        })
    }),
    ("sigmoid", |b| curve(b, Curve::Sigmoid)),
    ("tanh", |b| curve(b, Curve::Tanh)),
    ("max_pool", |b| {
        let x = line(b);
        pooled(b, x)
    }),
    ("average_pool", |b| averaged(b, false)),
    ("average_pool with padding", |b| averaged(b, true)),
    ("concat", |b| {
        let x = b.x;
        let y = b.op(Op::Relu { x });
        b.op(Op::Concat {
            xs: vec![y, x, y],
            axis: 0,
        })
    }),
    ("pad", |b| {
        let x = b.x;
        b.op(Op::Pad {
            x,
            before: vec![1],
            after: vec![0],
            value: 0.0,
        })
    }),
    ("transpose", |b| {
        let x = line(b);
        b.op(Op::Transpose {
            x,
            perm: vec![1, 0],
        })
    }),
    ("div", |b| {
        let x = b.x;
        let c = super::constant(vec![4.0]);
        let c = b.push(Op::Const(c), Some(&[1]));
        let frac = ceg4n_ir::Format::new(true, 4, 0).expect("a format");
        b.format(c, frac.into());
        b.op(Op::Div { x, c })
    }),
    ("identity", |b| {
        let x = b.x;
        b.op(Op::Identity { x })
    }),
];

/// The input's least step as a real number; a small power of two.
fn unit(b: &Branches) -> f32 {
    2f32.powi(-b.format.frac())
}

/// The input as two positions of a channel.
fn line(b: &mut Branches) -> ValueId {
    let x = b.x;
    b.push(Op::Reshape { x }, Some(&[1, 2]))
}

fn padded() -> Slide {
    Slide {
        before: vec![1],
        after: vec![1],
        ..Slide::dense(1)
    }
}

/// A bias at the scale of products with weights of one fraction bit.
fn bias(b: &mut Branches, m: &[i32]) -> ValueId {
    let frac = b.format.frac() + 1;
    b.constant(&[m.len()], &[(frac, 1)], m)
}

fn dense(b: &mut Branches) -> ValueId {
    let x = b.x;
    let weight = b.constant(&[4, 2], &[(1, 1)], &[1, -2, 7, 3, 0, -8, -1, -1]);
    let bias = bias(b, &[-4, 7, 1, -8]);
    b.op(Op::Dense {
        x,
        weight,
        bias: Some(bias),
    })
}

/// Rows of scales of their own.
fn scaled(b: &mut Branches, multipliers: &[u16; 3]) -> ValueId {
    let x = b.x;
    // The largest multiplier goes with the finest scale.
    let frac = [0, 3, if multipliers[2] == 1 { 1 } else { 15 }];
    let scales = [0, 1, 2].map(|k| (frac[k], multipliers[k]));
    let weight = b.constant(&[3, 2], &scales, &[1, -2, 7, 3, -8, 5]);
    b.op(Op::Dense {
        x,
        weight,
        bias: None,
    })
}

fn added(b: &mut Branches) -> ValueId {
    let (x, frac) = (b.x, b.format.frac());
    let c = b.constant(&[2], &[(frac, 1)], &[-3, 2]);
    b.op(Op::Add { x, c })
}

fn pooled(b: &mut Branches, x: ValueId) -> ValueId {
    b.op(Op::MaxPool {
        x,
        kernel: vec![2],
        slide: padded(),
    })
}

fn averaged(b: &mut Branches, count_pad: bool) -> ValueId {
    let x = line(b);
    b.op(Op::AveragePool {
        x,
        kernel: vec![3],
        slide: padded(),
        count_pad,
    })
}

fn curve(b: &mut Branches, curve: Curve) -> ValueId {
    let x = b.x;
    b.op(Op::Curve { x, curve })
}
