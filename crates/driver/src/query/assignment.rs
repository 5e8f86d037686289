//! Assignments: the values of all variables of a query, and how they are written.

use super::bind::Bound;
use super::{Query, internal};
use ceg4n_base::{Diagnostic, Exact};
use ceg4n_import::vnnlib2::{ElementType, tensor_proto};
use ceg4n_verify::{Precision, Witness};
use serde::Serialize;
use std::fmt::Write;

/// Digits of a number whose decimals do not end.
const DIGITS: u64 = 60;

/// A variable with its values.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// The type of its elements.
    pub element: ElementType,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its elements, row-major.
    pub values: Vec<Exact>,
}

/// The values of all variables, in the order of their declaration.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// See above.
    pub variables: Vec<Variable>,
}

/// A variable, for programs.
#[derive(Serialize)]
struct Row<'a> {
    name: &'a str,
    element: &'static str,
    shape: &'a [usize],
    values: Vec<String>,
}

impl Serialize for Assignment {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let rows = self.variables.iter().map(|v| Row {
            name: &v.name,
            element: v.element.name(),
            shape: &v.shape,
            values: v.values.iter().map(decimal).collect(),
        });
        s.collect_seq(rows)
    }
}

impl Assignment {
    /// The assignment that a witness is; `None` if it does not satisfy the query's text, exactly.
    pub(super) fn of(bound: &Bound, w: &Witness) -> Option<Self> {
        let (n, k) = (&w.reference, &w.kernel);
        let outputs: Vec<&Vec<Exact>> = match (bound.networks, bound.swapped) {
            (1, _) => vec![k],
            (_, true) => vec![k, n],
            (_, false) => vec![n, k],
        };
        match &bound.query {
            Query::One(q) => {
                let scalar = |(name, value): (String, &Exact)| Variable {
                    name,
                    element: ElementType::Real,
                    shape: Vec::new(),
                    values: vec![value.clone()],
                };
                let x = w.x.iter().enumerate();
                let y = k.iter().enumerate();
                let named = (x.map(|(i, v)| (format!("X_{i}"), v)))
                    .chain(y.map(|(j, v)| (format!("Y_{j}"), v)));
                let found = Self {
                    variables: named.map(scalar).collect(),
                };
                (q.inputs() == w.x.len() && q.outputs() == k.len()).then_some(found)
            }
            Query::Two(q) => {
                let single = bound.precision() == Precision::Float32;
                let mut variables = Vec::new();
                for (network, y) in q.networks().iter().zip(outputs) {
                    for (t, values) in [(&network.inputs, &w.x), (&network.outputs, y)] {
                        let [t] = &t[..] else { return None };
                        let rounded = single && t.element == ElementType::Float32;
                        let values = values.iter().map(|v| match rounded {
                            true => nearest_single(v),
                            false => Some(v.clone()),
                        });
                        variables.push(Variable {
                            name: t.name.clone(),
                            // Values in exact arithmetic are no float32.
                            element: if rounded {
                                t.element
                            } else {
                                ElementType::Real
                            },
                            shape: t.shape.clone(),
                            values: values.collect::<Option<_>>()?,
                        });
                    }
                }
                let found = Self { variables };
                q.holds(&found.values()).then_some(found)
            }
        }
    }

    /// The elements of all variables.
    pub fn values(&self) -> Vec<Exact> {
        let all = self.variables.iter().flat_map(|v| &v.values);
        all.cloned().collect()
    }

    /// As the standard's command line has it: per variable a line `NAME TYPE [dims]` and a line
    /// per element. Decimals that do not end are cut.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for v in &self.variables {
            let dims: Vec<String> = v.shape.iter().map(ToString::to_string).collect();
            // Writing to a string does not fail.
            let _ = writeln!(out, "{} {} [{}]", v.name, v.element.name(), dims.join(","));
            for value in &v.values {
                let _ = writeln!(out, "{}", decimal(value));
            }
        }
        out
    }

    /// A file name and the serialised ONNX tensor of each variable.
    ///
    /// # Errors
    /// A type that no tensor is written for.
    pub fn to_tensors(&self) -> Result<Vec<(String, Vec<u8>)>, Diagnostic> {
        let one = |v: &Variable| {
            let values: Vec<f64> = v.values.iter().map(Exact::to_f64).collect();
            let bytes = tensor_proto(&v.name, v.element, &v.shape, &values)?;
            Ok((format!("{}.pb", v.name), bytes))
        };
        self.variables.iter().map(one).collect()
    }

    /// True if evaluating the networks again, exactly, at the inputs of this assignment gives its
    /// outputs (but for their rounding to float32), and the query's text is true of it.
    pub(super) fn replays(&self, bound: &Bound) -> Result<bool, Diagnostic> {
        let inputs = match &bound.query {
            Query::One(q) => q.inputs(),
            Query::Two(_) => self.variables.first().map_or(0, |v| v.values.len()),
        };
        let x: Vec<Exact> = self.values().into_iter().take(inputs).collect();
        let defect = |e: &dyn std::fmt::Display| internal(e.to_string());
        let (_, kernel) = bound.subject.outputs(&x).map_err(|e| defect(&e))?;
        let reference = bound.reference.outputs(&x).map_err(|e| defect(&e))?;
        let witness = Witness {
            x,
            input: Vec::new(),
            reference,
            kernel,
        };
        let inside = |(r, p): &(ceg4n_ir::Region, ceg4n_ir::Property)| {
            let ends = r.lower.iter().zip(&r.upper);
            witness
                .x
                .iter()
                .zip(ends)
                .all(|(x, (l, u))| l <= x && x <= u)
                && ceg4n_verify::subject::breaks(p, &witness.reference, &witness.kernel)
        };
        Ok(bound.parts.iter().any(inside) && Self::of(bound, &witness).as_ref() == Some(self))
    }
}

/// The nearest float32; `None` beyond the largest.
pub(super) fn nearest_single(v: &Exact) -> Option<Exact> {
    let near = v.to_f64() as f32;
    // Rounded twice; one of the neighbours is nearer at worst.
    let far = |f: f32| {
        let d = &Exact::from_f32(f)? - v;
        Some((if d.signum() < 0 { -&d } else { d }, f))
    };
    let best = [near, near.next_up(), near.next_down()];
    let best = best
        .into_iter()
        .filter_map(far)
        .min_by(|a, b| a.0.cmp(&b.0));
    best.and_then(|(_, f)| Exact::from_f32(f))
}

/// A decimal; one that does not end is cut after 60 digits behind the point.
pub(super) fn decimal(v: &Exact) -> String {
    let text = v.to_string();
    if !text.contains('/') {
        return text;
    }
    let (mut num, den) = v.to_ratio();
    let negative = num < num_bigint::BigInt::ZERO;
    if negative {
        num = -num;
    }
    let whole = &num / &den;
    let mut rest = num % &den;
    let mut out = format!("{}{whole}.", if negative { "-" } else { "" });
    for _ in 0..DIGITS {
        rest *= 10;
        let _ = write!(out, "{}", &rest / &den);
        rest %= &den;
    }
    out
}
