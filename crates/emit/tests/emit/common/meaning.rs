//! What a program means: an evaluator written from the semantics page over the network and its
//! annotations, in exact integers; it shares nothing with the lowered kernel.

mod shapes;

use ceg4n_base::Exact;
use ceg4n_ir::network::Curve;
use ceg4n_ir::{Annotation, Format, Op, Program, Rounding, TensorFormat, ValueId};
use num_traits::ToPrimitive;
use std::collections::BTreeMap;

/// `round(m·2^-s)` by Euclidean division of exact integers.
fn rounded(rounding: Rounding, m: i128, s: i64) -> i128 {
    if s <= 0 {
        let up = (-s).min(90) as u32;
        // Beyond 2^36 every format clamps, whatever the shift.
        return m.clamp(-(1 << 36), 1 << 36) * 2i128.pow(up.min(90));
    }
    let unit = 2i128.pow(s.min(100) as u32);
    match rounding {
        Rounding::Floor => m.div_euclid(unit),
        Rounding::HalfUp => (2 * m + unit).div_euclid(2 * unit),
        Rounding::HalfEven => {
            let q = (2 * m + unit).div_euclid(2 * unit);
            let tie = (2 * m + unit).rem_euclid(2 * unit) == 0;
            if tie && q.rem_euclid(2) == 1 {
                q - 1
            } else {
                q
            }
        }
    }
}

/// An element: it stands for `m·2^-frac`, where `m` is a multiple of the factor that the kernel
/// keeps aside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Element {
    pub(crate) m: i128,
    pub(crate) frac: i64,
    pub(crate) factor: i128,
}

impl Element {
    fn plain(m: i128, f: Format) -> Self {
        Self {
            m,
            frac: i64::from(f.frac()),
            factor: 1,
        }
    }

    fn with(self, m: i128) -> Self {
        Self { m, ..self }
    }
}

/// A value's elements, and its format if it is a stored tensor.
#[derive(Clone, Debug)]
pub(crate) struct Tensor {
    pub(crate) elements: Vec<Element>,
    pub(crate) format: Option<Format>,
}

fn clamped(m: i128, f: Format) -> i128 {
    m.clamp(i128::from(f.min()), i128::from(f.max()))
}

/// Elements of an accumulator.
fn free(elements: Vec<Element>) -> Tensor {
    Tensor {
        elements,
        format: None,
    }
}

/// State of an evaluation.
struct Run<'a> {
    program: &'a Program,
    known: BTreeMap<ValueId, Tensor>,
}

impl Run<'_> {
    fn shape(&self, v: ValueId) -> &[usize] {
        &self.program.network.value(v).shape.0
    }

    /// Element `i` of a constant with explicit mantissas.
    fn constant(&self, c: ValueId, i: usize) -> Element {
        let annotations = &self.program.annotations;
        let Some(Annotation::Fixed {
            format, mantissas, ..
        }) = annotations.get(c)
        else {
            panic!("constants of the tests have formats");
        };
        let m = mantissas
            .as_ref()
            .expect("constants of the tests have mantissas");
        let per_row = m.len() / self.shape(c)[0];
        let f = format.channel(i / per_row).unwrap();
        let factor = i128::from(f.multiplier());
        Element {
            m: i128::from(m[i]) * factor,
            frac: i64::from(f.frac()),
            factor,
        }
    }

    /// Element `i` of a constant at the scale of a sum.
    fn addend(&self, c: ValueId, i: usize, to: i64) -> i128 {
        let e = self.constant(c, i);
        e.m * 2i128.pow(u32::try_from(to - e.frac).unwrap())
    }

    /// A value before its annotation counts.
    fn natural(&self, v: ValueId, op: &Op) -> Tensor {
        match op {
            Op::Const(_) | Op::Input | Op::Snap { .. } => panic!("no operator of the tests"),
            Op::Dense { x, weight, bias } => free(self.rows(*x, *weight, *bias)),
            Op::Conv { x, slide, .. }
            | Op::MaxPool { x, slide, .. }
            | Op::AveragePool { x, slide, .. } => {
                let kernel = match op {
                    Op::MaxPool { kernel, .. } | Op::AveragePool { kernel, .. } => kernel,
                    Op::Conv { weight, .. } => &self.shape(*weight)[2..],
                    _ => unreachable!("an operator with windows"),
                };
                let windows = shapes::Windows::new(self.shape(*x), kernel, slide, self.shape(v));
                self.windows(op, &windows)
            }
            Op::Add { .. } | Op::Sub { .. } | Op::Mul { .. } | Op::Div { .. } | Op::Sum { .. } => {
                self.arithmetic(v, op)
            }
            Op::Concat { .. } | Op::Pad { .. } | Op::Transpose { .. } => self.moved(v, op),
            Op::Relu { .. }
            | Op::Clip { .. }
            | Op::LeakyRelu { .. }
            | Op::Unary { .. }
            | Op::Curve { .. }
            | Op::Reshape { .. }
            | Op::Flatten { .. }
            | Op::Identity { .. } => self.activation(v, op),
        }
    }

    /// The elements of a value, each through a function of its index.
    fn each(&self, x: ValueId, f: impl Fn(usize, Element) -> Element) -> Vec<Element> {
        let x = &self.known[&x].elements;
        x.iter().enumerate().map(|(i, e)| f(i, *e)).collect()
    }

    /// Elements under the format of a value.
    fn same(&self, x: ValueId, elements: Vec<Element>) -> Tensor {
        Tensor {
            elements,
            format: self.known[&x].format,
        }
    }

    fn rows(&self, x: ValueId, weight: ValueId, bias: Option<ValueId>) -> Vec<Element> {
        let x = &self.known[&x].elements;
        let row = |j: usize| {
            let w = self.constant(weight, j * x.len());
            let frac = x[0].frac + w.frac;
            let term = |k: usize| x[k].m * self.constant(weight, j * x.len() + k).m;
            let sum: i128 = (0..x.len()).map(term).sum();
            w.with(sum + bias.map_or(0, |b| self.addend(b, j, frac)))
                .at(frac)
        };
        (0..self.shape(weight)[0]).map(row).collect()
    }

    fn windows(&self, op: &Op, windows: &shapes::Windows) -> Tensor {
        let taps = |x: &ValueId, j: usize| -> Vec<Element> {
            let base = windows.channel(j) * windows.plane;
            let x = &self.known[x].elements;
            windows.taps(j).map(|(_, at)| x[base + at]).collect()
        };
        match op {
            Op::Conv {
                x,
                weight,
                bias,
                groups,
                ..
            } => free(self.convolution(*x, *weight, *bias, *groups, windows)),
            Op::MaxPool { x, .. } => {
                let most = |j| taps(x, j).into_iter().max_by_key(|e| e.m).unwrap();
                self.same(*x, (0..windows.len).map(most).collect())
            }
            Op::AveragePool {
                x,
                kernel,
                count_pad,
                ..
            } => {
                let mean = |j: usize| {
                    let taps = taps(x, j);
                    let all = if *count_pad {
                        kernel.iter().product()
                    } else {
                        taps.len()
                    };
                    let (m, s) = reciprocal(all);
                    let sum: i128 = taps.iter().map(|e| e.m).sum();
                    Element {
                        m: sum * m,
                        frac: taps[0].frac + s,
                        factor: m,
                    }
                };
                free((0..windows.len).map(mean).collect())
            }
            _ => unreachable!("an operator with windows"),
        }
    }

    fn arithmetic(&self, v: ValueId, op: &Op) -> Tensor {
        let place = |c: &ValueId, i| shapes::broadcast(self.shape(*c), self.shape(v), i);
        match op {
            Op::Add { x, c } => free(self.each(*x, |i, e| {
                e.with(e.m + self.addend(*c, place(c, i), e.frac))
            })),
            Op::Sub { x, c } => free(self.each(*x, |i, e| {
                e.with(e.m - self.addend(*c, place(c, i), e.frac))
            })),
            Op::Mul { x, c } => free(self.each(*x, |i, e| {
                let c = self.constant(*c, place(c, i));
                c.with(e.m * c.m).at(e.frac + c.frac)
            })),
            Op::Div { x, c } => {
                let k = self.program.network.constant(*c).unwrap().data[0].log2() as i32;
                let f = self.known[x].format;
                Tensor {
                    elements: self.each(*x, |_, e| e.at(e.frac + i64::from(k))),
                    format: f.and_then(|f| Format::new(f.signed(), f.width(), f.frac() + k)),
                }
            }
            Op::Sum { x, y } => {
                let y = &self.known[y].elements;
                free(self.each(*x, |i, e| {
                    assert_eq!((e.frac, e.factor), (y[i].frac, y[i].factor));
                    e.with(e.m + y[i].m)
                }))
            }
            _ => unreachable!("an arithmetic operator"),
        }
    }

    fn moved(&self, v: ValueId, op: &Op) -> Tensor {
        let shape = self.shape(v);
        let all = 0..shape.iter().product::<usize>();
        match op {
            Op::Concat { xs, axis } => {
                let operands: Vec<_> = xs.iter().map(|x| self.shape(*x)).collect();
                let pick = |j| {
                    let (k, i) = shapes::concatenated(&operands, *axis, shape, j);
                    self.known[&xs[k]].elements[i]
                };
                self.same(xs[0], all.map(pick).collect())
            }
            Op::Pad {
                x, before, value, ..
            } => {
                let tensor = &self.known[x];
                let pick = |j| match shapes::unpadded(self.shape(*x), before, shape, j) {
                    Some(i) => tensor.elements[i],
                    None => {
                        let f = tensor.format.unwrap();
                        let exact = Exact::from_f32(*value).unwrap();
                        Element::plain(i128::from(f.quantize(&exact)), f)
                    }
                };
                self.same(*x, all.map(pick).collect())
            }
            Op::Transpose { x, perm } => {
                let place = |j| shapes::transposed(self.shape(*x), perm, shape, j);
                let pick = |j| self.known[x].elements[place(j)];
                self.same(*x, all.map(pick).collect())
            }
            _ => unreachable!("an operator that moves elements"),
        }
    }

    fn activation(&self, v: ValueId, op: &Op) -> Tensor {
        match op {
            Op::Relu { x } => self.same(*x, self.each(*x, |_, e| e.with(e.m.max(0)))),
            Op::Clip { x, lo, hi } => {
                let f = self.known[x].format;
                let bound = |v: &Option<f32>, e: Element| Some(bound((*v)?, e, f));
                let clip = |_, e: Element| {
                    let m = e.m.max(bound(lo, e).unwrap_or(i128::MIN));
                    e.with(m.min(bound(hi, e).unwrap_or(i128::MAX)))
                };
                self.same(*x, self.each(*x, clip))
            }
            Op::LeakyRelu { x, shift } => free(self.each(*x, |_, e| {
                let up = e.m * 2i128.pow(u32::from(*shift));
                e.with(if e.m > 0 { up } else { e.m })
                    .at(e.frac + i64::from(*shift))
            })),
            Op::Unary { x, function } => match function.format() {
                None => free(self.each(*x, |_, e| e.with(function.mantissa(e.m)))),
                Some(f) => Tensor {
                    elements: self.each(*x, |_, e| Element::plain(function.mantissa(e.m), f)),
                    format: Some(f),
                },
            },
            Op::Curve { x, curve } => {
                let f = self.program.annotations.format(v).unwrap();
                let f = f.single().unwrap();
                Tensor {
                    elements: self.each(*x, |_, e| Element::plain(on_curve(*curve, e, f), f)),
                    format: Some(f),
                }
            }
            Op::Reshape { x } | Op::Flatten { x } | Op::Identity { x } => {
                self.same(*x, self.each(*x, |_, e| e))
            }
            _ => unreachable!("an operator on elements"),
        }
    }

    fn convolution(
        &self,
        x: ValueId,
        weight: ValueId,
        bias: Option<ValueId>,
        groups: usize,
        windows: &shapes::Windows,
    ) -> Vec<Element> {
        let x = &self.known[&x].elements;
        let (filters, depth) = (self.shape(weight)[0], self.shape(weight)[1]);
        let size: usize = self.shape(weight)[2..].iter().product();
        let one = |j: usize| {
            let m = windows.channel(j);
            let group = m * groups / filters;
            let first = self.constant(weight, m * depth * size);
            let frac = x[0].frac + first.frac;
            let mut sum = bias.map_or(0, |b| self.addend(b, m, frac));
            for c in 0..depth {
                for (t, at) in windows.taps(j) {
                    let w = self.constant(weight, (m * depth + c) * size + t);
                    sum += w.m * x[(group * depth + c) * windows.plane + at].m;
                }
            }
            first.with(sum).at(frac)
        };
        (0..windows.len).map(one).collect()
    }
}

impl Element {
    fn at(self, frac: i64) -> Self {
        Self { frac, ..self }
    }
}

/// The nearest mantissa to a clip's bound, times the factor.
fn bound(v: f32, e: Element, format: Option<Format>) -> i128 {
    let exact = Exact::from_f32(v).unwrap();
    if let Some(f) = format {
        return i128::from(f.quantize(&exact));
    }
    // v·2^frac/factor + 1/2, rounded down.
    let whole = exact.shifted(e.frac);
    let scaled = whole.checked_div(&Exact::from(e.factor as i64)).unwrap();
    let near = (&scaled + &Exact::dyadic(1, -1)).floor();
    near.to_i128().unwrap() * e.factor
}

/// `M·2^-s` nearest to `1/n` with the largest `M` of 15 bits.
fn reciprocal(n: usize) -> (i128, i64) {
    if n.is_power_of_two() {
        return (1, i64::from(n.ilog2()));
    }
    let s = i64::from(n.ilog2()) + 15;
    let m = (2f64.powi(s as i32) / n as f64).round();
    (m.min(32767.0) as i128, s)
}

fn on_curve(curve: Curve, e: Element, f: Format) -> i128 {
    let x = e.m as f64 * 2f64.powi(-e.frac as i32);
    let y = match curve {
        Curve::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Curve::Tanh => x.tanh(),
    };
    clamped((y * 2f64.powi(f.frac()) + 0.5).floor() as i128, f)
}

/// Runs a program on input integers, straight from the semantics page.
pub(crate) fn evaluate(program: &Program, input: &[i64]) -> Vec<i64> {
    let net = &program.network;
    let mut run = Run {
        program,
        known: BTreeMap::new(),
    };
    for (v, value) in net.values().iter() {
        let annotated = program.annotations.format(v);
        let mut result = match &value.op {
            Op::Const(_) => continue,
            Op::Input => {
                let f = annotated.unwrap().single().unwrap();
                let clamp = |m: &i64| Element::plain(clamped(i128::from(*m), f), f);
                Tensor {
                    elements: input.iter().map(clamp).collect(),
                    format: Some(f),
                }
            }
            op => run.natural(v, op),
        };
        if let Some(TensorFormat::Tensor(y)) = annotated {
            for e in &mut result.elements {
                let exact = rounded(
                    program.annotations.rounding,
                    e.m,
                    e.frac - i64::from(y.frac()),
                );
                *e = Element::plain(clamped(exact, *y), *y);
            }
            result.format = Some(*y);
        }
        run.known.insert(v, result);
    }
    let out = &run.known[&net.output()].elements;
    let top = out.iter().map(|e| e.frac).max().unwrap();
    out.iter()
        .map(|e| {
            let up = if e.m == 0 { 0 } else { (top - e.frac) as u32 };
            i64::try_from(e.m * 2i128.pow(up)).unwrap()
        })
        .collect()
}
