//! Random programs of every operator: windows, joins, moves, activations, values with several
//! users.

use super::{Annotated, random_format, random_mantissas};
use crate::common::numbers;
use ceg4n_ir::network::{Curve, Slide};
use ceg4n_ir::{
    Checked, Format, NetworkBuilder, Op, Program, Rounding, Shape, TensorFormat, Unary, ValueId,
    check,
};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// Results are at most this long.
const LONGEST: usize = 160;

/// A value that later ones may use.
#[derive(Clone, Debug)]
struct Known {
    v: ValueId,
    shape: Vec<usize>,
    /// Fraction bits of the stored tensor; `None` for an accumulator.
    format: Option<Format>,
    /// About the fraction bits.
    frac: i32,
}

struct Dag<'a> {
    rng: &'a mut ChaCha8Rng,
    b: NetworkBuilder,
    formats: Vec<Annotated>,
    known: Vec<Known>,
}

impl Dag<'_> {
    fn chance(&mut self, p: f64) -> bool {
        self.rng.random_bool(p)
    }

    /// The latest value.
    fn at(&self) -> Known {
        self.known.last().unwrap().clone()
    }

    /// The latest value, through an identity with a format unless it has one.
    fn stored(&mut self) -> Known {
        let x = self.at();
        if x.format.is_some() {
            return x;
        }
        let frac = x.frac - self.rng.random_range(-1..=6);
        let f = random_format(self.rng, false, 16, frac);
        self.requantized(&x, f)
    }

    /// A value under another format.
    fn requantized(&mut self, x: &Known, f: Format) -> Known {
        let k = self.push(Op::Identity { x: x.v }, Some(f), f.frac());
        self.formats.push((k.v, f.into(), None));
        k
    }

    fn push(&mut self, op: Op, format: Option<Format>, frac: i32) -> Known {
        let name = format!("v{}", self.b.values().iter().count());
        let v = self.b.push(name, op, None, None);
        let shape = self.b.values()[v].shape.0.clone();
        self.known.push(Known {
            v,
            shape,
            format,
            frac,
        });
        self.at()
    }

    fn constant(&mut self, shape: &[usize], formats: Vec<Format>) -> ValueId {
        let name = format!("k{}", self.b.values().iter().count());
        let len: usize = shape.iter().product();
        let c = numbers(&mut self.b, &name, shape, &vec![1.0; len]);
        let all: Vec<Format> = (0..shape[0]).map(|j| formats[j % formats.len()]).collect();
        let m = random_mantissas(self.rng, &all, len / shape[0]);
        let f = match formats[..] {
            [one] => TensorFormat::Tensor(one),
            _ => TensorFormat::Channels(all.into()),
        };
        self.formats.push((c, f, Some(m)));
        c
    }

    /// Formats of weights for `rows` channels: one, or one each, with or without multipliers.
    fn weight_formats(&mut self, rows: usize) -> Vec<Format> {
        let frac = self.rng.random_range(0..=6);
        let channels = if self.chance(0.4) { rows } else { 1 };
        let factors = self.chance(0.3);
        let mut one = || {
            let spread = self.rng.random_range(0..=if channels > 1 { 2 } else { 0 });
            let f = random_format(self.rng, false, 8, frac + spread);
            let m = if factors {
                self.rng.random_range(1..1 << 15)
            } else {
                1
            };
            f.with_multiplier(m).unwrap()
        };
        (0..channels).map(|_| one()).collect()
    }

    /// A bias that fits weights of given formats.
    fn bias(&mut self, x: Format, weights: &[Format], rows: usize) -> Option<ValueId> {
        let down = self.rng.random_range(0..=3);
        let own = |w: &Format| {
            let f = Format::new(true, 10, x.frac() + w.frac() - down).unwrap();
            f.with_multiplier(w.multiplier()).unwrap()
        };
        let formats = weights.iter().map(own).collect();
        self.chance(0.7).then(|| self.constant(&[rows], formats))
    }

    /// How a window of given extents slides over some positions; `None` if it does not fit.
    fn slide(&mut self, extents: &[usize], wide_padding: bool) -> (Vec<usize>, Slide) {
        let mut slide = Slide::dense(extents.len());
        let mut kernel = vec![1; extents.len()];
        for (a, n) in extents.iter().enumerate() {
            kernel[a] = self.rng.random_range(1..=3);
            slide.strides[a] = self.rng.random_range(1..=3);
            slide.dilations[a] = if self.chance(0.3) { 2 } else { 1 };
            let reach = slide.dilations[a] * (kernel[a] - 1) + 1;
            let most = if wide_padding { 3 } else { reach - 1 };
            if self.chance(0.6) {
                slide.before[a] = self.rng.random_range(0..=most);
                slide.after[a] = self.rng.random_range(0..=most);
            }
            if n + slide.before[a] + slide.after[a] < reach {
                kernel[a] = 1;
            }
        }
        (kernel, slide)
    }

    fn conv(&mut self) {
        let x = self.stored();
        if x.shape.len() < 2 {
            return self.dense();
        }
        let channels = x.shape[0];
        let mut groups: Vec<usize> = (1..=channels)
            .filter(|g| channels.is_multiple_of(*g))
            .collect();
        let groups = groups.swap_remove(self.rng.random_range(0..groups.len()));
        let filters = groups * self.rng.random_range(1..=3);
        let (kernel, slide) = self.slide(&x.shape[1..], true);
        let mut shape = vec![filters, channels / groups];
        shape.extend(&kernel);
        let formats = self.weight_formats(filters);
        let frac = x.frac + formats[0].frac() + formats[0].multiplier().ilog2() as i32;
        let bias = self.bias(x.format.unwrap(), &formats, filters);
        let weight = self.constant(&shape, formats);
        let op = Op::Conv {
            x: x.v,
            weight,
            bias,
            slide,
            groups,
        };
        self.push(op, None, frac);
    }

    fn dense(&mut self) {
        let mut x = self.stored();
        if x.shape.len() != 1 {
            x = self.push(Op::Flatten { x: x.v }, x.format, x.frac);
        }
        let rows = self.rng.random_range(1..=8);
        let formats = self.weight_formats(rows);
        let frac = x.frac + formats[0].frac() + formats[0].multiplier().ilog2() as i32;
        let bias = self.bias(x.format.unwrap(), &formats, rows);
        let weight = self.constant(&[rows, x.shape[0]], formats);
        let op = Op::Dense {
            x: x.v,
            weight,
            bias,
        };
        self.push(op, None, frac);
    }

    fn pool(&mut self) {
        let x = if self.chance(0.7) {
            self.stored()
        } else {
            self.at()
        };
        if x.shape.len() < 2 {
            return self.reshape();
        }
        let (mut kernel, mut slide) = self.slide(&x.shape[1..], false);
        if self.chance(0.2) {
            (kernel, slide) = (x.shape[1..].to_vec(), Slide::dense(x.shape.len() - 1));
        }
        let op = if self.chance(0.5) {
            Op::MaxPool {
                x: x.v,
                kernel,
                slide,
            }
        } else {
            Op::AveragePool {
                x: x.v,
                kernel,
                slide,
                count_pad: self.chance(0.4),
            }
        };
        let format = x.format.filter(|_| matches!(op, Op::MaxPool { .. }));
        self.push(op, format, x.frac);
    }

    /// A sum or product with a constant of some shape.
    fn with_constant(&mut self) {
        let x = self.stored();
        let mut shape = x.shape.clone();
        for n in &mut shape {
            if self.chance(0.5) {
                *n = 1;
            }
        }
        if self.chance(0.3) {
            shape.remove(0);
        }
        if shape.is_empty() {
            shape = vec![1];
        }
        if self.chance(0.5) {
            let formats = self.weight_formats(shape[0]);
            let frac = x.frac + formats[0].frac() + formats[0].multiplier().ilog2() as i32;
            let c = self.constant(&shape, formats);
            self.push(Op::Mul { x: x.v, c }, None, frac);
        } else {
            let f = Format::new(true, 9, x.frac - self.rng.random_range(0..=2)).unwrap();
            let c = self.constant(&shape, vec![f]);
            let op = if self.chance(0.5) {
                Op::Add { x: x.v, c }
            } else {
                Op::Sub { x: x.v, c }
            };
            self.push(op, None, x.frac);
        }
    }

    /// An earlier value of a shape that fits, under the format of `x`.
    fn partner(&mut self, x: &Known, fits: impl Fn(&[usize]) -> bool) -> Known {
        let all: Vec<Known> = self
            .known
            .iter()
            .filter(|k| fits(&k.shape))
            .cloned()
            .collect();
        let k = all[self.rng.random_range(0..all.len())].clone();
        if k.format == x.format && self.chance(0.5) {
            return k;
        }
        self.requantized(&k, x.format.unwrap())
    }

    fn join(&mut self) {
        let x = self.stored();
        let axis = self.rng.random_range(0..x.shape.len());
        if self.chance(0.6) {
            let y = self.partner(&x, |s| s == x.shape);
            let (x, y) = if self.chance(0.5) { (x, y) } else { (y, x) };
            self.push(Op::Sum { x: x.v, y: y.v }, None, x.frac);
            return;
        }
        let fits = |s: &[usize]| {
            let same = |d: usize| d == axis || s[d] == x.shape[d];
            s.len() == x.shape.len() && (0..s.len()).all(same)
        };
        let mut xs = vec![x.v];
        for _ in 0..self.rng.random_range(1..=2) {
            xs.push(self.partner(&x, fits).v);
        }
        self.push(Op::Concat { xs, axis }, x.format, x.frac);
    }

    fn moved(&mut self) {
        let x = self.stored();
        let rank = x.shape.len();
        if self.chance(0.5) {
            let mut some = |most| (0..rank).map(|_| self.rng.random_range(0..=most)).collect();
            let (before, after) = (some(1), some(1));
            let value = [0.0, -0.5, 3.0][self.rng.random_range(0..3)];
            let op = Op::Pad {
                x: x.v,
                before,
                after,
                value,
            };
            self.push(op, x.format, x.frac);
        } else {
            let x = if self.chance(0.4) { self.at() } else { x };
            let mut perm: Vec<usize> = (0..rank).collect();
            for i in (1..rank).rev() {
                perm.swap(i, self.rng.random_range(0..=i));
            }
            self.push(Op::Transpose { x: x.v, perm }, x.format, x.frac);
        }
    }

    fn reshape(&mut self) {
        let x = self.at();
        let n: usize = x.shape.iter().product();
        let d = (1..=n).filter(|d| n.is_multiple_of(*d)).collect::<Vec<_>>();
        let first = d[self.rng.random_range(0..d.len())];
        let mut shape = vec![first, n / first];
        if self.chance(0.5) {
            let second = (2..=n / first)
                .find(|d| (n / first).is_multiple_of(*d))
                .unwrap_or(1);
            shape = vec![first, second, n / first / second];
        }
        let name = format!("v{}", self.b.values().iter().count());
        let op = Op::Reshape { x: x.v };
        let v = self.b.push(name, op, Some(Shape(shape.clone())), None);
        self.known.push(Known { v, shape, ..x });
    }

    fn activation(&mut self) {
        let x = self.at();
        let (v, format) = (x.v, x.format);
        let end = |rng: &mut ChaCha8Rng| rng.random_range(-40..=40) as f32 * 0.125;
        match self.rng.random_range(0..8) {
            0 | 1 => self.push(Op::Relu { x: v }, format, x.frac),
            2 => {
                let (a, b) = (end(self.rng), end(self.rng));
                let lo = (self.chance(0.8)).then_some(a.min(b));
                let hi = (lo.is_none() || self.chance(0.8)).then_some(a.max(b));
                self.push(Op::Clip { x: v, lo, hi }, format, x.frac)
            }
            3 => {
                let shift = self.rng.random_range(1..=5);
                self.push(
                    Op::LeakyRelu { x: v, shift },
                    None,
                    x.frac + i32::from(shift),
                )
            }
            4 | 5 => {
                let function = Unary::ALL[self.rng.random_range(0..Unary::ALL.len())];
                let format = function.format();
                let frac = format.map_or(x.frac, Format::frac);
                self.push(Op::Unary { x: v, function }, format, frac)
            }
            6 => {
                let k = self.rng.random_range(-2..=3);
                let f = Format::new(true, 8, 0).unwrap();
                let name = format!("k{}", self.b.values().iter().count());
                let c = numbers(&mut self.b, &name, &[1], &[2f32.powi(k)]);
                self.formats.push((c, f.into(), Some([1].into())));
                let format = format.and_then(|f| Format::new(f.signed(), f.width(), f.frac() + k));
                self.push(Op::Div { x: v, c }, format, x.frac + k)
            }
            _ => {
                let x = self.stored();
                let own = x.format.filter(|f| f.width() <= 10 && f.frac().abs() < 12);
                if own.is_none() {
                    return;
                }
                let curve = [Curve::Sigmoid, Curve::Tanh][self.rng.random_range(0..2)];
                let frac = self.rng.random_range(3..=12);
                let f = random_format(self.rng, false, 16, frac);
                let k = self.push(Op::Curve { x: x.v, curve }, Some(f), frac);
                self.formats.push((k.v, f.into(), None));
                k
            }
        };
    }
}

/// A random program of every operator, or `None` where the checker refuses it.
pub(crate) fn random_dag(rng: &mut ChaCha8Rng) -> Option<Checked<Program>> {
    let frac = rng.random_range(0..=6);
    let input = random_format(rng, false, 16, frac);
    let mut b = NetworkBuilder::new("dag");
    let mut shape = vec![rng.random_range(1..=3), rng.random_range(1..=5)];
    if rng.random_bool(0.7) {
        shape.push(rng.random_range(1..=5));
    }
    let v = b.push("x", Op::Input, Some(Shape(shape.clone())), None);
    let mut g = Dag {
        rng,
        b,
        formats: vec![(v, input.into(), None)],
        known: vec![Known {
            v,
            shape,
            format: Some(input),
            frac,
        }],
    };
    for _ in 0..g.rng.random_range(1..=7) {
        match g.rng.random_range(0..12) {
            0..=2 => g.conv(),
            3 => g.dense(),
            4 | 5 => g.pool(),
            6 => g.with_constant(),
            7 | 8 => g.join(),
            9 | 10 => g.moved(),
            _ => g.reshape(),
        }
        for _ in 0..g.rng.random_range(0..=2) {
            g.activation();
        }
        if g.at().shape.iter().product::<usize>() > LONGEST {
            return None;
        }
    }
    if g.chance(0.6) {
        g.stored();
    }
    let rounding = Rounding::ALL[g.rng.random_range(0..3)];
    let output = g.at().v;
    let net = Arc::new(g.b.finish(output).ok()?);
    let mut patch = Program::reference(net).patch().rounding(rounding);
    for (v, f, m) in g.formats {
        patch = match m {
            Some(m) => patch.mantissas(v, f, m),
            None => patch.format(v, f),
        };
    }
    check(patch.finish()).ok()
}
