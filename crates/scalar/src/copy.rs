//! From one graph to another: nodes over new operands.

use crate::DagError;
use crate::dag::{Dag, DagId, LinearForm, Node};
use std::collections::HashMap;

/// The new node of an old one.
pub(crate) fn found(new: &HashMap<DagId, DagId>, id: DagId) -> Result<DagId, DagError> {
    new.get(&id).copied().ok_or(DagError::Index)
}

/// The node over the new graph's ids; terms that are known go into the constant.
pub(crate) fn renamed(dag: &Dag, id: DagId, new: &HashMap<DagId, DagId>) -> Result<Node, DagError> {
    let of = |id: &DagId| found(new, *id);
    Ok(match dag.node(id) {
        Node::Input(i) => Node::Input(*i),
        Node::Linear(form) => {
            let mut sum = LinearForm::constant(form.constant);
            let mut terms = Vec::with_capacity(form.terms.len());
            for (t, c) in &form.terms {
                match dag.facts(*t).known() {
                    Some(v) => {
                        let product = c.checked_mul(v);
                        let constant = product.and_then(|p| sum.constant.checked_add(p));
                        sum.constant = constant.ok_or(DagError::Range)?;
                    }
                    None => terms.push((of(t)?, *c)),
                }
            }
            sum.plus(&LinearForm::gathered(terms)?)
                .map(Node::Linear)
                .ok_or(DagError::Range)?
        }
        Node::Shr(a, s) => Node::Shr(of(a)?, *s),
        Node::Low(a, s) => Node::Low(of(a)?, *s),
        Node::Min(a, b) => Node::Min(of(a)?, of(b)?),
        Node::Max(a, b) => Node::Max(of(a)?, of(b)?),
        Node::Negative(a) => Node::Negative(of(a)?),
        Node::Not(a) => Node::Not(of(a)?),
        Node::And(a, b) => Node::And(of(a)?, of(b)?),
        Node::Or(a, b) => Node::Or(of(a)?, of(b)?),
        Node::Select(c, a, b) => Node::Select(of(c)?, of(a)?, of(b)?),
        Node::Lookup(a, table) => Node::Lookup(of(a)?, table.clone()),
    })
}

impl Dag {
    /// The part of the graph that `roots` depend on, with all that was learned, and the roots in
    /// it.
    ///
    /// # Errors
    /// [`DagError::Contradiction`] for a graph that contradicts itself.
    pub fn restricted(&self, roots: &[DagId]) -> Result<(Self, Vec<DagId>), DagError> {
        let mut part = Self::new(self.inputs().to_vec());
        let mut new: HashMap<DagId, DagId> = HashMap::new();
        for id in self.reachable(roots) {
            let copy = match renamed(self, id, &new)? {
                Node::Linear(form) => part.sum(form)?,
                other => part.add(other)?,
            };
            part.learn(copy, self.facts(id))?;
            new.insert(id, copy);
        }
        let roots = roots.iter().map(|r| found(&new, *r));
        Ok((part, roots.collect::<Result<_, _>>()?))
    }
}
