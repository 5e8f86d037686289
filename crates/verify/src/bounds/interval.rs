//! Interval bounds of the reference, forward through the network, with merged margins at the
//! last affine layer.

use super::Form;
use super::curve::Function;
use super::forward::clamped;
use super::graph::Step;
use crate::float::{Bound, affine, down, sum_of, up};
use ceg4n_base::entity::SecondaryMap;
use ceg4n_ir::{Conv, FILL, NodeId, RealOp, RealProgram, Reals, Window};

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

/// Roundings inside each constant: it may be within one unit of `2^-52` only.
fn slack(c: &Reals) -> usize {
    usize::from(!c.is_exact())
}

/// A sum of terms and a constant, all within what their constants are off by.
fn row(
    terms: impl IntoIterator<Item = (f64, Bound)>,
    n: usize,
    bias: Option<(&Reals, usize)>,
    weight: &Reals,
) -> Bound {
    let b = bias.map_or(0.0, |(b, j)| b.near()[j]);
    // The constant is a term like any other in the error that is charged.
    let off = slack(weight) + bias.map_or(0, |(b, _)| slack(b));
    sum_of(terms, n, b, off)
}

fn convolution(conv: &Conv, x: &[Bound], weight: &Reals, bias: Option<&Reals>) -> Vec<Bound> {
    let w = &conv.window;
    let one = |j: usize| {
        let (m, o) = (j / w.windows(), j % w.windows());
        let terms = conv.terms(m, o / w.out[1], o % w.out[1]);
        let terms = terms.map(|(k, t)| (weight.near()[t], x[k]));
        row(terms, conv.filter_len(), bias.map(|b| (b, m)), weight)
    };
    (0..conv.output_len()).map(one).collect()
}

fn pooled(w: &Window, x: &[Bound], join: impl Fn(&[Bound]) -> Bound) -> Vec<Bound> {
    let mut out = Vec::with_capacity(w.channels * w.windows());
    for plane in x.chunks(w.plane().max(1)) {
        for o in 0..w.windows() {
            let taps = w.taps(o / w.out[1], o % w.out[1]);
            let seen: Vec<Bound> = taps.map(|t| plane[t.position]).collect();
            out.push(join(&seen));
        }
    }
    out
}

fn greatest(of: &[Bound]) -> Bound {
    let most = |a: Bound, b: &Bound| Bound::new(a.lo.max(b.lo), a.hi.max(b.hi));
    let start = Bound::new(f64::NEG_INFINITY, f64::NEG_INFINITY);
    let found = of.iter().fold(start, most);
    // `max` passes over an undefined end.
    let known = of.iter().all(|b| !b.hi.is_nan());
    Bound::new(found.lo, if known { found.hi } else { f64::INFINITY })
}

/// The interval image of one node.
pub fn step<'a>(op: &RealOp, input: &[Bound], of: impl Fn(NodeId) -> &'a [Bound]) -> Vec<Bound> {
    let each = |x: &NodeId, f: &dyn Fn(Bound) -> Bound| of(*x).iter().map(|b| f(*b)).collect();
    let with = |x: &NodeId, c: &Reals, f: &dyn Fn(Bound, f64) -> Bound| {
        let pairs = of(*x).iter().zip(c.near().iter());
        pairs.map(|(b, c)| f(*b, *c)).collect()
    };
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
                let w = weight.near()[j * cols..(j + 1) * cols].iter().copied();
                let terms = w.zip(of(*x).iter().copied());
                row(terms, *cols, bias.as_ref().map(|b| (b, j)), weight)
            })
            .collect(),
        RealOp::Conv {
            x,
            weight,
            bias,
            conv,
        } => convolution(conv, of(*x), weight, bias.as_ref()),
        RealOp::MaxPool { x, window } => pooled(window, of(*x), greatest),
        RealOp::SumPool { x, window } => pooled(window, of(*x), |taps| {
            affine(vec![1.0; taps.len()], taps, 0.0, 0)
        }),
        RealOp::AddConst { x, c } => with(x, c, &|x, v| affine([1.0], &[x], v, slack(c))),
        RealOp::MulConst { x, c } => with(x, c, &|x, v| affine([v], &[x], 0.0, slack(c))),
        // One rounding of 1/c, one of the product: both inside the slack.
        RealOp::DivConst { x, c } => {
            with(x, c, &|x, v| affine([1.0 / v], &[x], 0.0, 4 + 2 * slack(c)))
        }
        RealOp::Sum { x, y } => {
            let pairs = of(*x).iter().zip(of(*y));
            pairs
                .map(|(a, b)| affine([1.0, 1.0], &[*a, *b], 0.0, 0))
                .collect()
        }
        RealOp::Concat { xs, outer } => {
            let part = |o: usize, x: &NodeId| {
                let size = of(*x).len() / (*outer).max(1);
                of(*x)[o * size..(o + 1) * size].to_vec()
            };
            (0..*outer)
                .flat_map(|o| xs.iter().flat_map(move |x| part(o, x)))
                .collect()
        }
        RealOp::Gather { x, index, fill } => {
            let at = |i: &u32| match *i {
                FILL => Bound::new(*fill, *fill),
                i => of(*x)[i as usize],
            };
            index.iter().map(at).collect()
        }
        RealOp::Relu { x } => each(x, &|b| b.relu()),
        RealOp::Clip { x, lo, hi } => each(x, &|b| clamped(b, *lo, *hi)),
        RealOp::LeakyRelu { x, shift } => {
            let slope = 2f64.powi(-i32::from(*shift));
            let end = |v: f64| if v < 0.0 { v * slope } else { v };
            // Exact but for underflow.
            each(x, &|b| Bound::new(down(end(b.lo), 0.0), up(end(b.hi), 0.0)))
        }
        RealOp::Unary { x, function } => each(x, &|b| Function::Unary(*function).image(b)),
        RealOp::Curve { x, curve } => {
            let f = Function::Curve((*curve).into());
            each(x, &|b| f.image(b))
        }
        RealOp::Snap { x, scale, lo, hi } => {
            let step = Step::nearest(*scale);
            let (low, high) = (*lo as f64 * scale, *hi as f64 * scale);
            // Each end of the result against ends that are rounded to its side.
            each(x, &|b| {
                let image = step.image(b);
                let below = clamped(image, down(low, 0.0), down(high, 0.0));
                let above = clamped(image, up(low, 0.0), up(high, 0.0));
                Bound::new(below.lo, above.hi)
            })
        }
        RealOp::Move { x } => of(*x).to_vec(),
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
    let apart = || {
        let (a, b) = (forward.nodes[at][form.plus], forward.nodes[at][minus]);
        affine([1.0, -1.0], &[a, b], 0.0, 0)
    };
    let RealOp::Dense {
        x,
        weight,
        bias,
        cols,
        ..
    } = &program.nodes[at].op
    else {
        return apart();
    };
    // An error of the weights is no error of their difference's size.
    if !weight.is_exact() || bias.as_ref().is_some_and(|b| !b.is_exact()) {
        return apart();
    }
    let weight = weight.near();
    let row = |j: usize| &weight[j * cols..(j + 1) * cols];
    let b = bias
        .as_ref()
        .map_or(0.0, |b| b.near()[form.plus] - b.near()[minus]);
    // Differences of weights and of biases are rounded once each.
    let merged = row(form.plus).iter().zip(row(minus)).map(|(a, b)| a - b);
    affine(merged, &forward.nodes[*x], b, 2)
}
