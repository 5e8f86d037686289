//! Backward linear bounds of the reference (CROWN: Zhang et al. 2018; DeepPoly: Singh et al.
//! 2019), sound in floating point.
//!
//! A form is carried backwards as `Σ c·h + k`, a lower bound of the form on the box. Each
//! rounding error of a coefficient is charged against the magnitude of the value that it
//! multiplies, so that the bound holds for the exact network.

use super::Form;
use super::interval::{self, Forward};
use crate::float::{Bound, down, pad, up};
use ceg4n_base::entity::SecondaryMap;
use ceg4n_ir::{NodeId, RealOp, RealProgram};

/// A linear lower bound `Σ coefficients·node + constant`.
struct Linear {
    coefficients: Vec<f64>,
    /// Rounded downwards at every step.
    constant: f64,
}

/// Enclosures of every node: intervals, tightened before each relu by backward bounds.
pub fn forward(program: &RealProgram, x: &[Bound]) -> Forward {
    let mut nodes: SecondaryMap<NodeId, Vec<Bound>> = SecondaryMap::new();
    let mut unstable_before = false;
    for (id, node) in program.nodes.iter() {
        let out = interval::step(&node.op, x, |n| &nodes[n]);
        nodes[id] = out;
        if let RealOp::Relu { x: operand } = &node.op {
            // Behind exactly linear layers the interval of a dense row is already the best bound.
            if unstable_before {
                tighten(program, &mut nodes, *operand);
                let relu = nodes[*operand].iter().map(|b| b.relu()).collect();
                nodes[id] = relu;
            }
            unstable_before = true;
        }
    }
    Forward { nodes }
}

/// Intersects the enclosure of a node's unstable elements with their backward bounds.
fn tighten(program: &RealProgram, nodes: &mut SecondaryMap<NodeId, Vec<Bound>>, at: NodeId) {
    for i in 0..nodes[at].len() {
        let old = nodes[at][i];
        if old.lo >= 0.0 || old.hi <= 0.0 {
            continue;
        }
        let mut unit = vec![0.0; nodes[at].len()];
        unit[i] = 1.0;
        let lo = lower(
            program,
            nodes,
            at,
            Linear {
                coefficients: unit.clone(),
                constant: 0.0,
            },
        );
        unit[i] = -1.0;
        let hi = -lower(
            program,
            nodes,
            at,
            Linear {
                coefficients: unit,
                constant: 0.0,
            },
        );
        nodes[at][i] = old.meet(Bound::new(lo, hi));
    }
}

/// A lower bound of a form over the box that `forward` was computed for.
pub fn form_lower(program: &RealProgram, forward: &Forward, form: Form) -> f64 {
    let mut c = vec![0.0; program.output_len()];
    c[form.plus] = 1.0;
    if let Some(minus) = form.minus {
        c[minus] = -1.0;
    }
    lower(
        program,
        &forward.nodes,
        program.output,
        Linear {
            coefficients: c,
            constant: 0.0,
        },
    )
}

fn lower(
    program: &RealProgram,
    nodes: &SecondaryMap<NodeId, Vec<Bound>>,
    from: NodeId,
    start: Linear,
) -> f64 {
    let mut at = from;
    let mut form = start;
    loop {
        match &program.nodes[at].op {
            RealOp::Input => return concrete(&form, &nodes[at]),
            RealOp::Move { x } => at = *x,
            RealOp::AddConst { x, c } => {
                let (s, m) = dot(&form.coefficients, c);
                form.constant = down(
                    form.constant + s,
                    pad(c.len() + 1, 0, m + form.constant.abs()),
                );
                at = *x;
            }
            RealOp::DivConst { x, c } => {
                let mut charge = 0.0;
                for (a, (c, b)) in form.coefficients.iter_mut().zip(c.iter().zip(&nodes[*x])) {
                    *a /= c;
                    charge += charged(pad(1, 0, a.abs()), *b);
                }
                form.constant = down(form.constant, up(charge, pad(c.len(), 0, charge)));
                at = *x;
            }
            RealOp::Dense {
                x,
                weight,
                bias,
                rows,
                cols,
            } => {
                form = through_dense(&form, weight, bias.as_deref(), (*rows, *cols), &nodes[*x]);
                at = *x;
            }
            RealOp::Relu { x } => {
                through_relu(&mut form, &nodes[*x]);
                at = *x;
            }
        }
    }
}

/// What an error of at most `error` in a coefficient costs; nothing if there is no error.
fn charged(error: f64, b: Bound) -> f64 {
    if error == 0.0 {
        0.0
    } else {
        error * b.magnitude()
    }
}

fn dot(a: &[f64], b: &[f64]) -> (f64, f64) {
    a.iter()
        .zip(b)
        .fold((0.0, 0.0), |(s, m), (a, b)| (s + a * b, m + (a * b).abs()))
}

fn through_dense(
    form: &Linear,
    weight: &[f64],
    bias: Option<&[f64]>,
    (rows, cols): (usize, usize),
    x: &[Bound],
) -> Linear {
    let mut coefficients = vec![0.0; cols];
    let mut magnitudes = vec![0.0; cols];
    for (j, a) in form.coefficients.iter().enumerate() {
        if *a == 0.0 {
            continue;
        }
        let row = &weight[j * cols..(j + 1) * cols];
        for (k, w) in row.iter().enumerate() {
            let p = a * w;
            coefficients[k] += p;
            magnitudes[k] += p.abs();
        }
    }
    let mut charge = 0.0;
    for (m, b) in magnitudes.iter().zip(x) {
        charge += charged(pad(rows, 0, *m), *b);
    }
    let charge = up(charge, pad(cols, 0, charge));
    let (s, m) = bias.map_or((0.0, 0.0), |b| dot(&form.coefficients, b));
    let constant = down(form.constant + s, pad(rows + 1, 0, m + form.constant.abs()));
    Linear {
        coefficients,
        constant: down(constant, charge),
    }
}

/// Replaces `max(0, z)` by a line below it (coefficient ≥ 0) or above it (coefficient < 0).
fn through_relu(form: &mut Linear, z: &[Bound]) {
    let mut constant = form.constant;
    for (a, b) in form.coefficients.iter_mut().zip(z) {
        if b.lo >= 0.0 || *a == 0.0 {
            continue;
        }
        if b.hi <= 0.0 {
            *a = 0.0;
        } else if *a > 0.0 {
            // Both lines z and 0 lie below; the one with the smaller gap (Zhang et al. 2018).
            if b.hi < -b.lo {
                *a = 0.0;
            }
        } else {
            // A line through (lo, 0) with a slope at least hi/(hi - lo) lies above. The factor
            // leaves room for the roundings of the quotient and of the product; a subnormal quotient
            // may be off by more.
            let slope = (b.hi / (b.hi - b.lo)) * (1.0 + 16.0 * f64::EPSILON);
            let steep = *a * slope;
            if slope.is_normal() && steep < -1e-280 && steep.is_finite() {
                *a = steep;
                let lift = steep * b.lo;
                constant = down(constant - lift, pad(2, 0, lift.abs() + constant.abs()));
            } else {
                // Degenerate scales: take the largest value of the relu instead.
                let most = *a * b.hi;
                *a = 0.0;
                constant = down(constant + most, pad(2, 0, most.abs() + constant.abs()));
            }
        }
    }
    form.constant = constant;
}

/// The least value of a linear form over a box.
fn concrete(form: &Linear, x: &[Bound]) -> f64 {
    crate::float::affine(form.coefficients.iter().copied(), x, form.constant, 0).lo
}
