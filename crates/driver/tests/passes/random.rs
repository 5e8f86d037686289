//! Random modules that passes find something to do in: layers with equal, zero and unread rows,
//! moves, sums, clamps, several versions.

use ceg4n_ir::{
    AccAnnotation, Annotation, Annotations, Constant, Format, Kernel, KernelOp, Module,
    NetworkBuilder, Op, Program, Rounding, Shape, Slide, TensorFormat, Unary, ValueId, check,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

/// Modules that are tried.
pub(crate) const SEEDS: u64 = 160;

/// The module of a seed; `None` if the checker refuses a version of it.
pub(crate) fn module(seed: u64) -> Option<Module> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let versions = rng.random_range(0..=2usize);
    let mut make = Make {
        net: NetworkBuilder::new("r"),
        notes: vec![BTreeMap::new(); versions],
        rng,
        count: 0,
    };
    let shape = match make.rng.random_range(0..3) {
        0 => Shape(vec![make.rng.random_range(1..=3)]),
        1 => Shape(vec![2, 3]),
        _ => Shape(vec![2, 2, 2]),
    };
    let mut x = make.net.push("x", Op::Input, Some(shape), None);
    let input = make.rng.random_range(0..3);
    make.note(x, ["s4q2", "u4q3", "s5q4"][input], &[]);
    for _ in 0..make.rng.random_range(4..10) {
        x = make.step(x);
    }
    if make.rng.random() {
        make.stored(x);
    }
    let net = std::mem::replace(&mut make.net, NetworkBuilder::new("r"));
    let mut module = Module::new(net.finish(x).ok()?);
    let notes = std::mem::take(&mut make.notes);
    for (k, values) in notes.into_iter().enumerate() {
        module.versions.push(Annotations {
            version: k as u32 + 1,
            rounding: Rounding::ALL[make.rng.random_range(0..3)],
            values,
            ..Annotations::default()
        });
        let last = module.versions[k].clone();
        let checked = check(Program::new(module.network.clone(), last)).ok()?;
        for (v, width) in accumulators(checked.kernel()?) {
            let values = &mut module.versions[k].values;
            if make.rng.random_range(0..6) == 0 && !values.contains_key(&v) {
                let width = make.rng.random::<bool>().then_some(width);
                values.insert(v, Annotation::Acc(AccAnnotation { width }));
            }
        }
    }
    Some(module)
}

/// The accumulators of a version, with the widths that they need.
fn accumulators(kernel: &Kernel) -> BTreeMap<ValueId, u8> {
    let nodes = kernel.nodes.values();
    let plain = nodes.filter(|n| n.format.is_none() && !matches!(n.op, KernelOp::Align { .. }));
    plain.map(|n| (n.value, n.width)).collect()
}

struct Make {
    net: NetworkBuilder,
    notes: Vec<BTreeMap<ValueId, Annotation>>,
    rng: ChaCha8Rng,
    count: usize,
}

impl Make {
    fn shape(&self, x: ValueId) -> Shape {
        self.net.values()[x].shape.clone()
    }

    /// Annotates a value in every version, now and then with another of the formats.
    fn note(&mut self, v: ValueId, format: &str, others: &[&str]) {
        for notes in &mut self.notes {
            let pick = self.rng.random_range(0..others.len() + 1);
            let text = others.get(pick).copied().unwrap_or(format);
            let format: Format = text.parse().expect("a format");
            let note = Annotation::Fixed {
                format: format.into(),
                mantissas: None,
            };
            notes.insert(v, note);
        }
    }

    fn stored(&mut self, v: ValueId) {
        if matches!(self.net.values()[v].op, Op::Input) {
            return;
        }
        let stored = self.notes.iter().all(|n| n.contains_key(&v));
        if !stored {
            self.note(v, "s6q2", &["u5q1", "s8q3", "s4q2", "u8q4"]);
        }
    }

    fn push(&mut self, op: Op, shape: Option<Shape>) -> ValueId {
        self.count += 1;
        let v = self.net.push(format!("v{}", self.count), op, shape, None);
        // Often a format, so that formats follow each other.
        if self.rng.random_range(0..3) == 0 {
            self.stored(v);
        }
        v
    }

    fn constant(&mut self, data: Vec<f32>, shape: Shape, format: &str, others: &[&str]) -> ValueId {
        self.count += 1;
        let op = Op::Const(Constant::inline(data));
        let name = format!("c{}", self.count);
        let c = self.net.push(name, op, Some(shape), None);
        self.note(c, format, others);
        c
    }

    /// Rows of weights: some zero, some equal, some columns zero.
    fn rows(&mut self, rows: usize, columns: usize, per_neuron: usize) -> Vec<f32> {
        let mut w: Vec<f32> = (0..rows * columns)
            .map(|_| self.rng.random_range(-5..=5) as f32 / 4.0)
            .collect();
        for j in 1..rows {
            match self.rng.random_range(0..4) {
                0 => w.copy_within(0..columns, j * columns),
                1 => w[j * columns..(j + 1) * columns].fill(0.0),
                _ => {}
            }
        }
        for k in 0..columns / per_neuron {
            if self.rng.random_range(0..4) == 0 {
                for j in 0..rows {
                    let at = j * columns + k * per_neuron;
                    w[at..at + per_neuron].fill(0.0);
                }
            }
        }
        w
    }

    /// A bias with equal elements, or none.
    fn bias(&mut self, rows: usize) -> Option<ValueId> {
        if self.rng.random() {
            return None;
        }
        let values: Vec<f32> = (0..rows)
            .map(|_| [0.0, 0.0, 1.0, -1.0][self.rng.random_range(0..4)])
            .collect();
        Some(self.constant(values, Shape::vector(rows), "s4q0", &["s3q0", "s6q1"]))
    }

    fn step(&mut self, x: ValueId) -> ValueId {
        let shape = self.shape(x);
        let plain = [Op::Relu { x }, Op::Identity { x }, Op::Flatten { x }];
        match self.rng.random_range(0..19) {
            0..=3 if shape.0.len() > 1 => self.spatial(x, &shape),
            0..=3 => self.dense(x, shape.len()),
            4 => self.push(Op::Relu { x }, None),
            5 => self.transpose(x, &shape),
            6 => {
                let back = match shape.0.len() {
                    1 => Shape(vec![shape.len(), 1]),
                    _ => Shape(vec![1, shape.len()]),
                };
                self.push(Op::Reshape { x }, Some(back))
            }
            7 => {
                let twice = self.transpose(x, &shape);
                let relu = self.push(Op::Relu { x: twice }, None);
                let shape = self.shape(relu);
                self.transpose(relu, &shape)
            }
            8 => self.sum(x, &shape),
            9 => {
                let one = self.constant(vec![1.0], Shape::vector(1), "u1q0", &["u4q2"]);
                self.stored(x);
                let v = self.push(Op::Mul { x, c: one }, None);
                self.stored(v);
                v
            }
            10 => {
                // Ends that the format of the operand may not hold.
                let lo = Some([-1.0, 1.0, 5.0][self.rng.random_range(0..3)]);
                let hi = Some([5.0, 6.5, 80.0][self.rng.random_range(0..3)]);
                let x = match self.rng.random() {
                    true => x,
                    false => {
                        let r = self.push(Op::Relu { x }, None);
                        self.stored(r);
                        r
                    }
                };
                self.push(Op::Clip { x, lo, hi }, None)
            }
            11 => {
                let a = self.push(Op::Relu { x }, None);
                let b = self
                    .net
                    .push(format!("w{}", self.count), Op::Relu { x }, None, None);
                for notes in &mut self.notes {
                    if let Some(note) = notes.get(&a).cloned() {
                        notes.insert(b, note);
                    }
                }
                if self.rng.random_range(0..3) == 0 {
                    // Of one scale, so that they can be added.
                    self.note(a, "u5q2", &[]);
                    self.note(b, "u5q2", &["s4q2", "u8q2"]);
                }
                self.push(Op::Sum { x: a, y: b }, None)
            }
            12 => {
                let function = Unary::Abs;
                let a = self.push(Op::Unary { x, function }, None);
                self.stored(a);
                self.push(Op::Relu { x: a }, None)
            }
            13 => self.rounded_twice(x),
            14 if shape.0.len() > 1 => {
                let t = self.transpose(x, &shape);
                let r = self.push(Op::Relu { x: t }, None);
                let flat = self.push(Op::Flatten { x: r }, None);
                self.dense(flat, shape.len())
            }
            k => self.push(plain[k % 3].clone(), None),
        }
    }

    /// Two formats, one after the other.
    fn rounded_twice(&mut self, x: ValueId) -> ValueId {
        let op = match self.rng.random() {
            true => Op::Identity { x },
            false => Op::Relu { x },
        };
        let a = self.push(op, None);
        self.note(a, "s8q4", &["s4q2", "u5q3", "s12q6"]);
        let b = self.push(Op::Identity { x: a }, None);
        self.note(b, "s6q2", &["s8q4", "u4q1", "s3q2"]);
        b
    }

    /// Weights with formats, sometimes one for each row, and with mantissas that do not follow from
    /// them.
    fn weights(&mut self, data: Vec<f32>, shape: Shape) -> ValueId {
        let rows = shape.0[0];
        let len = data.len();
        let w = self.constant(data, shape, "s4q2", &["s5q2", "s3q1"]);
        for notes in &mut self.notes {
            let Some(Annotation::Fixed { format, mantissas }) = notes.get_mut(&w) else {
                continue;
            };
            match self.rng.random_range(0..4) {
                0 => {
                    let pick = || ["s4q2", "s5q2", "s4q3"][self.rng.random_range(0..3)];
                    let list = std::iter::repeat_with(pick).take(rows);
                    let list = list.map(|t| t.parse::<Format>().expect("a format"));
                    *format = TensorFormat::Channels(list.collect());
                }
                1 => {
                    let any = || self.rng.random_range(-1..=1);
                    *mantissas = Some(std::iter::repeat_with(any).take(len).collect());
                }
                _ => {}
            }
        }
        w
    }

    fn dense(&mut self, x: ValueId, columns: usize) -> ValueId {
        self.stored(x);
        let rows = self.rng.random_range(2..=4);
        let w = self.rows(rows, columns, 1);
        let weight = self.weights(w, Shape(vec![rows, columns]));
        let bias = self.bias(rows);
        let v = self.push(Op::Dense { x, weight, bias }, None);
        match self.rng.random_range(0..3) {
            0 => {
                let shape = self.shape(v);
                self.sum(v, &shape)
            }
            _ => v,
        }
    }

    fn spatial(&mut self, x: ValueId, shape: &Shape) -> ValueId {
        let axes = shape.0.len() - 1;
        let slide = Slide::dense(axes);
        match self.rng.random_range(0..5) {
            0 => {
                let flat = self.push(Op::Flatten { x }, None);
                self.dense(flat, shape.len())
            }
            1 => {
                let kernel = vec![1; axes];
                self.push(Op::MaxPool { x, kernel, slide }, None)
            }
            _ => {
                self.stored(x);
                let rows = self.rng.random_range(1..=3);
                let taps: usize = shape.0[1..].iter().map(|d| (*d).min(2)).product();
                let mut dims = vec![rows, shape.0[0]];
                dims.extend(shape.0[1..].iter().map(|d| (*d).min(2)));
                let w = self.rows(rows, shape.0[0] * taps, taps);
                let weight = self.weights(w, Shape(dims));
                let bias = self.bias(rows);
                let mut slide = slide;
                if self.rng.random() {
                    slide.before[0] = 1;
                }
                let op = Op::Conv {
                    x,
                    weight,
                    bias,
                    slide,
                    groups: 1,
                };
                self.push(op, None)
            }
        }
    }

    fn transpose(&mut self, x: ValueId, shape: &Shape) -> ValueId {
        let mut perm: Vec<usize> = (0..shape.0.len()).collect();
        perm.reverse();
        self.push(Op::Transpose { x, perm }, None)
    }

    fn sum(&mut self, x: ValueId, shape: &Shape) -> ValueId {
        let (len, first) = (shape.len(), shape.0[0]);
        let mut dims = vec![1; shape.0.len()];
        dims[0] = first;
        let (n, shape) = match self.rng.random_range(0..3) {
            0 => (1, Shape::vector(1)),
            1 => (first, Shape(dims)),
            _ => (len, shape.clone()),
        };
        let data: Vec<f32> = (0..n)
            .map(|_| self.rng.random_range(-1..=1) as f32)
            .collect();
        let c = self.constant(data, shape, "s3q0", &["s5q0"]);
        let op = match self.rng.random() {
            true => Op::Add { x, c },
            false => Op::Sub { x, c },
        };
        self.push(op, None)
    }
}
