//! Bit-exactness on random graphs of all operators: convolutions and pools of every geometry,
//! sums and concatenations of several users' values, tables, at many widths.

use crate::common::{Builder, CACHES, Rng, compare_with, fmt, times};
use crate::direct::{self, live};
use ceg4n_ir::network::{Curve, Slide};
use ceg4n_ir::{
    Checked, Format, Op, Program, Rounding, Shape, TensorFormat, Unary, ValueId, check,
};
use std::collections::BTreeMap;

const PROGRAMS: u64 = 4000;

/// A graph that grows.
struct Graph<'a> {
    b: Builder,
    rng: &'a mut Rng,
    /// Greatest width of formats.
    width: i64,
    /// Stored tensors and their formats.
    stored: Vec<(ValueId, Format)>,
}

impl Graph<'_> {
    fn format(&mut self, frac: i64) -> Format {
        let width = self.rng.range(1, self.width);
        let spread = if self.rng.one_in(8) { 12 } else { 3 };
        let frac = frac + self.rng.range(-spread, spread);
        fmt(self.rng.one_in(2), width, frac)
    }

    /// A stored tensor; the last ones often.
    fn pick(&mut self) -> (ValueId, Format) {
        let n = self.stored.len() as i64;
        let first = if self.rng.one_in(2) { n - 1 } else { 0 };
        self.stored[self.rng.range(first, n - 1) as usize]
    }

    /// Gives a value a format near so many fraction bits.
    fn store(&mut self, v: ValueId, frac: i64) {
        let format = self.format(frac);
        self.b.format(v, format);
        self.stored.push((v, format));
    }

    /// A value in another's format.
    fn converted(&mut self, (v, own): (ValueId, Format), format: Format) -> ValueId {
        if own == format {
            return v;
        }
        let y = self.b.push(Op::Identity { x: v }, None);
        self.b.format(y, format);
        y
    }

    /// Relu, clip and leaky relu; returns the fraction bits that were added.
    fn activation(&mut self, x: ValueId) -> (ValueId, i64) {
        let op = match self.rng.range(0, 7) {
            0 | 1 => Op::Relu { x },
            2 => Op::Clip {
                x,
                lo: self.rng.one_in(2).then_some(-0.75),
                hi: Some(self.rng.range(0, 24) as f32 / 4.0),
            },
            3 => {
                let shift = self.rng.range(1, 4) as u8;
                let y = self.b.push(Op::LeakyRelu { x, shift }, None);
                return (y, i64::from(shift));
            }
            4 => Op::Unary {
                x,
                function: Unary::Abs,
            },
            _ => return (x, 0),
        };
        (self.b.push(op, None), 0)
    }

    /// Weights, one format each row or one for all, with multipliers at times.
    fn weights(&mut self, shape: Vec<usize>, plain: bool) -> (ValueId, Vec<Format>) {
        let rows = shape[0];
        let mut one = || {
            let mut f = self.format(3);
            while !f.signed() && f.width() == 32 {
                f = self.format(3);
            }
            match plain || self.rng.one_in(2) {
                true => f,
                false => times(f, self.rng.range(1, (1 << 15) - 1) as u16),
            }
        };
        let base = one();
        let channels: Vec<Format> = (0..rows).map(|_| one()).collect();
        let (formats, tensor) = match self.rng.one_in(2) {
            true => (channels.clone(), TensorFormat::Channels(channels.into())),
            false => (vec![base; rows], base.into()),
        };
        let per = shape.iter().skip(1).product::<usize>();
        let m = formats.iter().flat_map(|f| vec![*f; per]);
        let m = m.map(|f| self.rng.mantissa(f) as i32).collect();
        (self.b.constant(shape, tensor, m), formats)
    }

    fn bias(&mut self, x: Format, weights: &[Format]) -> Option<ValueId> {
        if self.rng.one_in(3) {
            return None;
        }
        let formats: Vec<Format> = weights
            .iter()
            .map(|f| {
                let frac = i64::from(x.frac() + f.frac()) - self.rng.range(0, 3);
                times(fmt(true, self.rng.range(1, 12), frac), f.multiplier())
            })
            .collect();
        let m = formats
            .iter()
            .map(|f| self.rng.mantissa(*f) as i32)
            .collect();
        Some(self.b.constant(
            vec![weights.len()],
            TensorFormat::Channels(formats.into()),
            m,
        ))
    }

    /// Requantizes the sums of a layer, perhaps after an activation or a pool.
    fn finish_layer(&mut self, mut v: ValueId, x: Format, weights: &[Format]) {
        let top = weights.iter().map(|f| f.multiplier().ilog2()).max();
        let frac = i64::from(x.frac() + weights[0].frac()) - i64::from(top.unwrap_or(0));
        if self.rng.one_in(6) && self.b.shape(v).0.len() > 1 {
            let (kernel, slide) = self.window(v, 2);
            v = self.b.push(
                Op::MaxPool {
                    x: v,
                    kernel,
                    slide,
                },
                None,
            );
        }
        let (v, added) = self.activation(v);
        self.store(v, (frac + added) / 2);
    }

    /// A window's extents and how it slides; mostly such as fit the tensor.
    fn window(&mut self, x: ValueId, most: i64) -> (Vec<usize>, Slide) {
        let extents = self.b.shape(x).0[1..].to_vec();
        let mut slide = Slide::dense(extents.len());
        let mut kernel = vec![];
        for (axis, extent) in extents.iter().enumerate() {
            let k = match self.rng.one_in(6) {
                true => *extent as i64,
                false => self.rng.range(1, most.min(*extent as i64)),
            };
            kernel.push(k as usize);
            slide.strides[axis] = self.rng.range(1, 2) as usize;
            if self.rng.one_in(4) {
                slide.dilations[axis] = self.rng.range(1, 3) as usize;
            }
            if self.rng.one_in(2) {
                slide.before[axis] = self.rng.range(0, k) as usize;
                slide.after[axis] = self.rng.range(0, k) as usize;
            }
        }
        (kernel, slide)
    }

    fn conv(&mut self) {
        let (x, format) = self.pick();
        let shape = self.b.shape(x);
        if shape.0.len() < 2 {
            return self.dense(x, format);
        }
        let channels = shape.0[0];
        let divisors: Vec<usize> = (1..=channels)
            .filter(|d| channels.is_multiple_of(*d))
            .collect();
        let groups = match self.rng.range(0, 4) {
            0 => channels,
            1 => divisors[self.rng.range(0, divisors.len() as i64 - 1) as usize],
            _ => 1,
        };
        let most = if self.rng.one_in(8) { 18 } else { 5 };
        let per_group = if groups == channels && self.rng.one_in(2) {
            1
        } else {
            self.rng.range(1, (most / groups as i64).max(1)) as usize
        };
        let (kernel, slide) = self.window(x, 3);
        let dims = [vec![groups * per_group, channels / groups], kernel].concat();
        let (weight, formats) = self.weights(dims, false);
        let bias = self.bias(format, &formats);
        let op = Op::Conv {
            x,
            weight,
            bias,
            slide,
            groups,
        };
        let y = self.b.push(op, None);
        self.finish_layer(y, format, &formats);
    }

    /// A dense layer without a format, whose sums may need an alignment.
    fn sums(&mut self) -> ValueId {
        let (x, format) = self.pick();
        let x = self.b.push(Op::Flatten { x }, None);
        let rows = self.rng.range(1, 6) as usize;
        let (weight, formats) = self.weights(vec![rows, self.b.len(x)], true);
        let bias = self.bias(format, &formats);
        self.b.push(Op::Dense { x, weight, bias }, None)
    }

    fn dense(&mut self, x: ValueId, format: Format) {
        let flat = self.b.push(Op::Flatten { x }, None);
        let rows = self.rng.range(1, 12) as usize;
        let cols = self.b.len(flat);
        let (weight, formats) = self.weights(vec![rows, cols], false);
        let bias = self.bias(format, &formats);
        let dense = Op::Dense {
            x: flat,
            weight,
            bias,
        };
        let y = self.b.push(dense, None);
        self.finish_layer(y, format, &formats);
    }

    fn pool(&mut self) {
        let (x, format) = self.pick();
        if self.b.shape(x).0.len() < 2 {
            return;
        }
        let (kernel, slide) = self.window(x, 3);
        if self.rng.one_in(2) {
            let y = self.b.push(Op::MaxPool { x, kernel, slide }, None);
            self.stored.push((y, format));
            return;
        }
        let count_pad = self.rng.one_in(2);
        let op = Op::AveragePool {
            x,
            kernel,
            slide,
            count_pad,
        };
        let y = self.b.push(op, None);
        self.store(y, i64::from(format.frac()));
    }

    /// An addition or a product with a constant of a shape that broadcasts.
    fn constant(&mut self) {
        let (x, format) = self.pick();
        let mut shape = self.b.shape(x).0;
        match self.rng.range(0, 2) {
            0 => shape.iter_mut().skip(1).for_each(|d| *d = 1),
            1 => shape = vec![1],
            _ => {}
        }
        let frac = i64::from(format.frac());
        if self.rng.one_in(2) {
            let f = fmt(true, self.rng.range(1, 8), frac - self.rng.range(0, 2));
            let m = (0..shape.iter().product()).map(|_| self.rng.mantissa(f) as i32);
            let m = m.collect();
            let c = self.b.constant(shape, f.into(), m);
            let y = match self.rng.one_in(2) {
                true => self.b.push(Op::Add { x, c }, None),
                false => self.b.push(Op::Sub { x, c }, None),
            };
            let (y, added) = self.activation(y);
            return self.store(y, frac + added);
        }
        let (c, formats) = self.weights(shape, false);
        let y = self.b.push(Op::Mul { x, c }, None);
        self.finish_layer(y, format, &formats);
    }

    fn sum(&mut self) {
        let (x, format) = self.pick();
        let shape = self.b.shape(x);
        let alike: Vec<(ValueId, Format)> = self
            .stored
            .iter()
            .copied()
            .filter(|(v, _)| self.b.shape(*v) == shape)
            .collect();
        let other = alike[self.rng.range(0, alike.len() as i64 - 1) as usize];
        let y = self.converted(other, format);
        let v = self.b.push(Op::Sum { x, y }, None);
        let (v, added) = self.activation(v);
        self.store(v, i64::from(format.frac()) + added);
    }

    fn concat(&mut self) {
        let (x, format) = self.pick();
        let shape = self.b.shape(x).0;
        let axis = self.rng.range(0, shape.len() as i64 - 1) as usize;
        let fits = |other: &Shape| {
            let pairs = shape.iter().zip(&other.0).enumerate();
            other.0.len() == shape.len() && pairs.into_iter().all(|(i, (a, b))| i == axis || a == b)
        };
        let alike: Vec<(ValueId, Format)> = self
            .stored
            .iter()
            .copied()
            .filter(|(v, _)| fits(&self.b.shape(*v)))
            .collect();
        let mut xs = vec![x];
        for _ in 0..self.rng.range(1, 2) {
            let other = alike[self.rng.range(0, alike.len() as i64 - 1) as usize];
            xs.push(self.converted(other, format));
        }
        if self.rng.one_in(2) {
            xs.reverse();
        }
        let y = self.b.push(Op::Concat { xs, axis }, None);
        if self.b.len(y) < 400 {
            self.stored.push((y, format));
        }
    }

    fn moved(&mut self) {
        let (x, format) = self.pick();
        let shape = self.b.shape(x).0;
        let y = match self.rng.range(0, 2) {
            0 => {
                let mut perm: Vec<usize> = (0..shape.len()).collect();
                let turn = self.rng.range(0, shape.len() as i64 - 1) as usize;
                perm.rotate_left(turn);
                self.b.push(Op::Transpose { x, perm }, None)
            }
            1 => {
                let mut ends = || {
                    shape
                        .iter()
                        .map(|_| self.rng.range(0, 1) as usize)
                        .collect()
                };
                let (before, after) = (ends(), ends());
                let value = self.rng.range(-3, 3) as f32;
                let op = Op::Pad {
                    x,
                    before,
                    after,
                    value,
                };
                self.b.push(op, None)
            }
            _ => {
                let len = self.b.len(x);
                let rows = (1..=len).filter(|d| len.is_multiple_of(*d));
                let rows: Vec<usize> = rows.collect();
                let rows = rows[self.rng.range(0, rows.len() as i64 - 1) as usize];
                let shape = Shape(vec![rows, len / rows]);
                self.b.push(Op::Reshape { x }, Some(shape))
            }
        };
        if self.b.len(y) < 400 {
            self.stored.push((y, format));
        }
    }

    fn elementwise(&mut self) {
        let (x, format) = self.pick();
        let frac = i64::from(format.frac());
        match self.rng.range(0, 3) {
            0 if format.width() <= 12 => {
                let curve = [Curve::Sigmoid, Curve::Tanh][self.rng.range(0, 1) as usize];
                let y = self.b.push(Op::Curve { x, curve }, None);
                self.store(y, 6);
            }
            1 => {
                let last = Unary::ALL.len() as i64 - 1;
                let function = Unary::ALL[self.rng.range(0, last) as usize];
                let y = self.b.push(Op::Unary { x, function }, None);
                match function.format() {
                    Some(format) => self.stored.push((y, format)),
                    None => self.store(y, frac),
                }
            }
            _ => {
                let (y, added) = self.activation(x);
                if y != x {
                    self.store(y, frac + added);
                }
            }
        }
    }
}

/// A random graph; `None` if the checker refuses it.
fn random_graph(rng: &mut Rng) -> Option<Checked<Program>> {
    let width = [8, 8, 16, 32][rng.range(0, 3) as usize];
    let mut g = Graph {
        b: Builder::new(),
        width,
        stored: vec![],
        rng,
    };
    let shape = match g.rng.range(0, 5) {
        0 => vec![g.rng.range(1, 20) as usize],
        1 => vec![g.rng.range(1, 6) as usize, g.rng.range(1, 9) as usize],
        _ => (0..3).map(|_| g.rng.range(1, 6) as usize).collect(),
    };
    let x = g.b.push(Op::Input, Some(Shape(shape)));
    g.store(x, 3);
    for _ in 0..g.rng.range(1, 7) {
        match g.rng.range(0, 11) {
            0..=4 => g.conv(),
            5 => g.pool(),
            6 => g.constant(),
            7 => g.sum(),
            8 => g.concat(),
            9 => g.moved(),
            10 => g.elementwise(),
            _ => {
                let (x, format) = g.pick();
                g.dense(x, format);
            }
        }
    }
    let last = match g.rng.one_in(3) {
        true => g.sums(),
        false => g.stored.last()?.0,
    };
    let rounding = Rounding::ALL[g.rng.range(0, 2) as usize];
    check(g.b.try_finish(last, rounding)?).ok()
}

#[test]
fn random_graphs_agree_with_the_definitions() {
    let mut accepted = 0;
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 0..PROGRAMS {
        let rng = &mut Rng(seed + (1 << 40));
        let Some(program) = random_graph(rng) else {
            continue;
        };
        accepted += 1;
        let kernel = program.kernel().expect("a kernel").clone();
        for op in live(&kernel) {
            *seen.entry(op).or_default() += 1;
        }
        let n = rng.range(1, 7) as usize;
        let inputs: Vec<i64> = (0..n * kernel.input_len())
            .map(|_| rng.mantissa(kernel.input_format))
            .collect();
        let what = format!("seed {seed}");
        compare_with(&program, &inputs, n, &what, &|x| {
            direct::outputs(&kernel, x)
        });
        let first = &inputs[..kernel.input_len()];
        assert_eq!(
            ceg4n_eval::kernel_outputs(&kernel, first).expect("exact outputs"),
            direct::outputs(&kernel, first),
            "{what}: the two references"
        );
    }
    assert!(accepted > PROGRAMS / 2, "only {accepted} were checked");
    let often = |op: &&str| seen.get(op).is_some_and(|n| *n > 30);
    let operators = [
        "dense",
        "add_const",
        "conv",
        "depthwise",
        "grouped",
        "max_pool",
        "sum_pool",
        "mul_const",
        "sum",
        "concat",
        "gather",
        "relu",
        "clip",
        "leaky_relu",
        "table",
        "requantize",
        "align",
        "move",
    ];
    assert!(operators.iter().all(often), "{seen:?}");
    assert!(Unary::ALL.iter().all(|f| often(&f.name())), "{seen:?}");
    let functions = format!("{CACHES:?}");
    for body in ["Scale", "Leaky", "Sum { z: I64 }"] {
        assert!(functions.contains(body), "{body} was not tested");
    }
    for body in [
        "None, epilogue: Narrow",
        "None, epilogue: Product",
        "Some(I16), epilogue: Narrow",
    ] {
        let seen = functions.contains(&format!("ElementVector {{ z: {body} }}"));
        let vectors = CACHES[0].options().vectors;
        assert!(seen || !vectors, "{body} was not tested");
    }
}
