//! A change of a network and everything in the module that follows from it: dead values, formats,
//! comments, region boxes, requirements.

use super::slices::{Gone, Wiring, fitted};
use ceg4n_base::Exact;
use ceg4n_ir::{
    Anchor, Annotation, Annotations, Comments, Constant, Module, Network, NetworkBuilder, Op,
    Origin, OutputConstraint, OutputSpec, Property, Region, Requirement, Shape, TensorFormat,
    ValueId, Wide,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What changes. The result need not mean the same; it need only be a network.
#[derive(Clone, Debug, Default)]
pub(super) struct Edit {
    /// New operators, on values that stand before.
    pub(super) ops: BTreeMap<ValueId, Op>,
    /// Values that go; their users take the other one, which stands before and has the same shape.
    pub(super) instead: BTreeMap<ValueId, ValueId>,
    /// The format of a value that goes moves to the other one if that has none.
    pub(super) move_formats: bool,
    /// Another output.
    pub(super) output: Option<ValueId>,
    /// A value that becomes the input, with a box for each region.
    pub(super) input: Option<(ValueId, Vec<Region>)>,
    /// Slices that go.
    pub(super) gone: Gone,
}

impl Edit {
    fn resolve(&self, mut v: ValueId) -> ValueId {
        while let Some(next) = self.instead.get(&v) {
            v = *next;
        }
        v
    }

    fn op(&self, network: &Network, v: ValueId) -> Op {
        let input = self.input.as_ref().map(|(v, _)| *v);
        if input == Some(v) {
            return Op::Input;
        }
        let op = self.ops.get(&v).unwrap_or(&network.value(v).op);
        op.map_operands(|o| self.resolve(o))
    }

    /// The values that the output depends on, and the input, each with its operator.
    fn live(&self, network: &Network, input: ValueId, output: ValueId) -> Vec<(ValueId, Op)> {
        let mut live = BTreeSet::from([input, output]);
        let mut values = Vec::new();
        for v in network.values().keys().rev().filter(|v| *v <= output) {
            if live.contains(&v) {
                let op = self.op(network, v);
                live.extend(op.operands());
                values.push((v, op));
            }
        }
        if input > output {
            values.clear();
        }
        values.reverse();
        values
    }

    /// The changed module; `None` if there is no such network.
    pub(super) fn apply(mut self, module: &Module) -> Option<Module> {
        let old = &module.network;
        let output = self.resolve(self.output.unwrap_or(old.output()));
        let input = self.input.as_ref().map_or(old.input(), |(v, _)| *v);
        let wiring = Wiring {
            values: self.live(old, input, output),
            network: old,
        };
        if !self.gone.is_empty() || !self.ops.is_empty() {
            wiring.propagate(&mut self.gone)?;
        }
        let mut builder = NetworkBuilder::new(old.name());
        let mut ids: BTreeMap<ValueId, ValueId> = BTreeMap::new();
        for (v, op) in &wiring.values {
            let value = old.value(*v);
            if op.operands().iter().any(|o| !ids.contains_key(o)) {
                return None;
            }
            let op = fitted(old, *v, op, &self.gone).map_operands(|o| ids[&o]);
            let rest = self.gone.rest(*v, &value.shape);
            let (op, shape) = match op {
                Op::Const(c) => (
                    Op::Const(sliced(&c, *v, &value.shape, &self.gone)),
                    Some(rest),
                ),
                Op::Input | Op::Reshape { .. } => (op, Some(rest)),
                other => (other, None),
            };
            ids.insert(*v, builder.push(&value.name, op, shape, None));
        }
        let network = builder.finish(*ids.get(&output)?).ok()?;
        let versions = module.versions.iter().map(|a| self.formats(old, a, &ids));
        let new = Module {
            versions: versions.collect(),
            regions: self.regions(module),
            requirements: self.requirements(module, output, network.output_len())?,
            comments: comments(module, &ids),
            network: Arc::new(network),
        };
        // A concatenation may have lost an operand.
        let rest = Self::default();
        let live = rest.live(&new.network, new.network.input(), new.network.output());
        match live.len() < new.network.values().len() {
            true => rest.apply(&new),
            false => Some(new),
        }
    }

    fn formats(
        &self,
        old: &Network,
        a: &Annotations,
        ids: &BTreeMap<ValueId, ValueId>,
    ) -> Annotations {
        let mut values = BTreeMap::new();
        for (v, annotation) in &a.values {
            let target = match self.move_formats {
                true => self.resolve(*v),
                false => *v,
            };
            let taken = target != *v && a.values.contains_key(&target);
            if let (Some(id), false) = (ids.get(&target), taken) {
                let shape = &old.value(*v).shape;
                values.insert(*id, annotated(annotation, *v, shape, &self.gone));
            }
        }
        Annotations {
            version: a.version,
            rounding: a.rounding,
            values,
            spans: BTreeMap::new(),
        }
    }

    fn regions(&self, module: &Module) -> Vec<Region> {
        if let Some((_, regions)) = &self.input {
            return regions.clone();
        }
        let input = module.network.input();
        let shape = &module.network.value(input).shape;
        let select = |list: &Vec<Exact>| self.gone.select(input, shape, list);
        let rest = |r: &Region| Region {
            lower: select(&r.lower),
            upper: select(&r.upper),
            center: r.center.as_ref().map(select),
            ..r.clone()
        };
        module.regions.iter().map(rest).collect()
    }

    fn requirements(
        &self,
        module: &Module,
        output: ValueId,
        outputs: usize,
    ) -> Option<Vec<Requirement>> {
        let shape = &module.network.value(output).shape;
        let kept = self.gone.kept(output, shape);
        let adapt = |r: &Requirement| {
            let property = match &r.property {
                Property::TopK(k) => {
                    Property::TopK((*k).min(u32::try_from(outputs).unwrap_or(u32::MAX)))
                }
                Property::Spec(spec) => Property::Spec(Arc::new(spec_of(spec, &kept)?)),
                Property::Top1
                | Property::Top1Margin(_)
                | Property::Eps(_)
                | Property::Joint(_) => r.property.clone(),
            };
            Some(Requirement {
                property,
                ..r.clone()
            })
        };
        module.requirements.iter().map(adapt).collect()
    }
}

/// A specification of the outputs that are kept; `None` if it speaks of another number of them.
fn spec_of(spec: &OutputSpec, kept: &[bool]) -> Option<OutputSpec> {
    if spec.outputs != kept.len() {
        return None;
    }
    let place = |j: usize| kept[..j].iter().filter(|k| **k).count();
    let constraint = |c: &OutputConstraint| OutputConstraint {
        coefficients: c
            .coefficients
            .iter()
            .filter(|(j, _)| kept[*j])
            .map(|(j, a)| (place(*j), a.clone()))
            .collect(),
        ..c.clone()
    };
    let case = |case: &Vec<OutputConstraint>| case.iter().map(constraint).collect();
    Some(OutputSpec {
        path: spec.path.clone(),
        outputs: place(kept.len()),
        cases: spec.cases.iter().map(case).collect(),
    })
}

/// What remains of a constant.
fn sliced(c: &Constant, v: ValueId, shape: &Shape, gone: &Gone) -> Constant {
    let wide = c.wide.as_ref().map(|w| {
        Arc::new(Wide {
            high: gone.select(v, shape, &w.high).into(),
            low: gone.select(v, shape, &w.low).into(),
            enclosed: w.enclosed,
        })
    });
    Constant {
        data: gone.select(v, shape, &c.data).into(),
        origin: Origin::Inline,
        wide,
    }
}

/// What remains of a format.
fn annotated(annotation: &Annotation, v: ValueId, shape: &Shape, gone: &Gone) -> Annotation {
    match annotation {
        Annotation::Acc(acc) => Annotation::Acc(*acc),
        Annotation::Fixed { format, mantissas } => {
            let format = match format {
                TensorFormat::Tensor(f) => TensorFormat::Tensor(*f),
                TensorFormat::Channels(list) => {
                    let kept = list.iter().enumerate().filter(|(i, _)| !gone.has(v, 0, *i));
                    TensorFormat::Channels(kept.map(|(_, f)| *f).collect())
                }
            };
            let mantissas = mantissas.as_ref().map(|m| match m.len() == shape.len() {
                true => gone.select(v, shape, m).into(),
                false => m.clone(),
            });
            Annotation::Fixed { format, mantissas }
        }
    }
}

/// The comments of what stays.
fn comments(module: &Module, ids: &BTreeMap<ValueId, ValueId>) -> Comments {
    let mut out = Comments::new();
    for (anchor, lines) in &module.comments {
        let anchor = match anchor {
            Anchor::Value(v) => ids.get(v).map(|v| Anchor::Value(*v)),
            Anchor::FormatEntry(k, v) => ids.get(v).map(|v| Anchor::FormatEntry(*k, *v)),
            Anchor::Header
            | Anchor::Network
            | Anchor::Output
            | Anchor::Format(_)
            | Anchor::Region(_)
            | Anchor::Requirement(_)
            | Anchor::End => Some(*anchor),
        };
        if let Some(anchor) = anchor {
            out.insert(anchor, lines.clone());
        }
    }
    out
}
