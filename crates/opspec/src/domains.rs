//! Ready domains: checked machine integers, big integers, exact rationals.

use crate::ast::{Cmp, Smooth};
use crate::domain::{Domain, MeaningError};
use ceg4n_base::Exact;
use num_bigint::BigInt;

/// Shifts beyond this are refused where the result would have to be stored in full.
const MAX_SHIFT: u32 = 1 << 20;

/// Integers in `i128`; anything beyond is [`MeaningError::Overflow`].
#[derive(Clone, Copy, Debug, Default)]
pub struct IntDomain;

/// Unbounded integers.
#[derive(Clone, Copy, Debug, Default)]
pub struct BigDomain;

/// Exact rationals: the real-valued meaning.
#[derive(Clone, Copy, Debug, Default)]
pub struct ExactDomain;

type Result<T> = std::result::Result<T, MeaningError>;

/// Truth values and choice are the same for all three.
macro_rules! concrete_logic {
    () => {
        fn boolean(&mut self, v: bool) -> Result<bool> {
            Ok(v)
        }

        fn cmp(&mut self, op: Cmp, a: &Self::Value, b: &Self::Value) -> Result<bool> {
            Ok(op.holds(a.cmp(b)))
        }

        fn select(&mut self, cond: &bool, a: &Self::Value, b: &Self::Value) -> Result<Self::Value> {
            Ok(if *cond { a.clone() } else { b.clone() })
        }

        fn not(&mut self, a: &bool) -> Result<bool> {
            Ok(!a)
        }

        fn and(&mut self, a: &bool, b: &bool) -> Result<bool> {
            Ok(*a && *b)
        }

        fn or(&mut self, a: &bool, b: &bool) -> Result<bool> {
            Ok(*a || *b)
        }
    };
}

impl Domain for IntDomain {
    type Value = i128;
    type Bool = bool;
    type Error = MeaningError;

    concrete_logic!();

    fn int(&mut self, v: i128) -> Result<i128> {
        Ok(v)
    }

    fn add(&mut self, a: &i128, b: &i128) -> Result<i128> {
        a.checked_add(*b).ok_or(MeaningError::Overflow)
    }

    fn sub(&mut self, a: &i128, b: &i128) -> Result<i128> {
        a.checked_sub(*b).ok_or(MeaningError::Overflow)
    }

    fn mul(&mut self, a: &i128, b: &i128) -> Result<i128> {
        a.checked_mul(*b).ok_or(MeaningError::Overflow)
    }

    fn neg(&mut self, a: &i128) -> Result<i128> {
        a.checked_neg().ok_or(MeaningError::Overflow)
    }

    fn shr_floor(&mut self, a: &i128, s: u32) -> Result<i128> {
        Ok(a >> s.min(127))
    }

    fn shl(&mut self, a: &i128, s: u32) -> Result<i128> {
        if *a == 0 {
            return Ok(0);
        }
        // One more leading bit than lost keeps the sign; 2^127 itself is out of range.
        let room = if *a < 0 {
            a.leading_ones()
        } else {
            a.leading_zeros()
        };
        if s < room {
            Ok(a << s)
        } else {
            Err(MeaningError::Overflow)
        }
    }

    fn lookup(
        &mut self,
        at: &i128,
        len: usize,
        entry: &mut dyn FnMut(usize) -> Result<i64>,
    ) -> Result<i128> {
        let inside = usize::try_from(*at).ok().filter(|i| *i < len);
        let index = i64::try_from(*at).unwrap_or(i64::MAX);
        let i = inside.ok_or(MeaningError::Index { index, extent: len })?;
        Ok(entry(i)?.into())
    }

    /// Needs no multiple of 2^s, so that it has a value for every s.
    fn mod_pow2(&mut self, a: &i128, s: u32) -> Result<i128> {
        match (s, *a < 0) {
            (0..=126, _) => Ok(a & ((1i128 << s) - 1)),
            (_, false) => Ok(*a),
            (127, true) => Ok(a & i128::MAX),
            (_, true) => Err(MeaningError::Overflow),
        }
    }

    /// Adds products as they come, in `i64` steps where both factors fit.
    fn dot(&mut self, terms: Vec<(i128, i128)>) -> Result<i128> {
        let mut total = 0i128;
        for (a, b) in terms {
            let product = match (i64::try_from(a), i64::try_from(b)) {
                (Ok(a), Ok(b)) => i128::from(a) * i128::from(b),
                _ => a.checked_mul(b).ok_or(MeaningError::Overflow)?,
            };
            total = total.checked_add(product).ok_or(MeaningError::Overflow)?;
        }
        Ok(total)
    }
}

impl Domain for BigDomain {
    type Value = BigInt;
    type Bool = bool;
    type Error = MeaningError;

    concrete_logic!();

    fn int(&mut self, v: i128) -> Result<BigInt> {
        Ok(v.into())
    }

    fn add(&mut self, a: &BigInt, b: &BigInt) -> Result<BigInt> {
        Ok(a + b)
    }

    fn sub(&mut self, a: &BigInt, b: &BigInt) -> Result<BigInt> {
        Ok(a - b)
    }

    fn mul(&mut self, a: &BigInt, b: &BigInt) -> Result<BigInt> {
        Ok(a * b)
    }

    fn neg(&mut self, a: &BigInt) -> Result<BigInt> {
        Ok(-a)
    }

    /// `>>` of a big integer rounds towards minus infinity.
    fn shr_floor(&mut self, a: &BigInt, s: u32) -> Result<BigInt> {
        Ok(a >> s)
    }

    fn shl(&mut self, a: &BigInt, s: u32) -> Result<BigInt> {
        if s > MAX_SHIFT {
            return Err(MeaningError::Shift(s.into()));
        }
        Ok(a << s)
    }
}

impl Domain for ExactDomain {
    type Value = Exact;
    type Bool = bool;
    type Error = MeaningError;

    concrete_logic!();

    fn int(&mut self, v: i128) -> Result<Exact> {
        Ok(Exact::dyadic(v, 0))
    }

    fn add(&mut self, a: &Exact, b: &Exact) -> Result<Exact> {
        Ok(a + b)
    }

    fn sub(&mut self, a: &Exact, b: &Exact) -> Result<Exact> {
        Ok(a - b)
    }

    fn mul(&mut self, a: &Exact, b: &Exact) -> Result<Exact> {
        Ok(a * b)
    }

    fn neg(&mut self, a: &Exact) -> Result<Exact> {
        Ok(-a)
    }

    fn shr_floor(&mut self, a: &Exact, s: u32) -> Result<Exact> {
        let v = self.scale(a, -i64::from(s))?;
        self.floor(&v)
    }

    fn shl(&mut self, a: &Exact, s: u32) -> Result<Exact> {
        self.scale(a, s.into())
    }

    fn dot(&mut self, terms: Vec<(Exact, Exact)>) -> Result<Exact> {
        Ok(Exact::dot(&terms))
    }

    fn div(&mut self, a: &Exact, b: &Exact) -> Result<Exact> {
        a.checked_div(b).ok_or(MeaningError::DivisionByZero)
    }

    fn floor(&mut self, a: &Exact) -> Result<Exact> {
        Ok(a.floor().into())
    }

    /// Rational at 0 alone (Lindemann: e to an algebraic number other than 0 is transcendental).
    fn smooth(&mut self, f: Smooth, a: &Exact) -> Result<Exact> {
        match (f, a.is_zero()) {
            (Smooth::Sigmoid, true) => Ok(Exact::dyadic(1, -1)),
            (Smooth::Tanh, true) => Ok(Exact::zero()),
            (_, false) => Err(MeaningError::Irrational(f.name())),
        }
    }

    fn scale(&mut self, a: &Exact, k: i64) -> Result<Exact> {
        if k.unsigned_abs() > u64::from(MAX_SHIFT) {
            return Err(MeaningError::Shift(k));
        }
        Ok(a.shifted(k))
    }
}
