//! A graph rewritten: each of its expressions in an e-graph of its own, equal ones once.

use super::cut::{Cut, Role};
use super::expression::{Builder, Expression};
use super::known::power;
use super::language::{Expr, amount};
use super::rules::{Limits, Rules};
use super::{Simplified, simplify};
use crate::DagError;
use crate::cost::Cost;
use crate::dag::{Dag, DagId, LinearForm, Node};
use crate::facts::Facts;
use ceg4n_base::entity::SecondaryMap;
use egg::Id;
use std::collections::HashMap;

/// How a graph is rewritten.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// What is known to be equal.
    pub rules: &'a Rules,
    /// What decides between equal expressions.
    pub cost: &'a dyn Cost,
    /// How far the e-graph of one expression grows.
    pub limits: Limits,
}

/// What a rewriting did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Expressions between cuts.
    pub expressions: usize,
    /// Those of them that were rewritten; the others equal one of these, leaves' facts included.
    pub distinct: usize,
    /// Expressions that were replaced.
    pub replaced: usize,
    /// Expressions with more equal ones than the limits allow to find.
    pub unsaturated: usize,
    /// Expressions that stay because two proofs about a part exclude each other. Not 0 says that
    /// a rule or something learned is wrong.
    pub contradictions: usize,
    /// In how many expressions each rule said something new.
    pub fired: Vec<usize>,
    /// Nodes before and after.
    pub nodes: [usize; 2],
    /// Cost before and after.
    pub cost: [u64; 2],
}

/// A rewritten graph.
#[derive(Clone, Debug)]
pub struct Rewritten {
    /// The graph: what the roots depend on and nothing else.
    pub dag: Dag,
    /// The roots in it, in their order.
    pub roots: Vec<DagId>,
    /// What was done.
    pub stats: Stats,
}

/// An equal graph that is not dearer: for all inputs within the ranges of `dag`, every root has
/// the same value.
///
/// # Errors
/// [`DagError`]: what was learned about the graph contradicts itself.
pub fn rewrite(dag: &Dag, roots: &[DagId], options: &Options<'_>) -> Result<Rewritten, DagError> {
    let reachable = dag.reachable(roots);
    let mut work = Rebuild {
        old: dag,
        new: Dag::new(dag.inputs().to_vec()),
        cut: Cut::of(dag, &reachable, roots),
        mapped: SecondaryMap::new(),
        options,
        done: HashMap::new(),
        stats: Stats {
            fired: vec![0; options.rules.rules().len()],
            ..Stats::default()
        },
    };
    for id in &reachable {
        work.node(*id)?;
    }
    let mut tops = Vec::with_capacity(roots.len());
    for r in roots {
        let form = work.mapped[*r].clone();
        let top = work.whole(&form)?;
        work.new.learn(top, dag.facts(*r))?;
        tops.push(top);
    }
    let mut stats = work.stats;
    let (mut made, mut tops) = work.new.restricted(&tops)?;
    let before = dag.cost(roots, options.cost);
    // An expression costs as if it were alone; together, they may share more as they were.
    if made.cost(&tops, options.cost) > before {
        (made, tops) = dag.restricted(roots)?;
        stats.replaced = 0;
    }
    stats.nodes = [reachable.len(), made.len()];
    stats.cost = [before, made.cost(&tops, options.cost)];
    Ok(Rewritten {
        dag: made,
        roots: tops,
        stats,
    })
}

struct Rebuild<'a> {
    old: &'a Dag,
    new: Dag,
    cut: Cut,
    /// What became of opaque nodes and of tops.
    mapped: SecondaryMap<DagId, LinearForm>,
    options: &'a Options<'a>,
    done: HashMap<Expression, Simplified>,
    stats: Stats,
}

/// A single node as a form.
fn once(id: DagId) -> LinearForm {
    LinearForm {
        terms: vec![(id, 1)],
        constant: 0,
    }
}

/// The terms without their common power of two, and its exponent.
fn without_factor(form: &LinearForm) -> (LinearForm, u32) {
    let zeros = form.terms.iter().map(|(_, c)| c.trailing_zeros());
    let shift = zeros.min().unwrap_or(0).min(126);
    let terms = form.terms.iter().map(|(t, c)| (*t, c >> shift)).collect();
    (LinearForm { terms, constant: 0 }, shift)
}

/// `form·2^shift + constant`
fn times_plus(form: &LinearForm, shift: u32, constant: i128) -> Option<LinearForm> {
    let product = form.times(power(shift)?)?;
    product.plus(&LinearForm::constant(constant))
}

fn over(form: Option<LinearForm>) -> Result<LinearForm, DagError> {
    form.ok_or(DagError::Range)
}

impl Rebuild<'_> {
    fn node(&mut self, id: DagId) -> Result<(), DagError> {
        let made = match (self.cut.roles[id], self.old.node(id)) {
            (Role::Unused | Role::Part(_), _) => return Ok(()),
            (Role::Opaque, Node::Input(i)) => once(self.new.input(*i)?),
            (Role::Opaque, Node::Lookup(a, table)) => {
                let (old, form) = (*a, self.mapped[*a].clone());
                let a = self.whole(&form)?;
                // An equal index may seem to leave the list where its operands say less.
                self.new.learn(a, self.old.facts(old))?;
                once(self.new.add(Node::Lookup(a, table.clone()))?)
            }
            (Role::Opaque | Role::Top, Node::Linear(form)) if self.is_flat(form) => {
                self.sum(form)?
            }
            (Role::Opaque | Role::Top, _) => self.expression(id)?,
        };
        self.mapped[id] = self.kept(id, made)?;
        Ok(())
    }

    /// Whether every term is mapped already.
    fn is_flat(&self, form: &LinearForm) -> bool {
        let mut roles = form.terms.iter().map(|(t, _)| self.cut.roles[*t]);
        roles.all(|r| matches!(r, Role::Opaque | Role::Top))
    }

    /// The value of a node that is mapped: a constant if it has only one value, and a sum of
    /// several terms as one node if several nodes use it.
    fn kept(&mut self, id: DagId, form: LinearForm) -> Result<LinearForm, DagError> {
        let facts = self.old.facts(id);
        let is_shared = form.terms.len() > 1 && self.cut.users[id] > 1;
        let (inner, shift) = match form.terms.as_slice() {
            [(t, 1)] if form.constant == 0 => (once(*t), 0),
            _ if is_shared => without_factor(&form),
            _ => return Ok(form),
        };
        let whole = self.whole(&inner)?;
        let minus = form.constant.checked_neg().map(Facts::constant);
        if let Some(facts) = minus.and_then(|c| facts.add(c)) {
            self.new.learn(whole, facts.shr(shift))?;
        }
        match self.new.facts(whole).known() {
            Some(v) => over(times_plus(&LinearForm::constant(v), shift, form.constant)),
            None => over(times_plus(&once(whole), shift, form.constant)),
        }
    }

    fn whole(&mut self, form: &LinearForm) -> Result<DagId, DagError> {
        self.new.sum(form.clone())
    }

    /// A form times a constant: a sum of several terms stays one where that saves products.
    fn times(&mut self, form: &LinearForm, c: i128) -> Result<LinearForm, DagError> {
        if form.terms.len() > 1 && c.unsigned_abs().count_ones() > 1 {
            let whole = self.whole(form)?;
            return over(once(whole).times(c));
        }
        over(form.times(c))
    }

    /// A sum of mapped terms.
    fn sum(&mut self, form: &LinearForm) -> Result<LinearForm, DagError> {
        let mut all: Vec<(DagId, i128)> = Vec::with_capacity(form.terms.len());
        let mut constant = form.constant;
        for (t, c) in &form.terms {
            let term = self.mapped[*t].clone();
            let term = self.times(&term, *c)?;
            let sum = constant.checked_add(term.constant);
            constant = sum.ok_or(DagError::Range)?;
            all.extend(term.terms);
        }
        Ok(LinearForm {
            constant,
            ..LinearForm::gathered(all)?
        })
    }

    fn expression(&mut self, top: DagId) -> Result<LinearForm, DagError> {
        let mut encoder = Encoder {
            of: self,
            top,
            builder: Builder::new(),
            leaves: Vec::new(),
            place: HashMap::new(),
        };
        let root = encoder.node(top)?;
        let (builder, leaves) = (encoder.builder, encoder.leaves);
        let expression = builder.finish(root);
        let simplified = self.simplified(&expression)?;
        self.decode(&simplified, &leaves)
    }

    fn simplified(&mut self, expression: &Expression) -> Result<Expression, DagError> {
        self.stats.expressions += 1;
        if !self.done.contains_key(expression) {
            self.stats.distinct += 1;
            let Options {
                rules,
                cost,
                limits,
            } = *self.options;
            let found = simplify(expression, rules, cost, limits);
            if found == Err(DagError::Contradiction) {
                self.stats.contradictions += 1;
            }
            let found = found.unwrap_or_else(|_| Simplified {
                expression: expression.clone(),
                fired: Vec::new(),
                saturated: true,
            });
            self.done.insert(expression.clone(), found);
        }
        let found = self.done.get(expression).ok_or(DagError::Index)?;
        self.stats.unsaturated += usize::from(!found.saturated);
        self.stats.replaced += usize::from(found.expression.nodes() != expression.nodes());
        found.fired.iter().for_each(|r| self.stats.fired[*r] += 1);
        Ok(found.expression.clone())
    }

    /// Puts an expression into the new graph; the value of its root.
    fn decode(
        &mut self,
        expression: &Expression,
        leaves: &[LinearForm],
    ) -> Result<LinearForm, DagError> {
        let mut values: Vec<LinearForm> = Vec::with_capacity(expression.nodes().len());
        for (i, expr) in expression.nodes().iter().enumerate() {
            let facts = expression.facts(Id::from(i));
            let value = match facts.and_then(|f| f.known()) {
                Some(v) => LinearForm::constant(v),
                None => self.decoded(expr, expression, &values, leaves)?,
            };
            if let ([(node, 1)], 0, Some(facts)) = (value.terms.as_slice(), value.constant, facts) {
                self.new.learn(*node, facts)?;
            }
            values.push(value);
        }
        values.pop().ok_or(DagError::Index)
    }

    fn decoded(
        &mut self,
        expr: &Expr,
        expression: &Expression,
        values: &[LinearForm],
        leaves: &[LinearForm],
    ) -> Result<LinearForm, DagError> {
        let of = |id: Id| &values[usize::from(id)];
        let known = |id: Id| amount(expression.facts(id)).ok_or(DagError::Range);
        // An operand as one node, with what is proved of it.
        let operand = |this: &mut Self, id: Id| {
            let node = this.whole(of(id))?;
            if let Some(facts) = expression.facts(id) {
                this.new.learn(node, facts)?;
            }
            Ok::<_, DagError>(node)
        };
        let node = match *expr {
            Expr::Int(v) => return Ok(LinearForm::constant(v)),
            Expr::Leaf(n) => return leaves.get(n as usize).cloned().ok_or(DagError::Index),
            Expr::Add([a, b]) => return over(of(a).plus(of(b))),
            Expr::Mul([a, b]) => {
                return match (of(a).known(), of(b).known()) {
                    (_, Some(c)) => self.times(of(a), c),
                    (Some(c), None) => self.times(of(b), c),
                    (None, None) => Err(DagError::Product),
                };
            }
            Expr::Shr([a, s]) => match known(s)? {
                0 => return Ok(of(a).clone()),
                s => Node::Shr(operand(self, a)?, s),
            },
            Expr::Low([a, s]) => match known(s)? {
                0 => return Ok(LinearForm::constant(0)),
                s => Node::Low(operand(self, a)?, s),
            },
            Expr::Min([a, b]) => Node::Min(operand(self, a)?, operand(self, b)?),
            Expr::Max([a, b]) => Node::Max(operand(self, a)?, operand(self, b)?),
            Expr::Less([a, b]) => {
                let d = over(of(b).times(-1).and_then(|b| of(a).plus(&b)))?;
                match d.known() {
                    Some(v) => return Ok(LinearForm::constant((v < 0).into())),
                    None => Node::Negative(self.whole(&d)?),
                }
            }
            Expr::Not(a) => Node::Not(operand(self, a)?),
            Expr::And([a, b]) => Node::And(operand(self, a)?, operand(self, b)?),
            Expr::Or([a, b]) => Node::Or(operand(self, a)?, operand(self, b)?),
            Expr::Select([c, a, b]) => {
                Node::Select(operand(self, c)?, operand(self, a)?, operand(self, b)?)
            }
        };
        Ok(once(self.new.add(node)?))
    }
}

/// Makes an expression of a part of the old graph, over leaves of the new one.
struct Encoder<'b, 'a> {
    of: &'b mut Rebuild<'a>,
    top: DagId,
    builder: Builder,
    leaves: Vec<LinearForm>,
    place: HashMap<DagId, Id>,
}

impl Encoder<'_, '_> {
    /// The recursion is as deep as the expression, which the cut bounds.
    fn node(&mut self, id: DagId) -> Result<Id, DagError> {
        if let Some(known) = self.place.get(&id) {
            return Ok(*known);
        }
        let is_inside = id == self.top || self.of.cut.roles[id] == Role::Part(self.top);
        let made = match is_inside {
            true => self.inside(id)?,
            false => {
                let form = self.of.mapped[id].clone();
                self.form(&form, Some(self.of.old.facts(id)))?
            }
        };
        self.builder.learn(made, self.of.old.facts(id));
        self.place.insert(id, made);
        Ok(made)
    }

    fn inside(&mut self, id: DagId) -> Result<Id, DagError> {
        Ok(match self.of.old.node(id) {
            Node::Input(_) | Node::Lookup(..) => return Err(DagError::Index),
            Node::Linear(form) => {
                let terms = form.terms.iter();
                let terms = terms.map(|(t, c)| Ok((self.node(*t)?, *c)));
                let terms = terms.collect::<Result<Vec<_>, DagError>>()?;
                self.chain(&terms, form.constant)
            }
            Node::Shr(a, s) => {
                let a = self.node(*a)?;
                self.builder.shr(a, *s)
            }
            Node::Low(a, s) => {
                let a = self.node(*a)?;
                self.builder.low(a, *s)
            }
            Node::Min(a, b) => {
                let (a, b) = (self.node(*a)?, self.node(*b)?);
                self.builder.min(a, b)
            }
            Node::Max(a, b) => {
                let (a, b) = (self.node(*a)?, self.node(*b)?);
                self.builder.max(a, b)
            }
            Node::Negative(a) => self.negative(*a)?,
            Node::Not(a) => {
                let a = self.node(*a)?;
                self.builder.not(a)
            }
            Node::And(a, b) => {
                let (a, b) = (self.node(*a)?, self.node(*b)?);
                self.builder.and(a, b)
            }
            Node::Or(a, b) => {
                let (a, b) = (self.node(*a)?, self.node(*b)?);
                self.builder.or(a, b)
            }
            Node::Select(c, a, b) => {
                let (c, a, b) = (self.node(*c)?, self.node(*a)?, self.node(*b)?);
                self.builder.select(c, a, b)
            }
        })
    }

    /// `a < 0` as a comparison of what is added with what is subtracted, as it was written.
    fn negative(&mut self, a: DagId) -> Result<Id, DagError> {
        let is_inside = self.of.cut.roles[a] == Role::Part(self.top);
        let form = match (is_inside, self.of.old.node(a)) {
            (true, Node::Linear(form)) => form.clone(),
            _ => once(a),
        };
        let (mut plus, mut minus) = (Vec::new(), Vec::new());
        for (t, c) in &form.terms {
            let node = self.node(*t)?;
            match *c < 0 {
                true => minus.push((node, c.checked_neg().ok_or(DagError::Range)?)),
                false => plus.push((node, *c)),
            }
        }
        let constant = form.constant.checked_neg().ok_or(DagError::Range)?;
        // A constant stands alone where a side has nothing else.
        let (left, right) = match plus.is_empty() {
            true => (form.constant, 0),
            false => (0, constant),
        };
        let (a, b) = (self.chain(&plus, left), self.chain(&minus, right));
        Ok(self.builder.less(a, b))
    }

    /// A form over the new graph: a sum of several terms is a leaf, its constant and a common
    /// power of two stand outside.
    fn form(&mut self, form: &LinearForm, facts: Option<Facts>) -> Result<Id, DagError> {
        let whole = facts;
        let (inner, outer) = match form.terms.as_slice() {
            [] => return Ok(self.builder.int(form.constant)),
            [(t, c)] => (once(*t), *c),
            _ => {
                let (inner, shift) = without_factor(form);
                (inner, 1 << shift)
            }
        };
        let facts = match inner.terms.as_slice() {
            [(t, 1)] => self.of.new.facts(*t),
            _ => {
                let own = self.of.new.facts_of(&Node::Linear(inner.clone()))?;
                // What is known of the whole is known of its part.
                let minus = form.constant.checked_neg().map(Facts::constant);
                let part = whole.zip(minus).and_then(|(whole, c)| whole.add(c));
                let part = part.map(|f| f.shr(outer.trailing_zeros()));
                own.both(part.unwrap_or(own))
                    .ok_or(DagError::Contradiction)?
            }
        };
        let number = self.leaves.iter().position(|l| *l == inner);
        let number = number.unwrap_or_else(|| {
            self.leaves.push(inner);
            self.leaves.len() - 1
        });
        let number = u32::try_from(number).map_err(|_| DagError::Size)?;
        let is_sum = self.leaves[number as usize].terms.len() > 1;
        let leaf = match is_sum {
            true => self.builder.sum_leaf(number, facts),
            false => self.builder.leaf(number, facts),
        };
        Ok(self.chain(&[(leaf, outer)], form.constant))
    }

    /// A short sum: its terms one after the other, a common power of two and then the constant
    /// outside.
    fn chain(&mut self, terms: &[(Id, i128)], constant: i128) -> Id {
        let shift = terms.iter().map(|(_, c)| c.trailing_zeros()).min();
        let shift = shift.unwrap_or(0).min(126);
        let mut sum: Option<Id> = None;
        for (t, c) in terms {
            let term = match c >> shift {
                1 => *t,
                c => self.builder.times(*t, c),
            };
            sum = Some(match sum {
                None => term,
                Some(sum) => self.builder.sum(sum, term),
            });
        }
        let Some(mut sum) = sum else {
            return self.builder.int(constant);
        };
        if shift > 0 {
            sum = self.builder.times(sum, 1 << shift);
        }
        if constant != 0 {
            let constant = self.builder.int(constant);
            sum = self.builder.sum(sum, constant);
        }
        sum
    }
}
