//! A graph's values over any domain.

use crate::dag::{Dag, DagId, LinearForm, Node};
use ceg4n_opspec::{Cmp, Domain, MeaningError};

/// What sees every number of an evaluation.
pub type Seen<'a, D> = dyn FnMut(
        &mut D,
        DagId,
        <D as Domain>::Value,
        bool,
    ) -> Result<<D as Domain>::Value, <D as Domain>::Error>
    + 'a;

/// A value of a domain: a number or a truth.
enum Value<D: Domain> {
    Number(D::Value),
    Truth(D::Bool),
}

impl Dag {
    /// The values of `roots`, which are numbers, for inputs of a domain. `seen` gets every number
    /// with its node, and whether it is a sum that is a term of another one; it may replace the
    /// number by an equal one.
    ///
    /// # Errors
    /// Those of the domain; [`MeaningError::Unbound`] for a missing input.
    pub fn evaluate<D: Domain>(
        &self,
        domain: &mut D,
        inputs: &[D::Value],
        roots: &[DagId],
        seen: &mut Seen<'_, D>,
    ) -> Result<Vec<D::Value>, D::Error> {
        let mut values: Vec<Option<Value<D>>> = Vec::new();
        values.resize_with(self.len(), || None);
        let reachable = self.reachable(roots);
        let mut is_term = vec![false; self.len()];
        for id in &reachable {
            if let Node::Linear(form) = self.node(*id) {
                for (t, _) in &form.terms {
                    is_term[t.as_u32() as usize] = matches!(self.node(*t), Node::Linear(_));
                }
            }
        }
        for id in reachable {
            let at = id.as_u32() as usize;
            let mut value = self.value(domain, inputs, &values, id)?;
            if let Value::Number(v) = value {
                value = Value::Number(seen(domain, id, v, is_term[at])?);
            }
            values[at] = Some(value);
        }
        roots.iter().map(|r| number(domain, &values, *r)).collect()
    }

    fn value<D: Domain>(
        &self,
        d: &mut D,
        inputs: &[D::Value],
        values: &[Option<Value<D>>],
        id: DagId,
    ) -> Result<Value<D>, D::Error> {
        let number = |d: &mut D, id: &DagId| number(d, values, *id);
        let truth = |d: &mut D, id: &DagId| truth(d, values, *id);
        Ok(Value::Number(match self.node(id) {
            Node::Input(i) => inputs
                .get(*i)
                .cloned()
                .ok_or_else(|| MeaningError::Unbound(format!("input {i}")))?,
            Node::Linear(form) => linear(d, values, form)?,
            Node::Shr(a, s) => {
                let a = number(d, a)?;
                d.shr_floor(&a, *s)?
            }
            Node::Low(a, s) => {
                let a = number(d, a)?;
                d.mod_pow2(&a, *s)?
            }
            Node::Min(a, b) => {
                let (a, b) = (number(d, a)?, number(d, b)?);
                d.min(&a, &b)?
            }
            Node::Max(a, b) => {
                let (a, b) = (number(d, a)?, number(d, b)?);
                d.max(&a, &b)?
            }
            Node::Select(c, a, b) => {
                let c = truth(d, c)?;
                let (a, b) = (number(d, a)?, number(d, b)?);
                d.select(&c, &a, &b)?
            }
            Node::Lookup(a, table) => {
                let at = number(d, a)?;
                d.lookup(&at, table.len(), &mut |i| {
                    let entry = table.get(i).copied();
                    let extent = table.len();
                    entry.ok_or_else(|| {
                        let index = i64::try_from(i).unwrap_or(i64::MAX);
                        MeaningError::Index { index, extent }.into()
                    })
                })?
            }
            Node::Negative(a) => {
                let (a, zero) = (number(d, a)?, d.int(0)?);
                return Ok(Value::Truth(d.cmp(Cmp::Lt, &a, &zero)?));
            }
            Node::Not(a) => {
                let a = truth(d, a)?;
                return Ok(Value::Truth(d.not(&a)?));
            }
            Node::And(a, b) => {
                let (a, b) = (truth(d, a)?, truth(d, b)?);
                return Ok(Value::Truth(d.and(&a, &b)?));
            }
            Node::Or(a, b) => {
                let (a, b) = (truth(d, a)?, truth(d, b)?);
                return Ok(Value::Truth(d.or(&a, &b)?));
            }
        }))
    }
}

fn linear<D: Domain>(
    d: &mut D,
    values: &[Option<Value<D>>],
    form: &LinearForm,
) -> Result<D::Value, D::Error> {
    let mut products = Vec::with_capacity(form.terms.len() + 1);
    for (t, c) in &form.terms {
        products.push((number(d, values, *t)?, d.int(*c)?));
    }
    products.push((d.int(form.constant)?, d.int(1)?));
    d.dot(products)
}

fn number<D: Domain>(
    d: &mut D,
    values: &[Option<Value<D>>],
    id: DagId,
) -> Result<D::Value, D::Error> {
    match values.get(id.as_u32() as usize).and_then(Option::as_ref) {
        Some(Value::Number(v)) => Ok(v.clone()),
        Some(Value::Truth(t)) => {
            let (one, zero) = (d.int(1)?, d.int(0)?);
            d.select(t, &one, &zero)
        }
        None => Err(MeaningError::Unbound(id.to_string()).into()),
    }
}

fn truth<D: Domain>(
    d: &mut D,
    values: &[Option<Value<D>>],
    id: DagId,
) -> Result<D::Bool, D::Error> {
    match values.get(id.as_u32() as usize).and_then(Option::as_ref) {
        Some(Value::Truth(t)) => Ok(t.clone()),
        Some(Value::Number(v)) => {
            let zero = d.int(0)?;
            d.cmp(Cmp::Ne, v, &zero)
        }
        None => Err(MeaningError::Unbound(id.to_string()).into()),
    }
}
