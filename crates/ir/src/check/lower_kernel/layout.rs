//! Operators that move elements: concatenation, padding, transposition.

use super::{Draft, Lowering};
use crate::NodeId;
use crate::check::layout;
use crate::kernel::{FILL, Interval, KernelOp, multiplier};
use crate::network::ValueId;
use ceg4n_base::{Diagnostic, codes};
use std::sync::Arc;

impl Lowering<'_> {
    pub(super) fn concat(&mut self, v: ValueId, xs: &[ValueId], axis: usize) -> Option<NodeId> {
        let mut nodes = Vec::with_capacity(xs.len());
        for x in xs {
            nodes.push(self.stored(v, *x)?);
        }
        let format = nodes.first()?.1;
        if let Some(i) = nodes.iter().position(|(_, f)| *f != format) {
            let (first, other) = (self.name(xs[0]).to_owned(), self.name(xs[i]).to_owned());
            let d = Diagnostic::error(
                codes::SCALES,
                format!(
                    "concat %{} needs operands of one format, but %{first} is {format} and %{other} {}",
                    self.name(v),
                    nodes[i].1
                ),
            );
            return self.fail(
                d.help(format!(
                    "give %{other} the format {format}, or insert an identity of it that has it"
                )),
                v,
            );
        }
        let shape = &self.program.network.value(v).shape;
        let outer: usize = shape.0[..axis].iter().product();
        let mut range = Vec::with_capacity(shape.len());
        for part in 0..outer {
            for (n, _) in &nodes {
                let node = &self.nodes[*n];
                let size = node.len / outer.max(1);
                range.extend_from_slice(&node.range[part * size..(part + 1) * size]);
            }
        }
        let op = KernelOp::Concat {
            xs: nodes.iter().map(|(n, _)| *n).collect(),
            outer,
        };
        self.push(v, op, Draft::stored(format, range))
    }

    pub(super) fn pad(
        &mut self,
        v: ValueId,
        x: ValueId,
        before: &[usize],
        value: f32,
    ) -> Option<NodeId> {
        let net = &self.program.network;
        let index = layout::padded(&net.value(x).shape, before, &net.value(v).shape);
        let n = *self.node_of.get(&x)?;
        let Some(format) = self.nodes[n].format else {
            if value == 0.0 && index.iter().all(|i| *i != FILL) {
                return self.gather(v, n, index, 0);
            }
            self.stored(v, x)?;
            return None;
        };
        let fill = ceg4n_base::Exact::from_f32(value).map_or(0, |v| format.quantize(&v));
        self.gather(v, n, index, fill)
    }

    pub(super) fn transpose(&mut self, v: ValueId, x: ValueId, perm: &[usize]) -> Option<NodeId> {
        let n = *self.node_of.get(&x)?;
        let index = layout::transposed(&self.program.network.value(x).shape, perm);
        self.gather(v, n, index, 0)
    }

    /// Elements of node `n` in another order; where one is filled, the node has one scale.
    fn gather(&mut self, v: ValueId, n: NodeId, index: Arc<[u32]>, fill: i64) -> Option<NodeId> {
        let node = &self.nodes[n];
        let at = |i: u32| if i == FILL { 0 } else { i as usize };
        let range = |i: u32| match i {
            FILL => Interval::new(fill, fill),
            i => node.range[i as usize],
        };
        let multipliers = node.multiplier.as_deref();
        let draft = Draft {
            frac: index.iter().map(|i| node.frac[at(*i)]).collect(),
            multiplier: multipliers
                .map(|m| index.iter().map(|i| multiplier(Some(m), at(*i))).collect()),
            format: node.format,
            range: index.iter().map(|i| range(*i)).collect(),
            extra: 0,
        };
        self.push(v, KernelOp::Gather { x: n, index, fill }, draft)
    }
}
