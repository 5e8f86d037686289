//! Simplified kernels give the same integers: on every input of small kernels, on extreme and random
//! inputs of others; and what can be removed is.
// `cfg(test)` is what lets helpers of tests unwrap.
#![cfg(test)]

use ceg4n_eval::kernel_outputs;
use ceg4n_ir::{
    Checked, Constant, Format, Kernel, KernelOp, NetworkBuilder, Op, Origin, Program, Rounding,
    Shape, TensorFormat, Unary, ValueId, check,
};
use ceg4n_scalar::simplify;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// A value with its format and its mantissas, if they are not those of rounding.
type Given = (ValueId, TensorFormat, Option<Arc<[i32]>>);

/// A network that grows, and its annotations.
struct Growing {
    b: NetworkBuilder,
    formats: Vec<Given>,
    at: ValueId,
    len: usize,
    frac: i32,
    factors: Vec<u16>,
}

impl Growing {
    fn new(len: usize, format: Format) -> Self {
        let mut b = NetworkBuilder::new("n");
        let at = b.push("x", Op::Input, Some(Shape(vec![len])), None);
        Self {
            b,
            formats: vec![(at, format.into(), None)],
            at,
            len,
            frac: format.frac(),
            factors: vec![1; len],
        }
    }

    fn name(&self) -> String {
        format!("v{}", self.formats.len())
    }

    fn constant(&mut self, shape: &[usize], formats: Vec<Format>, mantissas: Vec<i32>) -> ValueId {
        let op = Op::Const(Constant {
            data: vec![1.0; mantissas.len()].into(),
            origin: Origin::Inline,
            wide: None,
        });
        let name = format!("c{}", self.formats.len());
        let id = self.b.push(&name, op, Some(Shape(shape.to_vec())), None);
        let format = match &formats[..] {
            [one] => (*one).into(),
            _ => TensorFormat::Channels(formats.into()),
        };
        self.formats.push((id, format, Some(mantissas.into())));
        id
    }

    fn dense(&mut self, rows: &[Vec<i32>], bias: &[i32], factors: &[u16]) {
        let wide = Format::new(true, 8, 2).unwrap();
        let of = |f: Format| -> Vec<Format> {
            let one = |m: &u16| f.with_multiplier(*m).unwrap();
            let same = factors.iter().all(|m| *m == factors[0]);
            factors
                .iter()
                .take(if same { 1 } else { rows.len() })
                .map(one)
                .collect()
        };
        self.frac += 2;
        let biases = of(Format::new(true, 16, self.frac).unwrap());
        let weight = self.constant(&[rows.len(), self.len], of(wide), rows.concat());
        let bias = self.constant(&[rows.len()], biases, bias.to_vec());
        let x = self.at;
        let op = Op::Dense {
            x,
            weight,
            bias: Some(bias),
        };
        (self.len, self.factors) = (rows.len(), factors.to_vec());
        self.push(op);
    }

    fn push(&mut self, op: Op) {
        // Names are unique by the number of values.
        let name = format!("{}_{}", self.name(), self.b.values().len());
        self.at = self.b.push(&name, op, None, None);
    }

    fn requantize(&mut self, format: Format) {
        self.formats.push((self.at, format.into(), None));
        self.frac = format.frac();
        self.factors.fill(1);
    }

    fn finish(self, rounding: Rounding) -> Option<Checked<Program>> {
        let net = Arc::new(self.b.finish(self.at).unwrap());
        let mut patch = Program::reference(net).patch().rounding(rounding);
        for (v, f, m) in self.formats {
            patch = match m {
                Some(m) => patch.mantissas(v, f, m),
                None => patch.format(v, f),
            };
        }
        check(patch.finish()).ok()
    }
}

/// Rows among which some are equal, some zero, and columns of zeros and of opposite weights.
fn rows(rng: &mut ChaCha8Rng, rows: usize, cols: usize) -> Vec<Vec<i32>> {
    let mut all: Vec<Vec<i32>> = Vec::new();
    for _ in 0..rows {
        let row = match rng.random_range(0..5) {
            0 if !all.is_empty() => all[rng.random_range(0..all.len())].clone(),
            1 => vec![0; cols],
            _ => (0..cols).map(|_| rng.random_range(-7..=7)).collect(),
        };
        all.push(row);
    }
    for k in 0..cols {
        if rng.random_bool(0.2) {
            all.iter_mut().for_each(|r| r[k] = 0);
        }
        if k > 0 && rng.random_bool(0.1) {
            all.iter_mut().for_each(|r| r[k] = -r[k - 1]);
        }
    }
    all
}

fn random(rng: &mut ChaCha8Rng) -> Option<Checked<Program>> {
    let inputs = rng.random_range(1..=3);
    let signed = rng.random_bool(0.5);
    let mut g = Growing::new(
        inputs,
        Format::new(signed, rng.random_range(1..=3), 2).unwrap(),
    );
    let layers = rng.random_range(1..=3);
    for layer in 0..layers {
        let n = rng.random_range(1..=6);
        let factors: Vec<u16> = match rng.random_bool(0.3) {
            true => (0..n)
                .map(|_| [1, 3, 300][rng.random_range(0..3)])
                .collect(),
            false => vec![1; n],
        };
        let bias: Vec<i32> = (0..n)
            .map(|_| match rng.random_range(0..4) {
                // Dead and saturated neurons.
                0 => -20_000,
                1 => 20_000,
                2 => 0,
                _ => rng.random_range(-30..=30),
            })
            .collect();
        let weights = rows(rng, n, g.len);
        g.dense(&weights, &bias, &factors);
        if rng.random_bool(0.3) {
            let formats: Vec<Format> = g
                .factors
                .iter()
                .map(|m| {
                    Format::new(true, 8, g.frac)
                        .unwrap()
                        .with_multiplier(*m)
                        .unwrap()
                })
                .collect();
            let same = g.factors.iter().all(|m| *m == g.factors[0]);
            let formats = formats[..if same { 1 } else { n }].to_vec();
            let c = (0..n).map(|_| rng.random_range(-9..=9)).collect();
            let c = g.constant(&[n], formats, c);
            let x = g.at;
            g.push(Op::Add { x, c });
        }
        let x = g.at;
        match rng.random_range(0..4) {
            0 => {}
            1 => g.push(Op::Unary {
                x,
                function: Unary::Abs,
            }),
            _ => g.push(Op::Relu { x }),
        }
        let last = layer + 1 == layers;
        if !last || rng.random_bool(0.5) {
            if rng.random_bool(0.2) {
                g.requantize(Format::new(true, 24, 6).unwrap());
                let x = g.at;
                g.push(Op::Identity { x });
            }
            let width = rng.random_range(2..=5);
            g.requantize(
                Format::new(rng.random_bool(0.3), width, rng.random_range(0..=3)).unwrap(),
            );
        }
        if !last && rng.random_bool(0.2) {
            // Both see elements at their own places.
            let x = g.at;
            g.push(Op::Relu { x });
            let y = g.at;
            g.push(Op::Sum { x, y });
            g.requantize(Format::new(true, 5, g.frac).unwrap());
        }
    }
    g.finish(Rounding::ALL[rng.random_range(0..3)])
}

/// Calls `f` with every input, or with some of many.
fn inputs(kernel: &Kernel, rng: &mut ChaCha8Rng, mut f: impl FnMut(&[i64])) {
    let (lo, hi) = (kernel.input_format.min(), kernel.input_format.max());
    let n = kernel.input_len();
    let each = (hi - lo + 1) as u64;
    let all = each.pow(n as u32);
    for i in 0..all.min(512) {
        let mut rest = i;
        let x: Vec<i64> = (0..n)
            .map(|_| {
                if all > 512 {
                    return rng.random_range(lo..=hi);
                }
                let v = lo + (rest % each) as i64;
                rest /= each;
                v
            })
            .collect();
        f(&x);
    }
}

fn weights(kernel: &Kernel) -> usize {
    let of = |op: &KernelOp| match op {
        KernelOp::Dense { weight, .. } => weight.len(),
        _ => 0,
    };
    kernel.nodes.values().map(|n| of(&n.op)).sum()
}

#[test]
fn simplified_kernels_give_the_same_integers() {
    let mut rng = ChaCha8Rng::seed_from_u64(81);
    let (mut simpler, mut of) = (0, 0);
    for round in 0..3000 {
        let Some(program) = random(&mut rng) else {
            continue;
        };
        let kernel = program.kernel().unwrap();
        of += 1;
        let Some(small) = simplify(kernel) else {
            continue;
        };
        simpler += 1;
        let small = small.kernel;
        assert!(weights(&small) <= weights(kernel), "{round}");
        assert_eq!(small.input_len(), kernel.input_len());
        assert_eq!(small.output_len(), kernel.output_len());
        assert!(simplify(&small).is_none_or(|s| weights(&s.kernel) <= weights(&small)));
        inputs(kernel, &mut rng, |x| {
            let (a, b) = (kernel_outputs(kernel, x), kernel_outputs(&small, x));
            assert_eq!(
                a.unwrap(),
                b.unwrap(),
                "{round} {x:?}\n{kernel:#?}\n{small:#?}"
            );
            let trace = ceg4n_eval::kernel_trace(&small, x).unwrap();
            for (n, node) in small.nodes.iter() {
                for (v, r) in trace.node(n).iter().zip(node.range.iter()) {
                    let inside = i128::from(r.lo) <= *v && *v <= i128::from(r.hi);
                    assert!(inside, "{round} {n} {v} {r:?}");
                }
            }
        });
    }
    assert!(simpler > 1000 && of > simpler, "{simpler} of {of}");
}

/// Three hidden neurons of five are left: one is dead, one equals another.
#[test]
fn dead_and_equal_neurons_are_gone() {
    let mut g = Growing::new(2, Format::new(false, 4, 2).unwrap());
    let hidden = [vec![1, 2], vec![3, -1], vec![1, 2], vec![1, 1], vec![-2, 5]];
    g.dense(&hidden, &[1, 2, 1, -20_000, 0], &[1; 5]);
    let x = g.at;
    g.push(Op::Relu { x });
    g.requantize(Format::new(false, 6, 2).unwrap());
    g.dense(
        &[vec![1, 2, 3, 4, 5], vec![-1, 4, 2, 0, 1]],
        &[0, 7],
        &[1; 2],
    );
    let program = g.finish(Rounding::HalfUp).unwrap();
    let small = simplify(program.kernel().unwrap()).unwrap();
    let dense: Vec<(usize, usize, Vec<i32>)> = small
        .kernel
        .nodes
        .values()
        .filter_map(|n| match &n.op {
            KernelOp::Dense {
                rows, cols, weight, ..
            } => Some((*rows, *cols, weight.to_vec())),
            _ => None,
        })
        .collect();
    assert_eq!((dense[0].0, dense[0].1), (3, 2));
    assert_eq!((dense[1].0, dense[1].1), (2, 3));
    assert_eq!(dense[1].2, [4, 2, 5, 1, 4, 1]);
    let first =
        small.kernel.nodes.iter().find_map(|(n, node)| {
            matches!(node.op, KernelOp::Dense { .. }).then(|| small.removed[n])
        });
    let first = first.unwrap();
    assert_eq!((first.duplicate, first.constant + first.unread), (1, 1));
}
