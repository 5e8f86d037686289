//! Floors that count from their least value.
//!
//! A floor within 100 to 110 takes seven bits, its distance from 100 four. The offset is a constant
//! of the sum under the floor, where it costs nothing.

use crate::DagError;
use crate::copy::{found, renamed};
use crate::dag::{Dag, DagId, LinearForm, Node};
use crate::facts::Facts;
use std::collections::HashMap;

/// The graph in which every floor of a sum that keeps away from 0 is a constant and a floor that
/// starts at 0, and its roots.
///
/// # Errors
/// As [`Dag::add`].
pub fn offset(dag: &Dag, roots: &[DagId]) -> Result<(Dag, Vec<DagId>), DagError> {
    let mut out = Dag::new(dag.inputs().to_vec());
    let mut new: HashMap<DagId, DagId> = HashMap::new();
    for id in dag.reachable(roots) {
        let facts = dag.facts(id);
        let node = renamed(dag, id, &new)?;
        let copy = match node {
            Node::Shr(a, s) if s < 64 && away(facts) => {
                let least = facts.lo.checked_mul(1 << s).ok_or(DagError::Range)?;
                let range = out.facts(a);
                let mut under = out.form(a);
                let constant = under.constant.checked_sub(least);
                under.constant = constant.ok_or(DagError::Range)?;
                let under = out.sum(under)?;
                out.learn(under, Facts::within(range.lo - least, range.hi - least))?;
                let floor = out.add(Node::Shr(under, s))?;
                out.learn(floor, Facts::within(0, facts.hi - facts.lo))?;
                out.sum(LinearForm {
                    terms: vec![(floor, 1)],
                    constant: facts.lo,
                })?
            }
            Node::Linear(form) => flat(&mut out, form)?,
            other => out.add(other)?,
        };
        out.learn(copy, facts)?;
        new.insert(id, copy);
    }
    let roots = roots
        .iter()
        .map(|r| found(&new, *r))
        .collect::<Result<_, _>>()?;
    Ok((out, roots))
}

/// Of more than one value, and 0 is none of them.
fn away(facts: Facts) -> bool {
    facts.lo < facts.hi && (facts.lo > 0 || facts.hi < 0)
}

/// A sum whose terms are no floors with an offset.
fn flat(out: &mut Dag, form: LinearForm) -> Result<DagId, DagError> {
    let mut terms = Vec::with_capacity(form.terms.len());
    let mut constant = form.constant;
    for (t, c) in form.terms {
        let inner = match out.node(t) {
            Node::Linear(inner) => match inner.terms[..] {
                [(floor, 1)] => Some((floor, inner.constant)),
                _ => None,
            },
            _ => None,
        };
        let (t, own) = inner.unwrap_or((t, 0));
        let product = c.checked_mul(own).and_then(|p| constant.checked_add(p));
        constant = product.ok_or(DagError::Range)?;
        terms.push((t, c));
    }
    let form = LinearForm {
        constant,
        ..LinearForm::gathered(terms)?
    };
    out.sum(form)
}
