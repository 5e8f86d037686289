//! Polynomials over integers whose monomials carry a power of two with a symbolic exponent, and
//! floors of their quotients by such powers, in a normal form.
//!
//! Three facts of arithmetic make the normal form of a floor: a multiple leaves it,
//! floor((n·m + r)/m) = n + floor(r/m); a common factor is cancelled; and a floor inside a sum under
//! a floor is none, floor((floor(r/m) + n)/k) = floor((r + n·m)/(m·k)) for integers n, r and natural
//! m, k > 0.

use num_bigint::BigInt;
use num_traits::{One, Signed, Zero};
use std::collections::BTreeMap;

/// A natural number that stands in exponents.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ExponentAtom(pub(super) String);

/// `constant + Σ coefficient · atom`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Exponent {
    pub(super) terms: BTreeMap<ExponentAtom, i64>,
    pub(super) constant: i64,
}

impl Exponent {
    pub(super) fn constant(constant: i64) -> Self {
        Self {
            terms: BTreeMap::new(),
            constant,
        }
    }

    pub(super) fn atom(atom: ExponentAtom) -> Self {
        Self {
            terms: BTreeMap::from([(atom, 1)]),
            constant: 0,
        }
    }

    /// `self + factor · other`; `None` beyond what is represented.
    pub(super) fn plus(&self, other: &Self, factor: i64) -> Option<Self> {
        let mut sum = self.clone();
        sum.constant = sum
            .constant
            .checked_add(other.constant.checked_mul(factor)?)?;
        for (atom, c) in &other.terms {
            let entry = sum.terms.entry(atom.clone()).or_default();
            *entry = entry.checked_add(c.checked_mul(factor)?)?;
        }
        sum.terms.retain(|_, c| *c != 0);
        Some(sum)
    }

    /// Whether it is 0 or more for all natural values of its atoms.
    pub(super) fn is_natural(&self) -> bool {
        self.constant >= 0 && self.terms.values().all(|c| *c >= 0)
    }

    /// The atom replaced by an exponent.
    fn replaced(&self, atom: &ExponentAtom, by: &Self) -> Option<Self> {
        let Some(factor) = self.terms.get(atom) else {
            return Some(self.clone());
        };
        let mut rest = self.clone();
        rest.terms.remove(atom);
        rest.plus(by, *factor)
    }

    /// All atoms replaced, in this order.
    pub(super) fn under(&self, replacements: &[(ExponentAtom, Self)]) -> Option<Self> {
        let mut current = self.clone();
        for (atom, by) in replacements {
            current = current.replaced(atom, by)?;
        }
        Some(current)
    }
}

/// What a polynomial is over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Atom {
    /// An integer of which nothing is known.
    Any(String),
    /// The floor of a polynomial in normal form over a power of two.
    Floor(Polynomial, Exponent),
}

/// A product of atoms and a power of two; the constant of the exponent is in the coefficient.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Monomial {
    atoms: BTreeMap<Atom, u32>,
    exponent: BTreeMap<ExponentAtom, i64>,
}

/// A sum of monomials with coefficients, none of which is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Polynomial(BTreeMap<Monomial, BigInt>);

/// Polynomials with more monomials, and higher powers of two, are given up.
const MOST: usize = 200;
const HIGHEST: i64 = 4096;

impl Polynomial {
    pub(super) fn constant(v: BigInt) -> Self {
        let mut sum = Self::default();
        sum.insert(Monomial::default(), v);
        sum
    }

    pub(super) fn atom(atom: Atom) -> Self {
        let mut sum = Self::default();
        let monomial = Monomial {
            atoms: BTreeMap::from([(atom, 1)]),
            exponent: BTreeMap::new(),
        };
        sum.insert(monomial, BigInt::one());
        sum
    }

    fn insert(&mut self, monomial: Monomial, coefficient: BigInt) {
        let entry = self.0.entry(monomial).or_default();
        *entry += coefficient;
        self.0.retain(|_, c| !c.is_zero());
    }

    pub(super) fn plus(&self, other: &Self, factor: &BigInt) -> Option<Self> {
        let mut sum = self.clone();
        for (m, c) in &other.0 {
            sum.insert(m.clone(), c * factor);
        }
        (sum.0.len() <= MOST).then_some(sum)
    }

    pub(super) fn times(&self, other: &Self) -> Option<Self> {
        let mut product = Self::default();
        for (m, c) in &self.0 {
            for (n, d) in &other.0 {
                let mut both = m.clone();
                for (atom, power) in &n.atoms {
                    let entry = both.atoms.entry(atom.clone()).or_default();
                    *entry = entry.checked_add(*power)?;
                }
                for (atom, e) in &n.exponent {
                    let entry = both.exponent.entry(atom.clone()).or_default();
                    *entry = entry.checked_add(*e)?;
                }
                both.exponent.retain(|_, e| *e != 0);
                product.insert(both, c * d);
            }
        }
        (product.0.len() <= MOST).then_some(product)
    }

    /// The product with a power of two; the exponent is natural.
    pub(super) fn shifted(&self, by: &Exponent) -> Option<Self> {
        let mut shifted = Self::default();
        for (m, c) in &self.0 {
            let (m, c) = scaled(m, c, by)?;
            shifted.insert(m, c);
        }
        Some(shifted)
    }

    /// floor(self / 2^by) in normal form; the exponent is natural.
    pub(super) fn floor(&self, by: &Exponent) -> Option<Self> {
        if by.constant > HIGHEST {
            return None;
        }
        let back = Exponent::default().plus(by, -1)?;
        let (mut whole, mut rest) = (Self::default(), Self::default());
        for (m, c) in &self.0 {
            // The part of the coefficient that makes the monomial a multiple, and what is left.
            let missing = u64::try_from(by.constant).ok()?;
            let part = (c >> missing) << missing;
            match scaled(m, &part, &back) {
                Some((multiple, quotient)) => {
                    whole.insert(multiple, quotient);
                    rest.insert(m.clone(), c - part);
                }
                None => rest.insert(m.clone(), c.clone()),
            }
        }
        if rest.is_fraction(by) {
            return Some(whole);
        }
        if let Some((inner, least, others)) = rest.inner_floor() {
            let sum = inner.plus(&others.shifted(&least)?, &BigInt::one())?;
            let floor = sum.floor(&by.plus(&least, 1)?)?;
            return floor.plus(&whole, &BigInt::one());
        }
        let common = rest.common(by)?;
        let back = Exponent::default().plus(&common, -1)?;
        let floor = Self::atom(Atom::Floor(rest.shifted(&back)?, by.plus(&back, 1)?));
        floor.plus(&whole, &BigInt::one())
    }

    /// Whether it is a natural number below 2^by, as far as is seen.
    fn is_fraction(&self, by: &Exponent) -> bool {
        let mut all = self.0.iter();
        match (all.next(), all.next()) {
            (None, _) => true,
            (Some((m, c)), None) if *m == Monomial::default() => {
                let bits = u64::try_from(by.constant).unwrap_or(0);
                !c.is_negative() && c.bits() <= bits
            }
            (Some(_), _) => false,
        }
    }

    /// A summand that is a floor alone, what it is of, and the other summands.
    fn inner_floor(&self) -> Option<(Self, Exponent, Self)> {
        self.0.iter().find_map(|(m, c)| {
            let mut atoms = m.atoms.iter();
            let (Some((Atom::Floor(inner, by), 1)), None) = (atoms.next(), atoms.next()) else {
                return None;
            };
            if !c.is_one() || !m.exponent.is_empty() {
                return None;
            }
            let mut others = self.clone();
            others.0.remove(m);
            Some((inner.clone(), by.clone(), others))
        })
    }

    /// The largest power of two that is seen to divide every monomial and 2^by.
    fn common(&self, by: &Exponent) -> Option<Exponent> {
        let mut common = by.clone();
        common.terms.retain(|_, c| *c > 0);
        common.constant = by.constant.max(0);
        for (m, c) in &self.0 {
            for (atom, e) in &mut common.terms {
                *e = (*e).min(m.exponent.get(atom).copied().unwrap_or(0)).max(0);
            }
            let twos = i64::try_from(c.trailing_zeros().unwrap_or(0)).ok()?;
            common.constant = common.constant.min(twos);
        }
        common.terms.retain(|_, c| *c != 0);
        Some(common)
    }
}

/// A monomial times a power of two; `None` unless the result is seen to be an integer.
fn scaled(m: &Monomial, c: &BigInt, by: &Exponent) -> Option<(Monomial, BigInt)> {
    let exponent = Exponent {
        terms: m.exponent.clone(),
        constant: 0,
    };
    let exponent = exponent.plus(by, 1)?;
    if exponent.terms.values().any(|e| *e < 0) || exponent.constant > HIGHEST {
        return None;
    }
    let coefficient = match u64::try_from(exponent.constant) {
        Ok(up) => c << up,
        Err(_) => {
            let down = exponent.constant.unsigned_abs();
            if c.trailing_zeros().is_some_and(|zeros| zeros < down) {
                return None;
            }
            // Exact, so that the direction of rounding does not matter.
            let size = c.abs() >> down;
            if c.is_negative() { -size } else { size }
        }
    };
    let m = Monomial {
        atoms: m.atoms.clone(),
        exponent: exponent.terms,
    };
    Some((m, coefficient))
}
