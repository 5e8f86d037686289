//! For which networks the bounds of single-precision runs hold: those whose every operator is
//! computed as it stands, on float32 constants.

use ceg4n_ir::{RealOp, RealProgram, Reals};

/// What stands against taking a program in single precision; `None` if nothing does.
///
/// Rounding errors are bounded per operator of the program. A constant that is no float32 was
/// folded from several, whose operators round otherwise; for functions and roundings with a scale
/// every library has its own errors.
pub(super) fn objection(program: &RealProgram) -> Option<&'static str> {
    let folded = Some("folded constants");
    let constants = |list: &[Option<&Reals>]| {
        let plain = list.iter().flatten().all(|c| is_single(c));
        if plain { None } else { folded }
    };
    program.nodes.values().find_map(|node| match &node.op {
        RealOp::Dense { weight, bias, .. } | RealOp::Conv { weight, bias, .. } => {
            constants(&[Some(weight), bias.as_ref()])
        }
        RealOp::AddConst { c, .. } | RealOp::MulConst { c, .. } | RealOp::DivConst { c, .. } => {
            constants(&[Some(c)])
        }
        RealOp::Curve { .. } => Some("a sigmoid or tanh"),
        RealOp::Snap { .. } => Some("quantized values"),
        RealOp::Input
        | RealOp::Relu { .. }
        | RealOp::Move { .. }
        | RealOp::MaxPool { .. }
        | RealOp::SumPool { .. }
        | RealOp::Sum { .. }
        | RealOp::Concat { .. }
        | RealOp::Gather { .. }
        | RealOp::Clip { .. }
        | RealOp::LeakyRelu { .. }
        | RealOp::Unary { .. } => None,
    })
}

fn is_single(c: &Reals) -> bool {
    c.is_exact() && c.near().iter().all(|v| f64::from(*v as f32) == *v)
}
