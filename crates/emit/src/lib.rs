//! Writes a checked fixed-point program as C99 and as `no_std` Rust (integers only, no allocation,
//! every accumulator in a word that the checker proved wide enough) and as an ONNX model of the
//! same integers.
//!
//! Both languages print one `plan`: the kernel's nodes fused into loops (a dense layer, a
//! convolution, a pool, then what is done to each accumulator), intermediate vectors laid into
//! buffers that are shared where lifetimes allow. Loops stay loops: the code grows with the
//! operators, the constants with the weights, and neither with positions.
//! The output is a pure function of [`EmitInput`]: no dates, no paths.

mod backend;
mod c;
mod elem;
mod ident;
mod onnx;
mod plan;
mod readme;
mod rust;
mod slots;
mod straight;
#[cfg(test)]
mod tests;
mod text;

pub use backend::{BACKENDS, Backend, EmitSet};
pub use ident::{c_identifier, check_identifier};

use ceg4n_base::ContentHash;
use ceg4n_ir::{Checked, Kernel, Program};
use ceg4n_scalar::{Simplified, simplify};
pub use ceg4n_target::{KernelChoice, Target};
use ceg4n_verify::Verified;
use plan::{Given, Plan};
use std::sync::Arc;

/// What is emitted.
#[derive(Clone, Debug)]
pub struct EmitInput<'a> {
    /// A checked fixed-point program.
    pub program: &'a Checked<Program>,
    /// Prefix of every C symbol and file; see [`check_identifier`].
    pub name: &'a str,
    /// What the kernel says of its own verification.
    pub claim: Claim<'a>,
    /// Self-test vectors: at least every stored counterexample.
    pub vectors: &'a [TestVector],
    /// What the headers and READMEs tell.
    pub info: EmitInfo,
    /// How the kernel is written.
    pub options: EmitOptions,
}

/// How a kernel is written; nothing here changes what it computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EmitOptions {
    /// The processor that the loops are for.
    pub target: Target,
    /// What the loops are made for.
    pub kernel: KernelChoice,
    /// Write ACSL contracts into the C.
    pub acsl: bool,
    /// Rewrite the kernel exactly before it is written; off to see what that is worth.
    pub rewrite: bool,
}

impl Default for EmitOptions {
    fn default() -> Self {
        Self {
            target: Target::default(),
            kernel: KernelChoice::default(),
            acsl: false,
            rewrite: true,
        }
    }
}

/// One self-test vector, in mantissas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestVector {
    /// Integers that the input's storage type holds.
    pub input: Vec<i64>,
    /// The kernel's exact answer.
    pub output: Vec<i64>,
    /// Where the vector comes from; printed on a mismatch.
    pub note: String,
}

/// What a kernel says of its own verification.
#[derive(Clone, Debug)]
pub enum Claim<'a> {
    /// Every region of every requirement is proved.
    Verified {
        /// The proof; only verdicts make one. Emission refuses it for another program.
        proof: &'a Verified<Program>,
        /// What was proved, one statement a line.
        lines: Vec<String>,
    },
    /// Not proved.
    Unverified {
        /// Why.
        reason: String,
    },
}

impl Claim<'_> {
    pub(crate) fn is_verified(&self) -> bool {
        matches!(self, Self::Verified { .. })
    }

    /// The claim in words, for headers and READMEs.
    pub(crate) fn lines(&self) -> Vec<String> {
        match self {
            Self::Verified { lines, .. } => {
                let mut all = vec!["VERIFIED:".to_owned()];
                all.extend(lines.iter().map(|l| format!("  {l}")));
                all
            }
            Self::Unverified { reason } => vec![format!("NOT VERIFIED: {reason}")],
        }
    }
}

/// What the headers and READMEs tell besides the program itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EmitInfo {
    /// Version of the compiler.
    pub tool_version: String,
    /// The requirement, one statement a line.
    pub requirement: Vec<String>,
    /// Regions, one a line.
    pub regions: Vec<String>,
    /// Further hashes by name; those of program and network are always written.
    pub hashes: Vec<(String, String)>,
}

/// A file, by its path relative to the output folder, `/` between components.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputFile {
    /// For instance `c/iris.h`.
    pub path: String,
    /// Its bytes.
    pub content: Vec<u8>,
}

impl OutputFile {
    pub(crate) fn new(path: String, content: String) -> Self {
        Self {
            path,
            content: content.into_bytes(),
        }
    }
}

/// Why nothing was emitted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmitError {
    /// The program is the reference, or its input has no format.
    #[error("only a fixed-point program can be emitted; this one is real")]
    NotFixedPoint,
    /// The name cannot be the prefix of C and Rust symbols.
    #[error("`{name}` cannot name a kernel: {reason}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A self-test vector does not fit the kernel.
    #[error("self-test vector {index}: {reason}")]
    Vector {
        /// Its place in [`EmitInput::vectors`].
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// [`Claim::Verified`] speaks of another program.
    #[error("program {verified} was verified, but program {emitted} is to be emitted")]
    OtherProgram {
        /// Hash of the program in the proof.
        verified: ContentHash,
        /// Hash of the program at hand.
        emitted: ContentHash,
    },
    /// An ONNX model that no protocol buffer holds.
    #[error("an ONNX model of {bytes} bytes is more than a protocol buffer holds, 2 GiB")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// [`KernelChoice::Unrolled`] for a network that is too large.
    #[error(
        "straight-line code of {products} multiplications is too long; at most {MOST_UNROLLED}"
    )]
    Unrolled {
        /// Those of the network.
        products: usize,
    },
    /// A constant array, or all of them, are more than the target can reach.
    #[error(
        "{what} takes {bytes} bytes, and a kernel for {} can have {limit}", target.name()
    )]
    OutOfReach {
        /// A table, or all constants.
        what: String,
        /// Its bytes.
        bytes: usize,
        /// The most.
        limit: usize,
        /// The target.
        target: Target,
    },
    /// The checked program breaks a promise of the IR: a defect of the tool.
    #[error("internal error: {0}")]
    Internal(String),
}

impl EmitError {
    /// True if the kernel is too large for what was asked, and no defect.
    pub fn is_limit(&self) -> bool {
        match self {
            Self::TooLarge { .. } | Self::Unrolled { .. } | Self::OutOfReach { .. } => true,
            Self::NotFixedPoint
            | Self::Name { .. }
            | Self::Vector { .. }
            | Self::OtherProgram { .. }
            | Self::Internal(_) => false,
        }
    }
}

/// Memory that an emitted kernel takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// Bytes of constant arrays.
    pub constant_bytes: usize,
    /// Bytes of the scratch structure, without padding.
    pub scratch_bytes: usize,
    /// Bytes of the caller's inputs and outputs.
    pub vector_bytes: usize,
    /// An upper estimate of the bytes of code, from the length of the C text; what a compiler
    /// makes of it is less, often much less.
    pub code_bytes: usize,
}

/// The memory of the C kernel.
///
/// # Errors
/// See [`EmitError`].
pub fn footprint(input: &EmitInput<'_>) -> Result<Footprint, EmitError> {
    let kernels = Kernels::of(input)?;
    let plan = prepare(input, &kernels)?;
    Ok(Footprint {
        constant_bytes: plan.constant_bytes(),
        scratch_bytes: c::slots(&plan).bytes(),
        vector_bytes: plan.input.bytes() * plan.kernel.input_len()
            + plan.output.bytes() * plan.kernel.output_len(),
        code_bytes: c::code_bytes(input, &plan),
    })
}

/// Writes `c/NAME.h`, `c/NAME.c`, `c/NAME_weights.h`, `c/NAME_weights.c`, `c/NAME_selftest.c`
/// and `c/README.md`. All `c/*.c` except the self-test compile together into the kernel.
///
/// # Errors
/// See [`EmitError`].
pub fn emit_c(input: &EmitInput<'_>) -> Result<Vec<OutputFile>, EmitError> {
    let kernels = Kernels::of(input)?;
    let plan = prepare(input, &kernels)?;
    Ok(c::files(input, &plan))
}

/// Writes the crate `rust/`: `Cargo.toml`, `src/lib.rs`, `src/weights.rs`, `tests/selftest.rs`
/// and `README.md`. `no_std`, without `unsafe`, without dependencies.
///
/// # Errors
/// See [`EmitError`].
pub fn emit_rust(input: &EmitInput<'_>) -> Result<Vec<OutputFile>, EmitError> {
    // Rust's compiler unrolls and vectorises plain loops; packed weights are as small as in C.
    let kernel = match input.options.kernel {
        KernelChoice::Size => KernelChoice::Size,
        KernelChoice::Auto | KernelChoice::Speed | KernelChoice::Unrolled => KernelChoice::Speed,
    };
    let kernels = Kernels::of(input)?;
    let loops = |given| prepare_for(input, given, Target::Generic, kernel);
    let mut plan = loops(kernels.original())?;
    if let Some(given) = kernels.simplified() {
        let simplified = loops(given)?;
        if simplified.constant_bytes() <= plan.constant_bytes() {
            plan = simplified;
        }
    }
    Ok(rust::files(input, &plan))
}

/// Writes the ONNX model `onnx/NAME.onnx`, from the input's integers to the output's integers and
/// the class; `onnx/NAME_real.onnx`, the same from float64 to float64, unless outputs exceed 2^53;
/// `onnx/README.md`; and the vectors as `onnx/test_data_set_0/*.pb`.
///
/// onnxruntime gives the kernel's integers: every operator is one of the standard domain on
/// integers, in a type that holds what the checker proved.
///
/// # Errors
/// See [`EmitError`].
pub fn emit_onnx(input: &EmitInput<'_>) -> Result<Vec<OutputFile>, EmitError> {
    let kernel = Kernels::of(input)?.kernel;
    let given = Given {
        program: input.program,
        kernel,
        removed: None,
    };
    let plan = prepare_for(input, given, Target::Generic, KernelChoice::Speed)?;
    onnx::files(input, &plan)
}

/// A program's kernel, and what the exact rewriter leaves of it.
struct Kernels<'a> {
    program: &'a Checked<Program>,
    kernel: &'a Kernel,
    simplified: Option<Simplified>,
}

impl<'a> Kernels<'a> {
    fn of(input: &EmitInput<'a>) -> Result<Self, EmitError> {
        let program = input.program;
        let kernel = program.kernel().ok_or(EmitError::NotFixedPoint)?;
        let simplified = input.options.rewrite.then(|| simplify(kernel)).flatten();
        Ok(Self {
            program,
            kernel,
            simplified,
        })
    }

    fn original(&self) -> Given<'_> {
        Given {
            program: self.program,
            kernel: self.kernel,
            removed: None,
        }
    }

    fn simplified(&self) -> Option<Given<'_>> {
        self.simplified.as_ref().map(|s| Given {
            program: self.program,
            kernel: &s.kernel,
            removed: Some(&s.removed),
        })
    }
}

/// The plan of the C kernel: of the simplified one unless that would be larger, because layers of
/// other sizes share fewer loops.
fn prepare<'a>(input: &EmitInput<'_>, kernels: &'a Kernels<'_>) -> Result<Plan<'a>, EmitError> {
    let plan = prepare_given(input, kernels.original());
    let simplified = kernels
        .simplified()
        .map(|given| prepare_given(input, given));
    let bytes = |p: &Plan<'_>| {
        let arguments = ARGUMENT_BYTES * c::arguments(input, p);
        p.constant_bytes() + c::code_bytes(input, p) + arguments
    };
    match (plan, simplified) {
        (Ok(plan), Some(Ok(simplified))) => Ok(match bytes(&simplified) <= bytes(&plan) {
            true => simplified,
            false => plan,
        }),
        (Err(_), Some(Ok(simplified))) => Ok(simplified),
        (plan, _) => plan,
    }
}

fn prepare_given<'a>(input: &EmitInput<'_>, given: Given<'a>) -> Result<Plan<'a>, EmitError> {
    let EmitOptions { target, kernel, .. } = input.options;
    let loops = |kernel| prepare_for(input, given, target, kernel);
    match kernel {
        KernelChoice::Size => loops(KernelChoice::Size),
        KernelChoice::Speed => loops(KernelChoice::Speed),
        KernelChoice::Unrolled => {
            let plan = loops(KernelChoice::Unrolled)?;
            if plan.products() > MOST_UNROLLED {
                return Err(EmitError::Unrolled {
                    products: plan.products(),
                });
            }
            unrolled(plan, input.options).map_or_else(|| loops(KernelChoice::Speed), Ok)
        }
        KernelChoice::Auto => {
            let plan = loops(KernelChoice::Unrolled)?;
            let tiny = target != Target::Generic && plan.products() <= TINY;
            let straight = tiny.then(|| unrolled(plan, input.options)).flatten();
            let straight = straight.filter(|p| is_fast(p, target));
            straight.map_or_else(|| loops(KernelChoice::Speed), Ok)
        }
    }
}

/// About the bytes of passing a constant to loops that layers share.
const ARGUMENT_BYTES: usize = 12;

/// Up to so many multiplications straight-line code takes fewer cycles than loops on a
/// microcontroller.
const TINY: usize = 150;

/// Straight-line code of more multiplications than this fits no target, and no compiler's patience.
pub const MOST_UNROLLED: usize = 20_000;

/// True if straight-line code of a tiny network takes fewer cycles than loops.
fn is_fast(plan: &Plan<'_>, target: Target) -> bool {
    match (target, &plan.straight) {
        (Target::Generic, _) | (_, None) => false,
        (Target::CortexM0 | Target::CortexM4, Some(_)) => true,
        (Target::Avr, Some(straight)) => {
            // Half of what is measured is not in the operations: moves, signs, the stack.
            2 * straight.cost(target) < plan.loop_cycles(target)
        }
    }
}

/// The plan as straight-line code, if there can be.
fn unrolled(mut plan: Plan<'_>, options: EmitOptions) -> Option<Plan<'_>> {
    let EmitOptions {
        target, rewrite, ..
    } = options;
    plan.straight = straight::Straight::new(&plan, straight::Making { target, rewrite });
    c::unroll::fits(&plan).then_some(plan)
}

/// What every backend checks first: a name that can be written, and a claim about this program.
///
/// # Errors
/// See [`EmitError`].
pub(crate) fn checked<'a>(input: &EmitInput<'a>) -> Result<&'a Kernel, EmitError> {
    check_identifier(input.name)?;
    if let Claim::Verified { proof, .. } = &input.claim {
        let (verified, emitted) = (proof.program().hash(), input.program.hash());
        if verified != emitted {
            return Err(EmitError::OtherProgram { verified, emitted });
        }
    }
    let kernel = input.program.kernel();
    kernel.map(Arc::as_ref).ok_or(EmitError::NotFixedPoint)
}

fn prepare_for<'a>(
    input: &EmitInput<'_>,
    given: Given<'a>,
    target: Target,
    kernel: KernelChoice,
) -> Result<Plan<'a>, EmitError> {
    checked(input)?;
    let plan = plan::plan(given, target, kernel)?;
    plan.fits(target)?;
    for (index, v) in input.vectors.iter().enumerate() {
        let fits = |values: &[i64], len: usize, ty: elem::Elem, what: &str| {
            let (lo, hi) = ty.range();
            let reason = if values.len() != len {
                format!("{} {what}s instead of {len}", values.len())
            } else if let Some(m) = values.iter().find(|m| !(lo..=hi).contains(*m)) {
                format!("{what} {m} does not fit {}", ty.c())
            } else {
                return Ok(());
            };
            Err(EmitError::Vector { index, reason })
        };
        fits(&v.input, plan.kernel.input_len(), plan.input, "input")?;
        fits(&v.output, plan.kernel.output_len(), plan.output, "output")?;
    }
    Ok(plan)
}
