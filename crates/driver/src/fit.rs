//! Whether a kernel can be written for its target within the limits of flash and memory.

use crate::options::{CompileOptions, EmitOptions, EmitSet};
use ceg4n_base::{Diagnostic, codes};
use ceg4n_emit::{EmitError, EmitInput, KernelChoice, MOST_UNROLLED, footprint};
use ceg4n_ir::ValueId;
use ceg4n_search::AnnotationSpace;
use std::collections::BTreeMap;

/// How the kernel is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// With these options.
    Written(EmitOptions),
    /// Not at all, and why.
    Refused(String),
}

/// What no search can mend is told before it begins.
///
/// # Errors
/// [`codes::USAGE`]: straight-line code of a large network, or a limit that no widths meet.
pub(crate) fn foresee(options: &CompileOptions, space: &AnnotationSpace) -> Result<(), Diagnostic> {
    let products: u64 = space.layers().iter().map(|l| l.macs as u64).sum();
    let straight = options.written.kernel == KernelChoice::Unrolled && options.emit.has(EmitSet::C);
    if straight && products > MOST_UNROLLED as u64 {
        let message = format!(
            "--kernel unrolled: the network has {products} multiplications, and straight-line code at most {MOST_UNROLLED}"
        );
        return Err(Diagnostic::error(codes::USAGE, message).help("ask for --kernel speed or size"));
    }
    // Layers may share their weights, and straight-line code stores none.
    let weights: BTreeMap<ValueId, u64> = space
        .layers()
        .iter()
        .map(|l| (l.weight, l.weights as u64))
        .collect();
    let least = weights.values().sum::<u64>().div_ceil(8);
    let loops = products > MOST_UNROLLED as u64 && options.emit.has(EmitSet::C);
    match options.max_flash.filter(|most| least > *most && loops) {
        None => Ok(()),
        Some(most) => {
            let message =
                format!("--max-flash {most}: the weights alone take {least} bytes at one bit each");
            Err(Diagnostic::error(codes::USAGE, message)
                .help("give more flash, or train a smaller network"))
        }
    }
}

/// Under `auto`, packed loops where the fast ones are too large.
///
/// # Errors
/// A defect of the emitter.
pub(crate) fn fit(options: &CompileOptions, input: &EmitInput<'_>) -> Result<Fit, Diagnostic> {
    let asked = input.options.kernel;
    let limited = options.max_flash.is_some() || options.max_ram.is_some();
    let choices = match asked {
        KernelChoice::Auto if limited => vec![asked, KernelChoice::Size],
        KernelChoice::Auto | KernelChoice::Size | KernelChoice::Speed | KernelChoice::Unrolled => {
            vec![asked]
        }
    };
    let mut missed = String::new();
    for kernel in choices {
        let written = EmitOptions {
            kernel,
            ..input.options
        };
        let input = EmitInput {
            options: written,
            ..input.clone()
        };
        match exceeded(options, &input) {
            Ok(None) => return Ok(Fit::Written(written)),
            Ok(Some(text)) => missed = text,
            Err(e) if e.is_limit() => missed = e.to_string(),
            Err(e) => return Err(Diagnostic::error(codes::INTERNAL, e.to_string())),
        }
    }
    Ok(Fit::Refused(missed))
}

/// The limit that a kernel exceeds, in words.
fn exceeded(options: &CompileOptions, input: &EmitInput<'_>) -> Result<Option<String>, EmitError> {
    let of = footprint(input)?;
    let (constants, code) = (of.constant_bytes as u64, of.code_bytes as u64);
    if let Some(most) = options.max_flash.filter(|m| constants + code > *m) {
        let way = match input.options.kernel {
            KernelChoice::Size => "fewer bits (--cost flash) take less",
            KernelChoice::Auto | KernelChoice::Speed | KernelChoice::Unrolled => {
                "--kernel size and fewer bits (--cost flash) take less"
            }
        };
        return Ok(Some(format!(
            "--max-flash {most} is missed: the C kernel takes {constants} bytes of constants and at most about {code} of code; {way}"
        )));
    }
    let (scratch, vectors) = (of.scratch_bytes as u64, of.vector_bytes as u64);
    let missed = options.max_ram.filter(|m| scratch + vectors > *m);
    Ok(missed.map(|most| {
        format!(
            "--max-ram {most} is missed: the C kernel takes {scratch} bytes of scratch memory and {vectors} of inputs and outputs; narrower activations (--activation-bits) take less"
        )
    }))
}
