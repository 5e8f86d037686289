//! Each operator of real networks exhaustively at small widths: every operand, several formats,
//! every rounding. And code that does not grow with the sizes of tensors.

use crate::common::{Builder, Rng, compare_with, fmt, times};
use crate::direct;
use ceg4n_ir::network::{Curve, Slide};
use ceg4n_ir::{
    Checked, Format, Op, Program, Rounding, Shape, TensorFormat, Unary, ValueId, check,
};
use ceg4n_jit::{CodeCache, Evaluator};

/// Every pair of mantissas of a format.
fn pairs(f: Format) -> Vec<i64> {
    let all = f.min()..=f.max();
    let with = |a: i64| all.clone().flat_map(move |b| [a, b]);
    all.clone().flat_map(with).collect()
}

/// Compares a program of two inputs on all pairs of its input's format.
fn compare_pairs(program: Program, what: &str) {
    let program = check(program).expect("a valid program");
    let kernel = program.kernel().expect("a kernel").clone();
    let inputs = pairs(kernel.input_format);
    let reference = |x: &[i64]| {
        let y = direct::outputs(&kernel, x);
        assert_eq!(
            ceg4n_eval::kernel_outputs(&kernel, x).expect("exact"),
            y,
            "{what}"
        );
        y
    };
    compare_with(&program, &inputs, inputs.len() / 2, what, &reference);
}

/// Programs of an input of such a shape, for several input formats, roundings and output formats;
/// without one the output is what the operator gives.
fn each_program(
    shape: &[usize],
    formats: &[Format],
    shifts: &[i64],
    build: &dyn Fn(&mut Builder, ValueId, Format) -> (ValueId, i64),
) {
    for input in formats {
        for rounding in Rounding::ALL {
            for shift in shifts {
                for output in [Some((true, 4)), Some((false, 3)), Some((true, 20)), None] {
                    let mut b = Builder::new();
                    let x = b.push(Op::Input, Some(Shape(shape.to_vec())));
                    b.format(x, *input);
                    let (y, frac) = build(&mut b, x, *input);
                    if let Some((signed, width)) = output {
                        b.format(y, fmt(signed, width, frac - shift));
                    }
                    let what = format!("{input}, {rounding:?}, {shift}, {output:?}");
                    compare_pairs(b.finish(y, rounding), &what);
                }
            }
        }
    }
}

fn small() -> [Format; 4] {
    [
        fmt(true, 4, 1),
        fmt(false, 4, 2),
        fmt(true, 3, -1),
        fmt(true, 1, 0),
    ]
}

#[test]
fn every_element_of_unary_operators() {
    let shifts = [-2, 0, 1, 3, 6];
    type Make = fn(ValueId) -> Op;
    let unary: [(&str, Make); 6] = [
        ("relu", |x| Op::Relu { x }),
        ("leaky 1", |x| Op::LeakyRelu { x, shift: 1 }),
        ("leaky 5", |x| Op::LeakyRelu { x, shift: 5 }),
        ("clip", |x| Op::Clip {
            x,
            lo: Some(-1.25),
            hi: Some(1.5),
        }),
        ("clip above", |x| Op::Clip {
            x,
            lo: None,
            hi: Some(-0.5),
        }),
        ("clip below", |x| Op::Clip {
            x,
            lo: Some(0.75),
            hi: None,
        }),
    ];
    for (name, op) in unary {
        let added = match name {
            "leaky 1" => 1,
            "leaky 5" => 5,
            _ => 0,
        };
        // After the operand itself, and after a sum with a scale of its own.
        each_program(&[2], &small(), &shifts, &|b, x, f| {
            let y = b.push(op(x), None);
            (y, i64::from(f.frac()) + added)
        });
        each_program(&[2], &small()[..2], &shifts, &|b, x, f| {
            let frac = i64::from(f.frac());
            let c = b.constant(vec![2], fmt(true, 6, frac).into(), vec![-3, 2]);
            let sum = b.push(Op::Add { x, c }, None);
            let y = b.push(op(sum), None);
            (y, frac + added)
        });
    }
    for function in Unary::ALL {
        each_program(&[2], &small(), &shifts, &|b, x, f| {
            let y = b.push(
                Op::Unary {
                    x,
                    function: *function,
                },
                None,
            );
            // Some results are stored integers of their own format.
            let frac = function.format().unwrap_or(f).frac();
            (y, frac.into())
        });
    }
}

/// Clips that follow each other, before and after a shift, even where they leave one value.
#[test]
fn every_element_of_several_clips() {
    let clips = [
        (None, Some(-0.5)),
        (Some(0.5), None),
        (Some(-1.0), Some(1.25)),
    ];
    for first in clips {
        for second in clips {
            each_program(&[2], &small(), &[0, 1, 3], &|b, x, f| {
                let frac = i64::from(f.frac());
                let c = b.constant(vec![2], fmt(true, 6, frac).into(), vec![-3, 2]);
                let x = b.push(Op::Add { x, c }, None);
                let (lo, hi) = first;
                let x = b.push(Op::Clip { x, lo, hi }, None);
                let x = b.push(Op::Relu { x }, None);
                let (lo, hi) = second;
                (b.push(Op::Clip { x, lo, hi }, None), frac)
            });
            each_program(&[2], &small()[..2], &[0], &|b, x, f| {
                let (lo, hi) = first;
                let x = b.push(Op::Clip { x, lo, hi }, None);
                let format = fmt(true, 5, i64::from(f.frac()) + 1);
                b.format(x, format);
                let (lo, hi) = second;
                let x = b.push(Op::Clip { x, lo, hi }, None);
                (b.push(Op::Relu { x }, None), i64::from(format.frac()))
            });
        }
    }
}

/// A value that one user clips and another takes as it is.
#[test]
fn every_pair_of_a_value_with_two_users() {
    each_program(&[2], &small(), &[0, 1, 3], &|b, x, f| {
        let weight = b.constant(vec![2, 2], fmt(true, 3, 0).into(), vec![1, -1, -2, 1]);
        let dense = Op::Dense {
            x,
            weight,
            bias: None,
        };
        let x = b.push(dense, None);
        let frac = i64::from(f.frac());
        b.format(x, fmt(true, 6, frac));
        let y = b.push(Op::Relu { x }, None);
        let moved = b.push(Op::Identity { x }, None);
        (b.push(Op::Sum { x: moved, y }, None), frac)
    });
}

/// Groups whose last tile would reach into the next sample.
#[test]
fn every_pair_of_grouped_filters() {
    each_program(&[2, 1], &small(), &[0, 2], &|b, x, f| {
        let xs = vec![x; 4];
        let x = b.push(Op::Concat { xs, axis: 0 }, None);
        let m = (0..16).map(|i| i % 7 - 3).collect();
        let weight = b.constant(vec![8, 2, 1], fmt(true, 3, 1).into(), m);
        let conv = Op::Conv {
            x,
            weight,
            bias: None,
            slide: Slide::dense(1),
            groups: 4,
        };
        (b.push(conv, None), i64::from(f.frac()) + 1)
    });
}

#[test]
fn every_pair_of_sums_pools_and_products() {
    let shifts = [-1, 0, 1, 4];
    each_program(&[2], &small(), &shifts, &|b, x, f| {
        let one = |b: &mut Builder, m: Vec<i32>| {
            let weight = b.constant(vec![1, 2], fmt(true, 3, 0).into(), m);
            let y = b.push(
                Op::Dense {
                    x,
                    weight,
                    bias: None,
                },
                None,
            );
            b.format(y, fmt(true, 6, i64::from(f.frac())));
            y
        };
        let (x, y) = (one(b, vec![1, 0]), one(b, vec![0, -2]));
        (b.push(Op::Sum { x, y }, None), i64::from(f.frac()))
    });
    let window = || Slide {
        before: vec![1],
        after: vec![1],
        ..Slide::dense(1)
    };
    for count_pad in [true, false] {
        each_program(&[1, 2], &small(), &shifts, &|b, x, f| {
            let op = Op::AveragePool {
                x,
                kernel: vec![3],
                slide: window(),
                count_pad,
            };
            let y = b.push(op, None);
            // A mean has no scale that outputs may share.
            b.format(y, fmt(true, 12, i64::from(f.frac()) + 3));
            (b.push(Op::Identity { x: y }, None), i64::from(f.frac()))
        });
    }
    each_program(&[1, 2], &small(), &shifts, &|b, x, f| {
        let op = Op::MaxPool {
            x,
            kernel: vec![2],
            slide: window(),
        };
        (b.push(op, None), i64::from(f.frac()))
    });
    each_program(&[2], &small(), &shifts, &|b, x, f| {
        let c = b.constant(vec![2], fmt(true, 4, 2).into(), vec![-5, 7]);
        (b.push(Op::Mul { x, c }, None), i64::from(f.frac()) + 2)
    });
}

/// All pairs of weights of three bits at once, one filter each, with biases and multipliers.
#[test]
fn every_filter_of_two_taps() {
    const FACTORS: [u16; 4] = [1, 3, 23170, (1 << 15) - 1];
    let taps = pairs(fmt(true, 3, 0));
    let filters = taps.len() / 2;
    let format = |f: Format, j: usize| times(f, FACTORS[j % 4]);
    let formats = |f: Format| TensorFormat::Channels((0..filters).map(|j| format(f, j)).collect());
    let input = [fmt(true, 4, 1), fmt(false, 3, 0)];
    for depthwise in [false, true] {
        for x_format in input {
            for rounding in Rounding::ALL {
                for shift in [0, 2, 9, 17, 33] {
                    let mut b = Builder::new();
                    let x = b.push(Op::Input, Some(Shape(vec![1, 2])));
                    b.format(x, x_format);
                    let (mut x, mut groups) = (x, 1);
                    if depthwise {
                        // The same plane for every filter.
                        let xs = vec![x; filters];
                        x = b.push(Op::Concat { xs, axis: 0 }, None);
                        groups = filters;
                    }
                    let w = taps.iter().map(|m| *m as i32).collect();
                    let dims = vec![filters, 1, 2];
                    let weight = b.constant(dims, formats(fmt(true, 3, 2)), w);
                    let c = (0..filters).map(|j| (j % 15) as i32 - 7).collect();
                    let scale = i64::from(x_format.frac()) + 2;
                    let bias = Some(b.constant(vec![filters], formats(fmt(true, 5, scale)), c));
                    let slide = Slide {
                        before: vec![1],
                        after: vec![0],
                        ..Slide::dense(1)
                    };
                    let conv = Op::Conv {
                        x,
                        weight,
                        bias,
                        slide,
                        groups,
                    };
                    let y = b.push(conv, None);
                    let y = b.push(Op::Relu { x: y }, None);
                    b.format(y, fmt(shift % 2 == 0, 5, scale - shift));
                    let what = format!("{x_format}, {rounding:?}, {shift}, {depthwise}");
                    compare_pairs(b.finish(y, rounding), &what);
                }
            }
        }
    }
}

#[test]
fn every_entry_of_tables() {
    for curve in [Curve::Sigmoid, Curve::Tanh] {
        for input in [
            fmt(true, 4, 1),
            fmt(false, 5, 2),
            fmt(true, 6, 3),
            fmt(true, 1, 0),
        ] {
            for output in [fmt(false, 4, 4), fmt(true, 9, 8), fmt(true, 24, 23)] {
                let mut b = Builder::new();
                let x = b.input(2, input);
                let y = b.push(Op::Curve { x, curve }, None);
                b.format(y, output);
                compare_pairs(
                    b.finish(y, Rounding::HalfUp),
                    &format!("{input} to {output}"),
                );
            }
        }
    }
}

/// A convolution with padding, a pool and a dense layer over planes of such an extent.
fn over_planes(extent: usize, dilation: usize) -> Checked<Program> {
    let rng = &mut Rng(3);
    let f = fmt(true, 8, 6);
    let mut weights = |b: &mut Builder, shape: Vec<usize>| {
        let m = (0..shape.iter().product()).map(|_| rng.mantissa(f) as i32);
        let m = m.collect();
        b.constant(shape, f.into(), m)
    };
    let mut b = Builder::new();
    let x = b.push(Op::Input, Some(Shape(vec![3, extent, extent])));
    b.format(x, fmt(false, 8, 8));
    let weight = weights(&mut b, vec![12, 3, 3, 3]);
    let conv = Op::Conv {
        x,
        weight,
        bias: None,
        slide: Slide {
            dilations: vec![2, dilation],
            before: vec![1; 2],
            after: vec![2, 1],
            ..Slide::dense(2)
        },
        groups: 1,
    };
    let y = b.push(conv, None);
    let x = b.push(Op::Relu { x: y }, None);
    b.format(x, fmt(false, 8, 4));
    let (kernel, slide) = (vec![2; 2], Slide::dense(2));
    let x = b.push(Op::MaxPool { x, kernel, slide }, None);
    let x = b.push(Op::Flatten { x }, None);
    let cols = b.len(x);
    let weight = weights(&mut b, vec![4, cols]);
    let dense = Op::Dense {
        x,
        weight,
        bias: None,
    };
    let y = b.push(dense, None);
    check(b.finish(y, Rounding::HalfUp)).expect("a valid program")
}

/// Functions for the smallest planes serve the largest; there are more windows, and more samples,
/// than one turn takes.
#[test]
fn code_does_not_grow_with_positions() {
    let cache = CodeCache::new();
    let mut functions = vec![];
    for (extent, dilation) in [(5, 1), (20, 1), (60, 1), (20, 2), (60, 2)] {
        let program = over_planes(extent, dilation);
        let kernel = program.kernel().expect("a kernel");
        let evaluator = Evaluator::new(&program, &cache).unwrap();
        functions.push(cache.len());
        let n = 11;
        let rng = &mut Rng(5);
        let inputs: Vec<i64> = (0..n * kernel.input_len())
            .map(|_| rng.mantissa(kernel.input_format))
            .collect();
        let mut outputs = vec![];
        evaluator.eval_batch(&inputs, n, &mut outputs).unwrap();
        let samples = inputs.chunks_exact(kernel.input_len());
        let expected: Vec<i64> = samples.flat_map(|x| direct::outputs(kernel, x)).collect();
        assert_eq!(outputs, expected, "{extent}");
    }
    assert_eq!(functions, [functions[0]; 5]);
}
