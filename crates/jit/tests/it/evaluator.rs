//! The evaluator's interface: batches, classes, boxes, refusals, threads, the code cache.

use crate::common::{Builder, CACHES, Rng, fmt, random_program, reference};
use ceg4n_ir::{Checked, Format, Op, Program, Rounding, TensorFormat, check};
use ceg4n_jit::{CodeCache, Evaluator, JitError, Sweep, box_points};
use std::ops::ControlFlow;

/// `inputs -> outputs` dense with relu and an 8-bit output, seeded weights.
fn layer(inputs: usize, outputs: usize, seed: u64) -> Checked<Program> {
    let rng = &mut Rng(seed);
    let (s8, u4) = (fmt(true, 8, 6), fmt(false, 4, 3));
    let mut b = Builder::new();
    let x = b.input(inputs, u4);
    let w = (0..inputs * outputs).map(|_| rng.mantissa(s8) as i32);
    let w = w.collect();
    let weight = b.constant(vec![outputs, inputs], s8.into(), w);
    let y = b.push(
        Op::Dense {
            x,
            weight,
            bias: None,
        },
        None,
    );
    let y = b.push(Op::Relu { x: y }, None);
    b.format(y, fmt(true, 8, 4));
    check(b.finish(y, Rounding::HalfEven)).expect("a valid program")
}

#[test]
fn classes_are_the_lowest_index_among_the_maxima() {
    let program = layer(3, 4, 7);
    let evaluator = Evaluator::new(&program, &CACHES[0]).unwrap();
    let rng = &mut Rng(1);
    let n = 500;
    let inputs: Vec<i64> = (0..3 * n).map(|_| rng.range(0, 15)).collect();
    let mut classes = vec![99];
    evaluator.argmax_batch(&inputs, n, &mut classes).unwrap();
    let mut ties = 0;
    for (x, class) in inputs.chunks_exact(3).zip(&classes) {
        let y = reference(program.program(), x);
        let best = *y.iter().max().unwrap();
        assert_eq!(y.iter().position(|v| *v == best), Some(*class));
        ties += usize::from(y.iter().filter(|v| **v == best).count() > 1);
    }
    assert_eq!(classes.len(), n);
    assert!(ties > 10, "ties must occur: {ties}");
}

#[test]
fn a_box_is_swept_in_order_and_completely() {
    let program = layer(3, 2, 3);
    let evaluator = Evaluator::new(&program, &CACHES[0]).unwrap();
    let (lo, hi) = ([0, 3, 2], [15, 12, 15]);
    let mut seen: Vec<Vec<i64>> = vec![];
    let sweep = evaluator
        .for_each_in_box(&lo, &hi, u64::MAX, &mut |xs, ys, n| {
            assert_eq!((xs.len(), ys.len()), (3 * n, 2 * n));
            for (x, y) in xs.chunks_exact(3).zip(ys.chunks_exact(2)) {
                assert_eq!(y, reference(program.program(), x));
                seen.push(x.to_vec());
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(sweep, Sweep::Complete { points: 2240 });
    assert_eq!(box_points(&lo, &hi), Some(2240));
    let expected: Vec<Vec<i64>> = (0..=15)
        .flat_map(|a| (3..=12).flat_map(move |b| (2..=15).map(move |c| vec![a, b, c])))
        .collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_sweep_that_ends_early_says_so() {
    let program = layer(3, 2, 3);
    let evaluator = Evaluator::new(&program, &CACHES[0]).unwrap();
    let mut count = 0;
    let mut sweep = |limit, stop| {
        count = 0;
        let visit = &mut |_: &[i64], _: &[i64], n| {
            count += n as u64;
            if stop {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let sweep = evaluator.for_each_in_box(&[0; 3], &[15; 3], limit, visit);
        (sweep.unwrap(), count)
    };
    assert_eq!(sweep(4095, false), (Sweep::Limit { points: 4095 }, 4095));
    assert_eq!(sweep(0, false), (Sweep::Limit { points: 0 }, 0));
    assert_eq!(sweep(4096, false), (Sweep::Complete { points: 4096 }, 4096));
    let (stopped, seen) = sweep(4096, true);
    assert_eq!(stopped, Sweep::Stopped { points: seen });
    assert!(seen < 4096);
}

#[test]
fn points_of_a_box() {
    assert_eq!(box_points(&[-1, 5], &[1, 5]), Some(3));
    assert_eq!(box_points(&[0, 2], &[9, 1]), Some(0));
    assert_eq!(box_points(&[0; 3], &[(1 << 32) - 1; 3]), None);
    assert_eq!(box_points(&[i64::MIN], &[i64::MAX]), None);
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let program = layer(2, 2, 5);
    let evaluator = Evaluator::new(&program, &CACHES[0]).unwrap();
    let mut out = vec![1];
    let length = |expected, found| Err(JitError::InputLength { expected, found });
    let range = |sample, index, mantissa| {
        Err(JitError::InputRange {
            sample,
            index,
            mantissa,
        })
    };
    assert_eq!(evaluator.eval_batch(&[1, 2, 3], 2, &mut out), length(4, 3));
    assert_eq!(
        evaluator.eval_batch(&[1, 2], usize::MAX, &mut out),
        length(usize::MAX, 2)
    );
    // The format is u4: 16 and -1 lie outside, also where a narrower type would wrap them inside.
    for bad in [16, -1, 1 << 16, i64::MIN, i64::MAX] {
        let n = evaluator.chunk() + 3;
        let mut inputs = vec![15; 2 * n];
        inputs[2 * n - 3] = bad;
        let found = evaluator.eval_batch(&inputs, n, &mut out);
        assert_eq!(found, range(n - 2, 1, bad));
        assert!(out.is_empty(), "no outputs after an error");
        let mut classes = vec![7];
        assert!(evaluator.argmax_batch(&inputs, n, &mut classes).is_err());
        assert!(classes.is_empty());
    }
    assert_eq!(evaluator.eval_batch(&[], 0, &mut out), Ok(()));
    let sweep = |lo: &[i64], hi: &[i64]| {
        evaluator.for_each_in_box(lo, hi, 1, &mut |_, _, _| panic!("nothing is visited"))
    };
    let refused = |e: JitError| Err::<Sweep, _>(e);
    assert_eq!(
        sweep(&[0], &[1, 1]),
        refused(JitError::InputLength {
            expected: 2,
            found: 1
        })
    );
    assert_eq!(
        sweep(&[0, 3], &[1, 2]),
        refused(JitError::EmptyBox { index: 1 })
    );
    assert_eq!(
        sweep(&[0, 0], &[1, 16]),
        refused(JitError::InputRange {
            sample: 0,
            index: 1,
            mantissa: 16
        })
    );
}

#[test]
fn a_real_program_is_refused() {
    let program = layer(2, 2, 5);
    let network = program.program().network.clone();
    let real = check(Program::reference(network)).unwrap();
    let found = Evaluator::new(&real, &CACHES[0]).map(|_| ());
    assert_eq!(found, Err(JitError::NotFixed));
}

/// The output may be the input itself, or a node that later, dead nodes follow.
#[test]
fn outputs_without_an_operator_and_dead_values() {
    let mut b = Builder::new();
    let x = b.input(3, fmt(true, 20, 1));
    let y = b.push(Op::Identity { x }, None);
    let r = b.push(Op::Relu { x: y }, None);
    b.format(r, fmt(false, 3, 0));
    for output in [x, y] {
        let mut b = Builder::new();
        let x = b.input(3, fmt(true, 20, 1));
        let y = b.push(Op::Identity { x }, None);
        b.push(Op::Relu { x: y }, None);
        let program = check(b.finish(output, Rounding::Floor)).unwrap();
        let inputs = [5, -524_288, 524_287];
        crate::common::compare(&program, &inputs, 1, "the identity");
    }
    let program = check(b.finish(r, Rounding::Floor)).unwrap();
    crate::common::compare(&program, &[5, -524_288, 524_287], 1, "a relu");
}

/// A bias and a constant after it are added beforehand. Their sum may exceed the 32 bits that hold
/// every sum of the program; it happens where the operand's range excludes zero.
#[test]
fn folded_constants_may_exceed_the_accumulator() {
    let (s16, s32) = (fmt(true, 16, 0), fmt(true, 32, 0));
    let mut b = Builder::new();
    let x = b.input(1, s16);
    let zero = b.constant(vec![1, 1], s16.into(), vec![0]);
    let top = b.constant(vec![1], s16.into(), vec![32_767]);
    let dense = |x, weight, bias| Op::Dense {
        x,
        weight,
        bias: Some(bias),
    };
    let x = b.push(dense(x, zero, top), None);
    b.format(x, s16);
    let weight = b.constant(vec![1, 1], s16.into(), vec![-32_768]);
    let bias = b.constant(vec![1], s32.into(), vec![-(1 << 30)]);
    let x = b.push(dense(x, weight, bias), None);
    let coarse = fmt(true, 32, -1);
    let c = b.constant(vec![1], coarse.into(), vec![i32::MAX - 65_535]);
    let y = b.push(Op::Add { x, c }, None);
    b.format(y, fmt(true, 20, -14));
    let program = check(b.finish(y, Rounding::HalfUp)).unwrap();
    let widths = program.kernel().unwrap().nodes.values().map(|n| n.width);
    assert!(widths.max() <= Some(32), "vectors serve this program");
    crate::common::compare(&program, &[-7, 0, 9], 3, "a wrapping constant");
}

/// The products of 32-bit vectors may not be taken where a constant after the sum needs more bits.
#[test]
fn a_sum_that_grows_beyond_the_vector_is_exact() {
    let (s16, s32) = (fmt(true, 16, 0), fmt(true, 32, 0));
    let factors: [u16; 4] = [3, 23_170, 1, 32_767];
    let formats = |f: Format| {
        let own = factors.map(|m| f.with_multiplier(m).unwrap());
        TensorFormat::Channels(own.into())
    };
    for rounding in Rounding::ALL {
        let mut b = Builder::new();
        let x = b.input(1, s16);
        let w = vec![32_767, -32_767, 30_000, -1];
        let weight = b.constant(vec![4, 1], formats(s16), w);
        let bias = None;
        let x = b.push(Op::Dense { x, weight, bias }, None);
        let c = b.constant(vec![4], formats(s32), vec![i32::MAX, i32::MIN, i32::MAX, 7]);
        let y = b.push(Op::Add { x, c }, None);
        b.format(y, fmt(true, 32, -20));
        let program = check(b.finish(y, rounding)).unwrap();
        let widths: Vec<u8> = (program.kernel().unwrap().nodes.values())
            .map(|n| n.width)
            .collect();
        assert!(widths[1] <= 32 && widths[2] > 32, "{widths:?}");
        let inputs = [32_767, -32_768, 0, 1, -1, 20_000];
        crate::common::compare(&program, &inputs, 6, "a sum of 33 bits");
    }
}

#[test]
fn new_candidates_of_a_shape_compile_nothing() {
    let cache = CodeCache::new();
    Evaluator::new(&layer(5, 3, 0), &cache).unwrap();
    let functions = cache.len();
    assert_eq!(functions, 1, "dense, relu and requantize are one function");
    for seed in 1..50 {
        Evaluator::new(&layer(5 + seed as usize, 3, seed), &cache).unwrap();
    }
    assert_eq!(cache.len(), functions);
}

#[test]
fn threads_share_an_evaluator_and_a_cache() {
    fn shareable<T: Send + Sync>() {}
    shareable::<Evaluator>();
    shareable::<CodeCache>();
    let cache = CodeCache::new();
    let programs: Vec<_> = (0..40)
        .filter_map(|seed| random_program(&mut Rng(seed)))
        .collect();
    let evaluate = |cache: &CodeCache| -> Vec<Vec<i64>> {
        let run = |p: &Checked<Program>| {
            let evaluator = Evaluator::new(p, cache).unwrap();
            let f = evaluator.kernel().input_format;
            let rng = &mut Rng(9);
            let x: Vec<i64> = (0..100 * evaluator.input_len())
                .map(|_| rng.mantissa(f))
                .collect();
            let mut y = vec![];
            evaluator.eval_batch(&x, 100, &mut y).unwrap();
            y
        };
        programs.iter().map(run).collect()
    };
    let alone = evaluate(&CodeCache::new());
    std::thread::scope(|s| {
        let threads: Vec<_> = (0..4).map(|_| s.spawn(|| evaluate(&cache))).collect();
        for t in threads {
            assert_eq!(t.join().unwrap(), alone);
        }
    });
    let program = layer(6, 4, 2);
    let evaluator = Evaluator::new(&program, &cache).unwrap();
    std::thread::scope(|s| {
        for seed in 0..4 {
            let (evaluator, program) = (&evaluator, &program);
            s.spawn(move || {
                let rng = &mut Rng(seed);
                let mut y = vec![];
                for _ in 0..200 {
                    let x: Vec<i64> = (0..6).map(|_| rng.range(0, 15)).collect();
                    evaluator.eval_batch(&x, 1, &mut y).unwrap();
                    assert_eq!(y, reference(program.program(), &x));
                }
            });
        }
    });
}
