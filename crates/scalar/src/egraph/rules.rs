//! Rewrite rules as the e-graph applies them: find, check the condition, compute, unite.

use super::expression::compare;
use super::known::{Bound, power};
use super::language::{Expr, Graph, add, tidy};
use super::linear::only_reorders;
use super::pattern::{Left, patterns, var};
use crate::facts::Facts;
use ceg4n_opspec::{Binary, RewriteRule, Term, Truth, rewrite_rules};
use egg::{Id, Searcher, Subst};
use std::sync::LazyLock;

/// A left side that the e-graph cannot look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    /// The rule.
    pub rule: String,
}

impl std::fmt::Display for RuleError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the rule `{}` has a side that cannot be looked for",
            self.rule
        )
    }
}

impl std::error::Error for RuleError {}

/// Rules, ready to be applied.
#[derive(Debug, Default)]
pub struct Rules {
    rules: Vec<RewriteRule>,
    applications: Vec<Application>,
}

/// A rule in one direction.
#[derive(Debug)]
struct Application {
    rule: usize,
    lefts: Vec<Left>,
    rhs: Term,
}

impl Rules {
    /// Makes rules ready, in this order.
    ///
    /// # Errors
    /// [`RuleError`] for the first that cannot be used.
    pub fn new(rules: &[RewriteRule]) -> Result<Self, RuleError> {
        Self::chosen(rules, |_, _, _| true)
    }

    /// Makes rules ready for a graph, where sums are linear forms: without what only reorders or
    /// splits a sum. Positions stay.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn for_graphs(rules: &[RewriteRule]) -> Result<Self, RuleError> {
        Self::chosen(rules, |rule, lhs, rhs| !only_reorders(rule, lhs, rhs))
    }

    fn chosen(
        rules: &[RewriteRule],
        is_wanted: impl Fn(&RewriteRule, &Term, &Term) -> bool,
    ) -> Result<Self, RuleError> {
        let mut applications = Vec::new();
        for (i, rule) in rules.iter().enumerate() {
            for (lhs, rhs) in rule.applications() {
                let lefts = patterns(rule, lhs, rhs).ok_or_else(|| RuleError {
                    rule: rule.name.clone(),
                })?;
                if !lefts.is_empty() && is_wanted(rule, lhs, rhs) {
                    applications.push(Application {
                        rule: i,
                        lefts,
                        rhs: rhs.clone(),
                    });
                }
            }
        }
        Ok(Self {
            rules: rules.to_vec(),
            applications,
        })
    }

    /// Those of `ir-specs/rules`, for graphs.
    pub fn shipped() -> &'static Self {
        static RULES: LazyLock<Rules> = LazyLock::new(|| {
            let all = Rules::for_graphs(rewrite_rules());
            all.unwrap_or_else(|e| panic!("the shipped rules are used, which a test checks: {e}"))
        });
        &RULES
    }

    /// The rules.
    pub fn rules(&self) -> &[RewriteRule] {
        &self.rules
    }
}

/// How far an e-graph grows. The counts decide results, never a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Nodes beyond which nothing is added.
    pub nodes: usize,
    /// Rounds of all rules.
    pub iterations: usize,
}

impl Default for Limits {
    /// What a neuron is worth: a fraction of a millisecond, with nearly all of what more would
    /// give.
    fn default() -> Self {
        Self {
            nodes: 400,
            iterations: 4,
        }
    }
}

/// What a saturation did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Grown {
    /// Rules, by position, that said something new.
    pub(crate) fired: Vec<bool>,
    /// Nothing new could be said.
    pub(crate) saturated: bool,
}

/// Applies the rules where `enabled` until nothing is new or a limit is met. `graph` may hold a
/// contradiction afterwards; then it says nothing.
pub(crate) fn saturate(
    graph: &mut Graph,
    rules: &Rules,
    enabled: &dyn Fn(usize) -> bool,
    limits: Limits,
) -> Grown {
    let mut grown = Grown {
        fired: vec![false; rules.rules.len()],
        saturated: false,
    };
    graph.rebuild();
    tidy(graph);
    for _ in 0..limits.iterations {
        let mut found = Vec::new();
        let applications = rules.applications.iter();
        for application in applications.filter(|a| enabled(a.rule)) {
            for left in &application.lefts {
                let matches = left.pattern.search(graph);
                found.push((application, left, matches));
            }
        }
        let mut is_new = false;
        for (application, left, matches) in found {
            let rule = &rules.rules[application.rule];
            for m in &matches {
                for subst in &m.substs {
                    if graph.analysis.contradiction || graph.total_size() > limits.nodes {
                        graph.rebuild();
                        return grown;
                    }
                    let Some(right) = right_side(graph, rule, left, &application.rhs, subst) else {
                        continue;
                    };
                    if graph.union(m.eclass, right) {
                        grown.fired[application.rule] = true;
                        is_new = true;
                    }
                }
            }
        }
        graph.rebuild();
        is_new |= tidy(graph);
        if !is_new {
            grown.saturated = true;
            break;
        }
    }
    grown
}

/// The class that a match is equal to; `None` where the rule does not apply.
fn right_side(
    graph: &mut Graph,
    rule: &RewriteRule,
    left: &Left,
    rhs: &Term,
    subst: &Subst,
) -> Option<Id> {
    let mut bound = Bound::new(rule.variables.len());
    for (id, variable) in rule.variables.iter() {
        let Some(class) = subst.get(var(id)) else {
            continue;
        };
        let facts = graph[*class].data;
        if variable.kind.is_known() {
            let v = facts.and_then(Facts::known)?;
            bound.bind(rule, id, v).then_some(())?;
        } else {
            bound.learn(id, facts);
        }
    }
    for (v, changed) in &left.changed {
        let value = graph[*subst.get(*v)?].data.and_then(Facts::known)?;
        let (id, value) = changed.solve(value)?;
        bound.bind(rule, id, value).then_some(())?;
    }
    if let Some(when) = &rule.when
        && bound.holds(when) != Some(true)
    {
        return None;
    }
    let mut maker = Maker {
        graph,
        rule,
        bound: &bound,
        subst,
    };
    maker.term(rhs)
}

/// The operands of an operator that commutes, in the order that the normal form has: what is known
/// on the right, else the older class first.
fn ordered(graph: &Graph, a: Id, b: Id) -> [Id; 2] {
    let known = |id: Id| graph[id].data.and_then(Facts::known).is_some();
    let (a, b) = (graph.find(a), graph.find(b));
    match (known(a), a) <= (known(b), b) {
        true => [a, b],
        false => [b, a],
    }
}

/// An expression in the normal order.
pub(crate) fn normal(graph: &Graph, expr: Expr) -> Expr {
    match expr {
        Expr::Add([a, b]) => Expr::Add(ordered(graph, a, b)),
        Expr::Mul([a, b]) => Expr::Mul(ordered(graph, a, b)),
        Expr::Min([a, b]) => Expr::Min(ordered(graph, a, b)),
        Expr::Max([a, b]) => Expr::Max(ordered(graph, a, b)),
        Expr::And([a, b]) => Expr::And(ordered(graph, a, b)),
        Expr::Or([a, b]) => Expr::Or(ordered(graph, a, b)),
        Expr::Int(_)
        | Expr::Leaf(_)
        | Expr::Shr(_)
        | Expr::Low(_)
        | Expr::Less(_)
        | Expr::Not(_)
        | Expr::Select(_) => expr,
    }
}

/// Adds a right side to the graph.
struct Maker<'a> {
    graph: &'a mut Graph,
    rule: &'a RewriteRule,
    bound: &'a Bound,
    subst: &'a Subst,
}

impl Maker<'_> {
    fn int(&mut self, v: i128) -> Id {
        add(self.graph, Expr::Int(v))
    }

    fn known(&self, id: Id) -> Option<i128> {
        self.graph[id].data.and_then(Facts::known)
    }

    fn ordered(&self, a: Id, b: Id) -> [Id; 2] {
        ordered(self.graph, a, b)
    }

    fn times(&mut self, a: Id, c: i128) -> Id {
        let c = self.int(c);
        self.product(a, c)
    }

    fn product(&mut self, a: Id, b: Id) -> Id {
        let [a, b] = self.ordered(a, b);
        add(self.graph, Expr::Mul([a, b]))
    }

    fn negated(&mut self, term: &Term) -> Option<Id> {
        match term {
            Term::Neg(a) => self.term(a),
            Term::Binary(Binary::Mul, x, c) if c.is_known(&self.rule.variables) => {
                let (x, c) = (self.term(x)?, self.bound.value(c)?.checked_neg()?);
                Some(self.times(x, c))
            }
            Term::Binary(Binary::Mul, c, x) if c.is_known(&self.rule.variables) => {
                let (x, c) = (self.term(x)?, self.bound.value(c)?.checked_neg()?);
                Some(self.times(x, c))
            }
            Term::Shl(x, s) => {
                let (x, p) = (self.term(x)?, self.power(s)?);
                Some(self.times(x, -p))
            }
            other => {
                let a = self.term(other)?;
                Some(match self.known(a).and_then(i128::checked_neg) {
                    Some(v) => self.int(v),
                    None => self.times(a, -1),
                })
            }
        }
    }

    fn amount(&self, s: &Term) -> Option<u32> {
        let s = u32::try_from(self.bound.value(s)?).ok()?;
        (s <= 127).then_some(s)
    }

    fn power(&self, s: &Term) -> Option<i128> {
        power(self.amount(s)?)
    }

    fn term(&mut self, term: &Term) -> Option<Id> {
        if term.is_known(&self.rule.variables) {
            let v = self.bound.value(term)?;
            return Some(self.int(v));
        }
        match term {
            Term::Variable(id) => self.subst.get(var(*id)).copied(),
            Term::Int(v) => Some(self.int((*v).into())),
            Term::Fact(..) | Term::Div(..) | Term::Log2(_) => {
                let v = self.bound.value(term)?;
                Some(self.int(v))
            }
            Term::Neg(a) => self.negated(a),
            Term::Binary(op, a, b) => self.binary(*op, a, b),
            Term::Shl(a, s) => {
                let (a, p) = (self.term(a)?, self.power(s)?);
                Some(self.times(a, p))
            }
            Term::Shr(a, s) => {
                let (a, s) = (self.term(a)?, self.amount(s)?);
                let s = self.int(s.into());
                Some(add(self.graph, Expr::Shr([a, s])))
            }
            Term::ModPow2(a, s) => {
                let (a, s) = (self.term(a)?, self.amount(s)?);
                let s = self.int(s.into());
                Some(add(self.graph, Expr::Low([a, s])))
            }
            Term::Select(c, a, b) => {
                let cab = [self.truth(c)?, self.term(a)?, self.term(b)?];
                Some(add(self.graph, Expr::Select(cab)))
            }
            Term::Truth(c) => self.truth(c),
        }
    }

    fn binary(&mut self, op: Binary, a: &Term, b: &Term) -> Option<Id> {
        let (a, b) = match op {
            Binary::Sub => (self.term(a)?, self.negated(b)?),
            Binary::Add | Binary::Mul | Binary::Min | Binary::Max => (self.term(a)?, self.term(b)?),
        };
        let ab = self.ordered(a, b);
        Some(match op {
            Binary::Add | Binary::Sub => add(self.graph, Expr::Add(ab)),
            Binary::Mul => self.product(a, b),
            Binary::Min => add(self.graph, Expr::Min(ab)),
            Binary::Max => add(self.graph, Expr::Max(ab)),
        })
    }

    fn truth(&mut self, truth: &Truth) -> Option<Id> {
        if truth.is_known(&self.rule.variables) {
            let v = self.bound.holds(truth)?;
            return Some(self.int(v.into()));
        }
        match truth {
            Truth::Variable(id) => self.subst.get(var(*id)).copied(),
            Truth::Cmp(op, a, b) => {
                let (a, b) = (self.term(a)?, self.term(b)?);
                let graph = &mut *self.graph;
                let mut made = |e| {
                    let e = normal(graph, e);
                    add(graph, e)
                };
                Some(compare(*op, a, b, &mut made))
            }
            Truth::Not(a) => {
                let a = self.truth(a)?;
                Some(add(self.graph, Expr::Not(a)))
            }
            Truth::And(a, b) => {
                let (a, b) = (self.truth(a)?, self.truth(b)?);
                Some(add(self.graph, Expr::And(self.ordered(a, b))))
            }
            Truth::Or(a, b) => {
                let (a, b) = (self.truth(a)?, self.truth(b)?);
                Some(add(self.graph, Expr::Or(self.ordered(a, b))))
            }
        }
    }
}
