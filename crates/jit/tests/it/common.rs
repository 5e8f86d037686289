//! Programs for the tests, and a reference evaluator that follows semantics.md over `i128`: it
//! reads the network and its annotations, never the lowered kernel.

use ceg4n_ir::network::{Constant, Origin};
use ceg4n_ir::{
    Annotation, Checked, Format, Network, NetworkBuilder, Op, Program, Rounding, Shape,
    TensorFormat, ValueId, check,
};
use ceg4n_jit::{CodeCache, CodeOptions, Evaluator, PrefixCache, Samples};
use std::sync::{Arc, LazyLock};

/// SplitMix64, seeded by the test.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// In `lo..=hi`.
    pub(crate) fn range(&mut self, lo: i64, hi: i64) -> i64 {
        let span = (i128::from(hi) - i128::from(lo) + 1) as u128;
        (i128::from(lo) + (u128::from(self.next()) % span) as i128) as i64
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }

    /// A mantissa of the format; the ends, zero and their neighbours often.
    pub(crate) fn mantissa(&mut self, f: Format) -> i64 {
        let m = match self.range(0, 7) {
            0 => f.min(),
            1 => f.max(),
            2 => self.range(-1, 1),
            3 => f.max() - 1,
            _ => self.range(f.min(), f.max()),
        };
        m.clamp(f.min(), f.max())
    }
}

/// A value's format, and a constant's mantissas.
type Note = (ValueId, TensorFormat, Option<Arc<[i32]>>);

/// Builds a network together with the annotations of its fixed-point version.
pub(crate) struct Builder {
    net: NetworkBuilder,
    notes: Vec<Note>,
    count: usize,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            net: NetworkBuilder::new("t"),
            notes: vec![],
            count: 0,
        }
    }

    pub(crate) fn push(&mut self, op: Op, shape: Option<Shape>) -> ValueId {
        self.count += 1;
        self.net.push(format!("v{}", self.count), op, shape, None)
    }

    pub(crate) fn format(&mut self, v: ValueId, f: Format) {
        self.notes.push((v, f.into(), None));
    }

    pub(crate) fn input(&mut self, len: usize, f: Format) -> ValueId {
        let v = self.push(Op::Input, Some(Shape::vector(len)));
        self.format(v, f);
        v
    }

    /// A constant of explicit mantissas; its real data does not matter.
    pub(crate) fn constant(&mut self, shape: Vec<usize>, f: TensorFormat, m: Vec<i32>) -> ValueId {
        let data = Constant {
            data: vec![1.0; m.len()].into(),
            origin: Origin::Inline,
            wide: None,
        };
        let v = self.push(Op::Const(data), Some(Shape(shape)));
        self.notes.push((v, f, Some(m.into())));
        v
    }

    /// The value pushed last.
    pub(crate) fn last(&self) -> ValueId {
        self.net.values().keys().next_back().expect("a value")
    }

    pub(crate) fn len(&self, v: ValueId) -> usize {
        self.net.values()[v].shape.len()
    }

    pub(crate) fn shape(&self, v: ValueId) -> Shape {
        self.net.values()[v].shape.clone()
    }

    pub(crate) fn finish(self, output: ValueId, rounding: Rounding) -> Program {
        self.try_finish(output, rounding)
            .expect("a well-formed network")
    }

    /// `None` if the network is not well-formed.
    pub(crate) fn try_finish(self, output: ValueId, rounding: Rounding) -> Option<Program> {
        let net = self.net.finish(output).ok()?;
        let mut patch = Program::reference(Arc::new(net)).patch().rounding(rounding);
        for (v, f, m) in self.notes {
            patch = match m {
                Some(m) => patch.mantissas(v, f, m),
                None => patch.format(v, f),
            };
        }
        Some(patch.finish())
    }
}

pub(crate) fn fmt(signed: bool, width: i64, frac: i64) -> Format {
    Format::new(signed, width as u8, frac as i32).expect("a format")
}

/// A random program; `None` if the checker refuses it (an accumulator too wide, for instance).
pub(crate) fn random_program(rng: &mut Rng) -> Option<Checked<Program>> {
    let mut b = Builder::new();
    // 0: vectors with narrow epilogues mostly; 1: up to 16 bits; 2: anything.
    let size = rng.range(0, 2);
    let width = move |rng: &mut Rng| rng.range(1, [8, 16, 32][size as usize]);
    let format =
        move |rng: &mut Rng, lo: i64, hi: i64| fmt(rng.one_in(2), width(rng), rng.range(lo, hi));
    let cols = if rng.one_in(6) {
        rng.range(20, 70)
    } else {
        rng.range(1, 12)
    };
    let input = format(rng, -2, 8);
    let mut x = b.input(cols as usize, input);
    let mut scale = i64::from(input.frac());
    if rng.one_in(4) {
        x = constant_op(&mut b, rng, x, scale, &[1]);
        x = maybe_relu(&mut b, rng, x);
        let f = format(rng, -3, 10);
        b.format(x, f);
        scale = i64::from(f.frac());
    }
    let layers = rng.range(1, 3);
    for layer in 0..layers {
        let requantized = layer + 1 < layers || rng.one_in(2);
        let (next, w_frac, finest, factors) = dense(&mut b, rng, x, scale, requantized, &format);
        x = maybe_relu(&mut b, rng, next);
        if rng.one_in(6) {
            x = constant_op(&mut b, rng, x, finest, &factors);
            x = maybe_relu(&mut b, rng, x);
        }
        if requantized {
            let spread = if rng.one_in(8) { 40 } else { 6 };
            let most = factors.iter().copied().max().unwrap_or(1);
            let centre = (scale + w_frac) / 2 - i64::from(most.ilog2());
            let f = format(rng, centre - spread, centre + spread);
            b.format(x, f);
            scale = i64::from(f.frac());
            x = moves(&mut b, rng, x);
            x = maybe_relu(&mut b, rng, x);
            if rng.one_in(6) {
                // A second requantization straight after the first one.
                x = b.push(Op::Identity { x }, None);
                let f = format(rng, scale - 4, scale + 4);
                b.format(x, f);
                scale = i64::from(f.frac());
            }
        }
    }
    let rounding = Rounding::ALL[rng.range(0, 2) as usize];
    check(b.finish(x, rounding)).ok()
}

fn moves(b: &mut Builder, rng: &mut Rng, x: ValueId) -> ValueId {
    match rng.range(0, 5) {
        0 => b.push(Op::Flatten { x }, None),
        1 => b.push(Op::Identity { x }, None),
        2 => {
            let len = b.len(x);
            b.push(Op::Reshape { x }, Some(Shape::vector(len)))
        }
        _ => x,
    }
}

fn maybe_relu(b: &mut Builder, rng: &mut Rng, x: ValueId) -> ValueId {
    if rng.one_in(2) {
        b.push(Op::Relu { x }, None)
    } else {
        x
    }
}

/// `x ± c` with mantissas at a scale not finer than that of `x`, and its multipliers (one for all
/// elements, or one each).
fn constant_op(b: &mut Builder, rng: &mut Rng, x: ValueId, scale: i64, factors: &[u16]) -> ValueId {
    let same = factors.iter().all(|m| *m == factors[0]);
    let len = if same && rng.one_in(3) { 1 } else { b.len(x) };
    let f = fmt(true, rng.range(1, 14), scale - rng.range(0, 4));
    let m = (0..len).map(|_| rng.mantissa(f) as i32).collect();
    let formats = (0..len).map(|j| times(f, factors[if factors.len() == 1 { 0 } else { j }]));
    let c = b.constant(vec![len], TensorFormat::Channels(formats.collect()), m);
    match rng.one_in(2) {
        true => b.push(Op::Add { x, c }, None),
        false => b.push(Op::Sub { x, c }, None),
    }
}

/// A dense layer, perhaps with formats per channel, a bias, a constant after it. Also returns
/// fraction bits of its weights, and those of its coarsest accumulator.
fn dense(
    b: &mut Builder,
    rng: &mut Rng,
    x: ValueId,
    scale: i64,
    requantized: bool,
    format: &dyn Fn(&mut Rng, i64, i64) -> Format,
) -> (ValueId, i64, i64, Vec<u16>) {
    let cols = b.len(x);
    let rows = rng.range(1, 11) as usize;
    let storable = |f: Format| f.signed() || f.width() < 32;
    let mut w_format = || loop {
        let f = format(rng, -2, 8);
        if storable(f) {
            return f;
        }
    };
    let mut base = w_format();
    let mut channels: Vec<Format> = (0..rows).map(|_| w_format()).collect();
    if requantized && rng.one_in(2) {
        base = times(base, multiplier(rng));
        for f in &mut channels {
            *f = times(*f, multiplier(rng));
        }
    }
    let (w_formats, tensor) = if rng.one_in(2) {
        (channels.clone(), TensorFormat::Channels(channels.into()))
    } else {
        (vec![base; rows], base.into())
    };
    let factors: Vec<u16> = w_formats.iter().map(|f| f.multiplier()).collect();
    let m = w_formats
        .iter()
        .flat_map(|f| (0..cols).map(|_| *f).collect::<Vec<_>>())
        .map(|f| rng.mantissa(f) as i32)
        .collect();
    let weight = b.constant(vec![rows, cols], tensor, m);
    let least = w_formats.iter().map(|f| f.frac()).min().unwrap_or(0);
    let bias = (!rng.one_in(3)).then(|| {
        let formats: Vec<Format> = w_formats
            .iter()
            .map(|f| {
                let frac = scale + i64::from(f.frac()) - rng.range(0, 3);
                times(fmt(true, rng.range(1, 16), frac), f.multiplier())
            })
            .collect();
        let m = formats.iter().map(|f| rng.mantissa(*f) as i32).collect();
        b.constant(vec![rows], TensorFormat::Channels(formats.into()), m)
    });
    let mut y = b.push(Op::Dense { x, weight, bias }, None);
    let finest = scale + i64::from(least);
    if rng.one_in(3) {
        y = constant_op(b, rng, y, finest, &factors);
    }
    (y, i64::from(base.frac()), finest, factors)
}

pub(crate) fn times(f: Format, multiplier: u16) -> Format {
    f.with_multiplier(multiplier).expect("a multiplier")
}

/// Any multiplier; 1, the greatest and those that quantizers choose often.
fn multiplier(rng: &mut Rng) -> u16 {
    match rng.range(0, 5) {
        0 => 1,
        1 => (1 << 15) - 1,
        2 | 3 => rng.range(1 << 14, (1 << 15) - 1) as u16,
        _ => rng.range(1, (1 << 15) - 1) as u16,
    }
}

/// `round(m·2^-s)` for any shift.
pub(crate) fn round(rounding: Rounding, m: i128, s: i32) -> i128 {
    if s <= 0 || m == 0 {
        return if m == 0 { 0 } else { m << s.unsigned_abs() };
    }
    // |m| < 2^63: beyond 70 places nothing changes.
    let unit = 1i128 << s.min(70);
    let (floor, rest) = (m.div_euclid(unit), m.rem_euclid(unit));
    let up = match rounding {
        Rounding::Floor => false,
        Rounding::HalfUp => 2 * rest >= unit,
        Rounding::HalfEven => 2 * rest > unit || (2 * rest == unit && floor % 2 != 0),
    };
    floor + i128::from(up)
}

/// Elements `m·2^-frac`; multipliers are taken into the mantissas of constants at once.
type Tensor = Vec<(i128, i32)>;

/// The outputs of a program on input mantissas.
pub(crate) fn reference(program: &Program, input: &[i64]) -> Vec<i64> {
    let net: &Network = &program.network;
    let mut values: Vec<Tensor> = vec![];
    for (v, value) in net.values().iter() {
        let at = |v: ValueId| &values[v.as_u32() as usize];
        let mut y: Tensor = match &value.op {
            Op::Input => {
                let f = program.annotations.format(v).and_then(TensorFormat::single);
                let f = f.expect("an input format");
                input.iter().map(|m| (i128::from(*m), f.frac())).collect()
            }
            Op::Const(_) => constant_tensor(program, v),
            Op::Dense { x, weight, bias } => dense_reference(at(*x), at(*weight), bias.map(at)),
            Op::Add { x, c } => add_reference(at(*x), at(*c), 1),
            Op::Sub { x, c } => add_reference(at(*x), at(*c), -1),
            Op::Div { .. }
            | Op::Conv { .. }
            | Op::MaxPool { .. }
            | Op::AveragePool { .. }
            | Op::Mul { .. }
            | Op::Sum { .. }
            | Op::Concat { .. }
            | Op::Pad { .. }
            | Op::Transpose { .. }
            | Op::Clip { .. }
            | Op::LeakyRelu { .. }
            | Op::Unary { .. }
            | Op::Curve { .. }
            | Op::Snap { .. } => unreachable!("not generated"),
            Op::Relu { x } => at(*x).iter().map(|(m, f)| ((*m).max(0), *f)).collect(),
            Op::Reshape { x } | Op::Flatten { x } | Op::Identity { x } => at(*x).clone(),
        };
        let constant = matches!(value.op, Op::Input | Op::Const(_));
        if let (false, Some(f)) = (constant, program.annotations.format(v)) {
            let f = f.single().expect("activations have one format");
            for (m, frac) in &mut y {
                *m = round(program.annotations.rounding, *m, *frac - f.frac())
                    .clamp(f.min().into(), f.max().into());
                *frac = f.frac();
            }
        }
        values.push(y);
    }
    let y = &values[net.output().as_u32() as usize];
    let top = y.iter().map(|(_, f)| *f).max().expect("an output");
    y.iter()
        .map(|(m, f)| i64::try_from(*m << (top - f)).expect("64 bits"))
        .collect()
}

fn constant_tensor(program: &Program, v: ValueId) -> Tensor {
    let Some(Annotation::Fixed {
        format,
        mantissas: Some(m),
    }) = program.annotations.get(v)
    else {
        unreachable!("constants have mantissas")
    };
    let rows = program.network.value(v).shape.0[0];
    let own = |i: usize| format.channel(i / (m.len() / rows)).expect("a channel");
    m.iter()
        .enumerate()
        .map(|(i, m)| {
            let f = own(i);
            (i128::from(*m) * i128::from(f.multiplier()), f.frac())
        })
        .collect()
}

fn dense_reference(x: &Tensor, w: &Tensor, bias: Option<&Tensor>) -> Tensor {
    w.chunks_exact(x.len())
        .enumerate()
        .map(|(j, w)| {
            let frac = x[0].1 + w[0].1;
            let sum: i128 = x.iter().zip(w).map(|(x, w)| x.0 * w.0).sum();
            let bias = bias.map_or(0, |b| b[j].0 << (frac - b[j].1));
            (sum + bias, frac)
        })
        .collect()
}

fn add_reference(x: &Tensor, c: &Tensor, sign: i128) -> Tensor {
    x.iter()
        .enumerate()
        .map(|(i, (m, f))| {
            let c = c[if c.len() == 1 { 0 } else { i }];
            (m + sign * (c.0 << (f - c.1)), *f)
        })
        .collect()
}

/// With vectors, and without: both code paths see every program.
pub(crate) static CACHES: LazyLock<[CodeCache; 2]> = LazyLock::new(|| {
    [true, false].map(|vectors| {
        CodeCache::with_options(CodeOptions {
            vectors,
            verify_ir: true,
        })
    })
});

/// So small that it evicts all the time.
static PREFIXES: LazyLock<PrefixCache> = LazyLock::new(|| PrefixCache::new(50_000));

/// Compares both code paths, on packed samples too, with the reference on `n` inputs.
pub(crate) fn compare(program: &Checked<Program>, inputs: &[i64], n: usize, what: &str) {
    compare_with(program, inputs, n, what, &|x| {
        reference(program.program(), x)
    });
}

/// The same with another reference.
pub(crate) fn compare_with(
    program: &Checked<Program>,
    inputs: &[i64],
    n: usize,
    what: &str,
    reference: &dyn Fn(&[i64]) -> Vec<i64>,
) {
    let len = inputs.len() / n;
    let expected: Vec<i64> = inputs.chunks_exact(len).flat_map(reference).collect();
    for cache in CACHES.iter() {
        let evaluator = Evaluator::new(program, cache).expect("an evaluator");
        let mut found = vec![];
        evaluator
            .eval_batch(inputs, n, &mut found)
            .expect("outputs");
        let vectors = cache.options().vectors;
        assert_eq!(found, expected, "{what}, vectors {vectors}");
        let format = program.kernel().expect("a kernel").input_format;
        let samples = Samples::new(format, len, inputs).expect("samples");
        for prefix in [None, Some(&*PREFIXES), Some(&*PREFIXES)] {
            evaluator
                .eval_samples(&samples, 0..n, prefix, &mut found)
                .expect("outputs");
            assert_eq!(found, expected, "{what}, packed, vectors {vectors}");
        }
    }
}
