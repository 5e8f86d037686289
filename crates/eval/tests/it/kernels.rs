//! Kernels: the direct evaluation against the interpreter.

use crate::common::{Dice, kernel, n};
use ceg4n_eval::{interpret_kernel, kernel_trace};
use ceg4n_ir::kernel::{FILL, KernelOp};
use ceg4n_ir::{Conv, Curve, Format, Kernel, Rounding, Unary, Window};
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

/// The operators over four elements, planes of 2 by 2 among them, each with its length.
fn operators() -> Vec<(KernelOp, usize)> {
    let mut all = layers();
    all.extend(sums_and_moves());
    all.extend(activations());
    all.extend(scales());
    all
}

fn window(kernel: [usize; 2], out: [usize; 2], pad: [usize; 2]) -> Window {
    Window {
        channels: 1,
        height: 2,
        width: 2,
        kernel,
        stride: [1, 1],
        dilation: [1, 1],
        pad,
        out,
    }
}

fn layers() -> Vec<(KernelOp, usize)> {
    let x = n(0);
    let pool = Arc::new(window([2, 2], [3, 3], [1, 1]));
    let conv = Arc::new(Conv {
        window: window([2, 1], [3, 2], [1, 0]),
        groups: 1,
        filters: 2,
    });
    let dense = KernelOp::Dense {
        x,
        weight: vec![1, -2, 3, 0, 7, 7, -7, 5].into(),
        bias: Some(vec![-4, 9].into()),
        rows: 2,
        cols: 4,
    };
    let biased = KernelOp::Conv {
        x,
        weight: vec![3, -5, 0, 2].into(),
        bias: Some(vec![1, -1].into()),
        conv: conv.clone(),
    };
    let plain = KernelOp::Conv {
        x,
        weight: vec![1, 1, -1, 1].into(),
        bias: None,
        conv,
    };
    let window = pool.clone();
    vec![
        (dense, 2),
        (biased, 12),
        (plain, 12),
        (KernelOp::MaxPool { x, window }, 9),
        (KernelOp::SumPool { x, window: pool }, 9),
    ]
}

fn sums_and_moves() -> Vec<(KernelOp, usize)> {
    let x = n(0);
    let product = |c: Vec<i32>| (KernelOp::MulConst { x, c: c.into() }, 4);
    let concat = |times, outer| {
        let xs = vec![x; times];
        (KernelOp::Concat { xs, outer }, 4 * times)
    };
    let c = vec![1, -1, 0, 99].into();
    let index = vec![3, FILL, 0, 0, 2].into();
    let fill = -2;
    vec![
        (KernelOp::AddConst { x, c }, 4),
        product(vec![-3]),
        product(vec![2, -5]),
        product(vec![2, -5, 0, 1]),
        (KernelOp::Sum { x, y: x }, 4),
        concat(1, 2),
        concat(2, 2),
        concat(3, 4),
        (KernelOp::Gather { x, index, fill }, 5),
        (KernelOp::Move { x }, 4),
    ]
}

fn activations() -> Vec<(KernelOp, usize)> {
    let x = n(0);
    let clip = KernelOp::Clip {
        x,
        lo: vec![i64::MIN, -1, 0, 2].into(),
        hi: vec![1, 1, i64::MAX, 2].into(),
    };
    let table = KernelOp::Table {
        x,
        least: -4,
        table: (0..8).map(|i| i * i - 20).collect(),
        format: f("s6q0"),
        curve: Curve::Tanh,
    };
    let leaky = KernelOp::LeakyRelu { x, shift: 3 };
    let unary = Unary::ALL
        .iter()
        .map(|f| KernelOp::Unary { x, function: *f });
    let all = [KernelOp::Relu { x }, clip, leaky, table];
    all.into_iter().chain(unary).map(|op| (op, 4)).collect()
}

fn scales() -> Vec<(KernelOp, usize)> {
    let x = n(0);
    let to = |format: &str, m: Option<[u16; 4]>, s: [i32; 4]| KernelOp::Requantize {
        x,
        multiplier: m.map(Arc::from),
        shift: s.into(),
        format: f(format),
    };
    let shift = vec![0, 1, 5, 30].into();
    vec![
        (to("s2q0", None, [0, 1, 2, -1]), 4),
        (to("u3q0", Some([3, 1, 5, 7]), [1, 2, 3, 0]), 4),
        (KernelOp::Align { x, shift }, 4),
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
