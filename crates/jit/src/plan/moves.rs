//! Elements that go to other places: transpositions, padding, concatenation, other orders.

use super::Place;
use crate::order::Order;
use ceg4n_ir::kernel::FILL;

/// Neighbouring elements that stay neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Which operand; [`FILL`] if the run is filled.
    pub(crate) operand: u32,
    /// The first place that is read.
    pub(crate) from: u32,
    /// The first place that is written.
    pub(crate) to: u32,
    /// How many.
    pub(crate) len: u32,
}

/// Runs that together write every element once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moves {
    pub(crate) runs: Vec<Run>,
    /// What filled elements hold.
    pub(crate) fill: i64,
}

impl Moves {
    /// The same elements in another order.
    pub(crate) fn reorder(from: Order, to: Order) -> Self {
        Self::new(to, 0, |i| (0, from.at(i)))
    }

    /// `y[i] = x[index[i]]`.
    pub(crate) fn gather(from: Order, index: &[u32], fill: i64, to: Order) -> Self {
        Self::new(to, fill, |i| match index[i] {
            FILL => (FILL, 0),
            k => (0, from.at(k as usize)),
        })
    }

    /// For each of `outer` parts that part of every operand.
    pub(crate) fn concat(operands: &[Place], outer: usize, to: Order) -> Self {
        let mut sources = Vec::with_capacity(to.len());
        for part in 0..outer {
            for (operand, place) in operands.iter().enumerate() {
                let size = place.order.len() / outer;
                let own = part * size..(part + 1) * size;
                sources.extend(own.map(|i| (operand as u32, place.order.at(i))));
            }
        }
        Self::new(to, 0, |i| sources[i])
    }

    /// `source` says from which operand and place an element comes.
    fn new(to: Order, fill: i64, source: impl Fn(usize) -> (u32, usize)) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        for i in to.elements() {
            let (operand, from) = source(i);
            let (from, to) = (from as u32, to.at(i) as u32);
            let follows = |r: &&mut Run| {
                r.operand == operand
                    && r.to + r.len == to
                    && (operand == FILL || r.from + r.len == from)
            };
            match runs.last_mut().filter(follows) {
                Some(run) => run.len += 1,
                None => runs.push(Run {
                    operand,
                    from,
                    to,
                    len: 1,
                }),
            }
        }
        runs.shrink_to_fit();
        Self { runs, fill }
    }
}
