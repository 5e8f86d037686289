//! The kernel side of a question: the program, its native evaluator, and exact replay.

mod enclosed;
mod runs;

pub use enclosed::surely_breaks;

use crate::attack::float::Net;
use crate::bounds::graph::{From, Graph};
use crate::reference::{Precision, Reference, middles, not_single, real_within};
use crate::space::Space;
use crate::verdict::Witness;
use ceg4n_base::Exact;
use ceg4n_base::elementary::Enclosure;
use ceg4n_eval::strict_winner;
use ceg4n_ir::kernel::argmax;
use ceg4n_ir::{Checked, Format, Kernel, Lowered, Program, Property, RealProgram};
use ceg4n_jit::{CodeCache, Evaluator};
use std::sync::{Arc, OnceLock};

/// The program that is decided: a kernel with its native code, or a real-valued program (for
/// instance with fixed-point weights only).
pub struct Subject {
    program: Checked<Program>,
    code: Code,
    precision: Precision,
    /// From real points; made when a bound asks for it.
    graph: OnceLock<Graph>,
    net: OnceLock<Net>,
}

enum Code {
    Fixed {
        kernel: Arc<Kernel>,
        evaluator: Box<Evaluator>,
        /// From the kernel's input mantissas.
        graph: OnceLock<Graph>,
    },
    Real(Arc<RealProgram>),
}

/// A defect or limit of the tool that leaves a region without a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble(pub String);

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Subject {
    /// Compiles a program for evaluation.
    ///
    /// # Errors
    /// A failure of code generation.
    pub fn new(program: Checked<Program>, cache: &CodeCache) -> Result<Self, Trouble> {
        let code = match program.lowered() {
            Lowered::Fixed(kernel) => {
                let evaluator =
                    Evaluator::new(&program, cache).map_err(|e| Trouble(e.to_string()))?;
                Code::Fixed {
                    kernel: kernel.clone(),
                    evaluator: Box::new(evaluator),
                    graph: OnceLock::new(),
                }
            }
            Lowered::Real(real) => Code::Real(real.clone()),
        };
        Ok(Self {
            program,
            code,
            precision: Precision::Real,
            graph: OnceLock::new(),
            net: OnceLock::new(),
        })
    }

    /// The same, computed in another precision; a kernel has only one. In single precision only
    /// [`Property::Spec`] and [`Property::Joint`] can be refuted.
    #[must_use]
    pub fn with_precision(mut self, precision: Precision) -> Self {
        if let Code::Real(_) = self.code {
            self.precision = precision;
            self.graph = OnceLock::new();
        }
        self
    }

    /// True if exact evaluation at a point is the whole truth about it: neither single precision
    /// nor values that are known between bounds only.
    pub fn is_exact(&self) -> bool {
        let rational = match &self.code {
            Code::Fixed { .. } => true,
            Code::Real(real) => real.is_exact(),
        };
        self.precision == Precision::Real && rational
    }

    /// Why nothing can be said of it in its precision, if so.
    pub fn refusal(&self) -> Option<&'static str> {
        match &self.code {
            Code::Real(real) if self.precision == Precision::Float32 => not_single(real),
            Code::Real(_) | Code::Fixed { .. } => None,
        }
    }

    /// The checked program.
    pub fn program(&self) -> &Checked<Program> {
        &self.program
    }

    /// Its integer form; `None` for a real-valued program.
    pub fn kernel(&self) -> Option<&Kernel> {
        match &self.code {
            Code::Fixed { kernel, .. } => Some(kernel),
            Code::Real(_) => None,
        }
    }

    /// Number of outputs.
    pub fn output_len(&self) -> usize {
        match &self.code {
            Code::Fixed { kernel, .. } => kernel.output_len(),
            Code::Real(real) => real.output_len(),
        }
    }

    /// The format that real inputs are rounded to; integers for a real-valued program, where
    /// they only guide divisions.
    pub fn input_format(&self) -> Format {
        self.kernel().map_or(Format::S32, |k| k.input_format)
    }

    /// The program for bounds, from real points.
    pub fn graph(&self) -> &Graph {
        self.graph.get_or_init(|| match &self.code {
            Code::Fixed { kernel, .. } => Graph::kernel(kernel, From::Reals),
            Code::Real(real) => Graph::real(real, self.precision == Precision::Float32),
        })
    }

    /// The kernel for bounds, from its input mantissas in real units.
    pub fn integer_graph(&self) -> Option<&Graph> {
        match &self.code {
            Code::Fixed { graph, kernel, .. } => {
                Some(graph.get_or_init(|| Graph::kernel(kernel, From::Mantissas)))
            }
            Code::Real(_) => None,
        }
    }

    /// The program for guidance in floating point.
    pub fn net(&self) -> &Net {
        self.net.get_or_init(|| Net::new(self.program.lowered()))
    }

    /// Outputs of `n` inputs, one after the other, by native code.
    ///
    /// # Errors
    /// Inputs outside the format; a program without integers.
    pub fn batch(&self, inputs: &[i64], n: usize) -> Result<Vec<i64>, Trouble> {
        let Code::Fixed { evaluator, .. } = &self.code else {
            return Err(Trouble("a real-valued program takes no integers".into()));
        };
        let mut out = Vec::with_capacity(n * self.output_len());
        evaluator
            .eval_batch(inputs, n, &mut out)
            .map_err(|e| Trouble(e.to_string()))?;
        Ok(out)
    }

    /// The program's input mantissas (empty without) and its outputs: exactly, or the middles of
    /// what is known of them.
    ///
    /// # Errors
    /// If interpreter and native code disagree: a defect of the tool, never a verdict.
    pub fn outputs(&self, x: &[Exact]) -> Result<(Vec<i64>, Vec<Exact>), Trouble> {
        let (input, y) = self.enclosures(x)?;
        Ok((input, middles(&y)))
    }

    /// As [`Self::outputs`], bounds on the outputs in exact arithmetic.
    ///
    /// # Errors
    /// As for [`Self::outputs`].
    pub fn enclosures(&self, x: &[Exact]) -> Result<(Vec<i64>, Vec<Enclosure>), Trouble> {
        let trouble = |e: ceg4n_eval::EvalError| Trouble(e.to_string());
        match &self.code {
            Code::Real(real) => Ok((Vec::new(), real_within(real, x).map_err(trouble)?)),
            Code::Fixed { kernel, .. } => {
                let input = kernel.quantize_input(x);
                let raw = ceg4n_eval::kernel_outputs(kernel, &input).map_err(trouble)?;
                if self.batch(&input, 1)? != raw {
                    return Err(Trouble(format!(
                        "native code and interpreter disagree on input {input:?}"
                    )));
                }
                Ok((input, enclosed::points(&kernel.output_values(&raw))))
            }
        }
    }

    /// Replays a point exactly: `Some` if it lies in the region and breaks the property.
    ///
    /// # Errors
    /// As for [`Self::outputs`].
    pub fn replay(
        &self,
        reference: &Reference,
        space: &Space,
        property: &Property,
        x: &[Exact],
    ) -> Result<Option<Witness>, Trouble> {
        let x = &reference.admissible(x, &space.lower, &space.upper);
        if !space.contains(x) {
            return Ok(None);
        }
        let (input, own) = self.enclosures(x)?;
        let n = reference
            .enclosures(x)
            .map_err(|e| Trouble(e.to_string()))?;
        let broken = match (self.precision, reference.precision()) {
            (Precision::Float32, _) => runs::broken(reference, self, property, x, &n),
            (Precision::Real, Precision::Real) => surely_breaks(property, &n, &own),
            // Against runs in single precision a subject's outputs are numbers.
            (Precision::Real, Precision::Float32) => {
                self.is_exact() && breaks_float32(reference, property, x, &middles(&own))
            }
        };
        Ok(broken.then(|| Witness {
            x: x.to_vec(),
            input,
            reference: middles(&n),
            kernel: middles(&own),
        }))
    }
}

/// True if the kernel's outputs at `x` break the property, given the reference's exact outputs
/// there; for a reference in single precision, or one without rational values, only if they do for
/// each of its runs, or for all that its outputs may be.
pub fn breaks_at(
    reference: &Reference,
    property: &Property,
    x: &[Exact],
    outputs: &[Exact],
    kernel: &[Exact],
) -> bool {
    match reference.precision() {
        Precision::Real if reference.is_exact() => breaks(property, outputs, kernel),
        Precision::Real => reference
            .enclosures(x)
            .is_ok_and(|n| surely_breaks(property, &n, &enclosed::points(kernel))),
        Precision::Float32 => breaks_float32(reference, property, x, kernel),
    }
}

/// True if the kernel's outputs at `x` break the property against every single-precision run of
/// the reference.
fn breaks_float32(
    reference: &Reference,
    property: &Property,
    x: &[Exact],
    kernel: &[Exact],
) -> bool {
    let (Some(at), Some(k)) = (reference.float32_at(x), argmax(kernel)) else {
        return false;
    };
    match property {
        Property::Top1 => at.winner().is_some_and(|c| c != k),
        Property::Top1Margin(m) => {
            let m = m.enclosure().1;
            (0..kernel.len()).any(|j| j != k && at.lead(j, k) > m)
        }
        Property::TopK(n) => at.winner().is_some_and(|c| rank(kernel, c) >= *n as usize),
        Property::Eps(e) => {
            let far = |(j, y): (usize, &Exact)| {
                let run = at.output(j);
                let end = |v: f64| Exact::from_f64(v);
                let above = end(run.hi).is_some_and(|n| y - &n > *e);
                let below = end(run.lo).is_some_and(|n| &n - y > *e);
                above || below
            };
            kernel.iter().enumerate().any(far)
        }
        Property::Spec(_) => breaks(property, &[], kernel),
        Property::Joint(spec) => runs::against_kernel(reference, spec, x, kernel),
    }
}

/// True if these outputs of reference and kernel break the property at one point.
pub fn breaks(property: &Property, reference: &[Exact], kernel: &[Exact]) -> bool {
    let Some(k) = argmax(kernel) else {
        return false;
    };
    match property {
        Property::Top1 => strict_winner(reference).is_some_and(|c| c != k),
        Property::Top1Margin(m) => reference.iter().any(|n| reference[k] < n - m),
        Property::TopK(n) => {
            strict_winner(reference).is_some_and(|c| rank(kernel, c) >= *n as usize)
        }
        Property::Eps(e) => reference.iter().zip(kernel).any(|(n, k)| {
            let d = k - n;
            d > *e || d < -e
        }),
        Property::Spec(spec) => spec.violated(kernel),
        Property::Joint(spec) => spec.violated(&[reference, kernel].concat()),
    }
}

/// How many outputs precede output `c` (value descending, index ascending).
fn rank(outputs: &[Exact], c: usize) -> usize {
    let before = |(i, v): (usize, &Exact)| *v > outputs[c] || (i < c && *v == outputs[c]);
    outputs
        .iter()
        .enumerate()
        .filter(|(i, v)| *i != c && before((*i, v)))
        .count()
}
