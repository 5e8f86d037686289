//! The reference at a point: over the rationals where it is a function of them, else between
//! bounds.

use crate::kernel::Trace;
use crate::linear;
use crate::real::real_node;
use crate::weighted::Layer;
use crate::{EvalError, check_length, direct};
use ceg4n_base::Exact;
use ceg4n_base::elementary::{Enclosure, truncated};
use ceg4n_ir::{RealNode, RealOp, RealProgram};
use ceg4n_opspec::{EnclosureDomain, ExactDomain, MeaningError};

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
            None => real_node(node, trace, &mut ExactDomain, point),
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
        None => real_node(node, trace, &mut EnclosureDomain { bits }, |_, ends| {
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

/// Every node by `evaluate`, except concatenations, which only move elements.
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
        } else if let RealOp::Concat { xs, outer } = &node.op {
            direct::concat(&trace, xs, *outer)
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
        | RealOp::Abs { .. }
        | RealOp::Sign { .. }
        | RealOp::Curve { .. }
        | RealOp::Snap { .. }
        | RealOp::Move { .. } => None,
    }
}
