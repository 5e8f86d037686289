//! Network blocks: operands by name, constants with their data, one output.

use super::{Known, comment, numbers, operators, unknown, wide_numbers};
use crate::ast::{self, Attribute, Data, Name, Operation};
use crate::files::Cache;
use ceg4n_base::entity::EntityRef;
use ceg4n_base::{Diagnostic, Exact, Location, Span, codes};
use ceg4n_ir::{Anchor, Comments, Constant, Network, NetworkBuilder, Op, Origin, Shape, ValueId};
use std::collections::{BTreeMap, BTreeSet};

/// Builds the network; in every case says what is known of it.
pub(super) fn resolve(
    ast: ast::Network,
    cache: &mut Cache<'_>,
    comments: &mut Comments,
    errors: &mut Vec<Diagnostic>,
) -> (Option<Network>, Known) {
    let place = ast.name.as_ref().map(|n| n.span);
    let name = ast.name.map(|n| n.text).unwrap_or_default();
    let later = ast
        .values
        .iter()
        .map(|v| (v.name.text.clone(), v.name.span))
        .collect();
    let mut scope = Scope {
        builder: NetworkBuilder::new(name.clone()),
        broken: ast.broken_names,
        later,
        any_broken: ast.broken,
        errors,
    };
    comment(comments, Anchor::Network, ast.notes);
    comment(comments, Anchor::Output, ast.output_notes);
    for mut value in ast.values {
        let notes = std::mem::take(&mut value.notes);
        match scope.value(value, cache) {
            Ok(id) => comment(comments, Anchor::Value(id), notes),
            Err(Skipped(name)) => {
                scope.any_broken = true;
                scope.broken.insert(name);
            }
        }
    }
    let output = scope.output(&ast.outputs, &name, place);
    let known = scope.known(output);
    (scope.finish(output, place), known)
}

/// A value that cannot be built, reported already; its users are not reported.
struct Skipped(String);

struct Scope<'e> {
    builder: NetworkBuilder,
    broken: BTreeSet<String>,
    /// Every value of the block, also those not built yet.
    later: BTreeMap<String, Span>,
    any_broken: bool,
    errors: &'e mut Vec<Diagnostic>,
}

impl Scope<'_> {
    fn value(&mut self, value: ast::Value, cache: &mut Cache<'_>) -> Result<ValueId, Skipped> {
        let ast::Value {
            name,
            operation,
            shape,
            span,
            ..
        } = value;
        let (declared, shape_span) = match shape {
            Some((s, at)) => (Some(s), Some(at)),
            None => (None, None),
        };
        let place = shape_span.unwrap_or(name.span);
        let op = match operation {
            Operation::Input => Some((Op::Input, declared)),
            Operation::Const(data) => self.constant(&name, data, declared, place, cache),
            Operation::Wide { enclosed, data } => {
                self.wide(&name, data, enclosed, declared, place, cache)
            }
            Operation::Call {
                operator,
                operands,
                attributes,
            } => {
                let op = self.call(&operator, &operands, &attributes);
                op.map(|op| (op, declared))
            }
        };
        let Some((op, declared)) = op else {
            return Err(Skipped(name.text));
        };
        // The whole statement of an operator, but not the numbers of a constant.
        let span = if matches!(op, Op::Const(_)) {
            name.span
        } else {
            span
        };
        Ok(self.builder.push(name.text, op, declared, Some(span)))
    }

    fn constant(
        &mut self,
        name: &Name,
        data: Data<f32>,
        declared: Option<Shape>,
        place: Span,
        cache: &mut Cache<'_>,
    ) -> Option<(Op, Option<Shape>)> {
        let origin = match &data {
            Data::Inline(_) => Origin::Inline,
            Data::File { path, tensor } => Origin::File {
                path: path.text.clone(),
                tensor: tensor.text.clone(),
            },
        };
        let what = format!("%{}", name.text);
        match numbers(data, declared.as_ref(), &what, place, cache) {
            Ok((shape, data)) => {
                let data = data.into();
                Some((
                    Op::Const(Constant {
                        data,
                        origin,
                        wide: None,
                    }),
                    Some(shape),
                ))
            }
            Err(d) => {
                self.errors.push(d);
                None
            }
        }
    }

    fn wide(
        &mut self,
        name: &Name,
        data: Data<Exact>,
        enclosed: bool,
        declared: Option<Shape>,
        place: Span,
        cache: &mut Cache<'_>,
    ) -> Option<(Op, Option<Shape>)> {
        let what = format!("%{}", name.text);
        match wide_numbers(data, declared.as_ref(), &what, place, cache, enclosed) {
            Ok((shape, constant)) => Some((Op::Const(constant), Some(shape))),
            Err(d) => {
                self.errors.push(d);
                None
            }
        }
    }

    fn call(&mut self, operator: &Name, operands: &[Name], attributes: &[Attribute]) -> Option<Op> {
        let ids: Vec<_> = operands.iter().map(|o| self.operand(o)).collect();
        if let Err(d) = operators::known(operator, ids.len()) {
            self.errors.push(d);
            return None;
        }
        let ids = ids.into_iter().collect::<Option<Vec<_>>>()?;
        // Of a convolution the weight's axes, since its operand may be broken.
        let axes = ids.get(1).map_or(0, |w| {
            let rank = self.builder.values()[*w].shape.0.len();
            rank.saturating_sub(2)
        });
        match operators::build(operator, &ids, attributes, axes) {
            Ok(op) => Some(op),
            Err(errors) => {
                self.errors.extend(errors);
                None
            }
        }
    }

    fn operand(&mut self, name: &Name) -> Option<ValueId> {
        if let Some(id) = self.builder.find(&name.text) {
            return Some(id);
        }
        if self.broken.contains(&name.text) {
            return None;
        }
        let d = match self.later.get(&name.text) {
            Some(below) => Diagnostic::error(
                codes::UNKNOWN_NAME,
                format!("%{} is used before it is defined", name.text),
            )
            .at(Some(name.span), "used here")
            .related(Some(*below), "defined here"),
            None => unknown(
                "value",
                name,
                "%",
                self.builder.values().values().map(|v| v.name.as_str()),
            ),
        };
        self.errors.push(d);
        None
    }

    fn output(&mut self, outputs: &[Name], network: &str, place: Option<Span>) -> Option<ValueId> {
        let Some((first, more)) = outputs.split_first() else {
            if !self.any_broken {
                let message = format!("network @{network} has no output");
                let d = Diagnostic::error(codes::STRUCTURE, message).at(place, "this network");
                self.errors.push(d.help("write output %name; at its end"));
            }
            return None;
        };
        for second in more {
            let d = Diagnostic::error(codes::STRUCTURE, "a network has one output")
                .at(Some(second.span), "second output")
                .related(Some(first.span), "first output");
            self.errors.push(d);
        }
        self.operand(first)
    }

    fn known(&self, output: Option<ValueId>) -> Known {
        let values = self.builder.values();
        let input = values.values().find(|v| matches!(v.op, Op::Input));
        // Where something is broken a shape may be made up.
        let sure = |shape: &Shape| (!self.any_broken).then(|| shape.len());
        Known {
            inputs: input.map(|v| v.shape.len()),
            outputs: output.and_then(|o| sure(&values[o].shape)),
            values: values
                .iter()
                .map(|(id, v)| (v.name.clone(), (id, v.shape.clone())))
                .collect(),
            broken: self.broken.clone(),
            open: false,
        }
    }

    /// Closes the builder for its errors, also without an output.
    fn finish(self, output: Option<ValueId>, place: Option<Span>) -> Option<Network> {
        let stand_in = || {
            let mut values = self.builder.values().iter();
            let found = values.find(|(_, v)| !matches!(v.op, Op::Const(_)));
            found.map_or_else(|| ValueId::new(0), |(id, _)| id)
        };
        let id = output.unwrap_or_else(stand_in);
        match self.builder.finish(id) {
            Ok(network) => output.map(|_| network),
            Err(found) => {
                // Without an output, or with broken values, the structure is not judged.
                let judged = !self.any_broken && output.is_some();
                for mut d in found.0 {
                    if d.location == Location::None {
                        d = d.at(place, "this network");
                    }
                    if judged || d.code != codes::STRUCTURE {
                        self.errors.push(d);
                    }
                }
                None
            }
        }
    }
}
