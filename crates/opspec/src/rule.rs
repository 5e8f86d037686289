//! Rewrite rules: what a file of `ir-specs/rules` says, resolved.
//!
//! A rule claims that its two sides are equal for every value of its variables for which the side
//! condition holds. Nothing here proves that; the prover does, from the same terms that the
//! rewriter applies.

use crate::ast::{Binary, Logic};
use ceg4n_base::entity::{PrimaryMap, entity_impl};

/// A variable of a rule, counted in the order of declaration.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VariableId(u32);
entity_impl!(VariableId, "variable");

/// What a variable stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VariableKind {
    /// Any integer expression.
    Value,
    /// Any truth value.
    Truth,
    /// An integer that is known when the rule is applied.
    Constant,
    /// An amount of a shift: a known integer of 0 to 63.
    Shift,
}

/// A variable of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    /// Its name in both sides and the condition.
    pub name: String,
    /// What it stands for.
    pub kind: VariableKind,
}

/// Something proved of the value that a variable stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    /// `lo(x)`: a value that `x` is never below.
    Lo,
    /// `hi(x)`: a value that `x` never exceeds.
    Hi,
    /// `zeros(x)`: `x` is a multiple of 2 to this power.
    Zeros,
}

/// An integer expression of a rule.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// A variable.
    Variable(VariableId),
    /// A literal.
    Int(i64),
    /// Something proved of a variable; in conditions and on the right only.
    Fact(Fact, VariableId),
    /// `-a`
    Neg(Box<Term>),
    /// Arithmetic.
    Binary(Binary, Box<Term>, Box<Term>),
    /// `div(a, b)` = floor(a / b), b > 0; of known integers only.
    Div(Box<Term>, Box<Term>),
    /// `shl(a, s)`: a·2^s; the amount is a known integer, as of the next two.
    Shl(Box<Term>, Box<Term>),
    /// `shr(a, s)`: floor(a / 2^s).
    Shr(Box<Term>, Box<Term>),
    /// `mod_pow2(a, s)`: the low s bits as a natural number.
    ModPow2(Box<Term>, Box<Term>),
    /// `select(c, a, b)`.
    Select(Box<Truth>, Box<Term>, Box<Term>),
}

/// A truth value of a rule.
#[derive(Clone, Debug, PartialEq)]
pub enum Truth {
    /// A variable of the kind [`VariableKind::Truth`].
    Variable(VariableId),
    /// Comparisons of terms, and truth values combined.
    Logic(Logic<Term>),
}

/// A rewrite rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RewriteRule {
    /// Its name, as the file is called.
    pub name: String,
    /// The file inside `ir-specs`.
    pub file: String,
    /// One sentence.
    pub summary: String,
    /// Further text, Markdown.
    pub doc: String,
    /// Everything that the sides mention.
    pub variables: PrimaryMap<VariableId, Variable>,
    /// What is replaced.
    pub lhs: Term,
    /// By what: known integers in it are computed when the rule is applied.
    pub rhs: Term,
    /// Where it may be applied; over known integers and facts only.
    pub when: Option<Logic<Term>>,
    /// The left side as written.
    pub lhs_source: String,
    /// The right side as written.
    pub rhs_source: String,
    /// The condition as written.
    pub when_source: Option<String>,
}
