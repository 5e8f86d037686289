//! A module under change: values that go, change or come, with annotations and comments carried
//! over.

use ceg4n_base::entity::EntityRef;
use ceg4n_base::{Diagnostic, Diagnostics, codes};
use ceg4n_ir::{
    Anchor, Annotation, Annotations, Comments, Module, NetworkBuilder, Op, Shape, Value, ValueId,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A module that a pass rewrites. Values keep their ids until [`Self::finish`]; operands may be
/// values that were replaced. New values get ids that the network does not have.
pub(crate) struct Draft<'m> {
    module: &'m Module,
    values: BTreeMap<ValueId, Value>,
    order: Vec<ValueId>,
    replaced: BTreeMap<ValueId, ValueId>,
    notes: Vec<Annotations>,
    /// By version: whose comment in the format block another value takes.
    moved: Vec<BTreeMap<ValueId, ValueId>>,
    names: BTreeSet<String>,
}

impl<'m> Draft<'m> {
    pub(crate) fn new(module: &'m Module) -> Self {
        let net = &module.network;
        let values = net.values().iter().map(|(v, value)| (v, value.clone()));
        Self {
            module,
            values: values.collect(),
            order: net.values().keys().collect(),
            replaced: BTreeMap::new(),
            notes: module.versions.clone(),
            moved: vec![BTreeMap::new(); module.versions.len()],
            names: net.values().values().map(|v| v.name.clone()).collect(),
        }
    }

    /// What a value's users use now.
    pub(crate) fn resolve(&self, mut v: ValueId) -> ValueId {
        while let Some(next) = self.replaced.get(&v) {
            v = *next;
        }
        v
    }

    /// The value goes; its users use `by`, which is defined before. So does its annotation, unless
    /// it was moved.
    pub(crate) fn replace(&mut self, v: ValueId, by: ValueId) {
        self.replaced.insert(v, by);
        self.remove(v);
    }

    /// The value goes and has no user left.
    pub(crate) fn remove(&mut self, v: ValueId) {
        self.values.remove(&v);
        for a in &mut self.notes {
            a.values.remove(&v);
        }
    }

    /// Gives a value another operator and shape.
    pub(crate) fn set(&mut self, v: ValueId, op: Op, shape: Shape) {
        if let Some(value) = self.values.get_mut(&v) {
            value.op = op;
            value.shape = shape;
        }
    }

    /// Adds a value before `before`, under the name or one that starts with it.
    pub(crate) fn insert(&mut self, before: ValueId, name: &str, op: Op, shape: Shape) -> ValueId {
        let name = std::iter::once(name.to_owned())
            .chain((2u64..).map(|k| format!("{name}.{k}")))
            .find(|n| !self.names.contains(n))
            .unwrap_or_else(|| name.to_owned());
        self.names.insert(name.clone());
        let id = ValueId::new(self.order.len());
        let at = self.order.iter().position(|v| *v == before);
        self.order.insert(at.unwrap_or(self.order.len()), id);
        let span = None;
        let value = Value {
            name,
            op,
            shape,
            span,
        };
        self.values.insert(id, value);
        id
    }

    /// The annotation of a value in version `k` (its place in the module).
    pub(crate) fn note(&self, k: usize, v: ValueId) -> Option<&Annotation> {
        self.notes.get(k)?.get(v)
    }

    /// Annotates a value in version `k`, or takes its annotation away.
    pub(crate) fn annotate(&mut self, k: usize, v: ValueId, note: Option<Annotation>) {
        let Some(a) = self.notes.get_mut(k) else {
            return;
        };
        match note {
            Some(note) => a.values.insert(v, note),
            None => a.values.remove(&v),
        };
    }

    /// Moves an annotation in version `k`, with its comment.
    pub(crate) fn move_note(&mut self, k: usize, from: ValueId, to: ValueId) {
        let Some(a) = self.notes.get_mut(k) else {
            return;
        };
        if let Some(note) = a.values.remove(&from) {
            a.values.insert(to, note);
            if let Some(span) = a.spans.remove(&from) {
                a.spans.insert(to, span);
            }
            // What had moved to `from` before moves on with it.
            for target in self.moved[k].values_mut().filter(|t| **t == from) {
                *target = to;
            }
            self.moved[k].insert(from, to);
        }
    }

    /// The module. Names, shapes, spans, annotations and comments of values that stay do so; the
    /// comment of a value that goes moves to the next one that stays.
    ///
    /// # Errors
    /// What the builder finds; [`codes::INTERNAL`] for an operand or an output that is gone.
    pub(crate) fn finish(self) -> Result<Module, Diagnostics> {
        let old = &self.module.network;
        let mut builder = NetworkBuilder::new(old.name());
        let mut ids = BTreeMap::new();
        for v in &self.order {
            let Some(value) = self.values.get(v) else {
                continue;
            };
            let image = |o: ValueId| ids.get(&self.resolve(o)).copied();
            let known = value.op.operands().into_iter().all(|o| image(o).is_some());
            let op = value.op.map_operands(|o| image(o).unwrap_or(o));
            let Some(op) = known.then_some(op) else {
                let text = format!("a pass dropped an operand of %{}", value.name);
                return Err(Diagnostic::error(codes::INTERNAL, text).into());
            };
            let id = builder.push(&value.name, op, Some(value.shape.clone()), value.span);
            ids.insert(*v, id);
        }
        let Some(output) = ids.get(&self.resolve(old.output())).copied() else {
            return Err(Diagnostic::error(codes::INTERNAL, "a pass dropped the output").into());
        };
        let network = Arc::new(builder.finish(output)?);
        let versions = self.notes.iter().map(|a| renamed(a, &ids)).collect();
        Ok(Module {
            network,
            versions,
            regions: self.module.regions.clone(),
            requirements: self.module.requirements.clone(),
            comments: self.comments(&ids),
        })
    }

    fn comments(&self, ids: &BTreeMap<ValueId, ValueId>) -> Comments {
        let next_kept = |v: ValueId| {
            let from = self.order.iter().position(|w| *w == v).unwrap_or(0);
            let mut rest = self.order[from..].iter();
            rest.find_map(|w| ids.get(w))
                .map_or(Anchor::Output, |id| Anchor::Value(*id))
        };
        let mut out = Comments::new();
        for (anchor, lines) in &self.module.comments {
            let anchor = match anchor {
                Anchor::Value(v) => next_kept(*v),
                Anchor::FormatEntry(k, v) => {
                    let v = self.moved.get(*k).and_then(|m| m.get(v)).unwrap_or(v);
                    match ids.get(v) {
                        Some(id) => Anchor::FormatEntry(*k, *id),
                        None => Anchor::Format(*k),
                    }
                }
                Anchor::Header
                | Anchor::Network
                | Anchor::Output
                | Anchor::Format(_)
                | Anchor::Region(_)
                | Anchor::Requirement(_)
                | Anchor::End => *anchor,
            };
            out.entry(anchor).or_default().extend(lines.iter().cloned());
        }
        out
    }
}

/// Annotations of the values that stay, by their new ids.
fn renamed(a: &Annotations, ids: &BTreeMap<ValueId, ValueId>) -> Annotations {
    let values = a.values.iter();
    let spans = a.spans.iter();
    Annotations {
        version: a.version,
        rounding: a.rounding,
        values: values
            .filter_map(|(v, note)| Some((*ids.get(v)?, note.clone())))
            .collect(),
        spans: spans
            .filter_map(|(v, s)| Some((*ids.get(v)?, *s)))
            .collect(),
    }
}
