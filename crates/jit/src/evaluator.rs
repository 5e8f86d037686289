//! The batch evaluator: one program, many inputs.

use crate::cache::CodeCache;
use crate::error::JitError;
use crate::plan::{Source, plan};
use crate::shape::{Elem, padded};
use crate::stage::{Buffer, Stage};
use ceg4n_ir::kernel::argmax;
use ceg4n_ir::{Checked, Interval, Kernel, Program};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of activations that one chunk of samples may take; about half a first-level cache.
const CHUNK_BYTES: usize = 24 << 10;

/// Limits of a chunk in samples.
const CHUNK_SAMPLES: (usize, usize) = (8, 1024);

/// A checked fixed-point program as native code; bit-exact with `ceg4n_eval::kernel_outputs`.
///
/// `Send` and `Sync`: threads may evaluate at the same time, each call in buffers of its own.
pub struct Evaluator {
    kernel: Arc<Kernel>,
    stages: Vec<Stage>,
    input: Elem,
    range: Interval,
    /// Samples that the buffers hold.
    chunk: usize,
    /// Buffers of finished calls.
    spare: Mutex<Vec<Buffers>>,
}

/// Activations of one call.
struct Buffers {
    input: Buffer,
    stages: Vec<Buffer>,
}

impl Evaluator {
    /// Prepares a program. Code comes from the cache; only operator shapes that it has not seen
    /// are compiled.
    ///
    /// # Errors
    /// [`JitError::NotFixed`] for a real program, [`JitError::Host`] on a machine without a
    /// Cranelift back end, [`JitError::Compile`] for a defect.
    pub fn new(program: &Checked<Program>, cache: &CodeCache) -> Result<Self, JitError> {
        let kernel = program.kernel().ok_or(JitError::NotFixed)?.clone();
        let stages: Vec<Stage> = plan(&kernel)
            .into_iter()
            .map(|stage| Stage::new(stage, kernel.rounding, cache))
            .collect::<Result<_, _>>()?;
        let range = Interval::new(kernel.input_format.min(), kernel.input_format.max());
        let input = Elem::of(range);
        let bytes = padded(kernel.input_len()) * input.size()
            + stages.iter().map(Stage::output_bytes).sum::<usize>();
        let chunk = (CHUNK_BYTES / bytes.max(1)).clamp(CHUNK_SAMPLES.0, CHUNK_SAMPLES.1);
        Ok(Self {
            kernel,
            stages,
            input,
            range,
            chunk,
            spare: Mutex::default(),
        })
    }

    /// The program's integer form.
    pub fn kernel(&self) -> &Arc<Kernel> {
        &self.kernel
    }

    /// Mantissas of one input.
    pub fn input_len(&self) -> usize {
        self.kernel.input_len()
    }

    /// Mantissas of one output.
    pub fn output_len(&self) -> usize {
        self.kernel.output_len()
    }

    /// Samples that are computed at once; batches of a multiple of it waste nothing.
    pub fn chunk(&self) -> usize {
        self.chunk
    }

    /// The least and greatest input mantissa.
    pub(crate) fn input_range(&self) -> Interval {
        self.range
    }

    /// Evaluates `n` inputs: `inputs` has `n × input_len` mantissas of the input format, sample
    /// by sample; `outputs` is replaced by `n × output_len` mantissas at the scale of
    /// [`Kernel::output_frac`].
    ///
    /// # Errors
    /// [`JitError::InputLength`], and [`JitError::InputRange`] for the first mantissa outside the
    /// input format. `outputs` is empty then.
    pub fn eval_batch(
        &self,
        inputs: &[i64],
        n: usize,
        outputs: &mut Vec<i64>,
    ) -> Result<(), JitError> {
        outputs.clear();
        outputs.reserve(self.checked_outputs(inputs, n)?);
        let done = self.each_chunk(inputs, &mut |y, n| {
            y.append_to(outputs, self.output_len(), n);
        });
        if done.is_err() {
            outputs.clear();
        }
        done
    }

    /// Evaluates `n` inputs as [`Self::eval_batch`] does and replaces `classes` by each sample's
    /// class: the lowest index among its greatest outputs.
    ///
    /// # Errors
    /// As for [`Self::eval_batch`]; `classes` is empty then.
    pub fn argmax_batch(
        &self,
        inputs: &[i64],
        n: usize,
        classes: &mut Vec<usize>,
    ) -> Result<(), JitError> {
        classes.clear();
        self.checked_outputs(inputs, n)?;
        classes.reserve(n);
        let mut outputs = Vec::new();
        let done = self.each_chunk(inputs, &mut |y, n| {
            outputs.clear();
            y.append_to(&mut outputs, self.output_len(), n);
            let samples = outputs.chunks_exact(self.output_len());
            classes.extend(samples.map(|y| argmax(y).unwrap_or(0)));
        });
        if done.is_err() {
            classes.clear();
        }
        done
    }

    /// The number of outputs of a batch, whose length is checked.
    fn checked_outputs(&self, inputs: &[i64], n: usize) -> Result<usize, JitError> {
        let expected = n.checked_mul(self.input_len());
        let outputs = n.checked_mul(self.output_len());
        match (expected, outputs) {
            (Some(expected), Some(outputs)) if expected == inputs.len() => Ok(outputs),
            (expected, _) => Err(JitError::InputLength {
                expected: expected.unwrap_or(usize::MAX),
                found: inputs.len(),
            }),
        }
    }

    /// Evaluates whole samples chunk by chunk; `take` gets the output buffer and its samples.
    fn each_chunk(
        &self,
        inputs: &[i64],
        take: &mut dyn FnMut(&Buffer, usize),
    ) -> Result<(), JitError> {
        let len = self.input_len();
        let n = inputs.len() / len;
        if n == 0 {
            return Ok(());
        }
        let mut buffers = self.buffers(n.min(self.chunk));
        let capacity = buffers.input.len() / padded(len);
        let mut done = Ok(());
        for (c, chunk) in inputs.chunks(capacity * len).enumerate() {
            done = buffers
                .input
                .fill(chunk, len, self.range)
                .map_err(|(s, index)| JitError::InputRange {
                    sample: c * capacity + s,
                    index,
                    mantissa: chunk[s * len + index],
                });
            if done.is_err() {
                break;
            }
            let n = chunk.len() / len;
            self.run(&mut buffers, n);
            if let Some(last) = buffers.stages.last() {
                take(last, n);
            }
        }
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        spare.push(buffers);
        done
    }

    /// Buffers for at least `n` samples: spare ones, or new ones.
    fn buffers(&self, n: usize) -> Buffers {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = spare.pop()
            && found.input.len() >= n * found.input.row_len()
        {
            return found;
        }
        drop(spare);
        Buffers {
            input: Buffer::new(self.input, self.input_len(), n),
            stages: self.stages.iter().map(|s| s.output(n)).collect(),
        }
    }

    /// Runs every stage on the first `n` samples of the input buffer.
    fn run(&self, buffers: &mut Buffers, n: usize) {
        for (i, stage) in self.stages.iter().enumerate() {
            let (before, rest) = buffers.stages.split_at_mut(i);
            let x = match stage.source() {
                Source::Input => &buffers.input,
                Source::Stage(s) => &before[s],
            };
            stage.run(x, &mut rest[0], n);
        }
    }
}

impl std::fmt::Debug for Evaluator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Evaluator")
            .field("input_len", &self.input_len())
            .field("output_len", &self.output_len())
            .field("stages", &self.stages.len())
            .finish_non_exhaustive()
    }
}
