//! What of a query can be decided: boxes of inputs that all networks share, each with forbidden
//! cases of linear constraints on the outputs.

use super::Query;
use super::declare::{NetworkDeclaration, Tensor};
use super::formula::{Comparator, Comparison, Formula};
use crate::vnnlib::cases::{
    Assertions, Formula as Demands, MAX_CASES, Part, TooMany, parts as to_parts,
};
use crate::vnnlib::linear::{Demand, Linear};
use ceg4n_base::{Diagnostic, Diagnostics, Exact, Span, codes};
use ceg4n_ir::{OutputConstraint, OutputSpec, Region};
use std::collections::BTreeSet;

/// A query as questions about boxes: it has an assignment if one of them has.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Boxes of the inputs, closed, and the cases asked for there. Outputs of all networks follow
    /// each other in the order of their declaration. Strict bounds of inputs are taken as closed.
    pub parts: Vec<(Region, OutputSpec)>,
    /// Inputs have strict bounds, so that an assignment on an end of a box may be none.
    pub strict_inputs: bool,
}

/// A place of an element.
enum At {
    Input(usize),
    Output(usize),
    Hidden,
}

impl Query {
    /// The questions of a query about one network, or about several that take the same inputs.
    /// Regions are called `stem`, or `stem.1`, `stem.2`, …
    ///
    /// # Errors
    /// [`codes::QUERY`] for what cannot be decided: networks on different inputs, comparisons
    /// between inputs, of inputs with outputs or of hidden values, too many cases;
    /// [`codes::REGION`] for an input without bounds.
    pub fn problem(&self, stem: &str) -> Result<Problem, Diagnostics> {
        let mut reader = Reader::new(self)?;
        reader.shared_inputs()?;
        for f in &self.assertions {
            reader.assertion(f);
        }
        if !reader.errors.0.is_empty() {
            return Err(reader.errors);
        }
        let inputs = reader.inputs;
        let parts = match to_parts(&reader.assertions, &reader.demands, inputs) {
            Ok(parts) => parts,
            // No point satisfies the bounds of the inputs.
            Err(d) if d.code == codes::REGION => Vec::new(),
            Err(d) => return Err(d.into()),
        };
        let many = parts.len() > 1;
        let named = |(k, part): (usize, Part)| {
            let id = match many {
                true => format!("{stem}.{}", k + 1),
                false => stem.to_owned(),
            };
            let spec = OutputSpec {
                path: stem.to_owned(),
                outputs: reader.outputs,
                cases: distinct(part.cases),
            };
            Ok((self.region(id, part.lower, part.upper)?, spec))
        };
        let list: Result<_, Diagnostic> = parts.into_iter().enumerate().map(named).collect();
        Ok(Problem {
            parts: list?,
            strict_inputs: reader.strict_inputs,
        })
    }

    fn region(
        &self,
        id: String,
        lower: Vec<Option<Exact>>,
        upper: Vec<Option<Exact>>,
    ) -> Result<Region, Diagnostic> {
        let mut region = Region {
            id,
            lower: Vec::with_capacity(lower.len()),
            upper: Vec::with_capacity(upper.len()),
            center: None,
            ball_size: None,
            span: None,
        };
        for (i, (l, u)) in lower.into_iter().zip(upper).enumerate() {
            let (Some(l), Some(u)) = (&l, &u) else {
                let side = if l.is_none() { "lower" } else { "upper" };
                let (name, span) = self.input_name(i);
                let d = Diagnostic::error(codes::REGION, format!("{name} has no {side} bound"));
                return Err(d.at(span, "declared here"));
            };
            region.lower.push(l.clone());
            region.upper.push(u.clone());
        }
        Ok(region)
    }

    /// Element `i` of the first network's inputs.
    fn input_name(&self, i: usize) -> (String, Option<Span>) {
        let inputs = self.networks.iter().take(1).flat_map(|n| &n.inputs);
        let mut from = 0;
        for t in inputs {
            if i < from + t.len() {
                return (t.element_name(i - from), Some(t.span));
            }
            from += t.len();
        }
        (format!("input {i}"), None)
    }
}

/// Every case once.
fn distinct(cases: Vec<Vec<OutputConstraint>>) -> Vec<Vec<OutputConstraint>> {
    let mut seen = BTreeSet::new();
    let text = |case: &Vec<OutputConstraint>| format!("{case:?}");
    let mut cases = cases;
    cases.retain(|case| seen.insert(text(case)));
    cases
}

struct Reader<'q> {
    query: &'q Query,
    /// Where each element of all tensors is; those of shared inputs at the first network's.
    places: Vec<At>,
    /// Inputs of one network.
    inputs: usize,
    /// Outputs of all networks.
    outputs: usize,
    strict_inputs: bool,
    demands: Vec<(Demand, Span)>,
    assertions: Assertions,
    errors: Diagnostics,
}

fn elements(tensors: &[Tensor]) -> usize {
    tensors.iter().map(Tensor::len).sum()
}

impl<'q> Reader<'q> {
    fn new(query: &'q Query) -> Result<Self, Diagnostic> {
        let inputs = query.networks.first().map_or(0, |n| elements(&n.inputs));
        let (mut places, mut outputs) = (Vec::new(), 0);
        for n in &query.networks {
            let own = elements(&n.inputs);
            if own != inputs {
                let message = format!("{} takes {own} numbers, not {inputs}", n.name);
                let d = Diagnostic::error(codes::QUERY, message);
                return Err(d
                    .at(Some(n.span), "another input")
                    .help("networks are compared on the same inputs"));
            }
            places.extend((0..own).map(At::Input));
            places.extend((0..elements(&n.hidden)).map(|_| At::Hidden));
            let own = elements(&n.outputs);
            places.extend((outputs..outputs + own).map(At::Output));
            outputs += own;
        }
        Ok(Self {
            query,
            places,
            inputs,
            outputs,
            strict_inputs: false,
            demands: Vec::new(),
            assertions: Assertions::default(),
            errors: Diagnostics::default(),
        })
    }

    /// Refuses networks whose inputs are not required to be those of the first.
    fn shared_inputs(&self) -> Result<(), Diagnostic> {
        let Some((first, others)) = self.query.networks.split_first() else {
            return Ok(());
        };
        // Pairs of elements of which one is at most the other; equal in both directions.
        let mut at_most: BTreeSet<(usize, usize)> = BTreeSet::new();
        for f in &self.query.assertions {
            f.each_certain(&mut |c| {
                if let Some((a, b)) = ordered(c) {
                    at_most.insert((a, b));
                    if c.comparator == Comparator::Equal {
                        at_most.insert((b, a));
                    }
                }
            });
        }
        let start = |n: &NetworkDeclaration| n.inputs.first().map_or(0, |t| t.first);
        for n in others {
            for i in 0..self.inputs {
                let (a, b) = (start(first) + i, start(n) + i);
                if !(at_most.contains(&(a, b)) && at_most.contains(&(b, a))) {
                    return Err(self.unshared(first, n, i));
                }
            }
        }
        Ok(())
    }

    fn unshared(&self, first: &NetworkDeclaration, n: &NetworkDeclaration, i: usize) -> Diagnostic {
        let name = |n: &NetworkDeclaration| {
            let mut from = 0;
            for t in &n.inputs {
                if i < from + t.len() {
                    return (t.element_name(i - from), t.span);
                }
                from += t.len();
            }
            (String::new(), n.span)
        };
        let ((a, _), (b, span)) = (name(first), name(n));
        let message = format!("{b} is not required to be {a}");
        Diagnostic::error(codes::QUERY, message)
            .at(Some(span), format!("another input than {}'s", first.name))
            .help(format!(
                "networks are compared on the same inputs: (assert (== {a} {b}))"
            ))
    }

    fn assertion(&mut self, f: &Formula) {
        let formula = self.formula(f);
        if !self.errors.0.is_empty() {
            return;
        }
        if let Err(TooMany) = self.assertions.add(&formula) {
            let message = format!("multiplied out, the query has more than {MAX_CASES} cases");
            let d = Diagnostic::error(codes::QUERY, message);
            self.errors.push(
                d.at(span_of(f), "with this assertion")
                    .help("split the query into several files"),
            );
        }
    }

    /// Recurses as deep as parentheses nest, which is limited.
    fn formula(&mut self, f: &Formula) -> Demands {
        match f {
            Formula::All(list) => Demands::All(list.iter().map(|f| self.formula(f)).collect()),
            Formula::Any(list) => Demands::Any(list.iter().map(|f| self.formula(f)).collect()),
            Formula::One(c) => match self.comparison(c) {
                Ok(demands) => demands,
                Err(d) => {
                    self.errors.push(d);
                    Demands::All(Vec::new())
                }
            },
        }
    }

    fn comparison(&mut self, c: &Comparison) -> Result<Demands, Diagnostic> {
        let negated = || Linear::default().plus(&c.difference, &Exact::from(-1));
        let mut side = |d: &Linear<usize>, strict: bool| -> Result<Demands, Diagnostic> {
            let demand = self.demand(c, d, strict)?;
            self.demands.push((demand, c.span));
            // A text of 4 G comparisons is beyond what is read.
            Ok(Demands::One((self.demands.len() - 1) as u32))
        };
        let d = &c.difference;
        Ok(match c.comparator {
            Comparator::Less => side(d, true)?,
            Comparator::AtMost => side(d, false)?,
            Comparator::Equal => Demands::All(vec![side(d, false)?, side(&negated(), false)?]),
            Comparator::Unequal => Demands::Any(vec![side(d, true)?, side(&negated(), true)?]),
        })
    }

    /// `d ≤ 0` (or `< 0`) as a demand on one side of the networks.
    fn demand(
        &mut self,
        c: &Comparison,
        d: &Linear<usize>,
        strict: bool,
    ) -> Result<Demand, Diagnostic> {
        let fail = |message: &str, label: &str| {
            Err(Diagnostic::error(codes::QUERY, message).at(Some(c.span), label))
        };
        // Shared inputs may cancel out.
        let (mut inputs, mut outputs) = (Linear::default(), Linear::default());
        for (v, a) in &d.terms {
            match self.places.get(*v) {
                Some(At::Input(i)) => inputs = inputs.plus(&Linear::variable(*i), a),
                Some(At::Output(j)) => outputs = outputs.plus(&Linear::variable(*j), a),
                Some(At::Hidden) | None => {
                    return fail(
                        "constraints of hidden values are not supported",
                        "a value inside of a network",
                    );
                }
            }
        }
        let constant = d.constant();
        if inputs.terms.is_empty() {
            let coefficients: Vec<(usize, Exact)> = outputs.terms.into_iter().collect();
            if coefficients.is_empty() {
                let sign = constant.signum();
                return Ok(Demand::Constant(sign < 0 || (sign == 0 && !strict)));
            }
            return Ok(Demand::Output(OutputConstraint {
                coefficients,
                constant,
                strict,
            }));
        }
        if !outputs.terms.is_empty() {
            return fail(
                "constraints between inputs and outputs are not supported",
                "both in one comparison",
            );
        }
        let mut terms = inputs.terms.into_iter();
        let (Some((i, a)), None) = (terms.next(), terms.next()) else {
            return fail(
                "constraints between inputs are not supported: regions are boxes",
                "several inputs in one comparison",
            );
        };
        self.strict_inputs |= strict;
        match (-&constant).checked_div(&a) {
            Some(bound) if a.signum() > 0 => Ok(Demand::AtMost(i, bound)),
            Some(bound) => Ok(Demand::AtLeast(i, bound)),
            None => fail("this comparison has no meaning", ""),
        }
    }
}

/// Two elements of which the first is at most the second, where a comparison says that.
fn ordered(c: &Comparison) -> Option<(usize, usize)> {
    if !matches!(c.comparator, Comparator::AtMost | Comparator::Equal) {
        return None;
    }
    let terms: Vec<_> = c.difference.terms.iter().collect();
    let [(v, a), (w, b)] = terms[..] else {
        return None;
    };
    if !c.difference.constant().is_zero() || !(a + b).is_zero() {
        return None;
    }
    Some(if a.signum() > 0 { (*v, *w) } else { (*w, *v) })
}

/// Where a formula's first comparison stands.
fn span_of(f: &Formula) -> Option<Span> {
    match f {
        Formula::One(c) => Some(c.span),
        Formula::All(list) | Formula::Any(list) => list.iter().find_map(span_of),
    }
}
