//! Times of evaluations of networks of the size of real ones, with made-up weights.

#![expect(clippy::print_stdout, reason = "a benchmark prints its result")]

#[path = "../tests/it/common.rs"]
#[expect(dead_code, reason = "tests use more of it")]
mod common;

use ceg4n_base::Exact;
use ceg4n_eval::{kernel_outputs, real_enclosures, real_outputs};
use ceg4n_ir::kernel::KernelOp;
use ceg4n_ir::{Conv, RealOp, Reals, Rounding, Window};
use common::{Dice, kernel, n, program};
use std::sync::Arc;
use std::time::Instant;

fn timed<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = run();
    println!("{what}: {:.2} s", start.elapsed().as_secs_f64());
    result
}

/// Alternating depthwise and pointwise convolutions, and two dense layers.
fn layers() -> Vec<Layer> {
    let conv = |channels, size, kernel, stride, filters, groups| {
        let out = size / stride;
        let pad = (kernel - 1) / 2;
        Layer::Conv(Conv {
            window: Window {
                channels,
                height: size,
                width: size,
                kernel: [kernel; 2],
                stride: [stride; 2],
                dilation: [1; 2],
                pad: [pad; 2],
                out: [out; 2],
            },
            groups,
            filters,
        })
    };
    let mut all = vec![conv(3, 96, 3, 2, 32, 1)];
    let (mut channels, mut size) = (32, 48);
    for (filters, stride) in [
        (64, 1),
        (128, 2),
        (128, 1),
        (256, 2),
        (256, 1),
        (512, 2),
        (512, 1),
        (512, 1),
        (512, 1),
    ] {
        all.push(conv(channels, size, 3, stride, channels, channels));
        size /= stride;
        all.push(conv(channels, size, 1, 1, filters, 1));
        channels = filters;
    }
    all.push(Layer::Dense(64, channels * size * size));
    all.push(Layer::Dense(10, 64));
    all
}

enum Layer {
    Conv(Conv),
    Dense(usize, usize),
}

fn run(name: &str, len: usize, layers: &[Layer]) {
    let mut d = Dice(1);
    let (mut fixed, mut real) = (Vec::new(), Vec::new());
    let mut macs = 0;
    for layer in layers {
        let (x, y) = (n(fixed.len()), n(real.len()));
        let (weights, out, terms) = match layer {
            Layer::Conv(c) => (c.filters * c.filter_len(), c.output_len(), c.filter_len()),
            Layer::Dense(rows, cols) => (rows * cols, *rows, *cols),
        };
        let weight: Vec<i32> = (0..weights).map(|_| d.roll(-127, 127) as i32).collect();
        let scale = 1.0 / (terms as f64).sqrt();
        let float = |d: &mut Dice| {
            f64::from((d.roll(-(1 << 24), 1 << 24) as f64 / f64::from(1 << 23) * scale) as f32)
        };
        let floats = Reals::exact((0..weights).map(|_| float(&mut d)).collect::<Vec<_>>());
        match layer {
            Layer::Conv(conv) => {
                macs += conv.macs();
                let conv = Arc::new(conv.clone());
                fixed.push((
                    KernelOp::Conv {
                        x,
                        weight: weight.into(),
                        bias: None,
                        conv: conv.clone(),
                    },
                    out,
                ));
                real.push((
                    RealOp::Conv {
                        x: y,
                        weight: floats,
                        bias: None,
                        conv,
                    },
                    out,
                ));
            }
            Layer::Dense(rows, cols) => {
                macs += weights;
                let (rows, cols) = (*rows, *cols);
                fixed.push((
                    KernelOp::Dense {
                        x,
                        weight: weight.into(),
                        bias: None,
                        rows,
                        cols,
                    },
                    out,
                ));
                real.push((
                    RealOp::Dense {
                        x: y,
                        weight: floats,
                        bias: None,
                        rows,
                        cols,
                    },
                    out,
                ));
            }
        }
        fixed.push((
            KernelOp::Requantize {
                x: n(fixed.len()),
                multiplier: None,
                shift: vec![10; out].into(),
                format: "s8q0".parse().expect("a format"),
            },
            out,
        ));
        fixed.push((KernelOp::Relu { x: n(fixed.len()) }, out));
        real.push((RealOp::Relu { x: n(real.len()) }, out));
    }
    println!("{name}: {:.1} M multiplications", macs as f64 / 1e6);
    let k = kernel(
        "s8q0".parse().expect("a format"),
        len,
        Rounding::HalfUp,
        fixed,
    );
    let p = program(len, real);
    let input: Vec<i64> = (0..len).map(|_| d.roll(-128, 127)).collect();
    let x: Vec<Exact> = (0..len)
        .map(|_| Exact::from_f64(f64::from(d.roll(0, 1 << 24) as f32 / 1e7)).expect("finite"))
        .collect();
    timed("  kernel", || kernel_outputs(&k, &input).expect("runs"));
    let within = timed("  enclosures", || real_enclosures(&p, &x).expect("bounds"));
    let wide = within
        .iter()
        .map(|(lo, hi)| (hi - lo).to_f64())
        .fold(0.0, f64::max);
    println!("  widest: {wide:.1e}, first {:.3}", within[0].0.to_f64());
    timed("  rationals", || real_outputs(&p, &x).expect("values"));
}

fn main() {
    let dense = [(512, 784), (1024, 512), (1024, 1024), (10, 1024)];
    run("dense", 784, &dense.map(|(r, c)| Layer::Dense(r, c)));
    run("convolutions", 3 * 96 * 96, &layers());
}
