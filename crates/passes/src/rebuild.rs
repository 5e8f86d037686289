//! Rewiring: a network without some of its values, with annotations and comments carried over.

use ceg4n_base::{Diagnostic, Diagnostics, codes};
use ceg4n_ir::{Anchor, Annotation, Annotations, Comments, Module, NetworkBuilder, ValueId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What to leave out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rewiring {
    /// Values that go; their users use the other one, which is defined before.
    pub(crate) replaced: BTreeMap<ValueId, ValueId>,
    /// Values that go and have no user left.
    pub(crate) dropped: BTreeSet<ValueId>,
    /// By version: annotations that move from the first value to the second.
    pub(crate) moved: Vec<BTreeMap<ValueId, ValueId>>,
}

impl Rewiring {
    /// What a value's users use afterwards.
    pub(crate) fn resolve(&self, mut v: ValueId) -> ValueId {
        while let Some(next) = self.replaced.get(&v) {
            v = *next;
        }
        v
    }

    fn is_gone(&self, v: ValueId) -> bool {
        self.replaced.contains_key(&v) || self.dropped.contains(&v)
    }
}

/// The module without the values of `rewiring`. Names, shapes, spans, annotations and comments of
/// the others stay; a comment of a value that goes moves to the next one that stays.
pub(crate) fn rebuild(module: &Module, rewiring: &Rewiring) -> Result<Module, Diagnostics> {
    let old = &module.network;
    let mut builder = NetworkBuilder::new(old.name());
    let mut ids = BTreeMap::new();
    for (v, value) in old.values().iter() {
        if rewiring.is_gone(v) {
            continue;
        }
        let image = |o: ValueId| ids.get(&rewiring.resolve(o)).copied();
        let known = value.op.operands().into_iter().all(|o| image(o).is_some());
        let op = value.op.map_operands(|o| image(o).unwrap_or(o));
        let Some(op) = known.then_some(op) else {
            let text = format!("a pass dropped an operand of %{}", value.name);
            return Err(Diagnostic::error(codes::INTERNAL, text).into());
        };
        let id = builder.push(&value.name, op, Some(value.shape.clone()), value.span);
        ids.insert(v, id);
    }
    let Some(output) = ids.get(&rewiring.resolve(old.output())).copied() else {
        return Err(Diagnostic::error(codes::INTERNAL, "a pass dropped the output").into());
    };
    let network = Arc::new(builder.finish(output)?);
    let no_moves = BTreeMap::new();
    let versions = module
        .versions
        .iter()
        .enumerate()
        .map(|(k, a)| annotations(a, rewiring.moved.get(k).unwrap_or(&no_moves), &ids))
        .collect();
    Ok(Module {
        network,
        versions,
        regions: module.regions.clone(),
        requirements: module.requirements.clone(),
        comments: comments(module, rewiring, &ids),
    })
}

fn annotations(
    a: &Annotations,
    moved: &BTreeMap<ValueId, ValueId>,
    ids: &BTreeMap<ValueId, ValueId>,
) -> Annotations {
    let place = |v: &ValueId| ids.get(moved.get(v).unwrap_or(v)).copied();
    let values: BTreeMap<ValueId, Annotation> = a
        .values
        .iter()
        .filter_map(|(v, a)| Some((place(v)?, a.clone())))
        .collect();
    let spans = a
        .spans
        .iter()
        .filter_map(|(v, s)| Some((place(v)?, *s)))
        .collect();
    Annotations {
        version: a.version,
        rounding: a.rounding,
        values,
        spans,
    }
}

fn comments(module: &Module, rewiring: &Rewiring, ids: &BTreeMap<ValueId, ValueId>) -> Comments {
    let next_kept = |v: ValueId| {
        module
            .network
            .values()
            .keys()
            .find(|w| *w >= v && ids.contains_key(w))
            .map_or(Anchor::Output, |w| Anchor::Value(ids[&w]))
    };
    let mut out = Comments::new();
    for (anchor, lines) in &module.comments {
        let anchor = match anchor {
            Anchor::Value(v) => next_kept(*v),
            Anchor::FormatEntry(k, v) => {
                let v = rewiring.moved.get(*k).and_then(|m| m.get(v)).unwrap_or(v);
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
