//! Random networks with formats, boxes, and the way between inputs and models.

use ceg4n_ir::{
    Checked, Constant, Format, Interval, Kernel, NetworkBuilder, Op, Origin, Program, RealProgram,
    Rounding, Shape, TensorFormat, ValueId, check,
};
use ceg4n_smt::{Model, Query, Sort, Value};
use std::sync::Arc;

/// Reproducible numbers.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number of `lo..=hi`.
    pub(crate) fn roll(&mut self, lo: i64, hi: i64) -> i64 {
        let span = i128::from(hi) - i128::from(lo) + 1;
        (i128::from(lo) + i128::from(self.word()) % span) as i64
    }

    /// True once in `n`.
    pub(crate) fn one_in(&mut self, n: i64) -> bool {
        self.roll(1, n) == 1
    }
}

/// How large a random program may be.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) inputs: i64,
    pub(crate) outputs: i64,
    pub(crate) hidden: i64,
    pub(crate) input_bits: i64,
    pub(crate) weight_bits: i64,
    pub(crate) activation_bits: i64,
    /// Right shifts of requantizations go up to this.
    pub(crate) shift: i64,
    /// Rows of dense layers may repeat, which makes ties.
    pub(crate) twins: bool,
}

pub(crate) const SMALL: Size = Size {
    inputs: 3,
    outputs: 4,
    hidden: 3,
    input_bits: 6,
    weight_bits: 4,
    activation_bits: 5,
    shift: 6,
    twins: false,
};

pub(crate) const WIDE: Size = Size {
    inputs: 4,
    outputs: 5,
    hidden: 5,
    input_bits: 16,
    weight_bits: 28,
    activation_bits: 30,
    shift: 62,
    twins: false,
};

/// A network and its fixed-point version.
pub(crate) struct Pair {
    reference: Checked<Program>,
    quantized: Checked<Program>,
}

impl Pair {
    pub(crate) fn of(reference: Checked<Program>, quantized: Checked<Program>) -> Self {
        Self {
            reference,
            quantized,
        }
    }

    pub(crate) fn kernel(&self) -> &Kernel {
        self.quantized.kernel().unwrap()
    }

    pub(crate) fn real(&self) -> &RealProgram {
        self.reference.real().unwrap()
    }

    /// A random pair that the checker accepts. A kernel without `like` has random mantissas; with
    /// it they are those of the reference's constants.
    pub(crate) fn random(d: &mut Dice, size: Size, like: bool) -> Self {
        for _ in 0..1000 {
            if let Some(pair) = Growth::new(d, size, like).pair() {
                return pair;
            }
        }
        panic!("the checker refuses every random program");
    }
}

pub(crate) fn format(signed: bool, width: i64, frac: i64) -> Format {
    Format::new(signed, width as u8, frac as i32).unwrap()
}

fn times(f: Format, multiplier: u16) -> Format {
    f.with_multiplier(multiplier).unwrap()
}

/// A value, its format, and explicit mantissas.
type Entry = (ValueId, TensorFormat, Option<Arc<[i32]>>);

struct Growth<'a> {
    d: &'a mut Dice,
    size: Size,
    like: bool,
    net: NetworkBuilder,
    formats: Vec<Entry>,
    /// The last value, its length, its fraction bits per element.
    last: ValueId,
    len: usize,
    frac: Vec<i64>,
    /// Its multipliers.
    factors: Vec<u16>,
}

impl<'a> Growth<'a> {
    fn new(d: &'a mut Dice, size: Size, like: bool) -> Self {
        let len = d.roll(1, size.inputs) as usize;
        let f = format(d.one_in(2), d.roll(1, size.input_bits), d.roll(-2, 8));
        let mut net = NetworkBuilder::new("random");
        let last = net.push("x", Op::Input, Some(Shape::vector(len)), None);
        Self {
            d,
            size,
            like,
            net,
            formats: vec![(last, f.into(), None)],
            last,
            len,
            frac: vec![f.frac().into(); len],
            factors: vec![1; len],
        }
    }

    fn pair(mut self) -> Option<Pair> {
        if self.d.one_in(4) {
            self.add();
            self.requantize();
        }
        for _ in 0..self.d.roll(0, 2) {
            let rows = self.d.roll(1, self.size.hidden) as usize;
            let factored = self.d.one_in(3);
            self.dense(rows, factored);
            if self.d.one_in(5) {
                self.add();
            }
            // Either order: on the accumulator, or after rounding.
            if self.d.one_in(2) {
                self.relu();
                self.requantize();
            } else {
                self.requantize();
                if !self.d.one_in(4) {
                    self.relu();
                }
            }
        }
        let rows = self.d.roll(2, self.size.outputs) as usize;
        let requantized = self.d.one_in(3);
        let factored = requantized && self.d.one_in(2);
        self.dense(rows, factored);
        if requantized {
            self.requantize();
        }
        if self.d.one_in(6) {
            self.push(|x| Op::Flatten { x });
        }
        let rounding = Rounding::ALL[self.d.roll(0, 2) as usize];
        let network = Arc::new(self.net.finish(self.last).unwrap());
        let reference = check(Program::reference(network)).unwrap();
        let mut patch = reference.program().patch().rounding(rounding);
        for (v, f, m) in self.formats {
            patch = match m {
                Some(m) => patch.mantissas(v, f, m),
                None => patch.format(v, f),
            };
        }
        let quantized = check(patch.finish()).ok()?;
        Some(Pair {
            reference,
            quantized,
        })
    }

    fn name(&self) -> String {
        format!("v{}", self.net.values().len())
    }

    fn push(&mut self, op: impl Fn(ValueId) -> Op) {
        self.last = self.net.push(self.name(), op(self.last), None, None);
    }

    /// A constant whose row `j` has the format `formats[j]` and the numbers of row `like[j]`.
    fn constant(&mut self, shape: Vec<usize>, formats: Vec<Format>, like: &[usize]) -> ValueId {
        let per_row = shape.iter().product::<usize>() / formats.len();
        let (mut data, mut mantissas) = (Vec::new(), Vec::new());
        for (j, f) in formats.iter().enumerate() {
            if like[j] < j {
                let row = like[j] * per_row..(like[j] + 1) * per_row;
                data.extend_from_within(row.clone());
                mantissas.extend_from_within(row);
                continue;
            }
            for _ in 0..per_row {
                let m = self.d.roll(f.min(), f.max()) as i32;
                // Eighths of the last place, and few enough bits for a float32.
                let near = f64::from(m) + self.d.roll(-7, 7) as f64 / 8.0;
                let unit = f64::from(f.multiplier()) * 2f64.powi(-f.frac());
                data.push((near * unit).clamp(-1e30, 1e30) as f32);
                mantissas.push(m);
            }
        }
        let op = Op::Const(Constant {
            data: data.into(),
            origin: Origin::Inline,
            wide: None,
        });
        let v = self.net.push(self.name(), op, Some(Shape(shape)), None);
        let mantissas = (!self.like).then(|| mantissas.into());
        self.formats
            .push((v, TensorFormat::Channels(formats.into()), mantissas));
        v
    }

    /// A multiplier: small, the greatest, or anything.
    fn factor(&mut self) -> u16 {
        match self.d.roll(0, 3) {
            0 => self.d.roll(1, 7) as u16,
            1 => (1 << 15) - 1,
            _ => self.d.roll(1, (1 << 15) - 1) as u16,
        }
    }

    fn dense(&mut self, rows: usize, factored: bool) {
        let x_frac = self.frac[0];
        let spread = self.d.roll(0, 4);
        let base = self.d.roll(-2, 6);
        let mut formats = Vec::new();
        let mut biases = Vec::new();
        let mut frac = Vec::new();
        let mut factors = Vec::new();
        let mut like: Vec<usize> = (0..rows).collect();
        for j in 0..rows {
            if self.size.twins && j > 0 && self.d.one_in(2) {
                like[j] = j - 1;
                formats.push(formats[j - 1]);
                biases.push(biases[j - 1]);
                frac.push(frac[j - 1]);
                factors.push(factors[j - 1]);
                continue;
            }
            let factor = if factored { self.factor() } else { 1 };
            factors.push(factor);
            let f = base + self.d.roll(0, spread);
            let bits = self.d.roll(2, self.size.weight_bits);
            formats.push(times(format(true, bits, f), factor));
            frac.push(x_frac + f);
            let coarser = self.d.roll(0, 5);
            let bits = self.d.roll(1, self.size.weight_bits + 2);
            biases.push(times(format(true, bits, x_frac + f - coarser), factor));
        }
        let weight = self.constant(vec![rows, self.len], formats, &like);
        let bias = (!self.d.one_in(4)).then(|| self.constant(vec![rows], biases, &like));
        self.push(|x| Op::Dense { x, weight, bias });
        (self.len, self.frac, self.factors) = (rows, frac, factors);
    }

    fn add(&mut self) {
        let mut formats = Vec::new();
        for (f, factor) in self.frac.clone().into_iter().zip(self.factors.clone()) {
            let bits = self.d.roll(1, self.size.weight_bits);
            formats.push(times(format(true, bits, f - self.d.roll(0, 3)), factor));
        }
        let like: Vec<usize> = (0..self.len).collect();
        let c = self.constant(vec![self.len], formats, &like);
        let minus = self.d.one_in(2);
        self.push(|x| {
            if minus {
                Op::Sub { x, c }
            } else {
                Op::Add { x, c }
            }
        });
    }

    fn relu(&mut self) {
        self.push(|x| Op::Relu { x });
    }

    fn requantize(&mut self) {
        let shift = if self.d.one_in(8) {
            self.d.roll(-20, self.size.shift + 40)
        } else {
            self.d.roll(-3, self.size.shift)
        };
        let shift = shift + i64::from(self.factors[0].ilog2());
        let f = (self.frac[0] - shift).clamp(-256, 256);
        let bits = self.d.roll(1, self.size.activation_bits);
        let f = format(self.d.one_in(2), bits, f);
        self.formats.push((self.last, f.into(), None));
        self.frac = vec![f.frac().into(); self.len];
        self.factors = vec![1; self.len];
    }
}

/// A random box of at most `most` integers of a format.
pub(crate) fn random_box(d: &mut Dice, f: Format, len: usize, most: i64) -> Vec<Interval> {
    let mut left = most;
    let mut out = Vec::new();
    for _ in 0..len {
        let longest = left.min(f.max() - f.min() + 1);
        let n = d.roll(1, longest);
        left /= n;
        let lo = match d.roll(0, 5) {
            0 => f.min(),
            1 => f.max() - n + 1,
            _ => d.roll(f.min(), f.max() - n + 1),
        };
        out.push(Interval::new(lo, lo + n - 1));
    }
    out
}

/// Every point of a box.
pub(crate) fn points(b: &[Interval]) -> Vec<Vec<i64>> {
    let mut all = vec![Vec::new()];
    for r in b {
        all = all
            .into_iter()
            .flat_map(|p: Vec<i64>| {
                (r.lo..=r.hi).map(move |v| {
                    let mut p = p.clone();
                    p.push(v);
                    p
                })
            })
            .collect();
    }
    all
}

pub(crate) fn random_point(d: &mut Dice, b: &[Interval]) -> Vec<i64> {
    b.iter()
        .map(|r| match d.roll(0, 7) {
            0 => r.lo,
            1 => r.hi,
            _ => d.roll(r.lo, r.hi),
        })
        .collect()
}

/// The model that stands for a point: variable `xI` is input `I`, or its offset as a vector.
pub(crate) fn model_of(q: &Query, lo: &[i64], point: &[i64]) -> Model {
    let mut m = Model::default();
    for (name, sort) in q.variables() {
        let i: usize = name.strip_prefix('x').unwrap().parse().unwrap();
        let offset = i128::from(point[i]) - i128::from(lo[i]);
        let value = match sort {
            Sort::Bool => panic!("an input is a number"),
            Sort::Int => Value::Int(point[i].into()),
            Sort::Bits(width) => Value::bits(offset, width),
        };
        m.insert(name, value);
    }
    m
}

pub(crate) fn lows(b: &[Interval]) -> Vec<i64> {
    b.iter().map(|r| r.lo).collect()
}
