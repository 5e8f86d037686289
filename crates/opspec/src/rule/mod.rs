//! Rewrite rules: what a file of `ir-specs/rules` says, resolved.
//!
//! A rule claims that its two sides are equal for every value of its variables for which the side
//! condition holds. Nothing here proves that; the prover does, from the same terms that the
//! rewriter applies.

mod expression;
mod instance;
mod read;
mod reference;
mod resolve;

pub use expression::read_expression;
pub use instance::{Instance, Number, Sides};
pub use read::{EMBEDDED_RULES, read_rules, rewrite_rules};
pub use reference::rules_markdown;

use crate::ast::{Binary, Cmp};
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
    /// An amount of a shift: a known integer that is not negative.
    Shift,
}

impl VariableKind {
    /// The word in files and in the reference.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::Truth => "truth",
            Self::Constant => "constant",
            Self::Shift => "shift",
        }
    }

    /// Whether it stands for an integer that is known when the rule is applied.
    pub fn is_known(self) -> bool {
        match self {
            Self::Constant | Self::Shift => true,
            Self::Value | Self::Truth => false,
        }
    }
}

/// A variable of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    /// Its name in both sides and the condition.
    pub name: String,
    /// What it stands for.
    pub kind: VariableKind,
}

/// Something proved of the integer that a variable of the kind [`VariableKind::Value`] or
/// [`VariableKind::Constant`] stands for; a known integer itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fact {
    /// `lo(x)`: a value that `x` is never below.
    Lo,
    /// `hi(x)`: a value that `x` never exceeds.
    Hi,
    /// `zeros(x)`: `x` is a multiple of 2 to this power.
    Zeros,
}

impl Fact {
    /// Every fact.
    pub const ALL: [Self; 3] = [Self::Lo, Self::Hi, Self::Zeros];

    /// The name in expressions.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lo => "lo",
            Self::Hi => "hi",
            Self::Zeros => "zeros",
        }
    }
}

/// An integer expression of a rule.
///
/// On the left every part without values is a variable or a literal, and the amount of a shift a
/// variable of the kind [`VariableKind::Shift`] or a literal, so that it can be looked for. On the
/// right and in conditions such a part may be an expression: it is computed.
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
    /// `log2(a)`: the largest k with 2^k <= a, a > 0; of a known integer only.
    Log2(Box<Term>),
    /// `shl(a, s)`: a·2^s; the amount is a known integer, as of the next two.
    Shl(Box<Term>, Box<Term>),
    /// `shr(a, s)`: floor(a / 2^s).
    Shr(Box<Term>, Box<Term>),
    /// `mod_pow2(a, s)`: the low s bits as a natural number.
    ModPow2(Box<Term>, Box<Term>),
    /// `select(c, a, b)`.
    Select(Box<Truth>, Box<Term>, Box<Term>),
    /// A truth value as the number 1 or 0; as a whole side only.
    Truth(Box<Truth>),
}

/// A truth value of a rule.
#[derive(Clone, Debug, PartialEq)]
pub enum Truth {
    /// A variable of the kind [`VariableKind::Truth`].
    Variable(VariableId),
    /// A comparison.
    Cmp(Cmp, Term, Term),
    /// `not a`
    Not(Box<Truth>),
    /// `a and b`; the second only counts where the first holds.
    And(Box<Truth>, Box<Truth>),
    /// `a or b`; the second only counts where the first does not hold.
    Or(Box<Truth>, Box<Truth>),
}

impl Term {
    /// Calls `f` on every variable, those of facts included.
    pub fn for_each_variable(&self, f: &mut impl FnMut(VariableId)) {
        match self {
            Self::Variable(v) | Self::Fact(_, v) => f(*v),
            Self::Int(_) => {}
            Self::Neg(a) | Self::Log2(a) => a.for_each_variable(f),
            Self::Binary(_, a, b)
            | Self::Div(a, b)
            | Self::Shl(a, b)
            | Self::Shr(a, b)
            | Self::ModPow2(a, b) => {
                a.for_each_variable(f);
                b.for_each_variable(f);
            }
            Self::Select(c, a, b) => {
                c.for_each_variable(f);
                a.for_each_variable(f);
                b.for_each_variable(f);
            }
            Self::Truth(c) => c.for_each_variable(f),
        }
    }

    /// Calls `f` on this term and every term inside it.
    pub fn for_each_part(&self, f: &mut impl FnMut(&Self)) {
        f(self);
        match self {
            Self::Variable(_) | Self::Fact(..) | Self::Int(_) => {}
            Self::Neg(a) | Self::Log2(a) => a.for_each_part(f),
            Self::Binary(_, a, b)
            | Self::Div(a, b)
            | Self::Shl(a, b)
            | Self::Shr(a, b)
            | Self::ModPow2(a, b) => {
                a.for_each_part(f);
                b.for_each_part(f);
            }
            Self::Select(c, a, b) => {
                c.for_each_part(f);
                a.for_each_part(f);
                b.for_each_part(f);
            }
            Self::Truth(c) => c.for_each_part(f),
        }
    }

    /// Whether it is an integer that is known when a rule with these variables is applied.
    pub fn is_known(&self, variables: &PrimaryMap<VariableId, Variable>) -> bool {
        let known = |t: &Self| t.is_known(variables);
        match self {
            Self::Variable(v) => variables[*v].kind.is_known(),
            Self::Int(_) | Self::Fact(..) => true,
            Self::Neg(a) | Self::Log2(a) => known(a),
            Self::Binary(_, a, b)
            | Self::Div(a, b)
            | Self::Shl(a, b)
            | Self::Shr(a, b)
            | Self::ModPow2(a, b) => known(a) && known(b),
            Self::Select(c, a, b) => c.is_known(variables) && known(a) && known(b),
            Self::Truth(c) => c.is_known(variables),
        }
    }
}

impl Truth {
    /// Calls `f` on every variable, those of facts included.
    pub fn for_each_variable(&self, f: &mut impl FnMut(VariableId)) {
        match self {
            Self::Variable(v) => f(*v),
            Self::Cmp(_, a, b) => {
                a.for_each_variable(f);
                b.for_each_variable(f);
            }
            Self::Not(a) => a.for_each_variable(f),
            Self::And(a, b) | Self::Or(a, b) => {
                a.for_each_variable(f);
                b.for_each_variable(f);
            }
        }
    }

    /// Calls `f` on every term inside it.
    pub fn for_each_part(&self, f: &mut impl FnMut(&Term)) {
        match self {
            Self::Variable(_) => {}
            Self::Cmp(_, a, b) => {
                a.for_each_part(f);
                b.for_each_part(f);
            }
            Self::Not(a) => a.for_each_part(f),
            Self::And(a, b) | Self::Or(a, b) => {
                a.for_each_part(f);
                b.for_each_part(f);
            }
        }
    }

    /// Whether it is known when a rule with these variables is applied.
    pub fn is_known(&self, variables: &PrimaryMap<VariableId, Variable>) -> bool {
        match self {
            Self::Variable(v) => variables[*v].kind.is_known(),
            Self::Cmp(_, a, b) => a.is_known(variables) && b.is_known(variables),
            Self::Not(a) => a.is_known(variables),
            Self::And(a, b) | Self::Or(a, b) => a.is_known(variables) && b.is_known(variables),
        }
    }
}

/// Which side a rule replaces by the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The left by the right.
    Forward,
    /// Either by the other.
    Both,
}

impl Direction {
    /// What stands between the sides where a rule is shown.
    pub fn arrow(self) -> &'static str {
        match self {
            Self::Forward => "→",
            Self::Both => "⇄",
        }
    }
}

/// A rewrite rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RewriteRule {
    /// Its name, as the file is called.
    pub name: String,
    /// The file that it was read from.
    pub file: String,
    /// One sentence.
    pub summary: String,
    /// Further text, Markdown.
    pub doc: String,
    /// Which side is replaced.
    pub direction: Direction,
    /// Everything that the sides mention.
    pub variables: PrimaryMap<VariableId, Variable>,
    /// What is replaced.
    pub lhs: Term,
    /// By what: known integers in it are computed when the rule is applied. With
    /// [`Direction::Both`] it is of a left side's form too.
    pub rhs: Term,
    /// Where it may be applied; over known integers and facts only. A condition without a meaning,
    /// for instance for a negative amount of a shift, does not hold.
    pub when: Option<Truth>,
    /// The left side as written.
    pub lhs_source: String,
    /// The right side as written.
    pub rhs_source: String,
    /// The condition as written.
    pub when_source: Option<String>,
}

impl RewriteRule {
    /// The variable of this name.
    pub fn variable(&self, name: &str) -> Option<VariableId> {
        let mut all = self.variables.iter();
        all.find_map(|(id, v)| (v.name == name).then_some(id))
    }

    /// The facts that it mentions, in order of variables, each once.
    pub fn facts(&self) -> Vec<(Fact, VariableId)> {
        let mut found = Vec::new();
        let mut look = |t: &Term| {
            if let Term::Fact(fact, v) = t {
                found.push((*v, *fact));
            }
        };
        self.lhs.for_each_part(&mut look);
        self.rhs.for_each_part(&mut look);
        if let Some(when) = &self.when {
            when.for_each_part(&mut look);
        }
        found.sort_unstable_by_key(|(v, fact)| (*v, *fact as u8));
        found.dedup();
        found.into_iter().map(|(v, fact)| (fact, v)).collect()
    }

    /// The sides in the directions in which they are used: what is replaced, and by what.
    pub fn applications(&self) -> impl Iterator<Item = (&Term, &Term)> {
        let back = match self.direction {
            Direction::Forward => None,
            Direction::Both => Some((&self.rhs, &self.lhs)),
        };
        std::iter::once((&self.lhs, &self.rhs)).chain(back)
    }

    /// The law in one line, for instance `max(x, c) → x when lo(x) >= c`.
    pub fn law(&self) -> String {
        let when = self.when_source.as_ref();
        let when = when.map_or(String::new(), |w| format!(" when {w}"));
        let arrow = self.direction.arrow();
        format!("{} {arrow} {}{when}", self.lhs_source, self.rhs_source)
    }
}
