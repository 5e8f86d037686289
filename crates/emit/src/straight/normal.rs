//! What ranges decide: minima and maxima that cannot act, floors of floors, common factors.
//!
//! Every rule is an equation over all integers in the operands' ranges:
//! - `max(a, b) = a` where `a ≥ b` on the ranges, and the like for `min` and choices;
//! - `floor((w·max(a, d) + k) / 2^s) = max(floor((w·a + k) / 2^s), floor((w·d + k) / 2^s))` for
//!   `w > 0` and a constant `d`, because the floor is monotone; the bound then meets that of the
//!   format's clamp;
//! - `floor((2^t·a + k) / 2^s) = floor((a + floor(k / 2^t)) / 2^(s - t))` for `t ≤ s`;
//! - `floor((floor(a / 2^p) + k) / 2^s) = floor((a + k·2^p) / 2^(p + s))`.

use super::{Mapping, Straight};
use ceg4n_scalar::{Dag, DagError, DagId, Facts, LinearForm, Node};

/// The graph without what ranges decide.
pub(super) fn decided(straight: &Straight) -> Result<Straight, DagError> {
    straight.mapped(|dag, mapping, id| {
        let mut this = Normal { dag, mapping };
        this.node(straight.dag.node(id))
    })
}

struct Normal<'a> {
    dag: &'a mut Dag,
    mapping: &'a Mapping,
}

impl Normal<'_> {
    fn node(&mut self, node: &Node) -> Result<DagId, DagError> {
        let new = |id: &DagId| self.mapping.of(*id);
        match node {
            Node::Input(i) => self.dag.input(*i),
            Node::Linear(form) => {
                let mut sum = LinearForm::constant(form.constant);
                for (t, c) in &form.terms {
                    let term = self.form(new(t)?).times(*c);
                    sum = over(term.and_then(|t| sum.plus(&t)))?;
                }
                self.dag.sum(sum)
            }
            Node::Shr(a, s) => {
                let form = self.form(new(a)?);
                self.shr(form, *s)
            }
            Node::Low(a, s) => {
                let a = new(a)?;
                self.known_or(Node::Low(a, *s))
            }
            Node::Min(a, b) => {
                let (a, b) = (new(a)?, new(b)?);
                self.min(a, b)
            }
            Node::Max(a, b) => {
                let (a, b) = (new(a)?, new(b)?);
                self.max(a, b)
            }
            Node::Negative(a) => {
                let a = new(a)?;
                self.known_or(Node::Negative(a))
            }
            Node::Not(a) => {
                let a = new(a)?;
                self.known_or(Node::Not(a))
            }
            Node::And(a, b) => {
                let (a, b) = (new(a)?, new(b)?);
                match (self.known(a), self.known(b)) {
                    (Some(1), _) => Ok(b),
                    (_, Some(1)) => Ok(a),
                    _ if a == b => Ok(a),
                    _ => self.known_or(Node::And(a, b)),
                }
            }
            Node::Or(a, b) => {
                let (a, b) = (new(a)?, new(b)?);
                match (self.known(a), self.known(b)) {
                    (Some(0), _) => Ok(b),
                    (_, Some(0)) => Ok(a),
                    (Some(_), _) | (_, Some(_)) => self.dag.constant(1),
                    _ if a == b => Ok(a),
                    _ => self.known_or(Node::Or(a, b)),
                }
            }
            Node::Select(c, a, b) => {
                let (c, a, b) = (new(c)?, new(a)?, new(b)?);
                match self.known(c) {
                    Some(0) => Ok(b),
                    Some(_) => Ok(a),
                    None if a == b => Ok(a),
                    None => self.known_or(Node::Select(c, a, b)),
                }
            }
            Node::Lookup(a, table) => {
                let a = new(a)?;
                self.known_or(Node::Lookup(a, table.clone()))
            }
        }
    }

    fn known(&self, id: DagId) -> Option<i128> {
        self.dag.facts(id).known()
    }

    /// The node as a sum: a known value is that value.
    fn form(&self, id: DagId) -> LinearForm {
        match self.known(id) {
            Some(v) => LinearForm::constant(v),
            None => self.dag.form(id),
        }
    }

    /// The node, or the only value that it can have.
    fn known_or(&mut self, node: Node) -> Result<DagId, DagError> {
        let id = self.dag.add(node)?;
        match self.known(id) {
            Some(v) => self.dag.constant(v),
            None => Ok(id),
        }
    }

    fn max(&mut self, a: DagId, b: DagId) -> Result<DagId, DagError> {
        let (f, g) = (self.dag.facts(a), self.dag.facts(b));
        if a == b || f.lo >= g.hi {
            return Ok(a);
        }
        if g.lo >= f.hi {
            return Ok(b);
        }
        // A bound goes second.
        let (a, b) = if f.known().is_some() { (b, a) } else { (a, b) };
        if let (Some(c), Node::Max(x, d)) = (self.known(b), self.dag.node(a).clone())
            && let Some(d) = self.known(d)
        {
            let bound = self.dag.constant(c.max(d))?;
            return self.max(x, bound);
        }
        self.known_or(Node::Max(a, b))
    }

    fn min(&mut self, a: DagId, b: DagId) -> Result<DagId, DagError> {
        let (f, g) = (self.dag.facts(a), self.dag.facts(b));
        if a == b || f.hi <= g.lo {
            return Ok(a);
        }
        if g.hi <= f.lo {
            return Ok(b);
        }
        let (a, b) = if f.known().is_some() { (b, a) } else { (a, b) };
        if let (Some(c), Node::Min(x, d)) = (self.known(b), self.dag.node(a).clone())
            && let Some(d) = self.known(d)
        {
            let bound = self.dag.constant(c.min(d))?;
            return self.min(x, bound);
        }
        self.known_or(Node::Min(a, b))
    }

    /// The floor of a sum over `2^s`.
    fn shr(&mut self, form: LinearForm, s: u32) -> Result<DagId, DagError> {
        if s == 0 || form.terms.is_empty() {
            let shifted = LinearForm {
                constant: form.constant >> s.min(127),
                ..form
            };
            return self.dag.sum(shifted);
        }
        if let [(t, w @ 1..)] = form.terms[..] {
            let k = form.constant;
            let inner = |bound: i128| over(bound.checked_mul(w).and_then(|b| b.checked_add(k)));
            match self.dag.node(t).clone() {
                Node::Max(a, d) if self.known(d).is_some() && self.is_no_wider(a, t, w, k) => {
                    let bound = inner(self.known(d).unwrap_or(0))? >> s.min(127);
                    let (x, bound) = (self.under(a, w, k, s)?, self.dag.constant(bound)?);
                    return self.max(x, bound);
                }
                Node::Min(a, d) if self.known(d).is_some() && self.is_no_wider(a, t, w, k) => {
                    let bound = inner(self.known(d).unwrap_or(0))? >> s.min(127);
                    let (x, bound) = (self.under(a, w, k, s)?, self.dag.constant(bound)?);
                    return self.min(x, bound);
                }
                Node::Shr(a, p) if w == 1 && self.fits_unshifted(a, p, k) => {
                    let up = over(k.checked_mul(1i128 << p))?;
                    let sum = over(self.form(a).plus(&LinearForm::constant(up)))?;
                    return self.shr(sum, p + s);
                }
                Node::Input(_)
                | Node::Linear(_)
                | Node::Shr(..)
                | Node::Low(..)
                | Node::Min(..)
                | Node::Max(..)
                | Node::Negative(_)
                | Node::Not(_)
                | Node::And(..)
                | Node::Or(..)
                | Node::Select(..)
                | Node::Lookup(..) => {}
            }
        }
        let common = form.terms.iter().map(|(_, c)| c.trailing_zeros()).min();
        let t = common.unwrap_or(0).min(s);
        let reduced = LinearForm {
            terms: form.terms.iter().map(|(x, c)| (*x, c >> t)).collect(),
            constant: form.constant >> t,
        };
        let sum = self.dag.sum(reduced)?;
        match s - t {
            0 => Ok(sum),
            s => self.known_or(Node::Shr(sum, s)),
        }
    }

    /// True if `w·a + k` takes no larger word than `w·t + k`.
    fn is_no_wider(&self, a: DagId, t: DagId, w: i128, k: i128) -> bool {
        let class = |x: DagId| {
            let product = self.dag.facts(x).times(w)?;
            Some(class(product.add(Facts::constant(k))?))
        };
        class(a).is_some_and(|a| Some(a) <= class(t))
    }

    /// True if `a + k·2^p` takes no larger word than `a`.
    fn fits_unshifted(&self, a: DagId, p: u32, k: i128) -> bool {
        let up = (p < 60).then(|| k.checked_mul(1i128 << p)).flatten();
        let a = self.dag.facts(a);
        let sum = up.and_then(|up| a.add(Facts::constant(up)));
        sum.is_some_and(|sum| class(sum) <= class(a))
    }

    /// `floor((w·a + k) / 2^s)`
    fn under(&mut self, a: DagId, w: i128, k: i128, s: u32) -> Result<DagId, DagError> {
        let product = self.form(a).times(w);
        let sum = over(product.and_then(|p| p.plus(&LinearForm::constant(k))))?;
        self.shr(sum, s)
    }
}

/// Words double.
fn class(f: Facts) -> u32 {
    f.width().max(16).next_power_of_two()
}

fn over<T>(value: Option<T>) -> Result<T, DagError> {
    value.ok_or(DagError::Range)
}
