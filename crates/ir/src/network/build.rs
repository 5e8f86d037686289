//! Building a network: every value is checked as it is added, every error is kept.

mod shapes;

use super::{Constant, Network, Op, Slide, Value, ValueId};
use crate::types::Shape;
use ceg4n_base::entity::PrimaryMap;
use ceg4n_base::{ContentHash, Diagnostic, Diagnostics, Hasher, Span, codes};
use std::collections::BTreeMap;

/// Builds a [`Network`]; collects every error instead of stopping at the first.
#[derive(Debug)]
pub struct NetworkBuilder {
    pub(super) name: String,
    pub(super) values: PrimaryMap<ValueId, Value>,
    pub(super) names: BTreeMap<String, ValueId>,
    pub(super) errors: Diagnostics,
}

impl NetworkBuilder {
    /// An empty network.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            values: PrimaryMap::new(),
            names: BTreeMap::new(),
            errors: Diagnostics::default(),
        }
    }

    /// Adds a value and checks it: `shape` is what was declared, `None` takes the computed one.
    /// An error is kept for [`Self::finish`]; the value still gets an id, so that later ones
    /// can be checked too.
    pub fn push(
        &mut self,
        name: impl Into<String>,
        op: Op,
        shape: Option<Shape>,
        span: Option<Span>,
    ) -> ValueId {
        let name = name.into();
        let computed = self.shape_of(&name, &op, shape.as_ref(), span);
        if let (Some(want), Some(have)) = (&shape, &computed)
            && want != have
        {
            self.errors.push(
                Diagnostic::error(
                    codes::SHAPE,
                    format!(
                        "%{name} is declared tensor<{want}> but {} gives tensor<{have}>",
                        op.name()
                    ),
                )
                .at(span, "declared here")
                .help(format!("write tensor<{have}>, or mend the operands")),
            );
        }
        let shape = shape.or(computed).unwrap_or_else(|| Shape::vector(1));
        let id = self.values.push(Value {
            name: name.clone(),
            op,
            shape,
            span,
        });
        if let Some(first) = self.names.insert(name.clone(), id) {
            let before = self.values[first].span;
            self.errors.push(
                Diagnostic::error(codes::DUPLICATE_NAME, format!("%{name} is defined twice"))
                    .at(span, "second definition")
                    .related(before, "first definition"),
            );
        }
        id
    }

    /// A value by name.
    pub fn find(&self, name: &str) -> Option<ValueId> {
        self.names.get(name).copied()
    }

    /// The values so far.
    pub fn values(&self) -> &PrimaryMap<ValueId, Value> {
        &self.values
    }

    /// Adds an error found by the caller, to be returned with the others.
    pub fn error(&mut self, d: Diagnostic) {
        self.errors.push(d);
    }

    /// Checks the whole and closes it.
    pub fn finish(mut self, output: ValueId) -> Result<Network, Diagnostics> {
        let inputs: Vec<_> = self
            .values
            .iter()
            .filter(|(_, v)| matches!(v.op, Op::Input))
            .map(|(id, _)| id)
            .collect();
        let structure = |m: String| Diagnostic::error(codes::STRUCTURE, m);
        let input = inputs.first().copied();
        if inputs.len() != 1 {
            let second = inputs.get(1).and_then(|i| self.values[*i].span);
            self.errors.push(
                structure(format!(
                    "network @{} has {} inputs",
                    self.name,
                    inputs.len()
                ))
                .at(second, "second input")
                .help("a network has exactly one input"),
            );
        }
        match self.values.get(output) {
            None => self
                .errors
                .push(structure(format!("network @{} has no output", self.name))),
            Some(v) if matches!(v.op, Op::Const(_)) => {
                let d = structure(format!("the output %{} is a constant", v.name)).at(v.span, "");
                self.errors.push(d);
            }
            Some(_) => {}
        }
        let Some(input) = input else {
            return Err(self.errors);
        };
        if self.errors.has_errors() {
            return Err(self.errors);
        }
        let hash = hash_network(&self.values, output);
        Ok(Network {
            name: self.name,
            values: self.values,
            names: self.names,
            input,
            output,
            hash,
        })
    }

    /// The shape that `op` computes; `None` after an error.
    fn shape_of(
        &mut self,
        name: &str,
        op: &Op,
        declared: Option<&Shape>,
        span: Option<Span>,
    ) -> Option<Shape> {
        match shapes::infer(&self.values, name, op, declared) {
            Ok(shape) => Some(shape),
            Err(d) => {
                self.errors.push(d.at(span, ""));
                None
            }
        }
    }
}

fn hash_network(values: &PrimaryMap<ValueId, Value>, output: ValueId) -> ContentHash {
    let mut h = Hasher::new("network");
    for v in values.values() {
        h.str(v.op.name());
        h.int(v.shape.0.len() as i64);
        for d in &v.shape.0 {
            h.int(*d as i64);
        }
        h.int(v.op.operands().len() as i64);
        for o in v.op.operands() {
            h.int(i64::from(o.as_u32()));
        }
        hash_attributes(&mut h, &v.op);
    }
    h.int(i64::from(output.as_u32()));
    h.finish()
}

/// What an operator is besides its name and operands.
fn hash_attributes(h: &mut Hasher, op: &Op) {
    match op {
        Op::Const(c) => hash_constant(h, c),
        Op::Conv { slide, groups, .. } => {
            hash_slide(h, slide);
            h.int(*groups as i64);
        }
        Op::MaxPool { kernel, slide, .. } => {
            hash_list(h, kernel);
            hash_slide(h, slide);
        }
        Op::AveragePool {
            kernel,
            slide,
            count_pad,
            ..
        } => {
            hash_list(h, kernel);
            hash_slide(h, slide);
            h.int(i64::from(*count_pad));
        }
        Op::Concat { axis, .. } => {
            h.int(*axis as i64);
        }
        Op::Pad {
            before,
            after,
            value,
            ..
        } => {
            hash_list(h, before);
            hash_list(h, after);
            h.int(i64::from(value.to_bits()));
        }
        Op::Transpose { perm, .. } => hash_list(h, perm),
        Op::Clip { lo, hi, .. } => {
            for end in [lo, hi] {
                h.int(end.map_or(-1, |v| i64::from(v.to_bits())));
            }
        }
        Op::LeakyRelu { shift, .. } => {
            h.int(i64::from(*shift));
        }
        Op::Snap {
            scale,
            zero_point,
            lo,
            hi,
            ..
        } => {
            h.int(i64::from(scale.to_bits()));
            for v in [zero_point, lo, hi] {
                h.int(i64::from(*v));
            }
        }
        Op::Input
        | Op::Dense { .. }
        | Op::Add { .. }
        | Op::Sub { .. }
        | Op::Mul { .. }
        | Op::Div { .. }
        | Op::Sum { .. }
        | Op::Relu { .. }
        | Op::Unary { .. }
        | Op::Curve { .. }
        | Op::Reshape { .. }
        | Op::Flatten { .. }
        | Op::Identity { .. } => {}
    }
}

fn hash_constant(h: &mut Hasher, c: &Constant) {
    let bytes: Vec<u8> = c
        .data
        .iter()
        .flat_map(|f| f.to_bits().to_le_bytes())
        .collect();
    h.bytes(&bytes);
    if let Some(w) = &c.wide {
        let parts = [&w.high, &w.low];
        let bytes: Vec<u8> = parts
            .iter()
            .flat_map(|part| part.iter().flat_map(|f| f.to_bits().to_le_bytes()))
            .collect();
        h.bytes(&bytes).int(i64::from(w.enclosed));
    }
}

fn hash_slide(h: &mut Hasher, slide: &Slide) {
    for list in [
        &slide.strides,
        &slide.dilations,
        &slide.before,
        &slide.after,
    ] {
        hash_list(h, list);
    }
}

fn hash_list(h: &mut Hasher, list: &[usize]) {
    h.int(list.len() as i64);
    for v in list {
        h.int(*v as i64);
    }
}
