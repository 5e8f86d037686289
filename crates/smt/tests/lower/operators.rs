//! Random networks with every operator, and the same demands on them as on dense ones: the terms
//! of every node, the questions at every point, the solvers' answers.

use crate::agreement::has_z3;
use crate::common::{Dice, Pair, format, lows, model_of, points, random_box};
use crate::grid::{breaks_at, random_grid, random_property};
use crate::kernels::leaves;
use crate::nodes::terms_are_values;
use ceg4n_base::Exact;
use ceg4n_eval::{Domain, Enclosure, interpret_real, kernel_outputs, real_outputs};
use ceg4n_ir::kernel::{KernelOp, argmax};
use ceg4n_ir::{
    Constant, Curve, Format, Interval, Kernel, NetworkBuilder, Op, Program, Rounding, Shape, Slide,
    TensorFormat, Unary, ValueId, check,
};
use ceg4n_opspec::Cmp;
use ceg4n_smt::lower::{LowerError, Number, Rewriting, Terms, Truth, breaks_on_grid, leaves_class};
use ceg4n_smt::{Limits, Logic, Model, Outcome, Value, solver};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A network that grows at its last value, which always has a format.
struct Growth<'a> {
    d: &'a mut Dice,
    net: NetworkBuilder,
    formats: Vec<(ValueId, TensorFormat)>,
    last: ValueId,
    format: Format,
    curves: bool,
}

impl Growth<'_> {
    fn shape(&self) -> Vec<usize> {
        self.net.values()[self.last].shape.0.clone()
    }

    /// A value that keeps the format of its operand.
    fn keep(&mut self, op: Op, shape: Option<Vec<usize>>) {
        let name = format!("v{}", self.net.values().len());
        self.last = self.net.push(name, op, shape.map(Shape), None);
    }

    /// A value with a format of its own, near the operand's scale.
    fn store(&mut self, op: Op) {
        self.keep(op, None);
        let frac = i64::from(self.format.frac()) + self.d.roll(-1, 1);
        self.format = format(!self.d.one_in(4), self.d.roll(2, 5), frac);
        self.formats.push((self.last, self.format.into()));
    }

    /// Small numbers in quarters, exact in their format.
    fn constant(&mut self, shape: Vec<usize>, rows: usize) -> ValueId {
        let len: usize = shape.iter().product();
        let data: Vec<f32> = (0..len).map(|_| self.d.roll(-7, 7) as f32 / 4.0).collect();
        let name = format!("v{}", self.net.values().len());
        let op = Op::Const(Constant::inline(data));
        let v = self.net.push(name, op, Some(Shape(shape)), None);
        let own = format(true, 4, 2);
        let format = match rows {
            1 => own.into(),
            _ => TensorFormat::Channels(vec![own; rows].into()),
        };
        self.formats.push((v, format));
        v
    }

    fn slide(&mut self, kernel: &[usize]) -> Slide {
        let axes = kernel.len();
        let mut each = |lo, hi| (0..axes).map(|_| self.d.roll(lo, hi) as usize).collect();
        Slide {
            strides: each(1, 2),
            dilations: vec![1; axes],
            before: each(0, 1),
            after: each(0, 1),
        }
    }

    fn conv(&mut self) {
        let shape = self.shape();
        let groups = if self.d.one_in(2) { shape[0] } else { 1 };
        let filters = groups * self.d.roll(1, 2) as usize;
        let mut weight = vec![filters, shape[0] / groups];
        weight.extend(
            shape[1..]
                .iter()
                .map(|n| self.d.roll(1, 2.min(*n as i64)) as usize),
        );
        let slide = self.slide(&weight[2..]);
        let weight = self.constant(weight, filters);
        let bias = self.d.one_in(2).then(|| self.constant(vec![filters], 1));
        let x = self.last;
        self.store(Op::Conv {
            x,
            weight,
            bias,
            slide,
            groups,
        });
    }

    fn pool(&mut self, mean: bool) {
        let kernel = vec![2; self.shape().len() - 1];
        let mut slide = self.slide(&kernel);
        let x = self.last;
        if mean {
            // Counts of 1, 2 and 4.
            let count_pad = self.d.one_in(2);
            self.store(Op::AveragePool {
                x,
                kernel,
                slide,
                count_pad,
            });
        } else {
            slide.dilations = vec![self.d.roll(1, 2) as usize; kernel.len()];
            self.keep(Op::MaxPool { x, kernel, slide }, None);
        }
    }

    fn join(&mut self) {
        let (x, format) = (self.last, self.format);
        self.keep(Op::Relu { x }, None);
        let other = self.last;
        self.keep(
            Op::Clip {
                x,
                lo: Some(-0.5),
                hi: None,
            },
            None,
        );
        let clipped = self.last;
        self.format = format;
        if self.d.one_in(2) {
            self.store(Op::Sum {
                x: clipped,
                y: other,
            });
        } else {
            let axis = self.d.roll(0, self.shape().len() as i64 - 1) as usize;
            let xs = vec![x, clipped, other];
            self.keep(Op::Concat { xs, axis }, None);
        }
    }

    fn step(&mut self) {
        let x = self.last;
        let shape = self.shape();
        let spatial = shape.len() > 1;
        match self.d.roll(0, 14) {
            0 | 1 if spatial => self.conv(),
            2 if spatial => self.pool(false),
            3 if spatial => self.pool(true),
            4 => {
                let c = match self.d.roll(0, 2) {
                    0 => self.constant(vec![1], 1),
                    1 => self.constant(shape, 1),
                    _ => {
                        let mut per_channel = vec![1; shape.len()];
                        per_channel[0] = shape[0];
                        self.constant(per_channel, 1)
                    }
                };
                self.store(Op::Mul { x, c });
            }
            5 => {
                let shift = self.d.roll(1, 3) as u8;
                self.store(Op::LeakyRelu { x, shift });
            }
            6 | 7 => {
                let i = self.d.roll(0, Unary::ALL.len() as i64 - 1) as usize;
                let function = Unary::ALL[i];
                match function.format() {
                    None => self.store(Op::Unary { x, function }),
                    Some(own) => {
                        self.keep(Op::Unary { x, function }, None);
                        self.format = own;
                    }
                }
            }
            8 => {
                let lo = self.d.roll(-3, 0) as f32;
                let hi = (!self.d.one_in(3)).then(|| self.d.roll(0, 3) as f32 + 0.25);
                self.keep(
                    Op::Clip {
                        x,
                        lo: Some(lo),
                        hi,
                    },
                    None,
                );
            }
            9 => {
                let mut pads = || {
                    (0..shape.len())
                        .map(|_| self.d.roll(0, 1) as usize)
                        .collect()
                };
                let (before, after) = (pads(), pads());
                let value = self.d.roll(-2, 2) as f32 / 2.0;
                let op = Op::Pad {
                    x,
                    before,
                    after,
                    value,
                };
                self.keep(op, None);
            }
            10 if spatial => {
                let mut perm: Vec<usize> = (0..shape.len()).collect();
                perm.rotate_left(self.d.roll(1, 2) as usize);
                self.keep(Op::Transpose { x, perm }, None);
            }
            11 if self.curves => {
                let curve = [Curve::Sigmoid, Curve::Tanh][self.d.roll(0, 1) as usize];
                self.keep(Op::Curve { x, curve }, None);
                self.format = format(true, self.d.roll(2, 5), self.d.roll(1, 3));
                self.formats.push((self.last, self.format.into()));
            }
            12 => self.join(),
            _ => self.keep(Op::Relu { x }, None),
        }
    }

    fn pair(mut self) -> Option<Pair> {
        for _ in 0..self.d.roll(1, 4) {
            self.step();
        }
        let x = self.last;
        self.keep(Op::Flatten { x }, None);
        let (cols, rows) = (self.shape()[0], self.d.roll(2, 3) as usize);
        if cols > 24 {
            return None;
        }
        let weight = self.constant(vec![rows, cols], 1);
        let x = self.last;
        let bias = None;
        self.keep(Op::Dense { x, weight, bias }, None);
        let rounding = Rounding::ALL[self.d.roll(0, 2) as usize];
        let network = Arc::new(self.net.finish(self.last).ok()?);
        let reference = check(Program::reference(network)).ok()?;
        let mut patch = reference.program().patch().rounding(rounding);
        for (v, f) in self.formats {
            patch = patch.format(v, f);
        }
        let quantized = check(patch.finish()).ok()?;
        Some(Pair::of(reference, quantized))
    }
}

fn random(d: &mut Dice, curves: bool) -> Pair {
    for _ in 0..10_000 {
        let shape = match d.roll(0, 2) {
            0 => vec![2, 2],
            1 => vec![1, 2, 2],
            _ => vec![2, 1, 3],
        };
        let own = format(d.one_in(2), d.roll(2, 5), d.roll(0, 2));
        let mut net = NetworkBuilder::new("random");
        let last = net.push("x", Op::Input, Some(Shape(shape)), None);
        let growth = Growth {
            d: &mut *d,
            net,
            formats: vec![(last, own.into())],
            last,
            format: own,
            curves,
        };
        if let Some(pair) = growth.pair() {
            return pair;
        }
    }
    panic!("the checker refuses every random program");
}

fn operator(op: &KernelOp) -> &'static str {
    match op {
        KernelOp::Input { .. } => "input",
        KernelOp::Dense { .. } => "dense",
        KernelOp::AddConst { .. } => "add_const",
        KernelOp::Conv { .. } => "conv",
        KernelOp::MaxPool { .. } => "max_pool",
        KernelOp::SumPool { .. } => "sum_pool",
        KernelOp::MulConst { .. } => "mul_const",
        KernelOp::Sum { .. } => "sum",
        KernelOp::Concat { .. } => "concat",
        KernelOp::Gather { .. } => "gather",
        KernelOp::Relu { .. } => "relu",
        KernelOp::Clip { .. } => "clip",
        KernelOp::LeakyRelu { .. } => "leaky_relu",
        KernelOp::Unary { function, .. } => function.name(),
        KernelOp::Table { .. } => "table",
        KernelOp::Requantize { .. } => "requantize",
        KernelOp::Align { .. } => "align",
        KernelOp::Move { .. } => "move",
    }
}

fn count(met: &mut BTreeMap<&'static str, usize>, kernel: &Kernel) {
    for node in kernel.nodes.values() {
        *met.entry(operator(&node.op)).or_default() += 1;
    }
}

const NEW: [&str; 10] = [
    "conv",
    "max_pool",
    "sum_pool",
    "mul_const",
    "sum",
    "concat",
    "gather",
    "clip",
    "leaky_relu",
    "table",
];

#[test]
fn the_terms_of_every_node() {
    for logic in Logic::ALL {
        let mut met = BTreeMap::new();
        let mut symbolic = 0;
        for seed in 0..300 {
            let mut d = Dice::new(seed);
            let pair = random(&mut d, true);
            count(&mut met, pair.kernel());
            symbolic += terms_are_values(&mut d, pair.kernel(), logic, seed).1;
        }
        let unary = Unary::ALL.iter().map(|f| f.name());
        let mut all = NEW.into_iter().chain(unary);
        assert!(all.all(|n| met.get(n) >= Some(&15)), "{met:?}");
        assert!(symbolic > 5000, "{symbolic}");
    }
}

/// Solvers of both logics, and what enumeration says.
#[test]
fn solvers_agree_with_enumeration() {
    let mut solvers = vec![(Logic::Bv, solver::from_name("embedded").unwrap())];
    if has_z3() {
        solvers.push((Logic::Bv, solver::from_name("z3").unwrap()));
        solvers.push((Logic::Lia, solver::from_name("z3").unwrap()));
    }
    let mut met = BTreeMap::new();
    let (mut sat, mut unsat) = (0, 0);
    for seed in 1000..1160 {
        let mut d = Dice::new(seed);
        let pair = random(&mut d, true);
        let kernel = pair.kernel();
        let b = random_box(&mut d, kernel.input_format, kernel.input_len(), 150);
        let class = argmax(&kernel_outputs(kernel, &lows(&b)).unwrap()).unwrap();
        let exists = points(&b).iter().any(|p| leaves(kernel, p, class));
        count(&mut met, kernel);
        for (logic, solver) in &mut solvers {
            let q = leaves_class(*logic, kernel, &b, class, Rewriting::On).unwrap();
            match solver.solve(&q.query, &Limits::default()) {
                Outcome::Unsat => assert!(!exists, "seed {seed}"),
                Outcome::Sat(model) => {
                    let p = q.input(&model).unwrap();
                    assert!(leaves(kernel, &p, class), "seed {seed}");
                }
                Outcome::Unknown(reason) => panic!("seed {seed}: {reason}"),
            }
        }
        *(if exists { &mut sat } else { &mut unsat }) += 1;
    }
    assert!(sat > 30 && unsat > 30, "{sat} {unsat}");
    assert!(NEW.iter().all(|n| met.get(n) >= Some(&5)), "{met:?}");
}

/// Reference and kernel on a grid.
#[test]
fn questions_on_grids() {
    let mut solver = solver::from_name("embedded").unwrap();
    let (mut broken, mut fine, mut met) = (0, 0, BTreeMap::new());
    for seed in 2000..2200 {
        let mut d = Dice::new(seed);
        let pair = random(&mut d, false);
        let grid = random_grid(&mut d, pair.kernel().input_format);
        let b = random_box(&mut d, grid, pair.kernel().input_len(), 40);
        let property = random_property(&mut d, &pair, grid, &b);
        let ask = |logic| {
            breaks_on_grid(
                logic,
                pair.real(),
                pair.kernel(),
                grid,
                &b,
                &property,
                Rewriting::On,
            )
        };
        let [vectors, integers] = Logic::ALL.map(ask);
        let (vectors, integers) = (vectors.unwrap(), integers.unwrap());
        count(&mut met, pair.kernel());
        let mut any = false;
        for p in points(&b) {
            let expected = breaks_at(&pair, grid, &property, &p);
            for q in [&vectors, &integers] {
                let found = q.query.holds(&model_of(&q.query, &lows(&b), &p)).unwrap();
                assert_eq!(found, expected, "seed {seed}, {property}, point {p:?}");
            }
            any |= expected;
        }
        match solver.solve(&vectors.query, &Limits::default()) {
            Outcome::Unsat => assert!(!any, "seed {seed}"),
            Outcome::Sat(_) => assert!(any, "seed {seed}"),
            Outcome::Unknown(reason) => panic!("seed {seed}: {reason}"),
        }
        *(if any { &mut broken } else { &mut fine }) += 1;
    }
    assert!(broken > 30 && fine > 30, "{broken} {fine}");
    let exact = NEW.iter().filter(|n| **n != "table");
    assert!(exact.clone().all(|n| met.get(n) >= Some(&10)), "{met:?}");
}

/// A reference that is no function over the rationals has no terms, and the reason is told.
#[test]
fn irrational_references_are_refused() {
    let mut refused = 0;
    for seed in 3000..3100 {
        let mut d = Dice::new(seed);
        let pair = random(&mut d, true);
        if pair.real().is_exact() {
            continue;
        }
        let grid = pair.kernel().input_format;
        let b = random_box(&mut d, grid, pair.kernel().input_len(), 40);
        let property = ceg4n_ir::Property::Top1;
        let asked = breaks_on_grid(
            Logic::Lia,
            pair.real(),
            pair.kernel(),
            grid,
            &b,
            &property,
            Rewriting::On,
        );
        match asked {
            Err(LowerError::Meaning(e)) => {
                assert!(e.to_string().contains("no exact rational value"), "{e}");
                refused += 1;
            }
            // Where the box fixes the activation's operand to zero it has a value.
            Ok(_) => {}
            Err(e) => panic!("seed {seed}: {e}"),
        }
    }
    assert!(refused > 10, "{refused}");
}

/// Whether a number equals a value under a model.
fn equals(terms: &mut Terms, n: &Number, value: &Number, model: &Model) -> bool {
    match terms.cmp(Cmp::Eq, n, value).unwrap() {
        Truth::Known(holds) => holds,
        Truth::Term(t) => {
            let all = terms.query.evaluate(model).unwrap();
            all.get(t) == Some(Value::Bool(true))
        }
    }
}

/// Tables that rise and fall, at sums of inputs.
#[test]
fn entries_of_any_table() {
    for logic in Logic::ALL {
        for seed in 0..60 {
            let mut d = Dice::new(seed);
            let least = d.roll(-9, 3);
            let b = [0; 2].map(|_| {
                let lo = d.roll(0, 3);
                Interval::new(lo, lo + d.roll(0, 6))
            });
            let len = (b[0].hi + b[1].hi + d.roll(1, 4)) as usize;
            let table: Vec<i64> = (0..len).map(|_| d.roll(-2, 2) * 17).collect();
            let mut terms = Terms::over(logic);
            let mut input = |i: usize| {
                let (lo, hi) = (b[i].lo + least, b[i].hi + least);
                terms.input(&format!("x{i}"), lo.into(), hi.into()).unwrap()
            };
            let (x, y) = (input(0), input(1));
            let twice = Number::constant((2 * least).into(), 0);
            let at = terms.add(&x, &y).unwrap();
            let at = terms.sub(&at, &twice).unwrap();
            let found = terms.lookup(&at, len, &mut |i| Ok(table[i])).unwrap();
            let lo: Vec<i64> = b.iter().map(|r| r.lo + least).collect();
            for p in points(&b) {
                let point: Vec<i64> = p.iter().map(|v| v + least).collect();
                let model = model_of(&terms.query, &lo, &point);
                let wanted = Number::constant(table[(p[0] + p[1]) as usize].into(), 0);
                let same = equals(&mut terms, &found, &wanted, &model);
                assert!(same, "seed {seed}, {p:?}: {table:?}");
            }
        }
    }
}

/// Rounding to multiples of a power of two and back.
#[test]
fn snapping() {
    for (scale, zero_point) in [(0.5, 0), (2.0, 3), (0.125, -1)] {
        let mut net = NetworkBuilder::new("snap");
        let x = net.push("x", Op::Input, Some(Shape::vector(1)), None);
        let op = Op::Snap {
            x,
            scale,
            zero_point,
            lo: -4,
            hi: 5,
        };
        let y = net.push("y", op, None, None);
        let network = Arc::new(net.finish(y).unwrap());
        let reference = check(Program::reference(network)).unwrap();
        let real = reference.real().unwrap();
        for logic in Logic::ALL {
            let mut terms = Terms::over(logic);
            let x = terms.input("x0", -200, 200).unwrap();
            let sixteenths = terms.scale(&x, -4).unwrap();
            let point = |_: &mut Terms, (lo, hi): Enclosure| {
                assert_eq!(lo, hi);
                let (m, e) = lo.as_dyadic().unwrap();
                Ok(Number::constant(i128::try_from(m).unwrap(), e))
            };
            let y = interpret_real(real, &mut terms, vec![sixteenths], point).unwrap();
            let y = y.node(real.output)[0].clone();
            for v in -200..=200 {
                let exact = real_outputs(real, &[Exact::dyadic(v, -4)]).unwrap();
                let (m, e) = exact[0].as_dyadic().unwrap();
                let wanted = Number::constant(i128::try_from(m).unwrap(), e);
                let model = model_of(&terms.query, &[-200], &[v]);
                assert!(equals(&mut terms, &y, &wanted, &model), "{scale} {v}");
            }
        }
    }
}
