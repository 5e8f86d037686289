//! `drop-moves`: transpositions and reshapes that cancel, or that weights can take up.

use crate::draft::Draft;
use crate::forward::users;
use crate::pass::{Keeps, Pass};
use crate::tensors::{Lowered, gathered, gathered_note, lowered, put_constant, transposed};
use ceg4n_base::Diagnostics;
use ceg4n_ir::{AccAnnotation, Annotation, Module, Network, Op, Shape, ValueId};
use std::collections::BTreeMap;

/// Composes what only moves data. A transposition in front of a dense layer, perhaps with element
/// operators between, becomes an order of the weights; transpositions that undo each other go, and
/// the operators between them work in the order of the operand; a transposition that moves nothing
/// is a reshape; of consecutive ones the last does all. What rounds, or has several users, stays.
pub(crate) struct DropMoves;

impl Pass for DropMoves {
    fn name(&self) -> &'static str {
        "drop-moves"
    }

    fn description(&self) -> &'static str {
        "compose transpositions and reshapes, remove those that cancel, and reorder the weights of a dense layer instead of what it reads"
    }

    fn keeps(&self, _: Option<&str>) -> Keeps {
        Keeps::ALL
    }

    fn run(&self, module: &Module, _: Option<&str>) -> Result<Module, Diagnostics> {
        let mut now = module.clone();
        // Each change takes a transposition away, makes one a reshape, or brings an operand nearer
        // to the input.
        let values = now.network.values().len();
        for _ in 0..values * values {
            let Some(versions) = lowered(&now)? else {
                return Ok(now);
            };
            let moves = Moves {
                module: &now,
                net: &now.network,
                users: users(&now.network),
                versions: &versions,
            };
            let mut sinks = now.network.values().keys();
            let Some(draft) = sinks.find_map(|v| moves.at(v)) else {
                break;
            };
            now = draft.finish()?;
        }
        Ok(now)
    }
}

struct Moves<'m> {
    module: &'m Module,
    net: &'m Network,
    users: BTreeMap<ValueId, usize>,
    versions: &'m [Lowered],
}

/// What a value does to the elements of its operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Another order.
    Transpose,
    /// The same order under another shape.
    Reshape,
    /// Something with each element by itself.
    Element,
}

/// A chain of values from a transposition to what reads them, in order.
struct Chain {
    base: ValueId,
    links: Vec<(ValueId, Kind)>,
    /// For each element that the sink reads its place in the base; for each link that of what the
    /// link computes.
    order: Vec<usize>,
    orders: Vec<Vec<usize>>,
}

impl<'m> Moves<'m> {
    /// The draft without a move in front of `v`, or at it; `None` if there is nothing to do.
    fn at(&self, v: ValueId) -> Option<Draft<'m>> {
        match &self.net.value(v).op {
            Op::Dense { x, .. } => self.reordered(v, *x),
            Op::Transpose { x, perm } => self.transposition(v, *x, perm),
            Op::Reshape { x } | Op::Flatten { x } => self.reshaped(v, *x),
            Op::Input
            | Op::Const(_)
            | Op::Conv { .. }
            | Op::MaxPool { .. }
            | Op::AveragePool { .. }
            | Op::Add { .. }
            | Op::Sub { .. }
            | Op::Mul { .. }
            | Op::Div { .. }
            | Op::Sum { .. }
            | Op::Concat { .. }
            | Op::Pad { .. }
            | Op::Relu { .. }
            | Op::Clip { .. }
            | Op::LeakyRelu { .. }
            | Op::Unary { .. }
            | Op::Curve { .. }
            | Op::Snap { .. }
            | Op::Identity { .. } => None,
        }
    }

    /// True if no version says anything of the value that its operand does not say.
    fn quiet(&self, v: ValueId) -> bool {
        let declared =
            |a: &Annotation| matches!(a, Annotation::Acc(AccAnnotation { width: Some(_) }));
        let notes = || self.module.versions.iter().filter_map(|a| a.get(v));
        !notes().any(declared) && !self.versions.iter().any(|k| k.rounds(v))
    }

    /// The operand of what can be part of a chain, and what it does.
    fn link(&self, v: ValueId) -> Option<(ValueId, Kind)> {
        if self.users.get(&v) != Some(&1) || v == self.net.output() {
            return None;
        }
        let (x, kind) = match &self.net.value(v).op {
            Op::Transpose { x, .. } => (*x, Kind::Transpose),
            Op::Reshape { x } | Op::Flatten { x } | Op::Identity { x } => (*x, Kind::Reshape),
            Op::Add { x, .. }
            | Op::Sub { x, .. }
            | Op::Mul { x, .. }
            | Op::Div { x, .. }
            | Op::Relu { x }
            | Op::Clip { x, .. }
            | Op::LeakyRelu { x, .. }
            | Op::Unary { x, .. }
            | Op::Curve { x, .. }
            | Op::Snap { x, .. } => (*x, Kind::Element),
            Op::Input
            | Op::Const(_)
            | Op::Dense { .. }
            | Op::Conv { .. }
            | Op::MaxPool { .. }
            | Op::AveragePool { .. }
            | Op::Sum { .. }
            | Op::Concat { .. }
            | Op::Pad { .. } => return None,
        };
        (kind == Kind::Element || self.quiet(v)).then_some((x, kind))
    }

    /// The chain that ends in `x` and starts at the transposition farthest from it, if one does.
    fn chain(&self, x: ValueId) -> Option<Chain> {
        let (mut links, mut at) = (Vec::new(), x);
        while let Some((x, kind)) = self.link(at) {
            links.push((at, kind));
            at = x;
        }
        while links.last().is_some_and(|(_, k)| *k != Kind::Transpose) {
            links.pop();
        }
        links.reverse();
        let (base, _) = self.link(links.first()?.0)?;
        let mut order: Vec<usize> = (0..self.net.value(base).shape.len()).collect();
        let mut orders = Vec::with_capacity(links.len());
        for (v, _) in &links {
            if let Op::Transpose { x, perm } = &self.net.value(*v).op {
                let moved = transposed(&self.net.value(*x).shape, perm);
                order = moved.iter().map(|i| order[*i]).collect();
            }
            orders.push(order.clone());
        }
        Some(Chain {
            base,
            links,
            order,
            orders,
        })
    }

    fn reordered(&self, v: ValueId, x: ValueId) -> Option<Draft<'m>> {
        let chain = self.chain(x)?;
        let mut draft = Draft::new(self.module);
        self.straighten(&mut draft, &chain, true)?;
        let Op::Dense { weight, .. } = &self.net.value(v).op else {
            return None;
        };
        let shape = self.net.value(*weight).shape.clone();
        let (rows, columns) = (shape.0[0], shape.0[1]);
        let places = inverse(&chain.order);
        let index: Vec<usize> = (0..rows)
            .flat_map(|m| places.iter().map(move |k| m * columns + k))
            .collect();
        let all: Vec<usize> = (0..rows).collect();
        let new = self.moved_constant(&mut draft, v, *weight, &index, Some(&all), shape)?;
        let mut op = self.net.value(v).op.clone();
        if let Op::Dense { weight, .. } = &mut op {
            *weight = new;
        }
        draft.set(v, op, self.net.value(v).shape.clone());
        Some(draft)
    }

    fn transposition(&self, v: ValueId, x: ValueId, perm: &[usize]) -> Option<Draft<'m>> {
        let (net, value) = (self.net, self.net.value(v));
        let mut draft = Draft::new(self.module);
        let own = transposed(&net.value(x).shape, perm);
        if own.iter().enumerate().all(|(i, from)| i == *from) {
            let same = net.value(x).shape == value.shape;
            draft.set(v, reshape(x, same), value.shape.clone());
            return Some(draft);
        }
        if let Some(chain) = self.chain(x)
            && own.iter().enumerate().all(|(i, k)| chain.order[*k] == i)
        {
            self.straighten(&mut draft, &chain, false)?;
            let same = net.value(chain.base).shape == value.shape;
            draft.set(v, reshape(x, same), value.shape.clone());
            return Some(draft);
        }
        let Op::Transpose { x: y, perm: inner } = &net.value(x).op else {
            return None;
        };
        if !self.quiet(x) {
            return None;
        }
        let perm = perm.iter().map(|p| inner[*p]).collect();
        draft.set(v, Op::Transpose { x: *y, perm }, value.shape.clone());
        Some(draft)
    }

    /// A reshape of a reshape.
    fn reshaped(&self, v: ValueId, x: ValueId) -> Option<Draft<'m>> {
        let (Op::Reshape { x: y } | Op::Flatten { x: y } | Op::Identity { x: y }) =
            &self.net.value(x).op
        else {
            return None;
        };
        if !self.quiet(x) {
            return None;
        }
        let value = self.net.value(v);
        let mut draft = Draft::new(self.module);
        draft.set(v, value.op.map_operands(|_| *y), value.shape.clone());
        Some(draft)
    }

    /// Takes the moves of a chain out; its operators work in the order of the base. With `flat` the
    /// result is a vector.
    fn straighten(&self, draft: &mut Draft<'m>, chain: &Chain, flat: bool) -> Option<()> {
        let mut shape = self.net.value(chain.base).shape.clone();
        let is_move = |(_, k): &(ValueId, Kind)| *k != Kind::Element;
        // The move nearest to the sink makes the vector.
        let last = chain.links.iter().rposition(is_move);
        for (k, (v, kind)) in chain.links.iter().enumerate() {
            let value = self.net.value(*v);
            let operand = value.op.activations().first().copied()?;
            match kind {
                Kind::Transpose | Kind::Reshape => {
                    if flat && last == Some(k) && shape.0.len() != 1 {
                        shape = Shape::vector(shape.len());
                        draft.set(*v, Op::Flatten { x: operand }, shape.clone());
                    } else {
                        draft.replace(*v, operand);
                    }
                }
                Kind::Element => {
                    let mut op = value.op.clone();
                    if let Op::Add { c, .. }
                    | Op::Sub { c, .. }
                    | Op::Mul { c, .. }
                    | Op::Div { c, .. } = &mut op
                    {
                        let meets = self.net.value(*c).shape.spread_over(&value.shape);
                        let places = inverse(&chain.orders[k]);
                        let index: Vec<usize> = places.iter().map(|i| meets[*i]).collect();
                        let own = &self.net.value(*c).shape;
                        let fits = own.len() == shape.len() || own.broadcasts_to(&shape);
                        if own.len() != 1 && !(fits && own.spread_over(&shape) == index) {
                            *c = self.moved_constant(draft, *v, *c, &index, None, shape.clone())?;
                        }
                    }
                    draft.set(*v, op, shape.clone());
                }
            }
        }
        Some(())
    }

    /// The constant of other elements, with its annotations.
    fn moved_constant(
        &self,
        draft: &mut Draft<'m>,
        user: ValueId,
        c: ValueId,
        index: &[usize],
        rows: Option<&[usize]>,
        shape: Shape,
    ) -> Option<ValueId> {
        let notes: Option<Vec<Option<Annotation>>> = (0..self.module.versions.len())
            .map(|k| match self.module.versions[k].get(c) {
                None => Some(None),
                Some(note) => gathered_note(note, index, rows).map(Some),
            })
            .collect();
        let data = gathered(self.net.constant(c)?, index);
        Some(put_constant(draft, self.net, c, user, data, shape, notes?))
    }
}

/// The same elements under another shape, or the same.
fn reshape(x: ValueId, same: bool) -> Op {
    match same {
        true => Op::Identity { x },
        false => Op::Reshape { x },
    }
}

/// Where each element of the base went.
fn inverse(order: &[usize]) -> Vec<usize> {
    let mut out = vec![0; order.len()];
    for (to, from) in order.iter().enumerate() {
        out[*from] = to;
    }
    out
}
