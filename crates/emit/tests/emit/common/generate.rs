//! Random fixed-point programs: shapes, formats, roundings, channels, extreme constants.

mod dag;

pub(crate) use dag::random_dag;

use super::constant;
use ceg4n_ir::{
    Checked, Format, NetworkBuilder, Op, Program, Rounding, Shape, TensorFormat, ValueId, check,
};
use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// A constant's or activation's annotation; mantissas for constants.
type Annotated = (ValueId, TensorFormat, Option<Arc<[i32]>>);

/// A random format: mostly narrow, or, in wide programs, mostly wide.
fn random_format(rng: &mut impl Rng, wide: bool, widest: u8, frac: i32) -> Format {
    let width = match (wide, rng.random_bool(0.2)) {
        (false, false) => rng.random_range(1..=widest.min(9)),
        (false, true) => rng.random_range(1..=widest),
        (true, _) => rng.random_range(8..=widest),
    };
    Format::new(rng.random_bool(0.5), width, frac).unwrap()
}

/// Mantissas of a format: uniform, all at one end, or mostly zero.
fn random_mantissas(rng: &mut impl Rng, formats: &[Format], per_row: usize) -> Arc<[i32]> {
    let mut all = Vec::new();
    for f in formats {
        let style = rng.random_range(0..8);
        for _ in 0..per_row {
            let m = match style {
                0 => f.min(),
                1 => f.max(),
                2 => 0,
                _ => rng.random_range(f.min()..=f.max()),
            };
            all.push(i32::try_from(m).unwrap());
        }
    }
    all.into()
}

/// State of the generator: the network so far and what its annotations will be.
struct Growing<'a> {
    rng: &'a mut ChaCha8Rng,
    b: NetworkBuilder,
    formats: Vec<Annotated>,
    at: ValueId,
    len: usize,
    frac: i32,
    /// Multipliers of the value at hand.
    factors: Vec<u16>,
    count: usize,
    /// Formats are wide, so that 64-bit accumulators are common.
    wide: bool,
}

impl Growing<'_> {
    fn name(&mut self, what: &str) -> String {
        self.count += 1;
        format!("{what}{}", self.count)
    }

    fn push(&mut self, what: &str, op: Op) {
        let name = self.name(what);
        self.at = self.b.push(name, op, None, None);
    }

    fn constant(&mut self, shape: &[usize], formats: Vec<Format>, value: f32) -> ValueId {
        let name = self.name("k");
        let c = constant(&mut self.b, &name, shape, value);
        let per_row = shape.iter().product::<usize>() / shape[0];
        let rows = shape[0];
        let all: Vec<Format> = (0..rows).map(|j| formats[j % formats.len()]).collect();
        let m = random_mantissas(self.rng, &all, per_row);
        let f = if formats.len() == 1 {
            TensorFormat::Tensor(formats[0])
        } else {
            TensorFormat::Channels(all.into())
        };
        self.formats.push((c, f, Some(m)));
        c
    }

    /// Requantizes the value at hand to a format near its scale.
    fn requantize(&mut self) {
        let most = self.factors.iter().copied().max().unwrap_or(1);
        let frac = self.frac - self.rng.random_range(-3..=12) - most.ilog2() as i32;
        let f = random_format(self.rng, self.wide, 32, frac);
        self.formats.push((self.at, f.into(), None));
        self.frac = frac;
        self.factors = vec![1; self.len];
    }

    /// A multiplier: often none, the greatest, or anything.
    fn factor(&mut self) -> u16 {
        match self.rng.random_range(0..4) {
            0 => 1,
            1 => (1 << 15) - 1,
            _ => self.rng.random_range(1..1 << 15),
        }
    }

    fn dense(&mut self) {
        let rows = self.rng.random_range(1..=6);
        let frac = self.rng.random_range(-2..=8);
        let channels = if self.rng.random_bool(0.4) { rows } else { 1 };
        let mut formats = Vec::new();
        for _ in 0..channels {
            let spread = if channels > 1 {
                self.rng.random_range(0..=4)
            } else {
                0
            };
            let f = random_format(
                self.rng,
                self.wide,
                if self.wide { 26 } else { 16 },
                frac + spread,
            );
            formats.push(f);
        }
        if self.rng.random_bool(0.4) {
            for f in &mut formats {
                *f = f.with_multiplier(self.factor()).unwrap();
            }
        }
        self.factors = (0..rows)
            .map(|j| formats[j % formats.len()].multiplier())
            .collect();
        let weight = self.constant(&[rows, self.len], formats, 1.0);
        self.frac += frac;
        let bias = self.rng.random_bool(0.7).then(|| {
            let (shift, width) = if self.wide { (30, 32) } else { (4, 16) };
            let frac = self.frac - self.rng.random_range(0..=shift);
            let width = self.rng.random_range(1..=width);
            let f = Format::new(true, width, frac).unwrap();
            let formats = self.multiplied(f, rows);
            self.constant(&[rows], formats, 1.0)
        });
        self.len = rows;
        let x = self.at;
        self.push("dense", Op::Dense { x, weight, bias });
    }

    /// A constant's formats with the multipliers of the value at hand: one if they are the same.
    fn multiplied(&self, f: Format, len: usize) -> Vec<Format> {
        let own = |m: &u16| f.with_multiplier(*m).unwrap();
        let same = self.factors.iter().all(|m| *m == self.factors[0]);
        let distinct = if same { 1 } else { len };
        self.factors.iter().take(distinct).map(own).collect()
    }

    /// An operator that is no dense layer; the constants' scales fit most of the time.
    fn small(&mut self) {
        let x = self.at;
        match self.rng.random_range(0..6) {
            0 | 1 => self.push("relu", Op::Relu { x }),
            2 | 3 => {
                let same = self.factors.iter().all(|m| *m == self.factors[0]);
                let n = if self.rng.random_bool(0.5) && same {
                    1
                } else {
                    self.len
                };
                let width = self.rng.random_range(1..=12);
                let f = Format::new(true, width, self.frac - self.rng.random_range(0..=3)).unwrap();
                let formats = self.multiplied(f, n);
                let c = self.constant(&[n], formats, 1.0);
                let op = if self.rng.random_bool(0.5) {
                    Op::Add { x, c }
                } else {
                    Op::Sub { x, c }
                };
                self.push("sum", op);
            }
            4 => {
                let k = self.rng.random_range(-2..=3);
                let f = Format::new(true, 8, 0).unwrap();
                let c = self.constant(&[1], vec![f], 2f32.powi(k));
                self.push("div", Op::Div { x, c });
                self.frac += k;
            }
            _ => self.push("same", Op::Identity { x }),
        }
    }
}

/// A random program, or `None` where the checker refuses it.
pub(crate) fn random_program(rng: &mut ChaCha8Rng) -> Option<Checked<Program>> {
    let frac = rng.random_range(-1..=9);
    let wide = rng.random_bool(0.3);
    let input = random_format(rng, wide, 32, frac);
    let mut b = NetworkBuilder::new("random");
    let shape = if rng.random_bool(0.3) {
        vec![2, rng.random_range(1..=4)]
    } else {
        vec![rng.random_range(1..=7)]
    };
    let len = shape.iter().product();
    let x = b.push("x", Op::Input, Some(Shape(shape)), None);
    let mut g = Growing {
        rng,
        b,
        formats: vec![(x, input.into(), None)],
        at: x,
        len,
        frac,
        factors: vec![1; len],
        count: 0,
        wide,
    };
    g.push("flat", Op::Flatten { x });
    let layers = g.rng.random_range(0..=4);
    for layer in 0..=layers {
        if layer > 0 {
            g.dense();
        }
        for _ in 0..g.rng.random_range(0..=2) {
            g.small();
            if g.rng.random_bool(0.2) {
                g.requantize();
            }
        }
        let last = layer == layers;
        if g.rng.random_bool(if last {
            0.5
        } else if layer == 0 {
            0.2
        } else {
            1.0
        }) {
            g.requantize();
        }
        if g.rng.random_bool(0.3) {
            g.small();
        }
    }
    let rounding = Rounding::ALL[g.rng.random_range(0..3)];
    let (b, formats, output) = (g.b, g.formats, g.at);
    let net = Arc::new(b.finish(output).unwrap());
    let mut patch = Program::reference(net).patch().rounding(rounding);
    for (v, f, m) in formats {
        patch = match m {
            Some(m) => patch.mantissas(v, f, m),
            None => patch.format(v, f),
        };
    }
    check(patch.finish()).ok()
}
