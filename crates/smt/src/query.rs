//! The sort-checked term builder. A [`Query`] is a list of values, one definition each, and the
//! assertions on them; it owns everything, so it can travel between threads.

use crate::term::{
    Binary, Compare, Logic, MAX_WIDTH, Op, Sort, TermError, TermId, Unary, mask, signed,
};
use ceg4n_base::entity::PrimaryMap;
use std::collections::{HashMap, HashSet};

/// What a builder method returns.
pub type TermResult = Result<TermId, TermError>;

/// One value of a [`Query`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// How it is computed.
    pub op: Op,
    /// What it denotes.
    pub sort: Sort,
    /// Its name in the script; a variable always has one.
    pub name: Option<String>,
}

/// A satisfiability question: is there an assignment of the variables for which every assertion
/// holds?
#[derive(Clone, Debug, Default)]
pub struct Query {
    logic: Logic,
    terms: PrimaryMap<TermId, Definition>,
    assertions: Vec<TermId>,
    names: HashSet<String>,
    constants: HashMap<(Op, Sort), TermId>,
}

impl Query {
    /// A query about bit vectors, without values.
    pub fn new() -> Self {
        Self::default()
    }

    /// A query in a logic, without values.
    pub fn over(logic: Logic) -> Self {
        Self {
            logic,
            ..Self::default()
        }
    }

    /// Which numbers it is about.
    pub fn logic(&self) -> Logic {
        self.logic
    }

    /// Every value, in order of definition.
    pub fn terms(&self) -> impl Iterator<Item = (TermId, &Definition)> {
        self.terms.iter()
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.terms.len()
    }

    /// True for a query without values.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// One value.
    ///
    /// # Errors
    /// [`TermError::Unknown`] for an id of a larger query.
    pub fn definition(&self, t: TermId) -> Result<&Definition, TermError> {
        self.terms.get(t).ok_or(TermError::Unknown(t))
    }

    /// What must hold, in the order asked for.
    pub fn assertions(&self) -> &[TermId] {
        &self.assertions
    }

    /// The free variables with name and sort, in order.
    pub fn variables(&self) -> impl Iterator<Item = (&str, Sort)> {
        self.terms.values().filter_map(|d| match d.op {
            Op::Var => d.name.as_deref().map(|n| (n, d.sort)),
            _ => None,
        })
    }

    /// The width of a vector.
    ///
    /// # Errors
    /// If it is a truth value or unknown.
    pub fn width(&self, t: TermId) -> Result<u32, TermError> {
        self.bits("width", t)
    }

    /// A free vector. Names are plain SMT-LIB symbols: letters, digits, `_` and `.`, not starting
    /// with a digit, and no word of the logic.
    ///
    /// # Errors
    /// A name that is bad or taken, a bad width.
    pub fn var(&mut self, name: &str, width: u32) -> TermResult {
        let sort = checked_sort(width)?;
        self.new_var(name, sort)
    }

    /// A free truth value.
    ///
    /// # Errors
    /// As [`Self::var`].
    pub fn bool_var(&mut self, name: &str) -> TermResult {
        self.new_var(name, Sort::Bool)
    }

    pub(crate) fn new_var(&mut self, name: &str, sort: Sort) -> TermResult {
        self.expressible(sort)?;
        self.claim(name)?;
        let t = self.push(Op::Var, sort)?;
        self.terms[t].name = Some(name.to_owned());
        Ok(t)
    }

    /// Gives a defined value a name for people who read the script. A value that has a name
    /// keeps it, and a constant needs none: `Ok` without effect.
    ///
    /// # Errors
    /// A name that is bad or taken.
    pub fn name(&mut self, t: TermId, name: &str) -> Result<(), TermError> {
        let d = self.definition(t)?;
        if d.name.is_some() || d.op.is_constant() {
            return Ok(());
        }
        self.claim(name)?;
        self.terms[t].name = Some(name.to_owned());
        Ok(())
    }

    /// A constant vector.
    ///
    /// # Errors
    /// If `value` is outside -2^(width-1) .. 2^width.
    pub fn constant(&mut self, value: i128, width: u32) -> TermResult {
        let sort = checked_sort(width)?;
        let bits = value.cast_unsigned() & mask(width);
        let fits = signed(bits, width) == value || (value >= 0 && bits == value.cast_unsigned());
        if !fits {
            return Err(TermError::Constant { value, width });
        }
        self.shared(Op::Bits(bits), sort)
    }

    /// A constant vector from its bits; those above the width must be zero.
    pub(crate) fn constant_bits(&mut self, bits: u128, width: u32) -> TermResult {
        let sort = checked_sort(width)?;
        self.shared(Op::Bits(bits & mask(width)), sort)
    }

    /// A constant truth value.
    ///
    /// # Errors
    /// Only for a query that is full.
    pub fn boolean(&mut self, value: bool) -> TermResult {
        self.shared(Op::Bool(value), Sort::Bool)
    }

    /// An operator on one vector.
    ///
    /// # Errors
    /// If `a` is no vector.
    pub fn unary(&mut self, op: Unary, a: TermId) -> TermResult {
        let width = self.bits(op.name(), a)?;
        self.push(Op::Unary(op, a), Sort::Bits(width))
    }

    /// An operator on two vectors of one width.
    ///
    /// # Errors
    /// If they are not.
    pub fn binary(&mut self, op: Binary, a: TermId, b: TermId) -> TermResult {
        let width = self.same_width(op.name(), a, b)?;
        self.push(Op::Binary(op, a, b), Sort::Bits(width))
    }

    /// An order between two vectors of one width.
    ///
    /// # Errors
    /// If they are not.
    pub fn compare(&mut self, op: Compare, a: TermId, b: TermId) -> TermResult {
        self.same_width(op.name(), a, b)?;
        self.push(Op::Compare(op, a, b), Sort::Bool)
    }

    /// `sign_extend` to `width` bits; `a` itself if it has them.
    ///
    /// # Errors
    /// If `a` is wider or no vector.
    pub fn sign_extend(&mut self, a: TermId, width: u32) -> TermResult {
        self.extend(a, width, Op::SignExtend(a))
    }

    /// `zero_extend` to `width` bits; `a` itself if it has them.
    ///
    /// # Errors
    /// If `a` is wider or no vector.
    pub fn zero_extend(&mut self, a: TermId, width: u32) -> TermResult {
        self.extend(a, width, Op::ZeroExtend(a))
    }

    fn extend(&mut self, a: TermId, width: u32, op: Op) -> TermResult {
        let sort = checked_sort(width)?;
        let from = self.bits("extend", a)?;
        if width < from {
            return Err(TermError::Extension { from, to: width });
        }
        if width == from {
            return Ok(a);
        }
        self.push(op, sort)
    }

    /// Bits `low..=high` of `a`; `a` itself if these are all.
    ///
    /// # Errors
    /// If they are not bits of `a`.
    pub fn extract(&mut self, a: TermId, high: u32, low: u32) -> TermResult {
        let width = self.bits("extract", a)?;
        if low > high || high >= width {
            return Err(TermError::Range { high, low, width });
        }
        if low == 0 && high + 1 == width {
            return Ok(a);
        }
        self.push(Op::Extract(a, low), Sort::Bits(high - low + 1))
    }

    /// `high` followed by `low`.
    ///
    /// # Errors
    /// If the result is wider than [`MAX_WIDTH`].
    pub fn concat(&mut self, high: TermId, low: TermId) -> TermResult {
        let width = self.bits("concat", high)? + self.bits("concat", low)?;
        let sort = checked_sort(width)?;
        self.push(Op::Concat(high, low), sort)
    }

    /// Equality of two terms of one sort.
    ///
    /// # Errors
    /// If the sorts differ.
    pub fn equal(&mut self, a: TermId, b: TermId) -> TermResult {
        self.same_sort("=", a, b)?;
        self.push(Op::Equal(a, b), Sort::Bool)
    }

    /// Negation of a truth value.
    ///
    /// # Errors
    /// If `a` is a vector.
    pub fn not(&mut self, a: TermId) -> TermResult {
        self.truth("not", a)?;
        self.push(Op::Not(a), Sort::Bool)
    }

    /// Conjunction; true if there is nothing in it.
    ///
    /// # Errors
    /// If an argument is a vector.
    pub fn and(&mut self, all: &[TermId]) -> TermResult {
        self.junction("and", all, true)
    }

    /// Disjunction; false if there is nothing in it.
    ///
    /// # Errors
    /// If an argument is a vector.
    pub fn or(&mut self, all: &[TermId]) -> TermResult {
        self.junction("or", all, false)
    }

    fn junction(&mut self, op: &'static str, all: &[TermId], conjunction: bool) -> TermResult {
        for &t in all {
            self.truth(op, t)?;
        }
        match all {
            [] => self.boolean(conjunction),
            [one] => Ok(*one),
            _ if conjunction => self.push(Op::And(all.into()), Sort::Bool),
            _ => self.push(Op::Or(all.into()), Sort::Bool),
        }
    }

    /// `a` if `condition`, else `b`.
    ///
    /// # Errors
    /// If `condition` is a vector or the sorts of `a` and `b` differ.
    pub fn ite(&mut self, condition: TermId, a: TermId, b: TermId) -> TermResult {
        self.truth("ite", condition)?;
        let sort = self.same_sort("ite", a, b)?;
        self.push(Op::Ite(condition, a, b), sort)
    }

    /// Demands that `t` holds.
    ///
    /// # Errors
    /// If `t` is a vector.
    pub fn assert(&mut self, t: TermId) -> Result<(), TermError> {
        self.truth("assert", t)?;
        self.assertions.push(t);
        Ok(())
    }

    fn claim(&mut self, name: &str) -> Result<(), TermError> {
        if !is_plain_symbol(name) {
            return Err(TermError::Name(name.to_owned()));
        }
        if !self.names.insert(name.to_owned()) {
            return Err(TermError::Duplicate(name.to_owned()));
        }
        Ok(())
    }

    fn expressible(&self, found: Sort) -> Result<(), TermError> {
        let logic = self.logic;
        match (found, logic) {
            (Sort::Bool, _) | (Sort::Bits(_), Logic::Bv) | (Sort::Int, Logic::Lia) => Ok(()),
            (Sort::Bits(_), Logic::Lia) | (Sort::Int, Logic::Bv) => {
                Err(TermError::Logic { logic, found })
            }
        }
    }

    pub(crate) fn push(&mut self, op: Op, sort: Sort) -> TermResult {
        self.expressible(sort)?;
        // u32::MAX itself is reserved by the id type.
        if self.terms.len() >= u32::MAX as usize - 1 {
            return Err(TermError::TooMany);
        }
        Ok(self.terms.push(Definition {
            op,
            sort,
            name: None,
        }))
    }

    /// One term per constant.
    pub(crate) fn shared(&mut self, op: Op, sort: Sort) -> TermResult {
        if let Some(t) = self.constants.get(&(op.clone(), sort)) {
            return Ok(*t);
        }
        let t = self.push(op.clone(), sort)?;
        self.constants.insert((op, sort), t);
        Ok(t)
    }

    fn bits(&self, op: &'static str, t: TermId) -> Result<u32, TermError> {
        match self.definition(t)?.sort {
            Sort::Bits(width) => Ok(width),
            found @ (Sort::Bool | Sort::Int) => Err(TermError::Kind { op, found }),
        }
    }

    fn truth(&self, op: &'static str, t: TermId) -> Result<(), TermError> {
        match self.definition(t)?.sort {
            Sort::Bool => Ok(()),
            found @ (Sort::Bits(_) | Sort::Int) => Err(TermError::Kind { op, found }),
        }
    }

    fn same_sort(&self, op: &'static str, a: TermId, b: TermId) -> Result<Sort, TermError> {
        let (left, right) = (self.definition(a)?.sort, self.definition(b)?.sort);
        if left == right {
            Ok(left)
        } else {
            Err(TermError::Mismatch { op, left, right })
        }
    }

    fn same_width(&self, op: &'static str, a: TermId, b: TermId) -> Result<u32, TermError> {
        match self.same_sort(op, a, b)? {
            Sort::Bits(width) => Ok(width),
            found @ (Sort::Bool | Sort::Int) => Err(TermError::Kind { op, found }),
        }
    }
}

fn checked_sort(width: u32) -> Result<Sort, TermError> {
    if (1..=MAX_WIDTH).contains(&width) {
        Ok(Sort::Bits(width))
    } else {
        Err(TermError::Width(width))
    }
}

/// Words of SMT-LIB and of QF_BV that match the pattern of a name, besides those on `bv`.
const WORDS: &[&str] = &[
    "_",
    "and",
    "as",
    "assert",
    "Bool",
    "concat",
    "distinct",
    "exists",
    "extract",
    "false",
    "forall",
    "ite",
    "let",
    "match",
    "not",
    "or",
    "par",
    "repeat",
    "true",
    "xor",
    "BINARY",
    "BitVec",
    "DECIMAL",
    "HEXADECIMAL",
    "NUMERAL",
    "STRING",
    "echo",
    "exit",
    "pop",
    "push",
    "reset",
    "model",
    "bit2bool",
    "int2bv",
    "ext_rotate_left",
    "ext_rotate_right",
    "rotate_left",
    "rotate_right",
    "sign_extend",
    "zero_extend",
    "Int",
    "Real",
    "Array",
    "abs",
    "div",
    "mod",
    "select",
    "store",
    "sat",
    "unsat",
    "unknown",
    "success",
    "unsupported",
    "error",
];

fn is_plain_symbol(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    // A name on a dot or an `at` belongs to the solver.
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_operator = name.starts_with("bv");
    starts_well && name.chars().all(plain) && !is_operator && !WORDS.contains(&name)
}
