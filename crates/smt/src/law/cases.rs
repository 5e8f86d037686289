//! Laws by enumeration: every value of every variable at a small width, in machine integers.
//!
//! For products of two unknowns this is quicker than a solver. The values of one variable are
//! computed together as a column. A violation is only a proposal: the caller replays it.

use ceg4n_base::entity::PrimaryMap;
use ceg4n_opspec::{
    Binary, Fact, Instance, Number, RewriteRule, Term, Truth, VariableId, VariableKind,
};
use num_bigint::BigInt;

/// What enumeration found.
pub(super) enum Found {
    /// Both sides agree in all of these cases.
    Agree(u64),
    /// Here they may not.
    Violation(Instance),
}

/// Something that takes every value of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Value(VariableId),
    Fact(Fact, VariableId),
}

/// The values of a slot: from `least`, so many.
#[derive(Clone, Copy, Debug)]
struct Range {
    slot: Slot,
    least: i64,
    count: u64,
}

/// How many cases there are at a width; the width is at most 16.
pub(super) fn count(rule: &RewriteRule, width: u32) -> u64 {
    let sizes = ranges(rule, width);
    sizes.iter().fold(1, |n, r| n.saturating_mul(r.count))
}

/// Looks at every case.
///
/// # Errors
/// A sentence, if a value leaves the machine's integers or the rule was not read from a file.
pub(super) fn enumerate(rule: &RewriteRule, width: u32) -> Result<Found, &'static str> {
    let mut ranges = ranges(rule, width);
    // One variable with many values becomes the column.
    let widest = ranges.iter().enumerate().max_by_key(|(_, r)| r.count);
    let column = match widest.map(|(i, _)| i) {
        Some(i) => ranges.swap_remove(i),
        None => return Err("a rule without variables"),
    };
    let mut at: Vec<u64> = vec![0; ranges.len()];
    let mut cases = 0u64;
    loop {
        let state = State {
            fixed: ranges
                .iter()
                .zip(&at)
                .map(|(r, i)| (r.slot, r.least + i.cast_signed()))
                .collect(),
            column,
        };
        if let Some(lane) = state.violation(rule)? {
            return Ok(Found::Violation(state.instance(rule, lane)));
        }
        cases = cases.saturating_add(column.count);
        let mut place = 0;
        loop {
            let (Some(i), Some(range)) = (at.get_mut(place), ranges.get(place)) else {
                return Ok(Found::Agree(cases));
            };
            *i += 1;
            if *i < range.count {
                break;
            }
            *i = 0;
            place += 1;
        }
    }
}

fn ranges(rule: &RewriteRule, width: u32) -> Vec<Range> {
    let half = 1i64 << (width.clamp(1, 16) - 1);
    let all = |slot| Range {
        slot,
        least: -half,
        count: 2 * half.unsigned_abs(),
    };
    let natural = |slot| Range {
        slot,
        least: 0,
        count: u64::from(width) + 1,
    };
    let values = rule.variables.iter().map(|(v, variable)| {
        let slot = Slot::Value(v);
        match variable.kind {
            VariableKind::Value | VariableKind::Constant => all(slot),
            VariableKind::Shift => natural(slot),
            VariableKind::Truth => Range {
                slot,
                least: 0,
                count: 2,
            },
        }
    });
    let mut ranges: Vec<Range> = values.collect();
    for (fact, v) in rule.facts() {
        let slot = Slot::Fact(fact, v);
        ranges.push(match fact {
            Fact::Lo | Fact::Hi => all(slot),
            Fact::Zeros => natural(slot),
        });
    }
    ranges
}

/// One value per lane; where `lacks` is true there is none.
struct Column<T> {
    values: Vec<T>,
    lacks: Vec<bool>,
}

type Step<T> = Result<Column<T>, &'static str>;

const OVERFLOW: &str = "a value leaves the machine's integers";
const KIND: &str = "a number and a truth value are mixed up";

/// Values of all slots: one each, and a column.
struct State {
    fixed: Vec<(Slot, i64)>,
    column: Range,
}

impl State {
    fn lanes(&self) -> usize {
        usize::try_from(self.column.count).unwrap_or(0)
    }

    fn slot(&self, slot: Slot) -> Step<i64> {
        if slot == self.column.slot {
            let end = self.column.least + self.column.count.cast_signed();
            return Ok(whole((self.column.least..end).collect()));
        }
        let fixed = self.fixed.iter().find(|(s, _)| *s == slot);
        let (_, v) = fixed.ok_or(KIND)?;
        Ok(whole(vec![*v; self.lanes()]))
    }

    /// The first lane whose values fit and whose sides differ.
    fn violation(&self, rule: &RewriteRule) -> Result<Option<usize>, &'static str> {
        let mut counts = vec![true; self.lanes()];
        for (fact, v) in rule.facts() {
            let value = self.slot(Slot::Value(v))?;
            let known = self.slot(Slot::Fact(fact, v))?;
            for ((count, x), f) in counts.iter_mut().zip(&value.values).zip(&known.values) {
                *count &= match fact {
                    Fact::Lo => f <= x,
                    Fact::Hi => x <= f,
                    Fact::Zeros => x & ((1 << f) - 1) == 0,
                };
            }
        }
        if let Some(when) = &rule.when {
            let holds = self.truth(when)?;
            for ((count, holds), lacks) in counts.iter_mut().zip(&holds.values).zip(&holds.lacks) {
                *count &= *holds && !lacks;
            }
        }
        if !counts.contains(&true) {
            return Ok(None);
        }
        let (left, right) = (self.term(&rule.lhs)?, self.term(&rule.rhs)?);
        let agrees =
            |i: usize| left.lacks[i] || (!right.lacks[i] && left.values[i] == right.values[i]);
        Ok((0..self.lanes()).find(|i| counts[*i] && !agrees(*i)))
    }

    fn instance(&self, rule: &RewriteRule, lane: usize) -> Instance {
        let given = |slot: Slot| {
            if slot == self.column.slot {
                return Some(self.column.least + i64::try_from(lane).unwrap_or(0));
            }
            let fixed = self.fixed.iter().find(|(s, _)| *s == slot);
            fixed.map(|(_, v)| *v)
        };
        let mut numbers = PrimaryMap::new();
        for (v, variable) in rule.variables.iter() {
            let value = given(Slot::Value(v)).unwrap_or(0);
            if variable.kind == VariableKind::Truth {
                numbers.push(Number::Truth(value != 0));
                continue;
            }
            let mut number = Number::known(BigInt::from(value));
            if let Number::Integer { lo, hi, zeros, .. } = &mut number {
                if let Some(v) = given(Slot::Fact(Fact::Lo, v)) {
                    *lo = v.into();
                }
                if let Some(v) = given(Slot::Fact(Fact::Hi, v)) {
                    *hi = v.into();
                }
                if let Some(v) = given(Slot::Fact(Fact::Zeros, v)) {
                    *zeros = u32::try_from(v).unwrap_or(0);
                }
            }
            numbers.push(number);
        }
        Instance { numbers }
    }

    fn term(&self, term: &Term) -> Step<i64> {
        match term {
            Term::Variable(v) => self.slot(Slot::Value(*v)),
            Term::Int(v) => Ok(whole(vec![*v; self.lanes()])),
            Term::Fact(fact, v) => self.slot(Slot::Fact(*fact, *v)),
            Term::Neg(a) => zip(self.term(a)?, whole(vec![0; self.lanes()]), |a, _| {
                Ok(Some(a.checked_neg().ok_or(OVERFLOW)?))
            }),
            Term::Binary(op, a, b) => {
                let (a, b) = (self.term(a)?, self.term(b)?);
                match op {
                    Binary::Add => zip(a, b, |a, b| defined(a.checked_add(b))),
                    Binary::Sub => zip(a, b, |a, b| defined(a.checked_sub(b))),
                    Binary::Mul => zip(a, b, |a, b| defined(a.checked_mul(b))),
                    Binary::Min => zip(a, b, |a, b| Ok(Some(a.min(b)))),
                    Binary::Max => zip(a, b, |a, b| Ok(Some(a.max(b)))),
                }
            }
            Term::Div(a, b) => zip(self.term(a)?, self.term(b)?, |a, b| {
                // For positive divisors this is the floor.
                Ok((b > 0).then(|| a.div_euclid(b)))
            }),
            Term::Log2(a) => zip(self.term(a)?, whole(vec![0; self.lanes()]), |a, _| {
                Ok((a > 0).then(|| 63 - i64::from(a.leading_zeros())))
            }),
            Term::Shl(a, s) => zip(self.term(a)?, self.term(s)?, |a, s| {
                if s < 0 || a == 0 {
                    return Ok((s >= 0).then_some(0));
                }
                let shifted = u32::try_from(s).ok().filter(|s| *s < 63);
                let shifted = shifted.map(|s| a << s).filter(|r| r >> s == a);
                defined(shifted)
            }),
            Term::Shr(a, s) => zip(self.term(a)?, self.term(s)?, |a, s| {
                Ok((s >= 0).then(|| a >> s.min(63)))
            }),
            Term::ModPow2(a, s) => zip(self.term(a)?, self.term(s)?, |a, s| match s {
                0..=62 => Ok(Some(a & ((1 << s) - 1))),
                63.. if a >= 0 => Ok(Some(a)),
                63.. => Err(OVERFLOW),
                _ => Ok(None),
            }),
            Term::Select(c, a, b) => {
                let (c, mut a, b) = (self.truth(c)?, self.term(a)?, self.term(b)?);
                for (i, holds) in c.values.iter().enumerate() {
                    if !holds {
                        a.values[i] = b.values[i];
                    }
                    a.lacks[i] |= b.lacks[i] || c.lacks[i];
                }
                Ok(a)
            }
            Term::Truth(c) => {
                let c = self.truth(c)?;
                Ok(Column {
                    values: c.values.iter().map(|t| i64::from(*t)).collect(),
                    lacks: c.lacks,
                })
            }
        }
    }

    fn truth(&self, truth: &Truth) -> Step<bool> {
        match truth {
            Truth::Variable(v) => {
                let values = self.slot(Slot::Value(*v))?.values;
                Ok(whole(values.iter().map(|v| *v != 0).collect()))
            }
            Truth::Cmp(op, a, b) => zip(self.term(a)?, self.term(b)?, |a, b| {
                Ok(Some(op.holds(a.cmp(&b))))
            }),
            Truth::Not(a) => {
                let mut a = self.truth(a)?;
                a.values.iter_mut().for_each(|t| *t = !*t);
                Ok(a)
            }
            Truth::And(a, b) => self.junction(a, b, false),
            Truth::Or(a, b) => self.junction(a, b, true),
        }
    }

    /// `decisive` is the value of the first part with which the second one does not count.
    fn junction(&self, a: &Truth, b: &Truth, decisive: bool) -> Step<bool> {
        let (mut a, b) = (self.truth(a)?, self.truth(b)?);
        for i in 0..self.lanes() {
            if a.values[i] != decisive {
                a.values[i] = b.values[i];
                a.lacks[i] |= b.lacks[i];
            }
        }
        Ok(a)
    }
}

fn defined(v: Option<i64>) -> Result<Option<i64>, &'static str> {
    v.ok_or(OVERFLOW).map(Some)
}

fn whole<T>(values: Vec<T>) -> Column<T> {
    let lacks = vec![false; values.len()];
    Column { values, lacks }
}

/// Lane by lane; `None` where the operation has no meaning.
fn zip<T: Default>(
    a: Column<i64>,
    b: Column<i64>,
    op: impl Fn(i64, i64) -> Result<Option<T>, &'static str>,
) -> Step<T> {
    let lanes = a.values.len();
    let mut result = Column {
        values: Vec::with_capacity(lanes),
        lacks: Vec::with_capacity(lanes),
    };
    let pairs = a.values.into_iter().zip(b.values);
    let lacks = a.lacks.into_iter().zip(b.lacks);
    for ((x, y), (p, q)) in pairs.zip(lacks) {
        let value = if p || q { None } else { op(x, y)? };
        result.lacks.push(value.is_none());
        result.values.push(value.unwrap_or_default());
    }
    Ok(result)
}
