//! The batch evaluator: one program, many inputs.

use crate::buffer::Buffer;
use crate::cache::CodeCache;
use crate::error::JitError;
use crate::job::Job;
use crate::plan::{Source, plan};
use crate::prefix::PrefixCache;
use crate::samples::Samples;
use crate::shape::{Elem, padded};
use crate::stage::Stage;
use ceg4n_ir::kernel::argmax;
use ceg4n_ir::{Checked, Interval, Kernel, Program};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of activations that one chunk of samples may take; about half a first-level cache.
const CHUNK_BYTES: usize = 24 << 10;

/// Samples that a chunk has at least if they stay within [`LARGE_BYTES`]: weights are read once
/// for all of them.
const LEAST_SAMPLES: usize = 8;

/// Bytes of activations that a chunk of the least size may take.
const LARGE_BYTES: usize = 16 << 20;

/// Samples that a chunk has at most.
const MOST_SAMPLES: usize = 1024;

/// A checked fixed-point program as native code; bit-exact with `ceg4n_eval::kernel_outputs`.
///
/// `Send` and `Sync`: threads may evaluate at the same time, each call in buffers of its own.
pub struct Evaluator {
    kernel: Arc<Kernel>,
    pub(crate) stages: Vec<Arc<Stage>>,
    input: Elem,
    range: Interval,
    /// Samples that the buffers hold.
    pub(crate) chunk: usize,
    /// Buffers of finished calls.
    spare: Mutex<Vec<Buffers>>,
}

/// Activations of one call.
pub(crate) struct Buffers {
    /// Samples that each buffer holds.
    pub(crate) samples: usize,
    input: Buffer,
    pub(crate) stages: Vec<Buffer>,
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
        let stages: Vec<Arc<Stage>> = plan(&kernel)
            .iter()
            .map(|stage| Stage::new(stage, kernel.rounding, cache).map(Arc::new))
            .collect::<Result<_, _>>()?;
        let range = Interval::new(kernel.input_format.min(), kernel.input_format.max());
        let input = Elem::of(range);
        let bytes = padded(kernel.input_len()) * input.size()
            + stages.iter().map(|s| s.output_bytes()).sum::<usize>();
        let bytes = bytes.max(1);
        let least = (LARGE_BYTES / bytes).clamp(1, LEAST_SAMPLES);
        let chunk = (CHUNK_BYTES / bytes).clamp(least, MOST_SAMPLES);
        // Even: vector code takes two samples at once.
        let chunk = if chunk > 1 { chunk & !1 } else { 1 };
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

    /// Evaluates the samples of a range and replaces `outputs` by their outputs. With a cache,
    /// stages whose activations it holds are not computed, and others' are kept in it.
    ///
    /// # Errors
    /// [`JitError::InputFormat`] and [`JitError::InputLength`] if the samples are not the
    /// program's, [`JitError::SampleRange`]. `outputs` is empty then.
    pub fn eval_samples(
        &self,
        samples: &Samples,
        range: Range<usize>,
        cache: Option<&PrefixCache>,
        outputs: &mut Vec<i64>,
    ) -> Result<(), JitError> {
        outputs.clear();
        if range.start > range.end || range.end > samples.len() {
            return Err(JitError::SampleRange {
                end: range.start.max(range.end),
                samples: samples.len(),
            });
        }
        self.job(samples, cache)?.run(range, outputs);
        Ok(())
    }

    /// Checks that the samples are the program's, and looks its stages up.
    pub(crate) fn job<'a>(
        &'a self,
        samples: &'a Samples,
        cache: Option<&'a PrefixCache>,
    ) -> Result<Job<'a>, JitError> {
        if samples.format() != self.kernel.input_format {
            return Err(JitError::InputFormat {
                expected: self.kernel.input_format,
                found: samples.format(),
            });
        }
        if samples.input_len() != self.input_len() {
            return Err(JitError::InputLength {
                expected: self.input_len(),
                found: samples.input_len(),
            });
        }
        Ok(Job::new(self, samples, cache))
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
        let capacity = buffers.samples;
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
            self.run((&buffers.input, 0), &mut buffers.stages, n);
            if let Some(last) = buffers.stages.last() {
                take(last, n);
            }
        }
        self.keep(buffers);
        done
    }

    /// Leaves buffers to the next call.
    pub(crate) fn keep(&self, buffers: Buffers) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        spare.push(buffers);
    }

    /// Buffers for at least `n` samples: spare ones, or new ones.
    pub(crate) fn buffers(&self, n: usize) -> Buffers {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = spare.pop()
            && found.samples >= n
        {
            return found;
        }
        drop(spare);
        Buffers {
            samples: n,
            input: Buffer::new(self.input, self.input_len(), n),
            stages: self.stages.iter().map(|s| s.output(n)).collect(),
        }
    }

    /// Runs every stage on `n` samples, those from `input.1` on.
    pub(crate) fn run(&self, input: (&Buffer, usize), outputs: &mut [Buffer], n: usize) {
        for (i, stage) in self.stages.iter().enumerate() {
            let (before, rest) = outputs.split_at_mut(i);
            let of = |source: &Source| match source {
                Source::Input => input,
                Source::Stage(s) => (&before[*s], 0),
            };
            let xs: Vec<(&Buffer, usize)> = stage.sources().iter().map(of).collect();
            stage.run(&xs, (&mut rest[0], 0), n);
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
