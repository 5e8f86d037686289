//! Interval bounds of the reference, forward through the network, with merged margins at the
//! last affine layer.

use super::Form;
use crate::float::{Bound, affine};
use ceg4n_base::entity::SecondaryMap;
use ceg4n_ir::{NodeId, RealOp, RealProgram};

/// Enclosures of every node over a box.
#[derive(Clone, Debug)]
pub struct Forward {
    /// One enclosure per element of each node.
    pub nodes: SecondaryMap<NodeId, Vec<Bound>>,
}

/// Intervals of all nodes over the box `x`.
pub fn forward(program: &RealProgram, x: &[Bound]) -> Forward {
    let mut nodes: SecondaryMap<NodeId, Vec<Bound>> = SecondaryMap::new();
    for (id, node) in program.nodes.iter() {
        let out = step(&node.op, x, |n| &nodes[n]);
        nodes[id] = out;
    }
    Forward { nodes }
}

/// The interval image of one node.
pub fn step<'a>(op: &RealOp, input: &[Bound], of: impl Fn(NodeId) -> &'a [Bound]) -> Vec<Bound> {
    match op {
        RealOp::Input => input.to_vec(),
        RealOp::Dense {
            x,
            weight,
            bias,
            rows,
            cols,
        } => (0..*rows)
            .map(|j| {
                let b = bias.as_ref().map_or(0.0, |b| b.near()[j]);
                affine(
                    weight.near()[j * cols..(j + 1) * cols].iter().copied(),
                    of(*x),
                    b,
                    0,
                )
            })
            .collect(),
        RealOp::AddConst { x, c } => of(*x)
            .iter()
            .zip(c.near().iter())
            .map(|(x, c)| affine([1.0], &[*x], *c, 0))
            .collect(),
        RealOp::DivConst { x, c } => of(*x)
            .iter()
            .zip(c.near().iter())
            .map(|(x, c)| {
                // One rounding of 1/c, one of the product: both inside the slack.
                affine([1.0 / c], &[*x], 0.0, 4)
            })
            .collect(),
        RealOp::Relu { x } => of(*x).iter().map(|b| b.relu()).collect(),
        RealOp::Move { x } => of(*x).to_vec(),
        _ => unimplemented!("TEMP-OP"),
    }
}

/// The enclosure of a form: merged where the output is affine in its operand.
pub fn form(program: &RealProgram, forward: &Forward, form: Form) -> Bound {
    let Some(minus) = form.minus else {
        return forward.nodes[program.output][form.plus];
    };
    let mut at = program.output;
    while let RealOp::Move { x } = &program.nodes[at].op {
        at = *x;
    }
    let RealOp::Dense {
        x,
        weight,
        bias,
        cols,
        ..
    } = &program.nodes[at].op
    else {
        let (a, b) = (forward.nodes[at][form.plus], forward.nodes[at][minus]);
        return affine([1.0, -1.0], &[a, b], 0.0, 0);
    };
    let row = |j: usize| &weight.near()[j * cols..(j + 1) * cols];
    let b = bias
        .as_ref()
        .map_or(0.0, |b| b.near()[form.plus] - b.near()[minus]);
    // Differences of weights and of biases are rounded once each.
    let merged = row(form.plus).iter().zip(row(minus)).map(|(a, b)| a - b);
    affine(merged, &forward.nodes[*x], b, 2)
}
