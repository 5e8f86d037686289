//! Tiny networks as plain data, their exact meaning straight from the semantics page, and the IR
//! programs that say the same. Nothing here reads a lowered program.

use ceg4n_base::Exact;
use ceg4n_ir::network::{Constant, Origin};
use ceg4n_ir::{
    Checked, Format, NetworkBuilder, Op, Program, Rounding, Shape, TensorFormat, ValueId, check,
};
use num_bigint::BigInt;
use std::sync::Arc;

/// `sWqF` or `uWqF`, of a constant perhaps `*M`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fmt {
    pub(crate) signed: bool,
    pub(crate) width: u32,
    pub(crate) frac: i32,
    pub(crate) factor: u16,
}

impl Fmt {
    pub(crate) fn new(signed: bool, width: u32, frac: i32) -> Self {
        Self {
            signed,
            width,
            frac,
            factor: 1,
        }
    }

    pub(crate) fn times(self, factor: u16) -> Self {
        Self { factor, ..self }
    }

    pub(crate) fn min(self) -> i128 {
        if self.signed {
            -(1 << (self.width - 1))
        } else {
            0
        }
    }

    pub(crate) fn max(self) -> i128 {
        if self.signed {
            (1 << (self.width - 1)) - 1
        } else {
            (1 << self.width) - 1
        }
    }

    /// `sat(floor(x·2^F/M + 1/2))` by division of integers.
    pub(crate) fn quantize(self, x: &Exact) -> i128 {
        let (mut num, mut den) = x.to_ratio();
        den *= self.factor;
        if self.frac >= 0 {
            num <<= self.frac as u32;
        } else {
            den <<= self.frac.unsigned_abs();
        }
        let twice: BigInt = &den * 2;
        let top: BigInt = num * 2 + den;
        let floor = num_integer_floor(&top, &twice);
        let m = floor.clamp(BigInt::from(self.min()), BigInt::from(self.max()));
        i128::try_from(m).expect("a mantissa")
    }

    pub(crate) fn value(self, m: i128) -> Exact {
        value(m * i128::from(self.factor), self.frac)
    }

    pub(crate) fn ir(self) -> Format {
        let plain = Format::new(self.signed, self.width as u8, self.frac);
        plain
            .and_then(|f| f.with_multiplier(self.factor))
            .expect("a format")
    }
}

/// Floor of a quotient with a positive divisor.
fn num_integer_floor(a: &BigInt, b: &BigInt) -> BigInt {
    let q = a / b;
    if &q * b > *a { q - 1 } else { q }
}

/// `m·2^-frac`.
pub(crate) fn value(m: i128, frac: i32) -> Exact {
    Exact::dyadic(m, -i64::from(frac))
}

/// A constant: float32 data, one format per row (or one for all), perhaps explicit mantissas.
#[derive(Clone, Debug)]
pub(crate) struct Const {
    pub(crate) data: Vec<f32>,
    pub(crate) rows: usize,
    pub(crate) formats: Vec<Fmt>,
    pub(crate) mantissas: Option<Vec<i32>>,
}

impl Const {
    /// The format of element `i`.
    pub(crate) fn format(&self, i: usize) -> Fmt {
        if self.formats.len() == 1 {
            self.formats[0]
        } else {
            self.formats[i / (self.data.len() / self.rows)]
        }
    }

    /// The mantissa of element `i`.
    pub(crate) fn mantissa(&self, i: usize) -> i128 {
        match &self.mantissas {
            Some(m) => i128::from(m[i]),
            None => self
                .format(i)
                .quantize(&Exact::from_f32(self.data[i]).expect("finite")),
        }
    }
}

impl Const {
    /// The mantissa of element `i` times its multiplier: the constant at scale `2^-F`.
    fn whole(&self, i: usize) -> i128 {
        self.mantissa(i) * i128::from(self.format(i).factor)
    }
}

/// An operator.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Dense {
        w: Const,
        b: Option<Const>,
    },
    /// `x + c` or `x - c`; one element or one per element of `x`.
    AddSub {
        c: Const,
        sub: bool,
    },
    Relu,
    /// `x / 2^k`.
    Div(i32),
    Copy,
}

/// A network with a format for the input and for some results.
#[derive(Clone, Debug)]
pub(crate) struct Model {
    pub(crate) inputs: usize,
    pub(crate) input: Fmt,
    pub(crate) steps: Vec<(Step, Option<Fmt>)>,
    pub(crate) rounding: Rounding,
}

/// What a model stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The real function of its float32 data.
    Real,
    /// The real function of its mantissas.
    Constants,
    /// The fixed-point program.
    Fixed,
}

/// `m·2^s`; zero takes any shift.
fn up(m: i128, s: i32) -> i128 {
    if m == 0 { 0 } else { m << s }
}

/// `round(m·2^-s)` from the definition.
pub(crate) fn round(rounding: Rounding, m: i128, s: i32) -> i128 {
    if s <= 0 {
        return up(m, -s);
    }
    // Mantissas have less than 64 bits: beyond 100 places nothing changes.
    let unit = 1i128 << s.min(100);
    let (floor, rest) = (m.div_euclid(unit), m.rem_euclid(unit));
    floor
        + match rounding {
            Rounding::Floor => 0,
            Rounding::HalfUp => i128::from(2 * rest >= unit),
            Rounding::HalfEven if 2 * rest == unit => floor.rem_euclid(2),
            Rounding::HalfEven => i128::from(2 * rest > unit),
        }
}

impl Model {
    /// Number of outputs.
    pub(crate) fn outputs(&self) -> usize {
        let dense = self.steps.iter().rev().find_map(|(s, _)| match s {
            Step::Dense { w, .. } => Some(w.rows),
            Step::AddSub { .. } | Step::Relu | Step::Div(_) | Step::Copy => None,
        });
        dense.unwrap_or(self.inputs)
    }

    /// Input mantissas of a real point.
    pub(crate) fn quantize(&self, x: &[Exact]) -> Vec<i128> {
        x.iter().map(|v| self.input.quantize(v)).collect()
    }

    /// The fixed-point outputs as mantissas and their fraction bits.
    pub(crate) fn fixed_mantissas(&self, input: &[i128]) -> (Vec<i128>, i32) {
        let mut v: Vec<(i128, i32)> = input.iter().map(|m| (*m, self.input.frac)).collect();
        for (step, format) in &self.steps {
            match step {
                Step::Dense { w, b } => {
                    let cols = v.len();
                    v = (0..w.rows)
                        .map(|j| {
                            let frac = v[0].1 + w.format(j * cols).frac;
                            let sum: i128 = (0..cols).map(|k| v[k].0 * w.whole(j * cols + k)).sum();
                            let bias = b
                                .as_ref()
                                .map_or(0, |b| up(b.whole(j), frac - b.format(j).frac));
                            (sum + bias, frac)
                        })
                        .collect();
                }
                Step::AddSub { c, sub } => {
                    for (i, (m, frac)) in v.iter_mut().enumerate() {
                        let i = if c.data.len() == 1 { 0 } else { i };
                        let c = up(c.whole(i), *frac - c.format(i).frac);
                        *m += if *sub { -c } else { c };
                    }
                }
                Step::Relu => v.iter_mut().for_each(|v| v.0 = v.0.max(0)),
                Step::Div(k) => v.iter_mut().for_each(|v| v.1 += k),
                Step::Copy => {}
            }
            if let Some(f) = format {
                for (m, frac) in &mut v {
                    *m = round(self.rounding, *m, *frac - f.frac).clamp(f.min(), f.max());
                    *frac = f.frac;
                }
            }
        }
        let top = v.iter().map(|v| v.1).max().expect("an output");
        let m = v.iter().map(|(m, f)| up(*m, top - f)).collect();
        (m, top)
    }

    /// The fixed-point outputs in real units.
    pub(crate) fn fixed(&self, input: &[i128]) -> Vec<Exact> {
        let (m, frac) = self.fixed_mantissas(input);
        m.into_iter().map(|m| value(m, frac)).collect()
    }

    /// The exact constant behind an element.
    fn real_constant(c: &Const, i: usize, meaning: Meaning) -> Exact {
        match meaning {
            Meaning::Real => Exact::from_f32(c.data[i]).expect("finite"),
            Meaning::Constants | Meaning::Fixed => c.format(i).value(c.mantissa(i)),
        }
    }

    /// The outputs at a real point.
    pub(crate) fn outputs_at(&self, meaning: Meaning, x: &[Exact]) -> Vec<Exact> {
        if meaning == Meaning::Fixed {
            return self.fixed(&self.quantize(x));
        }
        let mut v = x.to_vec();
        for layer in self.affine_layers(meaning) {
            v = match layer {
                Layer::Affine(rows) => rows.iter().map(|r| r.at(&v)).collect(),
                Layer::Relu => v.into_iter().map(|v| v.max(Exact::zero())).collect(),
            };
        }
        v
    }

    /// The real function as affine maps and relus.
    pub(crate) fn affine_layers(&self, meaning: Meaning) -> Vec<Layer> {
        let mut n = self.inputs;
        let mut layers = Vec::new();
        for (step, _) in &self.steps {
            let constant = |c: &Const, i| Self::real_constant(c, i, meaning);
            layers.push(match step {
                Step::Dense { w, b } => {
                    let rows = (0..w.rows).map(|j| Affine {
                        slope: (0..n).map(|k| constant(w, j * n + k)).collect(),
                        constant: b.as_ref().map_or(Exact::zero(), |b| constant(b, j)),
                    });
                    let rows: Vec<Affine> = rows.collect();
                    n = rows.len();
                    Layer::Affine(rows)
                }
                Step::AddSub { c, sub } => Layer::Affine(
                    (0..n)
                        .map(|i| {
                            let c = constant(c, if c.data.len() == 1 { 0 } else { i });
                            let mut row = Affine::coordinate(n, i, &Exact::from(1));
                            row.constant = if *sub { -&c } else { c };
                            row
                        })
                        .collect(),
                ),
                Step::Div(k) => {
                    let factor = Exact::dyadic(1, -i64::from(*k));
                    Layer::Affine((0..n).map(|i| Affine::coordinate(n, i, &factor)).collect())
                }
                Step::Relu => Layer::Relu,
                Step::Copy => continue,
            });
        }
        layers
    }

    /// The IR program; `None` if the checker refuses it.
    pub(crate) fn program(&self, meaning: Meaning) -> Option<Checked<Program>> {
        check(self.unchecked(meaning)).ok()
    }

    /// The IR program before the check.
    pub(crate) fn unchecked(&self, meaning: Meaning) -> Program {
        let mut b = Builder {
            net: NetworkBuilder::new("tiny"),
            notes: Vec::new(),
        };
        let mut x = b.push(Op::Input, Some(Shape::vector(self.inputs)));
        let note = |b: &mut Builder, v, f: Option<Fmt>| {
            if let (Meaning::Fixed, Some(f)) = (meaning, f) {
                b.notes.push((v, f.ir().into(), None));
            }
        };
        note(&mut b, x, Some(self.input));
        let mut n = self.inputs;
        for (step, format) in &self.steps {
            let constants = meaning != Meaning::Real;
            x = match step {
                Step::Dense { w, b: bias } => {
                    let weight = b.constant(w, vec![w.rows, n], constants);
                    let bias = bias
                        .as_ref()
                        .map(|c| b.constant(c, vec![c.data.len()], constants));
                    n = w.rows;
                    b.push(Op::Dense { x, weight, bias }, None)
                }
                Step::AddSub { c, sub } => {
                    let c = b.constant(c, vec![c.data.len()], constants);
                    b.push(
                        if *sub {
                            Op::Sub { x, c }
                        } else {
                            Op::Add { x, c }
                        },
                        None,
                    )
                }
                Step::Relu => b.push(Op::Relu { x }, None),
                Step::Div(k) => {
                    let c = Constant {
                        data: vec![2f32.powi(*k)].into(),
                        origin: Origin::Inline,
                        wide: None,
                    };
                    let c = b.push(Op::Const(c), Some(Shape::vector(1)));
                    b.push(Op::Div { x, c }, None)
                }
                Step::Copy => b.push(Op::Identity { x }, None),
            };
            note(&mut b, x, *format);
        }
        let net = b.net.finish(x).expect("a well-formed network");
        let mut patch = Program::reference(Arc::new(net))
            .patch()
            .rounding(self.rounding);
        for (v, f, m) in b.notes {
            patch = match m {
                Some(m) => patch.mantissas(v, f, m),
                None => patch.format(v, f),
            };
        }
        patch.finish()
    }
}

/// `slope·x + constant`.
#[derive(Clone, Debug)]
pub(crate) struct Affine {
    pub(crate) slope: Vec<Exact>,
    pub(crate) constant: Exact,
}

impl Affine {
    pub(crate) fn coordinate(n: usize, i: usize, factor: &Exact) -> Self {
        Self {
            slope: (0..n)
                .map(|k| {
                    if k == i {
                        factor.clone()
                    } else {
                        Exact::zero()
                    }
                })
                .collect(),
            constant: Exact::zero(),
        }
    }

    pub(crate) fn fixed(n: usize, constant: Exact) -> Self {
        Self {
            slope: vec![Exact::zero(); n],
            constant,
        }
    }

    pub(crate) fn at(&self, x: &[Exact]) -> Exact {
        let terms = self.slope.iter().zip(x);
        terms.fold(self.constant.clone(), |s, (a, b)| {
            if a.is_zero() { s } else { &s + &(a * b) }
        })
    }

    /// `self - other`.
    pub(crate) fn minus(&self, other: &Self) -> Self {
        let slope = self.slope.iter().zip(&other.slope);
        Self {
            slope: slope.map(|(a, b)| a - b).collect(),
            constant: &self.constant - &other.constant,
        }
    }

    pub(crate) fn plus(&self, c: &Exact) -> Self {
        Self {
            slope: self.slope.clone(),
            constant: &self.constant + c,
        }
    }

    pub(crate) fn negated(&self) -> Self {
        Self {
            slope: self.slope.iter().map(|v| -v).collect(),
            constant: -&self.constant,
        }
    }

    /// `self ∘ inner`.
    pub(crate) fn after(&self, inner: &[Self]) -> Self {
        let n = inner[0].slope.len();
        let mut out = Self::fixed(n, self.constant.clone());
        for (a, f) in self.slope.iter().zip(inner).filter(|(a, _)| !a.is_zero()) {
            for (s, t) in out.slope.iter_mut().zip(&f.slope) {
                *s = &*s + &(a * t);
            }
            out.constant = &out.constant + &(a * &f.constant);
        }
        out
    }
}

/// One layer of a real network.
#[derive(Clone, Debug)]
pub(crate) enum Layer {
    Affine(Vec<Affine>),
    Relu,
}

/// A value's format, and a constant's mantissas.
type Note = (ValueId, TensorFormat, Option<Arc<[i32]>>);

struct Builder {
    net: NetworkBuilder,
    notes: Vec<Note>,
}

impl Builder {
    fn push(&mut self, op: Op, shape: Option<Shape>) -> ValueId {
        let name = format!("v{}", self.net.values().len());
        self.net.push(name, op, shape, None)
    }

    fn constant(&mut self, c: &Const, shape: Vec<usize>, annotated: bool) -> ValueId {
        let data = Constant {
            data: c.data.clone().into(),
            origin: Origin::Inline,
            wide: None,
        };
        let v = self.push(Op::Const(data), Some(Shape(shape)));
        if annotated {
            let formats: Vec<Format> = c.formats.iter().map(|f| f.ir()).collect();
            let format = match formats[..] {
                [one] => TensorFormat::Tensor(one),
                _ => TensorFormat::Channels(formats.into()),
            };
            self.notes
                .push((v, format, c.mantissas.clone().map(Into::into)));
        }
        v
    }
}
