//! Sums of many operands: weighted bits in columns, compressed by carry-save adders.
//!
//! An operand is a bit vector times an integer. Every bit becomes one literal with a weight
//! modulo 2^width; equal variables merge, so the repeated sign of an extension costs one negative
//! weight. A weight is written in canonical signed digits; a digit -1 at 2^j is the negated
//! literal there and a constant -2^j.

use super::cnf::{Cnf, Lit};
use crate::term::mask;
use std::collections::{BTreeMap, VecDeque};

/// `constant + Σ weight · variable` modulo 2^width.
pub(super) struct LinearForm {
    width: u32,
    constant: u128,
    /// By variable of the formula.
    weights: BTreeMap<u32, (Lit, u128)>,
}

impl LinearForm {
    /// Zero.
    pub(super) fn new(width: u32) -> Self {
        Self {
            width,
            constant: 0,
            weights: BTreeMap::new(),
        }
    }

    /// Adds a constant.
    pub(super) fn add_constant(&mut self, value: u128) {
        self.constant = self.constant.wrapping_add(value) & mask(self.width);
    }

    /// Adds `coefficient` times a vector, its lowest bit first.
    pub(super) fn add_vector(&mut self, bits: &[Lit], coefficient: u128) {
        for (i, &l) in bits.iter().enumerate() {
            let weight = u32::try_from(i)
                .ok()
                .and_then(|i| coefficient.checked_shl(i));
            self.add_bit(l, weight.unwrap_or(0));
        }
    }

    /// Adds a weighted bit.
    pub(super) fn add_bit(&mut self, l: Lit, weight: u128) {
        let weight = weight & mask(self.width);
        if weight == 0 || l == Lit::FALSE {
            return;
        }
        if l == Lit::TRUE {
            return self.add_constant(weight);
        }
        let (positive, weight) = if l.is_negative() {
            // ¬v = 1 - v
            self.add_constant(weight);
            (!l, weight.wrapping_neg())
        } else {
            (l, weight)
        };
        let entry = self.weights.entry(l.variable()).or_insert((positive, 0));
        entry.1 = entry.1.wrapping_add(weight) & mask(self.width);
    }

    /// The bits of the sum, lowest first.
    pub(super) fn blast(self, f: &mut Cnf) -> Vec<Lit> {
        let width = self.width as usize;
        let mut columns = vec![VecDeque::new(); width];
        let mut constant = self.constant;
        for (l, weight) in self.weights.into_values() {
            for (column, digit) in signed_digits(weight, self.width) {
                if digit < 0 {
                    columns[column].push_back(!l);
                    constant = constant.wrapping_sub(1 << column);
                } else {
                    columns[column].push_back(l);
                }
            }
        }
        for (i, column) in columns.iter_mut().enumerate() {
            if constant >> i & 1 == 1 {
                column.push_front(Lit::TRUE);
            }
        }
        compress(f, columns)
    }
}

/// The digits that are not zero, by position: 1 or -1, no two neighbours, and their sum is
/// `value` modulo 2^width.
fn signed_digits(value: u128, width: u32) -> Vec<(usize, i8)> {
    let mut digits = Vec::new();
    let mut rest = value & mask(width);
    for position in 0..width {
        if rest & 1 == 1 {
            // Never in the highest position, where 1 and -1 are the same.
            let minus = rest & 3 == 3;
            digits.push((position as usize, if minus { -1 } else { 1 }));
            rest = if minus {
                rest.wrapping_add(1)
            } else {
                rest - 1
            };
        }
        rest = (rest >> 1) & mask(width - position - 1);
    }
    digits
}

/// Adds up the columns, lowest first: full adders as long as three bits are left in one, oldest
/// bits first, so that the adders stay shallow; then a half adder.
fn compress(f: &mut Cnf, mut columns: Vec<VecDeque<Lit>>) -> Vec<Lit> {
    let mut out = Vec::with_capacity(columns.len());
    for i in 0..columns.len() {
        let mut column = std::mem::take(&mut columns[i]);
        let mut above = columns.get_mut(i + 1);
        while column.len() > 1 {
            let mut take = || column.pop_front().unwrap_or(Lit::FALSE);
            let inputs = [take(), take(), take()];
            let sum = match &mut above {
                Some(above) => {
                    let (sum, carry) = f.full_adder(inputs);
                    if carry != Lit::FALSE {
                        above.push_back(carry);
                    }
                    sum
                }
                None => f.odd(inputs),
            };
            if sum != Lit::FALSE {
                column.push_back(sum);
            }
        }
        out.push(column.pop_front().unwrap_or(Lit::FALSE));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_add_up_and_are_sparse() {
        for width in [1, 2, 3, 8, 127, 128] {
            let edges = [
                0,
                1,
                2,
                3,
                7,
                11,
                u128::MAX,
                u128::MAX - 1,
                1 << 127,
                (1 << 127) - 1,
            ];
            for value in edges.map(|v| v & mask(width)) {
                let digits = signed_digits(value, width);
                let sum = digits.iter().fold(0u128, |sum, &(i, d)| {
                    sum.wrapping_add((1 << i) * u128::from(d == 1))
                        .wrapping_sub((1 << i) * u128::from(d == -1))
                });
                assert_eq!(sum & mask(width), value, "width {width}");
                assert!(digits.windows(2).all(|w| w[0].0 + 1 < w[1].0));
            }
        }
    }
}
