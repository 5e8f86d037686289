//! Packed samples, the prefix cache and block-wise evaluation: nothing stale, the same results
//! with any number of threads, what is reused.

use crate::common::{Builder, CACHES, Rng, fmt, random_program, reference};
use ceg4n_base::Exact;
use ceg4n_ir::{Checked, Format, Op, Program, Rounding, ValueId, check};
use ceg4n_jit::{Blocks, Evaluator, JitError, PrefixCache, Race, Samples};
use std::ops::ControlFlow;
use std::sync::Arc;

const SIZES: [usize; 4] = [9, 7, 6, 3];

/// What a chain of three layers is made of; every field matters.
#[derive(Clone)]
struct Chain {
    weights: Vec<Vec<i32>>,
    biases: Vec<Vec<i32>>,
    input: Format,
    /// Of the two hidden layers.
    hidden: [Format; 2],
    rounding: Rounding,
}

impl Chain {
    fn new(seed: u64) -> Self {
        let rng = &mut Rng(seed);
        let mut draw = |n: usize| (0..n).map(|_| rng.range(-8, 7) as i32).collect();
        Self {
            weights: SIZES.windows(2).map(|s| draw(s[0] * s[1])).collect(),
            biases: SIZES[1..].iter().map(|n| draw(*n)).collect(),
            input: fmt(false, 4, 3),
            hidden: [fmt(false, 6, 3), fmt(false, 6, 2)],
            rounding: Rounding::HalfUp,
        }
    }

    fn program(&self) -> Checked<Program> {
        let s4 = fmt(true, 4, 2);
        let mut b = Builder::new();
        let mut x: ValueId = b.input(SIZES[0], self.input);
        for (i, s) in SIZES.windows(2).enumerate() {
            let weight = b.constant(vec![s[1], s[0]], s4.into(), self.weights[i].clone());
            let bias = b.constant(vec![s[1]], s4.into(), self.biases[i].clone());
            let bias = Some(bias);
            x = b.push(Op::Dense { x, weight, bias }, None);
            if let Some(f) = self.hidden.get(i) {
                x = b.push(Op::Relu { x }, None);
                b.format(x, *f);
            }
        }
        check(b.finish(x, self.rounding)).expect("a valid program")
    }
}

/// Mantissas of `n` samples.
fn inputs(format: Format, len: usize, n: usize, seed: u64) -> Vec<i64> {
    let rng = &mut Rng(seed);
    let draw = |_| rng.range(format.min(), format.max());
    (0..n * len).map(draw).collect()
}

fn expected(program: &Checked<Program>, inputs: &[i64]) -> Vec<i64> {
    let samples = inputs.chunks_exact(program.kernel().expect("a kernel").input_len());
    samples
        .flat_map(|x| reference(program.program(), x))
        .collect()
}

/// Whatever one changes after the cache is full of the parent's activations, the outputs are those
/// of the change.
#[test]
fn nothing_stale_is_taken_from_the_cache() {
    const N: usize = 300;
    let parent = Chain::new(1);
    let cache = PrefixCache::new(1 << 20);
    let x = inputs(parent.input, SIZES[0], N, 5);
    let samples = Samples::new(parent.input, SIZES[0], &x).unwrap();
    let mut outputs = vec![];
    let mut run = |chain: &Chain, samples: &Samples, x: &[i64], what: &str| {
        let program = chain.program();
        let wanted = expected(&program, x);
        let evaluator = Evaluator::new(&program, &CACHES[0]).unwrap();
        for _ in 0..2 {
            evaluator
                .eval_samples(samples, 0..N, Some(&cache), &mut outputs)
                .unwrap();
            assert_eq!(outputs, wanted, "{what}");
        }
        wanted
    };
    let old = run(&parent, &samples, &x, "the parent");
    let mut changed = 0;
    let mut check = |chain: Chain, what: String| {
        changed += usize::from(run(&chain, &samples, &x, &what) != old);
        assert_eq!(run(&parent, &samples, &x, "the parent again"), old);
    };
    for layer in 0..3 {
        for k in 0..parent.weights[layer].len() {
            let mut chain = parent.clone();
            chain.weights[layer][k] ^= 3;
            check(chain, format!("weight {k} of layer {layer}"));
        }
        for k in 0..parent.biases[layer].len() {
            let mut chain = parent.clone();
            chain.biases[layer][k] ^= 3;
            check(chain, format!("bias {k} of layer {layer}"));
        }
    }
    for layer in 0..2 {
        for f in [
            fmt(false, 5, 3),
            fmt(false, 6, 1),
            fmt(true, 7, 3),
            fmt(true, 20, 9),
        ] {
            let mut chain = parent.clone();
            chain.hidden[layer] = f;
            check(chain, format!("{f} after layer {layer}"));
        }
    }
    for rounding in [Rounding::HalfEven, Rounding::Floor] {
        let rounding = Chain {
            rounding,
            ..parent.clone()
        };
        check(rounding, "the rounding".to_owned());
    }
    assert!(changed > 100, "only {changed} changes could be seen");
    // Other inputs of the same format, and the same mantissas in another one.
    let other = inputs(parent.input, SIZES[0], N, 6);
    let set = Samples::new(parent.input, SIZES[0], &other).unwrap();
    assert_ne!(run(&parent, &set, &other, "other samples"), old);
    let input = fmt(false, 4, 1);
    let finer = Chain {
        input,
        ..parent.clone()
    };
    let set = Samples::new(input, SIZES[0], &x).unwrap();
    assert_ne!(run(&finer, &set, &x, "another input format"), old);
    drop(samples);
    let again = Samples::new(parent.input, SIZES[0], &other).unwrap();
    run(&parent, &again, &other, "samples at a freed place");
}

#[test]
fn samples_of_another_program_are_refused() {
    let chain = Chain::new(1);
    let evaluator = Evaluator::new(&chain.program(), &CACHES[0]).unwrap();
    let cache = PrefixCache::new(1 << 20);
    let mut y = vec![7];
    for cache in [None, Some(&cache)] {
        let found = fmt(false, 4, 2);
        let set = Samples::new(found, SIZES[0], &[0; 9]).unwrap();
        let error = evaluator.eval_samples(&set, 0..1, cache, &mut y);
        let expected = chain.input;
        assert_eq!(error, Err(JitError::InputFormat { expected, found }));
        assert!(y.is_empty());
        let set = Samples::new(chain.input, 3, &[0; 9]).unwrap();
        let error = evaluator.eval_samples(&set, 0..1, cache, &mut y);
        assert!(matches!(
            error,
            Err(JitError::InputLength {
                expected: 9,
                found: 3
            })
        ));
        let set = Samples::new(chain.input, SIZES[0], &[0; 18]).unwrap();
        for (start, end) in [(0, 3), (2, 1), (4, 3)] {
            let error = evaluator.eval_samples(&set, start..end, cache, &mut y);
            assert!(matches!(
                error,
                Err(JitError::SampleRange { samples: 2, .. })
            ));
        }
    }
    let f = chain.input;
    assert!(matches!(
        Samples::new(f, 2, &[1; 3]),
        Err(JitError::InputLength { .. })
    ));
    assert!(matches!(
        Samples::new(f, 0, &[]),
        Err(JitError::InputLength { .. })
    ));
    let out = Samples::new(f, 2, &[0, 1, 2, 16]);
    let place = JitError::InputRange {
        sample: 1,
        index: 1,
        mantissa: 16,
    };
    assert_eq!(out.err(), Some(place));
    let nan = Samples::quantize(f, 2, &[0.0, 1.0, f32::NAN, 0.0]);
    assert_eq!(
        nan.err(),
        Some(JitError::NotFinite {
            sample: 1,
            index: 0
        })
    );
}

#[test]
fn a_range_may_be_empty() {
    let chain = Chain::new(1);
    let cache = PrefixCache::new(1 << 20);
    let set = Samples::new(chain.input, SIZES[0], &[0; 18]).unwrap();
    let mut y = vec![7];
    for cache in [None, Some(&cache)] {
        // A new evaluator: it has no buffers yet.
        let evaluator = Evaluator::new(&chain.program(), &CACHES[0]).unwrap();
        for at in 0..=2 {
            evaluator.eval_samples(&set, at..at, cache, &mut y).unwrap();
            assert!(y.is_empty());
        }
        evaluator.eval_samples(&set, 0..1, cache, &mut y).unwrap();
        evaluator.eval_samples(&set, 0..2, cache, &mut y).unwrap();
        assert_eq!(y, expected(&chain.program(), &[0; 18]));
    }
}

#[test]
fn real_inputs_are_quantized_as_the_format_says() {
    let mut b = Builder::new();
    let x = b.input(1, fmt(false, 32, 4));
    let wide = check(b.finish(x, Rounding::Floor)).expect("a valid program");
    let evaluator = Evaluator::new(&wide, &CACHES[0]).unwrap();
    let xs = [0.03125f32, 0.03, -1.0, 2e8, 3e9, 1e-30, 7.96875];
    let samples = Samples::quantize(fmt(false, 32, 4), 1, &xs).unwrap();
    let mut y = vec![];
    evaluator
        .eval_samples(&samples, 0..7, None, &mut y)
        .unwrap();
    let exact = |x: &f32| fmt(false, 32, 4).quantize(&Exact::from_f32(*x).expect("finite"));
    assert_eq!(y, xs.iter().map(exact).collect::<Vec<_>>());
    assert_eq!(y[4], i64::from(u32::MAX));
}

#[test]
fn only_the_changed_suffix_is_computed() {
    const N: usize = 256;
    let parent = Chain::new(3);
    let cache = PrefixCache::new(1 << 20);
    let x = inputs(parent.input, SIZES[0], N, 5);
    let samples = Samples::new(parent.input, SIZES[0], &x).unwrap();
    let mut y = vec![];
    let mut run = |chain: &Chain, range: std::ops::Range<usize>| {
        let before = cache.stats();
        let evaluator = Evaluator::new(&chain.program(), &CACHES[0]).unwrap();
        evaluator
            .eval_samples(&samples, range, Some(&cache), &mut y)
            .unwrap();
        let after = cache.stats();
        (
            after.computed - before.computed,
            after.reused - before.reused,
        )
    };
    let n = N as u64;
    // Racing touches the first block only; the rest is computed when it is asked for.
    assert_eq!(run(&parent, 0..10), (n, 0));
    assert_eq!(run(&parent, 0..N), (n, n));
    assert_eq!(run(&parent, 0..N), (0, 2 * n));
    let mut last = parent.clone();
    last.weights[2][0] ^= 1;
    assert_eq!(run(&last, 0..N), (0, 2 * n));
    let mut middle = parent.clone();
    middle.weights[1][0] ^= 1;
    assert_eq!(run(&middle, 0..N), (n, n));
    let mut first = parent.clone();
    first.weights[0][0] ^= 1;
    assert_eq!(run(&first, 0..N), (2 * n, 0));
    assert_eq!(run(&parent, 0..N), (0, 2 * n), "still held");
}

#[test]
fn the_cache_stays_within_its_limit() {
    const N: usize = 200;
    // Room for one program of 200 rows of 2 x 8 elements of 16 bits, not for two.
    let limit = 10_000;
    let cache = PrefixCache::new(limit);
    let x = inputs(fmt(false, 4, 3), SIZES[0], N, 5);
    let samples = Samples::new(fmt(false, 4, 3), SIZES[0], &x).unwrap();
    let mut y = vec![];
    for limited in [&cache, &PrefixCache::new(0)] {
        for seed in [1, 2, 3, 1, 2, 2] {
            let program = Chain::new(seed).program();
            let evaluator = Evaluator::new(&program, &CACHES[0]).unwrap();
            evaluator
                .eval_samples(&samples, 0..N, Some(limited), &mut y)
                .unwrap();
            assert_eq!(y, expected(&program, &x));
            assert!(limited.stats().bytes <= limit);
        }
    }
    let stats = cache.stats();
    assert!(stats.entries > 0 && stats.reused > 0, "{stats:?}");
}

/// Blocks of every size, threads of every number, an end at every block.
#[test]
fn blocks_come_in_order_whatever_the_threads() {
    const N: usize = 301;
    let chain = Chain::new(4);
    let program = chain.program();
    let evaluator = Evaluator::new(&program, &CACHES[0]).unwrap();
    let x = inputs(chain.input, SIZES[0], N, 5);
    let samples = Samples::new(chain.input, SIZES[0], &x).unwrap();
    let wanted = expected(&program, &x);
    let cache = PrefixCache::new(1 << 20);
    for threads in [0, 1, 2, 5] {
        for block in [0, 1, 7, 128, 300, 1000] {
            for (cache, stop) in [(None, N), (Some(&cache), N), (None, 150), (Some(&cache), 3)] {
                let mut seen = vec![];
                let mut end = 0;
                let blocks = Blocks {
                    block,
                    order: None,
                    threads,
                    cache,
                };
                let race = evaluator
                    .for_each_block(&samples, blocks, &mut |range, y| {
                        assert_eq!(range.start, end);
                        end = range.end;
                        seen.extend_from_slice(y);
                        if end > stop {
                            ControlFlow::Break(())
                        } else {
                            ControlFlow::Continue(())
                        }
                    })
                    .unwrap();
                assert_eq!(seen, wanted[..3 * end]);
                let size = block.max(1);
                let first = ((stop / size + 1) * size).min(N);
                let whole = Race::Complete { samples: N };
                let stopped = Race::Stopped { samples: first };
                assert_eq!(race, if stop < N { stopped } else { whole });
                assert_eq!(end, first);
            }
        }
    }
    let none = Samples::new(chain.input, SIZES[0], &[]).unwrap();
    assert!(none.is_empty());
    let blocks = Blocks {
        block: 8,
        order: None,
        threads: 2,
        cache: None,
    };
    let race = evaluator.for_each_block(&none, blocks, &mut |_, _| ControlFlow::Break(()));
    assert_eq!(race, Ok(Race::Complete { samples: 0 }));
}

#[test]
fn blocks_may_come_in_another_order() {
    const N: usize = 45;
    let chain = Chain::new(4);
    let program = chain.program();
    let evaluator = Evaluator::new(&program, &CACHES[0]).unwrap();
    let x = inputs(chain.input, SIZES[0], N, 5);
    let samples = Samples::new(chain.input, SIZES[0], &x).unwrap();
    let wanted = expected(&program, &x);
    let cache = PrefixCache::new(1 << 20);
    for threads in [1, 3] {
        let run = |order: &[usize], stop: usize| {
            let mut seen = vec![];
            let blocks = Blocks {
                block: 10,
                order: Some(order),
                threads,
                cache: Some(&cache),
            };
            let race = evaluator.for_each_block(&samples, blocks, &mut |range, y| {
                assert_eq!(y, &wanted[3 * range.start..3 * range.end]);
                seen.push(range.start / 10);
                if seen.len() > stop {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            });
            (race, seen)
        };
        let (race, seen) = run(&[4, 2, 0, 1], 9);
        assert_eq!(race, Ok(Race::Complete { samples: 35 }));
        assert_eq!(seen, [4, 2, 0, 1]);
        let (race, seen) = run(&[4, 2, 0, 1], 1);
        assert_eq!(race, Ok(Race::Stopped { samples: 15 }));
        assert_eq!(seen, [4, 2]);
        let (race, seen) = run(&[0, 5], 9);
        let beyond = JitError::SampleRange {
            end: 60,
            samples: N,
        };
        assert_eq!((race, seen), (Err(beyond), vec![]));
        assert_eq!(run(&[], 9).0, Ok(Race::Complete { samples: 0 }));
    }
}

/// Many programs, mutated layer by layer, through one small cache that always evicts, on several
/// threads at a time.
#[test]
fn threads_share_a_cache_that_evicts() {
    let cache = Arc::new(PrefixCache::new(20_000));
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let cache = cache.clone();
            scope.spawn(move || {
                let mut y = vec![];
                for seed in 0..150 {
                    let rng = &mut Rng(seed % 40 + 1000);
                    let Some(program) = random_program(rng) else {
                        continue;
                    };
                    let kernel = program.kernel().expect("a kernel");
                    let (f, len) = (kernel.input_format, kernel.input_len());
                    let n = 130 + thread;
                    let x: Vec<i64> = (0..n * len).map(|_| rng.mantissa(f)).collect();
                    let samples = Samples::new(f, len, &x).unwrap();
                    let evaluator = Evaluator::new(&program, &CACHES[0]).unwrap();
                    for range in [0..3, 0..n, 100..n, n..n] {
                        evaluator
                            .eval_samples(&samples, range.clone(), Some(&cache), &mut y)
                            .unwrap();
                        let part = &x[range.start * len..range.end * len];
                        assert_eq!(y, expected(&program, part), "seed {seed}");
                    }
                }
            });
        }
    });
}
