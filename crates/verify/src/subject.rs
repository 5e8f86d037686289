//! The kernel side of a question: the program, its native evaluator, and exact replay.

use crate::reference::Reference;
use crate::space::Space;
use crate::verdict::Witness;
use ceg4n_base::Exact;
use ceg4n_eval::strict_winner;
use ceg4n_ir::kernel::argmax;
use ceg4n_ir::{Checked, Kernel, Program, Property};
use ceg4n_jit::{CodeCache, Evaluator};
use std::sync::Arc;

/// A fixed-point program with native code.
pub struct Subject {
    program: Checked<Program>,
    kernel: Arc<Kernel>,
    evaluator: Evaluator,
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
    /// A program without a fixed-point form, or a failure of code generation.
    pub fn new(program: Checked<Program>, cache: &CodeCache) -> Result<Self, Trouble> {
        let kernel = program
            .kernel()
            .cloned()
            .ok_or_else(|| Trouble("the program has no fixed-point form".into()))?;
        let evaluator = Evaluator::new(&program, cache).map_err(|e| Trouble(e.to_string()))?;
        Ok(Self {
            program,
            kernel,
            evaluator,
        })
    }

    /// The checked program.
    pub fn program(&self) -> &Checked<Program> {
        &self.program
    }

    /// Its integer form.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Outputs of `n` inputs, one after the other, by native code.
    ///
    /// # Errors
    /// Inputs outside the format.
    pub fn batch(&self, inputs: &[i64], n: usize) -> Result<Vec<i64>, Trouble> {
        let mut out = Vec::with_capacity(n * self.kernel.output_len());
        self.evaluator
            .eval_batch(inputs, n, &mut out)
            .map_err(|e| Trouble(e.to_string()))?;
        Ok(out)
    }

    /// Replays a point exactly: `Some` if it lies in the region and breaks the property.
    ///
    /// # Errors
    /// If interpreter and native code disagree: a defect of the tool, never a verdict.
    pub fn replay(
        &self,
        reference: &Reference,
        space: &Space,
        property: &Property,
        x: &[Exact],
    ) -> Result<Option<Witness>, Trouble> {
        if !space.contains(x) {
            return Ok(None);
        }
        let input = self.kernel.quantize_input(x);
        let trouble = |e: ceg4n_eval::EvalError| Trouble(e.to_string());
        let raw = ceg4n_eval::kernel_outputs(&self.kernel, &input).map_err(trouble)?;
        if self.batch(&input, 1)? != raw {
            return Err(Trouble(format!(
                "native code and interpreter disagree on input {input:?}"
            )));
        }
        let kernel = self.kernel.output_values(&raw);
        let outputs = reference.outputs(x).map_err(trouble)?;
        let witness = || Witness {
            x: x.to_vec(),
            input,
            reference: outputs.clone(),
            kernel: kernel.clone(),
        };
        Ok(breaks(property, &outputs, &kernel).then(witness))
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
