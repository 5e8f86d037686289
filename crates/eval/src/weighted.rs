//! Weighted sums of long integers: dense layers and convolutions over numbers at one power of two.
//!
//! The elements of a tensor become integers of a fixed number of 64-bit limbs, two's complement,
//! and the weights signed integers of at most 63 bits in one or more passes, each at a power of
//! two of its own. So a multiplication takes a few machine instructions per limb, whatever the
//! precision.

use crate::runs::runs;
use ceg4n_base::Exact;
use ceg4n_ir::real::Reals;
use ceg4n_ir::window::Conv;
use num_bigint::BigInt;
use num_traits::Signed;

/// Bits of one pass.
const PASS: i64 = 62;

/// Which weight meets which element.
#[derive(Clone, Copy)]
pub(crate) enum Layer<'a> {
    /// `rows·cols` weights.
    Dense { rows: usize, cols: usize },
    /// The weights of a convolution.
    Conv(&'a Conv),
}

impl Layer<'_> {
    /// Number of results.
    pub(crate) fn len(self) -> usize {
        match self {
            Self::Dense { rows, .. } => rows,
            Self::Conv(conv) => conv.output_len(),
        }
    }

    /// Terms of one result, at most.
    fn terms(self) -> usize {
        match self {
            Self::Dense { cols, .. } => cols,
            Self::Conv(conv) => conv.filter_len(),
        }
    }

    /// The index of result `j`'s bias.
    pub(crate) fn channel(self, j: usize) -> usize {
        match self {
            Self::Dense { .. } => j,
            Self::Conv(conv) => j / conv.window.windows().max(1),
        }
    }
}

/// Weights that all count in units of `2^exp`.
pub(crate) struct Pass {
    pub(crate) exp: i64,
    pub(crate) weights: Vec<i64>,
}

/// The centres of real weights as a sum of passes, exactly.
pub(crate) fn passes(weights: &Reals) -> Vec<Pass> {
    let parts = parts(weights);
    let floats = parts.iter().flat_map(|p| p.iter());
    let Some(least) = floats.filter_map(|v| decompose(*v)).map(|d| d.1).min() else {
        return Vec::new();
    };
    let mut all: Vec<Pass> = Vec::new();
    for part in &parts {
        for (i, v) in part.iter().enumerate() {
            let Some((m, e)) = decompose(*v) else {
                continue;
            };
            let (q, r) = ((e - least) / PASS, (e - least) % PASS);
            let wide = i128::from(m.unsigned_abs()) << r;
            let sign = m.signum();
            let low = (wide & ((1 << PASS) - 1)) as i64 * sign;
            let high = (wide >> PASS) as i64 * sign;
            for (q, chunk) in [(q as usize, low), (q as usize + 1, high)] {
                if chunk == 0 {
                    continue;
                }
                while all.len() <= q {
                    all.push(Pass {
                        exp: least + PASS * all.len() as i64,
                        weights: vec![0; weights.len()],
                    });
                }
                // Two parts of one weight, below 2^62 each.
                all[q].weights[i] += chunk;
            }
        }
    }
    all
}

/// Floats that add up to the weights' centres: the nearest ones and, of wide weights, the rest.
fn parts(weights: &Reals) -> Vec<Vec<f64>> {
    let near = weights.near();
    let mut all = vec![near.to_vec()];
    if !weights.is_exact() {
        let rest = |(i, v): (usize, &f64)| {
            let v = Exact::from_f64(*v).unwrap_or_else(Exact::zero);
            // A float, by the invariant of wide constants.
            (&weights.center(i) - &v).to_f64()
        };
        all.push(near.iter().enumerate().map(rest).collect());
    }
    all
}

/// The magnitudes of weights in one pass, rounded up.
pub(crate) fn magnitudes(weights: &Reals) -> Option<Pass> {
    let most = weights.near().iter().fold(0f64, |m, v| m.max(v.abs()));
    let (m, e) = decompose(most)?;
    let top = e + 64 - i64::from(m.leading_zeros());
    let exp = top - 40;
    let scaled = |v: f64| match decompose(v) {
        None => 0,
        // Above the number that the float is nearest to, whose distance is far below one unit.
        Some((m, e)) => {
            let shift = exp - e;
            let magnitude = i128::from(m.unsigned_abs());
            let floor = match shift {
                0.. => magnitude.checked_shr(shift as u32).unwrap_or(0),
                _ => magnitude << -shift,
            };
            floor as i64 + 2
        }
    };
    Some(Pass {
        exp,
        weights: weights.near().iter().map(|v| scaled(*v)).collect(),
    })
}

/// `m·2^e` with odd `m`; `None` for 0 (and for what is not finite, which no program has).
fn decompose(v: f64) -> Option<(i64, i64)> {
    if v == 0.0 || !v.is_finite() {
        return None;
    }
    let bits = v.to_bits();
    let (raw, fraction) = ((bits >> 52 & 0x7ff) as i64, (bits & ((1 << 52) - 1)) as i64);
    let (m, e) = match raw {
        0 => (fraction, -1074),
        _ => (fraction | 1 << 52, raw - 1075),
    };
    let t = m.trailing_zeros();
    let m = if v < 0.0 { -(m >> t) } else { m >> t };
    Some((m, e + i64::from(t)))
}

/// Integers of one width, two's complement.
#[derive(Clone)]
pub(crate) struct Limbs {
    /// Limbs of each.
    width: usize,
    data: Vec<u64>,
}

impl Limbs {
    /// Integers with room for the sums of a layer.
    pub(crate) fn new(values: &[BigInt], layer: Layer<'_>) -> Self {
        Self::of_width(values, width_for(values, layer))
    }

    /// Lower and upper ends, all of one width.
    pub(crate) fn ends(lows: &[BigInt], highs: &[BigInt], layer: Layer<'_>) -> (Self, Self) {
        let width = width_for(lows, layer).max(width_for(highs, layer));
        (Self::of_width(lows, width), Self::of_width(highs, width))
    }

    fn of_width(values: &[BigInt], width: usize) -> Self {
        let mut data = vec![0; values.len() * width];
        for (v, limbs) in values.iter().zip(data.chunks_exact_mut(width)) {
            for (limb, digit) in limbs.iter_mut().zip(v.iter_u64_digits()) {
                *limb = digit;
            }
            if v.is_negative() {
                negate(limbs);
            }
        }
        Self { width, data }
    }

    /// The integers.
    fn values(&self) -> impl Iterator<Item = BigInt> + '_ {
        self.data.chunks_exact(self.width).map(|limbs| {
            let negative = limbs.last().is_some_and(|l| *l >> 63 == 1);
            let mut magnitude = limbs.to_vec();
            if negative {
                negate(&mut magnitude);
            }
            let digits: Vec<u32> = magnitude
                .iter()
                .flat_map(|l| [*l as u32, (l >> 32) as u32])
                .collect();
            let sign = match negative {
                true => num_bigint::Sign::Minus,
                false => num_bigint::Sign::Plus,
            };
            BigInt::from_slice(sign, &digits)
        })
    }
}

/// Limbs that hold every partial sum of a layer on the values.
fn width_for(values: &[BigInt], layer: Layer<'_>) -> usize {
    let most = values.iter().map(BigInt::bits).max().unwrap_or(0);
    let count = u64::from(usize::BITS - layer.terms().leading_zeros());
    // A weight has 63 bits, and there is a sign.
    (most + 63 + count + 1).div_ceil(64) as usize
}

fn negate(limbs: &mut [u64]) {
    let mut carry = true;
    for limb in limbs {
        (*limb, carry) = (!*limb).overflowing_add(u64::from(carry));
    }
}

/// `acc + x·w` modulo the width.
#[inline]
fn add_product(acc: &mut [u64], x: &[u64], w: u64) {
    let mut carry = 0u128;
    for (a, x) in acc.iter_mut().zip(x) {
        // At most 2^128 - 1.
        let next = u128::from(*x) * u128::from(w) + u128::from(*a) + carry;
        *a = next as u64;
        carry = next >> 64;
    }
}

/// `acc - x·w` modulo the width.
#[inline]
fn subtract_product(acc: &mut [u64], x: &[u64], w: u64) {
    let mut carry = 0u128;
    for (a, x) in acc.iter_mut().zip(x) {
        let product = u128::from(*x) * u128::from(w) + carry;
        let (rest, borrow) = a.overflowing_sub(product as u64);
        *a = rest;
        carry = (product >> 64) + u128::from(borrow);
    }
}

/// `Σ w·x` for every result, where a positive weight meets `plus` and a negative one `minus`; in
/// units of the last pass's power of two times that of the operands, with that power.
///
/// `plus` and `minus` have one width. With `plus = minus` the sums themselves; with the lower and the upper ends of elements the lower
/// ends of the sums, and the upper ones with both exchanged.
pub(crate) fn sums(
    layer: Layer<'_>,
    passes: &[Pass],
    plus: &Limbs,
    minus: &Limbs,
) -> Vec<(BigInt, i64)> {
    let mut total = vec![(BigInt::ZERO, 0); layer.len()];
    for pass in passes {
        let sum = accumulate(layer, &pass.weights, plus, minus);
        for (t, v) in total.iter_mut().zip(sum.values()) {
            if t.0 == BigInt::ZERO {
                *t = (v, pass.exp);
            } else {
                // Passes rise.
                t.0 += v << (pass.exp - t.1) as u64;
            }
        }
    }
    total
}

fn accumulate(layer: Layer<'_>, weights: &[i64], plus: &Limbs, minus: &Limbs) -> Limbs {
    let width = plus.width;
    let mut data = vec![0; layer.len() * width];
    let add = |acc: &mut [u64], w: i64, x: usize| {
        let place = x * width..(x + 1) * width;
        if w > 0 {
            add_product(acc, &plus.data[place], w.unsigned_abs());
        } else {
            subtract_product(acc, &minus.data[place], w.unsigned_abs());
        }
    };
    match layer {
        Layer::Dense { cols, .. } => {
            for (j, acc) in data.chunks_exact_mut(width).enumerate() {
                for (k, w) in weights[j * cols..(j + 1) * cols].iter().enumerate() {
                    if *w != 0 {
                        add(acc, *w, k);
                    }
                }
            }
        }
        Layer::Conv(conv) => {
            let plane = conv.window.windows() * width;
            for (m, plane) in data.chunks_exact_mut(plane.max(1)).enumerate() {
                runs(conv, m, |r| {
                    let w = weights[r.weight];
                    if w == 0 {
                        return;
                    }
                    let accs = plane[r.y * width..].chunks_exact_mut(width);
                    for (k, acc) in accs.take(r.count).enumerate() {
                        add(acc, w, r.x + k * r.step);
                    }
                });
            }
        }
    }
    Limbs { width, data }
}
