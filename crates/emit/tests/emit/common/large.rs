//! Large programs: many weights, many positions.

use super::speed;
use super::{Case, format, numbers};
use ceg4n_emit::TestVector;
use ceg4n_eval::kernel_outputs;
use ceg4n_ir::network::Slide;
use ceg4n_ir::{NetworkBuilder, Op, Program, Shape, ValueId, check};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

struct Layers {
    rng: ChaCha8Rng,
    b: NetworkBuilder,
    constants: Vec<(ValueId, Arc<[i32]>)>,
    activations: Vec<ValueId>,
    at: ValueId,
}

impl Layers {
    fn weight(&mut self, shape: &[usize]) -> ValueId {
        let name = format!("w{}", self.constants.len());
        let len = shape.iter().product();
        let w = numbers(&mut self.b, &name, shape, &vec![0.0; len]);
        let m = (0..len).map(|_| self.rng.random_range(-128..128)).collect();
        self.constants.push((w, m));
        w
    }

    fn push(&mut self, op: Op) -> ValueId {
        let name = format!("v{}", self.b.values().iter().count());
        self.at = self.b.push(name, op, None, None);
        self.at
    }

    fn dense(&mut self, rows: usize, cols: usize) {
        let weight = self.weight(&[rows, cols]);
        let x = self.at;
        self.push(Op::Dense {
            x,
            weight,
            bias: None,
        });
    }

    fn relu(&mut self) {
        let x = self.at;
        let v = self.push(Op::Relu { x });
        self.activations.push(v);
    }

    fn conv(&mut self, filters: usize, depth: usize, kernel: usize, stride: usize, groups: usize) {
        let weight = self.weight(&[filters, depth, kernel, kernel]);
        let x = self.at;
        let pad = kernel / 2;
        let slide = Slide {
            strides: vec![stride; 2],
            dilations: vec![1; 2],
            before: vec![pad; 2],
            after: vec![pad; 2],
        };
        self.push(Op::Conv {
            x,
            weight,
            bias: None,
            slide,
            groups,
        });
        self.relu();
    }

    /// Weights of 8 bits, activations of 8 bits; two vectors.
    fn finish(mut self, name: &str) -> Case {
        let input = self.b.find("x").unwrap();
        let net = Arc::new(self.b.finish(self.at).unwrap());
        let mut patch = Program::reference(net).patch();
        patch = patch.format(input, format("u8q8"));
        for (w, m) in self.constants {
            patch = patch.mantissas(w, format("s8q9"), m);
        }
        for v in self.activations {
            patch = patch.format(v, format("u8q6"));
        }
        let program = check(patch.finish()).unwrap();
        let kernel = program.kernel().unwrap();
        let mut vector = || {
            let mut one = || self.rng.random_range(0..256);
            let input: Vec<i64> = (0..kernel.input_len()).map(|_| one()).collect();
            TestVector {
                output: kernel_outputs(kernel, &input).unwrap(),
                input,
                note: String::new(),
            }
        };
        let vectors = vec![vector(), vector()];
        Case {
            name: name.to_owned(),
            program,
            vectors,
            options: speed(),
        }
    }
}

fn layers(name: &str, shape: Vec<usize>) -> Layers {
    let mut b = NetworkBuilder::new(name);
    let x = b.push("x", Op::Input, Some(Shape(shape)), None);
    Layers {
        rng: ChaCha8Rng::seed_from_u64(9),
        b,
        constants: vec![],
        activations: vec![],
        at: x,
    }
}

/// Two hidden layers of so many neurons.
pub(crate) fn large_dense(name: &str, neurons: usize) -> Case {
    let mut g = layers(name, vec![neurons]);
    g.dense(neurons, neurons);
    g.relu();
    g.dense(neurons, neurons);
    g.relu();
    g.dense(10, neurons);
    g.finish(name)
}

/// Separable convolutions over a square image whose side 32 divides.
pub(crate) fn large_image(name: &str, side: usize) -> Case {
    let mut g = layers(name, vec![3, side, side]);
    g.conv(16, 3, 3, 2, 1);
    let mut channels = 16;
    for (wider, stride) in [
        (32, 1),
        (64, 2),
        (64, 1),
        (128, 2),
        (128, 1),
        (256, 2),
        (256, 1),
    ] {
        g.conv(channels, 1, 3, stride, channels);
        g.conv(wider, channels, 1, 1, 1);
        channels = wider;
    }
    let x = g.at;
    let shape = g.b.values()[x].shape.0.clone();
    let v = g.push(Op::AveragePool {
        x,
        kernel: shape[1..].to_vec(),
        slide: Slide::dense(2),
        count_pad: false,
    });
    g.activations.push(v);
    let x = g.at;
    g.push(Op::Flatten { x });
    g.dense(10, channels);
    g.finish(name)
}
