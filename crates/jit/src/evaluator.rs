//! The batch evaluator: one program, many inputs.

use crate::buffer::Buffer;
use crate::cache::CodeCache;
use crate::error::JitError;
use crate::plan::{Source, plan};
use crate::prefix::{BLOCK, Entry, PrefixCache};
use crate::samples::Samples;
use crate::shape::{Elem, padded};
use crate::stage::Stage;
use ceg4n_ir::kernel::argmax;
use ceg4n_ir::{Checked, Interval, Kernel, Program};
use std::ops::Range;
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
    stages: Vec<Arc<Stage>>,
    input: Elem,
    range: Interval,
    /// Samples that the buffers hold.
    chunk: usize,
    /// Buffers of finished calls.
    spare: Mutex<Vec<Buffers>>,
}

/// Activations of one call.
struct Buffers {
    /// Samples that each buffer holds.
    samples: usize,
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
        let stages: Vec<Arc<Stage>> = plan(&kernel)
            .into_iter()
            .map(|stage| Stage::new(stage, kernel.rounding, cache).map(Arc::new))
            .collect::<Result<_, _>>()?;
        let range = Interval::new(kernel.input_format.min(), kernel.input_format.max());
        let input = Elem::of(range);
        let bytes = padded(kernel.input_len()) * input.size()
            + stages.iter().map(|s| s.output_bytes()).sum::<usize>();
        // Even: vector code takes two samples at once.
        let chunk = (CHUNK_BYTES / bytes.max(1)).clamp(CHUNK_SAMPLES.0, CHUNK_SAMPLES.1) & !1;
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
        let prefix = self.stages.len().saturating_sub(1);
        let path = match cache {
            Some(cache) if self.is_chain() => cache.path(samples, &self.stages[..prefix]),
            Some(_) | None => vec![],
        };
        Ok(Job {
            evaluator: self,
            samples,
            cache: cache.filter(|_| !path.is_empty()),
            path,
        })
    }

    /// True if every stage reads the one before it.
    fn is_chain(&self) -> bool {
        let before = |i: usize| match i {
            0 => Source::Input,
            _ => Source::Stage(i - 1),
        };
        let mut stages = self.stages.iter().enumerate();
        stages.all(|(i, stage)| stage.source() == before(i))
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
    fn keep(&self, buffers: Buffers) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        spare.push(buffers);
    }

    /// Buffers for at least `n` samples: spare ones, or new ones.
    fn buffers(&self, n: usize) -> Buffers {
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
    fn run(&self, input: (&Buffer, usize), outputs: &mut [Buffer], n: usize) {
        for (i, stage) in self.stages.iter().enumerate() {
            let (before, rest) = outputs.split_at_mut(i);
            let x = match stage.source() {
                Source::Input => input,
                Source::Stage(s) => (&before[s], 0),
            };
            stage.run(x, (&mut rest[0], 0), n);
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

/// An evaluation of samples that are known to fit.
pub(crate) struct Job<'a> {
    evaluator: &'a Evaluator,
    samples: &'a Samples,
    cache: Option<&'a PrefixCache>,
    /// Where the activations of all stages but the last are kept; empty without a cache.
    path: Vec<Arc<Entry>>,
}

impl Job<'_> {
    /// Appends the outputs of a range of the samples.
    pub(crate) fn run(&self, range: Range<usize>, outputs: &mut Vec<i64>) {
        let e = self.evaluator;
        if range.is_empty() {
            return;
        }
        outputs.reserve(range.len() * e.output_len());
        // With a cache, whole blocks are computed for any part of them.
        let most = self.cache.map_or(range.len(), |_| BLOCK);
        let mut scratch = e.buffers(most.min(e.chunk));
        match self.cache {
            None => self.run_whole(range, &mut scratch, outputs),
            Some(cache) => {
                let mut start = range.start;
                while start < range.end {
                    let block = start / BLOCK;
                    let end = range.end.min((block + 1) * BLOCK);
                    self.run_block(cache, block, start..end, &mut scratch, outputs);
                    start = end;
                }
            }
        }
        e.keep(scratch);
    }

    /// Every stage, chunk by chunk.
    fn run_whole(&self, range: Range<usize>, scratch: &mut Buffers, outputs: &mut Vec<i64>) {
        let e = self.evaluator;
        for first in range.clone().step_by(scratch.samples) {
            let n = scratch.samples.min(range.end - first);
            e.run((self.samples.rows(), first), &mut scratch.stages, n);
            if let Some(last) = scratch.stages.last() {
                last.append_to(outputs, e.output_len(), n);
            }
        }
    }

    /// The outputs of a part of a block. Stages after the last one whose activations are held are
    /// computed for the whole block and kept, all but the last.
    fn run_block(
        &self,
        cache: &PrefixCache,
        block: usize,
        part: Range<usize>,
        scratch: &mut Buffers,
        outputs: &mut Vec<i64>,
    ) {
        let e = self.evaluator;
        let known = self.path.iter().rposition(|p| p.block(block).is_some());
        let begin = known.map_or(0, |k| k + 1);
        let first = block * BLOCK;
        let len = BLOCK.min(self.samples.len() - first);
        let held = known.and_then(|k| self.path[k].block(block));
        // What the first stage to run reads, and where the block begins in it.
        let (input, offset) = held.map_or((self.samples.rows(), first), |b| (b, 0));
        let prefix = &e.stages[begin..self.path.len()];
        let mut fresh: Vec<Buffer> = prefix.iter().map(|s| s.output(len)).collect();
        for at in (0..len).step_by(scratch.samples) {
            let n = scratch.samples.min(len - at);
            for (i, stage) in prefix.iter().enumerate() {
                let (before, rest) = fresh.split_at_mut(i);
                let x = before.last().map_or((input, offset + at), |b| (b, at));
                stage.run(x, (&mut rest[0], at), n);
            }
            let wanted = part.start.max(first + at)..part.end.min(first + at + n);
            if let (Some(stage), Some(y)) = (e.stages.last(), scratch.stages.last_mut())
                && !wanted.is_empty()
            {
                let at = wanted.start - first;
                let x = fresh.last().map_or((input, offset + at), |b| (b, at));
                stage.run(x, (y, 0), wanted.len());
                y.append_to(outputs, e.output_len(), wanted.len());
            }
        }
        cache.count(prefix.len() * len, begin * len);
        for (entry, outputs) in self.path[begin..].iter().zip(fresh) {
            entry.fill(block, outputs);
        }
    }
}
