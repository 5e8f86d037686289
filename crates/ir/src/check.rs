//! The checker: from a [`Program`] to the [`Checked`] value that every lowering demands.

mod constants;
mod dot_range;
mod layout;
mod lower_kernel;
mod lower_real;

pub use constants::{quantize_f32, quantize_tensor};

use crate::annotate::{Annotation, Program};
use crate::kernel::Kernel;
use crate::network::{Op, ValueId};
use crate::real::RealProgram;
use crate::types::{Format, TensorFormat};
use ceg4n_base::{ContentHash, Diagnostic, Diagnostics, codes};
use std::sync::{Arc, OnceLock};

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
    /// Computed when it is first asked for: most candidates of a search never are, and hashing
    /// explicit mantissas costs more than checking them.
    hash: OnceLock<ContentHash>,
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
        *self.hash.get_or_init(|| self.inner.hash())
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
    if !fixed {
        check_divisors(&program, &mut errors);
    }
    if errors.has_errors() {
        return Err(errors);
    }
    let lowered = if fixed {
        Lowered::Fixed(Arc::new(lower_kernel::lower(&program)?))
    } else {
        Lowered::Real(Arc::new(lower_real::lower(&program)))
    };
    Ok(Checked {
        inner: program,
        lowered,
        hash: OnceLock::new(),
    })
}

/// No divisor of a real-valued program is 0 in its format.
fn check_divisors(program: &Program, errors: &mut Diagnostics) {
    for value in program.network.values().values() {
        let Op::Div { c, .. } = value.op else {
            continue;
        };
        let rounded = constants::constant_mantissas(program, c);
        if rounded.is_some_and(|(m, _)| m.contains(&0)) {
            let divisor = &program.network.value(c).name;
            let text = format!(
                "%{} divides by %{divisor}, which is 0 in its format",
                value.name
            );
            let span = program.annotations.spans.get(&c).copied();
            errors.push(
                Diagnostic::error(codes::FORMAT, text)
                    .at(span, "")
                    .help("give the divisor a finer format, or none"),
            );
        }
    }
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
    let channels = value.shape.0.first().copied().unwrap_or(1).max(1);
    let per_row = (m.len() / channels).max(1);
    let misfit = m.chunks(per_row).enumerate().find_map(|(j, row)| {
        let f = format.channel(j)?;
        // No early end, so that the loop becomes vector code; misfits are rare.
        let (lo, hi) = (f.min() as i32, f.max().min(i64::from(i32::MAX)) as i32);
        let bad = row.iter().fold(false, |bad, m| bad | (*m < lo) | (*m > hi));
        let i = bad.then(|| row.iter().position(|m| *m < lo || *m > hi))??;
        Some((j * per_row + i, row[i], f))
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
