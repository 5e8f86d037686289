//! Products, and sums and quotients beside them, behind a layer: row by row part of its weights.

use super::{constant, folds, inexact};
use crate::draft::Draft;
use crate::forward::users;
use crate::neurons::{constants, with_constants};
use crate::tensors::put_constant;
use ceg4n_base::{Diagnostics, Exact};
use ceg4n_ir::{Module, Network, Op, Shape, ValueId};
use std::collections::BTreeSet;

/// The module (without versions) with what stands behind layers, is used there alone and has one
/// constant for each row, folded into their weights and biases. What a layer behind it takes in is
/// left to that.
pub(super) fn behind(module: &Module) -> Result<Module, Diagnostics> {
    let mut now = module.clone();
    let layers = module.network.weight_layers().into_iter();
    let names: Vec<String> = layers
        .map(|v| module.network.value(v).name.clone())
        .collect();
    for name in names {
        let folded = now.network.find(&name).and_then(|v| fold(&now, v));
        if let Some(draft) = folded {
            now = draft.finish()?;
        }
    }
    Ok(now)
}

/// `scale·y + shift` for each row of a layer.
struct Rows {
    chain: Vec<ValueId>,
    scale: Vec<Exact>,
    shift: Vec<Exact>,
}

fn fold(module: &Module, layer: ValueId) -> Option<Draft<'_>> {
    let net = &module.network;
    let (weight, bias) = constants(net, layer)?;
    let (w, shape) = (net.constant(weight)?, &net.value(weight).shape);
    let b = match bias {
        Some(b) => Some(net.constant(b)?),
        None => None,
    };
    if w.enclosed() || b.is_some_and(ceg4n_ir::Constant::enclosed) {
        return None;
    }
    let rows = *shape.0.first()?;
    let found = chain(net, layer, rows)?;
    let columns = w.data.len() / rows;
    let weights: Vec<Exact> = (0..w.data.len())
        .map(|i| &w.center(i) * &found.scale[i / columns])
        .collect();
    let biases: Vec<Exact> = (0..rows)
        .map(|j| {
            let own = b.map_or_else(Exact::zero, |b| b.center(j));
            &(&own * &found.scale[j]) + &found.shift[j]
        })
        .collect();
    let (weights, values) = (constant(&weights)?, constant(&biases)?);
    let mut draft = Draft::new(module);
    let new = put_constant(
        &mut draft,
        net,
        weight,
        layer,
        weights,
        shape.clone(),
        vec![],
    );
    let vector = Shape::vector(rows);
    let bias = match bias {
        Some(b) => Some(put_constant(
            &mut draft,
            net,
            b,
            layer,
            values,
            vector,
            vec![],
        )),
        None if biases.iter().all(Exact::is_zero) => None,
        None => {
            let name = format!("{}.bias", net.value(layer).name);
            Some(draft.insert(layer, &name, Op::Const(values), vector))
        }
    };
    let value = net.value(layer);
    draft.set(
        layer,
        with_constants(&value.op, new, bias),
        value.shape.clone(),
    );
    for v in found.chain {
        draft.replace(v, layer);
    }
    Some(draft)
}

/// What stands behind a layer up to the last product or quotient that no shift does; `None` if there
/// is no such.
fn chain(net: &Network, layer: ValueId, rows: usize) -> Option<Rows> {
    let users = users(net);
    let mut now = Rows {
        chain: Vec::new(),
        scale: vec![Exact::from(1i64); rows],
        shift: vec![Exact::zero(); rows],
    };
    let taken: BTreeSet<ValueId> = folds(net).into_values().flat_map(|f| f.gone).collect();
    let mut best = None;
    let mut at = layer;
    while users.get(&at) == Some(&1) && at != net.output() {
        let reads = |v: &ValueId| net.value(*v).op.operands().contains(&at);
        let next = net.values().keys().find(reads);
        let Some(next) = next.filter(|v| !taken.contains(v)) else {
            break;
        };
        let Some(needed) = now.step(net, next, rows) else {
            break;
        };
        now.chain.push(next);
        if needed {
            best = Some((now.chain.clone(), now.scale.clone(), now.shift.clone()));
        }
        at = next;
    }
    let (chain, scale, shift) = best?;
    Some(Rows {
        chain,
        scale,
        shift,
    })
}

impl Rows {
    /// Takes in one more value: true for a product or a quotient that no shift does. `None` for
    /// anything that has no exact constant for each row.
    fn step(&mut self, net: &Network, v: ValueId, rows: usize) -> Option<bool> {
        let (Op::Add { c, .. } | Op::Sub { c, .. } | Op::Mul { c, .. } | Op::Div { c, .. }) =
            &net.value(v).op
        else {
            return None;
        };
        let data = net.constant(*c).filter(|c| !c.enclosed())?;
        let meets = net.value(*c).shape.spread_over(&net.value(v).shape);
        let plane = meets.len() / rows;
        if !meets.chunks(plane).all(|p| p.iter().all(|i| *i == p[0])) {
            return None;
        }
        let at = |j: usize| data.center(meets[j * plane]);
        for j in 0..rows {
            let (scale, shift) = (&mut self.scale[j], &mut self.shift[j]);
            let op = &net.value(v).op;
            if matches!(op, Op::Add { .. }) {
                *shift = &*shift + &at(j);
            } else if matches!(op, Op::Sub { .. }) {
                *shift = &*shift - &at(j);
            } else if matches!(op, Op::Mul { .. }) {
                (*scale, *shift) = (&*scale * &at(j), &*shift * &at(j));
            } else {
                *scale = scale.checked_div(&at(j))?;
                *shift = shift.checked_div(&at(j))?;
            }
        }
        Some(matches!(net.value(v).op, Op::Mul { .. }) || inexact(net, v))
    }
}
