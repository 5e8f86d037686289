//! Left sides of rules as patterns of the e-graph's normal form.

use super::known::{Changed, power};
use super::language::Expr;
use ceg4n_base::entity::EntityRef;
use ceg4n_opspec::{Binary, Cmp, RewriteRule, Term, Truth, VariableId, VariableKind};
use egg::{ENodeOrVar, Id, Language, Pattern, PatternAst, Var};

/// One way to find a left side.
#[derive(Debug)]
pub(crate) struct Left {
    pub(crate) pattern: Pattern<Expr>,
    /// Pattern variables that stand for a changed variable of the rule.
    pub(crate) changed: Vec<(Var, Changed)>,
}

/// The pattern variable of a rule's variable.
pub(crate) fn var(id: VariableId) -> Var {
    Var::from_u32(u32::try_from(id.index()).unwrap_or(u32::MAX))
}

/// Commutative operators of one pattern whose operands change places; beyond this, they stay.
const MOST_SWAPS: u32 = 4;

/// Every pattern of a left side: operands of operators that commute in both orders, but for
/// constants, which stand on the right. `None` for a side that cannot be looked for.
///
/// There is none for a rule that the normal form has built in, for instance that `-(-x)` is `x`.
pub(crate) fn patterns(rule: &RewriteRule, lhs: &Term, rhs: &Term) -> Option<Vec<Left>> {
    let mut all: Vec<Left> = Vec::new();
    for swaps in 0..1u32 << MOST_SWAPS {
        let (left, met) = left(rule, lhs, swaps)?;
        if swaps >> met.min(MOST_SWAPS) != 0 {
            break;
        }
        if all.iter().all(|l| l.pattern != left.pattern) {
            all.push(left);
        }
    }
    let is_variable = |l: &Left| l.pattern.ast.len() == 1;
    let same = left(rule, rhs, 0).is_some_and(|(r, _)| {
        let is = |l: &Left| l.pattern == r.pattern && l.changed == r.changed;
        all.iter().any(is)
    });
    if same || all.iter().any(is_variable) {
        all.clear();
    }
    Some(all)
}

/// One pattern, and how many operators commute in it.
fn left(rule: &RewriteRule, side: &Term, swaps: u32) -> Option<(Left, u32)> {
    let mut compiler = Compiler {
        rule,
        ast: PatternAst::default(),
        changed: Vec::new(),
        swaps,
        met: 0,
    };
    compiler.term(side)?;
    let (mut ast, root) = (PatternAst::default(), Id::from(compiler.ast.len() - 1));
    in_order(&compiler.ast, root, &mut ast);
    let left = Left {
        pattern: Pattern::new(ast),
        changed: compiler.changed,
    };
    Some((left, compiler.met))
}

/// Copies a pattern, operands in order, so that equal ones are the same.
fn in_order(from: &PatternAst<Expr>, id: Id, to: &mut PatternAst<Expr>) -> Id {
    let mut node = from[id].clone();
    for child in node.children_mut() {
        *child = in_order(from, *child, to);
    }
    to.add(node)
}

struct Compiler<'r> {
    rule: &'r RewriteRule,
    ast: PatternAst<Expr>,
    changed: Vec<(Var, Changed)>,
    /// Bit i: the i-th commutative operator has its operands in the other order.
    swaps: u32,
    met: u32,
}

impl Compiler<'_> {
    fn node(&mut self, expr: Expr) -> Id {
        self.ast.add(ENodeOrVar::ENode(expr))
    }

    fn int(&mut self, v: i128) -> Id {
        self.node(Expr::Int(v))
    }

    fn is_known(&self, term: &Term) -> bool {
        term.is_known(&self.rule.variables)
    }

    /// A pattern variable for a changed one.
    fn hidden(&mut self, changed: Changed) -> Id {
        let known = self.changed.iter().find(|(_, c)| *c == changed);
        let var = known.map(|(v, _)| *v).unwrap_or_else(|| {
            let next = self.rule.variables.len() + self.changed.len();
            let var = Var::from_u32(u32::try_from(next).unwrap_or(u32::MAX));
            self.changed.push((var, changed));
            var
        });
        self.ast.add(ENodeOrVar::Var(var))
    }

    /// `2^s` or `-2^s`.
    fn power(&mut self, s: &Term, is_negated: bool) -> Option<Id> {
        match s {
            Term::Int(s) => {
                let p = power(u32::try_from(*s).ok()?)?;
                Some(self.int(if is_negated { -p } else { p }))
            }
            Term::Variable(id) if is_negated => Some(self.hidden(Changed::NegatedPower(*id))),
            Term::Variable(id) => Some(self.hidden(Changed::Power(*id))),
            _ => None,
        }
    }

    /// A constant, negated.
    fn negated_known(&mut self, c: &Term) -> Option<Id> {
        match c {
            Term::Int(v) => Some(self.int(-i128::from(*v))),
            Term::Variable(id) => Some(self.hidden(Changed::Negated(*id))),
            Term::Neg(a) => self.term(a),
            _ => None,
        }
    }

    /// The operands of an operator that commutes: a constant stands on the right.
    fn both(&mut self, a: &Term, b: &Term) -> Option<[Id; 2]> {
        let (a, b) = match self.is_known(a) && !self.is_known(b) {
            true => (b, a),
            false => (a, b),
        };
        let (left, right) = (self.term(a)?, self.term(b)?);
        Some(self.either_order(left, right, self.is_known(b)))
    }

    fn either_order(&mut self, a: Id, b: Id, is_fixed: bool) -> [Id; 2] {
        if is_fixed {
            return [a, b];
        }
        let is_swapped = self.met < MOST_SWAPS && self.swaps >> self.met & 1 == 1;
        self.met += 1;
        if is_swapped { [b, a] } else { [a, b] }
    }

    fn negated(&mut self, a: &Term) -> Option<Id> {
        if self.is_known(a) {
            return self.negated_known(a);
        }
        let (x, c) = match a {
            Term::Neg(a) => return self.term(a),
            Term::Shl(x, s) => (self.term(x)?, self.power(s, true)?),
            Term::Binary(Binary::Mul, x, c) if self.is_known(c) => {
                (self.term(x)?, self.negated_known(c)?)
            }
            Term::Binary(Binary::Mul, c, x) if self.is_known(c) => {
                (self.term(x)?, self.negated_known(c)?)
            }
            other => (self.term(other)?, self.int(-1)),
        };
        Some(self.node(Expr::Mul([x, c])))
    }

    fn term(&mut self, term: &Term) -> Option<Id> {
        match term {
            Term::Variable(id) => match self.rule.variables[*id].kind {
                VariableKind::Truth => None,
                VariableKind::Value | VariableKind::Constant | VariableKind::Shift => {
                    Some(self.ast.add(ENodeOrVar::Var(var(*id))))
                }
            },
            Term::Int(v) => Some(self.int((*v).into())),
            Term::Neg(a) => self.negated(a),
            Term::Binary(Binary::Sub, a, b) => {
                let (left, right) = (self.term(a)?, self.negated(b)?);
                let ab = match (self.is_known(a), self.is_known(b)) {
                    (true, false) => [right, left],
                    (_, known) => self.either_order(left, right, known),
                };
                Some(self.node(Expr::Add(ab)))
            }
            Term::Binary(op, a, b) => {
                let ab = self.both(a, b)?;
                Some(self.node(match op {
                    Binary::Add | Binary::Sub => Expr::Add(ab),
                    Binary::Mul => Expr::Mul(ab),
                    Binary::Min => Expr::Min(ab),
                    Binary::Max => Expr::Max(ab),
                }))
            }
            Term::Shl(a, s) => {
                let ab = [self.term(a)?, self.power(s, false)?];
                Some(self.node(Expr::Mul(ab)))
            }
            Term::Shr(a, s) => {
                let ab = [self.term(a)?, self.term(s)?];
                Some(self.node(Expr::Shr(ab)))
            }
            Term::ModPow2(a, s) => {
                let ab = [self.term(a)?, self.term(s)?];
                Some(self.node(Expr::Low(ab)))
            }
            Term::Select(c, a, b) => {
                let cab = [self.truth(c)?, self.term(a)?, self.term(b)?];
                Some(self.node(Expr::Select(cab)))
            }
            Term::Truth(c) => self.truth(c),
            Term::Fact(..) | Term::Div(..) | Term::Log2(_) => None,
        }
    }

    fn truth(&mut self, truth: &Truth) -> Option<Id> {
        Some(match truth {
            Truth::Variable(id) => self.ast.add(ENodeOrVar::Var(var(*id))),
            Truth::Cmp(op, a, b) => {
                let (a, b) = (self.term(a)?, self.term(b)?);
                self.compared(*op, a, b)
            }
            Truth::Not(a) => {
                let a = self.truth(a)?;
                self.node(Expr::Not(a))
            }
            Truth::And(a, b) => {
                let (a, b) = (self.truth(a)?, self.truth(b)?);
                let ab = self.either_order(a, b, false);
                self.node(Expr::And(ab))
            }
            Truth::Or(a, b) => {
                let (a, b) = (self.truth(a)?, self.truth(b)?);
                let ab = self.either_order(a, b, false);
                self.node(Expr::Or(ab))
            }
        })
    }

    fn compared(&mut self, op: Cmp, a: Id, b: Id) -> Id {
        super::expression::compare(op, a, b, &mut |e| self.node(e))
    }
}
