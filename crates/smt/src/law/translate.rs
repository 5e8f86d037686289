//! A rule's law at one width as a query, and models of it back to values.

use super::number::{LawError, Number, Numbers, Result, Truth, width_of};
use crate::model::{Model, Value};
use crate::query::Query;
use ceg4n_base::entity::PrimaryMap;
use ceg4n_opspec::{
    Binary, Cmp, Fact, Instance, Number as Given, RewriteRule, Term, Truth as Logic, VariableId,
    VariableKind,
};
use num_bigint::BigInt;
use num_traits::{One, Signed, ToPrimitive, Zero};

/// What a variable is in a query.
#[derive(Clone, Debug)]
enum Symbol {
    Truth(Truth),
    Integer(Box<Integer>),
}

/// An integer variable and what is known of it.
#[derive(Clone, Debug)]
struct Integer {
    value: Number,
    lo: Number,
    hi: Number,
    zeros: Number,
}

/// Is there anything for which the condition holds at this width?
///
/// # Errors
/// If there is no form in terms.
pub(super) fn condition(rule: &RewriteRule, width: u32) -> Result<Query> {
    let mut law = Translator::new(rule, width)?;
    law.assume()?;
    Ok(law.numbers.query)
}

/// Is there anything for which the condition holds, and the right side has no meaning or another
/// value than the left one?
///
/// # Errors
/// If there is no form in terms.
pub(super) fn violation(rule: &RewriteRule, width: u32) -> Result<Query> {
    let mut law = Translator::new(rule, width)?;
    law.assume()?;
    let left = law.term(&rule.lhs)?;
    for demand in std::mem::take(&mut law.demands) {
        law.numbers.assert(demand)?;
    }
    let right = law.term(&rule.rhs)?;
    let mut agree = law.numbers.cmp(Cmp::Eq, &left, &right)?;
    for demand in std::mem::take(&mut law.demands) {
        agree = law.numbers.and(agree, demand)?;
    }
    let differ = law.numbers.not(agree)?;
    law.numbers.assert(differ)?;
    Ok(law.numbers.query)
}

/// The values that a model of one of the queries gives to the variables; `None` if it lacks one.
pub(super) fn instance(rule: &RewriteRule, model: &Model) -> Option<Instance> {
    let number = |prefix: &str, name: &str| {
        let value = model.get(&format!("{prefix}.{name}"))?;
        Some(BigInt::from(value.signed()))
    };
    let mentioned = rule.facts();
    let mut numbers = PrimaryMap::new();
    for (id, variable) in rule.variables.iter() {
        let name = &variable.name;
        if variable.kind == VariableKind::Truth {
            let Value::Bool(t) = model.get(&format!("v.{name}"))? else {
                return None;
            };
            numbers.push(Given::Truth(t));
            continue;
        }
        let value = number("v", name)?;
        let given = |fact: Fact| match mentioned.contains(&(fact, id)) {
            true => number(fact.name(), name).map(Some),
            false => Some(None),
        };
        let (least, most, multiple) = (given(Fact::Lo)?, given(Fact::Hi)?, given(Fact::Zeros)?);
        let mut known = Given::known(value);
        if let Given::Integer { lo, hi, zeros, .. } = &mut known {
            *lo = least.unwrap_or_else(|| lo.clone());
            *hi = most.unwrap_or_else(|| hi.clone());
            *zeros = match multiple {
                Some(z) => z.to_u32()?,
                None => *zeros,
            };
        }
        numbers.push(known);
    }
    Some(Instance { numbers })
}

struct Translator<'r> {
    rule: &'r RewriteRule,
    numbers: Numbers,
    symbols: PrimaryMap<VariableId, Symbol>,
    /// What must hold for the terms translated so far to have a meaning.
    demands: Vec<Truth>,
    /// Values that were introduced by what is demanded of them.
    introduced: usize,
}

impl<'r> Translator<'r> {
    fn new(rule: &'r RewriteRule, width: u32) -> Result<Self> {
        let mut law = Self {
            rule,
            numbers: Numbers::default(),
            symbols: PrimaryMap::new(),
            demands: Vec::new(),
            introduced: 0,
        };
        let mentioned = rule.facts();
        for (id, variable) in rule.variables.iter() {
            let facts = Fact::ALL.map(|f| mentioned.contains(&(f, id)));
            let symbol = law.symbol(&variable.name, variable.kind, facts, width)?;
            law.symbols.push(symbol);
        }
        Ok(law)
    }

    fn symbol(
        &mut self,
        name: &str,
        kind: VariableKind,
        [lo, hi, zeros]: [bool; 3],
        width: u32,
    ) -> Result<Symbol> {
        let all = width_ends(width);
        let value = match kind {
            VariableKind::Truth => {
                let t = self.numbers.query.bool_var(&format!("v.{name}"))?;
                return Ok(Symbol::Truth(Truth::Term(t)));
            }
            VariableKind::Shift => self.natural(&format!("v.{name}"), width)?,
            VariableKind::Value | VariableKind::Constant => {
                self.fresh(&format!("v.{name}"), all.clone())?
            }
        };
        let (mut below, mut above) = (value.clone(), value.clone());
        if lo {
            below = self.fresh(&format!("lo.{name}"), all.clone())?;
            let holds = self.numbers.cmp(Cmp::Le, &below, &value)?;
            self.numbers.assert(holds)?;
        }
        if hi {
            above = self.fresh(&format!("hi.{name}"), all)?;
            let holds = self.numbers.cmp(Cmp::Le, &value, &above)?;
            self.numbers.assert(holds)?;
        }
        let mut multiple = Number::known(BigInt::zero());
        if zeros {
            multiple = self.natural(&format!("zeros.{name}"), width)?;
            let low = self.numbers.low(&value, &multiple)?;
            let holds = self
                .numbers
                .cmp(Cmp::Eq, &low, &Number::known(BigInt::zero()))?;
            self.numbers.assert(holds)?;
        }
        Ok(Symbol::Integer(Box::new(Integer {
            value,
            lo: below,
            hi: above,
            zeros: multiple,
        })))
    }

    /// A free number within these ends.
    fn fresh(&mut self, name: &str, (lo, hi): (BigInt, BigInt)) -> Result<Number> {
        let t = self.numbers.query.var(name, width_of(&lo, &hi)?)?;
        let number = Number::within(lo, hi, t);
        Ok(number)
    }

    /// A free number from 0 to `most`.
    fn natural(&mut self, name: &str, most: u32) -> Result<Number> {
        let (zero, most) = (BigInt::zero(), BigInt::from(most));
        let number = self.fresh(name, (zero.clone(), most.clone()))?;
        // The vector holds more than the interval says: the comparisons must not be decided by it.
        let width = width_of(&zero, &most)?;
        let (least, greatest) = width_ends(width);
        let t = self.numbers.vector(&number, width)?;
        let any = Number::within(least, greatest, t);
        for (a, b) in [(&Number::known(zero), &any), (&any, &Number::known(most))] {
            let holds = self.numbers.cmp(Cmp::Le, a, b)?;
            self.numbers.assert(holds)?;
        }
        Ok(number)
    }

    /// Demands the side condition and its meaning.
    fn assume(&mut self) -> Result<()> {
        let Some(when) = &self.rule.when else {
            return Ok(());
        };
        let holds = self.truth(when)?;
        self.numbers.assert(holds)?;
        for demand in std::mem::take(&mut self.demands) {
            self.numbers.assert(demand)?;
        }
        Ok(())
    }

    fn term(&mut self, term: &Term) -> Result<Number> {
        match term {
            Term::Variable(v) => match self.symbols.get(*v) {
                Some(Symbol::Integer(x)) => Ok(x.value.clone()),
                Some(Symbol::Truth(_)) | None => Err(LawError::Kind),
            },
            Term::Int(v) => Ok(Number::known((*v).into())),
            Term::Fact(fact, v) => match (fact, self.symbols.get(*v)) {
                (Fact::Lo, Some(Symbol::Integer(x))) => Ok(x.lo.clone()),
                (Fact::Hi, Some(Symbol::Integer(x))) => Ok(x.hi.clone()),
                (Fact::Zeros, Some(Symbol::Integer(x))) => Ok(x.zeros.clone()),
                (_, Some(Symbol::Truth(_)) | None) => Err(LawError::Kind),
            },
            Term::Neg(a) => {
                let a = self.term(a)?;
                self.numbers.sub(&Number::known(BigInt::zero()), &a)
            }
            Term::Binary(op, a, b) => {
                let (a, b) = (self.term(a)?, self.term(b)?);
                match op {
                    Binary::Add => self.numbers.add(&a, &b),
                    Binary::Sub => self.numbers.sub(&a, &b),
                    Binary::Mul => self.numbers.mul(&a, &b),
                    Binary::Min => self.numbers.min(&a, &b),
                    Binary::Max => self.numbers.max(&a, &b),
                }
            }
            Term::Div(a, b) => {
                let (a, b) = (self.term(a)?, self.term(b)?);
                self.quotient(&a, &b)
            }
            Term::Log2(a) => {
                let a = self.term(a)?;
                self.logarithm(&a)
            }
            Term::Shl(a, s) => {
                let (a, s) = (self.term(a)?, self.amount(s)?);
                self.numbers.shl(&a, &s)
            }
            Term::Shr(a, s) => {
                let (a, s) = (self.term(a)?, self.amount(s)?);
                self.numbers.shr(&a, &s)
            }
            Term::ModPow2(a, s) => {
                let (a, s) = (self.term(a)?, self.amount(s)?);
                self.numbers.low(&a, &s)
            }
            Term::Select(c, a, b) => {
                let (c, a, b) = (self.truth(c)?, self.term(a)?, self.term(b)?);
                self.numbers.select(c, &a, &b)
            }
            Term::Truth(c) => {
                let c = self.truth(c)?;
                let (one, zero) = (Number::known(BigInt::one()), Number::known(BigInt::zero()));
                self.numbers.select(c, &one, &zero)
            }
        }
    }

    fn truth(&mut self, truth: &Logic) -> Result<Truth> {
        match truth {
            Logic::Variable(v) => match self.symbols.get(*v) {
                Some(Symbol::Truth(t)) => Ok(*t),
                Some(Symbol::Integer(_)) | None => Err(LawError::Kind),
            },
            Logic::Cmp(op, a, b) => {
                let (a, b) = (self.term(a)?, self.term(b)?);
                self.numbers.cmp(*op, &a, &b)
            }
            Logic::Not(a) => {
                let a = self.truth(a)?;
                self.numbers.not(a)
            }
            Logic::And(a, b) => {
                let a = self.truth(a)?;
                let b = self.truth_where(a, b)?;
                self.numbers.and(a, b)
            }
            Logic::Or(a, b) => {
                let a = self.truth(a)?;
                let not_a = self.numbers.not(a)?;
                let b = self.truth_where(not_a, b)?;
                self.numbers.or(a, b)
            }
        }
    }

    /// A truth value that needs a meaning only where `guard` holds.
    fn truth_where(&mut self, guard: Truth, truth: &Logic) -> Result<Truth> {
        let before = self.demands.len();
        let t = self.truth(truth)?;
        let not_guard = self.numbers.not(guard)?;
        for demand in self.demands.split_off(before) {
            let demand = self.numbers.or(not_guard, demand)?;
            self.demands.push(demand);
        }
        Ok(t)
    }

    fn amount(&mut self, s: &Term) -> Result<Number> {
        let s = self.term(s)?;
        let natural = self
            .numbers
            .cmp(Cmp::Ge, &s, &Number::known(BigInt::zero()))?;
        self.demands.push(natural);
        Ok(s)
    }

    /// floor(a / b): the q with 0 <= a - b·q < b.
    fn quotient(&mut self, a: &Number, b: &Number) -> Result<Number> {
        let (zero, one) = (Number::known(BigInt::zero()), Number::known(BigInt::one()));
        let positive = self.numbers.cmp(Cmp::Ge, b, &one)?;
        self.demands.push(positive);
        let ends = (
            a.lo.clone().min(BigInt::zero()),
            a.hi.clone().max(BigInt::zero()),
        );
        let q = self.introduce(ends)?;
        let product = self.numbers.mul(b, &q)?;
        let rest = self.numbers.sub(a, &product)?;
        let natural = self.numbers.cmp(Cmp::Ge, &rest, &zero)?;
        let below = self.numbers.cmp(Cmp::Lt, &rest, b)?;
        let is_quotient = self.numbers.and(natural, below)?;
        self.define(is_quotient)?;
        Ok(q)
    }

    /// The largest k with 2^k <= a.
    fn logarithm(&mut self, a: &Number) -> Result<Number> {
        let one = Number::known(BigInt::one());
        let positive = self.numbers.cmp(Cmp::Ge, a, &one)?;
        self.demands.push(positive);
        let most = match a.hi.is_positive() {
            true => BigInt::from(a.hi.bits() - 1),
            false => BigInt::zero(),
        };
        let k = self.introduce((BigInt::zero(), most))?;
        let power = self.numbers.shl(&one, &k)?;
        let next = self.numbers.shl(&power, &one)?;
        let reached = self.numbers.cmp(Cmp::Le, &power, a)?;
        let below = self.numbers.cmp(Cmp::Lt, a, &next)?;
        let is_logarithm = self.numbers.and(reached, below)?;
        self.define(is_logarithm)?;
        Ok(k)
    }

    /// A value that [`Self::define`] says everything about.
    fn introduce(&mut self, ends: (BigInt, BigInt)) -> Result<Number> {
        let name = format!("d.{}", self.introduced);
        self.introduced += 1;
        let number = self.fresh(&name, ends.clone())?;
        // What the vector holds beyond the interval is excluded, as for natural numbers.
        let width = width_of(&ends.0, &ends.1)?;
        if number.value().is_none() {
            let t = self.numbers.vector(&number, width)?;
            let (least, greatest) = width_ends(width);
            let any = Number::within(least, greatest, t);
            let (lo, hi) = (Number::known(ends.0), Number::known(ends.1));
            let above = self.numbers.cmp(Cmp::Le, &lo, &any)?;
            let below = self.numbers.cmp(Cmp::Le, &any, &hi)?;
            self.numbers.assert(above)?;
            self.numbers.assert(below)?;
        }
        Ok(number)
    }

    /// Demands that an introduced value is the one with this property, wherever everything that is
    /// demanded so far holds; elsewhere it may be anything, so that this never rules out values of
    /// the variables.
    fn define(&mut self, property: Truth) -> Result<()> {
        let mut exists = Truth::Known(true);
        for demand in self.demands.clone() {
            exists = self.numbers.and(exists, demand)?;
        }
        let nothing = self.numbers.not(exists)?;
        let holds = self.numbers.or(nothing, property)?;
        self.numbers.assert(holds)
    }
}

/// The ends of two's complement vectors of this width.
fn width_ends(width: u32) -> (BigInt, BigInt) {
    let half = BigInt::one() << (width - 1);
    (-&half, half - 1u8)
}
