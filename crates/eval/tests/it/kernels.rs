//! Kernels: the direct evaluation against the interpreter.

use crate::common::{Dice, kernel, n};
use ceg4n_eval::{interpret_kernel, kernel_trace};
use ceg4n_ir::kernel::{FILL, KernelOp};
use ceg4n_ir::{Conv, Curve, Format, Kernel, Rounding, Window};
use ceg4n_opspec::IntDomain;
use std::sync::Arc;

fn f(text: &str) -> Format {
    text.parse().expect("a format")
}

fn agree(kernel: &Kernel, input: &[i64]) {
    let direct = kernel_trace(kernel, input).expect("the kernel runs");
    let wide = input.iter().map(|v| i128::from(*v)).collect();
    let meant = interpret_kernel(kernel, &mut IntDomain, wide).expect("it has a meaning");
    for (id, node) in kernel.nodes.iter() {
        assert_eq!(
            direct.node(id),
            meant.node(id),
            "{:?} on {input:?}",
            node.op
        );
        assert_eq!(direct.node(id).len(), node.len, "{:?}", node.op);
    }
}

/// Every input of a format.
fn every(format: Format, len: usize, mut visit: impl FnMut(&[i64])) {
    let mut x = vec![format.min(); len];
    loop {
        visit(&x);
        let Some(i) = x.iter().position(|v| *v < format.max()) else {
            return;
        };
        x[..i].fill(format.min());
        x[i] += 1;
    }
}

/// The operators over four elements, planes of 2 by 2 among them.
fn operators() -> Vec<(KernelOp, usize)> {
    let x = n(0);
    let window = |kernel, out, pad| Window {
        channels: 1,
        height: 2,
        width: 2,
        kernel,
        stride: [1, 1],
        dilation: [1, 1],
        pad,
        out,
    };
    let pool = Arc::new(window([2, 2], [3, 3], [1, 1]));
    let conv = Arc::new(Conv {
        window: window([2, 1], [3, 2], [1, 0]),
        groups: 1,
        filters: 2,
    });
    let table: Vec<i32> = (0..8).map(|i| i * i - 20).collect();
    let to = |format: &str, m: Option<[u16; 4]>, s: [i32; 4]| KernelOp::Requantize {
        x,
        multiplier: m.map(Arc::from),
        shift: s.into(),
        format: f(format),
    };
    vec![
        (
            KernelOp::Dense {
                x,
                weight: vec![1, -2, 3, 0, 7, 7, -7, 5].into(),
                bias: Some(vec![-4, 9].into()),
                rows: 2,
                cols: 4,
            },
            2,
        ),
        (
            KernelOp::Conv {
                x,
                weight: vec![3, -5, 0, 2].into(),
                bias: Some(vec![1, -1].into()),
                conv: conv.clone(),
            },
            12,
        ),
        (
            KernelOp::Conv {
                x,
                weight: vec![1, 1, -1, 1].into(),
                bias: None,
                conv,
            },
            12,
        ),
        (
            KernelOp::MaxPool {
                x,
                window: pool.clone(),
            },
            9,
        ),
        (KernelOp::SumPool { x, window: pool }, 9),
        (
            KernelOp::AddConst {
                x,
                c: vec![1, -1, 0, 99].into(),
            },
            4,
        ),
        (
            KernelOp::MulConst {
                x,
                c: vec![-3].into(),
            },
            4,
        ),
        (
            KernelOp::MulConst {
                x,
                c: vec![2, -5].into(),
            },
            4,
        ),
        (
            KernelOp::MulConst {
                x,
                c: vec![2, -5, 0, 1].into(),
            },
            4,
        ),
        (KernelOp::Sum { x, y: x }, 4),
        (
            KernelOp::Concat {
                xs: vec![x],
                outer: 2,
            },
            4,
        ),
        (
            KernelOp::Concat {
                xs: vec![x, x],
                outer: 2,
            },
            8,
        ),
        (
            KernelOp::Concat {
                xs: vec![x, x, x],
                outer: 4,
            },
            12,
        ),
        (
            KernelOp::Gather {
                x,
                index: vec![3, FILL, 0, 0, 2].into(),
                fill: -2,
            },
            5,
        ),
        (KernelOp::Relu { x }, 4),
        (
            KernelOp::Clip {
                x,
                lo: vec![i64::MIN, -1, 0, 2].into(),
                hi: vec![1, 1, i64::MAX, 2].into(),
            },
            4,
        ),
        (KernelOp::LeakyRelu { x, shift: 3 }, 4),
        (KernelOp::Abs { x }, 4),
        (KernelOp::Sign { x }, 4),
        (
            KernelOp::Table {
                x,
                least: -4,
                table: table.into(),
                format: f("s6q0"),
                curve: Curve::Tanh,
            },
            4,
        ),
        (to("s2q0", None, [0, 1, 2, -1]), 4),
        (to("u3q0", Some([3, 1, 5, 7]), [1, 2, 3, 0]), 4),
        (
            KernelOp::Align {
                x,
                shift: vec![0, 1, 5, 30].into(),
            },
            4,
        ),
        (KernelOp::Move { x }, 4),
    ]
}

/// Over every input of a small format, under every rounding.
#[test]
fn every_operator_on_every_small_input() {
    for rule in Rounding::ALL {
        for (op, len) in operators() {
            let k = kernel(f("s3q0"), 4, rule, vec![(op, len)]);
            every(f("s3q0"), 4, |x| agree(&k, x));
        }
    }
}

#[test]
fn random_windows() {
    let mut d = Dice(11);
    for _ in 0..400 {
        let conv = d.conv(80);
        let x = n(0);
        let weights = conv.filters * conv.filter_len();
        let most = [3, 120, i64::from(i32::MAX)][d.size(0, 2)];
        let weight: Vec<i32> = (0..weights).map(|_| d.roll(-most, most) as i32).collect();
        let bias: Vec<i64> = (0..conv.filters).map(|_| d.roll(-900, 900)).collect();
        let (len, pooled) = (
            conv.window.input_len(),
            conv.window.channels * conv.window.windows(),
        );
        let window = Arc::new(conv.window.clone());
        let (output, conv) = (conv.output_len(), Arc::new(conv));
        let ops = vec![
            (
                KernelOp::Conv {
                    x,
                    weight: weight.into(),
                    bias: (d.roll(0, 1) == 1).then(|| bias.into()),
                    conv,
                },
                output,
            ),
            (
                KernelOp::MaxPool {
                    x,
                    window: window.clone(),
                },
                pooled,
            ),
            (KernelOp::SumPool { x, window }, pooled),
        ];
        let format = f(["s8q0", "u32q0", "s32q0"][d.size(0, 2)]);
        let k = kernel(format, len, Rounding::HalfUp, ops);
        for _ in 0..3 {
            let x: Vec<i64> = (0..len)
                .map(|_| d.roll(format.min(), format.max()))
                .collect();
            agree(&k, &x);
        }
    }
}

/// Sums beyond 64 bits, which no checked program has, are still right.
#[test]
fn wide_sums() {
    let dense = |n: usize, w: i32| KernelOp::Dense {
        x: crate::common::n(0),
        weight: vec![w; n].into(),
        bias: Some(vec![i64::MAX].into()),
        rows: 1,
        cols: n,
    };
    for w in [i32::MIN, i32::MAX] {
        let k = kernel(f("s32q0"), 9, Rounding::HalfUp, vec![(dense(9, w), 1)]);
        agree(&k, &[i64::from(i32::MIN); 9]);
        agree(&k, &[i64::from(i32::MAX); 9]);
    }
}

/// Shifts of either direction up to what fits, for wide accumulators.
#[test]
fn requantization_of_wide_accumulators() {
    let mut d = Dice(5);
    for rule in Rounding::ALL {
        for s in -31..=62 {
            let x = n(1);
            let ops = vec![
                (
                    KernelOp::MulConst {
                        x: n(0),
                        c: vec![d.roll(-(1 << 31), (1 << 31) - 1) as i32].into(),
                    },
                    6,
                ),
                (
                    KernelOp::Requantize {
                        x,
                        multiplier: Some(vec![d.roll(1, 32767) as u16; 6].into()),
                        shift: vec![s; 6].into(),
                        format: f(["s8q0", "u16q0", "s32q0"][d.size(0, 2)]),
                    },
                    6,
                ),
            ];
            let k = kernel(f("s32q0"), 6, rule, ops);
            for _ in 0..20 {
                let bits = d.roll(1, 31);
                let x: Vec<i64> = (0..6)
                    .map(|_| d.roll(-(1 << bits), (1 << bits) - 1))
                    .collect();
                agree(&k, &x);
            }
        }
    }
}
