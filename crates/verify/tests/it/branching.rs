//! Random networks with branches, windows and curves, and their exact values by definition: an
//! oracle that shares nothing with the evaluators but the lowered programs.

use crate::generate::Rng;
use ceg4n_base::Exact;
use ceg4n_base::entity::SecondaryMap;
use ceg4n_ir::network::{Constant, Origin};
use ceg4n_ir::{
    Checked, Curve, FILL, Format, Kernel, KernelOp, Network, NetworkBuilder, NodeId, Op, Program,
    RealOp, RealProgram, Reals, Shape, Slide, Unary, ValueId, Wide, check, kernel, tables,
};
use std::sync::Arc;

/// An enclosure of an exact value; its ends are equal but behind a curve.
pub(crate) type Span = (Exact, Exact);

/// A random network and formats for it.
pub(crate) struct Net {
    pub(crate) network: Arc<Network>,
    notes: Vec<(ValueId, Format)>,
}

/// What may occur.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    /// Piecewise linear operators only, all continuous.
    Linear,
    /// Also curves and signs.
    Any,
    /// Also quantizations, quotients, and constants that are wide, enclosed, or of wild scales: for
    /// real programs.
    Reals,
}

struct Grower<'a> {
    rng: &'a mut Rng,
    net: NetworkBuilder,
    notes: Vec<(ValueId, Format)>,
    /// Activations, with their shapes.
    pool: Vec<(ValueId, Vec<usize>)>,
    stored: Format,
    /// Values may have formats of their own.
    mixed: bool,
    kind: Kind,
}

impl Net {
    /// A random one over at most `inputs` inputs.
    pub(crate) fn random(rng: &mut Rng, inputs: usize, kind: Kind) -> Self {
        let shape = loop {
            let shape = vec![rng.size(1, 2), rng.size(1, 4), rng.size(1, 4)];
            if shape.iter().product::<usize>() <= inputs {
                break shape;
            }
        };
        let (width, frac) = (rng.int(7, 11), rng.int(3, 5));
        let mut g = Grower {
            rng,
            net: NetworkBuilder::new("branching"),
            notes: Vec::new(),
            pool: Vec::new(),
            stored: Format::new(true, width as u8, frac as i32).expect("a format"),
            mixed: false,
            kind,
        };
        g.mixed = g.rng.one_in(3);
        let x = g.push(Op::Input, Some(shape.clone()));
        g.pool.push((x, shape));
        let steps = g.rng.size(2, 7);
        for _ in 0..steps {
            g.step(kind);
        }
        let output = g.head();
        let network = Arc::new(g.net.finish(output).expect("a well-formed network"));
        Self {
            network,
            notes: g.notes,
        }
    }

    /// The real program.
    pub(crate) fn real(&self) -> Checked<Program> {
        check(Program::reference(self.network.clone())).expect("a real program")
    }

    /// The real program of fixed-point constants.
    pub(crate) fn constants(&self) -> Checked<Program> {
        let patch = Program::reference(self.network.clone()).patch();
        let constants = |n: &&(ValueId, Format)| self.network.constant(n.0).is_some();
        let own = self.notes.iter().filter(constants);
        let all = own.fold(patch, |p, (v, f)| p.format(*v, *f));
        check(all.finish()).expect("a real program")
    }

    /// The kernel; `None` where the checker refuses the formats.
    pub(crate) fn kernel(&self) -> Option<Checked<Program>> {
        let patch = Program::reference(self.network.clone()).patch();
        let all = self.notes.iter().fold(patch, |p, (v, f)| p.format(*v, *f));
        check(all.finish()).ok()
    }
}

impl Grower<'_> {
    fn push(&mut self, op: Op, shape: Option<Vec<usize>>) -> ValueId {
        let constant = matches!(op, Op::Const(_));
        let name = format!("v{}", self.net.values().len());
        let v = self.net.push(name, op, shape.map(Shape), None);
        if !constant {
            let format = if self.mixed && self.rng.one_in(2) {
                let signed = !self.rng.one_in(4);
                let (width, frac) = (self.rng.int(4, 12), self.rng.int(-1, 7));
                Format::new(signed, width as u8, frac as i32).expect("a format")
            } else {
                self.stored
            };
            // Else an accumulator, where that may be.
            if !(self.mixed && self.rng.one_in(4)) || self.notes.is_empty() {
                self.notes.push((v, format));
            }
        }
        v
    }

    /// A constant of multiples of 1/8, or of any float32.
    fn constant(&mut self, shape: Vec<usize>, most: f64, format: Format) -> ValueId {
        let coarse = self.rng.one_in(2);
        let n = shape.iter().product();
        let data: Vec<f32> = (0..n)
            .map(|_| {
                let v = self.rng.float(-most, most);
                (if coarse { (v * 8.0).round() / 8.0 } else { v }) as f32
            })
            .collect();
        let c = Constant {
            data: data.into(),
            origin: Origin::Inline,
            wide: None,
        };
        let c = if self.kind == Kind::Reals {
            self.wild(c)
        } else {
            c
        };
        let v = self.push(Op::Const(c), Some(shape));
        self.notes.push((v, format));
        v
    }

    /// The same at another scale, or as numbers beyond float32.
    fn wild(&mut self, c: Constant) -> Constant {
        let scale = 10f64.powi(self.rng.int(-6, 6) as i32);
        let scale = if self.rng.one_in(2) { 1.0 } else { scale };
        if self.rng.one_in(3) {
            let data = c.data.iter().map(|v| (f64::from(*v) * scale) as f32);
            return Constant::inline(data.collect::<Vec<_>>());
        }
        let high: Vec<f64> = (c.data.iter())
            .map(|v| f64::from(*v) * scale * self.rng.float(0.9, 1.1))
            .collect();
        let low = (high.iter())
            .map(|v| v * 2f64.powi(-54) * self.rng.float(-1.0, 1.0))
            .collect();
        let wide = Wide {
            high: high.into(),
            low,
            enclosed: self.rng.one_in(2),
        };
        Constant::wide(wide).unwrap_or(c)
    }

    fn snap(&mut self, x: ValueId) -> Op {
        let scale = [0.1, 0.25, 7e-3, 0.3][self.rng.size(0, 3)];
        let zero_point = self.rng.int(-4, 4) as i32;
        Op::Snap {
            x,
            scale,
            zero_point,
            lo: zero_point - self.rng.int(0, 9) as i32,
            hi: zero_point + self.rng.int(1, 40) as i32,
        }
    }

    fn weights(&self) -> Format {
        Format::new(true, 7, 5).expect("a format")
    }

    /// One format that every operand that is added or joined has.
    fn biases(&self) -> Format {
        Format::new(true, 10, self.stored.frac()).expect("a format")
    }

    fn slide(&mut self, windowed: bool) -> Slide {
        let mut slide = Slide::dense(2);
        for a in 0..2 {
            slide.strides[a] = self.rng.size(1, 2);
            if self.rng.one_in(4) && !windowed {
                slide.dilations[a] = 2;
            }
            if self.rng.one_in(2) {
                slide.before[a] = self.rng.size(0, 1);
                slide.after[a] = self.rng.size(0, 1);
            }
        }
        slide
    }

    /// One more activation, if the operator fits.
    fn step(&mut self, kind: Kind) {
        let last = self.pool.len() - 1;
        let at = if self.rng.one_in(4) {
            self.rng.size(0, last)
        } else {
            last
        };
        let (x, shape) = self.pool[at].clone();
        if self.rng.one_in(5) {
            let v = self.push(Op::Identity { x }, None);
            // What is renamed often repeats a format, and is read later.
            if let Some(f) = self.notes.iter().find(|n| n.0 == x).map(|n| n.1)
                && self.rng.one_in(2)
            {
                self.notes.retain(|n| n.0 != v);
                self.notes.push((v, f));
            }
            self.pool.push((v, shape.clone()));
        }
        let op = match self.rng.int(
            0,
            match kind {
                Kind::Linear => 13,
                Kind::Any => 16,
                Kind::Reals => 20,
            },
        ) {
            0..=2 => return self.conv(x, &shape),
            3 => return self.window(x, &shape, true),
            4 => return self.window(x, &shape, false),
            5 | 6 => Op::Relu { x },
            7 => Op::LeakyRelu {
                x,
                shift: self.rng.int(1, 3) as u8,
            },
            8 => Op::Clip {
                x,
                lo: self.rng.one_in(2).then_some(-0.5),
                hi: Some(1.0),
            },
            9 => Op::Unary {
                x,
                function: Unary::Abs,
            },
            10 => return self.constants(x, &shape),
            11 => return self.join(x, &shape),
            12 => Op::Pad {
                x,
                before: vec![0, 1, 0],
                after: vec![0, 0, 1],
                value: if self.rng.one_in(2) { 0.0 } else { 0.75 },
            },
            13 => Op::Transpose {
                x,
                perm: vec![0, 2, 1],
            },
            14 | 15 => Op::Curve {
                x,
                curve: if self.rng.one_in(2) {
                    Curve::Sigmoid
                } else {
                    Curve::Tanh
                },
            },
            16 => Op::Unary {
                x,
                function: self.jump(),
            },
            17 | 18 => self.snap(x),
            _ => {
                let f = self.weights();
                let c = self.constant(vec![shape[0], 1, 1], 1.0, f);
                // Its nearest mantissa may be 0.
                self.notes.retain(|n| n.0 != c);
                let zero = |c: &Constant| (0..c.data.len()).any(|i| c.center(i).is_zero());
                match &self.net.values()[c].op {
                    Op::Const(c) if zero(c) => return,
                    _quotient => Op::Div { x, c },
                }
            }
        };
        let shape = match &op {
            Op::Pad { .. } => vec![shape[0], shape[1] + 1, shape[2] + 1],
            Op::Transpose { .. } => vec![shape[0], shape[2], shape[1]],
            _same => shape,
        };
        let v = self.push(op, None);
        self.pool.push((v, shape));
    }

    /// The extents behind windows, if they fit.
    fn fits(shape: &[usize], kernel: &[usize], slide: &Slide) -> Option<Vec<usize>> {
        let mut out = Vec::new();
        for a in 0..2 {
            let reach = slide.dilations[a] * (kernel[a] - 1) + 1;
            let n = shape[a + 1] + slide.before[a] + slide.after[a];
            // A window that sees padding only has nothing to pool.
            if n < reach || kernel[a] <= slide.before[a].max(slide.after[a]) {
                return None;
            }
            out.push((n - reach) / slide.strides[a] + 1);
        }
        Some(out)
    }

    /// A function that jumps: one of them after the other as networks grow.
    fn jump(&self) -> Unary {
        let jumps: Vec<_> = Unary::ALL.iter().filter(|f| f.format().is_some()).collect();
        *jumps[self.pool.len() % jumps.len()]
    }

    fn conv(&mut self, x: ValueId, shape: &[usize]) {
        let kernel = vec![self.rng.size(1, 3), self.rng.size(1, 3)];
        let slide = self.slide(false);
        let Some(out) = Self::fits(shape, &kernel, &slide) else {
            return;
        };
        let groups = if self.rng.one_in(3) { shape[0] } else { 1 };
        let filters = groups * self.rng.size(1, 2);
        let f = self.weights();
        let weight = self.constant(
            vec![filters, shape[0] / groups, kernel[0], kernel[1]],
            0.9,
            f,
        );
        let f = self.biases();
        let bias = self
            .rng
            .one_in(2)
            .then(|| self.constant(vec![filters], 0.5, f));
        let op = Op::Conv {
            x,
            weight,
            bias,
            slide,
            groups,
        };
        let v = self.push(op, None);
        self.pool.push((v, vec![filters, out[0], out[1]]));
    }

    fn window(&mut self, x: ValueId, shape: &[usize], max: bool) {
        let kernel = vec![self.rng.size(1, 3), self.rng.size(1, 3)];
        let slide = self.slide(true);
        let Some(out) = Self::fits(shape, &kernel, &slide) else {
            return;
        };
        let op = if max {
            Op::MaxPool { x, kernel, slide }
        } else {
            Op::AveragePool {
                x,
                kernel,
                slide,
                count_pad: self.rng.one_in(2),
            }
        };
        let v = self.push(op, None);
        self.pool.push((v, vec![shape[0], out[0], out[1]]));
    }

    fn constants(&mut self, x: ValueId, shape: &[usize]) {
        let of = if self.rng.one_in(2) {
            shape.to_vec()
        } else {
            vec![shape[0], 1, 1]
        };
        let op = match self.rng.int(0, 3) {
            0 => {
                let f = self.weights();
                Op::Mul {
                    x,
                    c: self.constant(of, 1.0, f),
                }
            }
            1 => {
                let c = Constant {
                    data: vec![[0.5, 2.0, 4.0][self.rng.size(0, 2)]].into(),
                    origin: Origin::Inline,
                    wide: None,
                };
                let c = self.push(Op::Const(c), Some(vec![1]));
                Op::Div { x, c }
            }
            k => {
                let f = self.biases();
                let c = self.constant(of, 1.0, f);
                if k == 2 {
                    Op::Add { x, c }
                } else {
                    Op::Sub { x, c }
                }
            }
        };
        let v = self.push(op, None);
        self.pool.push((v, shape.to_vec()));
    }

    /// A residual sum or a concatenation with another value of the same extents.
    fn join(&mut self, x: ValueId, shape: &[usize]) {
        let alike = |p: &&(ValueId, Vec<usize>)| p.1[1..] == shape[1..];
        let others: Vec<_> = self.pool.iter().filter(alike).cloned().collect();
        let (y, other) = others[self.rng.size(0, others.len() - 1)].clone();
        if other == shape && self.rng.one_in(2) {
            let v = self.push(Op::Sum { x, y }, None);
            self.pool.push((v, shape.to_vec()));
            return;
        }
        let op = Op::Concat {
            xs: vec![x, y],
            axis: 0,
        };
        let v = self.push(op, None);
        self.pool
            .push((v, vec![shape[0] + other[0], shape[1], shape[2]]));
    }

    /// The outputs: a dense layer over the last activation.
    fn head(&mut self) -> ValueId {
        let (x, shape) = self.pool[self.pool.len() - 1].clone();
        let x = self.push(Op::Flatten { x }, None);
        let (n, outputs) = (shape.iter().product(), self.rng.size(2, 3));
        let f = self.weights();
        let weight = self.constant(vec![outputs, n], 0.9, f);
        let v = self.push(
            Op::Dense {
                x,
                weight,
                bias: None,
            },
            None,
        );
        // An accumulator.
        self.notes.retain(|note| note.0 != v);
        v
    }
}

fn exact(v: f64) -> Exact {
    Exact::from_f64(v).expect("finite")
}

fn scaled(c: &Exact, x: &Span) -> Span {
    let (a, b) = (c * &x.0, c * &x.1);
    if a <= b { (a, b) } else { (b, a) }
}

fn plus(a: &Span, b: &Span) -> Span {
    (&a.0 + &b.0, &a.1 + &b.1)
}

fn point(v: Exact) -> Span {
    (v.clone(), v)
}

/// A rising function.
fn rising(x: &[Span], f: impl Fn(&Exact) -> Exact) -> Vec<Span> {
    x.iter().map(|(a, b)| (f(a), f(b))).collect()
}

/// Every node of a real program at a point; enclosed constants are at one of their ends.
pub(crate) fn real_trace(program: &RealProgram, x: &[Exact]) -> SecondaryMap<NodeId, Vec<Span>> {
    let mut all: SecondaryMap<NodeId, Vec<Span>> = SecondaryMap::new();
    for (id, node) in program.nodes.iter() {
        let out = match &node.op {
            RealOp::Input => x.iter().cloned().map(point).collect(),
            op => sums(op, node.len, &all).unwrap_or_else(|| elements(op, &all)),
        };
        assert_eq!(out.len(), node.len, "{id}");
        all[id] = out;
    }
    all
}

/// One end of a constant.
fn at(c: &Reals, i: usize) -> Exact {
    let (lo, hi) = c.ends(i);
    if i.is_multiple_of(2) { lo } else { hi }
}

/// Layers and pools; `None` for another operator.
fn sums(op: &RealOp, len: usize, all: &SecondaryMap<NodeId, Vec<Span>>) -> Option<Vec<Span>> {
    let of = |x: &NodeId| &all[*x];
    let zero = Exact::zero;
    Some(match op {
        RealOp::Dense {
            x,
            weight,
            bias,
            rows,
            cols,
        } => (0..*rows)
            .map(|j| {
                let start = point(bias.as_ref().map_or_else(zero, |b| at(b, j)));
                (0..*cols).fold(start, |s, k| {
                    plus(&s, &scaled(&at(weight, j * cols + k), &of(x)[k]))
                })
            })
            .collect(),
        RealOp::Conv {
            x,
            weight,
            bias,
            conv,
        } => (0..conv.output_len())
            .map(|j| {
                let w = &conv.window;
                let (m, o) = (j / w.windows(), j % w.windows());
                let start = point(bias.as_ref().map_or_else(zero, |b| at(b, m)));
                conv.terms(m, o / w.out[1], o % w.out[1])
                    .fold(start, |s, (k, t)| {
                        plus(&s, &scaled(&at(weight, t), &of(x)[k]))
                    })
            })
            .collect(),
        RealOp::MaxPool { x, window } | RealOp::SumPool { x, window } => {
            let max = matches!(op, RealOp::MaxPool { .. });
            let join = |a: Span, b: Span| {
                if max {
                    (a.0.max(b.0), a.1.max(b.1))
                } else {
                    plus(&a, &b)
                }
            };
            (0..len)
                .map(|j| {
                    let (c, o) = (j / window.windows(), j % window.windows());
                    let taps = window.taps(o / window.out[1], o % window.out[1]);
                    let seen = taps.map(|t| of(x)[c * window.plane() + t.position].clone());
                    seen.reduce(join).expect("a tap")
                })
                .collect()
        }
        _ => return None,
    })
}

/// Operators on elements, and those that move them.
fn elements(op: &RealOp, all: &SecondaryMap<NodeId, Vec<Span>>) -> Vec<Span> {
    let of = |x: &NodeId| &all[*x];
    let zero = Exact::zero;
    match op {
        RealOp::AddConst { x, c } => {
            let x = of(x).iter().enumerate();
            x.map(|(i, v)| plus(v, &point(at(c, i)))).collect()
        }
        RealOp::MulConst { x, c } => {
            let x = of(x).iter().enumerate();
            x.map(|(i, v)| scaled(&at(c, i), v)).collect()
        }
        RealOp::DivConst { x, c } => {
            let one = Exact::from(1i64);
            let inverse = |i| one.checked_div(&at(c, i)).expect("no zero");
            let x = of(x).iter().enumerate();
            x.map(|(i, v)| scaled(&inverse(i), v)).collect()
        }
        RealOp::Sum { x, y } => of(x).iter().zip(of(y)).map(|(a, b)| plus(a, b)).collect(),
        RealOp::Concat { xs, outer } => joined(xs.iter().map(|x| &of(x)[..]), *outer),
        RealOp::Gather { x, index, fill } => {
            let pick = |i: &u32| match *i {
                FILL => point(exact(*fill)),
                i => of(x)[i as usize].clone(),
            };
            index.iter().map(pick).collect()
        }
        RealOp::Relu { x } => rising(of(x), |v| v.clone().max(zero())),
        RealOp::Clip { x, lo, hi } => rising(of(x), |v| {
            let mut v = v.clone();
            if lo.is_finite() {
                v = v.max(exact(*lo));
            }
            if hi.is_finite() {
                v = v.min(exact(*hi));
            }
            v
        }),
        RealOp::LeakyRelu { x, shift } => {
            rising(of(x), |v| v.clone().max(v.shifted(-i64::from(*shift))))
        }
        RealOp::Unary { x, function } => {
            let at = |v: &Exact| {
                let unit = Exact::from(function.mantissa(v.signum().into()) as i64);
                match function.format() {
                    Some(_) => unit,
                    None => &unit * &v.clone().max(-v),
                }
            };
            let one = |(a, b): &Span| {
                let inside = a.signum() <= 0 && b.signum() >= 0;
                let ends = [a.clone(), b.clone()].into_iter().chain(inside.then(zero));
                let values: Vec<Exact> = ends.map(|v| at(&v)).collect();
                let least = values.iter().min().expect("two ends").clone();
                (least, values.into_iter().max().expect("two ends"))
            };
            of(x).iter().map(one).collect()
        }
        RealOp::Curve { x, curve } => {
            let f = |(a, b): &Span| {
                let low = tables::enclosure(*curve, a, 80).0;
                (low, tables::enclosure(*curve, b, 80).1)
            };
            of(x).iter().map(f).collect()
        }
        RealOp::Snap { x, scale, lo, hi } => {
            let scale = exact(*scale);
            rising(of(x), |v| {
                let q = v.checked_div(&scale).expect("a positive scale");
                let (floor, half) = (Exact::from(q.floor()), Exact::dyadic(1, -1));
                let part = &q - &floor;
                let even = (q.floor() % 2) == num_bigint::BigInt::ZERO;
                let up = part > half || (part == half && !even);
                let m = if up {
                    &floor + &Exact::from(1i64)
                } else {
                    floor
                };
                &m.max(Exact::from(*lo)).min(Exact::from(*hi)) * &scale
            })
        }
        RealOp::Move { x } => of(x).clone(),
        RealOp::Input
        | RealOp::Dense { .. }
        | RealOp::Conv { .. }
        | RealOp::MaxPool { .. }
        | RealOp::SumPool { .. } => unreachable!("{op:?} is no operator on elements"),
    }
}

/// The parts of all operands, one part of each after the other.
fn joined<'a, T: Clone + 'a>(xs: impl Iterator<Item = &'a [T]> + Clone, outer: usize) -> Vec<T> {
    let part = |o: usize, x: &'a [T]| {
        let n = x.len() / outer;
        &x[o * n..(o + 1) * n]
    };
    (0..outer)
        .flat_map(|o| xs.clone().flat_map(move |x| part(o, x).to_vec()))
        .collect()
}

/// Every node of a kernel on integers.
pub(crate) fn kernel_trace(k: &Kernel, input: &[i64]) -> SecondaryMap<NodeId, Vec<i128>> {
    let mut all: SecondaryMap<NodeId, Vec<i128>> = SecondaryMap::new();
    for (id, node) in k.nodes.iter() {
        let of = |x: &NodeId| &all[*x];
        let each = |x: &NodeId, f: &dyn Fn(usize, i128) -> i128| -> Vec<i128> {
            of(x).iter().enumerate().map(|(i, v)| f(i, *v)).collect()
        };
        let out: Vec<i128> = match &node.op {
            KernelOp::Input { .. } => input.iter().map(|v| i128::from(*v)).collect(),
            KernelOp::Dense {
                x,
                weight,
                bias,
                rows,
                cols,
            } => (0..*rows)
                .map(|j| {
                    let row = weight[j * cols..(j + 1) * cols].iter();
                    let s: i128 = row.zip(of(x)).map(|(w, v)| i128::from(*w) * v).sum();
                    s + bias.as_ref().map_or(0, |b| i128::from(b[j]))
                })
                .collect(),
            KernelOp::Conv {
                x,
                weight,
                bias,
                conv,
            } => (0..conv.output_len())
                .map(|j| {
                    let w = &conv.window;
                    let (m, o) = (j / w.windows(), j % w.windows());
                    let terms = conv.terms(m, o / w.out[1], o % w.out[1]);
                    let s: i128 = terms.map(|(i, t)| i128::from(weight[t]) * of(x)[i]).sum();
                    s + bias.as_ref().map_or(0, |b| i128::from(b[m]))
                })
                .collect(),
            KernelOp::MaxPool { x, window } | KernelOp::SumPool { x, window } => {
                let max = matches!(node.op, KernelOp::MaxPool { .. });
                (0..node.len)
                    .map(|j| {
                        let (c, o) = (j / window.windows(), j % window.windows());
                        let taps = window.taps(o / window.out[1], o % window.out[1]);
                        let seen = taps.map(|t| of(x)[c * window.plane() + t.position]);
                        if max {
                            seen.max().expect("a tap")
                        } else {
                            seen.sum()
                        }
                    })
                    .collect()
            }
            KernelOp::AddConst { x, c } => each(x, &|i, v| v + i128::from(c[i])),
            KernelOp::MulConst { x, c } => {
                let per = node.len / c.len();
                each(x, &|i, v| v * i128::from(c[i / per]))
            }
            KernelOp::Sum { x, y } => of(x).iter().zip(of(y)).map(|(a, b)| a + b).collect(),
            KernelOp::Concat { xs, outer } => joined(xs.iter().map(|x| &of(x)[..]), *outer),
            KernelOp::Gather { x, index, fill } => {
                let pick = |i: &u32| match *i {
                    FILL => i128::from(*fill),
                    i => of(x)[i as usize],
                };
                index.iter().map(pick).collect()
            }
            KernelOp::Relu { x } => each(x, &|_, v| v.max(0)),
            KernelOp::Clip { x, lo, hi } => each(x, &|i, v| v.max(lo[i].into()).min(hi[i].into())),
            KernelOp::LeakyRelu { x, shift } => each(x, &|_, v| v.max(v << shift)),
            KernelOp::Unary { x, function } => each(x, &|_, v| function.mantissa(v)),
            KernelOp::Table {
                x, least, table, ..
            } => each(x, &|_, v| {
                i128::from(table[usize::try_from(v - i128::from(*least)).expect("an entry")])
            }),
            KernelOp::Requantize {
                x,
                multiplier,
                shift,
                format,
            } => each(x, &|i, v| {
                let v = v * i128::from(kernel::multiplier(multiplier.as_deref(), i));
                let y = k.rounding.shift(v, shift[i]);
                y.clamp(format.min().into(), format.max().into())
            }),
            KernelOp::Align { x, shift } => each(x, &|i, v| v << shift[i]),
            KernelOp::Move { x } => of(x).clone(),
        };
        assert_eq!(out.len(), node.len, "{id}");
        all[id] = out;
    }
    all
}

/// What a kernel node's mantissas stand for.
pub(crate) fn real_values(k: &Kernel, id: NodeId, m: &[i128]) -> Vec<Exact> {
    let node = &k.nodes[id];
    let one = |(j, m): (usize, &i128)| {
        let whole = m * i128::from(node.multiplier(j));
        Exact::dyadic(whole, -i64::from(node.frac[j]))
    };
    m.iter().enumerate().map(one).collect()
}
