//! The checker: from a [`Program`] to the [`Checked`] value that every lowering demands.

mod lower_kernel;
mod lower_real;

use crate::annotate::{Annotation, Program};
use crate::kernel::Kernel;
use crate::network::{Op, ValueId};
use crate::real::RealProgram;
use crate::types::{Format, TensorFormat};
use ceg4n_base::{ContentHash, Diagnostic, Diagnostics, Exact, codes};
use num_traits::ToPrimitive;
use std::sync::Arc;

/// What a program means, ready for evaluation.
#[derive(Clone, Debug)]
pub enum Lowered {
    /// No activation has a format: a real function.
    Real(Arc<RealProgram>),
    /// The input and every constant have formats: an integer function.
    Fixed(Arc<Kernel>),
}

/// A program that passed the checker, with its lowered form. Only [`check`] makes one.
#[derive(Clone, Debug)]
pub struct Checked<P> {
    inner: P,
    lowered: Lowered,
    hash: ContentHash,
}

impl Checked<Program> {
    /// The program.
    pub fn program(&self) -> &Program {
        &self.inner
    }

    /// Its lowered form.
    pub fn lowered(&self) -> &Lowered {
        &self.lowered
    }

    /// Its integer form, if it is a fixed-point program.
    pub fn kernel(&self) -> Option<&Arc<Kernel>> {
        match &self.lowered {
            Lowered::Fixed(k) => Some(k),
            Lowered::Real(_) => None,
        }
    }

    /// Its real form, if it has no activation formats.
    pub fn real(&self) -> Option<&Arc<RealProgram>> {
        match &self.lowered {
            Lowered::Real(r) => Some(r),
            Lowered::Fixed(_) => None,
        }
    }

    /// The program's content hash ([`Program::hash`]).
    pub fn hash(&self) -> ContentHash {
        self.hash
    }
}

/// Checks a program; on failure every error that can be told apart.
///
/// # Errors
/// Formats on values that cannot have them, mantissas out of range, a bias finer than its
/// accumulator, accumulators beyond 64 bits, a mixture of real and fixed-point activations.
pub fn check(program: Program) -> Result<Checked<Program>, Diagnostics> {
    let mut errors = Diagnostics::default();
    check_annotations(&program, &mut errors);
    let net = &program.network;
    let has_format = |v: ValueId| program.annotations.values.contains_key(&v);
    let is_constant = |v: ValueId| net.constant(v).is_some();
    let activation = net
        .values()
        .keys()
        .find(|v| has_format(*v) && !is_constant(*v));
    let fixed = has_format(net.input());
    if let (Some(v), false) = (activation, fixed) {
        let input = &net.value(net.input()).name;
        errors.push(
            Diagnostic::error(
                codes::MIXED_FORMATS,
                format!(
                    "%{} has a format but the input %{input} is real",
                    net.value(v).name
                ),
            )
            .at(
                program.annotations.spans.get(&v).copied(),
                "a fixed-point value",
            )
            .help(format!(
                "give %{input} a format too, for instance %{input}: s9q8"
            )),
        );
    }
    if errors.has_errors() {
        return Err(errors);
    }
    let lowered = if fixed {
        Lowered::Fixed(Arc::new(lower_kernel::lower(&program)?))
    } else {
        Lowered::Real(Arc::new(lower_real::lower(&program)))
    };
    let hash = program.hash();
    Ok(Checked {
        inner: program,
        lowered,
        hash,
    })
}

/// Annotations in themselves: formats per channel only on constants, mantissas that fit.
fn check_annotations(program: &Program, errors: &mut Diagnostics) {
    let net = &program.network;
    for (v, a) in &program.annotations.values {
        let span = program.annotations.spans.get(v).copied();
        let Some(value) = net.values().get(*v) else {
            errors.push(Diagnostic::error(
                codes::UNKNOWN_NAME,
                format!("no value {v} in @{}", net.name()),
            ));
            continue;
        };
        let name = &value.name;
        let constant = net.constant(*v);
        let (format, mantissas) = match a {
            Annotation::Fixed { format, mantissas } => (format, mantissas),
            Annotation::Acc(_) if matches!(value.op, Op::Input | Op::Const(_)) => {
                let d = Diagnostic::error(codes::FORMAT, format!("%{name} is no accumulator"));
                errors.push(
                    d.at(span, "")
                        .help("inputs and constants have a format like s8q6"),
                );
                continue;
            }
            Annotation::Acc(_) => continue,
        };
        if let TensorFormat::Channels(list) = format {
            let channels = value.shape.0.first().copied().unwrap_or(0);
            if constant.is_none() || list.len() != channels {
                let d = Diagnostic::error(
                    codes::FORMAT,
                    format!(
                        "%{name} of tensor<{}> has {} channel formats",
                        value.shape,
                        list.len()
                    ),
                );
                errors.push(d.at(span, "").help(
                    "formats per channel are for weights and biases, one for each output channel",
                ));
                continue;
            }
        }
        let channels = value.shape.0.first().copied().unwrap_or(1);
        if constant.is_none() && format.single().is_some_and(|f| f.multiplier() != 1) {
            let d = Diagnostic::error(
                codes::FORMAT,
                format!("%{name} is no constant and has no multiplier"),
            );
            errors.push(
                d.at(span, "")
                    .help("multipliers are for weights, and for what is added to their products"),
            );
            continue;
        }
        let unsigned32 = |f: Format| !f.signed() && f.width() == 32;
        if constant.is_some()
            && (0..channels)
                .filter_map(|j| format.channel(j))
                .any(unsigned32)
        {
            let d = Diagnostic::error(
                codes::FORMAT,
                format!("%{name}: constants are at most u31 or s32"),
            );
            errors.push(d.at(span, ""));
            continue;
        }
        if let Some(m) = mantissas {
            check_mantissas(program, *v, format, m, errors);
        }
    }
}

fn check_mantissas(
    program: &Program,
    v: ValueId,
    format: &TensorFormat,
    m: &[i32],
    errors: &mut Diagnostics,
) {
    let value = program.network.value(v);
    let span = program.annotations.spans.get(&v).copied();
    let fail = |errors: &mut Diagnostics, message: String| {
        errors.push(Diagnostic::error(codes::MANTISSAS, message).at(span, ""));
    };
    if program.network.constant(v).is_none() {
        return fail(
            errors,
            format!("%{} is no constant and has no mantissas", value.name),
        );
    }
    if m.len() != value.shape.len() {
        return fail(
            errors,
            format!(
                "%{} has {} elements but {} mantissas",
                value.name,
                value.shape.len(),
                m.len()
            ),
        );
    }
    let per_row = m.len() / value.shape.0.first().copied().unwrap_or(1).max(1);
    let misfit = m.iter().enumerate().find_map(|(i, m)| {
        let f = format.channel(i / per_row.max(1))?;
        (!f.contains(i64::from(*m))).then_some((i, *m, f))
    });
    if let Some((i, m, f)) = misfit {
        fail(
            errors,
            format!(
                "mantissa {m} of %{} (element {i}) is outside {f}",
                value.name
            ),
        );
    }
}

/// The mantissas and the per-channel formats of an annotated constant; rows are indices of the
/// first dimension. `None` without a format.
pub(crate) fn constant_mantissas(
    program: &Program,
    v: ValueId,
) -> Option<(Arc<[i32]>, Vec<Format>)> {
    let value = program.network.value(v);
    let constant = program.network.constant(v)?;
    let Some(Annotation::Fixed { format, mantissas }) = program.annotations.get(v) else {
        return None;
    };
    let rows = value.shape.0.first().copied().unwrap_or(1).max(1);
    let per_row = (constant.data.len() / rows).max(1);
    let formats: Vec<Format> = (0..rows).filter_map(|j| format.channel(j)).collect();
    let mantissas = match mantissas {
        Some(m) => m.clone(),
        None => constant
            .data
            .iter()
            .enumerate()
            .map(|(i, w)| quantize_f32(formats[(i / per_row).min(rows - 1)], *w))
            .collect(),
    };
    Some((mantissas, formats))
}

/// [`Format::quantize`] for a float32. The scaled value and the sum with 1/2 are exact in `f64`
/// wherever they decide; the rest is left to exact arithmetic.
pub fn quantize_f32(format: Format, w: f32) -> i32 {
    if format.multiplier() != 1 {
        return quantize_multiplied(format, w);
    }
    let scaled = f64::from(w) * 2f64.powi(format.frac());
    // |scaled| < 2^40 with a normal result: the power-of-two product is exact, and the sum has
    // at most 53 significant bits unless the addend's low bits are far below 1/2.
    let quick = scaled.abs() < 2f64.powi(20) && (scaled == 0.0 || scaled.abs() > 2f64.powi(-20));
    let m = if quick {
        ((scaled + 0.5).floor() as i64).clamp(format.min(), format.max())
    } else {
        Exact::from_f32(w).map_or(0, |x| format.quantize(&x))
    };
    // Only an unsigned 32-bit format exceeds the type, and the checker refuses it on constants.
    m.to_i32().unwrap_or(i32::MAX)
}

/// [`quantize_f32`] under a multiplier. The quotient is rounded, so it decides only away from the
/// midpoints; the rest is left to exact arithmetic.
fn quantize_multiplied(format: Format, w: f32) -> i32 {
    let scaled = f64::from(w) * 2f64.powi(format.frac()) / f64::from(format.multiplier());
    let sum = scaled + 0.5;
    let near = (sum - sum.round()).abs();
    // The product is exact: `|F| ≤ 256`. The quotient and the sum, below 2^21, are off by at most
    // 2^-33 each.
    let m = if scaled.abs() < 2f64.powi(20) && near > 2f64.powi(-30) {
        (sum.floor() as i64).clamp(format.min(), format.max())
    } else {
        Exact::from_f32(w).map_or(0, |x| format.quantize(&x))
    };
    m.to_i32().unwrap_or(i32::MAX)
}
