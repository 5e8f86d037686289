//! Typed expressions: the meaning of one element of a result.
//!
//! Two kinds of numbers are kept apart. A *value* ([`Expr`]) lives in the domain of the
//! interpretation and may be symbolic. A *concrete integer* ([`IntExpr`]) is a shift amount, an
//! index, a size or a range bound; it is known when the expression is interpreted.

use crate::names::SaturationName;
use crate::spec::{OperandId, ParameterId, SizeId};
use ceg4n_base::entity::entity_impl;

/// An index variable: of the result, or bound by a sum.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IndexId(u32);
entity_impl!(IndexId, "index");

/// A value bound by `let`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LocalId(u32);
entity_impl!(LocalId, "local");

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cmp {
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
    /// `==`
    Eq,
    /// `!=`
    Ne,
}

impl Cmp {
    /// Whether the comparison holds for two numbers in this order.
    pub fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Lt => order.is_lt(),
            Self::Le => order.is_le(),
            Self::Gt => order.is_gt(),
            Self::Ge => order.is_ge(),
            Self::Eq => order.is_eq(),
            Self::Ne => order.is_ne(),
        }
    }
}

/// Arithmetic with two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// `a * b`
    Mul,
    /// `min(a, b)`
    Min,
    /// `max(a, b)`
    Max,
}

/// A truth value over numbers of type `T`.
#[derive(Clone, Debug, PartialEq)]
pub enum Logic<T> {
    /// A comparison.
    Cmp(Cmp, T, T),
    /// `not a`
    Not(Box<Logic<T>>),
    /// `a and b`
    And(Box<Logic<T>>, Box<Logic<T>>),
    /// `a or b`
    Or(Box<Logic<T>>, Box<Logic<T>>),
}

impl<T> Logic<T> {
    /// The same truth value over other numbers.
    pub(crate) fn map<U>(self, f: &impl Fn(T) -> U) -> Logic<U> {
        match self {
            Self::Cmp(op, a, b) => Logic::Cmp(op, f(a), f(b)),
            Self::Not(a) => Logic::Not(Box::new(a.map(f))),
            Self::And(a, b) => Logic::And(Box::new(a.map(f)), Box::new(b.map(f))),
            Self::Or(a, b) => Logic::Or(Box::new(a.map(f)), Box::new(b.map(f))),
        }
    }
}

impl<T> Logic<T> {
    /// Calls `f` on every number that is compared.
    pub(crate) fn for_each(&self, f: &mut impl FnMut(&T)) {
        match self {
            Self::Cmp(_, a, b) => {
                f(a);
                f(b);
            }
            Self::Not(a) => a.for_each(f),
            Self::And(a, b) | Self::Or(a, b) => {
                a.for_each(f);
                b.for_each(f);
            }
        }
    }
}

/// A truth value that is known when the expression is interpreted.
pub type Guard = Logic<IntExpr>;

/// A truth value of the domain.
pub type Cond = Logic<Expr>;

/// A concrete integer.
#[derive(Clone, Debug, PartialEq)]
pub enum IntExpr {
    /// A literal.
    Literal(i64),
    /// An integer parameter, at an index if it has one value per channel.
    Parameter(ParameterId, Vec<IntExpr>),
    /// An index variable.
    Index(IndexId),
    /// The extent of an index set.
    Size(SizeId),
    /// `-a`
    Neg(Box<IntExpr>),
    /// Arithmetic.
    Binary(Binary, Box<IntExpr>, Box<IntExpr>),
    /// `div(a, b)`: floor(a / b), b > 0.
    Div(Box<IntExpr>, Box<IntExpr>),
}

impl IntExpr {
    /// Calls `f` on every index variable, parameter indices included.
    pub(crate) fn for_each_index(&self, f: &mut impl FnMut(IndexId)) {
        match self {
            Self::Literal(_) | Self::Size(_) => {}
            Self::Parameter(_, indices) => indices.iter().for_each(|i| i.for_each_index(f)),
            Self::Index(id) => f(*id),
            Self::Neg(a) => a.for_each_index(f),
            Self::Binary(_, a, b) | Self::Div(a, b) => {
                a.for_each_index(f);
                b.for_each_index(f);
            }
        }
    }
}

/// A rule that a meaning calls by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// `round`: the rounding rule of the network.
    Round,
    /// A saturation rule.
    Saturation(SaturationName),
}

/// How many terms become one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// `sum`: 0 for none.
    Sum,
    /// `max`: of at least one.
    Max,
}

/// A function whose values are irrational, but for one point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Smooth {
    /// `sigmoid(a)`: 1/(1 + e^-a).
    Sigmoid,
    /// `tanh(a)`: (e^a - e^-a)/(e^a + e^-a).
    Tanh,
}

impl Smooth {
    /// Every function.
    pub const ALL: [Self; 2] = [Self::Sigmoid, Self::Tanh];

    /// The name in expressions.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
        }
    }
}

/// A value of the domain.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A concrete integer as a value.
    Int(IntExpr),
    /// An element of an operand.
    Operand(OperandId, Vec<IntExpr>),
    /// A value bound by an enclosing [`Expr::Let`].
    Local(LocalId),
    /// `-a`
    Neg(Box<Expr>),
    /// Arithmetic.
    Binary(Binary, Box<Expr>, Box<Expr>),
    /// `a / b` over the rationals.
    Div(Box<Expr>, Box<Expr>),
    /// `floor(a)` over the rationals.
    Floor(Box<Expr>),
    /// `scale(a, k)`: a·2^k over the rationals, k of any sign.
    Scale(Box<Expr>, IntExpr),
    /// `shr(a, s)`: floor(a / 2^s), s ≥ 0.
    Shr(Box<Expr>, IntExpr),
    /// `shl(a, s)`: a·2^s, s ≥ 0.
    Shl(Box<Expr>, IntExpr),
    /// `mod_pow2(a, s)`: a - floor(a / 2^s)·2^s, s ≥ 0; the low s bits as a natural number.
    ModPow2(Box<Expr>, IntExpr),
    /// `select(g, a, b)` with a guard known beforehand; only the chosen side is interpreted.
    If(Guard, Box<Expr>, Box<Expr>),
    /// `select(c, a, b)` with a condition of the domain.
    Select(Box<Cond>, Box<Expr>, Box<Expr>),
    /// `sum k in n, … { body where filter }`.
    Reduce {
        /// What is done with the terms.
        reduction: Reduction,
        /// The bound indices; each runs from 0 to its size, exclusive, the last one fastest.
        over: Vec<(IndexId, SizeId)>,
        /// Which terms there are; all of them without a filter.
        filter: Option<Guard>,
        /// The terms.
        body: Box<Expr>,
    },
    /// A smooth function over the reals.
    Smooth(Smooth, Box<Expr>),
    /// `t[a]`: the entry of a list of integers at an index of the domain, which is below the
    /// list's length.
    Lookup(ParameterId, SizeId, Box<Expr>),
    /// `let q = value; body`.
    Let(LocalId, Box<Expr>, Box<Expr>),
    /// A rule applied to values and concrete integers.
    Call(Rule, Vec<Expr>, Vec<IntExpr>),
}
