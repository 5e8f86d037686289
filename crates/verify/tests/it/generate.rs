//! Random questions: tiny networks, formats around what the values need (or far off it), boxes
//! with ends on and beside rounding boundaries.

use crate::model::{Const, Fmt, Meaning, Model, Step};
use ceg4n_base::Exact;
use ceg4n_ir::Rounding;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Seeded draws.
pub(crate) struct Rng(ChaCha8Rng);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// In `lo..=hi`.
    pub(crate) fn int(&mut self, lo: i64, hi: i64) -> i64 {
        self.0.random_range(lo..=hi)
    }

    pub(crate) fn size(&mut self, lo: usize, hi: usize) -> usize {
        self.0.random_range(lo..=hi)
    }

    pub(crate) fn one_in(&mut self, n: i64) -> bool {
        self.int(1, n) == 1
    }

    pub(crate) fn float(&mut self, lo: f64, hi: f64) -> f64 {
        self.0.random_range(lo..=hi)
    }
}

/// A question: a kernel, a reference of the same sizes, a box; `grid` is the domain's format.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) kernel: Model,
    /// A fixed-point program, or the real one of fixed-point constants.
    pub(crate) meaning: Meaning,
    pub(crate) reference: (Model, Meaning),
    pub(crate) lower: Vec<Exact>,
    pub(crate) upper: Vec<Exact>,
    pub(crate) grid: Option<Fmt>,
}

/// How a network's numbers look.
#[derive(Clone, Copy, PartialEq)]
enum Style {
    /// Multiples of 1/4: ties, exact formats.
    Quarters,
    /// Any float32 up to 2.
    Floats,
    /// Multiples of 1/4 times a power of two per layer.
    Scaled(i32),
    /// Mostly 0 and ±1.
    Sparse,
}

impl Style {
    fn draw(self, rng: &mut Rng) -> f32 {
        match self {
            Self::Quarters => rng.int(-8, 8) as f32 / 4.0,
            Self::Floats => rng.float(-2.0, 2.0) as f32,
            Self::Scaled(k) => rng.int(-8, 8) as f32 / 4.0 * 2f32.powi(k),
            Self::Sparse => [0.0, 0.0, 1.0, -1.0, 0.5][rng.size(0, 4)],
        }
    }
}

/// The least `k` with `2^k > v`, for `v` not far from 1.
fn exponent(v: f64) -> i32 {
    if v > 0.0 {
        v.log2().floor() as i32 + 1
    } else {
        0
    }
}

/// A format for values up to `most`, a little too fine or too coarse now and then.
fn fitting(rng: &mut Rng, signed: bool, width: u32, most: f64) -> Fmt {
    let free = width as i32 - i32::from(signed);
    let frac = free - exponent(most) + rng.int(-2, 1) as i32;
    Fmt::new(signed, width, frac.clamp(-200, 200))
}

/// Formats of a weight matrix.
fn weight_formats(rng: &mut Rng, data: &[f32], rows: usize, exact: bool) -> Vec<Fmt> {
    let most = |d: &[f32]| d.iter().fold(0.0f64, |m, v| m.max(f64::from(v.abs())));
    let one = |rng: &mut Rng, d: &[f32]| {
        if exact {
            return Fmt::new(true, 8, 2);
        }
        let width = rng.int(2, 9) as u32;
        if rng.one_in(12) {
            Fmt::new(!rng.one_in(5), width, rng.int(-3, 8) as i32)
        } else {
            fitting(rng, true, width, most(d))
        }
    };
    if rows > 1 && rng.one_in(3) {
        data.chunks_exact(data.len() / rows)
            .map(|d| one(rng, d))
            .collect()
    } else {
        vec![one(rng, data)]
    }
}

/// Mantissas one step off here and there.
fn nudged(rng: &mut Rng, c: &mut Const) {
    let m = (0..c.data.len()).map(|i| {
        let step = if rng.one_in(4) { rng.int(-1, 1) } else { 0 };
        let f = c.format(i);
        (c.mantissa(i) + i128::from(step)).clamp(f.min(), f.max()) as i32
    });
    c.mantissas = Some(m.collect());
}

/// A bias or an added constant on top of accumulators with these fraction bits and multipliers, one
/// per channel. One constant for all needs one multiplier for all.
fn aligned_constant(rng: &mut Rng, data: Vec<f32>, s: &Stream) -> Const {
    let frac = &s.frac;
    let rows = data.len();
    let formats = (0..rows).map(|j| {
        let most = f64::from(data[j].abs());
        let width = rng.int(6, 20) as u32;
        let fit = fitting(rng, true, width, most);
        let top = if rows == 1 {
            frac.iter().copied().min().unwrap_or(0)
        } else {
            frac[j]
        };
        let factor = s.factors[if rows == 1 { 0 } else { j }];
        let finer = factor.ilog2() as i32;
        Fmt::new(true, width, (fit.frac + finer).min(top).max(-250)).times(factor)
    });
    let formats: Vec<Fmt> = formats.collect();
    Const {
        rows,
        formats,
        mantissas: None,
        data,
    }
}

/// What a layer's operand looks like while a network is drawn.
struct Stream {
    frac: Vec<i32>,
    factors: Vec<u16>,
    most: f64,
}

/// A random network with `inputs` inputs in `input` format; values of the region are up to `most`.
pub(crate) fn network(rng: &mut Rng, inputs: usize, input: Fmt, most: f64, exact: bool) -> Model {
    let style = if exact {
        Style::Quarters
    } else {
        match rng.int(0, 6) {
            0..=2 => Style::Floats,
            3 => Style::Scaled(rng.int(-40, 40) as i32),
            4 => Style::Sparse,
            _ => Style::Quarters,
        }
    };
    let mut steps = Vec::new();
    let mut s = Stream {
        frac: vec![input.frac; inputs],
        factors: vec![1; inputs],
        most,
    };
    if !exact && rng.one_in(12) {
        normalize(rng, &mut s, &mut steps, style);
    }
    let hidden = rng.size(1, 2);
    for _ in 0..hidden {
        let rows = rng.size(1, 4);
        let factored = !exact && rng.one_in(3);
        dense(rng, &mut s, &mut steps, rows, style, (exact, factored));
        let format = if exact {
            Fmt::new(true, 20, 12)
        } else {
            activation(rng, s.most)
        };
        let before = rng.one_in(5);
        if before {
            steps.last_mut().expect("a step").1 = Some(format);
        }
        steps.push((Step::Relu, None));
        if !before {
            steps.last_mut().expect("a step").1 = Some(format);
        }
        if rng.one_in(10) {
            steps.push((Step::Copy, None));
        }
        s.frac = vec![format.frac; rows];
        s.factors = vec![1; rows];
    }
    let rows = rng.size(2, 4);
    let formatted = rng.one_in(3) && !exact;
    let factored = formatted && rng.one_in(2);
    dense(rng, &mut s, &mut steps, rows, style, (exact, factored));
    if rng.one_in(10) {
        steps.push((Step::Relu, None));
    }
    if formatted {
        let f = activation(rng, s.most);
        let f = Fmt::new(true, f.width, f.frac - i32::from(!f.signed));
        steps.last_mut().expect("a step").1 = Some(f);
    }
    Model {
        inputs,
        input,
        steps,
        rounding: Rounding::ALL[rng.size(0, 2)],
    }
}

fn activation(rng: &mut Rng, most: f64) -> Fmt {
    let (signed, width) = (rng.one_in(2), rng.int(2, 12) as u32);
    if rng.one_in(12) {
        Fmt::new(signed, width, rng.int(-4, 10) as i32)
    } else {
        fitting(rng, signed, width, most)
    }
}

/// `(x - c)/2^k` before the first layer.
fn normalize(rng: &mut Rng, s: &mut Stream, steps: &mut Vec<(Step, Option<Fmt>)>, style: Style) {
    let n = if rng.one_in(2) { 1 } else { s.frac.len() };
    let data: Vec<f32> = (0..n).map(|_| style.draw(rng)).collect();
    s.most += data.iter().fold(0.0f64, |m, v| m.max(f64::from(v.abs())));
    let c = aligned_constant(rng, data, s);
    let sub = rng.one_in(2);
    let width = rng.int(4, 10) as u32;
    let f = fitting(rng, true, width, s.most);
    steps.push((Step::AddSub { c, sub }, Some(f)));
    s.frac = vec![f.frac; s.frac.len()];
    if rng.one_in(2) {
        let k = rng.int(-3, 3) as i32;
        steps.push((Step::Div(k), None));
        s.frac.iter_mut().for_each(|f| *f += k);
        s.most *= 2f64.powi(-k);
    }
}

fn dense(
    rng: &mut Rng,
    s: &mut Stream,
    steps: &mut Vec<(Step, Option<Fmt>)>,
    rows: usize,
    style: Style,
    (exact, factored): (bool, bool),
) {
    let cols = s.frac.len();
    let mut data: Vec<f32> = (0..rows * cols).map(|_| style.draw(rng)).collect();
    let scale = s.most.clamp(2f64.powi(-60), 2f64.powi(60)) as f32;
    let mut bias: Option<Vec<f32>> = (!rng.one_in(4)).then(|| {
        let unit = |rng: &mut Rng| match style {
            Style::Floats => rng.float(-1.0, 1.0) as f32 * scale,
            Style::Quarters | Style::Sparse => rng.int(-8, 8) as f32 / 4.0,
            Style::Scaled(k) => rng.int(-4, 4) as f32 / 4.0 * 2f32.powi(k) * scale,
        };
        (0..rows).map(|_| unit(rng)).collect()
    });
    if rows > 1 && rng.one_in(5) {
        // Two equal neurons or outputs.
        let (from, to) = (rng.size(0, rows - 1), rng.size(0, rows - 1));
        let copy = data[from * cols..(from + 1) * cols].to_vec();
        data[to * cols..(to + 1) * cols].copy_from_slice(&copy);
        if let Some(b) = &mut bias {
            b[to] = b[from];
        }
    }
    if rng.one_in(10) {
        // One that never or always fires, whatever the input.
        let j = rng.size(0, rows - 1);
        data[j * cols..(j + 1) * cols].fill(0.0);
        if let Some(b) = &mut bias {
            b[j] = if rng.one_in(2) {
                -b[j].abs()
            } else {
                b[j].abs()
            };
        }
    }
    let mut formats = weight_formats(rng, &data, rows, exact);
    if factored {
        for f in &mut formats {
            *f = multiplied(rng, *f);
        }
    }
    let own = |j: usize| formats[if formats.len() == 1 { 0 } else { j }];
    let factors: Vec<u16> = (0..rows).map(|j| own(j).factor).collect();
    let frac: Vec<i32> = (0..rows).map(|j| s.frac[0] + own(j).frac).collect();
    let sum = |j: usize| {
        data[j * cols..(j + 1) * cols]
            .iter()
            .map(|v| f64::from(v.abs()) * s.most)
            .sum::<f64>()
            + bias.as_ref().map_or(0.0, |b| f64::from(b[j].abs()))
    };
    let most = (0..rows).map(sum).fold(0.0, f64::max);
    let mut w = Const {
        rows,
        formats,
        mantissas: None,
        data,
    };
    if !exact && rng.one_in(8) {
        nudged(rng, &mut w);
    }
    s.frac = frac;
    s.factors = factors;
    let b = bias.map(|b| {
        if exact {
            Const {
                rows,
                formats: vec![Fmt::new(true, 12, s.frac[0].min(2))],
                mantissas: None,
                data: b,
            }
        } else {
            let mut b = aligned_constant(rng, b, s);
            if rng.one_in(8) {
                nudged(rng, &mut b);
            }
            b
        }
    });
    steps.push((Step::Dense { w, b }, None));
    s.most = most;
    if !exact && rng.one_in(5) {
        let n = if rng.one_in(3) && !factored { 1 } else { rows };
        let data: Vec<f32> = (0..n)
            .map(|_| (rng.int(-4, 4) as f64 / 8.0 * most.clamp(1e-30, 1e30)) as f32)
            .collect();
        let c = aligned_constant(rng, data, s);
        let sub = rng.one_in(2);
        steps.push((Step::AddSub { c, sub }, None));
    }
}

/// The format with a multiplier and a scale about as fine as before: small multipliers, the
/// greatest, those that quantizers choose.
fn multiplied(rng: &mut Rng, f: Fmt) -> Fmt {
    let factor = match rng.int(0, 3) {
        0 => rng.int(1, 9),
        1 => (1 << 15) - 1,
        _ => rng.int(1 << 14, (1 << 15) - 1),
    } as u16;
    let finer = factor.ilog2() as i32;
    Fmt::new(f.signed, f.width, f.frac + finer).times(factor)
}

/// One coordinate's ends, about `cells` steps of `unit = 2^-frac` apart at most.
fn ends(rng: &mut Rng, f: Fmt, cells: i64) -> (Exact, Exact) {
    let (lo, hi) = (f.min() as i64, f.max() as i64);
    // Ends in eighths of a step, so that grid points and midpoints are frequent.
    let start = match rng.int(0, 9) {
        0 => 8 * lo - rng.int(0, 40),
        1 => 8 * hi - rng.int(-20, 20),
        _ => 8 * rng.int(lo, hi) + [0, 4, rng.int(-4, 4)][rng.size(0, 2)],
    };
    let length = match rng.int(0, 9) {
        0 => 0,
        1 => 4,
        2 => 8 * rng.int(0, cells),
        _ => rng.int(0, 8 * cells),
    };
    let at = |v: i64| Exact::dyadic(v, -i64::from(f.frac) - 3);
    let (mut l, mut u) = (at(start), at(start + length));
    match rng.int(0, 11) {
        // Ends that are no dyadic numbers.
        0 => {
            let third = Exact::ratio(1, 3).expect("a third");
            let step = &at(1) * &third;
            (l, u) = (&l - &step, &u + &step);
        }
        // A hair beyond a boundary, or short of it.
        1 => u = &u + &at(1).shifted(-rng.int(20, 70)),
        2 if length > 0 => u = &u - &at(1).shifted(-rng.int(20, 70)),
        3 if length > 0 => l = &l + &at(1).shifted(-rng.int(20, 70)),
        4 => l = &l - &at(1).shifted(-rng.int(20, 70)),
        _ => {}
    }
    (l, u)
}

/// A random question for domain `grid` (`real == false`) or `real`.
pub(crate) fn case(rng: &mut Rng, real: bool) -> Case {
    let inputs = if real { rng.size(1, 2) } else { rng.size(1, 3) };
    let exact = rng.one_in(6);
    let input = Fmt::new(
        !rng.one_in(3),
        rng.int(2, 8) as u32,
        if rng.one_in(8) {
            rng.int(-40, 40)
        } else {
            rng.int(-3, 8)
        } as i32,
    );
    let grid = match rng.int(0, 5) {
        0..=2 => input,
        3 => Fmt::new(rng.one_in(2), input.width, input.frac),
        _ => Fmt::new(
            rng.one_in(2),
            rng.int(1, 8) as u32,
            input.frac + rng.int(-3, 3) as i32,
        ),
    };
    let (by, cells) = match (real, inputs) {
        (true, 1) => (input, 24),
        (true, _) => (input, 4),
        (false, 1) => (grid, 100),
        (false, 2) => (grid, 14),
        (false, _) => (grid, 5),
    };
    let (lower, mut upper): (Vec<_>, Vec<_>) = (0..inputs).map(|_| ends(rng, by, cells)).unzip();
    if !real && !rng.one_in(12) {
        // Most boxes have a grid point.
        for (l, u) in lower.iter().zip(&mut upper) {
            let next = grid.value((grid.quantize(l) + 1).min(grid.max()));
            *u = u.clone().max(next);
        }
    }
    let most = lower
        .iter()
        .chain(&upper)
        .map(|v| v.to_f64().abs())
        .fold(0.0, f64::max)
        .max(2f64.powi(-input.frac));
    let mut kernel = network(rng, inputs, input, most, exact);
    if !rng.one_in(3) {
        let x: Vec<Exact> = lower
            .iter()
            .zip(&upper)
            .map(|(l, u)| l + &(&(u - l) * &Exact::dyadic(rng.int(0, 16), -4)))
            .collect();
        balance(rng, &mut kernel, &x);
    }
    let reference = match rng.int(0, 9) {
        0 => (kernel.clone(), Meaning::Constants),
        1 => (another_format(rng, &kernel), Meaning::Fixed),
        _ => (kernel.clone(), Meaning::Real),
    };
    let meaning = if rng.one_in(5) {
        Meaning::Constants
    } else {
        Meaning::Fixed
    };
    Case {
        kernel,
        meaning,
        reference,
        lower,
        upper,
        grid: (!real).then_some(grid),
    }
}

/// Moves the last bias so that the outputs (nearly) tie at a point: there the classes meet.
pub(crate) fn balance(rng: &mut Rng, model: &mut Model, x: &[Exact]) {
    let y = model.outputs_at(Meaning::Real, x);
    if y.iter().any(|y| y.to_f64().abs() > 1e30) {
        return;
    }
    let accumulates = model.steps.iter().rposition(|(s, _)| match s {
        Step::Dense { .. } => true,
        Step::AddSub { .. } | Step::Relu | Step::Div(_) | Step::Copy => false,
    });
    let ties = rng.size(2, y.len());
    let wobble = if rng.one_in(2) { 0.0 } else { 0.1 };
    let Some((Step::Dense { b: Some(b), .. }, _)) = accumulates.map(|i| &mut model.steps[i]) else {
        return;
    };
    for (j, y) in y.iter().enumerate().take(ties) {
        let y = y.to_f64();
        let off = 1.0 + wobble * rng.float(-1.0, 1.0);
        b.data[j] = (f64::from(b.data[j]) - y * off) as f32;
    }
    b.mantissas = None;
    let most = b.data.iter().fold(0.0f64, |m, v| m.max(f64::from(v.abs())));
    for f in &mut b.formats {
        let finer = f.factor.ilog2() as i32;
        let frac = f.frac.min(23 - exponent(most) + finer).max(-250);
        *f = Fmt::new(true, 24, frac).times(f.factor);
    }
}

/// The same network with a finer or another input format, and mantissas a step off.
fn another_format(rng: &mut Rng, kernel: &Model) -> Model {
    let mut other = kernel.clone();
    if rng.one_in(2) {
        other.rounding = Rounding::ALL[rng.size(0, 2)];
    }
    let f = other.input;
    let frac = f.frac + rng.int(0, 1) as i32;
    other.input = Fmt::new(f.signed, (f.width + 1).min(9), frac);
    for (step, _) in &mut other.steps {
        if let Step::Dense { w, .. } = step
            && rng.one_in(2)
        {
            nudged(rng, w);
        }
    }
    other
}
