//! Cost models: what one operation takes, in a solver's formula or on a processor.
//!
//! The cost of a graph is the sum over its nodes, so that a value that is used twice is paid once.
//! Every model is positive and never falls when a width grows; none of them decides what is
//! computed, only which of several equal expressions is kept.

use crate::dag::{Dag, DagId, LinearForm, Node};
use crate::facts::Facts;
use ceg4n_target::Target;

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A value that is there already: an input, or what another expression computes.
    Leaf,
    /// A constant.
    Constant,
    /// `a + b`
    Add,
    /// `a * c` with a known constant.
    Times(i128),
    /// `floor(a / 2^s)`
    Shr(u32),
    /// The low `s` bits of `a`.
    Low(u32),
    /// The smaller.
    Min,
    /// The larger.
    Max,
    /// `a < b`
    Less,
    /// `1 - a` of a truth value.
    Not,
    /// Of two truth values.
    And,
    /// Of two truth values.
    Or,
    /// A choice: the truth value is the first operand.
    Select,
    /// An entry of a list of so many.
    Lookup(usize),
}

/// What operations cost. Implementations are deterministic, positive and monotone in widths.
pub trait Cost: Sync {
    /// The name on the command line.
    fn name(&self) -> String;

    /// The cost of one operation from what is proved of its result and its operands.
    fn of(&self, operation: Operation, result: Facts, operands: &[Facts]) -> u64;
}

/// Signed digits of a constant that are not 0, at least 1: the fewest powers of two that add up to
/// it. (A. Avizienis, "Signed-digit number representations for fast parallel arithmetic", 1961:
/// the non-adjacent form.)
fn digits_of(c: i128) -> u32 {
    let c = c.unsigned_abs();
    // The digits of the non-adjacent form are the bits in which c and 3c differ, halved.
    let half = c >> 1;
    let third = c.wrapping_add(half);
    (third ^ half).count_ones().max(1)
}

/// About the clauses that an operation becomes in a solver: those of full adders, multiplexers
/// and comparators over the bits that may differ.
#[derive(Clone, Copy, Debug, Default)]
pub struct SmtSize;

/// Clauses of a full adder, of a half adder, of a multiplexer and of a bit of a comparison.
const FULL: u64 = 14;
const HALF: u64 = 7;
const MUX: u64 = 4;
const COMPARE: u64 = 6;

/// Bits of a value that are not known to be 0 at the low end.
fn bits(f: Facts) -> u64 {
    let width = u64::from(f.width());
    width - u64::from(f.zeros).min(width - 1)
}

fn widest(operands: &[Facts]) -> u64 {
    operands.iter().map(|f| bits(*f)).max().unwrap_or(1)
}

/// The constant among the operands.
fn constant(operands: &[Facts]) -> Option<i128> {
    operands.iter().find_map(|f| f.known())
}

/// Bits of a sum at which both operands may be 1: below them there is nothing to add.
fn added(result: Facts, operands: &[Facts]) -> u64 {
    let width = u64::from(result.width());
    let zeros = operands.iter().map(|f| u64::from(f.zeros)).max();
    width - zeros.unwrap_or(0).min(width - 1)
}

/// Per bit: a comparison, and a choice by its result. A comparison with 0 is the sign.
fn comparison(operands: &[Facts]) -> (u64, u64) {
    match constant(operands) {
        Some(0) => (0, MUX / 2),
        Some(_) => (COMPARE / 2, MUX / 2),
        None => (COMPARE, MUX),
    }
}

impl Cost for SmtSize {
    fn name(&self) -> String {
        "smt".to_owned()
    }

    fn of(&self, operation: Operation, result: Facts, operands: &[Facts]) -> u64 {
        let (compare, mux) = comparison(operands);
        1 + match operation {
            Operation::Leaf | Operation::Constant | Operation::Shr(_) | Operation::Low(_) => 0,
            Operation::Not => 0,
            Operation::Add => {
                let adder = if constant(operands).is_some() {
                    HALF
                } else {
                    FULL
                };
                added(result, operands) * adder
            }
            Operation::Times(-1) => bits(result) * HALF,
            Operation::Times(c) => {
                // A shifted operand is added as far as it reaches.
                let adders = u64::from(digits_of(c)) - 1;
                let negated = if c < 0 && adders == 0 { HALF } else { 0 };
                adders * (widest(operands) + 1) * FULL + bits(result) * negated
            }
            Operation::Min | Operation::Max => widest(operands) * compare + bits(result) * mux,
            Operation::Less => widest(operands) * compare,
            Operation::And | Operation::Or => 3,
            Operation::Select => bits(result) * MUX,
            Operation::Lookup(entries) => entries as u64 * bits(result),
        }
    }
}

/// About the instructions (Cortex-M, where nearly each is a cycle) or cycles (AVR) of an operation
/// in straight-line C: what the instruction sets need for values in registers. Loads and stores
/// are not in it.
#[derive(Clone, Copy, Debug)]
pub struct Cycles(pub Target);

/// About the bytes of code of an operation in straight-line C, as [`Cycles`] has it.
#[derive(Clone, Copy, Debug)]
pub struct Flash(pub Target);

/// Registers that hold a value.
fn words(target: Target, f: Facts) -> u64 {
    let width = f.width();
    match target {
        Target::Generic => u64::from(width.div_ceil(64)),
        Target::CortexM0 | Target::CortexM4 => u64::from(width.div_ceil(32)),
        // Types of C: there is none of three bytes.
        Target::Avr => match width {
            0..=8 => 1,
            9..=16 => 2,
            17..=32 => 4,
            w => u64::from(w.div_ceil(64)) * 8,
        },
    }
}

/// Instructions of an operation, and among them those that are twice as long.
struct Code {
    short: u64,
    long: u64,
}

fn code(target: Target, operation: Operation, result: Facts, operands: &[Facts]) -> Code {
    let of = |f: &Facts| words(target, *f);
    let w = of(&result);
    let widest = operands.iter().map(of).max().unwrap_or(1).max(w);
    let shifted = |s: u32| match target {
        Target::Generic | Target::CortexM0 | Target::CortexM4 if widest == 1 => 1,
        Target::Generic | Target::CortexM0 | Target::CortexM4 => 3 * (widest - 1) + 1,
        // Whole bytes are moves, each bit is a shift of every byte.
        Target::Avr => w + u64::from(s % 8).min(4) * widest,
    };
    let short = match operation {
        Operation::Leaf | Operation::Constant => 0,
        Operation::Add => w,
        Operation::Times(c) => {
            let digits = u64::from(digits_of(c));
            let shift = u64::from(c.unsigned_abs().count_ones() != 1 || c == i128::MIN);
            let single = if shift == 0 {
                shifted(c.trailing_zeros())
            } else {
                0
            };
            let negated = if c < 0 { w } else { 0 };
            let added = (digits - 1) * (w + shifted(2)) + single + negated;
            match target {
                // A constant in a register, then a multiplication.
                Target::Generic | Target::CortexM0 | Target::CortexM4 if w == 1 => added.min(2),
                Target::Generic | Target::CortexM0 | Target::CortexM4 => added.min(8 * w),
                // Products of bytes take two cycles, and moves and additions.
                Target::Avr => added.min(5 * w * w),
            }
        }
        Operation::Shr(s) => shifted(s),
        Operation::Low(s) => match target {
            Target::Avr => w + u64::from(s % 8 != 0),
            Target::Generic | Target::CortexM0 | Target::CortexM4 => 2 * w,
        },
        Operation::Min | Operation::Max => 2 * widest + 1,
        Operation::Less | Operation::Not => widest + 1,
        Operation::And | Operation::Or => 1,
        Operation::Select => 1 + w + 1,
        Operation::Lookup(_) => 3 + w,
    };
    // Thumb-2 and AVR: operations with immediate values beyond 8 bits.
    let long = operands.iter().filter_map(|f| f.known());
    let long = long.filter(|v| !(-128..=255).contains(v)).count() as u64;
    Code { short, long }
}

impl Cost for Cycles {
    fn name(&self) -> String {
        format!("cycles:{}", self.0.name())
    }

    fn of(&self, operation: Operation, result: Facts, operands: &[Facts]) -> u64 {
        let code = code(self.0, operation, result, operands);
        // Quarters, so that what is free is still something.
        1 + 4 * (code.short + code.long)
    }
}

impl Cost for Flash {
    fn name(&self) -> String {
        format!("flash:{}", self.0.name())
    }

    fn of(&self, operation: Operation, result: Facts, operands: &[Facts]) -> u64 {
        let code = code(self.0, operation, result, operands);
        let bytes = match self.0 {
            Target::Generic => 4,
            Target::CortexM0 | Target::CortexM4 | Target::Avr => 2,
        };
        let table = match operation {
            Operation::Lookup(entries) => entries as u64 * u64::from(result.width().div_ceil(8)),
            _ => 0,
        };
        1 + 4 * (bytes * (code.short + 2 * code.long) + table)
    }
}

impl Dag {
    /// The cost of everything that `roots` depend on.
    pub fn cost(&self, roots: &[DagId], cost: &dyn Cost) -> u64 {
        let all = self.reachable(roots);
        all.into_iter()
            .fold(0u64, |sum, id| sum.saturating_add(self.cost_of(id, cost)))
    }

    /// The cost of a node without its operands.
    pub fn cost_of(&self, id: DagId, cost: &dyn Cost) -> u64 {
        let result = self.facts(id);
        let of = |a: &DagId| self.facts(*a);
        match self.node(id) {
            Node::Input(_) => cost.of(Operation::Leaf, result, &[]),
            Node::Linear(form) => self.cost_of_sum(form, result, cost),
            Node::Shr(a, s) => cost.of(Operation::Shr(*s), result, &[of(a)]),
            Node::Low(a, s) => cost.of(Operation::Low(*s), result, &[of(a)]),
            Node::Min(a, b) => cost.of(Operation::Min, result, &[of(a), of(b)]),
            Node::Max(a, b) => cost.of(Operation::Max, result, &[of(a), of(b)]),
            Node::Negative(a) => {
                let zero = Facts::constant(0);
                cost.of(Operation::Less, result, &[of(a), zero])
            }
            Node::Not(a) => cost.of(Operation::Not, result, &[of(a)]),
            Node::And(a, b) => cost.of(Operation::And, result, &[of(a), of(b)]),
            Node::Or(a, b) => cost.of(Operation::Or, result, &[of(a), of(b)]),
            Node::Select(c, a, b) => cost.of(Operation::Select, result, &[of(c), of(a), of(b)]),
            Node::Lookup(a, table) => cost.of(Operation::Lookup(table.len()), result, &[of(a)]),
        }
    }

    /// The cost of a sum: its products, and additions as wide as the result.
    fn cost_of_sum(&self, form: &LinearForm, result: Facts, cost: &dyn Cost) -> u64 {
        let Some(((first, c), rest)) = form.terms.split_first() else {
            return cost.of(Operation::Constant, result, &[]);
        };
        let product = |t: DagId, c: i128| {
            let own = self.facts(t);
            let product = own.times(c).unwrap_or(result);
            match c {
                1 => (product, 0),
                _ => (product, cost.of(Operation::Times(c), product, &[own])),
            }
        };
        let mut total = product(*first, *c).1;
        for (t, c) in rest {
            let (term, price) = product(*t, *c);
            let plain = Facts { zeros: 0, ..result };
            let sum = cost.of(Operation::Add, result, &[plain, term]);
            total = total.saturating_add(price).saturating_add(sum);
        }
        // The constant of a sum of several terms is where the sum starts.
        if form.constant != 0 && rest.is_empty() {
            let constant = Facts::constant(form.constant);
            total = total.saturating_add(cost.of(Operation::Add, result, &[result, constant]));
        }
        total.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fewest signed powers of two by search.
    fn fewest(c: i128) -> u32 {
        for digits in 1..5u32 {
            if reaches(c, digits) {
                return digits;
            }
        }
        5
    }

    fn reaches(c: i128, digits: u32) -> bool {
        if digits == 0 {
            return c == 0;
        }
        (0..10).any(|k| reaches(c - (1 << k), digits - 1) || reaches(c + (1 << k), digits - 1))
    }

    #[test]
    fn signed_digits_are_the_fewest() {
        for c in 1..200 {
            assert_eq!(digits_of(c), fewest(c), "{c}");
            assert_eq!(digits_of(-c), digits_of(c));
        }
        assert_eq!(digits_of(0), 1);
    }

    #[test]
    fn costs_are_positive_and_never_fall_when_a_width_grows() {
        let mut all: Vec<Box<dyn Cost>> = vec![Box::new(SmtSize)];
        for t in Target::ALL {
            all.push(Box::new(Cycles(t)));
            all.push(Box::new(Flash(t)));
        }
        let operations = [
            Operation::Leaf,
            Operation::Constant,
            Operation::Add,
            Operation::Times(-1),
            Operation::Times(8),
            Operation::Times(-105),
            Operation::Shr(3),
            Operation::Low(3),
            Operation::Min,
            Operation::Max,
            Operation::Less,
            Operation::Select,
            Operation::Lookup(20),
        ];
        for cost in &all {
            for op in operations {
                let mut last = 1;
                for w in 1..80 {
                    let f = Facts::within(-(1 << w), (1 << w) - 1);
                    let now = cost.of(op, f, &[f, f, f]);
                    assert!(now >= last, "{} {op:?} {w}", cost.name());
                    last = now;
                }
            }
        }
    }
}
