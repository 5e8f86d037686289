//! The reference at a point: over the rationals where it is a function of them, else between
//! bounds.

use crate::kernel::Trace;
use crate::linear;
use crate::real::real_node;
use crate::weighted::Layer;
use crate::{Constant, EvalError, check_length, direct};
use ceg4n_base::Exact;
use ceg4n_base::elementary::{Enclosure, truncated};
use ceg4n_ir::{RealNode, RealOp, RealProgram, Window};
use ceg4n_opspec::{Domain, EnclosureDomain, ExactDomain, MeaningError};

/// Significant bits of enclosures unless asked otherwise: more than enclosed constants give.
pub const BITS: u32 = 128;

/// Every node of the reference at a real point.
///
/// # Errors
/// A point of another length; [`EvalError::NotExact`].
pub fn real_trace(program: &RealProgram, x: &[Exact]) -> Result<Trace<Exact>, EvalError> {
    check_length(program.input_len(), x.len())?;
    if !program.is_exact() {
        return Err(EvalError::NotExact);
    }
    walk(program, x.to_vec(), |node, trace| {
        match linear_layer(node) {
            Some((x, layer, weight, bias)) => Ok(linear::exact(layer, trace.node(x), weight, bias)),
            None => other_node(node, trace, &mut ExactDomain, point),
        }
    })
}

/// The reference's outputs at a real point.
///
/// # Errors
/// A point of another length; [`EvalError::NotExact`].
pub fn real_outputs(program: &RealProgram, x: &[Exact]) -> Result<Vec<Exact>, EvalError> {
    Ok(real_trace(program, x)?.take(program.output))
}

/// Bounds on every node of the reference at a real point, exact or not. Ends have about `bits`
/// significant bits; more make the bounds closer, up to what enclosed constants leave open.
///
/// # Errors
/// A point of another length.
pub fn real_trace_within(
    program: &RealProgram,
    x: &[Exact],
    bits: u32,
) -> Result<Trace<Enclosure>, EvalError> {
    check_length(program.input_len(), x.len())?;
    let input = x
        .iter()
        .map(|v| (truncated(v, bits, false), truncated(v, bits, true)))
        .collect();
    walk(program, input, |node, trace| match linear_layer(node) {
        Some((x, layer, weight, bias)) => {
            Ok(linear::enclosed(layer, trace.node(x), weight, bias, bits))
        }
        None if matches!(node.op, RealOp::Snap { .. }) => at_both_ends(node, trace),
        None => other_node(node, trace, &mut EnclosureDomain { bits }, |_, ends| {
            Ok(ends)
        }),
    })
}

/// A constant that is known exactly.
fn point(_: &mut ExactDomain, (lo, hi): Enclosure) -> Result<Exact, MeaningError> {
    if lo == hi {
        Ok(lo)
    } else {
        Err(MeaningError::Irrational("an enclosed constant"))
    }
}

/// An operator with exact constants that never falls: its values at both ends.
fn at_both_ends(node: &RealNode, trace: &Trace<Enclosure>) -> Result<Vec<Enclosure>, MeaningError> {
    let at = |end: fn(&Enclosure) -> &Exact| {
        let mut ends = Trace::new();
        for x in node.op.operands() {
            ends.set(x, trace.node(x).iter().map(|v| end(v).clone()).collect());
        }
        real_node(node, &ends, &mut ExactDomain, point)
    };
    let (lows, highs) = (at(|v| &v.0)?, at(|v| &v.1)?);
    Ok(lows.into_iter().zip(highs).collect())
}

/// Bounds on the reference's outputs at a real point, by [`BITS`] bits.
///
/// # Errors
/// A point of another length.
pub fn real_enclosures(program: &RealProgram, x: &[Exact]) -> Result<Vec<Enclosure>, EvalError> {
    real_enclosures_within(program, x, BITS)
}

/// Bounds on the reference's outputs at a real point, as [`real_trace_within`].
///
/// # Errors
/// A point of another length.
pub fn real_enclosures_within(
    program: &RealProgram,
    x: &[Exact],
    bits: u32,
) -> Result<Vec<Enclosure>, EvalError> {
    Ok(real_trace_within(program, x, bits)?.take(program.output))
}

/// A node without weights: pools and what only moves elements without the interpreter.
fn other_node<D: Domain>(
    node: &RealNode,
    trace: &Trace<D::Value>,
    domain: &mut D,
    constant: Constant<D>,
) -> Result<Vec<D::Value>, D::Error> {
    match &node.op {
        RealOp::MaxPool { x, window } => windows(trace.node(*x), window, |mut taps| {
            let first = taps.pop().ok_or(MeaningError::Empty)?;
            taps.iter().try_fold(first, |m, v| domain.max(&m, v))
        }),
        RealOp::SumPool { x, window } => windows(trace.node(*x), window, |taps| domain.sum(taps)),
        RealOp::Move { x } => Ok(trace.node(*x).to_vec()),
        RealOp::Concat { xs, outer } => Ok(direct::concat(trace, xs, *outer)),
        RealOp::Input
        | RealOp::Dense { .. }
        | RealOp::Conv { .. }
        | RealOp::AddConst { .. }
        | RealOp::MulConst { .. }
        | RealOp::DivConst { .. }
        | RealOp::Sum { .. }
        | RealOp::Gather { .. }
        | RealOp::Relu { .. }
        | RealOp::Clip { .. }
        | RealOp::LeakyRelu { .. }
        | RealOp::Unary { .. }
        | RealOp::Curve { .. }
        | RealOp::Snap { .. } => real_node(node, trace, domain, constant),
    }
}

/// What `join` makes of the elements of each window.
fn windows<V: Clone, E>(
    x: &[V],
    window: &Window,
    mut join: impl FnMut(Vec<V>) -> Result<V, E>,
) -> Result<Vec<V>, E> {
    let mut all = Vec::with_capacity(window.channels * window.windows());
    for plane in x.chunks(window.plane().max(1)) {
        for oy in 0..window.out[0] {
            for ox in 0..window.out[1] {
                let taps = window.taps(oy, ox).map(|t| plane[t.position].clone());
                all.push(join(taps.collect())?);
            }
        }
    }
    Ok(all)
}

/// Every node but the input by `evaluate`.
fn walk<V: Clone>(
    program: &RealProgram,
    input: Vec<V>,
    evaluate: impl Fn(&RealNode, &Trace<V>) -> Result<Vec<V>, MeaningError>,
) -> Result<Trace<V>, EvalError> {
    let mut trace = Trace::new();
    let mut input = input;
    for (id, node) in program.nodes.iter() {
        let values = if id == program.input {
            std::mem::take(&mut input)
        } else {
            evaluate(node, &trace)?
        };
        trace.set(id, values);
    }
    Ok(trace)
}

type Linear<'a> = (
    ceg4n_ir::NodeId,
    Layer<'a>,
    &'a ceg4n_ir::Reals,
    Option<&'a ceg4n_ir::Reals>,
);

/// The parts of a node that is a layer with weights.
fn linear_layer(node: &RealNode) -> Option<Linear<'_>> {
    match &node.op {
        RealOp::Dense {
            x,
            weight,
            bias,
            rows,
            cols,
        } => {
            let (rows, cols) = (*rows, *cols);
            Some((*x, Layer::Dense { rows, cols }, weight, bias.as_ref()))
        }
        RealOp::Conv {
            x,
            weight,
            bias,
            conv,
        } => Some((*x, Layer::Conv(conv), weight, bias.as_ref())),
        RealOp::Input
        | RealOp::MaxPool { .. }
        | RealOp::SumPool { .. }
        | RealOp::AddConst { .. }
        | RealOp::MulConst { .. }
        | RealOp::DivConst { .. }
        | RealOp::Sum { .. }
        | RealOp::Concat { .. }
        | RealOp::Gather { .. }
        | RealOp::Relu { .. }
        | RealOp::Clip { .. }
        | RealOp::LeakyRelu { .. }
        | RealOp::Unary { .. }
        | RealOp::Curve { .. }
        | RealOp::Snap { .. }
        | RealOp::Move { .. } => None,
    }
}
