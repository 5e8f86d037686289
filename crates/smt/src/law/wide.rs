//! Laws at numbers wider than any width that is proved by a solver.
//!
//! The rewriter computes with up to 120 bits. A law that has no normal form is proved at the widths
//! of practice; what begins to be wrong only beyond them, such as a mask or a bound of many bits, is
//! sought here, at powers of two and their neighbours. Finding nothing proves nothing, so it adds
//! no evidence; finding something refutes the law.

use ceg4n_base::entity::PrimaryMap;
use ceg4n_opspec::{Instance, Number, RewriteRule, VariableKind};
use num_bigint::BigInt;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Bits of the widest values, those of the rewriter.
pub(super) const WIDTH: u32 = 121;
/// Instances that are made.
const TRIES: usize = 6_000;
/// Instances that are looked at.
const ENOUGH: usize = 1_500;

/// An instance at which the condition holds and the sides differ, if one of a fixed sequence does.
pub(super) fn violation(rule: &RewriteRule) -> Option<Instance> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut seen = 0;
    for _ in 0..TRIES {
        let mut numbers = PrimaryMap::new();
        for variable in rule.variables.values() {
            numbers.push(number(&mut rng, variable.kind));
        }
        let at = Instance { numbers };
        if !at.fits(rule) || !at.allows(rule) {
            continue;
        }
        if !at.sides(rule).agree() {
            return Some(at);
        }
        seen += 1;
        if seen == ENOUGH {
            break;
        }
    }
    None
}

/// A power of two below 2^120 or a neighbour, of either sign.
fn integer(rng: &mut ChaCha8Rng) -> BigInt {
    let power = BigInt::from(1) << rng.random_range(0..120u32);
    let v = power + rng.random_range(-1..=1i64);
    match rng.random_bool(0.4) {
        true => -v,
        false => v,
    }
}

fn number(rng: &mut ChaCha8Rng, kind: VariableKind) -> Number {
    match kind {
        VariableKind::Truth => Number::Truth(rng.random()),
        VariableKind::Shift => Number::known(BigInt::from(rng.random_range(0..64u32))),
        VariableKind::Constant => Number::known(match rng.random_bool(0.3) {
            true => BigInt::from(rng.random_range(-3..=3i64)),
            false => integer(rng),
        }),
        VariableKind::Value => {
            let value = integer(rng);
            let mut slack = || match rng.random_range(0..3u8) {
                0 => BigInt::ZERO,
                1 => BigInt::from(1),
                _ => BigInt::from(1) << rng.random_range(0..120u32),
            };
            let (lo, hi) = (&value - slack(), &value + slack());
            let all = value.trailing_zeros().unwrap_or(127);
            let zeros = if rng.random() { all } else { 0 };
            Number::Integer {
                lo,
                hi,
                zeros: u32::try_from(zeros).unwrap_or(127),
                value,
            }
        }
    }
}
