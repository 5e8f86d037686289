//! Tables of smooth activations: one entry for each mantissa of the operand's format.

use crate::network::Curve;
use crate::types::Format;
use ceg4n_base::{Exact, elementary};
use std::sync::Arc;

/// Bits of the first enclosure of an entry in steps of its format.
const BITS: u32 = 96;
/// Beyond these a midpoint that is still inside the enclosure counts as met.
const MOST_BITS: u32 = 2048;

/// An enclosure of a curve at an exact point, within about `2^-bits`.
pub fn enclosure(curve: Curve, x: &Exact, bits: u32) -> (Exact, Exact) {
    match curve {
        Curve::Sigmoid => elementary::sigmoid(x, bits),
        Curve::Tanh => elementary::tanh(x, bits),
    }
}

/// Entry `i` is the nearest mantissa of `y` to the curve at the `i`-th least mantissa of `x`,
/// saturated. The same on every machine; entries never fall.
pub fn table(curve: Curve, x: Format, y: Format) -> Arc<[i32]> {
    let entry = |m: i64| {
        let entry = near_entry(curve, x, y, m).unwrap_or_else(|| exact_entry(curve, x, y, m));
        // Only an unsigned 32-bit format exceeds the type; both curves stay below it there.
        i32::try_from(entry).unwrap_or(i32::MAX)
    };
    (x.min()..=x.max()).map(entry).collect()
}

/// The entry by floats, unless a midpoint of two mantissas is within what they may be off by.
fn near_entry(curve: Curve, x: Format, y: Format, m: i64) -> Option<i64> {
    let v = m as f64 * 2f64.powi(-x.frac());
    let c = match curve {
        Curve::Sigmoid => 1.0 / (1.0 + (-v).exp()),
        Curve::Tanh => v.tanh(),
    };
    let scaled = c * 2f64.powi(y.frac()) + 0.5;
    let gap = (scaled - scaled.round()).abs();
    // Floats are far closer than a millionth; a table of 40 fraction bits is beyond them.
    (scaled.abs() < 2f64.powi(20) && gap > 1e-6)
        .then(|| (scaled.floor() as i64).clamp(y.min(), y.max()))
}

fn exact_entry(curve: Curve, x: Format, y: Format, m: i64) -> i64 {
    let mut bits = BITS + y.frac().max(0).unsigned_abs();
    loop {
        let (lo, hi) = enclosure(curve, &x.value(m), bits);
        let (below, above) = (y.quantize(&lo), y.quantize(&hi));
        // Where the closest enclosure holds a midpoint, the lower of both.
        if below == above || bits > MOST_BITS {
            return below;
        }
        bits *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn f(text: &str) -> Format {
        text.parse().expect("a format")
    }

    /// Every entry is within half a step (and the enclosure) of the curve, or saturated.
    #[test]
    fn entries_are_the_nearest() {
        for (curve, x, y) in [
            (Curve::Sigmoid, "s8q4", "u8q8"),
            (Curve::Sigmoid, "u6q2", "u16q15"),
            (Curve::Tanh, "s8q5", "s8q7"),
            (Curve::Tanh, "s6q0", "s20q28"),
        ] {
            let (x, y) = (f(x), f(y));
            let entries = table(curve, x, y);
            assert_eq!(entries.len(), 1 << x.width());
            assert!(entries.windows(2).all(|w| w[0] <= w[1]));
            for (i, e) in entries.iter().enumerate() {
                let (lo, hi) = enclosure(curve, &x.value(x.min() + i as i64), 96);
                let (a, b) = (y.quantize(&lo), y.quantize(&hi));
                assert!(a == i64::from(*e) || b == i64::from(*e), "{curve:?} {i}");
            }
        }
    }

    /// Also where steps are far finer than the enclosures of common formats: near zero tanh is the
    /// identity but for a third of a cube, far below zero sigmoid is an exponential.
    #[test]
    fn entries_of_fine_formats_are_the_nearest() {
        for (curve, x, y) in [
            (Curve::Tanh, "s8q110", "s8q109"),
            (Curve::Tanh, "s8q250", "s6q247"),
            (Curve::Tanh, "s8q100", "s32q128"),
            (Curve::Sigmoid, "s8q0", "s8q100"),
            (Curve::Sigmoid, "s8q0", "u8q190"),
        ] {
            let (x, y) = (f(x), f(y));
            let entries = table(curve, x, y);
            assert!(
                entries.windows(2).all(|w| w[0] <= w[1]),
                "{curve:?} {x} {y}: {entries:?}"
            );
            for (i, e) in entries.iter().enumerate() {
                let (lo, hi) = enclosure(curve, &x.value(x.min() + i as i64), 800);
                let (a, b) = (y.quantize(&lo), y.quantize(&hi));
                assert!(
                    a == i64::from(*e) || b == i64::from(*e),
                    "{curve:?} {x} {y} {i}: {e} {a}"
                );
            }
        }
    }
}
