//! Activations of graphs in the prefix cache: branches that join are kept apart, and only what
//! depends on a change is computed.

use crate::common::{Builder, CACHES, Rng, fmt};
use crate::direct;
use ceg4n_ir::network::Slide;
use ceg4n_ir::{Checked, Op, Program, Rounding, Shape, check};
use ceg4n_jit::{Evaluator, PrefixCache, Samples};

/// Filters, channels and extents of the four convolutions, then the dense layer.
const SIZES: [[usize; 4]; 4] = [[4, 2, 3, 3], [4, 4, 3, 3], [4, 4, 1, 1], [3, 8, 2, 2]];
const ROWS: usize = 3;
const INPUT: [usize; 3] = [2, 4, 4];
const SAMPLES: usize = 200;

/// Weights of `b(a(x)) + c(a(x))`, joined with `a(x)` and convolved again, then a dense layer.
#[derive(Clone)]
struct Net(Vec<Vec<i32>>);

impl Net {
    fn new() -> Self {
        let rng = &mut Rng(9);
        let mut draw = |n: usize| (0..n).map(|_| rng.range(-8, 7) as i32).collect();
        let mut weights: Vec<Vec<i32>> = SIZES.iter().map(|s| draw(s.iter().product())).collect();
        weights.push(draw(ROWS * 3 * 3 * 3));
        Self(weights)
    }

    fn program(&self) -> Checked<Program> {
        let mut b = Builder::new();
        let x = b.push(Op::Input, Some(Shape(INPUT.to_vec())));
        b.format(x, fmt(false, 4, 3));
        let conv = |b: &mut Builder, x, i: usize| {
            let dims = SIZES[i].to_vec();
            let mut slide = Slide::dense(2);
            if dims[2] == 3 {
                (slide.before, slide.after) = (vec![1; 2], vec![1; 2]);
            }
            let weight = b.constant(dims, fmt(true, 4, 2).into(), self.0[i].clone());
            let y = b.push(
                Op::Conv {
                    x,
                    weight,
                    bias: None,
                    slide,
                    groups: 1,
                },
                None,
            );
            let y = b.push(Op::Relu { x: y }, None);
            b.format(y, fmt(false, 8, 3));
            y
        };
        let a = conv(&mut b, x, 0);
        let (p, q) = (conv(&mut b, a, 1), conv(&mut b, a, 2));
        let sum = b.push(Op::Sum { x: p, y: q }, None);
        b.format(sum, fmt(false, 8, 3));
        let xs = vec![sum, a];
        let joined = b.push(Op::Concat { xs, axis: 0 }, None);
        let d = conv(&mut b, joined, 3);
        let x = b.push(Op::Flatten { x: d }, None);
        let weight = b.constant(vec![ROWS, 27], fmt(true, 4, 2).into(), self.0[4].clone());
        let dense = Op::Dense {
            x,
            weight,
            bias: None,
        };
        let y = b.push(dense, None);
        check(b.finish(y, Rounding::HalfEven)).expect("a valid program")
    }
}

#[test]
fn branches_are_kept_apart() {
    let len: usize = INPUT.iter().product();
    let rng = &mut Rng(4);
    let inputs: Vec<i64> = (0..SAMPLES * len).map(|_| rng.range(0, 15)).collect();
    let samples = Samples::new(fmt(false, 4, 3), len, &inputs).unwrap();
    let cache = PrefixCache::new(1 << 28);
    let mut outputs = vec![];
    let mut computed = |net: &Net| {
        let program = net.program();
        let kernel = program.kernel().expect("a kernel");
        let before = cache.stats().computed;
        let evaluator = Evaluator::new(&program, &CACHES[0]).unwrap();
        evaluator
            .eval_samples(&samples, 0..SAMPLES, Some(&cache), &mut outputs)
            .unwrap();
        let x = inputs.chunks_exact(len);
        let wanted: Vec<i64> = x.flat_map(|x| direct::outputs(kernel, x)).collect();
        assert!(outputs == wanted);
        let computed = cache.stats().computed - before;
        assert!(computed.is_multiple_of(SAMPLES as u64));
        (computed / SAMPLES as u64, wanted)
    };
    let parent = Net::new();
    // The input in its other order, four convolutions, the sum and the concatenation.
    let (all, old) = computed(&parent);
    assert_eq!(all, 7);
    // After a change: the layer, and what depends on it. The last stage is never kept.
    for (layer, stages) in [6, 4, 4, 1, 0].into_iter().enumerate() {
        let mut changed = 0;
        for k in 0..parent.0[layer].len() {
            let mut net = parent.clone();
            net.0[layer][k] ^= 3;
            let (count, new) = computed(&net);
            assert_eq!(count, stages, "weight {k} of layer {layer}");
            changed += usize::from(new != old);
        }
        assert!(changed > 0, "no change of layer {layer} is seen");
        let (count, again) = computed(&parent);
        assert!(count == 0 && again == old, "{count} stages again");
    }
}

/// Where one block of activations exceeds what the cache may hold, nothing is kept.
#[test]
fn a_program_too_large_for_the_cache_does_without() {
    let program = Net::new().program();
    let kernel = program.kernel().expect("a kernel");
    let inputs = vec![7; SAMPLES * kernel.input_len()];
    let samples = Samples::new(kernel.input_format, kernel.input_len(), &inputs).unwrap();
    let cache = PrefixCache::new(10_000);
    let evaluator = Evaluator::new(&program, &CACHES[0]).unwrap();
    let mut outputs = vec![];
    for range in [0..SAMPLES, 3..4, 150..SAMPLES] {
        let n = range.len();
        evaluator
            .eval_samples(&samples, range, Some(&cache), &mut outputs)
            .unwrap();
        let wanted = direct::outputs(kernel, &inputs[..kernel.input_len()]);
        assert_eq!(outputs, wanted.repeat(n));
    }
    let stats = cache.stats();
    assert_eq!((stats.entries, stats.computed), (0, 0));
}
